package oidcrptest

import (
	"net/http"
	"slices"
	"strings"
)

func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = r.PostForm.Get("access_token") // RFC 6750 2.2
	}
	p.mu.Lock()
	t := p.access[token]
	valid := t != nil && !t.revoked && !p.now().After(t.expires)
	var user *User
	if valid {
		user = p.findUser(t.subject)
	}
	var claims map[string]any
	if user != nil {
		claims = user.claims(t.scopes, t.userInfo)
		claims["sub"] = user.Subject
	}
	p.mu.Unlock()
	if token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest"`) // RFC 6750 3.1
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if claims == nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest", error="invalid_token"`)
		writeOAuthError(w, &oauthError{"invalid_token", "unknown, expired or revoked", http.StatusUnauthorized})
		return
	}
	if !slices.Contains(t.scopes, "openid") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest", error="insufficient_scope", scope="openid"`)
		writeOAuthError(w, &oauthError{"insufficient_scope", "", http.StatusForbidden})
		return
	}
	for _, f := range p.activeFaults() {
		if f.UserInfo != nil {
			f.UserInfo(claims)
		}
	}
	writeJSON(w, http.StatusOK, claims)
}
