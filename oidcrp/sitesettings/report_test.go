package sitesettings_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// Whatever is read has a subtest of TestPowerPages that says what it does.
func TestEverySettingHasATest(t *testing.T) {
	for _, key := range sitesettings.KnownKeys() {
		if key == "ValidateIssuers" { // with ValidateIssuer
			continue
		}
		_, one := providerTests[key]
		_, two := moreProviderTests[key]
		_, three := siteTests[key]
		if !one && !two && !three && withoutEffect[key] == "" && always[key] == "" {
			t.Errorf("%s has no subtest of TestPowerPages", key)
		}
	}
}

func TestNames(t *testing.T) {
	for _, test := range []struct {
		name    string
		key     string
		verdict sitesettings.Verdict
		reason  string
	}{
		{"a letter left out", contoso + "ClientSecrt", wrong, "did you mean ClientSecret?"},
		{"a letter too many", contoso + "Authoritty", wrong, "did you mean Authority?"},
		{"a plural", contoso + "AcrValue", wrong, "did you mean AcrValues?"},
		{"a group misspelt", "Authentication/OpenIdConect/Contoso/Authority", wrong, "did you mean OpenIdConnect?"},
		{"another", "Authentication/Registratoin/Enabled", wrong, "did you mean Registration?"},
		{"the first word", "Autentication/Registration/Enabled", wrong, "did you mean Authentication?"},
		{"a name nobody knows", contoso + "FavouriteColour", ignored, "nothing here is called FavouriteColour"},
		{"a group nobody knows", "Authentication/Weather/Sunny", ignored, "nothing here is called Weather"},
		{"another protocol", "Authentication/OpenAuth/Facebook/AppSecret", ignored, "another protocol"},
		{"SAML", "Authentication/SAML2/Contoso/AssertionConsumerServiceUrl", ignored, "another protocol"},
		{"another part of the site", "Profile/ForceSignUp", ignored, "not about signing in"},
		{"one word", "Authentication", ignored, "not about signing in"},
		{"nothing", "", ignored, "not about signing in"},
		{"slashes", "///", ignored, "not about signing in"},
		{"no provider", "Authentication/OpenIdConnect/Authority", wrong, "no name of a provider"},
		{"an empty provider", "Authentication/OpenIdConnect//Authority", wrong, "no name of a provider"},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := minimal(nil)
			all[test.key] = "hush, a password"
			s, err := sitesettings.FromMap(all)
			at := slices.IndexFunc(s.Report, func(l sitesettings.Line) bool { return l.Key == test.key })
			if at < 0 || len(s.Report) != len(all) || s.Report[at].Verdict != test.verdict || !strings.Contains(s.Report[at].Reason, test.reason) {
				t.Fatalf("\n%s", s.Report)
			}
			if strings.Contains(s.Report.String(), "hush") || err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("a value nobody knows is shown: %v\n%s", err, s.Report)
			}
		})
	}
}

func TestCaseAndSpaces(t *testing.T) {
	s, err := sitesettings.FromMap(given{
		" authentication/OPENIDCONNECT/contoso/authority ": " https://login.contoso.example ", "/Authentication/openidconnect/Contoso/CLIENTID": "portal",
		"Authentication/OpenIdConnect/CONTOSO/ClientSecret": "x", contoso + "ResponseType": "code", contoso + "Caption": "  ",
	})
	if err != nil || len(s.Config.Providers) != 1 {
		t.Fatalf("%v\n%s", err, s.Report)
	}
	if p := s.Config.Providers[0]; p.Name != "contoso" || p.Issuer != "https://login.contoso.example" || p.ClientID != "portal" || p.ResponseType != "code" {
		t.Errorf("%+v", p)
	}
	line(t, s, "Caption", ignored, "is empty")
}

func TestTwoSpellingsOfOneName(t *testing.T) {
	says(t, given{"Scope": "openid", contosoUpper + "SCOPE": "openid"}, "Scope", ignored, "is given already")
	s := says(t, given{"Scope": "openid", contosoUpper + "SCOPE": "openid email"}, "Scope", contradictory, "another value")
	if s.Report.Count(contradictory) != 2 {
		t.Errorf("\n%s", s.Report)
	}
}

