package provider

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const (
	// keysFresh is how long keys are believed after a successful fetch: no
	// longer does a withdrawn key serve (T064).
	keysFresh = 15 * time.Minute
	// keysLastGood is how long the last good set serves while fetches fail.
	keysLastGood = 24 * time.Hour
	// keysDeadline ends a fetch, whoever waits for it.
	keysDeadline = 5 * time.Second

	// The budgets of fetches.
	fetchBurst    = 2
	fetchInterval = 30 * time.Second

	maxKeys         = 100  // kept of one document
	maxKeysExamined = 1000 // of one document
	maxKeysTried    = 10   // for one token
	maxKeyID        = 1024
	minRSABits      = 2048
	maxRSABits      = 16384 // verifying costs time
)

// A keySet holds one provider's signing keys, where go-oidc's would ask the
// provider for each forged token (B9, B10) and never forget a key (B11).
//
// Fetches are paid from two budgets, one for tokens from the token endpoint and
// one for tokens that strangers can send: however many those send, they cannot
// keep a login from learning a new key (T061).
type keySet struct {
	fetch func(context.Context) ([]byte, error)
	now   func() time.Time

	current atomic.Pointer[publicKeys]

	mu        sync.Mutex
	flight    *keyFlight
	started   int   // fetches so far; also the number of the latest
	lastErr   error // of the latest finished fetch
	endpoint  budget
	strangers budget
}

// A keyFlight is a fetch under way. set and err may be read once done is closed.
type keyFlight struct {
	done   chan struct{}
	number int
	set    *publicKeys
	err    error
}

// newKeySet makes an empty set that fetches the document at first use. fetch
// bounds the size of what it returns; its context carries a deadline.
func newKeySet(fetch func(context.Context) ([]byte, error), now func() time.Time) *keySet {
	each := budget{burst: fetchBurst, interval: fetchInterval}
	return &keySet{fetch: fetch, now: now, endpoint: each, strangers: each}
}

// verify checks a token's signature and returns its payload, and the issuers the
// key may sign for, nil if its publisher does not say. Only algs are accepted,
// whatever the metadata or the token say. stranger says from which budget a
// fetch would be paid.
//
// The error is a *validate.Error for a token that must not be believed, and an
// [ErrUnavailable] where the keys to judge it could not be fetched.
func (k *keySet) verify(ctx context.Context, jws *validate.JWS, algs []string, stranger bool) (payload []byte, issuers []string, err error) {
	if !slices.Contains(algs, jws.Header.Algorithm) {
		return nil, nil, badAlgorithm()
	}
	key, err := k.check(ctx, jws, stranger)
	if err != nil {
		return nil, nil, err
	}
	return jws.Payload, key.issuers, nil
}

func badAlgorithm() error {
	return &validate.Error{Token: "token", Check: "alg", Detail: "not an algorithm accepted from this provider"}
}

func badSignature(detail string) error {
	return &validate.Error{Token: "token", Check: "signature", Detail: detail}
}

// check looks for the key, asking the provider again when the token names one
// that is not known. A wrong signature under a known kid is no reason to ask.
func (k *keySet) check(ctx context.Context, jws *validate.JWS, stranger bool) (*publicKey, error) {
	set, begun := k.current.Load(), k.latest()
	var final bool
	var fetchErr error
	if !k.within(set, keysFresh) {
		set, final, fetchErr = k.refresh(ctx, set, begun, stranger)
	}
	for {
		usable := k.within(set, keysLastGood)
		if usable {
			key, known := set.verify(jws)
			if key != nil {
				return key, nil
			}
			if known {
				return nil, badSignature("does not verify with the key it names")
			}
		}
		switch {
		case !final:
		case fetchErr != nil:
			return nil, fetchErr
		case !usable:
			return nil, &Unavailable{What: "key set", Err: errors.New("too old, and may not be fetched again yet")}
		default:
			return nil, badSignature("made with a key the provider does not publish")
		}
		set, final, fetchErr = k.refresh(ctx, set, begun, stranger)
	}
}

// within tells whether set was fetched no longer than age ago. A set from the
// future, after the clock was put back, is not fresh either.
func (k *keySet) within(set *publicKeys, age time.Duration) bool {
	if set == nil {
		return false
	}
	since := k.now().Sub(set.fetched)
	return since <= age && (since >= 0 || age == keysLastGood)
}

func (k *keySet) latest() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.started
}

