package validate_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestSplitJWSReturnsWhatWasSigned(t *testing.T) {
	const h, p = `{"alg":"ES256","kid":"a b","typ":"JWT"}`, "any\x00bytes"
	token := encode(h) + "." + encode(p) + "." + encode("s")
	header, payload, err := validate.SplitJWS(token, len(token))
	if err != nil || string(header) != h || string(payload) != p {
		t.Fatalf("%q, %q, %v", header, payload, err)
	}
	got, err := validate.ParseHeader(header)
	if want := (validate.Header{Algorithm: "ES256", KeyID: "a b", Type: "JWT"}); err != nil || got != want {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestSplitJWSRefusesBySizeFirst(t *testing.T) {
	good := encode(`{"alg":"RS256"}`) + "." + encode("{}") + "." + encode("s")
	for _, tt := range []struct {
		name, token string
		max         int
		check       string
	}{
		{"one byte too many", good, len(good) - 1, "size"},
		{"1 MB", strings.Repeat("A", 1<<20), maxToken, "size"},
		{"10^6 dots", strings.Repeat(".", 1_000_000), maxToken, "size"},
		{"many dots within the size", strings.Repeat(".", maxToken), maxToken, "serialization"},
		{"a header of 5 kB", encode(`{"alg":"RS256","x":"`+strings.Repeat("x", 5000)+`"}`) + ".e30.cw", maxToken, "size"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			allocated := testing.AllocsPerRun(1, func() { _, _, err = validate.SplitJWS(tt.token, tt.max) })
			assertCheck(t, err, tt.check)
			if allocated > 2 {
				t.Errorf("%v allocations", allocated)
			}
		})
	}
}

// The type is judged by the check for it: a logout token is split here too.
func TestSplitJWSLeavesTheTypeAlone(t *testing.T) {
	token := encode(`{"alg":"RS256","typ":"logout+jwt"}`) + ".e30.cw"
	if _, _, err := validate.SplitJWS(token, maxToken); err != nil {
		t.Fatal(err)
	}
}

func FuzzSplitJWS(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.token())
	}
	f.Fuzz(func(t *testing.T, token string) {
		header, payload, err := validate.SplitJWS(token, maxToken)
		if err != nil {
			if !errors.Is(err, validate.ErrInvalid) || header != nil || payload != nil {
				t.Fatalf("%q, %q, %v", header, payload, err)
			}
			return
		}
		// One token has one spelling.
		rest, ok := strings.CutPrefix(token, encode(string(header))+"."+encode(string(payload))+".")
		if signature, err := base64.RawURLEncoding.DecodeString(rest); !ok || err != nil || len(signature) == 0 || encode(string(signature)) != rest {
			t.Fatalf("accepted another spelling: %q", token)
		}
		h, err := validate.ParseHeader(header)
		if err != nil || h.Algorithm == "" || strings.EqualFold(h.Algorithm, "none") {
			t.Fatalf("accepted %q: %v", header, err)
		}
	})
}
