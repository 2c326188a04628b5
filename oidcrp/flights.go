package oidcrp

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// flights are the refreshes under way, of which there is one at a time for each
// grant, and whatever else outlives the request that began it.
type flights struct {
	mu      sync.Mutex
	under   map[string]*flight // by id in the vault
	running int
	idle    chan struct{} // closed when running falls to zero; nil if nobody waits
}

// flight is one refresh. What it brought may be read once done is closed.
type flight struct {
	resource string
	done     chan struct{}
	tokens   provider.Tokens
	err      error
}

// join returns the flight of a grant and resource, beginning one if none is
// under way. One for another resource is waited for first, since both would redeem the same
// refresh token; it returns nil when the caller gave up over that.
func (f *flights) join(ctx context.Context, id, resource string, run func(context.Context) (provider.Tokens, error)) *flight {
	for {
		f.mu.Lock()
		under := f.under[id]
		if under == nil {
			under = f.begin(ctx, id, resource, run)
		}
		f.mu.Unlock()
		if under.resource == resource {
			return under
		}
		if !under.wait(ctx) {
			return nil
		}
	}
}

// start begins a flight that nobody waits for, unless one is under way.
func (f *flights) start(ctx context.Context, id, resource string, run func(context.Context) (provider.Tokens, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.under[id] == nil {
		f.begin(ctx, id, resource, run)
	}
}

// wait reports whether the flight ended before the caller gave up.
func (f *flight) wait(ctx context.Context) bool {
	select {
	case <-f.done:
		return true
	case <-ctx.Done():
		return false
	}
}

// refreshTime bounds a refresh, the wait for a lock and a store included.
const refreshTime = 25 * time.Second

// begin starts a flight. f.mu is held.
func (f *flights) begin(ctx context.Context, id, resource string, run func(context.Context) (provider.Tokens, error)) *flight {
	under := &flight{resource: resource, done: make(chan struct{})}
	if f.under == nil {
		f.under = map[string]*flight{}
	}
	f.under[id] = under
	f.running++
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTime)
		defer cancel()
		// Outside of a request a panic of the application's would end the process.
		under.err = guarded("refresh", func() (err error) {
			under.tokens, err = run(ctx)
			return err
		})
		f.mu.Lock()
		delete(f.under, id)
		f.ended()
		f.mu.Unlock()
		close(under.done)
	}()
	return under
}

// detach runs what nobody waits for but Shutdown.
func (f *flights) detach(ctx context.Context, most time.Duration, run func(context.Context) error, failed func(error)) {
	f.mu.Lock()
	f.running++
	f.mu.Unlock()
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), most)
		defer cancel()
		if err := guarded("background", func() error { return run(ctx) }); err != nil {
			failed(err)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ended()
	}()
}

// ended counts one less. f.mu is held.
func (f *flights) ended() {
	if f.running--; f.running == 0 && f.idle != nil {
		close(f.idle)
		f.idle = nil
	}
}

// wait waits until nothing runs, or ctx is done.
func (f *flights) wait(ctx context.Context) {
	f.mu.Lock()
	if f.running == 0 {
		f.mu.Unlock()
		return
	}
	if f.idle == nil {
		f.idle = make(chan struct{})
	}
	idle := f.idle
	f.mu.Unlock()
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// How long is remembered what became of a refresh token.
const (
	lateTime    = 30 * time.Second // for those who read the store before its successor was there
	unsavedTime = time.Hour        // while the store does not take its successor
	refusedTime = time.Hour
	maxSpent    = 10_000
)

// spent remembers what became of refresh tokens that were redeemed. A token
// that a provider refused is not removed from the store: another node may just
// have put its successor there.
type spent struct {
	mu    sync.Mutex
	known map[[sha256.Size]byte]outcome
	swept time.Time // so that tokens are not kept for longer than they are of use
}

type outcome struct {
	next  *grant // nil: refused
	until time.Time
}

// put remembers for a while; next nil: the token was refused.
func (s *spent) put(refreshToken string, next *grant, until, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[[sha256.Size]byte]outcome{}
	}
	if len(s.known) >= maxSpent || now.Sub(s.swept) >= lateTime {
		s.makeRoom(now)
		s.swept = now
	}
	s.known[sha256.Sum256([]byte(refreshToken))] = outcome{next, until}
}

// makeRoom removes what is too old, or else anything.
func (s *spent) makeRoom(now time.Time) {
	for key, o := range s.known {
		if !now.Before(o.until) {
			delete(s.known, key)
		}
	}
	for key := range s.known {
		if len(s.known) < maxSpent {
			return
		}
		delete(s.known, key)
	}
}

// find returns what became of a refresh token.
func (s *spent) find(refreshToken string, now time.Time) (outcome, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.known[sha256.Sum256([]byte(refreshToken))]
	return o, ok && now.Before(o.until)
}

// refused reports whether the provider does not take a refresh token.
func (s *spent) refused(refreshToken string, now time.Time) bool {
	o, ok := s.find(refreshToken, now)
	return ok && o.next == nil
}

// resting are the grants whose provider did not answer: it is left alone for a
// moment.
type resting struct {
	mu    sync.Mutex
	known map[string]pause
	sweep int // at this size, those that are over are removed
}

type pause struct {
	err   error
	until time.Time
}

// put leaves a provider alone for restTime, or for as long as it asks for.
func (s *resting) put(id string, err error, now time.Time) {
	rest := restTime
	if down, ok := errors.AsType[*provider.Unavailable](err); ok {
		rest = max(rest, down.Retry)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]pause{}
	}
	if len(s.known) >= s.sweep {
		for key, p := range s.known {
			if !now.Before(p.until) {
				delete(s.known, key)
			}
		}
		s.sweep = max(2*len(s.known), 1000)
	}
	s.known[id] = pause{err, now.Add(rest)}
}

// find returns why a provider is left alone; nil if it is not.
func (s *resting) find(id string, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.known[id]; ok && now.Before(p.until) {
		return p.err
	}
	return nil
}
