package validate_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const maxToken = 64 << 10

// A vector is one file of testdata/idtoken: a token, what is expected of it,
// and the verdict. The signature is taken to be good.
type vector struct {
	About   string
	Token   string          // as sent; or
	Header  json.RawMessage // of the token, and
	Claims  json.RawMessage // its payload, or
	Payload string          // the payload in base64url, where it is no JSON
	Expect  struct {
		Issuer        string
		ClientID      string `json:"client_id"`
		Audiences     []string
		Nonce         string
		Now, Started  int64 // Unix seconds; started 0: not known
		Skew          int64
		MaxAge        *int64 `json:"max_age"`
		ACR           []string
		AccessToken   string `json:"access_token"`
		Code          string
		RequireATHash bool `json:"require_at_hash"`
		RequireCHash  bool `json:"require_c_hash"`
	}
	Verdict string // accept or reject
	Check   string // that fails
}

func readVectors(t testing.TB) map[string]vector {
	files, err := filepath.Glob("../../testdata/idtoken/*.json")
	if err != nil || len(files) < 200 {
		t.Fatalf("%d vectors found, %v", len(files), err)
	}
	vectors := make(map[string]vector)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := json.NewDecoder(strings.NewReader(string(b)))
		d.DisallowUnknownFields()
		var v vector
		if err := d.Decode(&v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		vectors[strings.TrimSuffix(filepath.Base(file), ".json")] = v
	}
	return vectors
}

func (v vector) token() string {
	if v.Header == nil {
		return v.Token
	}
	encode := base64.RawURLEncoding.EncodeToString
	payload := v.Payload
	if v.Claims != nil {
		payload = encode(v.Claims)
	}
	return encode(v.Header) + "." + payload + "." + encode([]byte("sig"))
}

func (v vector) expect() validate.Expect {
	e := validate.Expect{
		Issuer: v.Expect.Issuer, ClientID: v.Expect.ClientID, Audiences: v.Expect.Audiences,
		Nonce: v.Expect.Nonce, Now: time.Unix(v.Expect.Now, 0), Skew: time.Duration(v.Expect.Skew) * time.Second,
		ACR: v.Expect.ACR, AccessToken: v.Expect.AccessToken, Code: v.Expect.Code,
		RequireATHash: v.Expect.RequireATHash, RequireCHash: v.Expect.RequireCHash,
	}
	if v.Expect.Started != 0 {
		e.Started = time.Unix(v.Expect.Started, 0)
	}
	if v.Expect.MaxAge != nil {
		e.HasMaxAge, e.MaxAge = true, time.Duration(*v.Expect.MaxAge)*time.Second
	}
	return e
}

func (v vector) run() (*validate.IDToken, error) {
	jws, err := validate.SplitJWS(v.token(), maxToken)
	if err != nil {
		return nil, err
	}
	return validate.CheckIDToken(jws.Header, jws.Payload, v.expect())
}

func TestVectors(t *testing.T) {
	for name, v := range readVectors(t) {
		t.Run(name, func(t *testing.T) {
			token, err := v.run()
			switch v.Verdict {
			case "accept":
				if err != nil {
					t.Fatalf("%s refused: %v", v.About, err)
				}
				if token.Subject == "" || token.Issuer != v.Expect.Issuer || token.Expiry.IsZero() || token.IssuedAt.IsZero() {
					t.Fatalf("incomplete: %+v", token)
				}
			case "reject":
				if token != nil {
					t.Error("a token that was refused is returned")
				}
				assertCheck(t, err, v.Check)
			default:
				t.Fatalf("verdict %q", v.Verdict)
			}
		})
	}
}

func assertCheck(t *testing.T, err error, check string) {
	t.Helper()
	var e *validate.Error
	if !errors.Is(err, validate.ErrInvalid) || !errors.As(err, &e) {
		t.Fatalf("got %v, want an ErrInvalid of check %q", err, check)
	}
	if e.Check != check {
		t.Fatalf("got check %q (%v), want %q", e.Check, err, check)
	}
	if e.Token == "" || e.Detail == "" {
		t.Fatalf("token or detail missing in %+v", e)
	}
}

