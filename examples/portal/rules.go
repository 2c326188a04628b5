package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// adminRole opens the administration. A provider may give it, see
// providerFile, or another administrator.
const adminRole = "admin"

// roles are those that an administrator gives.
var roles = []string{adminRole, "editor"}

// termsVersion is the day the terms were published. Whoever has not accepted
// these is asked at the next sign-in.
const termsVersion = "2026-01-15"

// termsField is the contact's field with the version that was accepted.
const termsField = "terms"

// details are the fields of a contact that the registration page asks for, and
// that can be changed on the profile.
var details = []struct {
	name, autocomplete string
	required           bool
}{
	{"city", "address-level2", true},
	{"phone", "tel", false},
}

// gates are the values of -registration.
var gates = map[string]accounts.Gate{"": accounts.Open, "open": accounts.Open, "invited": accounts.InviteOnly, "closed": accounts.Closed}

// rulesFor says how a login becomes a contact. The settings of a site have
// rules of their own.
func rulesFor(registration string, settings *sitesettings.Settings) (accounts.Rules, error) {
	if settings != nil {
		return rulesOf(settings.Rules), nil
	}
	gate, known := gates[registration]
	if !known {
		return accounts.Rules{}, fmt.Errorf("-registration: %q is none of open, invited and closed", registration)
	}
	return accounts.Rules{
		RegistrationPath: "/register",
		Default:          accounts.ProviderRules{Gate: gate, Login: map[string]string{"name": "name"}},
		Ask:              questions(),
	}, nil
}

// rulesOf adds the portal's own to the rules of a site: its registration page,
// the page that offers who came through a retired provider another one, and what
// its pages call a contact.
func rulesOf(rules accounts.Rules) accounts.Rules {
	rules.RegistrationPath, rules.MovePath, rules.Ask = "/register", "/profile", questions()
	rules.Default.Login = map[string]string{"name": "name"} // of connections
	for name, of := range rules.ByProvider {
		if of.Registration["name"] == "" && of.Login["name"] == "" {
			login := map[string]string{"name": "name"}
			maps.Copy(login, of.Login)
			of.Login = login
			rules.ByProvider[name] = of
		}
	}
	return rules
}

// questions are what the registration page asks.
func questions() []accounts.Field {
	var ask []accounts.Field
	for _, d := range details {
		field := accounts.Field{Name: d.name, Required: d.required, Autocomplete: d.autocomplete, Labels: map[string]string{}}
		for _, lang := range languages {
			field.Labels[lang], _ = text(lang, "field."+d.name)
		}
		ask = append(ask, field)
	}
	return ask
}

// atLogin runs once it is known whose login it is. It names the session, for
// the list of those of a contact, and asks who has not accepted the terms.
func (p *portal) atLogin(ctx context.Context, login *oidcrp.Login) error {
	if login.Linking {
		return nil // the session goes on
	}
	login.Set(visitKey, rand.Text())
	contact, err := p.db.contacts.ByID(ctx, login.Value(accounts.ContactKey))
	if err != nil {
		return fmt.Errorf("%w: %w", oidcrp.ErrStoreUnavailable, err)
	}
	if contact.Fields[termsField] != termsVersion {
		return &oidcrp.Pause{Path: "/terms", Only: true}
	}
	return nil
}
