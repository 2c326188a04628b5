package oidcrp_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// navigate are the headers of a browser that opens a page.
var navigate = []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}

func TestForeignOrigins(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) { c.CrossOrigin = []string{"https://admin.example"} })
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket"}
	tests := []struct {
		name   string
		method string
		header []string
		want   int
	}{
		{"own page", "POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"own page without Fetch Metadata", "POST", []string{"Origin", "https://app.example"}, 200},
		{"own page by both", "DELETE", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://app.example"}, 200},
		{"the user's own act", "POST", []string{"Sec-Fetch-Site", "none"}, 200},
		{"another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site puts", "PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site patches", "PATCH", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site deletes", "DELETE", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site by a method of its own", "PURGE", []string{"Origin", "https://evil.example"}, 403},
		{"a neighbour", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.app.example"}, 403},
		{"another origin without Fetch Metadata", "POST", []string{"Origin", "https://evil.example"}, 403},
		{"own origin over http", "POST", []string{"Origin", "http://app.example"}, 403},
		{"own origin with a port", "POST", []string{"Origin", "https://app.example:8443"}, 403},
		{"no origin", "POST", []string{"Origin", "null"}, 403},
		{"an origin like ours", "POST", []string{"Origin", "https://app.example.evil.example"}, 403},
		{"neither header", "POST", nil, 403},
		{"neither header, but a referer of ours", "POST", []string{"Referer", "https://app.example/"}, 403},
		{"a listed origin", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://admin.example"}, 200},
		{"a page from elsewhere", "GET", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"no header at all", "GET", nil, 200},
		{"HEAD", "HEAD", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"own WebSocket", "GET", append(upgrade, "Origin", "https://app.example"), 200},
		{"own WebSocket with Fetch Metadata", "GET", append(upgrade, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin"), 200},
		{"a listed origin's WebSocket", "GET", append(upgrade, "Origin", "https://admin.example"), 200},
		{"foreign WebSocket", "GET", append(upgrade, "Origin", "https://evil.example"), 403},
		{"foreign WebSocket with Fetch Metadata", "GET", append(upgrade, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), 403},
		{"WebSocket in capitals", "GET", []string{"Connection", "upgrade", "Upgrade", "WebSocket", "Origin", "https://evil.example"}, 403},
		{"WebSocket from nowhere", "GET", upgrade, 403},
		{"WebSocket over HTTP/2", "CONNECT", []string{"Origin", "https://evil.example"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entered := false
			h := rp.Load(rp.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true })))
			w := ask(rp, h, &oidcrptest.User{Subject: "alice"}, tt.method, "https://app.example/secret", tt.header...)
			if w.Code != tt.want || entered != (tt.want == 200) {
				t.Errorf("got %d, entered %v, want %d", w.Code, entered, tt.want)
			}
			if tt.want == 403 && problem(t, w.Body.Bytes()).Reason != "cross_origin" {
				t.Error(w.Body)
			}
		})
	}
}

// What a browser on a page of an attacker can send, and what it brings.
func TestForgedRequestsOfABrowser(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	entered := a.reports.Load()
	neighbour := a.URL[:strings.LastIndex(a.URL, ":")] + ":1" // same site, so that cookies come along
	for _, from := range []string{"https://evil.example/", neighbour} {
		b.Show(from, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
		if from == neighbour {
			page := b.SubmitForm("win", nil)
			a.answers(page, http.StatusForbidden, "another site")
			b.Show(from, "")
		}
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			page := b.Fetch(method, a.URL+"/reports", &oidcrptest.FetchOptions{Credentials: "include", Mode: "cors"})
			if page.Status == http.StatusOK {
				t.Errorf("%s %s: %v", from, method, page)
			}
		}
		page := b.Fetch("POST", a.URL+"/reports", &oidcrptest.FetchOptions{Credentials: "include", Mode: "no-cors"})
		if page.Status != http.StatusForbidden && page.Status != http.StatusUnauthorized {
			t.Errorf("%s: %v", from, page)
		}
	}
	if a.reports.Load() != entered {
		t.Error("the handler was entered")
	}
	if log := a.log.String(); strings.Contains(log, "match Host") || !strings.Contains(log, `Origin \"`+neighbour) {
		t.Errorf("the log does not say whose request it was: %s", log)
	}
	b.Get(a.URL + "/")
	if page := b.Fetch("POST", "/reports", nil); page.Status != http.StatusOK {
		t.Errorf("our own script: %v", page)
	}
}

func TestGuardsNestAndLoadOnce(t *testing.T) {
	store := &counting{Store: oidcrp.NewMemoryStore()}
	rp := offline(t, func(c *oidcrp.Config) { c.Store = store })
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name(r)) })
	h := rp.Protect(rp.RequireLogin(rp.Require(oidcrp.HasRole("admin"))(rp.Load(rp.TryLogin(inner)))))
	user := oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": "admin"}}
	c := oidcrptest.Cookie(rp, "", user)
	before := store.finds.Load()
	w := ask(rp, h, nil, "GET", "/x", append(navigate, "Cookie", cookieHeader(c))...)
	if w.Code != 200 || w.Body.String() != "alice" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if n := store.finds.Load() - before; n != 3 { // the session, whether it was ended, and whether all of the user's were
		t.Errorf("the store was asked %d times", n)
	}
	if got := w.Header()["Vary"]; len(got) != 1 || got[0] != "Cookie" {
		t.Errorf("Vary %q", got)
	}
	if got := w.Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// Relying parties side by side: each is asked for its own sessions.
