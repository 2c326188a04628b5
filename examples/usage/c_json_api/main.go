// A JSON API with a front end in the browser. Without a session the API
// answers 401 with a problem document that says where to sign in; unsafe
// requests from other sites get 403 without any token in the page; and
// /auth/me tells the front end who is here, how long, and how to sign out.
//
// Run it as ../usage.go says, and open http://localhost:3000/.
package main

import (
	_ "embed"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

//go:embed index.html
var page []byte

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}

	var notes notes
	api := http.NewServeMux()
	api.HandleFunc("GET /api/notes", notes.list)
	api.HandleFunc("POST /api/notes", notes.add)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(page)
	})
	mux.Handle("/api/", rp.RequireLogin(api))
	return rp.Load(mux), nil
}

// notes are kept by issuer and subject, which together, and nothing else,
// identify a user.
type notes struct {
	mu     sync.Mutex
	byUser map[[2]string][]string
}

func (n *notes) list(w http.ResponseWriter, r *http.Request) {
	s := oidcrp.FromContext(r.Context())
	n.mu.Lock()
	mine := append([]string{}, n.byUser[[2]string{s.Issuer(), s.Subject()}]...)
	n.mu.Unlock()

	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(mine)
}

func (n *notes) add(w http.ResponseWriter, r *http.Request) {
	var note string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&note); err != nil {
		http.Error(w, "a note is a JSON string", http.StatusBadRequest)
		return
	}
	s := oidcrp.FromContext(r.Context())
	key := [2]string{s.Issuer(), s.Subject()}

	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byUser == nil {
		n.byUser = make(map[[2]string][]string)
	}
	n.byUser[key] = append(n.byUser[key], note)
	w.WriteHeader(http.StatusNoContent)
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
