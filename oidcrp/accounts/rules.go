package accounts

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Rules say how a login becomes a contact. The zero value registers everybody
// whom a provider signs in, and finds nobody by an address.
type Rules struct {
	// Default is for providers that ByProvider does not name.
	Default ProviderRules

	// ByProvider has rules for single providers, by Name, instead of Default:
	// nothing of Default is taken over. With a ProviderSource it may name those
	// that are not there yet.
	ByProvider map[string]ProviderRules

	// ByDomain gives an organization and roles to who registers with a verified
	// address of a mail domain, at a provider whose own rules grant nothing.
	ByDomain map[string]Grant

	// RegistrationPath is where [Accounts.RegistrationPage] is, a path below
	// BaseURL such as "/register". It is needed for Ask and for invitations.
	RegistrationPath string

	// Ask is what the registration page asks everybody who is new.
	Ask []Field

	// MovePath is a page of the application for those who signed in at a
	// provider that is Retired and have no other identity yet: it offers to link
	// one. They are signed in, and sent there instead of where they wanted to
	// go. "" leaves them alone.
	MovePath string

	// SharedEmail lets several contacts register with one verified address.
	// Else the second is refused, and told to sign in as before; of two at the
	// very same time both may register, and nobody is matched by it then.
	SharedEmail bool
}

// ProviderRules say how a login at one provider becomes a contact.
type ProviderRules struct {
	// Gate says who may register.
	Gate Gate

	// Registration sets fields of a new contact from claims, once; Login sets
	// them at each login, the first included. A claim that is missing, or longer
	// than 1000 bytes, leaves the field as it is. Keys are names of fields, or "email" in Login, which replaces the
	// address by a verified one that nobody else has. Values are exact claims or
	// JSON Pointers, and become text as in [oidcrp.Login.Text]; with "userinfo." in
	// front UserInfo's word is taken, and no ID token's. [ParseMapping] reads
	// them from text.
	Registration, Login map[string]string

	// MatchEmail gives a new identity to the one contact with its verified
	// address, if that contact has no identity yet and its own address is
	// verified too. It needs no invitation. New refuses it for a provider that
	// speaks for several tenants, any of which can write any address, and for a
	// tenant-supplied one without [oidcrp.Provider.EmailDomains]. Of a
	// ProviderSource's, only those with EmailDomains are believed.
	MatchEmail bool

	// TrustMissingEmailVerified takes an address as verified where the provider
	// says nothing about it. What it says is heeded: false stays false.
	TrustMissingEmailVerified bool

	// TrustTextEmailVerified takes the text "true" for true, as some providers
	// write it.
	TrustTextEmailVerified bool

	// Grant is given at the first login at this provider that registers a
	// contact, or matches one. It is not taken away later.
	Grant Grant

	// Retired keeps the provider for those who have nothing else yet: nobody
	// registers or links it, and whoever has an identity at another provider,
	// configured and not retired, is sent there. See Rules.MovePath. Sessions that
	// began there go on to their end: see [oidcrp.RelyingParty.EndSessions].
	Retired bool
}

// Gate says who may register.
type Gate int

// The gates.
const (
	Open       Gate = iota // everybody whom the provider signs in
	InviteOnly             // who has an invitation
	Closed                 // nobody, invited or not; contacts that exist sign in, and are matched by MatchEmail
)

// Grant is what somebody is given at the first login.
type Grant struct {
	Organization string
	Roles        []string
}

// Field is something the registration page asks for.
type Field struct {
	Name         string            // of the contact's field
	Labels       map[string]string // by language tag; without one, English, or else Name
	Required     bool
	Autocomplete string // of HTML, such as "tel"
}

// emailField is the name of Contact.Email in mappings.
const emailField = "email"

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// privileged are names that decide about more than a text. They have places of
// their own where no mapping reaches; a field of that name would be taken for
// them.
var privileged = []string{
	"id", "contactid", "userid", "sub", "subject", "issuer", "identity", "identities", "password", "passwordhash",
	"securitystamp", "role", "roles", "admin", "isadmin", "superuser", "organization", "organizationid", "tenant",
	"tenantid", "disabled", "emailverified", "statecode", "statuscode", "created",
}

// checkField says what is wrong with the name of a field.
func checkField(name string) error {
	plain := strings.ToLower(strings.ReplaceAll(name, "_", ""))
	switch {
	case !fieldName.MatchString(name):
		return fmt.Errorf("%q is no name of a field; use letters, digits and _", name)
	case slices.Contains(privileged, plain) || strings.HasPrefix(plain, "adxidentity"):
		return fmt.Errorf("%q is not for claims to decide; use Grant, Roles or OnLogin", name)
	}
	return nil
}

