package cookie

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ErrSealed is returned for every sealed value that does not open: garbage,
// truncated, of another key, purpose, site or additional data. There is one
// value without detail, so that nobody learns from it how close a forgery was.
var ErrSealed = errors.New("cookie: sealed value does not open")

// A sealed value is version, key id, period, nonce, ciphertext and tag. The
// first three are authenticated as additional data.
const (
	version    = 1
	headerSize = 1 + 4 + 2
	nonceSize  = 12
	tagSize    = 16

	// Overhead is how many bytes sealing adds, before base64.
	Overhead = headerSize + nonceSize + tagSize
)

// A key seals for one day: random 96-bit nonces allow 2^32 values under one
// key (NIST SP 800-38D 8.3), which a day of logins does not reach.
const period = 24 * time.Hour

// maxCiphers bounds the ciphers kept by a Box: two server keys for a month of
// days. Older values still open, each time with a freshly derived key.
const maxCiphers = 64

// Box seals and opens values of one purpose at one site. It is safe for
// concurrent use; keep it, because it keeps its ciphers.
type Box struct {
	keys *Keys
	info []byte // purpose, site and secret: derivation input of every key
	macs []*prf // of each server key; nil when nothing is kept
	keep bool

	mu      sync.Mutex // held to replace ciphers
	ciphers atomic.Pointer[map[slot]cipher.AEAD]
}

type slot struct{ key, period uint32 }

// Seal says which nonce and key a value was sealed with. The nonce is unique,
// and serves as the identity of the value.
type Seal struct {
	Nonce  [nonceSize]byte
	Key    uint32
	Period uint32
}

// Box returns the box for values of a purpose at a site. No other purpose,
// site or server key opens what it seals.
func (k *Keys) Box(purpose, site string) *Box {
	b := &Box{keys: k, info: boxInfo(purpose, site, nil), keep: true}
	for _, sk := range k.keys {
		sub := sk.derive(useMAC, b.info, 0)
		b.macs = append(b.macs, newPRF(sub[:]))
	}
	return b
}

// BoxFor returns a box whose keys also depend on secret: whoever lacks it
// cannot open, even with the server keys. It is cheap and keeps no ciphers, so
// make one per secret and drop it.
func (k *Keys) BoxFor(purpose, site string, secret []byte) *Box {
	return &Box{keys: k, info: boxInfo(purpose, site, secret)}
}

func boxInfo(purpose, site string, secret []byte) []byte {
	return appendInfo(make([]byte, 0, 12+len(purpose)+len(site)+len(secret)), purpose, site, secret)
}

func appendInfo(b []byte, purpose, site string, secret []byte) []byte {
	b = appendField(b, purpose)
	b = appendField(b, site)
	if secret != nil {
		b = appendField(b, secret)
	}
	return b
}

// Seal encrypts plain and authenticates aad with it. The value is base64url
// without padding: safe in a cookie, a URL and a form.
func (b *Box) Seal(plain, aad []byte, now time.Time) (value string, s Seal, err error) {
	raw, s, err := b.SealBytes(nil, plain, aad, now)
	if err != nil {
		return "", Seal{}, err
	}
	return encode(raw), s, nil
}

// SealBytes is Seal without base64, for values that do not travel as text. It
// appends to dst, which must not overlap plain or aad.
func (b *Box) SealBytes(dst, plain, aad []byte, now time.Time) ([]byte, Seal, error) {
	s := Seal{Key: b.keys.keys[0].id}
	day := now.Unix() / int64(period/time.Second)
	if day <= 0 || day > 0xffff {
		return nil, Seal{}, fmt.Errorf("cookie: cannot seal at %s: the clock is wrong", now.UTC().Format(time.RFC3339))
	}
	s.Period = uint32(day)
	aead := b.cached(slot{s.Key, s.Period})
	if aead == nil {
		var err error
		if aead, err = b.cipher(b.keys.keys[0], s.Period); err != nil {
			return nil, Seal{}, err
		}
		b.remember(slot{s.Key, s.Period}, aead)
	}

	start, size := len(dst), Overhead+len(plain)
	extra := 0
	if len(aad) > 0 {
		extra = headerSize + len(aad)
	}
	dst = slices.Grow(dst, size+extra)
	raw := dst[start : start+headerSize+nonceSize : start+size]
	raw[0] = version
	binary.BigEndian.PutUint32(raw[1:], s.Key)
	binary.BigEndian.PutUint16(raw[5:], uint16(s.Period))
	// Drawn in place: s would move to the heap for it.
	nonce := raw[headerSize:]
	if err := Random(nonce); err != nil {
		return nil, Seal{}, err
	}
	copy(s.Nonce[:], nonce)
	// The additional data stands behind the output, in the same allocation.
	bound := raw[:headerSize]
	if extra > 0 {
		bound = append(dst[start+size:start+size], bound...)
		bound = append(bound, aad...)
	}
	raw = aead.Seal(raw, nonce, plain, bound)
	return dst[:start+len(raw)], s, nil
}

// Open decrypts a value of Seal and appends what was sealed to dst. Every
// failure is ErrSealed.
func (b *Box) Open(dst []byte, value string, aad []byte) (plain []byte, s Seal, err error) {
	start := len(dst)
	dst = slices.Grow(dst, decodedLen(len(value))+headerSize+len(aad))
	dst, ok := appendDecoded(dst, value)
	if !ok {
		return nil, Seal{}, ErrSealed
	}
	return b.open(dst, start, aad)
}

