package accounts_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What was decided is decided anew where something happened meanwhile.
func TestOvertaken(t *testing.T) {
	p := newPortal(t, matching, nil, "a", "b")
	disable := func(c *accounts.Contact) { c.Disabled = true }
	p.signIn("a", person("s", "s@corp.example"))
	c := p.of("a", "s")
	p.overtake(func() { p.change(c.ID, disable) })
	p.refused(p.signIn("a", person("s", "s@corp.example")), "closed or blocked")

	p.signIn("a", person("u", "u@corp.example"))
	p.overtake(func() {
		p.change(p.of("a", "u").ID, func(c *accounts.Contact) { c.Identities, c.EmailVerified = nil, false })
	})
	p.signIn("a", person("u", "u@corp.example"))
	p.decided("register/open")

	for name, tt := range map[string]struct {
		change func(*accounts.Contact)
		code   string
	}{
		"disabled":        {disable, "refuse/disabled"},
		"linked":          {func(c *accounts.Contact) { c.Identities = []oidcrp.Identity{{Issuer: "i", Subject: c.ID}} }, "refuse/email_linked"},
		"another address": {func(c *accounts.Contact) { c.Email = "other@corp.example" }, "register/open"},
		"unverified":      {func(c *accounts.Contact) { c.EmailVerified = false }, "register/open"},
	} {
		email := strings.ReplaceAll(name, " ", "") + "@free.example"
		free := p.add(accounts.Contact{Email: email, EmailVerified: true})
		p.overtake(func() { p.change(free.ID, tt.change) })
		p.signIn("a", person(name, email))
		p.decided(tt.code)
		if p.get(free.ID).Has(p.ops["a"].Issuer(), name) {
			t.Errorf("%s: matched", name)
		}
	}

	// The identity that asked for a link is the contact's no more.
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "a", person("l", "l@corp.example"), "/")
	l := p.of("a", "l")
	p.change(l.ID, func(c *accounts.Contact) { c.Identities = nil })
	p.refused(p.link(b, "b", person("m", "m@corp.example")), "sign in again")
	if len(p.get(l.ID).Identities) != 0 {
		t.Error("linked")
	}
	// It is another contact's now: their session is not ours.
	p.change(c.ID, func(c *accounts.Contact) {
		c.Disabled, c.Identities = false, []oidcrp.Identity{{Provider: "a", Issuer: p.ops["a"].Issuer(), Subject: "l"}}
	})
	if page := b.Get(p.URL + "/still"); !strings.HasSuffix(page.Body, " true false") {
		t.Errorf("%s", page)
	}
	p.decided("refuse/gone")
}

func TestInvitationAndAddress(t *testing.T) {
	rules := accounts.Rules{
		RegistrationPath: "/register",
		ByProvider: map[string]accounts.ProviderRules{
			"match": {Gate: accounts.InviteOnly, MatchEmail: true}, "plain": {Gate: accounts.InviteOnly}, "closed": {Gate: accounts.Closed},
		},
	}
	p := newPortal(t, rules, nil, "match", "plain", "closed")
	c := p.add(accounts.Contact{Email: "a@corp.example", EmailVerified: true})
	accept := func(provider, subject, email string) *oidcrptest.Page {
		code, err := p.Invite(t.Context(), accounts.Invitation{Roles: []string{"invited"}})
		if err != nil {
			t.Fatal(err)
		}
		b := oidcrptest.NewBrowser(t)
		page := p.signInWith(b, provider, person(subject, email), p.InvitationPath(code))
		if page.URL.Path != "/register" {
			return page
		}
		return b.SubmitForm("Continue", url.Values{})
	}
	p.refused(accept("closed", "s", c.Email), "sign in as you did before")
	p.refused(accept("plain", "s", c.Email), "sign in as you did before")
	p.decided("refuse/email_taken")
	p.is(accept("match", "s", c.Email), c.ID) // no second contact, and no press on the button lost
	p.decided("match/invited")
	if c := p.get(c.ID); len(c.Roles) != 1 {
		t.Errorf("%+v", c)
	}
	p.change(c.ID, func(c *accounts.Contact) { c.Email = "" })
	p.refused(accept("closed", "t", c.Email), "no account for you here")
	p.decided("refuse/closed")

	moved := p.add(accounts.Contact{Email: "b@corp.example", EmailVerified: true})
	p.overtake(func() { p.change(moved.ID, func(c *accounts.Contact) { c.Email = "elsewhere@corp.example" }) })
	accept("match", "u", "b@corp.example")
	p.decided("register/invited")
	if len(p.get(moved.ID).Identities) > 0 {
		t.Error("matched by an address the contact has no more")
	}
}
