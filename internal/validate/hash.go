package validate

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
)

// HashMatches tells whether hash is that of value, as at_hash and c_hash are
// (Core 3.1.3.6, 3.3.2.11): the left half of the digest that belongs to the
// token's own alg, in base64url. The error says that alg has no such digest.
func HashMatches(alg, value, hash string) (bool, error) {
	var half []byte
	switch alg {
	case "RS256", "PS256", "ES256", "HS256":
		sum := sha256.Sum256([]byte(value))
		half = sum[:16]
	case "RS384", "PS384", "ES384", "HS384":
		sum := sha512.Sum384([]byte(value))
		half = sum[:24]
	case "RS512", "PS512", "ES512", "HS512":
		sum := sha512.Sum512([]byte(value))
		half = sum[:32]
	// EdDSA names no digest. With Ed25519 providers use the one inside it,
	// SHA-512, or like Glewlwyd SHA-256, and the length tells. Either is strong
	// enough, and the provider signs for its choice.
	case "EdDSA":
		sum := sha512.Sum512([]byte(value))
		half = sum[:32]
		if len(hash) == base64.RawURLEncoding.EncodedLen(16) {
			sum := sha256.Sum256([]byte(value))
			half = sum[:16]
		}
	default:
		return false, &Error{"token", "alg", "has no digest known here"}
	}
	want := base64.RawURLEncoding.EncodeToString(half)
	return subtle.ConstantTimeCompare([]byte(want), []byte(hash)) == 1, nil
}
