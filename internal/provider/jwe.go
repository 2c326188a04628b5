package provider

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// keyManagement are the algorithms by which a token's key may come (RFC 7518
// 4.1). RSA1_5 is not among them: it tells those who ask often enough (RFC 8725
// 3.2). Nor are those of shared secrets and passwords, whose work the sender
// chooses.
var keyManagement = []string{
	"RSA-OAEP", "RSA-OAEP-256",
	"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW",
}

var contentEncryption = []jose.ContentEncryption{
	jose.A128GCM, jose.A192GCM, jose.A256GCM,
	jose.A128CBC_HS256, jose.A192CBC_HS384, jose.A256CBC_HS512,
}

// refusedJWEHeaders carry keys or extensions, or inflate what is in the token:
// a small one can be made to fill the memory (T041).
var refusedJWEHeaders = []string{"zip", "crit", "jwk", "jku", "x5u", "x5c"}

const maxJWEHeader = 8 << 10

// decrypts reports whether the key opens tokens, rather than signs.
func (k *ClientKey) decrypts() bool { return slices.Contains(keyManagement, k.Algorithm) }

// canSign reports whether there is a key to sign with.
func (s *Settings) canSign() bool {
	signing, _ := splitKeys(s.ClientKeys)
	return len(signing) > 0
}

// splitKeys parts the keys that sign from those that decrypt.
func splitKeys(keys []ClientKey) (signing, decrypting []ClientKey) {
	for _, k := range keys {
		if k.decrypts() {
			decrypting = append(decrypting, k)
		} else {
			signing = append(signing, k)
		}
	}
	return signing, decrypting
}

// checkDecrypter holds a key against the algorithm it is meant for.
func checkDecrypter(key crypto.Signer, algorithm string) error {
	if _, err := signingAlgorithms(key.Public()); err != nil {
		return err // its size and curve
	}
	rsaWanted := strings.HasPrefix(algorithm, "RSA")
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		if !rsaWanted {
			return nil
		}
	case crypto.Decrypter:
		if _, ok := key.Public().(*rsa.PublicKey); ok && rsaWanted {
			return nil
		}
	}
	return fmt.Errorf("the key cannot decrypt %s", algorithm)
}

// errUndecryptable is one error for all that can go wrong inside, so that
// nobody learns which it was.
var errUndecryptable = &validate.Error{Token: "token", Check: "encryption", Detail: "cannot be decrypted with any of ClientKeys"}

// decryptIDToken returns the signed token within an encrypted one. Whoever
// configured a key to decrypt with agreed on encryption with the provider:
// what is not encrypted is refused then (Core 3.1.3.7 (1)).
func (p *Provider) decryptIDToken(ctx context.Context, raw string) (string, error) {
	if len(p.decryptionKeys) == 0 {
		return raw, nil // five parts are no JWS, and refused as such
	}
	if !isJWE(raw) {
		return "", refused("id token", "encryption", "is not encrypted, and ClientKeys has a key to decrypt with")
	}
	plain, err := p.decrypt(ctx, raw, maxIDToken)
	if err != nil {
		return "", inIDToken(err)
	}
	return string(plain), nil
}

func isJWE(token string) bool { return strings.Count(token, ".") == 4 }

// decrypt opens a token in JWE compact serialization (RFC 7516 7.1). What is
// inside is as unverified as the token was: anybody can encrypt to us.
func (p *Provider) decrypt(ctx context.Context, token string, maxBytes int) ([]byte, error) {
	if len(token) > maxBytes*3/2+maxJWEHeader {
		return nil, &validate.Error{Token: "token", Check: "size", Detail: "larger than allowed"}
	}
	header, err := jweHeader(token)
	if err != nil {
		return nil, err
	}
	jwe, err := jose.ParseEncryptedCompact(token, []jose.KeyAlgorithm{jose.KeyAlgorithm(header.Algorithm)}, contentEncryption)
	if err != nil {
		return nil, errUndecryptable
	}
	keys, err := p.keysFor(ctx, header)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if plain, err := jwe.Decrypt(key); err == nil {
			return plain, nil
		}
	}
	return nil, errUndecryptable
}

// jweHeader reads alg and kid, strictly: go-jose would read what it likes.
func jweHeader(token string) (h validate.Header, err error) {
	first, _, _ := strings.Cut(token, ".")
	b, err := base64.RawURLEncoding.Strict().DecodeString(first)
	if err != nil || len(b) > maxJWEHeader {
		return h, &validate.Error{Token: "token", Check: "serialization", Detail: "not a JWE of five parts"}
	}
	members, err := validate.Object(b)
	if err != nil {
		return h, &validate.Error{Token: "token", Check: "header", Detail: "not one plain JSON object"}
	}
	for _, name := range refusedJWEHeaders {
		if _, ok := members[name]; ok {
			return h, &validate.Error{Token: "token", Check: name, Detail: "not accepted in the header of an encrypted token"}
		}
	}
	alg, _, errAlg := members.String("alg")
	kid, _, errKid := members.String("kid")
	if err := errors.Join(errAlg, errKid); err != nil {
		return h, &validate.Error{Token: "token", Check: "header", Detail: "alg or kid is no string"}
	}
	if !slices.Contains(keyManagement, alg) {
		return h, &validate.Error{Token: "token", Check: "alg", Detail: "not an encryption algorithm that is accepted"}
	}
	return validate.Header{Algorithm: alg, KeyID: kid}, nil
}

// keysFor are the keys made for the header's alg: the one it names by kid, or
// all of them.
func (p *Provider) keysFor(ctx context.Context, h validate.Header) ([]any, error) {
	var named, all []any
	for _, k := range p.decryptionKeys {
		if k.Algorithm != h.Algorithm {
			continue
		}
		m, err := k.load(ctx)
		if err != nil {
			return nil, err
		}
		id := k.ID
		if id == "" {
			if id, err = thumbprint(m.signer.Public()); err != nil {
				return nil, err
			}
		}
		key := decryptionKey(m.signer)
		if all = append(all, key); id == h.KeyID {
			named = append(named, key)
		}
	}
	if len(named) > 0 {
		return named, nil
	}
	return all, nil
}

// decryptionKey is a key as go-jose takes it.
func decryptionKey(key crypto.Signer) any {
	switch key := key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey:
		return key
	case crypto.Decrypter:
		return remoteKey{key}
	}
	return nil // not reached: checkDecrypter let none else pass
}

// remoteKey is an RSA key in hardware or at a key service.
type remoteKey struct{ crypto.Decrypter }

// DecryptKey implements [jose.OpaqueKeyDecrypter].
func (k remoteKey) DecryptKey(encrypted []byte, h jose.Header) ([]byte, error) {
	hash := crypto.SHA1 // what RSA-OAEP means (RFC 7518 4.3)
	if h.Algorithm == string(jose.RSA_OAEP_256) {
		hash = crypto.SHA256
	}
	return k.Decrypt(rand.Reader, encrypted, &rsa.OAEPOptions{Hash: hash})
}