// contosoUpper is the provider in another case: full passes it on as it is.
const contosoUpper = "OpenIdConnect/CONTOSO/"

// All that is wrong is said at once, and nothing half-done is returned.
func TestEveryMistakeAtOnce(t *testing.T) {
	s, err := sitesettings.FromMap(minimal(given{
		"Authority": "ftp://x", "Scope": `"`, "ResponseType": "x", "Prompt": "x", "NonceLifetime": "x", "UseTokenLifetime": "x", "ClientSecret": "do not show this", "Nonsense": "x",
	}))
	if err == nil || s.Report.Count(wrong) != 6 || strings.Count(err.Error(), "\n") != 5 {
		t.Fatalf("%v\n%s", err, s.Report)
	}
	if s.Config.Providers != nil || s.Config.LoginPath != "" || s.Rules.ByProvider != nil || s.Rules.RegistrationPath != "" {
		t.Errorf("half-done: %+v %+v", s.Config, s.Rules)
	}
	if strings.Contains(err.Error()+s.Report.String(), "do not show") {
		t.Error("the secret is shown")
	}
	if first := strings.SplitN(s.Report.String(), " ", 2)[0]; first != "wrong" {
		t.Errorf("what needs attention is not first:\n%s", s.Report)
	}
}

func TestNoProvider(t *testing.T) {
	for _, settings := range []given{nil, {"Authentication/Registration/Enabled": "true"}} {
		s, err := sitesettings.FromMap(settings)
		if err == nil || !strings.Contains(err.Error(), "nothing to sign in with") || len(s.Report) != len(settings)+1 {
			t.Errorf("%v\n%s", err, s.Report)
		}
	}
}

// Names of providers may be anything at all.
func TestProviderNames(t *testing.T) {
	all := given{}
	for _, name := range []string{"Azure AD", "azure-ad", "ผู้ให้บริการ", "A", "_x_", strings.Repeat("long", 30), "%2F", "ก", "provider-1"} {
		all["Authentication/OpenIdConnect/"+name+"/Authority"] = "https://login.contoso.example"
		all["Authentication/OpenIdConnect/"+name+"/ClientId"] = "portal"
	}
	s, err := sitesettings.FromMap(all)
	if err != nil {
		t.Fatal(err)
	}
	var names, paths []string
	for _, p := range s.Config.Providers {
		names = append(names, p.Name)
		paths = append(paths, p.RedirectPath)
	}
	want := []string{"2f", "x", "a", "azure-ad", "azure-ad-", strings.Repeat("long", 14), "provider-1", "provider-8", "provider-9"}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) || !slices.Contains(paths, "/signin-Azure%20AD") {
		t.Errorf("%q\n%q", names, paths)
	}
}

// An address may have a password, which nobody is to see, whatever is said of it.
func TestPasswordsInAddresses(t *testing.T) {
	for _, key := range []string{"Authority", "MetadataAddress", "RedirectUri", "PostLogoutRedirectUri", "UserInfoEndpoint", "ValidIssuers", "AuthenticationType"} {
		s, err := sitesettings.FromMap(minimal(given{key: "https://a.example/,https://bob:hush@login.contoso.example/"}))
		if text := fmt.Sprint(err, s.Report, s.Defaults); strings.Contains(text, "hush") || !strings.Contains(text, "[redacted]@") {
			t.Errorf("%s: %s", key, text)
		}
	}
}

// What is said of a value without end has one, and still says what to do.
func TestHugeValues(t *testing.T) {
	for key, remedy := range map[string]string{"Authority": "too long", "Scope": "without quotes", "RegistrationClaimsMapping": "firstname=given_name"} {
		s := says(t, given{key: "ftp://login.contoso.example/" + strings.Repeat("ก", 100_000)}, key, wrong, remedy)
		if n := len(s.Report.String()); n > 5_000 {
			t.Errorf("%s: a report of %d bytes", key, n)
		}
	}
}

func TestReportIsOneLineForEach(t *testing.T) {
	r := sitesettings.Report{{Key: "a\nb\x1b[31m", Value: strings.Repeat("ก", 100) + "\n", Verdict: ignored, Reason: "because\nof"}}
	if got := r.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") || !strings.Contains(got, "ก…") {
		t.Errorf("%q", got)
	}
}
