package oidcrp

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// meDocument is what the me address tells a front end. Its members are API.
type meDocument struct {
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	Provider  string         `json:"provider"`
	Name      string         `json:"name"`
	Roles     []string       `json:"roles"`
	Claims    map[string]any `json:"claims"` // those kept
	ExpiresIn int            `json:"expires_in"`
	Logout    string         `json:"logout"` // POST there signs out: a form, or fetch and then go to "location"
}

// fromElsewhere reports whether a page of another origin caused a request, as
// far as the browser says so.
func fromElsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return true
}

// serveMe tells a front end who is signed in and for how many seconds, without
// extending the session. Anonymous visitors get the same 401 as from a guard.
// Pages of other origins get 403: the answer is none of their business, even
// where a browser would not show it to them.
func (rp *RelyingParty) serveMe(w http.ResponseWriter, r *http.Request) error {
	if fromElsewhere(r) {
		return fmt.Errorf("%w: %w", ErrForbidden, errCrossOrigin)
	}
	c := &loaded{Context: r.Context(), rp: rp}
	if err := rp.loadSession(w, r, c, false); err != nil {
		return err
	}
	s := c.current()
	if s == nil {
		return errLoginRequired
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	return json.NewEncoder(w).Encode(meDocument{
		Issuer: s.Issuer(), Subject: s.Subject(), Provider: s.Provider(), Name: s.Name(),
		Roles: append([]string{}, s.Roles()...), Claims: s.nested(),
		ExpiresIn: int(s.Expires().Sub(rp.now()).Seconds()),
		Logout:    rp.site.url(rp.path("/logout")),
	})
}
