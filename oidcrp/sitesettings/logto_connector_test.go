package sitesettings_test

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/presets"
)

// The connectors themselves are tested like the rest of what Logto does.
func init() { maps.Copy(logtoTests, connectorTests) }

// asPreset lets p of a preset sign in at the test's provider: what it asks for,
// and how, stays.
func asPreset(p oidcrp.Provider) func(*saas, *oidcrp.Config) {
	return func(_ *saas, cfg *oidcrp.Config) {
		own := cfg.Providers[0]
		p.Name, p.Issuer, p.ClientID, p.ClientSecret, p.PAR = own.Name, own.Issuer, own.ClientID, own.ClientSecret, own.PAR
		cfg.Providers[0] = p
	}
}

// connectors are two providers for customers and one for everybody else, all
// of them one server.
func connectors(t *testing.T) *saas {
	t.Helper()
	return startSaaS(t, accounts.Rules{}, func(a *saas, cfg *oidcrp.Config) {
		cfg.SingleSignOn = true
		cfg.Providers[0].EmailDomains = []string{"acme.example", "both.example"}
		branch, social := a.op.Config("branch", cfg.BaseURL), a.op.Config("social", cfg.BaseURL)
		branch.EmailDomains = []string{"branch.example", "both.example"}
		branch.PAR, social.PAR = oidcrp.Refused, oidcrp.Refused
		cfg.Providers = append(cfg.Providers, branch, social)
	})
}

// types has somebody type an address into the sign-in page.
func (a *saas) types(address string) *oidcrptest.Page {
	a.t.Helper()
	b := oidcrptest.NewBrowser(a.t)
	b.Get(a.URL + "/auth/login")
	return b.SubmitForm("Single sign-on", url.Values{"identifier": {address}})
}

