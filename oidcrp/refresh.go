package oidcrp

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Locker is a lock shared by several nodes, so that one of them alone refreshes
// a user's tokens: providers that take a refresh token once revoke everything
// when it comes twice. In one process no Locker is needed; examples/stores has
// one in Redis. Where Lock fails, or takes longer than 25 seconds, requests that
// wait for the token fail with [ErrStoreUnavailable].
type Locker interface {
	// Lock blocks until the lock called key is held or ctx is done. It is held
	// until unlock is called, which is once, however long that takes: a lock
	// with a lease renews it, and a node that dies loses it. Whoever waits
	// should be woken rather than look again and again. No request waits for
	// unlock. Keys of applications with different base URLs differ.
	Lock(ctx context.Context, key string) (unlock func(), err error)
}

const (
	// assumedLife is that of an access token whose provider does not say.
	assumedLife = time.Hour
	mostEarly   = 5 * time.Minute
	mostMargin  = 10 * time.Second
	// restTime is how long a provider is left alone that did not answer.
	restTime = 2 * time.Second
)

func (a access) ends() time.Time {
	if a.Expiry.IsZero() {
		return a.Issued.Add(assumedLife)
	}
	return a.Expiry
}

// early is how long before its end an access token is replaced: a tenth of its
// life, give or take a quarter of that, so that tokens of one moment do not all
// come at once.
func (a access) early() time.Duration {
	early := min(a.ends().Sub(a.Issued)/10, mostEarly)
	jitter := time.Duration(sha256.Sum256([]byte(a.Token))[0])
	return max(early*3/4+early/2*jitter/255, 0)
}

// due reports whether a token should be replaced.
func (a access) due(now time.Time) bool {
	return a.Token == "" || !now.Before(a.ends().Add(-a.early()))
}

// stale reports whether a token may end before a request that carries it
// arrives.
func (a access) stale(now time.Time) bool {
	return a.Token == "" || !now.Before(a.ends().Add(-min(a.early()/2, mostMargin)))
}

// accessToken returns a token for an API. One that will end soon is replaced
// while it is used, one that has ended before; and a provider that does not
// answer costs nothing while the old one is good.
func (rp *RelyingParty) accessToken(ctx context.Context, h holder, to api) (provider.Tokens, error) {
	ctx = rp.located(ctx) // an API's request need not have it
	g, err := rp.readGrant(ctx, h)
	if err != nil {
		return provider.Tokens{}, err
	}
	for _, scope := range to.scopes {
		if !slices.Contains(g.Scopes, scope) {
			return provider.Tokens{}, fmt.Errorf("%w: %s", ErrConsentNeeded, scope)
		}
	}
	now := rp.now()
	a := g.Access[to.resource]
	if !a.due(now) {
		return g.tokens(a), nil
	}
	// Where there is no way to another one, this one serves to its end.
	good := a.Token != "" && now.Before(a.ends())
	if g.Refresh == "" || rp.spent.refused(g.Refresh, now) {
		if good {
			return g.tokens(a), nil
		}
		return provider.Tokens{}, fmt.Errorf("%w: the access token has ended, and there is no refresh token", ErrNoToken)
	}
	key := string(h.id)
	if err := rp.resting.find(key, now); err != nil {
		if good {
			return g.tokens(a), nil
		}
		return provider.Tokens{}, err
	}
	run := func(ctx context.Context) (provider.Tokens, error) { return rp.refresh(ctx, h, to.resource) }
	if !a.stale(now) {
		rp.flights.start(ctx, key, to.resource, run)
		return g.tokens(a), nil
	}
	f := rp.flights.join(ctx, key, to.resource, run)
	if f == nil || !f.wait(ctx) {
		return provider.Tokens{}, context.Cause(ctx)
	}
	if f.err != nil && good && !errors.Is(f.err, ErrNoToken) && !errors.Is(f.err, ErrInvalidToken) && !errors.Is(f.err, ErrForbidden) {
		return g.tokens(a), nil
	}
	return f.tokens, f.err
}

