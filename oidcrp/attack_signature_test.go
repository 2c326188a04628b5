package oidcrp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func pinned(algorithms ...string) func(*oidcrp.Config) {
	return func(c *oidcrp.Config) { c.Providers[0].Algorithms = algorithms }
}

// algNone are ways to say that a token is not signed.
var algNone = []forgery{
	{"none", "serialization", unsigned("none")},
	{"None", "serialization", unsigned("None")},
	{"nOnE", "serialization", unsigned("nOnE")},
	{"none, signed", "alg", onHeader(map[string]any{"alg": "none"}, nil)},
	{"nOnE, signed", "alg", onHeader(map[string]any{"alg": "nOnE"}, nil)},
	{"none with a blank", "alg", onHeader(map[string]any{"alg": "none "}, nil)},
	{"missing", "alg", onHeader(map[string]any{"alg": nil}, nil)},
	{"empty", "alg", onHeader(map[string]any{"alg": ""}, nil)},
	{"null", "alg", onHeader(map[string]any{"alg": json.RawMessage("null")}, nil)},
	{"an array", "alg", onHeader(map[string]any{"alg": []string{"RS256"}}, nil)},
	{"twice", "header", onText(func(token string) string {
		return b64([]byte(`{"alg":"RS256","alg":"none"}`)) + token[strings.Index(token, "."):]
	})},
	{"in capitals", "header", onHeader(map[string]any{"Alg": "none"}, nil)},
	{"empty signature", "serialization", onHeader(nil, func(*oidcrptest.IDToken, []byte) []byte { return nil })},
	{"no signature", "serialization", onText(func(token string) string { return token[:strings.LastIndex(token, ".")] })},
}

func unsigned(alg string) oidcrptest.Fault {
	return oidcrptest.Fault{Name: alg, IDToken: func(t *oidcrptest.IDToken) {
		t.Header = map[string]any{"alg": alg}
		t.Sign = func([]byte) []byte { return nil }
	}}
}

func unsignedTokens(t *testing.T) { forged(tokenTrial{}, algNone...)(t) }

func unsignedLogoutTokens(t *testing.T) {
	a := newTold(t, nil)
	b := a.signIn()
	for _, f := range algNone {
		if f.fault.IDToken == nil {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			a.op.SetFaults(oidcrptest.OnLogoutToken(f.fault))
			if sent := a.logout("alice", ""); sent.Status != http.StatusBadRequest || sent.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %+v", sent)
			}
			if who := a.on(a.sessionCookie(b)); who != "alice" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
	a.op.SetFaults()
	if sent := a.logout("alice", ""); sent.Status != http.StatusOK || a.on(a.sessionCookie(b)) != "nobody" {
		t.Errorf("a signed one was answered %+v", sent)
	}
}

func noOptionForUnsigned(t *testing.T) {
	for _, algorithms := range [][]string{{"none"}, {"None"}, {"RS256", "none"}, {""}} {
		_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Logger: quiet, Providers: []oidcrp.Provider{{
			Issuer: "https://op.example", ClientID: "c", ClientSecret: "a secret", Algorithms: algorithms,
		}}})
		if err == nil || !strings.Contains(err.Error(), "Algorithms") {
			t.Errorf("%q: %v", algorithms, err)
		}
	}
}

func publicKeyAsSecret(t *testing.T) {
	// The key is that of a provider that serves all trials.
	var raw []byte
	look := oidcrptest.Fault{Name: "look", JWKS: func(doc map[string]any) {
		for _, k := range doc["keys"].([]any) {
			if k := k.(map[string]any); k["kty"] == "RSA" {
				raw, _ = json.Marshal(k)
			}
		}
	}}
	with := func(secret func(*rsa.PublicKey) []byte) oidcrptest.Fault {
		return onHeader(map[string]any{"alg": "HS256"}, func(_ *oidcrptest.IDToken, input []byte) []byte {
			var jwk jose.JSONWebKey
			if err := json.Unmarshal(raw, &jwk); err != nil {
				panic(err)
			}
			return hs256(secret(jwk.Key.(*rsa.PublicKey)), input)
		})
	}
	spki := func(k *rsa.PublicKey) []byte {
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			panic(err)
		}
		return der
	}
	armoured := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	forged(tokenTrial{base: []oidcrptest.Fault{look}},
		forgery{"PEM", "alg", with(func(k *rsa.PublicKey) []byte { return armoured("PUBLIC KEY", spki(k)) })},
		forgery{"PEM without its last line break", "alg", with(func(k *rsa.PublicKey) []byte {
			return []byte(strings.TrimSpace(string(armoured("PUBLIC KEY", spki(k)))))
		})},
		forgery{"DER", "alg", with(spki)},
		forgery{"PKCS #1 PEM", "alg", with(func(k *rsa.PublicKey) []byte { return armoured("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(k)) })},
		forgery{"PKCS #1 DER", "alg", with(x509.MarshalPKCS1PublicKey)},
		forgery{"JWK", "alg", with(func(*rsa.PublicKey) []byte { return raw })},
		forgery{"modulus", "alg", with(func(k *rsa.PublicKey) []byte { return k.N.Bytes() })},
		forgery{"nothing", "alg", with(func(*rsa.PublicKey) []byte { return nil })},
	)(t)
}

func hs256(secret, input []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write(input)
	return m.Sum(nil)
}

func clientSecretSigns(t *oidcrptest.IDToken, input []byte) []byte {
	return hs256([]byte(t.Client.Secret), input)
}

// trap is a server that must not be called.
func trap(t *testing.T, answer string) (url string, calls *atomic.Int32) {
	t.Helper()
	calls = &atomic.Int32{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, answer)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, calls
}

// ownKey is a key of an attacker's, and what signs by it.
func ownKey(t *testing.T) (*ecdsa.PrivateKey, func([]byte) []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k, func(input []byte) []byte {
		digest, sig := sha256.Sum256(input), make([]byte, 64)
		r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
		if err != nil {
			panic(err)
		}
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return sig
	}
}

func keysInHeaders(t *testing.T) {
	private, sign := ownKey(t)
	public := jose.JSONWebKey{Key: private.Public(), KeyID: "mine", Algorithm: "ES256", Use: "sig"}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public}})
	if err != nil {
		t.Fatal(err)
	}
	address, calls := trap(t, string(set))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "op"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	var all []forgery
	for name, value := range map[string]any{"jwk": public, "jku": address + "/keys", "x5u": address + "/chain", "x5c": [][]byte{der}} {
		mine := map[string]any{name: value, "alg": "ES256", "kid": "mine"}
		all = append(all,
			forgery{name + " of the signer", name, onHeader(mine, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })},
			forgery{name + " beside a good signature", name, oidcrptest.IDTokenHeader(name, value)},
			forgery{name + " in capitals", "signature", onHeader(map[string]any{strings.ToUpper(name): value, "alg": "ES256"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })})
	}
	forged(tokenTrial{}, all...)(t)
	if n := calls.Load(); n != 0 {
		t.Errorf("the address in a header was called %d times", n)
	}
}

