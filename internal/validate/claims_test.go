package validate_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func claim(t *testing.T, value string) validate.Claims {
	t.Helper()
	claims, err := validate.Object([]byte(`{"c":` + value + `}`))
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// assertAccessor compares what an accessor says with "absent", "wrong" or the
// value as fmt prints it.
func assertAccessor(t *testing.T, want string, v any, present bool, err error) {
	t.Helper()
	got := fmt.Sprint(v)
	switch {
	case err != nil:
		if got = "wrong"; !present || !errors.Is(err, validate.ErrInvalid) {
			t.Errorf("present %v, %v", present, err)
		}
	case !present:
		got = "absent"
	}
	if got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestClaimsOfATypeAreThatTypeAlone(t *testing.T) {
	for _, tt := range []struct{ value, text, boolean, list, date string }{
		{`null`, "absent", "absent", "absent", "absent"},
		{`"x"`, "x", "wrong", "[x]", "wrong"},
		{`""`, "", "wrong", "[]", "wrong"},
		{`"\u00e9 \ud83d\ude00"`, "é 😀", "wrong", "[é 😀]", "wrong"},
		{`true`, "wrong", "true", "wrong", "wrong"},
		{`false`, "wrong", "false", "wrong", "wrong"},
		{`"true"`, "true", "wrong", "[true]", "wrong"}, // T077
		{`"TRUE"`, "TRUE", "wrong", "[TRUE]", "wrong"},
		{`1`, "wrong", "wrong", "wrong", "1"},
		{`0`, "wrong", "wrong", "wrong", "0"},
		{`-0`, "wrong", "wrong", "wrong", "wrong"},
		{`-1`, "wrong", "wrong", "wrong", "wrong"},
		{`1.5`, "wrong", "wrong", "wrong", "1.5"},
		{`1.7e9`, "wrong", "wrong", "wrong", "1.7e+09"},
		{`253402300799`, "wrong", "wrong", "wrong", "2.53402300799e+11"},
		{`253402300800`, "wrong", "wrong", "wrong", "wrong"},
		{`253402300799.9`, "wrong", "wrong", "wrong", "wrong"},
		{`9223372036854775808`, "wrong", "wrong", "wrong", "wrong"},
		{`1e300`, "wrong", "wrong", "wrong", "wrong"},
		{`1e-400`, "wrong", "wrong", "wrong", "0"},
		{`1.00000000000000000000000000000000000000000`, "wrong", "wrong", "wrong", "wrong"},
		{`[]`, "wrong", "wrong", "[]", "wrong"},
		{`["a","b"]`, "wrong", "wrong", "[a b]", "wrong"},
		{`["a",null]`, "wrong", "wrong", "wrong", "wrong"},
		{`["a",["b"]]`, "wrong", "wrong", "wrong", "wrong"},
		{`[1]`, "wrong", "wrong", "wrong", "wrong"},
		{`{}`, "wrong", "wrong", "wrong", "wrong"},
	} {
		t.Run(tt.value, func(t *testing.T) {
			c := claim(t, tt.value)
			text, present, err := c.String("c")
			assertAccessor(t, tt.text, text, present, err)
			boolean, present, err := c.Bool("c")
			assertAccessor(t, tt.boolean, boolean, present, err)
			list, present, err := c.Strings("c")
			assertAccessor(t, tt.list, list, present, err)
			date, present, err := c.Time("c")
			assertAccessor(t, tt.date, float64(date.Unix())+float64(date.Nanosecond())/1e9, present, err)
		})
	}
	t.Run("absent", func(t *testing.T) {
		c := claim(t, "1")
		text, present, err := c.String("C")
		assertAccessor(t, "absent", text, present, err)
		boolean, present, err := c.Bool("")
		assertAccessor(t, "absent", boolean, present, err)
		list, present, err := validate.Claims(nil).Strings("c")
		assertAccessor(t, "absent", list, present, err)
		date, present, err := c.Time("cc")
		assertAccessor(t, "absent", date, present, err)
	})
}

func TestClaimsNotFromObject(t *testing.T) {
	c := validate.Claims{"empty": nil, "broken": []byte(`"x`), "spaced": []byte(" \"x\" ")}
	if _, present, err := c.String("empty"); present || err != nil {
		t.Error("an empty value is not absent")
	}
	if _, _, err := c.String("broken"); !errors.Is(err, validate.ErrInvalid) {
		t.Error("an open string is a string")
	}
	if _, _, err := c.Strings("broken"); !errors.Is(err, validate.ErrInvalid) {
		t.Error("an open string is a list of one")
	}
	if v, _, err := c.String("spaced"); v != "x" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	for _, raw := range []string{`"`, `1"`, "\"a\nb\"", `"a"b"`, `"a\"`} {
		if v, _, err := (validate.Claims{"x": []byte(raw)}).String("x"); !errors.Is(err, validate.ErrInvalid) {
			t.Errorf("%s is the string %q", raw, v)
		}
	}
	if v, _, err := (validate.Claims{"x": []byte("\"a\xffb\"")}).String("x"); v != "a\ufffdb" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	for _, raw := range []string{`inf`, `1x`, `0x10`, `NaN`} {
		if v, _, err := (validate.Claims{"x": []byte(raw)}).Time("x"); !errors.Is(err, validate.ErrInvalid) {
			t.Errorf("%s is %s", raw, v)
		}
	}
	if _, ok := c.Lookup("/empty/x"); ok {
		t.Error("an empty value has members")
	}
}

func TestLookup(t *testing.T) {
	claims, err := validate.Object([]byte(`{
		"sub": "s", "none": null, "https://x.example/roles": ["r"], "": 7, "/sub": "hostile",
		"realm_access": {"roles": ["a", "b"], "a/b": 1, "m~n": 2, "~1": 3, "": {"": 4}},
		"list": [10, [11, 12], {"0": 13}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, want string }{
		{"sub", `"s"`},
		{"none", "null"},
		{"https://x.example/roles", `["r"]`},
		{"", "7"},
		{"/", "7"},
		{"/sub", `"s"`},
		{"/~1sub", `"hostile"`},
		{"/realm_access/roles", `["a", "b"]`},
		{"/realm_access/roles/1", `"b"`},
		{"/realm_access/a~1b", "1"},
		{"/realm_access/m~0n", "2"},
		{"/realm_access/~01", "3"},
		{"/realm_access//", "4"},
		{"/list/1/0", "11"},
		{"/list/2/0", "13"},
		{"Sub", "-"},
		{"realm_access/roles", "-"},
		{"/Realm_access/roles", "-"},
		{"/realm_access/Roles", "-"},
		{"/realm_access/roles/2", "-"},
		{"/realm_access/roles/-", "-"},
		{"/realm_access/roles/-1", "-"},
		{"/realm_access/roles/+1", "-"},
		{"/realm_access/roles/01", "-"},
		{"/realm_access/roles/", "-"},
		{"/sub/0", "-"},
		{"/none/x", "-"},
		{"/missing/x/y", "-"},
	} {
		raw, ok := claims.Lookup(tt.name)
		if !ok {
			raw = []byte("-")
		}
		if string(raw) != tt.want {
			t.Errorf("%q: got %s, want %s", tt.name, raw, tt.want)
		}
	}
}

func TestIDTokenCarriesWhatASessionKeeps(t *testing.T) {
	token, err := readVectors(t)["session-claims"].run()
	if err != nil {
		t.Fatal(err)
	}
	if token.SID != "08a5019c" || token.ACR != "0" || !slices.Equal(token.AMR, []string{"pwd", "otp"}) ||
		!token.SessionExpiry.Equal(time.Unix(1700003600, 0)) || !token.AuthTime.IsZero() ||
		!slices.Equal(token.Audience, []string{"reports"}) || string(token.Claims["sid"]) != `"08a5019c"` {
		t.Errorf("%+v", token)
	}
}
