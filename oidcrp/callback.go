package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// maxAttempts is how often one login restarts by itself.
const maxAttempts = 2

// serveCallback finishes a login: the visitor is back. The order matters:
// nothing of the response is believed, and nothing redeemed, before it is
// known to belong to a login this browser started at this provider.
func (rp *RelyingParty) serveCallback(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	ctx := r.Context()
	if r.Method == http.MethodGet && strings.HasPrefix(r.URL.RawQuery, handedOver+"=") {
		return rp.takeOver(w, r, p)
	}
	if p.InFragment(r) {
		return rp.fragmentPage(w, r, p)
	}
	resp, err := provider.ParseResponse(r)
	if err != nil {
		return rp.because(p, "", invalidResponse(err))
	}
	tx, err := rp.desk.Open(r, resp.State, p.callback)
	if err != nil {
		return rp.heal(w, r, p, tx, resp, err)
	}
	mismatch := p.Belongs(ctx, tx.Provider)
	if mismatch == nil {
		mismatch = p.CheckResponse(ctx, resp)
	}
	if err := rp.spend(ctx, tx, resp); err != nil {
		return rp.heal(w, r, p, tx, resp, err)
	}
	rp.desk.Clear(w, tx)
	if errors.Is(mismatch, provider.ErrOtherClient) {
		return rp.heal(w, r, p, tx, resp, mismatch)
	}
	err = rp.finish(w, r, p, tx, resp, mismatch)
	if err != nil && tx.Purpose == transaction.Silent {
		// Nobody asked for this login: what failed is for the operator.
		rp.report(ctx, rp.describe("callback", r, err))
		rp.desk.SilentFailed(w, r)
		return rp.redirect(w, r, rp.target(tx.ReturnTo))
	}
	return err
}

// spend uses the transaction up. An error brings nothing to redeem: strangers
// could fill the store with the marks of theirs.
func (rp *RelyingParty) spend(ctx context.Context, tx *transaction.Transaction, resp *provider.Response) error {
	if resp.Error != "" {
		return rp.desk.SpendHere(tx)
	}
	return rp.desk.Spend(ctx, tx)
}

// finish goes on with an answer whose transaction is spent.
func (rp *RelyingParty) finish(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, resp *provider.Response, mismatch error) error {
	ctx := r.Context()
	if mismatch != nil {
		return rp.because(p, tx.ReturnTo, invalidResponse(mismatch))
	}
	if resp.Error != "" {
		return rp.refusedByProvider(w, r, p, tx, resp)
	}
	verified, err := p.Complete(ctx, resp, provider.Expected{
		Nonce: tx.Nonce, Verifier: tx.Verifier, Started: tx.Started, Scopes: tx.Scopes,
	})
	if err != nil {
		return rp.because(p, tx.ReturnTo, invalidGrant(err))
	}
	if verified.Warning != nil {
		rp.log.WarnContext(ctx, "claims not used", "provider", p.name, "err", verified.Warning)
	}
	return rp.admit(w, r, p, tx, verified)
}

// fragmentPage makes the browser send what it has behind the "#" of its
// address to the callback, as a form. Should the login start anew then, the
// form leads to the provider.
func (rp *RelyingParty) fragmentPage(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	return rp.page(w, r, pages.Page{
		Name: "fragment", Action: p.callback, Fields: []pages.Field{{Name: provider.FragmentField}},
		Providers: []pages.Link{{Name: p.name, DisplayName: p.display}}, FormAction: leadingOn(p.formAction()),
	})
}

// startedAt reports whether a login was started at this provider, whoever we
// were there.
func startedAt(ctx context.Context, p *providerEntry, tx *transaction.Transaction) bool {
	err := p.Belongs(ctx, tx.Provider)
	return err == nil || errors.Is(err, provider.ErrOtherClient)
}

// invalidResponse names a failed check of the response for what it is; a
// provider that could not be asked keeps its own error.
func invalidResponse(err error) error {
	if errors.Is(err, ErrInvalidToken) {
		return badResponse{err}
	}
	return err
}

