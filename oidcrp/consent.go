package oidcrp

import (
	"context"
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

// HasScope passes sessions whose user granted all scopes. Others who navigate
// are asked for them by the provider, and come back to the same page; whoever
// does not consent stays signed in and gets 403, as do requests that do not
// navigate.
func HasScope(scopes ...string) Policy {
	scopes = slices.Clone(scopes)
	return func(_ context.Context, s *Session) error {
		for _, scope := range scopes {
			if !s.rec.HasScope(scope) {
				return &consentNeeded{scopes}
			}
		}
		return nil
	}
}

// consentNeeded is ErrConsentNeeded with what is needed.
type consentNeeded struct{ scopes []string }

func (e *consentNeeded) Error() string {
	return ErrConsentNeeded.Error() + ": " + strings.Join(e.scopes, " ")
}

func (e *consentNeeded) Unwrap() error { return ErrConsentNeeded }

// askConsent asks for the scopes that a guard wants, where that is possible;
// otherwise err stays.
func (rp *RelyingParty) askConsent(w http.ResponseWriter, r *http.Request, s *Session, err error) error {
	var needed *consentNeeded
	if !errors.As(err, &needed) || !navigates(r) || rp.byName[s.Provider()] == nil {
		return err
	}
	return rp.startConsent(w, r, s, LoginOptions{Scopes: needed.scopes, ReturnTo: rp.here(r)})
}

// consentOf is the session that a login with further scopes is to leave as it
// is; nil if it is an ordinary login.
func (rp *RelyingParty) consentOf(w http.ResponseWriter, r *http.Request, opts LoginOptions) *Session {
	if len(opts.Scopes) == 0 {
		return nil
	}
	s := FromContext(r.Context())
	if loadedIn(r.Context()) == nil {
		s, _ = rp.sessionBefore(w, r)
	}
	if s == nil || rp.byName[s.Provider()] == nil || opts.Provider != "" && opts.Provider != s.Provider() {
		return nil
	}
	return s
}

// startConsent asks the session's provider for further scopes, beside those
// that were granted before: the new tokens take the place of the old.
func (rp *RelyingParty) startConsent(w http.ResponseWriter, r *http.Request, s *Session, opts LoginOptions) error {
	p := rp.byName[s.Provider()]
	begin := transaction.Begin{
		Purpose: transaction.Consent, ReturnTo: opts.ReturnTo,
		Identity: identityHash(s.Issuer(), s.Subject()), Scopes: opts.Scopes,
	}
	opts.Scopes = append(slices.Collect(s.rec.Scopes()), opts.Scopes...)
	return rp.start(w, r, p, begin, opts)
}

func identityHash(issuer, subject string) []byte {
	sum := sha256.Sum256([]byte(identity(issuer, subject)))
	return sum[:]
}

// consented takes the answer of a user who was asked for further scopes.
func (rp *RelyingParty) consented(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, v *provider.Login) error {
	if string(identityHash(v.Issuer, v.Subject)) != string(tx.Identity) {
		return rp.because(p, tx.ReturnTo, errOtherUser)
	}
	tokens, err := rp.keepTokens(r.Context(), p, tx.Nonce, v)
	if err != nil {
		return rp.because(p, tx.ReturnTo, err)
	}
	d := session.Draft{
		Provider: p.name, Issuer: v.Issuer, Subject: v.Subject, SID: v.SID, IssuedAt: v.IssuedAt,
		Scopes: v.Scopes, Tokens: tokens,
	}
	rp.hint.set(w, d, v.RawIDToken)
	rp.watch(w, p, v.SessionState)
	if foreignForm(r) {
		return rp.because(p, tx.ReturnTo, rp.handOver(w, r, p, tx, d, rp.target(tx.ReturnTo)))
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.because(p, tx.ReturnTo, err)
	}
	return rp.finishConsent(w, r, p, tx, d, before)
}

// errOtherUser: somebody else answered at the provider.
var errOtherUser = fmt.Errorf("%w: %w", ErrInvalidResponse,
	&validate.Error{Token: "id token", Check: "sub", Detail: "is about somebody else than is signed in"})

// finishConsent puts the new tokens into the session of the user who asked for
// them, under another id: there is more it may do. What it says of the user
// stays.
func (rp *RelyingParty) finishConsent(w http.ResponseWriter, r *http.Request, p *providerEntry, tx *transaction.Transaction, d session.Draft, before *Session) error {
	ctx := r.Context()
	err := rp.widen(w, r, d, before, tx.Identity)
	if err != nil {
		rp.endTokens(ctx, d, true)
		return rp.because(p, tx.ReturnTo, err)
	}
	var missing []string
	for _, scope := range tx.Scopes {
		if !slices.Contains(d.Scopes, scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		return rp.notConsented(p, tx.ReturnTo, fmt.Errorf("not granted: %s", strings.Join(missing, " ")))
	}
	return rp.redirect(w, r, rp.target(tx.ReturnTo))
}

func (rp *RelyingParty) widen(w http.ResponseWriter, r *http.Request, d session.Draft, before *Session, started []byte) error {
	if before == nil {
		return fmt.Errorf("%w: nobody is signed in any more", ErrLoginExpired)
	}
	if string(identityHash(before.Issuer(), before.Subject())) != string(started) {
		return errOtherUser
	}
	ctx, old := r.Context(), before.rec.Draft()
	rec, err := rp.sessions.Renew(ctx, w, r, before.rec, func(s *session.Draft) {
		s.Scopes, s.Tokens = d.Scopes, d.Tokens
		if d.SID != "" {
			s.SID = d.SID
		}
	})
	if errors.Is(err, session.ErrNone) {
		return fmt.Errorf("%w: %w", ErrLoginExpired, err)
	}
	if err != nil {
		return tooLarge(err)
	}
	rp.desk.Finished(w, r)
	if !slices.Equal(old.Tokens, d.Tokens) {
		rp.endTokens(ctx, old, false)
	}
	rp.log.InfoContext(ctx, "consent granted", "provider", d.Provider, "session", rec.Handle())
	rp.emit(ctx, Event{Kind: ConsentGranted, Provider: d.Provider, Issuer: d.Issuer, Subject: d.Subject, Session: rec.Handle()})
	return nil
}

// notConsented tells a user who is still signed in that a page needs what was
// not granted. It does not ask again by itself.
func (rp *RelyingParty) notConsented(p *providerEntry, returnTo string, cause error) error {
	return &Error{Provider: p.name, RetryURL: rp.target(returnTo), Err: fmt.Errorf("%w: %w", ErrConsentNeeded, cause)}
}
