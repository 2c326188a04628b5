package oidcrptest_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// hello is a handler of an application.
func hello(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintln(w, "hello", oidcrp.FromContext(r.Context()).Name())
}

// quiet is the relying party of an application whose provider is not needed.
func quiet() *oidcrp.RelyingParty {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000", // makes its CookieKeys itself
		Providers: []oidcrp.Provider{{
			Issuer: "https://login.example.com", ClientID: "app", RolesClaim: "groups", Roles: map[string]string{"g-17": "admin"},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	return rp
}

// A handler alone: it finds the session that a login would have made.
func ExampleWithSession() {
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(oidcrptest.WithSession(r.Context(), oidcrptest.User{Subject: "alice", Name: "Alice"}))
	w := httptest.NewRecorder()
	hello(w, r)
	fmt.Print(w.Body)
	// Output: hello Alice
}

// A handler behind a role, with its guard, and without a provider.
func ExampleSignedIn() {
	admin := quiet().Require(oidcrp.HasRole("admin"))(http.HandlerFunc(hello))
	for _, role := range []string{"admin", "member"} {
		user := oidcrptest.User{Subject: "alice", Name: "Alice", Claims: map[string]any{"roles": []string{role}}}
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, oidcrptest.SignedIn(httptest.NewRequest("POST", "/admin/users", nil), user))
		fmt.Println(role, w.Code)
	}
	// Output:
	// admin 200
	// member 403
}

// A whole application, over HTTP and with the configured mapping of groups to
// roles: the cookie is the one a login would have set.
func ExampleCookie() {
	rp := quiet()
	mux := http.NewServeMux()
	mux.Handle("/admin/", rp.Require(oidcrp.HasRole("admin"))(http.HandlerFunc(hello)))
	app := httptest.NewServer(rp.Load(mux))
	defer app.Close()

	user := oidcrptest.User{Subject: "alice", Name: "Alice", Claims: map[string]any{"groups": []string{"g-17"}}}
	req, err := http.NewRequest("GET", app.URL+"/admin/", nil)
	if err != nil {
		panic(err)
	}
	req.AddCookie(oidcrptest.Cookie(rp, "", user))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	fmt.Println(res.Status)
	// Output: 200 OK
}

// A login in a browser, at a provider that does one thing wrong. In a test, t
// is the test's own.
func ExampleNewProvider() {
	var t testing.TB = printer{}

	var handler http.Handler
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	defer app.Close()
	base := strings.Replace(app.URL, "127.0.0.1", "localhost", 1) // another site than the provider's

	op := oidcrptest.NewProvider(t, oidcrptest.WrongNonce)
	defer op.Close()
	op.SignInAs("alice")
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   base,
		Providers: []oidcrp.Provider{op.Config("main", base)},
		Logger:    slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = rp.Protect(http.HandlerFunc(hello))

	b := oidcrptest.NewBrowser(t)
	page := b.Get(base + "/reports")
	fmt.Println(page.Status, page.Title())

	op.SetFaults() // it has been repaired
	page = b.Follow("Try again")
	fmt.Println(page.Status, page.Body)
	// Output:
	// 400 Your sign-in could not be verified
	// 200 hello Alice Archer
}
