package oidcrp_test

import (
	"net/http"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// refreshModules are those of refresh tokens.
var refreshModules = map[string]module{
	"oidcc-client-test-refresh-token": {
		change: keepsTokens, faults: suiteRefresh(oidcrptest.Fault{Name: "as it should"}),
		run: func(c *conformance) {
			c.refreshes()
			c.shows(c.page, `"sub":"alice"`)
			// UserInfo with the first access token, and with the new one.
			c.calls(oidcrptest.UserInfoEndpoint, 2)
			c.calls(oidcrptest.ResourceEndpoint, 2)
			tokens := map[string]bool{}
			for _, r := range c.suite.op.Requests(oidcrptest.UserInfoEndpoint) {
				tokens[r.Header.Get("Authorization")] = true
			}
			if len(tokens) != 2 {
				c.t.Errorf("UserInfo was asked with %d tokens", len(tokens))
			}
		},
	},
	"oidcc-client-test-refresh-token-invalid-issuer": refusedRefresh("iss"),
	"oidcc-client-test-refresh-token-invalid-sub":    refusedRefresh("sub"),
}

func refusedRefresh(claim string) module {
	return module{
		change: keepsTokens, faults: suiteRefresh(oidcrptest.OnlyRefreshed(oidcrptest.IDTokenSuffix(claim, "1"))),
		run: func(c *conformance) {
			c.refreshes()
			c.answers(c.page, http.StatusBadGateway, oidcrp.ErrInvalidToken.Error())
			c.calls(oidcrptest.UserInfoEndpoint, 1)
			c.calls(oidcrptest.ResourceEndpoint, 1)
			if got := c.events.reason(oidcrp.RefreshFailed); got != claim {
				c.t.Errorf("reason %q, want %q", got, claim)
			}
		},
	}
}

func keepsTokens(c *conformance, cfg *oidcrp.Config) {
	cfg.Store = oidcrp.NewMemoryStore()
	p := &cfg.Providers[0]
	p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: c.suite.op.URL(oidcrptest.ResourceEndpoint)}}
}

// suiteRefresh sends refresh tokens with all that printable characters are, and
// ID tokens with the nonce of the login and no auth_time, as the suite does.
func suiteRefresh(f oidcrptest.Fault) []oidcrptest.Fault {
	const decoration = ` +&%"'=;/?#`
	nonce := ""
	return []oidcrptest.Fault{
		{
			Name: "refresh tokens of the suite", Endpoint: oidcrptest.TokenEndpoint,
			TokenResponse: func(m map[string]any) { m["refresh_token"] = m["refresh_token"].(string) + decoration },
			Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if token := r.PostForm.Get("refresh_token"); token != "" {
					if !strings.HasSuffix(token, decoration) {
						http.Error(w, "another refresh token", http.StatusBadRequest)
						return
					}
					r.PostForm.Set("refresh_token", strings.TrimSuffix(token, decoration))
				}
				next.ServeHTTP(w, r)
			},
		},
		{Name: "refreshed ID tokens of the suite", IDToken: func(t *oidcrptest.IDToken) {
			if !t.Refreshed {
				nonce, _ = t.Claims["nonce"].(string)
				return
			}
			t.Claims["nonce"] = nonce
			delete(t.Claims, "auth_time")
		}},
		f,
	}
}

// refreshes signs in, calls an API, lets the access token end and calls it
// again.
func (c *conformance) refreshes() {
	c.t.Helper()
	c.suite.op.SetNow(c.clock.now)
	c.page = c.b.Get(c.URL + "/reports")
	c.request()
	c.delivered()
	c.shows(c.page, "reports for alice")
	c.shows(c.call(c.b), `"sub":"alice"`)
	c.expire()
	c.page = c.call(c.b)
	c.calls(oidcrptest.TokenEndpoint, 2)
	r := c.suite.op.Requests(oidcrptest.TokenEndpoint)[1]
	if _, _, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok || r.Form.Get("grant_type") != "refresh_token" || r.Form.Has("scope") {
		c.t.Errorf("refreshed with %+v", r)
	}
}
