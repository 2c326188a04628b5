package oidcrp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// HasScope passes sessions whose user granted all scopes. Others are asked for
// them by the provider, if they navigate, and come back: see [LoginNeeded].
// Whoever does not consent stays signed in and gets 403, as do requests that
// do not navigate.
func HasScope(scopes ...string) Policy { return scopePolicy(slices.Clone(scopes)).check }

type scopePolicy []string

func (p scopePolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.demand(len(p) > 0, "HasScope names no scope, so that everybody passes: name one")
		for _, scope := range p {
			n.demand(scope != "" && !strings.ContainsAny(scope, " \t\r\n"), fmt.Sprintf("HasScope(%q) is no scope: give scopes without blanks, each as a string of its own", scope))
		}
		return nil
	}
	for _, scope := range p {
		if !s.rec.HasScope(scope) {
			return &LoginNeeded{Scopes: p}
		}
	}
	return nil
}

// notConsented tells a user who is still signed in that a page needs what was
// not granted. It does not ask again by itself.
func (rp *RelyingParty) notConsented(p *providerEntry, b transaction.Begin, cause error) error {
	return rp.stopped(p, b, fmt.Errorf("%w: %w", ErrConsentNeeded, cause))
}
