package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// ErrRefused: the provider does not take the refresh token any more, and will
// not take it again (RFC 6749 5.2, invalid_grant).
var ErrRefused = errors.New("the refresh token is not accepted any more")

// Tokens are what a provider gave for calling APIs.
type Tokens struct {
	Access  string
	Type    string    // "Bearer" or "DPoP"
	Expiry  time.Time // of Access; zero: not said
	Scopes  []string  // granted
	Refresh string    // "": none
	Key     []byte    // the private key of DPoP; nil: Access is bound to none
}

func (t *tokens) kept() Tokens {
	return Tokens{
		Access: t.AccessToken, Type: t.TokenType, Expiry: t.Expiry,
		Scopes: t.scopes, Refresh: t.RefreshToken, Key: t.key,
	}
}

// Grant is a login whose tokens are to be refreshed.
type Grant struct {
	Issuer, Subject string
	Nonce           string
	AuthTime        time.Time // zero: not said

	Refresh string
	Scopes  []string // granted
	Key     []byte   // see [Tokens.Key]
}

// Refresh redeems the refresh token (RFC 6749 6, Core 12), for an access token
// for resource (RFC 8707) if that is not "". It is sent once, as a code is. The
// answer is verified before anything of it is used; the Login has the claims of
// the new ID token and of UserInfo, if the settings ask for that, and is nil if
// no ID token came (Core 12.2). The Refresh of the answer is the new refresh token, or the
// old one where there is no new one. UserInfo that cannot be had costs the claims
// and not the tokens: Login is nil then, too. A source of further claims costs
// those alone.
//
// Where the answer came and could not be verified, because keys could not be
// fetched, the tokens are returned beside [ErrUnavailable] with
// their Refresh alone: the old one may be spent. [ErrRefused] is final;
// [ErrInvalid] says that the answer is not to be trusted.
func (p *Provider) Refresh(ctx context.Context, g Grant, resource string) (Tokens, *Login, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return Tokens{}, nil, err
	}
	d, err := p.dpopFor(g.Key)
	if err != nil {
		return Tokens{}, nil, err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.Refresh}}
	if resource != "" {
		form.Set("resource", resource)
	}
	started := p.now()
	t, err := p.requestTokens(ctx, m, form, d, g.Scopes, g.Refresh)
	if err != nil {
		return Tokens{}, nil, refreshError(err)
	}
	if t.AccessToken == "" {
		return Tokens{}, nil, refused(tokenResponse, "access_token", "is missing")
	}
	if t.RefreshToken == "" {
		t.RefreshToken = g.Refresh
	}
	login, err := p.refreshed(ctx, m, g, t, started)
	if errors.Is(err, ErrUnavailable) {
		return Tokens{Refresh: t.RefreshToken, Key: t.key}, nil, err
	}
	if err != nil {
		return Tokens{}, nil, err
	}
	return t.kept(), login, nil
}

