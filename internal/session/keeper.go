package session

import (
	"context"
	"errors"
	"fmt"
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

// maxEnded bounds the ended sessions a process remembers: some ten megabytes.
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

	// ended are the sessions that ended here, of all sites; see mine.
	ended *shelf[handle, fate]
	mask  handle // of the site

	marking *sync.Mutex
	markers *shelf[[32]byte, marker] // without a store

	box *cookie.Box // cookie mode
	aad []byte      // the cookie's name

	store         *backend // nil in cookie mode
	marks         *backend // nil without any store
	handlePurpose string
	recordPurpose string
	endedPurpose  string
	finalPurpose  string
}

// handle names a session in logs and among the ended. It grants nothing.
type handle [handleSize]byte

func (h handle) isZero() bool { return h == handle{} }

// mine is by what the process remembers that a session of this site has ended:
// a handle ends nothing at another.
func (k *Keeper) mine(h handle) handle {
	for i := range h {
		h[i] ^= k.mask[i]
	}
	return h
}

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
		handlePurpose: kind + " handle", recordPurpose: kind + " record", endedPurpose: kind + " ended", finalPurpose: kind + " ended for good",
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
	mask := at.hash(k.kind+" ended here", nil)
	copy(at.mask[:], mask[:])
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

// use writes down that the session was used now, in the record as the store has it
// by now.
func (k *Keeper) use(ctx context.Context, w http.ResponseWriter, old Record, now time.Time) (Record, error) {
	rec, err := k.latest(ctx, old)
	if err == nil {
		rec = k.stampNow(rec, atSeen, now)
		err = k.write(ctx, w, rec, now)
	}
	if errors.Is(err, ErrNone) {
		return Record{}, err
	}
	if err != nil {
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
