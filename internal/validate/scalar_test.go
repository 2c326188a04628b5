package validate_test

import (
	"slices"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestScalars(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want []string
	}{
		{``, nil},
		{`null`, nil},
		{`{"a":"b"}`, nil},
		{`"a"`, []string{"a"}},
		{`"null"`, []string{"null"}},
		{`"[\"\u00e9\"]"`, []string{`["é"]`}},
		{`""`, []string{""}},
		{`1.50`, []string{"1.50"}},
		{`false`, []string{"false"}},
		{`[]`, nil},
		{`["a", 2, true, null, {"b":"c"}, ["d"], [], "\n"]`, []string{"a", "2", "true", "\n"}},
		{`["a"`, nil}, // no claim is cut short; half of it would be another
		{`"a`, nil},
	} {
		if got := validate.Scalars([]byte(tt.raw)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.raw, got, tt.want)
		}
	}
}
