package validate_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// A claim of the wrong type is told apart from one that is missing, old or
// another's: whoever runs the application has to know which it was.
func TestWrongTypesAreSaid(t *testing.T) {
	const tenant = "https://op.example/a/v2.0"
	expect := validate.Expect{
		Issuer: "https://op.example/b/v2.0", Others: validate.Issuers{Template: "https://op.example/" + validate.TenantPlaceholder + "/v2.0"},
		ClientID: "client", Nonce: "n", Now: logoutNow, Skew: time.Minute, AccessToken: "token", Code: "code", State: "state",
		ACR: []string{"phr"}, HasMaxAge: true, MaxAge: time.Hour,
	}
	now := fmt.Sprint(logoutNow.Unix())
	good := map[string]json.RawMessage{
		"iss": json.RawMessage(`"` + tenant + `"`), "tid": json.RawMessage(`"a"`), "aud": json.RawMessage(`"client"`), "sub": json.RawMessage(`"alice"`),
		"iat": json.RawMessage(now), "exp": json.RawMessage(fmt.Sprint(logoutNow.Add(time.Hour).Unix())), "nonce": json.RawMessage(`"n"`),
		"auth_time": json.RawMessage(now), "acr": json.RawMessage(`"phr"`),
	}
	check := func(changes map[string]string) error {
		claims := maps.Clone(good)
		for name, value := range changes {
			claims[name] = json.RawMessage(value)
		}
		b, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		_, err = checkIDToken(plainHeader, b, expect)
		return err
	}
	if err := check(nil); err != nil {
		t.Fatal(err)
	}
	says := func(name string, err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), name+": "+want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	for name, want := range map[string]string{
		"iss": "not a string", "azp": "not a string", "sub": "not a string", "nonce": "not a string", "acr": "not a string", "tid": "not a string",
		"at_hash": "not a string", "c_hash": "not a string", "s_hash": "not a string", "aud": "not a string or an array",
		"exp": "not a time", "iat": "not a time", "nbf": "not a time", "auth_time": "not a time",
	} {
		says(name, check(map[string]string{name: `true`}), want)
	}
	for name, want := range map[string]string{"jti": "not a string", "sub": "not a string", "sid": "not a string", "iat": "not a time", "exp": "not a time"} {
		_, err := checkLogout(plainHeader, logoutClaims(map[string]string{name: `{}`}), true)
		says(name, err, want)
	}
	for name, changes := range map[string]map[string]string{
		"not an object": {"events": `7`}, "not about a logout": {"events": `{}`}, "missing": {"events": ""},
		"the logout is not an object": {"events": `{"http://schemas.openid.net/event/backchannel-logout":[]}`},
	} {
		_, err := checkLogout(plainHeader, logoutClaims(changes), true)
		says("events", err, name)
	}
	delete(good, "nonce")
	says("nonce", check(nil), "missing")
	delete(good, "exp")
	says("exp", check(nil), "missing")
	for token, want := range map[string]string{"a": "three parts", "a.b": "three parts", "a.b.c.d": "three parts", "..": "empty"} {
		if _, err := validate.SplitJWS(token, maxToken); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", token, err, want)
		}
	}
	for name, header := range map[string]string{"alg": `{"alg":7}`, "kid": `{"alg":"RS256","kid":7}`, "typ": `{"alg":"RS256","typ":7}`} {
		_, err := split(header, []byte(`{}`))
		says(name, err, "not a string")
	}
	_, err := checkLogout(plainHeader, logoutClaims(map[string]string{"jti": ""}), true)
	says("jti", err, "missing or empty")

	// Neither header nor payload is looked into unless it is one plain object.
	for _, broken := range []string{`{`, `[]`, `{"alg":"RS256","alg":"RS256"}`, `{"kid":"k1"}`} {
		if _, err := checkIDToken(broken, []byte(`{}`), expect); err == nil || strings.Contains(err.Error(), "iss") {
			t.Errorf("header %s: %v", broken, err)
		}
		if _, err := checkLogout(broken, []byte(`{}`), true); err == nil || strings.Contains(err.Error(), "events") {
			t.Errorf("header %s: %v", broken, err)
		}
	}
	for _, broken := range []string{`{`, `[]`, `{"iss":"a","iss":"b"}`} {
		if _, err := checkIDToken(plainHeader, []byte(broken), expect); err == nil || strings.Contains(err.Error(), "iss:") {
			t.Errorf("payload %s: %v", broken, err)
		}
		if _, err := checkLogout(plainHeader, []byte(broken), true); err == nil || strings.Contains(err.Error(), "events") {
			t.Errorf("payload %s: %v", broken, err)
		}
	}
}

// What stands between two tokens of one user.
func TestRefreshedTokenIsOfTheSameLogin(t *testing.T) {
	was := &validate.Refreshed{Issuer: "https://op.example", Subject: "alice"}
	expect := validate.Expect{Issuer: "https://op.example", Others: validate.Issuers{Exact: []string{"https://op.example/other"}}, ClientID: "client",
		Nonce: "n", Now: logoutNow, Skew: time.Minute, Refreshed: was}
	check := func(changes map[string]string) error {
		changes["events"], changes["sid"] = "", ""
		_, err := checkIDToken(plainHeader, logoutClaims(changes), expect)
		return err
	}
	authTime := string(at(-time.Hour))
	if err := check(map[string]string{"auth_time": authTime}); err != nil {
		t.Errorf("auth_time where there was none: %v", err)
	}
	was.AuthTime = logoutNow.Add(-time.Hour)
	if err := check(map[string]string{}); err != nil {
		t.Errorf("no auth_time where there was one: %v", err)
	}
	if err := check(map[string]string{"auth_time": authTime}); err != nil {
		t.Errorf("the same: %v", err)
	}
	assertCheck(t, check(map[string]string{"auth_time": string(at(-time.Minute))}), "auth_time")
	assertCheck(t, check(map[string]string{"iss": `"https://op.example/other"`}), "iss")
	assertCheck(t, check(map[string]string{"sub": `"bob"`}), "sub")
	assertCheck(t, check(map[string]string{"nonce": `"other"`}), "nonce")
	if err := check(map[string]string{"nonce": `"n"`}); err != nil {
		t.Errorf("the nonce of the login: %v", err)
	}
}
