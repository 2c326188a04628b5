// Package cookie seals values into cookies and opens them again. It owns the
// server keys and their rotation, the names, attributes and size limit of
// cookies, and knows nothing about what it seals.
//
// Values that travel with every request go into a [Box]: AES-256-GCM under a
// key that HKDF derives for one server key, purpose, site and day. Values that
// are written and read once per login or logout go into a [Codec], which is
// gorilla/securecookie under derived keys. A [Cookie] carries either.
package cookie

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
)

// MinKeySize is the least number of bytes of a server key.
const MinKeySize = 32

// ErrRandom is returned when the system's random source fails or is plainly
// broken. Nothing has been sealed then.
var ErrRandom = errors.New("cookie: no randomness")

// Keys holds the server keys, newest first. The first one seals; all open.
// It is immutable and safe for concurrent use.
type Keys struct {
	keys []*serverKey
}

// serverKey is one key as configured, reduced to what the package needs of it.
type serverKey struct {
	id  uint32
	prf *prf // keyed with the HKDF pseudorandom key
}

// The use of a derived key is part of its derivation, so that no two uses can
// come to share one.
const (
	useID       byte = iota + 1 // public name of a server key
	useSeal                     // AES-256-GCM of a Box
	useMAC                      // HMAC of a Box
	useHash                     // securecookie's hash key
	useBlock                    // securecookie's block key
	keyTip      = "use 32 random bytes, for example from: openssl rand -base64 32"
	extractSalt = "oidcrp cookie keys 1"
)

// NewKeys checks the server keys, newest first, and reports everything that is
// wrong with them in one error. It copies what it needs.
func NewKeys(keys [][]byte) (*Keys, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is none; " + keyTip)
	}
	k := &Keys{keys: make([]*serverKey, 0, len(keys))}
	var problems []error
	for i, key := range keys {
		if why := weakness(key); why != "" {
			problems = append(problems, fmt.Errorf("key %d of %d %s; %s", i+1, len(keys), why, keyTip))
			continue
		}
		if first := indexOf(keys[:i], key); first >= 0 {
			problems = append(problems, fmt.Errorf("key %d of %d is the same as key %d; remove one of them", i+1, len(keys), first+1))
			continue
		}
		sk, err := newServerKey(key)
		if err != nil {
			problems = append(problems, fmt.Errorf("key %d of %d: %w", i+1, len(keys), err))
			continue
		}
		// The id is 32 bits, so two good keys share one once in four billion
		// times; sealed values would then be opened with the wrong key.
		if k.find(sk.id) != nil {
			problems = append(problems, fmt.Errorf("key %d of %d has the same short id as an earlier one; replace it by another random key", i+1, len(keys)))
			continue
		}
		k.keys = append(k.keys, sk)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return k, nil
}

func indexOf(keys [][]byte, key []byte) int {
	for i := range keys {
		if bytes.Equal(keys[i], key) {
			return i
		}
	}
	return -1
}

// weakness says why key cannot be random, or nothing. It catches the keys
// people type and the ones examples print; it cannot measure entropy.
func weakness(key []byte) string {
	if len(key) < MinKeySize {
		return fmt.Sprintf("has %d bytes, fewer than %d", len(key), MinKeySize)
	}
	// Thirty-two random bytes hold thirty different ones on average, and as
	// hexadecimal text still fourteen.
	if n := distinct(key); n < 8 {
		return fmt.Sprintf("repeats %d different bytes", n)
	}
	if repeats(key) {
		return "repeats a shorter text"
	}
	if counts(key) {
		return "only counts up or down"
	}
	if passphrase(key) {
		return "looks like a passphrase or a sample, not like random bytes"
	}
	return ""
}

func distinct(key []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range key {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// repeats reports whether key begins again before its middle.
func repeats(key []byte) bool {
	for n := 1; n <= len(key)/2; n++ {
		if bytes.Equal(key[n:], key[:len(key)-n]) {
			return true
		}
	}
	return false
}

func counts(key []byte) bool {
	step := key[1] - key[0]
	for i := 2; i < len(key); i++ {
		if key[i]-key[i-1] != step {
			return false
		}
	}
	return true
}

// passphrase reports whether key is text that no encoder of random bytes
// writes: with spaces, without any digit or capital, or with a telling word.
func passphrase(key []byte) bool {
	plain := true
	for _, c := range key {
		if c < ' ' || c > '~' {
			return false
		}
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' {
			plain = false
		}
	}
	if plain || bytes.IndexByte(key, ' ') >= 0 {
		return true
	}
	text := strings.ToLower(string(key))
	for _, word := range []string{"changeme", "change-me", "change_me", "cookie", "example", "password", "passphrase", "secret"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

func newServerKey(key []byte) (*serverKey, error) {
	prk, err := hkdf.Extract(sha256.New, key, []byte(extractSalt))
	if err != nil {
		return nil, fmt.Errorf("extract: %w", err)
	}
	sk := &serverKey{prf: newPRF(prk)}
	id := sk.derive(useID, nil, 0)
	sk.id = binary.BigEndian.Uint32(id[:])
	return sk, nil
}

func (k *Keys) find(id uint32) *serverKey {
	for _, sk := range k.keys {
		if sk.id == id {
			return sk
		}
	}
	return nil
}

// derive is HKDF-Expand of one block (RFC 5869 2.3) over use, period and info.
func (sk *serverKey) derive(use byte, info []byte, period uint32) [32]byte {
	st := sk.prf.get()
	defer sk.prf.put(st)
	st.in = append(st.in, use)
	st.in = binary.BigEndian.AppendUint32(st.in, period)
	st.in = append(st.in, info...)
	st.in = append(st.in, 1)
	return st.sum()
}

// prf is HMAC-SHA256 under one key. Keyed states are kept, because keying one
// costs more than hashing a short message with it.
type prf struct {
	states sync.Pool
}

type prfState struct {
	mac hash.Hash
	in  []byte
	out []byte
}

func newPRF(key []byte) *prf {
	p := &prf{}
	p.states.New = func() any {
		return &prfState{mac: hmac.New(sha256.New, key), in: make([]byte, 0, 256), out: make([]byte, 0, sha256.Size)}
	}
	return p
}

func (p *prf) get() *prfState { return p.states.Get().(*prfState) }

func (p *prf) put(st *prfState) {
	clear(st.in)
	clear(st.out[:cap(st.out)])
	st.in = st.in[:0]
	p.states.Put(st)
}

func (st *prfState) sum() (s [32]byte) {
	st.mac.Reset()
	st.mac.Write(st.in)
	st.out = st.mac.Sum(st.out[:0])
	copy(s[:], st.out)
	return s
}

// appendField appends the length of f and f, so that no two lists of fields
// have the same bytes.
func appendField[T string | []byte](b []byte, f T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
	return append(b, f...)
}

// Random fills b with random bytes. It fails closed: a source that errs, or
// gives nothing but zeros, is ErrRandom. b must not be shorter than 12 bytes,
// or an honest source would be taken for a broken one now and then.
func Random(b []byte) error {
	// Not rand.Read: that ends the process where we can refuse one login.
	if _, err := io.ReadFull(rand.Reader, b); err != nil {
		return fmt.Errorf("%w: %w", ErrRandom, err)
	}
	for _, c := range b {
		if c != 0 {
			return nil
		}
	}
	return fmt.Errorf("%w: the source gives zeros", ErrRandom)
}
