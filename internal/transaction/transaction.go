// Package transaction carries one login attempt through the browser: what was
// asked for goes out sealed in the state parameter and comes back with the
// provider's answer.
//
// One binding cookie holds 32 random bytes without any authority, shared by
// all tabs of the browser. The state names them by a short hash, and the nonce
// and the PKCE verifier are derived from both halves: from the server key that
// sealed the state, the identity of the transaction and the binding. So an
// answer is of use only in the browser that asked (RFC 9700 2.1), the server
// keeps nothing for logins that are never finished, and no cookie grows with
// the number of attempts.
package transaction

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

var (
	// ErrState is returned for a state that no key of ours sealed for this
	// site, or that says what this version does not understand.
	ErrState = errors.New("transaction: unreadable state")
	// ErrNoBinding is returned for a good state in a browser without binding
	// cookie: the cookie was lost, or the answer is somebody else's.
	ErrNoBinding = errors.New("transaction: no binding cookie")
	// ErrBinding is returned for a good state that another browser started,
	// or before the binding was replaced.
	ErrBinding = errors.New("transaction: the binding cookie is another one")
	// ErrExpired is returned for a transaction of this browser that took too
	// long.
	ErrExpired = errors.New("transaction: expired")
	// ErrSpent is returned for a transaction that was finished before.
	ErrSpent = errors.New("transaction: spent")
	// ErrLoop is returned by Start when logins complete and no session is
	// there afterwards: a third one would not change that.
	ErrLoop = errors.New("transaction: logins complete without a session")
	// ErrTooLarge is returned by Start when what the state must hold would
	// make it too long for providers.
	ErrTooLarge = errors.New("transaction: too much for one state")
)

// Purpose is why a transaction was started.
type Purpose uint8

// The purposes; the encoding has room for fifteen.
const (
	Login   Purpose = iota + 1 // the visitor signs in
	Silent                     // as Login, where the provider must not ask anything
	Consent                    // the visitor, signed in, is asked for Scopes
	StepUp                     // likewise, for a newer or stronger sign-in, and perhaps for Scopes
	Link                       // the visitor, signed in, adds an identity
	endOfPurposes
)

// OverSession reports whether the visitor is signed in, and to stay so whatever
// comes of it.
func (p Purpose) OverSession() bool { return p == Consent || p == StepUp || p == Link }

// MaxReturnTo is how long a return URL may be that comes back after a login.
const MaxReturnTo = 2000

// Begin is what a login wants to know again when it comes back.
type Begin struct {
	Purpose      Purpose
	Provider     [8]byte // tag of provider name, issuer and client id
	ReturnTo     string
	Attempt      int           // how often this login restarted by itself, 0 to 7
	MaxAge       time.Duration // the max_age asked for, in whole seconds
	HasMaxAge    bool          // max_age may be 0
	ACR          []string      // the acr values one of which is required
	Identity     []byte        // hash of the identity that started, at most 32 bytes
	Scopes       []string      // asked for beside the usual ones; with Consent and StepUp only
	CallbackPath string        // where the answer arrives
}

// Transaction is one login attempt. It holds secrets: log none of State, Nonce
// and Verifier.
type Transaction struct {
	Begin
	ID      [12]byte
	Started time.Time
	State   string
	// Nonce and Verifier are empty when the browser is not the one that
	// started the transaction.
	Nonce    string
	Verifier string

	slot     byte // of the return cookie
	returned bool // the return cookie was there
}

// Challenge is the S256 code challenge of the verifier (RFC 7636 4.2).
func (t *Transaction) Challenge() string {
	var text [43]byte
	sum := sha256.Sum256(append(text[:0], t.Verifier...))
	base64.RawURLEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// Start begins a transaction and puts its cookies into the response. Where
// there is no randomness it does neither. A return URL of more than
// MaxReturnTo bytes is not carried: the visitor arrives at the default page.
func (d *Desk) Start(w http.ResponseWriter, r *http.Request, b Begin) (*Transaction, error) {
	bind, err := d.current(w, r)
	if err != nil {
		if bind, err = newBinding(); err != nil {
			return nil, err
		}
	}
	// Loops are counted in completed logins, not in starts: ten tabs restored
	// at once are ten starts and no loop.
	if bind.rounds >= maxRounds {
		return nil, ErrLoop
	}
	if len(b.ReturnTo) > MaxReturnTo {
		b.ReturnTo = ""
	}
	t := &Transaction{Begin: b, Started: time.UnixMilli(d.now().UnixMilli())}
	content, long, err := t.encode(make([]byte, 0, plainBytes), bind)
	if err != nil {
		return nil, err
	}
	state, seal, err := d.box.Seal(content, nil, t.Started)
	if err != nil {
		return nil, fmt.Errorf("seal state: %w", err)
	}
	t.State, t.ID = state, seal.Nonce
	if err := d.derive(t, seal, bind); err != nil {
		return nil, err
	}
	if long {
		t.slot, t.returned = bind.slot, true
		if err := d.setReturn(w, t); err != nil {
			return nil, err
		}
		bind.slot ^= 1
	}
	if err := d.set(w, bind); err != nil {
		return nil, err
	}
	return t, nil
}

// Open reads the state of an answer and compares it with the browser's binding
// cookie. It changes nothing: Spend does. With ErrNoBinding and ErrExpired the
// transaction is returned as well, without nonce and verifier, so that the
// login can be started again.
func (d *Desk) Open(r *http.Request, state string, callbackPath string) (*Transaction, error) {
	if len(state) > maxState {
		return nil, ErrState
	}
	content, seal, err := d.box.Open(nil, state, nil)
	if err != nil {
		return nil, ErrState
	}
	t := &Transaction{ID: seal.Nonce, State: state}
	digest, long, err := t.decode(content)
	if err != nil {
		return nil, err
	}
	t.CallbackPath = callbackPath
	if long {
		d.readReturn(r, t)
	}
	bind, err := d.read(r)
	if errors.Is(err, cookie.ErrNoCookie) {
		return t, ErrNoBinding
	}
	if err != nil {
		return nil, ErrBinding
	}
	want := bind.digest()
	if subtle.ConstantTimeCompare(digest, want[:]) != 1 {
		return nil, ErrBinding
	}
	age := d.now().Sub(t.Started)
	if age > d.timeout || age < -skew {
		return t, ErrExpired
	}
	if err := d.derive(t, seal, bind); err != nil {
		return nil, err
	}
	return t, nil
}

// derive fills in nonce and verifier: 256 bits each, as 43 characters.
func (d *Desk) derive(t *Transaction, seal cookie.Seal, bind binding) error {
	nonce, err := d.box.MAC(seal, "nonce", bind.value[:])
	if err != nil {
		return fmt.Errorf("derive nonce: %w", err)
	}
	verifier, err := d.box.MAC(seal, "code_verifier", bind.value[:])
	if err != nil {
		return fmt.Errorf("derive verifier: %w", err)
	}
	var text [2 * 43]byte
	base64.RawURLEncoding.Encode(text[:43], nonce[:])
	base64.RawURLEncoding.Encode(text[43:], verifier[:])
	both := string(text[:])
	t.Nonce, t.Verifier = both[:43], both[43:]
	return nil
}
