package oidcrptest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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
