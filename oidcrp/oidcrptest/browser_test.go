package oidcrptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// site answers by what its query says: set (Set-Cookie lines), to and status
// (a redirect), header ("Name: value"), html; otherwise it shows the request.
type site struct {
	*httptest.Server
	hits atomic.Int64
}

func newSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func newTLSSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.hits.Add(1)
	q := r.URL.Query()
	for _, line := range q["set"] {
		w.Header().Add("Set-Cookie", line)
	}
	for _, h := range q["header"] {
		name, value, _ := strings.Cut(h, ": ")
		w.Header().Add(name, value)
	}
	if to := q.Get("to"); to != "" {
		status := http.StatusFound
		fmt.Sscan(q.Get("status"), &status)
		w.Header().Set("Location", to)
		w.WriteHeader(status)
		return
	}
	if html := q.Get("html"); html != "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(html))
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	r.ParseForm()
	fmt.Fprintf(w, "%s %s [%s]", r.Method, r.PostForm.Encode(), r.Header.Get("Cookie"))
}

// at is an address of the site under a host name, with a query of pairs.
func (s *site) at(host, path string, query ...string) string {
	u, _ := url.Parse(s.URL)
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Add(query[i], query[i+1])
	}
	return u.Scheme + "://" + host + ":" + u.Port() + path + "?" + v.Encode()
}

// seen returns the names of the cookies that reached a site.
func seen(page *oidcrptest.Page) string {
	_, cookies, _ := strings.Cut(page.Body, "[")
	var names []string
	for c := range strings.SplitSeq(strings.TrimSuffix(cookies, "]"), "; ") {
		name, _, _ := strings.Cut(c, "=")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// Glewlwyd's form_post is a page without Content-Type.
func TestPageThatDoesNotSayWhatItIs(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		name string
		set  func(http.Header)
		want string
	}{
		{"it looks like HTML", func(h http.Header) { h["Content-Type"] = nil }, "/there"},
		{"nobody may look", func(h http.Header) { h["Content-Type"] = nil; h.Set("X-Content-Type-Options", "nosniff") }, "/"},
		{"it is said to be text", func(h http.Header) { h.Set("Content-Type", "text/plain") }, "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.set(w.Header())
				fmt.Fprintf(w, `<html><body onload="document.forms[0].submit()"><form method="post" action="%s"></form></body></html>`, s.at("localhost", "/there"))
			}))
			defer op.Close()
			if page := oidcrptest.NewBrowser(t).Get(op.URL + "/"); page.URL.Path != test.want {
				t.Errorf("at %v, want %s", page, test.want)
			}
		})
	}
}

// What Chromium was seen to store from each origin.
func TestWhichCookiesAreKept(t *testing.T) {
	plain, secure := newSite(t), newTLSSite(t)
	for _, test := range []struct {
		name, line string
		loopback   bool // http://localhost, 127.0.0.1, rp.localhost
		other      bool // http://rp.test
		https      bool // https://rp.test
	}{
		{"plain", "c=1", true, true, true},
		{"Secure", "c=1; Secure", true, false, true},
		{"__Host-", "__Host-c=1; Secure; Path=/", true, false, true},
		{"__Host- in small letters", "__host-c=1; Path=/", false, false, false},
		{"__Host- without Secure", "__Host-c=1; Path=/", false, false, false},
		{"__Host- without Path", "__Host-c=1; Secure; Path=/dir", false, false, false},
		{"__Secure-", "__Secure-c=1; Secure; Path=/dir", true, false, true},
		{"__Secure- without Secure", "__Secure-c=1", false, false, false},
		{"__Http-", "__Http-c=1; Secure; HttpOnly", true, false, true},
		{"__Http- without HttpOnly", "__Http-c=1; Secure", false, false, false},
		{"__Host-Http-", "__Host-Http-c=1; Secure; HttpOnly; Path=/", true, false, true},
		{"__Host-Http- without HttpOnly", "__Host-Http-c=1; Secure; Path=/", false, false, false},
		{"prefix without a name", "=__Host-c; Secure; Path=/", false, false, false},
		{"SameSite=None with Secure", "c=1; SameSite=None; Secure", true, false, true},
		{"SameSite=None without Secure", "c=1; SameSite=None", false, false, false},
		{"SameSite of no meaning", "c=1; SameSite=Loose", true, true, true},
		{"expired", "c=1; Max-Age=0", false, false, false},
		{"expired by date", "c=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", false, false, false},
		{"Max-Age before Expires", "c=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", true, true, true},
		{"4096 bytes", "c=" + strings.Repeat("x", 4095), true, true, true},
		{"4097 bytes", "c=" + strings.Repeat("x", 4096), false, false, false},
		{"empty", "=", false, false, false},
		{"Domain of another", "c=1; Domain=other.test", false, false, false},
		{"Domain that is a public suffix", "c=1; Domain=test", false, false, false},
		{"Domain without value", "c=1; Domain=", true, true, true},
		{"other Path", "c=1; Path=/elsewhere", false, false, false},
		{"Path that is no path", "c=1; Path=x", true, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			for origin, want := range map[string]bool{
				plain.at("localhost", "/dir/page", "set", test.line):    test.loopback,
				plain.at("127.0.0.1", "/dir/page", "set", test.line):    test.loopback,
				plain.at("rp.localhost", "/dir/page", "set", test.line): test.loopback,
				plain.at("rp.test", "/dir/page", "set", test.line):      test.other,
				secure.at("rp.test", "/dir/page", "set", test.line):     test.https,
			} {
				b := oidcrptest.NewBrowser(t)
				s := plain
				if strings.HasPrefix(origin, "https") {
					s = secure
				}
				b.Resolve("rp.test", s.Listener.Addr().String())
				b.Get(origin)
				u, _ := url.Parse(origin)
				u.RawQuery = ""
				if got := len(b.Cookies(u.String())) == 1; got != want {
					t.Errorf("%s keeps it: %v, want %v; refused: %v", origin[:20], got, want, b.RefusedCookies())
				}
				if page := b.Get(u.String()); (seen(page) != "") != want {
					t.Errorf("%s gets %q", origin[:20], seen(page))
				}
			}
		})
	}
}

