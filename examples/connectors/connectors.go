// Package connectors keeps the identity providers of business customers in a
// table, where an administrator's page adds, changes and removes them while the
// application runs: what Logto calls an enterprise connector.
//
//	table, err := connectors.Open(ctx, db)
//	…
//	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, CookieKeys: keys, ProviderSource: table, SingleSignOn: true})
//	…
//	err = table.Add(ctx, connectors.Connector{Name: "acme", Issuer: …, ClientID: …, ClientSecret: …, EmailDomains: []string{"acme.example"}})
//
// A [Table] is an [oidcrp.ProviderSource]. What to register at the customer's
// provider is known before the connector is there: see [RedirectURL]. Here the
// secrets lie in the table as they are; encrypt the column where others can read
// the database. That a domain is the customer's is for whoever adds it to find
// out.
package connectors

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Schema makes the tables where they are missing, as [Open] does, for who makes
// all tables at once. It and all statements are for SQLite and PostgreSQL.
const Schema = `
CREATE TABLE IF NOT EXISTS connectors (
	name TEXT PRIMARY KEY,
	display_name TEXT NOT NULL,
	issuer TEXT NOT NULL,
	client_id TEXT NOT NULL,
	client_secret TEXT NOT NULL,
	scopes TEXT NOT NULL,
	listed BOOLEAN NOT NULL,
	tenant_supplied BOOLEAN NOT NULL,
	version TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS connectors_issuer ON connectors (issuer);
CREATE INDEX IF NOT EXISTS connectors_listed ON connectors (name) WHERE listed;
CREATE TABLE IF NOT EXISTS connector_domains (
	domain TEXT PRIMARY KEY,
	connector TEXT NOT NULL REFERENCES connectors (name));
CREATE INDEX IF NOT EXISTS connector_domains_of ON connector_domains (connector);`

// Connector is one customer's provider, as an administrator knows it.
type Connector struct {
	Name        string // in addresses; it stays as it is
	DisplayName string // on the sign-in page; "": Name
	Issuer      string
	ClientID    string
	// ClientSecret that is empty leaves the one there is in Change, unless Issuer
	// becomes another, which would be sent it; no method gives it out.
	ClientSecret oidcrp.Secret
	Scopes       string   // between spaces, commas or "+"; "": openid profile email
	EmailDomains []string // of one connector each
	Listed       bool     // has a button on the sign-in page
	// TenantSupplied: the customer typed the issuer in, and not the operator of
	// this application. See [oidcrp.Provider.TenantSupplied].
	TenantSupplied bool
}

// The errors of a [Table], beside the database's.
var (
	ErrExists  = errors.New("there is a connector of this name")
	ErrDomain  = errors.New("the mail domain belongs to another connector")
	ErrMissing = errors.New("there is no such connector")
	ErrSecret  = errors.New("ClientSecret: missing: give what the provider gave, again for another issuer")
)

// Table is the connectors of a database. It is safe for concurrent use.
type Table struct{ db *sql.DB }

// Open makes the tables where they are missing.
func Open(ctx context.Context, db *sql.DB) (*Table, error) {
	if _, err := db.ExecContext(ctx, Schema); err != nil {
		return nil, err
	}
	return &Table{db}, nil
}

// RedirectURL is the redirect_uri to register at a connector's provider, before
// it is added or after.
func RedirectURL(baseURL, name string) string {
	return strings.TrimSuffix(baseURL, "/") + "/auth/callback/" + name
}

// Check says everything that is wrong with a connector, for the administrator.
// It calls nobody.
func (c Connector) Check() error {
	p := c.provider()
	if p.Name == "" {
		p.Name = " " // New would give a single provider a name
	}
	_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost", Providers: []oidcrp.Provider{p}, Logger: slog.New(slog.DiscardHandler)})
	if c.ClientSecret == "" {
		err = errors.Join(err, ErrSecret)
	}
	return err
}

// provider is the connector as the relying party uses it, without Version.
func (c Connector) provider() oidcrp.Provider {
	return oidcrp.Provider{
		Name: c.Name, DisplayName: c.DisplayName, Hidden: !c.Listed,
		Issuer: c.Issuer, ClientID: c.ClientID, ClientSecret: c.ClientSecret,
		Scopes: scopes(c.Scopes), EmailDomains: c.EmailDomains, TenantSupplied: c.TenantSupplied,
	}
}

// scopes adds to the usual three, which a customer cannot take away.
func scopes(more string) []string {
	all := []string{"openid", "profile", "email"}
	return append(all, strings.FieldsFunc(more, func(r rune) bool { return strings.ContainsRune(" ,+", r) })...)
}

// Add adds a connector that Check finds right.
func (t *Table) Add(ctx context.Context, c Connector) error {
	if err := c.Check(); err != nil {
		return err
	}
	return t.write(ctx, c, func(tx *sql.Tx) error {
		var there int
		err := tx.QueryRowContext(ctx, `SELECT count(*) FROM connectors WHERE name = $1`, c.Name).Scan(&there)
		if err == nil && there > 0 {
			err = ErrExists
		}
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO connectors VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			c.Name, c.DisplayName, c.Issuer, c.ClientID, string(c.ClientSecret), c.Scopes, c.Listed, c.TenantSupplied, version())
		return err
	})
}

// Change replaces a connector but its name. The next login there is by the new
// settings; one that is under way ends if issuer or client are others.
func (t *Table) Change(ctx context.Context, c Connector) error {
	if c.ClientSecret == "" {
		var issuer, secret string
		err := t.db.QueryRowContext(ctx, `SELECT issuer, client_secret FROM connectors WHERE name = $1`, c.Name).Scan(&issuer, &secret)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrMissing
		}
		if err != nil {
			return err
		}
		if issuer == c.Issuer {
			c.ClientSecret = oidcrp.Secret(secret)
		}
	}
	if err := c.Check(); err != nil {
		return err
	}
	return t.write(ctx, c, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE connectors SET display_name = $1, issuer = $2, client_id = $3,
			client_secret = $4, scopes = $5, listed = $6, tenant_supplied = $7, version = $8 WHERE name = $9`,
			c.DisplayName, c.Issuer, c.ClientID, string(c.ClientSecret), c.Scopes, c.Listed, c.TenantSupplied, version(), c.Name)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrMissing)
		}
		return nil
	})
}

// Remove removes a connector. Its sessions end within a minute, at their next
// request; nobody's account is touched. One that is not there is no error.
func (t *Table) Remove(ctx context.Context, name string) error {
	return t.write(ctx, Connector{Name: name}, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM connector_domains WHERE connector = $1`, name); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM connectors WHERE name = $1`, name)
		return err
	})
}

// write does what do does, and gives the connector its domains.
func (t *Table) write(ctx context.Context, c Connector, do func(*sql.Tx) error) error {
	tx, err := t.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // of no effect after Commit
	if err := do(tx); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `DELETE FROM connector_domains WHERE connector = $1`, c.Name); err != nil {
		return err
	}
	for _, domain := range c.EmailDomains {
		domain, _ = oidcrp.MailDomain(domain) // Check found it right
		var owner string
		err := tx.QueryRowContext(ctx, `SELECT connector FROM connector_domains WHERE domain = $1`, domain).Scan(&owner)
		if err == nil {
			return fmt.Errorf("%w: %s", ErrDomain, domain)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, `INSERT INTO connector_domains VALUES ($1, $2)`, domain, c.Name); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// version is another at each change, on whatever node it was made.
func version() string { return rand.Text() }
