package interop_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// The provider judges each member of what is registered, and refuses what it
// does not know the value of.
func TestRegistration(t *testing.T) {
	op := nodeColumn.start(t)
	for name, adjust := range map[string]func(*oidcrp.Provider){
		"as little as there is": func(*oidcrp.Provider) {},
		"client_secret_post":    func(p *oidcrp.Provider) { p.ClientAuth = "client_secret_post" },
		"a public client":       func(p *oidcrp.Provider) { p.ClientAuth = "none" },
		"form_post, hybrid":     func(p *oidcrp.Provider) { p.ResponseType, p.ResponseMode = "code id_token", "form_post" },
		"implicit":              func(p *oidcrp.Provider) { p.ResponseType, p.ResponseMode = "id_token token", "form_post" },
		"ES256":                 func(p *oidcrp.Provider) { p.Algorithms = []string{"ES256"} },
		"HS256":                 func(p *oidcrp.Provider) { p.Algorithms = []string{"HS256"} },
		"DPoP and PAR":          func(p *oidcrp.Provider) { p.DPoP, p.PAR = true, oidcrp.Required },
		"JARM":                  func(p *oidcrp.Provider) { p.Algorithms, p.ResponseMode = []string{"PS256"}, "form_post.jwt" },
		"keys of our own, signed requests": func(p *oidcrp.Provider) {
			p.ClientKeys = []oidcrp.ClientKey{{Key: keyFor("ES256")}}
			p.RequestObject = oidcrp.RequestByValue
		},
		"encrypted tokens": func(p *oidcrp.Provider) {
			p.ClientKeys = []oidcrp.ClientKey{{Algorithm: "RSA-OAEP", Key: keyFor("RS256")}}
		},
		"more metadata": func(p *oidcrp.Provider) {
			p.Registration.Metadata = map[string]any{"contacts": []string{"ops@example.com"}, "userinfo_signed_response_alg": "ES256"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) {
				p.Registration = &oidcrp.Registration{}
				adjust(p)
			}).signIn(t)
			if in.me.Subject != "alice" || in.me.Claims["email"] != "alice@example.com" {
				t.Errorf("signed in as %+v", in.me)
			}
			in.signOut(t)
		})
	}
}
