package interop_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// hydraColumn is Ory Hydra.
var hydraColumn = column{
	name: "Ory Hydra",
	start: func(t *testing.T) *running {
		h := interop.StartHydra(t, "alice", accounts["alice"])
		return &running{
			issuer:  h.Issuer,
			subject: "alice",
			register: func(t *testing.T, c interop.Client) interop.Client {
				h.Register(t, c)
				return c
			},
			configure: func(p *oidcrp.Provider) {
				p.AcceptLogoutTokenWithoutExp = p.BackchannelLogout
				if p.ClientAuth == "private_key_jwt" { // it refuses its issuer as the audience
					p.AssertionAudience = h.Issuer + "/oauth2/token"
				}
			},
		}
	},
	notOffered: map[string]string{
		"client_secret_jwt":                 "it keeps secrets hashed, and its metadata does not list the method",
		"tls_client_auth":                   "its metadata lists no TLS method",
		"self_signed_tls_client_auth":       "its metadata lists no TLS method",
		"PAR":                               "it has no pushed_authorization_request_endpoint",
		"request object by reference":       "it compares request_uri whole with those registered, and ours is another one at each login",
		"signed response (JARM), query":     "it answers unsupported_response_mode",
		"signed response (JARM), fragment":  "it answers unsupported_response_mode",
		"signed response (JARM), form_post": "it answers unsupported_response_mode",
		"DPoP":                              "it answers with a Bearer token",
		"ID token signed with ES256":        "it signs with RS256 whatever a client registers",
		"ID token signed with PS256":        "it signs with RS256 whatever a client registers",
		"ID token signed with EdDSA":        "it signs with RS256 whatever a client registers",
		"ID token signed with HS256":        "it signs with RS256 whatever a client registers",
		"encrypted ID token":                "it does not encrypt",
		"encrypted UserInfo":                "it does not encrypt",
	},
}
