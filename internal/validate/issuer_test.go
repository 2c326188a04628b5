package validate_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// FuzzIssuers: however an issuer is written, a template lets one plain segment
// of its own host through, and of the tenants those that are listed.
func FuzzIssuers(f *testing.F) {
	const template, listed = "https://login.example/" + validate.TenantPlaceholder + "/v2.0", "https://exact.example/a"
	for _, seed := range []string{
		"https://login.example/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0", "https://login.example/acme/v2.0", "https://login.example/acme.example/v2.0", listed,
		"https://login.example/acme/v2.0/", "https://login.example//v2.0", "https://login.example/a/b/v2.0", "https://login.example/a%2fb/v2.0", "https://login.example/../v2.0",
		"https://login.example:443/acme/v2.0", "https://login.example@evil.example/acme/v2.0", "http://login.example/acme/v2.0", "https://evil.example/https://login.example/acme/v2.0",
		"https://login.example/{tenantid}/v2.0", "https://login.example/*/v2.0", "https://login.example/acme/v2.0?x", "https://login.example/acme#/v2.0", "https://LOGIN.example/acme/v2.0", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, iss string) {
		all := validate.Issuers{Exact: []string{listed}, Template: template}
		some := validate.Issuers{Template: template, Tenants: []string{"acme"}}
		if some.Accept(iss) != (iss == "https://login.example/acme/v2.0") {
			t.Errorf("of the tenant acme: %q", iss)
		}
		if !all.Accept(iss) || iss == listed {
			return
		}
		u, err := url.Parse(iss)
		if err != nil || u.Scheme != "https" || u.Host != "login.example" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.RawPath != "" {
			t.Fatalf("%q is %+v, %v", iss, u, err)
		}
		segments := strings.Split(u.Path, "/")
		if len(segments) != 3 || segments[2] != "v2.0" || !validate.IsTenant(segments[1]) || segments[1] == "." || segments[1] == ".." {
			t.Errorf("%q has the segments %q", iss, segments)
		}
		if strings.Replace(template, validate.TenantPlaceholder, segments[1], 1) != iss {
			t.Errorf("%q is not of the template", iss)
		}
	})
}
