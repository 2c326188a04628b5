package main

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func start(t *testing.T) *apptest.App {
	return apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		p.Name, p.DisplayName = "acme", "Acme"
		other := p
		other.Name, other.DisplayName = "other", "Another"
		return app(baseURL, p, other)
	}, "/auth/callback/acme", "/auth/callback/other")
}

func TestOwnSignInPage(t *testing.T) {
	a := start(t)
	page := a.Browser.Get(a.URL + "/orders")
	if page.URL.Path != "/welcome" {
		t.Fatalf("%v", page)
	}
	apptest.Contains(t, page, "Sign in with Acme", "Sign in with Another")
	a.Browser.Follow("Sign in with Another")
	page = a.Browser.SubmitForm("alice", nil)
	if page.URL.Path != "/orders" || page.Status != http.StatusOK {
		t.Fatalf("%v", page)
	}
	apptest.Contains(t, page, "Hello Alice Archer")
	apptest.Contains(t, a.Browser.SubmitForm("Sign out", nil), "signed out")
}

func TestThirdLanguage(t *testing.T) {
	a := start(t)
	a.Browser.SetLanguage("de-AT,de;q=0.9,en;q=0.5")
	page := a.Browser.Get(a.URL + "/auth/logout")
	if got := page.Header.Get("Content-Language"); got != "de" {
		t.Errorf("Content-Language %q: %v", got, page)
	}
	apptest.Contains(t, page, "Abgemeldet")
}
