//go:build planned

// Package accounts keeps the people who sign in, as a portal's contacts:
// registration gates, invitations, linking of further identities, and roles
// given at the first sign-in.
package accounts

import (
	"context"
	"database/sql"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Contact is a person known to the application.
type Contact struct {
	ID           string
	Email        string
	Fields       map[string]string
	Organization string
	Roles        []string
	Disabled     bool
	Identities   []oidcrp.Identity
}

// Store keeps contacts, identities and invitations.
type Store interface {
	// ByIdentity returns ErrNotFound where nobody has it.
	ByIdentity(ctx context.Context, issuer, subject string) (*Contact, error)
	ByEmail(ctx context.Context, email string) ([]*Contact, error)
	Save(ctx context.Context, c *Contact) error
	AddIdentity(ctx context.Context, contactID string, id oidcrp.Identity) error
	RemoveIdentity(ctx context.Context, contactID string, id oidcrp.Identity) error
	Redeem(ctx context.Context, invitation string) (contactID string, err error)
}

// NewSQLStore returns a Store in an SQLite or PostgreSQL database, creating
// and migrating its tables.
func NewSQLStore(ctx context.Context, db *sql.DB, dialect string) (Store, error) { panic("planned") }

// NewMemoryStore returns a Store in memory, for tests.
func NewMemoryStore() Store { panic("planned") }

// Gates say who may register.
type Gates struct {
	Closed             bool // nobody new
	InvitationRequired bool
}

// Rules say how a login becomes a contact.
type Rules struct {
	Gates        Gates
	ByProvider   map[string]Gates  // instead of Gates
	Registration map[string]string // contact field from claim, once
	Login        map[string]string // contact field from claim, at each login
	MatchEmail   bool              // link the one contact with the verified e-mail
	Organization map[string]string // by provider or mail domain, at the first login
	Roles        map[string][]string
	Retired      []string // providers being left
}

// Accounts connects a Store to a relying party.
type Accounts struct{}

// New checks rules against cfg and returns Accounts whose hooks are set in it.
func New(store Store, rules Rules, cfg *oidcrp.Config) (*Accounts, error) { panic("planned") }

// Current returns the signed-in contact.
func (a *Accounts) Current(ctx context.Context) (*Contact, error) { panic("planned") }

// Unlink removes one identity of the signed-in contact, but not its last.
func (a *Accounts) Unlink(ctx context.Context, id oidcrp.Identity) error { panic("planned") }

// RegistrationPage serves the page a new visitor registers on.
func (a *Accounts) RegistrationPage(rp *oidcrp.RelyingParty) http.Handler { panic("planned") }
