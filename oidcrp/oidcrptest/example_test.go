package oidcrptest_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// A provider for development, with a user and a client of the program's own.
// Tests use NewProvider, which needs no Close.
func ExampleStartProvider() {
	p, err := oidcrptest.StartProvider("127.0.0.1:0") // say ":4000" for a fixed port
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	p.AddUser(oidcrptest.User{
		Subject: "erin", Name: "Erin Engel", Email: "erin@example.com", EmailVerified: true,
		Claims: map[string]any{"roles": []string{"auditor"}},
	})
	client := p.AddClient(oidcrptest.Client{
		ID:                     "portal",
		RedirectURLs:           []string{"http://localhost:3000/auth/callback/dev"},
		PostLogoutRedirectURLs: []string{"http://localhost:3000/auth/logout"},
	})
	fmt.Println(client.ID, len(client.Secret) > 30)
	for _, u := range p.Users() {
		fmt.Println(u.Subject)
	}
	// Output:
	// portal true
	// alice
	// bob
	// carol
	// dave
	// erin
}

// A provider by https that signs as FAPI 2.0 wants it. The server's Client, which
// trusts it, is the HTTPClient of the application's settings.
func ExampleNewHandler() {
	srv := httptest.NewUnstartedServer(nil)
	p, err := oidcrptest.NewHandler("https://" + srv.Listener.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	p.SetAlgorithm("PS256")
	srv.Config.Handler = p
	srv.StartTLS()
	defer srv.Close()

	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Issuer: p.Issuer(), HTTPClient: srv.Client(), ClientID: "app", Profile: oidcrp.FAPI2, DPoP: true,
			ClientKeys: []oidcrp.ClientKey{{File: "testdata/client-key.pem"}},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rp.Ready(context.Background()))
	// Output: <nil>
}

// Faults can come and go while the provider runs.
func ExampleProvider_SetFaults() {
	p, err := oidcrptest.StartProvider("127.0.0.1:0", oidcrptest.MetadataStatus(500))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	discovery := p.URL(oidcrptest.DiscoveryEndpoint)
	fmt.Println(status(discovery))
	p.SetFaults()
	fmt.Println(status(discovery))
	p.SetFaults(oidcrptest.JWKSStatus(503), oidcrptest.TokenError("invalid_grant"))
	fmt.Println(status(discovery), status(p.URL(oidcrptest.JWKSEndpoint)))
	fmt.Println(p.Calls(oidcrptest.DiscoveryEndpoint), "calls")
	// Output:
	// 500
	// 200
	// 200 503
	// 3 calls
}

func status(address string) int {
	res, err := http.Get(address)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// The client of the ready settings, made to sign its assertions.
func ExampleProvider_Config() {
	p, err := oidcrptest.StartProvider("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	settings := p.Config("main", "http://localhost:3000")
	settings.ClientSecret = ""
	settings.ClientKeys = []oidcrp.ClientKey{{File: "testdata/client-key.pem"}}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{settings},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range p.Clients() {
		if c.ID == settings.ClientID {
			c.Secret, c.AuthMethod, c.JWKSURL = "", "private_key_jwt", rp.RedirectURLs()[0].JWKS
			p.AddClient(c)
			fmt.Println(c.AuthMethod, c.JWKSURL)
		}
	}
	// Output: private_key_jwt http://localhost:3000/auth/jwks/main
}

// A fault of one's own is a name and a hook.
func ExampleFault() {
	emailAsList := oidcrptest.Fault{
		Name:    "EmailAsList",
		IDToken: func(t *oidcrptest.IDToken) { t.Claims["email"] = []string{"a@example.com", "b@example.com"} },
	}
	fmt.Println(emailAsList)
	// Output: EmailAsList
}

// A cookie that a browser keeps from a form post of another site, and one that
// it keeps back. In a test, t is the test's own.
func ExampleBrowser() {
	var t testing.TB = printer{}

	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "lax", Value: "1", SameSite: http.SameSiteLaxMode})
		http.SetCookie(w, &http.Cookie{Name: "none", Value: "1", SameSite: http.SameSiteNoneMode, Secure: true})
		io.WriteString(w, r.Method+" "+r.Header.Get("Cookie"))
	}))
	defer app.Close()
	home := strings.Replace(app.URL, "127.0.0.1", "localhost", 1)

	b := oidcrptest.NewBrowser(t)
	b.Get(home)
	fmt.Println(b.Get(home).Body)

	b.Show("http://127.0.0.1:4000/", `<form method="post" action="`+home+`"><input name="code"><button>Go</button></form>`)
	fmt.Println(b.SubmitForm("Go", url.Values{"code": {"123"}}).Body)
	// Output:
	// GET lax=1; none=1
	// POST none=1
}

// What somebody types into a form, and which button they press.
func ExampleBrowser_SubmitForm() {
	var t testing.TB = printer{}

	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			fmt.Fprintf(w, "%s by %s", r.PostFormValue("answer"), r.PostFormValue("name"))
			return
		}
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<form method="post"><input name="name" value="nobody">
			<button name="answer" value="yes">Accept</button><button name="answer" value="no">Decline</button></form>`)
	}))
	defer app.Close()

	b := oidcrptest.NewBrowser(t)
	b.Get(app.URL)
	fmt.Println(b.SubmitForm("Accept", url.Values{"name": {"Alice"}}).Body)
	b.Back()
	fmt.Println(b.SubmitForm("Decline", nil).Body)
	// Output:
	// yes by Alice
	// no by nobody
}

// printer stands for a *testing.T, which an example has not got.
type printer struct{ testing.TB }

func (printer) Helper()                        {}
func (printer) Cleanup(func())                 {}
func (printer) Fatalf(format string, a ...any) { fmt.Printf(format, a...) }
