package main

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// start runs the application with two providers: alice is at work, bob at home.
func start(t *testing.T) (a *apptest.App, home *oidcrptest.Provider) {
	t.Helper()
	home = oidcrptest.NewProvider(t)
	home.SignInAs("bob")
	a = apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		p.Name = "work"
		return app(baseURL, oidcrp.NewMemoryStore(), p, home.Config("home", baseURL))
	}, "/auth/callback/work")
	a.Provider.SignInAs("alice")
	return a, home
}

func signIn(t *testing.T, a *apptest.App, provider string) *oidcrptest.Page {
	t.Helper()
	a.Browser.Get(a.URL + "/")
	return a.Browser.Follow("Sign in with " + provider)
}

func TestPayoutNeedsAStrongSignIn(t *testing.T) {
	a, _ := start(t)
	apptest.Contains(t, signIn(t, a, "work"), "You are user 1")
	a.Provider.SetFaults(oidcrptest.WrongACR)
	page := a.Browser.Get(a.URL + "/payout")
	if page.Status != http.StatusForbidden {
		t.Errorf("got %v", page)
	}
	apptest.Contains(t, page, "Please confirm that it is you")
	apptest.Contains(t, a.Browser.Get(a.URL+"/"), "You are user 1")

	a.Provider.SetFaults()
	a.Browser.Get(a.URL + "/payout")
	if page := a.Browser.SubmitForm("Pay me", nil); page.Body != "paid to user 1\n" {
		t.Errorf("got %v", page)
	}
}

func TestTwoProvidersAreOneUser(t *testing.T) {
	a, home := start(t)
	signIn(t, a, "work")
	apptest.Contains(t, a.Browser.SubmitForm("Also sign in with home", nil), "You are user 1")
	a.Browser = oidcrptest.NewBrowser(t)
	apptest.Contains(t, signIn(t, a, "home"), "You are user 1")

	// Another user cannot take the identity away.
	a.Browser = oidcrptest.NewBrowser(t)
	a.Provider.SignInAs("carol")
	apptest.Contains(t, signIn(t, a, "work"), "You are user 3")
	page := a.Browser.SubmitForm("Also sign in with home", nil)
	if page.Status != http.StatusForbidden {
		t.Errorf("got %v", page)
	}
	apptest.Contains(t, page, "Somebody else uses that account here.")
	if n := home.Calls(oidcrptest.TokenEndpoint); n != 3 {
		t.Errorf("%d logins at home", n)
	}
}

func TestSignOutEverywhere(t *testing.T) {
	a, _ := start(t)
	signIn(t, a, "work")
	elsewhere := a.Browser
	a.Browser = oidcrptest.NewBrowser(t)
	signIn(t, a, "work")
	a.Browser.SubmitForm("Sign out everywhere", nil)
	for _, b := range []*oidcrptest.Browser{a.Browser, elsewhere} {
		if me := b.Fetch("GET", a.URL+"/auth/me", nil); me.Status != http.StatusUnauthorized {
			t.Errorf("still signed in: %v", me)
		}
	}
}
