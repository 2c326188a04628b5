package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestFrontEnd(t *testing.T) {
	a := apptest.Start(t, app)
	b := a.Browser
	b.Get(a.URL + "/")

	refused := b.Fetch("GET", "/api/notes", nil)
	var problem struct{ Login string }
	if err := refused.JSON(&problem); err != nil || refused.Status != http.StatusUnauthorized ||
		refused.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("without a session: %v, %v", refused, err)
	}

	// What location.assign(problem.login) does.
	a.Provider.SignInAs("bob")
	if page := b.Get(a.URL + strings.TrimPrefix(problem.Login, a.URL)); page.Status != http.StatusOK || page.URL.Path != "/" {
		t.Fatalf("after signing in: %v", page)
	}
	if added := b.Fetch("POST", "/api/notes", &oidcrptest.FetchOptions{Body: `"buy milk"`}); added.Status != http.StatusNoContent {
		t.Errorf("POST: %v", added)
	}
	var notes []string
	if err := b.Fetch("GET", "/api/notes", nil).JSON(&notes); err != nil || len(notes) != 1 || notes[0] != "buy milk" {
		t.Errorf("notes: %q, %v", notes, err)
	}
}

// A form of another site brings no session cookie along, and is refused even
// where it does: from another port of this host, which is the same site.
func TestPostsOfOtherSitesAreRefused(t *testing.T) {
	a := apptest.Start(t, app)
	a.SignIn("bob", "/auth/login")

	for _, attacker := range []string{"https://evil.example/", "http://localhost:1/"} {
		a.Browser.Show(attacker, `<form method="post" action="`+a.URL+`/api/notes" enctype="text/plain">
			<input name='"from the attacker"' value=""><button>Win</button></form>`)
		if page := a.Browser.SubmitForm("Win", nil); page.Status == http.StatusNoContent {
			t.Errorf("%s added a note: %v", attacker, page)
		}
	}
	a.Browser.Get(a.URL + "/")
	var notes []string
	if err := a.Browser.Fetch("GET", "/api/notes", nil).JSON(&notes); err != nil || len(notes) != 0 {
		t.Errorf("notes: %q, %v", notes, err)
	}
}

func TestMe(t *testing.T) {
	a := apptest.Start(t, app)
	a.Browser.Get(a.URL + "/")
	if me := a.Browser.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		t.Errorf("a stranger: %v", me)
	}
	a.SignIn("bob", "/auth/login")
	me := a.Browser.Fetch("GET", "/auth/me", nil)
	if me.Status != http.StatusOK || !strings.Contains(me.Body, "Bob Baker") {
		t.Errorf("bob: %v", me)
	}
}
