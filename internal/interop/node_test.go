package interop_test

import (
	"encoding/json"
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

// The provider requires PKCE for every client (pkce.required), authenticates
// each client by its registered method alone, and advertises RFC 9207.

func TestCodeFlow(t *testing.T) {
	for _, test := range []struct {
		name   string
		method string // of the response
		adjust func(*interop.NodeClient, *oidcrp.Provider)
	}{
		{"answered in the query", http.MethodGet, nil},
		{"answered by form_post", http.MethodPost, func(_ *interop.NodeClient, p *oidcrp.Provider) {
			p.ResponseMode = "form_post"
		}},
		{"client_secret_basic", http.MethodGet, func(c *interop.NodeClient, p *oidcrp.Provider) {
			c.AuthMethod, p.ClientAuth = "client_secret_basic", "client_secret_basic"
		}},
		{"client_secret_post", http.MethodGet, func(c *interop.NodeClient, p *oidcrp.Provider) {
			c.AuthMethod, p.ClientAuth = "client_secret_post", "client_secret_post"
		}},
		{"a public client", http.MethodGet, func(c *interop.NodeClient, p *oidcrp.Provider) {
			c.AuthMethod, c.Secret, p.ClientSecret = "none", "", ""
		}},
		{"ID tokens signed with ES256", http.MethodGet, func(c *interop.NodeClient, _ *oidcrp.Provider) {
			c.IDTokenAlg = "ES256"
		}},
		{"ID tokens signed with PS256", http.MethodGet, func(c *interop.NodeClient, _ *oidcrp.Provider) {
			c.IDTokenAlg = "PS256"
		}},
		{"ID tokens signed with EdDSA", http.MethodGet, func(c *interop.NodeClient, _ *oidcrp.Provider) {
			c.IDTokenAlg = "EdDSA"
		}},
		{"ID tokens signed with HS256, where that is named", http.MethodGet, func(c *interop.NodeClient, p *oidcrp.Provider) {
			c.IDTokenAlg, p.Algorithms = "HS256", []string{"HS256"}
		}},
		{"with max_age and acr_values", http.MethodGet, func(_ *interop.NodeClient, p *oidcrp.Provider) {
			p.MaxAge, p.ACRValues, p.RequireACR = 3600e9, []string{"urn:example:gold", "urn:example:silver"}, true
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := startApp(t, test.adjust)
			b := oidcrptest.NewBrowser(t)
			me := a.whoami(t, b.Get(a.url+"/whoami"))

			if me.Issuer != a.node.Issuer || me.Subject != "alice" || me.Provider != "node" {
				t.Errorf("signed in as %+v", me)
			}
			response := a.onlyCallback(t)
			if response.method != test.method {
				t.Errorf("answered by %s, want %s", response.method, test.method)
			}
			if iss := response.params.Get("iss"); iss != a.node.Issuer {
				t.Errorf("iss (RFC 9207) is %q, want %q", iss, a.node.Issuer)
			}
			if n := len(response.params.Get("state")); n == 0 || n > 128 {
				t.Errorf("state has %d characters", n)
			}
		})
	}
}

func TestUserInfo(t *testing.T) {
	// Its ID tokens carry no claims about the user: they are at UserInfo.
	a := startApp(t, func(_ *interop.NodeClient, p *oidcrp.Provider) {
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

func TestAnotherUser(t *testing.T) {
	a := startApp(t, func(_ *interop.NodeClient, p *oidcrp.Provider) { p.LoginHint = "bob" })
	b := oidcrptest.NewBrowser(t)
	me := a.whoami(t, b.Get(a.url+"/whoami"))
	if me.Subject != "bob" || me.Claims["name"] != "บ๊อบ ใจดี" {
		t.Errorf("signed in as %+v", me)
	}
}

// The session has ended here but not there: all tabs go round at once.
func TestParallelTabs(t *testing.T) {
	a := startApp(t, nil)
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

func TestPromptNone(t *testing.T) {
	a := startApp(t, nil)
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

func TestPromptNoneWhileSignedInThere(t *testing.T) {
	a := startApp(t, nil)
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

func TestDenial(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := startApp(t, func(_ *interop.NodeClient, p *oidcrp.Provider) {
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
func TestWrongIssuerInResponse(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for name, tamper := range map[string]func(url.Values){
			"another issuer": func(v url.Values) { v.Set("iss", "https://another.example") },
			"no issuer":      func(v url.Values) { v.Del("iss") },
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := startApp(t, func(_ *interop.NodeClient, p *oidcrp.Provider) { p.ResponseMode = mode })
				a.tamper = tamper
				b := oidcrptest.NewBrowser(t)
				if page := b.Get(a.url + "/whoami"); page.Status < 400 || page.Status >= 500 {
					t.Errorf("got %d: %v", page.Status, page)
				}
			})
		}
	}
}

func TestSecretThatIsWrong(t *testing.T) {
	a := startApp(t, func(_ *interop.NodeClient, p *oidcrp.Provider) { p.ClientSecret = "another" })
	b := oidcrptest.NewBrowser(t)
	if page := b.Get(a.url + "/whoami"); page.Status != http.StatusInternalServerError {
		t.Errorf("a wrong client secret gave %d, want 500", page.Status)
	}
}

func TestProviderThatIsDown(t *testing.T) {
	a := startApp(t, nil)
	a.node.Stop()
	b := oidcrptest.NewBrowser(t)
	page := b.Get(a.url + "/whoami")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, Retry-After %q", page.Status, page.Header.Get("Retry-After"))
	}
}

func TestLogout(t *testing.T) {
	a := startApp(t, nil)
	b := oidcrptest.NewBrowser(t)
	a.whoami(t, b.Get(a.url+"/whoami"))

	b.Get(a.url + "/auth/logout")
	page := b.SubmitForm("", nil) // ours
	if page.URL.Host != mustParse(t, a.node.Issuer).Host {
		t.Fatalf("after our form the visitor is at %v", page.URL)
	}
	page = b.SubmitForm("yes", nil) // the provider's
	if page.Status != http.StatusOK || page.URL.Host != mustParse(t, a.url).Host || page.URL.Path != "/auth/logout" {
		t.Fatalf("signed out with %d at %v", page.Status, page.URL)
	}

	// Signed out here and there: the provider has to ask again.
	page = b.Get(a.url + "/auth/login?prompt=none&return_to=/whoami")
	if page.Status < 400 {
		t.Errorf("the provider still knows the visitor: %d at %v", page.Status, page.URL)
	}
}

func (a *app) whoami(t *testing.T, page *oidcrptest.Page) (me whoami) {
	t.Helper()
	if page.Status != http.StatusOK || page.URL.Path != "/whoami" {
		t.Fatalf("ended with %d at %v: %s", page.Status, page.URL, page)
	}
	if err := json.Unmarshal([]byte(page.Body), &me); err != nil {
		t.Fatal(err)
	}
	return me
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
