package presets_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/presets"
)

const (
	tenant  = "9f2c1a6e-0b51-4c1e-9a55-6f0d2f1e7b10"
	another = "11111111-2222-3333-4444-555555555555"
	b2cID   = "4b6a7c1d-2f0e-4f7a-8d3b-0c9e5a1f2b3c"
)

// Each vendor's recorded document, at the vendor's address: the request it gets,
// how we authenticate, whom its ID token signs in, and where a sign-out leads.
func TestLogin(t *testing.T) {
	for _, tt := range []struct {
		name      string
		preset    oidcrp.Provider
		file, at  string
		alg       jose.SignatureAlgorithm
		authorize string            // where the browser is sent
		asked     map[string]string // with these parameters; "": without
		claims    map[string]any
		userInfo  map[string]any
		who       string // issuer|subject|name|email
		auth      string // "basic" or "post"
		signOut   string // the endpoint; "" for none
	}{
		{
			name:   "Entra",
			preset: presets.Entra(strings.ToUpper(tenant), "client", "secret"),
			file:   "entra", at: "https://login.microsoftonline.com/" + tenant + "/v2.0/.well-known/openid-configuration",
			authorize: "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/authorize",
			asked:     map[string]string{"scope": "openid profile email", "prompt": ""},
			claims:    map[string]any{"tid": tenant, "oid": "o", "name": "Ann", "email": "ann@contoso.example", "ver": "2.0"},
			who:       "https://login.microsoftonline.com/" + tenant + "/v2.0|user-1|Ann|ann@contoso.example",
			auth:      "basic", signOut: "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/logout",
		},
		{
			name:   "EntraMultiTenant",
			preset: presets.EntraMultiTenant("client", "secret"),
			file:   "entra-common", at: "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
			authorize: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
			asked:     map[string]string{"scope": "openid profile email"},
			claims:    map[string]any{"iss": "https://login.microsoftonline.com/" + another + "/v2.0", "tid": another, "name": "Ann"},
			who:       "https://login.microsoftonline.com/" + another + "/v2.0|user-1|Ann|",
			auth:      "basic", signOut: "https://login.microsoftonline.com/common/oauth2/v2.0/logout",
		},
		{
			name:   "AzureADB2C",
			preset: presets.AzureADB2C("contoso", b2cID, "b2c_1_signin", "client", "secret"),
			file:   "b2c", at: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/b2c_1_signin/v2.0/.well-known/openid-configuration",
			authorize: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/oauth2/v2.0/authorize",
			asked:     map[string]string{"scope": "openid", "p": "b2c_1_signin"},
			claims:    map[string]any{"name": "Ann", "emails": []string{"ann@example.com"}, "tfp": "B2C_1_signin"},
			who:       "https://contoso.b2clogin.com/" + b2cID + "/v2.0/|user-1|Ann|",
			auth:      "basic", signOut: "https://contoso.b2clogin.com/contoso.onmicrosoft.com/oauth2/v2.0/logout",
		},
		{
			name:   "Google",
			preset: presets.Google("example.com", "client", "secret"),
			file:   "google", at: "https://accounts.google.com/.well-known/openid-configuration",
			authorize: "https://accounts.google.com/o/oauth2/v2/auth",
			asked:     map[string]string{"hd": "example.com", "prompt": "select_account", "access_type": "", "scope": "openid profile email"},
			claims:    map[string]any{"hd": "example.com", "name": "Ann", "email": "ann@example.com", "email_verified": true},
			who:       "https://accounts.google.com|user-1|Ann|ann@example.com",
			auth:      "basic",
		},
		{
			name:   "GoogleOffline",
			preset: keepFor("https://www.googleapis.com/", presets.GoogleOffline("", "client", "secret")),
			file:   "google", at: "https://accounts.google.com/.well-known/openid-configuration",
			authorize: "https://accounts.google.com/o/oauth2/v2/auth",
			asked: map[string]string{"hd": "", "prompt": "consent select_account", "access_type": "offline",
				"include_granted_scopes": "true", "scope": "openid profile email"},
			claims: map[string]any{"name": "Ann", "email": "ann@gmail.example"},
			who:    "https://accounts.google.com|user-1|Ann|ann@gmail.example",
			auth:   "basic",
		},
		{
			name:   "Okta",
			preset: presets.Okta("dev-123456.okta.com", "default", "client", "secret"),
			file:   "okta", at: "https://dev-123456.okta.com/oauth2/default/.well-known/openid-configuration",
			authorize: "https://dev-123456.okta.com/oauth2/default/v1/authorize",
			userInfo:  map[string]any{"sub": "user-1", "name": "Ann", "email": "ann@example.com"},
			who:       "https://dev-123456.okta.com/oauth2/default|user-1|Ann|ann@example.com",
			auth:      "basic", signOut: "https://dev-123456.okta.com/oauth2/default/v1/logout",
		},
		{
			name:   "Logto",
			preset: presets.Logto("https://xewb3h.logto.app/", "client", "secret"),
			file:   "logto", at: "https://xewb3h.logto.app/oidc/.well-known/openid-configuration", alg: jose.ES384,
			authorize: "https://xewb3h.logto.app/oidc/auth",
			asked:     map[string]string{"scope": "openid profile email", "prompt": ""},
			claims:    map[string]any{"name": "Ann", "email": "ann@example.com", "email_verified": true},
			who:       "https://xewb3h.logto.app/oidc|user-1|Ann|ann@example.com",
			auth:      "basic", signOut: "https://xewb3h.logto.app/oidc/session/end",
		},
		{
			name:   "Keycloak",
			preset: presets.Keycloak("https://sso.example.org", "staff", "client", "secret"),
			file:   "keycloak", at: "https://sso.example.org/realms/staff/.well-known/openid-configuration",
			authorize: "https://sso.example.org/realms/staff/protocol/openid-connect/auth",
			claims:    map[string]any{"name": "Ann", "email": "ann@example.org"},
			who:       "https://sso.example.org/realms/staff|user-1|Ann|ann@example.org",
			auth:      "basic", signOut: "https://sso.example.org/realms/staff/protocol/openid-connect/logout",
		},
		{
			name:   "Auth0",
			preset: presets.Auth0("example-tenant.eu.auth0.com", "client", "secret"),
			file:   "auth0", at: "https://example-tenant.eu.auth0.com/.well-known/openid-configuration",
			authorize: "https://example-tenant.eu.auth0.com/authorize",
			claims:    map[string]any{"name": "Ann", "email": "ann@example.com"},
			who:       "https://example-tenant.eu.auth0.com/|user-1|Ann|ann@example.com",
			auth:      "basic", signOut: "https://example-tenant.eu.auth0.com/oidc/logout",
		},
		{
			name:   "Cognito",
			preset: presets.Cognito("us-east-1", "us-east-1_4OqDoWVrZ", "client", "secret"),
			file:   "cognito", at: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_4OqDoWVrZ/.well-known/openid-configuration",
			authorize: "https://auth-groovycalamari.auth.us-east-1.amazoncognito.com/oauth2/authorize",
			claims:    map[string]any{"name": "Ann", "email": "ann@example.com", "email_verified": true, "token_use": "id"},
			who:       "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_4OqDoWVrZ|user-1|Ann|ann@example.com",
			auth:      "basic",
		},
		{
			name:   "Apple",
			preset: presets.Apple("com.example.web", "TEAM123456", oidcrp.ClientKey{ID: "KEY1234567", Key: p256()}),
			file:   "apple", at: "https://appleid.apple.com/.well-known/openid-configuration",
			authorize: "https://appleid.apple.com/auth/authorize",
			asked:     map[string]string{"response_mode": "form_post", "scope": "openid email"},
			// The name that is posted beside the answer is anybody's word.
			claims: map[string]any{"email": "x1@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true"},
			who:    "https://appleid.apple.com|user-1|x1@privaterelay.appleid.com|x1@privaterelay.appleid.com",
			auth:   "post",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVendor(t, tt.file, tt.at)
			v.userInfo = tt.userInfo
			if tt.alg != "" {
				v.alg = tt.alg
			}
			l := v.start(tt.preset)
			q := l.asked.Query()
			if at := l.asked.Scheme + "://" + l.asked.Host + l.asked.Path; at != tt.authorize {
				t.Errorf("sent to %s", at)
			}
			for _, always := range []string{"state", "nonce", "code_challenge"} {
				if q.Get(always) == "" {
					t.Errorf("no %s in %v", always, q)
				}
			}
			if q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != app+"/auth/callback/"+tt.preset.Name {
				t.Errorf("asked %v", q)
			}
			for name, want := range tt.asked {
				if q.Get(name) != want {
					t.Errorf("%s is %q, want %q", name, q.Get(name), want)
				}
			}
			res := l.finish(tt.claims)
			if who := l.who(); who != tt.who {
				t.Errorf("signed in %q, want %q (%d %s)", who, tt.who, res.Code, res.Body)
			}
			token := v.meta["token_endpoint"].(string)
			form, user := v.forms[token], v.basic[token]
			if (user == "client") != (tt.auth == "basic") || (form.Get("client_secret") != "") != (tt.auth == "post") || form.Get("code_verifier") == "" {
				t.Errorf("token request by %q with %v", user, form)
			}
			out := l.signOut()
			if at := out.Scheme + "://" + out.Host + out.Path; tt.signOut != "" && at != tt.signOut || tt.signOut == "" && out.Host != "" {
				t.Errorf("sign-out leads to %s, want %q", out, tt.signOut)
			}
			if tt.signOut != "" && out.Query().Get("post_logout_redirect_uri") != app+"/auth/logout" {
				t.Errorf("sign-out leads to %s", out)
			}
			if who := l.who(); who != "" {
				t.Errorf("still signed in: %s", who)
			}
		})
	}
}

