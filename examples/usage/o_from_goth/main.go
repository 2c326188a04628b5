// Coming from goth: gothic.BeginAuthHandler and gothic.CompleteUserAuth become
// one handler that does both, and what CompleteUserAuth was followed by, the
// application's own session and user, becomes OnLogin and FromContext. The
// redirect URI that is registered at the provider stays.
//
// Run it as ../usage.go says, with the redirect URI
// http://localhost:3000/auth/openid-connect/callback and the post-logout
// redirect URI http://localhost:3000/session/logout, and open
// http://localhost:3000/auth/openid-connect.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.Name = "openid-connect"
	provider.RedirectPath = "/auth/openid-connect/callback" // goth's habit
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Prefix:    "/session", // /auth is goth's, and stays yours
		Providers: []oidcrp.Provider{provider},
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			// Was: user, err := gothic.CompleteUserAuth(w, r), and then
			// findOrCreate(user.Provider, user.UserID). UserID was the sub;
			// the issuer belongs to it.
			login.Set("user_id", "42")
			return nil
		},
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	// Was: mux.HandleFunc("GET /auth/{provider}", gothic.BeginAuthHandler).
	mux.HandleFunc("GET /auth/openid-connect", func(w http.ResponseWriter, r *http.Request) {
		rp.Login(w, r, oidcrp.LoginOptions{Provider: "openid-connect", ReturnTo: "/"})
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		// Was: gothic.GetFromSession("user_id", r).
		fmt.Fprintf(w, "User %s\n", oidcrp.FromContext(r.Context()).Value("user_id"))
	})
	// Was: gothic.Logout(w, r), by GET.
	mux.Handle("POST /logout", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: "/"})
	})))
	return rp.Load(mux), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	handler, err := app("http://localhost:3000", oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
