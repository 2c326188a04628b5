package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	_ "modernc.org/sqlite"
)

// sessions are kept in an SQLite database, by a store that was made for
// another library and fits as it is.
type sessions struct {
	*sqlite3store.SQLite3Store
	db *sql.DB
}

// openSessions opens, or makes, the database file; "" is one in memory.
func openSessions(file string) (*sessions, error) {
	dsn := ":memory:"
	if file != "" {
		dsn = (&url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: url.Values{
			"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(NORMAL)"},
		}.Encode()}).String()
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // each connection to :memory: has a database of its own; and SQLite writes one at a time
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, `
		CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL);
		CREATE INDEX IF NOT EXISTS sessions_expiry_idx ON sessions (expiry);`)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("-db: %w", err), db.Close())
	}
	return &sessions{sqlite3store.New(db), db}, nil
}

func (s *sessions) Close() error {
	s.StopCleanup()
	return s.db.Close()
}

// cookieKeys are random for a database in memory. With a file they are kept
// beside it, so that sessions outlive a restart; not in it, because the
// records are sealed against whoever can read the database.
func cookieKeys(db string) ([][]byte, error) {
	key := make([]byte, 32)
	rand.Read(key)
	if db == "" {
		return [][]byte{key}, nil
	}
	name := db + ".key"
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		kept, err := os.ReadFile(name)
		return [][]byte{kept}, err
	}
	if err != nil {
		return nil, err
	}
	_, err = f.Write(key)
	return [][]byte{key}, errors.Join(err, f.Close())
}
