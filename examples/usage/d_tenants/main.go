// A service for many customers: every tenant has a domain of its own, and
// providers of its own that its administrators typed in. Tenants come and go
// without a restart.
//
// It needs COOKIE_KEYS (openssl rand -base64 32), a proxy with TLS in front,
// and a row of tenants.db, which it makes, for each tenant and provider.
// Register https://HOST/auth/callback/NAME and https://HOST/auth/logout there,
// and open https://HOST/.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"

	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const schema = `
CREATE TABLE IF NOT EXISTS tenants (
	host TEXT PRIMARY KEY,
	name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS providers (
	name TEXT PRIMARY KEY,
	host TEXT NOT NULL REFERENCES tenants,
	display_name TEXT NOT NULL,
	issuer TEXT NOT NULL,
	client_id TEXT NOT NULL,
	client_secret TEXT NOT NULL,
	email_domain TEXT NOT NULL,
	changed TEXT NOT NULL);`

// tenants is a [oidcrp.ProviderSource] and finds the site of a host.
type tenants struct{ db *sql.DB }

// Site looks a host up. Hosts that are not in the table are answered 421.
func (t tenants) Site(ctx context.Context, host string) (oidcrp.Site, error) {
	var name string
	err := t.db.QueryRowContext(ctx, `SELECT name FROM tenants WHERE host = ?`, host).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return oidcrp.Site{}, oidcrp.ErrNoSite
	}
	if err != nil {
		return oidcrp.Site{}, err
	}
	providers, err := t.query(ctx, `host = ?`, host)
	site := oidcrp.Site{Name: name, BaseURL: "https://" + host}
	for _, p := range providers {
		site.Providers = append(site.Providers, p.Name)
	}
	return site, err
}

// Provider, ByIssuer, ByEmailDomain and List make it an oidcrp.ProviderSource.
func (t tenants) Provider(ctx context.Context, name string) (oidcrp.Provider, error) {
	found, err := t.query(ctx, `name = ?`, name)
	if err != nil {
		return oidcrp.Provider{}, err
	}
	if len(found) == 0 {
		return oidcrp.Provider{}, oidcrp.ErrNoProvider
	}
	return found[0], nil
}

func (t tenants) ByIssuer(ctx context.Context, issuer string) ([]oidcrp.Provider, error) {
	return t.query(ctx, `issuer = ?`, issuer)
}

func (t tenants) ByEmailDomain(ctx context.Context, domain string) ([]oidcrp.Provider, error) {
	return t.query(ctx, `email_domain = ?`, domain)
}

// List is not asked, because every site names its providers.
func (t tenants) List(ctx context.Context) ([]oidcrp.Provider, error) { return nil, nil }

func (t tenants) query(ctx context.Context, where string, arg string) ([]oidcrp.Provider, error) {
	rows, err := t.db.QueryContext(ctx, `SELECT name, display_name, issuer, client_id,
		client_secret, email_domain, changed FROM providers WHERE `+where+` ORDER BY name`, arg)
	if err != nil {
		return nil, err
	}
	defer rows.Close()

	var found []oidcrp.Provider
	for rows.Next() {
		// Whoever typed the issuer in must not point us at our own network.
		p := oidcrp.Provider{TenantSupplied: true}
		var secret, domain string
		if err := rows.Scan(&p.Name, &p.DisplayName, &p.Issuer, &p.ClientID, &secret, &domain, &p.Version); err != nil {
			return nil, err
		}
		p.ClientSecret = oidcrp.Secret(secret)
		p.EmailDomains = []string{domain}
		found = append(found, p)
	}
	return found, rows.Err()
}

func app(db *sql.DB, keys [][]byte) (http.Handler, error) {
	if _, err := db.Exec(schema); err != nil {
		return nil, err
	}
	source := tenants{db}
	rp, err := oidcrp.New(oidcrp.Config{
		CookieKeys:     keys,
		Sites:          source.Site,
		ProviderSource: source,
	})
	if err != nil {
		return nil, err
	}
	return rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tenant, _ := oidcrp.SiteFromContext(r.Context())
		fmt.Fprintf(w, "Hello %s of %s\n", oidcrp.FromContext(r.Context()).Name(), tenant.Name)
	})), nil
}

func main() {
	usage.Needs("COOKIE_KEYS")
	keys, err := oidcrp.ParseKeys(os.Getenv("COOKIE_KEYS"))
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open("sqlite", "tenants.db")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	handler, err := app(db, keys)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:3000", handler)) // behind a proxy that terminates TLS
}
