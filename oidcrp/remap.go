package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// remap gives the session the claims that a refresh brought, and asks the
// application. A claim that did not come again stays as it was: many providers
// send fewer with a refresh.
func (rp *RelyingParty) remap(ctx context.Context, h holder, v *provider.Login) error {
	var before *Session
	if !h.rec.IsZero() {
		before = rp.sessionAt(h.p, h.rec)
	}
	login := newLogin(h.p, v, "", "", before)
	// Roles that are too many to be told now are not those of before.
	if _, came := v.Claims.Lookup(h.p.rolesClaim); !came && (!login.RolesUnknown || v.Warning != nil) {
		login.Roles, login.RolesUnknown = before.Roles(), before.RolesUnknown()
	}
	rp.warnOfRoles(ctx, h.p, login)
	for key, value := range h.rec.Values() {
		login.Set(key, value)
	}
	switch err := rp.mayAssert(ctx, h.p, v.Claims, LoginOptions{}); {
	case errors.Is(err, ErrProviderUnavailable): // nothing was decided, and the tokens are good
		rp.log.ErrorContext(ctx, "claims not refreshed", "provider", h.p.name, "err", err)
		return nil
	case err != nil:
		return rp.refusedAtRefresh(ctx, h, err)
	}
	if rp.onRefresh != nil {
		err := guarded("OnRefresh", func() error { return rp.onRefresh(ctx, login) })
		if errors.As(err, new(*Refusal)) {
			return rp.refusedAtRefresh(ctx, h, err)
		}
		if err != nil { // nothing was decided, and the tokens are good
			rp.log.ErrorContext(ctx, "claims not refreshed", "provider", h.p.name, "err", fmt.Errorf("%w: OnRefresh: %w", errHook, err))
			return nil
		}
	}
	if before == nil {
		return nil
	}
	fresh := rp.keep(login)
	rec, err := rp.sessions.Amend(ctx, h.rec, func(d *session.Draft) {
		d.Roles, d.Values, d.Scopes = fresh.Roles, fresh.Values, fresh.Scopes
		d.Claims = newer(d.Claims, fresh.Claims)
	})
	if err != nil {
		if !errors.Is(err, session.ErrNone) { // or it was renewed: at the next refresh
			rp.log.WarnContext(ctx, "claims not refreshed", "provider", h.p.name, "err", tooLarge(err))
		}
		rec = h.rec // in a cookie it stays as it is, and is asked about all the same
	}
	if rp.stillAllowed == nil {
		return nil
	}
	err = guarded("StillAllowed", func() error { return rp.stillAllowed(ctx, rp.sessionAt(h.p, rec)) })
	if errors.As(err, new(*Refusal)) {
		return rp.refusedAtRefresh(ctx, h, err)
	}
	return nil // asked again soon, at a request
}

// refusedAtRefresh ends what the application does not want to go on: the
// session, and the tokens, be they kept for jobs or not. Those that are the
// user's serve all of the user's sessions, which end with them.
func (rp *RelyingParty) refusedAtRefresh(ctx context.Context, h holder, refusal error) error {
	if err := rp.removeTokens(ctx, h, true); err != nil {
		rp.storeFailed(ctx, "refresh", err)
	}
	if rp.isOffline(h.p, h.id, h.user) {
		if err := rp.endUser(ctx, h.user); err != nil {
			rp.storeFailed(ctx, "refresh", err)
		}
		rp.ended(ctx, Event{Provider: h.user.Provider, Issuer: h.user.Issuer, Subject: h.user.Subject, Reason: "refused"})
	}
	if !h.rec.IsZero() {
		rp.dropSession(ctx, h.rec, "refused")
	}
	return fmt.Errorf("%w: %w: %w", ErrNoToken, ErrForbidden, refusal)
}

// newer has old claims with fresh ones in their place.
func newer(old, fresh []session.Claim) []session.Claim {
	was, is := byName(old), byName(fresh)
	all := maps.Clone(was)
	maps.Copy(all, is)
	validate.Pair(all, is, was)
	var out []session.Claim
	for _, c := range slices.Concat(fresh, old) {
		if value, ok := all[c.Name]; ok {
			out = append(out, session.Claim{Name: c.Name, Value: value})
			delete(all, c.Name)
		}
	}
	return out
}

func byName(claims []session.Claim) validate.Claims {
	all := make(validate.Claims, len(claims))
	for _, c := range claims {
		all[c.Name] = c.Value
	}
	return all
}
