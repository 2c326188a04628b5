// The application's own sign-in page, with html/template, and a third
// language for the pages that stay ours.
//
// Run it as ../usage.go says, with the redirect URI
// http://localhost:3000/auth/callback/acme, and open http://localhost:3000/.
package main

import (
	"embed"
	"html/template"
	"log"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

//go:embed *.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "*.html"))

func app(baseURL string, providers ...oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:    baseURL,
		Providers:  providers,
		SignInPath: "/welcome",
		Messages:   map[string]map[string]string{"de": german()},
	})
	if err != nil {
		return nil, err
	}
	page := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			pages.ExecuteTemplate(w, name, map[string]any{"Auth": rp.View(r)})
		}
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", page("home.html"))
	mux.HandleFunc("GET /welcome", page("welcome.html"))
	mux.Handle("GET /orders", rp.RequireLogin(page("home.html")))
	return rp.Load(mux), nil
}

// german replaces the texts it has; for the others English stands in.
func german() map[string]string {
	return map[string]string{
		"signin.title":        "Anmelden",
		"signedout.title":     "Abgemeldet",
		"error.login_expired": "Die Anmeldung hat zu lange gedauert. Bitte versuchen Sie es noch einmal.",
	}
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	handler, err := app("http://localhost:3000", oidcrp.Provider{
		Name:         "acme",
		DisplayName:  "Acme",
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
