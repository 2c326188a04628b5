package main

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestTheOldRedirectURIStays(t *testing.T) {
	a := apptest.Start(t, app, "/callback")
	if page := a.SignIn("alice", "/"); page.Body != "alice@example.com true\n" {
		t.Errorf("alice: %v", page)
	}
	a.Browser = oidcrptest.NewBrowser(t)
	if page := a.SignIn("carol", "/"); page.Body != "carol@example.com false\n" {
		t.Errorf("carol: %v", page)
	}
}
