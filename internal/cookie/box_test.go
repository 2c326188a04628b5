package cookie_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func seal(t testing.TB, b *cookie.Box, plain, aad string, at time.Time) (string, cookie.Seal) {
	t.Helper()
	value, s, err := b.Seal([]byte(plain), []byte(aad), at)
	if err != nil {
		t.Fatal(err)
	}
	return value, s
}

func TestBoxOpensWhatItSealed(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	for _, n := range []int{0, 1, 2, 3, 61, 555, 700, 3000, 50_000} {
		for _, aad := range []string{"", "x", "bound to this"} {
			plain := string(bytes.Repeat([]byte{0xfb}, n))
			value, s := seal(t, box, plain, aad, now)
			if want := base64.RawURLEncoding.EncodedLen(n + cookie.Overhead); len(value) != want {
				t.Errorf("%d bytes sealed are %d characters, want %d", n, len(value), want)
			}
			got, opened, err := box.Open([]byte("before"), value, []byte(aad))
			if err != nil {
				t.Fatalf("%d bytes, aad %q: %v", n, aad, err)
			}
			if string(got) != "before"+plain {
				t.Errorf("%d bytes, aad %q: opened to something else", n, aad)
			}
			if opened != s {
				t.Errorf("opened seal %+v, sealed %+v", opened, s)
			}
		}
	}
}

func TestBoxBytes(t *testing.T) {
	box := newKeys(t, 1).Box("record", "site")
	sealed, s, err := box.SealBytes([]byte("head"), []byte("plain"), []byte("aad"), now)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(sealed, []byte("head")) {
		t.Fatalf("SealBytes did not append: %q", sealed)
	}
	sealed = sealed[4:]
	kept := slices.Clone(sealed)
	plain, opened, err := box.OpenBytes([]byte("head"), sealed, []byte("aad"))
	if err != nil || string(plain) != "headplain" || opened != s {
		t.Errorf("OpenBytes: %q, %v, %v", plain, opened, err)
	}
	if !bytes.Equal(sealed, kept) {
		t.Error("OpenBytes changed its input")
	}
	if _, _, err := box.OpenBytes(nil, sealed, nil); !errors.Is(err, cookie.ErrSealed) {
		t.Errorf("without the additional data: %v, want ErrSealed", err)
	}
}

// T104: whatever is done to a value, the answer is the same.
func TestBoxRefusesTampering(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	value, _ := seal(t, box, "subject", "", now)
	refused := func(what, v string) {
		t.Helper()
		plain, s, err := box.Open(nil, v, nil)
		if err != cookie.ErrSealed || plain != nil || s != (cookie.Seal{}) {
			t.Errorf("%s: %q, %v, %v, want nothing but ErrSealed", what, plain, s, err)
		}
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(raw) {
		flipped := slices.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		refused("a flipped bit", base64.RawURLEncoding.EncodeToString(flipped))
	}
	for n := range value {
		refused("a truncated value", value[:n])
		refused("a value that lost its front", value[n+1:])
		refused("a changed character", value[:n]+"*"+value[n+1:])
	}
	for _, tail := range []string{"A", "AA", "AAA", "AAAA", "=", "==", " ", "\n", "\x00", "é"} {
		refused("an extended value", value+tail)
	}
	refused("padding", base64.URLEncoding.EncodeToString(raw[:len(raw)-1]))
	refused("the standard alphabet", "+/+/"+value[4:])
	half := len(raw) / 2
	refused("swapped parts", base64.RawURLEncoding.EncodeToString(append(slices.Clone(raw[half:]), raw[:half]...)))
}

// A value that decodes to the same bytes must still be the one we wrote.
func TestBoxRefusesSecondSpelling(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for n := range 3 { // all three remainders
		value, _ := seal(t, box, string(make([]byte, n)), "", now)
		opened := 0
		for _, c := range alphabet {
			if _, _, err := box.Open(nil, value[:len(value)-1]+string(c), nil); err == nil {
				opened++
			}
		}
		if opened != 1 {
			t.Errorf("%d spellings of the last character open, want 1", opened)
		}
	}
}

// T017: a value is good for one purpose, site, key and secret.
func TestBoxSeparates(t *testing.T) {
	keys := newKeys(t, 1)
	value, s := seal(t, keys.Box("session", "site"), "subject", "aad", now)
	secret := keys.BoxFor("session", "site", []byte("one secret"))
	bySecret, _ := seal(t, secret, "subject", "", now)
	for _, tt := range []struct {
		name  string
		box   *cookie.Box
		value string
		aad   string
	}{
		{"another purpose", keys.Box("state", "site"), value, "aad"},
		{"another site", keys.Box("session", "other"), value, "aad"},
		{"purpose and site run together", keys.Box("sessions", "ite"), value, "aad"},
		{"another server key", newKeys(t, 2).Box("session", "site"), value, "aad"},
		{"other additional data", keys.Box("session", "site"), value, "add"},
		{"no additional data", keys.Box("session", "site"), value, ""},
		{"an empty secret where there is none", keys.BoxFor("session", "site", []byte{}), value, "aad"},
		{"no secret where there is one", keys.Box("session", "site"), bySecret, ""},
		{"another secret", keys.BoxFor("session", "site", []byte("two secret")), bySecret, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if plain, _, err := tt.box.Open(nil, tt.value, []byte(tt.aad)); err != cookie.ErrSealed {
				t.Errorf("opened to %q, %v", plain, err)
			}
		})
	}
	if _, _, err := keys.BoxFor("session", "site", []byte("one secret")).Open(nil, bySecret, nil); err != nil {
		t.Errorf("a box made again from the secret: %v", err)
	}
	if a, b := mac(t, keys.Box("session", "site"), s, "nonce"), mac(t, keys.Box("state", "site"), s, "nonce"); a == b {
		t.Error("two purposes share a MAC key")
	}
}

