package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// errSubject fails every login, whatever the policy: the claims are somebody
// else's (Core 5.3.2).
var errSubject = &validate.Error{Token: userInfoResponse, Check: "sub", Detail: "is not the ID token's"}

// addUserInfo asks the UserInfo endpoint as the policy says.
func (p *Provider) addUserInfo(ctx context.Context, m *metadata, t *tokens, login *Login) error {
	if p.s.UserInfo == UserInfoOff {
		return nil
	}
	claims, err := p.userInfo(ctx, m, t, login.Issuer, login.Subject)
	switch {
	case err == nil:
		login.UserInfo = claims
		login.Claims = merge(login.Claims, claims)
		return nil
	case p.s.UserInfo == UserInfoRequired || errors.Is(err, error(errSubject)):
		return err
	}
	login.Warning = err
	return nil
}

// userInfo fetches the claims about issuer's subject (Core 5.3).
func (p *Provider) userInfo(ctx context.Context, m *metadata, t *tokens, issuer, subject string) (validate.Claims, error) {
	if m.userInfo == "" {
		return nil, fmt.Errorf("%w: the provider has no userinfo_endpoint", ErrMisconfigured)
	}
	if t.AccessToken == "" {
		return nil, refused(tokenResponse, "access_token", "is missing, and UserInfo needs it")
	}
	at, err := url.Parse(m.userInfo)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: no address", userInfoEndpoint, ErrMisconfigured)
	}
	d, err := p.dpopFor(t.key)
	if err != nil {
		return nil, err
	}
	a, err := d.send(p.nonces.at(at), t.AccessToken, func(prove prover) (*answer, error) {
		req, err := p.userInfoRequest(ctx, m.userInfo, t)
		if err != nil {
			return nil, fmt.Errorf("%s: %w: no address", userInfoEndpoint, ErrMisconfigured)
		}
		if err := prove(req); err != nil {
			return nil, fmt.Errorf("%s: %w", userInfoEndpoint, err)
		}
		return p.call(ctx, userInfoEndpoint, req)
	})
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, a.oauthError([]string{t.AccessToken})
	}
	claims, err := p.readUserInfo(ctx, m, a, issuer)
	if err != nil {
		return nil, err
	}
	return claims, checkSubject(claims, subject)
}

// userInfoRequest carries the access token in the header or, where the
// settings say so, in a form (Core 5.3.1, RFC 6750 2). It is never in both,
// and never in the query, which servers log.
func (p *Provider) userInfoRequest(ctx context.Context, address string, t *tokens) (*http.Request, error) {
	method, body := http.MethodGet, ""
	if p.s.UserInfoInBody {
		method, body = http.MethodPost, url.Values{"access_token": {t.AccessToken}}.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json, application/jwt")
	if p.s.UserInfoInBody {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return req, nil
	}
	t.SetAuthHeader(req)
	return req, nil
}

// readUserInfo reads plain JSON, or a JWT that is checked like any other
// (Core 5.3.2): what comes signed may have been kept by somebody, so it must
// say who made it, and for whom.
func (p *Provider) readUserInfo(ctx context.Context, m *metadata, a *answer, issuer string) (validate.Claims, error) {
	switch {
	case a.isJWT():
		return p.verifyUserInfo(ctx, m, strings.TrimSpace(string(a.body)), issuer)
	case !a.isJSON():
		return nil, a.notJSON()
	}
	claims, err := validate.Object(a.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.what, err)
	}
	return claims, nil
}

// maxUserInfo bounds a signed answer.
const maxUserInfo = 256 << 10

// verifyUserInfo checks an answer that is signed, encrypted, or both. One that
// is only encrypted says no more of where it comes from than plain JSON does.
func (p *Provider) verifyUserInfo(ctx context.Context, m *metadata, raw, issuer string) (validate.Claims, error) {
	if len(p.decryptionKeys) > 0 && isJWE(raw) {
		plain, err := p.decrypt(ctx, raw, maxUserInfo)
		if err != nil {
			return nil, inToken(userInfoResponse, err)
		}
		if claims, err := validate.Object(plain); err == nil {
			return claims, nil
		}
		raw = string(plain)
	}
	jws, err := validate.SplitJWS(raw, maxUserInfo)
	if err != nil {
		return nil, inToken(userInfoResponse, err)
	}
	payload, _, err := p.verify(ctx, m, jws, m.userInfoAlgorithms, false)
	if err != nil {
		return nil, inToken(userInfoResponse, err)
	}
	e := p.expect(m, Expected{}, "", "")
	e.Issuer = issuer
	return validate.CheckUserInfoToken(jws.Header, payload, e)
}

// checkSubject holds the claims against the ID token's subject.
func checkSubject(claims validate.Claims, subject string) error {
	sub, present, err := claims.String("sub")
	switch {
	case err != nil || !present:
		return refused(userInfoResponse, "sub", "is missing or no string")
	case sub != subject:
		return errSubject
	}
	return nil
}

// tokenClaims are about the ID token itself: UserInfo has no say in them.
var tokenClaims = []string{
	"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "jti", "nonce", "at_hash",
	"c_hash", "s_hash", "auth_time", "acr", "amr", "sid", "events", "cnf",
	"session_expiry", "_claim_names", "_claim_sources",
}

// merge adds UserInfo's claims to the ID token's, which win. A name that
// differs from one of the ID token's by case alone is left out: readers that
// ignore case would take it for that one.
func merge(id, userInfo validate.Claims) validate.Claims {
	out := make(validate.Claims, len(id)+len(userInfo))
	folded := make(map[string]bool, len(id))
	for name, value := range id {
		out[name] = value
		folded[validate.Fold(name)] = true
	}
	for _, name := range tokenClaims {
		folded[name] = true
	}
	for name, value := range userInfo {
		if !folded[validate.Fold(name)] {
			out[name] = value
		}
	}
	validate.Pair(out, id, userInfo)
	return out
}
