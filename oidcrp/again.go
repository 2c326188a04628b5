package oidcrp

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// A user who is signed in goes to the provider again: for further scopes, or
// for a newer or stronger sign-in. The session goes on.

// sessionNow is the session of a request, be it loaded or not; nil: none.
func (rp *RelyingParty) sessionNow(w http.ResponseWriter, r *http.Request) (*Session, error) {
	if c := loadedIn(r.Context()); c.of(rp) {
		return c.current(), nil
	}
	return rp.sessionBefore(w, r)
}

// sessionFor is the session that a login is to go on with; nil if it is an
// ordinary login.
func (rp *RelyingParty) sessionFor(w http.ResponseWriter, r *http.Request, opts LoginOptions) (*Session, error) {
	if opts.needs() == nil {
		return nil, nil
	}
	s, err := rp.sessionNow(w, r)
	if err != nil || s == nil || opts.Provider != "" && opts.Provider != s.Provider() {
		return nil, err
	}
	if _, err := rp.known(r.Context(), s.Provider()); errors.Is(err, ErrNoProvider) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return s, nil
}

// startAgain asks the session's provider. Scopes are asked for beside those
// that were granted before: new tokens take the place of the old.
func (rp *RelyingParty) startAgain(w http.ResponseWriter, r *http.Request, s *Session, opts LoginOptions) error {
	p, err := rp.find(r.Context(), s.Provider())
	if err != nil {
		return &Error{Provider: s.Provider(), RetryURL: rp.target(opts.ReturnTo), Err: err}
	}
	begin := transaction.Begin{
		Purpose: transaction.Consent, ReturnTo: opts.ReturnTo,
		Identity: identityHash(s.Issuer(), s.Subject()), Scopes: opts.Scopes,
	}
	if opts.MaxAge != nil || len(opts.ACRValues) > 0 {
		begin.Purpose = transaction.StepUp
		demand(&begin, opts.MaxAge, opts.ACRValues)
	}
	opts.Scopes = append(slices.Collect(s.rec.Scopes()), opts.Scopes...)
	return rp.start(w, r, p, begin, opts)
}

func identityHash(issuer, subject string) []byte {
	sum := sha256.Sum256([]byte(identity(issuer, subject)))
	return sum[:]
}

// startedBy reports whether it is this user who started the attempt.
func startedBy(tx *transaction.Transaction, issuer, subject string) bool {
	return string(identityHash(issuer, subject)) == string(tx.Identity)
}

var (
	// errOtherUser: somebody else answered at the provider.
	errOtherUser = fmt.Errorf("%w: %w", ErrInvalidResponse,
		&validate.Error{Token: "id token", Check: "sub", Detail: "is about somebody else than is signed in"})
	// errNobody: the session ended while its user was at the provider.
	errNobody = fmt.Errorf("%w: nobody is signed in any more", ErrLoginExpired)
)

// answeredAgain takes what the provider says to a user who is signed in.
func (rp *RelyingParty) answeredAgain(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, v *provider.Login) error {
	if !startedBy(tx, v.Issuer, v.Subject) {
		return rp.stopped(p, tx.Begin, errOtherUser)
	}
	d := session.Draft{
		Provider: p.name, Issuer: v.Issuer, Subject: v.Subject, SID: v.SID, IssuedAt: v.IssuedAt,
		ACR: v.ACR, AMR: v.AMR, AuthTime: v.AuthTime, Ceiling: v.SessionExpiry, Scopes: v.Scopes,
	}
	// Many providers give a refresh token with consent only: a step-up must not
	// cost the one there is.
	if len(tx.Scopes) > 0 || v.Tokens.Refresh != "" {
		tokens, err := rp.keepTokens(r.Context(), p, tx.Nonce, v, foreignForm(r))
		if err != nil {
			return rp.stopped(p, tx.Begin, err)
		}
		d.Tokens = tokens
	}
	rp.hint.set(w, p, d, v.RawIDToken)
	rp.watch(w, p, v.SessionState)
	if foreignForm(r) {
		return rp.stopped(p, tx.Begin, rp.handOver(w, r, p, tx, d, rp.target(tx.ReturnTo)))
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.stopped(p, tx.Begin, err)
	}
	return rp.goOn(w, r, p, tx, d, before)
}

