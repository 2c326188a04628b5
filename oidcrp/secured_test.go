package oidcrp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// newSecuredApp starts an application with a client whose registration and
// settings are changed; it has a key to decrypt with.
func newSecuredApp(t *testing.T, op *oidcrptest.Provider, client func(*oidcrptest.Client), settings func(*oidcrp.Config)) *app {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "enc", Use: "enc"}}})
	if err != nil {
		t.Fatal(err)
	}
	return newApp(t, op, func(cfg *oidcrp.Config) {
		p := &cfg.Providers[0]
		for _, c := range op.Clients() {
			if c.ID != p.ClientID {
				continue
			}
			c.JWKS = jwks
			client(&c)
			op.AddClient(c)
			if c.IDTokenEncryption.Algorithm != "" {
				p.ClientKeys = []oidcrp.ClientKey{{ID: "enc", Key: key, Algorithm: c.IDTokenEncryption.Algorithm}}
			}
		}
		if settings != nil {
			settings(cfg)
		}
	})
}

// What the specifications let client and provider agree on beyond plain
// answers, and what happens when the provider does not keep to it.
func TestSecuredAnswers(t *testing.T) {
	mode := func(mode string) func(*oidcrp.Config) {
		return func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode }
	}
	askUserInfo := func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired }
	plain := func(*oidcrptest.Client) {}
	signedUserInfo := func(c *oidcrptest.Client) { c.UserInfoAlgorithm = "RS256" }
	encrypted := func(c *oidcrptest.Client) {
		c.IDTokenEncryption = oidcrptest.Encryption{Algorithm: "ECDH-ES+A256KW", Content: "A256GCM"}
		c.UserInfoEncryption = c.IDTokenEncryption
		c.UserInfoAlgorithm = "PS256"
	}
	dpop := func(c *oidcrp.Config) { c.Providers[0].DPoP = true; askUserInfo(c) }
	for _, tt := range []struct {
		name     string
		client   func(*oidcrptest.Client)
		settings func(*oidcrp.Config)
		faults   []oidcrptest.Fault
		reason   string // "": signed in
		redeemed int
	}{
		{"a signed response", plain, mode("jwt"), nil, "", 1},
		{"a signed response by form_post", plain, mode("form_post.jwt"), nil, "", 1},
		{"a signed response by fragment", plain, mode("fragment.jwt"), nil, "", 1},
		{"a plain response where a signed one was asked for", plain, mode("query.jwt"), []oidcrptest.Fault{oidcrptest.IgnoreJARM}, "response_mode", 0},
		{"a signed response of another issuer", plain, mode("query.jwt"), []oidcrptest.Fault{oidcrptest.OnResponseJWT(oidcrptest.WrongIssuer)}, "iss", 0},
		{"a signed response for another client", plain, mode("query.jwt"), []oidcrptest.Fault{oidcrptest.OnResponseJWT(oidcrptest.WrongAudience)}, "aud", 0},
		{"signed UserInfo", signedUserInfo, askUserInfo, nil, "", 1},
		{"signed UserInfo of another issuer", signedUserInfo, askUserInfo, []oidcrptest.Fault{oidcrptest.OnUserInfoJWT(oidcrptest.WrongIssuer)}, "iss", 1},
		{"UserInfo asked by a form", plain, func(c *oidcrp.Config) { askUserInfo(c); c.Providers[0].UserInfoInBody = true }, nil, "", 1},
		{"encrypted ID token and UserInfo", encrypted, askUserInfo, nil, "", 1},
		{"an ID token that is not encrypted", encrypted, nil, []oidcrptest.Fault{oidcrptest.IgnoreEncryption}, "encryption", 1},
		{"an ID token encrypted to another", encrypted, nil, []oidcrptest.Fault{oidcrptest.EncryptToAnother}, "encryption", 1},
		{"a compressed ID token", encrypted, nil, []oidcrptest.Fault{oidcrptest.Compressed}, "zip", 1},
		{"DPoP", func(c *oidcrptest.Client) { c.RequireDPoP = true }, dpop, nil, "", 1},
		{"DPoP with nonces", func(c *oidcrptest.Client) { c.RequireDPoP = true }, dpop, []oidcrptest.Fault{oidcrptest.DPoPNonces, oidcrptest.DPoPOddScheme}, "", 2},
		{"DPoP with nonces that never will do", plain, dpop, []oidcrptest.Fault{oidcrptest.DPoPNonceNeverRight}, "invalid_response", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, tt.faults...)
			a := newSecuredApp(t, op, tt.client, tt.settings)
			page := a.browse().Get(a.URL + "/reports")
			if tt.reason == "" {
				a.shows(page, "reports for alice")
			} else {
				a.refused(page, page.Status, tt.reason)
			}
			if in := a.reports.Load() > 0; in != (tt.reason == "") {
				t.Errorf("let in: %v", in)
			}
			if n := op.Calls(oidcrptest.TokenEndpoint); n != tt.redeemed {
				t.Errorf("%d token requests; want %d", n, tt.redeemed)
			}
		})
	}
}

func TestClaimsOfOthers(t *testing.T) {
	for _, distributed := range []bool{false, true} {
		for _, believed := range []bool{false, true} {
			op := oidcrptest.NewProvider(t)
			op.AddUser(oidcrptest.User{Subject: "alice", Sources: map[string]oidcrptest.ClaimSource{
				"src1": {Claims: map[string]any{"credit_score": 650}, Distributed: distributed},
			}})
			a := newApp(t, op, func(c *oidcrp.Config) {
				c.Claims = []string{"credit_score"}
				p := &c.Providers[0]
				p.UserInfo = oidcrp.UserInfoRequired
				if believed {
					p.ClaimSources = []oidcrp.ClaimSource{{Endpoint: op.URL(oidcrptest.ClaimsEndpoint), Claims: []string{"credit_score"}}}
				}
			})
			b := a.signIn()
			if got := strings.Contains(b.Get(a.URL+"/auth/me").Body, "650"); got != believed {
				t.Errorf("distributed %v, believed %v: has the claim %v", distributed, believed, got)
			}
			if n := op.Calls(oidcrptest.ClaimsEndpoint); (n == 1) != (distributed && believed) {
				t.Errorf("distributed %v, believed %v: %d calls", distributed, believed, n)
			}
		}
	}
}
