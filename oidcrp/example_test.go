package oidcrp_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// One provider, and everything behind a login.
func Example() {
	keys, err := oidcrp.ParseKeys(os.Getenv("COOKIE_KEYS"))
	if err != nil {
		log.Fatal(err)
	}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:    "https://app.example.com",
		CookieKeys: keys,
		Providers: []oidcrp.Provider{{
			Issuer:       "https://login.example.com",
			ClientID:     "reports",
			ClientSecret: oidcrp.Secret(os.Getenv("CLIENT_SECRET")),
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello", oidcrp.FromContext(r.Context()).Name())
	})
	log.Fatal(http.ListenAndServe(":8080", rp.Protect(app)))
}

// Several providers: visitors choose on the sign-in page, or follow a link
// that names one.
func ExampleNew_severalProviders() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{
			{Name: "contoso", DisplayName: "Contoso staff", Issuer: "https://login.contoso.example", ClientID: "a"},
			{Name: "fabrikam", DisplayName: "Fabrikam", Issuer: "https://id.fabrikam.example", ClientID: "b", ResponseMode: "form_post"},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range rp.RedirectURLs() {
		fmt.Println(a.Provider, a.Redirect)
	}
	fmt.Println(rp.LoginURL(oidcrp.LoginOptions{Provider: "contoso", ReturnTo: "/reports"}))
	// Output:
	// contoso http://localhost:3000/auth/callback/contoso
	// fabrikam http://localhost:3000/auth/callback/fabrikam
	// /auth/login?provider=contoso&return_to=%2Freports
}

// New reports every mistake at once, each with what to change.
func ExampleNew_mistakes() {
	_, err := oidcrp.New(oidcrp.Config{
		BaseURL:    "http://app.example.com",
		CookieKeys: [][]byte{[]byte("short")},
		Providers:  []oidcrp.Provider{{Name: "acme", Issuer: "https://login.acme.example"}},
	})
	fmt.Println(err)
	// Output:
	// oidcrp: Config.BaseURL: "http://app.example.com": use https: browsers drop the cookies of a login over plain http; only localhost, *.localhost and loopback addresses are excepted
	// oidcrp: Config.CookieKeys: key 1 of 1 has 5 bytes, fewer than 32; use 32 random bytes, for example from: openssl rand -base64 32
	// oidcrp: Config.Providers[0] (acme).ClientID is empty: give the id the provider registered
}

// A bank's provider. The public half of the key is at the address printed, for
// the bank to fetch; the other half is in a file that may be replaced while the
// application runs.
func ExampleFAPI2() {
	key := make([]byte, 32) // yours is the same on every node
	rand.Read(key)
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:    "https://app.example.com",
		CookieKeys: [][]byte{key},
		Providers: []oidcrp.Provider{{
			Issuer: "https://login.bank.example", ClientID: "app",
			Profile:    oidcrp.FAPI2,
			ClientKeys: []oidcrp.ClientKey{{File: "/etc/app/client-key.pem"}},
			DPoP:       true, // or an HTTPClient with a certificate
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(rp.RedirectURLs()[0].JWKS)
	// Output: https://app.example.com/auth/jwks/default
}

// What a hardened provider has against the usual settings.
func ExampleFAPI2_contradictions() {
	_, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Name: "bank", Issuer: "https://login.bank.example", ClientID: "app", ClientSecret: "secret",
			Profile: oidcrp.FAPI2, ResponseType: "code id_token", Algorithms: []string{"RS256"},
		}},
		Logger: slog.New(slog.DiscardHandler),
	})
	fmt.Println(err)
	// Output:
	// oidcrp: Config.Providers[0] (bank).ResponseType "code id_token": Profile FAPI2 has "code" alone: use that
	// oidcrp: Config.Providers[0] (bank).ClientAuth "": Profile FAPI2 takes private_key_jwt, tls_client_auth or self_signed_tls_client_auth: use one, with ClientKeys or with a certificate in HTTPClient
	// oidcrp: Config.Providers[0] (bank).ClientSecret, ClientSecretFunc: Profile FAPI2 has no client secret: remove it
	// oidcrp: Config.Providers[0] (bank).DPoP: Profile FAPI2 binds access tokens: turn it on, or give HTTPClient a client certificate to bind them to, with TLSClientConfig in an *http.Transport
	// oidcrp: Config.Providers[0] (bank).Algorithms: Profile FAPI2 does not accept "RS256": use PS256, ES256, EdDSA
}

