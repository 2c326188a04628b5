// What stays the application's own. A flash message and the chosen language
// live in its session (here alexedwards/scs) and its cookie: oidcrp has no bag
// for them, so that nothing of theirs can reach who is signed in. What oidcrp
// does do: it takes the language for its pages and for the provider from a
// hook, and its guards refuse unsafe requests from other sites, so that forms
// behind a guard need no CSRF token.
//
// Run it as ../usage.go says, and open http://localhost:3000/orders, or
// /language/th before.
package main

import (
	"fmt"
	"html"
	"log"
	"net/http"
	"os"

	"github.com/alexedwards/scs/v2"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const page = `<!doctype html><title>Orders</title><p>%s</p><form method="post"><button>Order</button></form>`

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Language:  language,
	})
	if err != nil {
		return nil, err
	}
	flash := scs.New()
	flash.Cookie.Name = "flash"

	mux := http.NewServeMux()
	mux.HandleFunc("GET /language/{tag}", setLanguage)
	mux.Handle("POST /orders", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// The guard has made sure that our own page sent this form.
		flash.Put(r.Context(), "message", "Thank you for your order.")
		http.Redirect(w, r, "/orders", http.StatusSeeOther)
	})))
	mux.Handle("GET /orders", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, page, html.EscapeString(flash.PopString(r.Context(), "message")))
	})))
	return rp.Load(flash.LoadAndSave(mux)), nil
}

// language is asked for our pages and sent to the provider as ui_locales. The
// empty answer leaves the choice to the browser's Accept-Language.
func language(r *http.Request) string {
	c, err := r.Cookie("lang")
	if err != nil {
		return ""
	}
	return c.Value
}

func setLanguage(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: "lang", Value: r.PathValue("tag"), Path: "/", MaxAge: 365 * 86400,
		HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/orders", http.StatusSeeOther)
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