// keepFor sends tokens to one API.
func keepFor(api string, p oidcrp.Provider) oidcrp.Provider {
	p.APIs = []oidcrp.API{{URL: api}}
	return p
}

func p256() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// Whoever else the vendor signs in is refused.
func TestRefusals(t *testing.T) {
	common := "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"
	issuer := func(tenant string) string { return "https://login.microsoftonline.com/" + tenant + "/v2.0" }
	google := "https://accounts.google.com/.well-known/openid-configuration"
	for _, tt := range []struct {
		name     string
		preset   oidcrp.Provider
		file, at string
		key      string // the issuer the key states
		claims   map[string]any
		status   int
	}{
		{"a token of another tenant", presets.Entra(tenant, "client", "secret"), "entra", issuer(tenant) + "/.well-known/openid-configuration", "",
			map[string]any{"iss": issuer(another), "tid": another}, http.StatusBadRequest},
		{"a tenant that is not listed", presets.EntraMultiTenant("client", "secret", tenant), "entra-common", common, "",
			map[string]any{"iss": issuer(another), "tid": another}, http.StatusBadRequest},
		{"an issuer that is not of its tid", presets.EntraMultiTenant("client", "secret", tenant, another), "entra-common", common, "",
			map[string]any{"iss": issuer(tenant), "tid": another}, http.StatusBadRequest},
		{"a key of another tenant", presets.EntraMultiTenant("client", "secret"), "entra-common", common, issuer(tenant),
			map[string]any{"iss": issuer(another), "tid": another}, http.StatusBadRequest},
		{"the template itself", presets.EntraMultiTenant("client", "secret"), "entra-common", common, "",
			map[string]any{"iss": issuer("{tenantid}"), "tid": "{tenantid}"}, http.StatusBadRequest},
		{"another Workspace", presets.Google("example.com", "client", "secret"), "google", google, "",
			map[string]any{"hd": "example.net", "email": "ann@example.com"}, http.StatusForbidden},
		{"no Workspace", presets.Google("example.com", "client", "secret"), "google", google, "",
			map[string]any{"email": "ann@example.com"}, http.StatusForbidden},
		{"no Workspace, where any will do", presets.Google("*", "client", "secret"), "google", google, "",
			map[string]any{"email": "ann@example.com"}, http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := newVendor(t, tt.file, tt.at)
			v.issuer = tt.key
			l := v.start(tt.preset)
			if res := l.finish(tt.claims); res.Code != tt.status {
				t.Errorf("status %d: %s", res.Code, res.Body)
			}
			if who := l.who(); who != "" {
				t.Errorf("signed in %s", who)
			}
		})
	}
}

