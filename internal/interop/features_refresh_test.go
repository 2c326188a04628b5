package interop_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// refresh calls the UserInfo endpoint as an API, each time with an access token
// that had to be refreshed.
var refresh = feature{
	name: "refresh",
	adjust: func(c *interop.Client, p *oidcrp.Provider) {
		c.GrantTypes = append(c.GrantTypes, "refresh_token")
		c.Scope += " offline_access"
		p.KeepTokens, p.Prompt = true, "consent" // some give no refresh token without (Core 11)
		p.APIs = []oidcrp.API{{URL: p.Issuer}}
	},
	used: func(t *testing.T, in *signIn) {
		api := in.userInfo(t).url.String()
		for n := 1; n <= 3; n++ {
			page := in.browser.Get(in.url + "/call?api=" + url.QueryEscape(api))
			if page.Status != http.StatusOK || !strings.Contains(page.Body, in.me.Subject) {
				t.Fatalf("call %d: %v", n, page)
			}
			if refreshed := in.sent.find(func(e exchange) bool {
				return e.form.Get("grant_type") == "refresh_token" && e.status == http.StatusOK
			}); len(refreshed) != n {
				t.Fatalf("call %d: refreshed %d times", n, len(refreshed))
			}
		}
	},
}