func mac(t testing.TB, b *cookie.Box, s cookie.Seal, label string, data ...string) [32]byte {
	t.Helper()
	var d [][]byte
	for _, x := range data {
		d = append(d, []byte(x))
	}
	sum, err := b.MAC(s, label, d...)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// Rotation: append the new key, move it first, drop the old one.
func TestBoxRotation(t *testing.T) {
	before := newKeys(t, 1).Box("session", "site")
	appended := newKeys(t, 1, 2).Box("session", "site")
	moved := newKeys(t, 2, 1).Box("session", "site")
	dropped := newKeys(t, 2).Box("session", "site")

	old, oldSeal := seal(t, before, "old", "", now)
	fresh, freshSeal := seal(t, moved, "new", "", now)
	if oldSeal.Key == freshSeal.Key {
		t.Fatal("the newest key does not seal")
	}
	for _, tt := range []struct {
		name  string
		box   *cookie.Box
		value string
		want  error
	}{
		{"old value, new key appended", appended, old, nil},
		{"new value, new key appended", appended, fresh, nil},
		{"old value, new key first", moved, old, nil},
		{"new value, old key dropped", dropped, fresh, nil},
		{"old value, old key dropped", dropped, old, cookie.ErrSealed},
		{"new value, new key not there yet", before, fresh, cookie.ErrSealed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := tt.box.Open(nil, tt.value, nil); err != tt.want {
				t.Errorf("Open: %v, want %v", err, tt.want)
			}
		})
	}
	if mac(t, before, oldSeal, "nonce", "b") != mac(t, moved, oldSeal, "nonce", "b") {
		t.Error("the MAC of an old seal changed when the key moved")
	}
	if _, err := dropped.MAC(oldSeal, "nonce"); err != cookie.ErrSealed {
		t.Errorf("MAC under a dropped key: %v, want ErrSealed", err)
	}
}

func TestMACDependsOnEverything(t *testing.T) {
	keys := newKeys(t, 1)
	box := keys.Box("state", "site")
	_, s := seal(t, box, "", "", now)
	_, other := seal(t, box, "", "", now)
	want := mac(t, box, s, "nonce", "one", "two")
	if want != mac(t, keys.Box("state", "site"), s, "nonce", "one", "two") {
		t.Fatal("not repeatable")
	}
	for name, got := range map[string][32]byte{
		"label":        mac(t, box, s, "verifier", "one", "two"),
		"data":         mac(t, box, s, "nonce", "one", "twx"),
		"field border": mac(t, box, s, "nonce", "onet", "wo"),
		"field count":  mac(t, box, s, "nonce", "onetwo"),
		"nonce":        mac(t, box, other, "nonce", "one", "two"),
		"secret":       mac(t, keys.BoxFor("state", "site", []byte("x")), s, "nonce", "one", "two"),
		"server key":   mac(t, newKeys(t, 2).Box("state", "site"), sealOf(t, 2), "nonce", "one", "two"),
	} {
		if got == want {
			t.Errorf("the MAC does not depend on the %s", name)
		}
	}
}

func sealOf(t testing.TB, n int) cookie.Seal {
	_, s := seal(t, newKeys(t, n).Box("state", "site"), "", "", now)
	return s
}

// T106: a nonce never comes twice, and the key changes every day.
func TestBoxNoncesAndPeriods(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	seen := make(map[[12]byte]bool)
	for range 100_000 {
		_, s, err := box.SealBytes(nil, nil, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		if seen[s.Nonce] {
			t.Fatal("a nonce came twice")
		}
		seen[s.Nonce] = true
	}
	_, today := seal(t, box, "", "", now)
	_, late := seal(t, box, "", "", now.Add(11*time.Hour))
	_, tomorrow := seal(t, box, "", "", now.Add(day))
	if today.Period != late.Period || today.Period == tomorrow.Period {
		t.Errorf("periods %d, %d, %d: want one a day", today.Period, late.Period, tomorrow.Period)
	}
}

func TestBoxRefusesImpossibleClock(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if value, _, err := box.Seal(nil, nil, at); err == nil {
			t.Errorf("sealed %q at %s", value, at)
		}
	}
}

