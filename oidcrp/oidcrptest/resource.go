package oidcrptest

import (
	"net/http"
	"slices"
	"strings"
)

// serveResource is an API that says whose access token it was called with.
func (p *Provider) serveResource(w http.ResponseWriter, r *http.Request) {
	t, ok := p.accessToken(w, r)
	if !ok {
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"sub": t.subject, "client_id": t.clientID, "scope": strings.Join(t.scopes, " ")})
}

// accessToken finds the access token of a request to a resource (RFC 6750 2,
// RFC 9449 7). When it returns false it has answered.
func (p *Provider) accessToken(w http.ResponseWriter, r *http.Request) (*issued, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	byProof := strings.EqualFold(scheme, "DPoP")
	if inForm := r.PostForm.Get("access_token"); inForm != "" { // RFC 6750 2.2
		if token != "" {
			writeOAuthError(w, &oauthError{"invalid_request", "two access tokens", http.StatusBadRequest})
			return nil, false
		}
		token = inForm
	} else if !byProof && !strings.EqualFold(scheme, "Bearer") {
		token = ""
	}
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest"`) // RFC 6750 3.1
		w.Header().Add("WWW-Authenticate", p.proofChallenge(""))
		w.WriteHeader(http.StatusUnauthorized)
		return nil, false
	}
	p.mu.Lock()
	t := p.access[token]
	valid := t != nil && !t.revoked && !p.now().After(t.expires) && p.findUser(t.subject) != nil
	p.mu.Unlock()
	refuse := func(code, description string) (*issued, bool) {
		challenge := `Bearer realm="oidcrptest", error="` + code + `"`
		if byProof {
			challenge = p.proofChallenge(code)
		}
		w.Header().Set("WWW-Authenticate", challenge)
		writeOAuthError(w, &oauthError{code, description, http.StatusUnauthorized})
		return nil, false
	}
	if !valid {
		return refuse("invalid_token", "unknown, expired or revoked")
	}
	if byProof != (t.thumbprint != "") {
		return refuse("invalid_token", "a token bound to a key goes with the scheme DPoP, any other with Bearer")
	}
	if t.certificate != "" && t.certificate != certificateHash(r) {
		return refuse("invalid_token", "the token is bound to a certificate, and it is not the one of the connection")
	}
	if byProof {
		thumbprint, problem := p.proof(w, r, token)
		if problem != nil {
			return refuse(problem.code, problem.description)
		}
		if thumbprint != t.thumbprint {
			return refuse("invalid_token", "no proof, or one by another key")
		}
	}
	if !slices.Contains(t.scopes, "openid") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest", error="insufficient_scope", scope="openid"`)
		writeOAuthError(w, &oauthError{"insufficient_scope", "", http.StatusForbidden})
		return nil, false
	}
	return t, true
}

// proofChallenge asks for a DPoP token (RFC 9449 7.1).
func (p *Provider) proofChallenge(code string) string {
	scheme := "DPoP"
	if slices.ContainsFunc(p.activeFaults(), func(f Fault) bool { return f.oddScheme }) {
		scheme = "dPoP"
	}
	challenge := scheme + ` realm="oidcrptest", algs="` + strings.Join(clientAlgorithms, " ") + `"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	return challenge
}
