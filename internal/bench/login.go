package main

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/gorilla/securecookie"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// app is an application at its base URL: "/callback" ends a login, and "/" is
// for who is signed in.
type app func(op *fakeProvider, baseURL string) http.Handler

var apps = []struct {
	name, leavesOut, login string
	app                    app
}{
	{"limit", "", "/login", byHand},
	{"oidcrp", "", "/auth/login", withOIDCRP},
	{"go-oidc by hand, PKCE", "", "/login", withGoOIDC},
	{"hashicorp/cap", "binding to the browser", "/login", withCap},
	{"zitadel rp", "nonce", "/login", withZitadel},
	{"goth", "PKCE, nonce, signature", "/login?provider=openid-connect", withGoth},
}

func withOIDCRP(op *fakeProvider, baseURL string) http.Handler {
	rp := must(oidcrp.New(oidcrp.Config{
		BaseURL: baseURL, CookieKeys: [][]byte{securecookie.GenerateRandomKey(32)},
		Providers: []oidcrp.Provider{{Issuer: op.URL, ClientID: "app", ClientSecret: "secret", RedirectPath: "/callback", Algorithms: []string{"ES256"}}},
		Logger:    slog.New(slog.DiscardHandler), // nobody else here says that a login succeeded
	}))
	return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if oidcrp.FromContext(r.Context()).Subject() != "alice" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
}

// serveApp starts an application.
func serveApp(op *fakeProvider, app app) *httptest.Server {
	s := httptest.NewUnstartedServer(nil)
	s.Config.Handler = app(op, "http://"+s.Listener.Addr().String())
	s.Start()
	return s
}

// logins is C: a browser begins a login, comes back, and is signed in. Where
// the provider sends it, is known without a call.
func logins(r *run) {
	op := newProvider()
	defer op.Close()
	var all []contender
	for _, a := range apps {
		s := serveApp(op, a.app)
		defer s.Close()
		transport := &http.Transport{MaxIdleConnsPerHost: 1}
		defer transport.CloseIdleConnections()
		all = append(all, contender{a.name, func() {
			browser := &http.Client{Transport: transport, Jar: must(cookiejar.New(nil)),
				CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			res := visit(browser, s.URL+a.login)
			visit(browser, signsIn(res.Header.Get("Location")))
			if res := visit(browser, s.URL+"/"); res.StatusCode != http.StatusOK {
				panic(a.name + " did not sign in: " + res.Status)
			}
		}, without(a.leavesOut)})
	}
	rs := r.measure(all)
	rs.print("C: a whole login, ES256", "oidcrp")
	r.atMost("C, x limit", rs.ratio("oidcrp", "limit"), 1.2)
	r.atMost("C, allocations, of browser and provider too", rs.of("oidcrp").allocs, 800)
	r.atMost("C, x go-oidc by hand with PKCE", rs.ratio("oidcrp", "go-oidc by hand, PKCE"), 1)
	r.atLeast("hashicorp/cap, x C", rs.ratio("hashicorp/cap", "oidcrp"), 1.2)
	r.atLeast("zitadel rp, x C", rs.ratio("zitadel rp", "oidcrp"), 1.2)
	r.atLeast("goth, x C", rs.ratio("goth", "oidcrp"), 4)
}

func visit(browser *http.Client, address string) *http.Response {
	r := must(http.NewRequest(http.MethodGet, address, nil))
	r.Header.Set("Accept", "text/html")
	res := must(browser.Do(r))
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res
}

// page is what an application in this process answers to a browser.
func page(h http.Handler, path string, cookies ...*http.Cookie) *http.Response {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func without(what string) string {
	if what == "" {
		return ""
	}
	return "without " + what
}

// redirects is D: the login handler alone.
func redirects(r *run) {
	op := newProvider()
	defer op.Close()
	var all []contender
	for _, a := range apps {
		h := a.app(op, "http://localhost:3000")
		request := httptest.NewRequest(http.MethodGet, a.login, nil)
		request.Header.Set("Accept", "text/html")
		w := &nowhere{http.Header{}}
		all = append(all, contender{a.name, func() {
			clear(w.h)
			h.ServeHTTP(w, request)
			if w.h.Get("Location") == "" {
				panic(a.name + " does not redirect")
			}
		}, without(a.leavesOut)})
	}
	rs := r.measure(all)
	rs.print("D: the redirect to the provider, in process", "oidcrp")
	r.atMost("D, x limit", rs.ratio("oidcrp", "limit"), 1.3)
	r.atMost("D, allocations", rs.of("oidcrp").allocs, 16)
	r.atLeast("go-oidc by hand with PKCE, x D", rs.ratio("go-oidc by hand, PKCE", "oidcrp"), 3)
	r.atLeast("zitadel rp, x D", rs.ratio("zitadel rp", "oidcrp"), 7)
	r.atLeast("hashicorp/cap, x D", rs.ratio("hashicorp/cap", "oidcrp"), 7)
	r.atLeast("goth, x D", rs.ratio("goth", "oidcrp"), 100)
}