func algorithmsNotPinned(t *testing.T) {
	listed := oidcrptest.MetadataField("id_token_signing_alg_values_supported", []string{"none", "HS256", "RS256", "ES256"})
	t.Run("listed in the metadata", forged(tokenTrial{base: []oidcrptest.Fault{listed}},
		forgery{"none", "serialization", oidcrptest.AlgNone},
		forgery{"HS256", "alg", oidcrptest.HMACWithClientSecret}))
	t.Run("not listed in the metadata", forged(tokenTrial{base: []oidcrptest.Fault{oidcrptest.OnlyRS256}},
		forgery{"ES256", "alg", onHeader(map[string]any{"alg": "ES256"}, nil)}))
	t.Run("listed, and another pinned", forged(tokenTrial{base: []oidcrptest.Fault{listed}, settings: pinned("ES256"), algorithm: "ES256"},
		forgery{"RS256", "alg", oidcrptest.SignedByRS256}))
}

// keysNotForIt publishes keys that must not be used for what signs by them.
func keysNotForIt(t *testing.T) {
	private, sign := ownKey(t)
	jwk := func(id string, change map[string]any) map[string]any {
		b, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), KeyID: id})
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		for name, value := range change {
			m[name] = value
		}
		return m
	}
	tiny := tinyKey(t)
	publish := oidcrptest.Fault{Name: "publish", JWKS: func(doc map[string]any) {
		doc["keys"] = append(doc["keys"].([]any),
			jwk("encryption", map[string]any{"use": "enc"}),
			jwk("operations", map[string]any{"key_ops": []string{"encrypt"}}),
			jwk("another alg", map[string]any{"alg": "ES384"}),
			jwk("right", nil),
			map[string]any{"kty": "RSA", "kid": "tiny", "use": "sig", "n": b64(tiny.N.Bytes()), "e": "AQAB"},
		)
		oidcrptest.WeakKey.JWKS(doc)
	}}
	by := func(kid string) oidcrptest.Fault {
		return onHeader(map[string]any{"alg": "ES256", "kid": kid}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })
	}
	forged(tokenTrial{base: []oidcrptest.Fault{publish}, strange: true},
		forgery{"for signatures", "", by("right")},
		forgery{"for encryption", "signature", by("encryption")},
		forgery{"for other operations", "signature", by("operations")},
		forgery{"for another algorithm", "signature", by("another alg")},
		forgery{"ES256 under the kid of an RSA key", "signature", onHeader(map[string]any{"alg": "ES256"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })},
		forgery{"RS256 under the kid of an EC key", "signature", onHeader(map[string]any{"kid": "right"}, nil)},
		forgery{"PS256 signature called RS256", "signature", onHeader(map[string]any{"alg": "PS256"}, nil)},
		forgery{"RSA of 512 bits", "signature", onHeader(map[string]any{"kid": "tiny"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return tiny.sign(input) })},
		forgery{"RSA of 1024 bits", "signature", oidcrptest.WeakKey},
	)(t)
}

// tiny is an RSA key of 512 bits, for which crypto/rsa is too careful.
type tiny struct{ N, D *big.Int }

func tinyKey(t *testing.T) tiny {
	t.Helper()
	one, e := big.NewInt(1), big.NewInt(65537)
	for {
		p, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			t.Fatal(err)
		}
		q, err := rand.Prime(rand.Reader, 256)
		if err != nil {
			t.Fatal(err)
		}
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(e, phi); d != nil && p.Cmp(q) != 0 {
			return tiny{new(big.Int).Mul(p, q), d}
		}
	}
}

// sign is RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 8.2).
func (k tiny) sign(input []byte) []byte {
	prefix := []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}
	digest := sha256.Sum256(input)
	encoded := append(prefix, digest[:]...)
	block := make([]byte, 64)
	for i := range block {
		block[i] = 0xff
	}
	block[0], block[1], block[63-len(encoded)] = 0, 1, 0
	copy(block[64-len(encoded):], encoded)
	return new(big.Int).Exp(new(big.Int).SetBytes(block), k.D, k.N).FillBytes(make([]byte, 64))
}
