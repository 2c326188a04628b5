package oidcrp_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// strict is a provider of a few lines. It answers every authorization request
// at once as alice, and leaves to the test what a request must be like.
type strict struct {
	*httptest.Server
	t   *testing.T
	key *ecdsa.PrivateKey

	metadata  map[string]any                               // beside the endpoints
	authorize func(q url.Values) (url.Values, error)       // the request's parameters; nil: those of the query
	client    func(form url.Values, r *http.Request) error // authenticates the client
	handle    map[string]http.HandlerFunc                  // further endpoints

	mu     sync.Mutex
	nonces map[string]string // by code
	calls  map[string]int
}

func newStrict(t *testing.T) *strict {
	t.Helper()
	s := &strict{t: t, key: newKey(t), nonces: map[string]string{}, calls: map[string]int{}, handle: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewUnstartedServer(s)
	t.Cleanup(s.Close)
	return s
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *strict) called(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[path]
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.calls[r.URL.Path]++
	s.mu.Unlock()
	if h := s.handle[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/jwks"}
		for name, value := range s.metadata {
			m[name] = value
		}
		sendJSON(w, http.StatusOK, m)
	case "/jwks":
		sendJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.Public(), KeyID: "op", Use: "sig"}}})
	case "/authorize":
		q, err := r.URL.Query(), error(nil)
		if s.authorize != nil {
			q, err = s.authorize(q)
		}
		if err != nil {
			http.Error(w, "authorize: "+err.Error(), http.StatusBadRequest)
			return
		}
		code := rand.Text()
		s.mu.Lock()
		s.nonces[code] = q.Get("nonce")
		s.mu.Unlock()
		http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")}}.Encode(), http.StatusFound)
	case "/token":
		r.ParseForm()
		if err := s.client(r.PostForm, r); err != nil {
			sendJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": err.Error()})
			return
		}
		s.mu.Lock()
		nonce := s.nonces[r.PostForm.Get("code")]
		s.mu.Unlock()
		now := time.Now().Unix()
		token, err := s.sign(map[string]any{"iss": s.URL, "sub": "alice", "aud": "app", "nonce": nonce, "iat": now, "exp": now + 300})
		if err != nil {
			s.t.Error(err)
		}
		sendJSON(w, http.StatusOK, map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": token})
	default:
		http.NotFound(w, r)
	}
}

func sendJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (s *strict) sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: s.key, KeyID: "op"}}, nil)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// app is an application that signs in here and nowhere else.
func (s *strict) app(change func(*oidcrp.Provider)) *app {
	s.t.Helper()
	if s.URL == "" {
		s.Start()
	}
	return newApp(s.t, oidcrptest.NewProvider(s.t), func(c *oidcrp.Config) {
		p := oidcrp.Provider{Name: "test", Issuer: s.URL, ClientID: "app", RolesClaim: "roles"}
		change(&p)
		c.Providers = []oidcrp.Provider{p}
	})
}

// verify reads a JWT with the keys the application serves.
func (s *strict) verify(jwt, jwksURL string) (claims map[string]any, err error) {
	res, err := http.Get(jwksURL)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		return nil, fmt.Errorf("jwks: %d: %w", res.StatusCode, err)
	}
	jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return nil, err
	}
	found := set.Key(jws.Signatures[0].Header.KeyID)
	if len(found) != 1 || found[0].Use != "sig" {
		return nil, fmt.Errorf("%d keys %q", len(found), jws.Signatures[0].Header.KeyID)
	}
	payload, err := jws.Verify(found[0])
	if err != nil {
		return nil, err
	}
	return claims, json.Unmarshal(payload, &claims)
}

