package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestWhoSeesWhat(t *testing.T) {
	a := apptest.Start(t, app)
	for _, test := range []struct {
		user, path string
		status     int
		text       string
	}{
		{"alice", "/", http.StatusOK, "Hello Alice Archer"},
		{"alice", "/reports", http.StatusOK, "The reports"},
		{"alice", "/admin/", http.StatusOK, "The controls"},
		{"bob", "/reports", http.StatusOK, "The reports"},
		{"bob", "/admin/", http.StatusForbidden, ""},
	} {
		t.Run(test.user+" at "+test.path, func(t *testing.T) {
			a.Browser = oidcrptest.NewBrowser(t)
			if page := a.Browser.Get(a.URL + "/"); page.Body != "Hello stranger\n" {
				t.Errorf("before: %v", page)
			}
			a.SignIn(test.user, "/reports")
			page := a.Browser.Get(a.URL + test.path)
			if page.Status != test.status || test.text != "" && strings.TrimSpace(page.Body) != test.text {
				t.Errorf("%v", page)
			}
		})
	}
}
