// Calling an API with the visitor's token, which goes there and nowhere else.
// One page needs a further scope: the visitor is asked for it when it is
// needed, and stays signed in whatever the answer is.
//
// Run it as ../usage.go says, with API such as https://calendar.example, of which
// it calls /events, and open http://localhost:3000/calendar.
package main

import (
	"errors"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL, api string, provider oidcrp.Provider) (http.Handler, error) {
	provider.KeepTokens = true
	provider.APIs = []oidcrp.API{{URL: api, Scopes: []string{"calendar.read"}}}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Store:     oidcrp.NewMemoryStore(), // tokens are never in a cookie
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /calendar", func(w http.ResponseWriter, r *http.Request) {
		res, err := rp.Client(r.Context()).Get(api + "/events")
		if errors.Is(err, oidcrp.ErrConsentNeeded) || errors.Is(err, oidcrp.ErrNoToken) {
			rp.Login(w, r, oidcrp.LoginOptions{Scopes: []string{"calendar.read"}, ReturnTo: "/calendar"})
			return
		}
		if err != nil {
			http.Error(w, "The calendar does not answer.", http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		io.Copy(w, res.Body)
	})
	// The same as a policy, before the handler runs.
	mux.Handle("GET /mail", rp.Require(oidcrp.HasScope("mail.read"))(http.NotFoundHandler()))
	return rp.Protect(mux), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID", "API")
	handler, err := app("http://localhost:3000", os.Getenv("API"), oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
