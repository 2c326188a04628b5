package oidcrp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var cacheAttacks = []attack{
	{"T094 a visit", caching},
	{"T094 signing in and out", flowsAreNotCached("query")},
	{"T094 signing in and out, by form", flowsAreNotCached("form_post")},
	{"T094 signing in and out, by fragment", flowsAreNotCached("fragment")},
	{"T094 our addresses", ourAddressesAreNotCached},
	{"T094 provider's messages", providersMessagesAreNotCached},
	{"T094 conditional requests", conditionalRequests},
	{"T094 application's pages", pagesVary},

	{"T095 after the callback", addressesAreCleanAfterALogin},
	{"T095 after a callback by fragment", cleanAfterAFragment},
	{"T095 pages of ours", nothingFromElsewhere},
}

// uncached fails the test if a cache may keep an answer of ours.
func uncached(t *testing.T, what string, h http.Header) {
	t.Helper()
	if got := h["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("%s: Cache-Control %q", what, got)
	}
	for _, name := range []string{"ETag", "Last-Modified", "Expires", "Age"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %s %q", what, name, h.Get(name))
		}
	}
}

// flowsAreNotCached follows every hop of a login, its failure, and a sign-out.
func flowsAreNotCached(mode string) func(*testing.T) {
	return func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			if c.Providers[0].ResponseMode = mode; mode == "fragment" {
				c.Providers[0].ResponseType = "code id_token"
			}
		})
		b := a.browse()
		hops := 0
		check := func(page *oidcrptest.Page) {
			t.Helper()
			for _, hop := range page.Trail {
				if strings.HasPrefix(hop.URL.String(), a.URL) {
					hops++
					uncached(t, hop.Method+" "+hop.URL.Path, hop.Response)
				}
			}
		}
		check(b.Get(a.URL + "/reports"))
		a.op.SetFaults(oidcrptest.WrongNonce)
		check(b.Get(a.URL + "/auth/login"))
		a.op.SetFaults(oidcrptest.AuthorizationError("access_denied", ""))
		check(b.Get(a.URL + "/auth/login"))
		a.op.SetFaults()
		check(b.Get(a.URL + "/auth/logout"))
		check(b.SubmitForm("Sign out", nil))
		if hops < 10 {
			t.Errorf("only %d hops", hops)
		}
	}
}

func ourAddressesAreNotCached(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].SessionManagement = true })
	stranger, user := a.browse(), a.signIn()
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
		for _, path := range []string{
			"/auth/login", "/auth/login?provider=nobody", "/auth/logout", "/auth/me", "/auth/initiate", "/auth/initiate?iss=" + url.QueryEscape(a.op.Issuer()),
			"/auth/callback/test", "/auth/callback/test?error=x&state=y", "/auth/nowhere", "/auth", "/auth/check-session", "/reports", "/admin",
		} {
			for name, b := range map[string]*oidcrptest.Browser{"a stranger's ": stranger, "a user's ": user} {
				for _, accept := range []string{"text/html", "application/json"} {
					if method == "POST" && strings.HasSuffix(path, "logout") {
						continue // would sign out; see signing in and out
					}
					res := a.with(b, method, path, "Accept", accept, "Sec-Fetch-Site", "same-origin")
					uncached(t, name+method+" "+path, res.Header)
				}
			}
		}
	}
	// Who is told by JSON where to go on has signed out as well.
	res := a.with(user, "POST", "/auth/logout", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors")
	uncached(t, "signing out by fetch", res.Header)
}