// Claims that a session keeps, in a struct of the application's.
func ExampleClaims() {
	type Profile struct {
		Name        string
		Departments oidcrp.Strings           // one string with some providers, an array with others
		RealmAccess struct{ Roles []string } `json:"realm_access"`
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		profile, err := oidcrp.Claims[Profile](r.Context())
		fmt.Println(profile.Name, profile.Departments, profile.RealmAccess.Roles, err)
	}
	user := oidcrptest.User{Subject: "alice", Name: "Alice", Claims: map[string]any{
		"departments": "sales", "realm_access": map[string]any{"roles": []string{"admin"}},
	}}
	handler(httptest.NewRecorder(), oidcrptest.SignedIn(httptest.NewRequest("GET", "/", nil), user))
	// Output: Alice [sales] [admin] <nil>
}

// A role for one part of the site.
func ExampleRelyingParty_Require() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Issuer: "https://login.example.com", ClientID: "app",
			RolesClaim: "groups", Roles: map[string]string{"0f6c-admins": "admin"},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	admin := rp.Require(oidcrp.HasRole("admin"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "admin page")
	}))
	for _, role := range []string{"admin", "member"} {
		r := oidcrptest.SignedIn(httptest.NewRequest("GET", "/admin/", nil), oidcrptest.User{
			Subject: "u1", Claims: map[string]any{"roles": []string{role}},
		})
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		fmt.Println(role, w.Code)
	}
	// Output:
	// admin 200
	// member 403
}

// Sessions on the server, in any alexedwards/scs store: pass it as it is.
func ExampleStore() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{{Issuer: "https://login.example.com", ClientID: "app"}},
		Store:     oidcrp.NewMemoryStore(), // or goredisstore.New(client), sqlite3store.New(db), …
	})
	fmt.Println(rp != nil, err)
	// Output: true <nil>
}

// The application decides who may come in, and what it wants to know later.
func ExampleConfig_onLogin() {
	users := map[string]string{"https://login.example.com alice": "user 17"}
	cfg := oidcrp.Config{
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			id, ok := users[login.Issuer+" "+login.Subject]
			if !ok {
				return &oidcrp.Refusal{Message: "Ask your manager for an account."}
			}
			login.Set("user_id", id) // read it with Session.Value
			return nil
		},
	}
	login := &oidcrp.Login{Issuer: "https://login.example.com", Subject: "alice"}
	fmt.Println(cfg.OnLogin(context.Background(), login), login.Value("user_id"))
	fmt.Println(cfg.OnLogin(context.Background(), &oidcrp.Login{Subject: "mallory"}))
	// Output:
	// <nil> user 17
	// refused: Ask your manager for an account.
}

// A login that waits for the visitor to accept terms.
func ExampleRelyingParty_Resume() {
	var rp *oidcrp.RelyingParty // whose OnLogin returned &oidcrp.Pause{Path: "/terms"}
	http.HandleFunc("GET /terms", func(w http.ResponseWriter, r *http.Request) {
		if _, err := rp.Paused(r); err != nil {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		fmt.Fprint(w, `<form method="post"><button>I accept the terms</button></form>`)
	})
	http.HandleFunc("POST /terms", func(w http.ResponseWriter, r *http.Request) {
		rp.Resume(w, r, func(login *oidcrp.Login) error {
			login.Set("terms", "2026-11")
			return nil
		})
	})
}

// Signing out from code. The button of [View.SignOutButton] needs none.
func ExampleRelyingParty_Logout() {
	var rp *oidcrp.RelyingParty
	http.Handle("POST /goodbye", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: "/goodbye/done"})
	})))
}

