package session

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"iter"
	"time"
)

// part puts a cursor on one of the strings or lists. In the zero record there is
// nothing to read, which is "" or an empty list.
func (r Record) part(part int) cursor {
	return cursor{s: r.raw, i: int(r.at[part])}
}

func (r Record) text(part int) string {
	c := r.part(part)
	return c.string()
}

func (r Record) list(part int) iter.Seq[string] {
	return func(yield func(string) bool) {
		c := r.part(part)
		for n := c.uvarint(); n > 0; n-- {
			if !yield(c.string()) {
				return
			}
		}
	}
}

func (r Record) in(part int, want string) bool {
	c := r.part(part)
	for n := c.uvarint(); n > 0; n-- {
		if c.string() == want {
			return true
		}
	}
	return false
}

// Provider returns the name of the provider the user signed in with.
func (r Record) Provider() string { return r.text(partProvider) }

// Issuer returns the issuer, which with Subject identifies the user.
func (r Record) Issuer() string { return r.text(partIssuer) }

// Subject returns the user's name at the issuer.
func (r Record) Subject() string { return r.text(partSubject) }

// SID returns the provider's own session id, or "".
func (r Record) SID() string { return r.text(partSID) }

// ACR returns how strongly the user authenticated, or "".
func (r Record) ACR() string { return r.text(partACR) }

// AMR yields how the user authenticated.
func (r Record) AMR() iter.Seq[string] { return r.list(partAMR) }

// Roles yields the user's roles.
func (r Record) Roles() iter.Seq[string] { return r.list(partRoles) }

// HasRole reports whether Roles yields role.
func (r Record) HasRole(role string) bool { return r.in(partRoles, role) }

// Scopes yields the scopes that were granted.
func (r Record) Scopes() iter.Seq[string] { return r.list(partScopes) }

// HasScope reports whether Scopes yields scope.
func (r Record) HasScope(scope string) bool { return r.in(partScopes, scope) }

// Value returns one value of the application's own, or "".
func (r Record) Value(key string) string {
	for k, v := range r.Values() {
		if k == key {
			return v
		}
	}
	return ""
}

// own is what lies under a key of ours, or "".
func (r Record) own(key string) string {
	for k, v := range r.values() {
		if k == key {
			return v
		}
	}
	return ""
}

// Tokens says where the user's tokens are kept; nil: nowhere.
func (r Record) Tokens() []byte {
	if v := r.own(tokensKey); v != "" {
		return []byte(v)
	}
	return nil
}

// under is Draft.Under.
func (r Record) under() int64 {
	if v := r.own(underKey); len(v) == 8 {
		return int64(binary.BigEndian.Uint64([]byte(v)))
	}
	return 0
}

// client is Draft.Client.
func (r Record) client() string { return r.own(clientKey) }

// Values yields all values of the application's own.
func (r Record) Values() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for k, v := range r.values() {
			if k != tokensKey && k != clientKey && k != underKey && !yield(k, v) {
				return
			}
		}
	}
}

func (r Record) values() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		c := r.part(partValues)
		for n := c.uvarint(); n > 0; n-- {
			if !yield(c.string(), c.string()) {
				return
			}
		}
	}
}

// Handle names the session in logs and marks; it grants nothing. It allocates.
func (r Record) Handle() string {
	if r.raw == "" {
		return ""
	}
	h := r.handle()
	return base64.RawURLEncoding.EncodeToString(h[:])
}

func (r Record) handle() (h handle) {
	if r.raw != "" {
		copy(h[:], r.raw[atHandle:])
	}
	return h
}

// began is when the login was begun, in milliseconds since 1970.
func (r Record) began() int64 { return r.started() - int64(r.took) }

// Began returns when the login that started the session was begun.
func (r Record) Began() time.Time {
	if r.raw == "" {
		return time.Time{}
	}
	return time.UnixMilli(r.began())
}

// Started returns when the session started.
func (r Record) Started() time.Time {
	if r.raw == "" {
		return time.Time{}
	}
	return time.UnixMilli(r.started())
}

// Expires returns when the session ends if it is used no more.
func (r Record) Expires() time.Time {
	if r.raw == "" {
		return time.Time{}
	}
	return time.UnixMilli(r.expires)
}

// Checked returns when it was last asked whether the session may go on; that
// is its start, at first.
func (r Record) Checked() time.Time {
	if r.raw == "" {
		return time.Time{}
	}
	return time.UnixMilli(r.stamp(atChecked))
}

// AuthTime returns when the user authenticated at the provider, or the zero
// time if it did not say.
func (r Record) AuthTime() time.Time { return r.time(timeAuth) }

// IssuedAt returns the issue time of the ID token that started the session.
func (r Record) IssuedAt() time.Time { return r.time(timeIssued) }

// IsZero reports whether r is no session.
func (r Record) IsZero() bool { return r.raw == "" }

// String names the session without telling anything of it, so that a record
// can be printed by mistake.
func (r Record) String() string {
	if r.raw == "" {
		return "no session"
	}
	return "session " + r.Handle()
}

// GoString is String.
func (r Record) GoString() string { return r.String() }

// Draft gives what the record was made of.
func (r Record) Draft() Draft {
	d := Draft{
		Handle:   r.handle(),
		Provider: r.Provider(), Issuer: r.Issuer(), Subject: r.Subject(), SID: r.SID(), ACR: r.ACR(),
		Began: r.Began(), AuthTime: r.AuthTime(), IssuedAt: r.IssuedAt(),
		TokenExpiry: r.time(timeToken), Ceiling: r.time(timeCeiling), Tokens: r.Tokens(), Client: r.client(), Under: r.under(),
	}
	for s := range r.AMR() {
		d.AMR = append(d.AMR, s)
	}
	for s := range r.Roles() {
		d.Roles = append(d.Roles, s)
	}
	for s := range r.Scopes() {
		d.Scopes = append(d.Scopes, s)
	}
	for name, value := range r.Claims() {
		d.Claims = append(d.Claims, Claim{Name: name, Value: json.RawMessage(value)})
	}
	for key, value := range r.Values() {
		d.Values = append(d.Values, Value{Key: key, Value: value})
	}
	return d
}
