package provider_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestUserInfo(t *testing.T) {
	f := newFake(t)
	f.claims = map[string]any{"name": "Alice of the token"}
	f.userInfo = map[string]any{
		"sub": "alice", "name": "Alice of UserInfo", "groups": []string{"a"},
		"picture": f.URL + "/picture", "profile": f.URL + "/profile",
		"_claim_names": map[string]any{"x": "s"}, "_claim_sources": map[string]any{"s": map[string]any{"endpoint": f.URL + "/source"}},
	}
	login, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired }))
	if err != nil {
		t.Fatal(err)
	}
	if string(login.Claims["name"]) != `"Alice of the token"` || string(login.Claims["groups"]) != `["a"]` {
		t.Errorf("claims %s", login.Claims)
	}
	if string(login.UserInfo["name"]) != `"Alice of UserInfo"` {
		t.Errorf("userinfo %s", login.UserInfo)
	}
	got := f.requests("/userinfo")
	if len(got) != 1 || got[0].Method != "GET" || got[0].Header.Get("Authorization") != "Bearer "+theAccess {
		t.Errorf("userinfo received %v", got)
	}
	// No address in a claim is ever fetched (T070).
	for _, path := range []string{"/picture", "/profile", "/source"} {
		if f.count(path) != 0 {
			t.Errorf("%s was fetched", path)
		}
	}
}

func TestUserInfoFailures(t *testing.T) {
	const (
		fatal  = iota // whatever the policy
		policy        // a warning where it is optional
	)
	jwt := sign(map[string]any{"sub": "alice", "iss": "x", "aud": clientID})
	for _, tt := range []struct {
		name   string
		h      http.HandlerFunc
		change map[string]any // of the metadata
		answer map[string]any // of the token response
		kind   int
	}{
		{"another subject", respond(200, "application/json", `{"sub":"bob","admin":true}`), nil, nil, fatal},
		{"the subject in another case", respond(200, "application/json", `{"sub":"Alice"}`), nil, nil, fatal},
		{"an empty subject", respond(200, "application/json", `{"sub":""}`), nil, nil, fatal},
		{"no subject", respond(200, "application/json", `{}`), nil, nil, policy},
		{"a subject that is a number", respond(200, "application/json", `{"sub":1}`), nil, nil, policy},
		{"a null subject", respond(200, "application/json", `{"sub":null}`), nil, nil, policy},
		{"two subjects", respond(200, "application/json", `{"sub":"alice","sub":"bob"}`), nil, nil, policy},
		{"a second subject in capitals", respond(200, "application/json", `{"sub":"alice","SUB":"bob"}`), nil, nil, policy},
		{"an array", respond(200, "application/json", `[{"sub":"alice"}]`), nil, nil, policy},
		{"HTML", respond(200, "text/html", `{"sub":"alice"}`), nil, nil, policy},
		{"a JWT", respond(200, "application/jwt", jwt), nil, nil, policy},
		{"401", respond(401, "application/json", `{"error":"invalid_token","error_description":"`+theAccess+`"}`), nil, nil, policy},
		{"403", respond(403, "text/plain", "no"), nil, nil, policy},
		{"500", respond(500, "text/plain", theAccess), nil, nil, policy},
		{"a redirect", redirectTo(302, "http://127.0.0.1:1/"), nil, nil, policy},
		{"an endless answer", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for chunk := strings.Repeat(" ", 32<<10); ; {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		}, nil, nil, policy},
		{"silence", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, nil, nil, policy},
		{"no endpoint", nil, map[string]any{"userinfo_endpoint": nil}, nil, policy},
		{"no access token", nil, nil, map[string]any{"access_token": nil}, policy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata, f.answer = tt.change, tt.answer
			f.handle("/userinfo", tt.h)
			for _, when := range []int{provider.UserInfoOptional, provider.UserInfoRequired} {
				p := f.new(t, func(s *provider.Settings) { s.UserInfo = when })
				if err := p.Ready(context.Background()); err != nil {
					t.Fatal(err)
				}
				if tt.name == "silence" {
					if when == provider.UserInfoRequired {
						continue
					}
					provider.SetTimeout(p, time.Second)
				}
				login, err := complete(f, p)
				refused := tt.kind == fatal || when == provider.UserInfoRequired
				if (err != nil) != refused {
					t.Fatalf("policy %d: %v", when, err)
				}
				if refused {
					if checked(err) != "sub" && tt.kind == fatal {
						t.Errorf("got %v; want check sub", err)
					}
					if login != nil {
						t.Error("a login was returned all the same")
					}
					noSecrets(t, err.Error())
					continue
				}
				if login.Warning == nil || login.UserInfo != nil || login.Claims["admin"] != nil {
					t.Errorf("got %+v", login)
				}
				noSecrets(t, login.Warning.Error())
			}
		})
	}
}

