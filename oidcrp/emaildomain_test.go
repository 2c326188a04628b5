package oidcrp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// ownedApp is an application with a provider for everybody, "social", and two of
// a source, "corp" and "branch", which own domains. One server is all three.
func ownedApp(t *testing.T, change func(*oidcrp.Config, *oidcrptest.Provider)) (a *app, corp *oidcrptest.Provider, d *directory) {
	t.Helper()
	corp = oidcrptest.NewProvider(t)
	a, d = sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		clear(d.all)
		c.SingleSignOn = true
		c.Providers = []oidcrp.Provider{corp.Config("social", c.BaseURL)}
		for name, domains := range map[string][]string{"corp": {"corp.example", "xn--bcher-kva.example"}, "branch": {"branch.example"}} {
			p := corp.Config(name, c.BaseURL)
			p.Version, p.Hidden, p.EmailDomains = "1", true, domains
			d.all[name] = p
		}
		if change != nil {
			change(c, corp)
		}
	})
	corp.SetNow(a.clock.now)
	corp.AddUser(oidcrptest.User{Subject: "anna", Name: "Anna", Email: "anna@corp.example", EmailVerified: true})
	corp.SignInAs("anna")
	return a, corp, d
}

// H1, H2.
func TestEmailDomainRouting(t *testing.T) {
	a, corp, d := ownedApp(t, nil)
	for typed, sent := range map[string]string{
		"anna@corp.example":    "anna@corp.example",
		" Anna@CORP.example ":  "Anna@CORP.example",
		"anna@corp.example.":   "anna@corp.example.",
		"anna@bücher.example":  "anna@bücher.example",
		"nobody@BÜCHER.exampl": "",
		"nobody@corp.example":  "nobody@corp.example", // whoever that is
	} {
		b := a.browse()
		corp.ResetCalls()
		b.Get(a.URL + "/auth/login?return_to=/reports")
		page := b.SubmitForm("Single sign-on", url.Values{"identifier": {typed}})
		if sent == "" {
			a.shows(page, "No organization signs in with this address here")
			continue
		}
		a.shows(page, "reports for anna")
		if got := corp.Requests(oidcrptest.PAREndpoint)[0].Form.Get("login_hint"); got != sent {
			t.Errorf("%q: login_hint %q", typed, got)
		}
	}
	// Several owners: the visitor chooses.
	d.change("branch", func(p *oidcrp.Provider) { p.EmailDomains, p.Version = []string{"branch.example", "corp.example"}, "2" })
	b := a.browse()
	page := b.Get(a.URL + "/auth/login?return_to=/reports&identifier=anna@corp.example")
	a.shows(page, "several ways to sign in")
	if strings.Contains(page.Body, "social") || strings.Contains(page.Body, "identifier") {
		t.Errorf("%s", page.Body)
	}
	a.shows(b.Follow("Sign in with branch"), "reports for anna")
}

// The answer to an address is that to its domain, for whoever is asked about and
// whatever cannot be read.
func emailRoutingTellsNothing(t *testing.T) {
	a, _, _ := ownedApp(t, nil)
	pages := map[string]string{}
	for _, typed := range []string{
		"a@nobody.example", "b@nobody.example", "a@elsewhere.example", "a", "a@b@corp.example", `"a@corp.example"@evil.example`,
		"a@sub.corp.example", "a@notcorp.example", "a@corp.example.evil.example", "a＠corp.example", "a@gmail.com", "@corp.example", "corp.example",
	} {
		page := a.browse().Get(a.URL + "/auth/login?return_to=/reports&identifier=" + url.QueryEscape(typed))
		if page.Status != http.StatusOK || strings.Contains(page.Body, "with corp") {
			t.Errorf("%q: %s", typed, page)
		}
		pages[page.Body] = typed
	}
	if len(pages) != 1 {
		t.Errorf("%d pages: %v", len(pages), pages)
	}
	if w := ask(a.rp, a.rp, nil, "GET", "/auth/login?identifier=a@corp.example&identifier=b@corp.example", navigate...); w.Code != http.StatusBadRequest {
		t.Errorf("two identifiers: %d", w.Code)
	}
	// Where the page is the application's, it gets back what led nowhere.
	own := a.later(func(c *oidcrp.Config) { c.SignInPath = "/welcome" })
	w := ask(own, own, nil, "GET", "/auth/login?return_to=/reports&identifier=a@nobody.example", navigate...)
	if want := a.URL + "/welcome?identifier=a%40nobody.example&return_to=%2Freports"; w.Header().Get("Location") != want {
		t.Errorf("%d %s, want %s", w.Code, w.Header().Get("Location"), want)
	}
	// Without the switch the page asks for nothing.
	off := a.later(func(c *oidcrp.Config) { c.SingleSignOn = false })
	if w := ask(off, off, nil, "GET", "/auth/login", navigate...); strings.Contains(w.Body.String(), "identifier") {
		t.Error(w.Body)
	}
}

