package session

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// ErrNone: the request has no session. The errors that say why are ErrNone
// too, for events; visitors are answered alike whichever it is.
var (
	ErrNone       = errors.New("no session")
	ErrUnreadable = fmt.Errorf("%w: the cookie or record cannot be read", ErrNone)
	ErrDuplicate  = fmt.Errorf("%w: more than one session cookie", ErrNone)
	ErrMissing    = fmt.Errorf("%w: the store does not have it", ErrNone)
	ErrExpired    = fmt.Errorf("%w: it expired", ErrNone)
	ErrEnded      = fmt.Errorf("%w: it was ended", ErrNone)
)

// ErrPast: a session cannot start, because one of its ends has passed.
var ErrPast = errors.New("session would have ended already")

// DefaultLifetime is how long a session lives unless Config says otherwise.
const DefaultLifetime = 12 * time.Hour

// maxEnded bounds the ended sessions a process remembers: some eight megabytes.
const maxEnded = 1 << 16

// storeTime is how long what must be finished may take, once the visitor's
// request is no reason to give up any more.
const storeTime = 3 * time.Second

// Config is what a Keeper needs.
type Config struct {
	// Kind sets records of one kind apart from those of another at the same
	// site: neither's cookie is worth anything to the other. "" is a session.
	Kind string

	Keys     *cookie.Keys
	Site     cookie.Site
	Store    Store         // of the records; nil: cookie mode
	Marks    Store         // of what ended, in cookie mode; nil: this process knows it alone
	Lifetime time.Duration // not positive: DefaultLifetime
	Idle     time.Duration // not positive: off
	Now      func() time.Time

	// Client gives the client id at a provider, by its name, and whether that
	// provider tells of logouts. Where that cannot be found out its error is
	// Load's. Nil where sessions end one by one only.
	Client func(ctx context.Context, provider string) (id string, logouts bool, err error)

	// Warn is told of store failures that fail no request. May be nil.
	Warn func(ctx context.Context, err error)

	// Cleared is told, once by this process, of a session that was found ended
	// with others and is gone now; told says that the provider or EndUser ended
	// it, and not EndKnown. It must not keep the visitor waiting. May be nil.
	Cleared func(ctx context.Context, rec Record, told bool)
}

// Keeper keeps visitors signed in. It is safe for concurrent use.
type Keeper struct {
	kind     string // as the names of its keys have it
	keys     *cookie.Keys
	site     string
	cookie   cookie.Cookie
	lifetime time.Duration
	idle     int64 // milliseconds, 0: off
	now      func() time.Time
	client   func(ctx context.Context, provider string) (id string, logouts bool, err error)
	warn     func(ctx context.Context, err error)
	cleared  func(ctx context.Context, rec Record, told bool)

	// ended are the sessions that ended here.
	ended *shelf[handle, fate]

	marking *sync.Mutex
	markers *shelf[[32]byte, marker] // without a store

	box *cookie.Box // cookie mode
	aad []byte      // the cookie's name

	store         *backend // nil in cookie mode
	marks         *backend // nil without any store
	handlePurpose string
	recordPurpose string
	endedPurpose  string
}

// handle names a session in logs and among the ended. It grants nothing.
type handle [handleSize]byte

func (h handle) isZero() bool { return h == handle{} }

// New returns a Keeper.
func New(c Config) *Keeper {
	kind := c.Kind
	if kind == "" {
		kind = "session"
	}
	k := &Keeper{
		kind: kind, keys: c.Keys,
		lifetime: c.Lifetime, idle: max(c.Idle, 0).Milliseconds(),
		now: c.Now, client: c.Client, warn: c.Warn,
		ended:         newShelf[handle, fate](maxEnded),
		marking:       new(sync.Mutex),
		markers:       newShelf[[32]byte, marker](maxEnded),
		handlePurpose: kind + " handle", recordPurpose: kind + " record", endedPurpose: kind + " ended",
	}
	if k.lifetime <= 0 {
		k.lifetime = DefaultLifetime
	}
	if k.now == nil {
		k.now = time.Now
	}
	if k.warn == nil {
		k.warn = func(context.Context, error) {}
	}
	switch {
	case c.Store != nil:
		k.store = newBackend(c.Store)
		k.marks = k.store
	case c.Marks != nil:
		k.marks = newBackend(c.Marks)
	}
	return k.At(c.Site, c.Cleared)
}

// At returns the Keeper of another site, and what Config.Cleared is there. They
// share the store, its bounds, and those of what the process remembers.
func (k *Keeper) At(site cookie.Site, cleared func(ctx context.Context, rec Record, told bool)) *Keeper {
	at := *k
	name := k.kind
	if name == "session" {
		name = "s" // short, because it is sent with every request
	}
	at.site, at.cookie = site.ID(), site.Cookie(name, cookie.Options{SameSite: http.SameSiteLaxMode})
	at.aad = []byte(at.cookie.Name())
	if at.store == nil {
		at.box = k.keys.Box(k.kind+" cookie", at.site)
	}
	if at.cleared = cleared; cleared == nil {
		at.cleared = func(context.Context, Record, bool) {}
	}
	return &at
}

