package provider_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// The values of a login as the transaction room makes them.
var (
	longState     = strings.Repeat("Sta_", 30)
	longNonce     = base64.RawURLEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	longChallenge = base64.RawURLEncoding.EncodeToString([]byte("fedcba9876543210fedcba9876543210"))
)

// references keeps what a provider was asked to refer to.
type references struct {
	base   string
	packed [][]byte
}

func (r *references) add(packed []byte) (string, error) {
	r.packed = append(r.packed, packed)
	return r.base + base64.RawURLEncoding.EncodeToString(packed), nil
}

func objects(kind string, key ...provider.ClientKey) func(*provider.Settings) {
	return func(s *provider.Settings) {
		s.RequestObject, s.ClientKeys = kind, key
		s.ClientAuth = "client_secret_basic"
	}
}

// wishing is wish with what it refers to kept.
func (r *references) wishing() provider.Request {
	w := wish()
	w.Reference = r.add
	return w
}

func wish() provider.Request {
	return provider.Request{State: longState, Nonce: longNonce, Challenge: longChallenge, LoginHint: "a b", MaxAge: ptr(time.Minute), Prompt: "login"}
}

func wantClaims(f *fake) map[string]any {
	now := float64(f.clock.Now().Unix())
	return map[string]any{
		"iss": clientID, "aud": f.URL, "iat": now, "nbf": now, "exp": now + 300,
		"client_id": clientID, "response_type": "code", "redirect_uri": "https://rp.example/auth/callback/op", "scope": "openid profile email",
		"state": longState, "nonce": longNonce, "code_challenge": longChallenge, "code_challenge_method": "S256",
		"login_hint": "a b", "max_age": 60.0, "prompt": "login",
		"resource": []any{"https://a.example", "https://b.example"},
		"claims":   map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": true}}},
	}
}

func richRequest(s *provider.Settings) {
	s.Resource = []string{"https://a.example", "https://b.example"}
	s.ClaimsRequest = `{"id_token":{"acr":{"essential":true}}}`
}

// sameClaims compares but for jti, which must be there.
func sameClaims(t *testing.T, got, want map[string]any) {
	t.Helper()
	if id, _ := got["jti"].(string); len(id) != 22 {
		t.Errorf("jti %v", got["jti"])
	}
	delete(got, "jti")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestRequestObject(t *testing.T) {
	for _, tt := range []struct {
		name   string
		key    crypto.Signer
		alg    string
		listed []string
		want   string
	}{
		{"RS256", rsaKey(), "", nil, "RS256"},
		{"PS256 where that is listed", rsaKey(), "", []string{"none", "PS256"}, "PS256"},
		{"PS256 by choice", rsaKey(), "PS256", nil, "PS256"},
		{"ES256", ecKey("jar", elliptic.P256()), "", nil, "ES256"},
		{"EdDSA", edKey(), "", nil, "EdDSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.listed != nil {
				f.metadata = map[string]any{"request_object_signing_alg_values_supported": tt.listed}
			}
			p := f.new(t, objects("request", provider.ClientKey{ID: "k", Algorithm: tt.alg, Key: tt.key}), richRequest)
			address, err := p.AuthorizationURL(context.Background(), wish())
			if err != nil {
				t.Fatal(err)
			}
			q := mustQuery(t, address)
			header, claims := readJWT(t, q.Get("request"), tt.want, tt.key.Public())
			if header.KeyID != "k" || header.ExtraHeaders["typ"] != "oauth-authz-req+jwt" {
				t.Errorf("header %+v", header)
			}
			sameClaims(t, claims, wantClaims(f))
			// Beside it stands what RFC 9101 5 and Core 6.1 want there.
			q.Del("request")
			if want := (url.Values{"client_id": {clientID}, "response_type": {"code"}, "scope": {"openid profile email"}}); !reflect.DeepEqual(q, want) {
				t.Errorf("outside is %v", q)
			}
		})
	}
}