// refresh returns a set newer than seen if there is one, waits for the fetch
// under way, or starts one. Where that fails, or the budget is spent, it returns
// seen. final says that nothing more can be learned now: the fetch began after
// the begun-th, so after the token was in our hands, or no fetch is allowed.
func (k *keySet) refresh(ctx context.Context, seen *publicKeys, begun int, stranger bool) (set *publicKeys, final bool, err error) {
	k.mu.Lock()
	if newer := k.current.Load(); newer != seen {
		k.mu.Unlock()
		return newer, newer.number > begun, nil
	}
	f := k.flight
	if f == nil {
		paying := k.budget(stranger)
		if wait := paying.take(k.now()); wait > 0 {
			defer k.mu.Unlock()
			return seen, true, k.outage(wait)
		}
		f = k.start(ctx, paying)
	}
	k.mu.Unlock()

	select {
	case <-f.done:
	case <-ctx.Done():
		return seen, true, &Unavailable{What: "key set", Err: fmt.Errorf("not there in time: %w", ctx.Err())}
	}
	if f.err != nil {
		return seen, f.number > begun, f.err
	}
	return f.set, f.number > begun, nil
}

func (k *keySet) budget(stranger bool) *budget {
	if stranger {
		return &k.strangers
	}
	return &k.endpoint
}

// outage is the error of the latest fetch when it failed. When it succeeded,
// that it cannot be repeated yet is no fault of the provider's.
func (k *keySet) outage(wait time.Duration) error {
	if k.lastErr == nil {
		return nil
	}
	return &Unavailable{What: "key set", Retry: wait, Err: k.lastErr}
}

// start begins a fetch that outlives the request which happened to need it.
func (k *keySet) start(ctx context.Context, paying *budget) *keyFlight {
	k.started++
	f := &keyFlight{done: make(chan struct{}), number: k.started}
	k.flight = f
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysDeadline)
		defer cancel()
		set, err := k.fetched(ctx)
		k.land(f, set, err, paying)
	}()
	return f
}

// fetched fetches and parses the document. The transport may be the
// application's: its panic must not end the process.
func (k *keySet) fetched(ctx context.Context) (set *publicKeys, err error) {
	defer func() {
		if v := recover(); v != nil {
			set, err = nil, fmt.Errorf("panic in the HTTP transport: %T", v)
		}
	}()
	b, err := k.fetch(ctx)
	if err != nil {
		return nil, err
	}
	return parseKeys(b)
}

// land records what a fetch brought. An empty or broken document is a failed
// fetch: the last good set stays.
func (k *keySet) land(f *keyFlight, set *publicKeys, err error, paying *budget) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.flight, k.lastErr = nil, err
	defer close(f.done)
	if err != nil {
		f.err = &Unavailable{What: "key set", Retry: paying.wait(k.now()), Err: err}
		return
	}
	// The first load is not a refetch: a rotation, and one more, may follow at
	// once. Strangers get no such gift.
	if paying == &k.endpoint && k.current.Load() == nil {
		paying.giveBack()
	}
	set.number, set.fetched = f.number, k.now()
	f.set = set
	k.current.Store(set)
}

// load fetches the keys unless fresh ones are there.
func (k *keySet) load(ctx context.Context) error {
	set := k.current.Load()
	if k.within(set, keysFresh) {
		return nil
	}
	_, _, err := k.refresh(ctx, set, k.latest(), false)
	return err
}

// count is the number of keys known.
func (k *keySet) count() int {
	if set := k.current.Load(); set != nil {
		return len(set.keys)
	}
	return 0
}

// wait returns when no fetch is under way, or ctx is done.
func (k *keySet) wait(ctx context.Context) {
	k.mu.Lock()
	f := k.flight
	k.mu.Unlock()
	if f == nil {
		return
	}
	select {
	case <-f.done:
	case <-ctx.Done():
	}
}

// A budget allows burst of something at once, and one more every interval. full
// is when all of it will be there again.
type budget struct {
	burst    int
	interval time.Duration
	full     time.Time
}

// wait is the time until one more is allowed; 0 now.
func (b *budget) wait(now time.Time) time.Duration {
	allowed := b.full.Add(-time.Duration(b.burst-1) * b.interval)
	if !allowed.After(now) || b.stale(now) {
		return 0
	}
	return allowed.Sub(now)
}

// stale tells that the budget is full: it would be by now, or it was spent
// before the clock was put back.
func (b *budget) stale(now time.Time) bool {
	return b.full.Before(now) || b.full.After(now.Add(time.Duration(b.burst)*b.interval))
}

// take pays for one, or returns how long to wait.
func (b *budget) take(now time.Time) time.Duration {
	if wait := b.wait(now); wait > 0 {
		return wait
	}
	if b.stale(now) {
		b.full = now
	}
	b.full = b.full.Add(b.interval)
	return 0
}

func (b *budget) giveBack() { b.full = b.full.Add(-b.interval) }
