package accounts_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func domainsEndAlike(t *testing.T) {
	rules := accounts.Rules{
		ByProvider: map[string]accounts.ProviderRules{"corp": {MatchEmail: true}},
		ByDomain:   map[string]accounts.Grant{"corp.example": {Roles: []string{"staff"}}},
	}
	p := newPortal(t, rules, owning("corp", "Corp.example"), "corp", "other")
	for _, domain := range []string{"notcorp.example", "corp.example.evil.example", "sub.corp.example", "orp.example"} {
		c := p.add(accounts.Contact{Email: "a@" + domain, EmailVerified: true})
		page := p.signIn("corp", person("s@"+domain, "a@"+domain))
		if strings.Contains(page.Body, c.ID) {
			t.Errorf("%s is taken for corp.example: %s", domain, page.Body)
		}
		p.signIn("other", person("t@"+domain, "b@"+domain))
		if c := p.of("other", "t@"+domain); c == nil || len(c.Roles) != 0 {
			t.Errorf("%s is taken for corp.example: %+v", domain, c)
		}
	}
	for _, domain := range []string{"", "corp", ".corp.example", "corp.example.", "*.corp.example", "a@corp.example"} {
		cfg := oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Name: "corp"}}}
		rules := accounts.Rules{
			ByDomain: map[string]accounts.Grant{domain: {}},
		}
		_, err := accounts.New(accounts.NewMemoryStore(), rules, &cfg)
		if err == nil || strings.Count(err.Error(), "is no mail domain") != 1 {
			t.Errorf("%q: %v", domain, err)
		}
	}
}

func oneSubjectTwoTenants(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, tenants, "many")
	for _, tid := range []string{"t1", "t2"} {
		ofTenant(p.ops["many"], tid)
		p.signIn("many", person("s", "a@"+tid+".example"))
		p.decided("register/open")
	}
	if all := p.contacts(); len(all) != 2 {
		t.Errorf("%d contacts", len(all))
	}
}

func anothersDomain(t *testing.T) {
	rules := accounts.Rules{ByProvider: map[string]accounts.ProviderRules{
		"a": {MatchEmail: true},
		"b": {MatchEmail: true},
	}}
	owns := owning("a", "a.example", "b", "b.example")
	p := newPortal(t, rules, owns, "a", "b")
	c := p.add(accounts.Contact{Email: "boss@b.example", EmailVerified: true})
	p.refused(p.signIn("a", person("s", "boss@b.example")), "another way")
	if p.of("a", "s") != nil {
		t.Error("registered")
	}
	p.is(p.signIn("b", person("boss", "boss@b.example")), c.ID)
	// Who is known already keeps the old address, though the mapping would change it.
	rules.ByProvider["a"] = accounts.ProviderRules{Login: map[string]string{"email": "email"}}
	p = newPortal(t, rules, owns, "a", "b")
	p.signIn("a", person("s", "s@a.example"))
	p.refused(p.signIn("a", person("s", "boss@b.example")), "another way")
	if c := p.of("a", "s"); c.Email != "s@a.example" {
		t.Errorf("the address became %s", c.Email)
	}
	p.signIn("a", oidcrptest.User{Subject: "s", Email: "unproven@a.example"})
	if c := p.of("a", "s"); c.Email != "s@a.example" || !c.EmailVerified {
		t.Errorf("the address became %s, which nobody verified", c.Email)
	}
	p.add(accounts.Contact{Email: "taken@a.example", EmailVerified: true})
	p.signIn("a", person("s", "taken@a.example"))
	if c := p.of("a", "s"); c.Email != "s@a.example" {
		t.Errorf("the address became %s, which is another's", c.Email)
	}
	p.signIn("a", person("s", "s.new@a.example"))
	if c := p.of("a", "s"); c.Email != "s.new@a.example" || !c.EmailVerified {
		t.Errorf("the address is %s", c.Email)
	}
}

// owning gives providers their mail domains.
func owning(pairs ...string) func(*oidcrp.Config) {
	return func(cfg *oidcrp.Config) {
		for i := 0; i < len(pairs); i += 2 {
			for j := range cfg.Providers {
				if cfg.Providers[j].Name == pairs[i] {
					cfg.Providers[j].EmailDomains = []string{pairs[i+1]}
				}
			}
		}
	}
}

func ownedDomain(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, owning("sso", "corp.example"), "sso", "social")
	for _, verified := range []bool{true, false} {
		p.refused(p.signIn("social", oidcrptest.User{Subject: "s", Email: "a@CORP.example", EmailVerified: verified}), "its own way to sign in")
	}
	p.signIn("social", person("s", "a@else.example"))
	p.decided("register/open")
	if len(p.contacts()) != 1 {
		t.Error("the refused one was registered")
	}
}

func disabledAndDeleted(t *testing.T) {
	p := newPortal(t, matching, nil, "op", "other")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", victim), "/")
	c := p.of("op", "s")
	if page := b.Get(p.URL + "/still"); page.Body != "<nil> false false" {
		t.Errorf("the session ends: %s", page)
	}
	p.change(c.ID, func(c *accounts.Contact) { c.Disabled = true })
	if page := b.Get(p.URL + "/still"); !strings.HasSuffix(page.Body, "true false") {
		t.Errorf("the session goes on: %s", page)
	}
	p.decided("refuse/disabled")
	p.refused(p.signIn("op", person("s", victim)), "closed or blocked")
	p.refused(p.signIn("other", person("s", victim)), "closed or blocked") // by its address
	if !p.get(c.ID).Disabled {
		t.Error("enabled again")
	}

	if err := p.Delete(t.Context(), c.ID); err != nil {
		t.Fatal(err)
	}
	p.refused(p.signIn("op", person("s", victim)), "closed or blocked")
	if left := p.get(c.ID); left.Email != "" || len(left.Fields) != 0 || !left.Disabled || len(left.Identities) != 1 {
		t.Errorf("what is left of a deleted contact: %+v", left)
	}

	// Disabled before the first login: an imported contact.
	imported := p.add(accounts.Contact{Email: "b@corp.example", EmailVerified: true, Disabled: true})
	p.refused(p.signIn("op", person("b", "b@corp.example")), "closed or blocked")
	if got := p.get(imported.ID); !got.Disabled || len(got.Identities) != 0 {
		t.Errorf("%+v", got)
	}
}

