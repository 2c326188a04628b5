package validate_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// split takes a token of this header and these claims apart.
func split(header string, claims []byte) (*validate.JWS, error) {
	return validate.SplitJWS(encode(header)+"."+encode(string(claims))+"."+encode("s"), maxToken)
}

func checkIDToken(header string, claims []byte, e validate.Expect) (*validate.IDToken, error) {
	jws, err := split(header, claims)
	if err != nil {
		return nil, err
	}
	return validate.CheckIDToken(jws.Header, jws.Payload, e)
}

func TestSplitJWSReturnsWhatWasSigned(t *testing.T) {
	const h, p = `{"alg":"ES256","kid":"a b","typ":"JWT"}`, "any\x00bytes"
	signed := encode(h) + "." + encode(p)
	token := signed + "." + encode("s")
	jws, err := validate.SplitJWS(token, len(token))
	if err != nil || string(jws.Payload) != p || jws.Signed != signed || string(jws.Signature) != "s" {
		t.Fatalf("%+v, %v", jws, err)
	}
	if want := (validate.Header{Algorithm: "ES256", KeyID: "a b", Type: "JWT"}); jws.Header != want {
		t.Fatalf("%+v", jws.Header)
	}
}

// The decoder of base64 passes over line breaks, so that a token with one would be
// the same token.
func TestSplitJWSRefusesLineBreaks(t *testing.T) {
	for _, br := range []string{"\n", "\r", "\r\n"} {
		for i := range 3 {
			parts := []string{encode(`{"alg":"RS256"}`), encode("{}"), encode("signature")}
			parts[i] = parts[i][:2] + br + parts[i][2:]
			_, err := validate.SplitJWS(strings.Join(parts, "."), maxToken)
			assertCheck(t, err, "serialization")
		}
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
			allocated := testing.AllocsPerRun(1, func() { _, err = validate.SplitJWS(tt.token, tt.max) })
			assertCheck(t, err, tt.check)
			if allocated > 2 {
				t.Errorf("%v allocations", allocated)
			}
		})
	}
}

// The type is judged by the check for it: a logout token is split here too.
func TestSplitJWSLeavesTheTypeAlone(t *testing.T) {
	if _, err := split(`{"alg":"RS256","typ":"logout+jwt"}`, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
}

func FuzzSplitJWS(f *testing.F) {
	for _, v := range readVectors(f) {
		f.Add(v.token())
	}
	f.Fuzz(func(t *testing.T, token string) {
		jws, err := validate.SplitJWS(token, maxToken)
		if err != nil {
			if !errors.Is(err, validate.ErrInvalid) || jws != nil {
				t.Fatalf("%+v, %v", jws, err)
			}
			return
		}
		// One token has one spelling.
		first, _, _ := strings.Cut(token, ".")
		header, err := base64.RawURLEncoding.DecodeString(first)
		signed := encode(string(header)) + "." + encode(string(jws.Payload))
		if err != nil || len(jws.Signature) == 0 || jws.Signed != signed || token != signed+"."+encode(string(jws.Signature)) {
			t.Fatalf("accepted another spelling: %q", token)
		}
		if h := jws.Header; h.Algorithm == "" || strings.EqualFold(h.Algorithm, "none") {
			t.Fatalf("accepted %q", header)
		}
	})
}
