package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

const (
	maxLogoutURL  = 2048            // longer ones are sent as a form
	ticketTime    = time.Minute     // between rp.Logout and our own address
	logoutTimeout = time.Hour       // for the visitor to answer the provider's questions
	endTimeout    = 3 * time.Second // for finding out where a provider signs out
	hintOutlives  = 24 * time.Hour  // the session, so that it still works after it expired
)

// logoutStep is what a sign-out carries through the browser, sealed.
type logoutStep struct {
	Returning bool      `json:"r,omitempty"` // from the provider; else on the way to it
	Provider  string    `json:"p,omitempty"`
	Identity  string    `json:"i,omitempty"` // whose sign-out it is
	ReturnTo  string    `json:"t,omitempty"`
	LocalOnly bool      `json:"l,omitempty"`
	At        time.Time `json:"a"`
}

func (rp *RelyingParty) sealStep(s logoutStep) (string, error) {
	s.At = rp.now()
	b, err := json.Marshal(s)
	if err != nil {
		return "", err
	}
	value, _, err := rp.tickets.Seal(b, nil, s.At)
	return value, err
}

// openStep reads a sealed step: forged, of the other kind or too old is none.
func (rp *RelyingParty) openStep(value string, returning bool, lives time.Duration) (logoutStep, bool) {
	var s logoutStep
	b, _, err := rp.tickets.Open(nil, value, nil)
	if err != nil || json.Unmarshal(b, &s) != nil {
		return s, false
	}
	age := rp.now().Sub(s.At)
	return s, s.Returning == returning && age < lives && age > -clockSkew
}

// serveLogout is the log-off address, which every way of signing out passes:
// only here does the browser show the ID token for the provider.
func (rp *RelyingParty) serveLogout(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost {
		return rp.postLogout(w, r)
	}
	q := r.URL.Query()
	if ticket := q.Get("ticket"); ticket != "" {
		step, ok := rp.openStep(ticket, false, ticketTime)
		// A ticket of nobody is for any visitor, so a link elsewhere must not
		// bring one here.
		if ok && (step.Identity != "" || !fromElsewhere(r)) {
			if fetched(r) { // followed a redirect here
				return rp.tellScript(w, ticket)
			}
			return rp.atProvider(w, r, step)
		}
	}
	// Back from the provider. A state of ours says where to go; without one,
	// or with another's, this is still a safe page to end on.
	if step, ok := rp.openStep(q.Get("state"), true, logoutTimeout); ok && step.ReturnTo != "" {
		return rp.redirect(w, r, rp.target(step.ReturnTo))
	}
	rec, err := rp.sessions.Load(r.Context(), w, r, false)
	switch {
	case errors.Is(err, session.ErrNone):
		return rp.signedOutPage(w, r)
	case err != nil:
		return err
	}
	if p := rp.still(r.Context(), rec.Provider()); p != nil {
		ctx, cancel := context.WithTimeout(r.Context(), endTimeout)
		p.EndSession(ctx, provider.EndSession{}) // so that formActions knows where the form leads
		cancel()
	}
	page := pages.Page{
		Name: "signout", Action: rp.path("/logout"), User: rp.session(rec).Name(), FormAction: pages.LeadingOn(rp.formActions(rec.Provider())),
	}
	if raw := q.Get(paramReturnTo); raw != "" {
		page.Fields = []pages.Field{{Name: paramReturnTo, Value: rp.target(raw)}}
	}
	return rp.page(w, r, page)
}

// formActions are the places our sign-out forms lead to: browsers hold a
// form's redirects against form-action too. Before a provider's metadata is
// known its issuer's origin is the best guess.
// Of those of a source it has the one of a session.
func (rp *RelyingParty) formActions(provider string) []string {
	var origins []string
	for _, p := range rp.static() {
		origins = append(origins, p.formAction()...)
	}
	if p := rp.peek(provider); p != nil && rp.providers.byName[provider] == nil {
		origins = append(origins, p.formAction()...)
	}
	return origins
}

func (p *providerEntry) formAction() []string {
	known := p.FormAction()
	if u, err := url.Parse(p.issuer); err == nil && len(known) == 0 {
		known = []string{u.Scheme + "://" + u.Host}
	}
	return known
}

