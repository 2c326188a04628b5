package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// ErrTooMuch: the content does not fit a record of the vault.
var ErrTooMuch = errors.New("too large for a record of the store")

// endedTime is longer than anybody takes between reading a record and writing it
// back.
const endedTime = 10 * time.Minute

const (
	vaultPurpose      = "tokens record"
	vaultEndedPurpose = "tokens ended"
)

// Vault keeps tokens in the store, in records of their own: they are written
// by who refreshes them, and by nobody who writes sessions. A record lies under
// a hash of its id, sealed under a key derived from it, as a session does, and
// keeps its id when the session's changes. It is safe for concurrent use.
type Vault struct {
	keys  *cookie.Keys
	site  string
	store *backend
	now   func() time.Time
}

// NewVault returns a Vault; Keys, Site, Store and Now of c count.
func NewVault(c Config) *Vault {
	return &Vault{keys: c.Keys, site: c.Site.ID(), store: newBackend(c.Store), now: c.Now}
}

// At returns the vault of another site in the same store.
func (v *Vault) At(site cookie.Site) *Vault {
	at := *v
	at.site = site.ID()
	return &at
}

// NewID draws the id of a record that belongs to one session, and that nobody
// finds without it.
func (v *Vault) NewID() ([]byte, error) {
	id := make([]byte, idSize)
	return id, cookie.Random(id)
}

// IDOf is the id of a record that belongs to somebody. It is no secret: the
// server's keys are what keeps such a record.
func (v *Vault) IDOf(names ...string) []byte {
	var all []byte
	for _, name := range names {
		all = appendString(all, name)
	}
	sum := hash("tokens owner", v.site, all)
	return sum[:]
}

// Key names a record to others, such as a lock: it tells nothing of its id.
func (v *Vault) Key(id []byte) string { return keyText(hash("tokens lock", v.site, id)) }

func (v *Vault) recordKey(id []byte) string { return keyText(hash(vaultPurpose, v.site, id)) }
func (v *Vault) endedKey(id []byte) string  { return keyText(hash(vaultEndedPurpose, v.site, id)) }

// Find returns the content of a record. What is missing, ended, not ours or of
// another version is ErrNone; ErrStore says that the store cannot be asked.
func (v *Vault) Find(ctx context.Context, id []byte) ([]byte, error) {
	answers := v.store.FindAll(ctx, v.recordKey(id), v.endedKey(id))
	record, ended := answers[0], answers[1]
	if err := errors.Join(record.err, ended.err); err != nil {
		return nil, err
	}
	if ended.found && record.found { // written by who could not look for the mark
		return nil, errors.Join(ErrEnded, v.store.Delete(ctx, v.recordKey(id)))
	}
	if !record.found {
		return nil, ErrMissing
	}
	if len(record.value) > maxSealed {
		return nil, ErrUnreadable
	}
	content, err := v.keys.OpenFor(nil, vaultPurpose, v.site, id, record.value)
	if err != nil {
		return nil, ErrUnreadable
	}
	return content, nil
}

// Keep writes a record until it expires. One that was ended in the meantime
// would come back to life by this: so the mark is looked for afterwards, and the
// record deleted again, which is ErrEnded. It goes on when the caller does not
// wait for it.
func (v *Vault) Keep(ctx context.Context, id, content []byte, until time.Time) error {
	if len(content) > maxRecord {
		return fmt.Errorf("%w: %d bytes, of which %d fit", ErrTooMuch, len(content), maxRecord)
	}
	now := v.now()
	if until.Sub(now) < leastLife {
		return ErrExpired
	}
	sealed, _, err := v.keys.BoxFor(vaultPurpose, v.site, id).SealBytes(nil, content, nil, now)
	if err != nil {
		return err
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := v.store.Commit(ctx, v.recordKey(id), sealed[:len(sealed):len(sealed)], until); err != nil {
		return err
	}
	_, ended, err := v.store.Find(ctx, v.endedKey(id))
	if !ended {
		return err
	}
	return errors.Join(ErrEnded, v.store.Delete(ctx, v.recordKey(id)))
}

// Reopen takes back that a record was ended, for an id that is used again.
func (v *Vault) Reopen(ctx context.Context, id []byte) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	return v.store.Delete(ctx, v.endedKey(id))
}

// End deletes a record, and whatever is written to it by who read it before, and
// could live for so long. It goes on when the caller does not wait for it.
func (v *Vault) End(ctx context.Context, id []byte, lives time.Duration) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	return errors.Join(
		v.store.Commit(ctx, v.endedKey(id), []byte{1}, v.now().Add(max(lives, endedTime))),
		v.store.Delete(ctx, v.recordKey(id)),
	)
}
