package oidcrptest

import (
	"encoding/base64"
	"encoding/json"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// serveEndSession ends the browser's session (RP-Initiated Logout 1.0), and
// tells the clients that took part, by a logout token (Back-Channel Logout 1.0)
// and in frames (Front-Channel Logout 1.0). It asks first where nothing proves whose wish it is: without an id_token_hint,
// or with one of another user.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	confirmed := false
	if r.Method == http.MethodPost && params.Has("confirm") {
		if err := http.NewCrossOriginProtection().Check(r); err != nil {
			p.writeProblem(w, r, "", http.StatusForbidden, "this form was not sent by the sign-out page")
			return
		}
		confirmed = true
		var err error
		if params, err = url.ParseQuery(params.Get("request")); err != nil {
			p.writeProblem(w, r, "", http.StatusBadRequest, "cannot read the logout request")
			return
		}
	}
	locales := params.Get("ui_locales")
	out, problem := p.readLogout(params)
	if problem != "" {
		p.writeProblem(w, r, locales, http.StatusBadRequest, problem)
		return
	}
	var frames []template.URL
	if s := p.currentSession(r); s != nil {
		if !confirmed && out.subject != s.subject {
			p.writeSignOut(w, r, params, out.client, s)
			return
		}
		p.endSession(w, s)
		var notices []logoutNotice
		for _, c := range p.participants(s) {
			notices = append(notices, logoutNotice{c, s.subject, s.sid})
		}
		frames = p.logoutFrames(notices)
		p.tell(r.Context(), notices)
	}
	if out.redirectURL == "" {
		p.writeSignedOut(w, r, locales, frames, "")
		return
	}
	back := url.Values{}
	if params.Has("state") {
		back.Set("state", params.Get("state"))
	}
	for _, f := range p.activeFaults() {
		if f.EndSession != nil {
			f.EndSession(back)
		}
	}
	onward := withQuery(out.redirectURL, back)
	if len(frames) > 0 {
		p.writeSignedOut(w, r, locales, frames, onward)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, onward, http.StatusSeeOther)
}

// logoutFrames are the addresses that tell clients by the browser that a
// session has ended (Front-Channel Logout 2).
func (p *Provider) logoutFrames(notices []logoutNotice) []template.URL {
	var frames []template.URL
	for _, n := range notices {
		if n.client.FrontchannelLogoutURL == "" {
			continue
		}
		params := url.Values{}
		if n.client.FrontchannelLogoutSessionRequired {
			params = url.Values{"iss": {p.issuer}, "sid": {n.sid}}
		}
		for _, f := range p.activeFaults() {
			if f.Frontchannel != nil {
				f.Frontchannel(params)
			}
		}
		frames = append(frames, template.URL(withQuery(n.client.FrontchannelLogoutURL, params)))
	}
	return frames
}

type logoutRequest struct {
	client      Client
	subject     string // of the id_token_hint
	redirectURL string
}

// readLogout checks a logout request, and says what is wrong with it.
func (p *Provider) readLogout(v url.Values) (out logoutRequest, problem string) {
	if name, ok := repeated(v); ok {
		return out, "invalid_request: " + name + " comes twice"
	}
	id := v.Get("client_id")
	if hint := v.Get("id_token_hint"); hint != "" {
		audience := p.hintAudience(hint)
		if id != "" && id != audience {
			return out, "invalid_request: client_id is not the audience of id_token_hint"
		}
		id = audience
		c, _ := p.client(id)
		claims, err := p.verify(hint, c)
		if err != nil || claims["iss"] != p.issuer {
			return out, "invalid_request: id_token_hint is not an ID token of this provider"
		}
		out.subject, _ = claims["sub"].(string)
	}
	known := false
	out.client, known = p.client(id)
	if id != "" && !known {
		return out, "invalid_request: no such client: " + id
	}
	if out.redirectURL = v.Get("post_logout_redirect_uri"); out.redirectURL == "" {
		return out, ""
	}
	if !known {
		return out, "invalid_request: post_logout_redirect_uri needs id_token_hint or client_id"
	}
	if !slices.Contains(out.client.PostLogoutRedirectURLs, out.redirectURL) {
		return out, "invalid_request: post_logout_redirect_uri is not registered for this client: " + out.redirectURL
	}
	return out, ""
}

func (p *Provider) endSession(w http.ResponseWriter, s *session) {
	if p.managesSessions() {
		p.setStateCookie(w, "")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forget(s)
	p.setCookie(w, "", -1)
}

// forget ends sessions with their tokens, but not those that were asked for to
// outlive them (Core 11). p.mu is held.
func (p *Provider) forget(ended ...*session) {
	maps.DeleteFunc(p.sessions, func(_ string, s *session) bool { return slices.Contains(ended, s) })
	for _, t := range p.access {
		of := func(s *session) bool { return s.sid == t.sid }
		if slices.ContainsFunc(ended, of) && !slices.Contains(t.grant.scopes, "offline_access") {
			t.revoked = true
		}
	}
}

// hintAudience reads for which client an ID token is, before it is known to
// be one: the key of HS256 depends on it.
func (p *Provider) hintAudience(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Audience any `json:"aud"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	if several, ok := claims.Audience.([]any); ok && len(several) > 0 {
		claims.Audience = several[0]
	}
	audience, _ := claims.Audience.(string)
	return audience
}
