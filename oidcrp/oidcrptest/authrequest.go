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
