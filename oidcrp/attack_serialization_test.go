package oidcrp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// inParts changes the parts of a token.
func inParts(change func(header, claims, signature string) string) oidcrptest.Fault {
	return onText(func(token string) string {
		parts := strings.Split(token, ".")
		return change(parts[0], parts[1], parts[2])
	})
}

// signedText is a token whose first two parts, as they are then, the provider's
// key has signed.
func signedText(change func(header, claims string) string) oidcrptest.Fault {
	var sign func([]byte) []byte
	f := inParts(func(header, claims, _ string) string {
		input := change(header, claims)
		return input + "." + b64(sign([]byte(input)))
	})
	f.IDToken = func(t *oidcrptest.IDToken) { sign = t.Sign }
	return f
}

// loose gives the last character of a part another value of the bits that do not
// count, or adds one where all of them do.
func loose(part string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	if len(part)%4 == 0 {
		return part + "A"
	}
	last := len(part) - 1
	return part[:last] + string(alphabet[strings.IndexByte(alphabet, part[last])^1])
}

func serializations(t *testing.T) {
	const bad = "serialization"
	forged(tokenTrial{},
		forgery{"JSON, flattened", bad, inParts(func(h, c, s string) string {
			return fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, c, h, s)
		})},
		forgery{"JSON, two signatures", bad, inParts(func(h, c, s string) string {
			return fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q},{"protected":%q,"signature":%q}]}`, c, b64([]byte(`{"alg":"none"}`)), "", h, s)
		})},
		forgery{"one part", bad, inParts(func(_, c, _ string) string { return c })},
		forgery{"two parts", bad, inParts(func(h, c, _ string) string { return h + "." + c })},
		forgery{"four parts", bad, inParts(func(h, c, s string) string { return h + "." + c + "." + s + "." + s })},
		forgery{"a dot behind", bad, onText(func(token string) string { return token + "." })},
		forgery{"a dot in front", bad, onText(func(token string) string { return "." + token })},
		forgery{"no claims", bad, inParts(func(h, _, s string) string { return h + ".." + s })},
		forgery{"dots alone", bad, onText(func(string) string { return ".." })},
		forgery{"a comma and another", bad, onText(func(token string) string { return token + "," + token })},
		forgery{"padded signature", bad, inParts(func(h, c, s string) string { return h + "." + c + "." + s + "==" })},
		forgery{"padded header", bad, signedText(func(h, c string) string { return h + "=." + c })},
		forgery{"padded claims", bad, signedText(func(h, c string) string { return h + "." + c + "=" })},
		forgery{"loose signature", bad, inParts(func(h, c, s string) string { return h + "." + c + "." + loose(s) })},
		forgery{"loose header", bad, signedText(func(h, c string) string { return loose(h) + "." + c })},
		forgery{"loose claims", bad, signedText(func(h, c string) string { return h + "." + loose(c) })},
		forgery{"the other alphabet", bad, inParts(func(h, c, s string) string { return h + "." + c + "." + "+/" + s[2:] })},
	)(t)
	// By the browser such a text is no token at all.
	for _, flow := range []struct{ name, reason string }{{"code", bad}, {"code id_token", "syntax"}} {
		t.Run("odd characters, "+flow.name, func(t *testing.T) {
			all := []forgery{
				{"a blank behind", bad, onText(func(s string) string { return s + " " })},
				{"a blank in front", bad, onText(func(s string) string { return " " + s })},
			}
			for name, change := range map[string]func(string) string{
				"a line break behind":           func(s string) string { return s + "\n" },
				"line breaks within":            func(s string) string { return s[:20] + "\r\n" + s[20:] },
				"a line break in the signature": func(s string) string { return s[:len(s)-8] + "\n" + s[len(s)-8:] },
				"a NUL behind":                  func(s string) string { return s + "\x00" },
				"full-width dots":               func(s string) string { return strings.ReplaceAll(s, ".", "．") },
			} {
				all = append(all, forgery{name, flow.reason, onText(change)})
			}
			tokenTrial{}.run(t, oidcrptest.NewProvider(t), flow.name, all)
		})
	}
}

func kids(t *testing.T) {
	_, sign := ownKey(t)
	var all []forgery
	for name, kid := range map[string]string{
		"a path": "../../x", "a file": "/dev/null", "SQL": "' OR '1'='1", "a command": "x|sleep 10", "an address": "http://127.0.0.1:1/key",
		"line breaks": "x\r\nlevel=INFO msg=forged", "a terminal's": "\x1b[2J\x00", "1 kB": strings.Repeat("k", 1000),
	} {
		all = append(all,
			forgery{name + ", signed by another", "signature", onHeader(map[string]any{"kid": kid, "alg": "ES256"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })},
			forgery{name, "signature", oidcrptest.IDTokenHeader("kid", kid)})
	}
	all = append(all,
		forgery{"an unpublished key", "signature", oidcrptest.UnknownKey},
		forgery{"2 kB", "kid", oidcrptest.IDTokenHeader("kid", strings.Repeat("k", 2000))},
		forgery{"10 kB", "size", oidcrptest.IDTokenHeader("kid", strings.Repeat("k", 10_000))},
		forgery{"a number", "kid", oidcrptest.IDTokenHeader("kid", 7)},
		forgery{"an array", "kid", oidcrptest.IDTokenHeader("kid", []string{"x"})},
		forgery{"null, as if it were not there", "", oidcrptest.IDTokenHeader("kid", json.RawMessage("null"))},
		forgery{"no kid, signed by another", "signature", onHeader(map[string]any{"kid": nil, "alg": "ES256"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })},
	)
	look := &record{}
	forged(tokenTrial{logged: look, strange: true}, all...)(t)
	if log := look.String(); strings.Contains(log, "\nlevel=INFO msg=forged") || strings.Contains(log, "\x1b") || strings.Contains(log, "kkkkkkkkkk") {
		t.Errorf("a kid is in the log: %s", log)
	}
}

// noKid is allowed, and tried with few keys.
func noKid(t *testing.T) {
	crowd := func(before int) oidcrptest.Fault {
		f := oidcrptest.KidlessKeys
		f.JWKS = func(doc map[string]any) {
			private, _ := ownKey(t)
			var right any
			for _, k := range doc["keys"].([]any) {
				if k := k.(map[string]any); k["kty"] == "EC" {
					delete(k, "kid")
					right = k
				}
			}
			other, err := json.Marshal(jose.JSONWebKey{Key: private.Public(), Algorithm: "ES256", Use: "sig"})
			if err != nil {
				panic(err)
			}
			keys := []any{}
			for range before {
				keys = append(keys, json.RawMessage(other))
			}
			doc["keys"] = append(keys, right)
		}
		return f
	}
	for name, tt := range map[string]struct {
		fault  oidcrptest.Fault
		reason string
	}{
		"one key":         {oidcrptest.KidAbsentSingle, ""},
		"three of a kind": {oidcrptest.KidAbsentMultiple, ""},
		"the tenth":       {crowd(9), ""},
		"the eleventh":    {crowd(10), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, tt.fault)
			if strings.HasPrefix(name, "the ") {
				op.SetAlgorithm("ES256")
			}
			a := newApp(t, op, nil)
			b := a.browse()
			if page := b.Get(a.URL + "/reports"); tt.reason == "" {
				a.shows(page, "reports for alice")
			} else {
				a.refused(page, http.StatusBadRequest, tt.reason)
			}
		})
	}
}

func sizes(t *testing.T) {
	claims := func(change func([]byte) []byte) oidcrptest.Fault {
		return oidcrptest.Fault{Name: "claims", IDToken: func(t *oidcrptest.IDToken) { t.Rewrite = change }}
	}
	// Nobody asks for the key: the signature was not reached.
	unknown := func(f oidcrptest.Fault) oidcrptest.Fault {
		change := f.IDToken
		f.IDToken = func(t *oidcrptest.IDToken) { change(t); t.Header["kid"] = "not asked for" }
		return f
	}
	many := func(n int) func([]byte) []byte {
		return func(b []byte) []byte {
			var more strings.Builder
			for i := range n {
				fmt.Fprintf(&more, `"%x":0,`, i)
			}
			return []byte("{" + more.String() + string(b[1:]))
		}
	}
	forged(tokenTrial{},
		forgery{"1 MB", "size", onText(func(string) string { return strings.Repeat("A", 1_000_000) })},
		forgery{"1000000 dots", "size", onText(func(string) string { return strings.Repeat(".", 1_000_000) })},
		forgery{"a claim of 700 kB", "size", unknown(claims(func(b []byte) []byte { return with(b, "x", `"`+strings.Repeat("x", 700_000)+`"`) }))},
		forgery{"a claim of 100 kB", "size", unknown(claims(func(b []byte) []byte { return with(b, "x", `"`+strings.Repeat("x", 100_000)+`"`) }))},
		forgery{"70000 claims", "size", unknown(claims(many(70_000)))},
		forgery{"a header of 20 kB", "size", unknown(oidcrptest.IDTokenHeader("x", strings.Repeat("x", 20_000)))},
	)(t)
	forged(tokenTrial{},
		forgery{"1000 levels", "json", claims(func(b []byte) []byte { return with(b, "x", strings.Repeat("[", 1000)+strings.Repeat("]", 1000)) })},
		forgery{"1000 levels of objects", "json", claims(func(b []byte) []byte {
			return with(b, "x", strings.Repeat(`{"x":`, 1000)+"0"+strings.Repeat("}", 1000))
		})},
		forgery{"5000 claims", "json", claims(many(5000))},
		forgery{"1000 levels in the header", "header", oidcrptest.IDTokenHeader("x", json.RawMessage(strings.Repeat("[", 1000)+strings.Repeat("]", 1000)))},
	)(t)
}

// asJWE encrypts a token as hostile as the header says.
func asJWE(header string, parts ...string) oidcrptest.Fault {
	return onText(func(string) string { return strings.Join(append([]string{b64([]byte(header))}, parts...), ".") })
}

func encryptedUnasked(t *testing.T) {
	private, _ := ownKey(t)
	forged(tokenTrial{},
		forgery{"a good one", "serialization", onText(func(token string) string { return encryptedTo(private.Public(), token, jose.NONE) })},
		forgery{"compressed", "serialization", onText(func(token string) string { return encryptedTo(private.Public(), token, jose.DEFLATE) })},
		forgery{"by a password", "serialization", asJWE(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		forgery{"five parts of nothing", "serialization", onText(func(string) string { return "...." })},
		forgery{"six parts", "serialization", onText(func(string) string { return "AAAA.AAAA.AAAA.AAAA.AAAA.AAAA" })},
	)(t)
}

// encryptedTo is a token encrypted to a key.
func encryptedTo(public any, plain string, zip jose.CompressionAlgorithm) string {
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: public, KeyID: "enc"},
		&jose.EncrypterOptions{Compression: zip})
	if err != nil {
		panic(err)
	}
	jwe, err := encrypter.Encrypt([]byte(plain))
	if err != nil {
		panic(err)
	}
	token, err := jwe.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// hostileEncryption is tried where tokens are encrypted by agreement.
func hostileEncryption(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newSecuredApp(t, op, func(c *oidcrptest.Client) {
		c.IDTokenEncryption = oidcrptest.Encryption{Algorithm: "ECDH-ES+A256KW", Content: "A256GCM"}
	}, func(c *oidcrp.Config) {
		c.Providers[0].UserInfo, c.Providers[0].ResponseMode = oidcrp.UserInfoRequired, "form_post"
	})
	private, _ := ownKey(t)
	const good = `{"alg":"ECDH-ES+A256KW","enc":"A256GCM","kid":"enc","epk":`
	const point = `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	b := a.signIn()
	for _, f := range []forgery{
		{"a bomb", "zip", onText(func(string) string { return encryptedTo(private.Public(), strings.Repeat("x", 8<<20), jose.DEFLATE) })},
		{"by a password, 2147483647 rounds", "alg", asJWE(`{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"a shared key", "alg", asJWE(`{"alg":"A256KW","enc":"A256GCM"}`, "", "AAAA", "AAAA", "AAAA")},
		{"no key", "alg", asJWE(`{"alg":"dir","enc":"A256GCM"}`, "", "AAAA", "AAAA", "AAAA")},
		{"RSA1_5", "alg", asJWE(`{"alg":"RSA1_5","enc":"A256GCM"}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"an empty key", "encryption", asJWE(good+point+`}`, "", "AAAAAAAAAAAAAAAA", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA")},
		{"a short key", "encryption", asJWE(good+point+`}`, "AAAA", "AAAAAAAAAAAAAAAA", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA")},
		{"a point off the curve", "encryption", asJWE(good+`{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"no point", "encryption", asJWE(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"no content encryption", "encryption", asJWE(`{"alg":"ECDH-ES+A256KW","enc":"none","epk":`+point+`}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"a header of 10 kB", "serialization", asJWE(`{"alg":"ECDH-ES+A256KW","x":"`+strings.Repeat("x", 10_000)+`"}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"a header that is none", "header", asJWE(`[]`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"a key in the header", "jwk", asJWE(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","jwk":`+point+`}`, "AAAA", "AAAA", "AAAA", "AAAA")},
		{"five parts of nothing", "header", onText(func(string) string { return "...." })},
		{"six parts", "encryption", onText(func(token string) string { return token + ".AAAA" })},
		{"to another", "encryption", oidcrptest.EncryptToAnother},
		{"not at all", "encryption", oidcrptest.IgnoreEncryption},
		{"600 kB", "size", asJWE(good+point+`}`, "AAAA", "AAAA", strings.Repeat("A", 600_000), "AAAA")},
	} {
		t.Run(f.name, func(t *testing.T) {
			a := a.in(t)
			a.rejectsLogin(b, rejection{reason: f.reason, calls: []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}}, f.fault)
		})
	}
	op.SetFaults()
	a.shows(a.again(b), "reports for alice")
}
