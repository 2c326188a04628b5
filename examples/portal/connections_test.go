package main

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/connectors"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// An administrator connects an organization, whose people come in by "Single
// sign-on" then, changes the connection, and removes it.
func TestConnections(t *testing.T) {
	databases(t, func(t *testing.T, db string) {
		o := options{db: db}
		if isPostgres(db) {
			o.keys = t.TempDir() + "/keys"
		}
		p := start(t, o)
		provider := oidcrptest.NewProvider(t)
		client := provider.AddClient(oidcrptest.Client{ID: "riverside", RedirectURLs: []string{p.url() + "/auth/callback/acme"}, PostLogoutRedirectURLs: []string{p.url() + "/auth/logout"}})
		provider.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@acme.example", EmailVerified: true, Claims: map[string]any{"name": "Erin Example"}})

		stranger := oidcrptest.NewBrowser(t)
		stranger.Get(p.url() + "/signin?return_to=%2Fprofile")
		page := stranger.SubmitForm("/auth/login", url.Values{"identifier": {"erin@acme.example"}})
		at(t, page, http.StatusOK, "/signin")
		contains(t, page, "No organization signs in here with this address")

		alice := visitor(t, p, "alice")
		at(t, alice.Get(p.url()+"/admin/connections"), http.StatusOK, "/admin/connections")
		fields := url.Values{"name": {"acme"}, "display_name": {"Acme"}, "issuer": {provider.Issuer()}, "client_id": {client.ID},
			"client_secret": {client.Secret}, "domains": {"acme.example, acme.test"}}
		page = alice.SubmitForm("Connect", fields)
		at(t, page, http.StatusOK, "/admin/connections/acme")
		contains(t, page, "The connection was added", p.url()+"/auth/callback/acme", p.url()+"/auth/logout")
		lacks(t, page, client.Secret)
		contains(t, alice.Get(p.url()+"/admin/connections"), "Acme", provider.Issuer(), "acme.example")
		page = alice.Get(p.url() + "/admin")
		at(t, page, http.StatusOK, "/admin")

		erin := oidcrptest.NewBrowser(t)
		lacks(t, erin.Get(p.url()+"/signin?return_to=%2Fprofile"), "Continue with Acme")
		provider.SignInAs("erin")
		page = settle(erin, erin.SubmitForm("/auth/login", url.Values{"identifier": {"Erin@Acme.example"}}))
		at(t, page, http.StatusOK, "/profile")
		contains(t, page, "Erin Example", "Acme")
		contains(t, alice.Get(p.url()+"/admin/contacts"), "Acme")
		at(t, alice.Get(p.url()+"/admin"), http.StatusOK, "/admin") // with a connection in use

		// The secret stays when nothing is typed in, and the button comes.
		alice.Get(p.url() + "/admin/connections/acme")
		page = alice.PostForm(p.url()+"/admin/connections/acme", url.Values{"action": {"change"}, "display_name": {"Acme & Co"}, "issuer": {provider.Issuer()},
			"client_id": {client.ID}, "domains": {"acme.example"}, "listed": {"yes"}})
		at(t, page, http.StatusOK, "/admin/connections/acme")
		contains(t, page, "The connection was changed", "Acme & Co")
		again := oidcrptest.NewBrowser(t)
		again.Get(p.url() + "/signin?return_to=%2Fprofile")
		at(t, again.Follow("Continue with Acme & Co"), http.StatusOK, "/profile")

		at(t, alice.PostForm(p.url()+"/admin/connections/acme", url.Values{"action": {"remove"}}), http.StatusUnprocessableEntity, "/admin/connections/acme")
		page = alice.PostForm(p.url()+"/admin/connections/acme", url.Values{"action": {"remove"}, "sure": {"yes"}})
		at(t, page, http.StatusOK, "/admin/connections")
		contains(t, page, "The connection was removed", "None yet")
		at(t, alice.Get(p.url()+"/admin/connections/acme"), http.StatusNotFound, "/admin/connections/acme")
		page = oidcrptest.NewBrowser(t).Get(p.url() + "/signin")
		lacks(t, page, "Acme")
	})
}

