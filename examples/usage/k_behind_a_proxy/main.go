// Behind a proxy that terminates TLS, below https://example.com/app/, with
// plain HTTP/2 between the two. BaseURL is the only thing that says where
// browsers find us; no forwarded header is trusted or needed. The proxy passes
// the path on as it is, /app/ and all.
//
// Run it as ../usage.go says, with COOKIE_KEYS (openssl rand -base64 32). The
// addresses to register are https://example.com/app/auth/callback/default and
// https://example.com/app/auth/logout, and the page to open is
// https://example.com/app/reports: put your own into main.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL string, keys [][]byte, provider oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:    baseURL,
		CookieKeys: keys,
		Providers:  []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /reports", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Reports for %s\n", oidcrp.FromContext(r.Context()).Name())
	})
	// The application's own handlers need not know where they are mounted.
	return rp.Protect(http.StripPrefix("/app", mux)), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID", "COOKIE_KEYS")
	keys, err := oidcrp.ParseKeys(os.Getenv("COOKIE_KEYS")) // openssl rand -base64 32
	if err != nil {
		log.Fatal(err)
	}
	handler, err := app("https://example.com/app/", keys, oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Addr:              "127.0.0.1:3000",
		Handler:           handler,
		Protocols:         &protocols,
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}
