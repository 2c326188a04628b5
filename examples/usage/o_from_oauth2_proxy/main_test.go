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

func TestUpstreamIsToldWhoIsThere(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Join([]string{r.Header.Get("X-Forwarded-User"), r.Header.Get("X-Forwarded-Email"), r.Header.Get("X-Forwarded-Groups"), r.Header.Get("Cookie")}, " "))
	}))
	t.Cleanup(upstream.Close)
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		return app(baseURL, upstream.URL, p)
	}, "/oauth2/callback", "/oauth2/logout")
	a.Provider.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true,
		Claims: map[string]any{"groups": []string{"staff", "sales"}}})

	if page := a.SignIn("erin", "/"); page.Body != "erin erin@example.com staff,sales " {
		t.Errorf("erin: %q", page.Body)
	}
	forged := &oidcrptest.FetchOptions{Header: http.Header{"X-Forwarded-User": {"admin"}, "X-Forwarded-Groups": {"root"}}}
	if page := a.Browser.Fetch("GET", "/", forged); page.Body != "erin erin@example.com staff,sales " {
		t.Errorf("erin with headers of her own: %q", page.Body)
	}
	a.Browser = oidcrptest.NewBrowser(t)
	if page := a.SignIn("carol", "/"); page.Status != http.StatusForbidden {
		t.Errorf("carol, whose address is not verified: %v", page)
	}
}
