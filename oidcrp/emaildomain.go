package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Who owns a mail domain is who its people sign in with: by what they type
// into the sign-in page, and by what any provider says about them.

var (
	// errForeignDomain: another provider owns the domain of the address.
	errForeignDomain = errors.New("email: another provider owns its domain")
	// errNotItsDomain: the provider does not own the domain, and owns others.
	errNotItsDomain = errors.New("email: its domain is none of the provider's EmailDomains")
	// errNotPlain: parsers could read two domains out of the address.
	errNotPlain = errors.New("email: is no plain address")
)

// MailDomain returns a mail domain in the form in which a [ProviderSource] is
// asked for it: lower case, in ASCII with labels of other scripts as xn--, and
// without a final dot. It is not ok for anything else than a host name of two
// labels or more, and for letters of which it is not plain which they are.
func MailDomain(s string) (domain string, ok bool) { return validate.MailDomain(s) }

// emailDomains are those of a provider in the one form they are compared in.
func (c *complaints) emailDomains(field string, p Provider) []string {
	var all []string
	for i, d := range p.EmailDomains {
		domain, ok := validate.MailDomain(d)
		switch {
		case !ok:
			c.add("%s.EmailDomains[%d]: %q is no mail domain: give one such as \"acme.example\", without @ and wildcard", field, i, d)
		case validate.PublicMail(domain):
			c.add("%s.EmailDomains[%d]: %q is a public mail service, whose addresses nobody owns: remove it", field, i, d)
		case slices.Contains(all, domain):
			c.add("%s.EmailDomains[%d]: %q is there already: remove it", field, i, d)
		}
		all = append(all, domain)
	}
	if len(all) > 0 && severalTenants(p) {
		c.add("%s.EmailDomains: any tenant of this provider can write any address: give each tenant as a provider of its own", field)
	}
	return all
}

// severalTenants reports whether tokens of a provider may be of tenants that do
// not vouch for one another.
func severalTenants(p Provider) bool {
	return validate.Issuers{Exact: p.Issuers, Template: p.IssuerTemplate, Tenants: p.Tenants}.SeveralTenants(p.Issuer)
}

// ownsDomain reports whether a domain is among those somebody wrote.
func ownsDomain(domains []string, domain string) bool {
	return slices.ContainsFunc(domains, func(d string) bool {
		same, ok := validate.MailDomain(d)
		return ok && same == domain
	})
}

// mayAssert refuses a verified login, or what a refresh brought, whose address
// is not for the provider to assert. Without an address it asserts none.
func (rp *RelyingParty) mayAssert(ctx context.Context, p *providerEntry, claims validate.Claims, retry LoginOptions) error {
	if !rp.providers.owning {
		return nil
	}
	email, given, err := claims.String("email")
	if err == nil && (!given || email == "") {
		return nil
	}
	domain, plain := validate.AddressDomain(email)
	if err != nil || !plain {
		return rp.notAsserted(p, retry, "", errNotPlain)
	}
	if domain != "" && slices.Contains(p.emailDomains, domain) {
		return nil
	}
	if len(p.emailDomains) > 0 {
		return rp.notAsserted(p, retry, email, errNotItsDomain)
	}
	// Wherever the visitor is: a site that does not have the owner gives the
	// address to nobody else.
	owners, err := (&RelyingParty{rp.common, nil}).owners(ctx, domain)
	if err != nil {
		return rp.blame(nil, retry, err)
	}
	if len(owners) == 0 || slices.ContainsFunc(owners, func(c choice) bool { return c.name == p.name }) {
		return nil
	}
	if !slices.ContainsFunc(owners, func(c choice) bool { return rp.allows(c.name) }) {
		email = "" // there is no way to go on here
	}
	return rp.notAsserted(p, retry, email, fmt.Errorf("%w: %s", errForeignDomain, owners[0].name))
}

// notAsserted leads to whoever owns the address, if somebody does.
func (rp *RelyingParty) notAsserted(p *providerEntry, retry LoginOptions, email string, err error) error {
	retry.Provider, retry.LoginHint, retry.Prompt = "", "", ""
	e := &Error{Provider: p.name, RetryURL: rp.LoginURL(retry), Err: err}
	if email != "" {
		q := rp.loginQuery(retry)
		q.Set(paramIdentifier, email)
		e.RetryURL = rp.path("/login") + "?" + q.Encode()
	}
	return e
}

// identifyByDomain goes on with the owner of what a visitor typed. It looks at
// the domain alone, so that it cannot tell who has an account. done is false
// where nobody owns it.
func (rp *RelyingParty) identifyByDomain(w http.ResponseWriter, r *http.Request, typed string, opts LoginOptions) (done bool, err error) {
	domain, plain := validate.AddressDomain(typed)
	if !plain || domain == "" {
		return false, nil
	}
	owners, err := rp.owners(r.Context(), domain)
	if err != nil {
		return true, rp.blame(nil, opts, err)
	}
	if len(owners) == 0 {
		return false, nil
	}
	opts.LoginHint = typed
	return true, rp.goOnWith(w, r, owners, opts, "signin.several")
}

// goOnWith sends the visitor to the login address of the only provider there
// is, or has them choose.
func (rp *RelyingParty) goOnWith(w http.ResponseWriter, r *http.Request, found []choice, opts LoginOptions, message string) error {
	if len(found) == 1 {
		opts.Provider = found[0].name
		rp.log.DebugContext(r.Context(), "login routed", "provider", opts.Provider)
		return rp.redirect(w, r, rp.LoginURL(opts))
	}
	return rp.page(w, r, pages.Page{Name: "signin", MessageKey: message, Providers: rp.linksTo(found, opts)})
}

// linksTo are the buttons for these providers.
func (rp *RelyingParty) linksTo(found []choice, opts LoginOptions) []pages.Link {
	var links []pages.Link
	for _, c := range found {
		opts.Provider = c.name
		links = append(links, pages.Link{Name: c.name, DisplayName: c.display, URL: rp.LoginURL(opts)})
	}
	return links
}
