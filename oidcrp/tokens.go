package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// offlineTime is how long tokens are kept that outlive sessions, from when they
// were last refreshed.
const offlineTime = 400 * 24 * time.Hour

// grantVersion is that of the record's form. Any other is no record.
const grantVersion = 1

// grant is what is kept of a login for calling APIs. It lies in the vault, and
// is written at the login and then by refreshes only.
type grant struct {
	Version  int               `json:"v"`
	Provider [8]byte           `json:"p"` // its tag: another client id is another grant
	Issuer   string            `json:"i"`
	Subject  string            `json:"s"`
	Nonce    string            `json:"n"`
	AuthTime time.Time         `json:"t,omitzero"`
	Since    time.Time         `json:"b"` // of the login
	Until    time.Time         `json:"u"` // of the record
	Refresh  string            `json:"r,omitempty"`
	Key      []byte            `json:"k,omitempty"` // of DPoP
	Scopes   []string          `json:"c"`
	Access   map[string]access `json:"a"` // by resource; "": as the login had it
}

// access is an access token.
type access struct {
	Token  string    `json:"t"`
	Type   string    `json:"y"`
	Issued time.Time `json:"i"`
	Expiry time.Time `json:"e,omitzero"`
}

// holder is whose tokens are wanted: those of a session, or of somebody who is
// not here.
type holder struct {
	p    *providerEntry
	id   []byte // in the vault
	user Identity
	rec  session.Record // zero: somebody who is not here
}

// keepTokens keeps what a login brought for calling APIs, and returns where;
// nil: nothing is to be kept. Those of a login that waits are kept for as long as
// it does: see settleTokens.
func (rp *RelyingParty) keepTokens(ctx context.Context, p *providerEntry, nonce string, v *provider.Login, waits bool) ([]byte, error) {
	if !p.keepTokens || v.Tokens.Access == "" {
		return nil, nil
	}
	tag, err := p.Tag(ctx)
	if err != nil {
		return nil, err
	}
	now := rp.now()
	g := &grant{
		Version: grantVersion, Provider: tag, Issuer: v.Issuer, Subject: v.Subject, Nonce: nonce, AuthTime: v.AuthTime,
		Since: now, Until: now.Add(waitTime),
		Refresh: v.Tokens.Refresh, Key: v.Tokens.Key, Scopes: v.Scopes,
		Access: map[string]access{"": accessOf(v.Tokens, now)},
	}
	if !waits {
		return rp.placeTokens(ctx, p, g)
	}
	id, err := rp.vault.NewID()
	if err == nil {
		err = rp.writeGrant(ctx, id, g)
	}
	return id, err
}

// waitTime is how long the tokens of a login that waits are kept.
const waitTime = pauseTime + time.Minute

// placeTokens keeps tokens where they stay, and returns where.
func (rp *RelyingParty) placeTokens(ctx context.Context, p *providerEntry, g *grant) (id []byte, err error) {
	g.Until = rp.now().Add(rp.lifetime + time.Minute) // the session starts in a moment
	// Without a refresh token there is nothing for later, and what an earlier
	// login left may still be of use.
	if p.keepOffline && g.Refresh != "" {
		id, g.Until = rp.offlineID(p, g.Issuer, g.Subject), rp.now().Add(offlineTime)
		err = rp.vault.Reopen(ctx, id)
	} else {
		id, err = rp.vault.NewID()
	}
	if err == nil {
		err = rp.writeGrant(ctx, id, g)
	}
	return id, err
}

