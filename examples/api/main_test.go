package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// start runs the application and the calendar, and signs bob in at the
// application, and at the provider.
func start(t *testing.T) (a *apptest.App, api string) {
	t.Helper()
	a = apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		calendar := httptest.NewServer(newCalendar(p.Issuer + oidcrptest.ResourceEndpoint))
		t.Cleanup(calendar.Close)
		api = calendar.URL
		app, err := newApp(baseURL, api, p)
		if err != nil {
			return nil, err
		}
		return app.handler(), nil
	})
	apptest.Contains(t, a.Browser.Get(a.URL+"/"), "Sign in")
	a.Provider.SignInAs("bob")
	apptest.Contains(t, a.Browser.Follow("Sign in"), "Hello Bob Baker", "active, for")
	return a, api
}

func stillSignedIn(t *testing.T, a *apptest.App) {
	t.Helper()
	if me := a.Browser.Fetch("GET", "/auth/me", nil); me.Status != http.StatusOK || !strings.Contains(me.Body, `"sub":"bob"`) {
		t.Errorf("bob is signed out: %v", me)
	}
}

func TestReadingTakesNothingFurther(t *testing.T) {
	a, _ := start(t)
	apptest.Contains(t, a.Browser.Follow("Read your calendar"), "Lunch with Dana")
	if n := a.Provider.Calls(oidcrptest.AuthorizeEndpoint); n != 1 {
		t.Errorf("%d authorization requests", n)
	}
}

func TestOneMoreScopeWithoutLosingTheSession(t *testing.T) {
	a, _ := start(t)
	page := a.Browser.Follow("Add an entry")
	if page.URL.Path != "/calendar/new" {
		t.Fatalf("%v", page)
	}
	apptest.Contains(t, page, writeScope)
	page = a.Browser.SubmitForm("Add", url.Values{"entry": {"Choir <rehearsal>"}})
	if page.URL.Path != "/calendar" {
		t.Errorf("%v", page)
	}
	apptest.Contains(t, page, "Lunch with Dana", "Choir <rehearsal>")
	if n := a.Provider.Calls(oidcrptest.AuthorizeEndpoint); n != 2 {
		t.Errorf("%d authorization requests", n)
	}
	stillSignedIn(t, a)
}

func TestWhoSaysNoStaysSignedInAndReads(t *testing.T) {
	a, _ := start(t)
	a.Provider.SignInAs("") // it asks the visitor
	apptest.Contains(t, a.Browser.Follow("Add an entry"), "The application asks for:", writeScope)
	if page := a.Browser.SubmitForm("Cancel", nil); page.Status != http.StatusForbidden {
		t.Errorf("%v", page)
	}
	stillSignedIn(t, a)
	apptest.Contains(t, a.Browser.Get(a.URL+"/calendar"), "Lunch with Dana")
}

// A token that ended, and nobody to ask for another.
func TestNoFreshToken(t *testing.T) {
	a, _ := start(t)
	a.Provider.SetTokenLifetime(0)
	a.Browser.Follow("Add an entry")
	a.Provider.SetFaults(oidcrptest.TokenStatus(http.StatusServiceUnavailable))
	page := a.Browser.Get(a.URL + "/calendar")
	if page.Status != http.StatusServiceUnavailable {
		t.Errorf("%v", page)
	}
	apptest.Contains(t, page, "Your provider does not answer", "Bob Baker")
}

func TestATokenThatEndedIsRefreshed(t *testing.T) {
	a, _ := start(t)
	a.Provider.SetTokenLifetime(0) // it has ended when it comes
	apptest.Contains(t, a.Browser.Follow("Add an entry"), "expired; the next call refreshes it")
	a.Provider.SetTokenLifetime(time.Hour)
	apptest.Contains(t, a.Browser.Get(a.URL+"/calendar"), "Lunch with Dana", "active, for", writeScope)
	refreshed := 0
	for _, r := range a.Provider.Requests(oidcrptest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" {
			refreshed++
		}
	}
	if refreshed != 1 {
		t.Errorf("%d refreshes", refreshed)
	}
}