func TestErrorsRepeatNothingOfTheToken(t *testing.T) {
	for name, v := range readVectors(t) {
		_, err := v.run()
		if err == nil {
			continue
		}
		for _, secret := range []string{v.Expect.Nonce, v.Expect.AccessToken, v.Expect.Code, "admin", "248289761001", "evil"} {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q contains %q", name, err, secret)
			}
		}
	}
}

// Unknown claims never change the verdict, and no claim that is checked can
// change without one (SECURITY.md 5.2, invariant 5).
func TestVerdictDependsOnCheckedClaimsAlone(t *testing.T) {
	v := readVectors(t)["plain"]
	jws, err := validate.SplitJWS(v.token(), maxToken)
	if err != nil {
		t.Fatal(err)
	}
	with := func(name, value string) error {
		var claims map[string]json.RawMessage
		if err := json.Unmarshal(jws.Payload, &claims); err != nil {
			t.Fatal(err)
		}
		claims[name] = json.RawMessage(value)
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		_, err = validate.CheckIDToken(jws.Header, b, v.expect())
		return err
	}
	for _, value := range []string{`null`, `""`, `"x"`, `0`, `-1`, `1e300`, `true`, `[]`, `["x"]`, `{}`} {
		for _, name := range []string{"locale", "x5c", "alg", "constructor", "__proto__", "https://x.example/roles", ""} {
			if err := with(name, value); err != nil {
				t.Errorf("unknown claim %s = %s: %v", name, value, err)
			}
		}
		for _, name := range []string{"iss", "aud", "azp", "exp", "iat", "nonce"} {
			if err := with(name, value); !errors.Is(err, validate.ErrInvalid) {
				t.Errorf("%s = %s was accepted", name, value)
			}
		}
	}
}

func FuzzCheckIDToken(f *testing.F) {
	vectors := readVectors(f)
	for _, v := range vectors {
		if jws, err := validate.SplitJWS(v.token(), maxToken); err == nil {
			f.Add([]byte(v.Header), jws.Payload)
		}
	}
	e := vectors["plain"].expect()
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		token, err := checkIDToken(string(header), payload, e)
		if err != nil {
			if !errors.Is(err, validate.ErrInvalid) || token != nil {
				t.Fatalf("%v, %v", token, err)
			}
			return
		}
		var claims struct {
			Iss, Sub, Nonce, Azp string
			Aud                  any
			Exp, Iat             float64
			Events               any
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Iss != e.Issuer || claims.Nonce != e.Nonce || claims.Sub != token.Subject || claims.Sub == "" ||
			claims.Azp != "" && claims.Azp != e.ClientID || claims.Events != nil {
			t.Fatalf("accepted %s", payload)
		}
		switch aud := claims.Aud.(type) {
		case string:
			if aud != e.ClientID {
				t.Fatalf("accepted aud %q", aud)
			}
		case []any:
			for _, a := range aud {
				if a != e.ClientID {
					t.Fatalf("accepted aud %v", aud)
				}
			}
		}
		if now := float64(e.Now.Unix()); claims.Exp <= now-60 || claims.Iat > now+60 || claims.Iat < now-90 {
			t.Fatalf("accepted exp %v, iat %v", claims.Exp, claims.Iat)
		}
	})
}

func BenchmarkCheckIDToken(b *testing.B) {
	v := readVectors(b)["unknown-claims"]
	token, e := v.token(), v.expect()
	b.ReportAllocs()
	for b.Loop() {
		jws, err := validate.SplitJWS(token, maxToken)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := validate.CheckIDToken(jws.Header, jws.Payload, e); err != nil {
			b.Fatal(err)
		}
	}
}
