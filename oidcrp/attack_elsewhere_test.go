package oidcrp_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What we sealed for one thing is nothing in the place of another.
func cookieForAnotherPurpose(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			b := a.browse()
			v := a.answerTo(b, "/auth/login?return_to=/"+strings.Repeat("x", 500))
			values := map[string]string{"state": v.Get("state")}
			keep := func() {
				for _, path := range []string{"/", "/auth/callback/test", "/auth/logout"} {
					for _, c := range b.Cookies(a.URL + path) {
						values[strings.Split(c.Name, "_")[1]] = c.Value
					}
				}
			}
			keep()
			a.shows(a.answer(b, "query", v), "home of alice")
			keep()
			session := a.sessionCookie(b)
			if len(values) < 5 {
				t.Fatalf("only %d kinds of values", len(values))
			}
			for kind, value := range values {
				if who := a.whoHas(&http.Cookie{Name: session.Name, Value: value}); (who == "alice") != (kind == "s") {
					t.Errorf("with the value of %s in the session cookie one is %s", kind, who)
				}
			}
			for kind, value := range values {
				if kind == "login" {
					continue
				}
				fresh := a.answerTo(b, "/auth/login?return_to=/reports")
				name := a.bindingName(b)
				b.DropCookie(name)
				b.SetCookie(a.URL+"/", name+"="+value+"; Path=/; HttpOnly; SameSite=Lax")
				a.rejected(b, rejection{reason: "binding"}, func() *oidcrptest.Page { return a.answer(b, "query", fresh) })
				b.DropCookie(name)
			}
		})
	}
}

// A session is one cookie: there are no pieces that could be put together anew.
func piecesOfCookies(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	alice, bob := a.signIn(), a.signInAs("bob")
	one, two := a.sessionCookie(alice), a.sessionCookie(bob)
	half := len(one.Value) / 2
	for _, pieces := range [][2]string{
		{one.Value[:half], one.Value[half:]},
		{one.Value[:half], two.Value[half:]},
	} {
		for _, names := range [][2]string{{".0", ".1"}, {"_0", "_1"}, {"_1", "_2"}, {"", "_1"}, {"", "1"}, {"0", "1"}} {
			res := a.with(nil, http.MethodGet, "/auth/me", "Cookie", fmt.Sprintf("%s%s=%s; %[1]s%[4]s=%s", one.Name, names[0], pieces[0], names[1], pieces[1]))
			if res.StatusCode != http.StatusUnauthorized {
				t.Errorf("in pieces named %q: %d", names, res.StatusCode)
			}
		}
		if who := a.whoHas(&http.Cookie{Name: one.Name, Value: pieces[0] + pieces[1]}); (who == "alice") != (pieces[0]+pieces[1] == one.Value) {
			t.Errorf("put together they are %s", who)
		}
	}
	for b, want := range map[*oidcrptest.Browser]int{alice: 1, bob: 1} {
		n := 0
		for _, c := range b.Cookies(a.URL + "/") {
			if strings.Contains(c.Name, "oidcrp_s_") {
				n++
			}
		}
		if n != want {
			t.Errorf("a session is %d cookies", n)
		}
	}
}

// A page elsewhere that names an address of ours as an image, in a frame or in a
// form begins and ends nothing, even in a browser that sends every cookie.
func pagesElsewhere(t *testing.T) {
	l := newLinkApp(t, nil)
	b := l.start()
	session, events := l.sessionIn(b), len(l.told())
	l.op.ResetCalls()
	for _, path := range []string{
		"/auth/login", "/auth/login?provider=test", "/auth/login?provider=test&fresh=1", "/auth/login?provider=test&prompt=none",
		"/auth/initiate?iss=" + url.QueryEscape(l.op.Issuer()), "/link?provider=second", "/auth/logout", "/auth/logout?everywhere=1",
	} {
		for origin, site := range map[string]string{"https://evil.example": "cross-site", "http://localhost:1": "same-site", "http://evil.localhost": "same-site"} {
			for _, from := range []struct{ as, method, mode, dest string }{
				{"an image", http.MethodGet, "no-cors", "image"}, {"a frame", http.MethodGet, "navigate", "iframe"}, {"a form", http.MethodPost, "navigate", "document"},
			} {
				what := fmt.Sprintf("%s as %s of %s", path, from.as, origin)
				res := l.with(b, from.method, path, "Origin", origin, "Sec-Fetch-Site", site,
					"Sec-Fetch-Mode", from.mode, "Sec-Fetch-Dest", from.dest, "Accept", "text/html,image/avif")
				if to := res.Header.Get("Location"); to != "" && !strings.HasPrefix(to, l.URL) || len(res.Header.Values("Set-Cookie")) != 0 {
					t.Errorf("%s: %d to %q with %q", what, res.StatusCode, to, res.Header.Values("Set-Cookie"))
				}
				want := 0
				switch ends := strings.HasPrefix(path, "/auth/logout"); {
				case from.as == "a form" && (ends || strings.HasPrefix(path, "/link")):
					want = http.StatusForbidden
				case strings.HasPrefix(path, "/link"):
					want = http.StatusMethodNotAllowed
				}
				if want != 0 && res.StatusCode != want {
					t.Errorf("%s: %d, want %d", what, res.StatusCode, want)
				}
			}
			b.Show(origin+"/", "look")
			if page := b.Frame(l.URL + path); page.Blocked == "" {
				t.Errorf("%s is shown in a frame of %s: %s", path, origin, page)
			}
		}
		if now := l.sessionIn(b); now != session {
			t.Errorf("after %s the session is %v, and was %v", path, now, session)
		}
	}
	for _, e := range l.told()[events:] {
		switch e.Kind {
		case oidcrp.LoginSucceeded, oidcrp.IdentityLinked, oidcrp.SessionEnded:
			t.Errorf("event %+v", e)
		}
	}
	l.calls(oidcrptest.TokenEndpoint, 0)
	l.calls(oidcrptest.EndSessionEndpoint, 0)
	if n := l.second.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
		t.Errorf("%d links begun", n)
	}
}

