package accounts

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Contact is a person known to the application.
type Contact struct {
	ID string // made by [NewID]; never changes

	// Email is the contact's address, "" for none. Several contacts may have the
	// same one.
	Email string

	// EmailVerified says that the address is known to be the contact's: a
	// provider vouched for it, a mail to it was answered, or it comes from the
	// application's own records. Only such a contact is ever found by an
	// address. Whoever lets users type their address must leave this false.
	EmailVerified bool

	Fields       map[string]string // what mappings and the registration page set
	Organization string
	Roles        []string  // added to those of the provider in each session
	Disabled     bool      // may not sign in; no login changes this
	Created      time.Time // of who registers; whoever calls Store.Create sets it

	Identities []oidcrp.Identity // who may sign in as this contact
}

// Has reports whether the user of (issuer, subject) may sign in as c.
func (c *Contact) Has(issuer, subject string) bool {
	return slices.ContainsFunc(c.Identities, func(id oidcrp.Identity) bool {
		return id.Issuer == issuer && id.Subject == subject
	})
}

// Clone returns a copy that shares nothing with c.
func (c *Contact) Clone() *Contact {
	d := *c
	d.Fields, d.Roles, d.Identities = maps.Clone(c.Fields), slices.Clone(c.Roles), slices.Clone(c.Identities)
	return &d
}

// Invitation lets somebody in whom InviteOnly would keep out; while the gate is
// Closed none is redeemed, not even one for a contact. See [Accounts.Invite].
type Invitation struct {
	ID           string    // a hash of its code: who reads the store cannot use it
	ContactID    string    // who it is for; "" for somebody new
	Email        string    // only for this address, verified; "" for whoever has the code, and where several tenants sign in
	Organization string    // of the new contact
	Roles        []string  // of the new contact
	Expires      time.Time // zero: in seven days
	Redeemed     bool
}

// Store keeps contacts, their identities and invitations. All methods may be
// called concurrently, from several processes where they share one database,
// and what they return and are given is not shared. An error that is none of
// this package's is an outage: nobody is signed in, and nobody registered.
// Package accountstest proves a Store.
type Store interface {
	// ByID returns ErrNotFound where there is no such contact.
	ByID(ctx context.Context, id string) (*Contact, error)

	// ByIdentity returns ErrNotFound where nobody has the identity. Issuer and
	// subject are compared byte by byte; Provider is not looked at.
	ByIdentity(ctx context.Context, issuer, subject string) (*Contact, error)

	// ByEmail returns the contacts that have an address, verified or not, where
	// both are the same but for the case of ASCII letters; disabled contacts
	// too. None is no error. It may stop after ten.
	ByEmail(ctx context.Context, email string) ([]*Contact, error)

	// List returns up to limit contacts in the order of their IDs, those behind
	// after, or from the first for "".
	List(ctx context.Context, after string, limit int) ([]*Contact, error)

	// Create adds a contact with its identities, and redeems the invitation of
	// that ID unless it is "": both or neither. ErrTaken says that an identity,
	// or the ID, is somebody's already; ErrInvitation that the invitation is not
	// there or was redeemed. Of any number of calls for one identity or one
	// invitation exactly one succeeds.
	Create(ctx context.Context, c *Contact, invitation string) error

	// Update calls change with the contact as it is, and stores all that change
	// left of it but ID and Created, identities included, and redeems
	// invitation as Create does: all of it or nothing, and no other Update of
	// the contact in between. An error of change is returned as it is. Where
	// nobody else is in the way change is called once; it must not call the
	// Store. ErrNotFound, ErrTaken and ErrInvitation as above.
	Update(ctx context.Context, id, invitation string, change func(*Contact) error) error

	// AddInvitation adds an invitation. ErrTaken: there is one of that ID.
	AddInvitation(ctx context.Context, inv Invitation) error

	// Invitation returns an invitation by its ID, redeemed or not, or
	// ErrInvitation.
	Invitation(ctx context.Context, id string) (Invitation, error)
}

// The errors of a [Store], and of what is built on it.
var (
	ErrNotFound     = errors.New("no such contact")
	ErrTaken        = errors.New("the identity belongs to another contact")
	ErrInvitation   = errors.New("no such invitation, or it was redeemed")
	ErrLastIdentity = errors.New("the last identity of a contact")
)
