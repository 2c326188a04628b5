package oidcrp_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// twoSessionCookies of one name: one was planted, and nothing tells which.
func twoSessionCookies(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			own, other := a.sessionCookie(a.signIn()), a.sessionCookie(a.signInAs("bob"))
			for _, pair := range [][2]*http.Cookie{{own, other}, {other, own}, {own, own}, {own, {Name: own.Name}}, {{Name: own.Name}, own}} {
				res := a.with(nil, "GET", "/reports", "Cookie", cookieHeader(pair[0])+"; "+cookieHeader(pair[1]), "Sec-Fetch-Mode", "cors")
				if res.StatusCode != http.StatusUnauthorized {
					t.Errorf("status %d", res.StatusCode)
				}
				cleared := res.Header.Get("Set-Cookie")
				if !strings.HasPrefix(cleared, own.Name+"=;") || !strings.Contains(cleared, "Max-Age=0") {
					t.Errorf("not cleared: %q", cleared)
				}
			}
			if a.whoHas(own) != "alice" || a.whoHas(other) != "bob" {
				t.Error("the sessions themselves have ended")
			}
		})
	}
}

// twoBindingCookies: a login at whose end the browser shows a second one was not
// begun by this browser alone.
func twoBindingCookies(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	attacker, b := a.browse(), a.browse()
	theirs := a.stopAtCallback(attacker, "/reports")
	ours := a.stopAtCallback(b, "/reports")
	name := a.bindingName(b)
	own, planted := name+"="+cookieNamed(b, a, name), name+"="+cookieNamed(attacker, a, name)
	b.SetCookie(a.URL+"/", planted+"; Path=/auth")
	for _, callback := range []string{ours, theirs} {
		a.rejected(b, rejection{reason: "binding"}, func() *oidcrptest.Page { return b.Get(callback) })
		for _, header := range []string{own + "; " + planted, planted + "; " + own, own + "; " + own} {
			res := a.with(nil, "GET", strings.TrimPrefix(callback, a.URL), append(navigate, "Cookie", header)...)
			if a.noSessionIn(res.Header); res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d", header, res.StatusCode)
			}
		}
	}
}

// oddCookies: what browsers and other servers do to names and values makes no
// other cookie ours.
func oddCookies(t *testing.T) {
	for mode, store := range stores {
		a := newApp(t, oidcrptest.NewProvider(t), store)
		own, other := a.sessionCookie(a.signIn()), a.sessionCookie(a.signInAs("bob"))
		h := a.rp.Load(a.handler())
		n := own.Name
		for name, tt := range map[string]struct{ header, who string }{
			"no-break space beside ours": {"\u00a0" + n + "=" + other.Value + "; " + n + "=" + own.Value, "alice"},
			"en quad beside ours":        {n + "=" + own.Value + "; \u2000" + n + "=" + other.Value, "alice"},
			"tab beside ours":            {"\t" + n + "=" + other.Value + "; " + n + "=" + own.Value, "alice"},
			"empty name beside ours":     {"=" + n + "=" + other.Value + "; " + n + "=" + own.Value, "alice"},
			"no-break space":             {"\u00a0" + n + "=" + own.Value, "nobody"},
			"en quad":                    {"\u2000" + n + "=" + own.Value, "nobody"},
			"tab":                        {"\t" + n + "=" + own.Value, "nobody"},
			"empty name":                 {"=" + n + "=" + own.Value, "nobody"},
			"nameless":                   {"=" + own.Value, "nobody"},
			"capitals":                   {strings.ToUpper(n) + "=" + own.Value, "nobody"},
			"with the secure prefix":     {"__Secure-" + n + "=" + own.Value, "nobody"},
			"with the host prefix":       {"__Host-" + n + "=" + own.Value, "nobody"},
			"quoted":                     {n + `="` + own.Value + `"`, "nobody"},
			"$Version":                   {"$Version=1; " + n + "=" + own.Value + "; $Path=/; $Domain=evil.example", "alice"},
			"inside a quoted value":      {`a="x; ` + n + "=" + own.Value + `; y"`, "alice"}, // quotes are nothing to browsers
			"after a comma":              {"a=1, " + n + "=" + own.Value, "nobody"},
		} {
			t.Run(name+" with "+mode, func(t *testing.T) {
				w := ask(a.rp, h, nil, "GET", a.URL+"/", "Cookie", tt.header)
				if got := w.Body.String(); got != "home of "+tt.who || len(w.Header()["Set-Cookie"]) != 0 {
					t.Errorf("%s, %q, want %s", got, w.Header()["Set-Cookie"], tt.who)
				}
			})
		}
	}
}

// setCookie is a cookie that the application set, and the line it did it by.
type setCookie struct {
	*http.Cookie
	line string
}