// H3, T080, T081, T082, T084: whoever signs in elsewhere with the address of an
// owner's is led to the owner.
func TestOwnersDomainElsewhere(t *testing.T) {
	for address, reason := range map[string]string{
		"eve@corp.example":                "foreign_domain",
		"eve@CORP.Example":                "foreign_domain",
		"eve@corp.example.":               "foreign_domain",
		"eve@bücher.example":              "foreign_domain",
		"eve@xn--bcher-kva.example":       "foreign_domain",
		`"eve@corp.example"@evil.example`: "email",
		"eve@evil.example@corp.example":   "email",
		"eve＠corp.example":                "email",
		"Eve <eve@corp.example>":          "email",
		"eve@corp.example,eve@x.example":  "email",
		"eve@sub.corp.example":            "",
		"eve@notcorp.example":             "",
		"eve@corp.example.elsewhere.co":   "",
		"eve":                             "",
		"eve@localhost":                   "",
		"":                                "",
	} {
		t.Run(address, func(t *testing.T) {
			a, corp, _ := ownedApp(t, nil)
			corp.AddUser(oidcrptest.User{Subject: "eve", Name: "Eve", Email: address, EmailVerified: true})
			corp.SignInAs("eve")
			b := a.browse()
			page := b.Get(a.URL + "/auth/login?provider=social&return_to=/reports")
			if reason == "" {
				a.shows(page, "reports for eve")
				return
			}
			a.refused(page, http.StatusForbidden, reason)
			if len(a.events.of(oidcrp.LoginSucceeded)) != 0 || strings.Contains(a.log.String(), address) {
				t.Errorf("signed in, or told the log: %s", a.log)
			}
			if reason == "foreign_domain" {
				a.shows(b.Follow("Continue"), "reports for eve")
				if s := a.events.of(oidcrp.LoginSucceeded); s[0].Provider != "corp" {
					t.Errorf("signed in at %s", s[0].Provider)
				}
			}
		})
	}
}

// A provider may assert its own domains and no other; nor need it assert any.
func TestOwnerAssertsItsOwnDomains(t *testing.T) {
	for address, ok := range map[string]bool{
		"eve@corp.example": true, "eve@CORP.example": true, "eve@bücher.example": true, "": true,
		"eve@branch.example": false, "eve@elsewhere.example": false, "eve": false, "eve@sub.corp.example": false, "eve@corp.example@x.example": false,
	} {
		a, corp, _ := ownedApp(t, nil)
		corp.AddUser(oidcrptest.User{Subject: "eve", Name: "Eve", Email: address})
		corp.SignInAs("eve")
		page := a.browse().Get(a.URL + "/auth/login?provider=corp&return_to=/reports")
		if ok {
			a.shows(page, "reports for eve")
		} else if a.refused(page, http.StatusForbidden, ""); !strings.Contains(page.Text(), "in another way") && !strings.Contains(page.Text(), "another way") {
			t.Errorf("%s", page)
		}
	}
}

