package session

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// idSize is the length of a session id in store mode. The id is the one secret
// of the session: it names the record and opens it.
const idSize = 32

// idEncoding accepts one spelling of an id only. It still skips line breaks,
// but then an id of the right length lacks bytes.
var idEncoding = base64.RawURLEncoding.Strict()

// token is a session id and what follows from it.
type token struct {
	of     *Keeper // whose store has it: that of a test session is another's
	id     [idSize]byte
	handle handle
	key    string // of the record in the store
}

// newToken draws an id.
func (k *Keeper) newToken() (*token, error) {
	t := &token{of: k}
	if err := cookie.Random(t.id[:]); err != nil {
		return nil, err
	}
	k.name(t)
	return t, nil
}

// token reads the value of a session cookie.
func (k *Keeper) token(value string) (*token, bool) {
	var text [(idSize*8 + 5) / 6]byte
	if len(value) != len(text) {
		return nil, false
	}
	copy(text[:], value)
	t := &token{of: k}
	if n, _ := idEncoding.Decode(t.id[:], text[:]); n != idSize { // whatever is wrong with it
		return nil, false
	}
	k.name(t)
	return t, true
}

// name derives what follows from the id. The record lies under a hash of the
// handle, so that whoever may end sessions can end this one, and is sealed under
// the id, which a handle does not give.
func (k *Keeper) name(t *token) {
	sum := k.hash(k.handlePurpose, t.id[:])
	copy(t.handle[:], sum[:])
	t.key = k.recordKey(t.handle)
}

// recordKey is where the store keeps a session's record.
func (k *Keeper) recordKey(h handle) string { return keyText(k.hash(k.recordPurpose, h[:])) }

// endedKey is where the store keeps a session's ended mark.
func (k *Keeper) endedKey(h handle) string { return keyText(k.hash(k.endedPurpose, h[:])) }

// finalKey is where the store keeps for a while that a session was ended for good.
func (k *Keeper) finalKey(h handle) string { return keyText(k.hash(k.finalPurpose, h[:])) }

// hash sets the keys of one purpose, kind and site apart from all others.
func (k *Keeper) hash(purpose string, of []byte) [sha256.Size]byte { return hash(purpose, k.site, of) }

func hash(purpose, site string, of []byte) [sha256.Size]byte {
	var buf [128]byte
	b := append(buf[:0], "oidcrp "...)
	b = append(b, purpose...)
	b = append(b, 0)
	b = append(b, site...)
	b = append(b, 0)
	b = append(b, of...)
	return sha256.Sum256(b)
}

func keyText(sum [sha256.Size]byte) string {
	var text [(sha256.Size*8 + 5) / 6]byte
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// fetch reads the record of a cookie's value from the store. What is in the
// store but is not ours, or of another version, is no session (R17, R19).
func (k *Keeper) fetch(ctx context.Context, value string) (Record, error) {
	t, ok := k.token(value)
	if !ok {
		return Record{}, ErrUnreadable
	}
	return k.read(ctx, t)
}

// read reads the record of an id.
func (k *Keeper) read(ctx context.Context, t *token) (Record, error) {
	sealed, found, err := k.store.Find(ctx, t.key)
	if err != nil {
		return Record{}, err
	}
	if !found {
		return Record{}, ErrMissing
	}
	if len(sealed) > maxSealed {
		return Record{}, k.unreadable(ctx)
	}
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	plain, err := k.keys.OpenFor((*buf)[:0], k.recordPurpose, k.site, t.id[:], sealed)
	if err != nil {
		return Record{}, k.unreadable(ctx)
	}
	rec, ok := decode(string(plain))
	clear(plain)
	if !ok {
		return Record{}, k.unreadable(ctx)
	}
	rec.token = t
	return rec, nil
}

// unreadable tells of a record that is there and cannot be read: it is foreign,
// of another version, or under a key we have not got. It is left alone.
func (k *Keeper) unreadable(ctx context.Context) error {
	k.warn(ctx, ErrUnreadable)
	return ErrUnreadable
}

// commit seals the record and stores it until it expires.
func (k *Keeper) commit(ctx context.Context, rec Record, now time.Time) error {
	sealed, _, err := k.keys.BoxFor(k.recordPurpose, k.site, rec.token.id[:]).SealBytes(nil, []byte(rec.raw), nil, now)
	if err != nil {
		return err
	}
	// sealed may have room behind it, which a store could keep alive or write
	// to: hand over no more than it is.
	return k.store.Commit(ctx, rec.token.key, sealed[:len(sealed):len(sealed)], rec.Expires())
}

// detached is a context for what must be finished though the visitor may not
// wait for it.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), storeTime)
}

// rewrite stores a changed record under the id it has. A session that was ended
// meanwhile would come back to life by this: so the mark is looked for
// afterwards, and the record deleted again.
func (k *Keeper) rewrite(ctx context.Context, rec Record, now time.Time) error {
	if rec.Expires().Sub(now) < leastLife {
		return nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := k.commit(ctx, rec, now); err != nil {
		return err
	}
	ended, err := k.isEnded(ctx, rec.handle(), now)
	if err != nil {
		return err
	}
	if !ended {
		return nil
	}
	if err := k.store.Delete(ctx, rec.token.key); err != nil {
		k.warn(ctx, err)
	}
	return ErrEnded
}
