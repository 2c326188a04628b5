package oidcrptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// algorithms are the signature algorithms a [Provider] can use, the usual one
// first.
var algorithms = []string{"RS256", "ES256", "PS256", "EdDSA", "HS256"}

func mustSign(alg string) {
	if !slices.Contains(algorithms, alg) {
		panic(fmt.Sprintf("oidcrptest: no algorithm %q; there are %v", alg, algorithms))
	}
}

// SetAlgorithm signs ID tokens by RS256 (the default), ES256, PS256, EdDSA or
// HS256 (under the client's secret). A client's own Algorithm wins.
func (p *Provider) SetAlgorithm(alg string) {
	mustSign(alg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.algorithm = alg
}

// key is one private key, made to be signed with.
type key struct {
	id      string
	algs    []string
	private crypto.Signer
}

// keyring has the keys in use, first those that sign. RSA keys are slow to come
// by, so they are made in the background before anybody asks, and under a lock
// of their own: no request but those for keys waits for them.
type keyring struct {
	mu      sync.Mutex
	current []key // nil until made
	old     []key // still published
	dropped []key // no longer published; id_token_hint may still be signed by them
}

// RotateKeys makes new keys, which sign from now on. The previous ones stay
// published until [Provider.DropOldKeys].
func (p *Provider) RotateKeys() {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	p.keys.fill()
	p.keys.old = slices.Concat(p.keys.current, p.keys.old)
	p.keys.current = nil
	go p.keys.prepare()
}

// DropOldKeys stops publishing all keys but those that sign.
func (p *Provider) DropOldKeys() {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	p.keys.dropped = append(p.keys.dropped, p.keys.old...)
	p.keys.old = nil
}

// prepare makes the keys that sign, unless somebody has.
func (k *keyring) prepare() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fill()
}

// fill is prepare for who holds the lock.
func (k *keyring) fill() {
	if k.current == nil {
		k.current = []key{newKey("RS256"), newKey("ES256"), newKey("EdDSA")}
	}
}

func newKey(alg string) key {
	k := key{id: rand.Text()[:12], algs: []string{alg}}
	var err error
	switch alg {
	case "RS256", "PS256":
		k.algs = []string{"RS256", "PS256"}
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err) // out of randomness or memory
	}
	return k
}

// key returns the key that signs by alg; nil for HS256.
func (p *Provider) key(alg string) *key {
	p.keys.mu.Lock()
	defer p.keys.mu.Unlock()
	p.keys.fill()
	for i := range p.keys.current {
		if slices.Contains(p.keys.current[i].algs, alg) {
			return &p.keys.current[i]
		}
	}
	return nil
}

// sign returns the JWS signature of input by k (RFC 7518 3).
func (k key) sign(alg string, input []byte) []byte {
	digest := sha256.Sum256(input)
	var sig []byte
	var err error
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, e := ecdsa.Sign(rand.Reader, private, digest[:])
		if err = e; err == nil {
			sig = make([]byte, 64)
			r.FillBytes(sig[:32])
			s.FillBytes(sig[32:])
		}
	case ed25519.PrivateKey:
		sig = ed25519.Sign(private, input)
	case *rsa.PrivateKey:
		if alg == "PS256" {
			sig, err = rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
		}
	}
	if err != nil {
		panic(err)
	}
	return sig
}

func hmacSHA256(secret, input []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write(input)
	return m.Sum(nil)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// halfHash is what at_hash and c_hash hold (Core 3.1.3.6).
func halfHash(alg, value string) string {
	if alg == "EdDSA" { // SHA-512, as Ed25519 uses
		sum := sha512.Sum512([]byte(value))
		return b64(sum[:32])
	}
	sum := sha256.Sum256([]byte(value))
	return b64(sum[:16])
}

// Sign makes a JWT of these claims with the provider's current key, for tests
// that hand tokens of their own making to an application. typ is its "typ"
// header, "" for none. HS256 cannot be used.
func (p *Provider) Sign(alg, typ string, claims map[string]any) string {
	k := p.key(alg)
	if k == nil {
		panic("oidcrptest: no key for " + alg)
	}
	header := map[string]any{"alg": alg, "kid": k.id}
	if typ != "" {
		header["typ"] = typ
	}
	input := b64(mustJSON(header)) + "." + b64(mustJSON(claims))
	return input + "." + b64(k.sign(alg, []byte(input)))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("oidcrptest: %v", err))
	}
	return b
}

func (p *Provider) serveJWKS(w http.ResponseWriter, r *http.Request) {
	p.keys.mu.Lock()
	p.keys.fill()
	published := slices.Concat(p.keys.current, p.keys.old)
	p.keys.mu.Unlock()

	doc := map[string]any{"keys": publicKeys(published)}
	for _, f := range p.activeFaults() {
		if f.JWKS != nil {
			f.JWKS(doc)
		}
	}
	writeJSON(w, http.StatusOK, doc)
}

// publicKeys returns JWKs as plain maps, which faults can change.
func publicKeys(keys []key) []any {
	out := []any{}
	for _, k := range keys {
		jwk := jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Use: "sig"}
		if len(k.algs) == 1 {
			jwk.Algorithm = k.algs[0]
		}
		var m map[string]any
		if err := json.Unmarshal(mustJSON(jwk), &m); err != nil {
			panic(err)
		}
		out = append(out, m)
	}
	return out
}

// verify checks that a token was signed by this provider, whenever, and
// returns its claims. Expiry is the caller's business: an id_token_hint may
// be old (RP-Initiated Logout 2).
func (p *Provider) verify(token string, c Client) (map[string]any, error) {
	algs := make([]jose.SignatureAlgorithm, len(algorithms))
	for i, alg := range algorithms {
		algs[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(token, algs)
	if err != nil {
		return nil, err
	}
	p.keys.mu.Lock()
	keys := slices.Concat(p.keys.current, p.keys.old, p.keys.dropped)
	p.keys.mu.Unlock()
	header := jws.Signatures[0].Protected
	var payload []byte
	err = fmt.Errorf("no key %q for %s", header.KeyID, header.Algorithm)
	if header.Algorithm == "HS256" && c.Secret != "" {
		payload, err = jws.Verify([]byte(c.Secret))
	}
	for _, k := range keys {
		named := header.KeyID == k.id || header.KeyID == "" // see KidlessKeys
		if err != nil && named && slices.Contains(k.algs, header.Algorithm) {
			payload, err = jws.Verify(k.private.Public())
		}
	}
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, err
	}
	return claims, nil
}