// OpenBytes decrypts a value of SealBytes and appends what was sealed to dst.
// It leaves sealed as it was.
func (b *Box) OpenBytes(dst, sealed, aad []byte) (plain []byte, s Seal, err error) {
	start := len(dst)
	dst = slices.Grow(dst, len(sealed)+headerSize+len(aad))
	return b.open(append(dst, sealed...), start, aad)
}

// open decrypts buf[start:] in place.
func (b *Box) open(buf []byte, start int, aad []byte) ([]byte, Seal, error) {
	raw := buf[start:]
	if len(raw) < Overhead || raw[0] != version {
		return nil, Seal{}, ErrSealed
	}
	s := Seal{
		Key:    binary.BigEndian.Uint32(raw[1:]),
		Period: uint32(binary.BigEndian.Uint16(raw[5:])),
	}
	copy(s.Nonce[:], raw[headerSize:])

	at := slot{s.Key, s.Period}
	aead := b.cached(at)
	known := aead != nil
	if !known {
		sk := b.keys.find(s.Key)
		if sk == nil {
			return nil, Seal{}, ErrSealed
		}
		var err error
		if aead, err = b.cipher(sk, s.Period); err != nil {
			return nil, Seal{}, ErrSealed
		}
	}
	bound := raw[:headerSize]
	if len(aad) > 0 {
		end := len(buf)
		buf = append(buf, bound...)
		buf = append(buf, aad...)
		raw, bound = buf[start:end], buf[end:]
	}
	text := raw[headerSize+nonceSize:]
	plain, err := aead.Open(text[:0], raw[headerSize:headerSize+nonceSize], text, bound)
	if err != nil {
		return nil, Seal{}, ErrSealed
	}
	// Only now: a stranger who makes up periods must not fill the cache.
	if !known {
		b.remember(at, aead)
	}
	n := copy(buf[start:], plain)
	return buf[:start+n], s, nil
}

// MAC is HMAC-SHA256 over label, the nonce of s and data, under a key derived
// from the server key that sealed s. With a server key that is no longer
// there, it is ErrSealed.
func (b *Box) MAC(s Seal, label string, data ...[]byte) ([32]byte, error) {
	p := b.macKey(s.Key)
	if p == nil {
		return [32]byte{}, ErrSealed
	}
	st := p.get()
	defer p.put(st)
	st.in = appendField(st.in, label)
	st.in = append(st.in, s.Nonce[:]...)
	for _, d := range data {
		st.in = appendField(st.in, d)
	}
	return st.sum(), nil
}

func (b *Box) macKey(id uint32) *prf {
	for i, sk := range b.keys.keys {
		if sk.id != id {
			continue
		}
		if b.macs != nil {
			return b.macs[i]
		}
		sub := sk.derive(useMAC, b.info, 0)
		return newPRF(sub[:])
	}
	return nil
}

func (b *Box) cipher(sk *serverKey, period uint32) (cipher.AEAD, error) {
	key := sk.derive(useSeal, b.info, period)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	return aead, nil
}

func (b *Box) cached(at slot) cipher.AEAD {
	if m := b.ciphers.Load(); m != nil {
		return (*m)[at]
	}
	return nil
}

// remember keeps the ciphers of the latest periods.
func (b *Box) remember(at slot, aead cipher.AEAD) {
	if !b.keep {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.ciphers.Load()
	next := make(map[slot]cipher.AEAD)
	if old != nil {
		for k, v := range *old {
			next[k] = v
		}
	}
	next[at] = aead
	if len(next) > maxCiphers {
		oldest := at
		for k := range next {
			if k.period < oldest.period {
				oldest = k
			}
		}
		delete(next, oldest)
	}
	b.ciphers.Store(&next)
}

// encode is base64url without padding, in one allocation.
func encode(raw []byte) string {
	var chunk [512]byte
	const step = len(chunk) / 4 * 3
	var sb strings.Builder
	sb.Grow(base64.RawURLEncoding.EncodedLen(len(raw)))
	for len(raw) > 0 {
		n := min(step, len(raw))
		base64.RawURLEncoding.Encode(chunk[:], raw[:n])
		sb.Write(chunk[:base64.RawURLEncoding.EncodedLen(n)])
		raw = raw[n:]
	}
	return sb.String()
}

func decodedLen(n int) int { return n * 3 / 4 }

// digits maps a base64url character to its value, all others to 0xff.
var digits = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
		t[c] = byte(i)
	}
	return t
}()

// appendDecoded appends what s encodes in base64url without padding. Unlike
// encoding/base64 it reads the string as it is, and takes neither line breaks
// nor stray low bits: each value has one spelling.
func appendDecoded(dst []byte, s string) ([]byte, bool) {
	for len(s) >= 4 {
		a, b, c, d := digits[s[0]], digits[s[1]], digits[s[2]], digits[s[3]]
		if a|b|c|d > 63 {
			return nil, false
		}
		dst = append(dst, a<<2|b>>4, b<<4|c>>2, c<<6|d)
		s = s[4:]
	}
	switch len(s) {
	case 0:
		return dst, true
	case 2:
		a, b := digits[s[0]], digits[s[1]]
		if a|b > 63 || b&0x0f != 0 {
			return nil, false
		}
		return append(dst, a<<2|b>>4), true
	case 3:
		a, b, c := digits[s[0]], digits[s[1]], digits[s[2]]
		if a|b|c > 63 || c&0x03 != 0 {
			return nil, false
		}
		return append(dst, a<<2|b>>4, b<<4|c>>2), true
	}
	return nil, false
}