// allThatSetsCookies takes a browser through all that sets cookies, signs out, and returns
// them in order.
func allThatSetsCookies(t *testing.T, start func(*testing.T, *oidcrptest.Provider, func(*oidcrp.Config)) *app, change func(*oidcrp.Config)) (a *app, b *oidcrptest.Browser, set []setCookie) {
	var onLogin hook[*oidcrp.Login]
	onLogin.set(func(*oidcrp.Login) error { return nil })
	op := oidcrptest.NewProvider(t)
	op.SetSessionManagement(true)
	a = start(t, op, func(c *oidcrp.Config) {
		change(c)
		c.IdleTimeout, c.OnLogin = time.Hour, onLogin.call
		c.Providers[0].SessionManagement = true
	})
	a.op.SetNow(a.clock.now)
	b = a.browse()
	walk := func(page *oidcrptest.Page, text string) {
		t.Helper()
		if !strings.Contains(page.Text()+page.Body, text) {
			t.Fatalf("got %s, want %q\nlog: %s", page, text, a.log)
		}
		for _, hop := range page.Trail {
			for _, line := range hop.Response.Values("Set-Cookie") {
				if c, err := http.ParseSetCookie(line); err != nil {
					t.Errorf("%s: %v", line, err)
				} else if strings.HasPrefix(hop.URL.String(), a.URL) {
					set = append(set, setCookie{c, line})
				}
			}
		}
	}
	walk(b.Get(a.URL+"/reports?"+strings.Repeat("long", 200)), "reports for alice")
	walk(b.Get(a.URL+"/update"), "updated")
	a.clock.advance(30 * time.Minute)
	walk(b.Get(a.URL+"/"), "home of alice") // the idle time begins anew
	walk(b.Get(a.URL+"/again?age=1s"), "GET /plain for alice")
	a.op.SetFaults(oidcrptest.AuthorizationError("access_denied", ""))
	walk(b.Get(a.URL+"/auth/login?return_to=/reports"), "cancelled")
	a.op.SetFaults()
	onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} })
	walk(b.Get(a.URL+"/auth/login?return_to=/reports"), "terms")
	walk(b.SubmitForm("terms", nil), "reports for alice")
	walk(b.Get(a.URL+"/auth/login?return_to=/reports"), "terms") // paused, and left so
	b.Get(a.URL + "/")
	walk(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
	if refused := b.RefusedCookies(); len(refused) > 0 {
		t.Errorf("the browser refused %v", refused)
	}
	return a, b, set
}

// eachWithCookies tests the applications whose cookies differ.
func eachWithCookies(t *testing.T, test func(t *testing.T, https bool, a *app, b *oidcrptest.Browser, set []setCookie)) {
	for _, scheme := range []string{"http", "https"} {
		start := newApp
		if scheme == "https" {
			start = newTLSApp
		}
		for _, mode := range []string{"query", "form_post"} {
			for kept, store := range stores {
				t.Run(strings.Join([]string{scheme, mode, kept}, " "), func(t *testing.T) {
					a, b, set := allThatSetsCookies(t, start, func(c *oidcrp.Config) {
						store(c)
						c.Providers[0].ResponseMode = mode
					})
					test(t, scheme == "https", a, b, set)
				})
			}
		}
	}
}

// cookieAttributes of every cookie of every flow.
func cookieAttributes(t *testing.T) {
	eachWithCookies(t, func(t *testing.T, https bool, a *app, _ *oidcrptest.Browser, set []setCookie) {
		kinds := map[string]bool{}
		for _, c := range set {
			_, kind, _ := strings.Cut(c.Name, "oidcrp_")
			kind, _, _ = strings.Cut(kind, "_")
			if strings.HasPrefix(kind, "return") {
				kind = "return" // of which there are two for each provider
			}
			kinds[kind] = true
			prefix := ""
			switch secure := https || c.SameSite == http.SameSiteNoneMode; {
			case secure && c.Path == "/":
				prefix = "__Host-"
			case secure:
				prefix = "__Secure-"
			}
			crossSite := a.config.Providers[0].ResponseMode == "form_post" && (kind == "login" || kind == "return")
			if !strings.HasPrefix(c.Name, prefix+"oidcrp_") || c.Secure != (prefix != "") || !c.HttpOnly || c.Domain != "" || len(c.Name)+len(c.Value) > 4096 ||
				c.SameSite != map[bool]http.SameSite{true: http.SameSiteNoneMode, false: http.SameSiteLaxMode}[crossSite] ||
				c.Path != "/" && (kind == "s" || kind == "login") || c.Partitioned {
				t.Errorf("cookie %s", c.line)
			}
		}
		if want := []string{"hint", "login", "paused", "return", "s", "watch"}; !slices.Equal(slices.Sorted(maps.Keys(kinds)), want) {
			t.Errorf("saw %v, want %v", kinds, want)
		}
	})
}

