package oidcrptest

import (
	"context"
	"maps"
	"slices"
)

// IDToken is an ID token about to be signed, for a [Fault] to change.
type IDToken struct {
	JWT
	Front     bool // of an authorization response
	Refreshed bool // of a refresh response
}

// tokenFor is where an ID token goes, and what goes with it.
type tokenFor struct {
	accessToken, code, state string
	front, refreshed         bool
}

// idToken makes an ID token (Core 2, 3.1.3.6, 3.3.2.11).
func (p *Provider) idToken(ctx context.Context, c Client, g *grant, f tokenFor) (string, error) {
	if slices.ContainsFunc(p.activeFaults(), func(f Fault) bool { return f.rotateKeys }) {
		p.RotateKeys()
		p.DropOldKeys()
	}
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

	t := &IDToken{JWT: p.newJWT(alg, c, claims), Front: f.front, Refreshed: f.refreshed}
	for _, fault := range p.activeFaults() {
		if fault.IDToken != nil {
			fault.IDToken(t)
		}
	}
	return p.encrypt(ctx, c, c.IDTokenEncryption, t.serialize(), "JWT")
}