func TestGuardOfOneBehindLoadOfAnother(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		side := func(prefix string) *oidcrp.RelyingParty {
			p := op.Config("test", base)
			p.RedirectPath = prefix + "/cb"
			client := op.Clients()[len(op.Clients())-1]
			client.RedirectURLs = append(client.RedirectURLs, base+p.RedirectPath)
			op.AddClient(client)
			rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, Prefix: prefix, CookieKeys: [][]byte{key(2)}, Providers: []oidcrp.Provider{p}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return rp
		}
		one, two := side("/one"), side("/two")
		return one.Load(two.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })))
	})
	if page := oidcrptest.NewBrowser(t).Get(base + "/x"); page.Body != "hello alice" {
		t.Errorf("%s\n%d calls", page, op.Calls(oidcrptest.AuthorizeEndpoint))
	}
}

func TestSessionOfAnotherRelyingPartyIsNone(t *testing.T) {
	one := offline(t, nil)
	two := offline(t, func(c *oidcrp.Config) { c.Prefix, c.CookieKeys = "/two", [][]byte{key(2)} })
	h := one.Load(two.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })))
	if w := ask(one, h, &oidcrptest.User{Subject: "alice"}, "GET", "/", "Sec-Fetch-Mode", "cors"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// counting counts what a store is asked.
type counting struct {
	oidcrp.Store
	finds, commits atomic.Int32
}

func (c *counting) Find(token string) ([]byte, bool, error) {
	c.finds.Add(1)
	return c.Store.Find(token)
}

func (c *counting) Commit(token string, b []byte, expiry time.Time) error {
	c.commits.Add(1)
	return c.Store.Commit(token, b, expiry)
}

func TestEachGuardWorksByItself(t *testing.T) {
	rp := offline(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })
	for guard, h := range map[string]http.Handler{"Load": rp.Load(inner), "RequireLogin": rp.RequireLogin(inner),
		"Require": rp.Require(oidcrp.HasRole("admin"))(inner), "Protect": rp.Protect(inner), "TryLogin": rp.TryLogin(inner)} {
		w := ask(rp, h, &oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": []string{"admin"}}}, "GET", "/x", navigate...)
		if w.Code != 200 || w.Body.String() != "hello alice" {
			t.Errorf("%s: %d %s", guard, w.Code, w.Body)
		}
		w = ask(rp, h, nil, "GET", "/x", "Sec-Fetch-Mode", "cors")
		open := guard == "Load" || guard == "TryLogin"
		if open != (w.Code == 200) || !open && w.Code != 401 || strings.Contains(w.Body.String(), "hello") != open {
			t.Errorf("%s, a stranger's script: %d %s", guard, w.Code, w.Body)
		}
	}
}

func TestTryLoginTriesOnlyWhereItCan(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://two.example", ClientID: "app"})
	})
	one := offline(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	for name, w := range map[string]*httptest.ResponseRecorder{
		"several providers": ask(rp, rp.TryLogin(inner), nil, "GET", "/x", navigate...),
		"a script":          ask(one, one.TryLogin(inner), nil, "GET", "/x", "Sec-Fetch-Mode", "cors"),
		"a form":            ask(one, one.TryLogin(inner), nil, "POST", "/x", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"),
	} {
		if w.Code != 200 || w.Body.String() != "hello" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

func TestResponseWriterIsPassedOn(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) { c.IdleTimeout = time.Hour })
	var got http.ResponseWriter
	h := rp.Load(rp.RequireLogin(rp.Require(oidcrp.FromProvider("main"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w }))))
	r := httptest.NewRequest("GET", "/x", nil)
	r.AddCookie(oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: "alice"}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler got a %T", got)
	}
}

