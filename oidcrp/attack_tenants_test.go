package oidcrp_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// tenantAttacks are those of T083 that need no account: a provider of several
// tenants, and tokens of others than they say.
var tenantAttacks = []attack{
	{"T083 issuers that are none of the template", forgedByTenants(nil, nil,
		forgery{"a tenant", "", byTenant("OP/acme/v2.0/", "acme")},
		forgery{"another tenant", "", byTenant("OP/other/v2.0/", "other")},
		forgery{"a segment more", "iss", byTenant("OP/acme/x/v2.0/", "acme")},
		forgery{"a segment more, and the tid of both", "iss", byTenant("OP/acme/x/v2.0/", "acme/x")},
		forgery{"a segment more in front", "iss", byTenant("OP/x/acme/v2.0/", "acme")},
		forgery{"a segment more behind", "iss", byTenant("OP/acme/v2.0/x/", "acme")},
		forgery{"an empty segment", "iss", byTenant("OP//v2.0/", "")},
		forgery{"no segment", "iss", byTenant("OP/v2.0/", "")},
		forgery{"%2f", "iss", byTenant("OP/acme%2fx/v2.0/", "acme%2fx")},
		forgery{"%2F for the slash behind", "iss", byTenant("OP/acme%2Fv2.0/", "acme")},
		forgery{"two dots", "iss", byTenant("OP/../v2.0/", "..")},
		forgery{"a dot", "iss", byTenant("OP/./v2.0/", ".")},
		forgery{"up and down again", "iss", byTenant("OP/acme/../other/v2.0/", "other")},
		forgery{"another port", "iss", byTenant("OP0/acme/v2.0/", "acme")},
		forgery{"no port", "iss", byTenant("http://127.0.0.1/acme/v2.0/", "acme")},
		forgery{"userinfo", "iss", byTenant("http://acme@HOST/acme/v2.0/", "acme")},
		forgery{"userinfo that is the host", "iss", byTenant("OP@evil.example/acme/v2.0/", "acme")},
		forgery{"another scheme", "iss", byTenant("https://HOST/acme/v2.0/", "acme")},
		forgery{"another host", "iss", byTenant("http://evil.example/acme/v2.0/", "acme")},
		forgery{"another host that has it in its path", "iss", byTenant("https://evil.example/OP/acme/v2.0/", "acme")},
		forgery{"another host that has it in its query", "iss", byTenant("https://evil.example/?OP/acme/v2.0/", "acme")},
		forgery{"a host that begins with it", "iss", byTenant("OP.evil.example/acme/v2.0/", "acme")},
		forgery{"a query", "iss", byTenant("OP/acme?/v2.0/", "acme?")},
		forgery{"no slash behind", "iss", byTenant("OP/acme/v2.0", "acme")},
		forgery{"the template itself", "iss", byTenant("OP/{tenantid}/v2.0/", "{tenantid}")},
		forgery{"the filter itself", "iss", byTenant("OP/*/v2.0/", "*")})},
	{"T083 tid of another tenant", forgedByTenants(nil, nil,
		forgery{"another", "tid", byTenant("OP/acme/v2.0/", "other")},
		forgery{"none", "tid", byTenant("OP/acme/v2.0/", nil)},
		forgery{"empty", "tid", byTenant("OP/acme/v2.0/", "")},
		forgery{"other case", "tid", byTenant("OP/acme/v2.0/", "ACME")},
		forgery{"two", "tid", byTenant("OP/acme/v2.0/", []string{"acme", "other"})},
		forgery{"of a tenant, and the issuer of none", "tid", byTenant("OP", "acme")})},
	{"T083 key of another tenant", forgedByTenants(nil, keysOf("OP", "OP/acme/v2.0/"),
		forgery{"its own", "", byTenant("OP/acme/v2.0/", "acme")},
		forgery{"another's", "signature", byTenant("OP/other/v2.0/", "other")})},
	{"T083 key of the template of another host", forgedByTenants(nil, keysOf("OP", "https://evil.example/{tenantid}/v2.0/"),
		forgery{"another's", "signature", byTenant("OP/acme/v2.0/", "acme")})},
	{"T083 key of all tenants", forgedByTenants(nil, keysOf("OP", "OP/{tenantid}/v2.0/"),
		forgery{"every tenant's", "", byTenant("OP/acme/v2.0/", "acme")},
		forgery{"not for another tid", "tid", byTenant("OP/acme/v2.0/", "other")})},
	{"T083 tenants that are listed", forgedByTenants([]string{"acme"}, nil,
		forgery{"one of the list", "", byTenant("OP/acme/v2.0/", "acme")},
		forgery{"one that is not", "iss", byTenant("OP/other/v2.0/", "other")},
		forgery{"one that begins with it", "iss", byTenant("OP/acme2/v2.0/", "acme2")},
		forgery{"other case", "iss", byTenant("OP/ACME/v2.0/", "ACME")})},
	{"T083 answer of another tenant", forgedByTenants(nil, nil,
		forgery{"the token's", "", answeredBy("OP/acme/v2.0/", "acme", "OP/acme/v2.0/")},
		forgery{"another's", "iss", answeredBy("OP/acme/v2.0/", "acme", "OP/other/v2.0/")},
		forgery{"the provider's", "iss", answeredBy("OP/acme/v2.0/", "acme", "OP")})},
	{"T083 filters too broad", broadFilters},
}