// settleTokens gives the tokens of a login that waited their place, and returns
// it; nil: there are none.
func (rp *RelyingParty) settleTokens(ctx context.Context, p *providerEntry, d session.Draft) ([]byte, error) {
	h := holder{p: p, id: d.Tokens, user: identityOf(d)}
	g, err := rp.readGrant(ctx, h)
	if errors.Is(err, ErrNoToken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	id, err := rp.placeTokens(ctx, h.p, g)
	if err != nil {
		return nil, err
	}
	if err := rp.removeTokens(ctx, h, false); err != nil {
		rp.storeFailed(ctx, "login", err) // it expires soon
	}
	return id, nil
}

// prolongTokens keeps the tokens of a login that goes on waiting.
func (rp *RelyingParty) prolongTokens(ctx context.Context, p *providerEntry, d session.Draft) error {
	g, err := rp.readGrant(ctx, holder{p: p, id: d.Tokens})
	if errors.Is(err, ErrNoToken) {
		return nil
	}
	if err != nil {
		return err
	}
	g.Until = rp.now().Add(waitTime)
	return rp.writeGrant(ctx, d.Tokens, g)
}

// giveUpTokens removes the tokens of a login or session that d takes the place
// of. To revoke one grant of the same user's may end the other (RFC 7009 2.1).
func (rp *RelyingParty) giveUpTokens(ctx context.Context, old, d session.Draft) {
	rp.endTokens(ctx, old, old.Issuer != d.Issuer || old.Subject != d.Subject)
}

func accessOf(t provider.Tokens, now time.Time) access {
	return access{Token: t.Access, Type: t.Type, Issued: now, Expiry: t.Expiry}
}

// tokens is an access token as the provider room sends it.
func (g *grant) tokens(a access) provider.Tokens {
	return provider.Tokens{Access: a.Token, Type: a.Type, Expiry: a.Expiry, Scopes: g.Scopes, Key: g.Key}
}

// offlineID is where tokens lie that outlive sessions.
func (rp *RelyingParty) offlineID(p *providerEntry, issuer, subject string) []byte {
	return rp.vault.IDOf(issuer, p.clientID, subject)
}

// isOffline reports whether tokens lie where they outlive sessions. p is nil for
// a provider that is gone.
func (rp *RelyingParty) isOffline(p *providerEntry, id []byte, u Identity) bool {
	return p != nil && slices.Equal(id, rp.offlineID(p, u.Issuer, u.Subject))
}

// readGrant reads what is kept. ErrNoToken if that is nothing.
func (rp *RelyingParty) readGrant(ctx context.Context, h holder) (*grant, error) {
	if len(h.id) == 0 || rp.vault == nil {
		return nil, ErrNoToken
	}
	b, err := rp.vault.Find(ctx, h.id)
	if errors.Is(err, session.ErrNone) {
		return nil, fmt.Errorf("%w: %w", ErrNoToken, err)
	}
	if err != nil {
		return nil, err
	}
	tag, err := h.p.Tag(ctx)
	if err != nil {
		return nil, err
	}
	g := &grant{}
	if err := json.Unmarshal(b, g); err != nil || g.Version != grantVersion || g.Provider != tag || !rp.now().Before(g.Until) {
		return nil, fmt.Errorf("%w: what is kept is not of this provider and version", ErrNoToken)
	}
	return g, nil
}

func (rp *RelyingParty) writeGrant(ctx context.Context, id []byte, g *grant) error {
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	err = rp.vault.Keep(ctx, id, b, g.Until)
	if errors.Is(err, session.ErrTooMuch) {
		return fmt.Errorf("%w: the tokens of this user: %w; ask for fewer scopes, or have the provider issue opaque or smaller tokens", ErrMisconfigured, err)
	}
	return err
}

// endTokens removes the tokens of a session that is over, and with revoke tells
// the provider. What is kept for jobs stays. It goes on when the visitor does not
// wait for it.
func (rp *RelyingParty) endTokens(ctx context.Context, d session.Draft, revoke bool) {
	if len(d.Tokens) == 0 || rp.vault == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revokeTime)
	defer cancel()
	p, err := rp.known(ctx, d.Provider)
	if err != nil && !errors.Is(err, ErrNoProvider) {
		rp.log.ErrorContext(ctx, "tokens not removed", "provider", d.Provider, "err", err) // they may be kept for jobs
		return
	}
	if rp.isOffline(p, d.Tokens, identityOf(d)) {
		return
	}
	if err := rp.removeTokens(ctx, holder{p: p, id: d.Tokens}, revoke); err != nil {
		rp.storeFailed(ctx, "logout", err)
	}
}

// clearTokens is endTokens for a session that was ended with others. Whoever
// comes with it is not kept waiting.
func (rp *RelyingParty) clearTokens(ctx context.Context, rec session.Record, revoke bool) {
	if len(rec.Tokens()) == 0 {
		return
	}
	rp.flights.detach(ctx, revokeTime, func(ctx context.Context) error {
		rp.endTokens(ctx, rec.Draft(), revoke)
		return nil
	}, func(err error) { rp.log.WarnContext(ctx, "tokens not removed", "err", err) })
}