const fourCookies = "none lax strict unsaid"

// withCookies has one cookie of each kind on a host.
func withCookies(t *testing.T, s *site, host string) *oidcrptest.Browser {
	t.Helper()
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at(host, "/", "set", "none=1; SameSite=None; Secure; Path=/", "set", "lax=1; SameSite=Lax; Path=/",
		"set", "strict=1; SameSite=Strict; Path=/", "set", "unsaid=1; Path=/"))
	if got := len(b.Cookies(s.at(host, "/"))); got != 4 {
		t.Fatalf("%d cookies kept: %v", got, b.RefusedCookies())
	}
	return b
}

func form(method, action string) string {
	return `<form method="` + method + `" action="` + strings.ReplaceAll(action, "&", "&amp;") + `"><button>Go</button></form>`
}

// What Chromium was seen to send to http://localhost, caused by a page of
// http://127.0.0.1 (another site), http://localhost on another port (the same
// site), or nobody.
func TestWhichCookiesAreSent(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	target := rp.at("localhost", "/callback")
	for _, test := range []struct {
		name                string
		cross, same         string
		crossFetch, sameReq string // Sec-Fetch-Site
		do                  func(b *oidcrptest.Browser, op func(path string, query ...string) string) *oidcrptest.Page
	}{
		{"typed", fourCookies, fourCookies, "none", "none", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			return b.Get(target)
		}},
		{"typed, and redirected", fourCookies, fourCookies, "none", "none", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			return b.Get(op("/", "to", target))
		}},
		{"link", "none lax unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/", "html", `<a href="`+target+`">Go</a>`))
			return b.Follow("Go")
		}},
		{"form by POST", "none unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/", "html", form("post", target)))
			return b.SubmitForm("Go", nil)
		}},
		{"form that submits itself", "none unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			return b.Get(op("/", "html", form("post", target)+`<script>document.forms[0].submit()</script>`))
		}},
		{"form by GET", "none lax unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/", "html", form("get", target)))
			return b.SubmitForm("Go", nil)
		}},
		{"sign-in form answered by 303", "none lax unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/", "html", form("post", op("/signin", "to", target, "status", "303"))))
			return b.SubmitForm("Go", nil)
		}},
		{"form answered by 307, which posts again", "none unsaid", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/", "html", form("post", op("/signin", "to", target, "status", "307"))))
			return b.SubmitForm("Go", nil)
		}},
		{"link of our own through the other site", fourCookies, fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(rp.at("localhost", "/", "html", `<a href="`+strings.ReplaceAll(op("/", "to", target), "&", "&amp;")+`">Go</a>`))
			return b.Follow("Go")
		}},
		{"refreshed by our own page after a cross-site form", fourCookies, fourCookies, "same-origin", "same-origin", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			back := rp.at("localhost", "/back", "html", `<meta http-equiv="refresh" content="0; url=`+target+`">`)
			b.Get(op("/", "html", form("post", back)))
			return b.SubmitForm("Go", nil)
		}},
		{"frame", "", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/"))
			return b.Frame(target)
		}},
		{"script with credentials", "", fourCookies, "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/"))
			return b.Fetch("GET", target, &oidcrptest.FetchOptions{Credentials: "include"})
		}},
		{"script without", "", "", "cross-site", "same-site", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(op("/"))
			return b.Fetch("GET", target, nil)
		}},
		{"script of our own", fourCookies, fourCookies, "same-origin", "same-origin", func(b *oidcrptest.Browser, op func(string, ...string) string) *oidcrptest.Page {
			b.Get(rp.at("localhost", "/"))
			return b.Fetch("POST", "/callback", &oidcrptest.FetchOptions{Body: "{}"})
		}},
	} {
		for _, from := range []struct{ host, want, site string }{{"127.0.0.1", test.cross, test.crossFetch}, {"localhost", test.same, test.sameReq}} {
			t.Run(test.name+" from "+from.host, func(t *testing.T) {
				b := withCookies(t, rp, "localhost")
				page := test.do(b, func(path string, query ...string) string { return op.at(from.host, path, query...) })
				if got := seen(page); got != from.want {
					t.Errorf("got %q, want %q: %v", got, from.want, page)
				}
				if got := page.Trail[len(page.Trail)-1].Request.Get("Sec-Fetch-Site"); got != from.site {
					t.Errorf("Sec-Fetch-Site %q, want %q", got, from.site)
				}
			})
		}
	}
}

