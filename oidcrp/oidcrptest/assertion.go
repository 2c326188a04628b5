package oidcrptest

import (
	"net/http"
	"slices"
	"time"
)

const (
	assertionType        = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	maxAssertionLifetime = time.Hour
	clockSkew            = 10 * time.Second
)

// checkAssertion authenticates a client by a JWT of its own (Core 9, RFC 7523
// 3), and says by which method.
func (p *Provider) checkAssertion(r *http.Request, c Client, assertion string) (method string, err error) {
	algs := append(slices.Clone(clientAlgorithms), "HS256")
	if c.AuthAlgorithm != "" {
		algs = []string{c.AuthAlgorithm}
	}
	if c.Secret == "" {
		algs = slices.DeleteFunc(algs, func(alg string) bool { return alg == "HS256" })
	}
	header, claims, err := p.verifyByClient(r.Context(), assertion, c, algs)
	if err != nil {
		return "", invalidClient("client_assertion: " + err.Error())
	}
	method = "private_key_jwt"
	if header.Algorithm == "HS256" {
		method = "client_secret_jwt"
	}
	if problem := p.judgeAssertion(r, c, claims); problem != "" {
		return "", invalidClient("client_assertion: " + problem)
	}
	return method, nil
}

// judgeAssertion says what is wrong with the claims of an assertion.
func (p *Provider) judgeAssertion(r *http.Request, c Client, claims map[string]any) string {
	if claims["iss"] != c.ID || claims["sub"] != c.ID {
		return "iss and sub must be the client_id"
	}
	allowed := append(p.calledAs(r), p.issuer, p.URL(TokenEndpoint))
	switch {
	case c.AssertionAudience != "" && claims["aud"] != c.AssertionAudience:
		return "aud must be exactly " + c.AssertionAudience
	case c.AssertionAudience == "" && !audienceHas(claims["aud"], allowed...):
		return "aud must be the issuer, the token endpoint or the endpoint called"
	}
	now := p.time()
	exp, ok := timeClaim(claims, "exp")
	if !ok || !now.Before(exp.Add(clockSkew)) || exp.After(now.Add(maxAssertionLifetime)) {
		return "exp must be in the coming hour"
	}
	for _, name := range []string{"iat", "nbf"} {
		if t, ok := timeClaim(claims, name); ok && t.After(now.Add(clockSkew)) {
			return name + " is in the future"
		}
	}
	jti, _ := claims["jti"].(string)
	if jti == "" {
		return "jti is missing"
	}
	if !p.once("assertion "+c.ID+" "+jti, exp.Add(clockSkew)) {
		return "jti was used before"
	}
	return ""
}

// once reports whether a value is seen for the first time, until it expires.
func (p *Provider) once(value string, expires time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for old, until := range p.seen {
		if now.After(until) {
			delete(p.seen, old)
		}
	}
	if _, again := p.seen[value]; again {
		return false
	}
	p.seen[value] = expires
	return true
}

func invalidClient(description string) error {
	return &oauthError{"invalid_client", description, http.StatusUnauthorized}
}
