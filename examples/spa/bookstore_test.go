package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// start runs the bookstore with a development provider and opens its page.
func start(t *testing.T) *apptest.App {
	t.Helper()
	a := &apptest.App{Provider: oidcrptest.NewProvider(t), Browser: oidcrptest.NewBrowser(t)}
	a.URL = oidcrptest.Serve(t, func(baseURL string) http.Handler {
		s := settings{RedirectURI: baseURL + "/callback", PostLogoutRedirectURI: baseURL + "/", ResponseType: "code", Scope: "openid profile"}
		s.register(a.Provider, baseURL)
		api := a.Provider.URL(oidcrptest.ResourceEndpoint)
		provider, err := s.provider(baseURL, api)
		if err != nil {
			t.Fatal(err)
		}
		b, err := newBookstore(baseURL, api, provider)
		if err != nil {
			t.Fatal(err)
		}
		return b.handler()
	})
	if page := a.Browser.Get(a.URL + "/"); page.Status != http.StatusOK || page.URL.Path != "/" {
		t.Fatalf("the page: %v", page)
	}
	return a
}

// signIn does what session.js does: it asks, adds the address of the page to
// where signing in is, and goes there.
func signIn(t *testing.T, a *apptest.App, user string) *oidcrptest.Page {
	t.Helper()
	here := a.Browser.Page().URL.Path
	page := a.Browser.Fetch("GET", "/auth/me", nil)
	var problem struct{ Login string }
	if err := page.JSON(&problem); err != nil || page.Status != http.StatusUnauthorized {
		t.Fatalf("me: %v, %v", page, err)
	}
	login, err := url.Parse(problem.Login)
	if err != nil {
		t.Fatal(err)
	}
	query := login.Query()
	query.Set("return_to", here)
	login.RawQuery = query.Encode()
	a.Provider.SignInAs(user)
	defer a.Provider.SignInAs("")
	return a.Browser.Get(login.String())
}

// me is who the page would say is signed in, "" for nobody.
func me(t *testing.T, a *apptest.App) string {
	t.Helper()
	page := a.Browser.Fetch("GET", "/auth/me", nil)
	if page.Status == http.StatusUnauthorized {
		return ""
	}
	var answer struct {
		Subject   string `json:"sub"`
		ExpiresIn int    `json:"expires_in"`
	}
	if err := page.JSON(&answer); err != nil || page.Status != http.StatusOK || answer.ExpiresIn <= 0 {
		t.Fatalf("me: %v, %v", page, err)
	}
	return answer.Subject
}

func TestEverybodySeesTheBooks(t *testing.T) {
	a := start(t)
	if page := a.Browser.Fetch("GET", "/api/books", nil); page.Status != http.StatusOK || !strings.Contains(page.Body, "Four Reigns") {
		t.Errorf("books: %v", page)
	}
	for _, address := range []string{"GET /api/notes", "POST /api/notes/1", "DELETE /api/notes/1", "GET /api/elsewhere", "GET /api/stock"} {
		method, path, _ := strings.Cut(address, " ")
		page := a.Browser.Fetch(method, path, nil)
		if page.Status != http.StatusUnauthorized || page.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", address, page)
		}
	}
	if page := a.Browser.Get(a.URL + "/books/none"); page.Status != http.StatusNotFound || page.Form("write") == nil {
		t.Errorf("no such book: %v", page)
	}
}

// What gets into the page finds nothing it could run, send or read.
func TestThePageIsClosed(t *testing.T) {
	a := start(t)
	page := a.Browser.Page()
	csp := page.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "connect-src 'self';", "form-action 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy has no %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") {
		t.Errorf("the policy is unsafe: %s", csp)
	}
	if inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son[a-z]+=|\sstyle=|javascript:`).FindString(page.Body); inline != "" {
		t.Errorf("the page has %q", inline)
	}
	for _, file := range []string{"app.js", "session.js", "texts.js"} {
		got := a.Browser.Fetch("GET", "/static/"+file, nil)
		if got.Status != http.StatusOK || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/javascript") || got.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", file, got)
		}
		if dangerous := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|access_token`).FindString(got.Body); dangerous != "" {
			t.Errorf("%s uses %s", file, dangerous)
		}
	}

	signIn(t, a, "bob")
	for _, c := range a.Browser.Cookies(a.URL) {
		if !c.HttpOnly {
			t.Errorf("scripts can read the cookie %s", c.Name)
		}
	}
}

