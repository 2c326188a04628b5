package session

import (
	"encoding/binary"
	"iter"
	"strings"
)

// Claims are most of a record, and every byte of it travels with every
// request. So the usual names are a byte each, and the quotes of JSON strings
// delimit them: between two strings stands one quote, the end of the one and
// the beginning of the other. Any other value has a mark, which occurs in no
// JSON string, and its length.

// known are the names that are stored as their index. It is part of the
// record's form: append only.
var known = [...]string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username",
	"profile", "picture", "website", "email", "email_verified", "gender", "birthdate",
	"zoneinfo", "locale", "phone_number", "phone_number_verified", "address", "updated_at", // Core 5.1
	"roles", "groups", "entitlements", // RFC 9068 2.2.3.1
	"tid", "oid", "upn", "unique_name", "idp", "hd", "username", "org_id", "org_name", "organization",
	"tenant", "tenant_id", "department", "company", "title", "employee_number", "employee_id", "cost_center",
	"country", "amr", "acr", "auth_time", "sid", "scope", "client_id", "azp",
	"/realm_access/roles", "/address/country",
}

// otherValue marks a claim's value that is no JSON string.
const otherValue = 0x01

// appendName stores a name as twice its length and the name, or as an odd
// number that stands for a known one.
func appendName(b []byte, name string) []byte {
	for i, k := range known {
		if k == name {
			return append(b, byte(i<<1|1))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(name))<<1)
	return append(b, name...)
}

// name reads what appendName wrote.
func (c *cursor) name() string {
	n := c.uvarint()
	if n&1 == 0 {
		return c.take(n >> 1)
	}
	if n >>= 1; n < uint64(len(known)) {
		return known[n]
	}
	c.fail()
	return ""
}

// appendValues stores the values of claims.
func appendValues(b []byte, claims []Claim) []byte {
	chained := false
	for _, c := range claims {
		value := string(c.Value)
		if !isString(value) {
			b = appendString(append(b, otherValue), value)
			chained = false
			continue
		}
		if chained {
			value = value[1:]
		}
		b = append(b, value...)
		chained = true
	}
	return b
}

// isString reports whether value is one JSON string, as far as finding its end
// goes.
func isString(value string) bool {
	if len(value) < 2 || value[0] != '"' || stringEnd(value[1:]) != len(value)-2 {
		return false
	}
	for i := range len(value) {
		if value[i] < ' ' {
			return false
		}
	}
	return true
}

// stringEnd is the index of the quote that ends the JSON string that s begins
// within, or negative.
func stringEnd(s string) int {
	for from := 0; ; {
		n := strings.IndexByte(s[from:], '"')
		if n < 0 {
			return -1
		}
		end := from + n
		slash := end
		for slash > 0 && s[slash-1] == '\\' {
			slash--
		}
		if (end-slash)%2 == 0 {
			return end
		}
		from = end + 1
	}
}

// values reads what appendValues wrote.
type values struct {
	cursor
	chained bool
}

func (v *values) next() string {
	if v.i >= len(v.s) {
		v.fail()
		return ""
	}
	if v.s[v.i] == otherValue {
		v.i++
		v.chained = false
		return v.string()
	}
	start := v.i
	if v.chained {
		start--
	} else if v.s[start] != '"' {
		v.fail()
		return ""
	}
	n := stringEnd(v.s[start+1:])
	if n < 0 {
		v.fail()
		return ""
	}
	v.i = start + 1 + n + 1
	v.chained = true
	return v.s[start:v.i]
}

// claims puts a cursor on the names and one on the values.
func (r Record) claims() (n uint64, names cursor, vals values) {
	names = r.part(partClaims)
	n = names.uvarint()
	return n, names, values{cursor: r.part(partClaimValues)}
}

// Claim returns the JSON of one kept claim.
func (r Record) Claim(name string) (json string, ok bool) {
	n, names, vals := r.claims()
	for ; n > 0; n-- {
		found := names.name() == name
		value := vals.next()
		if found {
			return value, true
		}
	}
	return "", false
}

// Claims yields all kept claims and their JSON.
func (r Record) Claims() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		n, names, vals := r.claims()
		for ; n > 0; n-- {
			if !yield(names.name(), vals.next()) {
				return
			}
		}
	}
}