func TestConnectionsThatAreWrong(t *testing.T) {
	p := start(t, options{})
	alice := visitor(t, p, "alice")
	good := func() url.Values {
		return url.Values{"name": {"acme"}, "issuer": {p.dev[0].Issuer() + "/none"}, "client_id": {"x"}, "client_secret": {"y"}, "domains": {"acme.example"}}
	}
	add := func(name, value string) *oidcrptest.Page {
		fields := good()
		if name != "" {
			fields.Set(name, value)
		}
		return alice.PostForm(p.url()+"/admin/connections", fields)
	}
	// It is right as far as can be seen here; its provider is not there.
	page := add("", "")
	at(t, page, http.StatusOK, "/admin/connections/acme")
	contains(t, page, "What the provider lacks", "nobody can sign in", p.dev[0].Issuer()+"/none")
	for _, test := range []struct{ name, value, says string }{
		{"issuer", "http://login.acme.example", "https"},
		{"name", "a/b", "Name"},
		{"name", "acme", "There is a connection or provider of this name"},
		{"name", "aster", "There is a connection or provider of this name"},
		{"client_id", "", "ClientID"},
		{"client_secret", "", "ClientSecret"},
		{"domains", "gmail com", "EmailDomains"},
	} {
		page := add(test.name, test.value)
		at(t, page, http.StatusUnprocessableEntity, "/admin/connections")
		contains(t, page, test.says)
		lacks(t, page, "Providers[0]")
	}
	other := good()
	other.Set("name", "other")
	page = alice.PostForm(p.url()+"/admin/connections", other)
	at(t, page, http.StatusUnprocessableEntity, "/admin/connections")
	contains(t, page, "One of these domains belongs to another connection")

	bad := good()
	bad.Set("action", "change")
	bad.Set("client_id", "")
	bad.Del("client_secret")
	page = alice.PostForm(p.url()+"/admin/connections/acme", bad)
	at(t, page, http.StatusUnprocessableEntity, "/admin/connections/acme")
	contains(t, page, "ClientID")
	lacks(t, page, "ClientSecret: missing")
	moved := good()
	moved.Set("action", "change")
	moved.Set("issuer", p.dev[0].Issuer()+"/elsewhere")
	moved.Del("client_secret")
	page = alice.PostForm(p.url()+"/admin/connections/acme", moved)
	at(t, page, http.StatusUnprocessableEntity, "/admin/connections/acme")
	contains(t, page, "ClientSecret: missing")
	at(t, alice.PostForm(p.url()+"/admin/connections/none", url.Values{"action": {"change"}, "issuer": {"https://a.example"}}), http.StatusNotFound, "/admin/connections/none")

	bob := visitor(t, p, "bob")
	for _, path := range []string{"/admin/connections", "/admin/connections/acme"} {
		at(t, bob.Get(p.url()+path), http.StatusForbidden, path)
		at(t, bob.PostForm(p.url()+path, good()), http.StatusForbidden, path)
	}
}

// The form shows all there is of a connection but its secret, and sent as it
// came it changes nothing.
func TestConnectionFormIsWhole(t *testing.T) {
	p := start(t, options{})
	ctx := t.Context()
	made := connectors.Connector{
		Name: "acme", DisplayName: "Acme", Issuer: "https://login.acme.example", ClientID: "x", ClientSecret: "y",
		Scopes: "phone groups", TenantSupplied: true, Listed: true, EmailDomains: []string{"acme.example", "acme.test"},
	}
	if err := p.db.connected.Add(ctx, made); err != nil {
		t.Fatal(err)
	}
	want, err := p.db.connected.Find(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	alice := visitor(t, p, "alice")
	alice.Get(p.url() + "/admin/connections/acme")
	page := alice.SubmitForm("Save", nil)
	at(t, page, http.StatusOK, "/admin/connections/acme")
	contains(t, page, "The connection was changed")
	if c, err := p.db.connected.Find(ctx, "acme"); err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, %v, want %+v", c, err, want)
	}
	alice.PostForm(p.url()+"/admin/connections/acme", url.Values{"action": {"change"}, "issuer": {made.Issuer}, "client_id": {"x"}})
	c, err := p.db.connected.Find(ctx, "acme")
	if err != nil || c.Scopes != "" || c.TenantSupplied || c.Listed || c.DisplayName != "" || len(c.EmailDomains) != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}
