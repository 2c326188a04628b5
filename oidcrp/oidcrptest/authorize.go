package oidcrptest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// defaultACR is the "acr" of a sign-in for which nothing was asked.
const defaultACR = "1"

// session is a browser's sign-in at the provider.
type session struct {
	subject  string
	sid      string
	acr      string
	authTime time.Time
	clients  []string // IDs of those that took part

	browserState string // see [Provider.SetSessionManagement]
}

// grant is what a user let a client have: a code, then tokens, name one.
type grant struct {
	clientID    string
	subject     string
	redirectURL string
	challenge   string
	nonce       string
	sid         string
	acr         string
	authTime    time.Time
	scopes      []string
	userInfo    []string // claims asked for by name, for UserInfo
	idToken     []string // and for the ID token
	proofKey    string   // thumbprint of the key the code is bound to

	expires time.Time // of the code
	spent   bool
	revoked bool
}

// authRequest is an authorization request (Core 3.1.2.1) that may be answered
// by redirect.
type authRequest struct {
	params      url.Values // as received, with request_uri unresolved
	client      Client
	redirectURL string
	response    string // the response_type, as in responseTypes
	mode        string
	state       string
	nonce       string
	challenge   string
	loginHint   string
	idTokenHint string
	uiLocales   string
	scopes      []string
	prompt      []string
	acr         []string
	maxAge      time.Duration
	hasMaxAge   bool
	proofKey    string // dpop_jkt
	userInfo    []string
	idToken     []string
}

func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	params := r.URL.Query()
	if r.Method == http.MethodPost {
		params = r.PostForm
	}
	req, ok := p.parseRequest(w, r, params)
	if !ok {
		return
	}
	for _, f := range p.activeFaults() {
		if f.denial != nil {
			p.respondError(w, r, req, f.denial)
			return
		}
	}
	s := p.currentSession(r)
	if user := p.programmed(req); user != "" {
		if s == nil || s.subject != user || req.mustReauthenticate(s, p.time()) || slices.Contains(req.prompt, "login") {
			s = p.startSession(w, r, user, req.acr)
		}
		p.grant(w, r, req, s)
		return
	}
	if s != nil && !req.interactive() && !req.mustReauthenticate(s, p.time()) && p.hinted(req, s) {
		p.grant(w, r, req, s)
		return
	}
	if s == nil && p.managesSessions() {
		p.setStateCookie(w, "")
	}
	if slices.Contains(req.prompt, "none") {
		p.respondError(w, r, req, &oauthError{code: "login_required", description: "nobody suitable is signed in"})
		return
	}
	p.writeSignIn(w, r, req, s, "", http.StatusOK)
}

func (p *Provider) cookieName() string {
	// Cookies ignore ports: two providers on one host must not share one.
	name := []byte("oidcrptest_" + strings.TrimPrefix(strings.TrimPrefix(p.issuer, "https://"), "http://"))
	for i, c := range name {
		if c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			name[i] = '_'
		}
	}
	return string(name)
}

func (p *Provider) currentSession(r *http.Request) *session {
	c, err := r.Cookie(p.cookieName())
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[c.Value]
	if s == nil || p.now().Sub(s.authTime) > sessionLifetime || p.findUser(s.subject) == nil {
		return nil
	}
	return s
}

// startSession signs a user in, in place of the session there was.
func (p *Provider) startSession(w http.ResponseWriter, r *http.Request, subject string, acr []string) *session {
	s := &session{subject: subject, sid: random(), acr: defaultACR, authTime: p.time(), browserState: random()}
	if len(acr) > 0 {
		s.acr = acr[0]
	}
	value := random()
	p.mu.Lock()
	defer p.mu.Unlock()
	if old, err := r.Cookie(p.cookieName()); err == nil {
		if was := p.sessions[old.Value]; was != nil && was.subject == subject {
			// Signing in again continues the session.
			s.sid, s.clients, s.browserState = was.sid, was.clients, was.browserState
		}
		delete(p.sessions, old.Value)
	}
	for id, old := range p.sessions {
		if p.now().Sub(old.authTime) > sessionLifetime {
			delete(p.sessions, id)
		}
	}
	p.sessions[value] = s
	p.setCookie(w, value, 0)
	return s
}

func (p *Provider) setCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name:     p.cookieName(),
		Value:    value,
		Path:     p.base + "/",
		MaxAge:   maxAge,
		Secure:   strings.HasPrefix(p.issuer, "https:"),
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	})
}