var connectorTests = map[string]func(*testing.T){
	"01 connection is tested": func(t *testing.T) {
		op := oidcrptest.NewProvider(t)
		p := op.Config("acme", "http://localhost:3000")
		report := oidcrp.Check(context.Background(), oidcrp.Config{BaseURL: "http://localhost:3000"}, p)
		if report.Fatal() || report.Metadata["issuer"] != op.Issuer() || report.Endpoints.Token != op.URL(oidcrptest.TokenEndpoint) || len(report.Keys) == 0 {
			t.Errorf("%s", report)
		}
		if strings.Contains(report.String(), string(p.ClientSecret)) {
			t.Error("the secret is shown")
		}
		op.SetFaults(oidcrptest.MetadataField("issuer", "https://evil.example"))
		if report := oidcrp.Check(context.Background(), oidcrp.Config{}, p); !report.Fatal() {
			t.Errorf("%s", report)
		}
		// The connector's own word about addresses that nobody verified.
		for _, trust := range []bool{false, true} {
			a := startSaaS(t, accounts.Rules{Default: accounts.ProviderRules{TrustMissingEmailVerified: trust, MatchEmail: true}}, nil)
			if err := a.store.Create(context.Background(), &accounts.Contact{ID: "known", Email: "erin@acme.example", EmailVerified: true}, ""); err != nil {
				t.Fatal(err)
			}
			a.op.SetFaults(oidcrptest.IDTokenClaim("email_verified", nil)) // missing, and not false
			if _, page := a.login(erin(nil)); strings.Contains(page.Text(), "contact known") != trust {
				t.Errorf("trust %v: %s", trust, page)
			}
			a.op.SetFaults(oidcrptest.IDTokenClaim("email_verified", false))
			if _, page := a.login(erin(func(u *oidcrptest.User) { u.Subject = "mallory" })); strings.Contains(page.Text(), "contact known") {
				t.Errorf("false is trusted: %s", page)
			}
		}
	},
	"03 ready types": func(t *testing.T) {
		const tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
		cfg := oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{
			presets.Entra(tenant, "x", "a secret"), presets.Google("acme.example", "x", "a secret"), presets.Okta("acme.okta.com", "", "x", "a secret"),
			{Name: "generic", Issuer: "https://login.acme.example", ClientID: "x", ClientSecret: "a secret"},
		}}
		if _, err := oidcrp.New(cfg); err != nil {
			t.Error(err)
		}
		// SAML is another protocol.
	},
	"04 Google": func(t *testing.T) {
		a := startSaaS(t, accounts.Rules{}, asPreset(presets.Google("", "x", "y")))
		a.login(oidcrptest.User{})
		if q := a.asked(); q.Get("prompt") != "select_account" || q.Has("access_type") {
			t.Errorf("it asks for %v", q)
		}
		a = startSaaS(t, accounts.Rules{}, func(a *saas, cfg *oidcrp.Config) {
			asPreset(presets.GoogleOffline("", "x", "y"))(a, cfg)
			cfg.Store = oidcrp.NewMemoryStore()
		})
		a.login(oidcrptest.User{})
		if q := a.asked(); q.Get("prompt") != "consent select_account" || q.Get("access_type") != "offline" || q.Get("include_granted_scopes") != "true" {
			t.Errorf("offline it asks for %v", q)
		}
	},
	"05 Entra": func(t *testing.T) {
		many := presets.EntraMultiTenant("x", "y")
		if many.IssuerTemplate != "https://login.microsoftonline.com/{tenantid}/v2.0" {
			t.Errorf("%+v", many)
		}
		for tid, ok := range map[string]bool{"one": true, "two": false} {
			a := startSaaS(t, accounts.Rules{}, func(a *saas, cfg *oidcrp.Config) {
				p := many
				p.IssuerTemplate = a.op.Issuer() + "/{tenantid}/v2.0"
				asPreset(p)(a, cfg)
			})
			a.op.SetFaults(oidcrptest.MetadataField("authorization_response_iss_parameter_supported", nil), oidcrptest.ResponseParam("iss"),
				oidcrptest.IDTokenClaim("iss", a.op.Issuer()+"/one/v2.0"), oidcrptest.IDTokenClaim("tid", tid))
			if _, page := a.login(erin(nil)); (page.Status == http.StatusOK) != ok {
				t.Errorf("tid %s: %s\n%s", tid, page, a.log.String())
			}
			// An address that nobody vouches for is kept as what it is.
			if c, err := a.store.ByIdentity(context.Background(), a.op.Issuer()+"/one/v2.0", "erin"); ok && (err != nil || c.Email == "" || c.EmailVerified) {
				t.Errorf("%+v, %v", c, err)
			}
		}
	},
	"06 mail domains": func(t *testing.T) {
		for domain, mistake := range map[string]string{"gmail.com": "public mail", "acme.example": "", "not a domain": "no mail domain"} {
			_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Issuer: "https://login.acme.example", ClientID: "x", ClientSecret: "a secret", EmailDomains: []string{domain}}}})
			if (err != nil) != (mistake != "") || err != nil && !strings.Contains(err.Error(), mistake) {
				t.Errorf("%s: %v", domain, err)
			}
		}
		_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Issuer: "https://login.acme.example", ClientID: "x", ClientSecret: "a secret", EmailDomains: []string{"acme.example", "ACME.example"}}}})
		if err == nil {
			t.Error("a domain twice is accepted")
		}
	},
	"07 one, several, none": func(t *testing.T) {
		a := connectors(t)
		a.op.AddUser(erin(nil))
		a.op.SignInAs("erin")
		a.shows(a.types("erin@acme.example"), "contact")
		if q := a.asked(); q.Get("login_hint") != "erin@acme.example" || !strings.HasSuffix(q.Get("redirect_uri"), "/callback/acme") {
			t.Errorf("asked for %v", q)
		}
		a.shows(a.types("erin@both.example"), "Sign in with acme", "Sign in with branch")
		a.shows(a.types("erin@nobody.example"), "No organization signs in with this address here")
	},
	"08 the only way in": func(t *testing.T) {
		a := connectors(t)
		a.op.AddUser(erin(nil))
		a.op.SignInAs("erin")
		page := oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?provider=social")
		if page.Status != http.StatusForbidden || len(a.told(oidcrp.LoginSucceeded)) != 0 {
			t.Errorf("another provider says it is %s: %s", "erin@acme.example", page)
		}
		a.op.AddUser(oidcrptest.User{Subject: "frank", Email: "frank@elsewhere.example", EmailVerified: true})
		a.op.SignInAs("frank")
		if page := oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?provider=acme"); page.Status != http.StatusForbidden {
			t.Errorf("a connector speaks for others: %s", page)
		}
	},
	"09 direct sign-in": func(t *testing.T) {
		a := connectors(t)
		a.shows(oidcrptest.NewBrowser(t).Get(a.URL+"/auth/login?provider=social"), "contact")
		a.shows(oidcrptest.NewBrowser(t).Get(a.URL+"/auth/login?provider=nobody"), "Sign in with")
		// Where the provider is Logto itself, the wish goes on to it.
		a = startSaaS(t, accounts.Rules{}, func(_ *saas, cfg *oidcrp.Config) { cfg.Providers[0].DynamicParams = []string{"direct_sign_in"} })
		oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?direct_sign_in=sso:acme&first_screen=register")
		if q := a.asked(); q.Get("direct_sign_in") != "sso:acme" || q.Has("first_screen") {
			t.Errorf("asked for %v", q)
		}
	},
}

// Every behaviour has its subtest.
func TestLogtoIsWhole(t *testing.T) {
	var numbers []string
	for name := range logtoTests {
		numbers = append(numbers, name[:2])
	}
	slices.Sort(numbers)
	if len(numbers) != 23 || numbers[0] != "01" || numbers[22] != "23" || len(slices.Compact(numbers)) != 23 {
		t.Errorf("%q", numbers)
	}
}
