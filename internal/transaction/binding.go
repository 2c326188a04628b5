package transaction

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// maxRounds logins may complete without a session loading in between.
const maxRounds = 2

// binding is the content of the binding cookie: the random value, and three
// notes that have no authority either and are worth nobody's forging.
type binding struct {
	value  [32]byte
	rounds byte      // logins completed since a session last loaded
	slot   byte      // which return cookie the next long return URL takes
	silent time.Time // when a silent attempt last failed, in seconds
}

var errBinding = errors.New("transaction: the binding cookie is malformed")

func newBinding() (binding, error) {
	var b binding
	if err := cookie.Random(b.value[:]); err != nil {
		return binding{}, err
	}
	return b, nil
}

// digest is what the state keeps of the binding. It is short: a browser whose
// binding has the same one would still derive another nonce and verifier.
func (b binding) digest() [8]byte {
	sum := sha256.Sum256(b.value[:])
	return [8]byte(sum[:8])
}

// The cookie's text is the value in base64url, a dot, the rounds, the slot, and
// the seconds of the silent attempt if there was one. The place of the rounds
// is fixed, so that Loaded need not decode.
const (
	valueLen = 43
	roundsAt = valueLen + 1
	slotAt   = roundsAt + 1
	silentAt = slotAt + 1
)

func (b binding) String() string {
	var text [silentAt + 20]byte
	base64.RawURLEncoding.Encode(text[:], b.value[:])
	text[valueLen] = '.'
	text[roundsAt] = '0' + b.rounds
	text[slotAt] = '0' + b.slot
	out := text[:silentAt]
	if !b.silent.IsZero() {
		out = strconv.AppendInt(out, b.silent.Unix(), 10)
	}
	return string(out)
}

var strict = base64.RawURLEncoding.Strict()

// parseBinding takes only what String writes.
func parseBinding(s string) (binding, error) {
	var b binding
	if len(s) < silentAt || s[valueLen] != '.' {
		return binding{}, errBinding
	}
	var text [valueLen]byte
	copy(text[:], s)
	// The decoder skips line breaks, which leaves fewer bytes.
	n, err := strict.Decode(b.value[:], text[:])
	if err != nil || n != len(b.value) {
		return binding{}, errBinding
	}
	b.rounds, b.slot = s[roundsAt]-'0', s[slotAt]-'0'
	if b.rounds > maxRounds || b.slot > 1 {
		return binding{}, errBinding
	}
	if s = s[silentAt:]; s == "" {
		return b, nil
	}
	sec, err := strconv.ParseUint(s, 10, 63)
	if err != nil || s[0] == '0' {
		return binding{}, errBinding
	}
	b.silent = time.Unix(int64(sec), 0)
	return b, nil
}

// read returns the binding of the request: cookie.ErrNoCookie, or another
// error for one that is malformed or there twice.
func (d *Desk) read(r *http.Request) (binding, error) {
	value, err := d.binding.Read(r)
	if err != nil {
		return binding{}, err
	}
	return parseBinding(value)
}

// current is read, unless the response changes the binding already: a failed
// silent attempt is noted and a login started in one answer.
func (d *Desk) current(w http.ResponseWriter, r *http.Request) (binding, error) {
	if value, ok := d.binding.Written(w); ok {
		return parseBinding(value) // "" where it was cleared
	}
	return d.read(r)
}

func (d *Desk) set(w http.ResponseWriter, b binding) error {
	return d.binding.Set(w, b.String(), d.timeout)
}

// update changes the notes of the binding, if there is one.
func (d *Desk) update(w http.ResponseWriter, r *http.Request, change func(*binding)) {
	b, err := d.current(w, r)
	if err != nil {
		return
	}
	change(&b)
	// The text is always short and clean.
	_ = d.set(w, b)
}

// Finished notes that a login completed. If no session loads until two have,
// the next Start is ErrLoop.
func (d *Desk) Finished(w http.ResponseWriter, r *http.Request) {
	d.update(w, r, func(b *binding) { b.rounds = min(b.rounds+1, maxRounds) })
}

