package oidcrp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// noChunks: a session is one cookie, so that there is nothing to count, order or
// put together.
func noChunks(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			own, other := a.sessionCookie(a.signIn()), a.sessionCookie(a.signInAs("bob"))
			h := a.rp.Load(a.handler())
			n, half := own.Name, len(own.Value)/2
			for _, join := range []string{".", "_", "-", "", "C"} {
				first, second := own.Value[:half], own.Value[half:]
				for name, chunks := range map[string][]string{
					"in order":     {join + "0=" + first, join + "1=" + second},
					"from one":     {join + "1=" + first, join + "2=" + second},
					"reordered":    {join + "1=" + second, join + "0=" + first},
					"gap":          {join + "0=" + first, join + "2=" + second},
					"duplicate":    {join + "0=" + first, join + "0=" + first, join + "1=" + second},
					"first absent": {join + "1=" + second},
					"extra":        {join + "0=" + first, join + "1=" + second, join + "2=" + second},
					"stale mix":    {join + "0=" + first, join + "1=" + other.Value[half:]},
					"huge count":   {"=99999999", join + "0=" + first, join + "1=" + second},
					"no count":     {"=-1", join + "0=" + first, join + "1=" + second},
					"odd count":    {"=1e9", join + "0=" + first, join + "1=" + second},
					"chunks:2":     {"=chunks:2", join + "1=" + first, join + "2=" + second},
				} {
					if join == "" && name == "first absent" {
						continue
					}
					header := n + strings.Join(chunks, "; "+n)
					if w := ask(a.rp, h, nil, "GET", a.URL+"/", "Cookie", header); w.Body.String() != "home of nobody" {
						t.Errorf("%s, joined by %q: %s", name, join, w.Body)
					}
					if strings.HasPrefix(chunks[0], "=") || join == "" {
						continue
					}
					// Beside the cookie itself they are no affair of ours.
					if w := ask(a.rp, h, nil, "GET", a.URL+"/", "Cookie", header+"; "+cookieHeader(own)); w.Body.String() != "home of alice" || len(w.Header()["Set-Cookie"]) != 0 {
						t.Errorf("%s, joined by %q, beside the cookie: %s %v", name, join, w.Body, w.Header())
					}
				}
			}
		})
	}
}

// cookieSizes: whatever the size, it is one cookie that browsers keep and that
// reads as it was written, or an error, and the one before stays.
func cookieSizes(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			session := a.sessionCookie(a.signIn())
			h := a.rp.Load(noting(t, a))
			var largest, refused int
			for size := 1; size < 4*4096; size += 61 {
				note := strings.Repeat("x", size)
				w := ask(a.rp, h, nil, "GET", a.URL+"/?note="+note, "Cookie", cookieHeader(session))
				set := w.Result().Cookies()
				if w.Code != http.StatusOK {
					if refused++; mode == "store" || len(set) != 0 || w.Code != http.StatusTeapot {
						t.Fatalf("%d bytes: %d %s, cookies %v", size, w.Code, w.Body, set)
					}
				} else {
					if len(set) != 1 || set[0].Name != session.Name || len(set[0].Name)+len(set[0].Value) > 4096 || refused > 0 {
						t.Fatalf("%d bytes, after %d were refused: cookies %v", size, refused, set)
					}
					session, largest = set[0], size
				}
				if got := ask(a.rp, h, nil, "GET", a.URL+"/", "Cookie", cookieHeader(session)).Body.Len(); got != largest {
					t.Fatalf("%d bytes: %d were read", size, got)
				}
			}
			if mode == "cookie" && (largest < 2000 || refused == 0) {
				t.Errorf("at most %d bytes fitted", largest)
			}
		})
	}
}

// manyGroups of a user fit, or the login fails and says what would; what is sent
// to the browser stays below what proxies take.
func manyGroups(t *testing.T) {
	tests := []struct {
		name   string
		change func(*oidcrp.Config)
		status int
	}{
		{"60 kB kept in a store", func(c *oidcrp.Config) {
			c.Claims, c.Store = []string{"name", "words"}, oidcrp.NewMemoryStore()
		}, 500},
		{"kept in a cookie", func(c *oidcrp.Config) { c.Claims = []string{"name", "groups"} }, 500},
		{"as roles in a cookie", func(c *oidcrp.Config) { c.Providers[0].RolesClaim = "groups" }, 500},
		{"kept in a store", func(c *oidcrp.Config) {
			c.Claims, c.Store = []string{"name", "groups"}, oidcrp.NewMemoryStore()
		}, 200},
		{"mapped to roles", func(c *oidcrp.Config) {
			c.Providers[0].RolesClaim, c.Providers[0].Roles = "groups", map[string]string{"group-007": "admin", "group-008": "admin"}
		}, 200},
		{"not kept", func(*oidcrp.Config) {}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newApp(t, op, tt.change)
			b := a.signInAs("bob")
			for _, u := range op.Users() {
				if u.Subject == "dave" {
					u.Claims["words"] = strings.Repeat("word ", 12<<10)
					op.AddUser(u)
				}
			}
			op.SignInAs("dave")
			before := b.Cookies(a.URL + "/")
			page := b.Get(a.URL + "/auth/login?return_to=/reports")
			for _, hop := range page.Trail {
				var size int
				for name, values := range hop.Response {
					size += len(values)*(len(name)+len(": \r\n")) + len(strings.Join(values, ""))
				}
				if size > 8<<10 {
					t.Errorf("%s is answered with %d bytes of headers", hop.URL, size)
				}
			}
			if tt.status == 200 {
				a.shows(page, "reports for dave")
				if tt.name == "mapped to roles" {
					a.shows(b.Get(a.URL+"/admin"), "admin page")
				}
				return
			}
			a.refused(page, 500, "session_too_large")
			largest := "groups"
			if strings.Contains(tt.name, "roles") {
				largest = "roles"
			} else if a.config.Store != nil {
				largest = "words"
			}
			if !strings.Contains(a.log.String(), largest) {
				t.Errorf("the operator is not told of %q: %s", largest, a.log)
			}
			remedies := []string{"Config.Claims", "Provider.Roles", "Config.Store"}
			if a.config.Store != nil {
				remedies = remedies[:2]
			}
			for _, remedy := range remedies {
				if !strings.Contains(a.log.String(), remedy) || strings.Contains(page.Body, remedy) {
					t.Errorf("%q: for the operator, not for the visitor: %s", remedy, a.log)
				}
			}
			if strings.Contains(a.log.String(), "group-001") {
				t.Error("claims are in the log")
			}
			if a.sessionCookie(b).Value == "" || len(before) != len(b.Cookies(a.URL+"/")) {
				t.Error("the session before was lost")
			}
			a.shows(b.Get(a.URL+"/"), "home of bob")
		})
	}
}

