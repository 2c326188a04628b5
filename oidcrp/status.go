package oidcrp

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Ready fetches the metadata and keys of every one of Config.Providers, asks the
// ProviderSource for its List, and reports all failures. It is for start-up and
// deployment checks; requests never wait for it. It registers no client: the
// first login does.
func (rp *RelyingParty) Ready(ctx context.Context) error {
	static := rp.providers.static
	errs := make([]error, len(static)+1)
	var wg sync.WaitGroup
	for i, p := range static {
		wg.Go(func() {
			if err := p.Ready(ctx); err != nil {
				errs[i] = &Error{Step: "ready", Provider: p.name, Err: err}
			}
		})
	}
	if err := rp.providers.answers(ctx); err != nil {
		errs[len(static)] = &Error{Step: "ready", Err: err}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status describes the providers without any network call, for health checks:
// those of Config.Providers, and of a ProviderSource those that are kept ready.
// A provider nobody has used yet is not ready: do not make an application's
// readiness depend on it unless Ready was called.
func (rp *RelyingParty) Status() Status {
	var s Status
	for _, p := range rp.providers.ready() {
		at := p.Status()
		status := ProviderStatus{Name: p.name, Ready: at.Ready, Fetched: at.Fetched, NextTry: at.NextTry, Keys: at.Keys}
		if at.LastErr != nil {
			status.LastError = at.LastErr.Error()
		}
		s.Providers = append(s.Providers, status)
	}
	return s
}

// Status is what [RelyingParty.Status] returns.
type Status struct {
	Providers []ProviderStatus
}

// ProviderStatus describes one provider.
type ProviderStatus struct {
	Name      string
	Ready     bool      // metadata is known; false until a login or Ready fetched it
	Fetched   time.Time // when it was last fetched; zero if never
	LastError string    // of the last attempt; "" after a success
	NextTry   time.Time // no attempt before
	Keys      int       // known signing keys
}

// Shutdown waits for work that outlives requests, such as a refresh of tokens
// or metadata, until ctx is done, whose error it then returns. Calling it is
// optional.
func (rp *RelyingParty) Shutdown(ctx context.Context) error {
	rp.flights.wait(ctx)
	for _, p := range rp.providers.ready() {
		p.Wait(ctx)
	}
	return ctx.Err()
}
