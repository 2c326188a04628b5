package provider

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Status is what is known without asking.
type Status struct {
	Ready   bool      // metadata is known
	Fetched time.Time // when; zero if endpoints were given by hand
	LastErr error     // of the last attempt; nil after a success
	NextTry time.Time // no attempt before; zero if nothing rests
	Keys    int       // in the key set
}

// Status describes the provider without any network call.
func (p *Provider) Status() Status {
	p.discovery.mu.Lock()
	s := Status{LastErr: p.discovery.lastErr, NextTry: p.discovery.nextTry}
	p.discovery.mu.Unlock()
	if r := &p.registration; s.LastErr == nil {
		r.mu.Lock()
		s.LastErr, s.NextTry = r.lastErr, r.nextTry
		r.mu.Unlock()
	}
	if m := p.current.Load(); m != nil {
		s.Ready, s.Fetched = true, m.fetched
	}
	s.Keys = p.keys.count()
	return s
}

// Ready fetches metadata and keys and reports every failure. It does not wait
// for a rest to pass, so it is for start-up and deployment checks only. It does
// not register: what that makes at the provider lasts.
func (p *Provider) Ready(ctx context.Context) error {
	if p.current.Load() == nil {
		f, err := p.fly(ctx, &p.discovery.attempts, true)
		if err != nil {
			return err
		}
		if err := f.await(ctx, metadataEndpoint); err != nil {
			return err
		}
	}
	if p.s.usesMAC() {
		return nil
	}
	return p.keys.load(ctx)
}

// fetchKeys fetches the JWK Set for the key set.
func (p *Provider) fetchKeys(ctx context.Context) ([]byte, error) {
	m := p.current.Load()
	if m == nil {
		return nil, &Unavailable{What: keysEndpoint, Err: errors.New("metadata is not known")}
	}
	a, err := p.get(ctx, keysEndpoint, m.jwks)
	if err != nil {
		return nil, err
	}
	return a.body, nil
}

// Wait waits for fetches that outlive requests, until ctx is done.
func (p *Provider) Wait(ctx context.Context) error {
	if err := p.work.wait(ctx); err != nil {
		return err
	}
	p.keys.wait(ctx)
	for _, source := range p.claimSources {
		if source.keys != nil {
			source.keys.wait(ctx)
		}
	}
	return context.Cause(ctx)
}

// work counts what runs detached from requests. Unlike a sync.WaitGroup it may
// be waited for while new work starts.
type work struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n falls to zero; nil if nobody waits
}

func (w *work) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
}

func (w *work) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 && w.idle != nil {
		close(w.idle)
		w.idle = nil
	}
}

func (w *work) wait(ctx context.Context) error {
	w.mu.Lock()
	if w.n == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.idle == nil {
		w.idle = make(chan struct{})
	}
	idle := w.idle
	w.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
