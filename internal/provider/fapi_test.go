package provider_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// fapi are settings the profile has nothing against.
func fapi() provider.Settings {
	s := valid()
	s.Profile, s.DPoP, s.ClientKeys = provider.FAPI2, true, []provider.ClientKey{{Key: rsaKey()}}
	return s
}

// withTLS is a client with this configuration.
func withTLS(c *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
}

func shows() *http.Client { return withTLS(&tls.Config{Certificates: []tls.Certificate{{}}}) }

func TestFAPI2Settings(t *testing.T) {
	secret := func(context.Context) (string, error) { return "s", nil }
	byCertificate := func(s *provider.Settings) {
		s.ClientAuth, s.ClientKeys, s.HTTPClient = "tls_client_auth", nil, shows()
	}
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		want   string // "": accepted
	}{
		{"a key and DPoP", func(*provider.Settings) {}, ""},
		{"a key and a certificate to bind to", func(s *provider.Settings) { s.DPoP, s.HTTPClient = false, shows() }, ""},
		{"a certificate and DPoP", byCertificate, ""},
		{"a certificate for both", func(s *provider.Settings) { byCertificate(s); s.DPoP = false }, ""},
		{"a certificate nobody sees", func(s *provider.Settings) {
			byCertificate(s)
			s.DPoP, s.HTTPClient = false, &http.Client{Transport: struct{ http.RoundTripper }{http.DefaultTransport}}
		}, ""},
		{"a key that also decrypts", func(s *provider.Settings) {
			s.ClientKeys = append(s.ClientKeys, provider.ClientKey{Key: rsaKey(), Algorithm: "RSA-OAEP"})
		}, ""},
		{"signed messages", func(s *provider.Settings) { s.ResponseMode, s.RequestObject = "jwt", "request" }, ""},
		{"the issuer as audience", func(s *provider.Settings) { s.AssertionAudience = s.Issuer }, ""},
		{"blanked UserInfo", func(s *provider.Settings) { s.Endpoints.UserInfo, s.Endpoints.EndSession = "-", "-" }, ""},
		{"PAR required", func(s *provider.Settings) { s.PAR = provider.UsageRequired }, ""},
		{"a tenant's provider", func(s *provider.Settings) { s.TenantSupplied = true }, ""},

		{"another profile", func(s *provider.Settings) { s.Profile = "FAPI1" }, `Profile "FAPI1"`},
		{"an http issuer on this machine", func(s *provider.Settings) { s.Issuer = "http://127.0.0.1" }, "must begin with https://"},
		{"http admitted", func(s *provider.Settings) { s.InsecureAllowHTTP = true }, "InsecureAllowHTTP"},
		{"a hybrid response", func(s *provider.Settings) { s.ResponseType = "code id_token" }, `ResponseType "code id_token"`},
		{"PAR refused", func(s *provider.Settings) { s.PAR = provider.UsageRefused }, "PAR is refused"},
		{"an unsigned request object", func(s *provider.Settings) { s.RequestObject = "unsigned request" }, "RequestObject"},
		{"no client authentication", func(s *provider.Settings) { s.ClientKeys = nil }, `ClientAuth ""`},
		{"none", func(s *provider.Settings) { s.ClientAuth = "none" }, `ClientAuth "none"`},
		{"a key that only decrypts", func(s *provider.Settings) { s.ClientKeys[0].Algorithm = "RSA-OAEP" }, `ClientAuth ""`},
		{"a secret beside the key", func(s *provider.Settings) { s.Secret = secret }, "ClientSecret"},
		{"another audience", func(s *provider.Settings) { s.AssertionAudience = "https://op.example/token" }, "AssertionAudience"},
		{"tokens bound to nothing", func(s *provider.Settings) { s.DPoP = false }, "DPoP"},
		{"tokens bound to a certificate nobody sees", func(s *provider.Settings) {
			s.DPoP, s.HTTPClient = false, &http.Client{Transport: struct{ http.RoundTripper }{http.DefaultTransport}}
		}, "DPoP"},
		{"a tenant's tokens bound to a certificate", func(s *provider.Settings) {
			s.TenantSupplied, s.DPoP, s.HTTPClient = true, false, shows()
		}, "DPoP"},
		{"the access token in the body", func(s *provider.Settings) { s.DPoP, s.HTTPClient, s.UserInfoInBody = false, shows(), true }, "UserInfoInBody"},
		{"RS256 accepted", func(s *provider.Settings) { s.Algorithms = []string{"PS256", "RS256"} }, `"RS256"`},
		{"ES384 accepted", func(s *provider.Settings) { s.Algorithms = []string{"ES384"} }, `"ES384"`},
		{"a key that signs by RS256", func(s *provider.Settings) { s.ClientKeys[0].Algorithm = "RS256" }, "ClientKeys[0]"},
		{"a key that can do nothing else than ES384", func(s *provider.Settings) {
			s.ClientKeys = append(s.ClientKeys, provider.ClientKey{Key: ecKey("fapi", elliptic.P384())})
		}, "ClientKeys[1]"},
		{"more issuers", func(s *provider.Settings) { s.Issuers = []string{"https://other.example"} }, "Issuers"},
		{"metadata from elsewhere", func(s *provider.Settings) { s.MetadataURL = "https://op.example/metadata" }, "MetadataURL"},
		{"an endpoint by hand", func(s *provider.Settings) { s.Endpoints.Token = "https://op.example/token" }, "Endpoints.Token"},
		{"no PAR endpoint", func(s *provider.Settings) { s.Endpoints.PAR = "-" }, "Endpoints.PAR"},
		{"any certificate", func(s *provider.Settings) { s.HTTPClient = withTLS(&tls.Config{InsecureSkipVerify: true}) }, "HTTPClient accepts any"},
		{"TLS 1.1", func(s *provider.Settings) { s.HTTPClient = withTLS(&tls.Config{MinVersion: tls.VersionTLS11}) }, "TLS 1.2"},
		{"TLS 1.1 at most", func(s *provider.Settings) { s.HTTPClient = withTLS(&tls.Config{MaxVersion: tls.VersionTLS11}) }, "TLS 1.2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fapi()
			tt.change(&s)
			_, err := provider.New(s)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if all := mistakes(err); len(all) != 1 || !strings.Contains(all[0].Error(), tt.want) {
				t.Errorf("got %q, want one with %q", all, tt.want)
			}
		})
	}
}

