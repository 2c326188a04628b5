package oidcrptest

import (
	"net/http"
	"net/url"
	"time"
)

// ParseHTML lets the fuzz target see that any page can be read.
func ParseHTML(base *url.URL, body string) (forms []*Form, text string) {
	d := parseHTML(base, body, true)
	return d.forms, d.text
}

// KeepCookie says what becomes of a Set-Cookie line: the Cookie header that
// the same address gets next.
func KeepCookie(u *url.URL, line string) (header string, err error) {
	j := jar{now: time.Now}
	x := crossing{sameSite: true, topLevel: true, safe: true}
	if err := j.storeLine(u, line, x); err != nil {
		return "", err
	}
	return j.header(u, x), nil
}

// Site is what the jar takes for the site of a URL.
func Site(u *url.URL) string { return site(u) }

// AllowsForm asks form-action of a page's policy.
func AllowsForm(page *url.URL, policy string, target *url.URL, redirected bool) bool {
	return readPolicies(page, http.Header{"Content-Security-Policy": {policy}}).allowsForm(target, redirected)
}
