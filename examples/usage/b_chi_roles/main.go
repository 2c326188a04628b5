// With chi: signing in is optional on some routes, needed on others, and a
// role is needed below /admin.
//
// Run it as ../usage.go says, and open http://localhost:3000/, /reports and
// /admin.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/go-chi/chi/v5"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.RolesClaim = "roles"
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}

	r := chi.NewRouter()
	r.Use(rp.Load) // answers /auth/ and loads the session, once
	r.Get("/", home)
	r.With(rp.RequireLogin).Get("/reports", reports)
	r.Route("/admin", func(r chi.Router) {
		r.Use(rp.Require(oidcrp.HasRole("admin")))
		r.Get("/", admin)
	})
	return r, nil
}

func home(w http.ResponseWriter, r *http.Request) {
	visitor := oidcrp.FromContext(r.Context())
	if visitor == nil {
		fmt.Fprintln(w, "Hello stranger")
		return
	}
	fmt.Fprintf(w, "Hello %s\n", visitor.Name())
}

func reports(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "The reports") }

func admin(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "The controls") }

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
