package provider

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	// Nobody can sign in while nothing was ever got. A provider that is starting
	// says any Retry-After, and so does what stands before it.
	lastBackoffUnknown = 10 * time.Second
)

// attempts is the state of getting something from the provider: one attempt at
// a time, and a rest after a failure.
type attempts struct {
	what      string // in errors
	complaint string // in the log
	try       func(context.Context) error
	have      func() bool // an earlier one succeeded
	fresh     func() bool // and what it got need not be asked for again; called under mu
	harmless  bool        // to repeat, so that without an earlier one no Retry-After is heeded for longer

	mu       sync.Mutex
	flight   *flight // nil: none under way
	failures int     // in a row
	nextTry  time.Time
	lastErr  error // of the last attempt
}

// flight is one attempt, and those who wait for it.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

func (f *flight) await(ctx context.Context, what string) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return &Unavailable{What: what, Err: context.Cause(ctx)}
	}
}

// landed is the flight of those who need none.
var landed = func() *flight {
	f := &flight{done: make(chan struct{})}
	close(f.done)
	return f
}()

// fly joins the attempt under way or starts one, unless the last failure is
// too recent or an attempt has landed that nothing is due after. It outlives
// the request that happens to start it.
func (p *Provider) fly(ctx context.Context, a *attempts, now bool) (*flight, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.flight != nil {
		return a.flight, nil
	}
	if a.fresh() {
		return landed, nil
	}
	if wait := a.nextTry.Sub(p.now()); wait > 0 && !now {
		return nil, a.resting(wait)
	}
	f := &flight{done: make(chan struct{})}
	a.flight = f
	p.work.start()
	go p.attempt(context.WithoutCancel(ctx), a, f)
	return f, nil
}

// resting is what callers hear until the next attempt.
func (a *attempts) resting(wait time.Duration) error {
	last := a.lastErr
	if errors.Is(last, ErrMisconfigured) {
		return last
	}
	if u, ok := errors.AsType[*Unavailable](last); ok {
		last = u.Err
	}
	return &Unavailable{What: a.what, Retry: wait, Err: last}
}

func (p *Provider) attempt(ctx context.Context, a *attempts, f *flight) {
	defer p.work.done()
	err := a.guarded(ctx)

	a.mu.Lock()
	defer a.mu.Unlock()
	defer close(f.done)
	a.flight = nil
	a.lastErr = err
	if err == nil {
		a.failures, a.nextTry = 0, time.Time{}
		return
	}
	wait := backoff(a.failures, a.have())
	if u, ok := errors.AsType[*Unavailable](err); ok {
		asked := u.Retry
		if a.harmless && !a.have() {
			asked = min(asked, lastBackoffUnknown)
		}
		wait = max(wait, asked)
		u.Retry = wait
	}
	a.failures++
	a.nextTry = p.now().Add(wait)
	f.err = err
	p.logger.LogAttrs(ctx, slog.LevelWarn, a.complaint,
		slog.String("provider", p.s.Name), slog.Any("err", err), slog.Duration("next_try_in", wait), slog.Bool("last_good_kept", a.have()))
}

// guarded tries. Transport and store may be the application's: on this
// goroutine their panic would end the process.
func (a *attempts) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Unavailable{What: a.what, Err: fmt.Errorf("panic in the HTTP transport: %T", v)}
		}
	}()
	return a.try(ctx)
}

// backoff is the rest after so many earlier failures: doubling, and a little
// less at random, so that nodes do not come back together. known says whether
// there is something to serve meanwhile.
func backoff(failures int, known bool) time.Duration {
	longest := lastBackoffUnknown
	if known {
		longest = lastBackoff
	}
	return jitter(min(firstBackoff<<min(failures, 10), longest))
}

// jitter takes up to a tenth away.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return d - time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(d/10+1))
}
