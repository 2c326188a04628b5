package oidcrp_test

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// tokensOfOtherLogins are good in all but what they are for.
func tokensOfOtherLogins(t *testing.T) {
	var last, stolen string
	look := func(token string) string {
		if last = token; stolen != "" {
			return stolen
		}
		return token
	}
	thief := onText(look)
	op := oidcrptest.NewProvider(t, thief)
	for _, flow := range []string{"code", "code id_token"} {
		t.Run(flow, func(t *testing.T) {
			stolen = ""
			set := func(c *oidcrp.Config) {
				c.Providers[0].ResponseType, c.Providers[0].ResponseMode, c.Providers[0].UserInfo = flow, "form_post", oidcrp.UserInfoRequired
			}
			a, other := newApp(t, op, set), newApp(t, op, set)
			b := a.signIn()
			for _, tt := range []struct {
				name, reason string
				steal        func()
			}{
				{"for another client", "aud", func() { other.signIn() }},
				{"for the same client, of another browser", "nonce", func() { a.signIn() }},
				{"for the same client, of another user", "nonce", func() { a.signInAs("bob") }},
				{"of the login before", "nonce", func() { a.again(b) }},
			} {
				t.Run(tt.name, func(t *testing.T) {
					a := a.in(t)
					stolen = ""
					tt.steal()
					stolen = last
					calls := []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}
					a.rejectsLogin(b, rejection{reason: tt.reason, calls: calls[:1+count(flow == "code")]}, thief)
				})
			}
		})
	}
}

func sha(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// unhalved is the hash that half halves.
func unhalved(s string) string {
	return b64(sha(s))
}

// half512 is the left half of SHA-512, which belongs to other algorithms.
func half512(s string) string {
	sum := sha512.Sum512([]byte(s))
	return b64(sum[:32])
}

func hashes(t *testing.T) {
	wrong := map[string]func(claims map[string]any, name, of string){
		"missing":               func(c map[string]any, name, _ string) { delete(c, name) },
		"null":                  func(c map[string]any, name, _ string) { c[name] = nil },
		"empty":                 func(c map[string]any, name, _ string) { c[name] = "" },
		"of another":            func(c map[string]any, name, _ string) { c[name] = half("another") },
		"for another algorithm": func(c map[string]any, name, of string) { c[name] = half512(of) },
		"the whole hash":        func(c map[string]any, name, of string) { c[name] = unhalved(of) },
		"in hexadecimal":        func(c map[string]any, name, of string) { c[name] = hex.EncodeToString(sha(of)[:16]) },
		"padded":                func(c map[string]any, name, of string) { c[name] = half(of) + "==" },
		"the first bytes":       func(c map[string]any, name, of string) { c[name] = half(of)[:4] },
		"the value itself":      func(c map[string]any, name, of string) { c[name] = of },
		"an array":              func(c map[string]any, name, of string) { c[name] = []string{half(of)} },
	}
	op := oidcrptest.NewProvider(t)
	for _, tt := range []struct{ flow, claim, of string }{
		{"id_token token", "at_hash", "access_token"},
		{"code id_token token", "at_hash", "access_token"},
		{"code id_token", "c_hash", "code"},
		{"code id_token token", "c_hash", "code"},
		{"code id_token", "s_hash", "state"},
	} {
		t.Run(tt.claim+" of "+tt.flow, func(t *testing.T) {
			var all []forgery
			for name, change := range wrong {
				reason := tt.claim
				if tt.claim == "s_hash" && name == "missing" {
					reason = "" // it is FAPI's, and optional here
				}
				all = append(all, forgery{name, reason, beside(func(c map[string]any, answer url.Values) { change(c, tt.claim, answer.Get(tt.of)) })})
			}
			tokenTrial{}.run(t, op, tt.flow, all)
		})
	}
	t.Run("at_hash of the token response", func(t *testing.T) {
		tokenTrial{}.run(t, op, "code", []forgery{{"of another", "at_hash", oidcrptest.WrongATHash}, {"missing", "", oidcrptest.MissingATHash}})
	})
}

func hybridPairs(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.Store = oidcrp.NewMemoryStore()
		p := &c.Providers[0]
		p.ResponseType, p.ResponseMode, p.UserInfo = "code id_token", "form_post", oidcrp.UserInfoOptional
		p.KeepTokens, p.KeepOffline, p.APIs = true, true, []oidcrp.API{{URL: op.URL(oidcrptest.ResourceEndpoint)}}
	})
	b := a.signInAs("bob")
	for _, f := range []forgery{
		{"another issuer", "iss", oidcrptest.WrongIssuer},
		{"another subject", "sub", oidcrptest.IDTokenClaim("sub", "mallory")},
		{"another session", "sid", oidcrptest.IDTokenClaim("sid", "x")},
		{"another strength", "acr", oidcrptest.WrongACR},
		{"another sign-in", "auth_time", oidcrptest.StaleAuthTime},
		{"nonce right only in the first", "nonce", oidcrptest.WrongNonce},
		{"nonce only in the first", "nonce", oidcrptest.MissingNonce},
		{"another audience", "aud", oidcrptest.WrongAudience},
		{"forged", "signature", oidcrptest.ScrambledSignature},
		{"none", "id_token", oidcrptest.NoIDToken},
	} {
		t.Run(f.name, func(t *testing.T) {
			a := a.in(t)
			if f.fault.IDToken != nil {
				f.fault = oidcrptest.OnlyBack(f.fault)
			}
			a.rejectsLogin(b, rejection{reason: f.reason, calls: []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}}, f.fault)
			if body, err := a.job(a.rp); err == nil {
				t.Errorf("the tokens were kept: %s", body)
			}
		})
	}
	op.SetFaults()
	a.signIn()
	if _, err := a.job(a.rp); err != nil {
		t.Error(err)
	}
}

// accessTokenOfAnother takes the place of the visitor's own, whose ID token is
// left as it is.
func accessTokenOfAnother(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	for _, flow := range []string{"id_token token", "code id_token token"} {
		t.Run(flow, func(t *testing.T) {
			op.SetFaults()
			a := newApp(t, op, func(c *oidcrp.Config) {
				p := &c.Providers[0]
				p.ResponseType, p.ResponseMode, p.UserInfo = flow, "form_post", oidcrp.UserInfoOptional
			})
			b := a.signIn()
			stolen := ""
			op.SetFaults(oidcrptest.Fault{Name: "look", Response: func(r *oidcrptest.Response) { stolen = r.Params.Get("access_token") }})
			a.signInAs("bob")
			a.rejectsLogin(b, rejection{reason: "at_hash", calls: []string{oidcrptest.PAREndpoint}}, oidcrptest.ResponseParam("access_token", stolen))
			if stolen == "" || strings.Contains(a.log.String(), stolen) {
				t.Errorf("token %q is in the log", stolen)
			}
			if page := b.Get(a.URL + "/reports"); page.Status != http.StatusOK {
				t.Errorf("got %s", page)
			}
		})
	}
}
