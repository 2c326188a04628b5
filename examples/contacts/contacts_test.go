package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts/accountstest"
)

// nodes are processes that share one database: each call goes to the next.
type nodes struct {
	stores []accounts.Store
	turn   *atomic.Int32
}

func (n nodes) next() accounts.Store { return n.stores[int(n.turn.Add(1))%len(n.stores)] }

func (n nodes) ByID(ctx context.Context, id string) (*accounts.Contact, error) {
	return n.next().ByID(ctx, id)
}
func (n nodes) ByIdentity(ctx context.Context, issuer, subject string) (*accounts.Contact, error) {
	return n.next().ByIdentity(ctx, issuer, subject)
}
func (n nodes) ByEmail(ctx context.Context, email string) ([]*accounts.Contact, error) {
	return n.next().ByEmail(ctx, email)
}
func (n nodes) List(ctx context.Context, after string, limit int) ([]*accounts.Contact, error) {
	return n.next().List(ctx, after, limit)
}
func (n nodes) Create(ctx context.Context, c *accounts.Contact, invitation string) error {
	return n.next().Create(ctx, c, invitation)
}
func (n nodes) Update(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
	return n.next().Update(ctx, id, invitation, change)
}
func (n nodes) AddInvitation(ctx context.Context, inv accounts.Invitation) error {
	return n.next().AddInvitation(ctx, inv)
}
func (n nodes) Invitation(ctx context.Context, id string) (accounts.Invitation, error) {
	return n.next().Invitation(ctx, id)
}

// sqlite opens a database in a file, as a process of its own would.
func sqlite(t *testing.T) func() *sql.DB {
	file := filepath.Join(t.TempDir(), "contacts.db")
	return func() *sql.DB {
		q := url.Values{"_pragma": {"busy_timeout(60000)", "journal_mode(wal)"}}
		db, err := sql.Open("sqlite", "file:"+file+"?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
}

// postgres opens a database of a PostgreSQL that is there for this test alone.
func postgres(t *testing.T) func() *sql.DB {
	source := apptest.Postgres(t)
	return func() *sql.DB {
		db, err := sql.Open("pgx", source)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(12)
		t.Cleanup(func() { db.Close() })
		return db
	}
}

func TestStore(t *testing.T) {
	for dialect, start := range map[accounts.Dialect]func(*testing.T) func() *sql.DB{
		accounts.SQLite:     sqlite,
		accounts.PostgreSQL: postgres,
	} {
		t.Run(string(dialect), func(t *testing.T) {
			open := start(t)
			t.Run("empty database, four processes", func(t *testing.T) { migrateAtOnce(t, open, dialect) })
			t.Run("one process", func(t *testing.T) { accountstest.TestStore(t, newStore(t, open(), dialect)) })
			t.Run("two processes", func(t *testing.T) {
				accountstest.TestStore(t, nodes{[]accounts.Store{newStore(t, open(), dialect), newStore(t, open(), dialect)}, &atomic.Int32{}})
			})
			t.Run("restart", func(t *testing.T) { survivesRestart(t, open, dialect) })
			t.Run("newer tables", func(t *testing.T) { refusesNewer(t, open(), dialect) })
		})
	}
}

func newStore(t *testing.T, db *sql.DB, dialect accounts.Dialect) accounts.Store {
	t.Helper()
	store, err := accounts.NewSQLStore(t.Context(), db, dialect)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func migrateAtOnce(t *testing.T, open func() *sql.DB, dialect accounts.Dialect) {
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i := range errs {
		db := open()
		all.Go(func() { _, errs[i] = accounts.NewSQLStore(t.Context(), db, dialect) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
}

func survivesRestart(t *testing.T, open func() *sql.DB, dialect accounts.Dialect) {
	db := open()
	id := oidcrp.Identity{Provider: "p", Issuer: "https://issuer.example", Subject: accounts.NewID()}
	c := &accounts.Contact{ID: accounts.NewID(), Email: "a@corp.example", Identities: []oidcrp.Identity{id}}
	if err := newStore(t, db, dialect).Create(t.Context(), c, ""); err != nil {
		t.Fatal(err)
	}
	db.Close()
	got, err := newStore(t, open(), dialect).ByIdentity(t.Context(), id.Issuer, id.Subject)
	if err != nil || got.ID != c.ID {
		t.Errorf("after a restart: %v %v", got, err)
	}
}

func refusesNewer(t *testing.T, db *sql.DB, dialect accounts.Dialect) {
	newStore(t, db, dialect)
	if _, err := db.Exec(`UPDATE accounts_version SET version = version + 1`); err != nil {
		t.Fatal(err)
	}
	if _, err := accounts.NewSQLStore(t.Context(), db, dialect); err == nil {
		t.Error("tables of a newer release were used")
	}
	if _, err := accounts.NewSQLStore(t.Context(), db, accounts.Dialect(fmt.Sprint(dialect, "x"))); err == nil {
		t.Error("a dialect of another name was taken")
	}
}
