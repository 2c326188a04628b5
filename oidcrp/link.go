package oidcrp

import (
	"errors"
	"fmt"
	"maps"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// beginLink sends a user who is signed in to another provider, to add that
// identity. Nothing but a form of our own starts it: whoever could make a
// browser do it would be let into the visitor's account later.
func (rp *RelyingParty) beginLink(w http.ResponseWriter, r *http.Request, opts LoginOptions) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return errMethod
	}
	if err := rp.sameOrigin(r); err != nil {
		return err
	}
	if !formPosted(r) {
		return fmt.Errorf("%w: to link is to go to the provider, which takes a form", errBadRequest)
	}
	if rp.onLogin == nil {
		return fmt.Errorf("%w: LoginOptions.Link needs Config.OnLogin, which keeps the identity", ErrMisconfigured)
	}
	p, err := rp.only(r.Context())
	if err == nil && (opts.Provider != "" || p == nil) {
		p, err = rp.find(r.Context(), opts.Provider)
	}
	if errors.Is(err, ErrNoProvider) {
		err = fmt.Errorf("%w: %w", errNotFound, err)
	}
	if err != nil {
		return rp.because(nil, opts.ReturnTo, err)
	}
	s, err := rp.sessionNow(w, r)
	if err == nil && s == nil {
		err = errLoginRequired
	}
	if err != nil {
		return &Error{RetryURL: rp.LoginURL(LoginOptions{ReturnTo: opts.ReturnTo}), Err: err}
	}
	begin := transaction.Begin{Purpose: transaction.Link, ReturnTo: opts.ReturnTo, Identity: identityHash(s.Issuer(), s.Subject())}
	demand(&begin, opts.MaxAge, opts.ACRValues)
	return rp.start(w, r, p, begin, opts)
}

// errOtherSession: it is not the session of who started the link.
var errOtherSession = fmt.Errorf("%w: somebody else is signed in by now", ErrLoginExpired)

// answeredLink takes a verified identity that a user wants to add.
func (rp *RelyingParty) answeredLink(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, v *provider.Login) error {
	login := newLogin(p, v, rp.target(tx.ReturnTo), rp.pages.Language(rp.lang(r)), nil)
	if foreignForm(r) {
		d := rp.keep(login)
		d.SID, d.Began, d.IssuedAt = v.SID, tx.Started, v.IssuedAt
		return rp.stopped(p, tx.Begin, rp.handOver(w, r, p, tx, d, login.ReturnTo))
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	login.Session = before
	return rp.finishLink(w, r, p, tx, login)
}

// finishLink has the application add an identity to the user of the session,
// which goes on under another id.
func (rp *RelyingParty) finishLink(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, login *Login) error {
	if err := rp.link(w, r, tx, login); err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	return rp.redirect(w, r, rp.chosen(r.Context(), login.ReturnTo))
}

func (rp *RelyingParty) link(w http.ResponseWriter, r *http.Request, tx *transaction.Transaction, login *Login) error {
	ctx, before := r.Context(), login.Session
	if before == nil {
		return errNobody
	}
	if !startedBy(tx, before.Issuer(), before.Subject()) {
		return errOtherSession
	}
	login.Linking = true
	err := rp.askOnLogin(r, login)
	if errors.As(err, new(*Pause)) { // Resume would start a session
		return fmt.Errorf("%w: OnLogin paused a login that is Linking: ask before Login is called, or after", ErrMisconfigured)
	}
	if err != nil {
		return err
	}
	rec, err := rp.sessions.Renew(ctx, w, r, before.rec, func(d *session.Draft) { rp.setValues(d, login.values) })
	if errors.Is(err, session.ErrNone) {
		return fmt.Errorf("%w: %w", errNobody, err)
	}
	if err != nil {
		return tooLarge(err)
	}
	rp.log.InfoContext(ctx, string(IdentityLinked), "provider", login.Provider, "session", rec.Handle())
	rp.emit(ctx, Event{Kind: IdentityLinked, Provider: login.Provider, Issuer: login.Issuer, Subject: login.Subject, Session: rec.Handle(),
		Duration: rp.now().Sub(tx.Started)})
	return nil
}

// setValues changes the application's own values of a session, "" to remove
// one.
func (rp *RelyingParty) setValues(d *session.Draft, values map[string]string) {
	l := Login{verified: verified{values: map[string]string{}}}
	for _, v := range d.Values {
		l.values[v.Key] = v.Value
	}
	maps.Copy(l.values, values)
	d.Values = rp.keep(&l).Values
}
