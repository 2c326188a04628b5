package oidcrp

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/outside"
)

const (
	// siteTime is how long an answer of Config.Sites is used.
	siteTime = 10 * time.Second
	// maxSites bounds the sites that are kept furnished.
	maxSites = 1000
	// maxSiteQuestions bounds the calls of Config.Sites under way, for hosts that are
	// known and for others: those that hang, and heed no context, would pile up.
	maxSiteQuestions = 1000
)

// errSites: Config.Sites could not say.
var errSites = errors.New("the site of a host cannot be found out")

// sites are those that were asked for lately, by host.
type sites struct {
	ask    func(ctx context.Context, host string) (Site, error)
	asking chan struct{} // about hosts that anybody can think of
	again  chan struct{} // about those that have a site

	mu     sync.Mutex
	known  map[string]*list.Element // of knownSite
	recent list.List                // the latest in front
	under  map[string]*question
}

type knownSite struct {
	host  string
	rp    *RelyingParty
	until time.Time
}

// question is one under way, however many requests wait for the answer.
type question struct {
	done chan struct{}
	rp   *RelyingParty
	err  error
}

func newSites(ask func(context.Context, string) (Site, error)) *sites {
	return &sites{
		ask: ask, asking: make(chan struct{}, maxSiteQuestions), again: make(chan struct{}, maxSiteQuestions),
		known: map[string]*list.Element{}, under: map[string]*question{},
	}
}

// find returns rp at the site of a host.
func (s *sites) find(ctx context.Context, rp *RelyingParty, host string) (*RelyingParty, error) {
	name, ok := siteHost(host)
	if !ok {
		return nil, fmt.Errorf("%w: %.100q is no host", ErrNoSite, host)
	}
	k, q := s.look(ctx, rp, name)
	if q == nil {
		return k.rp, nil
	}
	select {
	case <-q.done:
		return q.rp, q.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errSites, context.Cause(ctx))
	}
}

// look returns what is known of a host, or else the question to wait for.
func (s *sites) look(ctx context.Context, rp *RelyingParty, host string) (knownSite, *question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var k knownSite
	if e := s.known[host]; e != nil {
		if k = e.Value.(knownSite); rp.now().Before(k.until) {
			s.recent.MoveToFront(e)
			return k, nil
		}
	}
	q := s.under[host]
	if q == nil {
		q = &question{done: make(chan struct{})}
		s.under[host] = q
		go s.answer(context.WithoutCancel(ctx), rp, host, k.rp, q)
	}
	return knownSite{}, q
}

// answer answers a question. Where rp was by the last answer is before; nil if
// there was none.
func (s *sites) answer(ctx context.Context, rp *RelyingParty, host string, before *RelyingParty, q *question) {
	turn := s.asking
	if before != nil {
		turn = s.again
	}
	found, err := s.call(ctx, host, turn)
	if err == nil && found.BaseURL == "" {
		rp.log.WarnContext(ctx, "Config.Sites gave no BaseURL, and no error", "host", host, "want", "ErrNoSite for a host that has no site")
		err = ErrNoSite
	}
	switch {
	case err != nil:
	case before != nil && before.owned.equal(found):
		q.rp = before
	default:
		q.rp, err = rp.settle(found)
	}
	if err != nil {
		q.err = fmt.Errorf("Config.Sites: %q: %w", host, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.under, host)
	s.keep(host, q.rp, rp.now().Add(siteTime), q.err)
	close(q.done)
}

// keep notes an answer. What is no site is forgotten, and one that cannot be
// asked about comes back as it was. s.mu is held.
func (s *sites) keep(host string, rp *RelyingParty, until time.Time, err error) {
	e := s.known[host]
	switch {
	case e != nil && err == nil:
		s.recent.MoveToFront(e)
		e.Value = knownSite{host, rp, until}
	case e != nil && errors.Is(err, ErrNoSite):
		s.drop(e)
	case err == nil:
		s.known[host] = s.recent.PushFront(knownSite{host, rp, until})
		if s.recent.Len() > maxSites {
			s.drop(s.recent.Back())
		}
	}
}

func (s *sites) drop(e *list.Element) {
	delete(s.known, s.recent.Remove(e).(knownSite).host)
}

// call asks the application, and waits no longer than hookTime, be ctx heeded
// or not.
func (s *sites) call(ctx context.Context, host string, turn chan struct{}) (Site, error) {
	select {
	case turn <- struct{}{}:
	default:
		return Site{}, fmt.Errorf("%w: %d calls are under way already", errSites, maxSiteQuestions)
	}
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	site, err := outside.Ask(ctx, turn, func(ctx context.Context) (Site, error) { return s.ask(ctx, host) })
	if err != nil && !errors.Is(err, ErrNoSite) {
		err = fmt.Errorf("%w: %w", errSites, err)
	}
	return site, err
}

// settle furnishes a site.
func (rp *RelyingParty) settle(s Site) (*RelyingParty, error) {
	base, err := parseBaseURL(s.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("%w: Site.%w", ErrMisconfigured, err)
	}
	s.Providers = slices.Clone(s.Providers)
	at := &RelyingParty{rp.common, &place{site: newSite(base), owned: &s}}
	at.furnish(cookie.NewSite(base).For(s.Name))
	return at, nil
}

// siteHost is a Host as Config.Sites is asked for it: without port, in lower
// case, without the dot of a fully qualified name, and IPv6 in its shortest
// form without brackets.
func siteHost(host string) (string, bool) {
	name, port := host, ""
	if rest, ok := strings.CutPrefix(host, "["); ok {
		if name, port, ok = strings.Cut(rest, "]"); !ok || port != "" && port[0] != ':' {
			return "", false
		}
		addr, err := netip.ParseAddr(name)
		if err != nil || !addr.Is6() || addr.Zone() != "" {
			return "", false
		}
		name, port = addr.String(), strings.TrimPrefix(port, ":")
		return name, !strings.ContainsFunc(port, notDigit)
	}
	name, port, _ = strings.Cut(host, ":")
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	ok := name != "" && len(name) <= 253 && !strings.ContainsFunc(name, notInHost) && !strings.ContainsFunc(port, notDigit)
	return name, ok
}

func notDigit(c rune) bool { return c < '0' || c > '9' }

func notInHost(c rune) bool {
	return notDigit(c) && (c < 'a' || c > 'z') && c != '-' && c != '.' && c != '_'
}
