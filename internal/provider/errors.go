package provider

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

var (
	// ErrUnavailable: the provider cannot be reached, or answers nonsense. See
	// [Unavailable].
	ErrUnavailable = errors.New("provider unavailable")
	// ErrMisconfigured: only the operator can help.
	ErrMisconfigured = errors.New("misconfigured")
	// ErrNoEndSession: the provider has no end-session endpoint.
	ErrNoEndSession = errors.New("the provider has no end_session_endpoint")
	// ErrOtherClient: the login began when we had another client id here.
	ErrOtherClient = errors.New("the client was registered anew since this login began")
	// ErrClaimRequired: whoever signed in is not one of those who may.
	ErrClaimRequired = errors.New("the ID token lacks a required claim or value")
	// ErrInvalid: a response or token failed a check; the *validate.Error in
	// the chain says which.
	ErrInvalid = validate.ErrInvalid
)

// Unavailable is an [ErrUnavailable] with what is known about it.
type Unavailable struct {
	What  string        // "token endpoint", "metadata", ...
	Retry time.Duration // before this there is no use in trying; 0: unknown
	Err   error
}

// Error says what is unavailable, and why.
func (e *Unavailable) Error() string { return e.What + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Unavailable) Unwrap() error { return e.Err }

// Is reports whether target is [ErrUnavailable].
func (e *Unavailable) Is(target error) bool { return target == ErrUnavailable }

// RetryAfter returns Retry rounded up to seconds, at least one, as the header
// of that name wants it.
func (e *Unavailable) RetryAfter() time.Duration {
	return max(time.Second, (e.Retry + time.Second - 1).Truncate(time.Second))
}

// Error is an error a provider answered with (RFC 6749 4.1.2.1, 5.2). Its
// texts are the provider's: bounded, without control characters and without
// the secrets of the request, but never to be shown to a visitor unescaped.
type Error struct {
	Code        string
	Description string
	URI         string
	Status      int // of a direct answer; 0 in an authorization response
}

// Error returns code and description, quoted.
func (e *Error) Error() string {
	s := fmt.Sprintf("provider answered %q", e.Code)
	if e.Description != "" {
		s += fmt.Sprintf(" (%q)", e.Description)
	}
	return s
}

// Is reports whether the code belongs to target, [ErrMisconfigured] or
// [ErrUnavailable].
func (e *Error) Is(target error) bool {
	switch e.Code {
	case "invalid_client", "unauthorized_client", "unsupported_response_type",
		"unsupported_grant_type", "invalid_scope", "invalid_target":
		return target == ErrMisconfigured
	case "server_error", "temporarily_unavailable":
		return target == ErrUnavailable
	}
	return false
}

// Limits of the three texts of an [Error].
const (
	maxErrorCode        = 64
	maxErrorDescription = 512
	maxErrorURI         = 256
)

// newError makes an Error of a provider's texts, which are strangers': cut to
// size, printable, and without any of secrets, should the provider repeat them.
func newError(status int, code, description, uri string, secrets ...string) *Error {
	return &Error{
		Code:        clean(code, maxErrorCode, secrets),
		Description: clean(description, maxErrorDescription, secrets),
		URI:         clean(uri, maxErrorURI, secrets),
		Status:      status,
	}
}

// clean removes secrets before it cuts, so that no half of one remains.
func clean(s string, size int, secrets []string) string {
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= size {
		return s
	}
	for size > 0 && !utf8.RuneStart(s[size]) {
		size--
	}
	return s[:size]
}

// refused is the error of an authorization or token response that failed a
// check of this room.
func refused(what, check, detail string) error {
	return &validate.Error{Token: what, Check: check, Detail: detail}
}

const (
	authorizationResponse = "authorization response"
	tokenResponse         = "token response"
	userInfoResponse      = "userinfo response"
	requestReference      = "request_uri"
	parResponse           = "pushed authorization response"
	registrationResponse  = "registration response"
)
