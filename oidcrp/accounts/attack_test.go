package accounts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const victim = "victim@corp.example"

// TestAttack holds the attacks on accounts, by their numbers.
func TestAttack(t *testing.T) {
	for _, attack := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"T075 nOAuth: another tenant writes the victim's address", foreignTenant},
		{"T075 a provider of several tenants may not match", tenantsMayNotMatch},
		{"T076 address and names change", namesChange},
		{"T077 email_verified in all its forms", verifiedForms},
		{"T078 the address is linked already", linkedAlready},
		{"T079 an account made ahead with the victim's address", preHijack},
		{"T080 malformed addresses", malformedAddresses},
		{"T081 letters that look alike", lookAlikes},
		{"T082 domains that end alike", domainsEndAlike},
		{"T083 one subject, two tenants", oneSubjectTwoTenants},
		{"T084 a provider speaks for another's domain", anothersDomain},
		{"T084 a domain with a provider of its own", ownedDomain},
		{"T084 disabled and deleted", disabledAndDeleted},
		{"T084 two contacts share the address", sharedAddress},
		{"T084 mappings to privileges", privilegedMappings},
		{"T084 groups withdrawn, or too many", groupsWithdrawn},
		{"T084 a link finished for another contact", linkElsewhere},
	} {
		name, rest, _ := strings.Cut(attack.name, " ")
		t.Run(name+"/"+rest, attack.run)
	}
}

// tenants makes the provider called "many" speak for several.
func tenants(cfg *oidcrp.Config) {
	for i, p := range cfg.Providers {
		if p.Name == "many" {
			cfg.Providers[i].IssuerTemplate = p.Issuer + "/{tenantid}"
		}
	}
}

// ofTenant makes a provider's tokens those of a tenant.
func ofTenant(op *oidcrptest.Provider, tid string) {
	issuer := op.Issuer() + "/" + tid
	op.SetFaults(oidcrptest.Fault{
		Name:     tid,
		IDToken:  func(t *oidcrptest.IDToken) { t.Claims["iss"], t.Claims["tid"] = issuer, tid },
		Response: func(r *oidcrptest.Response) { r.Params.Set("iss", issuer) },
	})
}

func foreignTenant(t *testing.T) {
	rules := accounts.Rules{ByProvider: map[string]accounts.ProviderRules{"one": {MatchEmail: true}, "many": {}}}
	p := newPortal(t, rules, tenants, "one", "many")
	free := p.add(accounts.Contact{Email: victim, EmailVerified: true})
	linked := p.add(accounts.Contact{Email: "other@corp.example", EmailVerified: true, Identities: []oidcrp.Identity{{Provider: "one", Issuer: p.ops["one"].Issuer(), Subject: "v"}}})
	ofTenant(p.ops["many"], "evil")
	for i, email := range []string{victim, "other@corp.example"} {
		for _, edov := range []any{nil, false, true} {
			u := person(fmt.Sprint("attacker", i, edov), email)
			u.Claims = map[string]any{"xms_edov": edov}
			page := p.signIn("many", u)
			p.decided("register/open")
			if strings.Contains(page.Body, free.ID) || strings.Contains(page.Body, linked.ID) {
				t.Errorf("signed in as somebody else: %s", page.Body)
			}
		}
	}
	if c := p.get(free.ID); len(c.Identities) != 0 {
		t.Error("linked")
	}
	// Nor is the victim kept out by what was written there.
	p.is(p.signIn("one", person("v2", victim)), free.ID)
	p.decided("match/email_verified")
}

func tenantsMayNotMatch(t *testing.T) {
	for name, change := range map[string]func(*oidcrp.Provider){
		"template": func(p *oidcrp.Provider) { p.IssuerTemplate = "https://login.example/{tenantid}/v2.0" },
		"one list": func(p *oidcrp.Provider) {
			p.IssuerTemplate, p.Tenants = "https://login.example/{tenantid}", []string{"a"}
		},
		"issuers": func(p *oidcrp.Provider) {
			p.Issuers = []string{"https://login.example/11111111-2222-3333-4444-555555555555/"}
		},
		"submitted": func(p *oidcrp.Provider) { p.TenantSupplied = true },
	} {
		cfg := oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Name: "p", Issuer: "https://login.example/common/v2.0", ClientID: "c"}}}
		change(&cfg.Providers[0])
		if _, err := accounts.New(accounts.NewMemoryStore(), matching, &cfg); err == nil || !strings.Contains(err.Error(), "provider p: MatchEmail") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func namesChange(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "op")
	p.signIn("op", person("s", "old@corp.example"))
	c := p.of("op", "s")
	other := p.add(accounts.Contact{Email: "new@corp.example", EmailVerified: true})
	u := person("s", "new@corp.example")
	u.Name, u.Claims = "Somebody Else", map[string]any{"preferred_username": "admin"}
	p.is(p.signIn("op", u), c.ID)
	p.decided("signin/known")
	if c := p.get(c.ID); c.Email != "old@corp.example" || len(p.get(other.ID).Identities) != 0 {
		t.Errorf("%+v", c)
	}
}