// badResponse is a failed check that was of no token, and so must not be found
// by errors.Is; which check it was, errors.As still tells.
type badResponse struct{ failed error }

func (e badResponse) Error() string        { return ErrInvalidResponse.Error() + ": " + e.failed.Error() }
func (e badResponse) Is(target error) bool { return target == ErrInvalidResponse }
func (e badResponse) As(target any) bool   { return errors.As(e.failed, target) }

// invalidGrant names a code the provider did not take for what it is: an
// answer that was wrong, or late (RFC 6749 5.2).
func invalidGrant(err error) error {
	var answer *provider.Error
	if errors.As(err, &answer) && !errors.Is(err, ErrMisconfigured) && !errors.Is(err, ErrProviderUnavailable) {
		return fmt.Errorf("%w: %w", ErrInvalidResponse, err)
	}
	return err
}

// heal does the right thing about a login that cannot be finished as it is:
// signed in already, go where it led; lost, expired, spent, or begun as another
// client, start again, but
// not for ever. An answer that is an error, or another browser's, is no reason
// to start anything.
func (rp *RelyingParty) heal(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, resp *provider.Response, err error) error {
	returnTo := ""
	if tx != nil {
		returnTo = rp.target(tx.ReturnTo)
	}
	lost := errors.Is(err, transaction.ErrNoBinding) || errors.Is(err, transaction.ErrExpired) || errors.Is(err, transaction.ErrSpent) ||
		errors.Is(err, provider.ErrOtherClient)
	if !lost && !errors.Is(err, transaction.ErrBinding) && !errors.Is(err, transaction.ErrState) {
		return rp.because(p, returnTo, err) // the store, our randomness
	}
	err = fmt.Errorf("%w: %w", ErrLoginExpired, err)
	if !lost || tx == nil || resp.Error != "" || !startedAt(r.Context(), p, tx) {
		return rp.because(p, returnTo, err)
	}
	if foreignForm(r) && !errors.Is(err, transaction.ErrNoBinding) {
		// Whether somebody is signed in is seen by GET only.
		q := url.Values{handedOver: {""}, paramState: {tx.State}}
		return rp.redirect(w, r, p.callback+"?"+q.Encode())
	}
	if rp.signedIn(w, r) {
		return rp.redirect(w, r, returnTo)
	}
	if tx.Purpose == transaction.Silent && !errors.Is(err, transaction.ErrNoBinding) {
		rp.desk.SilentFailed(w, r) // nobody asked for this login
		return rp.redirect(w, r, returnTo)
	}
	if tx.Purpose != transaction.Login || tx.Attempt >= maxAttempts {
		return rp.because(p, returnTo, err)
	}
	// Without binding the answer may be anybody's, sent here from elsewhere: a
	// start that would have asked must not be had this way. To a form of another
	// site the browser does not show a session; to our own, with a fragment, it
	// does.
	if errors.Is(err, transaction.ErrNoBinding) && (p.tenantSupplied || foreignForm(r)) {
		return rp.because(p, returnTo, err)
	}
	rp.report(r.Context(), rp.describe("callback", r, rp.because(p, returnTo, err)))
	again := transaction.Begin{Purpose: transaction.Login, ReturnTo: returnTo, Attempt: tx.Attempt + 1}
	return rp.start(w, r, p, again, LoginOptions{})
}