// refreshError tells an answer that is final from those that are not.
func refreshError(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err // whatever else it says
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Code == "invalid_grant" {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	// The page of a proxy, and whatever else is no token response: nobody said
	// anything of the tokens.
	if e, ok := errors.AsType[*validate.Error](err); ok && e.Check != "token_type" {
		return &Unavailable{What: tokenEndpoint, Err: errors.New(err.Error())}
	}
	return err
}

// refreshed verifies what came with the tokens (Core 12.2).
func (p *Provider) refreshed(ctx context.Context, m *metadata, g Grant, t *tokens, started time.Time) (*Login, error) {
	if t.idToken == "" {
		return nil, nil
	}
	raw, err := p.decryptIDToken(ctx, t.idToken)
	if err != nil {
		return nil, err
	}
	x := p.expect(m, Expected{Nonce: g.Nonce, Started: started}, t.AccessToken, "")
	x.Refreshed = &validate.Refreshed{Issuer: g.Issuer, Subject: g.Subject, AuthTime: g.AuthTime}
	// Nobody signed in anew, so nothing is asked of how.
	x.ACR, x.HasMaxAge = nil, false
	id, err := p.verifyIDToken(ctx, m, raw, x, false)
	if err != nil {
		return nil, err
	}
	if name := p.s.lacking(id.Claims, false); name != "" {
		return nil, refused("id token", "required_claim", name+" has none of its required values any more")
	}
	login := &Login{
		Issuer: id.Issuer, Subject: id.Subject, SID: id.SID, ACR: id.ACR, AMR: id.AMR,
		Scopes: t.scopes, AuthTime: id.AuthTime, IssuedAt: id.IssuedAt, Expiry: id.Expiry,
		SessionExpiry: id.SessionExpiry, RawIDToken: raw, Claims: id.Claims,
	}
	if err := p.addUserInfo(ctx, m, t, login); err != nil {
		if errors.Is(err, error(errSubject)) {
			return nil, err
		}
		login.Warning = err
	}
	if login.Warning != nil {
		p.logger.WarnContext(ctx, "claims not refreshed", "provider", p.s.Name, "err", login.Warning)
		return nil, nil
	}
	// Without what a source did not give, the rest goes on as at a login: nobody
	// keeps their roles by one that fails.
	p.addReferred(ctx, m, login)
	if login.Warning != nil {
		p.logger.WarnContext(ctx, "claims not used", "provider", p.s.Name, "err", login.Warning)
	}
	return login, nil
}

// dpopFor proves with the key tokens were kept with, or else with that of this
// process; nil where nothing is to be proved.
func (p *Provider) dpopFor(key []byte) (*dpop, error) {
	if len(key) == 0 || p.dpop != nil && string(key) == string(p.dpop.key) {
		return p.dpop, nil
	}
	return dpopOf(key, p.now)
}

// Revoke tells the provider that a refresh token is not needed any more (RFC
// 7009), with which it may withdraw what else it granted at the same login. It
// does nothing where there is no endpoint for it.
func (p *Provider) Revoke(ctx context.Context, refreshToken string) error {
	m, err := p.metadata(ctx)
	if err != nil || m.revocation == "" || refreshToken == "" {
		return err
	}
	form := url.Values{"token": {refreshToken}, "token_type_hint": {"refresh_token"}}
	a, secrets, err := p.post(ctx, m, revokeEndpoint, m.revocation, form, proveNothing)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return a.oauthError(append(secrets, refreshToken))
	}
	return nil
}

// RoundTrip sends a request of the application's to an API with an access
// token, over the connections of this provider: proxies, private authorities
// and client certificates apply. A token that is bound to a key goes with a
// proof, and once more with another one if the API wants a nonce in it and the
// request can be repeated (RFC 9449 7, 9). r stays as it is.
func (p *Provider) RoundTrip(r *http.Request, t Tokens) (*http.Response, error) {
	out := r.Clone(r.Context())
	(&oauth2.Token{AccessToken: t.Access, TokenType: t.Type}).SetAuthHeader(out)
	if !strings.EqualFold(t.Type, dpopType) {
		return p.client.Transport.RoundTrip(out)
	}
	d, err := p.dpopFor(t.Key)
	if err == nil && d == nil {
		err = fmt.Errorf("%w: a DPoP token without its key", ErrMisconfigured)
	}
	if err != nil {
		closeBody(r)
		return nil, err
	}
	n := p.nonces.at(r.URL)
	for first := true; ; first = false {
		sent := n.load()
		if err := d.prove(out, sent, t.Access); err != nil {
			closeBody(r)
			return nil, err
		}
		resp, err := p.client.Transport.RoundTrip(out)
		if err != nil {
			return nil, err
		}
		n.learn(resp.Header)
		if !first || !n.wanted(sent, resp.StatusCode, resp.Header) || !rewind(out) {
			return resp, nil
		}
		resp.Body.Close()
	}
}

// Pass is RoundTrip without a token.
func (p *Provider) Pass(r *http.Request) (*http.Response, error) {
	return p.client.Transport.RoundTrip(r)
}

// rewind makes a request ready to be sent again, if that can be done.
func rewind(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return true
	}
	if r.GetBody == nil {
		return false
	}
	body, err := r.GetBody()
	if err != nil {
		return false
	}
	r.Body = body
	return true
}

// closeBody does what a RoundTripper owes a request it does not send.
func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}
