// Telling apart why somebody could not sign in: they cancelled, the provider
// is down, or we are misconfigured. Each visitor gets a page that says what to
// do, in the application's own look.
//
// Run it as ../usage.go says, and open http://localhost:3000/.
package main

import (
	"errors"
	"html/template"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

var page = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Sign-in</title>
<h1>{{.Text}}</h1>
{{with .Retry}}<p><a href="{{.}}">Try again</a></p>{{end}}
<p>Reference: {{.ID}}</p></html>`))

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		ErrorPage: errorPage,
	})
	if err != nil {
		return nil, err
	}
	return rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("Welcome\n"))
	})), nil
}

func errorPage(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(e.Status)
	page.Execute(w, map[string]string{"Text": explain(r, e), "Retry": e.RetryURL, "ID": e.ID})
}

func explain(r *http.Request, e *oidcrp.Error) string {
	var refused *oidcrp.Refusal
	switch {
	case errors.As(e, &refused):
		return refused.Message
	case errors.Is(e, oidcrp.ErrCancelled):
		return "You did not sign in."
	case errors.Is(e, oidcrp.ErrLoginExpired):
		return "That took too long."
	case errors.Is(e, oidcrp.ErrProviderUnavailable), errors.Is(e, oidcrp.ErrStoreUnavailable):
		return "Signing in does not work just now. Please try again in a minute."
	case errors.Is(e, oidcrp.ErrForbidden):
		return "This page is not for you."
	case errors.Is(e, oidcrp.ErrMisconfigured):
		slog.ErrorContext(r.Context(), "call the operator", "err", e) // such as an expired client secret
		return "We made a mistake. We have been told."
	default: // oidcrp.ErrInvalidToken, oidcrp.ErrInvalidResponse
		return "Signing in failed."
	}
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
