package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
)

func TestFlashLanguageAndForms(t *testing.T) {
	a := apptest.Start(t, app)
	page := a.Browser.Get(a.URL + "/language/th") // leads on to the sign-in page
	if page.Title() != "เข้าสู่ระบบ" {
		t.Errorf("the provider's page: %v", page)
	}
	a.Browser.SubmitForm("bob", nil)

	apptest.Contains(t, a.Browser.SubmitForm("Order", nil), "Thank you for your order.")
	if page := a.Browser.Reload(); page.Status != http.StatusOK || strings.Contains(page.Body, "Thank you") {
		t.Errorf("reloaded: %v", page)
	}

	// Another port of this host is the same site to a browser: cookies go
	// along. The guard knows better.
	a.Browser.Show("http://localhost:1/", `<form method="post" action="`+a.URL+`/orders"><button>Win</button></form>`)
	if page := a.Browser.SubmitForm("Win", nil); page.Status != http.StatusForbidden {
		t.Errorf("a form of another origin: %v", page)
	}
}
