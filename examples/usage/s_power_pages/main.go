//go:build planned

// A Power Pages settings file, started as it is. The report says what was
// taken, what was changed for safety, what was ignored, and why.
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

func app(baseURL string) (http.Handler, error) {
	s, err := sitesettings.FromJSON(settings)
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, s.Report)
	}
	log.Printf("settings:\n%s", s.Report)
	s.Config.BaseURL = baseURL // the file does not know where the site moved to
	// Who may register, and what becomes of their claims.
	if _, err := accounts.New(accounts.NewMemoryStore(), s.Rules, &s.Config); err != nil {
		return nil, err
	}
	rp, err := oidcrp.New(s.Config)
	if err != nil {
		return nil, err
	}
	return rp.Protect(http.NotFoundHandler()), nil
}

func main() {
	handler, err := app("http://localhost:3000")
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
