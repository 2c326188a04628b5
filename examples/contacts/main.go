// Contacts is a small portal that keeps its visitors in a database. Staff sign
// in at "staff", which speaks for the mail domain example.com; everybody else
// needs an invitation, which staff can make. It brings both providers along:
//
//	go -C examples run ./contacts
//	go -C examples run ./contacts -db postgres://localhost/portal
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"flag"
	"html/template"
	"log"
	"net/http"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var rules = accounts.Rules{
	RegistrationPath: "/register",
	Ask: []accounts.Field{{
		Name: "company", Required: true, Autocomplete: "organization",
		Labels: map[string]string{"en": "Company", "th": "บริษัท"},
	}},
	Default: accounts.ProviderRules{
		Gate:  accounts.InviteOnly,
		Login: map[string]string{"name": "name"},
	},
	ByProvider: map[string]accounts.ProviderRules{"staff": {
		MatchEmail: true,
		Login:      map[string]string{"name": "name", "given": "given_name"},
		Grant:      accounts.Grant{Organization: "Example Ltd", Roles: []string{"staff"}},
	}},
}

//go:embed profile.html
var profileHTML string

var profile = template.Must(template.New("profile").Parse(profileHTML))

// open opens the contacts of an SQLite file or of a PostgreSQL URL.
func open(ctx context.Context, name string) (accounts.Store, *sql.DB, error) {
	driver, dialect, source := "sqlite", accounts.SQLite, "file:"+name+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)"
	if strings.HasPrefix(name, "postgres://") {
		driver, dialect, source = "pgx", accounts.PostgreSQL, name
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, nil, err
	}
	store, err := accounts.NewSQLStore(ctx, db, dialect)
	if err != nil {
		db.Close()
	}
	return store, db, err
}

func app(store accounts.Store, cfg oidcrp.Config) (http.Handler, error) {
	contacts, err := accounts.New(store, rules, &cfg)
	if err != nil {
		return nil, err
	}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		return nil, err
	}
	show := func(w http.ResponseWriter, r *http.Request, invitation string) {
		c, err := contacts.Current(r.Context())
		if err != nil {
			http.Error(w, "Please try again later.", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		profile.Execute(w, map[string]any{"Auth": rp.View(r), "Contact": c, "Invitation": invitation})
	}
	mux := http.NewServeMux()
	mux.Handle("/register", contacts.RegistrationPage(rp))
	mux.Handle("GET /{$}", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { show(w, r, "") })))
	mux.Handle("POST /invite", rp.Require(oidcrp.HasRole("staff"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code, err := contacts.Invite(r.Context(), accounts.Invitation{Email: r.PostFormValue("email"), Roles: []string{"customer"}})
		if err != nil {
			http.Error(w, "That is no address to invite.", http.StatusBadRequest)
			return
		}
		show(w, r, strings.TrimSuffix(cfg.BaseURL, "/")+contacts.InvitationPath(code))
	})))
	mux.Handle("POST /unlink", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := oidcrp.Identity{Issuer: r.PostFormValue("issuer"), Subject: r.PostFormValue("subject")}
		switch err := contacts.Unlink(r.Context(), id); {
		case errors.Is(err, accounts.ErrLastIdentity):
			http.Error(w, "You could not sign in any more.", http.StatusConflict)
		case err != nil:
			http.Error(w, "Please try again later.", http.StatusServiceUnavailable)
		default:
			http.Redirect(w, r, "/", http.StatusSeeOther)
		}
	})))
	return rp.Load(mux), nil
}

func main() {
	name := flag.String("db", "contacts.db", "SQLite `file`, or postgres:// URL")
	flag.Parse()
	store, db, err := open(context.Background(), *name)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	const baseURL = "http://localhost:3000"
	cfg := oidcrp.Config{BaseURL: baseURL, SiteName: "Contacts"}
	for name, addr := range map[string]string{"staff": "127.0.0.1:4000", "visitors": "127.0.0.1:4001"} {
		provider, err := oidcrptest.StartProvider(addr)
		if err != nil {
			log.Fatal(err)
		}
		p := provider.Config(name, baseURL)
		if name == "staff" {
			p.EmailDomains = []string{"example.com"}
		}
		cfg.Providers = append(cfg.Providers, p)
	}
	handler, err := app(store, cfg)
	if err != nil {
		log.Fatal(err)
	}
	log.Println("open " + baseURL + "; alice and bob are staff there")
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
