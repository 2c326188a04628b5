package reports

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var erin = oidcrptest.User{Subject: "erin", Name: "Erin", Email: "erin@example.com", EmailVerified: true,
	Claims: map[string]any{"roles": []string{"reader"}}}

// newRP needs no provider: New makes no network call.
func newRP(t *testing.T, baseURL string, p oidcrp.Provider) *oidcrp.RelyingParty {
	t.Helper()
	p.RolesClaim = "roles"
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{p}})
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

var unused = oidcrp.Provider{Issuer: "https://login.example.com", ClientID: "app", ClientSecret: "secret"}

// A handler by itself: put a session into the request's context.
func TestHandler(t *testing.T) {
	r := httptest.NewRequest("GET", "/reports", nil)
	r = r.WithContext(oidcrptest.WithSession(r.Context(), erin))
	w := httptest.NewRecorder()
	list(w, r)
	if got := w.Body.String(); got != "Reports for erin@example.com" {
		t.Errorf("erin sees %q", got)
	}
}

// A handler behind its guard: the session does not come from a cookie, but
// the guard looks at its roles.
func TestGuard(t *testing.T) {
	app := New(newRP(t, "http://localhost:3000", unused))
	intruder := oidcrptest.User{Subject: "mallory"}
	for _, test := range []struct {
		name string
		user *oidcrptest.User
		want int
	}{
		{"a reader", &erin, http.StatusOK},
		{"somebody else", &intruder, http.StatusForbidden},
		{"nobody", nil, http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/reports", nil)
			if test.user != nil {
				r = oidcrptest.SignedIn(r, *test.user)
			}
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			if w.Code != test.want {
				t.Errorf("got %d, want %d", w.Code, test.want)
			}
		})
	}
}

// The same over HTTP, with a real session cookie.
func TestOverHTTP(t *testing.T) {
	rp := newRP(t, "http://localhost:3000", unused)
	server := httptest.NewServer(New(rp))
	defer server.Close()

	r, err := http.NewRequest("GET", server.URL+"/reports", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(oidcrptest.Cookie(rp, "", erin))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("got %d", res.StatusCode)
	}
}

// start runs the application on localhost, and a provider on 127.0.0.1: two
// sites to a browser, as in earnest.
func start(t *testing.T) (appURL string, provider *oidcrptest.Provider) {
	t.Helper()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	appURL = "http://localhost:" + port
	provider = oidcrptest.NewProvider(t)
	provider.AddUser(erin)
	server := &httptest.Server{Listener: ln, Config: &http.Server{Handler: New(newRP(t, appURL, provider.Config("main", appURL)))}}
	server.Start()
	t.Cleanup(server.Close)
	return appURL, provider
}

// The login itself, as a visitor sees it.
func TestLogin(t *testing.T) {
	app, _ := start(t)
	browser := oidcrptest.NewBrowser(t)
	browser.Get(app + "/reports") // ends on the provider's sign-in page
	page := browser.SubmitForm("erin", nil)
	if page.URL.String() != app+"/reports" || page.Body != "Reports for erin@example.com" {
		t.Errorf("erin sees %v", page)
	}
}

// What becomes of a login when the provider does something wrong, or is not
// there, or the user changes their mind.
func TestLoginFails(t *testing.T) {
	for _, test := range []struct {
		name string
		make func(*oidcrptest.Provider)
		want int
	}{
		{"forged token", func(p *oidcrptest.Provider) { p.SetFaults(oidcrptest.WrongSignature) }, http.StatusBadRequest},
		{"answer to another login", func(p *oidcrptest.Provider) { p.SetFaults(oidcrptest.WrongNonce) }, http.StatusBadRequest},
		{"user cancels", func(p *oidcrptest.Provider) { p.SetFaults(oidcrptest.AuthorizationError("access_denied", "")) }, http.StatusBadRequest},
		{"token endpoint is broken", func(p *oidcrptest.Provider) { p.SetFaults(oidcrptest.TokenStatus(500)) }, http.StatusServiceUnavailable},
		{"provider is down", func(p *oidcrptest.Provider) { p.Stop() }, http.StatusServiceUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			app, provider := start(t)
			provider.SignInAs("erin")
			test.make(provider)
			page := oidcrptest.NewBrowser(t).Get(app + "/reports")
			if page.Status != test.want {
				t.Errorf("want %d: %v", test.want, page)
			}
		})
	}
}
