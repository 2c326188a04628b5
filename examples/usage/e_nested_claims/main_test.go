package main

import (
	"net/http"
	"slices"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestClaims(t *testing.T) {
	a := apptest.Start(t, app)
	groups := make([]string, 400)
	for i := range groups {
		groups[i] = "CN=Some-Group-With-A-Long-Name,OU=Groups,DC=example"
	}
	for _, user := range []oidcrptest.User{
		{Subject: "erin", Name: "Erin", Claims: map[string]any{
			"department":   "sales",
			"groups":       append(groups, "CN=Finance-Readers,OU=Groups,DC=example"),
			"realm_access": map[string]any{"roles": []string{"auditor", "offline_access"}}}},
		{Subject: "frank", Name: "Frank", Claims: map[string]any{
			"department": []string{"sales", "export"},
			"groups":     groups}},
	} {
		a.Provider.AddUser(user)
	}

	for _, test := range []struct {
		user         string
		departments  []string
		roles        []string
		books, audit int
	}{
		{"erin", []string{"sales"}, []string{"auditor", "offline_access"}, http.StatusOK, http.StatusOK},
		{"frank", []string{"sales", "export"}, nil, http.StatusForbidden, http.StatusForbidden},
	} {
		t.Run(test.user, func(t *testing.T) {
			a.Browser = oidcrptest.NewBrowser(t)
			var p Profile
			if err := a.SignIn(test.user, "/profile").JSON(&p); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(p.Departments, test.departments) || !slices.Equal(p.RealmAccess.Roles, test.roles) {
				t.Errorf("profile: %+v", p)
			}
			if page := a.Browser.Get(a.URL + "/books"); page.Status != test.books {
				t.Errorf("books: %v", page)
			}
			if page := a.Browser.Get(a.URL + "/audit"); page.Status != test.audit {
				t.Errorf("audit: %v", page)
			}
		})
	}
}
