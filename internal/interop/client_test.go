package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// keyFor makes a key that signs with alg.
func keyFor(t *testing.T, alg string) crypto.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch alg {
	case "ES256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// published makes the provider fetch the keys our application serves.
func published(c *interop.NodeClient) {
	c.JWKSURI = strings.Replace(c.RedirectURIs[0], "/callback/node", "/jwks", 1)
}

// The request is pushed wherever the provider takes that, as this one does, so
// each login authenticates twice, with assertions of its own.
func TestClientAssertions(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			a := startApp(t, func(c *interop.NodeClient, p *oidcrp.Provider) {
				c.AuthAlg, c.RequirePAR = alg, true
				if alg == "HS256" {
					c.AuthMethod, p.ClientAuth = "client_secret_jwt", "client_secret_jwt"
					return
				}
				c.AuthMethod, c.Secret, p.ClientSecret = "private_key_jwt", "", ""
				p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(t, alg)}}
				published(c)
			})
			if me := a.whoami(t, oidcrptest.NewBrowser(t).Get(a.url+"/whoami")); me.Subject != "alice" {
				t.Errorf("signed in as %+v", me)
			}
		})
	}
}

// Its request_uri takes what it handed out itself and nothing else.
func TestRequestObjects(t *testing.T) {
	for _, par := range []oidcrp.Usage{oidcrp.Refused, oidcrp.Required} {
		for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
			name := alg
			if par == oidcrp.Required {
				name += ", pushed"
			}
			t.Run(name, func(t *testing.T) {
				a := startApp(t, func(c *interop.NodeClient, p *oidcrp.Provider) {
					c.RequestObjectAlg, c.RequireRequestObject, c.AuthMethod = alg, true, "client_secret_basic"
					p.RequestObject, p.PAR, p.ClientAuth = oidcrp.RequestByValue, par, "client_secret_basic"
					p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(t, alg)}}
					p.MaxAge, p.ClaimsRequest = 3600e9, `{"id_token":{"acr":null}}`
					published(c)
				})
				if me := a.whoami(t, oidcrptest.NewBrowser(t).Get(a.url+"/whoami")); me.Subject != "alice" {
					t.Errorf("signed in as %+v", me)
				}
			})
		}
	}
}
