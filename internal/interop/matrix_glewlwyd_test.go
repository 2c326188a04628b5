package interop_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// glewlwydColumn is Glewlwyd.
var glewlwydColumn = column{
	name: "Glewlwyd",
	start: func(t *testing.T) *running {
		cert, key := pemOf(clientCA().issue("glewlwyd"))
		ca, _ := pemOf(clientCA().own)
		op := startGlewlwyd(t, interop.GlewlwydConfig{TLS: &interop.TLS{Cert: cert, Key: key, CA: ca}})
		op.roots = clientCA().pool()
		return op
	},
	notOffered: map[string]string{
		"self_signed_tls_client_auth": "in TLS it takes certificates of its CA only, whatever its settings say",
		"ID token signed with HS256":  "it signs with its own keys, never with the client's secret",
		"signed UserInfo":             "it has no userinfo_signed_response_alg, and what it signs at an address of its own lacks aud",
		"encrypted UserInfo":          "it has no userinfo_encrypted_response_alg, and what it encrypts at an address of its own lacks aud",
	},
}

// startGlewlwyd starts it with one user.
func startGlewlwyd(t *testing.T, c interop.GlewlwydConfig) *running {
	t.Helper()
	c.Username, c.Password, c.Name, c.Email = "alice", "password of alice", "Alice Archer", "alice@example.com"
	g := interop.StartGlewlwyd(t, c)
	return &running{
		issuer: g.Issuer,
		register: func(t *testing.T, c interop.Client) interop.Client {
			if c.AuthMethod == "client_secret_basic" || c.AuthMethod == "client_secret_jwt" {
				c.Secret = plainSecret()
			}
			g.Register(t, c)
			return c
		},
		configure: func(p *oidcrp.Provider) {
			p.AcceptLogoutTokenWithoutExp = p.BackchannelLogout
			if p.ResponseMode == "" && p.ResponseType != "" && p.ResponseType != "code" {
				p.ResponseMode = "fragment" // its default is the query, tokens and all
			}
			if p.PAR == oidcrp.WhenAdvertised {
				p.PAR = oidcrp.Refused // of a pushed request it forgets response_mode and prompt
			}
			if strings.HasSuffix(p.ClientAuth, "_jwt") { // it takes the address of the very endpoint as the audience
				p.AssertionAudience = g.Issuer + "/token"
			}
		},
		signIn:  glewlwydPages{g.API, c.Username, c.Password}.signIn,
		signOut: glewlwydPages{g.API, c.Username, c.Password}.signOut,
	}
}

// plainSecret is the same in a Basic header whether it is encoded there (RFC
// 6749 2.3.1) or not, as Glewlwyd thinks.
func plainSecret() string { return rand.Text() + rand.Text() }
