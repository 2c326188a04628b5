package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const (
	ours   = "9f2c1a6e-0b51-4c1e-9a55-6f0d2f1e7b10"
	theirs = "11111111-2222-3333-4444-555555555555"
)

// tenants makes f a provider of many tenants, as Entra ID is: one set of keys,
// an issuer for each.
func (f *fake) tenants(change func(*provider.Settings)) func(*provider.Settings) {
	f.metadata = map[string]any{"issuer": f.URL + "/{tenantid}/v2.0"}
	f.handle("/common/v2.0"+discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	return func(s *provider.Settings) {
		s.Issuer, s.IssuerTemplate = f.URL+"/common/v2.0", f.URL+"/{tenantid}/v2.0"
		if change != nil {
			change(s)
		}
	}
}

// T083.
func TestIssuerTemplate(t *testing.T) {
	only := func(s *provider.Settings) { s.Tenants = []string{ours} }
	for _, tt := range []struct {
		name   string
		iss    string // OP stands for the provider's address
		tid    any
		change func(*provider.Settings)
		check  string // "" passes
	}{
		{"a tenant", "OP/" + ours + "/v2.0", ours, nil, ""},
		{"another tenant", "OP/" + theirs + "/v2.0", theirs, nil, ""},
		{"a tenant of the list", "OP/" + ours + "/v2.0", ours, only, ""},
		{"a tenant not of the list", "OP/" + theirs + "/v2.0", theirs, only, "iss"},
		{"a listed issuer of another form", "https://sts.example/" + theirs + "/", theirs, func(s *provider.Settings) {
			only(s)
			s.Issuers = []string{"https://sts.example/" + theirs + "/"}
		}, ""},
		{"another's tid", "OP/" + ours + "/v2.0", theirs, nil, "tid"},
		{"no tid", "OP/" + ours + "/v2.0", nil, nil, "tid"},
		{"an empty tid", "OP/" + ours + "/v2.0", "", nil, "tid"},
		{"a tid in capitals", "OP/" + ours + "/v2.0", strings.ToUpper(ours), nil, "tid"},
		{"a tid array", "OP/" + ours + "/v2.0", []string{ours}, nil, "tid"},
		{"the template itself", "OP/{tenantid}/v2.0", "{tenantid}", nil, "iss"},
		{"the metadata's issuer", "OP/common/v2.0", ours, nil, "tid"},
		{"no tenant", "OP//v2.0", "", nil, "iss"},
		{"two segments", "OP/" + ours + "/x/v2.0", ours + "/x", nil, "iss"},
		{"a segment more", "OP/" + ours + "/v2.0/x", ours, nil, "iss"},
		{"a slash more", "OP/" + ours + "/v2.0/", ours, nil, "iss"},
		{"an escaped slash", "OP/" + ours + "%2fx/v2.0", ours + "%2fx", nil, "iss"},
		{"dots", "OP/../v2.0", "..", nil, "iss"},
		{"a query", "OP/" + ours + "?x/v2.0", ours + "?x", nil, "iss"},
		{"another port", "OP0/" + ours + "/v2.0", ours, nil, "iss"},
		{"another host", "https://evil.example/" + ours + "/v2.0", ours, nil, "iss"},
		{"the pattern within another host", "https://evil.example/OP/" + ours + "/v2.0", ours, nil, "iss"},
		{"a tenant of 200 letters", "OP/" + strings.Repeat("a", 200) + "/v2.0", strings.Repeat("a", 200), nil, "iss"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			iss := strings.ReplaceAll(tt.iss, "OP", f.URL)
			f.claims = map[string]any{"iss": iss, "tid": tt.tid}
			p := f.new(t, f.tenants(tt.change))
			login, err := complete(f, p)
			if checked(err) != tt.check || (err == nil) != (tt.check == "") {
				t.Fatalf("got %v; want check %q", err, tt.check)
			}
			if err == nil && login.Issuer != iss {
				t.Errorf("the login's issuer is %q", login.Issuer)
			}
		})
	}
}

func TestListedIssuers(t *testing.T) {
	for _, tt := range []struct {
		name, iss string
		tid       any
		check     string
	}{
		{"the usual one", "OP", nil, ""},
		{"a listed one", "https://two.example/" + ours, nil, ""},
		{"a listed one with its tid", "https://two.example/" + ours, ours, ""},
		{"a listed one with another's tid", "https://two.example/" + ours, theirs, "tid"},
		{"one that is not listed", "https://three.example", nil, "iss"},
		{"a listed one with a slash more", "https://two.example/" + ours + "/", nil, "iss"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.claims = map[string]any{"iss": strings.ReplaceAll(tt.iss, "OP", f.URL), "tid": tt.tid}
			_, err := complete(f, f.new(t, func(s *provider.Settings) { s.Issuers = []string{"https://two.example/" + ours} }))
			if checked(err) != tt.check || (err == nil) != (tt.check == "") {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
		})
	}
}

