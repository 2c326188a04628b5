package provider

import (
	"context"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// KeySet lets tests drive a keySet by itself.
type KeySet struct{ k *keySet }

func NewKeySet(fetch func(context.Context) ([]byte, error), now func() time.Time) KeySet {
	return KeySet{newKeySet(fetch, now)}
}

func (s KeySet) Verify(ctx context.Context, token string, algs []jose.SignatureAlgorithm, stranger bool) ([]byte, error) {
	payload, _, err := s.k.verify(ctx, token, algs, stranger)
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
