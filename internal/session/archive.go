package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// Archive keeps what the application itself has to remember and all nodes have
// to agree on, such as its registration at a provider. Records are sealed under
// the server's keys and bound to their names: who can write the store can
// delete one, or bring an older one back, but not make one up.
type Archive struct {
	store *backend
	keys  *cookie.Keys
	box   *cookie.Box
	site  string
	now   func() time.Time
}

// NewArchive returns the archive of a site in a store. In one that has no Add
// (SET NX) the last of two nodes that write at once wins.
func NewArchive(keys *cookie.Keys, site cookie.Site, store Store, now func() time.Time) *Archive {
	a := &Archive{store: newBackend(store), keys: keys, now: now}
	return a.At(site)
}

// At returns the archive of another site in the same store.
func (a *Archive) At(site cookie.Site) *Archive {
	at := *a
	at.box, at.site = a.keys.Box("archive", site.ID()), site.ID()
	return &at
}

// Read returns the record of a name, nil if there is none that can be read.
func (a *Archive) Read(ctx context.Context, name string) ([]byte, error) {
	plain, _, err := a.find(ctx, a.key(name))
	return plain, err
}

// Replace writes a record in place of old, nil for none, and returns the one
// that is there afterwards: another node's, if that was faster.
func (a *Archive) Replace(ctx context.Context, name string, old, record []byte, expiry time.Time) ([]byte, error) {
	key := a.key(name)
	sealed, _, err := a.box.SealBytes(nil, record, []byte(key), a.now())
	if err != nil {
		return nil, err
	}
	sealed = sealed[:len(sealed):len(sealed)]
	current, found, err := a.find(ctx, key)
	if err != nil {
		return nil, err
	}
	if current != nil && !bytes.Equal(current, old) {
		return current, nil
	}
	if a.store.add == nil {
		if err := a.store.Commit(ctx, key, sealed, expiry); err != nil {
			return nil, err
		}
		return a.Read(ctx, name)
	}
	if found {
		if err := a.store.Delete(ctx, key); err != nil {
			return nil, err
		}
	}
	if _, err := a.store.Add(ctx, key, sealed, expiry); err != nil {
		return nil, err
	}
	return a.Read(ctx, name)
}

// find returns what lies under key: found without plain is nothing of ours, or
// sealed under a key that was dropped.
func (a *Archive) find(ctx context.Context, key string) (plain []byte, found bool, err error) {
	sealed, found, err := a.store.Find(ctx, key)
	if !found {
		return nil, false, err
	}
	plain, _, err = a.box.OpenBytes(nil, sealed, []byte(key))
	if err != nil {
		return nil, true, nil
	}
	return plain, true, nil
}

func (a *Archive) key(name string) string {
	return keyText(sha256.Sum256(fmt.Appendf(nil, "oidcrp archive\x00%s\x00%s", a.site, name)))
}