// goOn lets the session of the user who started it go on with d, under another
// id: there is more it may do. What it says of the user stays.
func (rp *RelyingParty) goOn(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, d session.Draft, before *Session) error {
	var missing []string
	for _, scope := range tx.Scopes {
		if !slices.Contains(d.Scopes, scope) {
			missing = append(missing, scope)
		}
	}
	if err := rp.raise(w, r, p, tx, d, before, len(missing) == 0); err != nil {
		rp.endTokens(r.Context(), d, true)
		return rp.stopped(p, tx.Begin, err)
	}
	if len(missing) > 0 {
		return rp.notConsented(p, tx.Begin, fmt.Errorf("not granted: %s", strings.Join(missing, " ")))
	}
	return rp.redirect(w, r, rp.target(tx.ReturnTo))
}

// raise changes the session; whole says that all of what was asked for came.
func (rp *RelyingParty) raise(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, d session.Draft, before *Session, whole bool) error {
	if before == nil {
		return errNobody
	}
	if !startedBy(tx, before.Issuer(), before.Subject()) {
		return errOtherUser
	}
	ctx, old := r.Context(), before.rec.Draft()
	if err := rp.know(ctx, p, d); err != nil {
		return err
	}
	fresh := len(tx.Scopes) > 0 || len(d.Tokens) > 0
	rec, err := rp.sessions.Renew(ctx, w, r, before.rec, func(s *session.Draft) {
		s.Values = slices.DeleteFunc(s.Values, func(v session.Value) bool { return isInternal(v.Key) })
		if whole {
			s.Values = append(s.Values, askedFor(rp.target(tx.ReturnTo), rp.now()))
		}
		if fresh {
			s.Scopes, s.Tokens = d.Scopes, d.Tokens
		}
		if d.SID != "" {
			s.SID = d.SID
		}
		if tx.Purpose == transaction.StepUp || ofAnotherSignIn(d, s) {
			s.ACR, s.AMR, s.AuthTime = d.ACR, d.AMR, d.AuthTime
		}
		if tx.Purpose == transaction.StepUp {
			s.IssuedAt = d.IssuedAt
			s.Ceiling = earliest(s.Ceiling, d.Ceiling)
		}
	})
	if errors.Is(err, session.ErrNone) {
		return fmt.Errorf("%w: %w", errNobody, err)
	}
	if err != nil {
		return tooLarge(err)
	}
	rp.desk.Finished(w, r)
	if fresh && !slices.Equal(old.Tokens, d.Tokens) {
		rp.endTokens(ctx, old, false)
	}
	for _, done := range []struct {
		kind EventKind
		is   bool
	}{{SteppedUp, tx.Purpose == transaction.StepUp}, {ConsentGranted, len(tx.Scopes) > 0}} {
		if done.is {
			rp.log.InfoContext(ctx, string(done.kind), "provider", d.Provider, "session", rec.Handle())
			rp.emit(ctx, Event{Kind: done.kind, Provider: d.Provider, Issuer: d.Issuer, Subject: d.Subject, Session: rec.Handle(),
				Duration: rp.now().Sub(tx.Started)})
		}
	}
	return nil
}

// ofAnotherSignIn reports whether an ID token that came with a consent says of
// another sign-in than the session's. Without acr and auth_time, which many
// providers give only when they are asked, it says of none.
func ofAnotherSignIn(d session.Draft, s *session.Draft) bool {
	return d.ACR != "" && d.ACR != s.ACR || !d.AuthTime.IsZero() && !d.AuthTime.Equal(s.AuthTime)
}

// stopped is because for an attempt that is known. Who is signed in tries
// again at the page it was for: a login in its place would end the session.
func (rp *RelyingParty) stopped(p *providerEntry, b transaction.Begin, err error) error {
	if err == nil {
		return nil
	}
	if !b.Purpose.OverSession() {
		return rp.blame(p, LoginOptions{ReturnTo: rp.target(b.ReturnTo)}.withNeeds(demanded(b)), err)
	}
	e := &Error{Provider: p.name, RetryURL: rp.target(b.ReturnTo), Err: err}
	switch {
	case errors.Is(err, errNobody), errors.Is(err, errOtherUser):
	case b.Purpose == transaction.StepUp:
		e.message = "error.step_up"
	case b.Purpose == transaction.Link:
		e.message = "error.link"
	}
	return e
}