func TestLoginWithPrivateKeyJWT(t *testing.T) {
	op := newStrict(t)
	op.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}
	var jwksURL string
	used := map[string]bool{}
	op.client = func(form url.Values, r *http.Request) error {
		claims, err := op.verify(form.Get("client_assertion"), jwksURL)
		if err != nil {
			return err
		}
		id := fmt.Sprint(claims["jti"])
		if claims["iss"] != "app" || claims["sub"] != "app" || claims["aud"] != op.URL || used[id] {
			return fmt.Errorf("claims %v", claims)
		}
		used[id] = true
		return nil
	}
	first, second := newKey(t), newKey(t)
	now := first
	a := op.app(func(p *oidcrp.Provider) {
		p.ClientKeys = []oidcrp.ClientKey{
			{Func: func(context.Context) (crypto.Signer, error) { return now, nil }},
			{ID: "second", Algorithm: "ES256", Key: second},
		}
	})
	addresses := a.rp.RedirectURLs()
	jwksURL = addresses[0].JWKS
	if jwksURL != a.URL+"/auth/jwks/test" {
		t.Fatalf("addresses %+v", addresses)
	}
	a.signIn()
	now = newKey(t) // rotated without a restart
	a.signIn()
	if len(used) != 2 || op.called("/token") != 2 {
		t.Errorf("%d assertions for two logins", len(used))
	}

	op.client = func(url.Values, *http.Request) error { return errors.New("unknown key") }
	a.refused(a.browse().Get(a.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
}

// Each provider finds the keys that are for it, and no others: it might encrypt
// to one that decrypts another's tokens.
func TestJWKS(t *testing.T) {
	shared := oidcrp.ClientKey{ID: "shared", Key: newKey(t)}
	failing := false
	assertion := filepath.Join(t.TempDir(), "assertion")
	if err := os.WriteFile(assertion, []byte("eyJhbGciOiJFUzI1NiJ9.e30.c2ln"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := goodConfig()
	cfg.Providers = nil
	for _, p := range []struct {
		name string
		keys []oidcrp.ClientKey
	}{
		{"a", []oidcrp.ClientKey{shared, {ID: "own", Func: func(context.Context) (crypto.Signer, error) {
			if failing {
				return nil, errors.New("the key service is down")
			}
			return newKey(t), nil
		}}}},
		{"b", []oidcrp.ClientKey{shared, {ID: "decrypts", Algorithm: "ECDH-ES", Key: newKey(t)}}},
		{"c", nil},
		{"ready", []oidcrp.ClientKey{{File: assertion}}},
	} {
		cfg.Providers = append(cfg.Providers, oidcrp.Provider{
			Name: p.name, Issuer: "https://" + p.name + ".example", ClientID: "app", ClientKeys: p.keys,
		})
	}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	get := func(provider string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		rp.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/auth/jwks/"+provider, nil))
		return w
	}
	want := map[string][]string{"a": {"shared", "own"}, "b": {"shared", "decrypts"}, "ready": {}}
	for _, a := range rp.RedirectURLs() {
		ids := want[a.Provider]
		if ids == nil {
			if a.JWKS != "" || get(a.Provider).Code != http.StatusNotFound {
				t.Errorf("%s: JWKS %q without keys", a.Provider, a.JWKS)
			}
			continue
		}
		if a.JWKS != "https://app.example/auth/jwks/"+a.Provider {
			t.Errorf("%s: JWKS %q", a.Provider, a.JWKS)
		}
		w := get(a.Provider)
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || w.Code != http.StatusOK || set.Keys == nil {
			t.Fatalf("%s: %d %s", a.Provider, w.Code, w.Body)
		}
		var got []string
		for _, key := range set.Keys {
			if !key.IsPublic() {
				t.Errorf("key %s is private", key.KeyID)
			}
			got = append(got, key.KeyID)
		}
		if !slices.Equal(got, ids) || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: keys %v, want %v; header %v", a.Provider, got, ids, w.Header())
		}
	}
	// No half of a set: the provider keeps the one it has, and others fetch
	// theirs.
	failing = true
	if w := get("a"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := get("b"); w.Code != http.StatusOK {
		t.Errorf("another provider's keys: %d %s", w.Code, w.Body)
	}
}

func TestNoJWKSWithoutKeys(t *testing.T) {
	rp, err := oidcrp.New(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	rp.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/auth/jwks/default", nil))
	if w.Code != http.StatusNotFound || rp.RedirectURLs()[0].JWKS != "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
