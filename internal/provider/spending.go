package provider

import "time"

// Spending is what a provider's budgets of fetches have paid out, and how long
// what failed is to rest. It outlives a Provider that is dropped and made anew,
// which would else begin with all of them full.
type Spending struct {
	endpoint, strangers     budget
	discovery, registration rest
}

// rest is the state of [attempts] after a failure.
type rest struct {
	failures int
	next     time.Time
	err      error
}

func (a *attempts) rest() rest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return rest{a.failures, a.nextTry, a.lastErr}
}

// Spending returns what was spent until now.
func (p *Provider) Spending() Spending {
	s := Spending{discovery: p.discovery.rest(), registration: p.registration.rest()}
	p.keys.mu.Lock()
	s.endpoint, s.strangers = p.keys.endpoint, p.keys.strangers
	p.keys.mu.Unlock()
	return s
}

// Nothing reports whether a new Provider would be no better off.
func (s *Spending) Nothing(now time.Time) bool {
	for _, b := range [...]budget{s.endpoint, s.strangers} {
		if !b.stale(now) {
			return false
		}
	}
	return !s.discovery.next.After(now) && !s.registration.next.After(now)
}

// Resume has a Provider that was not used yet go on from s. With other settings
// than before, what failed may succeed now, and does not rest.
func (p *Provider) Resume(s Spending, sameSettings bool) {
	p.keys.endpoint, p.keys.strangers = s.endpoint, s.strangers
	if sameSettings {
		p.discovery.resume(s.discovery)
		p.registration.resume(s.registration)
	}
}

func (a *attempts) resume(r rest) { a.failures, a.nextTry, a.lastErr = r.failures, r.next, r.err }
