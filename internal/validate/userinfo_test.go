package validate_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

var plainExpect = validate.Expect{Issuer: "https://op.example", ClientID: "client", Now: logoutNow, Skew: time.Minute}

// plainTokens are the tokens that share most rules, each kind with its check.
var plainTokens = map[string]func(validate.Header, []byte, validate.Expect) (validate.Claims, error){
	"userinfo": validate.CheckUserInfoToken,
	"response": func(h validate.Header, payload []byte, e validate.Expect) (validate.Claims, error) {
		return nil, validate.CheckResponseToken(h, payload, e)
	},
	"source": func(h validate.Header, payload []byte, e validate.Expect) (validate.Claims, error) {
		return validate.CheckClaimsToken(h, payload, e, false)
	},
	"named source": func(h validate.Header, payload []byte, e validate.Expect) (validate.Claims, error) {
		return validate.CheckClaimsToken(h, payload, e, true)
	},
}

func checkPlain(t *testing.T, kind, header string, payload []byte, e validate.Expect) error {
	t.Helper()
	jws, err := split(header, payload)
	if err != nil {
		t.Fatal(err)
	}
	claims, err := plainTokens[kind](jws.Header, jws.Payload, e)
	if err != nil && claims != nil {
		t.Error("claims of a token that is refused")
	}
	if err == nil && kind != "response" && string(claims["sub"]) != `"alice"` {
		t.Errorf("the claims are %s", claims)
	}
	return err
}

func TestPlainTokens(t *testing.T) {
	type claims = map[string]string
	for _, tt := range []struct {
		name, header string
		changes      claims
		refused      string   // the check, and how its detail begins; "" accepted
		but          []string // kinds that accept it all the same
	}{
		{name: "a good one"},
		{name: "a typ in other case", header: `{"alg":"RS256","typ":"jwt"}`},
		{name: "another typ", header: `{"alg":"RS256","typ":"at+jwt"}`, refused: "typ: "},
		{name: "an event token", changes: claims{"events": `{}`}, refused: "events: "},
		{name: "an event that is null", changes: claims{"events": `null`}, refused: "events: "},
		{name: "another issuer", changes: claims{"iss": `"https://op.example/"`}, refused: "iss: not the issuer"},
		{name: "an empty issuer", changes: claims{"iss": `""`}, refused: "iss: not the issuer"},
		{name: "no issuer", changes: claims{"iss": ""}, refused: "iss: not the issuer", but: []string{"source"}},
		{name: "an issuer that is no text", changes: claims{"iss": `["https://op.example"]`}, refused: "iss: not a string"},
		{name: "this audience among others", changes: claims{"aud": `["other","client"]`}},
		{name: "another audience", changes: claims{"aud": `["other","Client"]`}, refused: "aud: this client"},
		{name: "no audience", changes: claims{"aud": ""}, refused: "aud: this client", but: []string{"source", "named source"}},
		{name: "an audience that is no text", changes: claims{"aud": `["client",7]`}, refused: "aud: not a string or an array"},
		{name: "an expiry within the skew", changes: claims{"exp": string(at(-59 * time.Second))}},
		{name: "an expiry long ago", changes: claims{"exp": string(at(-time.Minute))}, refused: "exp: expired"},
		{name: "no expiry", changes: claims{"exp": ""}, refused: "exp: missing", but: []string{"userinfo", "source", "named source"}},
		{name: "an expiry that is no time", changes: claims{"exp": `"tomorrow"`}, refused: "exp: "},
		{name: "a beginning within the skew", changes: claims{"nbf": string(at(time.Minute))}},
		{name: "a beginning to come", changes: claims{"nbf": string(at(61 * time.Second))}, refused: "nbf: in the future"},
		{name: "a beginning that is no time", changes: claims{"nbf": `"yesterday"`}, refused: "nbf: not a time"},
	} {
		for kind := range plainTokens {
			t.Run(kind+"/"+tt.name, func(t *testing.T) {
				header, changes := tt.header, claims{"events": ""}
				if header == "" {
					header = plainHeader
				}
				maps.Copy(changes, tt.changes)
				err := checkPlain(t, kind, header, logoutClaims(changes), plainExpect)
				if tt.refused == "" || slices.Contains(tt.but, kind) {
					if err != nil {
						t.Error(err)
					}
				} else if !errors.Is(err, validate.ErrInvalid) || !strings.Contains(err.Error(), ": "+tt.refused) {
					t.Errorf("got %v, want %q", err, tt.refused)
				}
			})
		}
	}
	for kind := range plainTokens {
		for _, broken := range []string{`{`, `[]`, `null`, `{"iss":"https://op.example","iss":"https://op.example"}`} {
			assertCheck(t, checkPlain(t, kind, plainHeader, []byte(broken), plainExpect), "json")
		}
	}
}

// Where nothing is expected, nothing is what was expected.
func TestPlainTokensOfNobodyForNobody(t *testing.T) {
	for _, kind := range []string{"userinfo", "response"} {
		nobody, noClient := plainExpect, plainExpect
		nobody.Issuer, noClient.ClientID = "", ""
		for _, iss := range []string{"", `""`, `null`} {
			assertCheck(t, checkPlain(t, kind, plainHeader, logoutClaims(map[string]string{"events": "", "iss": iss}), nobody), "iss")
		}
		for _, aud := range []string{"", `""`, `[""]`, `[]`} {
			assertCheck(t, checkPlain(t, kind, plainHeader, logoutClaims(map[string]string{"events": "", "aud": aud}), noClient), "aud")
		}
	}
}

func TestResponseTokensOfOtherIssuers(t *testing.T) {
	const tenant, template = "https://op.example/a/v2.0", "https://op.example/" + validate.TenantPlaceholder + "/v2.0"
	for _, tt := range []struct {
		name    string
		others  validate.Issuers
		keys    []string
		refused string
	}{
		{name: "no others", refused: "iss"},
		{name: "one of others", others: validate.Issuers{Exact: []string{"https://op.example/b/v2.0", tenant}}},
		{name: "none of others", others: validate.Issuers{Exact: []string{"https://op.example/b/v2.0"}}, refused: "iss"},
		{name: "any tenant", others: validate.Issuers{Template: template}},
		{name: "another tenant", others: validate.Issuers{Template: template, Tenants: []string{"b"}}, refused: "iss"},
		{name: "a key for all tenants", others: validate.Issuers{Template: template}, keys: []string{template}},
		{name: "a key for this tenant", others: validate.Issuers{Template: template}, keys: []string{"https://op.example/b/v2.0", tenant}},
		{name: "a key for another tenant", others: validate.Issuers{Template: template}, keys: []string{"https://op.example/b/v2.0"}, refused: "signature"},
		{name: "a key for nobody", others: validate.Issuers{Template: template}, keys: []string{}, refused: "signature"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := plainExpect
			e.Others, e.KeyIssuers = tt.others, tt.keys
			err := checkPlain(t, "response", plainHeader, logoutClaims(map[string]string{"events": "", "iss": `"` + tenant + `"`}), e)
			if tt.refused != "" {
				assertCheck(t, err, tt.refused)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}
