//go:build planned

package oidcrp

import "errors"

// The errors an application may want to tell apart, with errors.Is. They are
// found in [Error], which carries the details.
var (
	// ErrNotLoaded: the request did not pass Load, Protect or a guard.
	ErrNotLoaded = errors.New("no session was loaded for this request")
	// ErrAnonymous: the request was loaded and nobody is signed in.
	ErrAnonymous = errors.New("nobody is signed in")
	// ErrForbidden: the user is known and may not; 403.
	ErrForbidden = errors.New("forbidden")
	// ErrLoginExpired: the login took too long, was finished before, or was
	// not started in this browser; a new one helps.
	ErrLoginExpired = errors.New("login expired")
	// ErrCancelled: the user cancelled at the provider.
	ErrCancelled = errors.New("login cancelled")
	// ErrInvalidResponse: the provider's answer failed a check. Details say
	// which.
	ErrInvalidResponse = errors.New("invalid authorization response")
	// ErrInvalidToken: a token failed a check. Details say which.
	ErrInvalidToken = errors.New("invalid token")
	// ErrProviderUnavailable: the provider cannot be reached or is broken; 503
	// or 502.
	ErrProviderUnavailable = errors.New("provider unavailable")
	// ErrStoreUnavailable: the Store cannot be asked; 503.
	ErrStoreUnavailable = errors.New("store unavailable")
	// ErrMisconfigured: only the operator can help, such as a client secret
	// the provider does not accept.
	ErrMisconfigured = errors.New("misconfigured")
)

// Error says at which step something failed, and with which provider. It is
// what [Config.ErrorPage] gets.
type Error struct {
	Step     string // "login", "callback", "session", "logout", "guard", "me"
	Provider string // its Name, "" where none was chosen
	Status   int    // what the visitor gets
	ID       string // correlation id, on the page and in the log
	RetryURL string // where the visitor can try again; "" if that is no use
	Message  string // of a *[Refusal], for the visitor
	Err      error  // for the operator
}

// Error returns step, provider and cause, for logs.
func (e *Error) Error() string { panic("planned") }

// Unwrap returns Err.
func (e *Error) Unwrap() error { panic("planned") }

// ProviderError is an error a provider answered with (RFC 6749 4.1.2.1, 5.2).
// Its text is the provider's: never show it unescaped.
type ProviderError struct {
	Code        string // error
	Description string // error_description
	URI         string // error_uri
	Status      int    // of a direct answer; 0 from a redirect
}

// Error returns code and description.
func (e *ProviderError) Error() string { panic("planned") }

// Refusal refuses a login or ends a session. See [Config.OnLogin] and
// [Config.StillAllowed].
type Refusal struct {
	Message string // shown to the visitor, escaped
}

// Error returns the message.
func (e *Refusal) Error() string { panic("planned") }

// Pause holds a verified login back until the visitor did something on a page
// of the application: registered, accepted terms. See [RelyingParty.Paused].
type Pause struct {
	Path string // the page's path below BaseURL, such as "/terms"
}

// Error says where the login pauses.
func (e *Pause) Error() string { panic("planned") }
