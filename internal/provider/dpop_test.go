package provider_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func withDPoP(s *provider.Settings) { s.DPoP, s.UserInfo = true, provider.UserInfoRequired }

// proof is a DPoP proof as RFC 9449 4.3 has a server check it.
type proof struct {
	ID, Method, Address, Nonce, Token, key string
}

func readProof(t *testing.T, f *fake, h http.Header) proof {
	t.Helper()
	values := h.Values("DPoP")
	if len(values) != 1 {
		t.Fatalf("%d proofs", len(values))
	}
	jws, err := jose.ParseSignedCompact(values[0], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	header := jws.Signatures[0].Protected
	if header.ExtraHeaders[jose.HeaderType] != "dpop+jwt" || header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() {
		t.Fatalf("header %+v", header)
	}
	payload, err := jws.Verify(header.JSONWebKey)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		JTI, HTM, HTU, Nonce, ATH string
		IAT                       int64
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	if c.IAT != f.clock.Now().Unix() || len(c.JTI) < 20 {
		t.Errorf("claims %s", payload)
	}
	key, err := header.JSONWebKey.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return proof{c.JTI, c.HTM, c.HTU, c.Nonce, c.ATH, string(key)}
}

func TestDPoP(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"token_type": "dPoP"}
	f.metadata = map[string]any{"userinfo_endpoint": f.URL + "/userinfo?tenant=1"}
	p := f.new(t, withDPoP)
	for range 2 {
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
	}
	var proofs []proof
	for i := range 2 {
		token, info := f.requests("/token")[i], f.requests("/userinfo")[i]
		a, b := readProof(t, f, token.Header), readProof(t, f, info.Header)
		sum := sha256.Sum256([]byte(theAccess))
		if a.Method != "POST" || a.Address != f.URL+"/token" || a.Token != "" || a.Nonce != "" {
			t.Errorf("token endpoint got %+v", a)
		}
		if b.Method != "GET" || b.Address != f.URL+"/userinfo" || b.Token != base64.RawURLEncoding.EncodeToString(sum[:]) {
			t.Errorf("userinfo got %+v", b)
		}
		if got := info.Header.Get("Authorization"); got != "DPoP "+theAccess {
			t.Errorf("Authorization %q", got)
		}
		proofs = append(proofs, a, b)
	}
	for i, a := range proofs {
		for _, b := range proofs[:i] {
			if a.ID == b.ID || a.key != b.key {
				t.Errorf("%+v after %+v: an id twice, or another key", a, b)
			}
		}
	}
}

// demander is a server that demands its latest nonce in proofs.
type demander struct {
	mu     sync.Mutex
	nonce  string
	status int
}

func (d *demander) refuses(t *testing.T, f *fake, w http.ResponseWriter, r *http.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if readProof(t, f, r.Header).Nonce == d.nonce {
		return false
	}
	w.Header().Set("DPoP-Nonce", d.nonce)
	if d.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `dPoP error="use_dpop_nonce", error_description="a nonce is needed"`)
		w.WriteHeader(d.status)
		return true
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(d.status)
	w.Write([]byte(`{"error":"use_dpop_nonce"}`))
	return true
}

func TestDPoPNonces(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"token_type": "DPoP"}
	server := &demander{nonce: "as-1~!#[]{}", status: 400}
	resource := &demander{nonce: "rs-1", status: 401}
	f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
		if server.refuses(t, f, w, r) {
			return
		}
		w.Header().Set("DPoP-Nonce", "as-2") // for the next one (RFC 9449 8.2)
		server.mu.Lock()
		server.nonce = "as-2"
		server.mu.Unlock()
		writeJSON(w, map[string]any{"access_token": theAccess, "token_type": "DPoP", "id_token": sign(f.idToken())})
	})
	f.handle("/userinfo", func(w http.ResponseWriter, r *http.Request) {
		if !resource.refuses(t, f, w, r) {
			writeJSON(w, map[string]any{"sub": "alice"})
		}
	})
	p := f.new(t, withDPoP, keys(provider.ClientKey{Key: rsaKey()}))
	for i, want := range []int{2, 3} { // the second login knows both nonces
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
		if a, b := f.count("/token"), f.count("/userinfo"); a != want || b != want {
			t.Errorf("login %d: %d token and %d userinfo requests; want %d", i, a, b, want)
		}
	}
	// A client assertion is used once, also when a request is repeated.
	got := f.requests("/token")
	if a, b := got[0].Form.Get("client_assertion"), got[1].Form.Get("client_assertion"); a == "" || a == b {
		t.Error("the assertion was sent twice")
	}
	if got[0].Form.Get("code") != theCode || got[1].Form.Get("code") != theCode {
		t.Error("the code was not repeated with the nonce")
	}
}

// One nonce is followed, and no more: nobody can keep us asking.
func TestDPoPNonceWithoutEnd(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nonce func(n int) string
		calls int
	}{
		{"a new one each time", func(n int) string { return strings.Repeat("n", n) }, 2},
		{"none", func(int) string { return "" }, 1},
		{"one with a quote", func(int) string { return `a"b` }, 1},
		{"one too long", func(int) string { return strings.Repeat("n", 513) }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("DPoP-Nonce", tt.nonce(f.count("/token")))
				respond(400, "application/json", `{"error":"use_dpop_nonce"}`)(w, r)
			})
			if _, err := complete(f, f.new(t, withDPoP)); err == nil || f.count("/token") != tt.calls {
				t.Errorf("got %v after %d calls; want %d", err, f.count("/token"), tt.calls)
			}
		})
	}
}

// A code is repeated for a nonce alone.
func TestDPoPCodeNotRepeated(t *testing.T) {
	for _, body := range []string{`{"error":"invalid_grant"}`, `{"error":"invalid_dpop_proof"}`, `use_dpop_nonce`, `{"error":["use_dpop_nonce"]}`} {
		f := newFake(t)
		f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("DPoP-Nonce", "n")
			respond(400, "application/json", body)(w, r)
		})
		if _, err := complete(f, f.new(t, withDPoP)); err == nil || f.count("/token") != 1 {
			t.Errorf("%s: got %v after %d calls", body, err, f.count("/token"))
		}
	}
}

func TestDPoPRefusesTokensThatAreNotBound(t *testing.T) {
	for _, kind := range []any{"Bearer", nil, "mac"} {
		f := newFake(t)
		f.answer = map[string]any{"token_type": kind}
		if _, err := complete(f, f.new(t, withDPoP)); checked(err) != "token_type" || f.count("/userinfo") != 0 {
			t.Errorf("%v: got %v; want check token_type", kind, err)
		}
	}
}

func TestDPoPSettings(t *testing.T) {
	f := newFake(t)
	s := f.settings()
	s.DPoP, s.UserInfoInBody = true, true
	if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), "UserInfoInBody") {
		t.Errorf("got %v", err)
	}
	s.UserInfoInBody, s.ResponseType = false, "id_token token"
	if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), "could be bound") {
		t.Errorf("got %v", err)
	}
	f.metadata = map[string]any{"dpop_signing_alg_values_supported": []string{"RS256"}}
	if err := f.new(t, withDPoP).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "dpop_signing_alg_values_supported") {
		t.Errorf("got %v", err)
	}
	if err := f.new(t).Ready(t.Context()); err != nil {
		t.Errorf("without DPoP: %v", err)
	}
}
