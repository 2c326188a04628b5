package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func start(t *testing.T) *apptest.App {
	t.Helper()
	calendar := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "events of today")
	}))
	t.Cleanup(calendar.Close)
	return apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		return app(baseURL, calendar.URL, p)
	})
}

func TestConsentOnTheWayToTheCalendar(t *testing.T) {
	a := start(t)
	a.SignIn("bob", "/nowhere")
	a.Provider.SignInAs("bob")
	for range 2 {
		if page := a.Browser.Get(a.URL + "/calendar"); page.Body != "events of today" {
			t.Fatalf("the calendar: %v", page)
		}
	}
	// Signing in, and one more scope.
	if n := a.Provider.Calls(oidcrptest.TokenEndpoint); n != 2 {
		t.Errorf("%d token requests", n)
	}
	if page := a.Browser.Get(a.URL + "/mail"); page.Status != http.StatusNotFound {
		t.Errorf("mail: %v", page)
	}
}

func TestWhoDeclinesStaysSignedIn(t *testing.T) {
	a := start(t)
	a.SignIn("bob", "/nowhere")
	a.Provider.SetFaults(oidcrptest.AuthorizationError("access_denied", "no"))
	for _, path := range []string{"/calendar", "/mail"} {
		if page := a.Browser.Get(a.URL + path); page.Status != http.StatusForbidden {
			t.Errorf("%s: %v", path, page)
		}
	}
	if me := a.Browser.Fetch("GET", "/auth/me", nil); me.Status != http.StatusOK {
		t.Errorf("signed out: %v", me)
	}
}
