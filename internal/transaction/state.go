package transaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// Sizes. 128 characters of state are 96 bytes; sealing takes 35 and the fixed
// part 24, which leaves 37 for a path. Longer ones are taken as well while the
// state has no more than 255 characters, a width that databases like. Beyond
// that the return URL moves to a cookie.
const (
	fixedBytes = 1 + 1 + 6 + 8 + 8
	plainBytes = 191 - cookie.Overhead // of 255 characters
	maxContent = 512                   // with acr values and without a return URL
	maxState   = (maxContent + cookie.Overhead + 2) / 3 * 4
)

// layout is the version of the encoding below, in the upper half of the first
// byte; the purpose is in the lower one. A state of another layout is
// unreadable: logins begun before such an upgrade start again.
const layout byte = 1 << 4

// The second byte: what follows the fixed part, and the attempt.
const (
	hasMaxAge byte = 1 << iota
	hasACR
	hasIdentity
	hasCookie // the return URL is in a cookie
	inSlot1   // of the two
	attemptAt = 5
)

const (
	maxAttempt  = 7
	maxIdentity = 32
)

// encode appends the content of the state to b: layout and purpose, flags,
// start in milliseconds, hash of the binding, provider; then maximum age in
// seconds, acr values, identity and scopes, each only if there; then the return
// URL. long says that the return URL has to go into the cookie of slot.
func (t *Transaction) encode(b []byte, bind binding) (content []byte, long bool, err error) {
	switch {
	case t.Purpose == 0 || t.Purpose >= endOfPurposes:
		return nil, false, fmt.Errorf("transaction: unknown purpose %d", t.Purpose)
	case t.Attempt < 0 || t.Attempt > maxAttempt:
		return nil, false, fmt.Errorf("transaction: attempt %d is not one of 0 to %d", t.Attempt, maxAttempt)
	case t.HasMaxAge && t.MaxAge < 0:
		return nil, false, fmt.Errorf("transaction: maximum age %s is negative", t.MaxAge)
	case t.Purpose == Consent && len(t.Scopes) == 0:
		return nil, false, errors.New("transaction: consent to nothing")
	case t.Purpose.OverSession() && len(t.Identity) == 0:
		return nil, false, errors.New("transaction: whose session it is must be known")
	case len(t.Identity) > maxIdentity:
		return nil, false, fmt.Errorf("transaction: identity of %d bytes is not a hash", len(t.Identity))
	}
	b = append(b, layout|byte(t.Purpose), byte(t.Attempt)<<attemptAt)
	b = binary.BigEndian.AppendUint16(b, uint16(t.Started.UnixMilli()>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(t.Started.UnixMilli()))
	digest := bind.digest()
	b = append(b, digest[:]...)
	b = append(b, t.Provider[:]...)
	if t.HasMaxAge {
		b[1] |= hasMaxAge
		b = binary.AppendUvarint(b, uint64(t.MaxAge/time.Second))
	}
	if len(t.ACR) > 0 {
		b[1] |= hasACR
		b = appendTexts(b, t.ACR)
	}
	if len(t.Identity) > 0 {
		b[1] |= hasIdentity
		b = appendText(b, string(t.Identity))
	}
	if t.Purpose == Consent || t.Purpose == StepUp {
		b = appendTexts(b, t.Scopes)
	}
	if len(b) > maxContent {
		return nil, false, ErrTooLarge
	}
	if t.ReturnTo == "" || len(b)+len(t.ReturnTo) <= plainBytes {
		return append(b, t.ReturnTo...), false, nil
	}
	b[1] |= hasCookie
	if bind.slot == 1 {
		b[1] |= inSlot1
	}
	return b, true, nil
}

// decode reads what encode wrote, and nothing else.
func (t *Transaction) decode(b []byte) (digest []byte, long bool, err error) {
	if len(b) < fixedBytes || b[0]&0xf0 != layout {
		return nil, false, ErrState
	}
	t.Purpose = Purpose(b[0] & 0x0f)
	if t.Purpose == 0 || t.Purpose >= endOfPurposes {
		return nil, false, ErrState
	}
	flags := b[1]
	t.Attempt = int(flags >> attemptAt)
	t.Started = time.UnixMilli(int64(binary.BigEndian.Uint16(b[2:]))<<32 | int64(binary.BigEndian.Uint32(b[4:])))
	digest = b[8:16]
	copy(t.Provider[:], b[16:24])

	in := reader{rest: b[fixedBytes:]}
	if flags&hasMaxAge != 0 {
		t.HasMaxAge = true
		t.MaxAge = time.Duration(in.number(0, maxSeconds)) * time.Second
	}
	if flags&hasACR != 0 {
		t.ACR = in.texts(1)
	}
	if flags&hasIdentity != 0 {
		t.Identity = []byte(in.text(1, maxIdentity))
	}
	switch t.Purpose {
	case Consent:
		t.Scopes = in.texts(1)
	case StepUp:
		t.Scopes = in.texts(0)
	}
	if t.Purpose.OverSession() && len(t.Identity) == 0 {
		in.bad = true
	}
	long = flags&hasCookie != 0
	if in.bad || long && len(in.rest) > 0 || !long && flags&inSlot1 != 0 {
		return nil, false, ErrState
	}
	t.ReturnTo = string(in.rest)
	if flags&inSlot1 != 0 {
		t.slot = 1
	}
	return digest, long, nil
}

// maxSeconds is the longest time.Duration.
const maxSeconds = math.MaxInt64 / uint64(time.Second)

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = appendText(b, s)
	}
	return b
}

// reader takes fields off rest; after one that does not fit it is bad.
type reader struct {
	rest []byte
	bad  bool
}

// number reads a number of at least low and at most high. As everywhere it has
// one encoding, the shortest.
func (r *reader) number(low, high uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v < low || v > high || n > 1 && r.rest[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

// texts reads a list of at least low texts; of none it is nil.
func (r *reader) texts(low uint64) []string {
	n := r.number(low, uint64(len(r.rest)))
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.text(0, maxContent)
	}
	return list
}

// text reads a text of low to high bytes.
func (r *reader) text(low, high uint64) string {
	n := r.number(low, high)
	if n > uint64(len(r.rest)) {
		r.bad = true
		return ""
	}
	s := string(r.rest[:n])
	r.rest = r.rest[n:]
	return s
}
