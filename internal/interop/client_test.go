package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// keys are made once: those of RSA take long.
var keys = map[string]func() crypto.Signer{
	"RS256": sync.OnceValue(rsaKey),
	"PS256": sync.OnceValue(rsaKey),
	"ES256": sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }),
	"EdDSA": sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	}),
}

func rsaKey() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }

// keyFor is a key that signs with alg.
func keyFor(alg string) crypto.Signer { return keys[alg]() }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// published makes the provider fetch the keys our application serves.
func published(c *interop.Client) {
	c.JWKSURI = strings.Replace(c.RedirectURIs[0], "/callback/op", "/jwks", 1)
}

// The request is pushed wherever the provider takes that, as this one does, so
// each login authenticates twice, with assertions of its own.
func TestClientAssertions(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			a := startApp(t, func(c *interop.Client, p *oidcrp.Provider) {
				c.AuthAlg, c.RequirePAR = alg, true
				if alg == "HS256" {
					c.AuthMethod, p.ClientAuth = "client_secret_jwt", "client_secret_jwt"
					return
				}
				c.AuthMethod, c.Secret, p.ClientSecret = "private_key_jwt", "", ""
				p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(alg)}}
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
				a := startApp(t, func(c *interop.Client, p *oidcrp.Provider) {
					c.RequestObjectAlg, c.RequireRequestObject, c.AuthMethod = alg, true, "client_secret_basic"
					p.RequestObject, p.PAR, p.ClientAuth = oidcrp.RequestByValue, par, "client_secret_basic"
					p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(alg)}}
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
