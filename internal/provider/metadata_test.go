package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const documents = "../../testdata/discovery"

func document(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(documents, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVendorsMetadataLoads(t *testing.T) {
	for _, tt := range []struct {
		name, issuer, authorization string
		algorithms                  []string
		endSession, iss             bool
	}{
		{"google", "https://accounts.google.com", "https://accounts.google.com/o/oauth2/v2/auth", []string{"RS256"}, false, false},
		{"entra", "https://login.microsoftonline.com/9f2c1a6e-0b51-4c1e-9a55-6f0d2f1e7b10/v2.0",
			"https://login.microsoftonline.com/9f2c1a6e-0b51-4c1e-9a55-6f0d2f1e7b10/oauth2/v2.0/authorize", []string{"RS256"}, true, false},
		{"b2c", "https://contoso.b2clogin.com/4b6a7c1d-2f0e-4f7a-8d3b-0c9e5a1f2b3c/v2.0/",
			"https://contoso.b2clogin.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize?p=b2c_1_signin", []string{"RS256"}, true, false},
		{"okta", "https://dev-123456.okta.com/oauth2/default", "https://dev-123456.okta.com/oauth2/default/v1/authorize", []string{"RS256"}, true, false},
		{"keycloak", "https://sso.example.org/realms/staff", "https://sso.example.org/realms/staff/protocol/openid-connect/auth",
			[]string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}, true, true},
		{"auth0", "https://example-tenant.eu.auth0.com/", "https://example-tenant.eu.auth0.com/authorize", []string{"RS256", "PS256"}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			s.Issuer = tt.issuer
			s.Secret = func(context.Context) (string, error) { return "s", nil }
			m, err := provider.ParseMetadata(document(t, tt.name), s)
			if err != nil {
				t.Fatal(err)
			}
			if m.Authorization != tt.authorization || m.ClientAuth != "client_secret_basic" || !slices.Equal(m.Algorithms, tt.algorithms) ||
				(m.EndSession != "") != tt.endSession || m.IssAdvertised != tt.iss || m.Token == "" || m.JWKS == "" {
				t.Errorf("got %+v", m)
			}
			u, err := url.Parse(m.Request)
			if err != nil {
				t.Fatal(err)
			}
			if q := u.Query(); q.Get("code_challenge_method") != "S256" || q.Get("client_id") != "c" || q.Get("scope") != "openid profile email" {
				t.Errorf("request %s", m.Request)
			}
			if tt.name == "b2c" && u.Query().Get("p") != "b2c_1_signin" {
				t.Errorf("the endpoint's own query is lost in %s", m.Request)
			}
		})
	}
}

func TestIssuerIsComparedExactly(t *testing.T) {
	for _, tt := range []struct{ name, configured string }{
		{"a slash more", "https://sso.example.org/realms/staff/"},
		{"another case", "https://SSO.example.org/realms/staff"},
		{"a default port", "https://sso.example.org:443/realms/staff"},
		{"another host", "https://sso.example.net/realms/staff"},
		{"an escape", "https://sso.example.org/realms/st%61ff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			s.Issuer = tt.configured
			if _, err := provider.ParseMetadata(document(t, "keycloak"), s); !errors.Is(err, provider.ErrMisconfigured) {
				t.Errorf("got %v; want ErrMisconfigured", err)
			}
		})
	}
	t.Run("a template", func(t *testing.T) {
		s := valid()
		s.Issuer = "https://login.microsoftonline.com/common/v2.0"
		if _, err := provider.ParseMetadata(document(t, "entra-common"), s); !errors.Is(err, provider.ErrMisconfigured) {
			t.Errorf("got %v; want ErrMisconfigured", err)
		}
	})
}

// base is a good document for https://op.example, changed.
func base(changes map[string]any) []byte {
	doc := map[string]any{
		"issuer":                 "https://op.example",
		"authorization_endpoint": "https://op.example/authorize",
		"token_endpoint":         "https://api.op.example/token",
		"jwks_uri":               "https://keys.op.example/jwks",
		"userinfo_endpoint":      "https://api.op.example/userinfo",
		"end_session_endpoint":   "https://op.example/logout",
	}
	maps.Copy(doc, changes)
	maps.DeleteFunc(doc, func(_ string, v any) bool { return v == nil })
	b, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return b
}

