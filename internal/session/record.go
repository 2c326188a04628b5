package session

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
)

// Draft is what a session is made of.
type Draft struct {
	// Handle names the session in logs and marks. It is drawn by this package
	// and grants nothing.
	Handle handle

	Provider, Issuer, Subject string
	SID, ACR                  string
	AMR, Roles, Scopes        []string
	Claims                    []Claim
	Values                    []Value

	// Tokens says where the [Vault] keeps the user's tokens; nil: nowhere.
	Tokens []byte

	// Client is the ClientTag of whom the login was of. Where it is "" Start takes
	// the one there is; a login of another starts no session.
	Client string

	// Under is the end of all of the user's sessions that came last before this one
	// was started: any other that is found has come since. 0: there was none.
	Under int64

	Began    time.Time // when the login was begun, by our clock; zero: when the session started
	AuthTime time.Time // when the user authenticated at the provider; zero: not said
	IssuedAt time.Time // of the ID token that started the session

	// TokenExpiry and Ceiling end the session, each where it is set.
	TokenExpiry time.Time // set only where a session may not outlive its token
	Ceiling     time.Time // the earliest of those the provider stated
}

// Claim is one kept claim, as the JSON the provider sent.
type Claim struct {
	Name  string
	Value json.RawMessage
}

// Value is one value of the application's own.
type Value struct {
	Key, Value string
}

// handleSize is as many random bytes as never meet by chance.
const handleSize = 12

// version of the record's form. Anything else is no session (R19).
const version = 1

// The record begins with fields of fixed length, so that those which change
// within a session's life can be stamped without changing its size. Then come
// the seconds from start to end, the milliseconds the login took, the times that
// are present, the strings and the lists, each number and length a uvarint in
// its shortest form. Every byte counts: the record travels with every request,
// and net/http takes longer for a byte of it than we do.
const (
	atHead    = 0 // version in the upper half, in the lower which times are present
	atHandle  = 1
	atStarted = atHandle + handleSize // milliseconds since 1970, 48 bits
	atSeen    = atStarted + 6         // ticks since the start, 24 bits, as the next
	atChecked = atSeen + 3
	atEnd     = atChecked + 3
)

// A tick is a second, unless the session may live for more than 194 days.
const tickBits = 24

// The times that may be absent, in order.
const (
	timeAuth = iota
	timeIssued
	timeToken
	timeCeiling
	timeCount
)

// The strings and lists, in order.
const (
	partProvider = iota
	partIssuer
	partSubject
	partSID
	partACR
	partAMR
	partRoles
	partScopes
	partClaims
	partClaimValues
	partValues
	partCount
)

// maxRecord bounds the record itself: what a store is given stays below 48 KB
// when it is sealed, and offsets fit 16 bits.
const maxRecord = 48<<10 - 256

// Record is a read-only view of one session. Its accessors return substrings
// of one string, and allocate nothing unless said otherwise. The zero Record
// is no session; its accessors return zero values.
type Record struct {
	raw     string
	at      [partCount]uint16
	atTimes uint8  // where the times that are present begin
	end     uint32 // seconds from start to end, without the idle time
	took    uint32 // milliseconds from the login's beginning to the start
	expires int64  // milliseconds since 1970, the earliest of all ends
	token   *token // in store mode. A pointer, so that printing shows no secret
}

// encode gives the record of d with its handle and times. It was used and
// checked when it started.
func encode(d *Draft, started time.Time, end uint32) []byte {
	b := make([]byte, atEnd, 1024)
	copy(b[atHandle:], d.Handle[:])
	ms := max(started.UnixMilli(), 0)
	binary.BigEndian.PutUint16(b[atStarted:], uint16(ms>>32))
	binary.BigEndian.PutUint32(b[atStarted+2:], uint32(ms))
	b = binary.AppendUvarint(b, uint64(end))
	took := int64(0)
	if !d.Began.IsZero() {
		took = min(max(ms-d.Began.UnixMilli(), 0), math.MaxUint32)
	}
	b = binary.AppendUvarint(b, uint64(took))

	b[atHead] = version << 4
	for i, t := range [timeCount]time.Time{
		timeAuth: d.AuthTime, timeIssued: d.IssuedAt, timeToken: d.TokenExpiry, timeCeiling: d.Ceiling,
	} {
		if !t.IsZero() {
			b[atHead] |= 1 << i
			b = appendTime(b, t, ms/1000)
		}
	}
	for _, s := range [...]string{d.Provider, d.Issuer, d.Subject, d.SID, d.ACR} {
		b = appendString(b, s)
	}
	for _, list := range [...][]string{d.AMR, d.Roles, d.Scopes} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = appendString(b, s)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(d.Claims)))
	for _, c := range d.Claims {
		b = appendName(b, c.Name)
	}
	b = appendValues(b, d.Claims)
	values := d.Values[:len(d.Values):len(d.Values)]
	if len(d.Tokens) > 0 { // among the values: most sessions have neither
		values = append(values, Value{tokensKey, string(d.Tokens)})
	}
	if d.Client != "" {
		values = append(values, Value{clientKey, d.Client})
	}
	if d.Under != 0 {
		values = append(values, Value{underKey, string(binary.BigEndian.AppendUint64(nil, uint64(d.Under)))})
	}
	b = binary.AppendUvarint(b, uint64(len(values)))
	for _, v := range values {
		b = appendString(appendString(b, v.Key), v.Value)
	}
	return b
}