// baseURLByHTTP is for loopback.
func baseURLByHTTP(t *testing.T) {
	for _, base := range []string{"http://app.example", "http://10.0.0.1", "http://localhost.example", "http://localhost.:3000", "http://127.0.0.1.example:3000", "http://[2001:db8::1]:3000", "http://[::ffff:127.0.0.1]:3000"} {
		cfg := goodConfig()
		cfg.BaseURL = base
		if _, err := oidcrp.New(cfg); err == nil || !strings.Contains(err.Error(), "use https") {
			t.Errorf("%s: %v", base, err)
		}
	}
	for _, base := range []string{"http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000", "https://app.example"} {
		cfg := goodConfig()
		cfg.BaseURL = base
		if _, err := oidcrp.New(cfg); err != nil {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// loginByFormPost: the provider is another site, so its form brings SameSite=None
// cookies only; that of the login is one for no longer than a login takes.
func loginByFormPost(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), formPost)
	b := a.browse()
	page := b.Get(a.URL + "/reports")
	a.shows(page, "reports for alice")
	var posted, seeOther bool
	for _, hop := range page.Trail {
		if hop.Method == http.MethodPost && strings.Contains(hop.URL.Path, "/callback/") {
			posted, seeOther = true, hop.Status == http.StatusSeeOther
			if sent := hop.Request.Get("Cookie"); !strings.Contains(sent, "oidcrp_login_") || strings.Contains(sent, "oidcrp_s_") {
				t.Errorf("the form came with %q", sent)
			}
		}
	}
	if !posted || !seeOther {
		t.Errorf("callback by POST %v, answered 303 %v: %s", posted, seeOther, page)
	}
	for _, hop := range page.Trail {
		for _, line := range hop.Response.Values("Set-Cookie") {
			c, err := http.ParseSetCookie(line)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(c.Name, "oidcrp_login_") && (c.MaxAge <= 0 || c.MaxAge > 600) {
				t.Errorf("cookie %s", line)
			}
		}
	}
	for _, c := range b.Cookies(a.URL + "/") {
		lax := !strings.Contains(c.Name, "oidcrp_login_")
		if lax != (c.SameSite == http.SameSiteLaxMode) || !c.HttpOnly || !lax && !c.Secure {
			t.Errorf("cookie %s", c)
		}
	}
}

// noCookiesAtAll: a browser that keeps none never gets through, and is told so
// instead of going round.
func noCookiesAtAll(t *testing.T) {
	for mode, attempts := range map[string]int{
		"query":     3, // one, and two more by itself
		"form_post": 1, // a form of anybody's must not start more
	} {
		t.Run(mode, func(t *testing.T) {
			a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode }, func(a *app) http.Handler {
				h := a.rp.Load(a.handler())
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r.Header.Del("Cookie")
					h.ServeHTTP(w, r)
				})
			})
			page := a.browse().Get(a.URL + "/reports")
			a.refused(page, http.StatusBadRequest, "")
			if !strings.Contains(page.Text(), "cookie") {
				t.Errorf("it does not say why: %s", page)
			}
			a.calls(oidcrptest.AuthorizeEndpoint, attempts)
			a.calls(oidcrptest.TokenEndpoint, 0)
		})
	}
}

// cookieDeletion: browsers drop a cookie that is named as it was when it was set,
// with its path and attributes.
func cookieDeletion(t *testing.T) {
	eachWithCookies(t, func(t *testing.T, https bool, a *app, b *oidcrptest.Browser, set []setCookie) {
		attributes := func(c setCookie) string {
			return fmt.Sprint(c.Name, " ", c.Path, " ", c.Domain, c.Secure, c.HttpOnly, c.SameSite, c.Partitioned)
		}
		var live []string
		for _, c := range set {
			if c.MaxAge >= 0 {
				live = append(live, attributes(c))
			} else if c.Value != "" || !slices.Contains(live, attributes(c)) {
				t.Errorf("cleared as it was never set: %s", c.line)
			}
		}
		for _, path := range []string{"/", "/auth/logout", "/auth/callback/test", "/auth/check-session"} {
			for _, left := range b.Cookies(a.URL + path) {
				// Of the login there is another one, and pages that are still open
				// ask what became of the provider's session.
				if !strings.Contains(left.Name, "oidcrp_login_") && !strings.Contains(left.Name, "oidcrp_watch_") {
					t.Errorf("left behind at %s: %s", path, left)
				}
			}
		}
	})
}