func TestSchemeIsPartOfTheSite(t *testing.T) {
	rp, op := newTLSSite(t), newSite(t)
	b := withCookies(t, rp, "localhost")
	b.Get(op.at("localhost", "/", "html", form("post", rp.at("localhost", "/callback"))))
	if got := seen(b.SubmitForm("Go", nil)); got != "none unsaid" {
		t.Errorf("https got %q from http", got)
	}
}

func TestCookieWithoutSameSiteIsPostedForTwoMinutes(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	now := time.Now()
	b := withCookies(t, rp, "localhost")
	b.SetNow(func() time.Time { return now })
	for age, want := range map[time.Duration]string{100 * time.Second: "none unsaid", 125 * time.Second: "none"} {
		tab := b.Tab()
		b.SetNow(func() time.Time { return now.Add(age) })
		tab.Get(op.at("127.0.0.1", "/", "html", form("post", rp.at("localhost", "/"))))
		if got := seen(tab.SubmitForm("Go", nil)); got != want {
			t.Errorf("after %v: %q", age, got)
		}
	}
}

func TestCookiesSetByCrossSitePost(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	b := oidcrptest.NewBrowser(t)
	app := rp.at("localhost", "/app")
	b.Get(op.at("127.0.0.1", "/", "html", form("post", rp.at("localhost", "/", "set", "session=1; SameSite=Lax; Path=/", "set", "strict=1; SameSite=Strict; Path=/", "to", app, "status", "303"))))
	if got := seen(b.SubmitForm("Go", nil)); got != "session" {
		t.Errorf("after the redirect: %q, want the Lax cookie just set and not the Strict one", got)
	}
	if got := seen(b.Reload()); got != "session" {
		t.Errorf("after reloading: %q", got)
	}
	if got := seen(b.Get(app)); got != "session strict" {
		t.Errorf("typed: %q", got)
	}
}

func TestThirdPartyCookiesAreNotKept(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(op.at("127.0.0.1", "/"))
	b.Frame(rp.at("localhost", "/", "set", "none=1; SameSite=None; Secure"))
	b.Fetch("GET", rp.at("localhost", "/", "set", "none=1; SameSite=None; Secure"), &oidcrptest.FetchOptions{Credentials: "include", Mode: "no-cors"})
	if got := b.Cookies(rp.at("localhost", "/")); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
	if refused := b.RefusedCookies(); len(refused) != 2 || !strings.Contains(refused[0], "third-party") {
		t.Errorf("refused %q", refused)
	}
}

func TestHostsAndPortsAndDomains(t *testing.T) {
	s, other := newSite(t), newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Resolve("app.example.com", s.Listener.Addr().String())
	b.Resolve("api.example.com", s.Listener.Addr().String())
	b.Resolve("example.com", s.Listener.Addr().String())
	b.Get(s.at("localhost", "/", "set", "__Host-a=1; Secure; Path=/"))
	if got := seen(b.Get(other.at("localhost", "/"))); got != "__Host-a" {
		t.Errorf("another port of the host gets %q", got)
	}
	if got := seen(b.Get(s.at("127.0.0.1", "/"))); got != "" {
		t.Errorf("127.0.0.1 gets %q", got)
	}
	if got := seen(b.Get(s.at("a.localhost", "/"))); got != "" {
		t.Errorf("a.localhost gets %q", got)
	}
	b.Get(s.at("app.example.com", "/", "set", "own=1", "set", "shared=1; Domain=.example.com"))
	if got := seen(b.Get(s.at("api.example.com", "/"))); got != "shared" {
		t.Errorf("a sister host gets %q", got)
	}
	if c := b.Cookies(s.at("example.com", "/")); len(c) != 1 || c[0].Domain != "example.com" {
		t.Errorf("the parent keeps %v", c)
	}
}

