package oidcrp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// withOldLinks is an application that came from Power Pages, with two
// providers.
func withOldLinks(t *testing.T, change func(*oidcrp.Config)) *app {
	t.Helper()
	op := oidcrptest.NewProvider(t)
	return newApp(t, op, func(cfg *oidcrp.Config) {
		cfg.LoginPath, cfg.LogoutPath = "/Account/Login/ExternalLogin", "/Account/Login/LogOff"
		cfg.Providers[0].Aliases = []string{"Contoso", "https://login.contoso.example/"}
		cfg.Providers[0].DynamicParams = []string{"campaign"}
		cfg.Providers = append(cfg.Providers, op.Config("other", cfg.BaseURL))
		for i := range cfg.Providers {
			cfg.Providers[i].PAR = oidcrp.Refused // so that the request can be read
		}
		if change != nil {
			change(cfg)
		}
	})
}

func TestLoginPath(t *testing.T) {
	a := withOldLinks(t, nil)
	// start follows a link and returns the authorization request.
	start := func(link string) url.Values {
		t.Helper()
		before := len(a.op.Requests(oidcrptest.AuthorizeEndpoint))
		a.browse().Get(a.URL + link)
		all := a.op.Requests(oidcrptest.AuthorizeEndpoint)
		if len(all) != before+1 {
			t.Fatalf("%s: %d authorization requests", link, len(all)-before)
		}
		return all[before].Query
	}
	for _, provider := range []string{"Contoso", "https://login.contoso.example/", "test"} {
		q := start("/Account/Login/ExternalLogin?ReturnUrl=%2F&prompt=login&login_hint=erin&campaign=7&foo=bar&state=mine&provider=" + url.QueryEscape(provider))
		if q.Get("prompt") != "login" || q.Get("login_hint") != "erin" || q.Get("campaign") != "7" || q.Has("foo") || len(q["state"]) != 1 || q.Get("state") == "mine" {
			t.Errorf("%s: %v", provider, q)
		}
	}
	if q := start("/account/login/externallogin?PROVIDER=Contoso&Prompt=login&Campaign=7"); q.Get("prompt") != "login" || q.Has("campaign") || q.Has("Campaign") {
		t.Errorf("in another case: %v", q)
	}
	a.shows(a.browse().Get(a.URL+"/Account/Login/ExternalLogin?returnUrl=%2Freports%3Fyear%3D7&provider=Contoso"), "reports for alice at /reports?year=7")
	a.shows(a.browse().Get(a.URL+"/Account/Login/ExternalLogin?ReturnUrl=https%3A%2F%2Fevil.example%2F&provider=Contoso"), "home of alice")
	a.shows(a.browse().Get(a.URL+"/Account/Login/ExternalLogin?ReturnUrl=%2FAccount%2FLogin%2FLogOff&provider=Contoso"), "home of alice")
	// A name nobody has is no dead end, and a name in another case is none.
	for _, provider := range []string{"contoso", "Nobody", ""} {
		a.shows(a.browse().Get(a.URL+"/Account/Login/ExternalLogin?ReturnUrl=%2Freports&provider="+provider), "Sign in with")
	}
}

// The buttons of a portal's own page post a form.
func TestLoginPathByForm(t *testing.T) {
	a := withOldLinks(t, nil)
	fields := url.Values{"provider": {"Contoso"}, "returnUrl": {"/reports"}, "__RequestVerificationToken": {"token-of-the-portal"}}
	address := a.URL + "/Account/Login/ExternalLogin"
	b := a.browse()
	b.Get(a.URL)
	a.shows(b.PostForm(address, fields), "reports for alice")
	a.shows(b.PostForm(address+"?ReturnUrl=%2Fhello", url.Values{"provider": {"Contoso"}}), "home of alice")

	// A form of another site does not exchange the session, and the page has
	// nothing of the portal's.
	b.Show("https://evil.example/", "")
	page := b.PostForm(address, fields)
	a.shows(page, "Continue")
	if strings.Contains(page.Body, "token-of-the-portal") {
		t.Errorf("the page has it: %s", page.Body)
	}
	b = a.browse()
	b.Get(a.URL)
	if page := b.PostForm(address, url.Values{"provider": {strings.Repeat("x", 20<<10)}}); page.Status != http.StatusBadRequest {
		t.Errorf("a form of 20 KB: %s", page)
	}
	if page := b.Fetch(http.MethodPost, address, nil); page.Status != http.StatusUnauthorized {
		t.Errorf("not a navigation: %s", page)
	}
}

