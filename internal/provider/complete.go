package provider

import (
	"context"
	"fmt"
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

	Claims   validate.Claims // ID token, UserInfo and their sources; the first wins
	UserInfo validate.Claims // UserInfo alone; nil without it
	Warning  error           // UserInfo was optional and failed, or a source did; nil otherwise
}

// Complete ends a login whose response was checked and whose transaction is
// spent: it redeems the code once, verifies the ID token, and asks UserInfo as
// the policy says. An error response is an *[Error].
func (p *Provider) Complete(ctx context.Context, r *Response, e Expected) (*Login, error) {
	if r.Error != "" {
		return nil, &Error{Code: r.Error, Description: r.ErrorDescription, URI: r.ErrorURI}
	}
	if r.Code == "" {
		return nil, refused(authorizationResponse, "code", "is missing")
	}
	// The nonce is the only thing that ties the tokens to this browser where a
	// provider ignores PKCE (RFC 9700 4.5.3): there is no login without.
	if e.Nonce == "" || e.Verifier == "" {
		return nil, fmt.Errorf("%w: nonce and verifier are needed", ErrMisconfigured)
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()

	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	t, err := p.exchange(ctx, m, r.Code, e.Verifier)
	if err != nil {
		return nil, err
	}
	id, err := p.verifyIDToken(ctx, m, t.idToken, p.expect(e, t.AccessToken, r.Code))
	if err != nil {
		return nil, err
	}
	login := &Login{
		Issuer: id.Issuer, Subject: id.Subject, SID: id.SID, ACR: id.ACR, AMR: id.AMR,
		Scopes: t.scopes, AuthTime: id.AuthTime, IssuedAt: id.IssuedAt, Expiry: id.Expiry,
		SessionExpiry: id.SessionExpiry, RawIDToken: t.idToken, Claims: id.Claims,
	}
	if err := p.addUserInfo(ctx, m, t, login); err != nil {
		return nil, err
	}
	p.addReferred(ctx, m, login)
	return login, nil
}
