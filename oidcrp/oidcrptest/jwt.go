package oidcrptest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// JWT is a token about to be signed, for a [Fault] to change.
type JWT struct {
	Header map[string]any
	Claims map[string]any // times are int64
	Now    time.Time      // by the provider's clock

	// Rewrite, if set, changes the JSON of the claims, for what no map can
	// hold, such as a name that comes twice.
	Rewrite func([]byte) []byte
	// Sign returns the signature of the first two parts of the token.
	Sign func(input []byte) []byte

	Client Client

	provider *Provider
	key      *key
}

// newJWT is a token for a client, to be signed by alg.
func (p *Provider) newJWT(alg string, c Client, claims map[string]any) JWT {
	t := JWT{Header: map[string]any{}, Claims: claims, Now: p.time(), Client: c, provider: p}
	t.signBy(alg)
	return t
}

// signBy lets the provider's key for alg sign, or the client's secret.
func (t *JWT) signBy(alg string) {
	t.Header["alg"] = alg
	delete(t.Header, "kid")
	k := t.provider.key(alg)
	t.key, t.Sign = k, func(input []byte) []byte { return hmacSHA256([]byte(t.Client.Secret), input) }
	if k != nil {
		t.Header["kid"] = k.id
		t.Sign = func(input []byte) []byte { return k.sign(alg, input) }
	}
}

func (t *JWT) serialize() string {
	payload := mustJSON(t.Claims)
	if t.Rewrite != nil {
		payload = t.Rewrite(payload)
	}
	input := b64(mustJSON(t.Header)) + "." + b64(payload)
	return input + "." + b64(t.Sign([]byte(input)))
}

// Encryption says how tokens for a client are encrypted (RFC 7516), with a
// key of its JWKS. The zero value does not.
type Encryption struct {
	Algorithm string // "alg": "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW" or "ECDH-ES+A256KW"
	Content   string // "enc": "A128CBC-HS256" (also ""), "A256CBC-HS512", "A128GCM" or "A256GCM"
}

var (
	encryptionAlgorithms = []string{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}
	contentEncryptions   = []string{"A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"}
)

func (e Encryption) check(c Client) {
	if e == (Encryption{}) {
		return
	}
	if !slices.Contains(encryptionAlgorithms, e.Algorithm) {
		panic(fmt.Sprintf("oidcrptest: no Encryption.Algorithm %q; there are %v", e.Algorithm, encryptionAlgorithms))
	}
	if e.Content != "" && !slices.Contains(contentEncryptions, e.Content) {
		panic(fmt.Sprintf("oidcrptest: no Encryption.Content %q; there are %v", e.Content, contentEncryptions))
	}
	if len(c.JWKS) == 0 && c.JWKSURL == "" {
		panic("oidcrptest: a client with Encryption needs JWKS or JWKSURL")
	}
}

// encrypt encrypts to the client's key. contentType is "JWT" around a signed
// token, "" around claims alone (RFC 7519 5.2).
func (p *Provider) encrypt(ctx context.Context, c Client, e Encryption, plain, contentType string) (string, error) {
	faults := p.activeFaults()
	if e == (Encryption{}) || slices.ContainsFunc(faults, func(f Fault) bool { return f.ignoreEncryption }) {
		return plain, nil
	}
	keys, err := p.clientKeys(ctx, c)
	if err != nil {
		return "", err
	}
	if e.Content == "" {
		e.Content = contentEncryptions[0] // OpenID Connect Registration 2
	}
	options := (&jose.EncrypterOptions{})
	if contentType != "" {
		options = options.WithContentType(jose.ContentType(contentType))
	}
	if slices.ContainsFunc(faults, func(f Fault) bool { return f.compress }) {
		options.Compression = jose.DEFLATE
	}
	for _, k := range keys {
		if k.Use == "sig" || k.Algorithm != "" && k.Algorithm != e.Algorithm {
			continue
		}
		if slices.ContainsFunc(faults, func(f Fault) bool { return f.encryptToAnother }) {
			k.Key = strangersKey(k.Key)
		}
		encrypter, err := jose.NewEncrypter(jose.ContentEncryption(e.Content), jose.Recipient{Algorithm: jose.KeyAlgorithm(e.Algorithm), Key: k.Key, KeyID: k.KeyID}, options)
		if err != nil {
			continue // of another kind
		}
		jwe, err := encrypter.Encrypt([]byte(plain))
		if err != nil {
			return "", err
		}
		return jwe.CompactSerialize()
	}
	return "", errors.New("the client has no key for " + e.Algorithm)
}

// responseJWT makes the one parameter of a JWT secured authorization response
// (JARM 2.1).
func (p *Provider) responseJWT(ctx context.Context, req *authRequest, res *Response) (string, error) {
	alg := req.client.ResponseAlgorithm
	if alg == "" {
		alg = p.defaultAlgorithm()
	}
	t := p.newJWT(alg, req.client, nil)
	t.Claims = map[string]any{"iss": p.issuer, "aud": req.client.ID, "exp": t.Now.Add(codeLifetime).Unix()}
	for name, values := range res.Params {
		t.Claims[name] = values[0]
	}
	for _, f := range p.activeFaults() {
		if f.ResponseJWT != nil {
			f.ResponseJWT(&t)
		}
	}
	return p.encrypt(ctx, req.client, req.client.ResponseEncryption, t.serialize(), "JWT")
}

func (p *Provider) defaultAlgorithm() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.algorithm
}

// userInfoJWT makes a UserInfo response that is signed, encrypted or both
// (Core 5.3.2).
func (p *Provider) userInfoJWT(ctx context.Context, c Client, claims map[string]any) (string, error) {
	if c.UserInfoAlgorithm == "" {
		return p.encrypt(ctx, c, c.UserInfoEncryption, string(mustJSON(claims)), "")
	}
	t := p.newJWT(c.UserInfoAlgorithm, c, maps.Clone(claims))
	t.Claims["iss"], t.Claims["aud"] = p.issuer, c.ID
	for _, f := range p.activeFaults() {
		if f.UserInfoJWT != nil {
			f.UserInfoJWT(&t)
		}
	}
	return p.encrypt(ctx, c, c.UserInfoEncryption, t.serialize(), "JWT")
}
