package main

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestPeopleAreToldWhatToDo(t *testing.T) {
	for _, test := range []struct {
		name   string
		happen func(*apptest.App) *oidcrptest.Page
		text   string
		retry  bool
	}{
		{"the user cancels", func(a *apptest.App) *oidcrptest.Page {
			a.Browser.Get(a.URL + "/")
			return a.Browser.SubmitForm("cancel", nil)
		}, "You did not sign in.", true},
		{"the provider is down at the start", func(a *apptest.App) *oidcrptest.Page {
			a.Provider.Stop()
			return a.Browser.Get(a.URL + "/")
		}, "Signing in does not work just now.", true},
		{"the provider breaks down on the way", func(a *apptest.App) *oidcrptest.Page {
			a.Provider.SetFaults(oidcrptest.TokenStatus(503))
			return a.SignIn("alice", "/")
		}, "Signing in does not work just now.", true},
		{"our secret has expired", func(a *apptest.App) *oidcrptest.Page {
			for _, c := range a.Provider.Clients() {
				c.Secret = "a new one"
				a.Provider.AddClient(c)
			}
			return a.SignIn("alice", "/")
		}, "We made a mistake.", false},
		{"somebody forged a token", func(a *apptest.App) *oidcrptest.Page {
			a.Provider.SetFaults(oidcrptest.WrongSignature)
			return a.SignIn("alice", "/")
		}, "Signing in failed.", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := apptest.Start(t, app)
			page := test.happen(a)
			if page.Status < 400 {
				t.Errorf("status %d", page.Status)
			}
			apptest.Contains(t, page, test.text, "Reference:")
			if test.retry && len(page.Links()) == 0 {
				t.Errorf("no way to try again: %v", page)
			}
		})
	}
}
