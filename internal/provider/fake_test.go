package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	clientID      = "client 1"
	clientSecret  = "canary-secret /+:%"
	theCode       = "canary-code"
	theNonce      = "canary-nonce-0123456789012345678901234567890"
	theVerifier   = "canary-verifier-012345678901234567890123456"
	theAccess     = "canary-access-token"
)

var signingKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// received is one request a fake saw.
type received struct {
	Path   string
	Method string
	Header http.Header
	Form   url.Values
}

// fake is a provider that answers as it is told and remembers what it got.
type fake struct {
	*httptest.Server
	clock *clock

	mu       sync.Mutex
	got      []received
	handlers map[string]http.HandlerFunc // in place of the usual ones
	metadata map[string]any              // changes; nil value: leave out
	claims   map[string]any              // changes to the ID token
	answer   map[string]any              // changes to the token response
	userInfo map[string]any
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{
		clock:    &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)},
		handlers: map[string]http.HandlerFunc{},
		userInfo: map[string]any{"sub": "alice", "name": "Alice"},
	}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	f.mu.Lock()
	f.got = append(f.got, received{r.URL.Path, r.Method, r.Header.Clone(), form})
	h := f.handlers[r.URL.Path]
	f.mu.Unlock()
	if h != nil {
		h(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch r.URL.Path {
	case discoveryPath:
		writeJSON(w, f.document())
	case "/jwks":
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: signingKey().Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	case "/token":
		writeJSON(w, change(map[string]any{
			"access_token": theAccess, "token_type": "Bearer", "expires_in": 300,
			"id_token": sign(f.idToken()),
		}, f.answer))
	case "/userinfo":
		writeJSON(w, f.userInfo)
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) document() map[string]any {
	return change(map[string]any{
		"issuer":                                f.URL,
		"authorization_endpoint":                f.URL + "/authorize",
		"token_endpoint":                        f.URL + "/token",
		"jwks_uri":                              f.URL + "/jwks",
		"userinfo_endpoint":                     f.URL + "/userinfo",
		"end_session_endpoint":                  f.URL + "/logout",
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256"},
	}, f.metadata)
}

func (f *fake) idToken() map[string]any {
	now := f.clock.Now()
	return change(map[string]any{
		"iss": f.URL, "sub": "alice", "aud": clientID, "nonce": theNonce,
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}, f.claims)
}

func change(m, changes map[string]any) map[string]any {
	maps.Copy(m, changes)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	return m
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func sign(claims map[string]any) string {
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: signingKey(), KeyID: "k1"}}, nil, string(b))
}

func signWith(key jose.SigningKey, header map[jose.HeaderKey]any, payload string) string {
	signer, err := jose.NewSigner(key, &jose.SignerOptions{ExtraHeaders: header})
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign([]byte(payload))
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// set changes the fake while it runs.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fake) handle(path string, h http.HandlerFunc) {
	f.set(func(f *fake) { f.handlers[path] = h })
}

// requests are those for one path.
func (f *fake) requests(path string) []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []received
	for _, r := range f.got {
		if r.Path == path {
			out = append(out, r)
		}
	}
	return out
}

func (f *fake) count(path string) int { return len(f.requests(path)) }

func (f *fake) settings() provider.Settings {
	return provider.Settings{
		Name: "op", Issuer: f.URL, ClientID: clientID,
		Secret:      func(context.Context) (string, error) { return clientSecret, nil },
		RedirectURL: "https://rp.example/auth/callback/op",
		Now:         f.clock.Now,
		Logger:      slog.New(slog.DiscardHandler),
	}
}

// new makes a provider of the fake's settings, changed.
func (f *fake) new(t *testing.T, changes ...func(*provider.Settings)) *provider.Provider {
	t.Helper()
	s := f.settings()
	for _, change := range changes {
		change(&s)
	}
	p, err := provider.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Wait(context.Background()) })
	return p
}

func (f *fake) expected() provider.Expected {
	return provider.Expected{Nonce: theNonce, Verifier: theVerifier, Started: f.clock.Now().Add(-time.Minute / 2)}
}

func complete(f *fake, p *provider.Provider) (*provider.Login, error) {
	return p.Complete(context.Background(), &provider.Response{State: "s", Code: theCode}, f.expected())
}

// noSecrets fails if an error or log repeats what must not be repeated.
func noSecrets(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", url.QueryEscape(clientSecret)} {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in %q", text)
		}
	}
}

func redirectTo(status int, to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	}
}

func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}
