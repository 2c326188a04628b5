package provider_test

import (
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func valid() provider.Settings {
	return provider.Settings{
		Name: "op", Issuer: "https://op.example", ClientID: "c", RedirectURL: "https://rp.example/cb",
		Logger: slog.New(slog.DiscardHandler),
	}
}

func TestNewRefuses(t *testing.T) {
	secret := func(context.Context) (string, error) { return "s", nil }
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		want   string
	}{
		{"no issuer", func(s *provider.Settings) { s.Issuer = "" }, "Issuer is empty"},
		{"an http issuer", func(s *provider.Settings) { s.Issuer = "http://op.example" }, "must begin with https://"},
		{"an issuer that is no address", func(s *provider.Settings) { s.Issuer = "op.example" }, "must begin with https://"},
		{"an issuer with a query", func(s *provider.Settings) { s.Issuer = "https://op.example/?a=b" }, "remove the query"},
		{"an issuer with a fragment", func(s *provider.Settings) { s.Issuer = "https://op.example/#a" }, "fragment"},
		{"an issuer with a password", func(s *provider.Settings) { s.Issuer = "https://a:b@op.example" }, "user name or password"},
		{"a link-local issuer", func(s *provider.Settings) { s.Issuer = "https://169.254.169.254" }, "link-local"},
		{"no client id", func(s *provider.Settings) { s.ClientID = "" }, "ClientID is empty"},
		{"a client id with a line break", func(s *provider.Settings) { s.ClientID = "c\n" }, "control characters"},
		{"an http metadata address", func(s *provider.Settings) { s.MetadataURL = "http://op.example/m" }, "MetadataURL"},
		{"a file as endpoint", func(s *provider.Settings) { s.Endpoints.Token = "file:///etc/passwd" }, "Endpoints.Token"},
		{"a blanked token endpoint", func(s *provider.Settings) { s.Endpoints.Token = "-" }, "a login needs it"},
		{"an unknown client authentication", func(s *provider.Settings) { s.ClientAuth = "magic" }, `ClientAuth "magic"`},
		{"basic without a secret", func(s *provider.Settings) { s.ClientAuth = "client_secret_basic" }, "needs a client secret"},
		{"a secret for none", func(s *provider.Settings) { s.ClientAuth = "none"; s.Secret = secret }, "remove one of them"},
		{"private_key_jwt without a key", func(s *provider.Settings) { s.ClientAuth = "private_key_jwt" }, "needs ClientKeys"},
		{"client_secret_jwt without a secret", func(s *provider.Settings) { s.ClientAuth = "client_secret_jwt" }, "needs a client secret"},
		{"a client key of nothing", func(s *provider.Settings) { s.ClientKeys = []provider.ClientKey{{ID: "a"}} }, "one of Key, Func and File"},
		{"a client key of two sources", func(s *provider.Settings) { s.ClientKeys = []provider.ClientKey{{Key: rsaKey(), File: "k"}} }, "one of Key, Func and File"},
		{"a client key for HMAC", func(s *provider.Settings) { s.ClientKeys = []provider.ClientKey{{File: "k", Algorithm: "HS256"}} }, `"HS256" is not supported`},
		{"a client key for none", func(s *provider.Settings) { s.ClientKeys = []provider.ClientKey{{File: "k", Algorithm: "none"}} }, `"none" is not supported`},
		{"a client key of another kind", func(s *provider.Settings) {
			s.ClientKeys = []provider.ClientKey{{Key: rsaKey(), Algorithm: "ES256"}}
		}, "cannot sign with ES256"},
		{"a client key of a curve of long ago", func(s *provider.Settings) {
			s.ClientKeys = []provider.ClientKey{{Key: ecKey("old", elliptic.P224())}}
		}, "curve"},
		{"a client key id with a line break", func(s *provider.Settings) {
			s.ClientKeys = []provider.ClientKey{{ID: "a\n", Key: rsaKey()}}
		}, "control characters"},
		{"an audience for no assertion", func(s *provider.Settings) {
			s.Secret, s.ClientAuth, s.AssertionAudience = secret, "client_secret_post", "x"
		}, "sends no assertion"},
		{"a tenant's assertion audience", func(s *provider.Settings) { s.TenantSupplied = true; s.AssertionAudience = "https://a.example" }, "AssertionAudience"},
		{"a tenant's file", func(s *provider.Settings) {
			s.TenantSupplied = true
			s.ClientKeys = []provider.ClientKey{{File: "/etc/passwd"}}
		}, "File: not for a TenantSupplied"},
		{"an unknown use of PAR", func(s *provider.Settings) { s.PAR = 3 }, "PAR 3"},
		{"required PAR that is blanked", func(s *provider.Settings) { s.PAR, s.Endpoints.PAR = provider.UsageRequired, "-" }, "PAR is required"},
		{"an unknown request object", func(s *provider.Settings) { s.RequestObject = "jwt" }, `RequestObject "jwt"`},
		{"a signed request without a key", func(s *provider.Settings) { s.RequestObject = "request" }, "needs ClientKeys"},
		{"a signed request with a key that decrypts", func(s *provider.Settings) {
			s.RequestObject, s.ClientKeys = "request", []provider.ClientKey{{Key: rsaKey(), Algorithm: "RSA-OAEP"}}
		}, "needs ClientKeys"},
		{"a claim of request objects as fixed parameter", func(s *provider.Settings) {
			s.RequestObject, s.AuthParams = "unsigned request", map[string]string{"sub": "x"}
		}, "is a claim of the request object"},
		{"a claim of request objects as dynamic parameter", func(s *provider.Settings) {
			s.RequestObject, s.DynamicParams = "unsigned request", []string{"aud"}
		}, "is a claim of the request object"},
		{"mutual TLS without a client", func(s *provider.Settings) { s.ClientAuth = "tls_client_auth" }, "no client certificate"},
		{"mutual TLS without a certificate", func(s *provider.Settings) {
			s.ClientAuth, s.HTTPClient = "self_signed_tls_client_auth", &http.Client{Transport: &http.Transport{}}
		}, "no client certificate"},
		{"mutual TLS for a tenant", func(s *provider.Settings) { s.TenantSupplied, s.ClientAuth = true, "tls_client_auth" }, "never uses HTTPClient"},
		{"an unknown response type", func(s *provider.Settings) { s.ResponseType = "token" }, `ResponseType "token"`},
		{"a response type without ID token", func(s *provider.Settings) { s.ResponseType = "token code code" }, `ResponseType "token code code"`},
		{"tokens in the query", func(s *provider.Settings) { s.ResponseType, s.ResponseMode = "code id_token", "query" }, `ResponseMode "query"`},
		{"UserInfo without an access token", func(s *provider.Settings) {
			s.ResponseType, s.UserInfo = "id_token", provider.UserInfoOptional
		}, "UserInfo needs an access token"},
		{"no token endpoint for a code", func(s *provider.Settings) {
			s.ResponseType, s.Endpoints.Token = "code token", "-"
		}, "Endpoints.Token"},
		{"an unknown response mode", func(s *provider.Settings) { s.ResponseMode = "web_message" }, `ResponseMode "web_message"`},
		{"no redirect address to register", func(s *provider.Settings) {
			s.RedirectURL, s.ClientID, s.Secret, s.Registration = "", "", nil, &provider.Registration{}
		}, "RedirectURL"},
		{"a scope with a quote", func(s *provider.Settings) { s.Scopes = []string{`a"b`} }, "Scopes"},
		{"none with another prompt", func(s *provider.Settings) { s.Prompt = "none login" }, "Prompt"},
		{"an unknown prompt", func(s *provider.Settings) { s.Prompt = "maybe" }, "Prompt"},
		{"a negative max age", func(s *provider.Settings) { s.MaxAge = -time.Second }, "MaxAge"},
		{"a max age below a second", func(s *provider.Settings) { s.MaxAge = time.Millisecond }, "MaxAge"},
		{"an acr of two", func(s *provider.Settings) { s.ACRValues = []string{"a b"} }, "ACRValues"},
		{"a dynamic parameter twice", func(s *provider.Settings) { s.DynamicParams = []string{"a", "a"} }, "listed twice"},
		{"a blanked key set", func(s *provider.Settings) { s.Endpoints.JWKS = "-" }, "a login needs it"},
		{"a required acr of nothing", func(s *provider.Settings) { s.RequireACR = true }, "RequireACR"},
		{"a relative resource", func(s *provider.Settings) { s.Resource = []string{"/api"} }, "Resource"},
		{"a claims request that is an array", func(s *provider.Settings) { s.ClaimsRequest = "[]" }, "ClaimsRequest"},
		{"state as a fixed parameter", func(s *provider.Settings) { s.AuthParams = map[string]string{"state": "x"} }, "belongs to the protocol"},
		{"prompt as a fixed parameter", func(s *provider.Settings) { s.AuthParams = map[string]string{"prompt": "login"} }, "use Prompt"},
		{"redirect_uri as a dynamic parameter", func(s *provider.Settings) { s.DynamicParams = []string{"redirect_uri"} }, "belongs to the protocol"},
		{"the algorithm none", func(s *provider.Settings) { s.Algorithms = []string{"none"} }, `"none" is not supported`},
		{"HMAC beside RSA", func(s *provider.Settings) { s.Secret = secret; s.Algorithms = []string{"HS256", "RS256"} }, "cannot be mixed"},
		{"HMAC without a secret", func(s *provider.Settings) { s.Algorithms = []string{"HS256"} }, "needs a client secret"},
		{"HMAC for several audiences", func(s *provider.Settings) {
			s.Secret = secret
			s.Algorithms, s.Audiences = []string{"HS256"}, []string{"b"}
		}, "not defined"},
		{"an empty audience", func(s *provider.Settings) { s.Audiences = []string{""} }, "Audiences"},
		{"an unknown userinfo policy", func(s *provider.Settings) { s.UserInfo = 3 }, "UserInfo 3"},
		{"required userinfo that is blanked", func(s *provider.Settings) {
			s.UserInfo = provider.UserInfoRequired
			s.Endpoints.UserInfo = "-"
		}, "UserInfo is required"},
		{"a skew of an hour", func(s *provider.Settings) { s.Skew = time.Hour }, "Skew"},
		{"a tenant's metadata address", func(s *provider.Settings) { s.TenantSupplied = true; s.MetadataURL = "https://a.example" }, "MetadataURL"},
		{"a tenant's endpoint", func(s *provider.Settings) { s.TenantSupplied = true; s.Endpoints.JWKS = "https://a.example" }, "Endpoints"},
		{"a tenant's plain http", func(s *provider.Settings) { s.TenantSupplied = true; s.InsecureAllowHTTP = true }, "InsecureAllowHTTP"},
		{"a tenant's loopback issuer", func(s *provider.Settings) { s.TenantSupplied = true; s.Issuer = "https://localhost" }, "one of this machine: a TenantSupplied provider has to be public"},
		{"a tenant's private issuer", func(s *provider.Settings) { s.TenantSupplied = true; s.Issuer = "https://10.0.0.1" }, "not public"},
		{"a tenant's IPv4 in IPv6", func(s *provider.Settings) { s.TenantSupplied = true; s.Issuer = "https://[::ffff:10.0.0.1]" }, "not public"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v; want %q in it", err, tt.want)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
	}{
		{"the least", func(*provider.Settings) {}},
		{"a trailing slash", func(s *provider.Settings) { s.Issuer = "https://op.example/" }},
		{"http on loopback", func(s *provider.Settings) { s.Issuer = "http://127.0.0.1:4000" }},
		{"http where admitted", func(s *provider.Settings) { s.Issuer = "http://keycloak:8080/realms/a"; s.InsecureAllowHTTP = true }},
		{"several prompts", func(s *provider.Settings) { s.Prompt = "login consent" }},
		{"scopes in one string", func(s *provider.Settings) { s.Scopes = []string{"openid, email profile"} }},
		{"a public tenant", func(s *provider.Settings) { s.TenantSupplied = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			if _, err := provider.New(s); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestNewReportsAllMistakesAtOnce(t *testing.T) {
	_, err := provider.New(provider.Settings{Issuer: "http://op.example", RedirectURL: "/cb", ResponseType: "x", MaxAge: -1, UserInfo: 9})
	if err == nil {
		t.Fatal("accepted")
	}
	// One level, so that a caller can name the provider in each.
	all, ok := err.(interface{ Unwrap() []error })
	if !ok || len(all.Unwrap()) != 6 {
		t.Errorf("got %v; want six errors joined", err)
	}
	for _, want := range []string{"Issuer", "ClientID", "ResponseType", "RedirectURL", "MaxAge", "UserInfo"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not reported in %v", want, err)
		}
	}
}

func TestNewWarns(t *testing.T) {
	blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		want   string
	}{
		{"of plain http", func(s *provider.Settings) { s.InsecureAllowHTTP = true }, "plain http"},
		{"of a client that verifies nothing", func(s *provider.Settings) { s.HTTPClient = blind }, "any certificate"},
		{"of nothing else", func(*provider.Settings) {}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log strings.Builder
			s := valid()
			s.Logger = slog.New(slog.NewTextHandler(&log, nil))
			tt.change(&s)
			if _, err := provider.New(s); err != nil {
				t.Fatal(err)
			}
			if got := log.String(); (tt.want == "" && got != "") || !strings.Contains(got, tt.want) {
				t.Errorf("log %q; want %q", got, tt.want)
			}
		})
	}
}

func TestTagTellsProvidersApart(t *testing.T) {
	seen := map[[8]byte]string{}
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
	}{
		{"itself", func(*provider.Settings) {}},
		{"another name", func(s *provider.Settings) { s.Name = "op2" }},
		{"another issuer", func(s *provider.Settings) { s.Issuer += "/" }},
		{"another client", func(s *provider.Settings) { s.ClientID = "d" }},
		{"parts moved over", func(s *provider.Settings) {
			s.Name = "ophttps://op.example"
			s.Issuer = "https://op.example"
			s.ClientID = "c"
		}},
	} {
		s := valid()
		tt.change(&s)
		p, err := provider.New(s)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := seen[tag(t, p)]; ok {
			t.Errorf("%s has the tag of %s", tt.name, other)
		}
		seen[tag(t, p)] = tt.name
	}
}

func tag(t *testing.T, p *provider.Provider) [8]byte {
	t.Helper()
	tag, err := p.Tag(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tag
}
