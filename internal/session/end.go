package session

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// End ends a session: rec, or the one the request came with if rec is zero.
// The cookie is cleared whatever happens, and the session ended in this
// process; an error says that the store could not be told. It goes on when the
// visitor does not wait for it.
func (k *Keeper) End(ctx context.Context, w http.ResponseWriter, r *http.Request, rec Record) error {
	k.cookie.Clear(w)
	e, err := k.presented(r)
	if !rec.IsZero() {
		e = &ending{handle: rec.handle(), until: rec.ends()}
	} else if err != nil {
		return nil // nothing readable, nothing to end
	}
	return k.end(ctx, e)
}

// Claim ends a session that nobody may have ended before: of several at once,
// one succeeds and the others get ErrEnded.
func (k *Keeper) Claim(ctx context.Context, rec Record) error {
	ctx, cancel := detached(ctx)
	defer cancel()
	return k.supersede(ctx, &ending{handle: rec.handle(), until: rec.ends()}, handle{}, k.now(), true)
}

// EndByHandle ends the session that has this [Record.Handle]. One that does not
// exist is no error.
func (k *Keeper) EndByHandle(ctx context.Context, name string) error {
	e := new(ending)
	if n, err := idEncoding.Decode(e.handle[:], []byte(name)); err != nil || n != handleSize || len(name) != idEncoding.EncodedLen(handleSize) {
		return nil
	}
	return k.end(ctx, e)
}

// EndRenewed ends the session that the request's cookie stood for before it was
// renewed, and returns the handle it has by now; "" if there is none. A cookie
// nobody knows leaves no trace.
func (k *Keeper) EndRenewed(ctx context.Context, r *http.Request) (handle string, err error) {
	e, err := k.presented(r)
	if err != nil {
		return "", nil
	}
	next := k.next(ctx, e.handle)
	if next.isZero() {
		return "", nil
	}
	return idEncoding.EncodeToString(next[:]), k.end(ctx, &ending{handle: next})
}

// maxRenewals bounds how far a session is followed that goes on under other
// handles.
const maxRenewals = 100

// end ends a session here, and in the store, and what it goes on as.
func (k *Keeper) end(ctx context.Context, e *ending) error {
	var errs []error
	for range maxRenewals {
		next, err := k.endOne(ctx, e)
		errs = append(errs, err)
		if next.isZero() {
			break
		}
		e = &ending{handle: next}
	}
	return errors.Join(errs...)
}

// endOne ends what has one handle, and returns the one it was given meanwhile.
func (k *Keeper) endOne(ctx context.Context, e *ending) (next handle, err error) {
	now := k.now()
	next = k.next(ctx, e.handle)
	end := fate{final: true, next: next}
	k.ended.put(e.handle, end, k.remember(e, now), now.UnixMilli())
	if k.marks == nil {
		return next, nil
	}
	bounded, cancel := detached(ctx)
	defer cancel()
	mark, err := end.mark()
	if err == nil {
		err = k.bury(bounded, e, mark, now)
	}
	if err != nil || !next.isZero() {
		return next, err
	}
	// Another node may have renewed it in between, and not have seen this.
	return k.next(ctx, e.handle), nil
}

// next is the handle under which a session goes on that was renewed.
func (k *Keeper) next(ctx context.Context, h handle) handle {
	if f, ok := k.ended.find(h, k.now().UnixMilli()); ok && !f.next.isZero() || k.marks == nil {
		return f.next
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	mark, _, err := k.marks.Find(ctx, k.endedKey(h))
	if err != nil {
		k.warn(ctx, err)
	}
	return successor(mark)
}

// nextIf is the handle under which a session goes on where it does: a new login
// is another session.
func nextIf(renewed bool, rec Record) handle {
	if renewed {
		return rec.handle()
	}
	return handle{}
}

// ending is a session that is to end.
type ending struct {
	handle handle
	until  int64 // how long somebody could come with it; 0: not known
}

// remember is how long an ended session must not come back.
func (k *Keeper) remember(e *ending, now time.Time) int64 {
	until := e.until
	if until == 0 {
		until = now.Add(k.lifetime).UnixMilli()
	}
	// Other nodes' clocks may be behind.
	return max(until, now.UnixMilli()) + time.Minute.Milliseconds()
}

// presented is the session whose cookie the request came with, without looking
// whether it lives.
func (k *Keeper) presented(r *http.Request) (*ending, error) {
	value, err := k.cookie.Read(r)
	if err != nil {
		return nil, ErrNone
	}
	if k.store != nil {
		t, ok := k.token(value)
		if !ok {
			return nil, ErrUnreadable
		}
		return &ending{handle: t.handle}, nil
	}
	rec, err := k.unseal(value)
	if err != nil {
		return nil, err
	}
	return &ending{handle: rec.handle(), until: rec.ends()}, nil
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
