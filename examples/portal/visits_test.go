package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestSessions(t *testing.T) {
	p := start(t, options{})
	alice, bob, phone := visitor(t, p, "alice"), visitor(t, p, "bob"), visitor(t, p, "bob")
	page := alice.Get(p.url() + "/admin/sessions")
	if n := strings.Count(page.Text(), ", last seen"); n != 3 {
		t.Fatalf("%d sessions: %v", n, page)
	}
	contains(t, page, "Chrome", "this browser", "Bob Baker", "Alice Archer")

	// One of bob's two ends.
	visits, err := p.visits.of(t.Context(), contact(t, p, "bob@example.com").ID)
	if err != nil || len(visits) != 2 {
		t.Fatalf("%v %v", visits, err)
	}
	page = alice.PostForm(p.url()+"/admin/sessions", url.Values{"handle": {visits[0].Handle}})
	at(t, page, http.StatusOK, "/admin/sessions")
	contains(t, page, "The session was ended")
	if n := strings.Count(page.Text(), ", last seen"); n != 2 {
		t.Errorf("%d sessions: %v", n, page)
	}
	still := 0
	for _, b := range []*oidcrptest.Browser{bob, phone} {
		if b.Get(p.url()+"/profile").URL.Path == "/profile" {
			still++
		}
	}
	if still != 1 {
		t.Errorf("%d of two are signed in", still)
	}

	// Who signs out is off the list; also with a session that was renewed.
	carol := visitor(t, p, "carol")
	at(t, linkBanyan(t, carol, "carol"), http.StatusOK, "/profile")
	page = alice.Get(p.url() + "/admin/sessions")
	if n := strings.Count(page.Text(), ", last seen"); n != 3 {
		t.Errorf("%d sessions: %v", n, page)
	}
	carol.SubmitForm("Sign out", nil)
	page = alice.Get(p.url() + "/admin/sessions")
	if n := strings.Count(page.Text(), ", last seen"); n != 2 {
		t.Errorf("%d sessions: %v", n, page)
	}
	// A session that has ended can be ended.
	at(t, alice.PostForm(p.url()+"/admin/sessions", url.Values{"handle": {visits[0].Handle}, "contact": {"a/../b"}}), http.StatusNotFound, "/admin/contacts/a/../b")
}

func TestBrowserNames(t *testing.T) {
	for agent, name := range map[string]string{
		"": "",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36":                                   "Chrome · Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge · Windows",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1": "Safari · iPhone",
		"Mozilla/5.0 (Android 16; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0":                                                                    "Firefox · Android",
		"curl/8.0": "",
	} {
		if got := browserName(agent); got != name {
			t.Errorf("%s: %q", agent, got)
		}
	}
}
