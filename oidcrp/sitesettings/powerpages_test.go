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
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

const (
	taken         = sitesettings.Taken
	changed       = sitesettings.Changed
	ignored       = sitesettings.Ignored
	contradictory = sitesettings.Contradictory
	wrong         = sitesettings.Wrong
)

type given = map[string]string

// TestPowerPages has a subtest for each setting of Power Pages: what it does on
// the wire, or why it does nothing.
func TestPowerPages(t *testing.T) {
	for _, tests := range []map[string]func(*testing.T){providerTests, siteTests} {
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t)
			})
		}
	}
	for key, reason := range withoutEffect {
		t.Run(key, func(t *testing.T) { says(t, given{key: "true"}, key, ignored, reason) })
	}
	for key, reason := range always {
		t.Run(key, func(t *testing.T) {
			says(t, given{key: "true"}, key, taken, reason)
			says(t, given{key: "False"}, key, changed, reason)
			says(t, given{key: "maybe"}, key, wrong, "no boolean")
		})
	}
}

var providerTests = map[string]func(*testing.T){
	"Authority": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		p.shows(p.visit(signInLink), "contact")
		line(t, p.settings, "Authority", taken, p.op.Issuer())
		for _, test := range []struct{ name, authority, metadata, address, issuer string }{
			{"v1 of one tenant", entraV1, "", entraV1 + config, "https://sts.windows.net/" + tenant + "/"},
			{"v2.0 of one tenant", entraV1, entraV2 + "/" + config, entraV2 + "/" + config, entraV2},
			{"v2.0 as authority", entraV2 + "/", "", entraV2 + "/" + config, entraV2},
			{"any other, with a slash", "https://a.example/", "", "https://a.example/" + config, "https://a.example/"},
			{"any other, without", "https://a.example/x", "", "https://a.example/x/" + config, "https://a.example/x"},
		} {
			t.Run(test.name, func(t *testing.T) {
				g := given{"Authority": test.authority}
				if test.metadata != "" {
					g["MetadataAddress"] = test.metadata
				}
				s := says(t, g, "Authority", taken, "Provider.Issuer")
				if err := ready(t, s, metadata{test.address: test.issuer}); err != nil {
					t.Error(err)
				}
				for _, other := range []string{"https://sts.windows.net/ffffffff-0000-cccc-1111-dddd2222eeee/", test.issuer + "x", "https://evil.example/"} {
					if err := ready(t, s, metadata{test.address: other}); err == nil {
						t.Errorf("metadata of %s is accepted", other)
					}
				}
			})
		}
		says(t, given{"Authority": "-"}, "Authority", wrong, "is missing")
		says(t, given{"Authority": "http://login.contoso.example"}, "Authority", wrong, "https")
		says(t, given{"Authority": "https://a.example/" + config}, "Authority", wrong, "metadata address")
		says(t, given{"Authority": "https://login.microsoftonline.com/<Directory (tenant) ID>/"}, "Authority", wrong, "placeholder")
		says(t, given{"Authority": "https://login.microsoftonline.com/contoso.example/"}, "Authority", wrong, "(tenant) ID")
		says(t, given{"Authority": "https://login.microsoftonline.com/common/"}, "Authority", wrong, "set IssuerFilter to https://sts.windows.net/*/")
	},
	"ClientId": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		if got := p.asked(signInLink).Get("client_id"); got != p.client.ID {
			t.Errorf("client_id is %q", got)
		}
		says(t, given{"ClientId": "-"}, "ClientId", wrong, "is missing")
		says(t, given{"ClientId": "a\x00b"}, "ClientId", wrong, "control characters")
	},
	"RedirectUri": func(t *testing.T) {
		p := startPortal(t, nil, nil)
		if got := p.asked(signInLink).Get("redirect_uri"); got != p.URL+"/signin-contoso" {
			t.Errorf("redirect_uri is %q", got)
		}
		if p.settings.Config.BaseURL != p.URL {
			t.Errorf("BaseURL is %q", p.settings.Config.BaseURL)
		}
		p = startPortal(t, given{"RedirectUri": "-"}, nil)
		if got := p.asked(signInLink).Get("redirect_uri"); got != p.URL+"/signin-Contoso" {
			t.Errorf("without it redirect_uri is %q", got)
		}
		for value, reason := range map[string]string{
			"/signin-contoso": "no address of a page", "https://portal.example/": "starting with a slash, not ending with one", "https://portal.example/a?b=c": "without query",
			"http://portal.example/signin": "use https", "https://u:p@portal.example/signin": "no address of a page",
		} {
			says(t, given{"RedirectUri": value}, "RedirectUri", wrong, reason)
		}
		other := given{"OpenIdConnect/Other/Authority": "https://other.example", "OpenIdConnect/Other/ClientId": "x", "OpenIdConnect/Other/ClientSecret": "y"}
		other["OpenIdConnect/Other/RedirectUri"] = "https://other.example/signin-other"
		says(t, other, "RedirectUri", contradictory, "another host")
		other["OpenIdConnect/Other/RedirectUri"] = "https://portal.example/signin-contoso"
		says(t, other, "RedirectUri", contradictory, "of two providers")
	},
	"MetadataAddress": func(t *testing.T) {
		p := startPortal(t, given{"MetadataAddress": "{issuer}/" + config + "?p=policy"}, nil)
		p.shows(p.visit(signInLink), "contact")
		if got := p.op.Requests(oidcrptest.DiscoveryEndpoint); len(got) == 0 || got[0].Query.Get("p") != "policy" {
			t.Errorf("the metadata was asked for %v", got)
		}
		says(t, given{"MetadataAddress": "ftp://x"}, "MetadataAddress", wrong, "MetadataURL")
		says(t, given{"Authority": entraV1, "MetadataAddress": strings.Replace(entraV2, "aaaa", "ffff", 1) + "/" + config}, "MetadataAddress", contradictory, "another tenant")
		says(t, given{"Authority": entraV1, "MetadataAddress": "https://evil.example/" + config}, "MetadataAddress", contradictory, "another host")
	},
	"Scope": func(t *testing.T) {
		for value, want := range map[string]string{"-": "openid", "openid profile email": "openid profile email", "openid, profile,email": "openid profile email"} {
			if got := startPortal(t, given{"Scope": value}, nil).asked(signInLink).Get("scope"); got != want {
				t.Errorf("%q asks for %q", value, got)
			}
		}
		p := startPortal(t, given{"Scope": "profile"}, nil)
		if got := p.asked(signInLink).Get("scope"); got != "openid profile" {
			t.Errorf("scope is %q", got)
		}
		line(t, p.settings, "Scope", changed, "openid is added")
		says(t, given{"Scope": `a"b`}, "Scope", wrong, "no scope")
	},
	"ResponseType": func(t *testing.T) {
		for value, want := range map[string]string{
			"-": "code id_token", "code": "code", "id_token code": "code id_token", "id_token": "id_token", "id_token token": "id_token token",
			"code id_token token": "code id_token token", "CODE TOKEN": "code token",
		} {
			p := startPortal(t, given{"ResponseType": value}, nil)
			q := p.asked(signInLink)
			if got := q.Get("response_type"); got != want || (q.Get("code_challenge_method") == "S256") != strings.Contains(want, "code") || q.Get("nonce") == "" {
				t.Errorf("%q asks for %v", value, q)
			}
			p.shows(p.visit(signInLink), "contact")
			if redeemed := p.op.Calls(oidcrptest.TokenEndpoint) > 0; redeemed != strings.Contains(want, "code") {
				t.Errorf("%q: a code was redeemed: %v", value, redeemed)
			}
		}
		says(t, given{"ResponseType": "token"}, "ResponseType", wrong, "use code, code id_token")
		// As Power Pages has it, no code is redeemed without a secret.
		p := startPortal(t, given{"ClientSecret": "-"}, nil)
		p.shows(p.visit(signInLink), "contact")
		if got := p.asked(signInLink).Get("response_type"); got != "id_token" || p.op.Calls(oidcrptest.TokenEndpoint) > 0 {
			t.Errorf("without a secret it asks for %q", got)
		}
		says(t, given{"ClientSecret": "-", "ResponseType": "code id_token"}, "ResponseType", changed, `it is "id_token"`)
		says(t, given{"ClientSecret": "-", "ResponseType": "code id_token token"}, "ResponseType", changed, `it is "id_token token"`)
		says(t, given{"ClientSecret": "-", "ResponseType": "code"}, "ClientSecret", wrong, "is missing")
	},
	"ClientSecret": func(t *testing.T) {
		p := startPortal(t, given{"ResponseType": "code", "ResponseMode": "query"}, nil)
		p.shows(p.visit(signInLink), "contact")
		if got := p.op.Requests(oidcrptest.TokenEndpoint); len(got) != 1 || got[0].Form.Get("client_secret") != p.client.Secret || got[0].Header.Get("Authorization") != "" {
			t.Errorf("the token request was %v", got)
		}
		if printed := p.settings.Report.String() + p.settings.Defaults.String(); strings.Contains(printed, p.client.Secret) {
			t.Error("the report shows the secret")
		}
		line(t, p.settings, "ClientSecret", taken, "Provider.ClientSecret")
	},
	"ResponseMode": func(t *testing.T) {
		for value, want := range map[string]string{"-": "form_post", "form_post": "form_post", "fragment": "fragment"} {
			if got := startPortal(t, given{"ResponseMode": value}, nil).asked(signInLink).Get("response_mode"); got != want {
				t.Errorf("%q asks for %q", value, got)
			}
		}
		p := startPortal(t, given{"ResponseType": "code", "ResponseMode": "query"}, nil)
		if got := p.asked(signInLink).Get("response_mode"); got != "query" {
			t.Errorf("it asks for %q", got)
		}
		says(t, given{"ResponseMode": "query"}, "ResponseMode", wrong, "ResponseMode")
		says(t, given{"ResponseMode": "carrier pigeon"}, "ResponseMode", wrong, "ResponseMode")
	},
	"ExternalLogoutEnabled": func(t *testing.T) {
		signsOut(t, given{"ExternalLogoutEnabled": "true"}, true)
		signsOut(t, given{"ExternalLogoutEnabled": "false"}, false)
		signsOut(t, nil, true)
		says(t, given{"ExternalLogoutEnabled": "ja"}, "ExternalLogoutEnabled", wrong, "no boolean")
	},
	"PostLogoutRedirectUri": func(t *testing.T) {
		for value, want := range map[string]string{"-": "/auth/logout", "{site}/": "/"} {
			p := signsOut(t, given{"PostLogoutRedirectUri": value}, true)
			if got := p.op.Requests(oidcrptest.EndSessionEndpoint)[0].Query.Get("post_logout_redirect_uri"); got != p.URL+want {
				t.Errorf("%q: the provider returns to %q", value, got)
			}
		}
		says(t, given{"PostLogoutRedirectUri": "/"}, "PostLogoutRedirectUri", wrong, "write it whole")
		says(t, given{"PostLogoutRedirectUri": "https://portal.example/#x"}, "PostLogoutRedirectUri", wrong, "without fragment")
		says(t, given{"PostLogoutRedirectUri": "https://portal.example/", "ExternalLogoutEnabled": "false"}, "PostLogoutRedirectUri", ignored, "alone")
	},
	"RPInitiatedLogout": func(t *testing.T) {
		p := signsOut(t, given{"RPInitiatedLogout": "true", "ExternalLogoutEnabled": "false"}, true)
		if got := p.op.Requests(oidcrptest.EndSessionEndpoint)[0].Query; got.Get("id_token_hint") == "" || got.Get("state") == "" {
			t.Errorf("the provider is sent %v", got)
		}
		line(t, p.settings, "ExternalLogoutEnabled", changed, "either switch")
		signsOut(t, given{"RPInitiatedLogout": "true", "ExternalLogoutEnabled": "true"}, true)
		signsOut(t, given{"RPInitiatedLogout": "false", "ExternalLogoutEnabled": "false"}, false)
		says(t, given{"RPInitiatedLogout": "true", "RPInitiatedLogoutEnabled": "false"}, "RPInitiatedLogout", contradictory, "same setting")
	},
	"RPInitiatedLogoutEnabled": func(t *testing.T) {
		signsOut(t, given{"RPInitiatedLogoutEnabled": "true", "ExternalLogoutEnabled": "false"}, true)
		signsOut(t, given{"RPInitiatedLogoutEnabled": "true", "RPInitiatedLogout": "true"}, true)
	},
	"IssuerFilter": func(t *testing.T) {
		filter := given{"IssuerFilter": "{issuer}/*/v2.0"}
		from := func(iss, tid string) *portal {
			p := startPortal(t, filter, nil)
			p.op.SetFaults(oidcrptest.MetadataField("authorization_response_iss_parameter_supported", nil), oidcrptest.ResponseParam("iss"),
				oidcrptest.IDTokenClaim("iss", p.op.Issuer()+iss), oidcrptest.IDTokenClaim("tid", tid))
			return p
		}
		p := from("/one/v2.0", "one")
		p.shows(p.visit(signInLink), "contact")
		line(t, p.settings, "IssuerFilter", taken, "{tenantid}")
		for _, other := range [][2]string{{"/one/v2.0", "two"}, {"/one/two/v2.0", "one"}, {"/one/v1", "one"}} {
			p := from(other[0], other[1])
			p.refuses(p.visit(signInLink), "login failed")
		}
		common := given{"Authority": "https://login.microsoftonline.com/common/", "MetadataAddress": "https://login.microsoftonline.com/common/v2.0/" + config, "IssuerFilter": "https://login.microsoftonline.com/*/v2.0/", "ValidateIssuer": "False"}
		s := says(t, common, "IssuerFilter", taken, "https://login.microsoftonline.com/{tenantid}/v2.0:")
		if err := ready(t, s, metadata{common["MetadataAddress"]: "https://login.microsoftonline.com/{tenantid}/v2.0"}); err != nil {
			t.Error(err)
		}
		s = says(t, given{"Authority": "https://login.microsoftonline.com/organizations/", "IssuerFilter": "https://sts.windows.net/*/"}, "IssuerFilter", taken, "https://sts.windows.net/{tenantid}/:")
		if err := ready(t, s, metadata{"https://login.microsoftonline.com/organizations/" + config: "https://sts.windows.net/{tenantid}/"}); err != nil {
			t.Error(err)
		}
		says(t, given{"Authority": "https://login.microsoftonline.com/common/", "IssuerFilter": "https://login.microsoftonline.com/*/v2.0"}, "IssuerFilter", contradictory, "https://sts.windows.net/*/")
		for _, filter := range []string{"*", "https://*/", "https://*.contoso.example/", "https://a.example/*/*/", "https://a.example/x*/", "https://a.example?*"} {
			says(t, given{"IssuerFilter": filter}, "IssuerFilter", wrong, "ValidIssuers")
		}
		s = says(t, given{"IssuerFilter": "https://other.example"}, "IssuerFilter", taken, "one issuer more")
		if !slices.Equal(s.Config.Providers[0].Issuers, []string{"https://other.example"}) {
			t.Errorf("%v", s.Config.Providers[0].Issuers)
		}
	},
	"ValidAudiences": func(t *testing.T) {
		for value, ok := range map[string]bool{"-": false, "api://reports, https://api.example": true} {
			p := startPortal(t, given{"ValidAudiences": value}, nil)
			p.op.SetFaults(oidcrptest.IDTokenClaim("aud", []string{p.client.ID, "api://reports"}), oidcrptest.IDTokenClaim("azp", p.client.ID))
			if ok {
				p.shows(p.visit(signInLink), "contact")
			} else {
				p.refuses(p.visit(signInLink), "aud")
			}
		}
	},
	"ValidateIssuer": func(t *testing.T) {
		p := startPortal(t, given{"ValidateIssuer": "false"}, nil)
		p.op.SetFaults(oidcrptest.WrongIssuer)
		p.refuses(p.visit(signInLink), "iss")
		line(t, p.settings, "ValidateIssuer", changed, "always checked")
		says(t, given{"ValidateIssuer": "true"}, "ValidateIssuer", taken, "always checked")
		says(t, given{"ValidateIssuers": "False"}, "ValidateIssuers", changed, "always checked")
		says(t, given{"ValidateIssuers": "true", "ValidateIssuer": "false"}, "ValidateIssuers", contradictory, "same setting")
	},
	"ValidIssuers": func(t *testing.T) {
		for value, ok := range map[string]bool{"-": false, "{issuer}, {issuer}/other": true} {
			p := startPortal(t, given{"ValidIssuers": value}, nil)
			p.op.SetFaults(oidcrptest.MetadataField("authorization_response_iss_parameter_supported", nil), oidcrptest.ResponseParam("iss"), oidcrptest.IDTokenClaim("iss", p.op.Issuer()+"/other"))
			if ok {
				p.shows(p.visit(signInLink), "contact")
			} else {
				p.refuses(p.visit(signInLink), "iss")
			}
		}
		says(t, given{"ValidIssuers": "https://*.example"}, "ValidIssuers", wrong, "one issuer exactly")
	},
	"RegistrationClaimsMapping": func(t *testing.T) {
		p := startPortal(t, given{"Scope": "openid profile email", "RegistrationClaimsMapping": "firstname=given_name, lastname=family_name, emailaddress1=email, vip=is_vip, city=/address/locality"}, nil)
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin", "family_name": "Example", "is_vip": true, "address": map[string]any{"locality": "Phuket"}}})
		p.shows(p.visit(signInLink), "contact <erin@example.com> map[firstname:Erin lastname:Example vip:true]")
		p.person(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{"given_name": "Erin Two"}})
		p.shows(p.visit(signInLink), "firstname:Erin lastname")
		line(t, p.settings, "RegistrationClaimsMapping", changed, "emailaddress1 is set from the claim email anyway")
		const key = "RegistrationClaimsMapping"
		says(t, given{key: "a=b,c=d"}, key, taken, "ProviderRules.Registration")
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

// signsOut signs in and out, and fails the test unless the provider was signed
// out too.
func signsOut(t *testing.T, g given, atProvider bool) *portal {
	t.Helper()
	p := startPortal(t, g, nil)
	b := oidcrptest.NewBrowser(t)
	p.shows(b.Get(p.URL+signInLink), "contact")
	b.Get(p.URL + "/Account/Login/LogOff")
	b.SubmitForm("Sign out", nil)
	p.shows(b.Get(p.URL+"/"), "nobody")
	if got := p.op.Calls(oidcrptest.EndSessionEndpoint) > 0; got != atProvider {
		t.Fatalf("%v: the provider was signed out: %v\n%s", g, got, p.log.String())
	}
	return p
}
