package oidcrp

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// site is the application's base URL, the only truth about where we live.
type site struct {
	origin string // "https://app.example.com"
	path   string // "/app", "" at the root; never with a trailing slash
}

func newSite(base *url.URL) site {
	return site{
		origin: base.Scheme + "://" + base.Host,
		path:   strings.TrimRight(base.EscapedPath(), "/"),
	}
}

// home is where visitors go when nothing better is known.
func (s site) home() string { return s.path + "/" }

// url makes a path of this site absolute. Whatever follows the slash, the
// origin stays ours: a browser ends the host there.
func (s site) url(path string) string { return s.origin + path }

// returnTo judges where a visitor wants to go after signing in or out: only a
// page of this site, and what comes back is a path to be put behind our own
// origin. It accepts a path or an address of ours; everything that browsers
// and net/url might read differently is refused, not repaired.
func (s site) returnTo(raw string) (path string, ok bool) {
	if len(raw) > transaction.MaxReturnTo || !utf8.ValidString(raw) {
		return "", false
	}
	raw = strings.TrimPrefix(raw, s.origin)
	if raw == "" || raw[0] != '/' || strings.HasPrefix(raw, "//") || strings.ContainsFunc(raw, unsafeInURL) {
		return "", false
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	path = u.EscapedPath()
	if hasDotSegment(path) || strings.HasPrefix(path, "//") || !s.contains(path) {
		return "", false
	}
	if u.RawQuery != "" || u.ForceQuery {
		path += "?" + escapeQuery(u.RawQuery)
	}
	return path, len(path) <= transaction.MaxReturnTo
}

// contains reports whether an escaped path is at or below the base URL's.
func (s site) contains(path string) bool {
	rest, ok := strings.CutPrefix(path, s.path)
	return ok && (rest == "" || rest[0] == '/')
}

// unsafeInURL are the bytes browsers strip from an address (tab, newline),
// take for a slash (backslash), or that no address has raw.
func unsafeInURL(c rune) bool {
	return c <= ' ' || c == 0x7f || c == '\\' || (c >= 0x80 && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff
}

// hasDotSegment finds "." and ".." however they are escaped: browsers resolve
// them, so that "/.//host" would become "//host".
func hasDotSegment(escaped string) bool {
	for seg := range strings.SplitSeq(escaped, "/") {
		seg = strings.ReplaceAll(strings.ToLower(seg), "%2e", ".")
		if seg == "." || seg == ".." {
			return true
		}
	}
	return false
}

// escapeQuery escapes what may not stand in a header; net/url leaves a raw
// query as it found it.
func escapeQuery(q string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(q) {
		if c := q[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>`", c) >= 0 {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
			continue
		}
		b.WriteByte(q[i])
	}
	return b.String()
}

// here is the address of a request as its browser sees it, for coming back. A
// proxy may have cut off the base URL's path. Only a safe method can be
// repeated: others come back to the page that sent them, if it is ours.
func (rp *RelyingParty) here(r *http.Request) string {
	raw := r.RequestURI
	path, _, _ := strings.Cut(raw, "?")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		raw = r.Referer()
	} else if strings.HasPrefix(raw, "/") && !rp.site.contains(path) {
		raw = rp.site.path + raw
	}
	return rp.target(raw)
}

// chosen is target for what the application itself chose: where it is replaced
// by home, somebody should know. "" is home.
func (rp *RelyingParty) chosen(ctx context.Context, raw string) string {
	path, ok := rp.site.returnTo(raw)
	if ok && !rp.owns(path) {
		return path
	}
	if raw == "" {
		return rp.site.home()
	}
	rp.log.WarnContext(ctx, "return URL replaced by the home page", "return_to", logged(raw), "want", "a page of the application below "+rp.site.url(rp.site.home()))
	return rp.site.home()
}

// logged is a return URL as a line of a log can have it: the start of it, without
// its query, and with marks for what no address has and no reader sees.
func logged(raw string) string {
	shown, _, _ := strings.Cut(raw, "?")
	shown = strings.ToValidUTF8(shown[:min(len(shown), 200)], "\uFFFD")
	return strings.Map(func(c rune) rune {
		if unsafeInURL(c) || !unicode.IsPrint(c) {
			return utf8.RuneError
		}
		return c
	}, shown)
}

// target is where raw leads, or home if that is not a page of this site that
// can be returned to.
func (rp *RelyingParty) target(raw string) string {
	path, ok := rp.site.returnTo(raw)
	if !ok || rp.owns(path) {
		return rp.site.home()
	}
	return path
}