func TestStreamAndHijack(t *testing.T) {
	release := make(chan struct{})
	a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
		stream := a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: hello %s\n\n", name(r))
			w.(http.Flusher).Flush()
			<-release
		}))
		raw := a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello %s", name(r))
		}))
		return a.pages(map[string]http.HandlerFunc{"/stream": stream.ServeHTTP, "/socket": raw.ServeHTTP})
	})
	b := a.signIn()
	res := a.with(b, "GET", "/stream")
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	close(release)
	if err != nil || line != "data: hello alice\n" {
		t.Errorf("stream: %q %v", line, err)
	}
	request := "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: %s\r\nCookie: %s\r\n\r\n"
	res, _ = a.rawConn(fmt.Sprintf(request, a.URL, cookieHeader(a.sessionCookie(b))))
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("our own socket: %d", res.StatusCode)
	}
	res, _ = a.rawConn(fmt.Sprintf(request, "https://evil.example", cookieHeader(a.sessionCookie(b))))
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign socket: %d", res.StatusCode)
	}
}

func caching(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	public := b.Get(a.URL + "/")
	if public.Header.Get("Vary") != "Cookie" || public.Header.Get("Cache-Control") != "" {
		t.Errorf("a public page for a stranger: %v", public.Header)
	}
	page := b.Get(a.URL + "/reports")
	for _, hop := range page.Trail {
		if strings.HasPrefix(hop.URL.String(), a.URL) && hop.Response.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", hop.URL, hop.Response.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/", "/reports", "/admin", "/auth/me", "/auth/login", "/auth/logout", "/auth/nowhere"} {
		page := b.Get(a.URL + path)
		if page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("ETag") != "" {
			t.Errorf("%s: %v", path, page.Header)
		}
	}
}

func TestHandlerMaySetItsOwnCacheControl(t *testing.T) {
	rp := offline(t, nil)
	h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "private, max-age=60") }))
	user := &oidcrptest.User{Subject: "alice"}
	if got := ask(rp, h, user, "GET", "/x").Header()["Cache-Control"]; len(got) != 1 || got[0] != "private, max-age=60" {
		t.Errorf("Cache-Control %q", got)
	}
	open := rp.Load(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if got := ask(rp, open, user, "GET", "/x").Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control %q after another handler's", got) // the shared value was not written to
	}
}

