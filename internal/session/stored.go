package session

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
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
	if n, err := idEncoding.Decode(t.id[:], text[:]); err != nil || n != idSize {
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

// isEnded reports whether the session has an ended mark, here or in the store.
func (k *Keeper) isEnded(ctx context.Context, h handle, now time.Time) (bool, error) {
	if _, ended := k.ended.find(h, now.UnixMilli()); ended {
		return true, nil
	}
	return k.isMarked(ctx, h)
}

// isMarked is isEnded as the store has it.
func (k *Keeper) isMarked(ctx context.Context, h handle) (bool, error) {
	b, found, err := k.marks.Find(ctx, k.endedKey(h))
	return found && !bytes.Equal(b, takenBack), err
}

// What an ended mark says: that the session was ended for good, or goes on under
// another handle, which stands behind it, or made room for another, or that its
// end was taken back. The marks that may be taken back are each of its own, so
// that no other is.
const (
	takenBackMark = iota
	endedMark
	renewedMark
	replacedMark // random bytes behind it
)

var takenBack = []byte{takenBackMark}

// fate is an ended mark in this process.
type fate struct {
	final bool   // not because the session goes on
	next  handle // under which it does; zero: it does not
}

func (f fate) mark() ([]byte, error) {
	what, behind := byte(renewedMark), f.next
	switch {
	case f.final && f.next.isZero():
		return []byte{endedMark}, nil
	case f.final:
		what = endedMark
	case f.next.isZero():
		what = replacedMark
		if err := cookie.Random(behind[:]); err != nil {
			return nil, err
		}
	}
	return append([]byte{what}, behind[:]...), nil
}

// successor is the handle a mark names; zero if it names none.
func successor(mark []byte) (next handle) {
	if len(mark) == 1+handleSize && mark[0] != replacedMark {
		copy(next[:], mark[1:])
	}
	return next
}

// replaceStored commits the new record, ends the old one, and then sets the
// cookie.
func (k *Keeper) replaceStored(ctx context.Context, w http.ResponseWriter, old *ending, rec Record, now time.Time, claim bool) (Record, error) {
	if err := k.commit(ctx, rec, now); err != nil {
		return Record{}, err
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	// Whoever ends all sessions of the user from now on is seen at the next
	// request; until now, here.
	err := k.alive(ctx, rec, now)
	if err == nil {
		err = k.supersede(ctx, old, nextIf(claim, rec), now, claim)
	}
	if err == nil {
		err = k.cookie.Set(w, idEncoding.EncodeToString(rec.token.id[:]), k.left(rec, now))
	}
	if err != nil {
		// Nobody will ever come with the new id. It would expire by itself.
		if err := k.store.Delete(ctx, rec.token.key); err != nil {
			k.warn(ctx, err)
		}
		return Record{}, err
	}
	return rec, nil
}

// supersede ends old, unless it must be alive for that and is not. It goes on
// under next, unless that is zero.
func (k *Keeper) supersede(ctx context.Context, old *ending, next handle, now time.Time, claim bool) error {
	if old == nil {
		return nil
	}
	end := fate{next: next}
	first := k.ended.add(old.handle, end, k.remember(old, now), now.UnixMilli())
	if claim && !first {
		return ErrEnded
	}
	if k.marks == nil {
		return nil
	}
	mark, err := end.mark()
	if err == nil {
		err = k.supersedeStored(ctx, old, mark, now, claim)
	}
	if errors.Is(err, ErrStore) && first {
		k.takeBack(ctx, old, mark, now)
	}
	return err
}

func (k *Keeper) supersedeStored(ctx context.Context, old *ending, mark []byte, now time.Time, claim bool) error {
	if claim {
		ended, err := k.isMarked(ctx, old.handle)
		if err != nil {
			return err
		}
		if ended {
			return ErrEnded
		}
	}
	return k.bury(ctx, old, mark, now)
}

// takeBack undoes what was written of a session's end, with which the visitor
// goes on after all; but not the end that somebody else meant.
func (k *Keeper) takeBack(ctx context.Context, old *ending, mark []byte, now time.Time) {
	k.ended.dropIf(old.handle, func(f fate) bool { return !f.final })
	key := k.endedKey(old.handle)
	b, found, err := k.marks.Find(ctx, key)
	if err == nil && (!found || !bytes.Equal(b, mark)) {
		return
	}
	if err == nil {
		err = k.marks.Delete(ctx, key)
	}
	if err != nil {
		err = k.marks.Commit(ctx, key, takenBack, time.UnixMilli(k.remember(old, now)))
	}
	if err != nil {
		k.warn(ctx, err)
	}
}

// bury marks a session as ended in the store, and then deletes its record. It
// tries both whatever happens.
func (k *Keeper) bury(ctx context.Context, e *ending, mark []byte, now time.Time) error {
	err := k.marks.Commit(ctx, k.endedKey(e.handle), slices.Clip(bytes.Clone(mark)), time.UnixMilli(k.remember(e, now)))
	if k.store != nil {
		err = errors.Join(err, k.store.Delete(ctx, k.recordKey(e.handle)))
	}
	return err
}
