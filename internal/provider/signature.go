package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	_ "crypto/sha256" // for digests
	_ "crypto/sha512"
	"math/big"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// digests are those the names of algorithms end in (RFC 7518 3.1).
var digests = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// digestOf is the digest that an algorithm signs; not ok for EdDSA, which signs the
// message itself, and for what is no algorithm of ours.
func digestOf(alg string) (hash crypto.Hash, ok bool) {
	if len(alg) != len("RS256") {
		return 0, false
	}
	hash, ok = digests[alg[2:]]
	return hash, ok
}

func digest(hash crypto.Hash, message []byte) []byte {
	h := hash.New()
	h.Write(message)
	return h.Sum(nil)
}

// verifies reports whether key made the token's signature (RFC 7515 5.2), by
// the algorithm of its header: an RSA, ECDSA or Ed25519 public key that fits it,
// or the bytes of a secret. The decision is Go's own crypto packages'; go-jose,
// which asks the same ones, would take the token apart a second time.
func verifies(jws *validate.JWS, key any) bool {
	alg, signed := jws.Header.Algorithm, []byte(jws.Signed)
	if alg == "EdDSA" {
		key, ok := key.(ed25519.PublicKey)
		return ok && ed25519.Verify(key, signed, jws.Signature)
	}
	hash, ok := digestOf(alg)
	if !ok {
		return false
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		switch alg[:2] {
		case "RS":
			return rsa.VerifyPKCS1v15(key, hash, digest(hash, signed), jws.Signature) == nil
		case "PS":
			return rsa.VerifyPSS(key, hash, digest(hash, signed), jws.Signature, nil) == nil
		}
	case *ecdsa.PublicKey:
		return key.Curve == curves[alg] && verifiesECDSA(key, digest(hash, signed), jws.Signature)
	case []byte:
		if alg[:2] != "HS" {
			return false
		}
		mac := hmac.New(hash.New, key)
		mac.Write(signed)
		return hmac.Equal(mac.Sum(nil), jws.Signature)
	}
	return false
}

// verifiesECDSA verifies the two numbers of a signature, each as long as the
// curve's order (RFC 7518 3.4).
func verifiesECDSA(key *ecdsa.PublicKey, digest, signature []byte) bool {
	size := numberSize(key)
	if len(signature) != 2*size {
		return false
	}
	r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
	return ecdsa.Verify(key, digest, r, s)
}

// numberSize is how long each of the two is, in bytes.
func numberSize(key *ecdsa.PublicKey) int { return (key.Curve.Params().BitSize + 7) / 8 }
