// A nightly job works for users who are not here, with the refresh token they
// granted. Who withdrew it is forgotten.
//
// Run it as ../usage.go says, with API such as https://reports.example, of which
// it calls /report, and open http://localhost:3000/ to sign in.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL, api string, provider oidcrp.Provider) (*oidcrp.RelyingParty, error) {
	provider.KeepTokens = true
	provider.KeepOffline = true // beyond sign-out, until Forget
	provider.APIs = []oidcrp.API{{URL: api}}
	return oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Store:     oidcrp.NewMemoryStore(), // a database, in earnest
		Providers: []oidcrp.Provider{provider},
	})
}

// fetchReports runs until ctx is done. The application knows its users: it
// stored their Login.Identity when they first signed in.
func fetchReports(ctx context.Context, rp *oidcrp.RelyingParty, api string, every time.Duration, users func() []oidcrp.Identity) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, u := range users() {
			if err := fetchReport(ctx, rp, api, u); err != nil {
				log.Print(err) // next night again
			}
		}
	}
}

func fetchReport(ctx context.Context, rp *oidcrp.RelyingParty, api string, u oidcrp.Identity) error {
	res, err := rp.ClientFor(ctx, u).Get(api + "/report")
	if errors.Is(err, oidcrp.ErrNoToken) {
		return rp.Forget(ctx, u) // until the user signs in again
	}
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func home(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello %s, your report comes every night.\n", oidcrp.FromContext(r.Context()).Name())
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID", "API")
	api := os.Getenv("API")
	rp, err := app("http://localhost:3000", api, oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	go fetchReports(context.Background(), rp, api, 24*time.Hour, func() []oidcrp.Identity { return nil })
	log.Fatal(http.ListenAndServe("localhost:3000", rp.Protect(http.HandlerFunc(home))))
}
