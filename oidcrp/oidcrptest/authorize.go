package oidcrptest

import (
	"encoding/json"
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

// parseRequest reads an authorization request. When it returns false it has
// answered: by a page while the redirect URI is not known to be the client's
// (RFC 6749 4.1.2.1), else by redirect.
func (p *Provider) parseRequest(w http.ResponseWriter, r *http.Request, params url.Values) (*authRequest, bool) {
	refuse := func(reason string) (*authRequest, bool) {
		p.writeProblem(w, r, params.Get("ui_locales"), http.StatusBadRequest, reason)
		return nil, false
	}
	if name, ok := repeated(params); ok {
		return refuse("invalid_request: " + name + " comes twice")
	}
	client, ok := p.client(params.Get("client_id"))
	if !ok {
		return refuse("invalid_request: no client has this client_id: " + params.Get("client_id"))
	}
	var resolved url.Values
	if uri := params.Get("request_uri"); strings.HasPrefix(uri, requestURIPrefix) {
		if resolved, ok = p.resolve(uri, client); !ok {
			return refuse("invalid_request_uri: unknown, expired, used or of another client")
		}
	} else if client.RequirePAR {
		return refuse("invalid_request: this client must push its authorization requests (RFC 9126)")
	} else {
		var problem *oauthError
		if resolved, problem = p.requestParameters(r.Context(), params, client); problem != nil {
			return p.refuseObject(w, r, params, client, problem)
		}
		if params.Has("request") || params.Has("request_uri") {
			// The object may be gone, or expired, when the user is through.
			uri := p.keepRequest(client, resolved, signInLifetime)
			params = url.Values{"client_id": {client.ID}, "request_uri": {uri}}
		}
	}
	redirectURL := resolved.Get("redirect_uri")
	if !slices.Contains(client.RedirectURLs, redirectURL) {
		return refuse("invalid_request: redirect_uri is not registered for this client: " + redirectURL)
	}
	req, err := readRequest(resolved, client)
	req.params = params
	if err != nil {
		p.respondError(w, r, req, err)
		return nil, false
	}
	return req, true
}

// refuseObject answers a request whose object is not to be had: by redirect
// where the parameters beside it have a redirect URI to trust.
func (p *Provider) refuseObject(w http.ResponseWriter, r *http.Request, params url.Values, c Client, problem *oauthError) (*authRequest, bool) {
	if !slices.Contains(c.RedirectURLs, params.Get("redirect_uri")) {
		p.writeProblem(w, r, params.Get("ui_locales"), http.StatusBadRequest, problem.Error())
		return nil, false
	}
	req, _ := readRequest(params, c)
	p.respondError(w, r, req, problem)
	return nil, false
}

// readRequest reads the parameters of a request whose client and redirect URI
// are right. With an error it still returns what answering by redirect needs.
func readRequest(v url.Values, c Client) (*authRequest, *oauthError) {
	req := &authRequest{
		params:      v,
		client:      c,
		redirectURL: v.Get("redirect_uri"),
		response:    responseType(v.Get("response_type")),
		mode:        defaultMode(v.Get("response_type")),
		state:       v.Get("state"),
		nonce:       v.Get("nonce"),
		challenge:   v.Get("code_challenge"),
		loginHint:   v.Get("login_hint"),
		idTokenHint: v.Get("id_token_hint"),
		uiLocales:   v.Get("ui_locales"),
		proofKey:    v.Get("dpop_jkt"),
		scopes:      strings.Fields(v.Get("scope")),
		prompt:      strings.Fields(v.Get("prompt")),
		acr:         strings.Fields(v.Get("acr_values")),
	}
	invalid := func(description string) *oauthError {
		return &oauthError{code: "invalid_request", description: description}
	}
	mode, secured := strings.CutSuffix(v.Get("response_mode"), ".jwt") // JARM 2.3
	if mode == "jwt" {
		mode, secured = "", true
	}
	switch mode {
	case "":
	case "query":
		// Tokens would end in logs and in Referer (Multiple Response Types 5).
		if req.mode != mode {
			return req, invalid("response_mode query is for response_type code")
		}
	case "fragment", "form_post":
		req.mode = mode
	default:
		return req, invalid("response_mode " + v.Get("response_mode") + " is not supported")
	}
	if secured {
		req.mode += ".jwt"
	}
	if !v.Has("response_type") {
		return req, invalid("response_type is missing")
	}
	if req.response == "" {
		return req, &oauthError{code: "unsupported_response_type", description: v.Get("response_type")}
	}
	if c.ResponseTypes != nil && !slices.ContainsFunc(c.ResponseTypes, func(s string) bool { return responseType(s) == req.response }) {
		return req, &oauthError{code: "unauthorized_client", description: "response_type " + req.response + " is not registered"}
	}
	if !slices.Contains(req.scopes, "openid") {
		return req, &oauthError{code: "invalid_scope", description: "scope has no openid"}
	}
	if req.asksFor("id_token") && req.nonce == "" { // Core 3.2.2.1, 3.3.2.11
		return req, invalid("response_type " + req.response + " needs a nonce")
	}
	method := v.Get("code_challenge_method")
	if req.challenge == "" && v.Has("code_challenge_method") || req.challenge != "" && method != "S256" {
		return req, invalid("PKCE takes a code_challenge with code_challenge_method S256")
	}
	if req.challenge != "" && len(req.challenge) != 43 { // RFC 7636 4.2
		return req, invalid("code_challenge is no SHA-256 hash")
	}
	if len(req.prompt) > 1 && slices.Contains(req.prompt, "none") {
		return req, invalid("prompt none excludes all others")
	}
	if v.Has("max_age") {
		seconds, err := strconv.ParseUint(v.Get("max_age"), 10, 31)
		if err != nil {
			return req, invalid("max_age is no number of seconds")
		}
		req.hasMaxAge, req.maxAge = true, time.Duration(seconds)*time.Second
	}
	return req, req.readClaims(v.Get("claims"))
}

// readClaims reads the "claims" parameter (Core 5.5).
func (req *authRequest) readClaims(parameter string) *oauthError {
	if parameter == "" {
		return nil
	}
	var asked struct {
		UserInfo map[string]any `json:"userinfo"`
		IDToken  map[string]struct {
			Value  string   `json:"value"`
			Values []string `json:"values"`
		} `json:"id_token"`
	}
	if err := json.Unmarshal([]byte(parameter), &asked); err != nil {
		return &oauthError{code: "invalid_request", description: "claims is no JSON object as of Core 5.5"}
	}
	for name := range asked.UserInfo {
		req.userInfo = append(req.userInfo, name)
	}
	for name, a := range asked.IDToken {
		req.idToken = append(req.idToken, name)
		if name == "acr" && a.Value != "" {
			req.acr = []string{a.Value}
		} else if name == "acr" && len(a.Values) > 0 {
			req.acr = a.Values
		}
	}
	return nil
}

// interactive reports whether the user must see a page although signed in.
func (req *authRequest) interactive() bool {
	return slices.ContainsFunc(req.prompt, func(s string) bool { return s == "login" || s == "consent" || s == "select_account" })
}

// mustReauthenticate reports whether s is too old or too weak.
func (req *authRequest) mustReauthenticate(s *session, now time.Time) bool {
	if req.hasMaxAge && now.Sub(s.authTime) >= req.maxAge {
		return true
	}
	return len(req.acr) > 0 && !slices.Contains(req.acr, s.acr)
}

// hinted reports whether s is of the user whom the request hints at, if any.
func (p *Provider) hinted(req *authRequest, s *session) bool {
	if req.idTokenHint != "" {
		claims, err := p.verify(req.idTokenHint, req.client)
		if err != nil || claims["sub"] != s.subject {
			return false
		}
	}
	u, known := p.lookUpUser(req.loginHint)
	return !known || u.Subject == s.subject
}

// programmed returns the user of [Provider.SignInAs].
func (p *Provider) programmed(req *authRequest) string {
	p.mu.Lock()
	subject := p.signInAs
	p.mu.Unlock()
	if subject == "" {
		return ""
	}
	if u, ok := p.lookUpUser(req.loginHint); ok {
		return u.Subject
	}
	return subject
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
