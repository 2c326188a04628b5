package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestPortal(t *testing.T) {
	var accts *accounts.Accounts
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (handler http.Handler, err error) {
		// The file as it is, but for the provider, which is another in a test.
		ours := strings.NewReplacer("https://login.contoso.example/", p.Issuer, `"portal"`, `"`+p.ClientID+`"`, "replace-me", string(p.ClientSecret))
		handler, accts, err = app(baseURL, []byte(ours.Replace(string(settings))))
		return handler, err
	}, "/signin-contoso")
	a.Provider.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true,
		Claims: map[string]any{"given_name": "Erin", "family_name": "Example"}})

	page := a.SignIn("erin", "/Account/Login/ExternalLogin?ReturnUrl=%2F&provider=Contoso")
	if page.URL.Path != "/register" || !strings.Contains(page.Text(), "invitation") {
		t.Fatalf("without invitation: %v", page)
	}
	code, err := accts.Invite(context.Background(), accounts.Invitation{Email: "erin@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	a.Browser = oidcrptest.NewBrowser(t)
	a.SignIn("erin", "/Account/Login/ExternalLogin?provider=Contoso&ReturnUrl="+url.QueryEscape(accts.InvitationPath(code)))
	if page := a.Browser.SubmitForm("Continue", nil); page.Body != "Hello, Erin Example\n" {
		t.Fatalf("with an invitation: %v", page)
	}
	a.Browser.Get(a.URL + "/Account/Login/LogOff")
	a.Browser.SubmitForm("Sign out", nil)
	a.Browser = oidcrptest.NewBrowser(t)
	if page := a.SignIn("erin", "/"); page.Body != "Hello, Erin Example\n" {
		t.Errorf("the second time: %v", page)
	}
}