func TestSites(t *testing.T) {
	for _, test := range []struct {
		a, b string
		same bool
	}{
		{"http://localhost:1", "http://localhost:2", true},
		{"http://localhost", "http://127.0.0.1", false},
		{"http://localhost", "https://localhost", false},
		{"http://a.localhost", "http://b.localhost", false},
		{"http://a.localhost", "http://x.a.localhost", true},
		{"https://a.example.com", "https://b.example.com", true},
		{"https://a.example.com", "https://EXAMPLE.com", true},
		{"https://example.com", "https://example.org", false},
		{"http://127.0.0.1", "http://127.0.0.2", false},
		{"http://[::1]:1", "http://[::1]:2", true},
	} {
		a, _ := url.Parse(test.a)
		b, _ := url.Parse(test.b)
		if got := oidcrptest.Site(a) == oidcrptest.Site(b); got != test.same {
			t.Errorf("%s and %s are of one site: %v", test.a, test.b, got)
		}
	}
}

func TestCookieHeaderOrder(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/a/b/", "set", "old=1; Path=/", "set", "new=1; Path=/", "set", "deep=1; Path=/a/b", "set", "mid=1; Path=/a"))
	b.Get(s.at("localhost", "/a/b/", "set", "old=2; Path=/"))
	if got := seen(b.Get(s.at("localhost", "/a/b/c"))); got != "deep mid old new" {
		t.Errorf("order %q", got)
	}
	if got := seen(b.Get(s.at("localhost", "/a/bc"))); got != "mid old new" {
		t.Errorf("/a/bc gets %q", got)
	}
}

