package accounts_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// A refresh that brings the provider's roles anew leaves those of the contact,
// and the application's own hook sees both.
func TestRolesOfTheContactOutliveARefresh(t *testing.T) {
	var seen []string
	p := newPortal(t, accounts.Rules{Default: accounts.ProviderRules{Grant: accounts.Grant{Roles: []string{"reader"}}}}, func(cfg *oidcrp.Config) {
		cfg.Store = oidcrp.NewMemoryStore()
		cfg.Providers[0].KeepTokens = true
		cfg.Providers[0].APIs = []oidcrp.API{{URL: cfg.Providers[0].Issuer + oidcrptest.ResourceEndpoint}}
		cfg.OnRefresh = func(_ context.Context, login *oidcrp.Login) error {
			seen = login.Roles
			return nil
		}
	}, "main")
	op := p.ops["main"]
	op.SetFaults(oidcrptest.TokenField("expires_in", 0)) // so that the first call has to refresh
	b := oidcrptest.NewBrowser(t)
	page := p.signInWith(b, "main", oidcrptest.User{Subject: "erin", Claims: map[string]any{"roles": []string{"admin"}}}, "/")
	if !strings.Contains(page.Body, `roles ["admin" "reader"]`) {
		t.Fatalf("%s", page)
	}
	op.AddUser(oidcrptest.User{Subject: "erin", Claims: map[string]any{"roles": []string{"editor"}}})
	op.SetFaults()
	if page := b.Get(p.URL + "/call?api=" + url.QueryEscape(op.URL(oidcrptest.ResourceEndpoint))); page.Body != "<nil>" {
		t.Fatalf("%s\n%s", page, p.log.String())
	}
	if err := p.rp.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if page := b.Get(p.URL + "/"); !strings.Contains(page.Body, `roles ["editor" "reader"]`) || strings.Join(seen, " ") != "editor reader" {
		t.Errorf("%s, the hook saw %q\n%s", page.Body, seen, p.log.String())
	}
}
