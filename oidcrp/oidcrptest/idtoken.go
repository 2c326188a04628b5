package oidcrptest

import (
	"maps"
	"time"
)

// IDToken is an ID token about to be signed, for a [Fault] to change.
type IDToken struct {
	Header map[string]any
	Claims map[string]any // times are int64
	Now    time.Time      // by the provider's clock

	// Rewrite, if set, changes the JSON of the claims, for what no map can
	// hold, such as a name that comes twice.
	Rewrite func([]byte) []byte
	// Sign returns the signature of the first two parts of the token.
	Sign func(input []byte) []byte

	Client    Client
	Front     bool // of an authorization response
	Refreshed bool // of a refresh response

	key *key
}

// tokenFor is where an ID token goes, and what goes with it.
type tokenFor struct {
	accessToken, code, state string
	front, refreshed         bool
}

// idToken makes an ID token (Core 2, 3.1.3.6, 3.3.2.11).
func (p *Provider) idToken(c Client, g *grant, f tokenFor) string {
	p.mu.Lock()
	now, alg, expiry := p.now(), p.algorithm, p.expiry
	var user User
	if u := p.findUser(g.subject); u != nil {
		user = *u
	}
	p.mu.Unlock()
	if c.Algorithm != "" {
		alg = c.Algorithm
	}

	claims := map[string]any{}
	// Without an access token there is no UserInfo to ask (Core 5.4).
	alone := f.front && f.accessToken == "" && f.code == ""
	if c.UserInfoOnly && !alone {
		all := user.claims(nil, g.idToken)
		for _, name := range g.idToken {
			if v, ok := all[name]; ok {
				claims[name] = v
			}
		}
	} else {
		claims = user.claims(g.scopes, g.idToken)
	}
	maps.Copy(claims, map[string]any{
		"iss":       p.issuer,
		"sub":       g.subject,
		"aud":       c.ID,
		"exp":       now.Add(expiry).Unix(),
		"iat":       now.Unix(),
		"auth_time": g.authTime.Unix(),
		"acr":       g.acr,
		"amr":       []string{"demo"},
		"sid":       g.sid,
	})
	if g.nonce != "" && !f.refreshed {
		claims["nonce"] = g.nonce
	}
	for name, value := range map[string]string{"at_hash": f.accessToken, "c_hash": f.code, "s_hash": f.state} {
		if value != "" {
			claims[name] = halfHash(alg, value)
		}
	}

	t := &IDToken{Header: map[string]any{"alg": alg}, Claims: claims, Now: now, Client: c, Front: f.front, Refreshed: f.refreshed, key: p.key(alg)}
	if t.key != nil {
		t.Header["kid"] = t.key.id
		t.Sign = func(input []byte) []byte { return t.key.sign(alg, input) }
	} else {
		t.Sign = func(input []byte) []byte { return hmacSHA256([]byte(c.Secret), input) }
	}
	for _, fault := range p.activeFaults() {
		if fault.IDToken != nil {
			fault.IDToken(t)
		}
	}
	payload := mustJSON(t.Claims)
	if t.Rewrite != nil {
		payload = t.Rewrite(payload)
	}
	input := b64(mustJSON(t.Header)) + "." + b64(payload)
	return input + "." + b64(t.Sign([]byte(input)))
}
