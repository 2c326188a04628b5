package validate_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// An address and what says that it is verified are never of two documents.
func TestPair(t *testing.T) {
	for _, tt := range []struct{ name, first, second, want string }{
		{"nothing in either", `{}`, `{}`, `{}`},
		{"both in the first", `{"email":"a","email_verified":true}`, `{}`, `{"email":"a","email_verified":true}`},
		{"both in the second", `{}`, `{"email":"b","email_verified":true}`, `{"email":"b","email_verified":true}`},
		{"both in both", `{"email":"a","email_verified":false}`, `{"email":"b","email_verified":true}`, `{"email":"a","email_verified":false}`},
		{"both in the first, another address in the second", `{"email":"a","email_verified":true}`, `{"email":"b"}`, `{"email":"a","email_verified":true}`},
		{"both in the first, a flag in the second", `{"email":"a","email_verified":true}`, `{"email_verified":false}`, `{"email":"a","email_verified":true}`},
		{"an address in the first, both in the second, the same", `{"email":"a"}`, `{"email":"a","email_verified":true}`, `{"email":"a","email_verified":true}`},
		{"an address in the first, both in the second, another", `{"email":"a"}`, `{"email":"b","email_verified":true}`, `{"email":"a"}`},
		{"an address in the first, both in the second, in other case", `{"email":"a"}`, `{"email":"A","email_verified":true}`, `{"email":"a"}`},
		{"an address in the first, a flag in the second", `{"email":"a"}`, `{"email_verified":true}`, `{"email":"a"}`},
		{"an address in both", `{"email":"a"}`, `{"email":"b"}`, `{"email":"a"}`},
		{"an address in the first", `{"email":"a"}`, `{}`, `{"email":"a"}`},
		{"an address in the second", `{}`, `{"email":"b"}`, `{"email":"b"}`},
		{"a flag in the first, an address in the second", `{"email_verified":true}`, `{"email":"b"}`, `{"email":"b"}`},
		{"a flag in the first, both in the second", `{"email_verified":true}`, `{"email":"b","email_verified":false}`, `{"email":"b","email_verified":false}`},
		{"a withdrawn flag in the first, an address in the second", `{"email_verified":false}`, `{"email":"b"}`, `{"email":"b","email_verified":false}`},
		{"a withdrawn flag in the first, both in the second", `{"email_verified":false}`, `{"email":"b","email_verified":true}`, `{"email":"b","email_verified":false}`},
		{"a flag in the first alone", `{"email_verified":true}`, `{}`, `{"email_verified":true}`},
		{"a flag in the second alone", `{}`, `{"email_verified":true}`, `{"email_verified":true}`},
		{"a flag in both", `{"email_verified":true}`, `{"email_verified":false}`, `{"email_verified":true}`},
	} {
		for _, address := range []string{"email", "phone_number"} {
			t.Run(address+"/"+tt.name, func(t *testing.T) {
				read := func(text string) validate.Claims {
					claims, err := validate.Object([]byte(strings.ReplaceAll(text, "email", address)))
					if err != nil {
						t.Fatal(err)
					}
					return claims
				}
				first, second, want := read(tt.first), read(tt.second), read(tt.want)
				out := maps.Clone(second)
				maps.Copy(out, first)
				validate.Pair(out, first, second)
				if !maps.EqualFunc(out, want, func(a, b json.RawMessage) bool { return string(a) == string(b) }) {
					t.Errorf("got %s, want %s", out, want)
				}
			})
		}
	}
}