func TestListedTenantSignsIn(t *testing.T) {
	v := newVendor(t, "entra-common", "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration")
	v.issuer = "https://login.microsoftonline.com/{tenantid}/v2.0"
	listed := []string{another, strings.ToUpper(tenant)}
	l := v.start(presets.EntraMultiTenant("client", "secret", listed...))
	l.finish(map[string]any{"iss": "https://login.microsoftonline.com/" + tenant + "/v2.0", "tid": tenant})
	if who := l.who(); !strings.Contains(who, tenant) {
		t.Errorf("signed in %q", who)
	}
	if listed[1] != strings.ToUpper(tenant) {
		t.Error("the caller's list was changed")
	}
}

// The way out of Cognito that its documentation describes, as our documentation
// says to write it.
func TestCognitoSignOut(t *testing.T) {
	v := newVendor(t, "cognito", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_4OqDoWVrZ/.well-known/openid-configuration")
	p := presets.Cognito("us-east-1", "us-east-1_4OqDoWVrZ", "client", "secret")
	p.LocalLogoutOnly = false
	p.Endpoints.EndSession = "https://acme.auth.us-east-1.amazoncognito.com/logout?logout_uri=" + url.QueryEscape(app+"/auth/logout")
	l := v.start(p)
	l.finish(map[string]any{"name": "Ann"})
	out := l.signOut()
	if out.Host != "acme.auth.us-east-1.amazoncognito.com" || out.Query().Get("client_id") != "client" || out.Query().Get("logout_uri") != app+"/auth/logout" {
		t.Errorf("sign-out leads to %s", out)
	}
}

func TestMistakes(t *testing.T) {
	key := oidcrp.ClientKey{ID: "KEY1234567", Key: p256()}
	for _, tt := range []struct {
		want string
		p    oidcrp.Provider
	}{
		{"Entra: tenant '': give the tenant's id", presets.Entra("", "c", "s")},
		{"Entra: tenant 'contoso.onmicrosoft.com': give the tenant's id", presets.Entra("contoso.onmicrosoft.com", "c", "s")},
		{"Entra: tenant 'common' is no single one", presets.Entra("common", "c", "s")},
		{"EntraMultiTenant: tenant '': give", presets.EntraMultiTenant("c", "s", tenant, "")},
		{"EntraMultiTenant: tenant 'acme.example': give", presets.EntraMultiTenant("c", "s", "acme.example", tenant)},
		{"Tenants is empty", presets.EntraMultiTenant("c", "s", []string{}...)},
		{"AzureADB2C: tenant 'contoso.onmicrosoft.com': give", presets.AzureADB2C("contoso.onmicrosoft.com", b2cID, "B2C_1_x", "c", "s")},
		{"AzureADB2C: tenant id '': give", presets.AzureADB2C("contoso", "", "B2C_1_x", "c", "s")},
		{"AzureADB2C: policy 'signin': give", presets.AzureADB2C("contoso", b2cID, "signin", "c", "s")},
		{"AzureADB2C: policy 'B2C_1_a/b': give", presets.AzureADB2C("contoso", b2cID, "B2C_1_a/b", "c", "s")},
		{"Google: hosted domain 'https://example.com': give", presets.Google("https://example.com", "c", "s")},
		{"Google: hosted domain 'Example.com': give", presets.GoogleOffline("Example.com", "c", "s")},
		{"Okta: host '': give", presets.Okta("", "", "c", "s")},
		{"Okta: host 'https://acme.okta.com': give the host alone", presets.Okta("https://acme.okta.com", "", "c", "s")},
		{"Okta: host 'acme-admin.okta.com' is the administrators'", presets.Okta("acme-admin.okta.com", "", "c", "s")},
		{"Okta: authorization server '/oauth2/default': give", presets.Okta("acme.okta.com", "/oauth2/default", "c", "s")},
		{"Logto: endpoint 'acme.logto.app': give", presets.Logto("acme.logto.app", "c", "s")},
		{"Keycloak: base URL 'sso.example.org': give", presets.Keycloak("sso.example.org", "staff", "c", "s")},
		{"Keycloak: base URL 'https://sso.example.org/realms/staff': leave out", presets.Keycloak("https://sso.example.org/realms/staff", "staff", "c", "s")},
		{"Keycloak: realm '': give", presets.Keycloak("https://sso.example.org", "", "c", "s")},
		{"Auth0: domain 'https://acme.auth0.com/': give", presets.Auth0("https://acme.auth0.com/", "c", "s")},
		{"Cognito: region '': give", presets.Cognito("", "eu-west-1_Ab", "c", "s")},
		{"Cognito: user pool 'eu-west-2_Ab': give", presets.Cognito("eu-west-1", "eu-west-2_Ab", "c", "s")},
		{"Apple: team '': give", presets.Apple("c", "", key)},
		{"Apple: key id '': set ClientKey.ID", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{Key: key.Key})},
		{"Apple: key: set one of", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{ID: key.ID})},
		{"Apple: key: set one of", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{ID: key.ID, Key: key.Key, File: "x"})},
		{"Apple: key: Apple takes ES256 alone, not 'RS256'", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{ID: key.ID, Key: key.Key, Algorithm: "RS256"})},
		{"Apple: key: it must be an EC key on P-256", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{ID: key.ID, Key: rsaKey})},
		{"ClientID is empty", presets.Auth0("acme.auth0.com", "", "s")},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := oidcrp.New(oidcrp.Config{BaseURL: app, CookieKeys: [][]byte{cookieKey}, Store: oidcrp.NewMemoryStore(), Providers: []oidcrp.Provider{tt.p}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// What has no mistake is accepted, in every spelling the documentation allows.
func TestAccepted(t *testing.T) {
	all := []oidcrp.Provider{
		presets.Entra(tenant, "c", "s"),
		presets.Okta("acme.okta.com", "", "c", "s"),
		presets.Okta("login.acme.example", "aus1ab2cd3", "c", "s"),
		presets.Logto("https://acme.logto.app/oidc", "c", "s"),
		presets.Logto("http://localhost:3001", "c", "s"),
		presets.Keycloak("https://sso.example.org/auth/", "the staff", "c", "s"),
		presets.AzureADB2C("Contoso", strings.ToUpper(b2cID), "B2C_1A_SIGNUP_SIGNIN", "c", "s"),
		presets.Cognito("us-gov-west-1", "us-gov-west-1_AbC123", "c", "s"),
	}
	for i := range all {
		all[i].Name += string(rune('a' + i))
	}
	if _, err := oidcrp.New(oidcrp.Config{BaseURL: app, CookieKeys: [][]byte{cookieKey}, Providers: all}); err != nil {
		t.Error(err)
	}
	var issuers []string
	for _, p := range all {
		issuers = append(issuers, p.Issuer)
	}
	want := []string{
		"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://acme.okta.com", "https://login.acme.example/oauth2/aus1ab2cd3",
		"https://acme.logto.app/oidc", "http://localhost:3001/oidc", "https://sso.example.org/auth/realms/the%20staff",
		"https://contoso.b2clogin.com/" + b2cID + "/v2.0/", "https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_AbC123",
	}
	if !slices.Equal(issuers, want) {
		t.Errorf("issuers %q", issuers)
	}
}

// Against the vendors' documents Check finds nothing that would keep a login
// from succeeding, and warns of what the vendor leaves out.
func TestCheck(t *testing.T) {
	entra := "https://login.microsoftonline.com/"
	for _, tt := range []struct {
		file, at string
		p        oidcrp.Provider
		codes    []string
	}{
		{"entra", entra + tenant + "/v2.0", presets.Entra(tenant, "c", "s"), []string{"no_pkce", "no_iss"}},
		{"entra-common", entra + "common/v2.0", presets.EntraMultiTenant("c", "s"), []string{"no_pkce", "no_iss"}},
		{"b2c", "https://contoso.b2clogin.com/contoso.onmicrosoft.com/B2C_1_signin/v2.0", presets.AzureADB2C("contoso", b2cID, "B2C_1_signin", "c", "s"), []string{"no_pkce", "no_iss"}},
		{"google", "https://accounts.google.com", presets.Google("example.com", "c", "s"), []string{"no_iss"}},
		{"google", "https://accounts.google.com", presets.GoogleOffline("", "c", "s"), []string{"no_iss"}},
		{"okta", "https://dev-123456.okta.com/oauth2/default", presets.Okta("dev-123456.okta.com", "default", "c", "s"), []string{"no_iss"}},
		{"logto", "https://xewb3h.logto.app/oidc", presets.Logto("https://xewb3h.logto.app", "c", "s"), []string{"no_iss"}},
		{"keycloak", "https://sso.example.org/realms/staff", presets.Keycloak("https://sso.example.org", "staff", "c", "s"), nil},
		{"auth0", "https://example-tenant.eu.auth0.com", presets.Auth0("example-tenant.eu.auth0.com", "c", "s"), []string{"no_iss"}},
		{"cognito", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_4OqDoWVrZ", presets.Cognito("us-east-1", "us-east-1_4OqDoWVrZ", "c", "s"), []string{"no_pkce", "no_iss"}},
		{"apple", "https://appleid.apple.com", presets.Apple("c", "TEAM123456", oidcrp.ClientKey{ID: "KEY1234567", Key: p256()}), []string{"no_pkce", "no_iss"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			v := newVendor(t, tt.file, tt.at+"/.well-known/openid-configuration")
			if tt.file == "logto" {
				v.alg = jose.ES384
			}
			cfg := oidcrp.Config{BaseURL: app, Store: oidcrp.NewMemoryStore(), HTTPClient: &http.Client{Transport: v}}
			r := oidcrp.Check(t.Context(), cfg, tt.p)
			var codes []string
			for _, p := range r.Problems {
				codes = append(codes, p.Code)
			}
			if !slices.Equal(codes, tt.codes) {
				t.Errorf("got %v\n%s", codes, r)
			}
		})
	}
}
