// Contacts is a small portal that keeps its visitors in a database. Staff sign
// in at "staff", which speaks for the mail domain example.com; everybody else
// needs an invitation, which staff can make. It brings both providers along:
//
//	go -C examples run ./contacts
//	go -C examples run ./contacts -db postgres://localhost/portal
//
// Sign in at staff as alice, invite vera@customer.example, and open the link in
// a private window: at visitors vera gets in, and without the link does not.
// Nor does alice get in there, whose address is for staff to vouch for.
//
// The SQLite file is contacts.db in examples, unless -db names another.
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
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

type options struct{ addr, staffAddr, visitorsAddr, db string }

func main() {
	log.SetFlags(0)
	log.SetPrefix("contacts: ")
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:3000", "address of the portal, on this machine")
	flag.StringVar(&o.staffAddr, "staff-addr", "127.0.0.1:4000", "loopback address of the provider of staff")
	flag.StringVar(&o.visitorsAddr, "visitors-addr", "127.0.0.1:4001", "loopback address of the provider of everybody else")
	flag.StringVar(&o.db, "db", "contacts.db", "SQLite `file`, or postgres:// URL")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	ctx, stop := run.UntilInterrupted()
	defer stop()
	if err := serve(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve runs the portal and both providers until ctx is done.
func serve(ctx context.Context, o options, out io.Writer) (err error) {
	ln, baseURL, err := run.Listen(o.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer ln.Close()
	staff, err := oidcrptest.StartProvider(o.staffAddr)
	if err != nil {
		return fmt.Errorf("-staff-addr: %w", err)
	}
	defer staff.Close()
	visitors, err := oidcrptest.StartProvider(o.visitorsAddr)
	if err != nil {
		return fmt.Errorf("-visitors-addr: %w", err)
	}
	defer visitors.Close()
	for _, name := range []string{"Vera", "Walter"} {
		subject := strings.ToLower(name)
		visitors.AddUser(oidcrptest.User{Subject: subject, Name: name, Email: subject + "@customer.example", EmailVerified: true})
	}
	store, db, err := open(ctx, o.db)
	if err != nil {
		return fmt.Errorf("-db: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	ofStaff := staff.Config("staff", baseURL)
	ofStaff.EmailDomains = []string{"example.com"}
	handler, err := app(store, oidcrp.Config{
		BaseURL: baseURL, SiteName: "Contacts",
		Providers: []oidcrp.Provider{ofStaff, visitors.Config("visitors", baseURL)},
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open:      %s\n", baseURL)
	fmt.Fprintf(out, "Staff:     %s  alice, bob, carol, dave of example.com (no password)\n", staff.Issuer())
	fmt.Fprintf(out, "Visitors:  %s  vera, walter of customer.example, once invited\n", visitors.Issuer())
	fmt.Fprintln(out, "Ctrl-C ends it.")
	err = run.Serve(ctx, ln, handler)
	fmt.Fprintln(out, "Example contacts ended.")
	return err
}
