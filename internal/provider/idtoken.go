package provider

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// maxIDToken leaves room for some hundreds of groups.
const maxIDToken = 128 << 10

// defaultSkew of two clocks, in both directions.
const defaultSkew = time.Minute

// Expected is what the answer to one login must agree with.
type Expected struct {
	Nonce    string
	Verifier string // PKCE
	Started  time.Time
	MaxAge   *time.Duration // beside the setting: the smaller one counts
	ACR      []string       // required; nil: ACRValues if RequireACR
	Scopes   []string       // asked for beside the setting

	RedirectURL string // that of the request, where the setting leaves it open
}

// verifyIDToken checks an ID token, from the token endpoint or, with stranger,
// from the browser. go-oidc holds signature, issuer and audience against the
// settings, validate everything (Core 3.1.3.7, 3.2.2.11, 3.3.2.12); what
// go-oidc passes is never enough by itself.
func (p *Provider) verifyIDToken(ctx context.Context, m *metadata, raw string, e validate.Expect, stranger bool) (*validate.IDToken, error) {
	jws, err := validate.SplitJWS(raw, maxIDToken)
	if err != nil {
		return nil, inIDToken(err)
	}
	keys := &idTokenKeys{p: p, m: m, jws: jws, stranger: stranger}
	verifier := oidc.NewVerifier(p.s.Issuer, keys, &oidc.Config{
		ClientID:             m.client.id,
		SupportedSigningAlgs: m.algorithms,
		SkipExpiryCheck:      true, // validate does the times, with our skew
		SkipIssuerCheck:      !p.s.others().None(),
	})
	_, refusal := verifier.Verify(ctx, raw)
	if keys.payload == nil {
		return nil, keys.failure()
	}
	e.KeyIssuers = keys.issuers
	token, err := validate.CheckIDToken(jws.Header, keys.payload, e)
	if err != nil {
		return nil, err
	}
	if refusal != nil {
		return nil, refused("id token", "claims", "cannot be read as an ID token's")
	}
	return token, nil
}

// expect is what an ID token of this login must hold.
func (p *Provider) expect(m *metadata, e Expected, accessToken, code string) validate.Expect {
	x := validate.Expect{
		Issuer: p.s.Issuer, Others: p.s.others(), ClientID: m.client.id, Audiences: p.s.Audiences,
		Nonce: e.Nonce, Now: p.now(), Started: e.Started, Skew: p.s.Skew,
		ACR: e.ACR, AccessToken: accessToken, Code: code,
	}
	if x.Skew == 0 {
		x.Skew = defaultSkew
	}
	if len(x.ACR) == 0 && p.s.RequireACR {
		x.ACR = p.s.ACRValues
	}
	x.MaxAge, x.HasMaxAge = p.maxAge(e.MaxAge)
	return x
}

// idTokenKeys is the key set go-oidc asks for one token. It keeps payload and
// error, which go-oidc would turn into text.
type idTokenKeys struct {
	p        *Provider
	m        *metadata
	jws      *validate.JWS // the token
	stranger bool          // anybody may have sent it
	payload  []byte
	issuers  []string // of the key
	err      error
}

// VerifySignature implements [oidc.KeySet].
func (k *idTokenKeys) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	k.payload, k.issuers, k.err = k.p.verify(ctx, k.m, k.jws, k.m.algorithms, k.stranger)
	return k.payload, k.err
}

// verify checks a signature of the provider's, and returns the payload and the
// issuers of the key: see [keySet.verify].
func (p *Provider) verify(ctx context.Context, m *metadata, jws *validate.JWS, algorithms []string, stranger bool) (payload []byte, issuers []string, err error) {
	if p.s.usesMAC() {
		payload, err = m.client.verifyMAC(ctx, jws, algorithms)
		return payload, nil, err
	}
	return p.keys.verify(ctx, jws, algorithms, stranger)
}

// failure is why there is no verified payload.
func (k *idTokenKeys) failure() error {
	switch {
	// Nobody said the token is bad: there was no time to learn the keys.
	case errors.Is(k.err, context.DeadlineExceeded) && !errors.Is(k.err, ErrUnavailable):
		return &Unavailable{What: keysEndpoint, Err: k.err}
	case k.err != nil:
		return inIDToken(k.err)
	}
	// go-oidc would not read the token and asked for no key.
	if !slices.Contains(k.m.algorithms, k.jws.Header.Algorithm) {
		return refused("id token", "alg", "is not one this provider may sign with")
	}
	return refused("id token", "syntax", "cannot be parsed")
}

// verifyMAC verifies an HMAC with the client secret, where the operator chose
// such an algorithm (Core 10.1).
func (c *client) verifyMAC(ctx context.Context, jws *validate.JWS, algorithms []string) ([]byte, error) {
	secret, err := c.currentSecret(ctx)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(algorithms, jws.Header.Algorithm) {
		return nil, badAlgorithm()
	}
	// A shorter one verifies nothing, which would look like a forgery.
	if err := checkMACSecret(secret, jws.Header.Algorithm); err != nil {
		return nil, err
	}
	if !verifies(jws, []byte(secret)) {
		return nil, badSignature("does not verify")
	}
	return jws.Payload, nil
}

func inIDToken(err error) error { return inToken("id token", err) }

// inToken gives an error about any token the name of that one.
func inToken(token string, err error) error {
	if e, ok := errors.AsType[*validate.Error](err); ok {
		return refused(token, e.Check, e.Detail)
	}
	return err
}
