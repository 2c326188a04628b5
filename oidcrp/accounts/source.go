package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/outside"
	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const (
	// sourceTime is how long a source may take, as in package oidcrp.
	sourceTime = 5 * time.Second
	// maxAsking bounds the questions to it: one that never answers must not
	// collect goroutines.
	maxAsking = 100
)

// sourced asks the source for a provider. It may panic, or never answer.
func (a *Accounts) sourced(ctx context.Context, name string) (oidcrp.Provider, error) {
	ctx, cancel := context.WithTimeout(ctx, sourceTime)
	defer cancel()
	var p oidcrp.Provider
	var err error
	select {
	case a.asking <- struct{}{}:
		p, err = outside.Ask(ctx, a.asking, func(ctx context.Context) (oidcrp.Provider, error) { return a.source.Provider(ctx, name) })
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil && !errors.Is(err, oidcrp.ErrNoProvider) {
		err = fmt.Errorf("%w: accounts: ProviderSource: %w", oidcrp.ErrProviderUnavailable, err)
	}
	return p, err
}

// working are the providers of a contact's identities that are there. One that a
// source does not answer for is not counted on, and failed says why.
func (a *Accounts) working(ctx context.Context, c *Contact) (there map[string]bool, failed error) {
	ctx, cancel := context.WithTimeout(ctx, sourceTime)
	defer cancel()
	there = map[string]bool{}
	for _, id := range c.Identities {
		there[id.Provider] = a.providers[id.Provider]
		if there[id.Provider] || a.source == nil {
			continue
		}
		_, err := a.sourced(ctx, id.Provider)
		if there[id.Provider] = err == nil; err != nil && !errors.Is(err, oidcrp.ErrNoProvider) {
			failed = err
		}
	}
	return there, failed
}

// linkTo is a provider for the page to name.
func (a *Accounts) linkTo(ctx context.Context, provider string) pages.Link {
	if a.source == nil || a.providers[provider] {
		return a.links[provider]
	}
	p, _ := a.sourced(ctx, provider) // without a name it is called by its own
	return pages.Link{Name: provider, DisplayName: p.DisplayName}
}
