package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// response is what a signed response says, changed.
func (f *fake) response(changes map[string]any) map[string]any {
	return change(map[string]any{
		"iss": f.URL, "aud": clientID, "exp": f.clock.Now().Add(time.Minute).Unix(),
		"state": "the state", "code": theCode,
	}, changes)
}

func withMode(mode string) func(*provider.Settings) {
	return func(s *provider.Settings) { s.ResponseMode = mode }
}

// deliver brings a response the way a mode says, and checks it.
func deliver(f *fake, p *provider.Provider, mode string, v url.Values) (*provider.Response, error) {
	r := get(v.Encode())
	switch {
	case strings.HasPrefix(mode, "form_post"):
		r = post("", urlencoded, v.Encode())
	case strings.HasPrefix(mode, "fragment"):
		r = post("", urlencoded, url.Values{provider.FragmentField: {v.Encode()}}.Encode())
	}
	resp, err := provider.ParseResponse(r)
	if err != nil {
		return nil, err
	}
	return resp, p.CheckResponse(context.Background(), resp)
}

func TestSignedResponse(t *testing.T) {
	for _, mode := range []string{"jwt", "query.jwt", "form_post.jwt", "fragment.jwt"} {
		t.Run(mode, func(t *testing.T) {
			f := newFake(t)
			f.metadata = map[string]any{"authorization_response_iss_parameter_supported": true}
			p := f.new(t, withMode(mode))
			address, err := p.AuthorizationURL(t.Context(), provider.Request{State: "the state", Nonce: theNonce, Challenge: "c"})
			if err != nil || !strings.Contains(address, "&response_mode="+mode+"&") {
				t.Errorf("asked %q, %v", address, err)
			}
			r, err := deliver(f, p, mode, url.Values{"response": {sign(f.response(nil))}})
			if err != nil {
				t.Fatal(err)
			}
			if r.State != "the state" || r.Code != theCode || r.Issuer != f.URL {
				t.Errorf("got %+v", r)
			}
			if _, err := p.Complete(t.Context(), r, f.expected()); err != nil {
				t.Error(err)
			}
			r, err = deliver(f, p, mode, url.Values{"response": {sign(f.response(map[string]any{"code": nil, "error": "access_denied"}))}})
			if err != nil || r.Error != "access_denied" {
				t.Errorf("an error: got %+v, %v", r, err)
			}
		})
	}
}

func TestSignedResponseWithTokens(t *testing.T) {
	f := newFake(t)
	p := f.new(t, flowOf("code id_token", "form_post.jwt"))
	v := f.front("code id_token", nil)
	members := map[string]any{"expires_in": 300}
	for name := range v {
		members[name] = v.Get(name)
	}
	r, err := deliver(f, p, "form_post.jwt", url.Values{"response": {sign(f.response(members))}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Complete(t.Context(), r, f.expected()); err != nil {
		t.Error(err)
	}
}

func TestSignedResponseRefused(t *testing.T) {
	changed := func(name string, value any) func(*fake) url.Values {
		return func(f *fake) url.Values {
			return url.Values{"response": {sign(f.response(map[string]any{name: value}))}}
		}
	}
	raw := func(token string) func(*fake) url.Values {
		return func(*fake) url.Values { return url.Values{"response": {token}} }
	}
	for _, tt := range []struct {
		name, check string
		v           func(*fake) url.Values
	}{
		{"no iss", "iss", changed("iss", nil)},
		{"another iss", "iss", changed("iss", "https://evil.example")},
		{"no aud", "aud", changed("aud", nil)},
		{"another aud", "aud", changed("aud", "another")},
		{"no exp", "exp", changed("exp", nil)},
		{"an exp in words", "exp", changed("exp", "tomorrow")},
		{"expired", "exp", changed("exp", 1)},
		{"an event", "events", changed("events", map[string]any{})},
		{"a code that is a number", "code", changed("code", 7)},
		{"a state that is an array", "state", changed("state", []string{"s"})},
		{"no code", "code", changed("code", nil)},
		{"a code and an error", "response_type", changed("error", "x")},
		{"an ID token that was not asked for", "response_type", changed("id_token", "x")},
		{"an endless state", "size", changed("state", strings.Repeat("s", 5000))},
		{"a wrong signature", "signature", func(f *fake) url.Values {
			token := sign(f.response(nil))
			return url.Values{"response": {token[:len(token)-6] + "AAAAAA"}}
		}},
		{"a stranger's signature", "signature", func(f *fake) url.Values {
			b, _ := json.Marshal(f.response(nil))
			return url.Values{"response": {signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p256("stranger"), KeyID: "k1"}}, nil, string(b))}}
		}},
		{"signed with an algorithm not advertised", "alg", func(f *fake) url.Values {
			b, _ := json.Marshal(f.response(nil))
			return url.Values{"response": {signWith(jose.SigningKey{Algorithm: jose.RS512, Key: jose.JSONWebKey{Key: rsaKey(), KeyID: "k1"}}, nil, string(b))}}
		}},
		{"alg none", "serialization", raw("eyJhbGciOiJub25lIn0.e30.")},
		{"alg none with a signature", "alg", raw("eyJhbGciOiJub25lIn0.e30.AAAA")},
		{"no JWT", "serialization", raw("canary")},
		{"an empty one", "serialization", raw("")},
		{"an array inside", "json", raw(signWith(jose.SigningKey{Algorithm: jose.ES256, Key: signingKey()}, nil, `["code"]`))},
		{"two codes inside", "json", raw(signWith(jose.SigningKey{Algorithm: jose.ES256, Key: signingKey()}, nil, `{"code":"a","code":"b"}`))},
		{"two", "duplicate", func(f *fake) url.Values {
			return url.Values{"response": {sign(f.response(nil)), sign(f.response(nil))}}
		}},
		{"a code beside it", "duplicate", func(f *fake) url.Values {
			return url.Values{"response": {sign(f.response(nil))}, "code": {"canary"}}
		}},
		{"a plain response", "response_mode", func(f *fake) url.Values {
			return url.Values{"state": {"the state"}, "code": {theCode}, "iss": {f.URL}}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = map[string]any{"authorization_signing_alg_values_supported": []string{"ES256"}}
			p := f.new(t, withMode("query.jwt"))
			_, err := deliver(f, p, "query.jwt", tt.v(f))
			if !errors.Is(err, provider.ErrInvalid) || checked(err) != tt.check {
				t.Fatalf("got %v; want check %q", err, tt.check)
			}
			noSecrets(t, err.Error())
		})
	}
}

