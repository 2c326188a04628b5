package provider

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Login is a verified login.
type Login struct {
	Issuer   string
	Subject  string
	SID      string
	ACR      string
	AMR      []string
	Scopes   []string // granted
	AuthTime time.Time
	IssuedAt time.Time
	Expiry   time.Time

	SessionExpiry time.Time // session_expiry, where the provider states it
	RawIDToken    string
	SessionState  string // Session Management 1.0; "" if the provider does not manage sessions

	Tokens Tokens

	Claims   validate.Claims // ID token, UserInfo and their sources; the first wins
	UserInfo validate.Claims // UserInfo alone; nil without it
	Warning  error           // UserInfo was optional and failed, or a source did; nil otherwise
}

// Complete ends a login whose response was checked and whose transaction is
// spent: it verifies the ID token that came with the response, if one had to
// come, redeems the code once, verifies the ID token that came for it, and
// asks UserInfo as the policy says. Nothing is redeemed, and no access token
// used, before what came with it has passed (Core 3.3.2.8). An error response
// is an *[Error].
func (p *Provider) Complete(ctx context.Context, r *Response, e Expected) (*Login, error) {
	if r.Error != "" {
		return nil, &Error{Code: r.Error, Description: r.ErrorDescription, URI: r.ErrorURI}
	}
	if err := p.checkMembers(r); err != nil {
		return nil, err
	}
	// The nonce is the only thing that ties the tokens to this browser where a
	// provider ignores PKCE (RFC 9700 4.5.3) or there is no code: there is no
	// login without.
	if e.Nonce == "" || e.Verifier == "" {
		return nil, fmt.Errorf("%w: nonce and verifier are needed", ErrMisconfigured)
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()

	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	t, front, err := p.verifyFront(ctx, m, r, e)
	if err != nil {
		return nil, err
	}
	id := front
	if p.flow.code {
		if t, id, err = p.redeem(ctx, m, r, e, front); err != nil {
			return nil, err
		}
	}
	if name := p.s.lacking(id.Claims, true); name != "" {
		return nil, fmt.Errorf("%w: %s", ErrClaimRequired, name)
	}
	login := &Login{
		Issuer: id.Issuer, Subject: id.Subject, SID: id.SID, ACR: id.ACR, AMR: id.AMR,
		Scopes: t.scopes, AuthTime: id.AuthTime, IssuedAt: id.IssuedAt, Expiry: id.Expiry,
		SessionExpiry: id.SessionExpiry, RawIDToken: t.idToken, SessionState: r.SessionState, Claims: id.Claims, Tokens: t.kept(),
	}
	if err := p.addUserInfo(ctx, m, t, login); err != nil {
		return nil, err
	}
	p.addReferred(ctx, m, login)
	return login, nil
}

// verifyFront verifies the ID token of the response, and returns it with the
// tokens of an implicit one (Core 3.2.2.5); nil if the response type has no ID
// token.
func (p *Provider) verifyFront(ctx context.Context, m *metadata, r *Response, e Expected) (*tokens, *validate.IDToken, error) {
	if !p.flow.idToken {
		return nil, nil, nil
	}
	raw, err := p.decryptIDToken(ctx, r.IDToken)
	if err != nil {
		return nil, nil, err
	}
	x := p.expect(m, e, r.AccessToken, r.Code)
	// What came beside the token is bound to it by nothing else (Core
	// 3.2.2.10, 3.3.2.11).
	x.RequireCHash, x.RequireATHash = p.flow.code, p.flow.token
	x.State, x.Answered = r.State, r.Issuer
	id, err := p.verifyIDToken(ctx, m, raw, x, true)
	if err != nil {
		return nil, nil, err
	}
	t := &tokens{idToken: raw, scopes: union(m.scopes, e.Scopes)}
	t.AccessToken, t.TokenType = r.AccessToken, "Bearer"
	if r.scope != "" {
		t.scopes = strings.Fields(r.scope)
	}
	return t, id, nil
}

// redeem exchanges the code and verifies what came for it. An access token
// that came by the browser is left alone: the one for the code is ours alone.
func (p *Provider) redeem(ctx context.Context, m *metadata, r *Response, e Expected, front *validate.IDToken) (*tokens, *validate.IDToken, error) {
	t, err := p.exchange(ctx, m, r.Code, e)
	if err != nil {
		return nil, nil, err
	}
	x := p.expect(m, e, t.AccessToken, r.Code)
	x.Answered = r.Issuer
	id, err := p.verifyIDToken(ctx, m, t.idToken, x, false)
	if err != nil {
		return nil, nil, err
	}
	if front == nil {
		return t, id, nil
	}
	if err := checkPair(front, id); err != nil {
		return nil, nil, err
	}
	// Either may have claims the other lacks (Core 3.3.3.6).
	id.Claims = merge(id.Claims, front.Claims)
	id.SID = cmp.Or(id.SID, front.SID)
	if !said(id.AuthTime) {
		id.AuthTime = front.AuthTime
	}
	if id.SessionExpiry.IsZero() {
		id.SessionExpiry = front.SessionExpiry
	}
	return t, id, nil
}

// said reports whether a token states an auth_time. Glewlwyd has 0 where it does
// not know it.
func said(authTime time.Time) bool { return !authTime.IsZero() && authTime.Unix() != 0 }

// checkPair refuses two ID tokens of one login that are about different users or
// sessions (Core 3.3.3.6). What only one of them says is no contradiction.
func checkPair(front, back *validate.IDToken) error {
	switch {
	case front.Issuer != back.Issuer || front.Subject != back.Subject:
		return refused("id token", "sub", "is about somebody else than the one in the authorization response")
	case front.SID != "" && back.SID != "" && front.SID != back.SID:
		return refused("id token", "sid", "is another session than the authorization response's")
	case front.ACR != "" && back.ACR != "" && front.ACR != back.ACR:
		return refused("id token", "acr", "is not the authorization response's")
	case said(front.AuthTime) && said(back.AuthTime) && !front.AuthTime.Equal(back.AuthTime):
		return refused("id token", "auth_time", "is not the authorization response's")
	}
	return nil
}
