package cookie_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// key returns a key that is random to the eye and the same in every run.
func key(n int) []byte {
	sum := sha256.Sum256([]byte(fmt.Sprint("key of the tests ", n)))
	return sum[:]
}

func newKeys(t testing.TB, numbers ...int) *cookie.Keys {
	t.Helper()
	var keys [][]byte
	for _, n := range numbers {
		keys = append(keys, key(n))
	}
	k, err := cookie.NewKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewKeysRefuses(t *testing.T) {
	counting := make([]byte, 32)
	for i := range counting {
		counting[i] = byte(7 * i)
	}
	few := bytes.Repeat([]byte("0110100110010110"), 2)
	few[31] = '7'
	for _, tt := range []struct {
		name string
		keys [][]byte
		want string
	}{
		{"no key", nil, "there is none"},
		{"a nil key", [][]byte{nil}, "has 0 bytes"},
		{"31 bytes", [][]byte{key(1)[:31]}, "has 31 bytes, fewer than 32"},
		{"all zero", [][]byte{make([]byte, 32)}, "repeats 1 different bytes"},
		{"one byte throughout", [][]byte{bytes.Repeat([]byte{0xa7}, 64)}, "repeats 1 different bytes"},
		{"hardly any different bytes", [][]byte{few}, "repeats 3 different bytes"},
		{"sixteen bytes twice", [][]byte{bytes.Repeat(key(1)[:16], 2)}, "repeats a shorter text"},
		{"eleven bytes three times", [][]byte{bytes.Repeat(key(1)[:11], 3)}, "repeats a shorter text"},
		{"a counting sample", [][]byte{counting}, "counts"},
		{"a passphrase with spaces", [][]byte{[]byte("Correct Horse Battery Staple 2026!")}, "passphrase"},
		{"lower-case words", [][]byte{[]byte("correct-horse-battery-staple-again")}, "passphrase"},
		{"a sample that says so", [][]byte{[]byte("My-SECRET-key-of-32-bytes-or-more!")}, "passphrase"},
		{"another sample", [][]byte{[]byte("0123456789-CHANGEME-abcdefghijklmn")}, "passphrase"},
		{"a key twice", [][]byte{key(1), key(2), key(1)}, "key 3 of 3 is the same as key 1"},
		{"two keys of one short id", [][]byte{unhex(t, collisionA), unhex(t, collisionB)}, "same short id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, err := cookie.NewKeys(tt.keys)
			if err == nil || k != nil {
				t.Fatalf("accepted, want an error with %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

func TestNewKeysTakesWhatEncodersWrite(t *testing.T) {
	for i := range 200 {
		raw := key(i)
		for _, k := range [][]byte{raw, []byte(hex.EncodeToString(raw)), []byte(hex.EncodeToString(raw[:16]))} {
			if _, err := cookie.NewKeys([][]byte{k}); err != nil {
				t.Fatalf("%q: %v", k, err)
			}
		}
	}
}

func TestNewKeysReportsEveryProblem(t *testing.T) {
	short := []byte("short and not to be printed")
	_, err := cookie.NewKeys([][]byte{short, key(1), make([]byte, 40), key(1)})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"key 1 of 4", "key 3 of 4", "key 4 of 4", "openssl rand"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), string(short)) {
		t.Errorf("error prints the key: %v", err)
	}
}

func TestNewKeysCopies(t *testing.T) {
	own := key(1)
	k, err := cookie.NewKeys([][]byte{own})
	if err != nil {
		t.Fatal(err)
	}
	clear(own)
	value, _, err := k.Box("session", "site").Seal([]byte("x"), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := newKeys(t, 1).Box("session", "site").Open(nil, value, nil); err != nil {
		t.Errorf("clearing the caller's slice changed the key: %v", err)
	}
}

func TestDerivationIsHKDF(t *testing.T) {
	prk, err := hkdf.Extract(sha256.New, key(1), []byte(cookie.ExtractSalt))
	if err != nil {
		t.Fatal(err)
	}
	want, err := hkdf.Expand(sha256.New, prk, "\x02\x00\x00\x50\x9finfo", 32)
	if err != nil {
		t.Fatal(err)
	}
	got := newKeys(t, 1).Derive(2, []byte("info"), 0x509f)
	if !bytes.Equal(got[:], want) {
		t.Errorf("derived %x, RFC 5869 says %x", got, want)
	}
}

type source func([]byte) (int, error)

func (s source) Read(b []byte) (int, error) { return s(b) }

// setRandom replaces the system's random source. Tests here do not run in
// parallel.
func setRandom(t *testing.T, r io.Reader) {
	old := rand.Reader
	rand.Reader = r
	t.Cleanup(func() { rand.Reader = old })
}

var errSource = errors.New("source is broken")

func brokenSources() map[string]io.Reader {
	return map[string]io.Reader{
		"the source fails":       source(func([]byte) (int, error) { return 0, errSource }),
		"the source fails early": io.LimitReader(rand.Reader, 5),
		"the source gives zeros": source(func(b []byte) (int, error) { clear(b); return len(b), nil }),
	}
}

func TestRandomFailsClosed(t *testing.T) {
	for name, r := range brokenSources() {
		t.Run(name, func(t *testing.T) {
			setRandom(t, r)
			if err := cookie.Random(make([]byte, 32)); !errors.Is(err, cookie.ErrRandom) {
				t.Errorf("Random: %v, want ErrRandom", err)
			}
			value, _, err := newKeys(t, 1).Box("session", "site").Seal([]byte("x"), nil, now)
			if !errors.Is(err, cookie.ErrRandom) || value != "" {
				t.Errorf("Seal: %q, %v, want nothing and ErrRandom", value, err)
			}
		})
	}
	t.Run("the codec's source fails", func(t *testing.T) {
		setRandom(t, source(func([]byte) (int, error) { return 0, errSource }))
		if s, err := newKeys(t, 1).Codec("hint", "site", time.Hour).Encode("name", []byte("x")); err == nil {
			t.Errorf("Encode gave %q", s)
		}
	})
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Two keys with the same short id, found by trying.
const (
	collisionA = "0adcc4aec08b42e7a7c53974647f00af9d68a340ae2902681ce16f217053953b"
	collisionB = "7d6c0ff038ac1a4715be289c1ee1c2d95d69d3087215b2701e0052c577f6b019"
)
