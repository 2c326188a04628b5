package provider_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// BenchmarkIDToken verifies an ID token of a usual size, keys known, beside
// what go-oidc alone does to it.
func BenchmarkIDToken(b *testing.B) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		alg jose.SignatureAlgorithm
		key crypto.Signer
	}{{jose.RS256, rsaKey}, {jose.ES256, ecKey}, {jose.EdDSA, edKey}} {
		now := time.Now()
		claims, err := json.Marshal(map[string]any{
			"iss": "https://op.example", "sub": "alice", "aud": "c", "nonce": theNonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
			"sid": "0123456789abcdef", "auth_time": now.Unix(), "acr": "1", "amr": []string{"pwd"}, "name": "Alice Example", "email": "alice@example.com",
			"email_verified": true, "preferred_username": "alice", "groups": []string{"staff", "admin", "reports"},
		})
		if err != nil {
			b.Fatal(err)
		}
		token := signWith(jose.SigningKey{Algorithm: bb.alg, Key: jose.JSONWebKey{Key: bb.key, KeyID: "k1"}}, nil, string(claims))
		keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: bb.key.Public(), KeyID: "k1", Algorithm: string(bb.alg), Use: "sig"}}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(string(bb.alg)+"/ours", func(b *testing.B) { benchmarkOurs(b, token, string(keys)) })
		b.Run(string(bb.alg)+"/go-oidc", func(b *testing.B) {
			f := newFake(b)
			f.handle("/jwks", respond(200, "application/json", string(keys)))
			v := oidc.NewVerifier("https://op.example", oidc.NewRemoteKeySet(context.Background(), f.URL+"/jwks"),
				&oidc.Config{ClientID: "c", SupportedSigningAlgs: []string{string(bb.alg)}})
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(context.Background(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchmarkOurs(b *testing.B, token, keys string) {
	f := newFake(b)
	f.handle("/jwks", respond(200, "application/json", keys))
	s := valid()
	s.Endpoints = provider.Endpoints{Authorization: f.URL + "/authorize", Token: f.URL + "/token", JWKS: f.URL + "/jwks"}
	p, err := provider.New(s)
	if err != nil {
		b.Fatal(err)
	}
	e := provider.Expected{Nonce: theNonce, Started: time.Now().Add(-time.Second)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := provider.VerifyIDToken(context.Background(), p, token, e); err != nil {
			b.Fatal(err)
		}
	}
}
