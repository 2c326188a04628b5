package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// userInfoClaims are those of a signed answer, changed.
func (f *fake) userInfoClaims(changes map[string]any) map[string]any {
	return change(map[string]any{"iss": f.URL, "aud": clientID, "sub": "alice", "nickname": "Al"}, changes)
}

func TestSignedUserInfo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(*fake) string
	}{
		{"iss, aud and sub", func(f *fake) string { return sign(f.userInfoClaims(nil)) }},
		{"several audiences", func(f *fake) string {
			return sign(f.userInfoClaims(map[string]any{"aud": []string{"another", clientID}}))
		}},
		{"an expiry to come", func(f *fake) string {
			return sign(f.userInfoClaims(map[string]any{"exp": f.clock.Now().Add(time.Minute).Unix()}))
		}},
		{"a type", func(f *fake) string { return signTyped("JWT", f.userInfoClaims(nil)) }},
		{"a line break at the end", func(f *fake) string { return sign(f.userInfoClaims(nil)) + "\n" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.handle("/userinfo", respond(200, "application/jwt; charset=utf-8", tt.answer(f)))
			login, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired }))
			if err != nil {
				t.Fatal(err)
			}
			if string(login.Claims["nickname"]) != `"Al"` {
				t.Errorf("claims %s", login.Claims)
			}
		})
	}
}

func signTyped(typ string, claims map[string]any) string {
	b, _ := json.Marshal(claims)
	return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: signingKey(), KeyID: "k1"}},
		map[jose.HeaderKey]any{jose.HeaderType: typ}, string(b))
}

func TestSignedUserInfoRefused(t *testing.T) {
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(name string, value any) func(*fake) string {
		return func(f *fake) string { return sign(f.userInfoClaims(map[string]any{name: value})) }
	}
	for _, tt := range []struct {
		name, check string
		answer      func(*fake) string
	}{
		{"another issuer", "iss", changed("iss", "https://evil.example")},
		{"no issuer", "iss", changed("iss", nil)},
		{"another audience", "aud", changed("aud", "another")},
		{"no audience", "aud", changed("aud", nil)},
		{"another subject", "sub", changed("sub", "bob")},
		{"no subject", "sub", changed("sub", nil)},
		{"expired", "exp", changed("exp", 1)},
		{"an expiry in words", "exp", changed("exp", "tomorrow")},
		{"not yet valid", "nbf", changed("nbf", 4102444800)},
		{"a logout token", "events", changed("events", map[string]any{})},
		{"an access token", "typ", func(f *fake) string { return signTyped("at+jwt", f.userInfoClaims(nil)) }},
		{"a key of another", "signature", func(f *fake) string {
			b, _ := json.Marshal(f.userInfoClaims(nil))
			return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "k1"}}, nil, string(b))
		}},
		{"the client secret as key", "alg", func(f *fake) string {
			b, _ := json.Marshal(f.userInfoClaims(nil))
			return signWith(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(strings.Repeat(clientSecret, 3))}, nil, string(b))
		}},
		{"unsigned", "serialization", func(*fake) string { return "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9." }},
		{"no JWT", "serialization", func(*fake) string { return `{"sub":"alice"}` }},
		{"encrypted", "serialization", func(*fake) string { return "a.b.c.d.e" }},
		{"nothing", "serialization", func(*fake) string { return "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.handle("/userinfo", respond(200, "application/jwt", tt.answer(f)))
			login, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired }))
			if !errors.Is(err, provider.ErrInvalid) || checked(err) != tt.check || login != nil {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
		})
	}
}

func TestSignedUserInfoOfAnAlgorithmNotAdvertised(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"userinfo_signing_alg_values_supported": []string{"RS256"}}
	f.handle("/userinfo", respond(200, "application/jwt", sign(f.userInfoClaims(nil))))
	_, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired }))
	if checked(err) != "alg" {
		t.Errorf("got %v; want check alg", err)
	}
}

func TestUserInfoInBody(t *testing.T) {
	f := newFake(t)
	_, err := complete(f, f.new(t, func(s *provider.Settings) {
		s.UserInfo, s.UserInfoInBody = provider.UserInfoRequired, true
	}))
	if err != nil {
		t.Fatal(err)
	}
	got := f.requests("/userinfo")
	if len(got) != 1 || got[0].Method != http.MethodPost || got[0].Form.Get("access_token") != theAccess ||
		got[0].Header.Get("Content-Type") != urlencoded || got[0].Header.Get("Authorization") != "" {
		t.Errorf("userinfo received %v", got)
	}
}

// FuzzUserInfoToken: plain JSON is read as encoding/json reads it, and of JWTs
// only what the provider signed is accepted.
func FuzzUserInfoToken(f *testing.F) {
	op := newFake(f)
	s := op.settings()
	s.UserInfo = provider.UserInfoRequired
	p, err := provider.New(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("application/jwt", sign(op.userInfoClaims(nil)))
	f.Add("application/jwt", "a.b.c.d.e")
	f.Add("application/jwt", "eyJhbGciOiJub25lIn0.e30.")
	f.Add("application/json", `{"sub":"alice"}`)
	f.Add("text/html", `<p>`)
	f.Fuzz(func(t *testing.T, kind, body string) {
		claims, err := provider.ReadUserInfo(t.Context(), p, kind, body)
		if err != nil {
			return
		}
		var read struct{ Sub string }
		if sub, _, _ := claims.String("sub"); sub != "alice" {
			t.Errorf("accepted %q as %q", body, kind)
		}
		if strings.Contains(strings.ToLower(kind), "json") {
			if err := json.Unmarshal([]byte(body), &read); err != nil || read.Sub != "alice" {
				t.Errorf("encoding/json reads %q as %+v, %v", body, read, err)
			}
		} else if nickname, _, _ := claims.String("nickname"); nickname != "Al" || len(claims) != 4 {
			t.Errorf("accepted %q, which was not signed", body)
		}
	})
}
