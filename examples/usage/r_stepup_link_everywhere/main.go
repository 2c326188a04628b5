// Three things for the careful: sign in again before the payout page, link a
// second provider to the account, and sign out everywhere.
//
// Run it as ../usage.go says, with a second provider as OIDC_ISSUER_2 and
// OIDC_CLIENT_ID_2, both with public clients, the redirect URIs
// http://localhost:3000/auth/callback/work and
// http://localhost:3000/auth/callback/home, and open http://localhost:3000/.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// identities stands for the application's table of (issuer, subject) to user.
type identities struct {
	mu    sync.Mutex
	users map[[2]string]string
}

// user returns whose identity it is; a new user's, if nobody's.
func (t *identities) user(issuer, subject string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{issuer, subject}
	if t.users[key] == "" {
		t.users[key] = fmt.Sprintf("user %d", len(t.users)+1)
	}
	return t.users[key]
}

// add gives a user one more identity, unless it is somebody else's.
func (t *identities) add(user, issuer, subject string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{issuer, subject}
	if t.users[key] == "" {
		t.users[key] = user
	}
	return t.users[key] == user
}

const account = `<!doctype html><title>Account</title><h1>You are %s</h1>
<form method="post" action="/link/home"><button>Also sign in with home</button></form>
<form method="post" action="/sign-out-everywhere"><button>Sign out everywhere</button></form>
<p><a href="/payout">Payout</a>`

func app(baseURL string, store oidcrp.Store, providers ...oidcrp.Provider) (http.Handler, error) {
	table := &identities{users: map[[2]string]string{}}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Store:     store, // on several nodes, sign out everywhere needs one
		Providers: providers,
		OnLogin: func(ctx context.Context, login *oidcrp.Login) error {
			if login.Linking {
				if !table.add(login.Session.Value("user"), login.Issuer, login.Subject) {
					return &oidcrp.Refusal{Message: "Somebody else uses that account here."}
				}
				return nil
			}
			login.Set("user", table.user(login.Issuer, login.Subject))
			return nil
		},
	})
	if err != nil {
		return nil, err
	}

	careful := rp.Require(oidcrp.AuthenticatedWithin(5*time.Minute), oidcrp.ACR("phr", "phrh"))
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, account, oidcrp.FromContext(r.Context()).Value("user"))
	})
	mux.Handle("GET /payout", careful(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		io.WriteString(w, `<!doctype html><title>Payout</title><form method="post"><button>Pay me</button></form>`)
	})))
	mux.Handle("POST /payout", careful(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "paid to", oidcrp.FromContext(r.Context()).Value("user"))
	})))
	mux.HandleFunc("POST /link/{provider}", func(w http.ResponseWriter, r *http.Request) {
		rp.Login(w, r, oidcrp.LoginOptions{Provider: r.PathValue("provider"), Link: true, Prompt: "select_account", ReturnTo: "/"})
	})
	mux.HandleFunc("POST /sign-out-everywhere", func(w http.ResponseWriter, r *http.Request) {
		rp.Logout(w, r, oidcrp.LogoutOptions{Everywhere: true})
	})
	return rp.Protect(mux), nil
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_ISSUER_2", "OIDC_CLIENT_ID_2")
	handler, err := app("http://localhost:3000", oidcrp.NewMemoryStore(),
		oidcrp.Provider{Name: "work", Issuer: os.Getenv("OIDC_ISSUER"), ClientID: os.Getenv("OIDC_CLIENT_ID")},
		oidcrp.Provider{Name: "home", Issuer: os.Getenv("OIDC_ISSUER_2"), ClientID: os.Getenv("OIDC_CLIENT_ID_2")})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
