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
	uri, err := p.push(r)
	if err != nil {
		writeOAuthError(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": int64(parLifetime / time.Second)})
}

func (p *Provider) push(r *http.Request) (string, error) {
	if name, ok := repeated(r.PostForm); ok {
		return "", &oauthError{"invalid_request", name + " comes twice", 0}
	}
	client, err := p.authenticateClient(r)
	if err != nil {
		return "", err
	}
	params := maps.Clone(r.PostForm)
	params.Del("client_secret")
	params.Set("client_id", client.ID)
	if params.Has("request_uri") { // RFC 9126 2.1
		return "", &oauthError{"invalid_request", "request_uri cannot be pushed", 0}
	}
	if !slices.Contains(client.RedirectURLs, params.Get("redirect_uri")) {
		return "", &oauthError{"invalid_request", "redirect_uri is not registered for this client", 0}
	}
	if _, err := readRequest(params, client); err != nil {
		return "", err
	}
	uri := requestURIPrefix + random()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for old, pushed := range p.pushed {
		if now.After(pushed.expires) {
			delete(p.pushed, old)
		}
	}
	p.pushed[uri] = &pushedRequest{clientID: client.ID, params: params, expires: now.Add(parLifetime)}
	return uri, nil
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
	pushed.expires = p.now().Add(10 * time.Minute)
	return pushed.params, true
}
