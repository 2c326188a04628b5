//go:build planned

package oidcrp

import (
	"context"
	"encoding/json"
	"time"
)

// Session is a signed-in visitor, as it was when the request came. A nil
// *Session is an anonymous visitor: all methods may be called on it and give
// zero values. It is immutable and safe for concurrent use.
type Session struct {
}

// FromContext returns the session of the request ctx belongs to: nil when
// nobody is signed in, and when no session was loaded.
func FromContext(ctx context.Context) *Session { panic("planned") }

// Claims decodes the kept claims into T by its json tags: the claim "name"
// and the kept pointer "/realm_access/roles" stand where the ID token has
// them. It returns [ErrNotLoaded], [ErrAnonymous], or the decoder's error.
func Claims[T any](ctx context.Context) (T, error) { panic("planned") }

// Provider returns the Name of the provider the user signed in with.
func (s *Session) Provider() string { panic("planned") }

// Issuer and Subject together identify the user, and nothing else does
// (Core 5.7).
func (s *Session) Issuer() string { panic("planned") }

// Subject returns the sub claim. See Issuer.
func (s *Session) Subject() string { panic("planned") }

// Name returns the kept name, or else preferred_username, email, or Subject.
// It is for showing only.
func (s *Session) Name() string { panic("planned") }

// Email returns the kept email, and whether email_verified is true.
func (s *Session) Email() (address string, verified bool) { panic("planned") }

// Claim returns one kept claim by the name it has in Config.Claims.
func (s *Session) Claim(name string) (value json.RawMessage, ok bool) { panic("planned") }

// Roles returns the roles the provider's RolesClaim gave.
func (s *Session) Roles() []string { panic("planned") }

// HasRole reports whether Roles contains role.
func (s *Session) HasRole(role string) bool { panic("planned") }

// Value returns what the application stored with [Login.Set], or "".
func (s *Session) Value(key string) string { panic("planned") }

// Handle names the session in logs and admin pages. It grants nothing.
func (s *Session) Handle() string { panic("planned") }

// ACR returns the acr claim of the ID token, or "".
func (s *Session) ACR() string { panic("planned") }

// AMR returns the amr claim of the ID token.
func (s *Session) AMR() []string { panic("planned") }

// AuthTime returns when the user authenticated at the provider, or the zero
// time if it did not say.
func (s *Session) AuthTime() time.Time { panic("planned") }

// Started returns when the session started.
func (s *Session) Started() time.Time { panic("planned") }

// Expires returns when the session ends if it is used no more.
func (s *Session) Expires() time.Time { panic("planned") }

// Login is a verified login before it becomes a session. It is valid only
// during the call it is given to.
type Login struct {
	Provider string // Name of the provider
	Issuer   string
	Subject  string
	ReturnTo string // where the visitor will go, a path of this site
	Scopes   []string
	ACR      string
	AMR      []string
	AuthTime time.Time
	Roles    []string // may be changed by OnLogin
	Session  *Session // the visitor's session until now, or nil
	Linking  bool     // Session asked for this identity to be added to it
}

// Claims decodes all verified claims, those of the ID token and of UserInfo
// together, into v by its json tags. Where both have a claim, the ID token's
// counts.
func (l *Login) Claims(v any) error { panic("planned") }

// Claim returns one verified claim by exact name or JSON Pointer.
func (l *Login) Claim(name string) (value json.RawMessage, ok bool) { panic("planned") }

// Set stores a small value of the application's own in the session, such as
// its user id, where no claim can reach it. The empty value removes it.
func (l *Login) Set(key, value string) { panic("planned") }

// Value returns what Set stored.
func (l *Login) Value(key string) string { panic("planned") }

// Strings decodes a claim that is a string with some providers and an array of
// strings with others.
type Strings []string

// UnmarshalJSON accepts a string, an array of strings, or null.
func (s *Strings) UnmarshalJSON(b []byte) error { panic("planned") }