func TestSigningInComesBackToTheSamePlace(t *testing.T) {
	a := start(t)
	a.Browser.Get(a.URL + "/books/2")
	if page := signIn(t, a, "bob"); page.URL.Path != "/books/2" || page.Status != http.StatusOK {
		t.Errorf("signing in led to %v", page)
	}
	if who := me(t, a); who != "bob" {
		t.Errorf("signed in as %q", who)
	}
}

func TestNotesAreTheReaders(t *testing.T) {
	a := start(t)
	signIn(t, a, "bob")
	note := &oidcrptest.FetchOptions{Body: `"Read <b>twice</b>"`, Header: http.Header{"Content-Type": {"application/json"}}}
	if page := a.Browser.Fetch("POST", "/api/notes/3", note); page.Status != http.StatusNoContent {
		t.Fatalf("POST: %v", page)
	}
	if page := a.Browser.Fetch("POST", "/api/notes/99", note); page.Status != http.StatusNotFound {
		t.Errorf("no such book: %v", page)
	}
	for _, bad := range []string{`{"not": "a string"}`, `"` + strings.Repeat("x", longestNote) + `"`, "\xff"} {
		if page := a.Browser.Fetch("POST", "/api/notes/3", &oidcrptest.FetchOptions{Body: bad}); page.Status != http.StatusBadRequest {
			t.Errorf("%.20q: %v", bad, page)
		}
	}
	notes := func() (got map[string]string) {
		if err := a.Browser.Fetch("GET", "/api/notes", nil).JSON(&got); err != nil {
			t.Error(err)
		}
		return got
	}
	if got := notes(); len(got) != 1 || got["3"] != "Read <b>twice</b>" {
		t.Errorf("bob's notes: %q", got)
	}
	first := a.Browser
	a.Browser = oidcrptest.NewBrowser(t)
	a.Browser.Get(a.URL + "/")
	signIn(t, a, "carol")
	if got := notes(); len(got) != 0 {
		t.Errorf("carol's notes: %q", got)
	}
	a.Browser = first
	if page := a.Browser.Fetch("DELETE", "/api/notes/3", nil); page.Status != http.StatusNoContent || len(notes()) != 0 {
		t.Errorf("DELETE: %v", page)
	}
}