func providersMessagesAreNotCached(t *testing.T) {
	a := newTold(t, nil)
	a.signIn()
	at := a.rp.RedirectURLs()[0]
	token := a.op.LogoutToken(a.client.ID, "alice", "")
	for name, form := range map[string]url.Values{"a good one": {"logout_token": {token}}, "a bad one": {"logout_token": {token + "x"}}, "none": {}} {
		res, err := http.PostForm(at.BackchannelLogout, form)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if want := map[bool]int{true: 200, false: 400}[name == "a good one"]; res.StatusCode != want {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
		uncached(t, name, res.Header)
	}
	for _, address := range []string{at.BackchannelLogout, at.FrontchannelLogout, at.FrontchannelLogout + "?iss=x&sid=y"} {
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		uncached(t, address, res.Header)
	}
}

// conditionalRequests: nobody is told that what another user saw is still good.
func conditionalRequests(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	alice, bob := a.signIn(), a.signInAs("bob")
	seen := map[string]string{}
	for name, b := range map[string]*oidcrptest.Browser{"alice": alice, "bob": bob, "nobody": a.browse()} {
		for _, path := range []string{"/", "/auth/me", "/auth/logout", "/auth/login"} {
			first := a.with(b, "GET", path, "Accept", "text/html")
			header := []string{"Accept", "text/html", "If-None-Match", "*", "If-Modified-Since", "Tue, 01 Jan 2030 00:00:00 GMT", "Cache-Control", "max-age=600, only-if-cached"}
			if tag := first.Header.Get("ETag"); tag != "" {
				seen[path] = tag
			}
			if seen[path] != "" {
				header = append(header, "If-None-Match", seen[path])
			}
			again := a.with(b, "GET", path, header...)
			if again.StatusCode != first.StatusCode || again.StatusCode == http.StatusNotModified {
				t.Errorf("%s at %s: %d, then %d", name, path, first.StatusCode, again.StatusCode)
			}
			if name != "nobody" || path != "/" {
				uncached(t, name+path, again.Header)
			}
		}
	}
}

// pagesVary: what the application shows is by cookie, and for who is signed in
// not for caches, unless it says so itself.
func pagesVary(t *testing.T) {
	for _, guard := range []string{"Load", "RequireLogin", "Protect", "TryLogin"} {
		t.Run(guard, func(t *testing.T) {
			rp := offline(t, nil)
			page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name(r)) })
			inner := map[string]http.Handler{"Load": rp.Load(page), "RequireLogin": rp.RequireLogin(page), "Protect": rp.Protect(page), "TryLogin": rp.TryLogin(page)}[guard]
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Add("Vary", "Accept-Encoding") // as a compressor in front does
				inner.ServeHTTP(w, r)
			})
			w := ask(rp, h, &oidcrptest.User{Subject: "alice"}, "GET", "/x", navigate...)
			if w.Body.String() != "alice" || !varies(w) {
				t.Errorf("signed in: %v %s", w.Header(), w.Body)
			}
			uncached(t, "signed in", w.Header())
			if w = ask(rp, h, nil, "GET", "/x", navigate...); w.Code == http.StatusOK && !varies(w) {
				t.Errorf("a stranger: %v", w.Header())
			}
		})
	}
}

func varies(w *httptest.ResponseRecorder) bool {
	return strings.Join(w.Header().Values("Vary"), ", ") == "Accept-Encoding, Cookie"
}

// cleanAfterAFragment: the address with the tokens is left by a form, and is in
// no address of ours and in no Referer.
func cleanAfterAFragment(t *testing.T) {
	f := newFront(t)
	a := newFrontApp(t, f, "code id_token", "fragment", nil)
	page := a.browse().Get(a.URL + "/reports?x=1")
	a.shows(page, "reports for alice at /reports?x=1")
	if page.URL.String() != a.URL+"/reports?x=1" {
		t.Errorf("ended at %s", page.URL)
	}
	for _, hop := range page.Trail {
		for _, name := range []string{"code", "id_token", "state"} {
			secret := f.answered().Get(name)
			own := strings.HasPrefix(hop.URL.String(), a.URL)
			if own && strings.Contains(hop.URL.RawQuery, secret) || strings.Contains(hop.Request.Get("Referer"), secret) {
				t.Errorf("%s is in %s, or the Referer %s", name, hop.URL, hop.Request.Get("Referer"))
			}
		}
		if strings.Contains(hop.URL.Path, "/callback/") && hop.Response.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: Referrer-Policy %q", hop.URL.Path, hop.Response.Get("Referrer-Policy"))
		}
	}
}

// loads finds what makes a browser ask for something else than the page.
var loads = regexp.MustCompile(`(?i)\s(src|srcset|background|poster|ping|data)=|<(link|img|iframe|frame|object|embed|video|audio|base)\b|url\(|@import|http-equiv`)

// nothingFromElsewhere: our pages load nothing, and say nothing of where their
// visitor was but to ourselves.
func nothingFromElsewhere(t *testing.T) {
	a := newHostileApp(t)
	b := a.signedInAt("test")
	evil(b, `<a href="`+a.URL+`/auth/login?provider=other">go</a>`)
	for name, page := range map[string]*oidcrptest.Page{
		"sign-in":       a.browse().Get(a.URL + "/auth/login"),
		"sign-out":      a.signedInAt("test").Get(a.URL + "/auth/logout"),
		"signed out":    a.browse().Get(a.URL + "/auth/logout"),
		"error":         a.browse().Get(a.URL + "/auth/callback/test?code=secret&state=secret"),
		"not found":     a.browse().Get(a.URL + "/auth/nowhere"),
		"confirmation":  b.Follow("go"),
		"long sign-out": atALongSignOut(a, "x"),
	} {
		t.Run(name, func(t *testing.T) {
			if m := loads.FindString(page.Body); m != "" || page.Body == "" {
				t.Errorf("the page has %q: %s", m, page.Body)
			}
			if got := page.Header.Get("Referrer-Policy"); got != "no-referrer" && got != "same-origin" || strings.Contains(page.Body, "secret") {
				t.Errorf("Referrer-Policy %q\n%s", got, page.Body)
			}
			if !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") {
				t.Errorf("%v", page.Header)
			}
		})
	}
}