// What a page shows about signing in.
func ExampleView() {
	page := template.Must(template.New("").Parse(
		`{{if .Auth.SignedIn}}Hello {{.Auth.User.Name}}. {{.Auth.SignOutButton "Bye"}}{{else}}{{.Auth.SignInButton}}{{end}}` + "\n"))
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{{Issuer: "https://login.example.com", ClientID: "app"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/reports", nil)
	page.Execute(os.Stdout, map[string]any{"Auth": rp.View(r)})
	r = oidcrptest.SignedIn(r, oidcrptest.User{Subject: "alice", Name: "Alice"})
	page.Execute(os.Stdout, map[string]any{"Auth": rp.View(r)})
	// Output:
	// <a class="oidcrp-signin" href="/auth/login?return_to=%2Freports">Sign in</a>
	// Hello Alice. <form method="post" action="/auth/logout"><button class="oidcrp-signout">Bye</button></form>
}

// A provider that gives the client id itself, to those who have a token for it.
func ExampleRegistration() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:  "http://localhost:3000",
		SiteName: "Reports",
		Store:    oidcrp.NewMemoryStore(), // in earnest, one that the nodes share
		Providers: []oidcrp.Provider{{
			Issuer: "https://login.example.com",
			Registration: &oidcrp.Registration{
				InitialAccessToken: oidcrp.Secret(os.Getenv("INITIAL_ACCESS_TOKEN")),
				Metadata:           map[string]any{"contacts": []string{"ops@example.com"}},
			},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.ListenAndServe("localhost:3000", rp.Load(http.DefaultServeMux)) // the first login registers
}

// Visitors who type who they are: alice@contoso.example is asked about at
// contoso.example, which has to name one of the providers.
func ExampleConfig_webFinger() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		WebFinger: []string{"contoso.example", "fabrikam.example"},
		Providers: []oidcrp.Provider{
			{Name: "contoso", Issuer: "https://login.contoso.example", ClientID: "a", Hidden: true},
			{Name: "fabrikam", Issuer: "https://id.fabrikam.example", ClientID: "b", Hidden: true},
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/auth/login?identifier=alice@elsewhere.example", nil)
	r.Header.Set("Accept", "text/html")
	rp.ServeHTTP(w, r)
	fmt.Println(w.Code) // and nobody was asked
	// Output: 400
}

// Telling failures apart.
func ExampleError() {
	_ = oidcrp.Config{
		ErrorPage: func(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
			switch {
			case errors.Is(e, oidcrp.ErrCancelled):
				http.Redirect(w, r, "/", http.StatusSeeOther)
			case errors.Is(e, oidcrp.ErrProviderUnavailable):
				http.Error(w, "Sign-in is down. We know, reference "+e.ID, e.Status)
			default:
				http.Error(w, "Something went wrong, reference "+e.ID, e.Status)
			}
		},
	}
}

// Calling an API with the visitor's token.
func ExampleRelyingParty_Client() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Store:   oidcrp.NewMemoryStore(),
		Providers: []oidcrp.Provider{{
			Issuer: "https://login.example.com", ClientID: "app", ClientSecret: "…",
			KeepTokens: true,
			APIs:       []oidcrp.API{{URL: "https://api.example.com/v1", Scopes: []string{"calendar.read"}}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/calendar", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := rp.Client(r.Context()).Get("https://api.example.com/v1/events")
		switch {
		case errors.Is(err, oidcrp.ErrConsentNeeded), errors.Is(err, oidcrp.ErrNoToken):
			rp.Login(w, r, oidcrp.LoginOptions{Scopes: []string{"calendar.read"}}) // and come back here
			return
		case err != nil:
			http.Error(w, "The calendar does not answer.", http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		io.Copy(w, res.Body)
	})))
}

// Some pages want more than a session: a recent sign-in by strong means. Others
// are sent to the provider, and come back to the page.
func ExampleAuthenticatedWithin() {
	var rp *oidcrp.RelyingParty
	var payout http.Handler
	careful := func() http.Handler {
		return rp.Require(oidcrp.AuthenticatedWithin(5*time.Minute), oidcrp.ACR("phr", "phrh"))(payout)
	}
	_ = careful
}

// A policy of the application's that a new sign-in can satisfy.
func ExampleLoginNeeded() {
	withKey := func(ctx context.Context, s *oidcrp.Session) error {
		if slices.Contains(s.AMR(), "hwk") {
			return nil
		}
		return &oidcrp.LoginNeeded{ACRValues: []string{"phrh"}}
	}
	var rp *oidcrp.RelyingParty
	guard := func(vault http.Handler) http.Handler { return rp.Require(withKey)(vault) }
	_ = guard
}

// Adding a second provider to an account.
func ExampleLoginOptions_link() {
	var table interface {
		Add(ctx context.Context, user, issuer, subject string) error // *oidcrp.Refusal if it is somebody else's
		Find(ctx context.Context, issuer, subject string) (user string, err error)
	}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{
			{Name: "work", Issuer: "https://login.example.com", ClientID: "a"},
			{Name: "home", Issuer: "https://id.example.net", ClientID: "b"},
		},
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			if login.Linking {
				return table.Add(ctx, login.Session.Value("user"), login.Issuer, login.Subject)
			}
			user, err := table.Find(ctx, login.Issuer, login.Subject)
			login.Set("user", user)
			return err
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /link/home", func(w http.ResponseWriter, r *http.Request) {
		rp.Login(w, r, oidcrp.LoginOptions{Provider: "home", Link: true, ReturnTo: "/account"})
	})
}

// A job works for a user who is not here.
func ExampleRelyingParty_ClientFor() {
	var rp *oidcrp.RelyingParty // with Provider.KeepTokens and KeepOffline
	job := func(ctx context.Context, u oidcrp.Identity) error {
		res, err := rp.ClientFor(ctx, u).Get("https://api.example.com/v1/report")
		if errors.Is(err, oidcrp.ErrNoToken) {
			return rp.Forget(ctx, u) // withdrawn, or never granted
		}
		if err != nil {
			return err // the provider or the API is down: try again later
		}
		return res.Body.Close()
	}
	_ = job
}

// A health check that asks nobody.
func ExampleRelyingParty_Status() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:         "http://localhost:3000",
		SessionLifetime: 8 * time.Hour,
		Providers:       []oidcrp.Provider{{Name: "acme", Issuer: "https://login.example.com", ClientID: "app"}},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range rp.Status().Providers {
		fmt.Println(p.Name, p.Ready, p.LastError == "")
	}
	// Output: acme false true
}

