package interop_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// requests are the ways to send an authorization request.
var requests = []feature{
	{
		name: "PAR",
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.RequirePAR, p.PAR = true, oidcrp.Required
		},
		used: func(t *testing.T, in *signIn) {
			if pushed := in.pushed(); len(pushed) != 1 || !pushed[0].form.Has("code_challenge") {
				t.Errorf("%d requests were pushed", len(pushed))
			}
			if names := sortedNames(in.request); !slices.Equal(names, []string{"client_id", "request_uri"}) {
				t.Errorf("the browser carried %v", names)
			}
		},
	},
	{
		name:   "request object by value",
		adjust: signedRequest(oidcrp.RequestByValue),
		used: func(t *testing.T, in *signIn) {
			if header := joseHeader(t, in.request.Get("request"), 3); header.Alg != "RS256" {
				t.Errorf("signed by %q", header.Alg)
			}
			if in.request.Has("redirect_uri") || in.request.Has("code_challenge") {
				t.Errorf("the browser carried %v", sortedNames(in.request))
			}
		},
	},
	{
		name:   "request object by reference",
		adjust: signedRequest(oidcrp.RequestByReference),
		used: func(t *testing.T, in *signIn) {
			if address := in.request.Get("request_uri"); !strings.HasPrefix(address, in.url+"/auth/request/op?") {
				t.Errorf("request_uri is %q", address)
			}
			if !in.told("/auth/request/op") {
				t.Error("the provider did not fetch the request object")
			}
		},
	},
}

// signedRequest makes the client sign its requests, as every provider can
// verify.
func signedRequest(how oidcrp.RequestObject) func(*interop.Client, *oidcrp.Provider) {
	return func(c *interop.Client, p *oidcrp.Provider) {
		c.RequestObjectAlg, c.RequireRequestObject = "RS256", true
		p.RequestObject, p.PAR, p.ClientAuth = how, oidcrp.Refused, c.AuthMethod
		p.ClientKeys = []oidcrp.ClientKey{{Algorithm: "RS256", Key: keyFor("RS256")}}
		published(c)
		if how == oidcrp.RequestByReference {
			c.RequestURIs = []string{strings.Replace(c.RedirectURIs[0], "/callback/op", "/request/op", 1)}
		}
	}
}

// answers are the ways to secure what the provider answers.
var answers = []feature{
	jarm("query"), jarm("fragment"), jarm("form_post"),
	{
		name:   "DPoP",
		adjust: func(c *interop.Client, p *oidcrp.Provider) { c.DPoP, p.DPoP = true, true },
		used: func(t *testing.T, in *signIn) {
			for _, e := range []exchange{in.tokenRequest(t), in.userInfo(t)} {
				if header := joseHeader(t, e.header.Get("DPoP"), 3); header.Typ != "dpop+jwt" {
					t.Errorf("the proof is a %q", header.Typ)
				}
			}
			if got := in.tokenAnswer(t).TokenType; !strings.EqualFold(got, "DPoP") {
				t.Errorf("token_type %q", got)
			}
			if !strings.HasPrefix(in.userInfo(t).header.Get("Authorization"), "DPoP ") {
				t.Error("UserInfo got a Bearer token")
			}
		},
	},
	idTokenAlg("ES256"), idTokenAlg("PS256"), idTokenAlg("EdDSA"), idTokenAlg("HS256"),
	{
		name: "encrypted ID token",
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.IDTokenEncryption, c.IDTokenEncryptionEnc = "ECDH-ES", "A128CBC-HS256"
			decrypts(c, p)
		},
		used: func(t *testing.T, in *signIn) {
			if header := joseHeader(t, in.tokenAnswer(t).IDToken, 5); header.Alg != "ECDH-ES" {
				t.Errorf("encrypted by %q", header.Alg)
			}
		},
	},
	{
		name:   "signed UserInfo",
		adjust: func(c *interop.Client, _ *oidcrp.Provider) { c.UserInfoAlg = "RS256" },
		used: func(t *testing.T, in *signIn) {
			e := in.userInfo(t)
			if header := joseHeader(t, e.answer, 3); header.Alg != "RS256" || !strings.HasPrefix(e.answerType, "application/jwt") {
				t.Errorf("%s, signed by %q", e.answerType, header.Alg)
			}
		},
	},
	{
		name: "encrypted UserInfo",
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.UserInfoAlg, c.UserInfoEncryption, c.UserInfoEncryptionEnc = "RS256", "ECDH-ES", "A128CBC-HS256"
			c.IDTokenEncryption, c.IDTokenEncryptionEnc = "ECDH-ES", "A128CBC-HS256" // with a key to decrypt, ID tokens must be
			decrypts(c, p)
		},
		used: func(t *testing.T, in *signIn) {
			e := in.userInfo(t)
			if header := joseHeader(t, e.answer, 5); header.Alg != "ECDH-ES" || !strings.HasPrefix(e.answerType, "application/jwt") {
				t.Errorf("%s, encrypted by %q", e.answerType, header.Alg)
			}
		},
	},
}

// jarm asks for a signed response.
func jarm(mode string) feature {
	return feature{
		name: "signed response (JARM), " + mode,
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.ResponseAlg, p.ResponseMode = "RS256", mode+".jwt"
		},
		used: func(t *testing.T, in *signIn) {
			if names := sortedNames(in.response.params); in.response.mode != mode || !slices.Equal(names, []string{"response"}) {
				t.Fatalf("the response has %v, by %s", names, in.response.mode)
			}
			if header := joseHeader(t, in.response.params.Get("response"), 3); header.Alg != "RS256" {
				t.Errorf("signed by %q", header.Alg)
			}
		},
	}
}

// idTokenAlg makes the provider sign with an algorithm that is not the usual
// one.
func idTokenAlg(alg string) feature {
	return feature{
		name: "ID token signed with " + alg,
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			if c.IDTokenAlg = alg; alg == "HS256" {
				p.Algorithms = []string{alg}
			}
		},
		used: func(t *testing.T, in *signIn) {
			if header := joseHeader(t, in.tokenAnswer(t).IDToken, 3); header.Alg != alg {
				t.Errorf("signed by %q", header.Alg)
			}
		},
	}
}

// decrypts gives the relying party a key to decrypt with.
func decrypts(c *interop.Client, p *oidcrp.Provider) {
	p.ClientKeys = append(p.ClientKeys, oidcrp.ClientKey{Algorithm: "ECDH-ES", Key: keyFor("ES256")})
	published(c)
}
