package provider

import (
	"context"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// KeySet lets tests drive a keySet by itself.
type KeySet struct{ k *keySet }

func NewKeySet(fetch func(context.Context) ([]byte, error), now func() time.Time) KeySet {
	return KeySet{newKeySet(fetch, now)}
}

func (s KeySet) Verify(ctx context.Context, token string, algs []jose.SignatureAlgorithm, stranger bool) ([]byte, error) {
	jws, err := validate.SplitJWS(token, maxIDToken)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(algs))
	for i, alg := range algs {
		names[i] = string(alg)
	}
	payload, _, err := s.k.verify(ctx, jws, names, stranger)
	return payload, err
}

func (s KeySet) Load(ctx context.Context) error { return s.k.load(ctx) }
func (s KeySet) Wait(ctx context.Context)       { s.k.wait(ctx) }
func (s KeySet) Count() int                     { return s.k.count() }

// ParseKeys returns the keys kept of a document.
func ParseKeys(b []byte) ([]any, error) {
	set, err := parseKeys(b)
	if err != nil {
		return nil, err
	}
	keys := make([]any, len(set.keys))
	for i, k := range set.keys {
		keys[i] = k.key
	}
	return keys, nil
}

// Verifies reports whether key made the token's signature.
func Verifies(token string, key any) (bool, error) {
	jws, err := validate.SplitJWS(token, maxIDToken)
	if err != nil {
		return false, err
	}
	return verifies(jws, key), nil
}
