package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// house is a portal with providers, and how somebody signs in at them.
type house struct {
	portal    *portal
	provider  string // name of the provider to choose
	signIn    func(b *tab, user string)
	signOut   func(b *tab) // answers the provider's question, if it has one
	knowsName string       // what the portal calls alice
}

// embedded is the portal with the development providers it brings along.
func embedded(t *testing.T, provider string, tls bool) house {
	return house{
		portal:    startPortal(t, portalOptions{tls: tls}),
		provider:  provider,
		signIn:    signInEmbedded,
		signOut:   func(*tab) {},
		knowsName: "Alice Archer",
	}
}

func signInEmbedded(b *tab, user string) {
	b.t.Helper()
	b.until("the provider's sign-in page", "document.querySelector('button[name=user]')")
	b.click("button[name=user][value=" + user + "]")
}

// node is the portal with npm oidc-provider and its own pages.
func node(t *testing.T, responseType, mode string, tls bool) house {
	t.Helper()
	addr, scheme := freeAddr(t), "http://"
	config := interop.NodeConfig{
		Pages: true,
		Accounts: map[string]map[string]any{
			"alice": {"name": "Alice of Node", "email": "alice@example.com", "email_verified": true},
		},
	}
	if tls {
		c := testCertificate()
		config.TLS, scheme = &interop.TLS{Key: c.key, Cert: c.cert}, "https://"
	}
	config.Clients = []interop.Client{{
		ID: "portal", Secret: "a-secret-of-the-portal",
		RedirectURIs:           []string{scheme + addr + "/auth/callback/node"},
		PostLogoutRedirectURIs: []string{scheme + addr + "/auth/logout"},
		ResponseTypes:          []string{responseType},
		GrantTypes:             []string{"authorization_code", "implicit"},
	}}
	provider := interop.StartNode(t, config)
	providers, err := json.Marshal([]map[string]any{{
		"name": "node", "display_name": "Node", "issuer": provider.Issuer,
		"client_id": "portal", "client_secret": "a-secret-of-the-portal",
		"response_type": responseType, "response_mode": mode, "userinfo": true,
	}, {
		"name": "other", "display_name": "Other", "issuer": provider.Issuer + "/nothing-here", "client_id": "portal", "client_secret": "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return house{
		portal:    startPortal(t, portalOptions{tls: tls, addr: addr, providers: string(providers)}),
		provider:  "node",
		signIn:    signInNode,
		signOut:   signOutNode,
		knowsName: "Alice of Node",
	}
}

func signInNode(b *tab, user string) {
	b.t.Helper()
	b.until("the provider's sign-in page", "document.querySelector('input[name=login]')")
	b.fill("input[name=login]", user)
	b.fill("input[name=password]", "any")
	b.shoot(shotName(b.t) + "-provider-sign-in")
	b.click("button.login-submit")
	b.until("the provider's consent page", "document.querySelector('input[name=prompt][value=consent]')")
	b.shoot(shotName(b.t) + "-provider-consent")
	b.click("button.login-submit")
}

func signOutNode(b *tab) {
	b.t.Helper()
	b.until("the provider's question", "document.querySelector('button[name=logout]')")
	b.shoot(shotName(b.t) + "-provider-sign-out")
	b.click("button[name=logout]")
}

func shotName(t testing.TB) string {
	return strings.ReplaceAll(strings.TrimPrefix(t.Name(), "Test"), "/", "-")
}

// choose goes from a protected address to the provider's pages.
func (h house) choose(b *tab, path string) {
	b.t.Helper()
	b.open(h.portal.url + path)
	b.untilAt(h.portal.url + "/signin")
	b.click("#signin-" + h.provider)
}

// enter signs alice in and comes back to a protected address.
func (h house) enter(b *tab, path string) {
	b.t.Helper()
	h.choose(b, path)
	h.signIn(b, "alice")
	h.arrive(b, path)
}

// What the portal asks of who is new.
const (
	registerForm = `main form[method=post][action="/register"]`
	termsForm    = `main form[method=post][action="/terms"]`
)

// arrive waits for a page, and registers on the way whoever is new.
func (h house) arrive(b *tab, path string) {
	b.t.Helper()
	asked := func(form string) string { return "document.querySelector(" + quote(form) + ")" }
	there := "location.href.startsWith(" + quote(h.portal.url+path) + ") && !" + asked(registerForm) + " && !" + asked(termsForm)
	b.until("the page or a question", there+" || "+asked(registerForm)+" || "+asked(termsForm))
	if b.holds(asked(registerForm)) {
		b.fill("#input-city", "Chiang Mai")
		b.click(registerForm + " button")
		b.until("the page or the terms", there+" || "+asked(termsForm))
	}
	if b.holds(asked(termsForm)) {
		b.click(termsForm + " input[name=accept]")
		b.click(termsForm + " button")
	}
	b.until(path, there)
}

// leave signs out at the portal and at the provider.
func (h house) leave(b *tab) {
	b.t.Helper()
	b.click("header .oidcrp-signout")
	h.signOut(b)
	b.untilAt(h.portal.url + "/auth/logout")
}

func TestSignIn(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		tls := scheme == "https"
		for _, test := range []struct {
			name string
			open func(*testing.T) house
		}{
			{"embedded by redirect", func(t *testing.T) house { return embedded(t, "aster", tls) }},
			{"embedded by form_post", func(t *testing.T) house { return embedded(t, "banyan", tls) }},
			{"oidc-provider by redirect", func(t *testing.T) house { return node(t, "code", "query", tls) }},
			{"oidc-provider by form_post", func(t *testing.T) house { return node(t, "code", "form_post", tls) }},
			{"hybrid by form_post", func(t *testing.T) house { return hybrid(t, "form_post", tls).house }},
			{"hybrid by fragment", func(t *testing.T) house { return hybrid(t, "fragment", tls).house }},
			{"oidc-provider hybrid by form_post", func(t *testing.T) house { return node(t, "code id_token", "form_post", tls) }},
			{"oidc-provider hybrid by fragment", func(t *testing.T) house { return node(t, "code id_token", "fragment", tls) }},
		} {
			t.Run(test.name+" over "+scheme, func(t *testing.T) {
				h := test.open(t)
				b := newProfile(t)
				h.enter(b, "/profile?from=afar")
				b.untilSees(h.knowsName)
				b.untilSees("alice@example.com")
				b.shoot(shotName(t) + "-profile")
				checkCookies(b, h.portal.url)

				b.open(h.portal.url + "/")
				b.untilSees(h.knowsName)

				h.leave(b)
				b.shoot(shotName(t) + "-signed-out")
				b.hides(h.knowsName)
				if left := sessionCookies(b, h.portal.url); len(left) > 0 {
					t.Errorf("cookies left after sign-out: %v", left)
				}

				// The provider has forgotten too: it asks again.
				h.enter(b, "/profile")
				b.untilSees(h.knowsName)
			})
		}
	}
}

// sessionCookies are the names of the cookies that hold a session.
func sessionCookies(b *tab, url string) (names []string) {
	for _, c := range b.cookies(url + "/auth/logout") {
		if strings.Contains(c.Name, "oidcrp_s_") || strings.Contains(c.Name, "oidcrp_hint_") {
			names = append(names, c.Name)
		}
	}
	return names
}

func checkCookies(b *tab, url string) {
	b.t.Helper()
	https := strings.HasPrefix(url, "https:")
	found := false
	for _, c := range b.cookies(url + "/auth/logout") {
		if !strings.Contains(c.Name, "oidcrp") {
			continue
		}
		if !c.HTTPOnly || c.SameSite == "" {
			b.t.Errorf("cookie %s: HttpOnly %v, SameSite %q", c.Name, c.HTTPOnly, c.SameSite)
		}
		if prefixed := strings.HasPrefix(c.Name, "__Host-") || strings.HasPrefix(c.Name, "__Secure-"); https && !(c.Secure && prefixed) {
			b.t.Errorf("cookie %s: over https without Secure or a prefix", c.Name)
		}
		if strings.Contains(c.Name, "oidcrp_s_") {
			found = true
			if c.SameSite != network.CookieSameSiteLax {
				b.t.Errorf("the session cookie has SameSite %q", c.SameSite)
			}
		}
	}
	if !found {
		b.t.Error("there is no session cookie")
	}
}

// Three tabs are signing in at the same time, each for another page, and end in
// another order.
func TestThreeTabs(t *testing.T) {
	for _, provider := range []string{"aster", "banyan"} {
		t.Run(provider, func(t *testing.T) {
			h := embedded(t, provider, false)
			first := newProfile(t)
			tabs := []*tab{first, first.newTab(), first.newTab()}
			paths := []string{"/profile?tab=1", "/admin", "/profile?tab=3"}
			h.enter(newProfile(t), "/profile") // and registers
			for i, b := range tabs {
				h.choose(b, paths[i])
			}
			for _, b := range tabs {
				b.until("the provider's sign-in page", "document.querySelector('button[name=user]')")
			}
			for _, i := range []int{2, 0, 1} {
				h.signIn(tabs[i], "alice")
			}
			for i := range tabs {
				tabs[i].untilAt(h.portal.url + paths[i])
				tabs[i].untilSees("Alice Archer")
			}
			for _, b := range tabs { // and all are still signed in
				b.do("reload", chromedp.Reload())
				b.until("the page", "document.querySelector('header .oidcrp-signout')")
			}
		})
	}
}

// Back after sign-out shows nothing that was protected and signs nobody in,
// however far it goes.
func TestBackAfterSignOut(t *testing.T) {
	for _, provider := range []string{"aster", "banyan"} {
		t.Run(provider, func(t *testing.T) {
			h := embedded(t, provider, false)
			b := newProfile(t)
			h.enter(b, "/profile")
			b.open(h.portal.url + "/admin")
			b.untilSees("Alice Archer")
			h.leave(b)
			for i := 0; b.location() != "about:blank"; i++ {
				if i > 20 {
					b.fail("Back goes round in circles")
				}
				b.back()
				if strings.HasPrefix(b.location(), h.portal.url) {
					b.hides("Alice") // the provider's page still offers her
				}
				if names := sessionCookies(b, h.portal.url); len(names) > 0 {
					b.fail("Back number %d signed in again: %v", i+1, names)
				}
				if i == 0 {
					b.shoot(shotName(t))
				}
			}
			b.open(h.portal.url + "/profile")
			b.untilAt(h.portal.url + "/signin")
		})
	}
}

// A reload does not sign in twice or lose anything.
func TestReload(t *testing.T) {
	h := embedded(t, "banyan", false)
	b := newProfile(t)
	h.enter(b, "/profile")
	for range 2 {
		b.do("reload", chromedp.Reload())
		b.untilSees("alice@example.com")
	}
	// A bookmarked callback address is no dead end either.
	b.open(h.portal.url + "/auth/callback/aster?code=x&state=y")
	b.until("a page that explains", "document.querySelector('h1')")
	b.look("callback-out-of-the-blue")
}

// Cookies that were lost in the middle of a login cost a second round, not an
// error.
func TestLostCookie(t *testing.T) {
	h := embedded(t, "aster", false)
	b := newProfile(t)
	h.choose(b, "/profile")
	b.until("the provider's sign-in page", "document.querySelector('button[name=user]')")
	for _, c := range b.cookies(h.portal.url) {
		if _, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: c.Name, URL: h.portal.url}); err != nil {
			t.Fatal(err)
		}
	}
	h.signIn(b, "alice")
	h.arrive(b, "/profile")
	b.untilSees("alice@example.com")
}