func TestUserInfoIsNotAskedForARefusedToken(t *testing.T) {
	f := newFake(t)
	f.claims = map[string]any{"sub": nil}
	_, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoOptional }))
	if !errors.Is(err, provider.ErrInvalid) || f.count("/userinfo") != 0 {
		t.Errorf("got %v after %d calls", err, f.count("/userinfo"))
	}
}

func TestMerge(t *testing.T) {
	for _, tt := range []struct {
		name, id, userInfo, want string
	}{
		{"the ID token wins", `{"sub":"a","name":"x"}`, `{"sub":"a","name":"y","zoneinfo":"z"}`, `{"sub":"a","name":"x","zoneinfo":"z"}`},
		{"what is about the token stays the token's", `{"sub":"a"}`,
			`{"sub":"a","iss":"i","aud":"b","acr":"high","amr":["mfa"],"auth_time":1,"exp":9,"sid":"s","nonce":"n","session_expiry":1}`, `{"sub":"a"}`},
		{"a twin by case is left out", `{"sub":"a","groups":["x"]}`, `{"sub":"a","GROUPS":["admin"]}`, `{"sub":"a","groups":["x"]}`},
		{"a twin by a long s", `{"sub":"a","roles":["x"]}`, `{"sub":"a","role` + "\u017f" + `":["admin"]}`, `{"sub":"a","roles":["x"]}`},
		{"an address with its mark", `{"sub":"a"}`, `{"sub":"a","email":"a@x","email_verified":true}`, `{"sub":"a","email":"a@x","email_verified":true}`},
		{"a mark for another address", `{"sub":"a","email":"victim@x"}`, `{"sub":"a","email":"a@x","email_verified":true}`, `{"sub":"a","email":"victim@x"}`},
		{"a mark for the same address", `{"sub":"a","email":"a@x"}`, `{"sub":"a","email":"a@x","email_verified":true}`, `{"sub":"a","email":"a@x","email_verified":true}`},
		{"a mark alone in UserInfo", `{"sub":"a","email":"a@x"}`, `{"sub":"a","email_verified":true}`, `{"sub":"a","email":"a@x"}`},
		{"a mark alone in the ID token", `{"sub":"a","email_verified":true}`, `{"sub":"a","email":"a@x"}`, `{"sub":"a","email":"a@x"}`},
		{"a mark in each", `{"sub":"a","email_verified":true}`, `{"sub":"a","email":"a@x","email_verified":false}`, `{"sub":"a","email":"a@x","email_verified":false}`},
		{"the ID token's own mark", `{"sub":"a","email":"a@x","email_verified":false}`, `{"sub":"a","email":"a@x","email_verified":true}`, `{"sub":"a","email":"a@x","email_verified":false}`},
		{"a telephone of another", `{"sub":"a","phone_number":"1"}`, `{"sub":"a","phone_number":"2","phone_number_verified":true}`, `{"sub":"a","phone_number":"1"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, userInfo, want := object(t, tt.id), object(t, tt.userInfo), object(t, tt.want)
			before := maps.Clone(id)
			got := provider.Merge(id, userInfo)
			if !equal(got, want) {
				t.Errorf("got %s\nwant %s", got, want)
			}
			if !equal(id, before) {
				t.Error("the ID token's claims were changed")
			}
		})
	}
}

func object(t *testing.T, s string) validate.Claims {
	t.Helper()
	c, err := validate.Object([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func equal(a, b validate.Claims) bool {
	if len(a) != len(b) {
		return false
	}
	for name, value := range a {
		if string(b[name]) != string(value) {
			return false
		}
	}
	return true
}
