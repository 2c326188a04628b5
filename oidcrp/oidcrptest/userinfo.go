package oidcrptest

import "net/http"

func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	t, ok := p.accessToken(w, r)
	if !ok {
		return
	}
	var user User
	p.mu.Lock()
	if u := p.findUser(t.subject); u != nil {
		user = *u
	}
	p.mu.Unlock()
	claims := user.claims(t.scopes, t.userInfo)
	claims["sub"] = user.Subject
	client, _ := p.client(t.clientID)
	p.addSources(claims, user, client)
	for _, f := range p.activeFaults() {
		if f.UserInfo != nil {
			f.UserInfo(claims)
		}
	}
	if client.UserInfoAlgorithm == "" && client.UserInfoEncryption == (Encryption{}) {
		writeJSON(w, http.StatusOK, claims)
		return
	}
	token, err := p.userInfoJWT(r.Context(), client, claims)
	if err != nil {
		writeOAuthError(w, err)
		return
	}
	writeJWT(w, token)
}
