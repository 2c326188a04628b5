package provider

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// ClientKey is a private key of the client: one of Key, Func or File.
type ClientKey struct {
	ID        string
	Algorithm string
	Key       crypto.Signer
	Func      func(context.Context) (crypto.Signer, error)
	File      string // PEM, or a ready assertion
}

// maxKeyFile bounds what is read of a file.
const maxKeyFile = 64 << 10

// clientKey is a [ClientKey] in use.
type clientKey struct {
	ClientKey
	lost func(context.Context, error) // told that File cannot be read, and what it held serves

	mu    sync.Mutex // guards what File held when it was last read
	bytes []byte
	held  material
}

// material is what a key's source gives: a key, or a ready assertion.
type material struct {
	signer    crypto.Signer
	assertion string
}

func (p *Provider) newClientKeys(keys []ClientKey) []*clientKey {
	out := make([]*clientKey, len(keys))
	for i, key := range keys {
		out[i] = &clientKey{ClientKey: key, lost: func(ctx context.Context, err error) {
			p.logger.WarnContext(ctx, "client key not read: the last good one serves", "provider", p.s.Name, "err", err)
		}}
	}
	return out
}

// load asks the key's source at each use, so that keys can be rotated without
// a restart.
func (k *clientKey) load(ctx context.Context) (material, error) {
	var m material
	var err error
	switch {
	case k.Key != nil:
		return material{signer: k.Key}, nil // checked by New
	case k.Func != nil:
		m.signer, err = k.Func(ctx)
	default:
		m, err = k.fromFile(ctx)
	}
	if err != nil {
		return material{}, &Unavailable{What: "client key", Err: err}
	}
	if m.assertion != "" && !k.decrypts() {
		return m, nil
	}
	if err := checkKey(m.signer, k.Algorithm); err != nil {
		return material{}, fmt.Errorf("client key: %w: %w", ErrMisconfigured, err)
	}
	return m, nil
}

// fromFile is what the file holds or, should it be missing or half-written by
// now, what it held.
func (k *clientKey) fromFile(ctx context.Context) (material, error) {
	m, err := k.readFile()
	if err == nil {
		return m, nil
	}
	k.mu.Lock()
	known, held := k.bytes != nil, k.held
	k.mu.Unlock()
	if !known {
		return material{}, err
	}
	k.lost(ctx, err)
	return held, nil
}

// readFile reads the file whenever it is needed and parses it when it changed.
// Time stamps decide nothing: files that a platform renews are often swapped
// by links.
func (k *clientKey) readFile() (material, error) {
	f, err := os.Open(k.File)
	if err != nil {
		return material{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return material{}, err
	}
	if len(b) > maxKeyFile {
		return material{}, fmt.Errorf("%s is larger than %d bytes", k.File, maxKeyFile)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes != nil && bytes.Equal(b, k.bytes) {
		return k.held, nil
	}
	m, err := parseKeyFile(b)
	if err != nil {
		return material{}, fmt.Errorf("%s: %w", k.File, err)
	}
	k.bytes, k.held = b, m
	return m, nil
}

// parseKeyFile takes the first private key of a PEM file, or a JWT that
// another party signed for us, as platforms hand out to their workloads.
func parseKeyFile(b []byte) (material, error) {
	if text := strings.TrimSpace(string(b)); isJWT(text) {
		return material{assertion: text}, nil
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return material{}, errors.New("holds neither a private key in PEM nor a JWT")
		}
		key, err := parsePEM(block)
		if err != nil {
			return material{}, err
		}
		if key != nil {
			return material{signer: key}, nil
		}
	}
}

// parsePEM returns nil for a block that is no key. The parsers' errors may
// quote what they saw, ours do not.
func parsePEM(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("the private key is encrypted: store it decrypted, or use Func")
	default:
		return nil, nil
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("the private key cannot be parsed")
	}
	return signer, nil
}

func isJWT(s string) bool {
	_, err := validate.SplitJWS(s, maxKeyFile)
	return err == nil
}