// refresh is one flight: it redeems the refresh token, unless somebody else has
// done so.
func (rp *RelyingParty) refresh(ctx context.Context, h holder, resource string) (provider.Tokens, error) {
	started := rp.now()
	t, redeemed, err := rp.refreshLocked(ctx, h, resource)
	switch {
	case errors.Is(err, ErrProviderUnavailable):
		rp.resting.put(string(h.id), err, rp.now())
	case err == nil && redeemed:
		rp.log.DebugContext(ctx, "tokens refreshed", "provider", h.p.name, "session", h.rec.Handle())
		rp.emit(ctx, Event{Kind: TokensRefreshed, Step: "refresh", Provider: h.p.name, Issuer: h.user.Issuer, Subject: h.user.Subject,
			Session: h.rec.Handle(), Duration: rp.now().Sub(started)})
	}
	if err != nil {
		rp.refreshFailed(ctx, h, err)
	}
	return t, err
}

func (rp *RelyingParty) refreshLocked(ctx context.Context, h holder, resource string) (t provider.Tokens, redeemed bool, err error) {
	if rp.locker != nil {
		var unlock func()
		err := guarded("Locker", func() (err error) {
			unlock, err = rp.locker.Lock(ctx, rp.vault.Key(h.id))
			return err
		})
		if err != nil {
			return t, false, fmt.Errorf("%w: lock: %w", ErrStoreUnavailable, err)
		}
		// The tokens are there: nobody waits for this but Shutdown, and whoever
		// wants the lock next.
		defer func() {
			rp.flights.detach(ctx, refreshTime, func(context.Context) error { unlock(); return nil },
				func(err error) { rp.log.WarnContext(ctx, "Locker: lock not given up", "err", err) })
		}()
	}
	g, err := rp.latestGrant(ctx, h)
	for try := 0; err == nil; try++ {
		if a := g.Access[resource]; !a.due(rp.now()) {
			return g.tokens(a), false, nil
		}
		if g.Refresh == "" || rp.spent.refused(g.Refresh, rp.now()) {
			return t, false, fmt.Errorf("%w: the provider does not take the refresh token", ErrNoToken)
		}
		t, err = rp.redeem(ctx, h, g, resource)
		switch {
		case errors.Is(err, errReplaced) && try < maxTries:
			g, err = rp.latestGrant(ctx, h)
		case errors.Is(err, provider.ErrRefused) && try < maxTries:
			g, err = rp.afterRefusal(ctx, h, g.Refresh, err)
		default:
			return t, err == nil, err
		}
	}
	return t, false, err
}

// maxTries is how often somebody else may have been faster.
const maxTries = 3

// latestGrant reads the store again, and knows better where that is behind.
func (rp *RelyingParty) latestGrant(ctx context.Context, h holder) (*grant, error) {
	g, err := rp.readGrant(ctx, h)
	if err != nil {
		return nil, err
	}
	for range 10 {
		o, ok := rp.spent.find(g.Refresh, rp.now())
		if !ok || o.next == nil || o.next.Refresh == g.Refresh || !o.next.Since.Equal(g.Since) {
			break
		}
		g = o.next
		if err := rp.writeGrant(ctx, h.id, g); err != nil {
			return nil, rp.notKept(ctx, h, g, err)
		}
	}
	return g, nil
}

// afterRefusal is the grant after its refresh token was refused: another node may
// have been faster. If none was, the token is remembered as of no use.
func (rp *RelyingParty) afterRefusal(ctx context.Context, h holder, refused string, cause error) (*grant, error) {
	g, err := rp.successor(ctx, h, refused)
	if err != nil || g != nil {
		return g, err
	}
	now := rp.now()
	rp.spent.put(refused, nil, now.Add(refusedTime), now)
	return nil, fmt.Errorf("%w: %w", ErrNoToken, cause)
}

// successorWaits are the pauses between looks for what another node is about to
// write. With a Locker there is no such node.
var successorWaits = []time.Duration{0, 100 * time.Millisecond, 400 * time.Millisecond}

