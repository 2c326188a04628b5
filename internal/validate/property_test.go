package validate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/proptest"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// randomText is a text of characters that JSON and people find awkward.
func randomText(r *rand.Rand) string {
	runes := []rune("abcxyzSUB019_.:/-@\"\\\n\t\x00<>&{}[],éßſK\u2028ไ😀")
	var b strings.Builder
	for range r.IntN(12) {
		b.WriteRune(runes[r.IntN(len(runes))])
	}
	return b.String()
}

// randomValue is anything that JSON can hold.
func randomValue(r *rand.Rand, depth int) any {
	switch kind := r.IntN(8); {
	case kind == 0:
		return nil
	case kind == 1:
		return r.IntN(2) == 0
	case kind == 2:
		return r.Int64() - r.Int64()
	case kind == 3:
		return r.NormFloat64() * 1e10
	case kind == 4 && depth > 0:
		all := make([]any, r.IntN(4))
		for i := range all {
			all[i] = randomValue(r, depth-1)
		}
		return all
	case kind == 5 && depth > 0:
		m := map[string]any{}
		for range r.IntN(4) {
			m[randomText(r)] = randomValue(r, depth-1)
		}
		return m
	}
	return randomText(r)
}

// Of ID tokens just those are accepted in which every checked claim is right,
// whatever else they say.
func TestPropertyIDTokens(t *testing.T) {
	r := proptest.New(t)
	now := time.Unix(1_800_000_000, 0)
	e := validate.Expect{Issuer: "https://op.example", ClientID: "app", Nonce: "n-0S6_WzA2Mj", Now: now, Skew: time.Minute, Started: now.Add(-10 * time.Second), HasMaxAge: true, MaxAge: time.Hour, ACR: []string{"high"}}
	right := map[string]any{
		"iss": e.Issuer, "sub": "alice", "aud": []string{"app"}, "azp": "app", "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": e.Nonce, "auth_time": now.Add(-time.Minute).Unix(), "acr": "high",
	}
	wrong := map[string]func() any{
		"iss": func() any { return e.Issuer + randomText(r) + "/" }, "aud": func() any { return []any{"app", "x" + randomText(r)} }, "azp": func() any { return "x" + randomText(r) },
		"exp": func() any { return now.Unix() - 60 - r.Int64N(1e9) }, "iat": func() any { return now.Unix() + 61 + r.Int64N(1e9) }, "nonce": func() any { return e.Nonce[:r.IntN(len(e.Nonce))] },
		"auth_time": func() any { return now.Unix() - 3600 - 61 - r.Int64N(1e9) }, "acr": func() any { return "x" + randomText(r) }, "sub": func() any { return r.IntN(100) },
	}
	needed := []string{"iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "acr"} // azp may be absent
	const header = `{"alg":"ES256"}`
	check := func(claims map[string]any) error {
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		_, err = checkIDToken(header, payload, e)
		return err
	}
	for range 800 {
		claims := maps.Clone(right)
		for i := range r.IntN(6) {
			// No name of another claim begins so, and none differs by case alone.
			claims[fmt.Sprint("x", i, randomText(r))] = randomValue(r, 3)
		}
		if err := check(claims); err != nil {
			t.Fatalf("refused %v: %v", claims, err)
		}
		for name, value := range wrong {
			bad := maps.Clone(claims)
			bad[name] = value()
			if check(bad) == nil {
				t.Fatalf("%s was accepted: %v", name, bad)
			}
		}
		for _, name := range needed {
			bad := maps.Clone(claims)
			delete(bad, name)
			if check(bad) == nil {
				t.Fatalf("accepted without %s", name)
			}
			bad[strings.ToUpper(name[:1])+name[1:]] = right[name] // encoding/json would take it
			if check(bad) == nil {
				t.Fatalf("accepted with another spelling of %s", name)
			}
		}
	}
}

// Strict JSON is JSON: what is read is what encoding/json reads, and all of it
// that encoding/json writes is read.
func TestPropertyObjects(t *testing.T) {
	r := proptest.New(t)
	read, refused := 0, 0
	for range 3000 {
		m := map[string]any{}
		for i := range r.IntN(5) {
			m[fmt.Sprint(i, strings.ToLower(randomText(r)))] = randomValue(r, 3)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := validate.Object(text)
		if err == nil {
			agree(t, text, claims)
			read++
		} else if !foldedTwins(text) {
			t.Fatalf("refused %s: %v", text, err)
		}
		// One byte more, less or otherwise.
		at := r.IntN(len(text))
		bad := append([]byte{}, text[:at]...)
		switch r.IntN(3) {
		case 0:
			bad = append(append(bad, `{}[]",:\u0 1e`[r.IntN(13)]), text[at:]...)
		case 1:
			bad = append(bad, text[at+1:]...)
		default:
			bad = append(append(bad, byte(r.Uint32())), text[at+1:]...)
		}
		if claims, err := validate.Object(bad); err == nil {
			agree(t, bad, claims)
		} else {
			refused++
		}
	}
	if read < 2000 || refused < 500 {
		t.Errorf("%d texts were read, %d refused", read, refused)
	}
}

// foldedTwins reports whether two members of some object differ in case only,
// which is refused.
func foldedTwins(text []byte) bool {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return false
	}
	var look func(any) bool
	look = func(v any) bool {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				if look(e) {
					return true
				}
			}
		case map[string]any:
			var names []string
			for name, e := range v {
				if look(e) {
					return true
				}
				for _, other := range names {
					if strings.EqualFold(other, name) {
						return true
					}
				}
				names = append(names, name)
			}
		}
		return false
	}
	return look(v)
}
