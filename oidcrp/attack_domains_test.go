package oidcrp_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// domainAttacks are those of T075, T080 and T082 on a guard that lets in the
// addresses of a domain. What they do to accounts stands in the package accounts.
var domainAttacks = []attack{
	{"T075 another tenant writes an address of the domain", foreignTenantAtAGuard},
	{"T075 a provider of a tenant's writes an address of the domain", tenantSuppliedAtAGuard},
	{"T080 malformed addresses at a guard", keptOut(
		"a@evil.example@corp.example", "a@corp.example@evil.example", `"a@corp.example"@evil.example`, `"a@evil.example"@corp.example`, `"a"@corp.example`,
		"a@corp.example\n", "a\n@corp.example", "a@corp.example\r\nX: y", "a@corp.example.", "a@corp.example ", " a@corp.example", "a@evil.example, b@corp.example", "a@corp.example,b@evil.example",
		"a@evil.example;b@corp.example", "a＠corp.example", "a＠evil.example@corp.example", "a﹫corp.example", "a\x00@corp.example", "a@corp.example\x00", "a@corp.example\x00.evil.example",
		strings.Repeat("a", 320)+"@corp.example", strings.Repeat("a", 65)+"@corp.example", "a@", "@corp.example", "corp.example", "@", "A <a@corp.example>", "a(b)@corp.example", "a..b@corp.example", ".a@corp.example", "a@corp。example", "a@[corp.example]")},
	{"T082 domains that end alike at a guard", keptOut(
		"a@notcorp.example", "a@corp.example.evil.example", "a@sub.corp.example", "a@.corp.example", "a@corp.example.", "a@corp.example..", "a@", "a@example", "a@corp", "a@corp.example.com", "a@-corp.example", "a@*.corp.example", "a@corp_example", "a@corp.exam\u0440le")},
	{"T082 guards of no domain", guardsOfNoDomain},
}

// people is an application whose page is for the people of corp.example.
type people struct {
	*app
	entered *atomic.Int32
}

func newPeople(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *people {
	t.Helper()
	a := &people{newApp(t, op, change), &atomic.Int32{}}
	a.app.people = a.rp.Require(oidcrp.EmailDomain("corp.example"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.entered.Add(1)
		fmt.Fprint(w, "people for ", name(r))
	}))
	return a
}

// visit signs a user in at a provider and asks for that page. It is theirs, or
// it is refused, and the session stays.
func (a *people) visit(t *testing.T, provider string, u oidcrptest.User, theirs bool) {
	t.Helper()
	in := a.in(t)
	in.op.AddUser(u)
	in.op.SignInAs(u.Subject)
	b := in.browse()
	in.shows(b.Get(in.URL+"/auth/login?return_to=/reports&provider="+provider), "reports for "+u.Subject)
	if theirs {
		in.shows(b.Get(in.URL+"/people"), "people for "+u.Subject)
		return
	}
	before := a.entered.Load()
	in.rejected(b, rejection{status: http.StatusForbidden, reason: "forbidden"}, func() *oidcrptest.Page { return b.Get(in.URL + "/people") })
	if a.entered.Load() != before {
		t.Error("the page was entered")
	}
}

// keptOut are users whose provider says that the address is verified.
func keptOut(addresses ...string) func(*testing.T) {
	return func(t *testing.T) {
		a := newPeople(t, oidcrptest.NewProvider(t), nil)
		for _, address := range addresses {
			t.Run(fmt.Sprintf("%.60q", address), func(t *testing.T) {
				a.visit(t, "test", oidcrptest.User{Subject: "eve", Claims: map[string]any{"email": address, "email_verified": true}}, false)
			})
		}
		a.visit(t, "test", oidcrptest.User{Subject: "anna", Email: "Anna@CORP.example", EmailVerified: true}, true)
	}
}

// foreignTenantAtAGuard: a provider of many tenants says of nobody whose address
// it is.
func foreignTenantAtAGuard(t *testing.T) {
	many := oidcrptest.NewProvider(t)
	a := newPeople(t, many, func(c *oidcrp.Config) {
		p := many.Config("many", c.BaseURL)
		p.IssuerTemplate = many.Issuer() + "/{tenantid}/v2.0/"
		c.Providers = append(c.Providers, p)
	})
	for _, tid := range []string{"evil", ""} {
		for _, edov := range []any{nil, false, true} {
			t.Run(fmt.Sprintf("tenant %q, xms_edov %v", tid, edov), func(t *testing.T) {
				if tid != "" {
					many.SetFaults(answeredBy("OP/"+tid+"/v2.0/", tid, "OP/"+tid+"/v2.0/"))
				}
				a.visit(t, "many", oidcrptest.User{Subject: "eve", Email: "boss@corp.example", EmailVerified: true, Claims: map[string]any{"xms_edov": edov}}, false)
				many.SetFaults()
			})
		}
	}
	a.visit(t, "test", oidcrptest.User{Subject: "boss", Email: "boss@corp.example", EmailVerified: true}, true)
}

// tenantSuppliedAtAGuard: who runs the provider says what it likes, but for the
// domains that the operator gave it.
func tenantSuppliedAtAGuard(t *testing.T) {
	for _, domains := range [][]string{nil, {"corp.example"}} {
		t.Run(fmt.Sprintf("of %q", domains), func(t *testing.T) {
			a := newPeople(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].EmailDomains = domains })
			oidcrp.MarkTenant(a.rp, "test")
			a.visit(t, "test", oidcrptest.User{Subject: "boss", Email: "boss@corp.example", EmailVerified: true}, domains != nil)
		})
	}
}

// guardsOfNoDomain are mistakes that are told when the guard is made.
func guardsOfNoDomain(t *testing.T) {
	rp := offline(t, nil)
	for _, domain := range []string{"", ".", "corp", ".corp.example", "*.corp.example", "@corp.example", "a@corp.example", "corp.example,evil.example", "corp example"} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, "EmailDomain") {
					t.Errorf("%q: %s", domain, text)
				}
			}()
			rp.Require(oidcrp.EmailDomain(domain))
		}()
	}
}
