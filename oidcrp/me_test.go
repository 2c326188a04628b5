package oidcrp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestMe(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Claims = []string{"name", "email", "/nested/deep"}
		c.SessionLifetime = time.Hour
	})
	a.op.AddUser(oidcrptest.User{Subject: "erin", Name: "Erin", Email: "erin@example.com", Claims: map[string]any{
		"nested": map[string]any{"deep": []int{1, 2}, "other": "not kept"}, "secret": "not kept",
	}})
	b := a.signInAs("erin")
	b.Get(a.URL + "/")
	a.clock.advance(15 * time.Minute)
	page := b.Fetch("GET", "/auth/me", nil)
	if page.Status != http.StatusOK || page.Header.Get("Content-Type") != "application/json" || page.Header.Get("Cache-Control") != "no-store" ||
		page.Header.Get("X-Content-Type-Options") != "nosniff" || page.Header.Get("Access-Control-Allow-Origin") != "" || len(page.Header.Values("Set-Cookie")) != 0 {
		t.Errorf("%d %v", page.Status, page.Header)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(page.Body), &got); err != nil {
		t.Fatal(err)
	}
	left, _ := got["expires_in"].(float64)
	if left < 44*60 || left > 45*60 {
		t.Errorf("expires_in %v", left)
	}
	delete(got, "expires_in")
	want := map[string]any{
		"iss": a.op.Issuer(), "sub": "erin", "provider": "test", "name": "Erin", "roles": []any{}, "logout": a.URL + "/auth/logout",
		"claims": map[string]any{"name": "Erin", "email": "erin@example.com", "nested": map[string]any{"deep": []any{1.0, 2.0}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	a.op.SetNow(a.clock.now)
	a.shows(a.signIn().Get(a.URL+"/auth/me"), `"roles":["admin"]`)
}

func TestMeOfNobody(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	b.Get(a.URL + "/page?x=1")
	page := b.Fetch("GET", "/auth/me", nil)
	doc := problem(t, []byte(page.Body))
	if page.Status != 401 || page.Header.Get("Content-Type") != "application/problem+json" || page.Header.Get("Cache-Control") != "no-store" ||
		doc.Reason != "login_required" || doc.Status != 401 || doc.Login != a.URL+"/auth/login?return_to=%2Fpage%3Fx%3D1" {
		t.Errorf("%d %v %+v", page.Status, page.Header, doc)
	}
	page = b.Get(a.URL + "/auth/me") // no login starts from looking at it
	if page.Status != 401 || page.Header.Get("Content-Type") != "application/problem+json" || len(page.Trail) != 1 {
		t.Errorf("%v", page)
	}
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	if len(a.events.of(oidcrp.LoginFailed)) != 0 {
		t.Error("polling is taken for a failed login")
	}
}

func TestMeOfARemovedProvider(t *testing.T) {
	before := offline(t, nil)
	after := offline(t, func(c *oidcrp.Config) { c.Providers[0].Name = "new" })
	if w := ask(before, after, &oidcrptest.User{Subject: "alice"}, "GET", "/auth/me"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A front end that asks nothing but this address has its sessions: its logins
// are no loop.
func TestMeCountsAsALoadedSession(t *testing.T) {
	a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/auth/", a.rp)
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "static page") })
		return mux
	})
	b := a.browse()
	for range 3 {
		a.shows(b.Get(a.URL+"/auth/login?return_to=/"), "static page")
		a.shows(b.Get(a.URL+"/auth/me"), "alice")
	}
}

func TestMeIsForOurOwnPages(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	for _, site := range []string{"cross-site", "same-site", "something-new"} {
		res := a.with(b, "GET", "/auth/me", "Sec-Fetch-Site", site)
		if res.StatusCode != http.StatusForbidden || res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d", site, res.StatusCode)
		}
	}
	for _, site := range []string{"same-origin", "none"} {
		if res := a.with(b, "GET", "/auth/me", "Sec-Fetch-Site", site); res.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", site, res.StatusCode)
		}
	}
	if res := a.with(b, "HEAD", "/auth/me"); res.StatusCode != http.StatusOK {
		t.Errorf("HEAD: %d", res.StatusCode)
	}
	evil(b, "")
	page := b.Fetch("GET", a.URL+"/auth/me", &oidcrptest.FetchOptions{Credentials: "include"})
	if page.Status == http.StatusOK || page.Blocked != "cors" {
		t.Errorf("%v", page)
	}
}