// A static provider owns domains as a sourced one does, and needs no source to.
func TestStaticOwner(t *testing.T) {
	a, corp, d := ownedApp(t, func(c *oidcrp.Config, op *oidcrptest.Provider) {
		p := op.Config("head", c.BaseURL)
		p.EmailDomains = []string{"Head.example"}
		c.Providers = append(c.Providers, p)
	})
	d.failing(func(string) error { return errors.New("down") })
	corp.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@head.example"})
	corp.SignInAs("eve")
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=head&return_to=/reports"), "reports for eve")
	// Whether the source knows an owner cannot be known: nobody gets in by that.
	a.refused(a.browse().Get(a.URL+"/auth/login?provider=social&return_to=/reports"), http.StatusServiceUnavailable, "source_unavailable")
	d.failing(nil)
	a.answers(a.browse().Get(a.URL+"/auth/login?provider=social&return_to=/reports"), http.StatusForbidden, "has its own way to sign in")
	if got := a.events.reason(oidcrp.LoginFailed); got != "foreign_domain" {
		t.Error(got)
	}
}

// Who is signed in keeps the session: a link, a step-up and a resumed pause are
// refused as a login is.
func TestOwnersDomainInOtherWays(t *testing.T) {
	paused := ""
	a, corp, d := ownedApp(t, func(c *oidcrp.Config, _ *oidcrptest.Provider) {
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			if paused != "" && !l.Linking {
				return &oidcrp.Pause{Path: paused}
			}
			return nil
		}
	})
	corp.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@elsewhere.example"})
	corp.SignInAs("eve")
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?provider=social&return_to=/reports"), "reports for eve")

	// The address changes: to one of corp's.
	corp.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@corp.example"})
	zero := a.rp.LoginURL(oidcrp.LoginOptions{Provider: "social", ReturnTo: "/reports", ACRValues: []string{"0"}})
	page := b.Get(a.URL + zero)
	if page.Status < 400 {
		t.Errorf("step-up: %s", page)
	}
	b.Get(a.URL + "/account")
	b.PostForm(a.URL+"/link?provider=social", nil)
	if got := a.events.of(oidcrp.IdentityLinked); len(got) != 0 || a.events.reason(oidcrp.LoginFailed) != "foreign_domain" {
		t.Errorf("linked %v, %s", got, a.events.reason(oidcrp.LoginFailed))
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for eve")

	// A domain that was nobody's when the login paused.
	corp.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@later.example"})
	paused = "/terms"
	b = a.browse()
	b.Get(a.URL + "/auth/login?provider=social&return_to=/reports")
	d.change("branch", func(p *oidcrp.Provider) { p.EmailDomains, p.Version = []string{"later.example"}, "2" })
	r := navigation(t, a, b, "/terms")
	r.Method = http.MethodPost
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	w := answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.rp.Resume(w, r, func(*oidcrp.Login) error { t.Error("resumed"); return nil })
	}), r)
	if w.Code != http.StatusForbidden || a.events.reason(oidcrp.LoginFailed) != "foreign_domain" {
		t.Errorf("%d %s", w.Code, a.events.reason(oidcrp.LoginFailed))
	}
}

func TestOwnersDomainAtRefresh(t *testing.T) {
	a, corp, d := ownedApp(t, func(c *oidcrp.Config, _ *oidcrptest.Provider) {
		c.Store = oidcrp.NewMemoryStore()
		c.Providers[0].KeepTokens = true
		c.Providers[0].APIs = []oidcrp.API{{URL: "https://api.example"}}
	})
	corp.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@later.example"})
	corp.SignInAs("eve")
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?provider=social&return_to=/reports"), "reports for eve")
	d.change("branch", func(p *oidcrp.Provider) { p.EmailDomains, p.Version = []string{"later.example"}, "2" })
	token := func() (err error) {
		h := a.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err = a.rp.TokenSource(r.Context(), "https://api.example").Token()
		}))
		answer(h, navigation(t, a, b, "/"))
		return err
	}
	if err := token(); err != nil {
		t.Fatal(err)
	}
	a.clock.advance(2 * time.Hour)
	if err := token(); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("%v", err)
	}
	if got := a.events.of(oidcrp.SessionEnded); len(got) != 1 {
		t.Errorf("%v\n%s", got, a.log)
	}
}

