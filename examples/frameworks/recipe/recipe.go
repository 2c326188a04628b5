// Package recipe tests that the recipes for all the frameworks do the same: a
// page for everybody, one behind a login, some behind a role, a sign-out form,
// a stream of events and a WebSocket.
package recipe

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Test runs the tests against what build makes.
func Test(t *testing.T, build apptest.Build) {
	t.Run("home page", func(t *testing.T) { testHome(t, build) })
	t.Run("guards", func(t *testing.T) { testGuards(t, build) })
	t.Run("nobody", func(t *testing.T) { testNobody(t, build) })
	t.Run("sign-out", func(t *testing.T) { testSignOut(t, build) })
	t.Run("forms of other sites", func(t *testing.T) { testForeignForms(t, build) })
	t.Run("events", func(t *testing.T) { testEvents(t, build) })
	t.Run("WebSocket", func(t *testing.T) { testWebSocket(t, build) })
}

func testHome(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	apptest.Contains(t, a.Browser.Get(a.URL+"/"), "Hello stranger")
	a.Provider.SignInAs("bob")
	page := a.Browser.Follow("Sign in")
	if page.URL.Path != "/" {
		t.Errorf("signing in led to %v", page)
	}
	apptest.Contains(t, page, "Hello Bob Baker")
}

func testGuards(t *testing.T, build apptest.Build) {
	for _, test := range []struct {
		user, path string
		status     int
		text       string
	}{
		{"bob", "/reports", http.StatusOK, "The reports of Bob Baker"},
		{"bob", "/admin/", http.StatusForbidden, ""},
		{"bob", "/admin/users", http.StatusForbidden, ""},
		{"bob", "/nothing-here", http.StatusNotFound, ""},
		{"alice", "/admin/", http.StatusOK, "The controls of Alice Archer"},
		{"alice", "/admin/users", http.StatusOK, "The users"},
	} {
		t.Run(test.user+" at "+test.path, func(t *testing.T) {
			a := apptest.Start(t, build)
			page := a.SignIn(test.user, "/reports")
			if test.path != "/reports" {
				page = a.Browser.Get(a.URL + test.path)
			}
			if page.Status != test.status || page.URL.Path != test.path {
				t.Errorf("%v", page)
			}
			apptest.Contains(t, page, test.text)
			if test.text == "" {
				neverSaw(t, page)
			}
		})
	}
}

// neverSaw complains about what a handler behind a guard wrote all the same.
func neverSaw(t *testing.T, page *oidcrptest.Page) {
	t.Helper()
	for _, text := range []string{"The reports", "The controls", "The users", "data:"} {
		if strings.Contains(page.Body, text) {
			t.Errorf("%v was refused and says %q", page.URL, text)
		}
	}
}

func testNobody(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	a.Browser.Get(a.URL + "/")
	for _, path := range []string{"/reports", "/admin/", "/events"} {
		page := a.Browser.Fetch("GET", path, nil)
		if page.Status != http.StatusUnauthorized || page.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", path, page)
		}
		neverSaw(t, page)
	}
	if page := a.Browser.Get(a.URL + "/nothing-here"); page.Status != http.StatusNotFound {
		t.Errorf("nothing here: %v", page)
	}
}

func testSignOut(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	a.SignIn("bob", "/reports")
	a.Browser.Get(a.URL + "/")
	if page := a.Browser.SubmitForm("Sign out", nil); page.Status != http.StatusOK || page.URL.Path != "/auth/logout" {
		t.Errorf("signed out: %v", page)
	}
	if n := a.Provider.Calls(oidcrptest.EndSessionEndpoint); n != 1 {
		t.Errorf("the provider's session was ended %d times", n)
	}
	apptest.Contains(t, a.Browser.Get(a.URL+"/"), "Hello stranger")
	if page := a.Browser.Fetch("GET", "/reports", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("the reports, afterwards: %v", page)
	}
}

// A form of another port of this host brings the session along.
func testForeignForms(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	a.SignIn("bob", "/reports")
	a.Browser.Show("http://localhost:1/", `<form method="post" action="`+a.URL+`/reports"><button>Win</button></form>`)
	if page := a.Browser.SubmitForm("Win", nil); page.Status != http.StatusForbidden {
		t.Errorf("a form of another origin: %v", page)
	}
	if n := a.Provider.Calls(oidcrptest.AuthorizeEndpoint); n != 1 {
		t.Errorf("%d logins", n)
	}
	a.Browser.Get(a.URL + "/")
	if page := a.Browser.Fetch("POST", "/reports", &oidcrptest.FetchOptions{Body: "a report"}); page.Status != http.StatusOK || page.Body != "a report" {
		t.Errorf("a script of ours: %v", page)
	}
}

// Three events arrive of a response that does not end.
func testEvents(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	a.SignIn("bob", "/reports")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", a.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = a.Headers()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); res.StatusCode != http.StatusOK || kind != "text/event-stream" {
		t.Fatalf("%s, %q", res.Status, res.Header.Get("Content-Type"))
	}
	lines, seen := bufio.NewScanner(res.Body), 0
	for seen < 3 && lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") {
			seen++
		}
	}
	if seen != 3 {
		t.Errorf("%d events, %v", seen, lines.Err())
	}
}

func testWebSocket(t *testing.T, build apptest.Build) {
	a := apptest.Start(t, build)
	a.SignIn("bob", "/reports")
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, a.URL+"/socket", &websocket.DialOptions{HTTPHeader: a.Headers()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "echo" {
		t.Errorf("%q, %v", message, err)
	}

	for _, test := range []struct {
		name   string
		change func(http.Header)
		status int
	}{
		{"of another site", func(h http.Header) { h.Set("Origin", "https://evil.example") }, http.StatusForbidden},
		{"of another port", func(h http.Header) { h.Set("Origin", "http://localhost:1") }, http.StatusForbidden},
		{"without an origin", func(h http.Header) { h.Del("Origin") }, http.StatusForbidden},
		{"of a stranger", func(h http.Header) { h.Del("Cookie") }, http.StatusUnauthorized},
	} {
		h := a.Headers()
		test.change(h)
		conn, res, err := websocket.Dial(ctx, a.URL+"/socket", &websocket.DialOptions{HTTPHeader: h})
		if err == nil {
			conn.CloseNow()
			t.Errorf("a socket %s was accepted", test.name)
			continue
		}
		if res == nil || res.StatusCode != test.status {
			t.Errorf("a socket %s: %v", test.name, err)
		}
	}
}
