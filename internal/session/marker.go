package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// User is somebody at a provider's client: whose sessions can be ended without
// knowing any of them.
type User struct{ Issuer, Client, Subject string }

// Logout is what a provider says of a user who signed out there (Back-Channel
// Logout 2.4). Subject or SID may be empty.
type Logout struct {
	User
	SID      string
	IssuedAt time.Time // by the provider's clock, in whole seconds
}

// There is no index of sessions. What ends several leaves a marker, and each
// session looks for those that could mean it whenever it is loaded. A store
// knows no compare-and-swap, so every kind lies by itself: one written late
// takes nothing back of another. What remains: of two logout tokens for one
// user that two nodes get in the same instant, the older may be the one that
// stays.
const (
	itself   kind = iota // no marker: the session's own ended mark
	bySID                // sessions with this sid, whenever they were started
	bySub                // all of the user's, by the provider's word
	byBoth               // those of the user's that have no sid, likewise
	byUs                 // all of the user's, by ours
	knownSID             // there has been a session with this sid; ends none
)

type kind byte

// whom is what markers about a user, or about a sid, are named after. It
// depends on no key of ours, so that markers outlive their rotation: who can
// read the store and knows the name of a user can see that a marker is there.
type whom [32]byte

func (k *Keeper) user(u User) whom { return k.whom(u, "") }

// sid is the issuer's, and names no user.
func (k *Keeper) sid(u User, sid string) whom { return k.whom(User{u.Issuer, u.Client, ""}, sid) }

// userOf is whose session rec is, where sessions end with others.
func (k *Keeper) userOf(ctx context.Context, rec Record) (whom, error) {
	if k.client == nil {
		return whom{}, nil
	}
	client, _, err := k.client(ctx, rec.Provider())
	return k.user(User{rec.Issuer(), client, rec.Subject()}), err
}

func (k *Keeper) whom(u User, sid string) whom {
	b := make([]byte, 0, 256)
	for _, part := range [...]string{u.Issuer, u.Client, u.Subject, sid} {
		b = appendString(b, part)
	}
	return k.hash("marker", b)
}

// by names the marker of a kind: one hash serves all kinds.
func (w whom) by(what kind) [32]byte {
	w[0] ^= byte(what)
	return w
}

// marker says when it was heard that sessions have ended.
type marker struct {
	Issued int64 // of the logout token, by the provider's clock in seconds; 0: there is none
	Came   int64 // by our clock, in milliseconds
}

// markerVersion is the form of a marker: itself and two numbers. A later one
// begins in the same way, whatever it has behind it, so that nodes of two versions
// end the same sessions. What is no marker ends none: the user could not sign in
// any more.
const (
	markerVersion = 1
	markerSize    = 1 + 8 + 8
)

func (m marker) encode() []byte {
	b := make([]byte, markerSize)
	b[0] = markerVersion
	binary.BigEndian.PutUint64(b[1:], uint64(m.Issued))
	binary.BigEndian.PutUint64(b[9:], uint64(m.Came))
	return b
}

func decodeMarker(b []byte) (m marker, ok bool) {
	if len(b) < markerSize || b[0] < markerVersion {
		return m, false
	}
	return marker{int64(binary.BigEndian.Uint64(b[1:])), int64(binary.BigEndian.Uint64(b[9:]))}, true
}

// newer reports whether m says more than what is there, the zero marker where
// nothing is. The same logout token again does not, however late.
func (m marker) newer(than marker) bool {
	if m.Issued != than.Issued {
		return m.Issued > than.Issued
	}
	return m.Issued == 0 && m.Came > than.Came
}

// ends reports whether a session is among those that the marker ends.
func (m marker) ends(what kind, rec Record) bool {
	switch what {
	case bySID:
		return true
	case byUs:
		return m.Came != rec.under()
	}
	// The logout token's time and the ID token's are of one clock, in seconds.
	// Of the same second, what was begun after the word came is a new login.
	issued := rec.IssuedAt().Unix()
	return issued < m.Issued || issued == m.Issued && rec.began() <= m.Came
}

// ended says how a session ended by this marker did. A sid without a logout
// token came through a browser, see EndKnown.
func (m marker) ended(what kind) error {
	return endedWithOthers{told: what != bySID || m.Issued != 0}
}

// marker returns the one of a key; the zero marker if there is none.
func (k *Keeper) marker(ctx context.Context, key [32]byte, now int64) (m marker, found bool, err error) {
	if k.marks == nil {
		m, found = k.markers.find(key, now)
		return m, found, nil
	}
	b, found, err := k.marks.Find(ctx, keyText(key))
	if !found {
		return m, false, err
	}
	m, found = k.readMarker(ctx, b)
	return m, found, nil
}