func (rp *RelyingParty) removeTokens(ctx context.Context, h holder, revoke bool) error {
	var g *grant
	if revoke && h.p != nil {
		g, _ = rp.readGrant(ctx, h) // what cannot be read cannot be revoked
	}
	lives := rp.lifetime + time.Minute
	if rp.isOffline(h.p, h.id, h.user) {
		lives = offlineTime
	}
	if err := rp.vault.End(ctx, h.id, lives); err != nil {
		return err
	}
	if g != nil {
		rp.revoke(ctx, h.p, g.Refresh)
	}
	return nil
}

// revokeTime bounds the removal of tokens, and a revocation, which nobody waits for.
const revokeTime = 10 * time.Second

// revoke tells the provider that a refresh token will not be used again.
func (rp *RelyingParty) revoke(ctx context.Context, p *providerEntry, refreshToken string) {
	if refreshToken == "" {
		return
	}
	rp.flights.detach(ctx, revokeTime,
		func(ctx context.Context) error { return p.Revoke(ctx, refreshToken) },
		func(err error) { rp.log.WarnContext(ctx, "refresh token not revoked", "provider", p.name, "err", err) })
}

// TokenStatus describes a kept token without showing it.
type TokenStatus struct {
	State      string    // "active", "expired" or "none"
	Scopes     []string  // granted
	Expiry     time.Time // of the access token; zero where the provider did not say
	HasRefresh bool      // an expired one is replaced when it is needed
}

// TokenStatus describes the visitor's token. It asks the Store and nobody else.
// Its errors are [ErrNotLoaded], [ErrAnonymous] and [ErrStoreUnavailable].
func (rp *RelyingParty) TokenStatus(ctx context.Context) (TokenStatus, error) {
	if _, err := sessionOf(ctx); err != nil {
		return TokenStatus{}, err
	}
	none := TokenStatus{State: "none"}
	rp, h, err := rp.visitor(ctx)
	if err != nil {
		return none, nil
	}
	g, err := rp.readGrant(ctx, h)
	if errors.Is(err, ErrNoToken) {
		return none, nil
	}
	if err != nil {
		return TokenStatus{}, err
	}
	a := g.Access[""]
	s := TokenStatus{State: "active", Scopes: g.Scopes, Expiry: a.Expiry, HasRefresh: g.Refresh != "" && !rp.spent.refused(g.Refresh, rp.now())}
	if !rp.now().Before(a.ends()) {
		s.State = "expired"
	}
	return s, nil
}

// Forget removes what [Provider.KeepOffline] keeps of a user's tokens, and
// revokes them at the provider (RFC 7009). Sessions go on, without them. It is
// no error if there is nothing. The provider is told while nobody waits;
// Shutdown does.
func (rp *RelyingParty) Forget(ctx context.Context, u Identity) error {
	at, h, err := rp.absent(ctx, u)
	if err != nil {
		return err
	}
	return at.removeTokens(at.located(ctx), h, true)
}

// visitor is whose tokens a request may use, and where.
func (rp *RelyingParty) visitor(ctx context.Context) (*RelyingParty, holder, error) {
	if _, err := sessionOf(ctx); err != nil {
		return nil, holder{}, fmt.Errorf("%w: %w", ErrNoToken, err)
	}
	rp, _, err := rp.at(ctx)
	if err != nil {
		return nil, holder{}, err
	}
	rec := loadedIn(ctx).latest()
	p := rp.still(ctx, rec.Provider())
	if p == nil || !p.keepTokens {
		return nil, holder{}, fmt.Errorf("%w: the session's provider is not one with KeepTokens", ErrNoToken)
	}
	return rp, holder{p: p, id: rec.Tokens(), user: rp.session(rec).Identity(), rec: rec}, nil
}

// absent is somebody who is not here.
func (rp *RelyingParty) absent(ctx context.Context, u Identity) (*RelyingParty, holder, error) {
	rp, ctx, err := rp.at(ctx)
	if err != nil {
		return nil, holder{}, err
	}
	p, err := rp.known(ctx, u.Provider)
	if err != nil && !errors.Is(err, ErrNoProvider) {
		return nil, holder{}, err
	}
	if p == nil || !p.keepOffline {
		return nil, holder{}, fmt.Errorf("%w: %q is no provider with KeepOffline", ErrMisconfigured, u.Provider)
	}
	return rp, holder{p: p, id: rp.offlineID(p, u.Issuer, u.Subject), user: u}, nil
}

// dropSession ends a session outside of any request of its own.
func (rp *RelyingParty) dropSession(ctx context.Context, rec session.Record, reason string) {
	rp.endSession(headers{}, (&http.Request{}).WithContext(ctx), rp.session(rec), reason)
}