// noCompression: how long a cookie is tells how long what it carries is, and not
// what; and nothing small becomes large when it is opened.
func noCompression(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Claims = []string{"note"} })
	sizes := map[int]bool{}
	for _, note := range []string{strings.Repeat("a", 1000), strings.Repeat("alice", 200), strings.Repeat("0123456789abcdefghijABCDEFGHIJKLMNOPQRST", 25)} {
		c := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "alice", Claims: map[string]any{"note": note}})
		sizes[len(c.Value)] = true
		if len(c.Value) < 1000*4/3 {
			t.Errorf("%d characters for %d bytes", len(c.Value), len(note))
		}
	}
	if len(sizes) != 1 {
		t.Errorf("the sizes differ: %v", sizes)
	}
}

// longCookieHeader: what a server lets through is read once, and more is refused
// by it.
func longCookieHeader(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			own := a.sessionCookie(a.signIn())
			for name, tt := range map[string]struct {
				header string
				status int
			}{
				"100,000 cookies":         {strings.Repeat("a=1; ", 100_000), http.StatusOK},
				"1,000 logins of others":  {strings.Repeat("oidcrp_login_aaaaaaaa="+strings.Repeat("x", 45)+"; ", 1000), http.StatusOK},
				"one of half a megabyte":  {"a=" + strings.Repeat("x", 1<<19) + "; ", http.StatusOK},
				"ours of half a megabyte": {"x" + own.Name + "=" + strings.Repeat("x", 1<<19) + "; ", http.StatusOK},
				"more than a megabyte":    {"a=" + strings.Repeat("x", 1<<20+8<<10) + "; ", http.StatusRequestHeaderFieldsTooLarge},
			} {
				t.Run(name, func(t *testing.T) {
					a := a.in(t)
					res := a.with(nil, "GET", "/", "Cookie", tt.header+cookieHeader(own))
					body, err := io.ReadAll(res.Body)
					if err != nil || res.StatusCode != tt.status || tt.status == http.StatusOK && string(body) != "home of alice" {
						t.Errorf("%d %.100s %v", res.StatusCode, body, err)
					}
				})
			}
			huge := ask(a.rp, a.rp.Load(a.handler()), nil, "GET", a.URL+"/", "Cookie", own.Name+"="+strings.Repeat(own.Value, 1<<20/len(own.Value)))
			if huge.Body.String() != "home of nobody" || len(huge.Header()["Set-Cookie"]) != 0 {
				t.Errorf("a session of a megabyte: %s %v", huge.Body, huge.Header())
			}
		})
	}
}

// manyOpenLogins of one browser take no more cookies than one.
func manyOpenLogins(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				withoutPAR(c)
				c.Providers[0].ResponseMode = mode
			})
			h := a.rp.Load(a.handler())
			jar := map[string]string{}
			for i := range 1000 {
				var header []string
				for name, value := range jar {
					header = append(header, name+"="+value)
				}
				w := ask(a.rp, h, nil, "GET", a.URL+"/auth/login?return_to="+url.QueryEscape(fmt.Sprint("/", i, strings.Repeat("long", 200))),
					append(navigate, "Cookie", strings.Join(header, "; "))...)
				if w.Code != http.StatusFound {
					t.Fatalf("start %d: %d %s", i, w.Code, w.Body)
				}
				for _, c := range w.Result().Cookies() {
					jar[c.Name] = c.Value
				}
			}
			size := 0
			for name, value := range jar {
				size += len(name) + len(value)
			}
			if len(jar) > 3 || size > 8<<10 {
				t.Errorf("%d cookies of %d bytes", len(jar), size)
			}
		})
	}
}

// noting is a page that keeps what it is given, and shows what was kept.
func noting(t *testing.T, a *app) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note := r.FormValue("note")
		if note == "" {
			io.WriteString(w, oidcrp.FromContext(r.Context()).Value("note"))
			return
		}
		before := w.Header().Clone()
		if err := a.rp.Update(w, r, map[string]string{"note": note}); err != nil {
			if len(before) != len(w.Header()) {
				t.Errorf("headers %v", w.Header())
			}
			w.WriteHeader(http.StatusTeapot)
		}
	})
}
