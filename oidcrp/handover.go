package oidcrp

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// A login that came by form_post goes on at the callback address with these in
// the query: where it is kept, and its state, which ties it to this browser.
const (
	handedOver = "go-on"
	paramState = "state"
)

// foreignForm reports whether a form of another site was sent: the browser
// shows it no SameSite=Lax cookie, so that there may be a session or not.
func foreignForm(r *http.Request) bool {
	return r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Site") != "same-origin"
}

// handOver keeps a verified login for a request that shows the session it
// replaces, which would live on otherwise. It rides in the address, so that
// several tabs do not meet. The return URL stays where it is, unless the
// application chose another: both would be too much for one cookie.
func (rp *RelyingParty) handOver(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, d session.Draft, returnTo string) error {
	d.Values = append(slices.Clone(d.Values), session.Value{Key: pausedLogin, Value: string(tx.ID[:])})
	if returnTo == rp.target(tx.ReturnTo) {
		returnTo = ""
		if err := rp.desk.Keep(w, tx); err != nil {
			return err
		}
	}
	h := headers{}
	if err := rp.keepPaused(h, (&http.Request{}).WithContext(r.Context()), d, rp.callbackPath(p), returnTo, ""); err != nil {
		return err
	}
	c, err := http.ParseSetCookie(h.Header().Get("Set-Cookie"))
	if err != nil {
		return err
	}
	q := url.Values{handedOver: {c.Value}, paramState: {tx.State}}
	return rp.redirect(w, r, rp.callbackPath(p)+"?"+q.Encode())
}

// takeOver starts the session of a login that was handed over.
func (rp *RelyingParty) takeOver(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	q := r.URL.Query()
	tx, err := rp.desk.Open(r, q.Get(paramState), rp.callbackPath(p))
	if err == nil {
		err = p.Belongs(r.Context(), tx.Provider)
	}
	if err != nil {
		return rp.heal(w, r, p, tx, &provider.Response{}, err)
	}
	kept := (&http.Request{Header: http.Header{"Cookie": {rp.pausedName + "=" + q.Get(handedOver)}}}).WithContext(r.Context())
	rec, err := rp.paused.Load(r.Context(), headers{}, kept, false)
	if err == nil && (rec.Value(pausedPath) != rp.callbackPath(p) || rec.Value(pausedLogin) != string(tx.ID[:])) {
		err = session.ErrNone
	}
	if err == nil {
		err = rp.paused.Claim(r.Context(), rec)
	}
	if errors.Is(err, session.ErrNone) { // finished before, or just now
		return rp.heal(w, r, p, tx, &provider.Response{}, transaction.ErrSpent)
	}
	if err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	rp.desk.Clear(w, tx)
	tx.ReturnTo = rp.target(orDefault(rec.Value(pausedReturnTo), tx.ReturnTo))
	returnTo := tx.ReturnTo
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	d := unpaused(rec)
	if d.Tokens, err = rp.settleTokens(r.Context(), p, d); err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	switch tx.Purpose {
	case transaction.Consent, transaction.StepUp:
		return rp.goOn(w, r, p, tx, d, before)
	case transaction.Link:
		login := rp.loginOf(r, rec, before)
		login.ReturnTo = returnTo
		return rp.finishLink(w, r, p, tx, login)
	}
	if shared(before, d.Provider, d.Issuer, d.Subject, tx.Started) {
		rp.endTokens(r.Context(), d, false) // the other login has its own
		return rp.join(w, r, returnTo)
	}
	if err := rp.startSession(w, r, p, d, before, tx.Started); err != nil {
		return rp.because(p, returnTo, err)
	}
	return rp.redirect(w, r, returnTo)
}
