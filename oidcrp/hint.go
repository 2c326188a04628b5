package oidcrp

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// identity names a user shortly enough for a cookie.
func identity(issuer, subject string) string { return issuer + " " + subject }

// idTokenHint is what the provider's sign-out needs.
type idTokenHint struct {
	Provider string `json:"p"`
	Identity string `json:"i"`
	IDToken  string `json:"t,omitempty"`
}

// hintCookie keeps the ID token for id_token_hint, in a cookie that only the
// log-off address gets, so that no other request pays for it.
type hintCookie struct{ jsonCookie[idTokenHint] }

// set keeps an ID token. One that does not fit is left out: client_id tells
// the provider enough, if less kindly. So is one that nobody will be sent.
func (h hintCookie) set(w http.ResponseWriter, p *providerEntry, d session.Draft, idToken string) {
	if p.localLogout || !p.EndsSessions() {
		idToken = ""
	}
	for _, token := range []string{idToken, ""} {
		if h.jsonCookie.set(w, idTokenHint{Provider: d.Provider, Identity: identity(d.Issuer, d.Subject), IDToken: token}) == nil {
			return
		}
	}
}

// jsonCookie keeps a T in a sealed cookie that only one of our addresses gets.
type jsonCookie[T any] struct {
	cookie cookie.Cookie
	codec  *cookie.Codec
	lives  time.Duration
}

func newJSONCookie[T any](keys *cookie.Keys, at cookie.Site, name, path string, lives time.Duration) jsonCookie[T] {
	return jsonCookie[T]{
		cookie: at.Cookie(name, cookie.Options{Path: path, SameSite: http.SameSiteLaxMode}),
		codec:  keys.Codec(name, at.ID(), lives),
		lives:  lives,
	}
}

// set fails where v does not fit.
func (c jsonCookie[T]) set(w http.ResponseWriter, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	value, err := c.codec.Encode(c.cookie.Name(), b)
	if err != nil {
		return err
	}
	return c.cookie.Set(w, value, c.lives)
}

// read returns what is kept, zero if there is nothing that can be read.
func (c jsonCookie[T]) read(r *http.Request) (v T) {
	var kept T
	value, err := c.cookie.Read(r)
	if err != nil {
		return v
	}
	b, err := c.codec.Decode(c.cookie.Name(), value)
	if err != nil || json.Unmarshal(b, &kept) != nil {
		return v
	}
	return kept
}