func verifiedForms(t *testing.T) {
	var portals []*portal
	for _, rules := range []accounts.ProviderRules{
		{MatchEmail: true}, {MatchEmail: true, TrustTextEmailVerified: true}, {MatchEmail: true, TrustMissingEmailVerified: true},
	} {
		portals = append(portals, newPortal(t, accounts.Rules{Default: rules}, nil, "op"))
	}
	absent := &struct{ x int }{}
	for n, tt := range []struct {
		value                any
		plain, text, lenient bool // matched by default, with TrustText…, with TrustMissing…
	}{
		{true, true, true, true},
		{"true", false, true, false},
		{absent, false, false, true},
		{false, false, false, false}, {"false", false, false, false}, {"TRUE", false, false, false}, {"True", false, false, false},
		{1, false, false, false}, {"1", false, false, false}, {nil, false, false, false}, {[]string{}, false, false, false},
		{[]bool{true}, false, false, false}, {map[string]bool{"true": true}, false, false, false}, {"", false, false, false}, {" true", false, false, false},
	} {
		for i, want := range []bool{tt.plain, tt.text, tt.lenient} {
			p := portals[i]
			email := fmt.Sprintf("victim%d@corp.example", n)
			c := p.add(accounts.Contact{Email: email, EmailVerified: true})
			u := oidcrptest.User{Subject: email, Claims: map[string]any{"email": email}}
			if tt.value != any(absent) {
				u.Claims["email_verified"] = tt.value
			}
			page := p.signIn("op", u)
			if got := strings.Contains(page.Body, c.ID); got != want {
				t.Errorf("%#v with rules %d: matched %v, want %v\n%s", tt.value, i, got, want, page)
			}
		}
	}
}

func linkedAlready(t *testing.T) {
	p := newPortal(t, matching, nil, "a", "b")
	p.signIn("a", person("s1", victim))
	c := p.of("a", "s1")
	for _, login := range []struct{ provider, subject string }{{"a", "s2"}, {"b", "s3"}, {"b", "s1"}} {
		p.refused(p.signIn(login.provider, person(login.subject, victim)), "sign in as you did before")
		p.decided("refuse/email_linked")
	}
	if all := p.contacts(); len(all) != 1 || len(all[0].Identities) != 1 {
		t.Errorf("%+v", all)
	}
	p.is(p.signIn("a", person("s1", victim)), c.ID)
}

func preHijack(t *testing.T) {
	p := newPortal(t, matching, nil, "a", "b")
	// With an account of the application's own, its address not verified.
	local := p.add(accounts.Contact{Email: victim, Fields: map[string]string{"pending": "attacker's session"}})
	// And with one by a provider that does not verify.
	attacker := oidcrptest.User{Subject: "attacker", Email: victim}
	p.signIn("a", attacker)
	mine := p.of("a", "attacker")

	page := p.signIn("b", person("victim", victim))
	p.decided("register/open")
	c := p.of("b", "victim")
	p.is(page, c.ID)
	if c.ID == local.ID || c.ID == mine.ID || len(c.Identities) != 1 || c.Fields["pending"] != "" || !c.EmailVerified {
		t.Errorf("the victim got %+v", c)
	}
	if len(p.get(local.ID).Identities) != 0 {
		t.Error("the account made ahead was linked")
	}
	// The attacker stays where they were, and cannot claim the address later.
	p.is(p.signIn("a", attacker), mine.ID)
	if got := p.get(mine.ID); got.EmailVerified || len(got.Identities) != 1 {
		t.Errorf("the attacker has %+v", got)
	}
}

func malformedAddresses(t *testing.T) {
	rules := accounts.Rules{
		Default:  accounts.ProviderRules{MatchEmail: true},
		ByDomain: map[string]accounts.Grant{"corp.example": {Organization: "Corp"}},
	}
	p := newPortal(t, rules, nil, "op")
	p.add(accounts.Contact{Email: "a@corp.example", EmailVerified: true})
	for i, email := range []string{
		"a@evil.example@corp.example", `"a@corp.example"@evil.example`, `"a"@corp.example`, "a@corp.example\n", "a@corp.example.",
		"a@corp.example,b@evil.example", "a＠corp.example", "a\x00@corp.example", "a@corp.example\x00", " a@corp.example",
		strings.Repeat("a", 320) + "@corp.example", "a@", "@corp.example", "A <a@corp.example>",
	} {
		p.add(accounts.Contact{Email: email, EmailVerified: true})
		subject := fmt.Sprint("s", i)
		p.signIn("op", person(subject, email))
		p.decided("register/open")
		if c := p.of("op", subject); c == nil || c.Organization != "" || c.Email != "" {
			t.Errorf("%q made %+v", email, c)
		}
	}
}

func lookAlikes(t *testing.T) {
	p := newPortal(t, matching, nil, "op")
	c := p.add(accounts.Contact{Email: "Admin@Corp.Example", EmailVerified: true})
	for email, matches := range map[string]bool{
		"ADMIN@CORP.example": true, "admin@corp.example": true,
		"adm\u0131n@corp.example": false, "admin@\u212Aorp.example": false, "admin@c\u043Erp.example": false,
		"admin+x@corp.example": false, "ad.min@corp.example": false, "admin@corp.example.com": false,
	} {
		p.change(c.ID, func(c *accounts.Contact) { c.Identities = nil })
		page := p.signIn("op", person(email, email))
		if strings.Contains(page.Body, c.ID) != matches {
			t.Errorf("%q: %s", email, page.Body)
		}
	}
	c = p.add(accounts.Contact{Email: "a@xn--bcher-kva.example", EmailVerified: true})
	if page := p.signIn("op", person("1", "a@bücher.example")); strings.Contains(page.Body, c.ID) {
		t.Error("a domain and its Unicode form are one")
	}
	p.is(p.signIn("op", person("2", "a@xn--bcher-kva.example")), c.ID)
}
