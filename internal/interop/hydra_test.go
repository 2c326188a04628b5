package interop_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// TestHydra is what becomes of Ory Hydra's ways where our relying party is not
// told about them.
func TestHydra(t *testing.T) {
	op := hydraColumn.start(t)
	op.configure = nil
	t.Run("the issuer as the audience of an assertion", func(t *testing.T) {
		a := newApp(t, op, authenticate("private_key_jwt", "RS256"))
		page := oidcrptest.NewBrowser(t).Get(a.url + "/whoami")
		if page.Status != http.StatusInternalServerError || !strings.Contains(a.log.String(), "invalid_client") {
			t.Errorf("ended with %v: %s", page, a.log)
		}
	})
	t.Run("a logout token without exp", func(t *testing.T) {
		in := newApp(t, op, func(c *interop.Client, p *oidcrp.Provider) {
			c.BackchannelLogout = strings.Replace(c.RedirectURIs[0], "/callback/", "/backchannel-logout/", 1)
			c.BackchannelLogoutSession, p.BackchannelLogout = true, true
		}).signIn(t)
		newApp(t, op, nil).signInWith(t, in.browser).signOut(t)
		in.until(t, "the logout token was refused", func() bool { return strings.Contains(in.log.String(), "reason=exp ") })
		if page := in.session(); page.Status != http.StatusOK {
			t.Errorf("the session ended: %v", page)
		}
	})
}
