package validate

import (
	"encoding/base64"
	"strings"
)

const (
	maxHeader = 4096
	maxKeyID  = 1024
)

// refusedHeaders carry keys, or say where keys are: who honours them lets the
// token choose its own judge (T036). We understand no extension, so crit is
// always about one that we do not (RFC 7515 4.1.11).
var refusedHeaders = []string{"jwk", "jku", "x5u", "x5c", "crit"}

// JWS is a token in compact serialization, taken apart.
type JWS struct {
	Header    Header
	Payload   []byte // anybody's, until the signature was verified
	Signed    string // what the signature is made over: header and payload as they came
	Signature []byte
}

// Header is what a JWS header says, before anything is verified.
type Header struct {
	Algorithm, KeyID, Type string
}

// SplitJWS takes a token in compact serialization apart (RFC 7515 7.1); the
// signature is not checked here. It refuses more than maxBytes, anything but
// three non-empty parts of canonical base64url without padding, an unsigned
// token, and a header that brings keys or extensions. The type of the token is
// for the check of that type to judge.
func SplitJWS(token string, maxBytes int) (*JWS, error) {
	if len(token) > maxBytes {
		return nil, &Error{"token", "size", "larger than allowed"}
	}
	first, rest, _ := strings.Cut(token, ".")
	second, third, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(third, ".") {
		return nil, &Error{"token", "serialization", "not a JWS of three parts"}
	}
	if base64.RawURLEncoding.DecodedLen(len(first)) > maxHeader {
		return nil, &Error{"token", "size", "the header is larger than allowed"}
	}
	header, okHeader := decodePart(first)
	payload, okPayload := decodePart(second)
	signature, okSignature := decodePart(third)
	if !okHeader || !okPayload || !okSignature {
		return nil, &Error{"token", "serialization", "a part is empty or not canonical base64url"}
	}
	h, err := parseHeader(header)
	if err != nil {
		return nil, inToken("token", err)
	}
	return &JWS{Header: h, Payload: payload, Signed: token[:len(first)+1+len(second)], Signature: signature}, nil
}

var strict = base64.RawURLEncoding.Strict()

// decodePart decodes a part. The decoder alone would pass over line breaks.
func decodePart(part string) ([]byte, bool) {
	if part == "" || strings.Contains(part, "\n") || strings.Contains(part, "\r") {
		return nil, false
	}
	b, err := strict.DecodeString(part)
	return b, err == nil
}

func parseHeader(header []byte) (h Header, err error) {
	members, err := Object(header)
	if err != nil {
		return Header{}, &Error{"token", "header", "not one plain JSON object"}
	}
	for name := range members {
		if f := Fold(name); f != name && (f == "alg" || f == "kid" || f == "typ") {
			return Header{}, &Error{"token", "header", "a name differs from " + f + " by case alone"}
		}
	}
	for _, name := range refusedHeaders {
		if _, ok := members[name]; ok {
			return Header{}, &Error{"token", name, "not accepted in a header"}
		}
	}
	if h.Algorithm, _, err = members.String("alg"); err != nil {
		return Header{}, err
	}
	// RFC 8725 3.1 and 3.2; CVEs have turned on the spelling of "none".
	if h.Algorithm == "" || strings.EqualFold(h.Algorithm, "none") {
		return Header{}, &Error{"token", "alg", "the token is not signed"}
	}
	if h.KeyID, _, err = members.String("kid"); err != nil {
		return Header{}, err
	}
	if len(h.KeyID) > maxKeyID {
		return Header{}, &Error{"token", "kid", "longer than allowed"}
	}
	if h.Type, _, err = members.String("typ"); err != nil {
		return Header{}, err
	}
	return h, nil
}
