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

// sourceOf is a source with the providers that were in a configuration.
type sourceOf map[string]oidcrp.Provider

func (s sourceOf) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	p, ok := s[name]
	if !ok {
		return p, oidcrp.ErrNoProvider
	}
	return p, nil
}
func (s sourceOf) ByIssuer(context.Context, string) ([]oidcrp.Provider, error) { return nil, nil }
func (s sourceOf) List(context.Context) ([]oidcrp.Provider, error)             { return nil, nil }
func (s sourceOf) ByEmailDomain(_ context.Context, domain string) (found []oidcrp.Provider, _ error) {
	for _, p := range s {
		if len(p.EmailDomains) > 0 && p.EmailDomains[0] == domain {
			found = append(found, p)
		}
	}
	return found, nil
}

// Providers of a source have the rules of all, or their own, and are believed
// about the domains they own.
func TestProvidersOfASource(t *testing.T) {
	source := sourceOf{}
	rules := accounts.Rules{
		Default:    accounts.ProviderRules{MatchEmail: true},
		ByProvider: map[string]accounts.ProviderRules{"closed": {Gate: accounts.Closed}, "not-yet-there": {}},
	}
	p := newPortal(t, rules, func(cfg *oidcrp.Config) {
		for _, provider := range cfg.Providers {
			provider.Version = "1"
			source[provider.Name] = provider
		}
		corp := source["corp"]
		corp.EmailDomains = []string{"corp.example"}
		source["corp"] = corp
		cfg.Providers, cfg.ProviderSource = nil, source
	}, "corp", "any", "closed")

	boss := p.add(accounts.Contact{Email: "boss@corp.example", EmailVerified: true})
	other := p.add(accounts.Contact{Email: "boss@else.example", EmailVerified: true})
	p.is(p.signIn("corp", person("s", "boss@corp.example")), boss.ID)
	p.decided("match/email_verified")
	p.refused(p.signIn("any", person("s", "boss@corp.example")), "its own way to sign in")
	page := p.signIn("any", person("s", "boss@else.example"))
	if strings.Contains(page.Body, other.ID) {
		t.Errorf("matched by the word of a provider that owns no domain: %s", page.Body)
	}
	p.refused(p.signIn("closed", person("s", "new@closed.example")), "no account for you")

	// Of two identities the one at a provider that was removed is none.
	p.change(boss.ID, func(c *accounts.Contact) {
		c.Identities = append(c.Identities, oidcrp.Identity{Provider: "removed", Issuer: "https://removed.example", Subject: "s"})
	})
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "corp", person("s", "boss@corp.example"), "/")
	unlink := func() string {
		q := url.Values{"iss": {p.ops["corp"].Issuer()}, "sub": {"s"}}
		return b.Get(p.URL + "/unlink?" + q.Encode()).Body
	}
	if got := unlink(); got != accounts.ErrLastIdentity.Error() {
		t.Errorf("the last one that works: %s", got)
	}
	p.change(boss.ID, func(c *accounts.Contact) { c.Identities[1].Provider = "any" })
	if got := unlink(); got != "<nil>" {
		t.Errorf("one of two: %s", got)
	}

	wrong := accounts.Rules{Default: accounts.ProviderRules{Gate: 7}}
	cfg := oidcrp.Config{BaseURL: "http://localhost:3000", ProviderSource: source}
	if _, err := accounts.New(accounts.NewMemoryStore(), wrong, &cfg); err == nil || !strings.Contains(err.Error(), "no Gate 7") {
		t.Errorf("%v", err)
	}
}
