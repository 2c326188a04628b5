package interop_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// TestGlewlwyd is where Glewlwyd has ways of its own: what is harmless passes,
// what is not is refused, with an error that says so.
func TestGlewlwyd(t *testing.T) {
	op := startGlewlwyd(t, interop.GlewlwydConfig{IssInResponse: true, DPoPNonce: true})
	plain := *op // and our relying party is told nothing about it
	plain.configure = nil
	for _, test := range []struct {
		name   string
		adjust func(*interop.Client, *oidcrp.Provider)
		refuse string // the check that fails; "": signs in
		used   func(*testing.T, *signIn)
	}{
		{"session_state beside a code", func(_ *interop.Client, p *oidcrp.Provider) { p.PAR = oidcrp.Refused }, "", func(t *testing.T, in *signIn) {
			if in.response.params.Get("session_state") == "" || in.response.params.Get("iss") != in.op.issuer {
				t.Errorf("the response has %v", sortedNames(in.response.params))
			}
		}},
		{"a request that is pushed where that is advertised", nil, "", func(t *testing.T, in *signIn) {
			if len(in.pushed()) != 1 {
				t.Error("not pushed")
			}
		}},
		{"DPoP with nonces", func(_ *interop.Client, p *oidcrp.Provider) { p.DPoP = true }, "", func(t *testing.T, in *signIn) {
			if asked := in.tokenRequests(); len(asked) != 2 || !strings.Contains(asked[0].answer, "use_dpop_nonce") {
				t.Errorf("%d token requests", len(asked))
			}
		}},
		{"a secret that Basic would encode, by post", func(c *interop.Client, p *oidcrp.Provider) {
			c.AuthMethod, p.ClientAuth = "client_secret_post", "client_secret_post"
		}, "", func(t *testing.T, in *signIn) {
			if secret := in.tokenRequest(t).form.Get("client_secret"); !strings.ContainsAny(secret, "+%&/") {
				t.Errorf("the secret is %q", secret)
			}
		}},
		{"tokens in the query, its default", func(_ *interop.Client, p *oidcrp.Provider) {
			p.ResponseType, p.PAR = "code id_token", oidcrp.Refused
		}, "response_mode", nil},
		{"tokens in the query, because of a pushed request", func(_ *interop.Client, p *oidcrp.Provider) {
			p.ResponseType, p.ResponseMode, p.PAR = "code id_token", "form_post", oidcrp.Required
		}, "response_mode", nil},
		{"iss encoded once too often by form_post", func(_ *interop.Client, p *oidcrp.Provider) {
			p.ResponseMode, p.PAR = "form_post", oidcrp.Refused
		}, "iss", nil},
		{"auth_time 0 where max_age was asked for", func(_ *interop.Client, p *oidcrp.Provider) { p.MaxAge = 3600e9 }, "auth_time", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newApp(t, &plain, func(c *interop.Client, p *oidcrp.Provider) {
				if test.adjust != nil {
					test.adjust(c, p)
				}
				if p.ResponseType != "" {
					c.ResponseTypes = []string{p.ResponseType}
				}
			})
			if test.refuse == "" {
				test.used(t, a.signIn(t))
				return
			}
			b := oidcrptest.NewBrowser(t)
			b.Get(a.url + "/whoami")
			op.signIn(t, b)
			a.refused(t, b, test.refuse)
		})
	}
}

// refused checks that a sign-in ended with our page, and that the log names
// the check, and nothing of what came.
func (a *app) refused(t *testing.T, b *oidcrptest.Browser, check string) {
	t.Helper()
	page := b.Page()
	if page.Status != http.StatusBadRequest || page.URL.Host != mustParse(t, a.url).Host {
		t.Errorf("ended with %v", page)
	}
	if !strings.Contains(a.log.String(), "reason="+check+" ") {
		t.Errorf("the log does not name %s: %s", check, a.log)
	}
	for _, secret := range []string{"code", "id_token", "access_token", "state"} {
		if value := a.onlyCallback(t).params.Get(secret); value != "" && strings.Contains(a.log.String()+page.Body, value) {
			t.Errorf("the log or the page has the %s", secret)
		}
	}
	if session := b.Tab(); session.Get(a.url+"/").Status != http.StatusOK || session.Fetch(http.MethodGet, a.url+"/whoami", nil).Status != http.StatusUnauthorized {
		t.Error("somebody is signed in")
	}
}