func TestExpiry(t *testing.T) {
	s := newSite(t)
	now := time.Unix(2_000_000_000, 0)
	b := oidcrptest.NewBrowser(t)
	b.SetNow(func() time.Time { return now })
	b.Get(s.at("localhost", "/", "set", "minute=1; Max-Age=60", "set", "date=1; Expires="+now.Add(2*time.Minute).UTC().Format(http.TimeFormat), "set", "session=1", "set", "years=1; Max-Age=99999999999999"))
	for _, test := range []struct {
		after time.Duration
		want  string
	}{{59 * time.Second, "minute date session years"}, {time.Minute, "date session years"}, {2 * time.Minute, "session years"}, {400 * 24 * time.Hour, "session"}} {
		now = time.Unix(2_000_000_000, 0).Add(test.after)
		if got := seen(b.Get(s.at("localhost", "/"))); got != test.want {
			t.Errorf("after %v: %q, want %q", test.after, got, test.want)
		}
	}
	b.Restart()
	if got := seen(b.Get(s.at("localhost", "/"))); got != "" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestDeletion(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/", "set", "a=1; Path=/", "set", "b=1; Path=/x", "set", "c=1; Path=/"))
	b.Get(s.at("localhost", "/", "set", "a=; Path=/; Max-Age=0", "set", "b=; Path=/; Max-Age=0"))
	if got := seen(b.Get(s.at("localhost", "/x"))); got != "b c" {
		t.Errorf("left %q: deletion goes by name and path", got)
	}
	if n := b.DropCookie("b"); n != 1 || seen(b.Get(s.at("localhost", "/x"))) != "c" {
		t.Errorf("dropped %d", n)
	}
	b.SetCookie(s.at("localhost", "/"), "planted=1; Path=/")
	if got := seen(b.Get(s.at("localhost", "/x"))); got != "c planted" {
		t.Errorf("planted %q", got)
	}
	b.Get(s.at("localhost", "/", "header", `Clear-Site-Data: "cookies"`))
	if got := seen(b.Get(s.at("localhost", "/x"))); got != "" {
		t.Errorf("after Clear-Site-Data: %q", got)
	}
	b.SetCookie(s.at("localhost", "/"), "planted=1; Path=/")
	b.DropCookies()
	if got := seen(b.Get(s.at("localhost", "/x"))); got != "" {
		t.Errorf("after DropCookies: %q", got)
	}
}

func TestTooManyCookiesEvictTheOldest(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.SetCookie(s.at("localhost", "/"), "session=1; Path=/app")
	for i := range 180 {
		b.SetCookie(s.at("localhost", "/"), fmt.Sprintf("c%d=1; Path=/", i))
	}
	kept := b.Cookies(s.at("localhost", "/app"))
	if len(kept) != 150 || slices.ContainsFunc(kept, func(c *http.Cookie) bool { return c.Name == "session" }) {
		t.Errorf("%d kept", len(kept))
	}
}

func TestInsecurePagesDoNotReplaceSecureCookies(t *testing.T) {
	plain, secure := newSite(t), newTLSSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Resolve("rp.test", secure.Listener.Addr().String())
	b.Get(secure.at("rp.test", "/", "set", "id=right; Secure; Path=/"))
	b.Resolve("rp.test", plain.Listener.Addr().String())
	b.Get(plain.at("rp.test", "/", "set", "id=planted; Path=/"))
	if page := b.Get(plain.at("rp.test", "/")); seen(page) != "" {
		t.Errorf("http got %v", page)
	}
	if c := b.Cookies("https://rp.test/"); len(c) != 1 || c[0].Value != "right" {
		t.Errorf("kept %v", c)
	}
}

func TestNavigationHeaders(t *testing.T) {
	s, other := newSite(t), newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Resolve("rp.test", s.Listener.Addr().String())
	h := b.Get(s.at("localhost", "/")).Trail[0].Request
	if !strings.HasPrefix(h.Get("Accept"), "text/html,") || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document" ||
		h.Get("Sec-Fetch-Site") != "none" || h.Get("Sec-Fetch-User") != "?1" || h.Get("Origin") != "" || h.Get("Referer") != "" || h.Get("Accept-Language") != "en" {
		t.Errorf("headers of a typed address %v", h)
	}
	if h := b.Get(s.at("rp.test", "/")).Trail[0].Request; h.Get("Sec-Fetch-Site") != "" {
		t.Errorf("Sec-Fetch headers to http://rp.test: %v", h)
	}
	b.Get(s.at("localhost", "/page"))
	h = b.PostForm(s.at("localhost", "/"), url.Values{"a": {"1"}}).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "same-origin" || h.Get("Origin")+"/" != s.at("localhost", "/")[:len(h.Get("Origin"))+1] || !strings.HasSuffix(h.Get("Referer"), "/page?") {
		t.Errorf("headers of a form %v", h)
	}
	h = b.PostForm(other.at("127.0.0.1", "/"), nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "cross-site" || !strings.HasPrefix(h.Get("Origin"), "http://localhost:") || h.Get("Referer") != h.Get("Origin")+"/" {
		t.Errorf("headers of a cross-site form %v", h)
	}
	h = b.Tab().PostForm(s.at("localhost", "/"), nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "cross-site" || h.Get("Origin") != "null" {
		t.Errorf("headers of a form from nowhere %v", h)
	}
	b.Get(s.at("localhost", "/", "html", form("post", s.at("localhost", "/x")), "header", "Referrer-Policy: no-referrer"))
	h = b.SubmitForm("Go", nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "same-origin" || h.Get("Origin") != "null" || h.Get("Referer") != "" {
		t.Errorf("headers of a form of a page without referrer %v", h)
	}
	b.Get(s.at("localhost", "/", "html", form("post", other.at("127.0.0.1", "/", "to", s.at("localhost", "/x"), "status", "307"))))
	page := b.SubmitForm("Go", nil)
	if h := page.Trail[1].Request; page.Trail[1].Method != "POST" || h.Get("Origin") != "null" || h.Get("Sec-Fetch-Site") != "cross-site" {
		t.Errorf("headers of a form that came back through another origin %v", h)
	}
	frame := b.Frame(s.at("localhost", "/"))
	if h := frame.Trail[0].Request; h.Get("Sec-Fetch-Dest") != "iframe" || h.Get("Sec-Fetch-User") != "" {
		t.Errorf("headers of a frame %v", h)
	}
}

func TestRedirectsChangeTheMethod(t *testing.T) {
	s := newSite(t)
	for status, want := range map[string]string{"301": "GET ", "302": "GET ", "303": "GET ", "307": "POST a=1", "308": "POST a=1"} {
		b := oidcrptest.NewBrowser(t)
		page := b.PostForm(s.at("localhost", "/", "to", "/next#part", "status", status), url.Values{"a": {"1"}})
		if !strings.HasPrefix(page.Body, want+" ") || page.URL.Path != "/next" || page.URL.Fragment != "part" || len(page.Trail) != 2 {
			t.Errorf("%s: %v", status, page)
		}
	}
}

// failing records the failure that a test is meant to have.
type failing struct {
	testing.TB
	failed string
}

func (f *failing) Helper()                   {}
func (f *failing) Cleanup(func())            {}
func (f *failing) Fatal(args ...any)         { f.failed = fmt.Sprint(args...); runtime.Goexit() }
func (f *failing) Fatalf(s string, a ...any) { f.failed = fmt.Sprintf(s, a...); runtime.Goexit() }

// failure runs f against a browser of its own and returns how that failed.
func failure(f func(b *oidcrptest.Browser)) string {
	t := &failing{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(oidcrptest.NewBrowser(t))
	}()
	<-done
	return t.failed
}

func TestMistakesFailTheTest(t *testing.T) {
	s := newSite(t)
	page := s.at("localhost", "/", "html", `<form action="/x"><input name=a><button>Go</button></form>`)
	for name, test := range map[string]struct {
		do   func(b *oidcrptest.Browser)
		want string
	}{
		"redirect to itself":    {func(b *oidcrptest.Browser) { loop(b) }, "more than 20 requests"},
		"form not there":        {func(b *oidcrptest.Browser) { b.Get(page); b.SubmitForm("Other", nil) }, `no form "Other"`},
		"field not there":       {func(b *oidcrptest.Browser) { b.Get(page); b.SubmitForm("Go", url.Values{"b": {"1"}}) }, `no field "b"`},
		"link not there":        {func(b *oidcrptest.Browser) { b.Get(page); b.Follow("Other") }, `no link "Other"`},
		"link in plain text":    {func(b *oidcrptest.Browser) { b.Get(s.at("localhost", "/", "plain", "")); b.Follow("Other") }, "text/plain: only HTML"},
		"form in plain text":    {func(b *oidcrptest.Browser) { b.Get(s.at("localhost", "/", "plain", "")); b.SubmitForm("Other", nil) }, "text/plain: only HTML"},
		"form before any page":  {func(b *oidcrptest.Browser) { b.SubmitForm("", nil) }, "no page yet"},
		"back from the first":   {func(b *oidcrptest.Browser) { b.Get(page); b.Back() }, "no page to go back to"},
		"no URL":                {func(b *oidcrptest.Browser) { b.Get("/relative") }, "not an http or https URL"},
		"cookie nobody keeps":   {func(b *oidcrptest.Browser) { b.SetCookie("http://rp.test/", "a=1; Secure") }, "insecure page"},
		"name off this machine": {func(b *oidcrptest.Browser) { b.Resolve("rp.test", "192.0.2.1:80") }, "not a loopback address"},
	} {
		t.Run(name, func(t *testing.T) {
			got := failure(test.do)
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("failed with %q, want %q", got, test.want)
			}
		})
	}
}

func loop(b *oidcrptest.Browser) {
	server := httptest.NewServer(http.RedirectHandler("/", http.StatusFound))
	defer server.Close()
	b.Get(server.URL)
}

func TestBrowserStaysOnThisMachine(t *testing.T) {
	page := oidcrptest.NewBrowser(t).Get("http://example.com/")
	if page.Err == nil || page.Status != 0 || !strings.Contains(page.Err.Error(), "does not leave this machine") {
		t.Errorf("reached %v", page)
	}
}

func TestRefusedConnectionIsAPage(t *testing.T) {
	s := newSite(t)
	address := s.at("localhost", "/")
	s.Close()
	if page := oidcrptest.NewBrowser(t).Get(address); page.Err == nil || page.Status != 0 {
		t.Errorf("reached %v", page)
	}
}

func TestBackAndReload(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/kept"))
	b.Get(s.at("localhost", "/fresh", "header", "Cache-Control: no-store"))
	b.Get(s.at("localhost", "/last"))
	before := s.hits.Load()
	if page := b.Back(); page.Restored || page.URL.Path != "/fresh" || s.hits.Load() != before+1 {
		t.Errorf("a page with no-store was not asked for again: %v", page)
	}
	if page := b.Back(); !page.Restored || page.URL.Path != "/kept" || s.hits.Load() != before+1 {
		t.Errorf("a page without no-store was asked for again: %v", page)
	}
	if page := b.Reload(); page.URL.Path != "/kept" || s.hits.Load() != before+2 || b.Page() != page {
		t.Errorf("not reloaded: %v", page)
	}
	b.PostForm(s.at("localhost", "/form"), url.Values{"a": {"1"}})
	if page := b.Reload(); !strings.HasPrefix(page.Body, "POST a=1") {
		t.Errorf("form not sent again: %v", page)
	}
}

// Chromium remembers who led to a page.
func TestReloadAndBackAreCausedAsTheFirstTime(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	b := withCookies(t, rp, "localhost")
	b.Get(op.at("127.0.0.1", "/", "html", `<a href="`+rp.at("localhost", "/?header=Cache-Control:+no-store#")+`">Go</a>`))
	b.Follow("Go")
	for name, again := range map[string]func() *oidcrptest.Page{
		"reload": b.Reload,
		"back":   func() *oidcrptest.Page { b.Get(rp.at("localhost", "/other")); return b.Back() },
	} {
		page := again()
		h := page.Trail[0].Request
		if seen(page) != "none lax unsaid" || h.Get("Sec-Fetch-Site") != "cross-site" || h.Get("Sec-Fetch-User") != "?1" {
			t.Errorf("%s: got %q with %v", name, seen(page), h)
		}
	}
}

func TestTabsShareCookies(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/one", "set", "a=1"))
	tab := b.Tab()
	if tab.Page() != nil {
		t.Error("a new tab shows a page")
	}
	if got := seen(tab.Get(s.at("localhost", "/two"))); got != "a" || b.Page().URL.Path != "/one" {
		t.Errorf("tab got %q", got)
	}
}

func TestFormAction(t *testing.T) {
	s, other := newSite(t), newSite(t)
	csp := "header"
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/", "html", form("post", other.at("127.0.0.1", "/")), csp, "Content-Security-Policy: form-action 'self'"))
	if page := b.SubmitForm("Go", nil); page.Blocked != "form-action" || page.Status != 0 || other.hits.Load() != 0 {
		t.Errorf("sent in spite of the policy: %v", page)
	}
	b.Get(s.at("localhost", "/", "html", form("post", s.at("localhost", "/", "to", other.at("127.0.0.1", "/"))), csp, "Content-Security-Policy: form-action 'self'"))
	if page := b.SubmitForm("Go", nil); page.Blocked != "form-action" || other.hits.Load() != 0 || len(page.Trail) != 1 {
		t.Errorf("redirected in spite of the policy: %v", page)
	}
	page, _ := url.Parse("http://localhost:3000/page")
	for _, test := range []struct {
		policy, target string
		redirected     bool
		want           bool
	}{
		{"", "http://other.example/", false, true},
		{"default-src 'none'", "http://other.example/", false, true},
		{"form-action 'none'", "http://localhost:3000/", false, false},
		{"form-action 'self'", "http://localhost:3000/x", false, true},
		{"form-action 'self'", "http://localhost:3001/x", false, false},
		{"form-action http://op.example", "http://op.example/x", false, true},
		{"form-action http://op.example", "https://op.example/x", false, true},
		{"form-action https://op.example", "http://op.example/x", false, false},
		{"form-action http://op.example", "http://op.example:81/x", false, false},
		{"form-action http://op.example:*", "http://op.example:81/x", false, true},
		{"form-action http://[::1]:81", "http://[::1]:81/x", false, true},
		{"form-action https://*.example", "https://op.example/", false, true},
		{"form-action https://*.example", "https://example/", false, false},
		{"form-action https:", "https://any.example/", false, true},
		{"form-action *", "https://any.example/", false, true},
		{"form-action op.example", "http://op.example/", false, true},
		{"form-action https://op.example/in/", "https://op.example/in/x", false, true},
		{"form-action https://op.example/in", "https://op.example/in/x", false, false},
		{"form-action https://op.example/in", "https://op.example/other", true, true},
		{"form-action *, form-action 'self'", "https://op.example/", false, false},
	} {
		target, _ := url.Parse(test.target)
		if got := oidcrptest.AllowsForm(page, test.policy, target, test.redirected); got != test.want {
			t.Errorf("%q allows %s: %v", test.policy, test.target, got)
		}
	}
}

func TestScriptsObeyThePolicy(t *testing.T) {
	s := newSite(t)
	html := form("post", "/sent") + `<script>document.forms[0].submit()</script>`
	for policy, want := range map[string]string{
		"":                           "/sent",
		"script-src 'self'":          "/",
		"default-src 'none'":         "/",
		"script-src 'unsafe-inline'": "/sent",
		"script-src 'nonce-x'":       "/",
		"script-src-elem 'none'":     "/",
		"default-src 'none'; script-src 'sha256-A2vI4zN3zHQ6f/fiGAtLyXpqBGWsc4hzB3U3Kxk/57M='": "/",
	} {
		page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", html, "header", "Content-Security-Policy: "+policy))
		if page.URL.Path != want {
			t.Errorf("%q: ended at %v", policy, page.URL)
		}
	}
	nonce := form("post", "/sent") + `<script nonce="x">document.forms[0].submit()</script>`
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", nonce, "header", "Content-Security-Policy: script-src 'nonce-x'")); page.URL.Path != "/sent" {
		t.Errorf("script with nonce did not run: %v", page)
	}
	onload := `<body onload="document.forms[0].submit()">` + form("post", "/sent")
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onload)); page.URL.Path != "/sent" {
		t.Errorf("onload did not run: %v", page)
	}
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onload, "header", "Content-Security-Policy: script-src 'sha256-x'")); page.URL.Path != "/" {
		t.Errorf("onload ran in spite of the policy: %v", page)
	}
	onclick := form("post", "/sent") + `<p onclick="document.forms[0].submit()">onload</p>`
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onclick)); page.URL.Path != "/" {
		t.Errorf("onclick ran without a click: %v", page)
	}
	b := oidcrptest.NewBrowser(t)
	b.SetJavaScript(false)
	if page := b.Get(s.at("localhost", "/", "html", html)); page.URL.Path != "/" {
		t.Errorf("script ran though turned off: %v", page)
	}
}

