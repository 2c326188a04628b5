package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// registry is what gives providers: Config.Providers, and then
// Config.ProviderSource. What serves a visitor asks the methods of RelyingParty
// below, and what serves the operator the registry.
type registry struct {
	static []*providerEntry // of Config.Providers
	byName map[string]*providerEntry
	source *sourced // nil: there is none
	owning bool     // mail domains can have owners
	log    *slog.Logger

	shadowed sync.Map // names that both give, and that were warned of
}

// choice is a provider that a visitor can choose. It need not be built.
type choice struct{ name, display string }

// allows reports whether visitors here may use the provider called name.
func (rp *RelyingParty) allows(name string) bool {
	return !rp.restricted() || slices.Contains(rp.owned.Providers, name)
}

// restricted reports whether a site names the providers for visitors here.
func (rp *RelyingParty) restricted() bool {
	return rp.place != nil && rp.owned != nil && rp.owned.Providers != nil
}

// find returns a provider for what begins or decides something: the source is
// asked. It is ErrNoProvider for none.
func (rp *RelyingParty) find(ctx context.Context, name string) (*providerEntry, error) {
	if !rp.allows(name) {
		return nil, noProvider(name)
	}
	return rp.providers.find(ctx, name)
}

// known is find for who is signed in already. It trusts the source's last
// answer for a minute, and through an outage.
func (rp *RelyingParty) known(ctx context.Context, name string) (*providerEntry, error) {
	if !rp.allows(name) {
		return nil, noProvider(name)
	}
	return rp.providers.known(ctx, name)
}

// still is known for what goes on without a provider; nil: it is not known.
func (rp *RelyingParty) still(ctx context.Context, name string) *providerEntry {
	p, err := rp.known(ctx, name)
	if err != nil && !errors.Is(err, ErrNoProvider) {
		rp.log.ErrorContext(ctx, "provider not looked up", "provider", name, "err", err)
	}
	return p
}

// peek is a provider that is there without asking; nil if none is.
func (rp *RelyingParty) peek(name string) *providerEntry {
	if !rp.allows(name) {
		return nil
	}
	if p := rp.providers.byName[name]; p != nil || rp.providers.source == nil {
		return p
	}
	return rp.providers.source.peek(name)
}

