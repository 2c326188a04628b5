package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrStore: the store cannot be asked. Whether there is a session is not known
// then, and the visitor's cookie is left alone.
var ErrStore = errors.New("session store unavailable")

// Store keeps records on the server: the methods of an alexedwards/scs store.
// Variants with a context, and Add, are used where a store has them.
type Store interface {
	Find(token string) (b []byte, found bool, err error)
	Commit(token string, b []byte, expiry time.Time) error
	Delete(token string) error
}

// leastLife is the least time to live that a store is asked for: some count in
// whole seconds, and to some of those zero is for ever.
const leastLife = 2 * time.Second

// maxSealed bounds what is committed: MySQL's BLOB ends at 64 KB, and a record is
// read with every request.
const maxSealed = 48 << 10

// backend is a Store with its traps removed: the best variant of each method
// is called, a panic is an error, every error is ErrStore.
type backend struct {
	find   func(ctx context.Context, key string) ([]byte, bool, error)
	commit func(ctx context.Context, key string, b []byte, expiry time.Time) error
	remove func(ctx context.Context, key string) error
}

func newBackend(s Store) *backend {
	b := &backend{
		find: func(ctx context.Context, key string) ([]byte, bool, error) {
			if err := ctx.Err(); err != nil {
				return nil, false, err
			}
			return s.Find(key)
		},
		commit: func(ctx context.Context, key string, b []byte, expiry time.Time) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.Commit(key, b, expiry)
		},
		remove: func(ctx context.Context, key string) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return s.Delete(key)
		},
	}
	if s, ok := s.(interface {
		FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	}); ok {
		b.find = s.FindCtx
	}
	if s, ok := s.(interface {
		CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	}); ok {
		b.commit = s.CommitCtx
	}
	if s, ok := s.(interface {
		DeleteCtx(ctx context.Context, token string) error
	}); ok {
		b.remove = s.DeleteCtx
	}
	return b
}

// Find returns what lies under key. The caller must not change it: a store may
// return its own copy.
func (b *backend) Find(ctx context.Context, key string) (value []byte, found bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, found, err = nil, false, fmt.Errorf("%w: find panicked: %v", ErrStore, p)
		}
	}()
	value, found, err = b.find(ctx, key)
	if err != nil {
		return nil, false, fmt.Errorf("%w: find: %w", ErrStore, err)
	}
	return value, found, nil
}

// Commit stores value under key. The caller must not use value again: a store
// may keep it.
func (b *backend) Commit(ctx context.Context, key string, value []byte, expiry time.Time) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: commit panicked: %v", ErrStore, p)
		}
	}()
	if err := b.commit(ctx, key, value, expiry); err != nil {
		return fmt.Errorf("%w: commit: %w", ErrStore, err)
	}
	return nil
}

// Delete removes what lies under key.
func (b *backend) Delete(ctx context.Context, key string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: delete panicked: %v", ErrStore, p)
		}
	}()
	if err := b.remove(ctx, key); err != nil {
		return fmt.Errorf("%w: delete: %w", ErrStore, err)
	}
	return nil
}
