package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// watchingPage frames our page that asks the provider, and shows what it says.
const watchingPage = `<!doctype html><title>watching</title><p id="said">nothing yet</p>
<script>
addEventListener("message", e => {
	if (e.origin === location.origin && e.data.oidcrp) document.getElementById("said").textContent = "session " + e.data.oidcrp
})
</script>
<iframe src="/auth/check-session" hidden></iframe>`

// toldApp is an application that its provider tells of logouts, through the
// browser.
func toldApp(t *testing.T, p *oidcrptest.Provider) string {
	t.Helper()
	return oidcrptest.Serve(t, func(base string) http.Handler {
		config := p.Config("op", base)
		config.FrontchannelLogout, config.SessionManagement = true, true
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, Store: oidcrp.NewMemoryStore(), Providers: []oidcrp.Provider{config}})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range p.Clients() {
			if c.ID == config.ClientID {
				c.FrontchannelLogoutURL, c.FrontchannelLogoutSessionRequired = rp.RedirectURLs()[0].FrontchannelLogout, true
				p.AddClient(c)
			}
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
			who := "nobody"
			if s := oidcrp.FromContext(r.Context()); s != nil {
				who = s.Subject()
			}
			fmt.Fprintf(w, "home of %s", who)
		})
		mux.Handle("/reports", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "reports") })))
		mux.HandleFunc("/watch", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, watchingPage)
		})
		return rp.Load(mux)
	})
}

// The user signs out at the provider, of another site, whose page frames us
// without any cookie: the session ends all the same.
func TestFrontchannelLogoutFromAnotherSite(t *testing.T) {
	p := oidcrptest.NewProvider(t)
	p.SignInAs("alice")
	base := toldApp(t, p)
	b := newProfile(t)
	b.open(base + "/reports")
	b.untilSees("reports")
	b.open(base + "/")
	b.untilSees("home of alice")

	at := b.newTab()
	at.open(p.URL(oidcrptest.EndSessionEndpoint))
	at.until("the provider's question", "document.querySelector('button[name=confirm]')")
	at.click("button[name=confirm]")
	at.until("the end of the sign-out", "!document.querySelector('button[name=confirm]')")

	b.until("the end of the session", "(x => (x.open('GET', '/auth/me', false), x.send(), x.status === 401))(new XMLHttpRequest())")
	b.open(base + "/")
	b.untilSees("home of nobody")
}

// A page learns when the provider's session has changed. It is of the
// provider's site, or the provider's frame would see no cookie.
func TestSessionManagementInAPage(t *testing.T) {
	p, err := oidcrptest.StartProvider("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	p.SetSessionManagement(true)
	p.SignInAs("alice")
	base := toldApp(t, p)
	b := newProfile(t)
	b.open(base + "/reports")
	b.untilSees("reports")
	b.open(base + "/watch")
	b.until("the provider's frame", `(f => f && f.contentDocument.querySelector("#provider"))(document.querySelector("iframe"))`)
	b.untilSees("nothing yet")

	at := b.newTab()
	at.open(p.URL(oidcrptest.EndSessionEndpoint))
	at.until("the provider's question", "document.querySelector('button[name=confirm]')")
	at.click("button[name=confirm]")
	b.untilSees("session changed")
	// It was told that, and nothing was ended.
	b.open(base + "/watch")
	b.untilSees("session changed")
}
