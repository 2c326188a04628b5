package oidcrp

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const (
	// maxBuilt is how many providers of a source are kept ready.
	maxBuilt = 1000
	// maxSpending is of how many more it is known what they may be asked.
	maxSpending = 10_000
	// sourceTime is how long a source may take.
	sourceTime = 5 * time.Second
	// sourceTrust is how long a provider serves those who are signed in before
	// the source is asked again, and sourceRest how long after it failed.
	sourceTrust = time.Minute
	sourceRest  = 10 * time.Second
)

// sourced are the providers of a ProviderSource, the ones used last built.
type sourced struct {
	ProviderSource
	build     func(name string, p Provider) (*providerEntry, error)
	now       func() time.Time
	detach    func(ctx context.Context, run func(context.Context))
	asking    chan struct{} // holds one for each question under way
	keeps     int
	remembers int

	mu       sync.Mutex
	built    map[string]*list.Element // of *built
	recent   *list.List               // used last in front
	lookups  map[string]*lookup
	spending map[string]spending // of as many as it remembers
}

// built is a provider that is ready.
type built struct {
	name    string
	version string
	entry   *providerEntry
	checked time.Time // when the source last gave it
	retry   time.Time // the source failed, and is not asked before
}

// spending is that of a provider that is not built any more.
type spending struct {
	version string
	provider.Spending
}

// lookup is one question about a name. What came may be read once done is
// closed.
type lookup struct {
	done  chan struct{}
	entry *providerEntry
	err   error
}

func newSourced(source ProviderSource, build func(string, Provider) (*providerEntry, error), now func() time.Time,
	detach func(context.Context, func(context.Context))) *sourced {
	return &sourced{
		ProviderSource: source, build: build, now: now, detach: detach, asking: make(chan struct{}, maxAsking),
		keeps: maxBuilt, remembers: maxSpending,
		built: map[string]*list.Element{}, recent: list.New(), lookups: map[string]*lookup{}, spending: map[string]spending{},
	}
}

// newSource is the source of a configuration, whose other settings it keeps.
func (rp *RelyingParty) newSource(cfg Config) *sourced {
	build := func(name string, p Provider) (*providerEntry, error) {
		var c complaints
		field := fmt.Sprintf("ProviderSource (%s)", name)
		chosen := p
		p.RedirectPath = ""
		entry := c.provider(rp, &cfg, field, p, true)
		c.sourced(field, chosen, entry)
		return entry, errors.Join(c...)
	}
	detach := func(ctx context.Context, run func(context.Context)) {
		rp.flights.detach(ctx, 2*sourceTime, func(ctx context.Context) error { run(ctx); return nil },
			func(err error) { rp.log.ErrorContext(ctx, "provider not looked up", "err", err) })
	}
	return newSourced(cfg.ProviderSource, build, rp.now, detach)
}

// sourced says what a provider of a ProviderSource may not have, or lacks.
func (c *complaints) sourced(field string, p Provider, e *providerEntry) {
	if p.Version == "" {
		c.add("%s.Version: missing: give one that changes whenever a setting does, such as the time of the last change", field)
	}
	if p.RedirectPath != "" {
		c.add("%s.RedirectPath: %q: only one of Config.Providers may choose it: leave it empty", field, p.RedirectPath)
	}
	if e.formPost {
		c.add("%s.ResponseMode: %q: only for Config.Providers, because cookies for it are chosen by New: leave it empty", field, p.ResponseMode)
	}
}

// find asks the source for a provider, once however many want to know.
func (s *sourced) find(ctx context.Context, name string) (*providerEntry, error) {
	if !providerName.MatchString(name) {
		return nil, ErrNoProvider
	}
	s.mu.Lock()
	l := s.lookups[name]
	if l == nil {
		l = &lookup{done: make(chan struct{})}
		s.lookups[name] = l
		s.detach(ctx, func(ctx context.Context) { s.lookUp(ctx, name, l) })
	}
	s.mu.Unlock()
	select {
	case <-l.done:
		return l.entry, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errSource, context.Cause(ctx))
	}
}

