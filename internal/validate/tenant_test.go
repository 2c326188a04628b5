package validate_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestIsTenant(t *testing.T) {
	for _, s := range []string{"a", "Z", "0", "9", "a-b_c.d", "6f1c2f6e-5a36-4c0e-9c2a-2f2a0c5d8f11"} {
		if !validate.IsTenant(s) {
			t.Errorf("%q is none", s)
		}
	}
	for _, s := range []string{"", ".", "..", "a/b", "a:b", "a@b", "a[b", "a`b", "a{b", "a%2fb", "a b", "\u00e9", strings.Repeat("a", 1000)} {
		if validate.IsTenant(s) {
			t.Errorf("%q is one", s)
		}
	}
}

func TestIssuersAccept(t *testing.T) {
	all := validate.Issuers{Exact: []string{"https://other.example"}, Template: "https://op.example/" + validate.TenantPlaceholder + "/v2.0"}
	listed := all
	listed.Tenants = []string{"a"}
	for iss, want := range map[string][2]bool{ // with all tenants, and with those listed
		"https://other.example":          {true, true},
		"https://other.example/":         {false, false},
		"https://op.example/a/v2.0":      {true, true},
		"https://op.example/b/v2.0":      {true, false},
		"a/v2.0":                         {false, false},
		"https://op.example/a":           {false, false},
		"https://op.example//v2.0":       {false, false},
		"https://op.example/a/b/v2.0":    {false, false},
		"http://op.example/a/v2.0":       {false, false},
		"https://op.example/a/v2.0/v2.0": {false, false},
	} {
		if got := [2]bool{all.Accept(iss), listed.Accept(iss)}; got != want {
			t.Errorf("%s: %v, want %v", iss, got, want)
		}
	}
	if (validate.Issuers{}).Accept("a") || !(validate.Issuers{}).None() || all.None() || (validate.Issuers{Exact: []string{"a"}}).None() {
		t.Error("none are some, or some none")
	}
	const issuer = "https://op.example/6f1c2f6e-5a36-4c0e-9c2a-2f2a0c5d8f11/v2.0"
	if !all.SeveralTenants(issuer) || !(validate.Issuers{Template: all.Template}).SeveralTenants(issuer) || (validate.Issuers{}).SeveralTenants(issuer) ||
		(validate.Issuers{Exact: []string{strings.ToUpper(issuer)}}).SeveralTenants(issuer) {
		t.Error("tenants are told apart wrongly")
	}
}

// A token of one of several issuers is bound to its tenant, its key and who
// answered; that of the only issuer to nothing more.
func TestTokenOfOneOfSeveralIssuers(t *testing.T) {
	several := validate.Issuers{Exact: []string{"https://op.example/c"}, Template: "https://op.example/" + validate.TenantPlaceholder + "/v2.0"}
	of := func(tenant string) string { return `"https://op.example/` + tenant + `/v2.0"` }
	for name, tt := range map[string]struct {
		claims   map[string]string
		others   validate.Issuers
		keys     []string
		answered string
		check    string // that fails; "": none
	}{
		"the only issuer, with a tid of its own":       {map[string]string{"tid": `"x"`}, validate.Issuers{}, nil, "", ""},
		"the only issuer, and a key of another":        {nil, validate.Issuers{}, []string{"https://other.example"}, "", ""},
		"who answered":                                 {nil, validate.Issuers{}, nil, "https://op.example", ""},
		"another than who answered":                    {nil, several, nil, "https://op.example/c", "iss"},
		"a tenant":                                     {map[string]string{"iss": of("a"), "tid": `"a"`}, several, nil, "", ""},
		"a tenant, and the tid of another":             {map[string]string{"iss": of("a"), "tid": `"b"`}, several, nil, "", "tid"},
		"a tenant without tid":                         {map[string]string{"iss": of("a")}, several, nil, "", "tid"},
		"a listed issuer without tid":                  {map[string]string{"iss": `"https://op.example/c"`}, several, nil, "", ""},
		"a listed issuer with its tid":                 {map[string]string{"iss": `"https://op.example/c"`, "tid": `"c"`}, several, nil, "", ""},
		"a listed issuer with the tid of another":      {map[string]string{"iss": `"https://op.example/c"`, "tid": `"a"`}, several, nil, "", "tid"},
		"a key of all tenants":                         {map[string]string{"iss": of("a"), "tid": `"a"`}, several, []string{"https://x.example", "https://op.example/" + validate.TenantPlaceholder + "/v2.0"}, "", ""},
		"a key of the tenant":                          {map[string]string{"iss": of("a"), "tid": `"a"`}, several, []string{"https://op.example/a/v2.0"}, "", ""},
		"a key of another tenant":                      {map[string]string{"iss": of("a"), "tid": `"a"`}, several, []string{"https://op.example/b/v2.0"}, "", "signature"},
		"a key that is published for nobody, as known": {map[string]string{"iss": of("a"), "tid": `"a"`}, several, []string{}, "", "signature"},
	} {
		claims := map[string]string{"events": "", "nonce": `"n"`}
		for name, value := range tt.claims {
			claims[name] = value
		}
		_, err := checkIDToken(plainHeader, logoutClaims(claims), validate.Expect{
			Issuer: "https://op.example", Others: tt.others, KeyIssuers: tt.keys, Answered: tt.answered,
			ClientID: "client", Nonce: "n", Now: logoutNow, Skew: time.Minute,
		})
		if tt.check == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		} else if tt.check != "" {
			t.Run(name, func(t *testing.T) { assertCheck(t, err, tt.check) })
		}
	}
}
