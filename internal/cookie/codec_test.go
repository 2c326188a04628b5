package cookie_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

func TestCodecOpensWhatItSealed(t *testing.T) {
	c := newKeys(t, 1).Codec("return", "site", time.Hour)
	for _, n := range []int{0, 1, 500, 2000} {
		plain := bytes.Repeat([]byte("ü"), n)
		kept := slices.Clone(plain)
		value, err := c.Encode("name", plain)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(plain, kept) {
			t.Fatal("Encode changed its input")
		}
		got, err := c.Decode("name", value)
		if len(value) > cookie.MaxSize {
			if err != cookie.ErrSealed {
				t.Errorf("%d characters: %v, want ErrSealed", len(value), err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", len(plain), err)
		}
	}
}

// B24, T017, and rotation.
func TestCodecSeparates(t *testing.T) {
	keys := newKeys(t, 1)
	value, err := keys.Codec("return", "site", time.Hour).Encode("name", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		codec  *cookie.Codec
		cookie string
		want   error
	}{
		{"a codec made again", keys.Codec("return", "site", time.Hour), "name", nil},
		{"the key second now", newKeys(t, 2, 1).Codec("return", "site", time.Hour), "name", nil},
		{"another cookie name", keys.Codec("return", "site", time.Hour), "eman", cookie.ErrSealed},
		{"another purpose", keys.Codec("hint", "site", time.Hour), "name", cookie.ErrSealed},
		{"another site", keys.Codec("return", "other", time.Hour), "name", cookie.ErrSealed},
		{"the key dropped", newKeys(t, 2).Codec("return", "site", time.Hour), "name", cookie.ErrSealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := tt.codec.Decode(tt.cookie, value); err != tt.want {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
	if _, _, err := keys.Box("return", "site").Open(nil, value, nil); err != cookie.ErrSealed {
		t.Errorf("a box opens a codec's value: %v", err)
	}
}

func TestCodecRefusesTampering(t *testing.T) {
	c := newKeys(t, 1).Codec("return", "site", time.Hour)
	value, err := c.Encode("name", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what, v string) {
		t.Helper()
		if plain, err := c.Decode("name", v); err != cookie.ErrSealed || plain != nil {
			t.Errorf("%s: %q, %v", what, plain, err)
		}
	}
	raw, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		flipped := slices.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused("a flipped bit", base64.URLEncoding.EncodeToString(flipped))
	}
	for n := range value {
		refused("a truncated value", value[:n])
		for _, c := range "AQgw" {
			if other := value[:n] + string(c) + value[n+1:]; other != value {
				refused("a changed character", other)
			}
		}
	}
	refused("an extended value", value+"AAAA")
	refused("too long a value", strings.Repeat("A", cookie.MaxSize+4))
}

// The last character before the padding has bits that stand for nothing.
func TestCodecValueHasOneSpelling(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	c := newKeys(t, 1).Codec("return", "site", time.Hour)
	padded := 0
	for n := range 3 {
		value, err := c.Encode("name", []byte(strings.Repeat("x", n)))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimRight(value, "=")
		if text == value {
			continue
		}
		padded++
		last := strings.IndexByte(alphabet, text[len(text)-1])
		other := text[:len(text)-1] + alphabet[last+1:last+2] + value[len(text):]
		if plain, err := c.Decode("name", other); err != cookie.ErrSealed || plain != nil {
			t.Errorf("%d bytes: %q, %v", n, plain, err)
		}
	}
	if padded == 0 {
		t.Error("no value had padding")
	}
}

func TestCodecAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := newKeys(t, 1)
		c, endless := keys.Codec("return", "site", time.Minute), keys.Codec("return", "site", 0)
		value, err := c.Encode("name", []byte("plain"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Second)
		if _, err := c.Decode("name", value); err != nil {
			t.Errorf("before the end: %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := c.Decode("name", value); err != cookie.ErrSealed {
			t.Errorf("after the end: %v, want ErrSealed", err)
		}
		if _, err := endless.Decode("name", value); err != nil {
			t.Errorf("without a limit: %v", err)
		}
	})
}

// B25: what does not fit is said by the one who knows the limit.
func TestCodecLeavesTheLimitToTheCookie(t *testing.T) {
	value, err := newKeys(t, 1).Codec("hint", "site", time.Hour).Encode("name", make([]byte, 3000))
	if err != nil {
		t.Fatalf("Encode: %v", err)
	}
	c := site(t, "https://app.example").Cookie("hint", cookie.Options{})
	if err := c.Set(httptest.NewRecorder(), value, time.Hour); !errors.Is(err, cookie.ErrTooLarge) {
		t.Errorf("Set: %v, want ErrTooLarge", err)
	}
}

func FuzzCodecDecode(f *testing.F) {
	keys := newKeys(f, 1, 2)
	c := keys.Codec("return", "site", 0)
	good, err := c.Encode("name", []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{"", "A", good, good[:len(good)-4], "fHx8", "||", good + "===="} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		plain, err := c.Decode("name", value)
		// Fuzzing processes seal their seeds anew, hence not value == good.
		if err == nil && string(plain) != "plain" {
			t.Fatalf("Decode(%q) = %q: nobody sealed that", value, plain)
		}
	})
}
