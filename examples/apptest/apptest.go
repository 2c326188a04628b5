// Package apptest runs an application in a test the way it runs in earnest: on
// http://localhost, with a development provider on http://127.0.0.1, which is
// another site to a browser, and with a browser in front of both.
package apptest

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// App is a running application.
type App struct {
	URL      string // without a slash at the end
	Provider *oidcrptest.Provider
	Browser  *oidcrptest.Browser
}

// Build makes the application that browsers find at baseURL.
type Build func(baseURL string, p oidcrp.Provider) (http.Handler, error)

// Start runs what build makes until the test ends. The paths are those below
// baseURL that it wants to be called back at, if not the usual ones.
func Start(t testing.TB, build Build, paths ...string) *App {
	t.Helper()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := &App{
		URL:      "http://localhost:" + port,
		Provider: oidcrptest.NewProvider(t),
		Browser:  oidcrptest.NewBrowser(t),
	}
	handler, err := build(a.URL, a.register(append(paths, "/auth/callback/default", "/auth/logout")))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(ln)
	t.Cleanup(func() { server.Close() })
	return a
}

// register makes the application a client of the provider.
func (a *App) register(paths []string) oidcrp.Provider {
	var addresses []string
	for _, path := range paths {
		addresses = append(addresses, a.URL+path)
	}
	client := a.Provider.AddClient(oidcrptest.Client{
		Name:                   "the application",
		RedirectURLs:           addresses,
		PostLogoutRedirectURLs: addresses,
	})
	return oidcrp.Provider{
		Issuer:       a.Provider.Issuer(),
		ClientID:     client.ID,
		ClientSecret: oidcrp.Secret(client.Secret),
	}
}

// SignIn opens a page of the application and signs in as a user on the way.
func (a *App) SignIn(user, path string) *oidcrptest.Page {
	a.Provider.SignInAs(user)
	defer a.Provider.SignInAs("")
	return a.Browser.Get(a.URL + path)
}

// Headers are those of a script on one of the application's pages, for what a
// Browser does not do: streams and WebSockets.
func (a *App) Headers() http.Header {
	var cookies []string
	for _, c := range a.Browser.Cookies(a.URL) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	return http.Header{"Cookie": {strings.Join(cookies, "; ")}, "Origin": {a.URL}}
}

// Contains complains about texts that a page does not show.
func Contains(t testing.TB, page *oidcrptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Text(), text) {
			t.Errorf("%v does not say %q: %v", page.URL, text, page)
		}
	}
}
