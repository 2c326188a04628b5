// Claims as providers really send them: nested ones, ones that are a string
// with one provider and an array with another, and a user in 400 groups.
//
// Run it as ../usage.go says, and open http://localhost:3000/profile, /books and
// /audit.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Profile is this application's idea of a user. Claims that Config.Claims
// does not keep stay empty.
type Profile struct {
	Name        string         `json:"name"`
	Email       string         `json:"email"`
	Departments oidcrp.Strings `json:"department"` // "sales", or ["sales", "export"]
	RealmAccess struct {
		Roles []string `json:"roles"`
	} `json:"realm_access"`
}

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	// 400 groups do not fit a cookie and are nobody's business: two of them
	// become roles of this application at login, the others are dropped.
	provider.RolesClaim = "groups"
	provider.Roles = map[string]string{
		"CN=Finance-Readers,OU=Groups,DC=example": "reader",
		"CN=Finance-Writers,OU=Groups,DC=example": "writer",
	}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Claims:    []string{"name", "email", "department", "/realm_access/roles"},
	})
	if err != nil {
		return nil, err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /profile", rp.RequireLogin(http.HandlerFunc(profile)))
	mux.Handle("GET /books", rp.Require(oidcrp.HasRole("reader", "writer"))(http.HandlerFunc(books)))
	mux.Handle("GET /audit", rp.Require(oidcrp.HasClaim("/realm_access/roles", "auditor"))(http.HandlerFunc(books)))
	return rp.Load(mux), nil
}

func profile(w http.ResponseWriter, r *http.Request) {
	p, err := oidcrp.Claims[Profile](r.Context())
	if err != nil {
		http.Error(w, "no profile", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(p)
}

func books(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(oidcrp.FromContext(r.Context()).Roles())
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
