package cookie_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/proptest"
)

func randomBytes(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// mutated is another value than this one.
func mutated(r *rand.Rand, value string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n\x00\xff"
	for {
		b := []byte(value)
		for range 1 + r.IntN(3) {
			at := r.IntN(len(b) + 1)
			switch r.IntN(5) {
			case 0:
				b = slices.Insert(b, at, alphabet[r.IntN(len(alphabet))])
			case 1:
				b = b[:at]
			case 2:
				b = append(slices.Clone(b[at:]), b[:at]...)
			case 3:
				if at < len(b) {
					b = slices.Delete(b, at, at+1)
				}
			default:
				if at < len(b) {
					b[at] = alphabet[r.IntN(len(alphabet))]
				}
			}
		}
		if string(b) != value {
			return string(b)
		}
	}
}

// What was sealed opens as it was, by the same purpose, site and data alone; what
// was changed does not open.
func TestPropertySealedAndOpened(t *testing.T) {
	r := proptest.New(t)
	keys := newKeys(t, 1, 2)
	boxes := []*cookie.Box{keys.Box("session", "a"), keys.Box("session", "b"), keys.Box("state", "a"), newKeys(t, 3).Box("session", "a"), keys.BoxFor("session", "a", []byte("secret"))}
	for range 3000 {
		i := r.IntN(len(boxes))
		plain, data := randomBytes(r, 600), randomBytes(r, 40)
		value, _, err := boxes[i].Seal(plain, data, now)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := boxes[i].Open(nil, value, data); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%x became %x, %v", plain, got, err)
		}
		if bad := mutated(r, value); opens(boxes[i], bad, data) {
			t.Fatalf("%q, made of %q, opens", bad, value)
		}
		if other := append(slices.Clone(data), byte(r.Uint32())); opens(boxes[i], value, other) {
			t.Fatalf("%q opens with %x, sealed with %x", value, other, data)
		}
		if j := r.IntN(len(boxes)); j != i && opens(boxes[j], value, data) {
			t.Fatalf("box %d opens what box %d sealed", j, i)
		}
	}
}

func opens(b *cookie.Box, value string, data []byte) bool {
	plain, s, err := b.Open(nil, value, data)
	return err != cookie.ErrSealed || plain != nil || s != (cookie.Seal{})
}
