package sitesettings_test

import (
	"slices"
	"strings"
	"testing"

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
	for _, tests := range []map[string]func(*testing.T){providerTests, moreProviderTests, siteTests} {
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
			"https://portal.example": "such as https://portal.example/signin-Contoso", "https://portal.example/register": "another purpose",
			"https://portal.example/account/login/log%4Fff": "another purpose", "https://portal.example/Account/Login/ExternalLogin": "another purpose",
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