// mistakes are those New reported.
func mistakes(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return nil
}

func TestFAPI2ReportsAllAtOnce(t *testing.T) {
	s := valid()
	s.Profile, s.ClientAuth, s.Secret = provider.FAPI2, "client_secret_basic", func(context.Context) (string, error) { return "s", nil }
	s.ResponseType, s.PAR, s.Algorithms = "code id_token", provider.UsageRefused, []string{"RS256"}
	_, err := provider.New(s)
	all := mistakes(err)
	for _, want := range []string{"ClientAuth", "ClientSecret", "ResponseType", "PAR", "Algorithms", "DPoP"} {
		if !slices.ContainsFunc(all, func(err error) bool { return strings.HasPrefix(err.Error(), want) }) {
			t.Errorf("nothing of %s: %v", want, err)
		}
	}
	if len(all) != 6 {
		t.Errorf("%d mistakes: %v", len(all), err)
	}
}

// fapiMetadata is what a provider of the profile says of itself.
func fapiMetadata(issuer string) map[string]any {
	return map[string]any{
		"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token",
		"jwks_uri": issuer + "/jwks", "userinfo_endpoint": issuer + "/userinfo",
		"pushed_authorization_request_endpoint": issuer + "/par", "require_pushed_authorization_requests": true,
		"response_types_supported": []string{"code"}, "code_challenge_methods_supported": []string{"S256"},
		"authorization_response_iss_parameter_supported":   true,
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt", "tls_client_auth"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"PS256", "ES256"},
		"id_token_signing_alg_values_supported":            []string{"RS256", "PS256", "ES256"},
		"authorization_signing_alg_values_supported":       []string{"PS256"},
		"request_object_signing_alg_values_supported":      []string{"PS256"},
		"dpop_signing_alg_values_supported":                []string{"PS256", "ES256"},
		"tls_client_certificate_bound_access_tokens":       true,
	}
}