func (rp *RelyingParty) signedOutPage(w http.ResponseWriter, r *http.Request) error {
	return rp.page(w, r, pages.Page{Name: "signedout", RetryURL: rp.path("/login")})
}

// postLogout signs out when a page of ours asks for it.
func (rp *RelyingParty) postLogout(w http.ResponseWriter, r *http.Request) error {
	if err := rp.sameOrigin(r); err != nil {
		return err
	}
	if err := readScriptedForm(w, r); err != nil {
		return err
	}
	step := rp.endLocally(w, r, r.PostForm.Get(paramEverywhere) != "")
	if raw := r.PostForm.Get(paramReturnTo); raw != "" {
		step.ReturnTo = rp.target(raw)
	}
	if !fetched(r) {
		return rp.atProvider(w, r, step)
	}
	ticket, err := rp.sealStep(step)
	if err != nil {
		return err
	}
	return rp.tellScript(w, ticket)
}

// Logout ends the session from code, and the provider's where configured
// (RP-Initiated Logout 1.0). It answers the request with a redirect to our
// log-off address, and so must not be called from there. The caller has
// checked that the request is the user's own wish: a guard does, for a POST.
func (rp *RelyingParty) Logout(w http.ResponseWriter, r *http.Request, opts LogoutOptions) {
	rp, r, ok := rp.enter(w, r)
	if !ok {
		return
	}
	step := rp.endLocally(w, r, opts.Everywhere)
	step.LocalOnly = opts.LocalOnly
	if opts.ReturnTo != "" {
		step.ReturnTo = rp.chosen(r.Context(), opts.ReturnTo)
	}
	ticket, err := rp.sealStep(step)
	if err != nil {
		rp.fail("logout", w, r, err)
		return
	}
	rp.fail("logout", w, r, rp.redirect(w, r, rp.ticketPath(ticket)))
}

// endLocally ends the session first, whatever the provider does afterwards. A
// store that cannot be asked does not keep anybody signed in at this browser. All
// of it happens though the visitor may have gone away.
func (rp *RelyingParty) endLocally(w http.ResponseWriter, r *http.Request, everywhere bool) logoutStep {
	r = r.WithContext(context.WithoutCancel(r.Context()))
	var step logoutStep
	everywhere = everywhere || rp.everywhere
	rec, err := rp.sessions.Load(r.Context(), w, r, false)
	if c := loadedIn(r.Context()); c.of(rp) && c.renewed.Load() != nil {
		rec, err = *c.renewed.Load(), nil // the request's own cookie is spent
	}
	switch {
	case err == nil:
		s := rp.session(rec)
		step.Provider, step.Identity = s.Provider(), identity(s.Issuer(), s.Subject())
		if everywhere {
			if err := rp.endUser(r.Context(), s.Identity()); err != nil {
				rp.storeFailed(r.Context(), "logout", err)
			}
		}
		rp.endSession(w, r, s, logoutReason(everywhere))
	case errors.Is(err, session.ErrNone):
		rp.endRenewed(r, everywhere)
	default:
		rp.storeFailed(r.Context(), "logout", err)
		rp.sessions.End(r.Context(), w, r, session.Record{}) // reported above
	}
	rp.desk.Replace(w, r)
	rp.dropPaused(w, r, session.Draft{})
	return step
}

// endRenewed ends the session of a cookie that another request has replaced, as
// Update does, while the visitor signed out.
func (rp *RelyingParty) endRenewed(r *http.Request, everywhere bool) {
	handle, err := rp.sessions.EndRenewed(r.Context(), r, everywhere)
	if err != nil {
		rp.storeFailed(r.Context(), "logout", err)
	}
	if handle != "" {
		rp.ended(r.Context(), Event{Session: handle, Reason: logoutReason(everywhere)})
	}
}

// logoutReason is the reason of the event.
func logoutReason(everywhere bool) string {
	if everywhere {
		return "everywhere"
	}
	return "logout"
}

// endSession ends a session and says so.
func (rp *RelyingParty) endSession(w http.ResponseWriter, r *http.Request, s *Session, reason string) {
	ctx := r.Context()
	if err := rp.sessions.End(ctx, w, r, s.rec); err != nil {
		rp.storeFailed(ctx, "logout", err)
	}
	rp.endTokens(ctx, s.rec.Draft(), true)
	rp.log.InfoContext(ctx, "signed out", "provider", s.Provider(), "session", s.Handle(), "reason", reason)
	rp.emit(ctx, Event{Kind: SessionEnded, Provider: s.Provider(), Issuer: s.Issuer(), Subject: s.Subject(),
		Session: s.Handle(), Reason: reason, Duration: rp.now().Sub(s.Started())})
}

