//go:build planned

// A nightly job works for users who are not here, with the refresh token they
// granted. Who withdrew it is forgotten.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// fetchReports runs until ctx is done.
func fetchReports(ctx context.Context, rp *oidcrp.RelyingParty, every time.Duration, users func() []oidcrp.Identity) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, u := range users() {
			err := fetchReport(ctx, rp, u)
			if errors.Is(err, oidcrp.ErrNoToken) {
				err = rp.Forget(ctx, u)
			}
			if err != nil {
				log.Print(err) // next night again
			}
		}
	}
}

func fetchReport(ctx context.Context, rp *oidcrp.RelyingParty, u oidcrp.Identity) error {
	res, err := rp.ClientFor(ctx, u).Get("https://api.example.com/report")
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func main() {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Store:   oidcrp.NewMemoryStore(), // a database, in earnest
		Providers: []oidcrp.Provider{{
			Name:         "acme",
			Issuer:       os.Getenv("OIDC_ISSUER"),
			ClientID:     os.Getenv("OIDC_CLIENT_ID"),
			ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
			KeepTokens:   true,
			APIs:         []oidcrp.API{{URL: "https://api.example.com/"}},
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	go fetchReports(context.Background(), rp, 24*time.Hour, func() []oidcrp.Identity { return nil })
	log.Fatal(http.ListenAndServe("localhost:3000", rp.Protect(http.NotFoundHandler())))
}