func sharedAddress(t *testing.T) {
	p := newPortal(t, matching, nil, "op")
	for range 2 {
		p.add(accounts.Contact{Email: victim, EmailVerified: true})
	}
	p.refused(p.signIn("op", person("s", victim)), "sign in as you did before")
	p.decided("refuse/email_ambiguous")

	rules := matching
	rules.SharedEmail = true
	p = newPortal(t, rules, nil, "op")
	for range 2 {
		p.add(accounts.Contact{Email: victim, EmailVerified: true})
	}
	p.signIn("op", person("s", victim))
	p.decided("register/open")
	if len(p.contacts()) != 3 {
		t.Error("linked to one of two")
	}
	p.add(accounts.Contact{Email: "gone@corp.example", EmailVerified: true, Disabled: true})
	p.refused(p.signIn("op", person("g", "gone@corp.example")), "closed or blocked")
}

func privilegedMappings(t *testing.T) {
	for _, target := range []string{
		"is_admin", "isAdmin", "id", "ID", "contact_id", "password", "PasswordHash", "roles", "role", "organization", "disabled",
		"identities", "email_verified", "adx_identity_passwordhash", "adx_identity_logonenabled", "a b", "", "1a", "a.b", "admin",
	} {
		for name, rules := range map[string]accounts.Rules{
			"Registration": {Default: accounts.ProviderRules{Registration: map[string]string{target: "x"}}},
			"Login":        {Default: accounts.ProviderRules{Login: map[string]string{target: "x"}}},
			"Ask":          {RegistrationPath: "/register", Ask: []accounts.Field{{Name: target}}},
		} {
			cfg := oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Name: "op"}}}
			if _, err := accounts.New(accounts.NewMemoryStore(), rules, &cfg); err == nil || !strings.Contains(err.Error(), name+": ") {
				t.Errorf("%s of %q: %v", name, target, err)
			}
		}
	}
	// Nor do claims of such names reach anything by themselves.
	p := newPortal(t, accounts.Rules{}, nil, "op")
	u := person("s", victim)
	u.Claims = map[string]any{"is_admin": true, "disabled": true, "organization": "evil", "accounts.contact": "x"}
	p.signIn("op", u)
	if c := p.of("op", "s"); c.Disabled || c.Organization != "" || len(c.Roles) != 0 || len(c.Fields) != 0 {
		t.Errorf("%+v", c)
	}
}

func groupsWithdrawn(t *testing.T) {
	rules := accounts.Rules{Default: accounts.ProviderRules{Grant: accounts.Grant{Roles: []string{"member"}}}}
	p := newPortal(t, rules, func(cfg *oidcrp.Config) {
		cfg.Providers[0].RolesClaim, cfg.Providers[0].Roles = "groups", map[string]string{"g1": "admin"}
	}, "op")
	roles := func(claims map[string]any, want string) {
		t.Helper()
		u := person("s", victim)
		u.Claims = claims
		if page := p.signIn("op", u); !strings.Contains(page.Body, "roles "+want+",") {
			t.Errorf("%v gives %s, want roles %s", claims, page.Body, want)
		}
	}
	roles(map[string]any{"groups": []string{"g1", "g2"}}, `["admin" "member"]`)
	roles(map[string]any{"groups": []string{"g2"}}, `["member"]`)
	roles(map[string]any{"groups": []string{"g1"}}, `["admin" "member"]`)
	roles(map[string]any{ // overage: they are elsewhere
		"_claim_names":   map[string]string{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]string{"endpoint": "https://graph.example/groups"}},
	}, `["member"]`)
	if c := p.of("op", "s"); len(c.Roles) != 1 {
		t.Errorf("the provider's roles were kept: %q", c.Roles)
	}
}

func linkElsewhere(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "a", "b")
	p.signIn("b", person("theirs", "x@corp.example"))
	theirs := p.of("b", "theirs")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "a", person("mine", "y@corp.example"), "/")
	mine := p.of("a", "mine")
	p.refused(p.link(b, "b", person("theirs", "x@corp.example")), "another account")
	p.decided("refuse/linked_elsewhere")
	p.is(b.Get(p.URL+"/"), mine.ID)
	if len(p.get(mine.ID).Identities) != 1 || p.of("b", "theirs").ID != theirs.ID {
		t.Error("the identity moved")
	}
	// Where nobody is signed in there is nobody to add it to.
	stranger := oidcrptest.NewBrowser(t)
	stranger.Get(p.URL + "/")
	if page := p.link(stranger, "b", person("new", "z@corp.example")); page.Status != http.StatusUnauthorized {
		t.Errorf("got %s", page)
	}
	if p.of("b", "new") != nil {
		t.Error("registered")
	}
	// The contact was disabled, or lost the identity, meanwhile.
	p.change(mine.ID, func(c *accounts.Contact) { c.Disabled = true })
	p.refused(p.link(b, "b", person("new", "z@corp.example")), "sign in again")
}