func TestFraming(t *testing.T) {
	s, other := newSite(t), newSite(t)
	around, _ := url.Parse(other.at("127.0.0.1", "/"))
	for header, want := range map[string]string{
		"":                            "",
		"X-Frame-Options: DENY":       "frame-ancestors",
		"X-Frame-Options: SAMEORIGIN": "frame-ancestors",
		"Content-Security-Policy: frame-ancestors 'none'":                 "frame-ancestors",
		"Content-Security-Policy: frame-ancestors 'self'":                 "frame-ancestors",
		"Content-Security-Policy: frame-ancestors http://" + around.Host:  "",
		"Content-Security-Policy: frame-ancestors https://" + around.Host: "frame-ancestors",
	} {
		b := oidcrptest.NewBrowser(t)
		b.Get(around.String())
		if page := b.Frame(s.at("localhost", "/framed", "header", header)); page.Blocked != want || page.Status != 200 || b.Page().URL.Path != "/" {
			t.Errorf("%q: %v", header, page)
		}
	}
}

func TestFetchAndCORS(t *testing.T) {
	s, other := newSite(t), newSite(t)
	self := strings.TrimSuffix(s.at("localhost", ""), "?")
	allowed := []string{"header", "Access-Control-Allow-Origin: " + self, "header", "Access-Control-Allow-Credentials: true",
		"header", "Access-Control-Allow-Methods: PUT", "header", "Access-Control-Allow-Headers: X-A, Content-Type"}
	json := http.Header{"Content-Type": {"application/json"}}
	for _, test := range []struct {
		name    string
		method  string
		target  string
		opts    *oidcrptest.FetchOptions
		blocked string
		methods string // that reached the other server
	}{
		{"same origin, anything", "PUT", s.at("localhost", "/x"), &oidcrptest.FetchOptions{Header: json, Body: "{}"}, "", "PUT"},
		{"simple, not allowed", "POST", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Body: "a"}, "cors", "POST"},
		{"simple, allowed", "POST", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Body: "a"}, "", "POST"},
		{"simple, allowed to all", "GET", other.at("127.0.0.1", "/", "header", "Access-Control-Allow-Origin: *"), nil, "", "GET"},
		{"with credentials, allowed to all", "GET", other.at("127.0.0.1", "/", "header", "Access-Control-Allow-Origin: *"), &oidcrptest.FetchOptions{Credentials: "include"}, "cors", "GET"},
		{"with credentials, allowed", "GET", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Credentials: "include"}, "", "GET"},
		{"method that asks, not allowed", "DELETE", other.at("127.0.0.1", "/", allowed...), nil, "cors", "OPTIONS"},
		{"method that asks, allowed", "PUT", other.at("127.0.0.1", "/", allowed...), nil, "", "OPTIONS PUT"},
		{"header that asks, not allowed", "GET", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Header: http.Header{"X-B": {"1"}}}, "cors", "OPTIONS"},
		{"JSON asks, allowed", "POST", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Header: json, Body: "{}"}, "", "OPTIONS POST"},
		{"no-cors", "POST", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Mode: "no-cors"}, "", "POST"},
		{"same-origin mode", "GET", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Mode: "same-origin"}, "cors", ""},
		{"redirected to another origin", "GET", s.at("localhost", "/", "to", other.at("127.0.0.1", "/")), nil, "cors", "GET GET"},
		{"redirect not followed", "GET", s.at("localhost", "/", "to", other.at("127.0.0.1", "/")), &oidcrptest.FetchOptions{Redirect: "manual"}, "", "GET"},
		{"redirect as an error", "GET", s.at("localhost", "/", "to", "/x"), &oidcrptest.FetchOptions{Redirect: "error"}, "cors", "GET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := oidcrptest.NewBrowser(t)
			b.Get(s.at("localhost", "/page"))
			page := b.Fetch(test.method, test.target, test.opts)
			var methods []string
			for _, hop := range page.Trail {
				methods = append(methods, hop.Method)
			}
			if page.Blocked != test.blocked || strings.Join(methods, " ") != test.methods || b.Page().URL.Path != "/page" {
				t.Errorf("blocked by %q after %q: %v", page.Blocked, methods, page)
			}
			for _, hop := range page.Trail {
				cross := hop.URL.Hostname() != "localhost"
				if cross && test.name != "no-cors" && hop.Request.Get("Origin") != self {
					t.Errorf("Origin %q", hop.Request.Get("Origin"))
				}
				if hop.Request.Get("Sec-Fetch-Dest") != "empty" || cross == (hop.Request.Get("Sec-Fetch-Site") == "same-origin") {
					t.Errorf("headers %v", hop.Request)
				}
			}
		})
	}
}

func TestTabsMayRunInParallel(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	done := make(chan bool)
	for i := range 8 {
		tab := b.Tab()
		go func() {
			tab.Get(s.at("localhost", "/", "set", fmt.Sprintf("c%d=1", i)))
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
	if got := len(b.Cookies(s.at("localhost", "/"))); got != 8 {
		t.Errorf("%d cookies", got)
	}
}
