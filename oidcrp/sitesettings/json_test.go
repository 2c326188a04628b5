package sitesettings_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// printed is the JSON of Logto's documentation, as it is printed.
const printed = `{
// ...
IdentityServer: {
Authority: 'https://bookstore.logto.example/oidc',
ClientId: 'bookstore',
PostLogoutRedirectUri: 'http://localhost:3000/',
RedirectUri: 'http://localhost:3000/callback',
ResponseType: 'code',
Scope: 'openid profile', // เพิ่มขอบเขต (scopes) เพิ่มเติมหากต้องการ
},
}`

func TestLogtoAsPrinted(t *testing.T) {
	s, err := sitesettings.FromJSON([]byte(printed))
	if err != nil || s.Report.Count(taken) != 6 || len(s.Report) != 6 {
		t.Fatalf("%v\n%s", err, s.Report)
	}
	p := s.Config.Providers[0]
	if s.Config.BaseURL != "http://localhost:3000" || p.RedirectPath != "/callback" || p.Issuer != "https://bookstore.logto.example/oidc" || p.ClientID != "bookstore" ||
		p.ClientAuth != "none" || p.PostLogoutRedirectURL != "http://localhost:3000/" || p.ResponseType != "code" || strings.Join(p.Scopes, " ") != "openid profile" || s.Config.LoginPath != "" {
		t.Errorf("%+v", s.Config)
	}
	if _, err := oidcrp.New(s.Config); err != nil {
		t.Error(err)
	}
}

func TestLogtoMistakes(t *testing.T) {
	s, err := sitesettings.FromJSON([]byte(`{
		"Logging": {"Level": "secret things"},
		"IdentityServer": {"Authority": "https://<your-logto-endpoint>/oidc", "ClientId": "<your-logto-app-id>", "ResponseType": "token", "RedirectURI": "/callback", "PostLogoutRedirectUri": "x", "Scopes": "openid", "Colour": "red"}}`))
	if err == nil || s.Report.Count(wrong) != 6 || s.Report.Count(ignored) != 2 || strings.Contains(s.Report.String(), "secret things") {
		t.Errorf("%v\n%s", err, s.Report)
	}
	if s, err := sitesettings.FromJSON([]byte(`{Authority: 'https://a.example/oidc', ClientSecret: "hush"}`)); err == nil || s.Report.Count(wrong) != 2 || strings.Contains(s.Report.String(), "hush") {
		t.Errorf("%v\n%s", err, s.Report)
	}
}

func TestJSON(t *testing.T) {
	for _, test := range []struct{ name, in, mistake string }{
		{"names whole", `{"Authentication/OpenIdConnect/A/Authority": "https://a.example", "Authentication/OpenIdConnect/A/ClientId": "x"}`, ""},
		{"objects within objects", `{"Authentication": {"OpenIdConnect": {"A": {"Authority": "https://a.example", "ClientId": "x", "UseTokenLifetime": true, "NonceLifetime": 15, "Caption": null, "ValidAudiences": ["x", 'y',]}}}}`, ""},
		{"a byte order mark, and comments", "\ufeff/* one */ {// two\n'Authentication/OpenIdConnect/A/Authority': \"https:\\u002f/a.example\", Authentication: {OpenIdConnect: {A: {ClientId: 'it\\'s \"x\"'}}}} // three", ""},
		{"a list of objects", `{"Authentication/OpenIdConnect/A/Authority": "https://a.example", "Authentication/OpenIdConnect/A/ClientId": "x", "other": [{"a": 1}, [2]]}`, ""},
		{"nothing", ``, "line 1: expected an object"},
		{"a list", `["a"]`, "line 1: expected an object"},
		{"more than one object", `{} {}`, "line 1: expected the end"},
		{"no end", "{\n\"a\": 1", "line 2: expected a comma"},
		{"no colon", "{\n\n\"a\" 1}", "line 3: expected a colon"},
		{"no name", `{1: 2}`, "expected a name"},
		{"no value", `{"a": }`, "expected a value"},
		{"a word", `{"a": yes}`, "expected a value"},
		{"an open text", "{\"a\": \"hush\n\"}", "line 1: a text does not end"},
		{"an open comment", `{/* hush`, "a comment does not end"},
		{"half a comment", `{/*/ }`, "a comment does not end"},
		{"no such escape", `{"a": "\x"}`, "an escape that is none"},
		{"a control character", "{\"a\": \"\x01\"}", "a control character"},
		{"no UTF-8", "{\"a\": \"\xff\"}", "no UTF-8"},
		{"too deep", strings.Repeat(`{"a":`, 40), "too deep"},
		{"lists too deep", `{"a":` + strings.Repeat(`[`, 40), "too deep"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := sitesettings.FromJSON([]byte(test.in))
			switch {
			case test.mistake == "" && (err != nil || s.Config.Providers[0].Issuer != "https://a.example"):
				t.Errorf("%v\n%s", err, s.Report)
			case test.mistake != "" && (err == nil || !strings.Contains(err.Error(), test.mistake) || strings.Contains(err.Error(), "hush")):
				t.Errorf("%v", err)
			}
		})
	}
	empty, _ := sitesettings.FromJSON([]byte(`{"Authentication": {"OpenIdConnect": {"A": {"Scope": [], "Prompt": {}, "Caption": null}}}}`))
	for _, name := range []string{"Scope", "Prompt", "Caption"} {
		if at := slices.IndexFunc(empty.Report, func(l sitesettings.Line) bool { return l.Key == "Authentication/OpenIdConnect/A/"+name }); at < 0 || empty.Report[at].Verdict != ignored {
			t.Errorf("%s is not said to be empty:\n%s", name, empty.Report)
		}
	}
	s, _ := sitesettings.FromJSON([]byte(`{"Authentication": {"OpenIdConnect": {"A": {"Authority": "https://a.example", "ClientId": 'it\'s "x"', "ValidAudiences": ["y", 7]}}}}`))
	if p := s.Config.Providers; len(p) != 1 || p[0].ClientID != `it's "x"` || strings.Join(p[0].Audiences, "|") != "y|7" {
		t.Errorf("%+v\n%s", p, s.Report)
	}
}

func TestEnviron(t *testing.T) {
	s, err := sitesettings.FromEnviron([]string{
		"AUTHENTICATION__OPENIDCONNECT__ACME__AUTHORITY=https://a.example/?x=y", "Authentication__OpenIdConnect__ACME__ClientId=x=y", "authentication__registration__enabled=false",
		"HOME=/root", "AUTHENTICATION=x", "AUTHENTICATION__", "=C:=x", "Authentication__OpenIdConnect__ACME__ClientSecret",
	})
	if len(s.Report) != 3 {
		t.Errorf("%v\n%s", err, s.Report)
	}
	if err == nil || !strings.Contains(err.Error(), "query") { // of the issuer
		t.Errorf("%v", err)
	}
	s, err = sitesettings.FromEnviron([]string{"AUTHENTICATION__OPENIDCONNECT__ACME__AUTHORITY=https://a.example", "AUTHENTICATION__OPENIDCONNECT__ACME__CLIENTID=x=y", "AUTHENTICATION__REGISTRATION__ENABLED=false"})
	if err != nil || s.Config.Providers[0].ClientID != "x=y" || s.Config.Providers[0].Name != "acme" || s.Rules.ByProvider["acme"].Gate != accounts.Closed {
		t.Errorf("%v\n%+v", err, s.Config)
	}
}
