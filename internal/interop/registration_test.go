package interop_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The provider judges each member of what is registered, and refuses what it
// does not know the value of.
func TestRegistration(t *testing.T) {
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
			p.ClientKeys = []oidcrp.ClientKey{{Key: keyFor(t, "ES256")}}
			p.RequestObject = oidcrp.RequestByValue
		},
		"encrypted tokens": func(p *oidcrp.Provider) {
			p.ClientKeys = []oidcrp.ClientKey{{Algorithm: "RSA-OAEP", Key: keyFor(t, "RS256")}}
		},
		"more metadata": func(p *oidcrp.Provider) {
			p.Registration.Metadata = map[string]any{"contacts": []string{"ops@example.com"}, "userinfo_signed_response_alg": "ES256"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := startApp(t, func(c *interop.NodeClient, p *oidcrp.Provider) {
				c.ID = "somebody else"
				p.ClientID, p.ClientSecret, p.Registration = "", "", &oidcrp.Registration{}
				adjust(p)
			})
			b := oidcrptest.NewBrowser(t)
			if me := a.whoami(t, b.Get(a.url+"/whoami")); me.Subject != "alice" || me.Claims["email"] != "alice@example.com" {
				t.Errorf("signed in as %+v", me)
			}
			b.Show(a.url+"/", "")
			b.PostForm(a.url+"/sign-out", nil)
			if page := b.SubmitForm("Yes, sign me out", nil); page.URL.String() != a.url+"/" {
				t.Errorf("signed out at %s", page)
			}
		})
	}
}
