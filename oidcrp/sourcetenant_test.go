package oidcrp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// hostile is an application with the provider "acme" of a source and, of the same
// source, a tenant's of another server, "evil".
func hostile(t *testing.T) (a *app, evil *oidcrptest.Provider, d *directory) {
	t.Helper()
	evil = oidcrptest.NewProvider(t)
	a, d = sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		c.Store = newPlain()
		p := evil.Config("evil", c.BaseURL)
		p.Version, p.DisplayName = "1", `<b onclick="x">Evil</b>`
		d.all["evil"] = p
		corp := d.all["acme"]
		corp.EmailDomains = []string{"corp.example"}
		d.all["acme"] = corp
		for name, p := range d.all {
			p.BackchannelLogout, p.FrontchannelLogout = true, true
			d.all[name] = p
		}
	})
	evil.SetNow(a.clock.now)
	a.op.AddUser(oidcrptest.User{Subject: "alice", Email: "alice@corp.example"})
	for op, name := range map[*oidcrptest.Provider]string{a.op: "acme", evil: "evil"} {
		for _, c := range op.Clients() {
			c.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/" + name
			op.AddClient(c)
		}
	}
	return a, evil, d
}

// What a tenant's provider says of another's users is its own word about its own
// users, be the subject the same.
func TestTenantSaysSomethingOfOthers(t *testing.T) {
	a, evil, d := hostile(t)
	alice := a.signInBy("acme")
	evil.AddUser(oidcrptest.User{Subject: "alice", Email: "alice@evil.example"})
	evil.SignInAs("alice")
	twin := a.signInBy("evil")
	oidcrp.MarkTenant(a.rp, "evil")
	a.clock.advance(2 * time.Second)

	theirs, ours := d.all["evil"].ClientID, d.all["acme"].ClientID
	// For acme's users, in acme's name, under evil's keys.
	evil.SetFaults(oidcrptest.OnLogoutToken(oidcrptest.IDTokenClaim("iss", a.op.Issuer())))
	if sent := evil.SendLogoutToken(theirs, evil.LogoutToken(theirs, "alice", "")); sent.Status != http.StatusBadRequest {
		t.Errorf("in acme's name: %+v", sent)
	}
	evil.SetFaults(oidcrptest.OnLogoutToken(oidcrptest.IDTokenClaim("iss", a.op.Issuer())), oidcrptest.OnLogoutToken(oidcrptest.IDTokenClaim("aud", ours)))
	token := evil.LogoutToken(theirs, "alice", "")
	for _, name := range []string{"acme", "evil"} {
		body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
		res, err := http.Post(a.URL+"/auth/backchannel-logout/"+name, "application/x-www-form-urlencoded", body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("to %s: %d", name, res.StatusCode)
		}
	}
	evil.SetFaults()
	a.shows(alice.Get(a.URL+"/reports"), "reports for alice")
	a.shows(twin.Get(a.URL+"/reports"), "reports for alice")
	// In its own.
	if sent := evil.SendLogoutToken(theirs, evil.LogoutToken(theirs, "alice", "")); sent.Status != http.StatusOK {
		t.Errorf("%+v", sent)
	}
	w := answer(a.rp.RequireLogin(http.NotFoundHandler()), navigation(t, a, twin, "/reports"))
	if w.Code != http.StatusFound {
		t.Errorf("its own user is signed in: %d", w.Code)
	}
	a.shows(alice.Get(a.URL+"/reports"), "reports for alice")

	// An address of acme's, at the tenant's.
	evil.AddUser(oidcrptest.User{Subject: "mallory", Email: "alice@corp.example", EmailVerified: true})
	evil.SignInAs("mallory")
	a.refused(a.browse().Get(a.URL+"/auth/login?provider=evil&return_to=/reports"), http.StatusForbidden, "foreign_domain")
	// And its answer in acme's name, at its own address and at acme's.
	for _, name := range []string{"acme", "evil"} {
		b := a.browse()
		q := mustParse(t, a.stopAtCallback(b, "/auth/login?provider=evil&return_to=/reports")).Query()
		q.Set("iss", a.op.Issuer())
		redeemed := a.op.Calls(oidcrptest.TokenEndpoint) + evil.Calls(oidcrptest.TokenEndpoint)
		page := b.Get(a.URL + "/auth/callback/" + name + "?" + q.Encode())
		if page.Status < 400 || a.op.Calls(oidcrptest.TokenEndpoint)+evil.Calls(oidcrptest.TokenEndpoint) != redeemed {
			t.Errorf("at %s: %s", name, page)
		}
		a.noSessionIn(page.Header)
	}
}

// A tenant names its provider and writes its settings, and takes over nothing by
// that: no link of another's, and no page.
func TestTenantNamesItsProvider(t *testing.T) {
	a, _, d := hostile(t)
	d.change("evil", func(p *oidcrp.Provider) {
		p.Aliases, p.Version = []string{"acme", "staff", "https://sts.windows.net/acme/"}, "2"
	})
	for _, alias := range []string{"staff", "https://sts.windows.net/acme/"} {
		page := a.browse().Get(a.URL + "/auth/login?return_to=/reports&provider=" + url.QueryEscape(alias))
		a.shows(page, "Sign in with acme") // as any name that nobody has
	}
	a.shows(a.browse().Get(a.URL+"/auth/login?return_to=/reports&provider=acme"), "reports for alice")
	if all := a.events.of(oidcrp.LoginSucceeded); all[len(all)-1].Provider != "acme" {
		t.Errorf("signed in by %s", all[len(all)-1].Provider)
	}
	names := []string{"ACME", "acme ", "../acme", "acme/", "acme?x", "a%63me", "acme\n", "", "аcme", strings.Repeat("a", 65)}
	for _, name := range names {
		d.change(name, func(p *oidcrp.Provider) {
			*p = a.op.Config("acme", a.URL)
			p.Name, p.Version, p.DisplayName, p.EmailDomains = name, "1", "Odd one", []string{"odd.example"}
		})
	}
	page := a.browse().Get(a.URL + "/auth/login")
	if strings.Contains(page.Body, "Odd one") || strings.Contains(page.Body, "<b onclick") || !strings.Contains(page.Text(), `Sign in with <b onclick="x">Evil</b>`) {
		t.Errorf("%s", page.Body)
	}
	for _, name := range names {
		w := ask(a.rp, a.rp, nil, "GET", "/auth/callback/"+url.PathEscape(name)+"?code=c&state=s", navigate...)
		if name != "" && w.Code != http.StatusNotFound {
			t.Errorf("%q: %d", name, w.Code)
		}
	}
	if !strings.Contains(a.log.String(), "give it a name of lower-case letters") {
		t.Error("nobody is told")
	}
}
