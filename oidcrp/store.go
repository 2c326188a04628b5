package oidcrp

import (
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Store is server-side storage for sessions: the three methods of an
// alexedwards/scs store, so that any of its backends fits as it is, such as
// goredisstore.New(client) or sqlite3store.New(db). What is
// stored is sealed, under keys that are not in the store; expiry is absolute.
//
// Find of a missing or expired token returns found false and no error; an
// error means the store cannot be asked, and is answered 503, never taken for
// "not signed in". Delete of a missing token is no error. Methods are called
// concurrently. A store must not keep or change the slices it is given, and
// must return fresh ones.
//
// Where a store also has FindCtx, CommitCtx and DeleteCtx, with a context as
// first parameter, these are called instead; a type around a store has to embed
// its own type, and not the interface, to keep them. Where it has
//
//	Add(ctx context.Context, token string, b []byte, expiry time.Time) (added bool, err error)
//
// which commits, for Find to find, only what is not there yet, a login can be finished once only
// across several nodes; without it, once on each node and once at the
// provider. And of two nodes that give one session a new id at the same time one
// succeeds. oidcrptest.TestStore proves a store.
type Store interface {
	Find(token string) (b []byte, found bool, err error)
	Commit(token string, b []byte, expiry time.Time) error
	Delete(token string) error
}

// NewMemoryStore returns a Store in memory, for one node and for tests. It
// holds at most 100,000 records; beyond that the ones that expire first go. They are lost when the process ends.
func NewMemoryStore() Store { return session.NewMemoryStore(0) }
