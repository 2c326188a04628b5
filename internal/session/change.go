package session

import (
	"context"
	"errors"
	"math"
	"net/http"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// Start starts a session, under an id of its own, and ends the one that the
// request came with. A session that does not fit is *TooLarge. On any error no
// cookie is set. ErrEnded if all of the user's sessions were ended after the
// login was begun.
func (k *Keeper) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, d Draft) (Record, error) {
	now := k.now()
	if err := k.startUnder(ctx, &d, now); err != nil {
		return Record{}, err
	}
	rec, err := k.make(&d, now, now)
	if err != nil {
		return Record{}, err
	}
	old, _ := k.presented(r) // nothing readable, nothing to end
	return k.replace(ctx, w, old, rec, now, false)
}

// Renew gives a session another id after change, as is due whenever what the
// visitor may do changes. The old one is ended; the lifetime is not extended.
// ErrEnded if it was ended, or renewed, in the meantime.
func (k *Keeper) Renew(ctx context.Context, w http.ResponseWriter, r *http.Request, old Record, change func(*Draft)) (Record, error) {
	if old.IsZero() {
		return Record{}, ErrNone
	}
	old, err := k.latest(ctx, old)
	if err != nil {
		return Record{}, err
	}
	now := k.now()
	d := old.Draft()
	if change != nil {
		change(&d)
	}
	rec, err := k.make(&d, old.Started(), now)
	if errors.Is(err, ErrPast) {
		return Record{}, ErrExpired
	}
	if err != nil {
		return Record{}, err
	}
	rec = rec.stamped(atChecked, old.stamp(atChecked))
	return k.replace(ctx, w, &ending{handle: old.handle(), until: old.ends()}, rec, now, true)
}

// Checked stamps the session: it was asked now whether it may go on.
func (k *Keeper) Checked(ctx context.Context, w http.ResponseWriter, r *http.Request, rec Record) (Record, error) {
	if rec.IsZero() {
		return Record{}, ErrNone
	}
	now := k.now()
	if _, ended := k.ended.find(k.mine(rec.handle()), now.UnixMilli()); ended {
		return Record{}, ErrEnded
	}
	rec, err := k.latest(ctx, rec)
	if err != nil {
		return Record{}, err
	}
	rec = k.stampNow(rec, atChecked, now)
	if err := k.write(ctx, w, rec, now); err != nil {
		return Record{}, err
	}
	return rec, nil
}

// latest is a record as the store has it by now: between a request's load and
// what it writes, a refresh may have taken a role away. ErrEnded if it is gone.
func (k *Keeper) latest(ctx context.Context, rec Record) (Record, error) {
	if rec.token == nil || rec.token.of != k {
		return rec, nil
	}
	now, err := k.read(ctx, rec.token)
	if errors.Is(err, ErrNone) {
		if k.expires(rec) <= k.now().UnixMilli() {
			return Record{}, ErrExpired
		}
		return Record{}, ErrEnded
	}
	if err != nil {
		return Record{}, err
	}
	now.expires = k.expires(now)
	return now, nil
}

// Amend changes what a session says of its user, and neither its id nor any of
// its times: nobody's request carries a new cookie away. It begins with what the
// store has now, and needs one. ErrNone if the session was ended, or renewed, in
// the meantime.
func (k *Keeper) Amend(ctx context.Context, rec Record, change func(*Draft)) (Record, error) {
	if rec.token == nil {
		return Record{}, ErrNone
	}
	now := k.now()
	old, err := k.read(ctx, rec.token)
	if err != nil {
		return Record{}, err
	}
	d := old.Draft()
	change(&d)
	d.Handle = old.handle()
	raw := encode(&d, old.Started(), old.end)
	amended, ok := decode(string(raw))
	if !ok {
		return Record{}, k.tooLarge(&d, len(raw))
	}
	amended = amended.stamped(atSeen, old.stamp(atSeen)).stamped(atChecked, old.stamp(atChecked))
	amended.token, amended.expires = old.token, k.expires(old)
	if err := k.rewrite(ctx, amended, now); err != nil {
		return Record{}, err
	}
	return amended, nil
}

// make builds a new record. Its end counts from started, its use from now.
func (k *Keeper) make(d *Draft, started, now time.Time) (Record, error) {
	var t *token
	var err error
	if k.store != nil {
		if t, err = k.newToken(); err == nil {
			d.Handle = t.handle
		}
	} else {
		err = cookie.Random(d.Handle[:])
	}
	if err != nil {
		return Record{}, err
	}
	end := started.Add(k.lifetime)
	for _, ceiling := range [...]time.Time{d.TokenExpiry, d.Ceiling} {
		if !ceiling.IsZero() && ceiling.Before(end) {
			end = ceiling
		}
	}
	if end.Sub(now) < leastLife {
		return Record{}, ErrPast
	}
	started = time.UnixMilli(started.UnixMilli())
	raw := encode(d, started, uint32(min(end.Sub(started)/time.Second, math.MaxUint32)))
	rec, ok := decode(string(raw))
	if !ok {
		return Record{}, k.tooLarge(d, len(raw))
	}
	rec.token = t
	if seen := now.UnixMilli(); seen > rec.started() {
		rec = rec.stamped(atSeen, seen)
	}
	rec.expires = k.expires(rec)
	return rec, nil
}

// replace keeps the new record, ends the old one, and only then sets the
// cookie. With claim the old one must not have been ended yet.
func (k *Keeper) replace(ctx context.Context, w http.ResponseWriter, old *ending, rec Record, now time.Time, claim bool) (Record, error) {
	if k.store != nil {
		return k.replaceStored(ctx, w, old, rec, now, claim)
	}
	value, err := k.seal(rec, now)
	if err != nil {
		return Record{}, err
	}
	if len(value) > k.cookie.Room() {
		d := rec.Draft()
		return Record{}, k.tooLarge(&d, len(rec.raw))
	}
	if err := k.alive(ctx, rec, now); err != nil {
		return Record{}, err
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	err = k.follow(ctx, old, rec, now, claim)
	if err == nil {
		err = k.cookie.Set(w, value, k.left(rec, now))
	}
	if err != nil {
		return Record{}, err
	}
	return rec, nil
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
		err = k.follow(ctx, old, rec, now, claim)
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
