package oidcrp

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// paramIdentifier is what a visitor typed, while Config.WebFinger is set.
const paramIdentifier = "identifier"

// identify goes on with the provider that the host of an identifier names
// (Discovery 2). Both are chosen from what the operator listed: the host by
// the Finder, the provider here. The login address does the rest.
func (rp *RelyingParty) identify(w http.ResponseWriter, r *http.Request, identifiers []string, opts LoginOptions) error {
	if len(identifiers) > 1 {
		return fmt.Errorf("%w: %s appears more than once", errBadRequest, paramIdentifier)
	}
	opts.Provider = ""
	issuer, err := rp.finder.Find(r.Context(), identifiers[0])
	if err != nil {
		return &Error{RetryURL: rp.LoginURL(opts), Err: err}
	}
	all := rp.entries()
	at := slices.IndexFunc(all, func(p *providerEntry) bool { return p.issuer == issuer })
	if at < 0 {
		return &Error{RetryURL: rp.LoginURL(opts), Err: fmt.Errorf("%w: its host names an issuer that is none of Providers", provider.ErrUnknownIdentifier)}
	}
	opts.Provider, opts.LoginHint = all[at].name, strings.TrimSpace(identifiers[0])
	return rp.redirect(w, r, rp.LoginURL(opts))
}

// identifierForm has the sign-in page ask for an identifier. Whatever else the
// login is to have comes along.
func (rp *RelyingParty) identifierForm(p *pages.Page, opts LoginOptions) {
	if rp.finder == nil {
		return
	}
	opts.LoginHint = ""
	if opts.ReturnTo == rp.site.home() {
		opts.ReturnTo = ""
	}
	p.Action = rp.path("/login")
	q := rp.loginQuery(opts)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		p.Fields = append(p.Fields, pages.Field{Name: name, Value: q.Get(name)})
	}
	// The form leads to whichever provider it is, and on to where that leads:
	// browsers hold all of that against form-action.
	p.FormAction = append(rp.formActions(), "https:")
}