// signingAlgorithms are those a key can sign with, the usual one first.
func signingAlgorithms(public crypto.PublicKey) ([]string, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		// RFC 7518 3.3.
		if key.N.BitLen() < 2048 {
			return nil, errors.New("the RSA key has less than 2048 bits")
		}
		return []string{"RS256", "PS256", "RS384", "PS384", "RS512", "PS512"}, nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256():
			return []string{"ES256"}, nil
		case elliptic.P384():
			return []string{"ES384"}, nil
		case elliptic.P521():
			return []string{"ES512"}, nil
		}
		return nil, errors.New("the key's curve is not P-256, P-384 or P-521")
	case ed25519.PublicKey:
		return []string{"EdDSA"}, nil
	}
	return nil, errors.New("the key is no RSA, EC or Ed25519 key")
}

// checkKey holds a key against the algorithm it is meant for.
func checkKey(key crypto.Signer, algorithm string) error {
	if key == nil {
		return errors.New("there is no key")
	}
	if slices.Contains(keyManagement, algorithm) {
		return checkDecrypter(key, algorithm)
	}
	algorithms, err := signingAlgorithms(key.Public())
	if err != nil {
		return err
	}
	if algorithm != "" && !slices.Contains(algorithms, algorithm) {
		return fmt.Errorf("the key cannot sign with %s, but with %s", algorithm, strings.Join(algorithms, ", "))
	}
	return nil
}

// signingKey is the first of the keys that fits the provider.
func (p *Provider) signingKey(ctx context.Context, supported []string) (*signingKey, error) {
	supported = p.s.signable(supported)
	for _, k := range p.clientKeys {
		m, err := k.load(ctx)
		if err != nil {
			return nil, err
		}
		if m.signer == nil {
			continue
		}
		key, ok, err := newSigningKey(m.signer, k.ID, k.Algorithm, supported)
		if err != nil || ok {
			return key, err
		}
	}
	return nil, fmt.Errorf("%w: none of ClientKeys can sign as is wanted here: with one of %s", ErrMisconfigured, strings.Join(supported, ", "))
}

// PublicKeys returns the public halves of ClientKeys, and a self-signed
// certificate's, for the client's JWK Set (RFC 7517). Should one of them not
// be had there is an error and no set: a provider keeps the last good one, as
// we do.
func (p *Provider) PublicKeys(ctx context.Context) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for _, k := range slices.Concat(p.clientKeys, p.decryptionKeys) {
		m, err := k.load(ctx)
		if err != nil {
			return nil, err
		}
		if m.signer == nil {
			continue
		}
		key, _, err := newSigningKey(m.signer, k.ID, k.Algorithm, nil)
		if err != nil {
			return nil, err
		}
		public := key.Public()
		public.Use, public.Algorithm = "sig", k.Algorithm
		if k.decrypts() {
			public.Use = "enc"
		}
		b, err := public.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	key, err := p.certificateKey()
	if key != nil {
		out = append(out, key)
	}
	return out, err
}

// checkClientKeys reports what can be seen without asking a source.
func (s *Settings) checkClientKeys(m *mistakes) {
	for i, k := range s.ClientKeys {
		sources := 0
		for _, given := range []bool{k.Key != nil, k.Func != nil, k.File != ""} {
			if given {
				sources++
			}
		}
		switch {
		case sources != 1:
			m.add("ClientKeys[%d]: give one of Key, Func and File", i)
		case k.Algorithm != "" && !slices.Contains(asymmetric, k.Algorithm) && !k.decrypts():
			m.add("ClientKeys[%d].Algorithm: %q is not supported: use %s, or to decrypt %s", i, k.Algorithm, strings.Join(asymmetric, ", "), strings.Join(keyManagement, ", "))
		case k.Key != nil:
			if err := checkKey(k.Key, k.Algorithm); err != nil {
				m.add("ClientKeys[%d].Key: %w", i, err)
			}
		// Whoever typed the settings in would learn what our files hold.
		case k.File != "" && s.TenantSupplied:
			m.add("ClientKeys[%d].File: not for a TenantSupplied provider; use Key or Func", i)
		}
		if hasControl(k.ID) {
			m.add("ClientKeys[%d].ID has control characters: check how it was copied", i)
		}
	}
}