// Loaded notes that a session loaded, so that logins do not go round in
// circles, and forgets a silent attempt that failed before: once this session
// has ended another may succeed. Call it with every such request: usually it
// only looks.
func (d *Desk) Loaded(w http.ResponseWriter, r *http.Request) {
	value, _ := d.binding.Read(r) // "" if there is none
	if len(value) <= roundsAt || value[roundsAt] == '0' {
		return
	}
	d.update(w, r, func(b *binding) { b.rounds, b.silent = 0, time.Time{} })
}

// SilentFailed notes that a silent attempt failed, so that the next page does
// not try again at once. A browser without binding cookie gets one for it.
func (d *Desk) SilentFailed(w http.ResponseWriter, r *http.Request) {
	b, err := d.current(w, r)
	if err != nil {
		if b, err = newBinding(); err != nil {
			return
		}
	}
	b.silent = d.now()
	_ = d.set(w, b)
}

// SilentAllowed reports whether no silent attempt failed lately.
func (d *Desk) SilentAllowed(r *http.Request) bool {
	b, _ := d.read(r) // none failed ages ago
	age := d.now().Sub(b.silent)
	return age >= d.timeout || age < -skew
}

// Replace gives the browser another binding and forgets the rounds. Answers to
// older logins do not get through any more, whether by Back after a logout or
// into another identity's session. Who has just signed out is not signed in
// silently at the next page.
func (d *Desk) Replace(w http.ResponseWriter, r *http.Request) {
	b, err := newBinding()
	if err != nil {
		// Without a binding older answers do not get through either.
		d.binding.Clear(w)
		return
	}
	b.silent = d.now()
	_ = d.set(w, b)
}

// Again forgets the rounds: the visitor wants another try. Logins in other tabs
// go on.
func (d *Desk) Again(w http.ResponseWriter, r *http.Request) {
	d.update(w, r, func(b *binding) { b.rounds = 0 })
}

// A long return URL rides in a cookie of its own, in one of two slots: the
// third login started with one displaces the first. Its name has a hash of the
// callback path, or a path inside another one would see two of one name.
func (d *Desk) returnCookie(callbackPath string, slot byte) cookie.Cookie {
	sum := sha256.Sum256([]byte(callbackPath))
	kind := "return" + string('0'+rune(slot)) + strconv.FormatUint(uint64(binary.BigEndian.Uint32(sum[:])), 36)
	return d.site.Cookie(kind, cookie.Options{Path: callbackPath, SameSite: d.sameSite})
}

func (d *Desk) setReturn(w http.ResponseWriter, t *Transaction) error {
	c := d.returnCookie(t.CallbackPath, t.slot)
	value, err := d.codec.Encode(c.Name(), append(t.ID[:], t.ReturnTo...))
	if err != nil {
		return err
	}
	return c.Set(w, value, d.timeout)
}

// readReturn fills in the return URL, or leaves it empty where the cookie is
// lost or holds that of another transaction.
func (d *Desk) readReturn(r *http.Request, t *Transaction) {
	c := d.returnCookie(t.CallbackPath, t.slot)
	value, err := c.Read(r)
	if err != nil {
		return
	}
	plain, err := d.codec.Decode(c.Name(), value)
	if err != nil || len(plain) < len(t.ID) || [12]byte(plain) != t.ID {
		return
	}
	t.ReturnTo, t.returned = string(plain[len(t.ID):]), true
}

// Clear drops the return cookie of a transaction that is over. The binding
// stays for the other tabs.
func (d *Desk) Clear(w http.ResponseWriter, t *Transaction) {
	if t.returned {
		d.returnCookie(t.CallbackPath, t.slot).Clear(w)
	}
}

// Keep takes Clear back: the transaction is spent, and its return URL is still
// needed.
func (d *Desk) Keep(w http.ResponseWriter, t *Transaction) error {
	if !t.returned {
		return nil
	}
	return d.setReturn(w, t)
}
