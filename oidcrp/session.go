package oidcrp

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Session is a signed-in visitor, as it was when the request came. A nil
// *Session is an anonymous visitor: all methods may be called on it and give
// zero values. It is immutable and safe for concurrent use.
type Session struct {
	rec  session.Record
	site *Site          // nil with Config.BaseURL
	at   *providerEntry // its provider; nil where that was not asked for
}

// loaded is the context of a request whose session was looked for. It holds
// the session itself, so that handing it over costs one allocation.
type loaded struct {
	context.Context
	rp       *RelyingParty // nil for a session made for a test
	session  Session
	signedIn bool
	renewed  atomic.Pointer[session.Record] // what the visitor has since Update
}

type loadedKey struct{}

func (c *loaded) Value(key any) any {
	if key == (loadedKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Format prints what it is, whatever the verb: a context that is printed would
// show the session.
func (c *loaded) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

// String is what other contexts print of the one they come from.
func (c *loaded) String() string { return "oidcrp.Load" }

// loadedIn finds the innermost load of a request.
func loadedIn(ctx context.Context) *loaded {
	c, _ := ctx.Value(loadedKey{}).(*loaded)
	return c
}

// of reports whether the session was looked for by rp, or made for a test.
func (c *loaded) of(rp *RelyingParty) bool {
	return c != nil && (c.rp == nil || c.rp == rp || c.rp.common == rp.common && c.rp.place == rp.place)
}

// latest is the record the visitor's cookie will stand for after this request.
func (c *loaded) latest() session.Record {
	if rec := c.renewed.Load(); rec != nil {
		return *rec
	}
	return c.session.rec
}

// current is the session, nil for an anonymous visitor.
func (c *loaded) current() *Session {
	if c == nil || !c.signedIn {
		return nil
	}
	return &c.session
}

// FromContext returns the session of the request ctx belongs to: nil when
// nobody is signed in, and when no session was loaded.
func FromContext(ctx context.Context) *Session { return loadedIn(ctx).current() }

// sessionOf is FromContext with the reason why there is none.
func sessionOf(ctx context.Context) (*Session, error) {
	c := loadedIn(ctx)
	if c == nil {
		return nil, ErrNotLoaded
	}
	if !c.signedIn {
		return nil, ErrAnonymous
	}
	return &c.session, nil
}

// Format prints handle and provider, whatever the verb: claims are not for logs.
// It is fmt that prints "<nil>" for an anonymous visitor.
func (s Session) Format(f fmt.State, _ rune) {
	io.WriteString(f, "session "+s.Handle()+" at "+s.Provider())
}

// LogValue is handle and provider, or "anonymous".
func (s *Session) LogValue() slog.Value {
	if s == nil {
		return slog.StringValue("anonymous")
	}
	return slog.GroupValue(slog.String("session", s.Handle()), slog.String("provider", s.Provider()))
}

// Provider returns the Name of the provider the user signed in with.
func (s *Session) Provider() string {
	if s == nil {
		return ""
	}
	return s.rec.Provider()
}

// Site returns the Name of the site the session was started on, which is that
// of the request: at another there is no such session. It is "" with
// [Config.BaseURL].
func (s *Session) Site() string {
	if s == nil || s.site == nil {
		return ""
	}
	return s.site.Name
}

// Issuer and Subject together identify the user, and nothing else does
// (Core 5.7).
func (s *Session) Issuer() string {
	if s == nil {
		return ""
	}
	return s.rec.Issuer()
}

// Subject returns the sub claim. See Issuer.
func (s *Session) Subject() string {
	if s == nil {
		return ""
	}
	return s.rec.Subject()
}

// Name returns the kept name, or else preferred_username, email, or Subject.
// It is for showing only.
func (s *Session) Name() string {
	for _, claim := range [...]string{"name", "preferred_username", "email"} {
		if v := s.string(claim); v != "" {
			return v
		}
	}
	return s.Subject()
}

// Email returns the kept email, or "". See EmailVerified.
func (s *Session) Email() string { return s.string("email") }

// EmailVerified reports whether the kept email_verified is true: the boolean,
// not a string that says so. It is the provider's word, which is worth nothing
// where tenants write what they like: see [EmailDomain].
func (s *Session) EmailVerified() bool {
	raw, _ := s.Claim("email_verified")
	return string(raw) == "true" && s.Email() != ""
}

// Text returns a kept claim as text for a page: a string, number or boolean as
// it is, the members of an array with commas between them, "" for anything
// else and for a claim that is not there.
func (s *Session) Text(claim string) string {
	raw, _ := s.Claim(claim)
	return strings.Join(validate.Scalars(raw), ", ")
}

// string returns a kept claim that is a string.
func (s *Session) string(claim string) string {
	raw, ok := s.Claim(claim)
	if !ok {
		return ""
	}
	var v string
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	return v
}

// Claim returns one kept claim by the name it has in Config.Claims.
func (s *Session) Claim(name string) (value json.RawMessage, ok bool) {
	if s == nil {
		return nil, false
	}
	v, ok := s.rec.Claim(name)
	return json.RawMessage(v), ok
}

// Roles returns the roles the provider's RolesClaim gave, and those OnLogin
// made of them.
func (s *Session) Roles() []string {
	if s == nil {
		return nil
	}
	return slices.Collect(s.rec.Roles())
}

// RolesUnknown reports whether the user may have roles beside Roles that the
// provider did not tell: see [Login.RolesUnknown].
func (s *Session) RolesUnknown() bool { return s.Value(rolesUnknown) != "" }

// HasRole reports whether Roles contains role.
func (s *Session) HasRole(role string) bool { return s != nil && s.rec.HasRole(role) }

// Value returns what the application stored with [Login.Set] or
// [RelyingParty.Update], or "".
func (s *Session) Value(key string) string {
	if s == nil {
		return ""
	}
	return s.rec.Value(key)
}

// Handle names the session in logs and admin pages. It grants nothing, and is
// another after [RelyingParty.Update], a step-up or a link.
func (s *Session) Handle() string {
	if s == nil {
		return ""
	}
	return s.rec.Handle()
}

// ACR returns the acr claim of the ID token, or "". After a step-up it is that of
// the later one, as are AMR and AuthTime; and after a consent whose ID token says
// of a later sign-in, be it weaker.
func (s *Session) ACR() string {
	if s == nil {
		return ""
	}
	return s.rec.ACR()
}

// AMR returns the amr claim of the ID token.
func (s *Session) AMR() []string {
	if s == nil {
		return nil
	}
	return slices.Collect(s.rec.AMR())
}

// AuthTime returns when the user authenticated at the provider, or the zero
// time if it did not say.
func (s *Session) AuthTime() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.rec.AuthTime()
}

// Started returns when the session started.
func (s *Session) Started() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.rec.Started()
}

// Expires returns when the session ends if it is used no more. A guard asks
// when a request begins: long streams and WebSockets have to look themselves.
func (s *Session) Expires() time.Time {
	if s == nil {
		return time.Time{}
	}
	return s.rec.Expires()
}