// forgedByTenants tries forgeries at a provider whose tokens are of tenants, which
// publishes its keys as keys says, unless it is nil.
func forgedByTenants(tenants []string, keys func(op string) []oidcrptest.Fault, all ...forgery) func(*testing.T) {
	return func(t *testing.T) {
		op := oidcrptest.NewProvider(t)
		trial := tokenTrial{settings: func(c *oidcrp.Config) {
			p := &c.Providers[0]
			p.IssuerTemplate, p.Tenants = p.Issuer+"/{tenantid}/v2.0/", tenants
		}, base: []oidcrptest.Fault{oidcrptest.MetadataField("authorization_response_iss_parameter_supported", nil)}}
		if keys != nil {
			trial.base = append(trial.base, keys(op.Issuer())...)
		}
		for _, flow := range []string{"code", "code id_token"} {
			t.Run(flow, func(t *testing.T) { trial.run(t, op, flow, all) })
		}
	}
}

// at puts a provider where an issuer says OP or HOST.
func at(op, iss string) string {
	return strings.NewReplacer("OP", op, "HOST", strings.TrimPrefix(op, "http://")).Replace(iss)
}

// byTenant makes an ID token one of a tenant's, in an answer of nobody's.
func byTenant(iss string, tid any) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "tenant", IDToken: func(t *oidcrptest.IDToken) {
		op := t.Claims["iss"].(string)
		t.Claims["iss"], t.Claims["tid"] = at(op, iss), tid
		if tid == nil {
			delete(t.Claims, "tid")
		}
	}, Response: func(r *oidcrptest.Response) { r.Params.Del("iss") }}
}

// answeredBy makes an ID token one of a tenant's, and its answer an issuer's.
func answeredBy(iss, tid, answer string) oidcrptest.Fault {
	f := byTenant(iss, tid)
	f.Response = func(r *oidcrptest.Response) { r.Params.Set("iss", at(r.Params.Get("iss"), answer)) }
	return f
}

// keysOf publishes each key once for each of these issuers.
func keysOf(issuers ...string) func(op string) []oidcrptest.Fault {
	return func(op string) []oidcrptest.Fault {
		return []oidcrptest.Fault{{Name: "keys of issuers", JWKS: func(doc map[string]any) {
			var keys []any
			for _, key := range doc["keys"].([]any) {
				for _, issuer := range issuers {
					key := maps.Clone(key.(map[string]any))
					key["issuer"] = at(op, issuer)
					keys = append(keys, key)
				}
			}
			doc["keys"] = keys
		}}}
	}
}

// broadFilters are no configuration: neither ours, nor one that was Power Pages'.
func broadFilters(t *testing.T) {
	for _, filter := range []string{
		"*", "https://*", "https://*/", "https://*/v2.0/", "https://*.example/", "https://login.example/*/*/", "https://login.example/x*/", "https://login.example/?*", "http://login.example/*/",
	} {
		template := strings.ReplaceAll(filter, "*", "{tenantid}")
		for _, template := range []string{filter, template} {
			_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)},
				Providers: []oidcrp.Provider{{Name: "op", Issuer: "https://login.example/common/v2.0", ClientID: "app", ClientSecret: "secret", IssuerTemplate: template}}})
			if err == nil || !strings.Contains(err.Error(), "IssuerTemplate") {
				t.Errorf("the template %s: %v", template, err)
			}
		}
		s, err := sitesettings.FromMap(map[string]string{
			"Authentication/OpenIdConnect/Op/Authority": "https://login.example/", "Authentication/OpenIdConnect/Op/ClientId": "app",
			"Authentication/OpenIdConnect/Op/ClientSecret": "secret", "Authentication/OpenIdConnect/Op/RedirectUri": "https://app.example/signin-op",
			"Authentication/OpenIdConnect/Op/IssuerFilter": filter,
		})
		if err == nil || !strings.Contains(err.Error(), "IssuerFilter") || len(s.Config.Providers) != 0 {
			t.Errorf("the filter %s: %v", filter, err)
		}
	}
}