// nothingEntersAnonymously: whatever is sent without a session, the handler is
// not entered and nothing of what it writes comes out.
func nothingEntersAnonymously(t *testing.T) {
	const secret = "the quarterly figures"
	var entered atomic.Int32
	reports := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered.Add(1)
		io.WriteString(w, secret)
	})
	mounts := map[string]func(a *app) http.Handler{
		"guarded route": func(a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/reports", a.rp.RequireLogin(reports))
			mux.Handle("/reports/", a.rp.RequireLogin(reports))
			mux.HandleFunc("/public/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "public") })
			return a.rp.Load(mux)
		},
		"everything protected": func(a *app) http.Handler { return a.rp.Protect(reports) },
		"guard without Load":   func(a *app) http.Handler { return a.rp.Require(oidcrp.HasRole("admin"))(reports) },
		"sign-in page beside":  func(a *app) http.Handler { return a.rp.Protect(reports) },
	}
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
				if name == "sign-in page beside" {
					c.SignInPath = "/sign-in"
				}
			}, mount)
			methods := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"}
			paths := []string{"/reports", "/reports/", "//reports", "/./reports", "/reports/../x", "/public/../reports", "/public/%2e%2e/reports",
				"/%2e/reports", "/%2e%2e/reports", "/%72eports", "/reports%2f", "/reports;x", "/reports?p=/public/", "/reports?next=/auth/login", "/REPORTS", "/reports.", "/reports#/public/", "/reports%23/public/", "/reports/auth/login",
				"/auth/../reports", "/auth/%2e%2e/reports", "/auth/login/../../reports", "/auth;/../reports", "http://localhost/reports", "/\\reports", "/auth", "/authx"}
			for _, method := range methods {
				for _, path := range paths {
					if method == "CONNECT" && strings.HasPrefix(path, "http") {
						continue
					}
					for _, extra := range []string{"Accept: text/html\r\n", "Range: bytes=0-10\r\nUser-Agent: kube-probe/1.30\r\nX-Original-URL: /public/\r\nX-Forwarded-Uri: /public/\r\nX-User: alice\r\nAuthorization: Bearer x\r\n"} {
						res := a.raw(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + extra + "Content-Length: 0\r\n\r\n")
						body, _ := io.ReadAll(res.Body)
						if strings.Contains(string(body), secret) {
							t.Errorf("%s %s: %d with the secret", method, path, res.StatusCode)
						}
						if res.StatusCode == 200 && !strings.Contains(path, "public") && string(body) != "" && string(body) != "public" && !strings.Contains(string(body), "Sign") {
							t.Errorf("%s %s: 200 %s", method, path, body)
						}
					}
				}
			}
			if n := entered.Load(); n != 0 {
				t.Errorf("the handler was entered %d times", n)
			}
			b := a.browse()
			if page := b.Get(a.URL + "/reports"); page.Body != secret {
				t.Errorf("signed in: %v", page)
			}
			entered.Store(0)
		})
	}
}

func TestPassiveRequestsDoNotExtendTheSession(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.IdleTimeout = 30 * time.Minute
		c.Passive = func(r *http.Request) bool { return r.URL.Query().Has("poll") }
	})
	active, idle := a.signIn(), a.signIn()
	for range 4 {
		a.clock.advance(10 * time.Minute)
		a.shows(active.Get(a.URL+"/reports"), "reports for alice")
		idle.Get(a.URL + "/reports?poll")
		idle.Fetch("GET", "/auth/me", nil)
	}
	if page := active.Fetch("GET", "/auth/me", nil); page.Status != 200 {
		t.Errorf("who was active: %v", page)
	}
	idle.Get(a.URL + "/")
	if page := idle.Fetch("GET", "/reports", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("who only polled: %v", page)
	}
}

// A sign-in page of the application is open even where everything is behind a
// login: it is how one comes in.
func TestProtectLeavesTheSignInPageOpen(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		c.SignInPath = "/sign-in"
		c.Providers = append(c.Providers, other.Config("other", c.BaseURL))
	}, func(a *app) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("/sign-in", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for _, p := range a.rp.View(r).Providers() {
				fmt.Fprintf(w, `<a href="%s">%s</a>`, strings.ReplaceAll(p.URL, "&", "&amp;"), p.DisplayName)
			}
		})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page for ", name(r)) })
		return a.rp.Protect(mux)
	})
	b := a.browse()
	b.Get(a.URL + "/deep?x=1")
	page := b.Follow("other")
	a.shows(page, "page for bob")
	if page.URL.RequestURI() != "/deep?x=1" {
		t.Errorf("ended at %s", page.URL)
	}
}
