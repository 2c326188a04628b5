package sitesettings_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// TestLogto has a subtest for each thing that Logto does for an application with
// business customers, by the number it has in our documentation, showing how this
// library does it.
func TestLogto(t *testing.T) {
	for name, test := range logtoTests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

// expired has access tokens end when they are given.
var expired = oidcrptest.TokenField("expires_in", 0)

var logtoTests = map[string]func(*testing.T){
	"02 scopes": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, nil)
		a.login(oidcrptest.User{})
		if got := a.asked().Get("scope"); got != "openid profile email" {
			t.Errorf("by default it asks for %q", got)
		}
		s, err := sitesettings.FromJSON([]byte(strings.Replace(printed, "openid profile", "openid profile+email read:books", 1)))
		if err != nil {
			t.Fatal(err)
		}
		a = startSaaS(t, accounts.Rules{}, func(_ *saas, cfg *oidcrp.Config) { cfg.Providers[0].Scopes = s.Config.Providers[0].Scopes })
		a.login(oidcrptest.User{})
		if got := a.asked().Get("scope"); got != "openid profile email read:books" {
			t.Errorf("it asks for %q", got)
		}
	},
	"10 existing user": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{Default: accounts.ProviderRules{MatchEmail: true}}, nil)
		known := &accounts.Contact{ID: "known", Email: "erin@acme.example", EmailVerified: true}
		if err := a.store.Create(context.Background(), known, ""); err != nil {
			t.Fatal(err)
		}
		_, page := a.login(erin(nil)) // by address
		a.shows(page, "contact known")
		a.decided("match/email_verified")
		_, page = a.login(erin(func(u *oidcrptest.User) { u.Email = "other@acme.example" })) // by issuer and subject
		a.shows(page, "contact known <erin@acme.example>")
		a.decided("signin/known")
		_, page = a.login(oidcrptest.User{Subject: "frank", Email: "frank@acme.example", EmailVerified: true}) // else a new one
		a.shows(page, "<frank@acme.example>")
		a.decided("register/open")
	},
	"11 profile": func(t *testing.T) {
		for _, every := range []bool{false, true} {
			mapping := map[string]string{"name": "name"}
			rules := accounts.ProviderRules{Registration: mapping}
			want := "map[name:Erin]"
			if every {
				rules, want = accounts.ProviderRules{Login: mapping}, "map[name:Erin Two]"
			}
			a := startSaaS(t, accounts.Rules{Default: rules}, nil)
			a.login(erin(nil))
			_, page := a.login(erin(func(u *oidcrptest.User) { u.Name, u.Email = "Erin Two", "two@acme.example" }))
			a.shows(page, want, "<erin@acme.example>")
		}
	},
	"12 just in time": func(t *testing.T) {
		rules := accounts.Rules{
			ByProvider: map[string]accounts.ProviderRules{"acme": {Grant: accounts.Grant{Organization: "Acme", Roles: []string{"reader"}}}},
			ByDomain:   map[string]accounts.Grant{"acme.example": {Organization: "of the domain"}},
		}
		a := startSaaS(t, rules, nil)
		_, page := a.login(erin(nil))
		a.shows(page, `of "Acme", roles ["reader"]`) // the provider goes before the domain
		rules.ByProvider = nil
		a = startSaaS(t, rules, nil)
		_, page = a.login(erin(nil))
		a.shows(page, `of "of the domain"`)
		_, page = a.login(oidcrptest.User{Subject: "frank", Email: "frank@acme.example"}) // not verified
		a.shows(page, `of ""`)
	},
	"13 not enforced afterwards": func(t *testing.T) {
		logins := 0
		a := startSaaS(t, accounts.Rules{Default: accounts.ProviderRules{Grant: accounts.Grant{Roles: []string{"reader"}}}}, func(_ *saas, cfg *oidcrp.Config) {
			cfg.OnLogin = func(context.Context, *oidcrp.Login) error { logins++; return nil } // at every login
		})
		a.login(erin(nil))
		c, err := a.store.ByIdentity(context.Background(), a.op.Issuer(), "erin")
		if err != nil {
			t.Fatal(err)
		}
		if err := a.store.Update(context.Background(), c.ID, "", func(c *accounts.Contact) error { c.Roles = nil; return nil }); err != nil {
			t.Fatal(err)
		}
		_, page := a.login(erin(nil))
		a.shows(page, "roles []")
		if logins != 2 {
			t.Errorf("OnLogin ran %d times", logins)
		}
	},
	"14 second factor": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, nil) // trusted
		a.op.SetFaults(oidcrptest.IDTokenClaim("amr", []string{"pwd", "otp"}))
		_, page := a.login(erin(nil))
		a.shows(page, `amr ["pwd" "otp"]`)
		for acr, ok := range map[string]bool{"urn:mfa": true, "urn:pwd": false} { // or demanded
			a := startSaaS(t, accounts.Rules{}, func(_ *saas, cfg *oidcrp.Config) {
				cfg.Providers[0].ACRValues, cfg.Providers[0].RequireACR = []string{"urn:mfa"}, true
			})
			a.op.SetFaults(oidcrptest.IDTokenClaim("acr", acr))
			if _, page := a.login(erin(nil)); (page.Status == http.StatusOK) != ok || a.asked().Get("acr_values") != "urn:mfa" {
				t.Errorf("%s: %s", acr, page)
			}
		}
	},
	"15 a connector is deleted": func(t *testing.T) {
		store := oidcrp.NewMemoryStore()
		keep := func(a *saas, cfg *oidcrp.Config) { withTokens(a, cfg); cfg.Store = store }
		a := startSaaS(t, accounts.Rules{}, keep)
		b, page := a.login(erin(nil))
		a.shows(page, "contact")
		cookies := b.Cookies(a.URL)
		// The same application without the provider: its sessions have ended, its
		// people are there.
		handler := a.build(oidcrp.Config{BaseURL: a.URL, Providers: []oidcrp.Provider{a.op.Config("other", a.URL)}}, accounts.Rules{}, func(_ *saas, cfg *oidcrp.Config) { cfg.Store = store })
		r, _ := http.NewRequest(http.MethodGet, a.URL+"/", nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		rec := serve(handler, r)
		if !strings.Contains(rec.Body.String(), "nobody") {
			t.Errorf("its session goes on: %s", rec.Body)
		}
		c, err := a.store.ByIdentity(context.Background(), a.op.Issuer(), "erin")
		if err != nil {
			t.Fatal(err)
		}
		err = a.store.Update(context.Background(), c.ID, "", func(c *accounts.Contact) error {
			c.Identities = slices.DeleteFunc(c.Identities, func(id oidcrp.Identity) bool { return id.Provider == "acme" })
			return nil
		})
		if c, again := a.store.ByID(context.Background(), c.ID); err != nil || again != nil || len(c.Identities) != 0 || c.Email != "erin@acme.example" {
			t.Errorf("%v, %v, %v", c, err, again)
		}
	},
	"16 token vault": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, withTokens)
		b, _ := a.login(erin(nil))
		a.shows(b.Get(a.URL+"/status"), "active, refresh true", `"offline_access"`)
		a.op.SetFaults(expired)
		b, _ = a.login(erin(nil))
		a.shows(b.Get(a.URL+"/status"), "expired, refresh true")
		a = startSaaS(t, accounts.Rules{}, nil)
		b, _ = a.login(erin(nil))
		a.shows(b.Get(a.URL+"/status"), "none, refresh false")
	},
	"17 reading a token": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, withTokens)
		b, _ := a.login(erin(nil))
		a.shows(b.Get(a.URL+"/call"), "erin")
		a.op.SetFaults(expired)
		b, _ = a.login(erin(nil))
		a.op.SetFaults()
		before := a.op.Calls(oidcrptest.TokenEndpoint)
		a.shows(b.Get(a.URL+"/call"), "erin")
		if a.op.Calls(oidcrptest.TokenEndpoint) != before+1 {
			t.Error("it was not refreshed by itself")
		}
		a.op.SetFaults(expired, oidcrptest.TokenField("refresh_token", nil))
		b, _ = a.login(erin(nil))
		a.shows(b.Get(a.URL+"/call"), "no token")
		a.shows(b.Get(a.URL+"/"), "contact") // and nobody is signed out
	},
	"18 a token is forgotten": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, withTokens)
		a.login(erin(nil))
		get := func() error {
			resp, err := a.rp.ClientFor(context.Background(), a.erin()).Get(a.op.URL(oidcrptest.ResourceEndpoint))
			if err == nil {
				resp.Body.Close()
			}
			return err
		}
		if err := get(); err != nil {
			t.Fatal(err)
		}
		if err := a.rp.Forget(context.Background(), a.erin()); err != nil {
			t.Fatal(err)
		}
		if err := get(); err == nil || !strings.Contains(err.Error(), oidcrp.ErrNoToken.Error()) {
			t.Errorf("it is still there: %v", err)
		}
		a.rp.Shutdown(context.Background())
		if a.op.Calls(oidcrptest.RevokeEndpoint) == 0 {
			t.Error("the provider was not told")
		}
	},
	"19 more consent": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, withTokens)
		b, _ := a.login(erin(nil))
		a.shows(b.Get(a.URL+"/calendar"), "contact")
		if scope := a.asked().Get("scope"); !strings.Contains(scope, "calendar") {
			t.Errorf("it asks for %q", scope)
		}
		if ended := a.told(oidcrp.SessionEnded); len(ended) != 0 {
			t.Errorf("the session ended: %q", ended)
		}
		a.shows(b.Get(a.URL+"/status"), `"calendar"`)
	},
	"20 login from elsewhere": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, nil)
		b := oidcrptest.NewBrowser(t)
		a.shows(b.Get(a.op.InitiateLoginURL(a.URL+"/auth/initiate", "erin@acme.example", a.URL+"/reports")), "contact", "at /reports")
		if got := a.asked().Get("login_hint"); got != "erin@acme.example" {
			t.Errorf("login_hint is %q", got)
		}
		before := a.op.Calls(oidcrptest.AuthorizeEndpoint)
		page := oidcrptest.NewBrowser(t).Get(a.URL + "/auth/initiate?iss=" + url.QueryEscape("https://evil.example"))
		if page.Status != http.StatusBadRequest || a.op.Calls(oidcrptest.AuthorizeEndpoint) != before {
			t.Errorf("an issuer nobody configured: %s", page)
		}
	},
	"21 organizations": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, func(a *saas, cfg *oidcrp.Config) {
			withTokens(a, cfg)
			p := &cfg.Providers[0]
			p.DynamicParams, p.Resource = []string{"organization_id"}, []string{"https://api.example/"}
			p.APIs[0].Resource = "https://api.example/"
		})
		b := oidcrptest.NewBrowser(t)
		a.shows(b.Get(a.URL+"/auth/login?organization_id=org-7"), "contact")
		if q := a.asked(); q.Get("organization_id") != "org-7" || q.Get("resource") != "https://api.example/" {
			t.Errorf("asked for %v", q)
		}
		b.Get(a.URL + "/call")
		all := a.op.Requests(oidcrptest.TokenEndpoint)
		if got := all[len(all)-1].Form.Get("resource"); got != "https://api.example/" {
			t.Errorf("the token is for %q", got)
		}
	},
	"22 back-channel logout": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, func(_ *saas, cfg *oidcrp.Config) {
			cfg.Store, cfg.Providers[0].BackchannelLogout = oidcrp.NewMemoryStore(), true
		})
		c := a.op.Clients()[0]
		c.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/acme"
		a.op.AddClient(c)
		b, page := a.login(erin(nil))
		a.shows(page, "contact")
		if sent := a.op.SignOut("erin"); len(sent) != 1 || sent[0].Status != http.StatusOK {
			t.Fatalf("%+v\n%s", sent, a.log.String())
		}
		a.shows(b.Get(a.URL+"/"), "nobody")
	},
	"23 audit": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, nil)
		a.login(erin(nil))
		a.op.SetFaults(oidcrptest.WrongNonce)
		a.login(erin(nil))
		for _, want := range []struct {
			kind   oidcrp.EventKind
			reason string
		}{{oidcrp.LoginStarted, ""}, {accounts.Decided, "register/open"}, {oidcrp.LoginSucceeded, ""}, {oidcrp.LoginFailed, "nonce"}} {
			if got := a.told(want.kind); !slices.Contains(got, want.reason) {
				t.Errorf("%s: %q, want %q", want.kind, got, want.reason)
			}
		}
	},
}
