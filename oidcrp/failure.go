package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// failure is how one kind of error is answered.
type failure struct {
	match   error
	status  int
	reason  string // stable code in events and logs
	message string // key of the sentence on the page
}

// failures are tried in order: what is more precise comes first.
var failures = []failure{
	{errHook, http.StatusServiceUnavailable, "hook", "error.generic"}, // whatever the hook said
	{ErrNoSite, http.StatusMisdirectedRequest, "no_site", "error.no_site"},
	{errSites, http.StatusServiceUnavailable, "sites", "error.generic"},
	{errNotFound, http.StatusNotFound, "not_found", "error.not_found"},
	{errBadRequest, http.StatusBadRequest, "bad_request", "error.bad_request"},
	{errUnknownIssuer, http.StatusBadRequest, "unknown_issuer", "error.unknown_provider"},
	{ErrNoProvider, http.StatusNotFound, "unknown_provider", "error.unknown_provider"},
	{errForeignDomain, http.StatusForbidden, "foreign_domain", "error.foreign_domain"},
	{errNotItsDomain, http.StatusForbidden, "email_domain", "error.email_domain"},
	{errNotPlain, http.StatusForbidden, "email", "error.email_domain"},
	{errSource, http.StatusServiceUnavailable, "source_unavailable", "error.source_unavailable"},
	{provider.ErrUnknownIdentifier, http.StatusBadRequest, "identifier", "error.identifier"},
	{errMethod, http.StatusMethodNotAllowed, "method", "error.method"},
	{errMediaType, http.StatusUnsupportedMediaType, "media_type", "error.bad_request"},
	{errTooLong, http.StatusRequestEntityTooLarge, "too_long", "error.bad_request"},
	{errCrossOrigin, http.StatusForbidden, "cross_origin", "error.cross_origin"},
	{errLoginRequired, http.StatusUnauthorized, "login_required", "error.login_required"},
	{errStepUpFailed, http.StatusForbidden, "step_up_failed", "error.step_up"},
	{errStepUpNeeded, http.StatusUnauthorized, "step_up_needed", "error.step_up"},
	{errOtherUser, http.StatusBadRequest, "invalid_response", "error.other_user"}, // reason: the check
	{ErrConsentNeeded, http.StatusForbidden, "consent_needed", "error.consent"},
	{ErrForbidden, http.StatusForbidden, "forbidden", "denied.message"},
	{ErrCancelled, http.StatusBadRequest, "cancelled", "error.cancelled"},
	{transaction.ErrLoop, http.StatusBadRequest, "loop", "error.loop"},
	{transaction.ErrBinding, http.StatusBadRequest, "binding", "error.login_binding"},
	{transaction.ErrState, http.StatusBadRequest, "state", "error.login_binding"},
	{transaction.ErrNoBinding, http.StatusBadRequest, "no_binding", "error.login_binding"},
	{session.ErrEnded, http.StatusBadRequest, "ended", "error.ended"},
	{session.ErrPast, http.StatusBadRequest, "lifetime", "error.login_expired"},
	{ErrLoginExpired, http.StatusBadRequest, "expired", "error.login_expired"},
	{ErrStoreUnavailable, http.StatusServiceUnavailable, "store_unavailable", "error.store_unavailable"},
	{errTooLarge, http.StatusInternalServerError, "session_too_large", "error.misconfigured"},
	{ErrMisconfigured, http.StatusInternalServerError, "misconfigured", "error.misconfigured"},
	{ErrProviderUnavailable, http.StatusServiceUnavailable, "provider_unavailable", "error.provider_unavailable"},
	{ErrInvalidResponse, http.StatusBadRequest, "invalid_response", "error.invalid_response"},
	{ErrInvalidToken, http.StatusBadRequest, "invalid_token", "error.invalid_response"},
	{ErrNoToken, http.StatusUnauthorized, "no_token", "error.login_required"},
}

// fail answers a request that failed, logs why, and tells the event hook. It
// is the only place where an error becomes a response; nil is no failure.
func (rp *RelyingParty) fail(step string, w http.ResponseWriter, r *http.Request, err error) {
	if err == nil {
		return
	}
	e := rp.describe(step, r, err)
	rp.report(r.Context(), e)
	h := w.Header()
	h["Cache-Control"] = noStore
	if e.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(max(1, int((e.retryAfter+time.Second-1)/time.Second))))
	}
	switch {
	case e.Step == "me" || !(navigates(r) || formPosted(r)):
		rp.problem(w, r, e)
	case rp.errorPage != nil && rp.harmless(r, "ErrorPage", func() { rp.errorPage(w, rp.withVisitor(r, e), e) }):
	default: // or what it wrote before it panicked, and this
		rp.page(w, r, pages.Page{
			Name: e.page, Status: e.Status, MessageKey: e.message, Message: e.Message,
			ID: e.ID, RetryURL: e.RetryURL, User: FromContext(r.Context()).Name(), Providers: rp.named(e.Provider),
		})
	}
}

