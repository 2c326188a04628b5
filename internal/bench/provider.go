package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fakeProvider answers at once and remembers nothing: a code is the nonce that
// its ID token is to have.
type fakeProvider struct {
	*httptest.Server
	signer     jose.Signer
	keys       []byte
	tokenCalls atomic.Int64
	jwksCalls  atomic.Int64
}

func newProvider() *fakeProvider { return newProviderAt("127.0.0.1:0") }

func newProviderAt(addr string) *fakeProvider {
	p := &fakeProvider{}
	p.use(newKey("k1"))
	mux := http.NewServeMux()
	answer := func(path string, body func(r *http.Request) []byte) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(body(r))
		})
	}
	answer("/.well-known/openid-configuration", func(r *http.Request) []byte {
		return fmt.Appendf(nil, `{"issuer": %q, "authorization_endpoint": "%[2]s/authorize", "token_endpoint": "%[2]s/token", "jwks_uri": "%[2]s/jwks", "userinfo_endpoint": "%[2]s/userinfo",
			"response_types_supported": ["code"], "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
			"token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"]}`, p.URL, p.URL)
	})
	answer("/jwks", func(*http.Request) []byte { p.jwksCalls.Add(1); return p.keys })
	answer("/token", func(r *http.Request) []byte {
		p.tokenCalls.Add(1)
		return must(json.Marshal(map[string]any{
			"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "a-refresh-token", "id_token": p.idToken(r.FormValue("code")),
		}))
	})
	answer("/userinfo", func(*http.Request) []byte { return []byte(`{"sub": "alice", "name": "Alice Archer"}`) })
	p.Server = httptest.NewUnstartedServer(mux)
	check(p.Listener.Close())
	p.Listener = must(net.Listen("tcp", addr))
	p.Start()
	return p
}

func newKey(id string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), KeyID: id, Algorithm: "ES256", Use: "sig"}
}

// use signs with another key from now on, while nothing is under way.
func (p *fakeProvider) use(jwk jose.JSONWebKey) {
	p.signer = must(jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil))
	p.keys = must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}))
}

func (p *fakeProvider) idToken(nonce string) string {
	now := time.Now()
	claims := map[string]any{
		"iss": p.URL, "sub": "alice", "aud": "app", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"name": "Alice Archer", "email": "alice@example.com", "email_verified": true, "roles": []string{"reader", "admin"},
	}
	if nonce != "" && nonce != "none" {
		claims["nonce"] = nonce
	}
	return must(must(p.signer.Sign(must(json.Marshal(claims)))).CompactSerialize())
}

// signsIn is where the provider sends the browser that came by an
// authorization URL.
func signsIn(location string) string {
	q := must(url.Parse(location)).Query()
	nonce := q.Get("nonce")
	if nonce == "" {
		nonce = "none"
	}
	back := must(url.Parse(q.Get("redirect_uri")))
	answer := back.Query()
	answer.Set("code", nonce)
	answer.Set("state", q.Get("state"))
	back.RawQuery = answer.Encode()
	return back.String()
}
