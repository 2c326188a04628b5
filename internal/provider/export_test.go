package provider

import (
	"context"
	"crypto"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// SetTimeout makes waiting for a silent provider short.
func SetTimeout(p *Provider, d time.Duration) { p.timeout = d }

func IsPublic(addr netip.Addr) bool { return isPublic(addr) }

func NewTransport(tenant bool) *http.Transport { return newTransport(tenant) }

func Merge(id, userInfo validate.Claims) validate.Claims { return merge(id, userInfo) }

// Metadata is what a test may see of metadata.
type Metadata struct {
	Authorization, Token, JWKS, UserInfo, EndSession string
	ClientAuth                                       string
	Algorithms                                       []string
	IssAdvertised                                    bool
	Request                                          string
}

func ParseMetadata(document []byte, s Settings) (*Metadata, error) {
	s = s.hardened()
	m, err := parseMetadata(document, &s)
	if err != nil {
		return nil, err
	}
	return &Metadata{
		Authorization: m.authorization, Token: m.token, JWKS: m.jwks, UserInfo: m.userInfo, EndSession: m.endSession,
		ClientAuth: m.clientAuth, Algorithms: m.algorithms, IssAdvertised: m.issAdvertised, Request: m.request,
	}, nil
}

// AccessTokenExpiry reads a token response and returns the expiry of its
// access token; zero if it states none.
func AccessTokenExpiry(body string, now time.Time) (time.Time, error) {
	a := &answer{what: tokenEndpoint, status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body)}
	t, err := parseTokens(a, nil, now)
	if err != nil {
		return time.Time{}, err
	}
	return t.Expiry, nil
}

// ReadTokens reads an answer of the token endpoint; errors must not repeat
// secret.
func ReadTokens(status int, kind, body, secret string) (idToken, accessToken string, err error) {
	a := &answer{what: tokenEndpoint, status: status, header: http.Header{"Content-Type": {kind}}, body: []byte(body)}
	t, err := parseTokens(a, nil, time.Time{}, secret)
	if err != nil {
		return "", "", err
	}
	return t.idToken, t.AccessToken, nil
}

// ParseKeyFile is what a file of a ClientKey holds.
func ParseKeyFile(b []byte) (crypto.Signer, string, error) {
	m, err := parseKeyFile(b)
	return m.signer, m.assertion, err
}

// ReadRequestURI reads the answer to a pushed request.
func ReadRequestURI(body string) (string, error) {
	return requestURI(&answer{what: parEndpoint, status: http.StatusCreated, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body)})
}

// UnpackRequest reads what a reference holds, and PackRequest writes it.
func UnpackRequest(b []byte) (url.Values, time.Time, error) { return unpackRequest(b) }

func PackRequest(params url.Values, issued time.Time) ([]byte, error) {
	return packRequest(params, issued)
}

func KeepFor(cacheControl string) time.Duration { return keepFor(cacheControl) }

// VerifyIDToken verifies a token from the token endpoint.
func VerifyIDToken(ctx context.Context, p *Provider, raw string, e Expected) (*validate.IDToken, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return p.verifyIDToken(ctx, m, raw, p.expect(m, e, "", ""), false)
}

// ReadUserInfo reads an answer about alice.
func ReadUserInfo(ctx context.Context, p *Provider, kind, body string) (validate.Claims, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	a := &answer{what: userInfoEndpoint, status: http.StatusOK, header: http.Header{"Content-Type": {kind}}, body: []byte(body)}
	claims, err := p.readUserInfo(ctx, m, a, p.s.Issuer)
	if err != nil {
		return nil, err
	}
	return claims, checkSubject(claims, "alice")
}

func Decrypt(ctx context.Context, p *Provider, token string) ([]byte, error) {
	return p.decrypt(ctx, token, maxIDToken)
}

// ReadClient reads an answer to a registration for a client that uses a secret.
func ReadClient(p *Provider, body string) (id, secret, auth string, expires time.Time, err error) {
	a := &answer{what: registerEndpoint, status: http.StatusCreated, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(body)}
	r, err := p.readClient(a, &metadata{clientAuth: authBasic})
	if err != nil {
		return "", "", "", time.Time{}, err
	}
	return r.ID, r.Secret, r.Auth, time.Unix(r.Expires, 0), nil
}

func ParseIdentifier(typed string) (resource, host string, err error) { return parseIdentifier(typed) }

// ReadIssuer reads the answer of a host.
func ReadIssuer(body string) (string, error) {
	return readIssuer(&answer{what: webFingerEndpoint, status: http.StatusOK, header: http.Header{"Content-Type": {"application/jrd+json"}}, body: []byte(body)})
}
