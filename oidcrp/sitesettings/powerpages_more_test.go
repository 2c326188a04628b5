package sitesettings_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// moreProviderTests are about what is asked for, and what becomes of the answer.
var moreProviderTests = map[string]func(*testing.T){
	"RegistrationClaimsMapping": func(t *testing.T) {
		p := startPortal(t, given{"Scope": "openid profile email", "RegistrationClaimsMapping": "firstname=given_name, lastname=family_name, emailaddress1=email, vip=is_vip, city=/address/locality"}, nil)
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin", "family_name": "Example", "is_vip": true, "address": map[string]any{"locality": "Phuket"}}})
		p.shows(p.visit(signInLink), "contact <erin@example.com> map[firstname:Erin lastname:Example vip:true]")
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin Two"}})
		p.shows(p.visit(signInLink), "firstname:Erin lastname")
		line(t, p.settings, "RegistrationClaimsMapping", changed, "emailaddress1 is set from the claim email anyway")
		const key = "RegistrationClaimsMapping"
		says(t, given{key: "a=b,c=d"}, key, taken, "ProviderRules.Registration")
		says(t, given{key: "a=given_name,b=/address/locality,c=name,d=own"}, key, taken, `Scope does not ask for given_name, address, name, which most providers then do not send: set Scope to "openid profile address"`)
		says(t, given{key: "emailaddress1=email"}, key, changed, `set Scope to "openid email"`)
		if s := says(t, given{key: "a=given_name,b=own", "Scope": "openid profile"}, key, taken, ""); strings.Contains(s.Report.String(), "does not ask") {
			t.Errorf("the scope is there: %s", s.Report)
		}
		says(t, given{key: "city=address.locality"}, key, taken, "/address/locality")
		says(t, given{key: "a=http://schemas.example/x.y"}, key, taken, "")
		says(t, given{key: "contactid=sub, a=b"}, key, changed, "contactid is left out")
		says(t, given{key: "emailaddress1=upn"}, key, changed, "claim email alone")
		says(t, given{key: "first name=given_name"}, key, wrong, "no name of a field")
		says(t, given{key: "firstname"}, key, wrong, "is not field=claim")
		says(t, given{key: `{"given_name": "firstname"}`}, key, wrong, "no JSON object")
	},
	"LoginClaimsMapping": func(t *testing.T) {
		p := startPortal(t, given{"Scope": "openid profile email", "LoginClaimsMapping": "firstname=given_name,emailaddress1=email"}, nil)
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin"}})
		p.shows(p.visit(signInLink), "contact <erin@example.com> map[firstname:Erin]")
		p.person(oidcrptest.User{Subject: "erin", Email: "new@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin Two"}})
		p.shows(p.visit(signInLink), "contact <new@example.com> map[firstname:Erin Two]")
		p.person(oidcrptest.User{Subject: "erin", Email: "not@example.com", Claims: map[string]any{"given_name": "Erin Two"}})
		p.shows(p.visit(signInLink), "contact <new@example.com>")
		line(t, p.settings, "LoginClaimsMapping", changed, "emailaddress1 changes with the claim email where that is verified")
		says(t, given{"LoginClaimsMapping": "emailaddress1=email"}, "LoginClaimsMapping", changed, `set Scope to "openid email"`)
		says(t, given{"LoginClaimsMapping": "nick=userinfo.nickname", "UseUserInfoEndpointforClaims": "true"}, "LoginClaimsMapping", taken, `set Scope to "openid profile"`)
	},
	"UseUserInfoEndpointforClaims": func(t *testing.T) {
		mapping := "told=userinfo.nickname, nick=nickname"
		for _, test := range []struct {
			name, use string
			faults    []oidcrptest.Fault
			want      string
			asked     bool
		}{
			{"on", "true", nil, "map[nick:of the ID token told:of UserInfo]", true},
			{"off", "false", nil, "map[nick:of the ID token]", false},
			{"unreachable", "true", []oidcrptest.Fault{oidcrptest.UserInfoStatus(503)}, "map[nick:of the ID token]", true},
			{"not allowed", "true", []oidcrptest.Fault{oidcrptest.UserInfoStatus(403)}, "map[nick:of the ID token]", true},
			{"not in the metadata", "true", []oidcrptest.Fault{oidcrptest.MetadataField("userinfo_endpoint", nil)}, "map[nick:of the ID token]", false},
		} {
			p := startPortal(t, given{"UseUserInfoEndpointforClaims": test.use, "LoginClaimsMapping": mapping}, nil)
			p.op.SetFaults(append(test.faults, oidcrptest.UserInfoClaim("nickname", "of UserInfo"), oidcrptest.IDTokenClaim("nickname", "of the ID token"))...)
			p.shows(p.visit(signInLink), test.want)
			if got := p.op.Calls(oidcrptest.UserInfoEndpoint) > 0; got != test.asked {
				t.Errorf("%s: UserInfo was asked: %v", test.name, got)
			}
			if warned := strings.Contains(p.log.String(), "claims not used"); warned != (test.name != "on" && test.name != "off") {
				t.Errorf("%s: the log: %s", test.name, p.log.String())
			}
			if test.use == "false" {
				line(t, p.settings, "LoginClaimsMapping", changed, "told is left out: it is from UserInfo, which is not asked")
			}
		}
		// Somebody else's claims, or claims that decide, end the login.
		p := startPortal(t, given{"UseUserInfoEndpointforClaims": "true"}, nil)
		p.op.SetFaults(oidcrptest.UserInfoClaim("sub", "mallory"))
		p.refuses(p.visit(signInLink), "sub")
		p = startPortal(t, given{"UseUserInfoEndpointforClaims": "true", "RoleClaimType": "roles"}, nil)
		p.op.SetFaults(oidcrptest.UserInfoStatus(403))
		p.refuses(p.visit(signInLink), "userinfo")
		line(t, p.settings, "UseUserInfoEndpointforClaims", changed, "UserInfoRequired")
		says(t, given{"UseUserInfoEndpointforClaims": "true", "AllowContactMappingWithEmail": "true"}, "UseUserInfoEndpointforClaims", changed, "UserInfoRequired")
		says(t, given{"UseUserInfoEndpointforClaims": "true", "ResponseType": "id_token"}, "UseUserInfoEndpointforClaims", contradictory, "access token")
		p = startPortal(t, given{"UseUserInfoEndpointforClaims": "true", "ClientSecret": "-", "LoginClaimsMapping": mapping}, nil)
		p.op.SetFaults(oidcrptest.UserInfoClaim("nickname", "of UserInfo"))
		p.shows(p.visit(signInLink), "told:of UserInfo")
	},
	"UserInfoEndpoint": func(t *testing.T) {
		p := startPortal(t, given{"UseUserInfoEndpointforClaims": "true", "UserInfoEndpoint": "{issuer}/userinfo", "LoginClaimsMapping": "told=userinfo.nickname"}, nil)
		p.op.SetFaults(oidcrptest.MetadataField("userinfo_endpoint", nil), oidcrptest.UserInfoClaim("nickname", "of UserInfo"))
		p.shows(p.visit(signInLink), "told:of UserInfo")
		p = startPortal(t, given{"UserInfoEndpoint": "{issuer}/userinfo"}, nil)
		p.shows(p.visit(signInLink), "contact")
		if p.op.Calls(oidcrptest.UserInfoEndpoint) > 0 {
			t.Error("UserInfo was asked")
		}
		line(t, p.settings, "UserInfoEndpoint", taken, "not asked unless")
		says(t, given{"UserInfoEndpoint": "userinfo"}, "UserInfoEndpoint", wrong, "Endpoints.UserInfo")
	},
	"NonceLifetime": func(t *testing.T) {
		for value, want := range map[string]time.Duration{"15": 15 * time.Minute, "00:15:00": 15 * time.Minute, "00:15": 15 * time.Minute, "0.00:20:30": 20*time.Minute + 30*time.Second} {
			if s := says(t, given{"NonceLifetime": value}, "NonceLifetime", taken, "LoginTimeout"); s.Config.LoginTimeout != want {
				t.Errorf("%s is %v", value, s.Config.LoginTimeout)
			}
		}
		for value, want := range map[string]time.Duration{"600": time.Hour, "1.00:00:00": time.Hour, "0": time.Minute, "00:00:30": time.Minute} {
			if s := says(t, given{"NonceLifetime": value}, "NonceLifetime", changed, "from a minute to an hour"); s.Config.LoginTimeout != want {
				t.Errorf("%s is %v", value, s.Config.LoginTimeout)
			}
		}
		for _, value := range []string{"-5", "ten", "00:61:00", "1:2:3:4", "99999999999"} {
			says(t, given{"NonceLifetime": value}, "NonceLifetime", wrong, "minutes")
		}
		// The cookie of the login lives as long.
		p := startPortal(t, given{"NonceLifetime": "15"}, nil)
		r := httptest.NewRequest(http.MethodGet, p.URL+signInLink, nil)
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		rec := httptest.NewRecorder()
		p.rp.ServeHTTP(rec, r)
		if age := rec.Result().Cookies()[0].MaxAge; age != 15*60 {
			t.Errorf("Max-Age is %d", age)
		}
		s := says(t, given{"NonceLifetime": "5", "OpenIdConnect/Other/Authority": "https://o.example", "OpenIdConnect/Other/ClientId": "x", "OpenIdConnect/Other/ClientSecret": "y", "OpenIdConnect/Other/NonceLifetime": "20"},
			"NonceLifetime", changed, "of another provider")
		line(t, s, "OpenIdConnect/Other/NonceLifetime", taken, "20 minutes")
	},
	"UseTokenLifetime": func(t *testing.T) {
		for value, within := range map[string]bool{"true": true, "false": false} {
			p := startPortal(t, given{"UseTokenLifetime": value, "ResponseType": "code", "ResponseMode": "query"}, nil)
			p.op.SetTokenLifetime(10 * time.Minute)
			b := oidcrptest.NewBrowser(t)
			b.Get(p.URL + signInLink)
			var me struct {
				ExpiresIn int `json:"expires_in"`
			}
			if err := b.Fetch(http.MethodGet, p.URL+"/auth/me", nil).JSON(&me); err != nil || (me.ExpiresIn <= 600) != within {
				t.Errorf("%s: the session has %d seconds, %v", value, me.ExpiresIn, err)
			}
		}
	},
	"AllowContactMappingWithEmail": func(t *testing.T) {
		for _, test := range []struct {
			value    string
			verified bool
			known    bool
		}{{"true", true, true}, {"true", false, false}} {
			p := startPortal(t, given{"AllowContactMappingWithEmail": test.value, "Scope": "openid email"}, nil)
			p.contact("erin@example.com")
			p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: test.verified})
			page := p.visit(signInLink)
			p.shows(page, "contact <erin@example.com>")
			if got := strings.Contains(page.Text(), "firstname:Known"); got != test.known {
				t.Errorf("%v: %s", test, page)
			}
			line(t, p.settings, "AllowContactMappingWithEmail", changed, "only a verified address")
		}
		const key, hint = "AllowContactMappingWithEmail", "Scope does not ask for email, which most providers then do not send: set Scope to "
		says(t, given{key: "true"}, key, changed, hint+`"openid email"`)
		says(t, given{key: "true", "Scope": "openid profile"}, key, changed, hint+`"openid profile email"`)
		if s := says(t, given{key: "true", "Scope": "openid email"}, key, changed, ""); strings.Contains(s.Report.String(), "does not ask") {
			t.Errorf("the scope is there: %s", s.Report)
		}
		p := startPortal(t, given{"AllowContactMappingWithEmail": "false", "Scope": "openid email"}, nil)
		p.contact("erin@example.com")
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true})
		p.refuses(p.visit(signInLink), "email_taken")
		says(t, given{"AllowContactMappingWithEmail": "true", "Authority": "https://login.microsoftonline.com/common/", "IssuerFilter": "https://sts.windows.net/*/"}, "AllowContactMappingWithEmail", contradictory, "any tenant")
	},
	"ui_locales": func(t *testing.T) {
		p := startPortal(t, nil, func(_ *portal, cfg *oidcrp.Config) { cfg.Language = func(*http.Request) string { return "th" } })
		if got := p.asked(signInLink).Get("ui_locales"); got != "th" {
			t.Errorf("ui_locales is %q", got)
		}
		if got := p.asked(signInLink + "&ui_locales=de").Get("ui_locales"); got != "th" {
			t.Errorf("a link made ui_locales %q", got)
		}
	},
	"AcrValues": func(t *testing.T) {
		p := startPortal(t, given{"AcrValues": "urn:mfa urn:pwd"}, nil)
		if got := p.asked(signInLink).Get("acr_values"); got != "urn:mfa urn:pwd" {
			t.Errorf("acr_values is %q", got)
		}
	},
	"prompt (query)": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		for _, value := range []string{"none", "login", "consent", "select_account", "create"} {
			if got := p.asked(signInLink + "&prompt=" + value).Get("prompt"); got != value {
				t.Errorf("prompt is %q", got)
			}
		}
		if q := p.asked(signInLink + "&prompt=nonsense"); q.Has("prompt") {
			t.Errorf("prompt is %q", q.Get("prompt"))
		}
	},
	"login_hint (query)": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		if got := p.asked(signInLink + "&login_hint=erin%40example.com").Get("login_hint"); got != "erin@example.com" {
			t.Errorf("login_hint is %q", got)
		}
	},
	"AllowedDynamicAuthorizationParameters": func(t *testing.T) {
		const key = "AllowedDynamicAuthorizationParameters"
		p := startPortal(t, given{key: "param1, param2,prompt"}, nil)
		q := p.asked(signInLink + "&param1=a&param2=b&param3=c&state=mine&client_id=mine&redirect_uri=https%3A%2F%2Fevil.example")
		if q.Get("param1") != "a" || q.Get("param2") != "b" || q.Has("param3") || q.Get("state") == "mine" || q.Get("client_id") != p.client.ID || q.Get("redirect_uri") != p.URL+"/signin-contoso" {
			t.Errorf("asked for %v", q)
		}
		line(t, p.settings, key, taken, "all others are ignored")
		s := says(t, given{key: "state,domain_hint,nonce,domain_hint"}, key, changed, "left out state, nonce")
		if !slices.Equal(s.Config.Providers[0].DynamicParams, []string{"domain_hint"}) {
			t.Errorf("%v", s.Config.Providers[0].DynamicParams)
		}
	},
	"TokenEndPointAuthenticatedMethod": func(t *testing.T) {
		const key = "TokenEndPointAuthenticatedMethod"
		for _, method := range []string{"client_secret_post", "client_secret_basic"} {
			p := startPortal(t, given{key: method}, nil)
			p.client.AuthMethod = method
			p.op.AddClient(p.client)
			p.shows(p.visit(signInLink), "contact")
			says(t, given{key: method, "ClientSecret": "-"}, "ClientSecret", wrong, method)
		}
		signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: signer.Public(), KeyID: "k", Use: "sig", Algorithm: "ES256"}}})
		if err != nil {
			t.Fatal(err)
		}
		p := startPortal(t, given{key: "Private_Key_JWT"}, func(p *portal, cfg *oidcrp.Config) {
			cfg.Providers[0].ClientKeys = []oidcrp.ClientKey{{ID: "k", Key: signer, Algorithm: "ES256"}}
			p.client.AuthMethod, p.client.JWKS, p.client.Secret = "private_key_jwt", public, ""
			p.op.AddClient(p.client)
		})
		p.shows(p.visit(signInLink), "contact")
		line(t, p.settings, key, taken, "Provider.ClientKeys")
		line(t, p.settings, "ClientSecret", ignored, "needs no secret")
		p = startPortal(t, given{key: "none", "ClientSecret": "-"}, nil)
		p.client.Secret, p.client.AuthMethod = "", "none"
		p.op.AddClient(p.client)
		p.shows(p.visit(signInLink), "contact")
		says(t, given{key: "none"}, key, contradictory, "ClientSecret")
		says(t, given{key: "client_secret_pigeon"}, key, wrong, "none of client_secret_post")
	},
	"Prompt": func(t *testing.T) {
		p := startPortal(t, given{"Prompt": "Select_Account"}, nil)
		if got := p.asked(signInLink + "&prompt=none").Get("prompt"); got != "select_account" {
			t.Errorf("prompt is %q", got)
		}
		says(t, given{"Prompt": "create"}, "Prompt", taken, "beats")
		says(t, given{"Prompt": "nonsense"}, "Prompt", wrong, "none, login, consent")
	},
	"PKCE": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		p.shows(p.visit(signInLink), "contact")
		if q := p.op.Requests(oidcrptest.AuthorizeEndpoint)[0].Query; q.Get("code_challenge") == "" || q.Get("code_challenge_method") != "S256" {
			t.Errorf("asked for %v", q)
		}
		if got := p.op.Requests(oidcrptest.TokenEndpoint); len(got[0].Form.Get("code_verifier")) < 43 {
			t.Errorf("redeemed by %v", got[0].Form)
		}
	},
	"Caption": func(t *testing.T) {
		two := given{"OpenIdConnect/Other/Authority": "https://o.example", "OpenIdConnect/Other/ClientId": "x", "OpenIdConnect/Other/ClientSecret": "y"}
		p := startPortal(t, two, nil)
		p.shows(p.visit("/auth/login"), "Sign in with Contoso")
		two["Caption"] = "บัญชี Contoso"
		p = startPortal(t, two, nil)
		p.shows(p.visit("/auth/login"), "Sign in with บัญชี Contoso")
	},
	"AuthenticationType": func(t *testing.T) {
		two := given{"OpenIdConnect/Other/Authority": "https://o.example", "OpenIdConnect/Other/ClientId": "x", "OpenIdConnect/Other/ClientSecret": "y"}
		p := startPortal(t, two, nil)
		p.asked("/Account/Login/ExternalLogin?provider=" + p.op.Issuer())
		two["AuthenticationType"] = "urn:contoso"
		p = startPortal(t, two, nil)
		p.asked("/Account/Login/ExternalLogin?provider=urn:contoso")
		p.shows(p.visit("/Account/Login/ExternalLogin?provider="+p.op.Issuer()), "Sign in with")
		p.shows(p.visit("/Account/Login/ExternalLogin?provider=URN:contoso"), "Sign in with")
		two["OpenIdConnect/Other/AuthenticationType"] = "urn:contoso"
		says(t, two, "OpenIdConnect/Other/AuthenticationType", contradictory, "a name of Contoso too")
	},
	"CallbackPath": func(t *testing.T) {
		p := startPortal(t, given{"RedirectUri": "-", "CallbackPath": "/elsewhere"}, nil)
		if got := p.asked(signInLink).Get("redirect_uri"); got != p.URL+"/elsewhere" {
			t.Errorf("redirect_uri is %q", got)
		}
		p.shows(p.visit(signInLink), "contact")
		says(t, given{"CallbackPath": "/signin-contoso"}, "CallbackPath", taken, "path of RedirectUri")
		says(t, given{"CallbackPath": "/other"}, "CallbackPath", contradictory, "path of RedirectUri")
		says(t, given{"RedirectUri": "-", "CallbackPath": "other"}, "CallbackPath", wrong, "such as")
		says(t, given{"RedirectUri": "-", "CallbackPath": "/register"}, "CallbackPath", wrong, "another purpose")
		says(t, given{"CallbackPath": "/x", "RedirectUri": "-", "OpenIdConnect/Other/Authority": "https://o.example", "OpenIdConnect/Other/ClientId": "x", "OpenIdConnect/Other/ClientSecret": "y", "OpenIdConnect/Other/CallbackPath": "/x"},
			"CallbackPath", contradictory, "two providers")
	},
	"RegistrationEnabled": func(t *testing.T) {
		p := startPortal(t, given{"RegistrationEnabled": "false"}, nil)
		p.refuses(p.visit(signInLink), "refuse/closed")
		p = startPortal(t, given{"RegistrationEnabled": "true"}, nil)
		p.shows(p.visit(signInLink), "contact")
	},
	"Deprecated": func(t *testing.T) {
		p := startPortal(t, given{"Deprecated": "true"}, nil)
		p.refuses(p.visit(signInLink), "refuse/provider_retired")
		says(t, given{"Deprecated": "false"}, "Deprecated", taken, "is false")
	},
	"EmailClaimIdentifier": func(t *testing.T) {
		says(t, given{"EmailClaimIdentifier": "email"}, "EmailClaimIdentifier", taken, "claim email")
		says(t, given{"EmailClaimIdentifier": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"}, "EmailClaimIdentifier", taken, "claim email")
		says(t, given{"EmailClaimIdentifier": "upn"}, "EmailClaimIdentifier", changed, "no other has email_verified")
	},
	"Resource": func(t *testing.T) {
		p := startPortal(t, given{"Resource": "https://api.example/"}, nil)
		if got := p.asked(signInLink).Get("resource"); got != "https://api.example/" {
			t.Errorf("resource is %q", got)
		}
		says(t, given{"Resource": "api"}, "Resource", wrong, "absolute URI")
	},
	"RoleClaimType": func(t *testing.T) {
		for value, want := range map[string]string{"-": "roles []", "roles": `roles ["admin"]`, "http://schemas.microsoft.com/ws/2008/06/identity/claims/role": `roles ["admin"]`, "/app/roles": `roles ["writer"]`} {
			p := startPortal(t, given{"RoleClaimType": value}, nil)
			p.person(oidcrptest.User{Subject: "erin", Claims: map[string]any{"roles": "admin", "app": map[string]any{"roles": []string{"writer"}}}})
			p.shows(p.visit(signInLink), want)
		}
		says(t, given{"RoleClaimType": "/a~b"}, "RoleClaimType", wrong, "JSON Pointer")
	},
}
