package provider_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

var (
	pinned = []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
	edKey = sync.OnceValue(func() ed25519.PrivateKey {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
	ecKeys sync.Map // of names
)

// ecKey is the same key for the same name and curve.
func ecKey(name string, curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	same, _ := ecKeys.LoadOrStore(name+curve.Params().Name, key)
	return same.(*ecdsa.PrivateKey)
}

func p256(name string) *ecdsa.PrivateKey { return ecKey(name, elliptic.P256()) }

// signedBy makes a token; kid "" leaves it out.
func signedBy(t testing.TB, alg jose.SignatureAlgorithm, key any, kid string) string {
	t.Helper()
	options := new(jose.SignerOptions)
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign([]byte(`{"sub":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

type jwkMember map[string]any

// jwk writes a public key, with members replaced; nil leaves one out.
func jwk(key crypto.Signer, kid string, changes ...jwkMember) jwkMember {
	b, err := json.Marshal(jose.JSONWebKey{Key: key.Public(), KeyID: kid})
	if err != nil {
		panic(err)
	}
	var m jwkMember
	if err := json.Unmarshal(b, &m); err != nil {
		panic(err)
	}
	for _, change := range changes {
		for name, value := range change {
			if m[name] = value; value == nil {
				delete(m, name)
			}
		}
	}
	return m
}

func keyDocument(keys ...jwkMember) []byte {
	if keys == nil {
		keys = []jwkMember{}
	}
	b, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return b
}

// jwksURI stands for the provider's: it counts fetches, and answers or fails
// as it is told.
type jwksURI struct {
	clock
	mu      sync.Mutex
	body    []byte
	err     error
	fetches int
}

var errDown = errors.New("connection refused")

func newURI(keys ...jwkMember) *jwksURI {
	u := &jwksURI{body: keyDocument(keys...)}
	u.clock.now = time.Unix(1_700_000_000, 0)
	return u
}

func (u *jwksURI) fetch(context.Context) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fetches++
	return u.body, u.err
}

func (u *jwksURI) publish(keys ...jwkMember) { u.set(keyDocument(keys...), nil) }

func (u *jwksURI) set(body []byte, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.body, u.err = body, err
}

func (u *jwksURI) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fetches
}

func (u *jwksURI) keySet() provider.KeySet { return provider.NewKeySet(u.fetch, u.Now) }

const (
	fromEndpoint = false
	fromStranger = true
)

// verdict verifies and names the outcome: "ok", the check that failed, or
// "unavailable".
func verdict(t testing.TB, s provider.KeySet, token string, stranger bool) string {
	t.Helper()
	payload, err := s.Verify(context.Background(), token, pinned, stranger)
	if err == nil {
		if len(payload) == 0 {
			t.Error("no payload")
		}
		return "ok"
	}
	if payload != nil {
		t.Errorf("payload %q beside %v", payload, err)
	}
	var e *validate.Error
	switch {
	case errors.As(err, &e) && errors.Is(err, provider.ErrInvalid):
		return e.Check
	case errors.Is(err, provider.ErrUnavailable):
		return "unavailable"
	}
	return err.Error()
}

func wantVerdict(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func wantFetches(t testing.TB, u *jwksURI, want int) {
	t.Helper()
	if got := u.count(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}

func TestKeysVerifyEveryAlgorithm(t *testing.T) {
	for _, tt := range []struct {
		alg jose.SignatureAlgorithm
		key crypto.Signer
	}{
		{jose.RS256, rsaKey()}, {jose.RS384, rsaKey()}, {jose.RS512, rsaKey()},
		{jose.PS256, rsaKey()}, {jose.PS384, rsaKey()}, {jose.PS512, rsaKey()},
		{jose.ES256, p256("a")}, {jose.ES384, ecKey("a", elliptic.P384())}, {jose.ES512, ecKey("a", elliptic.P521())},
		{jose.EdDSA, edKey()},
	} {
		t.Run(string(tt.alg), func(t *testing.T) {
			u := newURI(jwk(p256("other"), "other"), jwk(tt.key, "k"))
			s := u.keySet()
			payload, err := s.Verify(context.Background(), signedBy(t, tt.alg, tt.key, "k"), pinned, fromEndpoint)
			if string(payload) != `{"sub":"1"}` || err != nil {
				t.Fatalf("%q, %v", payload, err)
			}
			wantVerdict(t, "without kid", verdict(t, s, signedBy(t, tt.alg, tt.key, ""), fromEndpoint), "ok")
			wantFetches(t, u, 1)
		})
	}
}

func TestKeysRefuseTokens(t *testing.T) {
	rsaDER, err := x509.MarshalPKIXPublicKey(rsaKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	rsaPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: rsaDER})
	rsaJWK, err := json.Marshal(jwk(rsaKey(), "rsa"))
	if err != nil {
		t.Fatal(err)
	}
	good := signedBy(t, jose.ES256, p256("a"), "ec")
	header, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	encode := base64.RawURLEncoding.EncodeToString

	for _, tt := range []struct{ name, token, check string }{
		{"alg none", encode([]byte(`{"alg":"none","kid":"ec"}`)) + "." + payload + ".", "serialization"},                           // T033
		{"alg none with a signature", encode([]byte(`{"alg":"none","kid":"ec"}`)) + "." + payload + "." + signature, "alg"},        // T033
		{"HS256 keyed with the PEM of the public key", signedBy(t, jose.HS256, rsaPEM, "rsa"), "alg"},                              // T034
		{"HS256 keyed with the DER of the public key", signedBy(t, jose.HS256, rsaDER, "rsa"), "alg"},                              // T034
		{"HS256 keyed with the JWK of the public key", signedBy(t, jose.HS256, rsaJWK, "rsa"), "alg"},                              // T034
		{"HS256 keyed with the client secret", signedBy(t, jose.HS256, []byte("client-secret-of-32-characters!!"), "rsa"), "alg"},  // T035
		{"HS256 keyed with a published secret", signedBy(t, jose.HS256, []byte("a published secret of 32 bytes!!"), "oct"), "alg"}, // T065
		{"ES256 under the kid of an RSA key", signedBy(t, jose.ES256, p256("a"), "rsa"), "signature"},                              // T037
		{"RS256 under the kid of an EC key", signedBy(t, jose.RS256, rsaKey(), "ec"), "signature"},                                 // T037
		{"ES256 with a key on another curve", signedBy(t, jose.ES384, ecKey("a", elliptic.P384()), "ec"), "signature"},             // T037
		{"a key published for another alg", signedBy(t, jose.PS256, rsaKey(), "rsa"), "signature"},                                 // T037
		{"another key under a known kid", signedBy(t, jose.ES256, p256("evil"), "ec"), "signature"},
		{"another key under an unknown kid", signedBy(t, jose.ES256, p256("evil"), "evil"), "signature"},
		{"another key without kid", signedBy(t, jose.ES256, p256("evil"), ""), "signature"},
		{"a known key under an unknown kid", signedBy(t, jose.ES256, p256("a"), "evil"), "signature"},
		{"an encryption key", signedBy(t, jose.ES256, p256("enc"), "enc"), "signature"},                    // T037
		{"a kid that is a path", signedBy(t, jose.ES256, p256("evil"), "../../ec"), "signature"},           // T039
		{"a kid that is SQL", signedBy(t, jose.ES256, p256("evil"), "' OR '1'='1"), "signature"},           // T039
		{"a kid with line breaks", signedBy(t, jose.ES256, p256("evil"), "ec\r\nlevel=info"), "signature"}, // T039
		{"a kid of 10 kB", signedBy(t, jose.ES256, p256("evil"), strings.Repeat("k", 10_000)), "size"},     // T039
		{"another payload", header + "." + encode([]byte(`{"sub":"2"}`)) + "." + signature, "signature"},
		{"an empty signature", header + "." + payload + ".", "serialization"},
		{"JSON serialization", `{"payload":"` + payload + `","protected":"` + header + `","signature":"` + signature + `"}`, "serialization"}, // T038
		{"four parts", good + ".AAAA", "serialization"},
		{"a JWE", strings.Repeat("AAAA.", 4) + "AAAA", "serialization"}, // T041
		{"nothing", "", "serialization"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newURI(
				jwk(rsaKey(), "rsa", jwkMember{"alg": "RS256"}), jwk(p256("a"), "ec"),
				jwk(p256("enc"), "enc", jwkMember{"use": "enc"}),
				jwkMember{"kty": "oct", "kid": "oct", "k": encode([]byte("a published secret of 32 bytes!!"))},
			)
			s := u.keySet()
			wantVerdict(t, "control", verdict(t, s, good, fromEndpoint), "ok")
			wantVerdict(t, "verdict", verdict(t, s, tt.token, fromEndpoint), tt.check)
		})
	}
}

// T037: neither metadata nor key set widen what is pinned.
func TestKeysRefuseAnAlgorithmThatIsNotPinned(t *testing.T) {
	u := newURI(jwk(p256("a"), "a"), jwk(rsaKey(), "r"))
	s := u.keySet()
	_, err := s.Verify(context.Background(), signedBy(t, jose.ES256, p256("a"), "a"), []jose.SignatureAlgorithm{jose.RS256}, fromEndpoint)
	var e *validate.Error
	if !errors.As(err, &e) || e.Check != "alg" {
		t.Errorf("got %v", err)
	}
	wantFetches(t, u, 0)
	// Even pinned, HS256 finds no key here: published keys are no secrets.
	b := []byte("a published secret of 32 bytes!!")
	u.publish(jwk(p256("a"), "a"), jwkMember{"kty": "oct", "kid": "o", "k": base64.RawURLEncoding.EncodeToString(b)})
	_, err = s.Verify(context.Background(), signedBy(t, jose.HS256, b, "o"), []jose.SignatureAlgorithm{jose.HS256}, fromEndpoint)
	if !errors.As(err, &e) || e.Check != "signature" {
		t.Errorf("got %v", err)
	}
}

func TestKeysWithoutKid(t *testing.T) {
	many := make([]jwkMember, 0, 30)
	for i := range 30 {
		many = append(many, jwk(p256(fmt.Sprint("many", i)), fmt.Sprint(i)))
	}
	for _, tt := range []struct {
		name   string
		keys   []jwkMember
		signer *ecdsa.PrivateKey
		kid    string
		want   string
	}{
		{"one key, no kid anywhere", []jwkMember{jwk(p256("a"), "")}, p256("a"), "", "ok"},
		{"one key, kid in the token alone", []jwkMember{jwk(p256("a"), "")}, p256("a"), "x", "ok"},
		{"one key, kid in the document alone", []jwkMember{jwk(p256("a"), "x")}, p256("a"), "", "ok"},
		{"three keys, no kid in the token", []jwkMember{jwk(p256("a"), "1"), jwk(p256("b"), "2"), jwk(p256("c"), "3")}, p256("c"), "", "ok"},
		{"one kid for two keys", []jwkMember{jwk(p256("a"), "1"), jwk(p256("b"), "1")}, p256("b"), "1", "ok"},
		{"one kid for two types", []jwkMember{jwk(rsaKey(), "1"), jwk(p256("b"), "1")}, p256("b"), "1", "ok"},
		{"keys of other types do not count", append([]jwkMember{jwk(rsaKey(), "")}, many[:10]...), p256("many9"), "", "ok"},
		{"the tenth key is tried", many, p256("many9"), "", "ok"},
		{"the eleventh is not", many, p256("many10"), "", "signature"}, // T039: at most N
		{"the eleventh by kid", many, p256("many10"), "10", "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newURI(tt.keys...).keySet()
			wantVerdict(t, "verdict", verdict(t, s, signedBy(t, jose.ES256, tt.signer, tt.kid), fromEndpoint), tt.want)
		})
	}
}

// T061, B9.
func TestKeysWithstandAFloodOfUnknownKids(t *testing.T) {
	u := newURI(jwk(p256("a"), "a"))
	s := u.keySet()
	forged := make([]string, 50)
	for i := range forged {
		forged[i] = signedBy(t, jose.ES256, p256("evil"), rand.Text())
	}
	// 1000 tokens in 60 s, from 50 at a time.
	flood := func(rounds int) {
		for range rounds {
			var wg sync.WaitGroup
			for _, token := range forged {
				wg.Go(func() { wantVerdict(t, "forged", verdict(t, s, token, fromStranger), "signature") })
			}
			wg.Wait()
			u.Add(3 * time.Second)
		}
	}
	flood(10)
	wantVerdict(t, "login in the middle", verdict(t, s, signedBy(t, jose.ES256, p256("a"), "a"), fromEndpoint), "ok")
	before := u.count()
	u.publish(jwk(p256("b"), "b"))
	wantVerdict(t, "rotation in the middle", verdict(t, s, signedBy(t, jose.ES256, p256("b"), "b"), fromEndpoint), "ok")
	u.publish(jwk(p256("c"), "c"))
	wantVerdict(t, "another", verdict(t, s, signedBy(t, jose.ES256, p256("c"), "c"), fromEndpoint), "ok")
	wantFetches(t, u, before+2)
	flood(10)
	if got := u.count() - 2; got > 4 {
		t.Errorf("%d fetches for strangers in 60 s", got)
	}
}

// The token endpoint of a provider gone mad has a budget too: the first load,
// two fetches at once, and one more every 30 s.
func TestKeysFetchWithinABudgetForTheTokenEndpoint(t *testing.T) {
	u := newURI(jwk(p256("a"), "a"))
	s := u.keySet()
	forged := signedBy(t, jose.ES256, p256("evil"), "evil")
	for range 100 {
		wantVerdict(t, "unknown kid", verdict(t, s, forged, fromEndpoint), "signature")
	}
	wantFetches(t, u, 3)
	for range 100 {
		u.Add(3 * time.Second)
		wantVerdict(t, "unknown kid", verdict(t, s, forged, fromEndpoint), "signature")
	}
	wantFetches(t, u, 13)
}

// Who finds that another request has just fetched the keys pays for no fetch.
func TestKeysUseWhatAnotherRequestFetched(t *testing.T) {
	u := newURI(jwk(p256("a"), "a"))
	token := signedBy(t, jose.ES256, p256("b"), "b")
	var s provider.KeySet
	meanwhile := func() {}
	s = provider.NewKeySet(u.fetch, func() time.Time {
		do := meanwhile
		meanwhile = func() {}
		do()
		return u.Now()
	})
	if err := s.Load(context.Background()); err != nil {
		t.Fatal(err)
	}
	u.publish(jwk(p256("b"), "b"))
	meanwhile = func() { wantVerdict(t, "another request", verdict(t, s, token, fromStranger), "ok") }
	wantVerdict(t, "this request", verdict(t, s, token, fromEndpoint), "ok")
	wantFetches(t, u, 2)
}

// T062, B10.
func TestKeysDoNotFetchForAWrongSignatureUnderAKnownKid(t *testing.T) {
	u := newURI(jwk(p256("a"), "a"))
	s := u.keySet()
	wantVerdict(t, "control", verdict(t, s, signedBy(t, jose.ES256, p256("a"), "a"), fromEndpoint), "ok")
	forged := signedBy(t, jose.ES256, p256("evil"), "a")
	wrongType := signedBy(t, jose.EdDSA, edKey(), "a")
	for i := range 1000 {
		wantVerdict(t, "forged", verdict(t, s, forged, i%2 == 0), "signature")
		wantVerdict(t, "wrong type", verdict(t, s, wrongType, i%2 == 0), "signature")
	}
	wantFetches(t, u, 1)
}

// T063, R05.
func TestKeysFollowARotation(t *testing.T) {
	a, b, c := jwk(p256("a"), "a"), jwk(p256("b"), "b"), jwk(p256("c"), "c")
	tokenA, tokenB, tokenC := signedBy(t, jose.ES256, p256("a"), "a"), signedBy(t, jose.ES256, p256("b"), "b"), signedBy(t, jose.ES256, p256("c"), "c")

	t.Run("with one extra fetch", func(t *testing.T) {
		u := newURI(a)
		s := u.keySet()
		wantVerdict(t, "first key", verdict(t, s, tokenA, fromEndpoint), "ok")
		u.publish(b)
		wantVerdict(t, "second key", verdict(t, s, tokenB, fromEndpoint), "ok")
		wantVerdict(t, "withdrawn key", verdict(t, s, tokenA, fromEndpoint), "signature")
		wantFetches(t, u, 3) // the last because its kid became unknown
	})
	t.Run("both keys published", func(t *testing.T) {
		u := newURI(a, b)
		s := u.keySet()
		wantVerdict(t, "old key", verdict(t, s, tokenA, fromEndpoint), "ok")
		wantVerdict(t, "new key", verdict(t, s, tokenB, fromEndpoint), "ok")
		wantFetches(t, u, 1)
	})
	t.Run("twice in ten seconds", func(t *testing.T) {
		u := newURI(a)
		s := u.keySet()
		wantVerdict(t, "first key", verdict(t, s, tokenA, fromEndpoint), "ok")
		u.publish(b)
		wantVerdict(t, "second key", verdict(t, s, tokenB, fromEndpoint), "ok")
		u.Add(10 * time.Second)
		u.publish(c)
		wantVerdict(t, "third key, back-channel", verdict(t, s, tokenC, fromStranger), "ok")
		wantVerdict(t, "third key", verdict(t, s, tokenC, fromEndpoint), "ok")
		wantFetches(t, u, 3)
	})
	t.Run("under the same kid, after a quarter of an hour", func(t *testing.T) {
		u := newURI(a)
		s := u.keySet()
		wantVerdict(t, "first key", verdict(t, s, tokenA, fromEndpoint), "ok")
		u.publish(jwk(p256("b"), "a"))
		again := signedBy(t, jose.ES256, p256("b"), "a")
		wantVerdict(t, "second key at once", verdict(t, s, again, fromEndpoint), "signature")
		u.Add(15*time.Minute + time.Second)
		wantVerdict(t, "second key later", verdict(t, s, again, fromEndpoint), "ok")
	})
	t.Run("without kid", func(t *testing.T) {
		u := newURI(jwk(p256("a"), ""))
		s := u.keySet()
		wantVerdict(t, "first key", verdict(t, s, signedBy(t, jose.ES256, p256("a"), ""), fromEndpoint), "ok")
		u.publish(jwk(p256("b"), ""))
		wantVerdict(t, "second key", verdict(t, s, signedBy(t, jose.ES256, p256("b"), ""), fromEndpoint), "ok")
		wantFetches(t, u, 2)
	})
}

// T064, B11, R06.
func TestKeysForgetAWithdrawnKey(t *testing.T) {
	token := signedBy(t, jose.ES256, p256("a"), "a")
	loaded := func(t *testing.T) (*jwksURI, provider.KeySet) {
		u := newURI(jwk(p256("a"), "a"))
		s := u.keySet()
		wantVerdict(t, "control", verdict(t, s, token, fromEndpoint), "ok")
		return u, s
	}
	t.Run("a quarter of an hour after it was last seen", func(t *testing.T) {
		u, s := loaded(t)
		u.publish(jwk(p256("b"), "b"))
		u.Add(15 * time.Minute)
		wantVerdict(t, "within", verdict(t, s, token, fromEndpoint), "ok")
		u.Add(time.Second)
		wantVerdict(t, "after", verdict(t, s, token, fromEndpoint), "signature")
		wantFetches(t, u, 2)
	})
	t.Run("a stranger's token too", func(t *testing.T) {
		u, s := loaded(t)
		u.publish(jwk(p256("b"), "b"))
		u.Add(15*time.Minute + time.Second)
		wantVerdict(t, "after", verdict(t, s, token, fromStranger), "signature")
	})
	for name, outage := range map[string]func(*jwksURI){
		"through an outage the last good set serves for a day": func(u *jwksURI) { u.set(nil, errDown) },
		"an empty document is an outage":                       func(u *jwksURI) { u.publish() },
		"a broken document is an outage":                       func(u *jwksURI) { u.set([]byte(`<html>`), nil) },
		"a document without usable keys is an outage":          func(u *jwksURI) { u.publish(jwk(p256("b"), "b", jwkMember{"use": "enc"})) },
	} {
		t.Run(name, func(t *testing.T) {
			u, s := loaded(t)
			outage(u)
			u.Add(time.Hour)
			for range 100 {
				wantVerdict(t, "an hour later", verdict(t, s, token, fromEndpoint), "ok")
			}
			wantVerdict(t, "a forged token", verdict(t, s, signedBy(t, jose.ES256, p256("evil"), "a"), fromEndpoint), "signature")
			wantVerdict(t, "an unknown kid", verdict(t, s, signedBy(t, jose.ES256, p256("evil"), "new"), fromEndpoint), "unavailable")
			wantFetches(t, u, 3)
			u.Add(23 * time.Hour)
			wantVerdict(t, "a day later", verdict(t, s, token, fromEndpoint), "ok")
			u.Add(time.Second)
			wantVerdict(t, "more than a day later", verdict(t, s, token, fromEndpoint), "unavailable")
			u.publish(jwk(p256("a"), "a"))
			u.Add(30 * time.Second)
			wantVerdict(t, "healed", verdict(t, s, token, fromEndpoint), "ok")
		})
	}
	t.Run("also when the clock is put back", func(t *testing.T) {
		u, s := loaded(t)
		u.publish(jwk(p256("b"), "b"))
		u.Add(-time.Hour)
		wantVerdict(t, "an hour before", verdict(t, s, token, fromEndpoint), "signature")
	})
}

func TestKeysUnavailable(t *testing.T) {
	token := signedBy(t, jose.ES256, p256("a"), "a")
	u := newURI()
	u.set(nil, errDown)
	s := u.keySet()
	for range 100 {
		wantVerdict(t, "from a stranger", verdict(t, s, token, fromStranger), "unavailable")
	}
	wantFetches(t, u, 2)
	for range 100 {
		wantVerdict(t, "from the token endpoint", verdict(t, s, token, fromEndpoint), "unavailable")
	}
	wantFetches(t, u, 4)

	_, err := s.Verify(context.Background(), token, pinned, fromEndpoint)
	var unavailable *provider.Unavailable
	if !errors.As(err, &unavailable) || unavailable.Retry != 30*time.Second || !errors.Is(err, errDown) {
		t.Errorf("got %v (%+v)", err, unavailable)
	}
	if errors.Is(err, provider.ErrInvalid) {
		t.Error("an outage is taken for a forgery")
	}
	u.publish(jwk(p256("a"), "a"))
	u.Add(29 * time.Second)
	wantVerdict(t, "before the next try", verdict(t, s, token, fromEndpoint), "unavailable")
	u.Add(time.Second)
	wantVerdict(t, "healed", verdict(t, s, token, fromEndpoint), "ok")
}

func TestKeysBudgetSurvivesAClockPutBack(t *testing.T) {
	u := newURI()
	u.set(nil, errDown)
	s := u.keySet()
	token := signedBy(t, jose.ES256, p256("a"), "a")
	for range 3 {
		verdict(t, s, token, fromEndpoint)
	}
	wantFetches(t, u, 2)
	u.Add(-24 * time.Hour)
	u.publish(jwk(p256("a"), "a"))
	wantVerdict(t, "a day before", verdict(t, s, token, fromEndpoint), "ok")
}

// R21, R22.
func TestKeysAreFetchedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newURI(jwk(p256("a"), "a"))
		gate := make(chan struct{})
		s := provider.NewKeySet(func(ctx context.Context) ([]byte, error) {
			b, err := u.fetch(ctx)
			<-gate
			return b, errors.Join(err, ctx.Err())
		}, u.Now)
		token := signedBy(t, jose.ES256, p256("a"), "a")

		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Verify(ctx, token, pinned, fromEndpoint); !errors.Is(err, context.Canceled) || errors.Is(err, provider.ErrInvalid) || !errors.Is(err, provider.ErrUnavailable) {
				t.Errorf("the request that went away: %v", err)
			}
		})
		synctest.Wait()
		for i := range 50 {
			wg.Go(func() { wantVerdict(t, "waiting", verdict(t, s, token, i%2 == 0), "ok") })
		}
		synctest.Wait()
		cancel() // by the one that started the fetch
		synctest.Wait()
		close(gate)
		wg.Wait()
		wantFetches(t, u, 1)
	})
}

func TestKeysFetchHasADeadlineOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := provider.NewKeySet(func(ctx context.Context) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}, time.Now)
		started := time.Now()
		wantVerdict(t, "silent provider", verdict(t, s, signedBy(t, jose.ES256, p256("a"), "a"), fromEndpoint), "unavailable")
		if took := time.Since(started); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A fetch that began before the token came may miss its key.
func TestKeysDoNotTrustAFetchThatBeganTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newURI(jwk(p256("a"), "a"))
		gate := make(chan struct{}, 10)
		s := provider.NewKeySet(func(ctx context.Context) ([]byte, error) {
			defer func() { <-gate }()
			return u.fetch(ctx)
		}, u.Now)
		gate <- struct{}{}
		wantVerdict(t, "loaded", verdict(t, s, signedBy(t, jose.ES256, p256("a"), "a"), fromEndpoint), "ok")

		go verdict(t, s, signedBy(t, jose.ES256, p256("evil"), "evil"), fromStranger)
		synctest.Wait() // its fetch has read the old document and hangs
		u.publish(jwk(p256("b"), "b"))
		login := make(chan string)
		go func() { login <- verdict(t, s, signedBy(t, jose.ES256, p256("b"), "b"), fromEndpoint) }()
		synctest.Wait()
		gate <- struct{}{}
		gate <- struct{}{}
		wantVerdict(t, "rotated meanwhile", <-login, "ok")
		wantFetches(t, u, 3)
	})
}

func TestKeysOutliveAPanicOfTheTransport(t *testing.T) {
	s := provider.NewKeySet(func(context.Context) ([]byte, error) { panic("secret") }, time.Now)
	_, err := s.Verify(context.Background(), signedBy(t, jose.ES256, p256("a"), "a"), pinned, fromEndpoint)
	if !errors.Is(err, provider.ErrUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestKeysLoadAndWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newURI(jwk(p256("a"), "a"), jwk(p256("b"), "b"))
		gate := make(chan struct{})
		s := provider.NewKeySet(func(ctx context.Context) ([]byte, error) {
			<-gate
			return u.fetch(ctx)
		}, u.Now)
		s.Wait(context.Background()) // nothing is under way
		if s.Count() != 0 {
			t.Errorf("%d keys before the first fetch", s.Count())
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Load(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		s.Wait(ctx) // does not wait longer than it may
		waited := make(chan struct{})
		go func() { s.Wait(context.Background()); close(waited) }()
		synctest.Wait()
		select {
		case <-waited:
			t.Error("did not wait for the fetch")
		default:
		}
		close(gate)
		<-waited
		if s.Count() != 2 {
			t.Errorf("%d keys", s.Count())
		}
		if err := s.Load(context.Background()); err != nil {
			t.Error(err)
		}
		wantFetches(t, u, 1)
		u.set(nil, errDown)
		u.Add(time.Hour)
		if err := s.Load(context.Background()); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
		if s.Count() != 2 {
			t.Errorf("%d keys in an outage", s.Count())
		}
	})
}

// T065, T037.
func TestParseKeys(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	modulus := func(bits uint) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return encode(n.SetBit(n, 0, 1).Bytes())
	}
	good := jwk(p256("good"), "good")
	private := func() jwkMember {
		b, _ := json.Marshal(jose.JSONWebKey{Key: p256("private"), KeyID: "p"})
		var m jwkMember
		_ = json.Unmarshal(b, &m)
		return m
	}()
	for _, tt := range []struct {
		name string
		key  jwkMember
		kept bool
	}{
		{"an EC key", jwk(p256("a"), "a"), true},
		{"an RSA key", jwk(rsaKey(), "a"), true},
		{"an Ed25519 key", jwk(edKey(), "a"), true},
		{"for signatures", jwk(p256("a"), "a", jwkMember{"use": "sig", "key_ops": []string{"verify"}, "alg": "ES256"}), true},
		{"with members nobody knows", jwk(p256("a"), "a", jwkMember{"issuer": "x", "x": jwk(p256("a"), "a")["x"], "exp": 7}), true},
		{"with a broken certificate", jwk(p256("a"), "a", jwkMember{"x5c": []string{"MIIB"}, "x5t": "!", "x5u": "::"}), true},
		{"for encryption", jwk(p256("a"), "a", jwkMember{"use": "enc"}), false},
		{"for an unknown use", jwk(p256("a"), "a", jwkMember{"use": "Sig"}), false},
		{"use is no string", jwk(p256("a"), "a", jwkMember{"use": []string{"sig"}}), false},
		{"for other operations", jwk(p256("a"), "a", jwkMember{"key_ops": []string{"encrypt", "sign"}}), false},
		{"alg of encryption", jwk(rsaKey(), "a", jwkMember{"alg": "RSA-OAEP"}), false},
		{"alg of another type", jwk(rsaKey(), "a", jwkMember{"alg": "ES256"}), false},
		{"alg of another curve", jwk(p256("a"), "a", jwkMember{"alg": "ES384"}), false},
		{"alg unknown", jwk(p256("a"), "a", jwkMember{"alg": "ES256K"}), false},
		{"alg symmetric", jwk(rsaKey(), "a", jwkMember{"alg": "HS256"}), false},
		{"alg none", jwk(rsaKey(), "a", jwkMember{"alg": "none"}), false},
		{"kid is a number", jwk(p256("a"), "a", jwkMember{"kid": 1}), false},
		{"kid of 2 kB", jwk(p256("a"), strings.Repeat("k", 2000)), false},
		{"symmetric", jwkMember{"kty": "oct", "kid": "a", "k": "AAAA"}, false},
		{"private", private, false},
		{"private RSA, d alone", jwk(rsaKey(), "a", jwkMember{"d": "AQAB"}), false},
		{"kty unknown", jwkMember{"kty": "AKP", "kid": "a", "pub": "AAAA"}, false},
		{"kty missing", jwk(p256("a"), "a", jwkMember{"kty": nil}), false},
		{"kty in lower case", jwk(p256("a"), "a", jwkMember{"kty": "ec"}), false},
		{"curve unknown", jwk(p256("a"), "a", jwkMember{"crv": "secp256k1"}), false},
		{"Ed448", jwkMember{"kty": "OKP", "crv": "Ed448", "x": modulus(456)}, false},
		{"X25519", jwk(edKey(), "a", jwkMember{"crv": "X25519"}), false},
		{"Ed25519 cut short", jwk(edKey(), "a", jwkMember{"x": "AAAA"}), false},
		{"Ed25519 too long", jwk(edKey(), "a", jwkMember{"x": modulus(264)}), false},
		{"a point off the curve", jwk(p256("a"), "a", jwkMember{"y": jwk(p256("b"), "b")["y"]}), false},
		{"half a point", jwk(p256("a"), "a", jwkMember{"y": nil}), false},
		{"x is no base64url", jwk(p256("a"), "a", jwkMember{"x": "+/"}), false},
		{"RSA of 512 bits", jwk(rsaKey(), "a", jwkMember{"n": modulus(512)}), false},
		{"RSA of 2047 bits", jwk(rsaKey(), "a", jwkMember{"n": modulus(2047)}), false},
		{"RSA of 16385 bits", jwk(rsaKey(), "a", jwkMember{"n": modulus(16385)}), false},
		{"RSA with an even modulus", jwk(rsaKey(), "a", jwkMember{"n": encode(new(big.Int).Lsh(big.NewInt(1), 2047).Bytes())}), false},
		{"RSA with exponent 1", jwk(rsaKey(), "a", jwkMember{"e": "AQ"}), false},
		{"RSA with exponent 0", jwk(rsaKey(), "a", jwkMember{"e": "AA"}), false},
		{"RSA with an exponent of 2048 bits", jwk(rsaKey(), "a", jwkMember{"e": modulus(2048)}), false},
		{"RSA without exponent", jwk(rsaKey(), "a", jwkMember{"e": nil}), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, keys := range [][]jwkMember{{good, tt.key}, {tt.key, good}} {
				kept, err := provider.ParseKeys(keyDocument(keys...))
				if err != nil {
					t.Fatal(err)
				}
				if got := len(kept) == 2; got != tt.kept {
					t.Errorf("kept %v, want %v", got, tt.kept)
				}
			}
			if _, err := provider.ParseKeys(keyDocument(tt.key)); (err == nil) != tt.kept {
				t.Errorf("alone: %v", err)
			}
		})
	}
	usable := strings.TrimSuffix(strings.TrimPrefix(string(keyDocument(good)), `{"keys":[`), `]}`)
	for _, tt := range []struct {
		name, text string
		kept       int // 0: an error
	}{
		{"a number among the keys", `{"keys":[1,` + usable + `]}`, 1},
		{"null among the keys", `{"keys":[null,` + usable + `]}`, 1},
		{"a key with a member twice", `{"keys":[{"kty":"oct",` + usable[1:] + `,` + usable + `]}`, 1},
		{"other members", `{"x":{"keys":[]},"keys":[` + usable + `]}`, 1},
		{"keys twice", `{"keys":[` + usable + `],"keys":[` + usable + `]}`, 0},
		{"keys twice, escaped", `{"keys":[` + usable + `],"\u006beys":[` + usable + `]}`, 0},
		{"something behind", `{"keys":[` + usable + `]}{}`, 0},
		{"no keys", `{"keys":[]}`, 0},
		{"keys null", `{"keys":null}`, 0},
		{"keys an object", `{"keys":{}}`, 0},
		{"keys in capitals", `{"KEYS":[` + usable + `]}`, 0},
		{"no object", `[` + usable + `]`, 0},
		{"one key, not a set", usable, 0},
		{"null", `null`, 0},
		{"HTML", `<html></html>`, 0},
		{"nothing", ``, 0},
		{"cut short", `{"keys":[` + usable, 0},
		{"10 000 keys", `{"keys":[` + strings.Repeat(usable+",", 9999) + usable + `]}`, 100},
		{"rubbish first", `{"keys":[` + strings.Repeat(`{},`, 999) + usable + `]}`, 1},
		{"too much rubbish first", `{"keys":[` + strings.Repeat(`{},`, 1000) + usable + `]}`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kept, err := provider.ParseKeys([]byte(tt.text))
			if len(kept) != tt.kept || (err == nil) != (tt.kept > 0) {
				t.Errorf("kept %d, %v", len(kept), err)
			}
		})
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add(keyDocument(jwk(rsaKey(), "r", jwkMember{"alg": "RS256", "use": "sig"}), jwk(p256("a"), "e"), jwk(edKey(), "o")))
	f.Add(keyDocument(jwkMember{"kty": "oct", "k": "AAAA"}))
	f.Add([]byte(`{"keys":[null,1,{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := provider.ParseKeys(b)
		if (err == nil) != (len(keys) > 0) || len(keys) > 100 {
			t.Fatalf("%d keys, %v", len(keys), err)
		}
		for _, key := range keys {
			switch key := key.(type) {
			case *rsa.PublicKey:
				if key.N.BitLen() < 2048 || key.E < 3 {
					t.Fatalf("RSA key of %d bits, exponent %d", key.N.BitLen(), key.E)
				}
			case *ecdsa.PublicKey:
				if _, err := key.ECDH(); err != nil {
					t.Fatal(err)
				}
			case ed25519.PublicKey:
				if len(key) != ed25519.PublicKeySize {
					t.Fatalf("Ed25519 key of %d bytes", len(key))
				}
			default:
				t.Fatalf("kept a %T", key)
			}
		}
	})
}

// Whatever a stranger sends, only what the key signed is returned, and no
// fetch is made beyond the budget.
func FuzzVerify(f *testing.F) {
	good := signedBy(f, jose.ES256, p256("a"), "a")
	f.Add(good)
	f.Add(signedBy(f, jose.ES256, p256("evil"), "a"))
	f.Add(signedBy(f, jose.RS256, rsaKey(), ""))
	f.Add(signedBy(f, jose.HS256, []byte("a published secret of 32 bytes!!"), "x"))
	f.Add(`{"payload":"","signatures":[]}`)
	f.Add("....")
	u := newURI(jwk(p256("a"), "a"), jwk(p256("b"), ""))
	s := u.keySet()
	f.Fuzz(func(t *testing.T, token string) {
		payload, err := s.Verify(context.Background(), token, pinned, fromStranger)
		switch {
		case err == nil && string(payload) != `{"sub":"1"}`:
			t.Fatalf("accepted %q", payload)
		case err != nil && !errors.Is(err, provider.ErrInvalid):
			t.Fatal(err)
		}
		if u.count() > 2 {
			t.Fatalf("%d fetches", u.count())
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	for name, key := range map[jose.SignatureAlgorithm]crypto.Signer{jose.RS256: rsaKey(), jose.ES256: p256("a"), jose.EdDSA: edKey()} {
		b.Run(string(name), func(b *testing.B) {
			s := newURI(jwk(p256("b"), "b"), jwk(key, "k")).keySet()
			token := signedBy(b, name, key, "k")
			b.ReportAllocs()
			for b.Loop() {
				if got := verdict(b, s, token, fromEndpoint); got != "ok" {
					b.Fatal(got)
				}
			}
		})
	}
}