// A domain for each customer: the Host of a request finds the site, and At one
// for what has no request.
func ExampleRelyingParty_At() {
	key := make([]byte, 32)
	rand.Read(key) // a program reads it: see ParseKeys
	customers := map[string]string{"app.acme.example": "acme", "login.contoso.example": "contoso"}
	rp, err := oidcrp.New(oidcrp.Config{
		CookieKeys: [][]byte{key},
		Providers:  []oidcrp.Provider{{Issuer: "https://login.example.com", ClientID: "app", ClientSecret: "s3cret"}},
		Sites: func(ctx context.Context, host string) (oidcrp.Site, error) {
			customer, ok := customers[host]
			if !ok {
				return oidcrp.Site{}, oidcrp.ErrNoSite
			}
			return oidcrp.Site{Name: customer, BaseURL: "https://" + host}, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, _ := oidcrp.SiteFromContext(r.Context())
		fmt.Fprintln(w, oidcrp.FromContext(r.Context()).Name(), "of", site.Name)
	})))

	acme, err := rp.At(context.Background(), "app.acme.example")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(acme.RedirectURLs()[0].Redirect)
	// Output: https://app.acme.example/auth/callback/default
}

// The classic mistake: identifying a user by an e-mail address. Anybody can be
// given that address at another provider, or later at the same one.
func ExampleSession_incorrect() {
	byEmail := map[string]string{"alice@example.com": "user 17"}
	handler := func(w http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		_ = byEmail[s.Email()]                  // wrong
		_ = s.Issuer() + " " + s.Subject()      // right: together, and nothing else
		_ = s.EmailVerified() && s.Name() != "" // for showing and for sending mail
	}
	_ = handler
}
