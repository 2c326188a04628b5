package session

import (
	"bytes"
	"context"
	"errors"
	"time"
)

// question is a key that ends a session if something of its kind lies there.
type question struct {
	what kind
	key  [32]byte
}

// questions are what has to be asked before a session may be believed.
func (k *Keeper) questions(ctx context.Context, rec Record) (all [4]question, n int, err error) {
	// A record that could not be deleted, or was written once more by a request
	// that could not look for the mark, must not bring the session back. What
	// lies in memory cannot fail in between.
	if k.marks != nil && (k.store == nil || !k.marks.prompt) {
		h := rec.handle()
		all[n] = question{itself, k.hash(k.endedPurpose, h[:])}
		n++
	}
	if k.client == nil {
		return all, n, nil
	}
	client, byProvider, err := k.client(ctx, rec.Provider())
	if err != nil {
		return all, n, err
	}
	// What ends sessions of this client does not reach one of another, and what
	// has ended that other's would not be asked about.
	if was := rec.client(); was != "" && client != "" {
		if is := clientSum(client); was != string(is[:]) {
			return all, n, endedWithOthers{}
		}
	}
	if k.marks == nil && !k.markers.filled.Load() {
		return all, n, nil // nothing could be found, and no name need be hashed
	}
	u := User{rec.Issuer(), client, rec.Subject()}
	user := k.user(u)
	all[n] = question{byUs, user.by(byUs)}
	n++
	if !byProvider {
		return all, n, nil
	}
	all[n], all[n+1] = question{bySub, user.by(bySub)}, question{byBoth, user.by(byBoth)}
	if sid := rec.SID(); sid != "" {
		all[n+1] = question{bySID, k.sid(u, sid).by(bySID)}
	}
	return all, n + 2, nil
}

// endedWithOthers is ErrEnded by a marker: nobody had the session at hand, so
// that what it kept is still there.
type endedWithOthers struct{ told bool } // by the provider or us, not by what a stranger can say

func (endedWithOthers) Error() string { return ErrEnded.Error() }
func (endedWithOthers) Unwrap() error { return ErrEnded }

// clear removes what is left of a session that alive found ended with others,
// once.
func (k *Keeper) clear(ctx context.Context, rec Record, why error, now time.Time) {
	by, ok := errors.AsType[endedWithOthers](why)
	until := k.remember(&ending{until: rec.ends()}, now)
	if !ok || !k.ended.add(k.mine(rec.handle()), fate{final: true}, until, now.UnixMilli()) {
		return
	}
	if k.store != nil {
		ctx, cancel := detached(ctx)
		defer cancel()
		if err := k.store.Delete(ctx, rec.token.key); err != nil {
			k.warn(ctx, err)
		}
	}
	k.cleared(ctx, rec, by.told)
}

// alive reports ErrEnded for a session that was ended, by itself or with
// others. ErrStore if that cannot be found out.
func (k *Keeper) alive(ctx context.Context, rec Record, now time.Time) error {
	if _, ended := k.ended.find(k.mine(rec.handle()), now.UnixMilli()); ended {
		return ErrEnded
	}
	all, n, err := k.questions(ctx, rec)
	if err != nil {
		return err
	}
	if k.marks == nil {
		for _, q := range all[:n] {
			if m, found := k.markers.find(q.key, now.UnixMilli()); found && m.ends(q.what, rec) {
				return m.ended(q.what)
			}
		}
		return nil
	}
	var answers []answer
	if !k.marks.prompt {
		var keys [len(all)]string
		for i, q := range all[:n] {
			keys[i] = keyText(q.key)
		}
		answers = k.marks.FindAll(ctx, keys[:n]...)
	}
	for i, q := range all[:n] {
		var a answer
		if answers != nil {
			a = answers[i]
		} else {
			a.value, a.found, a.err = k.marks.Find(ctx, keyText(q.key))
		}
		switch ended := k.judge(ctx, q, rec, a); {
		case ended != nil:
			return ended
		case a.err != nil:
			err = errors.Join(err, a.err)
		}
	}
	return err
}

// judge reports how the session ended, if what the store answered says so.
func (k *Keeper) judge(ctx context.Context, q question, rec Record, a answer) error {
	if !a.found {
		return nil
	}
	if q.what == itself {
		if bytes.Equal(a.value, takenBack) {
			return nil
		}
		return ErrEnded
	}
	if m, ok := k.readMarker(ctx, a.value); ok && m.ends(q.what, rec) {
		return m.ended(q.what)
	}
	return nil
}
