package oidcrptest

import (
	"net/netip"
	"net/url"
	"strings"
)

// origin serializes the origin of a URL (RFC 6454 6.2).
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host
}

// site is what SameSite compares: the scheme and the registrable name. Ports
// do not count. Without the public suffix list a registrable name is the last
// two labels; "localhost" is a suffix, so that a.localhost and b.localhost
// are two sites, as they are to Chromium.
func site(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if _, err := netip.ParseAddr(host); err == nil {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + registrable(host)
}

func registrable(host string) string {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	if len(labels) <= 2 {
		return host
	}
	return strings.Join(labels[len(labels)-2:], ".")
}

// publicSuffix reports whether no cookie may be for all of this domain.
func publicSuffix(domain string) bool { return !strings.Contains(domain, ".") }

// trustworthy reports whether Secure cookies and Sec-Fetch headers may go
// there (Secure Contexts 3.1): https, and loopback whatever the scheme.
func trustworthy(u *url.URL) bool {
	return u.Scheme == "https" || loopback(u.Hostname())
}

// relation is a value of Sec-Fetch-Site but "none".
func relation(from, to *url.URL) string {
	switch {
	case origin(from) == origin(to):
		return "same-origin"
	case site(from) == site(to):
		return "same-site"
	default:
		return "cross-site"
	}
}

// worse returns the more distant of two relations: a redirect through another
// site cannot be undone by coming back.
func worse(a, b string) string {
	order := map[string]int{"same-origin": 0, "same-site": 1, "cross-site": 2}
	if order[b] > order[a] {
		return b
	}
	return a
}