// withVisitor puts the session into the context for the application's page
// about a failure, where no guard or Load did: at our own addresses. It decides
// nothing, so a session that cannot be read is none here.
func (rp *RelyingParty) withVisitor(r *http.Request, e *Error) *http.Request {
	if loadedIn(r.Context()) != nil || e.Step == "session" || e.Step == "site" || e.Reason == "store_unavailable" {
		return r
	}
	s, err := rp.sessionBefore(headers{}, r)
	if err != nil {
		return r
	}
	c := &loaded{Context: r.Context(), rp: rp}
	if s != nil {
		c.session, c.signedIn = *s, true
	}
	return r.WithContext(c)
}

// named is a provider for a page to name.
func (rp *RelyingParty) named(name string) []pages.Link {
	p := rp.peek(name)
	if p == nil {
		return nil
	}
	return []pages.Link{{Name: p.name, DisplayName: p.display}}
}

// page writes one of our pages. Should a replaced template fail, the built-in
// one was sent.
func (rp *RelyingParty) page(w http.ResponseWriter, r *http.Request, p pages.Page) error {
	p.Lang, p.SiteName = rp.lang(r), rp.siteName
	if rp.owned != nil && rp.owned.SiteName != "" {
		p.SiteName = rp.owned.SiteName
	}
	if rp.site.origin != "" {
		p.Home = rp.site.home()
	}
	if err := rp.pages.Write(w, p); err != nil {
		rp.log.ErrorContext(r.Context(), "page template failed", "page", p.Name, "err", err)
	}
	return nil
}

// describe finds out what an error means for the visitor.
func (rp *RelyingParty) describe(step string, r *http.Request, err error) *Error {
	e := &Error{Step: step, ID: newID(), Err: err, page: "error"}
	var at *Error // from further down, where more was known
	if errors.As(err, &at) {
		e.Provider, e.RetryURL, e.Err = at.Provider, at.RetryURL, at.Err
		if at.Step != "" {
			e.Step = at.Step
		}
	}
	if e.Provider == "" {
		e.Provider = FromContext(r.Context()).Provider()
	}
	e.classify(err)
	if at != nil && at.Status != 0 {
		e.Status = at.Status
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		e.Message = refusal.Message
		switch step {
		case "session": // by StillAllowed, which ended it
			e.page, e.message = "denied", "denied.ended"
		case "guard": // by a Policy
			e.page, e.message = "denied", "denied.message"
		}
	}
	var answer *provider.Error
	if errors.As(err, &answer) {
		e.Err = &answered{e.Err, &ProviderError{answer.Code, answer.Description, answer.URI, answer.Status}}
	}
	if e.Reason == "invalid_response" && errors.As(e.Err, new(*ProviderError)) {
		e.message = "error.provider_refused" // and no check failed
	}
	if at != nil && at.message != "" && e.Status < http.StatusInternalServerError {
		e.message = at.message
	}
	var down *provider.Unavailable
	if errors.As(err, &down) {
		e.retryAfter = down.RetryAfter()
	}
	if e.Status == http.StatusForbidden && e.Reason == "forbidden" {
		e.page = "denied"
		e.RetryURL = rp.LoginURL(LoginOptions{ReturnTo: rp.here(r), Prompt: "select_account"}) // as somebody else
	}
	return e
}

// classify finds the kind of an error.
func (e *Error) classify(err error) {
	e.Status, e.Reason, e.message = http.StatusInternalServerError, "internal", "error.generic"
	for _, f := range failures {
		if errors.Is(err, f.match) {
			e.Status, e.Reason, e.message = f.status, f.reason, f.message
			break
		}
	}
	if invalid, ok := errors.AsType[*validate.Error](err); ok && e.Reason != "step_up_failed" {
		e.Reason = invalid.Check
	}
	if errors.As(err, new(*Refusal)) {
		e.Status, e.Reason, e.message = http.StatusForbidden, "refused", "error.refused"
	}
}

// answered shows an application the provider's error in our public words.
type answered struct {
	error
	answer *ProviderError
}

func (e *answered) Unwrap() []error { return []error{e.error, e.answer} }

