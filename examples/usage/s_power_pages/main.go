// A Power Pages settings file, taken as it is. The report says what was taken,
// what was changed for safety, what was ignored, and why. The portal's links
// and its registered redirect URI go on working.
//
//	go -C examples run ./usage/s_power_pages
//
// The provider of settings.json does not exist, so that http://localhost:3000/
// says that it is not available. Put your own settings there, and register
// http://localhost:3000 with the path of RedirectUri to sign in.
package main

import (
	_ "embed"
	"fmt"
	"log"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

//go:embed settings.json
var settings []byte

func app(baseURL string, settings []byte) (http.Handler, *accounts.Accounts, error) {
	s, err := sitesettings.FromJSON(settings)
	log.Printf("settings:\n%s", s.Report) // whether it went well or not
	if err != nil {
		return nil, nil, err
	}
	s.Config.BaseURL = baseURL // the file does not know where the site moved to
	// Who may register, and what becomes of their claims.
	accts, err := accounts.New(accounts.NewMemoryStore(), s.Rules, &s.Config)
	if err != nil {
		return nil, nil, err
	}
	rp, err := oidcrp.New(s.Config)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(s.Rules.RegistrationPath, accts.RegistrationPage(rp))
	mux.Handle("/", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		contact, err := accts.Current(r.Context())
		if err != nil {
			http.Error(w, "no contact", http.StatusInternalServerError)
			return
		}
		fmt.Fprintf(w, "Hello, %s %s\n", contact.Fields["firstname"], contact.Fields["lastname"])
	})))
	return rp.Load(mux), accts, nil
}

func main() {
	handler, _, err := app("http://localhost:3000", settings)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