// refusedByProvider answers an error response (RFC 6749 4.1.2.1, Core 3.1.2.6).
func (rp *RelyingParty) refusedByProvider(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, resp *provider.Response) error {
	cause := &ProviderError{Code: resp.Error, Description: resp.ErrorDescription, URI: resp.ErrorURI}
	needsVisitor := []string{"login_required", "interaction_required", "consent_required", "account_selection_required"}
	if tx.Purpose == transaction.Silent && slices.Contains(needsVisitor, resp.Error) {
		rp.desk.SilentFailed(w, r)
		return rp.redirect(w, r, rp.target(tx.ReturnTo))
	}
	if tx.Purpose == transaction.Consent && resp.Error == "access_denied" {
		return rp.notConsented(p, tx.ReturnTo, cause)
	}
	kind := ErrInvalidResponse
	switch resp.Error {
	case "access_denied":
		kind = ErrCancelled
	case "server_error", "temporarily_unavailable":
		kind = ErrProviderUnavailable
	case "invalid_request", "unauthorized_client", "unsupported_response_type", "invalid_scope", "request_not_supported", "registration_not_supported":
		kind = ErrMisconfigured
	}
	e := &Error{Provider: p.name, Err: fmt.Errorf("%w: %w", kind, cause)}
	e.RetryURL = rp.LoginURL(LoginOptions{ReturnTo: rp.target(tx.ReturnTo)}) // to choose anew
	return e
}

// admit makes a session of a verified login, if the application agrees.
func (rp *RelyingParty) admit(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, v *provider.Login) error {
	if tx.Purpose == transaction.Consent {
		return rp.consented(w, r, p, tx, v)
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.because(p, tx.ReturnTo, err)
	}
	if shared(before, p.name, v.Issuer, v.Subject, tx.Started) {
		return rp.redirect(w, r, rp.target(tx.ReturnTo))
	}
	rp.warnOfNoRoles(r.Context(), p, v.Claims)
	login := newLogin(p, v, rp.target(tx.ReturnTo), rp.pages.Language(rp.lang(r)), before)
	err = rp.askOnLogin(r, login)
	returnTo := rp.chosen(r.Context(), login.ReturnTo)
	d := rp.keep(login)
	d.SID, d.Began, d.IssuedAt, d.Ceiling = v.SID, tx.Started, v.IssuedAt, v.SessionExpiry
	if p.tokenLifetime {
		d.Ceiling = earliest(d.Ceiling, v.Expiry)
	}
	if err == nil || errors.As(err, new(*Pause)) {
		var failed error
		if d.Tokens, failed = rp.keepTokens(r.Context(), p, tx.Nonce, v); failed != nil {
			return rp.because(p, returnTo, failed)
		}
	}
	path, err := rp.pause(w, r, err, d, returnTo)
	if err != nil {
		return rp.because(p, returnTo, err)
	}
	rp.hint.set(w, d, v.RawIDToken)
	rp.watch(w, p, v.SessionState)
	if path != "" {
		return rp.redirect(w, r, path)
	}
	if foreignForm(r) {
		return rp.because(p, returnTo, rp.handOver(w, r, p, tx, d, returnTo))
	}
	if err := rp.startSession(w, r, d, before, tx.Started); err != nil {
		return rp.because(p, returnTo, err)
	}
	return rp.redirect(w, r, returnTo)
}

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
// several tabs do not meet.
func (rp *RelyingParty) handOver(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, d session.Draft, returnTo string) error {
	d.Values = append(slices.Clone(d.Values), session.Value{Key: pausedLogin, Value: string(tx.ID[:])})
	h := headers{}
	if err := rp.keepPaused(h, (&http.Request{}).WithContext(r.Context()), d, returnTo, p.callback); err != nil {
		return err
	}
	c, err := http.ParseSetCookie(h.Header().Get("Set-Cookie"))
	if err != nil {
		return err
	}
	q := url.Values{handedOver: {c.Value}, paramState: {tx.State}}
	return rp.redirect(w, r, p.callback+"?"+q.Encode())
}

