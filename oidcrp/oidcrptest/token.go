package oidcrptest

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// issued is an access or refresh token of a grant.
type issued struct {
	*grant
	scopes  []string
	expires time.Time // zero: never
	rotated bool

	thumbprint  string // of the key it is bound to by DPoP
	certificate string // x5t#S256 of the one it is bound to
}

func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	body, err := p.token(w, r)
	if err != nil {
		writeOAuthError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	if name, ok := repeated(r.PostForm); ok {
		return nil, &oauthError{"invalid_request", name + " comes twice", 0}
	}
	client, err := p.authenticateClient(r)
	if err != nil {
		return nil, err
	}
	thumbprint, problem := p.proof(w, r, "")
	if problem != nil {
		return nil, problem
	}
	if client.RequireDPoP && thumbprint == "" {
		return nil, &oauthError{"invalid_dpop_proof", "this client must send DPoP proofs", 0}
	}
	if client.BindCertificate && certificateHash(r) == "" {
		return nil, &oauthError{"invalid_request", "no client certificate to bind tokens to", 0}
	}
	var g *grant
	scopes := []string(nil)
	switch grantType := r.PostForm.Get("grant_type"); grantType {
	case "authorization_code":
		if g, err = p.redeemCode(r, client, thumbprint); err == nil {
			scopes = g.scopes
		}
	case "refresh_token":
		g, scopes, err = p.redeemRefreshToken(r, client, thumbprint)
	default:
		err = &oauthError{"unsupported_grant_type", grantType, 0}
	}
	if err != nil {
		return nil, err
	}
	refreshed := r.PostForm.Get("grant_type") == "refresh_token"
	p.rotateProofNonce()
	return p.tokens(r, client, g, scopes, thumbprint, refreshed)
}

// has reports whether one of the faults in force is such.
func (p *Provider) has(such func(Fault) bool) bool {
	return slices.ContainsFunc(p.activeFaults(), such)
}

func invalidGrant(description string) error {
	return &oauthError{"invalid_grant", description, 0}
}

// redeemCode spends a code. One that comes twice takes all its tokens with it
// (RFC 6749 4.1.2).
func (p *Provider) redeemCode(r *http.Request, c Client, thumbprint string) (*grant, error) {
	ignorePKCE := slices.ContainsFunc(p.activeFaults(), func(f Fault) bool { return f.ignorePKCE })
	p.mu.Lock()
	defer p.mu.Unlock()
	g := p.codes[r.PostForm.Get("code")]
	if g == nil || g.clientID != c.ID {
		return nil, invalidGrant("unknown code")
	}
	if g.spent {
		g.revoked = true
		return nil, invalidGrant("code used before")
	}
	g.spent = true
	if p.now().After(g.expires) {
		return nil, invalidGrant("code expired")
	}
	if r.PostForm.Get("redirect_uri") != g.redirectURL {
		return nil, invalidGrant("redirect_uri is not the one of the authorization request")
	}
	if g.proofKey != "" && g.proofKey != thumbprint { // RFC 9449 10
		return nil, invalidGrant("the code is bound to a key, and there is no proof by it")
	}
	verifier := r.PostForm.Get("code_verifier")
	if ignorePKCE {
		return g, nil
	}
	// A verifier without a challenge is a downgrade too (RFC 9700 2.1.1).
	if (g.challenge == "") != (verifier == "") {
		return nil, invalidGrant("code_challenge and code_verifier must come together")
	}
	if sum := sha256.Sum256([]byte(verifier)); verifier != "" && b64(sum[:]) != g.challenge {
		return nil, invalidGrant("code_verifier does not match the code_challenge")
	}
	return g, nil
}

// redeemRefreshToken spends a refresh token. One that comes twice was stolen:
// its grant ends (RFC 9700 4.14.2).
func (p *Provider) redeemRefreshToken(r *http.Request, c Client, thumbprint string) (*grant, []string, error) {
	sameToken := p.has(func(f Fault) bool { return f.sameRefreshToken })
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.refresh[r.PostForm.Get("refresh_token")]
	if t == nil || t.clientID != c.ID || t.revoked {
		return nil, nil, invalidGrant("unknown or revoked refresh token")
	}
	if t.rotated {
		t.revoked = true
		return nil, nil, invalidGrant("refresh token used before")
	}
	if t.thumbprint != "" && t.thumbprint != thumbprint {
		return nil, nil, invalidGrant("the refresh token is bound to a key, and there is no proof by it")
	}
	scopes := t.scopes
	if asked := strings.Fields(r.PostForm.Get("scope")); len(asked) > 0 {
		for _, s := range asked {
			if !slices.Contains(t.scopes, s) {
				return nil, nil, &oauthError{"invalid_scope", s + " was not granted", 0}
			}
		}
		scopes = asked
	}
	if sameToken {
		return t.grant, scopes, nil
	}
	// Remembered for a while, to know it again if it was stolen.
	t.rotated, t.expires = true, p.now().Add(30*24*time.Hour)
	return t.grant, scopes, nil
}

// tokens makes a token response (Core 3.1.3.3, 12.2).
func (p *Provider) tokens(r *http.Request, c Client, g *grant, scopes []string, thumbprint string, refreshed bool) (map[string]any, error) {
	access, refresh := random(), ""
	sameToken := p.has(func(f Fault) bool { return f.sameRefreshToken })
	p.mu.Lock()
	now, expiry := p.now(), p.expiry
	p.prune(now)
	token := &issued{grant: g, scopes: scopes, expires: now.Add(expiry), thumbprint: thumbprint}
	if c.BindCertificate {
		token.certificate = certificateHash(r)
	}
	p.access[access] = token
	if slices.Contains(g.scopes, "offline_access") && !(refreshed && sameToken) {
		refresh = random()
		kept := &issued{grant: g, scopes: g.scopes}
		if c.AuthMethod == "none" { // RFC 9449 5
			kept.thumbprint = thumbprint
		}
		p.refresh[refresh] = kept
	}
	p.mu.Unlock()

	body := map[string]any{
		"access_token": access,
		"token_type":   "Bearer",
		"expires_in":   int64(expiry / time.Second),
		"scope":        strings.Join(scopes, " "),
	}
	if thumbprint != "" {
		body["token_type"] = "DPoP"
	}
	if refresh != "" {
		body["refresh_token"] = refresh
	}
	if slices.Contains(scopes, "openid") {
		token, err := p.idToken(r.Context(), c, g, tokenFor{accessToken: access, refreshed: refreshed})
		if err != nil {
			return nil, err
		}
		body["id_token"] = token
	}
	for _, f := range p.activeFaults() {
		if f.TokenResponse != nil && (refreshed || !f.onlyRefresh) {
			f.TokenResponse(body)
		}
	}
	return body, nil
}

// prune forgets what nobody can use any more. p.mu is held.
func (p *Provider) prune(now time.Time) {
	useless := func(_ string, t *issued) bool {
		return t.revoked || !t.expires.IsZero() && now.After(t.expires)
	}
	maps.DeleteFunc(p.access, useless)
	maps.DeleteFunc(p.refresh, useless)
}
