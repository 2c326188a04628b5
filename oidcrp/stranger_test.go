package oidcrp_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What somebody tried first who knew the documentation alone.

func TestPausePageBehindProtect(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	var rp *oidcrp.RelyingParty
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		var err error
		rp, err = oidcrp.New(oidcrp.Config{
			BaseURL: base, Providers: []oidcrp.Provider{op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler),
			OnLogin: func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /terms", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<form method="post"><button>Accept</button></form>`)
		})
		mux.HandleFunc("POST /terms", func(w http.ResponseWriter, r *http.Request) {
			rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
		})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path, " of ", name(r)) })
		mux.Handle("/admin", rp.Require(oidcrp.HasRole("admin"))(http.NotFoundHandler()))
		return rp.Protect(mux)
	})
	b := oidcrptest.NewBrowser(t)
	b.Get(base + "/reports")
	if page := b.Page(); page.URL.Path != "/terms" {
		t.Fatalf("ended at %s", page)
	}
	other := b.Tab()
	if page := other.Get(base + "/reports"); page.URL.Path != "/terms" {
		t.Errorf("another page is open: %s", page)
	}
	if page := b.SubmitForm("Accept", nil); page.Body != "/reports of alice" {
		t.Errorf("got %s", page)
	}
}

func TestSignOutByFetch(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	var answer struct{ Location string }
	page := b.Fetch("POST", "/auth/logout", nil)
	if err := page.JSON(&answer); err != nil || page.Status != http.StatusOK || !strings.HasPrefix(answer.Location, a.op.URL(oidcrptest.EndSessionEndpoint)+"?") {
		t.Fatalf("%d %s", page.Status, page.Body)
	}
	a.shows(b.Get(a.URL+"/"), "home of nobody")
	a.shows(b.Get(answer.Location), "signed out")
	a.calls(oidcrptest.EndSessionEndpoint, 1)

	local := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true })
	b = local.signIn()
	if err := b.Fetch("POST", "/auth/logout", nil).JSON(&answer); err != nil || answer.Location != local.URL+"/auth/logout" {
		t.Errorf("%q %v", answer.Location, err)
	}
}

func TestSessionsForHandlerTests(t *testing.T) {
	user := oidcrptest.User{Subject: "u1", Provider: "acme", Values: map[string]string{"uid": "17"},
		Claims: map[string]any{"acr": "gold", "amr": []string{"otp"}, "auth_time": 1700000000}}
	s := oidcrp.FromContext(oidcrptest.SignedIn(httptest.NewRequest("GET", "/", nil), user).Context())
	if s.Value("uid") != "17" || s.Provider() != "acme" || s.ACR() != "gold" || len(s.AMR()) != 1 || s.AuthTime().Unix() != 1700000000 {
		t.Errorf("%q %q %q %q %v", s.Value("uid"), s.Provider(), s.ACR(), s.AMR(), s.AuthTime())
	}
}

func TestConfigurationHints(t *testing.T) {
	cfg := goodConfig()
	cfg.Providers[0].Issuer += "/.well-known/openid-configuration"
	if _, err := oidcrp.New(cfg); err == nil || !strings.Contains(err.Error(), "give the issuer alone") {
		t.Errorf("metadata address as issuer: %v", err)
	}
	cfg = goodConfig()
	cfg.BaseURL, cfg.CookieKeys = "localhost:3000", nil
	if _, err := oidcrp.New(cfg); err == nil || strings.Contains(err.Error(), "CookieKeys") {
		t.Errorf("base URL without scheme: %v", err)
	}
	cfg = goodConfig()
	cfg.Providers[0].RedirectPath = "http://localhost:3000/cb"
	if _, err := oidcrp.New(cfg); err == nil || strings.Count(err.Error(), "oidcrp:") != 1 {
		t.Errorf("redirect URL as path: %v", err)
	}
	for auth, warned := range map[string]bool{"": true, "none": false} {
		var log bytes.Buffer
		cfg = goodConfig()
		cfg.Providers[0].ClientSecret, cfg.Providers[0].ClientAuth, cfg.Logger = "", auth, slog.New(slog.NewTextHandler(&log, nil))
		if _, err := oidcrp.New(cfg); err != nil || strings.Contains(log.String(), "public client") != warned {
			t.Errorf("no secret, ClientAuth %q: %v %s", auth, err, &log)
		}
	}
}

func TestLoginReads(t *testing.T) {
	var email, groups string
	var verified bool
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			email, verified, groups = l.Text("email"), l.EmailVerified(), l.Text("roles")
			return nil
		}
	})
	a.signIn()
	if email != "alice@example.com" || !verified || groups != "admin" {
		t.Errorf("%q %v %q", email, verified, groups)
	}
}
