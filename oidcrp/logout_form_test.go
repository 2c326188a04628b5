package oidcrp_test

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What a page sends beside its sign-out is read in either form that a form has,
// or refused: nobody believes that all sessions ended when one did.
func TestSignOutReadsForms(t *testing.T) {
	const multipart = "--x\r\nContent-Disposition: form-data; name=\"everywhere\"\r\n\r\n1\r\n--x--\r\n"
	for _, tt := range []struct {
		kind, body string
		status     int
		elsewhere  string // what another browser of the user is shown then
	}{
		{"application/x-www-form-urlencoded", "everywhere=1", http.StatusOK, "home of nobody"},
		{"multipart/form-data; boundary=x", multipart, http.StatusOK, "home of nobody"},
		{"", "", http.StatusOK, "home of alice"},
		{"text/plain;charset=UTF-8", "", http.StatusOK, "home of alice"},
		{"application/json", `{"everywhere":"1"}`, http.StatusBadRequest, "home of alice"},
		{"text/plain;charset=UTF-8", "everywhere=1", http.StatusBadRequest, "home of alice"},
		{"multipart/form-data", multipart, http.StatusBadRequest, "home of alice"},
	} {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		here, elsewhere := a.signIn(), a.signIn()
		here.Get(a.URL + "/")
		header := http.Header{}
		if tt.kind != "" {
			header.Set("Content-Type", tt.kind)
		}
		page := here.Fetch(http.MethodPost, a.URL+"/auth/logout", &oidcrptest.FetchOptions{Header: header, Body: tt.body})
		if page.Status != tt.status {
			t.Errorf("%s: %s", tt.kind, page)
		}
		a.shows(elsewhere.Get(a.URL+"/"), tt.elsewhere)
		want := "home of alice"
		if tt.status == http.StatusOK {
			want = "home of nobody"
		}
		a.shows(here.Get(a.URL+"/"), want)
	}
}
