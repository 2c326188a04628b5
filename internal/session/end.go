package session

import (
	"bytes"
	"cmp"
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
	return k.supersede(ctx, &ending{handle: rec.handle(), until: rec.ends()}, fate{}, k.now(), true)
}

// EndByHandle ends the session that has this [Record.Handle]. One that does not
// exist is no error.
func (k *Keeper) EndByHandle(ctx context.Context, name string) error {
	if len(name) != idEncoding.EncodedLen(handleSize) {
		return nil
	}
	e := new(ending)
	if n, _ := idEncoding.Decode(e.handle[:], []byte(name)); n != handleSize { // whatever is wrong with it
		return nil
	}
	return k.end(ctx, e)
}

// EndRenewed ends the session that the request's cookie stood for before it was
// renewed, and returns the handle it has by now; "" if there is none. With
// everywhere all of its user's sessions end. A cookie nobody knows leaves no
// trace.
func (k *Keeper) EndRenewed(ctx context.Context, r *http.Request, everywhere bool) (handle string, err error) {
	e, err := k.presented(r)
	if err != nil {
		return "", nil
	}
	f, err := k.fate(ctx, e.handle)
	if f.next.isZero() {
		return "", err
	}
	if everywhere && !f.final {
		err = k.endUser(ctx, f.user)
	}
	return idEncoding.EncodeToString(f.next[:]), errors.Join(err, k.end(ctx, &ending{handle: f.next}))
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
	end, until := fate{final: true}, k.remember(e, now)
	if !k.ended.add(k.mine(e.handle), end, until, now.UnixMilli()) {
		was, _ := k.ended.find(k.mine(e.handle), now.UnixMilli())
		end.next, end.user = was.next, was.user
		k.ended.put(k.mine(e.handle), end, until, now.UnixMilli())
	}
	if k.marks == nil {
		return end.next, nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	// First what no renewal writes, see supersedeStored.
	err = k.marks.Commit(ctx, k.finalKey(e.handle), []byte{endedMark}, now.Add(endedTime))
	b, _, findErr := k.marks.Find(ctx, k.endedKey(e.handle))
	if was := fateOf(b); !was.next.isZero() {
		end.next, end.user = was.next, was.user
	}
	mark, _ := end.mark() // an end for good needs no randomness
	if findErr != nil {
		// Not over a mark that could not be read, for it may say what else has to
		// end. Where nobody can tell whether there is one, better that this
		// session ends for certain.
		if _, markErr := k.markFirst(ctx, e, mark, now); markErr == nil || k.marks.add != nil {
			return end.next, errors.Join(err, findErr, markErr, k.deleteRecord(ctx, e.handle))
		}
	}
	return end.next, errors.Join(err, findErr, k.bury(ctx, e, mark, now))
}

// fate is what became of a session, be it known here or in the store.
func (k *Keeper) fate(ctx context.Context, h handle) (fate, error) {
	if f, _ := k.ended.find(k.mine(h), k.now().UnixMilli()); !f.next.isZero() || k.marks == nil {
		return f, nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	mark, _, err := k.marks.Find(ctx, k.endedKey(h))
	return fateOf(mark), err
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
	value, _ := k.cookie.Read(r) // no cookie is "", which is none of ours
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
	if _, ended := k.ended.find(k.mine(h), now.UnixMilli()); ended {
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
// another handle, which stands behind it with the name of its user's markers, or
// made room for another, or that its end was taken back. The marks that may be
// taken back are each of its own, so that no other is.
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
	user  whom   // whose it is then
}

// follow ends a session that rec takes the place of, and which goes on as that
// if it was renewed: a new login is another session.
func (k *Keeper) follow(ctx context.Context, old *ending, rec Record, now time.Time, renewed bool) error {
	var f fate
	if renewed {
		user, err := k.userOf(ctx, rec)
		if err != nil {
			return err
		}
		f = fate{next: rec.handle(), user: user}
	}
	return k.supersede(ctx, old, f, now, renewed)
}

func (f fate) mark() ([]byte, error) {
	what := byte(renewedMark)
	switch {
	case f.final && f.next.isZero():
		return []byte{endedMark}, nil
	case f.final:
		what = endedMark
	case f.next.isZero():
		b := make([]byte, 1+handleSize)
		b[0] = replacedMark
		return b, cookie.Random(b[1:])
	}
	return append(append([]byte{what}, f.next[:]...), f.user[:]...), nil
}

// fateOf reads a mark.
func fateOf(mark []byte) (f fate) {
	f.final = len(mark) > 0 && mark[0] == endedMark
	if len(mark) == 1+len(f.next)+len(f.user) {
		copy(f.user[:], mark[1+copy(f.next[:], mark[1:]):])
	}
	return f
}

// supersede ends old, unless it must be alive for that and is not. end says
// whether it goes on.
func (k *Keeper) supersede(ctx context.Context, old *ending, end fate, now time.Time, claim bool) error {
	if old == nil {
		return nil
	}
	mark, err := end.mark()
	if err != nil {
		return err
	}
	first := k.ended.add(k.mine(old.handle), end, k.remember(old, now), now.UnixMilli())
	if claim && !first {
		return ErrEnded
	}
	if k.marks == nil {
		return nil
	}
	written, err := k.supersedeStored(ctx, old, mark, now, claim)
	switch {
	case errors.Is(err, ErrStore) && first:
		k.ended.dropIf(k.mine(old.handle), func(f fate) bool { return !f.final })
		if written {
			k.takeBack(ctx, old, mark, now)
		}
	case errors.Is(err, ErrEnded):
		// Another node was first: the store says what the session goes on as.
		k.ended.put(k.mine(old.handle), fate{}, k.remember(old, now), now.UnixMilli())
	}
	return err
}

// supersedeStored is supersede in the store, and reports whether the mark may be
// there. An end for good on another node writes a mark of its own, and only then
// looks at the one of this. So each writes before it looks, and whatever the
// order, one of them sees the other: the end then ends what the session goes on
// as, or the claim fails here.
func (k *Keeper) supersedeStored(ctx context.Context, old *ending, mark []byte, now time.Time, claim bool) (written bool, err error) {
	if !claim {
		f, err := k.fate(ctx, old.handle)
		if err != nil {
			return false, err
		}
		if !f.next.isZero() {
			// What says how it goes on stays, and it has ended for good, though
			// the renewal should fail and be taken back.
			_, err = k.endOne(ctx, old)
			return false, err
		}
		return true, k.bury(ctx, old, mark, now)
	}
	first, err := k.markFirst(ctx, old, mark, now)
	if err != nil || !first {
		return first, cmp.Or(err, ErrEnded)
	}
	first, err = k.notFinal(ctx, old.handle)
	if err != nil || !first {
		return true, cmp.Or(err, ErrEnded)
	}
	return true, k.deleteRecord(ctx, old.handle)
}

// markFirst writes a session's mark unless it has one; with an error, first says
// that it may be there. In a store without Add two nodes may both be first, in the
// same instant.
func (k *Keeper) markFirst(ctx context.Context, e *ending, mark []byte, now time.Time) (first bool, err error) {
	key, until := k.endedKey(e.handle), time.UnixMilli(k.remember(e, now))
	if first, err = k.marks.Add(ctx, key, own(mark), until); first || err != nil {
		return true, err
	}
	// Or there is what was taken back.
	if ended, err := k.isMarked(ctx, e.handle); ended || err != nil {
		return false, err
	}
	return true, k.marks.Commit(ctx, key, own(mark), until)
}

// notFinal reports whether nobody has just ended a session for good.
func (k *Keeper) notFinal(ctx context.Context, h handle) (bool, error) {
	_, found, err := k.marks.Find(ctx, k.finalKey(h))
	return !found, err
}

// takeBack undoes in the store what was written of a session's end, with which the
// visitor goes on after all; but not the end that somebody else meant.
func (k *Keeper) takeBack(ctx context.Context, old *ending, mark []byte, now time.Time) {
	key, until := k.endedKey(old.handle), time.UnixMilli(k.remember(old, now))
	b, _, err := k.marks.Find(ctx, key)
	if err == nil && !bytes.Equal(b, mark) {
		return
	}
	if err == nil {
		err = k.marks.Delete(ctx, key)
	}
	if err != nil {
		err = k.marks.Commit(ctx, key, own(takenBack), until)
	}
	if err == nil {
		var not bool
		if not, err = k.notFinal(ctx, old.handle); !not { // meant since we looked
			err = k.marks.Commit(ctx, key, []byte{endedMark}, until)
		}
	}
	if err != nil {
		k.warn(ctx, err)
	}
}

// bury marks a session as ended in the store, and then deletes its record. It
// tries both whatever happens.
func (k *Keeper) bury(ctx context.Context, e *ending, mark []byte, now time.Time) error {
	return errors.Join(
		k.marks.Commit(ctx, k.endedKey(e.handle), own(mark), time.UnixMilli(k.remember(e, now))),
		k.deleteRecord(ctx, e.handle),
	)
}

func (k *Keeper) deleteRecord(ctx context.Context, h handle) error {
	if k.store == nil {
		return nil
	}
	return k.store.Delete(ctx, k.recordKey(h))
}

// own is a copy that a store may keep, with no room behind it.
func own(mark []byte) []byte { return slices.Clip(bytes.Clone(mark)) }
