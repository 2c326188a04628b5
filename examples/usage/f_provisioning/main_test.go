package main

import (
	"database/sql"
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func start(t *testing.T) (*apptest.App, *sql.DB) {
	t.Helper()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		return app(baseURL, p, db)
	}), db
}

func TestTermsOnceAndRefusalLater(t *testing.T) {
	a, db := start(t)
	page := a.SignIn("bob", "/")
	if page.URL.Path != "/terms" || page.Status != http.StatusOK {
		t.Fatalf("the first time: %v", page)
	}
	page = a.Browser.SubmitForm("I accept", nil)
	if page.URL.Path != "/" || page.Body != "You are user 1\n" {
		t.Fatalf("after the terms: %v", page)
	}

	a.Browser = oidcrptest.NewBrowser(t)
	if page := a.SignIn("bob", "/"); page.Body != "You are user 1\n" {
		t.Errorf("the second time: %v", page)
	}

	if _, err := db.Exec(`UPDATE users SET blocked = TRUE`); err != nil {
		t.Fatal(err)
	}
	for language, text := range closed {
		a.Browser = oidcrptest.NewBrowser(t)
		a.Browser.SetLanguage(language)
		page := a.SignIn("bob", "/")
		if page.Status != http.StatusForbidden {
			t.Errorf("blocked: %v", page)
		}
		apptest.Contains(t, page, text)
	}
}

func TestTermsWithoutALogin(t *testing.T) {
	a, _ := start(t)
	if page := a.Browser.Get(a.URL + "/terms"); page.Title() != "Sign in" {
		t.Errorf("just walking in: %v", page)
	}
	a.Browser.Show(a.URL+"/terms", `<form method="post"><button>I accept</button></form>`)
	if page := a.Browser.SubmitForm("I accept", nil); page.Status < 400 {
		t.Errorf("accepting for nobody: %v", page)
	}
}
