package oidcrptest

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// policies are the Content-Security-Policies of a page; all must agree.
type policies struct {
	page *url.URL
	list []map[string][]string // sources by directive
}

func readPolicies(page *url.URL, h http.Header) policies {
	p := policies{page: page}
	for _, value := range h.Values("Content-Security-Policy") {
		for policy := range strings.SplitSeq(value, ",") {
			directives := map[string][]string{}
			for directive := range strings.SplitSeq(policy, ";") {
				words := strings.Fields(directive)
				if len(words) == 0 {
					continue
				}
				name := strings.ToLower(words[0])
				if _, ok := directives[name]; !ok {
					directives[name] = words[1:]
				}
			}
			p.list = append(p.list, directives)
		}
	}
	return p
}

// allowsScript reports whether an inline script runs (CSP 3, 6.7.3.3).
func (p policies) allowsScript(s script) bool {
	for _, directives := range p.list {
		names := []string{"script-src-elem", "script-src", "default-src"}
		if s.handler {
			names[0] = "script-src-attr"
		}
		for _, name := range names {
			sources, ok := directives[name]
			if !ok {
				continue
			}
			if !allowsInline(sources, s) {
				return false
			}
			break
		}
	}
	return true
}

func allowsInline(sources []string, s script) bool {
	sum256, sum384, sum512 := sha256.Sum256([]byte(s.content)), sha512.Sum384([]byte(s.content)), sha512.Sum512([]byte(s.content))
	encode := base64.StdEncoding.EncodeToString
	own := []string{"'sha256-" + encode(sum256[:]) + "'", "'sha384-" + encode(sum384[:]) + "'", "'sha512-" + encode(sum512[:]) + "'"}
	if s.nonce != "" {
		own = append(own, "'nonce-"+s.nonce+"'")
	}
	unsafe := false
	strict := false // a hash or nonce turns 'unsafe-inline' off
	for _, source := range sources {
		if !s.handler && slices.Contains(own, source) {
			return true
		}
		unsafe = unsafe || strings.EqualFold(source, "'unsafe-inline'")
		strict = strict || strings.HasPrefix(source, "'sha") || strings.HasPrefix(source, "'nonce-")
	}
	return unsafe && !strict
}

// allowsForm reports whether a form may go to u, directly or by redirect.
func (p policies) allowsForm(u *url.URL, redirected bool) bool {
	return p.allows("form-action", u, redirected)
}

// allowsFrame reports whether a frame of the page may show u, directly or by
// redirect (CSP 3, 6.1.6).
func (p policies) allowsFrame(u *url.URL, redirected bool) bool {
	for _, directives := range p.list {
		for _, name := range []string{"frame-src", "child-src", "default-src"} {
			sources, ok := directives[name]
			if !ok {
				continue
			}
			if !slices.ContainsFunc(sources, func(s string) bool { return p.matches(s, u, redirected) }) {
				return false
			}
			break
		}
	}
	return true
}

func (p policies) allows(directive string, u *url.URL, redirected bool) bool {
	for _, directives := range p.list {
		sources, ok := directives[directive]
		if ok && !slices.ContainsFunc(sources, func(s string) bool { return p.matches(s, u, redirected) }) {
			return false
		}
	}
	return true
}

// matches compares a URL with a source expression (CSP 3, 6.7.2.8).
func (p policies) matches(source string, u *url.URL, redirected bool) bool {
	switch {
	case strings.EqualFold(source, "'self'"):
		return origin(u) == origin(p.page)
	case source == "*":
		return u.Scheme == "http" || u.Scheme == "https"
	case strings.HasPrefix(source, "'"):
		return false
	case strings.HasSuffix(source, ":"):
		return strings.EqualFold(source, u.Scheme+":")
	}
	scheme, rest, ok := strings.Cut(source, "://")
	if !ok {
		scheme, rest = p.page.Scheme, source
	}
	hostport, path, hasPath := strings.Cut(rest, "/")
	host, port, hasPort := strings.Cut(hostport, ":")
	if strings.HasPrefix(hostport, "[") {
		i := strings.IndexByte(hostport, ']')
		host, port, hasPort = hostport[1:max(i, 1)], strings.TrimPrefix(hostport[i+1:], ":"), strings.HasPrefix(hostport[i+1:], ":")
	}
	if u.Scheme != scheme && !(scheme == "http" && u.Scheme == "https") {
		return false
	}
	if suffix, wild := strings.CutPrefix(host, "*."); wild {
		if !strings.HasSuffix(strings.ToLower(u.Hostname()), "."+strings.ToLower(suffix)) {
			return false
		}
	} else if !strings.EqualFold(host, u.Hostname()) {
		return false
	}
	if !hasPort {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	actual := u.Port()
	if actual == "" {
		actual = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port != "*" && port != actual {
		return false
	}
	if !hasPath || path == "" || redirected { // a redirect must not reveal paths
		return true
	}
	path = "/" + path
	if strings.HasSuffix(path, "/") {
		return strings.HasPrefix(u.EscapedPath(), path)
	}
	return u.EscapedPath() == path
}
