package interop_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// The request is pushed wherever the provider takes that, as this one does, so
// each login authenticates twice, with assertions of its own.
func testClientAssertions(t *testing.T, op *running) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			a := newApp(t, op, func(c *interop.Client, p *oidcrp.Provider) {
				c.AuthAlg, c.RequirePAR = alg, true
				if alg == "HS256" {
					c.AuthMethod, p.ClientAuth = "client_secret_jwt", "client_secret_jwt"
					return
				}
				c.AuthMethod, c.Secret, p.ClientSecret = "private_key_jwt", "", ""
				p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(alg)}}
				published(c)
			})
			a.signIn(t)
		})
	}
}

// Its request_uri takes what it handed out itself and nothing else.
func testRequestObjects(t *testing.T, op *running) {
	for _, par := range []oidcrp.Usage{oidcrp.Refused, oidcrp.Required} {
		for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
			name := alg
			if par == oidcrp.Required {
				name += ", pushed"
			}
			t.Run(name, func(t *testing.T) {
				a := newApp(t, op, func(c *interop.Client, p *oidcrp.Provider) {
					c.RequestObjectAlg, c.RequireRequestObject, c.AuthMethod = alg, true, "client_secret_basic"
					p.RequestObject, p.PAR, p.ClientAuth = oidcrp.RequestByValue, par, "client_secret_basic"
					p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(alg)}}
					p.MaxAge, p.ClaimsRequest = 3600e9, `{"id_token":{"acr":null}}`
					published(c)
				})
				a.signIn(t)
			})
		}
	}
}
