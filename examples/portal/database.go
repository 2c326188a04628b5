package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/postgresstore"
	"github.com/alexedwards/scs/sqlite3store"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/connectors"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// database holds all that the portal keeps: sessions, contacts with their
// invitations, and who is signed in where. Several processes may share one.
type database struct {
	*sql.DB
	dialect   accounts.Dialect
	sessions  sessionStore
	contacts  accounts.Store
	connected *connectors.Table // providers that an administrator has added
}

// isPostgres reports whether -db is the URL of a PostgreSQL database.
func isPostgres(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// openDatabase opens a PostgreSQL URL, or opens or makes an SQLite file; "" is
// an SQLite database in memory.
func openDatabase(name string) (_ *database, err error) {
	d := &database{dialect: accounts.SQLite}
	driver, source := "sqlite", ":memory:"
	switch {
	case isPostgres(name):
		d.dialect, driver, source = accounts.PostgreSQL, "pgx", name
	case name != "":
		source = (&url.URL{Scheme: "file", Opaque: url.PathEscape(name), RawQuery: url.Values{
			"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"},
		}.Encode()}).String()
	}
	if d.DB, err = sql.Open(driver, source); err != nil {
		return nil, fmt.Errorf("-db: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("-db: %w", err), d.DB.Close())
		}
	}()
	if d.dialect == accounts.SQLite {
		d.SetMaxOpenConns(1) // each connection to :memory: has a database of its own; and SQLite writes one at a time
	} else {
		d.SetMaxOpenConns(20)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := d.createTables(ctx); err != nil {
		return nil, err
	}
	kept, err := accounts.NewSQLStore(ctx, d.DB, d.dialect)
	if err != nil {
		return nil, err
	}
	if d.connected, err = connectors.Open(ctx, d.DB); err != nil {
		return nil, err
	}
	d.contacts = listedInvitations{kept, d}
	d.sessions = newSessionStore(d)
	return d, nil
}

func (d *database) Close() error {
	if d.sessions.stop != nil {
		d.sessions.stop()
	}
	return d.DB.Close()
}

// createTables makes the tables that are not there. Package accounts has its
// own. Both databases understand $1 for the first placeholder.
func (d *database) createTables(ctx context.Context) error {
	data, expiry := "BLOB", "REAL"
	if d.dialect == accounts.PostgreSQL {
		data, expiry = "BYTEA", "TIMESTAMPTZ"
	}
	tx, err := d.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no-op after Commit
	if d.dialect == accounts.PostgreSQL {
		// Two processes that create one table at once would fail.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('riverside'))`); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data ` + data + ` NOT NULL, expiry ` + expiry + ` NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions (expiry)`,
		`CREATE TABLE IF NOT EXISTS site_visits (
			visit TEXT PRIMARY KEY, site TEXT NOT NULL, handle TEXT NOT NULL, contact_id TEXT NOT NULL, name TEXT NOT NULL,
			provider TEXT NOT NULL, issuer TEXT NOT NULL, subject TEXT NOT NULL,
			browser TEXT NOT NULL, started BIGINT NOT NULL, seen BIGINT NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS site_visits_contact_idx ON site_visits (contact_id)`,
		`CREATE INDEX IF NOT EXISTS site_visits_handle_idx ON site_visits (handle)`,
		`CREATE TABLE IF NOT EXISTS portal_invitations (id TEXT PRIMARY KEY, created BIGINT NOT NULL)`,
		connectors.Schema,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// sessionStore is one of the stores that were made for another library, which
// fits as it is, and Add: with it a login can be finished once only across
// several processes.
type sessionStore struct {
	oidcrp.Store
	db       *database
	stop     func()
	add      string
	expiryOf func(time.Time) any
}

func newSessionStore(d *database) sessionStore {
	const insert = `INSERT INTO sessions (token, data, expiry) VALUES ($1, $2, %s)
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry WHERE sessions.expiry <= %s`
	if d.dialect == accounts.PostgreSQL {
		store := postgresstore.New(d.DB)
		return sessionStore{store, d, store.StopCleanup, fmt.Sprintf(insert, `$3`, `current_timestamp`),
			func(t time.Time) any { return t }}
	}
	store := sqlite3store.New(d.DB)
	return sessionStore{store, d, store.StopCleanup, fmt.Sprintf(insert, `julianday($3)`, `julianday('now')`),
		func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.999") }}
}

// Add commits what is not there yet, or has expired.
func (s sessionStore) Add(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
	res, err := s.db.ExecContext(ctx, s.add, token, b, s.expiryOf(expiry))
	if err != nil {
		return false, err
	}
	n, err := res.RowsAffected()
	return n > 0, err
}