// takeOver starts the session of a login that was handed over.
func (rp *RelyingParty) takeOver(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	q := r.URL.Query()
	tx, err := rp.desk.Open(r, q.Get(paramState), p.callback)
	if err == nil {
		err = p.Belongs(r.Context(), tx.Provider)
	}
	if err != nil {
		return rp.heal(w, r, p, tx, &provider.Response{}, err)
	}
	kept := (&http.Request{Header: http.Header{"Cookie": {rp.pausedName + "=" + q.Get(handedOver)}}}).WithContext(r.Context())
	rec, err := rp.paused.Load(r.Context(), headers{}, kept, false)
	if err == nil && (rec.Value(pausedPath) != p.callback || rec.Value(pausedLogin) != string(tx.ID[:])) {
		err = session.ErrNone
	}
	if err == nil {
		err = rp.paused.Claim(r.Context(), rec)
	}
	if errors.Is(err, session.ErrNone) { // finished before, or just now
		return rp.heal(w, r, p, tx, &provider.Response{}, transaction.ErrSpent)
	}
	if err != nil {
		return rp.because(p, tx.ReturnTo, err)
	}
	returnTo := rp.target(rec.Value(pausedReturnTo))
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.because(p, returnTo, err)
	}
	d := unpaused(rec)
	if tx.Purpose == transaction.Consent {
		return rp.finishConsent(w, r, p, tx, d, before)
	}
	if shared(before, d.Provider, d.Issuer, d.Subject, tx.Started) {
		rp.endTokens(r.Context(), d, false) // the other login has its own
	} else {
		err = rp.startSession(w, r, d, before, tx.Started)
	}
	if err != nil {
		return rp.because(p, returnTo, err)
	}
	return rp.redirect(w, r, returnTo)
}

// shared reports whether another tab's login of the same user was finished
// while this one was under way. Its session serves both: requests that carry it
// may be on their way.
func shared(s *Session, provider, issuer, subject string, since time.Time) bool {
	return s != nil && s.Provider() == provider && s.Issuer() == issuer && s.Subject() == subject && s.Started().After(since)
}

// sessionBefore is the session a login will replace; nil if there is none.
func (rp *RelyingParty) sessionBefore(w http.ResponseWriter, r *http.Request) (*Session, error) {
	rec, err := rp.sessions.Load(r.Context(), w, r, false)
	if errors.Is(err, session.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &Session{rec: rec}, nil
}

// askOnLogin asks the application about a verified login.
func (rp *RelyingParty) askOnLogin(r *http.Request, login *Login) error {
	if rp.onLogin == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), hookTime)
	defer cancel()
	return judged("OnLogin", func() error { return rp.onLogin(ctx, login) })
}

// judged is guarded for what decides about a verified login.
func judged(hook string, call func() error) error {
	if err := guarded(hook, call); err != nil {
		return verdict{err}
	}
	return nil
}

// startSession starts the session of d in place of the one there was.
func (rp *RelyingParty) startSession(w http.ResponseWriter, r *http.Request, d session.Draft, before *Session, started time.Time) error {
	ctx := r.Context()
	if p := rp.byName[d.Provider]; p.frontchannel && d.SID != "" {
		if err := rp.sessions.Know(ctx, session.User{Issuer: d.Issuer, Client: p.clientID}, d.SID); err != nil {
			return err
		}
	}
	rec, err := rp.sessions.Start(ctx, w, r, d)
	if err != nil {
		rp.endTokens(ctx, d, true)
	}
	if errors.Is(err, session.ErrEnded) {
		return fmt.Errorf("%w: %w", ErrLoginExpired, err)
	}
	if err != nil {
		return tooLarge(err)
	}
	rp.desk.Finished(w, r)
	rp.dropPaused(w, r)
	if before != nil {
		// To revoke one grant of the same user's may end the other (RFC 7009 2.1).
		rp.endTokens(ctx, before.rec.Draft(), before.Issuer() != d.Issuer || before.Subject() != d.Subject)
		rp.emit(ctx, Event{Kind: SessionEnded, Provider: before.Provider(), Issuer: before.Issuer(),
			Subject: before.Subject(), Session: before.Handle(), Reason: "replaced"})
	}
	rp.log.InfoContext(ctx, "signed in", "provider", d.Provider, "session", rec.Handle())
	rp.emit(ctx, Event{Kind: LoginSucceeded, Provider: d.Provider, Issuer: d.Issuer, Subject: d.Subject,
		Session: rec.Handle(), Duration: rp.now().Sub(started)})
	return nil
}

// earliest is the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