func TestHostileEndpointsAreRefused(t *testing.T) {
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint"} {
		for _, tt := range []struct{ name, address string }{
			{"javascript", "javascript:alert(1)"},
			{"a file", "file:///etc/passwd"},
			{"plain http", "http://op.example/x"},
			{"a data address", "data:text/html,x"},
			{"no scheme", "//op.example/x"},
			{"relative", "/x"},
			{"a user name", "https://u@op.example/x"},
			{"a fragment", "https://op.example/x#y"},
			{"an empty fragment", "https://op.example/x#"},
			{"loopback", "https://127.0.0.1/x"},
			{"a loopback name", "https://a.localhost./x"},
			{"loopback in IPv6", "https://[::1]/x"},
			{"loopback as IPv4 in IPv6", "https://[::ffff:127.0.0.1]/x"},
			{"link-local", "https://169.254.169.254/latest"},
			{"link-local in IPv6", "https://[fe80::1]/x"},
			{"unspecified", "https://0.0.0.0/x"},
			{"a line break", "https://op.example/\n"},
			{"a backslash", `https://op.example\@evil.example/`},
			{"a broken query", "https://op.example/?a=%zz"},
			{"3000 bytes", "https://op.example/" + strings.Repeat("a", 3000)},
		} {
			t.Run(name+" with "+tt.name, func(t *testing.T) {
				_, err := provider.ParseMetadata(base(map[string]any{name: tt.address}), valid())
				if !errors.Is(err, provider.ErrMisconfigured) || !strings.Contains(err.Error(), name) {
					t.Errorf("got %v; want ErrMisconfigured that names %s", err, name)
				}
			})
		}
	}
}

func TestTenantsMetadataNamesPublicAddressesOnly(t *testing.T) {
	for _, address := range []string{"https://10.1.2.3/x", "https://[fd00::1]/x", "https://100.64.0.1/x", "https://[64:ff9b::a00:1]/x"} {
		s := valid()
		if _, err := provider.ParseMetadata(base(map[string]any{"token_endpoint": address}), s); err != nil {
			t.Errorf("an operator's provider at %s: %v", address, err)
		}
		s.TenantSupplied = true
		if _, err := provider.ParseMetadata(base(map[string]any{"token_endpoint": address}), s); err == nil {
			t.Errorf("a tenant's provider at %s was accepted", address)
		}
	}
}

func TestEndpointsByTheOperator(t *testing.T) {
	hostile := map[string]any{"userinfo_endpoint": "http://op.example/u", "end_session_endpoint": "javascript:x"}
	s := valid()
	s.Endpoints = provider.Endpoints{UserInfo: "https://mine.example/u", EndSession: "-"}
	m, err := provider.ParseMetadata(base(hostile), s)
	if err != nil {
		t.Fatal(err)
	}
	if m.UserInfo != "https://mine.example/u" || m.EndSession != "" {
		t.Errorf("userinfo %q, end session %q", m.UserInfo, m.EndSession)
	}
}

func TestMissingEndpoints(t *testing.T) {
	for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri"} {
		if _, err := provider.ParseMetadata(base(map[string]any{name: nil}), valid()); !errors.Is(err, provider.ErrMisconfigured) {
			t.Errorf("without %s: %v; want ErrMisconfigured", name, err)
		}
	}
	for _, name := range []string{"userinfo_endpoint", "end_session_endpoint"} {
		if _, err := provider.ParseMetadata(base(map[string]any{name: nil}), valid()); err != nil {
			t.Errorf("without %s: %v", name, err)
		}
	}
}

func TestClientAuthIsChosenFromMetadata(t *testing.T) {
	secret := func(context.Context) (string, error) { return "s", nil }
	for _, tt := range []struct {
		name    string
		methods any
		change  func(*provider.Settings)
		want    string // "" is an error
	}{
		{"nothing listed", nil, func(s *provider.Settings) { s.Secret = secret }, "client_secret_basic"},
		{"both listed", []string{"client_secret_post", "client_secret_basic"}, func(s *provider.Settings) { s.Secret = secret }, "client_secret_basic"},
		{"post alone", []string{"client_secret_post"}, func(s *provider.Settings) { s.Secret = secret }, "client_secret_post"},
		{"no secret", []string{"client_secret_post"}, func(*provider.Settings) {}, "none"},
		{"a setting that is not listed", []string{"client_secret_post"}, func(s *provider.Settings) {
			s.Secret, s.ClientAuth = secret, "client_secret_basic"
		}, "client_secret_basic"},
		{"no method for a secret", []string{"private_key_jwt"}, func(s *provider.Settings) { s.Secret = secret }, ""},
		{"a list of numbers", []int{1}, func(s *provider.Settings) { s.Secret = secret }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			m, err := provider.ParseMetadata(base(map[string]any{"token_endpoint_auth_methods_supported": tt.methods}), s)
			if tt.want == "" {
				if !errors.Is(err, provider.ErrMisconfigured) {
					t.Errorf("got %v; want ErrMisconfigured", err)
				}
				return
			}
			if err != nil || m.ClientAuth != tt.want {
				t.Errorf("got %+v, %v; want %s", m, err, tt.want)
			}
		})
	}
}

