package provider

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// publicKeys is one fetched document; it is never changed.
type publicKeys struct {
	keys    []publicKey
	number  int // of the fetch
	fetched time.Time
}

type publicKey struct {
	id, alg string   // "" if not stated
	issuers []string // that it signs for; nil if not stated
	key     any      // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey
}

// verify tries the keys of the token's kid, all of them should there be
// several. For a kid that is not in the set it tries the keys that have none,
// and for a token without one every key. key is nil where none verifies; known
// tells that the kid is in the set.
func (s *publicKeys) verify(jws *validate.JWS) (key *publicKey, known bool) {
	id := jws.Header.KeyID
	if id == "" {
		return s.try(jws, func(*publicKey) bool { return true }), false
	}
	if slices.ContainsFunc(s.keys, func(k publicKey) bool { return k.id == id }) {
		return s.try(jws, func(k *publicKey) bool { return k.id == id }), true
	}
	return s.try(jws, func(k *publicKey) bool { return k.id == "" }), false
}

// try tries a bounded number of those keys that fit the token's alg.
func (s *publicKeys) try(jws *validate.JWS, among func(*publicKey) bool) *publicKey {
	tried := 0
	for i := range s.keys {
		k := &s.keys[i]
		if !among(k) || !k.fits(jws.Header.Algorithm) {
			continue
		}
		if tried++; tried > maxKeysTried {
			break
		}
		if verifies(jws, k.key) {
			return k
		}
	}
	return nil
}

// fits tells whether the key may be used with alg: its own alg, if stated, and
// the type and curve that alg means (RFC 7518 3.1, RFC 8037 3.1).
func (k *publicKey) fits(alg string) bool {
	if k.alg != "" && k.alg != alg {
		return false
	}
	switch key := k.key.(type) {
	case *rsa.PublicKey:
		return slices.Contains(rsaAlgorithms, alg)
	case *ecdsa.PublicKey:
		return curves[alg] != nil && curves[alg] == key.Curve
	case ed25519.PublicKey:
		return alg == "EdDSA"
	}
	return false
}

// curves are those of the algorithms by ECDSA (RFC 7518 3.4).
var curves = map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()}

var rsaAlgorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

// parseKeys reads a JWK Set (RFC 7517 5). Keys that are malformed, unsupported,
// too weak, secret, or not for signatures are skipped; a document without any
// other is an error.
func parseKeys(b []byte) (*publicKeys, error) {
	raws, err := keyArray(b)
	if err != nil {
		return nil, err
	}
	set := new(publicKeys)
	for _, raw := range raws[:min(len(raws), maxKeysExamined)] {
		if key, ok := parseKey(raw); ok && !set.merge(key) {
			set.keys = append(set.keys, key)
		}
		if len(set.keys) == maxKeys {
			break
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("none of its %d keys can be used", len(raws))
	}
	return set, nil
}

// keyArray returns the keys of a JWK Set. It looks no deeper: a key that is
// malformed must not cost us the others.
func keyArray(b []byte) (keys []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	found := false
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return nil, errors.New("not a JSON object")
		}
		if name != "keys" {
			continue
		}
		if found { // encoding/json would take the last
			return nil, errors.New("has two arrays of keys")
		}
		if json.Unmarshal(value, &keys) != nil {
			return nil, errors.New("has no array of keys")
		}
		found = true
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, errors.New("not a JSON object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return keys, nil
}

// merge adds the issuers of a key that is in the set already: some providers
// publish one key once for each issuer.
func (s *publicKeys) merge(key publicKey) bool {
	for i := range s.keys {
		k := &s.keys[i]
		if k.issuers == nil && key.issuers == nil || k.id == "" || k.id != key.id || k.alg != key.alg || !equalKeys(k.key, key.key) {
			continue
		}
		if k.issuers == nil || key.issuers == nil {
			k.issuers = nil
		} else {
			k.issuers = append(k.issuers, key.issuers...)
		}
		return true
	}
	return false
}

func equalKeys(a, b any) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

func parseKey(raw json.RawMessage) (publicKey, bool) {
	members, err := validate.Object(raw)
	if err != nil {
		return publicKey{}, false
	}
	id, _, errID := members.String("kid")
	alg, _, errAlg := members.String("alg")
	use, _, errUse := members.String("use")
	ops, hasOps, errOps := members.Strings("key_ops")
	issuer, stated, errIssuer := members.String("issuer")
	if errors.Join(errID, errAlg, errUse, errOps, errIssuer) != nil || len(id) > maxKeyID {
		return publicKey{}, false
	}
	if use != "" && use != "sig" || hasOps && !slices.Contains(ops, "verify") {
		return publicKey{}, false
	}
	key, ok := keyMaterial(members)
	if !ok {
		return publicKey{}, false
	}
	k := publicKey{id: id, alg: alg, key: key}
	if stated {
		k.issuers = []string{issuer}
	}
	return k, alg == "" || k.fits(alg)
}

// keyMembers are all that go-jose gets to see of a key. Certificates prove
// nothing here (the document came from jwks_uri), and a broken one would cost
// us the key.
var keyMembers = []string{"kty", "n", "e", "crv", "x", "y"}

func keyMaterial(members validate.Claims) (any, bool) {
	// d makes a key private, k symmetric: published, it is nobody's alone.
	for _, secret := range []string{"d", "k"} {
		if _, ok := members[secret]; ok {
			return nil, false
		}
	}
	public := make(map[string]json.RawMessage, len(keyMembers))
	for _, name := range keyMembers {
		if v, ok := members[name]; ok {
			public[name] = v
		}
	}
	b, err := json.Marshal(public)
	if err != nil {
		return nil, false
	}
	var jwk jose.JSONWebKey
	if jwk.UnmarshalJSON(b) != nil || !jwk.Valid() || !jwk.IsPublic() {
		return nil, false
	}
	switch key := jwk.Key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if bits < minRSABits || bits > maxRSABits || key.E < 3 || key.N.Bit(0) == 0 {
			return nil, false
		}
	case ed25519.PublicKey:
		// go-jose fills up an x that is too short, and cuts one that is too long.
		x, _, err := members.String("x")
		if err != nil || x != base64.RawURLEncoding.EncodeToString(key) {
			return nil, false
		}
	}
	return jwk.Key, true
}
