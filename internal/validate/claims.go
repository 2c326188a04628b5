package validate

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Claims are the members of one JSON object, each value still as it was
// written. Names are exact.
//
// The accessors tell an absent claim from one of the wrong type. A null reads
// as absent: Core 5.3.2 asks providers to leave such claims out, and some do
// not.
type Claims map[string]json.RawMessage

// String returns a claim that must be a string.
func (c Claims) String(name string) (v string, present bool, err error) {
	raw, ok := c.value(name)
	if !ok {
		return "", false, nil
	}
	if v, ok = unquote(raw); !ok {
		return "", true, wrongType(name, "not a string")
	}
	return v, true, nil
}

// Bool returns a claim that must be true or false: the string "true" and the
// number 1 are neither (T077).
func (c Claims) Bool(name string) (v, present bool, err error) {
	raw, ok := c.value(name)
	if !ok {
		return false, false, nil
	}
	switch string(raw) {
	case "true":
		return true, true, nil
	case "false":
		return false, true, nil
	}
	return false, true, wrongType(name, "not a boolean")
}

// Time returns a claim that must be a NumericDate (RFC 7519 2): a number of
// seconds since 1970, perhaps with a fraction, up to the year 9999.
func (c Claims) Time(name string) (v time.Time, present bool, err error) {
	raw, ok := c.value(name)
	if !ok {
		return time.Time{}, false, nil
	}
	if v, ok = numericDate(raw); !ok {
		return time.Time{}, true, wrongType(name, "not a time in seconds since 1970")
	}
	return v, true, nil
}

// Strings returns a claim that must be a string or an array of strings, as aud
// is (RFC 7519 4.1.3).
func (c Claims) Strings(name string) (v []string, present bool, err error) {
	raw, ok := c.value(name)
	if !ok {
		return nil, false, nil
	}
	switch raw[0] {
	case '"':
		one, _, err := c.String(name)
		if err != nil {
			return nil, true, err
		}
		return []string{one}, true, nil
	case '[':
		var all []*string
		if json.Unmarshal(raw, &all) != nil {
			break
		}
		v = make([]string, len(all))
		for i, s := range all {
			if s == nil {
				return nil, true, wrongType(name, "not a string or an array of strings")
			}
			v[i] = *s
		}
		return v, true, nil
	}
	return nil, true, wrongType(name, "not a string or an array of strings")
}

// Lookup returns a claim's value as it was written, null included. What begins
// with "/" is a JSON Pointer (RFC 6901), such as /realm_access/roles; anything
// else is the exact name of a claim, so that names which are URLs stay whole.
func (c Claims) Lookup(nameOrPointer string) (json.RawMessage, bool) {
	rest, pointer := strings.CutPrefix(nameOrPointer, "/")
	if !pointer {
		raw, ok := c[nameOrPointer]
		return raw, ok
	}
	token, rest, more := strings.Cut(rest, "/")
	raw, ok := c[UnescapePointer(token)]
	for ok && more {
		token, rest, more = strings.Cut(rest, "/")
		raw, ok = member(raw, UnescapePointer(token))
	}
	return raw, ok
}

// UnescapePointer is a reference token of a JSON Pointer as the name it stands
// for (RFC 6901 4).
func UnescapePointer(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// member steps into an object or an array.
func member(raw json.RawMessage, token string) (json.RawMessage, bool) {
	if len(raw) == 0 {
		return nil, false
	}
	switch raw[0] {
	case '{':
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		v, ok := object[token]
		return v, ok
	case '[':
		var array []json.RawMessage
		i, _ := strconv.Atoi(token)
		// RFC 6901 4: a number, with no sign and no leading zeros.
		if strconv.Itoa(i) != token || json.Unmarshal(raw, &array) != nil || i < 0 || i >= len(array) {
			return nil, false
		}
		return array[i], true
	}
	return nil, false
}

// value is a claim that is there and not null, without surrounding space.
func (c Claims) value(name string) (json.RawMessage, bool) {
	raw := bytes.TrimSpace(c[name])
	return raw, len(raw) > 0 && string(raw) != "null"
}

func wrongType(name, detail string) error {
	return &Error{Token: "json", Check: name, Detail: detail}
}

// unquote reads a JSON string.
func unquote(raw json.RawMessage) (string, bool) {
	if plain, ok := plainString(raw); ok {
		return plain, true
	}
	var v string
	err := json.Unmarshal(raw, &v)
	return v, err == nil
}

// plainString returns a string that has neither escapes nor bytes that
// encoding/json would replace.
func plainString(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' || raw[len(raw)-1] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c < ' ' || c >= 0x7f || c == '\\' || c == '"' {
			return "", false
		}
	}
	return string(inner), true
}

// lastSecond is the last of the year 9999: beyond it times no longer marshal,
// and arithmetic with them can overflow.
const lastSecond = 253402300799

func numericDate(raw json.RawMessage) (time.Time, bool) {
	// A sign, a string or an object is refused here; a number in exponent
	// notation is not: some serializers write 1.7e9.
	if raw[0] < '0' || raw[0] > '9' || len(raw) > 40 {
		return time.Time{}, false
	}
	text := string(raw)
	if seconds, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(seconds, 0), seconds <= lastSecond
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f > lastSecond {
		return time.Time{}, false
	}
	whole, fraction := math.Modf(f)
	return time.Unix(int64(whole), int64(fraction*1e9)), true
}