// atProvider signs out at the provider, once the session here has ended. The
// ID token kept for it also works after the session expired.
func (rp *RelyingParty) atProvider(w http.ResponseWriter, r *http.Request, step logoutStep) error {
	hint := rp.hint.read(r)
	if step.Identity != "" && hint.Identity != step.Identity {
		hint = idTokenHint{Provider: step.Provider} // somebody else's, who may still need it
	} else {
		rp.hint.cookie.Clear(w)
	}
	p := rp.still(r.Context(), hint.Provider)
	if issuer, _, _ := strings.Cut(orDefault(step.Identity, hint.Identity), " "); p != nil && !p.Accepts(issuer) {
		p = nil // it is another by now, whom the ID token is none of the business of
	}
	if p == nil || p.localLogout || step.LocalOnly {
		return rp.afterLogout(w, r, p, step.ReturnTo)
	}
	state, err := rp.sealStep(logoutStep{Returning: true, ReturnTo: step.ReturnTo})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), endTimeout)
	defer cancel()
	endpoint, params, err := p.EndSession(ctx, provider.EndSession{
		IDTokenHint: hint.IDToken, PostLogoutRedirectURL: rp.postLogoutURL(p), State: state, UILocales: rp.lang(r),
	})
	if err != nil {
		if !errors.Is(err, provider.ErrNoEndSession) {
			rp.log.WarnContext(ctx, "provider not signed out", "provider", p.name, "err", err)
		}
		return rp.afterLogout(w, r, p, step.ReturnTo)
	}
	return rp.leave(w, r, p, endpoint, params)
}

// ticketPath is where a sign-out goes on at our own address.
func (rp *RelyingParty) ticketPath(ticket string) string {
	return rp.path("/logout") + "?ticket=" + ticket
}

// outLocation tells a script that signed out where to send the browser.
type outLocation struct {
	Location string `json:"location"`
}

// fetched reports whether a script of a page made the request.
func fetched(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode != "" && mode != "navigate"
}

// tellScript says where to go on: fetch cannot follow to the provider, and the
// way there has the ID token in it, which is not for scripts.
func (rp *RelyingParty) tellScript(w http.ResponseWriter, ticket string) error {
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(outLocation{rp.site.url(rp.ticketPath(ticket))})
}

// leave sends the browser to the end-session endpoint: by redirect, or as a
// form where the address would be too long for some server on the way.
func (rp *RelyingParty) leave(w http.ResponseWriter, r *http.Request, p *providerEntry, endpoint string, params url.Values) error {
	u, err := url.Parse(endpoint)
	if err != nil {
		return fmt.Errorf("%w: end_session_endpoint: %w", ErrMisconfigured, err)
	}
	q := u.Query()
	for name, values := range params {
		q[name] = values
	}
	u.RawQuery = q.Encode()
	if address := u.String(); len(address) <= maxLogoutURL {
		return rp.redirect(w, r, address)
	}
	page := pages.Page{
		Name: "formpost", MessageKey: "formpost.signout", Providers: []pages.Link{{Name: p.name, DisplayName: p.display}},
		Action: endpoint, FormAction: pages.LeadingOn(p.FormAction()), AutoSubmit: true,
	}
	for name, values := range params {
		page.Fields = append(page.Fields, pages.Field{Name: name, Value: values[0]})
	}
	return rp.page(w, r, page)
}

// afterLogout is where a sign-out ends that does not visit the provider p: the
// visitor should know that they may still be signed in there.
func (rp *RelyingParty) afterLogout(w http.ResponseWriter, r *http.Request, p *providerEntry, returnTo string) error {
	if returnTo != "" || p == nil {
		return rp.redirect(w, r, orDefault(returnTo, rp.path("/logout")))
	}
	return rp.page(w, r, pages.Page{
		Name: "signedout", MessageKey: "signedout.local", RetryURL: rp.path("/login"),
		Providers: []pages.Link{{Name: p.name, DisplayName: p.display}},
	})
}
