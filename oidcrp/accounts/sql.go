package accounts

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Dialect is the database a [NewSQLStore] speaks to.
type Dialect string

// The dialects.
const (
	SQLite     Dialect = "sqlite"
	PostgreSQL Dialect = "postgres"
)

type sqlStore struct {
	db      *sql.DB
	dialect Dialect
}

// NewSQLStore returns a Store in an SQLite or PostgreSQL database, by whatever
// driver db was opened with. It creates its tables, whose names begin with
// "accounts_", and brings those of older releases up to date; several processes
// may do so at once. With SQLite set a busy timeout, such as
// _pragma=busy_timeout(5000) for modernc.org/sqlite, or writers that meet fail.
func NewSQLStore(ctx context.Context, db *sql.DB, dialect Dialect) (Store, error) {
	if dialect != SQLite && dialect != PostgreSQL {
		return nil, fmt.Errorf("accounts: there is no dialect %q; use SQLite or PostgreSQL", dialect)
	}
	s := &sqlStore{db, dialect}
	if err := s.migrate(ctx); err != nil {
		return nil, fmt.Errorf("accounts: migrate the database: %w", err)
	}
	return s, nil
}

// querier is a database or a transaction in it.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// q writes the placeholders as the dialect wants them.
func (s *sqlStore) q(query string) string {
	if s.dialect == SQLite {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// exec returns how many rows were changed.
func (s *sqlStore) exec(ctx context.Context, q querier, query string, args ...any) (int64, error) {
	res, err := q.ExecContext(ctx, s.q(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// inTx runs f in a transaction. Its first statement must write: it then waits
// for other writers, in SQLite for all of them, and reads nothing that is old.
func (s *sqlStore) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no-op after Commit
	if err := f(tx); err != nil {
		return err
	}
	return tx.Commit()
}

const contactColumns = `c.id, c.email, c.email_verified, c.fields, c.organization, c.roles, c.disabled, c.created_at`

// contacts reads contacts, with their identities.
func (s *sqlStore) contacts(ctx context.Context, q querier, rest string, args ...any) ([]*Contact, error) {
	rows, err := q.QueryContext(ctx, s.q(`SELECT `+contactColumns+` FROM accounts_contacts c `+rest), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []*Contact
	for rows.Next() {
		var c Contact
		var verified, disabled, created int64
		var fields, roles string
		if err := rows.Scan(&c.ID, &c.Email, &verified, &fields, &c.Organization, &roles, &disabled, &created); err != nil {
			return nil, err
		}
		c.EmailVerified, c.Disabled, c.Created = verified != 0, disabled != 0, time.Unix(created, 0).UTC()
		if err := errors.Join(json.Unmarshal([]byte(fields), &c.Fields), json.Unmarshal([]byte(roles), &c.Roles)); err != nil {
			return nil, fmt.Errorf("contact %s: %w", c.ID, err)
		}
		all = append(all, &c)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Identities, err = s.identities(ctx, q, c.ID); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *sqlStore) identities(ctx context.Context, q querier, contact string) ([]oidcrp.Identity, error) {
	rows, err := q.QueryContext(ctx, s.q(`SELECT provider, issuer, subject FROM accounts_identities
		WHERE contact_id = ? ORDER BY position, issuer, subject`), contact)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []oidcrp.Identity
	for rows.Next() {
		var id oidcrp.Identity
		if err := rows.Scan(&id.Provider, &id.Issuer, &id.Subject); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}

// one is the only contact of a query.
func (s *sqlStore) one(ctx context.Context, q querier, rest string, args ...any) (*Contact, error) {
	all, err := s.contacts(ctx, q, rest, args...)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, ErrNotFound
	}
	return all[0], nil
}

func (s *sqlStore) ByID(ctx context.Context, id string) (*Contact, error) {
	return s.one(ctx, s.db, `WHERE c.id = ?`, id)
}

func (s *sqlStore) ByIdentity(ctx context.Context, issuer, subject string) (*Contact, error) {
	return s.one(ctx, s.db, `JOIN accounts_identities i ON i.contact_id = c.id WHERE i.issuer = ? AND i.subject = ?`, issuer, subject)
}

func (s *sqlStore) ByEmail(ctx context.Context, email string) ([]*Contact, error) {
	key := emailKey(email)
	if key == "" {
		return nil, nil
	}
	return s.contacts(ctx, s.db, `WHERE c.email_key = ? ORDER BY c.id LIMIT 10`, key)
}

func (s *sqlStore) List(ctx context.Context, after string, limit int) ([]*Contact, error) {
	return s.contacts(ctx, s.db, `WHERE c.id > ? ORDER BY c.id LIMIT ?`, after, limit)
}

func (s *sqlStore) Create(ctx context.Context, c *Contact, invitation string) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		fields, roles, err := encode(c)
		if err != nil {
			return err
		}
		n, err := s.exec(ctx, tx, `INSERT INTO accounts_contacts
			(id, email, email_key, email_verified, fields, organization, roles, disabled, created_at, version)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING`,
			c.ID, c.Email, emailKey(c.Email), number(c.EmailVerified), fields, c.Organization, roles, number(c.Disabled), c.Created.Unix())
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTaken
		}
		if err := s.addIdentities(ctx, tx, c); err != nil {
			return err
		}
		return s.redeem(ctx, tx, invitation)
	})
}

func (s *sqlStore) Update(ctx context.Context, id, invitation string, change func(*Contact) error) error {
	return s.inTx(ctx, func(tx *sql.Tx) error {
		// Nobody else changes the contact from here on, until this ends.
		n, err := s.exec(ctx, tx, `UPDATE accounts_contacts SET version = version + 1 WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		c, err := s.one(ctx, tx, `WHERE c.id = ?`, id)
		if err != nil {
			return err
		}
		before := slices.Clone(c.Identities)
		if err := change(c); err != nil {
			return err
		}
		c.ID = id
		fields, roles, err := encode(c)
		if err != nil {
			return err
		}
		if _, err := s.exec(ctx, tx, `UPDATE accounts_contacts SET email = ?, email_key = ?, email_verified = ?, fields = ?,
			organization = ?, roles = ?, disabled = ? WHERE id = ?`,
			c.Email, emailKey(c.Email), number(c.EmailVerified), fields, c.Organization, roles, number(c.Disabled), id); err != nil {
			return err
		}
		if !slices.Equal(before, c.Identities) {
			if _, err := s.exec(ctx, tx, `DELETE FROM accounts_identities WHERE contact_id = ?`, id); err != nil {
				return err
			}
			if err := s.addIdentities(ctx, tx, c); err != nil {
				return err
			}
		}
		return s.redeem(ctx, tx, invitation)
	})
}

// addIdentities relies on the primary key: of two who add one identity, one
// waits for the other and then finds it taken.
func (s *sqlStore) addIdentities(ctx context.Context, tx *sql.Tx, c *Contact) error {
	for i, id := range c.Identities {
		n, err := s.exec(ctx, tx, `INSERT INTO accounts_identities (issuer, subject, provider, contact_id, position)
			VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`, id.Issuer, id.Subject, id.Provider, c.ID, i)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrTaken
		}
	}
	return nil
}

func (s *sqlStore) redeem(ctx context.Context, tx *sql.Tx, invitation string) error {
	if invitation == "" {
		return nil
	}
	n, err := s.exec(ctx, tx, `UPDATE accounts_invitations SET redeemed = 1 WHERE id = ? AND redeemed = 0`, invitation)
	if err == nil && n == 0 {
		err = ErrInvitation
	}
	return err
}

func (s *sqlStore) AddInvitation(ctx context.Context, inv Invitation) error {
	roles, err := json.Marshal(inv.Roles)
	if err != nil {
		return err
	}
	n, err := s.exec(ctx, s.db, `INSERT INTO accounts_invitations (id, contact_id, email, organization, roles, expires_at, redeemed)
		VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		inv.ID, inv.ContactID, inv.Email, inv.Organization, string(roles), inv.Expires.Unix(), number(inv.Redeemed))
	if err == nil && n == 0 {
		err = ErrTaken
	}
	return err
}

func (s *sqlStore) Invitation(ctx context.Context, id string) (Invitation, error) {
	inv := Invitation{ID: id}
	var roles string
	var expires, redeemed int64
	err := s.db.QueryRowContext(ctx, s.q(`SELECT contact_id, email, organization, roles, expires_at, redeemed
		FROM accounts_invitations WHERE id = ?`), id).Scan(&inv.ContactID, &inv.Email, &inv.Organization, &roles, &expires, &redeemed)
	if errors.Is(err, sql.ErrNoRows) {
		return Invitation{}, ErrInvitation
	}
	if err != nil {
		return Invitation{}, err
	}
	inv.Expires, inv.Redeemed = time.Unix(expires, 0).UTC(), redeemed != 0
	return inv, json.Unmarshal([]byte(roles), &inv.Roles)
}

// encode writes what has no column of its own.
func encode(c *Contact) (fields, roles string, err error) {
	f, err := json.Marshal(c.Fields)
	if err != nil {
		return "", "", err
	}
	r, err := json.Marshal(c.Roles)
	return string(f), string(r), err
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
