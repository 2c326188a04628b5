package oidcrptest

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// clientAlgorithms are those a client may sign by: assertions and request
// objects.
var clientAlgorithms = []string{"RS256", "PS256", "ES256", "EdDSA"}

const fetchTimeout = 5 * time.Second

// SetHTTPClient replaces the client that fetches what clients host, JWKSURL
// and request objects, and sends them logout tokens. The usual one reaches
// this machine only, and takes any certificate.
func (p *Provider) SetHTTPClient(c *http.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.http = c
}

func loopbackClient() *http.Client {
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		if host, _, err := net.SplitHostPort(address); err != nil || !loopback(host) {
			return fmt.Errorf("%s is not on this machine", address)
		}
		return nil
	}}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:       dialer.DialContext,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// fetch gets what a client hosts. p.mu must not be held: it may be slow.
func (p *Provider) fetch(ctx context.Context, rawURL string) ([]byte, error) {
	p.mu.Lock()
	client := p.http
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %d", rawURL, res.StatusCode)
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = fmt.Errorf("%s is too long", rawURL)
	}
	return b, err
}

// clientKeys returns the public keys of a client.
func (p *Provider) clientKeys(ctx context.Context, c Client) ([]jose.JSONWebKey, error) {
	doc := c.JWKS
	if c.JWKSURL != "" {
		var err error
		if doc, err = p.fetch(ctx, c.JWKSURL); err != nil {
			return nil, err
		}
	}
	if len(doc) == 0 {
		return nil, errors.New("this client registered no keys")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, fmt.Errorf("the client's key set: %w", err)
	}
	var keys []jose.JSONWebKey
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil {
			continue // of a kind not known here (RFC 7517 5)
		}
		if !k.IsPublic() {
			return nil, errors.New("the client's key set has private or symmetric keys")
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// verifyByClient checks that a client signed a JWT, by one of these
// algorithms, and returns it.
func (p *Provider) verifyByClient(ctx context.Context, token string, c Client, algs []string) (jose.Header, map[string]any, error) {
	allowed := make([]jose.SignatureAlgorithm, len(algs))
	for i, alg := range algs {
		allowed[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(token, allowed)
	if err != nil {
		return jose.Header{}, nil, err
	}
	header := jws.Signatures[0].Protected
	var payload []byte
	if header.Algorithm == "HS256" {
		payload, err = jws.Verify([]byte(c.Secret))
	} else {
		payload, err = p.verifyByKeys(ctx, jws, c)
	}
	if err != nil {
		return header, nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return header, nil, err
	}
	return header, claims, nil
}

func (p *Provider) verifyByKeys(ctx context.Context, jws *jose.JSONWebSignature, c Client) ([]byte, error) {
	keys, err := p.clientKeys(ctx, c)
	if err != nil {
		return nil, err
	}
	header := jws.Signatures[0].Protected
	err = fmt.Errorf("the client has no key %q for %s", header.KeyID, header.Algorithm)
	for _, k := range keys {
		if k.Use == "enc" || header.KeyID != "" && header.KeyID != k.KeyID || k.Algorithm != "" && k.Algorithm != header.Algorithm {
			continue
		}
		payload, verr := jws.Verify(k.Key)
		if verr == nil {
			return payload, nil
		}
		err = verr
	}
	return nil, err
}

// audienceHas reports whether an "aud" claim is, or has, one of these.
func audienceHas(aud any, values ...string) bool {
	switch aud := aud.(type) {
	case string:
		return slices.Contains(values, aud)
	case []any:
		return slices.ContainsFunc(aud, func(v any) bool {
			s, ok := v.(string)
			return ok && slices.Contains(values, s)
		})
	}
	return false
}

// timeClaim returns a NumericDate (RFC 7519 2).
func timeClaim(claims map[string]any, name string) (t time.Time, ok bool) {
	seconds, ok := claims[name].(float64)
	return time.Unix(int64(seconds), 0), ok
}
