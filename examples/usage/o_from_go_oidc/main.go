// Coming from go-oidc and oauth2 by hand: oidc.NewProvider at start-up, state
// and nonce cookies, /callback with Exchange and Verify, a session of one's
// own. New and Protect do all of that; what is left of the old program are its
// pages and its registered redirect URI.
//
// Run it as ../usage.go says, with the redirect URI
// http://localhost:3000/callback, and open http://localhost:3000/.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.Scopes = []string{"profile", "email"} // oidc.ScopeOpenID is added
	provider.RedirectPath = "/callback"            // was oauth2.Config.RedirectURL
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		// Was: idToken.Claims(&claims).
		claims, err := oidcrp.Claims[struct {
			Email    string `json:"email"`
			Verified bool   `json:"email_verified"`
		}](r.Context())
		if err != nil {
			http.Error(w, "no claims", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "%s %t\n", claims.Email, claims.Verified)
	})
	return rp.Protect(mux), nil
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
