package validate

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

const (
	maxDepth = 32
	// maxNames bounds the members of all objects of one text together: a real
	// token has a few dozen (T040).
	maxNames = 4096
	// fewNames is where looking for duplicates one by one stops being cheap.
	fewNames = 16
)

// protocolNames are the claims on which something is decided. A name that
// differs from one of them by case alone is refused: encoding/json, and other
// readers of the same token, would take it for the claim (B5, B6).
var protocolNames = map[string]bool{
	"iss": true, "sub": true, "aud": true, "exp": true, "nbf": true, "iat": true, "jti": true,
	"auth_time": true, "nonce": true, "acr": true, "amr": true, "azp": true,
	"at_hash": true, "c_hash": true, "s_hash": true, "sid": true, "events": true,
	"session_expiry": true, "email": true, "email_verified": true,
	"phone_number": true, "phone_number_verified": true,
}

// Object reads b as one JSON object that every reader understands alike: valid
// UTF-8 without byte order mark, lone surrogates or trailing bytes; no two
// members of one name at any level; at the top level no two names that differ
// by case alone, and none that differs by case alone from a protocol claim; at
// most 32 levels and 4096 members. What it accepts, encoding/json accepts and
// reads in the same way.
//
// The values share b's memory. The caller bounds b's size.
func Object(b []byte) (Claims, error) {
	s := scanner{b: b}
	s.space()
	if s.peek() != '{' {
		return nil, invalidJSON("not an object")
	}
	// A comma stands between two members, and elsewhere seldom; more than some are
	// not believed.
	claims := make(Claims, min(bytes.Count(b, []byte(","))+1, 64))
	if detail := s.object(1, claims); detail != "" {
		return nil, invalidJSON(detail)
	}
	s.space()
	if s.i != len(b) {
		return nil, invalidJSON("something follows the object")
	}
	if detail := twins(claims); detail != "" {
		return nil, invalidJSON(detail)
	}
	return claims, nil
}

func invalidJSON(detail string) error {
	return &Error{Token: "json", Check: "json", Detail: detail}
}

// twins reports names of the top level that differ by case alone.
func twins(claims Claims) string {
	// Names that fold to themselves are no twins: they differ already.
	plain := true
	for name := range claims {
		plain = plain && Fold(name) == name
	}
	if plain {
		return ""
	}
	folded := make(map[string]struct{}, len(claims))
	for name := range claims {
		f := Fold(name)
		if f != name && protocolNames[f] {
			return "a name differs from the claim " + f + " by case alone"
		}
		if _, ok := folded[f]; ok {
			return "two names differ by case alone"
		}
		folded[f] = struct{}{}
	}
	return ""
}

// Fold maps names that are equal under Unicode simple case folding to one
// string, lower case where that is ASCII: U+017F (long s) becomes s, the Kelvin
// sign k.
func Fold(name string) string {
	plain := true
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			plain = false
			break
		}
	}
	if plain {
		return name
	}
	out := make([]rune, 0, len(name))
	for _, r := range name {
		out = append(out, foldRune(r))
	}
	return string(out)
}

func foldRune(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	if 'A' <= least && least <= 'Z' {
		least += 'a' - 'A'
	}
	return least
}
