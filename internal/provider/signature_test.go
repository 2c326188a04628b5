package provider_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// makeSignature signs by one algorithm, whatever the header names.
func makeSignature(t *testing.T, alg string, key any, signed string) []byte {
	t.Helper()
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[strings.TrimLeft(alg, "RSPEH")]
	var digest []byte
	if hash != 0 {
		h := hash.New()
		h.Write([]byte(signed))
		digest = h.Sum(nil)
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		var options crypto.SignerOpts = hash
		if alg[0] == 'P' {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		signature, err := key.Sign(rand.Reader, digest, options)
		if err != nil {
			t.Fatal(err)
		}
		return signature
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(signed))
	}
	mac := hmac.New(hash.New, key.([]byte))
	mac.Write([]byte(signed))
	return mac.Sum(nil)
}

// A signature is good for the key and the algorithm it was made with, to the
// last bit, and for nothing else (RFC 7515 5.2).
func TestSignatures(t *testing.T) {
	secret := []byte(strings.Repeat("a secret", 8))
	makers := map[string]any{
		"RS256": rsaKey(), "RS384": rsaKey(), "RS512": rsaKey(), "PS256": rsaKey(), "PS384": rsaKey(), "PS512": rsaKey(),
		"ES256": p256("a"), "ES384": ecKey("a", elliptic.P384()), "ES512": ecKey("a", elliptic.P521()),
		"EdDSA": edKey(), "HS256": secret, "HS384": secret, "HS512": secret,
	}
	encode := base64.RawURLEncoding.EncodeToString
	payload := encode([]byte(`{"sub":"1"}`))
	public := func(key any) any {
		if signer, ok := key.(crypto.Signer); ok {
			return signer.Public()
		}
		return key
	}
	verifies := func(signed string, signature []byte, key any) bool {
		t.Helper()
		ok, err := provider.Verifies(signed+"."+encode(signature), key)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	headers := []string{"ES256K", "RS1", "RS128", "XX256", "Ed25519", "es256", "256", "HS2566", "H"}
	for alg := range makers {
		headers = append(headers, alg)
	}
	for alg, key := range makers {
		t.Run(alg, func(t *testing.T) {
			// One that go-jose made.
			signed, text := cutLast(signedBy(t, jose.SignatureAlgorithm(alg), key, "k"))
			signature, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil || !verifies(signed, signature, public(key)) {
				t.Fatalf("its own key does not verify it: %v", err)
			}
			for other, otherKey := range makers {
				if same := sameKey(public(key), public(otherKey)); verifies(signed, signature, public(otherKey)) != same {
					t.Errorf("with the key of %s: want %v", other, same)
				}
			}
			for _, header := range headers {
				signed := encode([]byte(`{"alg":"`+header+`"}`)) + "." + payload
				if verifies(signed, makeSignature(t, alg, key, signed), public(key)) != (header == alg) {
					t.Errorf("said to be made by %s: %v", header, header != alg)
				}
			}
			half := len(signature) / 2
			for what, changed := range map[string][]byte{
				"a bit of the first byte": append([]byte{signature[0] ^ 1}, signature[1:]...),
				"a bit of the last byte":  append(bytes.Clone(signature[:len(signature)-1]), signature[len(signature)-1]^1),
				"a byte less":             signature[:len(signature)-1],
				"a byte more":             append(bytes.Clone(signature), 0),
				"a zero in the middle":    slices.Concat(signature[:half], []byte{0}, signature[half:]), // ECDSA: the same two numbers
				"the halves exchanged":    slices.Concat(signature[half:], signature[:half]),
				"nothing but zeros":       make([]byte, len(signature)),
				"one byte":                {1},
			} {
				if verifies(signed, changed, public(key)) {
					t.Errorf("verifies with %s", what)
				}
			}
			header, _, _ := strings.Cut(signed, ".")
			if verifies(header+"."+encode([]byte(`{"sub":"2"}`)), signature, public(key)) {
				t.Error("verifies another payload")
			}
			for _, none := range []any{nil, "", []byte(nil)} {
				if verifies(signed, signature, none) {
					t.Errorf("verifies with %v", none)
				}
			}
		})
	}
}

func sameKey(a, b any) bool {
	if secret, ok := a.([]byte); ok {
		other, ok := b.([]byte)
		return ok && bytes.Equal(secret, other)
	}
	key, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key.Equal(b)
}

func cutLast(token string) (signed, signature string) {
	i := strings.LastIndexByte(token, '.')
	return token[:i], token[i+1:]
}