// known is find for those who are signed in: what was found within sourceTrust
// serves, and while the source is silent what it said last. failed is why it did
// not answer then.
func (s *sourced) known(ctx context.Context, name string) (entry *providerEntry, failed, err error) {
	s.mu.Lock()
	b := s.use(name)
	if b != nil {
		entry = b.entry
		if since := s.now().Sub(b.checked); since >= 0 && since < sourceTrust || s.now().Before(b.retry) {
			s.mu.Unlock()
			return entry, nil, nil
		}
	}
	s.mu.Unlock()
	fresh, err := s.find(ctx, name)
	if err != nil && entry != nil && !errors.Is(err, ErrNoProvider) {
		return entry, err, nil
	}
	return fresh, nil, err
}

// peek is what is ready, without asking; nil if nothing is.
func (s *sourced) peek(name string) *providerEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.built[name]; at != nil {
		return at.Value.(*built).entry
	}
	return nil
}

// ready are all that are built.
func (s *sourced) ready() []*providerEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*providerEntry
	for at := s.recent.Front(); at != nil; at = at.Next() {
		all = append(all, at.Value.(*built).entry)
	}
	return all
}

// lookUp is the question of l.
func (s *sourced) lookUp(ctx context.Context, name string, l *lookup) {
	p, err := ask(ctx, s, "Provider", func(ctx context.Context) (Provider, error) { return s.Provider(ctx, name) })
	l.entry, l.err = s.settle(name, p, err)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lookups, name)
	close(l.done)
}

// settle takes what the source said.
func (s *sourced) settle(name string, p Provider, err error) (*providerEntry, error) {
	if err == nil && p.Name != name {
		err = fmt.Errorf("%w: ProviderSource gave %.100q when it was asked for %q: give the provider of that name, or ErrNoProvider", ErrMisconfigured, p.Name, name)
	}
	if err == nil {
		if entry := s.unchanged(name, p.Version); entry != nil {
			return entry, nil
		}
	}
	var entry *providerEntry
	if err == nil {
		err = guarded("ProviderSource", func() (err error) { // what its provider brings along
			entry, err = s.build(name, p)
			return err
		})
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrMisconfigured, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch b := s.use(name); {
	case errors.Is(err, ErrNoProvider):
		s.drop(name)
	case err != nil && b != nil:
		b.retry = s.now().Add(sourceRest)
	case err == nil:
		s.drop(name)
		s.put(&built{name: name, version: p.Version, entry: entry, checked: s.now()})
	}
	if err != nil {
		return nil, err
	}
	return entry, nil
}

// unchanged is what is built of a version already; nil if nothing is.
func (s *sourced) unchanged(name, version string) *providerEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.use(name)
	if b == nil || b.version != version {
		return nil
	}
	b.checked, b.retry = s.now(), time.Time{}
	return b.entry
}

// put adds a provider, which goes on from what it spent before. s.mu is held.
func (s *sourced) put(b *built) {
	if spent, ok := s.spending[b.name]; ok {
		b.entry.Resume(spent.Spending, spent.version == b.version)
		delete(s.spending, b.name)
	}
	s.built[b.name] = s.recent.PushFront(b)
	for s.recent.Len() > s.keeps {
		s.drop(s.recent.Back().Value.(*built).name)
	}
}

// use is what is built of a name, which now was used last. s.mu is held.
func (s *sourced) use(name string) *built {
	at := s.built[name]
	if at == nil {
		return nil
	}
	s.recent.MoveToFront(at)
	return at.Value.(*built)
}

// drop forgets a provider, and not what it spent. s.mu is held.
func (s *sourced) drop(name string) {
	at := s.built[name]
	if at == nil {
		return
	}
	b := s.recent.Remove(at).(*built)
	delete(s.built, name)
	b.entry.CloseIdle()
	now := s.now()
	spent := spending{b.version, b.entry.Spending()}
	if spent.Nothing(now) {
		return
	}
	if len(s.spending) >= s.remembers {
		for other, old := range s.spending {
			if old.Nothing(now) || len(s.spending) >= s.remembers {
				delete(s.spending, other)
			}
		}
	}
	s.spending[name] = spent
}