func TestBoxKeepsFewCiphers(t *testing.T) {
	keys := newKeys(t, 1)
	sealer, opener := keys.Box("session", "site"), keys.Box("session", "site")
	var values []string
	for i := range 3 * cookie.MaxCiphers {
		value, _ := seal(t, sealer, "x", "", now.Add(time.Duration(i)*day))
		values = append(values, value)
	}
	if n := sealer.Ciphers(); n != cookie.MaxCiphers {
		t.Errorf("%d ciphers kept after sealing, want %d", n, cookie.MaxCiphers)
	}
	for range 2 {
		for _, value := range values {
			if _, _, err := opener.Open(nil, value, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := opener.Ciphers(); n != cookie.MaxCiphers {
		t.Errorf("%d ciphers kept after opening, want %d", n, cookie.MaxCiphers)
	}
}

func TestBoxKeepsNoCipherForStrangers(t *testing.T) {
	keys := newKeys(t, 1)
	box := keys.Box("session", "site")
	sealed, _, err := box.SealBytes(nil, []byte("x"), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		forged := slices.Clone(sealed)
		forged[5], forged[6] = byte(i>>8), byte(i)
		if _, _, err := box.OpenBytes(nil, forged, nil); err != cookie.ErrSealed {
			t.Fatal("a made-up period opened")
		}
	}
	if n := box.Ciphers(); n != 1 {
		t.Errorf("%d ciphers kept, want the one that sealed", n)
	}
	if secret := keys.BoxFor("record", "site", []byte("id")); secret.Ciphers() != 0 {
		t.Error("a box for one secret keeps ciphers")
	}
}

func TestBoxConcurrently(t *testing.T) {
	keys := newKeys(t, 1, 2)
	box := keys.Box("session", "site")
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				at := now.Add(time.Duration(g+i) * day)
				value, s, err := box.Seal([]byte("x"), []byte("a"), at)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := box.Open(nil, value, []byte("a")); err != nil {
					t.Error(err)
				}
				first, err1 := box.MAC(s, "l")
				second, err2 := box.MAC(s, "l")
				if err1 != nil || err2 != nil || first != second {
					t.Error("MAC differs")
				}
			}
		})
	}
	wg.Wait()
}

// What every request pays.
func TestBoxOpenAllocatesNothing(t *testing.T) {
	box := newKeys(t, 1).Box("session", "site")
	buf := make([]byte, 0, 1024)
	aad := []byte("aad")
	value, _ := seal(t, box, string(make([]byte, 555)), "aad", now)
	if n := testing.AllocsPerRun(100, func() {
		if _, _, err := box.Open(buf, value, aad); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzBoxOpen(f *testing.F) {
	keys := newKeys(f, 1, 2)
	box := keys.Box("session", "site")
	good, _ := seal(f, box, "subject", "", now)
	other, _ := seal(f, keys.Box("state", "site"), "subject", "", now)
	for _, s := range []string{"", "A", good, other, good[:20], good + "A", "AQ", "****", good[:len(good)-1]} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		plain, s, err := box.Open([]byte("before"), value, nil)
		// Fuzzing processes seal their seeds anew, hence not value == good.
		if err == nil && string(plain) != "beforesubject" {
			t.Fatalf("Open(%q) = %q: nobody sealed that", value, plain)
		}
		if err != nil && (err != cookie.ErrSealed || plain != nil || s != cookie.Seal{}) {
			t.Fatalf("Open(%q) = %q, %v, %v: want nothing but ErrSealed", value, plain, s, err)
		}
	})
}

// The base64 reader takes what encoding/base64 takes in strict mode, less the
// line breaks.
func FuzzDecoded(f *testing.F) {
	for _, s := range []string{"", "A", "AA", "AAA", "AAAA", "-_8", "-_9", "AB", "A\nAA", "AA==", "é", "AAAAA"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := cookie.AppendDecoded([]byte("x"), s)
		want, err := base64.RawURLEncoding.Strict().DecodeString(s)
		if bytes.ContainsAny([]byte(s), "\r\n") {
			err = errors.New("line break")
		}
		if ok != (err == nil) {
			t.Fatalf("%q: taken %v, encoding/base64 says %v", s, ok, err)
		}
		if ok && string(got) != "x"+string(want) {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	keys := newKeys(b, 1)
	box := keys.Box("session", "site")
	value, _ := seal(b, box, string(make([]byte, 555)), "", now)
	forged := value[:len(value)-6] + "AAAAAA"
	buf := make([]byte, 0, 1024)
	for name, v := range map[string]string{"session": value, "forged": forged, "garbage": "x" + value} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				box.Open(buf[:0], v, nil)
			}
		})
	}
	b.Run("for a secret", func(b *testing.B) {
		secret := key(9)
		sealed, _, err := keys.BoxFor("record", "site", secret).SealBytes(nil, make([]byte, 555), nil, now)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := keys.BoxFor("record", "site", secret).OpenBytes(buf[:0], sealed, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	box := newKeys(b, 1).Box("session", "site")
	plain := make([]byte, 555)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := box.Seal(plain, nil, now); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMAC(b *testing.B) {
	box := newKeys(b, 1).Box("state", "site")
	_, s := seal(b, box, "", "", now)
	data := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := box.MAC(s, "nonce", data); err != nil {
			b.Fatal(err)
		}
	}
}
