package main

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
)

func TestOnlyHealthAndStaticFilesAreOpen(t *testing.T) {
	a := apptest.Start(t, app)
	for _, path := range []string{"/healthz", "/static/site.css"} {
		if page := a.Browser.Get(a.URL + path); page.Status != http.StatusOK || page.URL.Path != path {
			t.Errorf("%s: %v", path, page)
		}
	}
	if page := a.Browser.Get(a.URL + "/"); page.Title() != "Sign in" {
		t.Errorf("a stranger sees %v", page)
	}
	if page := a.Browser.SubmitForm("alice", nil); page.Body != "Hello Alice Archer\n" {
		t.Errorf("alice sees %v", page)
	}
}
