//go:build planned

// Three things for the careful: sign in again before the payout page, link a
// second provider to the account, and sign out everywhere.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// identities stands for the application's table of (issuer, subject) to user.
type identities interface {
	Find(ctx context.Context, issuer, subject string) (userID string, err error)
	Add(ctx context.Context, userID, issuer, subject string) error
}

func app(baseURL string, store oidcrp.Store, users identities, providers ...oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Store:     store, // sign out everywhere needs one
		Providers: providers,
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			if login.Linking {
				return users.Add(ctx, login.Session.Value("user_id"), login.Issuer, login.Subject)
			}
			id, err := users.Find(ctx, login.Issuer, login.Subject)
			if err != nil {
				return err
			}
			login.Set("user_id", id)
			return nil
		},
	})
	if err != nil {
		return nil, err
	}

	recent := rp.Require(oidcrp.AuthenticatedWithin(5*time.Minute), oidcrp.ACR("phr", "phrh"))
	mux := http.NewServeMux()
	mux.Handle("/payout", recent(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "How much?")
	})))
	mux.HandleFunc("POST /link/{provider}", func(w http.ResponseWriter, r *http.Request) {
		rp.Login(w, r, oidcrp.LoginOptions{Provider: r.PathValue("provider"), Link: true, ReturnTo: "/account"})
	})
	mux.HandleFunc("POST /sign-out-everywhere", func(w http.ResponseWriter, r *http.Request) {
		rp.Logout(w, r, oidcrp.LogoutOptions{Everywhere: true})
	})
	return rp.Protect(mux), nil
}

type nobody struct{}

func (nobody) Find(ctx context.Context, issuer, subject string) (string, error) { return subject, nil }
func (nobody) Add(ctx context.Context, userID, issuer, subject string) error    { return nil }

func main() {
	handler, err := app("http://localhost:3000", oidcrp.NewMemoryStore(), nobody{},
		oidcrp.Provider{Name: "work", Issuer: os.Getenv("OIDC_ISSUER"), ClientID: os.Getenv("OIDC_CLIENT_ID")},
		oidcrp.Provider{Name: "home", Issuer: os.Getenv("OIDC_ISSUER_2"), ClientID: os.Getenv("OIDC_CLIENT_ID_2")})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
