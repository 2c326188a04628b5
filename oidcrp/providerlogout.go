package oidcrp

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// logoutBodyTime is how long a provider may take to send a logout token.
const logoutBodyTime = 5 * time.Second

var (
	errMediaType = errors.New("not a form")
	errTooLong   = errors.New("request is too long")
)

// serveBackchannelLogout ends the sessions a provider names (Back-Channel
// Logout 2.5 to 2.8). Whatever goes wrong is a 400, so that the provider may
// try again; only 200 says that the sessions have ended.
func (rp *RelyingParty) serveBackchannelLogout(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	raw, err := readLogoutToken(w, r)
	if err != nil {
		return &Error{Provider: p.name, Err: err}
	}
	ctx := r.Context()
	token, err := p.LogoutToken(ctx, raw)
	if err != nil {
		return &Error{Provider: p.name, Status: http.StatusBadRequest, Err: err}
	}
	err = rp.sessions.EndByLogout(ctx, session.Logout{
		User: session.User{Issuer: token.Issuer, Client: p.clientID, Subject: token.Subject},
		SID:  token.SID, IssuedAt: token.IssuedAt,
	})
	if err != nil {
		return &Error{Provider: p.name, Status: http.StatusBadRequest, Err: err}
	}
	rp.ended(ctx, Event{Provider: p.name, Issuer: token.Issuer, Subject: token.Subject, Reason: "backchannel"})
	w.WriteHeader(http.StatusOK)
	return nil
}

// readLogoutToken reads the form a provider sends. Members nobody knows are
// left alone.
func readLogoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	// Providers are no browsers: one that shows up here was sent by somebody.
	if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
		return "", fmt.Errorf("%w: sent by a browser", errBadRequest)
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return "", errMediaType
	}
	// Where the server cannot do it, its own time limits hold.
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(logoutBodyTime))
	r.Body = http.MaxBytesReader(w, r.Body, 2*provider.MaxLogoutToken)
	if err := r.ParseForm(); errors.As(err, new(*http.MaxBytesError)) {
		return "", fmt.Errorf("%w: %w", errTooLong, err)
	} else if err != nil {
		return "", fmt.Errorf("%w: %w", errBadRequest, err)
	}
	tokens := r.PostForm["logout_token"]
	if len(tokens) != 1 || tokens[0] == "" {
		return "", fmt.Errorf("%w: %d logout tokens", errBadRequest, len(tokens))
	}
	return tokens[0], nil
}

// serveFrontchannelLogout ends a session from a frame in a page of the
// provider's (Front-Channel Logout 2). Browsers send no cookies there, so it
// works from iss and sid alone; only a sid known from a login ends anything,
// and the answer is the same whether it does.
func (rp *RelyingParty) serveFrontchannelLogout(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	h := w.Header()
	h.Del("X-Frame-Options") // an application may have set these for all of its pages
	h.Set("Content-Security-Policy", "default-src 'none'")
	if iss, sid := frontchannelLogout(r.URL.Query()); iss != "" && p.Accepts(iss) {
		known, err := rp.sessions.EndKnown(r.Context(), session.User{Issuer: iss, Client: p.clientID}, sid)
		if err != nil {
			return &Error{Provider: p.name, Err: err}
		}
		if known {
			rp.ended(r.Context(), Event{Provider: p.name, Issuer: iss, Reason: "frontchannel"})
		}
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte("<!doctype html><title></title>\n"))
	return nil
}

// frontchannelLogout reads iss and sid, both or neither, each once.
func frontchannelLogout(q url.Values) (iss, sid string) {
	if len(q["iss"]) != 1 || len(q["sid"]) != 1 || q.Get("sid") == "" {
		return "", ""
	}
	return q.Get("iss"), q.Get("sid")
}