// A key that signs for one issuer signs for no other, though all are published
// together.
func TestKeysOfIssuers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		issuers []any // of the key, published once for each; nil: not stated
		pass    bool
	}{
		{"not stated", []any{nil}, true},
		{"the token's", []any{"OP/" + ours + "/v2.0"}, true},
		{"every tenant's", []any{"OP/{tenantid}/v2.0"}, true},
		{"another tenant's", []any{"OP/" + theirs + "/v2.0"}, false},
		{"every tenant's at another host", []any{"https://evil.example/{tenantid}/v2.0"}, false},
		{"empty", []any{""}, false},
		{"another's and the token's", []any{"OP/" + theirs + "/v2.0", "OP/" + ours + "/v2.0"}, true},
		{"another's, and not stated", []any{"OP/" + theirs + "/v2.0", nil}, true},
		{"two others'", []any{"OP/" + theirs + "/v2.0", "https://evil.example"}, false},
	} {
		for _, flow := range []string{"code", "id_token"} {
			t.Run(tt.name+" by "+flow, func(t *testing.T) {
				f := newFake(t)
				f.claims = map[string]any{"iss": f.URL + "/" + ours + "/v2.0", "tid": ours}
				f.handle("/jwks", func(w http.ResponseWriter, r *http.Request) {
					var keys []map[string]any
					for _, issuer := range tt.issuers {
						b, _ := json.Marshal(jose.JSONWebKey{Key: signingKey().Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"})
						key := map[string]any{}
						json.Unmarshal(b, &key)
						if s, ok := issuer.(string); ok {
							key["issuer"] = strings.ReplaceAll(s, "OP", f.URL)
						}
						keys = append(keys, key)
					}
					writeJSON(w, map[string]any{"keys": keys})
				})
				p := f.new(t, f.tenants(nil), flowOf(flow, "form_post"))
				_, err := finish(t, f, p, "form_post", f.front(flow, nil))
				if (err == nil) != tt.pass || err != nil && checked(err) != "signature" {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	// Where there is one issuer, the key set is the issuer's own.
	f := newFake(t)
	f.handle("/jwks", func(w http.ResponseWriter, r *http.Request) {
		b, _ := json.Marshal(jose.JSONWebKey{Key: signingKey().Public(), KeyID: "k1", Algorithm: "ES256"})
		key := map[string]any{}
		json.Unmarshal(b, &key)
		key["issuer"] = "https://elsewhere.example"
		writeJSON(w, map[string]any{"keys": []any{key}})
	})
	if _, err := complete(f, f.new(t)); err != nil {
		t.Error(err)
	}
}

// iss of the response is one of the provider's, and the token's.
func TestIssOfATenantsResponse(t *testing.T) {
	f := newFake(t)
	one, two := f.URL+"/"+ours+"/v2.0", f.URL+"/"+theirs+"/v2.0"
	for _, tt := range []struct {
		name, response, token string
		check                 string
	}{
		{"the same", one, one, ""},
		{"none", "", one, ""},
		{"another tenant", two, one, "iss"},
		{"another provider", "https://evil.example", one, "iss"},
	} {
		for _, flow := range []string{"code", "code id_token", "id_token"} {
			f.set(func(f *fake) {
				f.claims = map[string]any{"iss": tt.token, "tid": strings.Split(tt.token, "/")[3]}
			})
			p := f.new(t, f.tenants(nil), flowOf(flow, "form_post"))
			v := f.front(flow, nil)
			if tt.response != "" {
				v.Set("iss", tt.response)
			}
			before := f.count("/token")
			if _, err := finish(t, f, p, "form_post", v); checked(err) != tt.check || (err == nil) != (tt.check == "") {
				t.Errorf("%s, %s: %v; want check %q", flow, tt.name, err, tt.check)
			}
			if tt.check != "" && flow == "code id_token" && f.count("/token") != before {
				t.Errorf("%s: the code was redeemed", tt.name)
			}
		}
	}
}

// Both tokens of a hybrid flow are one tenant's.
func TestHybridPairOfTenants(t *testing.T) {
	f := newFake(t)
	p := f.new(t, f.tenants(nil), flowOf("code id_token", "form_post"))
	f.set(func(f *fake) { f.claims = map[string]any{"iss": f.URL + "/" + ours + "/v2.0", "tid": ours} })
	v := f.front("code id_token", nil)
	f.set(func(f *fake) { f.claims = map[string]any{"iss": f.URL + "/" + theirs + "/v2.0", "tid": theirs} })
	if _, err := finish(t, f, p, "form_post", v); checked(err) != "sub" {
		t.Errorf("got %v; want check sub", err)
	}
}

func TestMetadataOfSeveralIssuers(t *testing.T) {
	s := valid()
	s.Secret = func(context.Context) (string, error) { return "s", nil }
	s.Issuer = "https://login.microsoftonline.com/common/v2.0"
	s.IssuerTemplate = "https://login.microsoftonline.com/{tenantid}/v2.0"
	if _, err := provider.ParseMetadata(document(t, "entra-common"), s); err != nil {
		t.Error(err)
	}
	s.IssuerTemplate = "https://login.microsoftonline.us/{tenantid}/v2.0"
	if _, err := provider.ParseMetadata(document(t, "entra-common"), s); !errors.Is(err, provider.ErrMisconfigured) {
		t.Errorf("another template: %v; want ErrMisconfigured", err)
	}
	s = valid()
	s.Secret = func(context.Context) (string, error) { return "s", nil }
	s.Issuers = []string{"https://sso.example.org/realms/staff"}
	if _, err := provider.ParseMetadata(document(t, "keycloak"), s); err != nil {
		t.Errorf("a listed issuer: %v", err)
	}
}

func TestBroadIssuersAreMistakes(t *testing.T) {
	const op = "https://login.example/"
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		want   string
	}{
		{"a wildcard", func(s *provider.Settings) { s.IssuerTemplate = op + "*/v2.0" }, "IssuerTemplate"},
		{"a wildcard beside it", func(s *provider.Settings) { s.IssuerTemplate = op + "{tenantid}/*" }, "IssuerTemplate"},
		{"everything", func(s *provider.Settings) { s.IssuerTemplate = "*" }, "IssuerTemplate"},
		{"every https address", func(s *provider.Settings) { s.IssuerTemplate = "https://*" }, "IssuerTemplate"},
		{"no placeholder", func(s *provider.Settings) { s.IssuerTemplate = op + "x/v2.0" }, "IssuerTemplate"},
		{"two placeholders", func(s *provider.Settings) { s.IssuerTemplate = op + "{tenantid}/{tenantid}" }, "IssuerTemplate"},
		{"part of a segment", func(s *provider.Settings) { s.IssuerTemplate = op + "x{tenantid}/v2.0" }, "IssuerTemplate"},
		{"in the host", func(s *provider.Settings) { s.IssuerTemplate = "https://{tenantid}.example/v2.0" }, "IssuerTemplate"},
		{"as the host", func(s *provider.Settings) { s.IssuerTemplate = "https://{tenantid}/v2.0" }, "IssuerTemplate"},
		{"another placeholder", func(s *provider.Settings) { s.IssuerTemplate = op + "{tenantid}/{other}" }, "IssuerTemplate"},
		{"a query", func(s *provider.Settings) { s.IssuerTemplate = op + "{tenantid}/?x" }, "IssuerTemplate"},
		{"plain http", func(s *provider.Settings) { s.IssuerTemplate = "http://login.example/{tenantid}/" }, "IssuerTemplate"},
		{"tenants without template", func(s *provider.Settings) { s.Tenants = []string{ours} }, "Tenants needs IssuerTemplate"},
		{"no tenants at all", func(s *provider.Settings) { s.IssuerTemplate, s.Tenants = op+"{tenantid}/", []string{} }, "Tenants is empty"},
		{"a tenant that is none", func(s *provider.Settings) { s.IssuerTemplate, s.Tenants = op+"{tenantid}/", []string{"a/b"} }, "Tenants[0]"},
		{"a wildcard in the list", func(s *provider.Settings) { s.Issuers = []string{op + "*"} }, "Issuers[0]"},
		{"a template in the list", func(s *provider.Settings) { s.Issuers = []string{op + "{tenantid}"} }, "Issuers[0]"},
		{"an issuer twice", func(s *provider.Settings) { s.Issuers = []string{op, op} }, "Issuers[1]"},
		{"the issuer again", func(s *provider.Settings) { s.Issuers = []string{s.Issuer} }, "Issuers[0]"},
		{"an issuer that is none", func(s *provider.Settings) { s.Issuers = []string{"x"} }, "Issuers[0]"},
		{"a tenant's provider", func(s *provider.Settings) { s.TenantSupplied, s.Issuers = true, []string{op} }, "TenantSupplied provider has one issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			tt.change(&s)
			if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v; want a mistake with %q", err, tt.want)
			}
		})
	}
}

// A key of a tenant's own list is no key of another provider's.
func TestTenantKeyOfAStranger(t *testing.T) {
	f := newFake(t)
	f.claims = map[string]any{"iss": f.URL + "/" + ours + "/v2.0", "tid": ours}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claims, _ := json.Marshal(f.idToken())
	f.answer = map[string]any{"id_token": signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil, string(claims))}
	if _, err := complete(f, f.new(t, f.tenants(nil))); checked(err) != "signature" {
		t.Errorf("got %v; want check signature", err)
	}
}