// report writes the one line for the operator and the event.
func (rp *RelyingParty) report(ctx context.Context, e *Error) {
	if errors.Is(e.Err, context.Canceled) && ctx.Err() != nil {
		rp.log.DebugContext(ctx, "visitor gone", "step", e.Step, "id", e.ID, "err", e.Err)
		return // nothing failed but the wait for it
	}
	level := slog.LevelWarn
	switch e.Reason {
	case "login_required", "step_up_needed", "not_found", "no_site", "method":
		rp.log.DebugContext(ctx, "request refused", "step", e.Step, "reason", e.Reason, "id", e.ID, "status", e.Status)
		return // daily life
	case "cancelled", "consent_needed":
		level = slog.LevelInfo // the visitor's own wish
	case "store_unavailable", "provider_unavailable", "source_unavailable", "misconfigured", "session_too_large", "internal", "hook", "sites":
		level = slog.LevelError
	}
	kind := kindOf(e)
	s := FromContext(ctx)
	rp.log.LogAttrs(ctx, level, string(kind),
		slog.String("step", e.Step), slog.String("provider", e.Provider), slog.String("reason", e.Reason),
		slog.String("id", e.ID), slog.Int("status", e.Status), slog.Any("err", e.Err))
	if e.Step == "session" && e.Reason == "refused" {
		return // SessionEnded has been said
	}
	rp.emit(ctx, Event{Kind: kind, Step: e.Step, ID: e.ID, Provider: e.Provider, Issuer: s.Issuer(), Subject: s.Subject(),
		Session: s.Handle(), Reason: e.Reason, Err: e.Err})
}

// kindOf is what a failure means to who audits.
func kindOf(e *Error) EventKind {
	var said verdict
	switch {
	case errors.As(e.Err, &said):
		return LoginFailed
	case e.Reason == "store_unavailable", e.Reason == "record":
		return StoreFailed
	case e.Reason == "provider_unavailable", e.Reason == "source_unavailable":
		return ProviderFailed
	case e.Reason == "cross_origin":
		return AccessDenied
	}
	switch e.Step {
	case "login", "initiate", "callback", "resume":
		return LoginFailed
	case "refresh":
		return RefreshFailed
	}
	if e.Status == http.StatusForbidden {
		return AccessDenied
	}
	return RequestFailed
}

// verdict is what the application made of a verified login: whatever it says,
// it is the login that failed.
type verdict struct{ error }

func (v verdict) Unwrap() error { return v.error }

// storeFailed reports a failure of the store that failed no request.
func (rp *RelyingParty) storeFailed(ctx context.Context, step string, err error) {
	e := &Error{Step: step, ID: newID(), Err: err, Reason: "store_unavailable"}
	if errors.Is(err, session.ErrUnreadable) {
		e.Reason = "record" // a session that is none
	}
	rp.report(ctx, e)
}

// newID is a correlation id. It is no secret, and has to be there where there is
// no secure randomness: rand.Text would end the process.
func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	id, n := [12]byte{}, rand.Uint64()
	for i := range id {
		id[i] = letters[n%32]
		n /= 32
	}
	return string(id[:])
}

// problemDocument is a failure for scripts (RFC 9457). Its members are API.
type problemDocument struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"` // of a *Refusal, for the visitor
	Status int    `json:"status"`
	Reason string `json:"reason"`
	Login  string `json:"login,omitempty"`
	ID     string `json:"id"`
}

// problem answers what does not navigate.
func (rp *RelyingParty) problem(w http.ResponseWriter, r *http.Request, e *Error) {
	doc := problemDocument{Type: "about:blank", Title: http.StatusText(e.Status), Detail: e.Message, Status: e.Status, Reason: e.Reason, ID: e.ID}
	needed, again := errors.AsType[*LoginNeeded](e.Err)
	if again || e.Status == http.StatusUnauthorized {
		// A script's own address is no page to come back to.
		opts := LoginOptions{ReturnTo: rp.target(r.Referer())}
		if again {
			opts = opts.withNeeds(needed)
			opts.Provider = e.Provider
		}
		doc.Login = rp.site.url(rp.LoginURL(opts))
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(e.Status)
	json.NewEncoder(w).Encode(doc)
}

// because puts a provider and a way to try again to an error.
func (rp *RelyingParty) because(p *providerEntry, returnTo string, err error) error {
	return rp.blame(p, LoginOptions{ReturnTo: returnTo}, err)
}

// blame is because for a login that is to have more than a target.
func (rp *RelyingParty) blame(p *providerEntry, retry LoginOptions, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Err: err}
	if errors.As(err, new(*Refusal)) {
		retry.Prompt = "select_account" // or the provider answers with the same one
	}
	if errors.Is(err, session.ErrEnded) {
		retry.Prompt = "login" // the provider's session may be the one that ended
	}
	if p != nil {
		e.Provider, retry.Provider = p.name, p.name
	}
	if errors.Is(err, ErrProviderUnavailable) && rp.several() {
		retry.Provider = "" // there are others
	}
	e.RetryURL = rp.LoginURL(retry)
	return e
}

// tooLarge explains a session that does not fit a cookie.
func tooLarge(err error) error {
	var big *session.TooLarge
	if !errors.As(err, &big) {
		return err
	}
	return &misfit{big}
}

// misfit is session.TooLarge as only the operator can mend it.
type misfit struct{ *session.TooLarge }

func (e *misfit) Is(target error) bool { return target == ErrMisconfigured || target == errTooLarge }

var errTooLarge = errors.New("session too large")
