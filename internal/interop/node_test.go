package interop_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// TestNode is what the matrix has no row for. The provider requires PKCE for
// every client (pkce.required), authenticates each by its registered method
// alone, and advertises RFC 9207.
func TestNode(t *testing.T) {
	op := nodeColumn.start(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *running)
	}{
		{"max_age and acr", testMaxAgeAndACR},
		{"claims of UserInfo", testUserInfo},
		{"another user", testAnotherUser},
		{"parallel tabs", testParallelTabs},
		{"prompt none", testPromptNone},
		{"prompt none while signed in there", testPromptNoneWhileSignedInThere},
		{"denial", testDenial},
		{"wrong issuer in the response", testWrongIssuerInResponse},
		{"a secret that is wrong", testSecretThatIsWrong},
		{"client assertions", testClientAssertions},
		{"request objects", testRequestObjects},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, op) })
	}
}

func testMaxAgeAndACR(t *testing.T, op *running) {
	in := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) {
		p.MaxAge, p.ACRValues, p.RequireACR = 3600e9, []string{"urn:example:gold", "urn:example:silver"}, true
	}).signIn(t)
	if in.me.ACR != "urn:example:gold" {
		t.Errorf("signed in as %+v", in.me)
	}
	if iss := in.response.params.Get("iss"); iss != in.op.issuer {
		t.Errorf("iss (RFC 9207) is %q, want %q", iss, in.op.issuer)
	}
}

func testUserInfo(t *testing.T, op *running) {
	// Its ID tokens carry no claims about the user: they are at UserInfo.
	a := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) {
		p.Scopes = []string{"openid", "profile", "email", "groups"}
	})
	b := oidcrptest.NewBrowser(t)
	me := a.whoami(t, b.Get(a.url+"/whoami"))
	groups, _ := me.Claims["groups"].([]any)
	if me.Claims["name"] != "Alice Archer" || me.Claims["email"] != "alice@example.com" ||
		me.Claims["email_verified"] != true || !slices.Equal(groups, []any{"staff", "admins"}) {
		t.Errorf("claims are %v", me.Claims)
	}
}

func testAnotherUser(t *testing.T, op *running) {
	a := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) { p.LoginHint = "bob" })
	b := oidcrptest.NewBrowser(t)
	me := a.whoami(t, b.Get(a.url+"/whoami"))
	if me.Subject != "bob" || me.Claims["name"] != "บ๊อบ ใจดี" {
		t.Errorf("signed in as %+v", me)
	}
}

// The session has ended here but not there: all tabs go round at once.
func testParallelTabs(t *testing.T, op *running) {
	a := newApp(t, op, nil)
	b := oidcrptest.NewBrowser(t)
	a.whoami(t, b.Get(a.url+"/whoami"))
	for _, c := range b.Cookies(a.url) {
		if strings.Contains(c.Name, "oidcrp_s_") {
			b.DropCookie(c.Name)
		}
	}
	var tabs sync.WaitGroup
	for range 5 {
		tab := b.Tab()
		tabs.Go(func() {
			if page := tab.Get(a.url + "/whoami"); page.Status != http.StatusOK || page.URL.Path != "/whoami" {
				t.Errorf("a tab ended with %d: %v", page.Status, page)
			}
		})
	}
	tabs.Wait()
}

func testPromptNone(t *testing.T, op *running) {
	a := newApp(t, op, nil)
	b := oidcrptest.NewBrowser(t)
	// Nobody is signed in there: login_required, and the visitor is let on.
	page := b.Get(a.url + "/maybe")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "maybe") {
		t.Fatalf("an anonymous visitor got %d at %v", page.Status, page.URL)
	}
	if code := a.onlyCallback(t).params.Get("error"); code != "login_required" {
		t.Errorf("the provider answered %q, want login_required", code)
	}
	// It is not asked again at once.
	b.Get(a.url + "/maybe")
	a.onlyCallback(t)

	// A login that says prompt=none by itself gets a page.
	page = b.Get(a.url + "/auth/login?prompt=none&return_to=/whoami")
	if page.Status < 400 || page.Status >= 500 {
		t.Errorf("login_required gave %d", page.Status)
	}
}

func testPromptNoneWhileSignedInThere(t *testing.T, op *running) {
	a := newApp(t, op, nil)
	b := oidcrptest.NewBrowser(t)
	a.whoami(t, b.Get(a.url+"/whoami"))
	for _, c := range b.Cookies(a.url) { // signed out here, not there
		b.DropCookie(c.Name)
	}
	page := b.Get(a.url + "/maybe")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "maybe alice") {
		t.Errorf("the provider knew the visitor, who got %d: %s", page.Status, page)
	}
}

func testDenial(t *testing.T, op *running) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) {
				p.LoginHint, p.ResponseMode = "deny", mode
			})
			b := oidcrptest.NewBrowser(t)
			page := b.Get(a.url + "/whoami")
			if page.Status < 400 || page.Status >= 500 || page.URL.Host != mustParse(t, a.url).Host {
				t.Errorf("a user who refused ended with %d at %v", page.Status, page.URL)
			}
			if strings.Contains(page.Body, "the user said no") {
				t.Error("the page shows the provider's text")
			}
			if code := a.onlyCallback(t).params.Get("error"); code != "access_denied" {
				t.Errorf("the provider answered %q", code)
			}
			if !strings.Contains(a.log.String(), "access_denied") {
				t.Error("the log does not say what the provider answered")
			}
		})
	}
}

// A mix-up of two providers (RFC 9207): the response is right but for who sent
// it, or does not say so although this provider promises to.
func testWrongIssuerInResponse(t *testing.T, op *running) {
	for _, mode := range []string{"query", "form_post"} {
		for name, tamper := range map[string]func(url.Values){
			"another issuer": func(v url.Values) { v.Set("iss", "https://another.example") },
			"no issuer":      func(v url.Values) { v.Del("iss") },
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) { p.ResponseMode = mode })
				a.tamper = tamper
				b := oidcrptest.NewBrowser(t)
				if page := b.Get(a.url + "/whoami"); page.Status < 400 || page.Status >= 500 {
					t.Errorf("got %d: %v", page.Status, page)
				}
			})
		}
	}
}

func testSecretThatIsWrong(t *testing.T, op *running) {
	a := newApp(t, op, func(_ *interop.Client, p *oidcrp.Provider) { p.ClientSecret = "another" })
	b := oidcrptest.NewBrowser(t)
	if page := b.Get(a.url + "/whoami"); page.Status != http.StatusInternalServerError {
		t.Errorf("a wrong client secret gave %d, want 500", page.Status)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	node := interop.StartNode(t, interop.NodeConfig{Accounts: accounts})
	a := newApp(t, nodeRunning(node), nil)
	node.Stop()
	b := oidcrptest.NewBrowser(t)
	page := b.Get(a.url + "/whoami")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
	}
}
