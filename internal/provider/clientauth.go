package provider

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Token endpoint authentication methods (Core 9).
const (
	authBasic      = "client_secret_basic"
	authPost       = "client_secret_post"
	authSecretJWT  = "client_secret_jwt"
	authPrivateKey = "private_key_jwt"
	authTLS        = "tls_client_auth"             // RFC 8705 2.1
	authSelfSigned = "self_signed_tls_client_auth" // RFC 8705 2.2
	authNone       = "none"
)

var authMethods = []string{authBasic, authPost, authSecretJWT, authPrivateKey, authTLS, authSelfSigned, authNone}

// secretMethods are those with a client secret.
var secretMethods = []string{authBasic, authPost, authSecretJWT}

// assertionType is the client_assertion_type of a JWT (RFC 7523 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// assertionLifetime is short, since an assertion is sent at once, and leaves
// room for clocks that differ.
const assertionLifetime = 2 * time.Minute

// chooseClientAuth decides once, from settings and metadata: trying would send
// a code twice, and some providers revoke everything then (RFC 6749 4.1.2).
func chooseClientAuth(s *Settings, supported []string, listed bool) (string, error) {
	has := func(method string) bool { return slices.Contains(supported, method) }
	switch {
	case s.ClientAuth != "":
		return s.ClientAuth, nil
	case s.canSign() && (has(authPrivateKey) || !listed && !s.hasSecret()):
		return authPrivateKey, nil
	case s.canSign() && !s.hasSecret():
		return "", errors.New("the provider does not list private_key_jwt in token_endpoint_auth_methods_supported: set ClientAuth to it if it has it all the same, or to \"none\"")
	case !s.hasSecret():
		return authNone, nil
	// client_secret_basic is the default of Discovery 3.
	case !listed || has(authBasic):
		return authBasic, nil
	case has(authPost):
		return authPost, nil
	case has(authSecretJWT):
		return authSecretJWT, nil
	case s.Registration != nil && has(authNone):
		return authNone, nil
	}
	return "", errors.New("the provider lists no way to use a client secret in token_endpoint_auth_methods_supported: set ClientAuth if it has one all the same")
}

// Anonymous reports a client that will authenticate by nothing, and was not said
// to be a public one.
func (s *Settings) Anonymous() bool {
	return s.ClientAuth == "" && s.Profile == "" && s.Registration == nil && !s.hasSecret() && !s.canSign()
}

// authenticate adds the client's credentials to a back-channel form, and
// returns the function that adds them to its request, and what of them no
// error may repeat.
func (p *Provider) authenticate(ctx context.Context, m *metadata, form url.Values) (func(*http.Request), []string, error) {
	inForm := func(*http.Request) {}
	switch m.clientAuth {
	case authNone, authTLS, authSelfSigned: // the certificate was shown already
		form.Set("client_id", m.client.id)
		return inForm, nil, nil
	case authPrivateKey, authSecretJWT:
		assertion, err := p.assertion(ctx, m)
		if err != nil {
			return nil, nil, err
		}
		form.Set("client_id", m.client.id)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", assertion)
		return inForm, []string{assertion}, nil
	}
	secret, err := m.client.currentSecret(ctx)
	if err != nil {
		return nil, nil, err
	}
	// Both parts are form-encoded before they are joined (RFC 6749 2.3.1).
	id, encoded := url.QueryEscape(m.client.id), url.QueryEscape(secret)
	if m.clientAuth == authPost {
		form.Set("client_id", m.client.id)
		form.Set("client_secret", secret)
		return inForm, []string{secret, encoded}, nil
	}
	basic := base64.StdEncoding.EncodeToString([]byte(id + ":" + encoded))
	return func(r *http.Request) { r.Header.Set("Authorization", "Basic "+basic) }, []string{secret, encoded, basic}, nil
}

// currentSecret asks for the secret at each use, so that it can be rotated.
func (c *client) currentSecret(ctx context.Context) (string, error) {
	if c.secret == nil {
		return "", fmt.Errorf("%w: there is no client secret", ErrMisconfigured)
	}
	secret, err := c.secret(ctx)
	if err != nil {
		return "", &Unavailable{What: "client secret", Err: err}
	}
	if secret == "" {
		return "", fmt.Errorf("%w: the client secret is empty", ErrMisconfigured)
	}
	return secret, nil
}

// assertionClaims are those of RFC 7523 3. The audience is one string: with
// the issuer there, no other provider can use what this one was sent.
type assertionClaims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	ID       string `json:"jti"`
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
}

// assertion is a new client assertion, for one request (Core 9).
func (p *Provider) assertion(ctx context.Context, m *metadata) (string, error) {
	now := p.now()
	claims := assertionClaims{
		Issuer: m.client.id, Subject: m.client.id, Audience: p.s.Issuer,
		ID: rand.Text(), IssuedAt: now.Unix(), Expiry: now.Add(assertionLifetime).Unix(),
	}
	if p.s.AssertionAudience != "" {
		claims.Audience = p.s.AssertionAudience
	}
	if m.clientAuth == authSecretJWT {
		return p.secretAssertion(ctx, m, claims)
	}
	// A file may hold an assertion that the platform signed for this workload.
	if first := p.clientKeys[0]; first.File != "" {
		held, err := first.load(ctx)
		if err == nil && held.assertion != "" && p.s.fapi() {
			err = fmt.Errorf("client key: %w: Profile FAPI2 wants a new assertion for each request, and %s holds a ready one: put a private key there", ErrMisconfigured, first.File)
		}
		if err != nil || held.assertion != "" {
			return held.assertion, err
		}
	}
	key, err := p.signingKey(ctx, m.authAlgorithms)
	if err != nil {
		return "", err
	}
	return signed(key.sign("JWT", claims))
}

// signed is the result of signing with a key that may be far away.
func signed(jwt string, err error) (string, error) {
	if err != nil {
		return "", &Unavailable{What: "client key", Err: err}
	}
	return jwt, nil
}

// secretAssertion is keyed with the client secret.
func (p *Provider) secretAssertion(ctx context.Context, m *metadata, claims assertionClaims) (string, error) {
	secret, err := m.client.currentSecret(ctx)
	if err != nil {
		return "", err
	}
	for _, alg := range symmetric {
		if m.authAlgorithms != nil && !slices.Contains(m.authAlgorithms, alg) {
			continue
		}
		if err := checkMACSecret(secret, alg); err != nil {
			return "", fmt.Errorf("%s: %w", authSecretJWT, err)
		}
		return signJWT(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: []byte(secret)}, "JWT", claims)
	}
	return "", fmt.Errorf("%w: the provider lists none of HS256, HS384 and HS512 in token_endpoint_auth_signing_alg_values_supported", ErrMisconfigured)
}

// checkMACSecret: at least as long as the hash (RFC 7518 3.2), or the secret
// could be found from one token.
func checkMACSecret(secret, alg string) error {
	if size := map[string]int{"HS256": 32, "HS384": 48, "HS512": 64}[alg]; len(secret) < size {
		return fmt.Errorf("%w: the client secret is too short for %s: it needs %d bytes", ErrMisconfigured, alg, size)
	}
	return nil
}
