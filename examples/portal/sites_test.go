package main

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// One instance is at two addresses. Each has its name, its sessions and what it
// gives others to come back to.
func TestTwoSites(t *testing.T) {
	p := start(t, options{})
	riverside, hillside := p.sites[0].baseURL, p.sites[1].baseURL
	var said bytes.Buffer
	p.announce(&said)
	if !strings.Contains(said.String(), "Hillside:  "+hillside+" ") {
		t.Errorf("announced:\n%s", &said)
	}
	b := visitor(t, p, "alice")
	for base, name := range map[string]string{riverside: "Riverside", hillside: "Hillside"} {
		other := map[string]string{"Riverside": "Hillside", "Hillside": "Riverside"}[name]
		page := oidcrptest.NewBrowser(t).Get(base + "/")
		contains(t, page, "The members’ portal of the "+name+" community")
		for _, path := range []string{"/profile", "/terms", "/auth/logout", "/auth/nothing", "/register"} {
			page := oidcrptest.NewBrowser(t).Get(base + path)
			contains(t, page, name)
			lacks(t, page, other)
		}
	}

	page := b.Get(hillside + "/profile")
	at(t, page, http.StatusOK, "/signin") // nobody there
	contains(t, page, "Sign in to Hillside")
	page = b.Follow("Continue with Aster") // which knows alice, and so does the portal
	if page.URL.String() != hillside+"/profile" {
		t.Fatalf("ended at %v", page)
	}
	contains(t, page, "Alice Archer", "Riverside", "Hillside this browser")
	contains(t, b.Get(hillside+"/admin"), riverside+"/auth/callback/banyan", hillside+"/auth/callback/banyan", hillside+"/auth/logout")
	contains(t, b.Get(hillside+"/admin/connections"), riverside+"/auth/callback/…", hillside+"/auth/callback/…")
	for _, base := range []string{riverside, hillside} {
		b.Get(base + "/admin/invitations")
		if link := madeInvitation(t, b.SubmitForm("Make an invitation", nil)); !strings.HasPrefix(link, base+"/register?") {
			t.Errorf("the invitation is %s", link)
		}
	}

	b.Get(hillside + "/")
	page = b.SubmitForm("Sign out", nil)
	contains(t, page, "You are signed out", "Hillside")
	if !strings.HasPrefix(page.URL.String(), hillside+"/auth/logout") {
		t.Errorf("came back to %v", page.URL)
	}
}

// What has ended for somebody has ended at each site.
func TestEndedAtEachSite(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *portal, *oidcrptest.Browser, *oidcrptest.Browser){
		"by themselves": func(t *testing.T, p *portal, bob, _ *oidcrptest.Browser) {
			bob.Get(p.url() + "/profile")
			contains(t, bob.SubmitForm("Sign out everywhere", nil), "signed out")
		},
		"by an administrator": func(t *testing.T, p *portal, _, admin *oidcrptest.Browser) {
			admin.Get(p.url() + "/admin/contacts?q=bob@example.com")
			admin.Follow("Bob Baker")
			contains(t, admin.SubmitForm("Disable", nil), "was disabled")
		},
		"by ending sessions": func(t *testing.T, p *portal, _, admin *oidcrptest.Browser) {
			for range p.sites {
				admin.Get(p.url() + "/admin/contacts?q=bob@example.com")
				admin.Follow("Bob Baker")
				contains(t, admin.SubmitForm("End", nil), "The session was ended")
			}
		},
		"by the provider": func(t *testing.T, p *portal, _, _ *oidcrptest.Browser) {
			for _, told := range p.dev[0].SignOut("bob") {
				if told.Status != http.StatusOK {
					t.Errorf("%+v", told)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, options{})
			admin, bob := visitor(t, p, "alice"), visitor(t, p, "bob")
			bob.Get(p.sites[1].baseURL + "/profile")
			at(t, bob.Follow("Continue with Aster"), http.StatusOK, "/profile")
			for _, s := range p.sites {
				at(t, bob.Get(s.baseURL+"/profile"), http.StatusOK, "/profile")
			}
			end(t, p, bob, admin)
			for _, s := range p.sites {
				at(t, bob.Get(s.baseURL+"/profile"), http.StatusOK, "/signin")
			}
			contains(t, admin.Get(p.url()+"/admin/sessions"), "Alice Archer")
			lacks(t, admin.Get(p.url()+"/admin/sessions"), "Bob Baker")
		})
	}
}

// Hosts that are nobody's are answered nothing else.
func TestUnknownHost(t *testing.T) {
	p := start(t, options{})
	port := p.listener.Addr().String()
	port = port[strings.LastIndex(port, ":"):]
	for _, path := range []string{"/", "/profile", "/admin", "/auth/login", "/register"} {
		page := oidcrptest.NewBrowser(t).Get("http://woodside.localhost" + port + path)
		at(t, page, http.StatusMisdirectedRequest, path)
		contains(t, page, "There is no site at this address")
		lacks(t, page, "Riverside", "Home")
		if page.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", path, page.Header)
		}
	}
	at(t, oidcrptest.NewBrowser(t).Get("http://woodside.localhost"+port+"/portal.css"), http.StatusOK, "/portal.css")
	// With one address the Host does not matter: a proxy may call us by another.
	alone := start(t, options{baseURL: p.url()})
	at(t, oidcrptest.NewBrowser(t).Get("http://"+alone.listener.Addr().String()+"/"), http.StatusOK, "/")
}

// Behind a proxy the addresses are those that are named.
func TestNamedSites(t *testing.T) {
	sites, err := namedSites([]string{"https://riverside.example/", "https://HILLSIDE.example:8443"})
	if err != nil || len(sites) != 2 || sites[0].host() != "riverside.example" || sites[1].host() != "hillside.example" {
		t.Fatalf("%v, %v", sites, err)
	}
	if got := sites[0].redirectURL("aster"); got != "https://riverside.example/auth/callback/aster" {
		t.Error(got)
	}
	file := filepath.Join(t.TempDir(), "providers.json")
	if err := os.WriteFile(file, []byte(`[{"name": "acme", "issuer": "https://login.acme.example", "client_id": "portal", "client_secret": "secret"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, options{baseURL: "https://riverside.example,https://hillside.example", providers: file})
	var said bytes.Buffer
	p.announce(&said)
	for _, text := range []string{"Portal:    https://riverside.example\n", "https://riverside.example/auth/callback/acme", "https://hillside.example/auth/callback/acme and https://hillside.example/auth/logout"} {
		if !strings.Contains(said.String(), text) {
			t.Errorf("does not say %q:\n%s", text, &said)
		}
	}
}