func TestEmailDomainMistakes(t *testing.T) {
	cfg := oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet}
	provider := func(domains ...string) oidcrp.Provider {
		return oidcrp.Provider{Name: "p", Issuer: "https://op.example", ClientID: "x", ClientSecret: "s", EmailDomains: domains}
	}
	for name, tt := range map[string]struct {
		change func(*oidcrp.Config)
		says   string
	}{
		"an address":     {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{"a@corp.example"} }, `EmailDomains[0]: "a@corp.example" is no mail domain`},
		"a wildcard":     {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{"*.corp.example"} }, "is no mail domain"},
		"a single label": {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{"corp"} }, "is no mail domain"},
		"empty":          {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{""} }, "is no mail domain"},
		"twice":          {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{"a.example", "A.example."} }, "is there already"},
		"public":         {func(c *oidcrp.Config) { c.Providers[0].EmailDomains = []string{"GMAIL.com"} }, "public mail service"},
		"several tenants": {func(c *oidcrp.Config) {
			c.Providers[0].IssuerTemplate, c.Providers[0].EmailDomains = "https://op.example/{tenantid}/", []string{"a.example"}
		}, "any tenant"},
		"nobody to find": {func(c *oidcrp.Config) { c.SingleSignOn = true }, "SingleSignOn"},
	} {
		t.Run(name, func(t *testing.T) {
			c := cfg
			c.Providers = []oidcrp.Provider{provider()}
			tt.change(&c)
			if _, err := oidcrp.New(c); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v", err)
			}
		})
	}
	cfg.Providers = []oidcrp.Provider{provider("corp.example", "bücher.example")}
	cfg.SingleSignOn = true
	if _, err := oidcrp.New(cfg); err != nil {
		t.Error(err)
	}
}

// A page says what it says in both languages.
func TestSingleSignOnPages(t *testing.T) {
	a, _, _ := ownedApp(t, nil)
	for language, texts := range map[string][]string{
		"en": {"Your work e-mail address", "Single sign-on", "No organization signs in with this address here"},
		"th": {"อีเมลที่ทำงานของคุณ", "SSO", "ไม่มีองค์กรใดใช้ที่อยู่นี้"},
	} {
		b := a.browse()
		b.SetLanguage(language)
		page := b.Get(a.URL + "/auth/login")
		page2 := b.SubmitForm("", url.Values{"identifier": {"a@nobody.example"}})
		for _, text := range texts {
			if !strings.Contains(page.Text()+page2.Text(), text) {
				t.Errorf("%s: no %q in %s\n%s", language, text, page, page2)
			}
		}
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, " https:") || strings.Contains(page.Body, "<script") {
			t.Error(csp)
		}
	}
}

// sloppy is a source that answers more than it was asked.
type sloppy struct{ *directory }

func (s sloppy) ByEmailDomain(context.Context, string) ([]oidcrp.Provider, error) {
	return s.ask("ByEmailDomain", func(oidcrp.Provider) bool { return true })
}

func (s sloppy) ByIssuer(context.Context, string) ([]oidcrp.Provider, error) {
	return s.ask("ByIssuer", func(oidcrp.Provider) bool { return true })
}

func (s sloppy) List(context.Context) ([]oidcrp.Provider, error) {
	return s.ask("List", func(oidcrp.Provider) bool { return true })
}

// Who owns a domain, has an issuer, or is hidden, is what the providers say.
func TestSourceAnswersTooMuch(t *testing.T) {
	a, corp, d := ownedApp(t, nil)
	rp := a.later(func(c *oidcrp.Config) { c.ProviderSource = sloppy{d} })
	for target, unwanted := range map[string]string{
		"/auth/login?identifier=a@nobody.example": "corp",
		"/auth/login": "branch",
		"/auth/initiate?iss=" + url.QueryEscape(corp.Issuer()+"/other"): "corp",
	} {
		w := ask(rp, rp, nil, "GET", target, navigate...)
		if strings.Contains(w.Header().Get("Location")+w.Body.String(), "provider="+unwanted) {
			t.Errorf("%s: %d %s %s", target, w.Code, w.Header().Get("Location"), w.Body)
		}
	}
}