// static are those of Config.Providers, for visitors here.
func (rp *RelyingParty) static() []*providerEntry {
	if !rp.restricted() {
		return rp.providers.static
	}
	var all []*providerEntry
	for _, name := range rp.owned.Providers {
		if p := rp.providers.byName[name]; p != nil && !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// only is the provider where there is nothing to choose; nil otherwise.
func (rp *RelyingParty) only(ctx context.Context) (*providerEntry, error) {
	if rp.restricted() && len(rp.owned.Providers) == 1 {
		p, err := rp.find(ctx, rp.owned.Providers[0])
		if errors.Is(err, ErrNoProvider) {
			return nil, nil
		}
		return p, err
	}
	if static := rp.static(); rp.providers.source == nil && len(static) == 1 {
		return static[0], nil
	}
	return nil, nil
}

// several reports whether there may be another provider to turn to.
func (rp *RelyingParty) several() bool {
	if rp.restricted() {
		return len(rp.owned.Providers) > 1
	}
	return rp.providers.source != nil || len(rp.providers.static) > 1
}

// listed is what the sign-in page shows. Where the source fails, it has the
// others beside the error.
func (rp *RelyingParty) listed(ctx context.Context) ([]choice, error) {
	if rp.restricted() {
		return rp.listedHere(ctx)
	}
	return rp.choices(ctx, "List", func(p *providerEntry) bool { return !p.hidden },
		func(ctx context.Context, s ProviderSource) ([]Provider, error) { return s.List(ctx) },
		func(p Provider) bool { return !p.Hidden })
}

// listedHere are those that a site names, in its order.
func (rp *RelyingParty) listedHere(ctx context.Context) (all []choice, failed error) {
	for i, name := range rp.owned.Providers {
		if slices.Index(rp.owned.Providers, name) != i {
			continue
		}
		if errors.Is(failed, errSource) && rp.providers.byName[name] == nil {
			continue // it would be waited for once more
		}
		p, err := rp.find(ctx, name)
		switch {
		case err == nil && !p.hidden:
			all = append(all, choice{p.name, p.display})
		case err != nil && !errors.Is(err, ErrNoProvider):
			failed = err
		}
	}
	return all, failed
}

// owners are the providers that alone sign in people of a mail domain.
func (rp *RelyingParty) owners(ctx context.Context, domain string) ([]choice, error) {
	if !rp.providers.owning || domain == "" || validate.PublicMail(domain) {
		return nil, nil
	}
	return rp.choices(ctx, "ByEmailDomain", func(p *providerEntry) bool { return slices.Contains(p.emailDomains, domain) },
		func(ctx context.Context, s ProviderSource) ([]Provider, error) { return s.ByEmailDomain(ctx, domain) },
		func(p Provider) bool { return ownsDomain(p.EmailDomains, domain) })
}

// ofIssuer are the providers of an issuer. One that is there for this issuer
// alone goes before one that has many.
func (rp *RelyingParty) ofIssuer(ctx context.Context, issuer string) ([]choice, error) {
	found, err := rp.choices(ctx, "ByIssuer", func(p *providerEntry) bool { return p.issuer == issuer },
		func(ctx context.Context, s ProviderSource) ([]Provider, error) { return s.ByIssuer(ctx, issuer) },
		func(p Provider) bool { return p.Issuer == issuer })
	if err != nil || len(found) > 0 {
		return found, err
	}
	for _, p := range rp.static() {
		if p.Accepts(issuer) {
			return []choice{{p.name, p.display}}, nil
		}
	}
	return nil, nil
}

// choices are the providers of both kinds that fit.
func (rp *RelyingParty) choices(ctx context.Context, method string, fits func(*providerEntry) bool,
	give func(context.Context, ProviderSource) ([]Provider, error), given func(Provider) bool) ([]choice, error) {
	var all []choice
	for _, p := range rp.static() {
		if fits(p) {
			all = append(all, choice{p.name, p.display})
		}
	}
	s := rp.providers.source
	if s == nil {
		return all, nil
	}
	found, err := ask(ctx, s, method, func(ctx context.Context) ([]Provider, error) { return give(ctx, s.ProviderSource) })
	if err != nil && !errors.Is(err, ErrNoProvider) {
		return all, err
	}
	for _, p := range found {
		if given(p) && rp.providers.fromSource(ctx, p.Name) && rp.allows(p.Name) {
			all = append(all, choice{p.Name, orDefault(p.DisplayName, p.Name)})
		}
	}
	return all, nil
}

// find is that of RelyingParty, wherever the visitor is.
func (g *registry) find(ctx context.Context, name string) (*providerEntry, error) {
	if p := g.byName[name]; p != nil {
		return p, nil
	}
	if g.source == nil {
		return nil, noProvider(name)
	}
	p, err := g.source.find(ctx, name)
	if errors.Is(err, ErrNoProvider) {
		return nil, noProvider(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%.100q: %w", name, err)
	}
	return p, nil
}

// known is that of RelyingParty, wherever the visitor is.
func (g *registry) known(ctx context.Context, name string) (*providerEntry, error) {
	if p := g.byName[name]; p != nil {
		return p, nil
	}
	if g.source == nil {
		return nil, noProvider(name)
	}
	p, failed, err := g.source.known(ctx, name)
	if failed != nil {
		g.log.ErrorContext(ctx, "provider not looked up", "provider", name, "err", failed)
	}
	if errors.Is(err, ErrNoProvider) {
		return nil, noProvider(name)
	}
	return p, err
}

func noProvider(name string) error { return fmt.Errorf("%w: %.100q", ErrNoProvider, name) }

// answers reports why the source does not; nil also where there is none.
func (g *registry) answers(ctx context.Context) error {
	if g.source == nil {
		return nil
	}
	_, err := ask(ctx, g.source, "List", g.source.List)
	if errors.Is(err, ErrNoProvider) {
		return nil
	}
	return err
}

// ready are all that are built.
func (g *registry) ready() []*providerEntry {
	if g.source == nil {
		return g.static
	}
	return append(slices.Clone(g.static), g.source.ready()...)
}

// fromSource reports whether the source can be asked for a name that it gave.
func (g *registry) fromSource(ctx context.Context, name string) bool {
	switch {
	case g.byName[name] != nil:
		if _, said := g.shadowed.LoadOrStore(name, true); !said {
			g.log.WarnContext(ctx, "provider of ProviderSource not used", "provider", name,
				"remedy", "one of Config.Providers has this name and goes before it: give each its own")
		}
		return false
	case !providerName.MatchString(name):
		g.log.WarnContext(ctx, "provider of ProviderSource not used", "provider", name,
			"remedy", "give it a name of lower-case letters, digits, - and _, at most 64")
		return false
	}
	return true
}
