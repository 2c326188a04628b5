package oidcrp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// instantProvider answers in the process, so that a login costs what ours is
// of it.
type instantProvider struct {
	keys    string
	idToken string // the answer of the token endpoint brings it
	signer  jose.Signer
}

const instantIssuer = "https://op.example"

func newInstantProvider(tb testing.TB) *instantProvider {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: "ES256", Use: "sig"}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}})
	if err != nil {
		tb.Fatal(err)
	}
	return &instantProvider{keys: string(keys), signer: signer}
}

// RoundTrip implements [http.RoundTripper].
func (p *instantProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"issuer": "` + instantIssuer + `", "authorization_endpoint": "https://op.example/authorize", "token_endpoint": "https://op.example/token",
		"jwks_uri": "https://op.example/jwks", "response_types_supported": ["code"], "subject_types_supported": ["public"],
		"id_token_signing_alg_values_supported": ["ES256"], "token_endpoint_auth_methods_supported": ["client_secret_basic"]}`
	switch r.URL.Path {
	case "/jwks":
		body = p.keys
	case "/token":
		body = `{"access_token": "a", "token_type": "Bearer", "expires_in": 3600, "id_token": "` + p.idToken + `"}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// sign makes the ID token of a login that was begun.
func (p *instantProvider) sign(tb testing.TB, nonce string) {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": instantIssuer, "sub": "alice", "aud": "app", "iat": now, "exp": now + 3600, "nonce": nonce, "sid": "0123456789abcdef",
		"name": "Alice Archer", "email": "alice@example.com", "email_verified": true, "roles": []string{"reader", "admin"},
	})
	if err != nil {
		tb.Fatal(err)
	}
	jws, err := p.signer.Sign(claims)
	if err != nil {
		tb.Fatal(err)
	}
	if p.idToken, err = jws.CompactSerialize(); err != nil {
		tb.Fatal(err)
	}
}

// begunLogins are so many logins that have come as far as the callback.
func begunLogins(tb testing.TB, n int) (finish func()) {
	tb.Helper()
	p := newInstantProvider(tb)
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, HTTPClient: &http.Client{Transport: p}, Logger: slog.New(slog.DiscardHandler),
		Providers: []oidcrp.Provider{{Issuer: instantIssuer, ClientID: "app", ClientSecret: "secret", RolesClaim: "roles"}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	type begun struct {
		callback *http.Request
		idToken  string
	}
	logins := make([]begun, n)
	for i := range logins {
		r := httptest.NewRequest(http.MethodGet, "/auth/login?return_to=/reports", nil)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		w := httptest.NewRecorder()
		rp.ServeHTTP(w, r)
		u, err := url.Parse(w.Header().Get("Location"))
		if err != nil || u.Host != "op.example" {
			tb.Fatalf("the login begins with %d, %v", w.Code, u)
		}
		q := u.Query()
		callback := httptest.NewRequest(http.MethodGet, "/auth/callback/default?code=c&state="+url.QueryEscape(q.Get("state")), nil)
		callback.Header.Set("Sec-Fetch-Mode", "navigate")
		for _, c := range w.Result().Cookies() {
			callback.AddCookie(c)
		}
		p.sign(tb, q.Get("nonce"))
		logins[i] = begun{callback: callback, idToken: p.idToken}
	}
	w, next := &discardResponse{h: http.Header{}}, 0
	return func() {
		clear(w.h)
		p.idToken = logins[next].idToken
		rp.ServeHTTP(w, logins[next].callback)
		if location := w.h.Get("Location"); !strings.HasSuffix(location, "/reports") {
			tb.Fatalf("the login ends at %q", location)
		}
		next++
	}
}

func BenchmarkCallback(b *testing.B) {
	const most = 1000
	finish, left := begunLogins(b, most), most
	b.ReportAllocs()
	for b.Loop() {
		if left == 0 {
			b.StopTimer()
			finish, left = begunLogins(b, most), most
			b.StartTimer()
		}
		finish()
		left--
	}
}

// A callback allocates about 275 times, more where the garbage collector has
// emptied pools in between.
func TestAllocationsOfACallback(t *testing.T) {
	if raceEnabled {
		return // the detector allocates for itself
	}
	const runs = 50
	if got := testing.AllocsPerRun(runs, begunLogins(t, runs+1)); got > 320 {
		t.Errorf("%v allocations, want at most 320", got)
	}
}
