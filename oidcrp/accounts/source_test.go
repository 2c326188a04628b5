package accounts_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
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

// outage is a source whose answers fail for a while.
type outage struct {
	sourceOf
	fail atomic.Pointer[func(context.Context) error]
}

func (s *outage) Provider(ctx context.Context, name string) (oidcrp.Provider, error) {
	if fail := s.fail.Load(); fail != nil {
		if err := (*fail)(ctx); err != nil {
			return oidcrp.Provider{}, err
		}
	}
	return s.sourceOf.Provider(ctx, name)
}

// While a source is silent nobody is let in by that, or left without a way in.
func TestSourceIsSilent(t *testing.T) {
	for name, fail := range map[string]func(context.Context) error{
		"error": func(context.Context) error { return errors.New("down, at secret-host") },
		"panic": func(context.Context) error { panic("source") },
	} {
		t.Run(name, func(t *testing.T) {
			source := &outage{sourceOf: sourceOf{}}
			rules := accounts.Rules{ByProvider: map[string]accounts.ProviderRules{"old": {Retired: true}}}
			p := newPortal(t, rules, func(cfg *oidcrp.Config) {
				corp := cfg.Providers[1]
				corp.Version = "1"
				source.sourceOf["corp"] = corp
				cfg.Providers, cfg.ProviderSource = cfg.Providers[:1], source
			}, "old", "corp")
			old := oidcrp.Identity{Provider: "old", Issuer: p.ops["old"].Issuer(), Subject: "s"}
			c := p.add(accounts.Contact{Identities: []oidcrp.Identity{old, {Provider: "corp", Issuer: p.ops["corp"].Issuer(), Subject: "s"}}})
			b := oidcrptest.NewBrowser(t)
			p.is(p.signInWith(b, "corp", person("s", ""), "/"), c.ID)
			p.refused(p.signIn("old", person("s", "")), "no longer")

			// One that hangs, and heeds no context, keeps nobody who leaves.
			ctx, leave := context.WithCancel(context.Background())
			release := make(chan struct{})
			hang := func(context.Context) error { leave(); <-release; return nil }
			source.fail.Store(&hang)
			if d, err := p.Decide(ctx, &oidcrp.Login{Provider: "old", Issuer: old.Issuer, Subject: "s"}); !errors.Is(err, oidcrp.ErrProviderUnavailable) {
				t.Errorf("%v, %v", d, err)
			}
			close(release)

			source.fail.Store(&fail)
			page := p.signIn("old", person("s", ""))
			if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || strings.Contains(page.Body, "secret-host") {
				t.Errorf("let in, or not told when to come back: %s", page)
			}
			p.is(b.Get(p.URL+"/"), c.ID) // nobody is signed out
			q := url.Values{"iss": {old.Issuer}, "sub": {"s"}}
			if got := b.Get(p.URL + "/unlink?" + q.Encode()).Body; !strings.Contains(got, "ProviderSource") || len(p.get(c.ID).Identities) != 2 {
				t.Errorf("unlinked: %s", got)
			}
			source.fail.Store(nil)
			if got := b.Get(p.URL + "/unlink?" + q.Encode()).Body; got != "<nil>" {
				t.Errorf("and then: %s", got)
			}
		})
	}
}
