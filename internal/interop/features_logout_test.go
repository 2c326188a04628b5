package interop_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// logouts are the ways out that the provider has a part in.
var logouts = []feature{
	{
		name: "RP-initiated logout",
		used: func(t *testing.T, in *signIn) {
			in.signOut(t)
			// Signed out here and there: the provider has to ask again.
			page := in.browser.Get(in.url + "/auth/login?prompt=none&return_to=/whoami")
			if page.Status < 400 {
				t.Errorf("the provider still knows the visitor: %d at %v", page.Status, page.URL)
			}
		},
	},
	{
		name: "back-channel logout",
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.BackchannelLogout = strings.Replace(c.RedirectURIs[0], "/callback/", "/backchannel-logout/", 1)
			c.BackchannelLogoutSession, p.BackchannelLogout = true, true
		},
		used: endedFromElsewhere("/auth/backchannel-logout/op"),
	},
	{
		name: "front-channel logout",
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.FrontchannelLogout = strings.Replace(c.RedirectURIs[0], "/callback/", "/frontchannel-logout/", 1)
			c.FrontchannelLogoutSession, p.FrontchannelLogout = true, true
		},
		used: endedFromElsewhere("/auth/frontchannel-logout/op"),
	},
}

// endedFromElsewhere checks that the session ends here when another application
// in the same browser signs out, because the provider said so at this path.
func endedFromElsewhere(path string) func(*testing.T, *signIn) {
	return func(t *testing.T, in *signIn) {
		if page := in.session(); page.Status != http.StatusOK {
			t.Fatalf("no session to end: %v", page)
		}
		newApp(t, in.op, nil).signInWith(t, in.browser).signOut(t)
		in.until(t, "the provider told", func() bool { return in.told(path) })
		in.until(t, "the session ended", func() bool { return in.session().Status == http.StatusUnauthorized })
	}
}

// session asks for the protected page by a script, which starts no login.
func (in *signIn) session() *oidcrptest.Page {
	tab := in.browser.Tab()
	tab.Get(in.url + "/")
	return tab.Fetch(http.MethodGet, in.url+"/whoami", nil)
}

// until waits for what the provider does by and by.
func (in *signIn) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// signOut signs out here and at the provider.
func (in *signIn) signOut(t *testing.T) {
	t.Helper()
	in.browser.Get(in.url + "/auth/logout")
	page := in.browser.SubmitForm("", nil) // ours
	if !slices.ContainsFunc(page.Trail, func(hop oidcrptest.Hop) bool {
		return hop.URL.Host == mustParse(t, in.op.issuer).Host && hop.URL.Query().Has("id_token_hint")
	}) {
		t.Fatalf("the provider was not told: %v", page)
	}
	if in.op.signOut != nil {
		in.op.signOut(t, in.browser)
	}
	page = in.browser.Page()
	if page.Status != http.StatusOK || page.URL.Host != mustParse(t, in.url).Host || page.URL.Path != "/auth/logout" {
		t.Fatalf("signed out with %d at %v", page.Status, page.URL)
	}
}