// Another port of this host is the same site, so that the session comes along;
// and a program that is no browser has to say where its request comes from.
func TestPostsFromElsewhereAreRefused(t *testing.T) {
	a := start(t)
	signIn(t, a, "bob")
	for _, path := range []string{"/api/notes/1", "/auth/logout"} {
		for _, attacker := range []string{"http://localhost:1/", "https://evil.example/"} {
			a.Browser.Show(attacker, `<form method="post" action="`+a.URL+path+`" enctype="text/plain"><input name='"x"' value=""><button>Win</button></form>`)
			a.Browser.SubmitForm("Win", nil)
			a.Browser.Show(attacker, "a page")
			a.Browser.Fetch("POST", a.URL+path, &oidcrptest.FetchOptions{Body: `"x"`, Mode: "no-cors", Credentials: "include"})
		}
	}
	if me := a.Browser.Fetch("GET", a.URL+"/auth/me", &oidcrptest.FetchOptions{Mode: "no-cors", Credentials: "include"}); me.Status == http.StatusOK {
		t.Errorf("another site was told who is here: %v", me)
	}
	for site, want := range map[string]int{"": http.StatusForbidden, "same-site": http.StatusForbidden, "same-origin": http.StatusNoContent} {
		req, err := http.NewRequest("DELETE", a.URL+"/api/notes/1", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range a.Browser.Cookies(a.URL) {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
		if site != "" {
			req.Header.Set("Sec-Fetch-Site", site)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("Sec-Fetch-Site %q: %s", site, res.Status)
		}
	}

	a.Browser.Get(a.URL + "/")
	if who := me(t, a); who != "bob" {
		t.Errorf("signed in as %q", who)
	}
	if page := a.Browser.Fetch("GET", "/api/notes", nil); strings.TrimSpace(page.Body) != "{}" {
		t.Errorf("somebody wrote notes: %v", page)
	}
}

func TestCallingElsewhere(t *testing.T) {
	a := start(t)
	signIn(t, a, "bob")
	page := a.Browser.Fetch("GET", "/api/elsewhere", nil)
	if page.Status != http.StatusOK || !strings.Contains(page.Body, `"sub":"bob"`) {
		t.Errorf("%v", page)
	}
	a.Provider.RevokeTokens() // the API refuses it; the visitor is not signed out
	if page := a.Browser.Fetch("GET", "/api/elsewhere", nil); page.Status != http.StatusBadGateway {
		t.Errorf("with a revoked token: %v", page)
	}
	if who := me(t, a); who != "bob" {
		t.Errorf("signed in as %q", who)
	}
}

// A token that ended and cannot be refreshed takes a new sign-in.
func TestNoTokenAnyMore(t *testing.T) {
	a := start(t)
	a.Provider.SetTokenLifetime(0)
	signIn(t, a, "bob")
	a.Provider.SetFaults(oidcrptest.TokenError("invalid_grant"))
	page := a.Browser.Fetch("GET", "/api/elsewhere", nil)
	var problem struct{ Login string }
	if err := page.JSON(&problem); err != nil || page.Status != http.StatusUnauthorized || !strings.HasPrefix(problem.Login, a.URL+"/auth/login") {
		t.Errorf("%v, %v", page, err)
	}
}

func TestStockIsForStaff(t *testing.T) {
	for user, want := range map[string]int{"alice": http.StatusOK, "bob": http.StatusForbidden} {
		a := start(t)
		signIn(t, a, user)
		if page := a.Browser.Fetch("GET", "/api/stock", nil); page.Status != want {
			t.Errorf("%s: %v", user, page)
		}
	}
}

func TestSigningOut(t *testing.T) {
	a := start(t)
	signIn(t, a, "bob")
	var next struct{ Location string }
	if err := a.Browser.Fetch("POST", "/auth/logout", nil).JSON(&next); err != nil {
		t.Fatal(err)
	}
	if who := me(t, a); who != "" {
		t.Errorf("still signed in as %q", who)
	}
	page := a.Browser.Get(a.URL + strings.TrimPrefix(next.Location, a.URL))
	if page.URL.Path != "/" || a.Provider.Calls(oidcrptest.EndSessionEndpoint) != 1 {
		t.Errorf("signing out led to %v", page)
	}
	a.Browser.Get(a.URL + "/")
	if who := me(t, a); who != "" {
		t.Errorf("signed in again by itself, as %q", who)
	}
}

// Whose session ended here, and not at the provider, is signed in by opening
// the page.
func TestSignedInSilently(t *testing.T) {
	a := start(t)
	a.Browser = oidcrptest.NewBrowser(t)
	a.SignIn("bob", "/auth/login")
	for _, c := range a.Browser.Cookies(a.URL) {
		if strings.Contains(c.Name, "oidcrp_s_") {
			a.Browser.DropCookie(c.Name)
		}
	}
	if page := a.Browser.Fetch("GET", "/api/notes", &oidcrptest.FetchOptions{Header: http.Header{"X-Background": {"1"}}}); page.Status != http.StatusUnauthorized {
		t.Errorf("in the background: %v", page)
	}
	a.Provider.ResetCalls()
	if page := a.Browser.Get(a.URL + "/books/1"); page.URL.Path != "/books/1" {
		t.Errorf("%v", page)
	}
	asked := a.Provider.Requests(oidcrptest.PAREndpoint)
	if who := me(t, a); who != "bob" || len(asked) != 1 || asked[0].Form.Get("prompt") != "none" {
		t.Errorf("signed in as %q by %v", who, asked)
	}
}

func TestSignedOutAtTheProvider(t *testing.T) {
	a := start(t)
	signIn(t, a, "bob")
	a.Provider.SignOut("bob")
	if who := me(t, a); who != "" {
		t.Errorf("still signed in as %q", who)
	}
}

func TestLanguageOfThePagesBehind(t *testing.T) {
	a := start(t)
	a.Browser.SetCookie(a.URL, "bookstore_language=th; Path=/")
	a.Browser.Get(a.URL + "/auth/login")
	asked := a.Provider.Requests(oidcrptest.PAREndpoint)
	if got := asked[len(asked)-1].Form.Get("ui_locales"); got != "th" {
		t.Errorf("ui_locales %q", got)
	}
	if page := a.Browser.Get(a.URL + "/auth/logout"); page.Header.Get("Content-Language") != "th" {
		t.Errorf("the signed-out page is in %q", page.Header.Get("Content-Language"))
	}
}