// Everything works without JavaScript; form_post takes one more click.
func TestWithoutScripts(t *testing.T) {
	for _, provider := range []string{"aster", "banyan"} {
		t.Run(provider, func(t *testing.T) {
			h := embedded(t, provider, false)
			b := newProfile(t)
			if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
				t.Fatal(err)
			}
			h.choose(b, "/profile")
			h.signIn(b, "alice")
			if provider == "banyan" {
				b.until("the page that sends the form", "document.querySelector('form button.main') && !document.querySelector('button[name=user]')")
				b.shoot("without-scripts-form-post")
				b.click("form button.main")
			}
			h.arrive(b, "/profile")
			b.untilSees("alice@example.com")
			h.leave(b)
		})
	}
}

// What is not a navigation is answered for programs.
func TestFetchWithoutSession(t *testing.T) {
	h := embedded(t, "aster", false)
	b := newProfile(t)
	// The portal's own policy lets no script of its pages fetch anything.
	if _, err := chromedp.Call(b.ctx, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true}); err != nil {
		t.Fatal(err)
	}
	b.open(h.portal.url + "/")
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		`fetch('/profile').then(r => r.status + ' ' + r.headers.get('Content-Type') + ' ' + r.redirected)`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if got != "401 application/problem+json false" {
		t.Errorf("fetch got %q", got)
	}
}

// A page elsewhere can neither sign a visitor out nor exchange the session.
func TestForeignPage(t *testing.T) {
	h := embedded(t, "aster", false)
	b := newProfile(t)
	h.enter(b, "/profile")
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(`<!doctype html><title>elsewhere</title>
			<form method="post" action="` + h.portal.url + `/auth/logout"><button id="out">out</button></form>
			<a id="in" href="` + h.portal.url + `/auth/login?provider=banyan">in</a>`))
	}))
	defer evil.Close()

	b.open(evil.URL)
	b.click("#out")
	b.untilAt(h.portal.url)
	b.look("cross-origin-sign-out")
	b.open(h.portal.url + "/profile")
	b.untilSees("alice@example.com")

	b.open(evil.URL)
	b.click("#in")
	b.untilAt(h.portal.url)
	b.look("cross-site-sign-in")
	b.open(h.portal.url + "/profile")
	b.untilSees("alice@example.com")
}