// No keys that a caller may use.
const (
	tokensKey = "\x00tokens"
	clientKey = "\x00c" // most sessions have it
	underKey  = "\x00under"
)

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// farthest bounds the distance of a stored time from the start, in seconds:
// some thousand years. What lies beyond is as good as that far.
const farthest = 1 << 35

// appendTime stores t in seconds relative to the start, zigzag.
func appendTime(b []byte, t time.Time, started int64) []byte {
	d := min(max(t.Unix()-started, -farthest), farthest)
	return binary.AppendUvarint(b, uint64(d<<1^d>>63))
}

// decode checks the whole of raw, so that accessors need not. It reports false
// for anything that encode does not make.
func decode(raw string) (Record, bool) {
	if len(raw) < atEnd || len(raw) > maxRecord || raw[atHead]>>4 != version {
		return Record{}, false
	}
	rec := Record{raw: raw}
	c := cursor{s: raw, i: atEnd}
	end, took := c.uvarint(), c.uvarint()
	if end > math.MaxUint32 || took > math.MaxUint32 {
		return Record{}, false
	}
	rec.end, rec.took, rec.atTimes = uint32(end), uint32(took), uint8(c.i)
	for present := raw[atHead] & 0x0f; present != 0; present &= present - 1 {
		if c.uvarint() > 2*farthest {
			return Record{}, false
		}
	}
	for part := partProvider; part <= partACR; part++ {
		rec.at[part] = uint16(c.i)
		c.skip(1)
	}
	for part := partAMR; part <= partScopes; part++ {
		rec.at[part] = uint16(c.i)
		c.skip(c.uvarint())
	}
	rec.at[partClaims] = uint16(c.i)
	n := c.uvarint()
	for left := n; left > 0 && !c.bad; left-- {
		c.name()
	}
	rec.at[partClaimValues] = uint16(c.i)
	v := values{cursor: c}
	for left := n; left > 0 && !v.bad; left-- {
		v.next()
	}
	c = v.cursor
	rec.at[partValues] = uint16(c.i)
	c.skip(2 * min(c.uvarint(), maxRecord))
	if c.bad || c.i != len(raw) {
		return Record{}, false
	}
	rec.expires = rec.ends()
	return rec, true
}

// cursor reads a record from the front. After a mistake it is bad, reads
// nothing but zeroes, and stays where it is.
type cursor struct {
	s   string
	i   int
	bad bool
}

func (c *cursor) uvarint() uint64 {
	if c.i < len(c.s) && c.s[c.i] < 0x80 { // nearly all
		c.i++
		return uint64(c.s[c.i-1])
	}
	var v uint64
	for shift := 0; shift < 63 && c.i < len(c.s); shift += 7 {
		b := c.s[c.i]
		c.i++
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if b == 0 { // not the shortest form
				break
			}
			return v
		}
	}
	c.fail()
	return 0
}

func (c *cursor) fail() { c.bad, c.i = true, len(c.s) }

func (c *cursor) string() string { return c.take(c.uvarint()) }

// take reads n bytes.
func (c *cursor) take(n uint64) string {
	if n > uint64(len(c.s)-c.i) {
		c.fail()
		return ""
	}
	s := c.s[c.i : c.i+int(n)]
	c.i += int(n)
	return s
}

// skip passes over n strings.
func (c *cursor) skip(n uint64) {
	for ; n > 0 && !c.bad; n-- {
		c.string()
	}
}

// started is the start in milliseconds since 1970.
func (r Record) started() int64 {
	s := r.raw[atStarted:atSeen]
	return int64(s[0])<<40 | int64(s[1])<<32 | int64(s[2])<<24 | int64(s[3])<<16 | int64(s[4])<<8 | int64(s[5])
}

// ends is the end in milliseconds since 1970, without the idle time.
func (r Record) ends() int64 { return r.started() + 1000*int64(r.end) }

// tick is in milliseconds.
func (r Record) tick() int64 { return 1000 * int64(r.end>>tickBits+1) }

// stamp gives one of the stamped times in milliseconds since 1970.
func (r Record) stamp(at int) int64 {
	s := r.raw[at : at+3]
	return r.started() + r.tick()*(int64(s[0])<<16|int64(s[1])<<8|int64(s[2]))
}

// stamped is the record with one of those times set, in milliseconds since
// 1970.
func (r Record) stamped(at int, ms int64) Record {
	b := []byte(r.raw)
	ticks := min(max((ms-r.started())/r.tick(), 0), 1<<tickBits-1)
	b[at], b[at+1], b[at+2] = byte(ticks>>16), byte(ticks>>8), byte(ticks)
	r.raw = string(b)
	return r
}

// time gives one of the times that may be absent.
func (r Record) time(which int) time.Time {
	if r.raw == "" || r.raw[atHead]>>which&1 == 0 {
		return time.Time{}
	}
	c := cursor{s: r.raw, i: int(r.atTimes)}
	for i := range which {
		if r.raw[atHead]>>i&1 != 0 {
			c.uvarint()
		}
	}
	v := c.uvarint()
	return time.Unix(r.started()/1000+(int64(v>>1)^-int64(v&1)), 0)
}