// grant answers an authorization request for a signed-in user, by what its
// response type asks for (Core 3.1.2.5, 3.2.2.5, 3.3.2.5).
func (p *Provider) grant(w http.ResponseWriter, r *http.Request, req *authRequest, s *session) {
	g := &grant{
		clientID:    req.client.ID,
		subject:     s.subject,
		redirectURL: req.redirectURL,
		challenge:   req.challenge,
		nonce:       req.nonce,
		sid:         s.sid,
		acr:         s.acr,
		authTime:    s.authTime,
		scopes:      req.scopes,
		userInfo:    req.userInfo,
		idToken:     req.idToken,
		proofKey:    req.proofKey,
	}
	params := url.Values{}
	made := tokenFor{front: true, state: req.state}
	p.mu.Lock()
	now, expiry := p.now(), p.expiry
	delete(p.pushed, req.params.Get("request_uri")) // single use (RFC 9126 4)
	if !slices.Contains(s.clients, g.clientID) {
		s.clients = append(slices.Clip(s.clients), g.clientID)
	}
	if req.asksFor("code") {
		for code, old := range p.codes {
			if now.After(old.expires.Add(time.Hour)) {
				delete(p.codes, code)
			}
		}
		made.code = random()
		g.expires = now.Add(codeLifetime)
		p.codes[made.code] = g
		params.Set("code", made.code)
	}
	if req.asksFor("token") {
		made.accessToken = random()
		p.prune(now)
		p.access[made.accessToken] = &issued{grant: g, scopes: g.scopes, expires: now.Add(expiry)}
		params.Set("access_token", made.accessToken)
		params.Set("token_type", "Bearer")
		params.Set("expires_in", strconv.FormatInt(int64(expiry/time.Second), 10))
		params.Set("scope", strings.Join(g.scopes, " "))
	}
	p.mu.Unlock()
	if req.asksFor("id_token") {
		token, err := p.idToken(r.Context(), req.client, g, made)
		if err != nil {
			p.respondError(w, r, req, &oauthError{code: "server_error", description: err.Error()})
			return
		}
		params.Set("id_token", token)
	}
	if p.managesSessions() {
		params.Set("session_state", sessionState(req.client.ID, req.redirectURL, s.browserState))
		p.setStateCookie(w, s.browserState)
	}
	p.rotateProofNonce()
	p.respond(w, r, req, params)
}

func (p *Provider) respondError(w http.ResponseWriter, r *http.Request, req *authRequest, e *oauthError) {
	params := url.Values{"error": {e.code}}
	if e.description != "" {
		params.Set("error_description", e.description)
	}
	p.respond(w, r, req, params)
}

// Response is an authorization response about to be sent, for a [Fault] to
// change.
type Response struct {
	Params      url.Values
	Mode        string // "query", "fragment" or "form_post", with ".jwt" for JARM
	RedirectURL string

	provider *Provider
	request  *authRequest
}

// respond sends the browser back to the client (Core 3.1.2.5, RFC 9207).
func (p *Provider) respond(w http.ResponseWriter, r *http.Request, req *authRequest, params url.Values) {
	if req.state != "" {
		params.Set("state", req.state)
	}
	params.Set("iss", p.issuer)
	res := &Response{Params: params, Mode: req.mode, RedirectURL: req.redirectURL, provider: p, request: req}
	for _, f := range p.activeFaults() {
		if f.Response != nil {
			f.Response(res)
		}
	}
	if plain, ok := strings.CutSuffix(res.Mode, ".jwt"); ok {
		token, err := p.responseJWT(r.Context(), req, res)
		if err != nil {
			p.writeProblem(w, r, req.uiLocales, http.StatusInternalServerError, err.Error())
			return
		}
		res.Mode, res.Params = plain, url.Values{"response": {token}}
	}
	if res.Mode == "form_post" {
		p.writeFormPost(w, r, req, res)
		return
	}
	target := withQuery(res.RedirectURL, res.Params)
	if res.Mode == "fragment" {
		target = res.RedirectURL + "#" + res.Params.Encode()
	}
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// withQuery adds parameters, keeping a query that the URL has (RFC 6749 3.1.2).
func withQuery(rawURL string, params url.Values) string {
	if len(params) == 0 {
		return rawURL
	}
	if strings.Contains(rawURL, "?") {
		return rawURL + "&" + params.Encode()
	}
	return rawURL + "?" + params.Encode()
}