func TestFAPI2Metadata(t *testing.T) {
	byKey := func(*provider.Settings) {}
	byCertificate := func(s *provider.Settings) {
		s.ClientAuth, s.ClientKeys, s.HTTPClient, s.DPoP = "tls_client_auth", nil, shows(), false
	}
	messages := func(s *provider.Settings) { s.ResponseMode, s.RequestObject = "jwt", "request" }
	rs256 := []string{"RS256"}
	for _, tt := range []struct {
		name    string
		changes map[string]any // nil: left out
		with    func(*provider.Settings)
		want    []string // nil: accepted
	}{
		{"all", nil, byKey, nil},
		{"all, for certificates", nil, byCertificate, nil},
		{"all, for signed messages", nil, messages, nil},
		{"what certificates need, without them", map[string]any{"tls_client_certificate_bound_access_tokens": nil}, byKey, nil},
		{"what DPoP needs, without it", map[string]any{"dpop_signing_alg_values_supported": nil}, byCertificate, nil},
		{"iss in the JWT", map[string]any{"authorization_response_iss_parameter_supported": nil}, messages, nil},
		{"no list of what may be left out", map[string]any{
			"token_endpoint_auth_signing_alg_values_supported": nil, "authorization_signing_alg_values_supported": nil,
			"request_object_signing_alg_values_supported": nil,
		}, messages, nil},
		{"no PAR", map[string]any{"pushed_authorization_request_endpoint": nil}, byKey, []string{"lacks pushed_authorization_request_endpoint:"}},
		{"plain PKCE", map[string]any{"code_challenge_methods_supported": []string{"plain"}}, byKey, []string{"lacks S256 in code_challenge_methods_supported:"}},
		{"no iss", map[string]any{"authorization_response_iss_parameter_supported": false}, byKey, []string{"lacks true for authorization_response_iss"}},
		{"no code", map[string]any{"response_types_supported": []string{"id_token"}}, byKey, []string{"lacks code in response_types_supported:"}},
		{"another client authentication", map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}, byKey, []string{"lacks private_key_jwt in"}},
		{"another certificate", map[string]any{"token_endpoint_auth_methods_supported": []string{"self_signed_tls_client_auth"}}, byCertificate, []string{"lacks tls_client_auth in"}},
		{"assertions by RS256", map[string]any{"token_endpoint_auth_signing_alg_values_supported": rs256}, byKey, []string{"in token_endpoint_auth_signing"}},
		{"ID tokens by RS256", map[string]any{"id_token_signing_alg_values_supported": rs256}, byKey, []string{"lacks PS256 or ES256 or EdDSA in id_token"}},
		{"ID tokens not by what is accepted", nil, func(s *provider.Settings) { s.Algorithms = []string{"EdDSA"} }, []string{"lacks EdDSA in id_token"}},
		{"responses by RS256", map[string]any{"authorization_signing_alg_values_supported": rs256}, messages, []string{"in authorization_signing"}},
		{"request objects by RS256", map[string]any{"request_object_signing_alg_values_supported": rs256}, messages, []string{"in request_object_signing"}},
		{"DPoP by PS256", map[string]any{"dpop_signing_alg_values_supported": []string{"PS256"}}, byKey, []string{"lacks ES256 in dpop"}},
		{"no bound tokens", map[string]any{"tls_client_certificate_bound_access_tokens": nil}, byCertificate, []string{"lacks true for tls_client_certificate"}},
		{"an endpoint by http", map[string]any{"authorization_endpoint": "http://127.0.0.1/authorize"}, byKey, []string{"authorization_endpoint: the address"}},
		{"an ordinary provider", map[string]any{
			"pushed_authorization_request_endpoint": nil, "authorization_response_iss_parameter_supported": nil,
			"token_endpoint_auth_methods_supported": nil, "id_token_signing_alg_values_supported": rs256,
			"dpop_signing_alg_values_supported": nil, "code_challenge_methods_supported": nil,
		}, byKey, []string{"pushed_authorization_request_endpoint", "S256", "authorization_response_iss", "private_key_jwt", "id_token_signing", "dpop_signing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := fapi()
			tt.with(&s)
			document, err := json.Marshal(change(fapiMetadata(s.Issuer), tt.changes))
			if err != nil {
				t.Fatal(err)
			}
			m, err := provider.ParseMetadata(document, s)
			if tt.want == nil {
				if err != nil || slices.ContainsFunc(m.Algorithms, func(alg string) bool { return alg != "PS256" && alg != "ES256" }) {
					t.Errorf("got %+v, %v", m, err)
				}
				return
			}
			if !errors.Is(err, provider.ErrMisconfigured) {
				t.Fatalf("got %+v, %v", m, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one error: %v", err)
			}
		})
	}
}

// newFAPI is a fake of the profile, by https.
func newFAPI(t *testing.T) *fake {
	f := newFake(t)
	f.Server.Close()
	f.Server = httptest.NewTLSServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Server.Close)
	f.metadata = fapiMetadata(f.URL)
	f.answer = map[string]any{"token_type": "DPoP"}
	f.handle("/par", respond(201, "application/json", `{"request_uri":"`+theURN+`","expires_in":60}`))
	return f
}

