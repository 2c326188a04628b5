package oidcrp

import (
	"context"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

// watched is the provider's session that a browser may ask about. It outlives
// ours, so that a page can see the provider's end after a sign-out.
type watched struct {
	Provider string `json:"p"`
	State    string `json:"s"`
}

// watch keeps what a login says of the provider's session.
func (rp *RelyingParty) watch(w http.ResponseWriter, p *providerEntry, sessionState string) {
	if p.manages && sessionState != "" {
		rp.watched.set(w, watched{p.name, sessionState}) // what does not fit is not watched
	}
}

// serveCheckSession is the page that asks the provider (Session Management 3),
// for pages of this site to frame. Where there is nothing to ask it is empty.
func (rp *RelyingParty) serveCheckSession(w http.ResponseWriter, r *http.Request) error {
	var page pages.CheckSession
	at := rp.watched.read(r)
	if p := rp.still(r.Context(), at.Provider); p != nil && p.manages {
		ctx, cancel := context.WithTimeout(r.Context(), endTimeout)
		defer cancel()
		var err error
		if page.Frame, page.Message, err = p.CheckSession(ctx, at.State); err != nil {
			return rp.because(p, "", err)
		}
	}
	return pages.WriteCheckSession(w, page)
}
