package oidcrptest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

type pushedRequest struct {
	clientID string
	params   url.Values
	expires  time.Time
}

// servePAR takes a pushed authorization request (RFC 9126 2).
func (p *Provider) servePAR(w http.ResponseWriter, r *http.Request) {
	uri, err := p.push(w, r)
	if err != nil {
		writeOAuthError(w, err)
		return
	}
	body := map[string]any{"request_uri": uri, "expires_in": int64(parLifetime / time.Second)}
	for _, f := range p.activeFaults() {
		if f.Pushed != nil {
			f.Pushed(body)
		}
	}
	writeJSON(w, http.StatusCreated, body)
}

func (p *Provider) push(w http.ResponseWriter, r *http.Request) (string, error) {
	if name, ok := repeated(r.PostForm); ok {
		return "", &oauthError{"invalid_request", name + " comes twice", 0}
	}
	client, err := p.authenticateClient(r)
	if err != nil {
		return "", err
	}
	params := maps.Clone(r.PostForm)
	for _, name := range []string{"client_secret", "client_assertion", "client_assertion_type"} {
		params.Del(name)
	}
	params.Set("client_id", client.ID)
	if params.Has("request_uri") { // RFC 9126 2.1
		return "", &oauthError{"invalid_request", "request_uri cannot be pushed", 0}
	}
	params, problem := p.requestParameters(r.Context(), params, client)
	if problem != nil {
		return "", problem
	}
	if !slices.Contains(client.RedirectURLs, params.Get("redirect_uri")) {
		return "", &oauthError{"invalid_request", "redirect_uri is not registered for this client", 0}
	}
	if _, err := readRequest(params, client); err != nil {
		return "", err
	}
	thumbprint, problem := p.proof(w, r, "")
	if problem != nil {
		return "", problem
	}
	if thumbprint != "" { // RFC 9449 10.1
		if params.Has("dpop_jkt") && params.Get("dpop_jkt") != thumbprint {
			return "", &oauthError{"invalid_dpop_proof", "dpop_jkt is not the key of the proof", 0}
		}
		params.Set("dpop_jkt", thumbprint)
	}
	return p.keepRequest(client, params, parLifetime), nil
}

// keepRequest remembers the parameters of a request and returns its name.
func (p *Provider) keepRequest(c Client, params url.Values, d time.Duration) string {
	uri := requestURIPrefix + random()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for old, pushed := range p.pushed {
		if now.After(pushed.expires) {
			delete(p.pushed, old)
		}
	}
	p.pushed[uri] = &pushedRequest{clientID: c.ID, params: params, expires: now.Add(d)}
	return uri
}

// resolve returns what was pushed. A user who is looking at the sign-in page
// gets more time.
func (p *Provider) resolve(uri string, c Client) (url.Values, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pushed := p.pushed[uri]
	if pushed == nil || pushed.clientID != c.ID || p.now().After(pushed.expires) {
		return nil, false
	}
	pushed.expires = p.now().Add(signInLifetime)
	return pushed.params, true
}