func TestMetadataNeverWidensTheAlgorithms(t *testing.T) {
	for _, tt := range []struct {
		name      string
		supported any
		pinned    []string
		want      []string // nil is an error
	}{
		{"none and HMAC beside RSA", []string{"none", "HS256", "RS256"}, nil, []string{"RS256"}},
		{"what nobody knows", []string{"XX1", "ES256"}, nil, []string{"ES256"}},
		{"nothing listed", nil, nil, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}},
		{"a pin", []string{"RS256", "ES256"}, []string{"ES256"}, []string{"ES256"}},
		{"HMAC alone", []string{"HS256"}, nil, nil},
		{"none alone", []string{"none"}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			s.Algorithms = tt.pinned
			m, err := provider.ParseMetadata(base(map[string]any{"id_token_signing_alg_values_supported": tt.supported}), s)
			if tt.want == nil {
				if !errors.Is(err, provider.ErrMisconfigured) {
					t.Errorf("got %v; want ErrMisconfigured", err)
				}
				return
			}
			if err != nil || !slices.Equal(m.Algorithms, tt.want) {
				t.Errorf("got %+v, %v; want %v", m, err, tt.want)
			}
		})
	}
}

func TestPKCEIsSentWhateverMetadataSays(t *testing.T) {
	for _, methods := range []any{nil, []string{"plain"}, []string{}} {
		m, err := provider.ParseMetadata(base(map[string]any{"code_challenge_methods_supported": methods}), valid())
		if err != nil || !strings.Contains(m.Request, "code_challenge_method=S256") {
			t.Errorf("%v: %+v, %v", methods, m, err)
		}
	}
}

func TestBrokenDocuments(t *testing.T) {
	for _, tt := range []struct{ name, document string }{
		{"empty", ""},
		{"HTML", "<html>"},
		{"an array", "[]"},
		{"an empty object", "{}"},
		{"cut off", `{"issuer":"https://op.example"`},
		{"two issuers", `{"issuer":"https://evil.example","issuer":"https://op.example"}`},
		{"trailing bytes", string(base(nil)) + "x"},
		{"a byte order mark", "\ufeff" + string(base(nil))},
		{"an issuer that is a number", `{"issuer":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := provider.ParseMetadata([]byte(tt.document), valid()); err == nil {
				t.Errorf("accepted: %+v", m)
			}
		})
	}
}

func TestKeepFor(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"":                              12 * time.Hour,
		"no-store":                      12 * time.Hour,
		"max-age=0":                     10 * time.Minute,
		"public, Max-Age=3600, x":       time.Hour,
		"max-age=99999999":              24 * time.Hour,
		"max-age=-5":                    12 * time.Hour,
		"max-age=99999999999999999999":  12 * time.Hour,
		"s-maxage=60, max-age=\"3600\"": 12 * time.Hour,
	} {
		if got := provider.KeepFor(header); got != want {
			t.Errorf("%q: %v, want %v", header, got, want)
		}
	}
}

// FuzzMetadata: whatever a provider publishes, what is accepted names our
// issuer and leads nowhere but to https addresses without credentials.
func FuzzMetadata(f *testing.F) {
	for _, name := range []string{"google", "entra", "entra-common", "b2c", "okta", "keycloak", "auth0"} {
		f.Add(document(f, name))
	}
	f.Add(base(nil))
	f.Add(base(map[string]any{"token_endpoint": "http://169.254.169.254/"}))
	f.Add([]byte(`{"issuer":"https://op.example","ISSUER":"https://evil.example"}`))
	s := valid()
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := provider.ParseMetadata(b, s)
		if err != nil {
			return
		}
		for i, address := range []string{m.Authorization, m.Token, m.JWKS, m.UserInfo, m.EndSession, m.Request} {
			if address == "" && (i == 3 || i == 4) {
				continue
			}
			u, err := url.Parse(address)
			if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
				t.Errorf("accepted %q", address)
			}
		}
		for name, values := range mustQuery(t, m.Request) {
			if name == "state" || name == "nonce" || (name == "client_id" && len(values) != 1) {
				t.Errorf("request %q", m.Request)
			}
		}
		if slices.Contains(m.Algorithms, "none") || len(m.Algorithms) == 0 {
			t.Errorf("algorithms %v", m.Algorithms)
		}
	})
}

func mustQuery(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		t.Fatalf("%q: %v", address, err)
	}
	return q
}
