package oidcrp

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// The errors an application may want to tell apart, with errors.Is. They are
// found in [Error], which carries the details; behind each is the status it is
// answered with. A *[Refusal], 403, is none of these, nor is what else the
// application's hooks and policies return, unless it wraps one.
var (
	// ErrNotLoaded: the request did not pass Load, Protect or a guard. It is
	// returned by functions, and never answered.
	ErrNotLoaded = errors.New("no session was loaded for this request")
	// ErrAnonymous: the request was loaded and nobody is signed in; 401.
	ErrAnonymous = errors.New("nobody is signed in")
	// ErrForbidden: the visitor is known and may not, or a request came from a
	// foreign origin; 403.
	ErrForbidden = errors.New("forbidden")
	// ErrLoginExpired: the login took too long, was finished before, or was
	// not started in this browser; a new one helps; 400.
	ErrLoginExpired = errors.New("login expired")
	// ErrCancelled: the user cancelled at the provider, or the provider does not
	// let this user in, which it may say by the same code: see
	// ProviderError.Description; 400.
	ErrCancelled = errors.New("login cancelled by the user")
	// ErrInvalidResponse: the provider's answer that the browser brought failed
	// a check, was an error, or its code was not taken; 400.
	ErrInvalidResponse = errors.New("invalid authorization response")
	// ErrInvalidToken: a token, the answer of the token endpoint, or UserInfo
	// failed a check; 400.
	ErrInvalidToken = validate.ErrInvalid
	// ErrProviderUnavailable: the provider cannot be reached or is broken; 503.
	ErrProviderUnavailable = provider.ErrUnavailable
	// ErrStoreUnavailable: the Store cannot be asked; 503.
	ErrStoreUnavailable = session.ErrStore
	// ErrNoToken: no token is kept for this user, or none that could still be
	// used or refreshed; a new login helps.
	ErrNoToken = errors.New("no token")
	// ErrConsentNeeded: the user must consent to further scopes first, see
	// [LoginOptions.Scopes].
	ErrConsentNeeded = errors.New("consent to further scopes is needed")
	// ErrNoSite: [Config.Sites] knows no site of a host; 421.
	ErrNoSite = errors.New("no site has this host")
	// ErrMisconfigured: only the operator can help, such as with a client
	// secret the provider does not accept, or a session that does not fit where it
	// is kept, which has the Reason "session_too_large"; 500.
	ErrMisconfigured = provider.ErrMisconfigured
)

// Error says at which step something failed, and with which provider. It is
// what [Config.ErrorPage] gets.
type Error struct {
	Step     string // "login", "callback", "resume", "session", "guard", "initiate", "logout", "backchannel-logout", "frontchannel-logout", "check-session", "me", "jwks", "request", "refresh", "site" or "ready"
	Provider string // its Name, "" where none was chosen
	Status   int    // what the visitor gets
	Reason   string // stable code, as of the [Event]: what errors.Is does not tell apart
	ID       string // correlation id, on the page and in the log
	RetryURL string // where the visitor can try again; "" if that is no use
	Message  string // of a *[Refusal], for the visitor
	Err      error  // for the operator

	message    string        // key of the text on our page
	page       string        // of our pages, "" for "error"
	retryAfter time.Duration // for 503
}

// Error returns step, provider and cause, for logs.
func (e *Error) Error() string {
	if e.Provider == "" {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	return fmt.Sprintf("%s: provider %s: %v", e.Step, e.Provider, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// ProviderError is an error a provider answered with (RFC 6749 4.1.2.1 and
// 5.2), found in [Error] with errors.As. Its text is the provider's: never
// show it to a visitor.
type ProviderError struct {
	Code        string // error
	Description string // error_description
	URI         string // error_uri
	Status      int    // of a direct answer; 0 where the browser brought it
}

// Error returns code and description.
func (e *ProviderError) Error() string {
	if e.Description == "" {
		return "provider answered " + strconv.Quote(e.Code)
	}
	return fmt.Sprintf("provider answered %q: %q", e.Code, e.Description)
}

// Refusal refuses a login or ends a session. See [Config.OnLogin] and
// [Config.StillAllowed].
type Refusal struct {
	Message string // shown to the visitor, escaped
}

// Error returns the message.
func (e *Refusal) Error() string { return "refused: " + e.Message }

// Pause holds a verified login back until the visitor did something on a page
// of the application: registered, accepted terms. See [RelyingParty.Paused]. The
// tokens of a login that nobody resumes go with it, after ten minutes; they are
// revoked at the provider only if that browser signs in or out, or pauses anew,
// in this time.
type Pause struct {
	// Path of the page, relative to BaseURL: "/terms" is
	// https://example.com/app/terms. Nobody is signed in
	// there yet: RequireLogin and Protect let the paused visitor pass to
	// exactly this path; Require with policies does not.
	Path string

	// Only lets Resume end the pause for requests to Path alone. Else any
	// handler of the application's that calls Resume ends it: set it where
	// several pages do, each of which decides about something of its own.
	Only bool
}

// Error says where the login pauses.
func (e *Pause) Error() string { return "paused at " + e.Path }
