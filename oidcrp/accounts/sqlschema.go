package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// migrations bring the tables from one version to the next. What is here was
// released: add to the end, and change nothing before. They are in the SQL that
// SQLite and PostgreSQL share.
var migrations = [][]string{{
	`CREATE TABLE accounts_contacts (
		id TEXT PRIMARY KEY,
		email TEXT NOT NULL,
		email_key TEXT NOT NULL,
		email_verified INTEGER NOT NULL,
		fields TEXT NOT NULL,
		organization TEXT NOT NULL,
		roles TEXT NOT NULL,
		disabled INTEGER NOT NULL,
		created_at BIGINT NOT NULL,
		version BIGINT NOT NULL)`,
	`CREATE INDEX accounts_contacts_email ON accounts_contacts (email_key)`,
	`CREATE TABLE accounts_identities (
		issuer TEXT NOT NULL,
		subject TEXT NOT NULL,
		provider TEXT NOT NULL,
		contact_id TEXT NOT NULL REFERENCES accounts_contacts (id),
		position INTEGER NOT NULL,
		PRIMARY KEY (issuer, subject))`,
	`CREATE INDEX accounts_identities_contact ON accounts_identities (contact_id)`,
	`CREATE TABLE accounts_invitations (
		id TEXT PRIMARY KEY,
		contact_id TEXT NOT NULL,
		email TEXT NOT NULL,
		organization TEXT NOT NULL,
		roles TEXT NOT NULL,
		expires_at BIGINT NOT NULL,
		redeemed INTEGER NOT NULL)`,
}}

const createVersion = `CREATE TABLE IF NOT EXISTS accounts_version (version INTEGER NOT NULL)`

// migrate does what is missing, in one transaction that others wait for.
func (s *sqlStore) migrate(ctx context.Context) error {
	if s.dialect == SQLite { // before the transaction, which would begin by reading
		if _, err := s.db.ExecContext(ctx, createVersion); err != nil {
			return err
		}
	}
	return s.inTx(ctx, func(tx *sql.Tx) error {
		if s.dialect == PostgreSQL {
			// Two processes that create one table at once would fail.
			if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('accounts_version'))`); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, createVersion); err != nil {
				return err
			}
		}
		// A write, for SQLite's lock.
		if _, err := tx.ExecContext(ctx, `UPDATE accounts_version SET version = version`); err != nil {
			return err
		}
		var version int
		err := tx.QueryRowContext(ctx, `SELECT version FROM accounts_version`).Scan(&version)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = tx.ExecContext(ctx, `INSERT INTO accounts_version (version) VALUES (0)`)
		}
		if err != nil {
			return err
		}
		if version > len(migrations) {
			return fmt.Errorf("its tables are of version %d, and this release knows %d; use a newer one", version, len(migrations))
		}
		for _, steps := range migrations[version:] {
			for _, step := range steps {
				if _, err := tx.ExecContext(ctx, step); err != nil {
					return err
				}
			}
		}
		_, err = tx.ExecContext(ctx, s.q(`UPDATE accounts_version SET version = ?`), len(migrations))
		return err
	})
}
