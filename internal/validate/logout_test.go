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

var logoutNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) json.RawMessage {
	return json.RawMessage(fmt.Sprint(logoutNow.Add(d).Unix()))
}

// logoutClaims are a good token's; "" leaves one out.
func logoutClaims(changes map[string]string) []byte {
	claims := map[string]json.RawMessage{
		"iss": json.RawMessage(`"https://op.example"`), "aud": json.RawMessage(`"client"`),
		"iat": at(0), "exp": at(2 * time.Minute), "jti": json.RawMessage(`"j1"`),
		"sub": json.RawMessage(`"alice"`), "sid": json.RawMessage(`"s1"`), "unknown": json.RawMessage(`[1]`),
		"events": json.RawMessage(`{"http://schemas.openid.net/event/backchannel-logout":{}}`),
	}
	for name, value := range changes {
		claims[name] = json.RawMessage(value)
	}
	maps.DeleteFunc(claims, func(_ string, v json.RawMessage) bool { return len(v) == 0 })
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	return b
}

func checkLogout(header string, claims []byte, expRequired bool) (*validate.LogoutToken, error) {
	jws, err := split(header, claims)
	if err != nil {
		return nil, err
	}
	return validate.CheckLogoutToken(jws.Header, jws.Payload, validate.Expect{
		Issuer: "https://op.example", ClientID: "client", Audiences: []string{"trusted"},
		Now: logoutNow, Skew: time.Minute,
	}, expRequired)
}

const plainHeader = `{"alg":"RS256","kid":"k1"}`

func TestLogoutTokensAccepted(t *testing.T) {
	for name, tt := range map[string]struct {
		header  string
		changes map[string]string
		noExp   bool
	}{
		"plain":                        {},
		"typ logout+jwt":               {header: `{"alg":"RS256","typ":"logout+jwt"}`},
		"typ Logout+JWT":               {header: `{"alg":"RS256","typ":"Logout+JWT"}`},
		"typ JWT":                      {header: `{"alg":"RS256","typ":"JWT"}`},
		"aud in an array":              {changes: map[string]string{"aud": `["client"]`}},
		"aud trusted too":              {changes: map[string]string{"aud": `["client","trusted"]`, "azp": `"client"`}},
		"sub alone":                    {changes: map[string]string{"sid": ""}},
		"sid alone":                    {changes: map[string]string{"sub": ""}},
		"members inside the event":     {changes: map[string]string{"events": `{"http://schemas.openid.net/event/backchannel-logout":{"x":1},"other":{}}`}},
		"nearly an hour old":           {changes: map[string]string{"iat": string(at(-time.Hour)), "exp": string(at(time.Second))}},
		"expired within the skew":      {changes: map[string]string{"exp": string(at(-59 * time.Second))}},
		"issued within the skew":       {changes: map[string]string{"iat": string(at(time.Minute))}},
		"no exp":                       {changes: map[string]string{"exp": ""}, noExp: true},
		"no exp, of two minutes ago":   {changes: map[string]string{"exp": "", "iat": string(at(-2 * time.Minute))}, noExp: true},
		"exp where it may be left out": {noExp: true},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.header == "" {
				tt.header = plainHeader
			}
			token, err := checkLogout(tt.header, logoutClaims(tt.changes), !tt.noExp)
			if err != nil {
				t.Fatal(err)
			}
			want := func(name, value string) string {
				if changed, ok := tt.changes[name]; ok {
					return strings.Trim(changed, `"`)
				}
				return value
			}
			if token.Issuer != "https://op.example" || token.Subject != want("sub", "alice") || token.SID != want("sid", "s1") || token.IssuedAt.IsZero() {
				t.Errorf("got %+v", token)
			}
		})
	}
}

func TestLogoutTokensRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		check, claim, value string
		noExp               bool
	}{
		"no iss":                     {check: "iss", claim: "iss"},
		"another iss":                {check: "iss", claim: "iss", value: `"https://op.example/"`},
		"no aud":                     {check: "aud", claim: "aud"},
		"another aud":                {check: "aud", claim: "aud", value: `"clientINVALID"`},
		"an aud that is not trusted": {check: "aud", claim: "aud", value: `["client","other"]`},
		"azp of another":             {check: "azp", claim: "azp", value: `"other"`},
		"no events":                  {check: "events", claim: "events"},
		"events null":                {check: "events", claim: "events", value: `null`},
		"events a string":            {check: "events", claim: "events", value: `"http://schemas.openid.net/event/backchannel-logout"`},
		"events an array":            {check: "events", claim: "events", value: `["http://schemas.openid.net/event/backchannel-logout"]`},
		"another event":              {check: "events", claim: "events", value: `{"http://schemas.openid.net/event/other":{}}`},
		"the event null":             {check: "events", claim: "events", value: `{"http://schemas.openid.net/event/backchannel-logout":null}`},
		"the event a string":         {check: "events", claim: "events", value: `{"http://schemas.openid.net/event/backchannel-logout":"x"}`},
		"the event an array":         {check: "events", claim: "events", value: `{"http://schemas.openid.net/event/backchannel-logout":[]}`},
		"the event true":             {check: "events", claim: "events", value: `{"http://schemas.openid.net/event/backchannel-logout":true}`},
		"a nonce":                    {check: "nonce", claim: "nonce", value: `"n"`},
		"a nonce that is null":       {check: "nonce", claim: "nonce", value: `null`},
		"a nonce that is empty":      {check: "nonce", claim: "nonce", value: `""`},
		"no jti":                     {check: "jti", claim: "jti"},
		"jti null":                   {check: "jti", claim: "jti", value: `null`},
		"jti empty":                  {check: "jti", claim: "jti", value: `""`},
		"jti a number":               {check: "jti", claim: "jti", value: `7`},
		"no iat":                     {check: "iat", claim: "iat"},
		"iat null":                   {check: "iat", claim: "iat", value: `null`},
		"iat a string":               {check: "iat", claim: "iat", value: `"today"`},
		"iat in the future":          {check: "iat", claim: "iat", value: string(at(61 * time.Second))},
		"iat too long ago":           {check: "iat", claim: "iat", value: string(at(-time.Hour - 61*time.Second))},
		"no exp":                     {check: "exp", claim: "exp"},
		"exp null":                   {check: "exp", claim: "exp", value: `null`},
		"exp null, may be left out":  {check: "exp", claim: "exp", value: `null`, noExp: true},
		"exp a string":               {check: "exp", claim: "exp", value: `"later"`},
		"expired":                    {check: "exp", claim: "exp", value: string(at(-time.Minute))},
		"expired, may be left out":   {check: "exp", claim: "exp", value: string(at(-time.Minute)), noExp: true},
		"exp in eleven years":        {check: "exp", claim: "exp", value: string(at(11 * 365 * 24 * time.Hour))},
		"exp in milliseconds":        {check: "exp", claim: "exp", value: fmt.Sprint(logoutNow.UnixMilli())},
		"nbf in the future":          {check: "nbf", claim: "nbf", value: string(at(2 * time.Minute))},
		"sub null":                   {check: "sub", claim: "sub", value: `null`},
		"sub empty":                  {check: "sub", claim: "sub", value: `""`},
		"sub a number":               {check: "sub", claim: "sub", value: `7`},
		"sub endless":                {check: "sub", claim: "sub", value: `"` + strings.Repeat("s", 1025) + `"`},
		"sid null":                   {check: "sid", claim: "sid", value: `null`},
		"sid empty":                  {check: "sid", claim: "sid", value: `""`},
		"sid an array":               {check: "sid", claim: "sid", value: `["s1"]`},
		"a claim that looks like it": {check: "claims", claim: "Sub", value: `"mallory"`},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := checkLogout(plainHeader, logoutClaims(map[string]string{tt.claim: tt.value}), !tt.noExp)
			if token != nil {
				t.Error("a token that was refused is returned")
			}
			if tt.check == "claims" {
				if err == nil {
					t.Error("accepted")
				}
				return
			}
			assertCheck(t, err, tt.check)
			if !strings.Contains(err.Error(), "logout token") {
				t.Errorf("%v does not say of which token", err)
			}
		})
	}
	t.Run("neither sub nor sid", func(t *testing.T) {
		_, err := checkLogout(plainHeader, logoutClaims(map[string]string{"sub": "", "sid": ""}), true)
		assertCheck(t, err, "sub")
	})
	t.Run("no exp, older than tokens live", func(t *testing.T) {
		_, err := checkLogout(plainHeader, logoutClaims(map[string]string{"exp": "", "iat": string(at(-3*time.Minute - time.Second))}), false)
		assertCheck(t, err, "iat")
	})
	for _, typ := range []string{"at+jwt", "secevent+jwt", "dpop+jwt", "id_token", "logout"} {
		t.Run("typ "+typ, func(t *testing.T) {
			_, err := checkLogout(`{"alg":"RS256","typ":"`+typ+`"}`, logoutClaims(nil), true)
			assertCheck(t, err, "typ")
		})
	}
}

// Neither kind of token passes for the other (T123).
func TestLogoutTokenIsNoIDToken(t *testing.T) {
	v := readVectors(t)["plain"]
	jws, err := validate.SplitJWS(v.token(), maxToken)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := validate.CheckLogoutToken(jws.Header, jws.Payload, v.expect(), true); err == nil {
		t.Error("an ID token passes for a logout token")
	}
	e := v.expect()
	claims := logoutClaims(map[string]string{"iss": `"` + e.Issuer + `"`, "aud": `"` + e.ClientID + `"`, "nonce": `"` + e.Nonce + `"`})
	if _, err := checkIDToken(plainHeader, claims, e); err == nil {
		t.Error("a logout token passes for an ID token")
	}
}

// Whatever is accepted is of the provider, for this client, about somebody, and
// would be refused with a nonce.
func FuzzCheckLogoutToken(f *testing.F) {
	f.Add([]byte(plainHeader), logoutClaims(nil))
	f.Add([]byte(`{"alg":"RS256","typ":"logout+jwt"}`), logoutClaims(map[string]string{"sid": ""}))
	f.Add([]byte(plainHeader), logoutClaims(map[string]string{"events": `[]`}))
	f.Add([]byte(plainHeader), logoutClaims(map[string]string{"exp": "", "sub": `null`}))
	f.Add([]byte(`{}`), []byte(`{"iss":1}`))
	f.Fuzz(func(t *testing.T, header, claims []byte) {
		token, err := checkLogout(string(header), claims, true)
		if err != nil {
			if token != nil {
				t.Error("a token that was refused is returned")
			}
			return
		}
		var c map[string]any
		if err := json.Unmarshal(claims, &c); err != nil {
			t.Fatalf("accepted what encoding/json does not: %v", err)
		}
		if token.Issuer != "https://op.example" || c["iss"] != token.Issuer || token.Subject == "" && token.SID == "" || c["jti"] == "" {
			t.Errorf("accepted %+v of %s", token, claims)
		}
		c["nonce"] = nil
		with, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := checkLogout(string(header), with, true); err == nil {
			t.Error("accepted with a nonce")
		}
	})
}
