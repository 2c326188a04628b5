package oidcrp

import (
	"context"
	"crypto"
	"encoding/json"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// ClientKey is a private key of the client: one of Key, Func or File.
type ClientKey struct {
	// ID is the key's kid. Default: its thumbprint (RFC 7638).
	ID string

	// Algorithm is what it signs with, such as "PS256", "ES256" or "EdDSA".
	// Default: the usual one of the key, such as RS256, among those the
	// provider lists. With "RSA-OAEP", "RSA-OAEP-256", "ECDH-ES",
	// "ECDH-ES+A128KW", "ECDH-ES+A192KW" or "ECDH-ES+A256KW" it decrypts
	// instead.
	Algorithm string

	// Key is an RSA (2048 bits or more), EC (P-256, P-384, P-521) or Ed25519
	// key in memory, or whatever signs with one elsewhere. What decrypts with
	// an RSA key elsewhere is a [crypto.Decrypter] too; an EC key that decrypts
	// is an [*ecdsa.PrivateKey].
	Key crypto.Signer

	// Func is asked for the key at each use, and whenever somebody fetches the
	// provider's JWK Set: it should keep what is far away.
	Func func(context.Context) (crypto.Signer, error)

	// File is read at each use, so that it can be replaced without a restart;
	// while it cannot be read, what it held serves, and the log says so.
	// It holds a private key in PEM. For a platform that signs for its
	// workloads it may instead hold the ready client assertion, if it is the
	// first of the keys.
	File string
}

// jwksPath is where a provider fetches the public halves of its client keys.
// Each has an address of its own: out of a set for all it would choose a key
// that decrypts another's tokens, and one key that fails would take the set
// away from all.
func jwksPath(name string) string { return "/jwks/" + name }

// serveJWKS answers a provider that wants a jwks_uri (RFC 7517).
func (rp *RelyingParty) serveJWKS(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	keys, err := p.PublicKeys(r.Context())
	if err != nil {
		return &Error{Provider: p.name, Err: err}
	}
	body, err := json.Marshal(map[string][]json.RawMessage{"keys": append([]json.RawMessage{}, keys...)}) // never null
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json") // what every provider reads
	h.Set("Cache-Control", "public, max-age=300")
	w.Write(body)
	return nil
}

// clientKeys are the keys in the provider room's words.
func clientKeys(keys []ClientKey) []provider.ClientKey {
	out := make([]provider.ClientKey, len(keys))
	for i, k := range keys {
		out[i] = provider.ClientKey(k)
		if k.Func != nil {
			out[i].Func = func(ctx context.Context) (key crypto.Signer, err error) {
				err = guarded("ClientKey.Func", func() error {
					key, err = k.Func(ctx)
					return err
				})
				return key, err
			}
		}
	}
	return out
}