func (f *fake) fapi(t *testing.T, changes ...func(*provider.Settings)) *provider.Provider {
	t.Helper()
	return f.new(t, append([]func(*provider.Settings){func(s *provider.Settings) {
		s.Profile, s.DPoP, s.HTTPClient, s.Secret = provider.FAPI2, true, f.Client(), nil
		s.ClientKeys = []provider.ClientKey{{Key: rsaKey()}}
	}}, changes...)...)
}

func TestFAPI2Signs(t *testing.T) {
	f := newFAPI(t)
	p := f.fapi(t, func(s *provider.Settings) { s.RequestObject = "request" })
	if _, err := begin(p); err != nil {
		t.Fatal(err)
	}
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	pushed := f.requests("/par")[0].Form
	seen := map[any]bool{}
	for _, jwt := range []string{pushed.Get("client_assertion"), pushed.Get("request"), f.requests("/token")[0].Form.Get("client_assertion")} {
		_, claims := readJWT(t, jwt, "PS256", rsaKey().Public())
		if claims["aud"] != f.URL || seen[claims["jti"]] {
			t.Errorf("claims %v", claims)
		}
		seen[claims["jti"]] = true
	}
}

// What a source gives is known at its use only.
func TestFAPI2KeysThatCannotSign(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "assertion")
	if err := os.WriteFile(ready, []byte(sign(map[string]any{"sub": clientID})), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]provider.ClientKey{
		"P-384":             {Func: func(context.Context) (crypto.Signer, error) { return ecKey("fapi", elliptic.P384()), nil }},
		"a ready assertion": {File: ready},
	} {
		f := newFAPI(t)
		_, err := begin(f.fapi(t, keys(key)))
		if !errors.Is(err, provider.ErrMisconfigured) || f.count("/par") != 0 {
			t.Errorf("%s: %v after %d requests", name, err, f.count("/par"))
		}
	}
}

func TestFAPI2Responses(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    provider.Response
		mode string
		want string // check that fails
	}{
		{"with iss", provider.Response{Code: "c", HasIssuer: true}, "", ""},
		{"without iss", provider.Response{Code: "c"}, "", "iss"},
		{"an error without iss", provider.Response{Error: "access_denied"}, "", "iss"},
		{"an error without iss, and not in the JWT that would have it", provider.Response{Error: "access_denied"}, "jwt", "iss"},
		{"with an ID token", provider.Response{Code: "c", IDToken: "t", HasIssuer: true}, "", "response_type"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFAPI(t)
			if tt.mode != "" {
				delete(f.metadata, "authorization_response_iss_parameter_supported")
			}
			tt.r.State, tt.r.Mode = "s", "query"
			if tt.r.HasIssuer {
				tt.r.Issuer = f.URL
			}
			if err := f.fapi(t, func(s *provider.Settings) { s.ResponseMode = tt.mode }).CheckResponse(context.Background(), &tt.r); checked(err) != tt.want || (err == nil) != (tt.want == "") {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// An access token that is not bound as agreed is nobody's to use.
func TestFAPI2Tokens(t *testing.T) {
	f := newFAPI(t)
	maps.Copy(f.answer, map[string]any{"token_type": "Bearer"})
	if _, err := complete(f, f.fapi(t)); checked(err) != "token_type" {
		t.Errorf("a token that is not bound by DPoP: %v", err)
	}
	mine := certificate(t, "client")
	bound := func(s *provider.Settings) {
		s.DPoP = false
		transport := f.Client().Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.Certificates = []tls.Certificate{mine}
		s.HTTPClient = &http.Client{Transport: transport}
	}
	f.metadata["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": f.URL + "/mtls/token", "userinfo_endpoint": f.URL + "/mtls/userinfo"}
	f.handle("/mtls/token", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, map[string]any{"access_token": theAccess, "token_type": "Bearer", "id_token": sign(f.idToken())})
	})
	f.handle("/mtls/userinfo", respond(200, "application/json", `{"sub":"alice"}`))
	p := f.fapi(t, bound, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired })
	if _, err := complete(f, p); err != nil {
		t.Error(err)
	}
	// The first login's token request is the only one at the plain address.
	if f.count("/token") != 1 || f.count("/userinfo") != 0 {
		t.Errorf("token %d, userinfo %d", f.count("/token"), f.count("/userinfo"))
	}
}
