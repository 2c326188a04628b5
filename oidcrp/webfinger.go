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

// paramIdentifier is what a visitor typed: see Config.SingleSignOn and WebFinger.
const paramIdentifier = "identifier"

// identify goes on with the provider that owns the domain of an identifier, or
// else whom its host names (Discovery 2). Both are chosen from what the operator
// listed: the host by the Finder, the provider here. The login address does the
// rest.
func (rp *RelyingParty) identify(w http.ResponseWriter, r *http.Request, identifiers []string, opts LoginOptions) error {
	if len(identifiers) > 1 {
		return fmt.Errorf("%w: %s appears more than once", errBadRequest, paramIdentifier)
	}
	opts.Provider = ""
	typed := strings.TrimSpace(identifiers[0])
	if done, err := rp.identifyByDomain(w, r, typed, opts); done {
		return err
	}
	if rp.finder == nil {
		return rp.signInPage(w, r, opts, "signin.not_found", typed)
	}
	issuer, err := rp.finder.Find(r.Context(), identifiers[0])
	if err != nil {
		return &Error{RetryURL: rp.LoginURL(opts), Err: err}
	}
	found, err := rp.ofIssuer(r.Context(), issuer)
	if err != nil {
		return &Error{RetryURL: rp.LoginURL(opts), Err: err}
	}
	if len(found) == 0 {
		return &Error{RetryURL: rp.LoginURL(opts), Err: fmt.Errorf("%w: its host names an issuer that is none of Providers", provider.ErrUnknownIdentifier)}
	}
	opts.LoginHint = typed
	return rp.goOnWith(w, r, found[:1], opts, "")
}

// identifies reports whether what a visitor types can lead anywhere.
func (rp *RelyingParty) identifies() bool { return rp.finder != nil || rp.providers.owning }

// identifierForm has the sign-in page ask for an identifier. Whatever else the
// login is to have comes along.
func (rp *RelyingParty) identifierForm(p *pages.Page, opts LoginOptions) {
	if rp.finder == nil && !rp.singleSignOn {
		return
	}
	opts.LoginHint = ""
	if opts.ReturnTo == rp.site.home() {
		opts.ReturnTo = ""
	}
	p.Action, p.SingleSignOn = rp.path("/login"), rp.singleSignOn
	q := rp.loginQuery(opts)
	for _, name := range slices.Sorted(maps.Keys(q)) {
		p.Fields = append(p.Fields, pages.Field{Name: name, Value: q.Get(name)})
	}
	// The form leads to whichever provider it is, and on to where that leads:
	// browsers hold all of that against form-action.
	p.FormAction = append(rp.formActions(""), "https:")
	if rp.providers.source != nil {
		p.FormAction = append(p.FormAction, "http:")
	}
}
