package oidcrp

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

const maxHint = 1000

// errUnknownIssuer is an invitation to sign in at a provider we do not have.
var errUnknownIssuer = errors.New("no provider has this issuer")

// serveInitiate begins a login that another site asks for (Core 4). It takes a
// provider of ours, a page of ours and a hint, and nothing else; the login
// address does the rest, so that a visitor who is signed in already is asked
// first: the answer to a form of another site does not show the session.
func (rp *RelyingParty) serveInitiate(w http.ResponseWriter, r *http.Request) error {
	h := w.Header()
	h.Set("Content-Security-Policy", "frame-ancestors 'none'")
	h.Set("X-Frame-Options", "DENY")
	if !navigates(r) && !formPosted(r) {
		return errLoginRequired
	}
	if dest := r.Header.Get("Sec-Fetch-Dest"); dest != "" && dest != "document" {
		return fmt.Errorf("%w: in a frame", errCrossOrigin)
	}
	q, err := initiation(w, r)
	if err != nil {
		return err
	}
	opts := LoginOptions{ReturnTo: rp.target(q.Get("target_link_uri"))}
	found, err := rp.ofIssuer(r.Context(), q.Get("iss"))
	if err == nil && len(found) == 0 {
		err = errUnknownIssuer
	}
	if err != nil {
		return &Error{RetryURL: rp.LoginURL(opts), Err: err}
	}
	if hint := q.Get("login_hint"); len(hint) <= maxHint {
		opts.LoginHint = hint
	}
	if rp.providers.byName[found[0].name] != nil {
		found = found[:1] // in the order of Config.Providers
	}
	return rp.goOnWith(w, r, found, opts, "signin.message")
}

// initiation reads the parameters of a GET or of a form.
func initiation(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	q := r.URL.Query()
	if !isSafe(r.Method) {
		if err := readForm(w, r); err != nil {
			return nil, err
		}
		q = r.PostForm
	}
	for _, name := range []string{"iss", "login_hint", "target_link_uri"} {
		if len(q[name]) > 1 {
			return nil, fmt.Errorf("%w: %s appears more than once", errBadRequest, name)
		}
	}
	if q.Get("iss") == "" {
		return nil, fmt.Errorf("%w: iss is missing", errBadRequest)
	}
	return q, nil
}
