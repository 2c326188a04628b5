package cookie_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

func TestOpenForOpensWhatBoxForSealed(t *testing.T) {
	key := func(seed byte) []byte {
		b := make([]byte, 32)
		for i := range b {
			b[i] = seed + byte(i*i*7)
		}
		return b
	}
	old, err := cookie.NewKeys([][]byte{key(1)})
	if err != nil {
		t.Fatal(err)
	}
	rotated, err := cookie.NewKeys([][]byte{key(2), key(1)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := cookie.NewKeys([][]byte{key(3)})
	if err != nil {
		t.Fatal(err)
	}
	secret := []byte("0123456789abcdef0123456789abcdef")
	sealed, _, err := old.BoxFor("record", "site", secret).SealBytes(nil, []byte("plain"), nil, time.Unix(1.8e9, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name          string
		keys          *cookie.Keys
		purpose, site string
		secret        []byte
		opens         bool
	}{
		{"the same", old, "record", "site", secret, true},
		{"after rotation", rotated, "record", "site", secret, true},
		{"other server key", other, "record", "site", secret, false},
		{"other purpose", old, "cookie", "site", secret, false},
		{"other site", old, "record", "elsewhere", secret, false},
		{"other secret", old, "record", "site", secret[1:], false},
		{"no secret", old, "record", "site", nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, err := tt.keys.OpenFor(nil, tt.purpose, tt.site, tt.secret, sealed)
			if tt.opens && (err != nil || !bytes.Equal(plain, []byte("plain"))) {
				t.Errorf("got %q, %v", plain, err)
			}
			if !tt.opens && !errors.Is(err, cookie.ErrSealed) {
				t.Errorf("got %v, want ErrSealed", err)
			}
		})
	}
}