// check reports every mistake in the rules, each with what to change.
func (r *Rules) check(cfg *oidcrp.Config) error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("accounts: "+format, args...)) }
	providers := map[string]oidcrp.Provider{}
	for _, p := range cfg.Providers {
		providers[providerName(p)] = p
	}
	for _, name := range slices.Sorted(maps.Keys(r.ByProvider)) {
		if _, ok := providers[name]; !ok && cfg.ProviderSource == nil {
			wrong("ByProvider: no provider is called %q", name)
		}
	}
	rules := map[string]ProviderRules{}
	for name := range providers {
		rules[name] = r.of(name)
	}
	if cfg.ProviderSource != nil {
		maps.Copy(rules, r.ByProvider)
		rules["of ProviderSource"] = r.Default
	}
	invites := false
	for _, name := range slices.Sorted(maps.Keys(rules)) {
		for _, err := range rules[name].check(providers[name]) {
			wrong("provider %s: %w", name, err)
		}
		invites = invites || rules[name].Gate == InviteOnly
	}
	if r.RegistrationPath == "" && (invites || len(r.Ask) > 0) {
		wrong("RegistrationPath is missing: invitations and Ask need a page")
	}
	for _, setting := range [][2]string{{"RegistrationPath", r.RegistrationPath}, {"MovePath", r.MovePath}} {
		name, path := setting[0], setting[1]
		if path != "" && (!strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?#\\") || strings.HasPrefix(path, "//")) {
			wrong("%s %q is no path; use one like \"/register\"", name, path)
		}
	}
	asked := map[string]bool{}
	for _, f := range r.Ask {
		if err := checkField(f.Name); err != nil {
			wrong("Ask: %w", err)
		} else if f.Name == emailField || f.Name == paramInvitation || asked[f.Name] {
			wrong("Ask: %q cannot be asked for, or is asked for twice", f.Name)
		}
		asked[f.Name] = true
	}
	for _, domain := range slices.Sorted(maps.Keys(r.ByDomain)) {
		if d, ok := validate.EmailDomain(domain); !ok || d != domain {
			wrong("ByDomain: %q is no mail domain; use one like \"acme.example\", in lower case", domain)
		}
	}
	return errors.Join(errs...)
}

// check says what is wrong with the rules of a provider.
func (r ProviderRules) check(p oidcrp.Provider) (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if r.Gate < Open || r.Gate > Closed {
		wrong("there is no Gate %d; use Open, InviteOnly or Closed", r.Gate)
	}
	for i, mapping := range []map[string]string{r.Registration, r.Login} {
		field := [...]string{"Registration", "Login"}[i]
		for _, target := range slices.Sorted(maps.Keys(mapping)) {
			if err := checkField(target); err != nil {
				wrong("%s: %w", field, err)
			}
			source := mapping[target]
			if source == "" || source == userInfoPrefix {
				wrong("%s: %q has no claim", field, target)
			}
			if strings.HasPrefix(source, userInfoPrefix) && p.UserInfo == oidcrp.UserInfoOff {
				wrong("%s: %q is from UserInfo, which is not asked: set Provider.UserInfo, or name a claim of the ID token", field, target)
			}
			if field == "Registration" && target == emailField {
				wrong("Registration: leave out %q, which is set from the claim email", target)
			}
			if field == "Login" && target == emailField && mapping[target] != "email" {
				wrong(`Login: %q can only be "email", the claim that email_verified is about`, target)
			}
		}
	}
	if r.MatchEmail && severalTenants(p) {
		wrong("MatchEmail: any tenant of this provider can write any address; configure each tenant as a provider of its own, or send invitations")
	}
	if r.MatchEmail && p.TenantSupplied && len(p.EmailDomains) == 0 {
		wrong("MatchEmail: a tenant-supplied provider can write any address; give it its Provider.EmailDomains")
	}
	return errs
}

// of returns the rules for a provider.
func (r *Rules) of(provider string) ProviderRules {
	if own, ok := r.ByProvider[provider]; ok {
		return own
	}
	return r.Default
}

// providerName is what oidcrp.New calls a provider.
func providerName(p oidcrp.Provider) string {
	if p.Name == "" {
		return "default"
	}
	return p.Name
}

// severalTenants reports whether tokens of a provider may be of tenants that
// do not vouch for one another. Two spellings of one tenant's issuer may not.
func severalTenants(p oidcrp.Provider) bool {
	return validate.Issuers{Exact: p.Issuers, Template: p.IssuerTemplate, Tenants: p.Tenants}.SeveralTenants(p.Issuer)
}