func TestLogoutPath(t *testing.T) {
	a := withOldLinks(t, nil)
	signedIn := func() *oidcrptest.Browser {
		b := a.browse()
		a.shows(b.Get(a.URL+"/Account/Login/ExternalLogin?ReturnUrl=%2Freports&provider=Contoso"), "reports for alice")
		return b
	}
	t.Run("a link asks first", func(t *testing.T) {
		b := signedIn()
		a.shows(b.Get(a.URL+"/account/login/logoff?returnUrl=%2Fhello"), "Sign out?")
		a.shows(b.Tab().Get(a.URL+"/reports"), "reports for alice")
		b.SubmitForm("Sign out", nil)
		if page := b.Page(); page.URL.Path != "/hello" || !strings.Contains(page.Body, "home of nobody") {
			t.Errorf("ended at %s", page)
		}
		if ended := a.op.Requests(oidcrptest.EndSessionEndpoint); len(ended) == 0 || ended[0].Query.Get("id_token_hint") == "" {
			t.Errorf("the provider was not signed out: %v", ended)
		}
	})
	t.Run("a link to elsewhere ends at home", func(t *testing.T) {
		b := signedIn()
		if page := b.Get(a.URL + "/Account/Login/LogOff?returnUrl=https%3A%2F%2Fevil.example%2F"); strings.Contains(page.Body, "evil") {
			t.Errorf("the page has it: %s", page.Body)
		}
		a.shows(b.SubmitForm("Sign out", nil), "home of nobody")
	})
	t.Run("a form of our own signs out", func(t *testing.T) {
		b := signedIn()
		before := a.op.Calls(oidcrptest.EndSessionEndpoint)
		b.PostForm(a.URL+"/Account/Login/LogOff?ReturnUrl=https%3A%2F%2Fevil.example", nil)
		a.shows(b.Get(a.URL+"/"), "home of nobody")
		if a.op.Calls(oidcrptest.EndSessionEndpoint) == before {
			t.Error("the provider was not signed out")
		}
	})
	t.Run("a form of another site does not", func(t *testing.T) {
		b := signedIn()
		b.Show("https://evil.example/", "")
		if page := b.PostForm(a.URL+"/Account/Login/LogOff", nil); page.Status != http.StatusForbidden {
			t.Errorf("got %s", page)
		}
		a.shows(b.Tab().Get(a.URL+"/reports"), "reports for alice")
	})
	t.Run("nobody to sign out", func(t *testing.T) {
		a.shows(a.browse().Get(a.URL+"/Account/Login/LogOff"), "You are signed out")
	})
}

func TestDefaultProvider(t *testing.T) {
	a := withOldLinks(t, func(cfg *oidcrp.Config) { cfg.DefaultProvider = "other" })
	a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice")
	all := a.op.Requests(oidcrptest.AuthorizeEndpoint)
	if got := all[len(all)-1].Query.Get("redirect_uri"); got != a.URL+"/auth/callback/other" {
		t.Errorf("went to %s", got)
	}
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=nobody"), "Sign in with")
}

func TestEverySignOutIsEverywhere(t *testing.T) {
	a := withOldLinks(t, func(cfg *oidcrp.Config) { cfg.DefaultProvider, cfg.SignOutEverywhere = "test", true })
	one, two := a.signIn(), a.signIn()
	one.Get(a.URL + "/auth/logout")
	one.SubmitForm("Sign out", nil)
	a.shows(two.Get(a.URL+"/"), "home of nobody")
	if got := a.events.reason(oidcrp.SessionEnded); got != "everywhere" {
		t.Errorf("reason %q", got)
	}
}

func TestAliasMistakes(t *testing.T) {
	cfg := oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, SignInPath: "/welcome",
		LoginPath: "/WELCOME", LogoutPath: "/signin-A", DefaultProvider: "nobody",
		Providers: []oidcrp.Provider{
			{Name: "a", Issuer: "https://a.example", ClientID: "x", ClientAuth: "none", RedirectPath: "/signin-a", Aliases: []string{"b", "One", "a"}},
			{Name: "b", Issuer: "https://b.example", ClientID: "x", ClientAuth: "none", Aliases: []string{"One", ""}},
		},
	}
	_, err := oidcrp.New(cfg)
	for _, want := range []string{
		`LoginPath: "/WELCOME" is an address of ours`, `LogoutPath: "/signin-A" is an address of ours`, `DefaultProvider: no provider is called "nobody"`,
		`(a).Aliases: "b" is a name of b`, `(b).Aliases: "One" is a name of a`, `(b).Aliases: an entry is empty`,
	} {
		if err == nil || strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not said once in\n%v", want, err)
		}
	}
	cfg.LoginPath, cfg.LogoutPath = "relative", "/auth/me"
	_, err = oidcrp.New(cfg)
	for _, want := range []string{`LoginPath: "relative"`, `LogoutPath: "/auth/me" is an address of ours`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said in\n%v", want, err)
		}
	}
}