func TestRequestObjectByReference(t *testing.T) {
	f := newFake(t)
	refs := &references{base: "https://rp.example/auth/request/op?"}
	p := f.new(t, objects("request_uri", provider.ClientKey{Key: rsaKey()}), richRequest)
	address, err := p.AuthorizationURL(context.Background(), refs.wishing())
	if err != nil {
		t.Fatal(err)
	}
	q := mustQuery(t, address)
	want := url.Values{"client_id": {clientID}, "response_type": {"code"}, "scope": {"openid profile email"},
		"request_uri": {refs.base + base64.RawURLEncoding.EncodeToString(refs.packed[0])}}
	if !reflect.DeepEqual(q, want) {
		t.Errorf("got  %v\nwant %v", q, want)
	}
	expect := wantClaims(f)
	f.clock.Add(time.Minute)
	// Another node may be asked, and more than once.
	other := f.new(t, objects("request_uri", provider.ClientKey{Key: rsaKey()}), richRequest)
	var ids []any
	for _, p := range []*provider.Provider{p, other} {
		object, err := p.RequestObject(context.Background(), refs.packed[0])
		if err != nil {
			t.Fatal(err)
		}
		_, claims := readJWT(t, object, "RS256", rsaKey().Public())
		ids = append(ids, claims["jti"])
		sameClaims(t, claims, expect)
	}
	if ids[0] != ids[1] {
		t.Errorf("jti %v", ids)
	}
	f.clock.Add(4 * time.Minute)
	if _, err := p.RequestObject(context.Background(), refs.packed[0]); checked(err) != "exp" {
		t.Errorf("after five minutes: %v", err)
	}
}

// Consent asks for more than every login does, and must not lose it, nor what
// stands behind it.
func TestReferenceKeepsFurtherScopes(t *testing.T) {
	for _, hint := range []string{"alice", strings.Repeat("a", 400)} {
		for _, scope := range []string{"a", "calendar", "https://api.example/ส"} {
			f := newFake(t)
			refs := &references{base: "https://rp.example/auth/request/op?"}
			p := f.new(t, objects("unsigned request_uri"), richRequest)
			r := refs.wishing()
			r.Scopes, r.LoginHint = []string{scope}, hint
			address, err := p.AuthorizationURL(context.Background(), r)
			if err != nil {
				t.Fatal(err)
			}
			object, err := p.RequestObject(context.Background(), refs.packed[len(refs.packed)-1])
			if err != nil {
				t.Fatal(err)
			}
			want := wantClaims(f)
			want["scope"], want["login_hint"] = "openid profile email "+scope, hint
			if len(hint) > 100 {
				delete(want, "login_hint")
			}
			sameClaims(t, unsignedClaims(t, object), want)
			if outside := mustQuery(t, address).Get("scope"); outside != want["scope"] {
				t.Errorf("outside is %q", outside)
			}
		}
	}
}

