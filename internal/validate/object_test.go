package validate_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestObject(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ok         bool
	}{
		{"an empty object", `{}`, true},
		{"white space everywhere", " {\t\"a\" :\n[ 1 , { \"b\" : null } ]\r} ", true},
		{"every kind of value", `{"a":"x","b":1,"c":-0.5e+10,"d":true,"e":false,"f":null,"g":[],"h":{}}`, true},
		{"every escape", `{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"}`, true},
		{"an empty name", `{"":1}`, true},
		{"the same name at different levels", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":2}]}`, true},
		{"nested twins, which nobody decides on", `{"a":{"b":1,"B":2}}`, true},
		{"a capital in a claim that is unknown", `{"Locale":"en"}`, true},
		{"the replacement character itself", "{\"a\":\"\uFFFD\"}", true},
		{"nothing", ``, false},
		{"white space alone", ` `, false},
		{"an array", `[]`, false},
		{"a string", `"{}"`, false},
		{"null", `null`, false},
		{"an open object", `{"a":1`, false},
		{"an open array", `{"a":[1`, false},
		{"an open string", `{"a":"x`, false},
		{"an open name", `{"a`, false},
		{"an open escape", `{"a":"\`, false},
		{"an open unicode escape", `{"a":"\u00`, false},
		{"a name alone", `{"a"}`, false},
		{"another bracket first", `("a":1}`, false},
		{"no name", `{:1}`, false},
		{"a name without its first quote", `{a":1}`, false},
		{"other words", `{"a":trux}`, false},
		{"other words of five letters", `{"a":falsy}`, false},
		{"other words for nothing", `{"a":nill}`, false},
		{"an exponent in capitals", `{"a":1E5}`, true},
		{"a high surrogate, then no escape", `{"a":"\ud83dxude00"}`, false},
		{"a high surrogate, then no unicode escape", `{"a":"\ud83d\xde00"}`, false},
		{"a high surrogate, then an open escape", `{"a":"\ud83d\`, false},
		{"a number as name", `{1:1}`, false},
		{"no colon", `{"a" 1}`, false},
		{"no comma", `{"a":1 "b":2}`, false},
		{"no comma in an array", `{"a":[1 2]}`, false},
		{"a comma too many", `{"a":1,}`, false},
		{"a comma too many in an array", `{"a":[1,]}`, false},
		{"a wrong bracket", `{"a":[1}}`, false},
		{"a leading zero", `{"a":01}`, false},
		{"a plus sign", `{"a":+1}`, false},
		{"a sign alone", `{"a":-}`, false},
		{"a point without digits", `{"a":1.}`, false},
		{"a point first", `{"a":.5}`, false},
		{"an exponent without digits", `{"a":1e}`, false},
		{"a number out of range", `{"a":1e309}`, false},
		{"a number out of range without exponent", `{"a":1` + strings.Repeat("0", 309) + `}`, false},
		{"a number that is nearly nothing", `{"a":1e-999}`, true},
		{"hexadecimal", `{"a":0x1}`, false},
		{"NaN", `{"a":NaN}`, false},
		{"a word cut short", `{"a":tru}`, false},
		{"a word too long", `{"a":nulll}`, false},
		{"a word in capitals", `{"a":True}`, false},
		{"a control character in a string", "{\"a\":\"\n\"}", false},
		{"an unknown escape", `{"a":"\x41"}`, false},
		{"a malformed unicode escape", `{"a":"\u00g0"}`, false},
		{"a high surrogate alone", `{"a":"\ud83dx"}`, false},
		{"a high surrogate before another escape", `{"a":"\ud83d\n"}`, false},
		{"two high surrogates", `{"a":"\ud83d\ud83d"}`, false},
		{"a low surrogate alone", `{"a":"\ude00"}`, false},
		{"a lone surrogate in a name", `{"\ud800":1}`, false},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", false},
		{"cut UTF-8", "{\"a\":\"\xe2\x82\"}", false},
		{"a second object", `{}{}`, false},
		{"a bare NUL", "{\"a\":\x00}", false},
		{"a name twice, once escaped", `{"a":1,"\u0061":2}`, false},
		{"a name twice, among many", `{"n0":0` + manyNames(1, 40) + `,"n20":1}`, false},
		{"a name twice, among many below", `{"a":{"n0":0` + manyNames(1, 40) + `,"n20":1}}`, false},
		{"many names below", `{"a":{"n0":0` + manyNames(1, 40) + `}}`, true},
		{"a name twice, below", `{"a":{"b":1,"b":1}}`, false},
		{"twins of an unknown claim", `{"role":1,"Role":2}`, false},
		{"twins by the long s", `{"role\u017f":1,"roles":2}`, false},
		{"twins beyond ASCII", `{"é":1,"É":2}`, false},
		{"a protocol claim in capitals", `{"Sub":1}`, false},
		{"a protocol claim with the long s", `{"\u017fid":1}`, false},
		{"a protocol claim with the Kelvin sign", `{"to\u212aen":1}`, true}, // no claim of ours has a k
		{"4096 members", `{"n0":0` + manyNames(1, 4096) + `}`, true},
		{"4097 members", `{"n0":0` + manyNames(1, 4097) + `}`, false},
		{"4097 members in many objects", `{"x":[{"a":1}` + strings.Repeat(`,{"a":1}`, 4096) + `]}`, false},
		{"32 levels", `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, true},
		{"33 levels of arrays", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, false},
		{"33 levels of objects", strings.Repeat(`{"a":`, 32) + "{}" + strings.Repeat("}", 32), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := []byte(tt.text)
			claims, err := validate.Object(b[:len(b):len(b)]) // reading on would panic
			if !tt.ok {
				assertCheck(t, err, "json")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			agree(t, []byte(tt.text), claims)
		})
	}
}

func TestFold(t *testing.T) {
	for name, want := range map[string]string{
		"": "", "sub": "sub", "SUB": "sub", "AZ": "az", "@A[0_-9]Z`": "@a[0_-9]z`", // none but letters has two cases
		"ſub": "sub", "\u212aid": "kid", "É": "É", "é": "É", "ς": "Σ", "ß": "ß",
	} {
		if got := validate.Fold(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func manyNames(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, `,"n%d":%d`, i, i)
	}
	return b.String()
}

// agree asserts that encoding/json reads text as claims do.
func agree(t *testing.T, text []byte, claims validate.Claims) {
	t.Helper()
	var want map[string]any
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatalf("encoding/json refuses %q: %v", text, err)
	}
	got := make(map[string]any, len(claims))
	for name, raw := range claims {
		var v any
		if err := json.Unmarshal(raw, &v); err != nil {
			t.Fatalf("value %q of %q: %v", raw, name, err)
		}
		got[name] = v
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("got %v, encoding/json reads %v", got, want)
	}
}

// T040: what is too large is refused after a bounded part of it. Memory is
// measured rather than time, which depends on the machine.
func TestHostileSizesCostLittleMemory(t *testing.T) {
	for name, text := range map[string]string{
		"10^5 claims":         `{"n0":0` + manyNames(1, 100_000) + `}`,
		"10^6 nested arrays":  `{"a":` + strings.Repeat("[", 1_000_000),
		"10^6 nested objects": strings.Repeat(`{"a":`, 1_000_000),
		"10^5 small objects":  `{"a":[` + strings.Repeat(`{"a":{}},`, 100_000) + `{}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			b := []byte(text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := validate.Object(b)
			runtime.ReadMemStats(&after)
			assertCheck(t, err, "json")
			if got := after.TotalAlloc - before.TotalAlloc; got > 4<<20 {
				t.Errorf("%d bytes allocated", got)
			}
		})
	}
}

func FuzzObject(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add([]byte(v.Claims))
		f.Add([]byte(v.Header))
	}
	f.Add([]byte(`{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00","b":[1,-0.5E+3,{}]}`))
	f.Add([]byte(`{"\u017fub":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		claims, err := validate.Object(b)
		if err != nil {
			return
		}
		if !utf8.Valid(b) {
			t.Fatal("not UTF-8")
		}
		agree(t, b, claims)
		// encoding/json, which matches names without case, finds the same.
		var s struct {
			Sub, Iss, Nonce, Email_verified json.RawMessage
		}
		if err := json.Unmarshal(b, &s); err != nil {
			t.Fatal(err)
		}
		for name, raw := range map[string]json.RawMessage{
			"sub": s.Sub, "iss": s.Iss, "nonce": s.Nonce, "email_verified": s.Email_verified,
		} {
			if string(raw) != string(claims[name]) {
				t.Fatalf("%s is %s for encoding/json, %s for us", name, raw, claims[name])
			}
		}
		for name := range claims {
			claims.String(name)
			claims.Bool(name)
			claims.Strings(name)
			if v, present, err := claims.Time(name); err == nil && present {
				if _, err := v.MarshalJSON(); err != nil {
					t.Fatalf("time %v: %v", v, err)
				}
			}
			claims.Lookup(name)
			claims.Lookup("/" + name + "/0/a")
		}
	})
}

func BenchmarkObject(b *testing.B) {
	text := []byte(readVectors(b)["unknown-claims"].Claims)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := validate.Object(text); err != nil {
			b.Fatal(err)
		}
	}
}
