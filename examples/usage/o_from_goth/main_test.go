package main

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
)

func TestTheOldAddressesStay(t *testing.T) {
	a := apptest.Start(t, app, "/auth/openid-connect/callback", "/session/logout")
	if page := a.SignIn("alice", "/auth/openid-connect"); page.URL.Path != "/" || page.Body != "User 42\n" {
		t.Fatalf("after signing in: %v", page)
	}
	if page := a.Browser.PostForm(a.URL+"/logout", nil); page.Status != http.StatusOK || page.Body != "User \n" {
		t.Errorf("after signing out: %v", page)
	}
}