// Core 6.2: 512 characters. Hints make way, what was asked for does not.
func TestLongReference(t *testing.T) {
	f := newFake(t)
	for _, tt := range []struct {
		name      string
		base      string
		hint      string
		kept      bool
		tolerated bool
	}{
		{"a short hint", "https://rp.example/?", "alice@example.com", true, true},
		{"a long hint", "https://rp.example/?", strings.Repeat("a", 400), false, true},
		{"a long address of ours", "https://rp.example/" + strings.Repeat("a", 300), "alice", false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			refs := &references{base: tt.base}
			p := f.new(t, objects("unsigned request_uri"), func(s *provider.Settings) { s.ACRValues = []string{"gold"} })
			r := refs.wishing()
			r.LoginHint = tt.hint
			address, err := p.AuthorizationURL(context.Background(), r)
			if !tt.tolerated {
				if !errors.Is(err, provider.ErrMisconfigured) || !strings.Contains(err.Error(), "512") {
					t.Errorf("got %q, %v", address, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if uri := mustQuery(t, address).Get("request_uri"); len(uri) > 512 || uri == "" {
				t.Errorf("%d characters", len(uri))
			}
			object, err := p.RequestObject(context.Background(), refs.packed[len(refs.packed)-1])
			if err != nil {
				t.Fatal(err)
			}
			claims := unsignedClaims(t, object)
			if _, ok := claims["login_hint"]; ok != tt.kept || claims["max_age"] != 60.0 || claims["prompt"] != "login" || claims["acr_values"] != "gold" || claims["state"] != longState {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func unsignedClaims(t *testing.T, object string) map[string]any {
	t.Helper()
	parts := strings.Split(object, ".")
	if len(parts) != 3 || parts[2] != "" {
		t.Fatalf("not an unsigned JWT: %s", object)
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || string(header) != `{"alg":"none","typ":"oauth-authz-req+jwt"}` {
		t.Errorf("header %s, %v", header, err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// Only the word that says so leaves an object unsigned, key or not.
func TestUnsignedRequestObject(t *testing.T) {
	f := newFake(t)
	p := f.new(t, objects("unsigned request", provider.ClientKey{Key: rsaKey()}), richRequest)
	address, err := p.AuthorizationURL(context.Background(), wish())
	if err != nil {
		t.Fatal(err)
	}
	sameClaims(t, unsignedClaims(t, mustQuery(t, address).Get("request")), wantClaims(f))
}

// RFC 9126 3: a pushed object has nothing but the client beside it, and takes
// the place of a reference of ours.
func TestPushedRequestObject(t *testing.T) {
	for _, kind := range []string{"request", "request_uri"} {
		f := newFake(t).pushing()
		refs := &references{}
		p := f.new(t, objects(kind, provider.ClientKey{Key: rsaKey()}), richRequest)
		address, err := p.AuthorizationURL(context.Background(), refs.wishing())
		if err != nil {
			t.Fatal(err)
		}
		if q := mustQuery(t, address); len(q) != 2 || q.Get("request_uri") != theURN {
			t.Errorf("%s: %v", kind, q)
		}
		form := f.requests("/par")[0].Form
		if len(form) != 2 || form.Get("client_id") != clientID || len(refs.packed) != 0 {
			t.Errorf("%s: pushed %v", kind, form)
		}
		_, claims := readJWT(t, form.Get("request"), "RS256", rsaKey().Public())
		sameClaims(t, claims, wantClaims(f))
	}
}

func TestVisitorsValuesInRequestObject(t *testing.T) {
	f := newFake(t)
	p := f.new(t, objects("unsigned request"), func(s *provider.Settings) { s.DynamicParams = []string{"claims", "max_age"} })
	for _, tt := range []struct {
		claims string
		want   any
	}{
		{`{"a":null}`, map[string]any{"a": nil}},
		{`{"a":1,"a":2}`, `{"a":1,"a":2}`},
		{`{"a":1},"aud":"evil"`, `{"a":1},"aud":"evil"`},
	} {
		r := wish()
		r.MaxAge, r.Params = nil, map[string]string{"claims": tt.claims, "max_age": "007"}
		address, err := p.AuthorizationURL(context.Background(), r)
		if err != nil {
			t.Errorf("%s: %v", tt.claims, err)
			continue
		}
		claims := unsignedClaims(t, mustQuery(t, address).Get("request"))
		if !reflect.DeepEqual(claims["claims"], tt.want) || claims["aud"] != f.URL || claims["max_age"] != 7.0 {
			t.Errorf("%s: %v", tt.claims, claims)
		}
	}
}

func TestRequestObjectThatCannotBeMade(t *testing.T) {
	vault := errors.New("vault is sealed")
	for _, tt := range []struct {
		name     string
		change   func(*provider.Settings)
		metadata map[string]any
		want     error
	}{
		{"a key that cannot be had", objects("request", provider.ClientKey{Func: func(context.Context) (crypto.Signer, error) { return nil, vault }}), nil, vault},
		{"no algorithm in common", objects("request", provider.ClientKey{Key: edKey()}),
			map[string]any{"request_object_signing_alg_values_supported": []string{"RS256"}}, provider.ErrMisconfigured},
		{"a provider that wants signed ones", func(*provider.Settings) {}, map[string]any{"require_signed_request_object": true}, provider.ErrMisconfigured},
		{"one that gets unsigned ones", objects("unsigned request"), map[string]any{"require_signed_request_object": true}, provider.ErrMisconfigured},
		{"a requirement that is no boolean", func(*provider.Settings) {}, map[string]any{"require_signed_request_object": "true"}, provider.ErrMisconfigured},
		{"an address that cannot be made", objects("unsigned request_uri"), nil, vault},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = tt.metadata
			r := wish()
			r.Reference = func([]byte) (string, error) { return "", vault }
			address, err := f.new(t, tt.change).AuthorizationURL(context.Background(), r)
			if !errors.Is(err, tt.want) || address != "" {
				t.Errorf("got %q, %v; want %v", address, err, tt.want)
			}
		})
	}
}

func FuzzUnpackRequest(f *testing.F) {
	good, err := provider.PackRequest(url.Values{"state": {longState}, "nonce": {longNonce}, "code_challenge": {longChallenge}, "login_hint": {"a b"}}, time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		params, issued, err := provider.UnpackRequest(b)
		if err != nil {
			if !errors.Is(err, provider.ErrInvalid) {
				t.Error(err)
			}
			return
		}
		again, err := provider.PackRequest(params, issued)
		if err != nil {
			return // a parameter of a name that is packed, in the rest
		}
		same, when, err := provider.UnpackRequest(again)
		if err != nil || !when.Equal(issued) || same.Encode() != params.Encode() {
			t.Errorf("%q became %q, %v", params, same, err)
		}
	})
}