func (k *Keeper) readMarker(ctx context.Context, b []byte) (m marker, ok bool) {
	m, ok = decodeMarker(b)
	if !ok {
		k.warn(ctx, fmt.Errorf("%w: a marker", ErrUnreadable))
	}
	return m, ok
}

// EndUser ends all sessions of a user, at the next request of each, whatever the
// clock of the node that started it says. Logins under way are told from later
// ones by when they were begun, and so by two clocks where there are two nodes.
func (k *Keeper) EndUser(ctx context.Context, u User) error {
	return k.endUser(ctx, k.user(u))
}

func (k *Keeper) endUser(ctx context.Context, w whom) error {
	key, m := w.by(byUs), marker{Came: k.now().UnixMilli()}
	ctx, cancel := detached(ctx)
	defer cancel()
	last, _, err := k.marker(ctx, key, m.Came)
	if err != nil {
		return err
	}
	m.Came = max(m.Came, last.Came+1) // by a clock that is ahead of ours, it may be
	return k.mark(ctx, key, m)
}

// startUnder notes the latest end of all of the user's sessions.
func (k *Keeper) startUnder(ctx context.Context, d *Draft, now time.Time) error {
	d.Under = 0
	if k.client == nil {
		return nil
	}
	client, _, err := k.client(ctx, d.Provider)
	if err != nil {
		return err
	}
	tag := ClientTag(client)
	if d.Client != "" && d.Client != tag {
		return ErrEnded // it waited, and the client is another by now
	}
	d.Client = tag
	last, _, err := k.marker(ctx, k.user(User{d.Issuer, client, d.Subject}).by(byUs), now.UnixMilli())
	if err != nil {
		return err
	}
	began := d.Began
	if began.IsZero() {
		began = now
	}
	if began.UnixMilli() <= last.Came {
		return ErrEnded
	}
	d.Under = last.Came
	return nil
}

// EndByLogout ends what a provider says: the sessions with its sid, whenever
// they were started; those of the subject whose ID token is not newer, or
// with both only those of them that have no sid. To say it again changes
// nothing.
func (k *Keeper) EndByLogout(ctx context.Context, l Logout) error {
	m := marker{Issued: l.IssuedAt.Unix(), Came: k.now().UnixMilli()}
	var errs []error
	what := bySub
	if l.SID != "" {
		errs = append(errs, k.mark(ctx, k.sid(l.User, l.SID).by(bySID), m))
		what = byBoth
	}
	if l.Subject != "" {
		errs = append(errs, k.mark(ctx, k.user(l.User).by(what), m))
	}
	return errors.Join(errs...)
}

// Know remembers that a session with this sid is about to be started, so that
// EndKnown can tell it from a stranger's.
func (k *Keeper) Know(ctx context.Context, u User, sid string) error {
	return k.mark(ctx, k.sid(u, sid).by(knownSID), marker{Came: k.now().UnixMilli()})
}

// EndKnown ends the sessions with a sid, if there has been one. A stranger's
// sid leaves no trace.
func (k *Keeper) EndKnown(ctx context.Context, u User, sid string) (known bool, err error) {
	ctx, cancel := detached(ctx)
	defer cancel()
	now := k.now().UnixMilli()
	_, known, err = k.marker(ctx, k.sid(u, sid).by(knownSID), now)
	if !known {
		return false, err
	}
	return true, k.mark(ctx, k.sid(u, sid).by(bySID), marker{Came: now})
}

// maxMarking is how often a marker is written that others are writing too.
const maxMarking = 8

// mark writes a marker, unless what is there says as much: so it is read again
// after it was written. It goes on when nobody waits for it.
func (k *Keeper) mark(ctx context.Context, key [32]byte, m marker) error {
	now := k.now()
	until := now.Add(k.lifetime + time.Minute) // other nodes' clocks may be behind
	if k.marks == nil || k.marks.prompt {
		k.marking.Lock()
		defer k.marking.Unlock()
	}
	if k.marks == nil {
		if old, _ := k.markers.find(key, now.UnixMilli()); m.newer(old) {
			k.markers.put(key, m, until.UnixMilli(), now.UnixMilli())
		}
		return nil
	}
	ctx, cancel := detached(ctx)
	defer cancel()
	for range maxMarking {
		b, _, err := k.marks.Find(ctx, keyText(key))
		if err != nil {
			return err
		}
		if old, _ := decodeMarker(b); !m.newer(old) {
			return nil
		}
		if err := k.marks.Commit(ctx, keyText(key), m.encode(), until); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: a marker does not stay as it was written", ErrStore)
}