// successor is the grant after a refresh token was refused; nil if nobody has
// put another refresh token there.
func (rp *RelyingParty) successor(ctx context.Context, h holder, refused string) (*grant, error) {
	for i, wait := range successorWaits {
		if i > 0 && rp.locker != nil {
			break
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		g, err := rp.readGrant(ctx, h)
		if err != nil {
			return nil, err
		}
		if g.Refresh != refused {
			return g, nil
		}
	}
	return nil, nil
}

// redeem redeems a refresh token and keeps what comes before anybody uses it.
func (rp *RelyingParty) redeem(ctx context.Context, h holder, g *grant, resource string) (provider.Tokens, error) {
	t, login, err := h.p.Refresh(ctx, provider.Grant{
		Issuer: g.Issuer, Subject: g.Subject, Nonce: g.Nonce, AuthTime: g.AuthTime,
		Refresh: g.Refresh, Scopes: g.Scopes, Key: g.Key,
	}, resource)
	if errors.Is(err, ErrInvalidToken) {
		rp.distrust(ctx, h, g, err)
		return provider.Tokens{}, err
	}
	if err != nil && t.Refresh == "" {
		return provider.Tokens{}, err
	}
	next := g.after(t, resource, rp.now())
	if keepErr := rp.succeed(ctx, h, g, next); keepErr != nil {
		return provider.Tokens{}, keepErr
	}
	if err == nil && login != nil {
		login.Scopes = next.Scopes // those of one resource are not all
		err = rp.remap(ctx, h, login)
	}
	if err != nil {
		return provider.Tokens{}, err
	}
	return t, nil
}

// after is the grant after a refresh. Without an access token, the answer could
// not be verified.
func (g *grant) after(t provider.Tokens, resource string, now time.Time) *grant {
	next := *g
	next.Refresh, next.Key, next.Access = t.Refresh, t.Key, map[string]access{}
	for r, a := range g.Access {
		if now.Before(a.ends()) { // for resources nobody asks for any more
			next.Access[r] = a
		}
	}
	if t.Access != "" {
		next.Access[resource] = accessOf(t, now)
	}
	if t.Access != "" && resource == "" {
		next.Scopes = t.Scopes
	}
	if life := g.Until.Sub(g.Since); life >= offlineTime {
		next.Until = now.Add(offlineTime)
	}
	return &next
}

// succeed keeps next in the place of g. While the store does not take it, it is
// remembered here, since the refresh token in the store is spent.
func (rp *RelyingParty) succeed(ctx context.Context, h holder, g, next *grant) error {
	now := rp.now()
	if next.Refresh != g.Refresh {
		rp.spent.put(g.Refresh, next, now.Add(unsavedTime), now)
	}
	// Somebody may have signed in anew meanwhile, to the same record.
	if latest, err := rp.readGrant(ctx, h); err == nil && !latest.Since.Equal(g.Since) {
		return errReplaced
	}
	if err := rp.writeGrant(ctx, h.id, next); err != nil {
		return rp.notKept(ctx, h, next, err)
	}
	if next.Refresh != g.Refresh {
		rp.spent.put(g.Refresh, next, now.Add(lateTime), now)
	}
	return nil
}

// errReplaced: a new login put other tokens in the place of those that were
// refreshed.
var errReplaced = errors.New("replaced by a new login")

// notKept is why tokens are of no use. Those of a session that ended while they
// were fetched are given back.
func (rp *RelyingParty) notKept(ctx context.Context, h holder, g *grant, err error) error {
	if !errors.Is(err, session.ErrNone) {
		return err
	}
	rp.revoke(ctx, h.p, g.Refresh)
	return fmt.Errorf("%w: %w", ErrNoToken, err)
}

// aboutTheUser are the checks whose failure says that the tokens are another
// user's, or another login's (Core 12.2).
var aboutTheUser = []string{"iss", "sub", "aud", "azp", "nonce", "auth_time", "required_claim"}

// distrust gives up tokens whose successors cannot be trusted, and the session
// too if they are somebody else's.
func (rp *RelyingParty) distrust(ctx context.Context, h holder, g *grant, err error) {
	now := rp.now()
	rp.spent.put(g.Refresh, nil, now.Add(refusedTime), now)
	if e, ok := errors.AsType[*validate.Error](err); ok && !h.rec.IsZero() && slices.Contains(aboutTheUser, e.Check) {
		rp.dropSession(ctx, h.rec, "refresh")
	}
}

// refreshFailed reports a failed refresh, once however many wait for it.
func (rp *RelyingParty) refreshFailed(ctx context.Context, h holder, err error) {
	e := &Error{Step: "refresh", Provider: h.p.name, ID: newID(), Err: err}
	e.classify(err)
	rp.report(ctx, e)
}