// Load returns the session of the request. With active the request counts as
// use, and the idle time begins anew.
//
// Whatever is wrong with a session is ErrNone, and nothing in the response
// tells it from no session at all: only two cookies of the name are cleared,
// because no sign-in could succeed beside them. ErrStore says that the store
// cannot be asked; the cookie stays. That the use could not be written down
// fails no request.
func (k *Keeper) Load(ctx context.Context, w http.ResponseWriter, r *http.Request, active bool) (Record, error) {
	value, err := k.cookie.Read(r)
	if err != nil {
		if errors.Is(err, cookie.ErrDuplicate) {
			k.cookie.Clear(w)
			return Record{}, ErrDuplicate
		}
		return Record{}, ErrNone
	}
	now := k.now()
	rec, err := k.open(ctx, value)
	if err != nil {
		return Record{}, err
	}
	rec.expires = k.expires(rec)
	if rec.expires <= now.UnixMilli() {
		return Record{}, ErrExpired
	}
	if err := k.alive(ctx, rec, now); err != nil {
		k.clear(ctx, rec, err, now)
		return Record{}, err
	}
	if active && k.forgot(rec, now) {
		return k.use(ctx, w, rec, now)
	}
	return rec, nil
}

// open reads what the session cookie's value stands for.
func (k *Keeper) open(ctx context.Context, value string) (Record, error) {
	if k.store != nil {
		return k.fetch(ctx, value)
	}
	return k.unseal(value)
}

// scratch holds what a cookie is opened into, before the record is copied out
// in its exact size.
var scratch = sync.Pool{New: func() any { b := make([]byte, 0, cookie.MaxSize); return &b }}

func (k *Keeper) unseal(value string) (Record, error) {
	buf := scratch.Get().(*[]byte)
	defer scratch.Put(buf)
	plain, _, err := k.box.Open((*buf)[:0], value, k.aad)
	if err != nil {
		return Record{}, ErrUnreadable
	}
	rec, ok := decode(string(plain))
	clear(plain)
	if !ok {
		return Record{}, ErrUnreadable
	}
	return rec, nil
}

// expires is the earliest of all ends. A lifetime or idle time that was
// configured shorter since binds older sessions too.
func (k *Keeper) expires(rec Record) int64 {
	started := rec.started()
	at := min(rec.ends(), started+k.lifetime.Milliseconds())
	if k.idle > 0 {
		at = min(at, rec.stamp(atSeen)+k.idle)
	}
	return at
}

// forgot reports whether the time of the last use is worth writing down again.
// A time in the future is: some clock was wrong.
func (k *Keeper) forgot(rec Record, now time.Time) bool {
	if k.idle == 0 {
		return false
	}
	since := now.UnixMilli() - rec.stamp(atSeen)
	return since >= max(k.idle/10, 1000) || since < -k.idle/10
}

// use writes down that the session was used now.
func (k *Keeper) use(ctx context.Context, w http.ResponseWriter, old Record, now time.Time) (Record, error) {
	rec := k.stampNow(old, atSeen, now)
	if err := k.write(ctx, w, rec, now); err != nil {
		if errors.Is(err, ErrNone) {
			return Record{}, err
		}
		k.warn(ctx, fmt.Errorf("extend the idle time: %w", err))
		return old, nil
	}
	return rec, nil
}

func (k *Keeper) stampNow(rec Record, at int, now time.Time) Record {
	rec = rec.stamped(at, now.UnixMilli())
	rec.expires = k.expires(rec)
	return rec
}

// write puts a changed record where it is kept, under the same id. ErrEnded if
// the session was ended in the meantime.
func (k *Keeper) write(ctx context.Context, w http.ResponseWriter, rec Record, now time.Time) error {
	if k.store != nil {
		return k.rewrite(ctx, rec, now)
	}
	value, err := k.seal(rec, now)
	if err != nil {
		return err
	}
	return k.cookie.Set(w, value, k.left(rec, now))
}

func (k *Keeper) seal(rec Record, now time.Time) (string, error) {
	value, _, err := k.box.Seal([]byte(rec.raw), k.aad, now)
	return value, err
}

// left is how long the cookie is kept: until the session's end, were it always
// used. That it was not used is decided here, not by the browser.
func (k *Keeper) left(rec Record, now time.Time) time.Duration {
	end := min(rec.ends(), rec.started()+k.lifetime.Milliseconds())
	return max(time.UnixMilli(end).Sub(now), time.Second)
}

// Start starts a session, under an id of its own, and ends the one that the
// request came with. A session that does not fit is *TooLarge. On any error no
// cookie is set.
func (k *Keeper) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, d Draft) (Record, error) {
	now := k.now()
	rec, err := k.make(&d, now, now)
	if err != nil {
		return Record{}, err
	}
	old, err := k.presented(r)
	if err != nil {
		old = nil // nothing readable, nothing to end
	}
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
	if _, ended := k.ended.find(rec.handle(), now.UnixMilli()); ended {
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
	if errors.Is(err, ErrNone) && k.expires(rec) <= k.now().UnixMilli() {
		return Record{}, ErrExpired
	}
	if errors.Is(err, ErrNone) {
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
	if err := k.supersede(ctx, old, nextIf(claim, rec), now, claim); err != nil {
		return Record{}, err
	}
	if err := k.cookie.Set(w, value, k.left(rec, now)); err != nil {
		return Record{}, err
	}
	return rec, nil
}