// Whoever begins two hundred logins has the cookies of one.
func abandonedLogins(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				byMode(mode)(c)
				c.Providers[0].PAR = oidcrp.Refused
			})
			a.op.SignInAs("")
			b := a.browse()
			size := func() (cookies, bytes int) {
				for _, c := range b.Cookies(a.URL + "/auth/callback/test") {
					cookies, bytes = cookies+1, bytes+len(c.Name)+len(c.Value)+len("; =")
				}
				return cookies, bytes
			}
			start := func() { b.Get(a.URL + "/reports?" + strings.Repeat("x", 1900)) }
			start()
			start() // a long return URL has one of two places
			cookies, bytes := size()
			for range 198 {
				start()
			}
			if n, now := size(); n != cookies || now != bytes || now > 8000 {
				t.Errorf("%d cookies of %d bytes after two hundred logins, %d of %d after two", n, now, cookies, bytes)
			}
			a.shows(b.SubmitForm("alice", nil), "reports for alice at /reports?xxx")
		})
	}
}

// What is in a parameter stays in it, or is left out.
func injectedParameters(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers[0].DynamicParams = []string{"domain_hint"}
		c.Providers[0].PAR = oidcrp.Refused
	})
	evil := "none&redirect_uri=https://evil.example&response_type=token#x"
	for _, q := range []url.Values{
		{"prompt": {evil}}, {"login_hint": {evil}}, {"domain_hint": {evil}}, {"domain_hint&redirect_uri": {"https://evil.example"}},
		{"login_hint": {"a\r\nLocation: https://evil.example"}}, {"domain_hint": {"a\x00b"}}, {"prompt": {"none\nx"}},
		{"login_hint": {strings.Repeat("evil", 1250)}}, {"domain_hint": {strings.Repeat("evil", 1250)}},
		{"domain_hint": {"evil.example", "evil.example"}}, {"response_type": {"token"}}, {"state": {"x"}}, {"unlisted": {"x"}}, {"request_uri": {"urn:x"}},
		{"response_mode": {"fragment"}}, {"code_challenge_method": {"plain"}}, {"ui_locales": {"xx"}}, {"max_age": {"999999"}}, {"acr_values": {"0"}},
	} {
		w := ask(a.rp, a.rp, nil, http.MethodGet, a.URL+"/auth/login?"+q.Encode(), navigate...)
		to, err := url.Parse(w.Header().Get("Location"))
		if err != nil || w.Code != http.StatusFound || len(to.String()) > 4000 || to.Fragment != "" || !strings.HasPrefix(to.String(), a.op.URL(oidcrptest.AuthorizeEndpoint)+"?") {
			t.Errorf("%.200v: %d %.200s %v", q, w.Code, to, err)
			continue
		}
		sent := to.Query()
		for name, values := range sent {
			if len(values) != 1 {
				t.Errorf("%.200v: %s is %q", q, name, values)
			}
		}
		for name, want := range map[string]string{
			"response_type": "code", "redirect_uri": a.URL + "/auth/callback/test", "code_challenge_method": "S256", "response_mode": "",
			"ui_locales": "en", "max_age": "", "acr_values": "", "unlisted": "", "request_uri": "",
		} {
			if sent.Get(name) != want {
				t.Errorf("%.200v: %s is %q", q, name, sent.Get(name))
			}
		}
		for name := range q {
			if got := sent.Get(name); got != "" && got != evil && strings.Contains(got, "evil") || len(sent.Get("state")) < 43 {
				t.Errorf("%.200v: %s is %.200q", q, name, got)
			}
		}
	}
}
