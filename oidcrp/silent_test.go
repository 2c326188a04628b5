package oidcrp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestSilentLogin(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	op.SignInAs("")
	silent := newSilentApp(t, a)
	b := a.browse()
	page := b.Get(silent + "/")
	a.shows(page, "home of nobody") // the provider does not know the visitor
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
	if got := a.requests()[0].Get("prompt"); got != "none" {
		t.Errorf("prompt %q", got)
	}
	a.shows(b.Get(silent+"/?again"), "home of nobody")
	a.calls(oidcrptest.AuthorizeEndpoint, 1) // not asked again
	b.Get(silent + "/auth/login?return_to=/reports")
	a.shows(b.SubmitForm("alice", nil), "home of alice")

	b.DropCookies() // of both; the provider forgets her
	b = a.browse()
	b.Get(silent + "/auth/login")
	b.SubmitForm("alice", nil)
	b.DropCookie(a.sessionName(b, silent))
	a.shows(b.Get(silent+"/page"), "home of alice") // nobody was asked anything
}

func TestFailedSilentLoginShowsThePage(t *testing.T) {
	for _, code := range []string{"access_denied", "server_error", "invalid_request", "temporarily_unavailable"} {
		op := oidcrptest.NewProvider(t)
		a := newApp(t, op, nil)
		silent := newSilentApp(t, a)
		op.SetFaults(oidcrptest.AuthorizationError(code, ""))
		b := a.browse()
		for range 3 {
			a.shows(b.Get(silent+"/"), "home of nobody")
		}
	}
}

func TestRefusedSilentLoginShowsThePage(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		rp, err := oidcrp.New(oidcrp.Config{
			BaseURL: base, Providers: []oidcrp.Provider{op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler),
			OnLogin: func(context.Context, *oidcrp.Login) error { return &oidcrp.Refusal{Message: "staff only"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		return rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "home of "+name(r)) }))
	})
	b := oidcrptest.NewBrowser(t)
	for i := range 3 {
		if page := b.Get(base + "/"); page.Status != http.StatusOK || page.Body != "home of nobody" {
			t.Errorf("visit %d: %s", i, page)
		}
	}
}

// A silent login that took too long leaves the page it was tried for open.
func TestSilentLoginThatExpired(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	op.SetFaults(oidcrptest.Fault{Name: "late", Response: func(*oidcrptest.Response) { a.clock.advance(11 * time.Minute) }})
	b := a.browse()
	b.SetNow(time.Now) // the browser keeps its cookies longer than it should
	guarded := httptest.NewServer(a.rp.TryLogin(http.NotFoundHandler()))
	defer guarded.Close()
	page := b.Get(strings.Replace(guarded.URL, "127.0.0.1", "localhost", 1) + "/page")
	a.shows(page, "home of nobody")
	a.calls(oidcrptest.TokenEndpoint, 0)
}

// A fixed prompt beats prompt=none, so such an attempt would not be silent.
func TestNoSilentLoginWhereThePromptIsFixed(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].Prompt = "login" })
	b := a.browse()
	guarded := httptest.NewServer(a.rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("home of " + name(r)))
	})))
	defer guarded.Close()
	a.shows(b.Get(guarded.URL+"/"), "home of nobody")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
}