func TestSignedResponseElsewhere(t *testing.T) {
	f := newFake(t)
	v := url.Values{"response": {sign(f.response(nil))}}
	if _, err := deliver(f, f.new(t), "query", v); checked(err) != "response_type" {
		t.Errorf("not asked for: %v", err)
	}
	if _, err := deliver(f, f.new(t, withMode("form_post.jwt")), "query", v); checked(err) != "response_mode" {
		t.Errorf("by the query instead of a form: %v", err)
	}
	// Providers that cannot sign an answer say so as they can.
	if _, err := deliver(f, f.new(t, withMode("jwt")), "query", url.Values{"state": {"the state"}, "error": {"invalid_request"}}); err != nil {
		t.Errorf("a plain error: %v", err)
	}
	for responseType, modes := range map[string][]string{"code": {"jwt.jwt", ".jwt", "web.jwt"}, "code id_token": {"query.jwt"}} {
		for _, mode := range modes {
			s := f.settings()
			s.ResponseType, s.ResponseMode = responseType, mode
			if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), "ResponseMode") {
				t.Errorf("%s, %s: %v", responseType, mode, err)
			}
		}
	}
}

// A signed response of one of several issuers is that issuer's, and so are the
// tokens that come for it.
func TestSignedResponseOfSeveralIssuers(t *testing.T) {
	const tenant = "OP/" + ours + "/v2.0"
	for _, tt := range []struct {
		name     string
		response string // its iss; OP stands for the provider's address
		token    string // the ID token's
		key      any    // "issuer" of the key; nil: not stated
		early    string // check that fails at the response
		late     string // at the ID token
	}{
		{"a tenant", tenant, tenant, nil, "", ""},
		{"a listed one", "https://two.example", "https://two.example", nil, "", ""},
		{"one with a key for all", tenant, tenant, "OP/{tenantid}/v2.0", "", ""},
		{"one with another's key", tenant, tenant, "OP/" + theirs + "/v2.0", "signature", ""},
		{"another tenant's token", tenant, "OP/" + theirs + "/v2.0", nil, "", "iss"},
		{"none of them", "https://three.example", tenant, nil, "iss", ""},
		{"no tenant", "OP/a/b/v2.0", tenant, nil, "iss", ""},
		{"none at all", "", tenant, nil, "iss", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			own := func(s string) string { return strings.ReplaceAll(s, "OP", f.URL) }
			p := f.new(t, f.tenants(func(s *provider.Settings) {
				s.ResponseMode, s.Issuers = "query.jwt", []string{"https://two.example"}
			}))
			f.handle("/jwks", func(w http.ResponseWriter, _ *http.Request) {
				b, _ := json.Marshal(jose.JSONWebKey{Key: signingKey().Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"})
				key := map[string]any{}
				json.Unmarshal(b, &key)
				if s, ok := tt.key.(string); ok {
					key["issuer"] = own(s)
				}
				writeJSON(w, map[string]any{"keys": []any{key}})
			})
			f.claims = map[string]any{"iss": own(tt.token)}
			if parts := strings.Split(own(tt.token), "/"); len(parts) > 4 {
				f.claims["tid"] = parts[3]
			}
			r, err := deliver(f, p, "query.jwt", url.Values{"response": {sign(f.response(map[string]any{"iss": own(tt.response)}))}})
			if checked(err) != tt.early || (err == nil) != (tt.early == "") {
				t.Fatalf("the response: %v; want check %q", err, tt.early)
			}
			if err != nil {
				return
			}
			login, err := p.Complete(t.Context(), r, f.expected())
			if checked(err) != tt.late || (err == nil) != (tt.late == "") {
				t.Fatalf("the login: %v; want check %q", err, tt.late)
			}
			if err == nil && login.Issuer != own(tt.token) {
				t.Errorf("the login's issuer is %q", login.Issuer)
			}
		})
	}
}
