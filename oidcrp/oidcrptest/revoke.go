package oidcrptest

import "net/http"

// serveRevoke revokes a token (RFC 7009): a refresh token with all its grant,
// an access token alone. An unknown one is no error (2.2).
func (p *Provider) serveRevoke(w http.ResponseWriter, r *http.Request) {
	client, err := p.authenticateClient(r)
	if err != nil {
		writeOAuthError(w, err)
		return
	}
	token := r.PostForm.Get("token")
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.refresh[token]; t != nil && t.clientID == client.ID {
		t.revoked = true
	}
	if t := p.access[token]; t != nil && t.clientID == client.ID {
		delete(p.access, token)
	}
	w.WriteHeader(http.StatusOK)
}
