package oidcrptest

import (
	"net/http"
	"strings"
	"time"
)

// ClaimSource is where some claims of a user come from, in UserInfo (Core
// 5.6.2).
type ClaimSource struct {
	Claims map[string]any // all that the source's JWT says

	// Algorithm signs the JWT with the provider's key; "none" does not sign
	// it. "": the provider's.
	Algorithm string

	// Distributed leaves the claims at [ClaimsEndpoint], to be fetched with an
	// access token of their own; else they are aggregated: in UserInfo, as JWT.
	Distributed bool

	// Endpoint is where Distributed claims are said to be instead, with an
	// access token that is no use there.
	Endpoint string
}

// sourceToken lets one source of a user's claims be fetched.
type sourceToken struct {
	source  ClaimSource
	client  Client
	expires time.Time
}

// addSources puts the claims that come from elsewhere into UserInfo.
func (p *Provider) addSources(claims map[string]any, u User, c Client) {
	if len(u.Sources) == 0 {
		return
	}
	names, sources := map[string]any{}, map[string]any{}
	for id, source := range u.Sources {
		for name := range source.Claims {
			names[name] = id
		}
		if !source.Distributed {
			sources[id] = map[string]any{"JWT": p.sourceJWT(source, c)}
			continue
		}
		token, endpoint := random(), source.Endpoint
		if endpoint == "" {
			endpoint = p.URL(ClaimsEndpoint)
		}
		sources[id] = map[string]any{"endpoint": endpoint, "access_token": token}
		p.mu.Lock()
		now := p.now()
		for old, t := range p.sourceTokens {
			if now.After(t.expires) {
				delete(p.sourceTokens, old)
			}
		}
		p.sourceTokens[token] = sourceToken{source, c, now.Add(p.expiry)}
		p.mu.Unlock()
	}
	claims["_claim_names"], claims["_claim_sources"] = names, sources
}

func (p *Provider) sourceJWT(source ClaimSource, c Client) string {
	alg := source.Algorithm
	if alg == "" {
		alg = p.defaultAlgorithm()
	}
	if alg == "none" {
		return b64([]byte(`{"alg":"none"}`)) + "." + b64(mustJSON(source.Claims)) + "."
	}
	t := p.newJWT(alg, c, source.Claims)
	return t.serialize()
}

// serveClaims gives out distributed claims, to the access token for them in
// the header or the form, never in the query.
func (p *Provider) serveClaims(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		token = r.PostForm.Get("access_token")
	}
	p.mu.Lock()
	t, ok := p.sourceTokens[token]
	ok = ok && !p.now().After(t.expires)
	p.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest", error="invalid_token"`)
		writeOAuthError(w, &oauthError{"invalid_token", "unknown or expired", http.StatusUnauthorized})
		return
	}
	writeJWT(w, p.sourceJWT(t.source, t.client))
}

func writeJWT(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "application/jwt")
	w.Header().Set("Cache-Control", "no-store")
	w.Write([]byte(token))
}
