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
		return rp.unreadable(r, p, resp.State, err)
	}
	tx, err := rp.desk.Open(r, resp.State, rp.callbackPath(p))
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

// unreadable answers a response that cannot be read. The transaction it names
// is used up, as by any other that is refused.
func (rp *RelyingParty) unreadable(r *http.Request, p *providerEntry, state string, err error) error {
	if tx, failed := rp.desk.Open(r, state, rp.callbackPath(p)); failed == nil {
		_ = rp.desk.SpendHere(tx) // or it was before
	}
	return rp.unknown(p, invalidResponse(err))
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
		return rp.stopped(p, tx.Begin, invalidResponse(mismatch))
	}
	if resp.Error != "" {
		return rp.refusedByProvider(w, r, p, tx, resp)
	}
	expected := provider.Expected{Nonce: tx.Nonce, Verifier: tx.Verifier, Started: tx.Started, Scopes: tx.Scopes, ACR: tx.ACR, RedirectURL: rp.redirectURL(p)}
	if tx.HasMaxAge {
		expected.MaxAge = &tx.MaxAge
	}
	verified, err := p.Complete(ctx, resp, expected)
	if errors.Is(err, provider.ErrClaimRequired) {
		err = fmt.Errorf("%w: %w", ErrForbidden, err)
	}
	if err != nil {
		return rp.stopped(p, tx.Begin, notStronger(tx, invalidGrant(err)))
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
		Name: "fragment", Action: rp.callbackPath(p), Fields: []pages.Field{{Name: provider.FragmentField}},
		Providers: []pages.Link{{Name: p.name, DisplayName: p.display}}, FormAction: pages.LeadingOn(p.formAction()),
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
// client, start again, but not for ever. An answer that is an error, or another browser's, is no reason
// to start anything.
func (rp *RelyingParty) heal(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, resp *provider.Response, err error) error {
	returnTo := ""
	if tx != nil {
		returnTo = rp.target(tx.ReturnTo)
	}
	lost := errors.Is(err, transaction.ErrNoBinding) || errors.Is(err, transaction.ErrExpired) || errors.Is(err, transaction.ErrSpent) ||
		errors.Is(err, provider.ErrOtherClient)
	// Anything else is the store, or our randomness.
	if lost || errors.Is(err, transaction.ErrBinding) || errors.Is(err, transaction.ErrState) {
		err = fmt.Errorf("%w: %w", ErrLoginExpired, err)
	}
	if tx == nil {
		return rp.unknown(p, err)
	}
	// Who is signed in is not sent on to a page that would ask again by itself.
	// Once more after it was answered does no harm, but a link is shown to have
	// failed.
	if tx.Purpose.OverSession() && (tx.Purpose == transaction.Link || !errors.Is(err, transaction.ErrSpent)) {
		lost = false
	}
	if !lost || resp.Error != "" || !startedAt(r.Context(), p, tx) {
		return rp.stopped(p, tx.Begin, err)
	}
	if foreignForm(r) && !errors.Is(err, transaction.ErrNoBinding) {
		// Whether somebody is signed in is seen by GET only.
		q := url.Values{handedOver: {""}, paramState: {tx.State}}
		return rp.redirect(w, r, rp.callbackPath(p)+"?"+q.Encode())
	}
	if rp.signedIn(w, r) {
		return rp.join(w, r, returnTo)
	}
	if tx.Purpose == transaction.Silent && !errors.Is(err, transaction.ErrNoBinding) {
		rp.desk.SilentFailed(w, r) // nobody asked for this login
		return rp.redirect(w, r, returnTo)
	}
	if tx.Purpose != transaction.Login || tx.Attempt >= maxAttempts {
		return rp.stopped(p, tx.Begin, err)
	}
	// Without binding the answer may be anybody's, sent here from elsewhere: a
	// start that would have asked must not be had this way. To a form of another
	// site the browser does not show a session; to our own, with a fragment, it
	// does.
	if errors.Is(err, transaction.ErrNoBinding) && (p.tenantSupplied || foreignForm(r)) {
		return rp.stopped(p, tx.Begin, err)
	}
	rp.report(r.Context(), rp.describe("callback", r, rp.stopped(p, tx.Begin, err)))
	again := transaction.Begin{Purpose: transaction.Login, ReturnTo: returnTo, Attempt: tx.Attempt + 1,
		HasMaxAge: tx.HasMaxAge, MaxAge: tx.MaxAge, ACR: tx.ACR}
	return rp.start(w, r, p, again, LoginOptions{}.withNeeds(demanded(again)))
}

// unknown is because for an attempt that is not known: it may have been no login
// at this provider, so the visitor chooses.
func (rp *RelyingParty) unknown(p *providerEntry, err error) error {
	return &Error{Provider: p.name, RetryURL: rp.LoginURL(LoginOptions{}), Err: err}
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
		return rp.notConsented(p, tx.Begin, cause)
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
	err := fmt.Errorf("%w: %w", kind, cause)
	if tx.Purpose == transaction.StepUp && kind == ErrInvalidResponse {
		err = fmt.Errorf("%w: %w: %w", errStepUpFailed, demanded(tx.Begin), err)
	}
	if tx.Purpose.OverSession() {
		return rp.stopped(p, tx.Begin, err)
	}
	e := &Error{Provider: p.name, Err: err}
	e.RetryURL = rp.LoginURL(LoginOptions{ReturnTo: rp.target(tx.ReturnTo)}.withNeeds(demanded(tx.Begin))) // to choose anew
	return e
}

// admit makes a session of a verified login, if the application agrees.
func (rp *RelyingParty) admit(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, v *provider.Login) error {
	if err := rp.mayAssert(r.Context(), p, v.Claims, LoginOptions{ReturnTo: rp.target(tx.ReturnTo)}); err != nil {
		return err
	}
	switch tx.Purpose {
	case transaction.Consent, transaction.StepUp:
		return rp.answeredAgain(w, r, p, tx, v)
	case transaction.Link:
		return rp.answeredLink(w, r, p, tx, v)
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.because(p, tx.ReturnTo, err)
	}
	if shared(before, p.name, v.Issuer, v.Subject, tx.Started) {
		return rp.join(w, r, rp.target(tx.ReturnTo))
	}
	login := newLogin(p, v, rp.target(tx.ReturnTo), rp.pages.Language(rp.lang(r)), before)
	if !login.RolesUnknown { // or warnOfRoles says what is the matter
		rp.warnOfNoRoles(r.Context(), p, v.Claims)
	}
	err = rp.askOnLogin(r, login)
	rp.warnOfRoles(r.Context(), p, login)
	returnTo := rp.chosen(r.Context(), login.ReturnTo)
	d := rp.keep(login)
	d.SID, d.Began, d.IssuedAt, d.Ceiling = v.SID, tx.Started, v.IssuedAt, v.SessionExpiry
	d.Client = session.ClientTag(p.clientID)
	if p.tokenLifetime {
		d.Ceiling = earliest(d.Ceiling, v.Expiry)
	}
	if pauses := errors.As(err, new(*Pause)); err == nil || pauses {
		var failed error
		if d.Tokens, failed = rp.keepTokens(r.Context(), p, tx.Nonce, v, pauses || foreignForm(r)); failed != nil {
			return rp.because(p, returnTo, failed)
		}
	}
	later := "" // a pause that is given up must not cost who is signed in their own
	if before != nil || foreignForm(r) {
		later = v.RawIDToken
	}
	path, err := rp.pause(w, r, err, d, returnTo, later)
	if err != nil {
		rp.endTokens(r.Context(), d, true)
		return rp.because(p, returnTo, err)
	}
	direct := path == "" && !foreignForm(r)
	if direct { // first, or what fails would replace the cookies of the session there is
		if err := rp.startSession(w, r, p, d, before, tx.Started); err != nil {
			return rp.because(p, returnTo, err)
		}
	}
	if path == "" || later == "" {
		rp.hint.set(w, p, d, v.RawIDToken)
	}
	rp.watch(w, p, v.SessionState)
	switch {
	case direct:
		return rp.redirect(w, r, returnTo)
	case path != "":
		return rp.redirect(w, r, path)
	}
	if err := rp.handOver(w, r, p, tx, d, returnTo); err != nil {
		rp.endTokens(r.Context(), d, true)
		return rp.because(p, returnTo, err)
	}
	return nil
}

// shared reports whether another tab's login of the same user was finished
// while this one was under way. Its session serves both: requests that carry it
// may be on their way.
func shared(s *Session, provider, issuer, subject string, since time.Time) bool {
	return s != nil && s.Provider() == provider && s.Issuer() == issuer && s.Subject() == subject && s.Started().After(since)
}

// join ends a login whose visitor another one signed in. It is a round as any
// other: the page it leads to may be on a node that does not see the session.
func (rp *RelyingParty) join(w http.ResponseWriter, r *http.Request, returnTo string) error {
	rp.desk.Finished(w, r)
	return rp.redirect(w, r, returnTo)
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
	return rp.session(rec), nil
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
func (rp *RelyingParty) startSession(w http.ResponseWriter, r *http.Request, p *providerEntry, d session.Draft, before *Session, started time.Time) error {
	ctx := r.Context()
	if err := rp.know(ctx, p, d); err != nil {
		return err
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
	rp.dropPaused(w, r, d)
	if before != nil {
		rp.giveUpTokens(ctx, before.rec.Draft(), d)
		rp.emit(ctx, Event{Kind: SessionEnded, Provider: before.Provider(), Issuer: before.Issuer(),
			Subject: before.Subject(), Session: before.Handle(), Reason: "replaced"})
	}
	rp.log.InfoContext(ctx, "signed in", "provider", d.Provider, "session", rec.Handle())
	rp.emit(ctx, Event{Kind: LoginSucceeded, Provider: d.Provider, Issuer: d.Issuer, Subject: d.Subject,
		Session: rec.Handle(), Duration: rp.now().Sub(started)})
	return nil
}

// know notes the provider's session, for its front-channel logout.
func (rp *RelyingParty) know(ctx context.Context, p *providerEntry, d session.Draft) error {
	if !p.frontchannel || d.SID == "" {
		return nil
	}
	return rp.sessions.Know(ctx, session.User{Issuer: d.Issuer, Client: p.clientID}, d.SID)
}

// earliest is the earlier of two times, of which zero is none.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