func TestForgottenAndAllowedAgain(t *testing.T) {
	a, _ := start(t)
	page := a.Browser.SubmitForm("Forget it", nil)
	apptest.Contains(t, page, "Hello Bob Baker", "none")
	for range 2 { // it does not ask by itself
		page = a.Browser.Get(a.URL + "/calendar")
		apptest.Contains(t, page, "no access to your calendar")
	}
	if n := a.Provider.Calls(oidcrptest.AuthorizeEndpoint); n != 1 {
		t.Errorf("%d authorization requests", n)
	}
	stillSignedIn(t, a)
	page = a.Browser.Follow("Allow it")
	if page.URL.Path != "/calendar" {
		t.Errorf("%v", page)
	}
	apptest.Contains(t, page, "Lunch with Dana")
	stillSignedIn(t, a)
}

func TestTokensThatWereRevokedElsewhere(t *testing.T) {
	a, _ := start(t)
	a.Provider.RevokeTokens()
	apptest.Contains(t, a.Browser.Get(a.URL+"/calendar"), "no access to your calendar")
	apptest.Contains(t, a.Browser.Follow("Allow it"), "Lunch with Dana")
}

func TestAProviderThatIsDown(t *testing.T) {
	a, _ := start(t)
	a.Provider.Stop() // the calendar cannot ask it about the token
	page := a.Browser.Get(a.URL + "/calendar")
	if page.Status != http.StatusBadGateway {
		t.Errorf("%v", page)
	}
	apptest.Contains(t, page, "The calendar does not answer")
	if err := a.Provider.Start(); err != nil {
		t.Fatal(err)
	}
	apptest.Contains(t, a.Browser.Get(a.URL+"/calendar"), "Lunch with Dana")
}

// The calendar believes nobody but the provider.
func TestTheCalendarRefuses(t *testing.T) {
	a, api := start(t)
	// What signing in to another application, without the calendar, gives.
	other := a.Provider.AddClient(oidcrptest.Client{ID: "other", RedirectURLs: []string{"http://localhost:1/"}, AuthMethod: "none"})
	for _, test := range []struct {
		name, method, authorization string
		status                      int
		challenge                   string
	}{
		{"without a token", "GET", "", http.StatusUnauthorized, `error="invalid_token"`},
		{"with a password", "GET", "Basic Ym9iOmJvYg==", http.StatusUnauthorized, `error="invalid_token"`},
		{"with an invented token", "GET", "Bearer invented", http.StatusUnauthorized, `error="invalid_token"`},
		{"without the scope", "GET", "Bearer " + tokenFor(t, a, other, "openid"), http.StatusForbidden, `scope="calendar.read"`},
		{"with the other scope", "POST", "Bearer " + tokenFor(t, a, other, "openid "+readScope), http.StatusForbidden, `scope="calendar.write"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequest(test.method, api+"/events", strings.NewReader(`"x"`))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", test.authorization)
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != test.status || !strings.Contains(res.Header.Get("WWW-Authenticate"), test.challenge) {
				t.Errorf("%s, %q", res.Status, res.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

// tokenFor signs bob in at a client of the test's own.
func tokenFor(t *testing.T, a *apptest.App, client oidcrptest.Client, scope string) string {
	t.Helper()
	query := url.Values{
		"client_id": {client.ID}, "redirect_uri": {client.RedirectURLs[0]}, "response_type": {"id_token token"},
		"scope": {scope}, "nonce": {"a-nonce-of-the-test"}, "state": {"s"},
	}
	noRedirect := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := noRedirect.Get(a.Provider.URL(oidcrptest.AuthorizeEndpoint) + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, fragment, _ := strings.Cut(res.Header.Get("Location"), "#")
	answer, err := url.ParseQuery(fragment)
	if err != nil || answer.Get("access_token") == "" {
		t.Fatalf("%s to %q: %v", res.Status, res.Header.Get("Location"), err)
	}
	return answer.Get("access_token")
}

// All of it as the command runs it.
func TestServe(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(ctx, options{"localhost:0", "127.0.0.1:0", "127.0.0.1:0", time.Minute}, out)
		out.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	var text strings.Builder
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		text.WriteString(lines.Text() + "\n")
	}
	found := regexp.MustCompile(`(?m)^Open: +(http://localhost:[0-9]+)\nAPI: +http://127\.0\.0\.1:[0-9]+/events\nProvider: +http://127`).FindStringSubmatch(text.String())
	if found == nil {
		t.Fatalf("it said:\n%s", &text)
	}
	b := oidcrptest.NewBrowser(t)
	b.Get(found[1] + "/calendar")
	apptest.Contains(t, b.SubmitForm("alice", nil), "Lunch with Dana")
	interrupt()
	if !lines.Scan() || lines.Text() != "Example api ended." {
		t.Errorf("at the end it said %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
