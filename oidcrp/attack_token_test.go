package oidcrp_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// tokenAttacks are T033 to T060: ID tokens, access tokens and UserInfo.
var tokenAttacks = []attack{
	{"T033 unsigned tokens", unsignedTokens},
	{"T033 unsigned logout tokens", unsignedLogoutTokens},
	{"T033 no option for it", noOptionForUnsigned},
	{"T034 public key as HMAC secret", publicKeyAsSecret},
	{"T035 client secret as key", forged(tokenTrial{settings: pinned("RS256")},
		forgery{"under the key's kid", "alg", onHeader(map[string]any{"alg": "HS256"}, clientSecretSigns)},
		forgery{"without a kid", "alg", oidcrptest.HMACWithClientSecret})},
	{"T036 keys in headers", keysInHeaders},
	{"T036 extensions", forged(tokenTrial{},
		forgery{"unknown", "crit", oidcrptest.IDTokenHeader("crit", []string{"exp"})},
		forgery{"b64", "crit", oidcrptest.Fault{IDToken: func(t *oidcrptest.IDToken) { t.Header["crit"], t.Header["b64"] = []string{"b64"}, false }}},
		forgery{"none", "crit", oidcrptest.IDTokenHeader("crit", []string{})})},
	{"T037 algorithms that are not pinned", algorithmsNotPinned},
	{"T037 keys that are not for it", keysNotForIt},
	{"T038 serialization", serializations},
	{"T039 kid", kids},
	{"T039 no kid", noKid},
	{"T040 size", sizes},
	{"T040 size in memory", sizeInMemory},
	{"T041 encrypted where not agreed", encryptedUnasked},
	{"T041 hostile encryption", hostileEncryption},
	{"T042 iss", forged(tokenTrial{}, issForgeries...)},
	{"T043 aud", forged(tokenTrial{}, audForgeries...)},
	{"T044 azp", forged(tokenTrial{settings: trusts("api")}, azpForgeries...)},
	{"T044 no client id", noClientID},
	{"T045 exp", forged(tokenTrial{}, expForgeries...)},
	{"T046 iat and nbf", forged(tokenTrial{}, iatForgeries...)},
	{"T047 sub", forged(tokenTrial{}, subForgeries...)},
	{"T048 tokens of another kind", forged(tokenTrial{}, kindForgeries...)},
	{"T049 token of another login", tokensOfOtherLogins},
	{"T050 JSON", forged(tokenTrial{}, jsonForgeries...)},
	{"T051 hashes", hashes},
	{"T052 what a login asked for", strengthOfLogins},
	{"T052 step-up ignored", stepUpIgnored},
	{"T052 later sign-in is weaker", laterSignInIsWeaker},
	{"T053 hybrid pair", hybridPairs},
	{"T054 access token of another", accessTokenOfAnother},
	{"T055 sub of UserInfo", userInfoSubjects},
	{"T056 form of UserInfo", userInfoForms},
	{"T057 UserInfo that fails", userInfoFailures},
	{"T058 refresh response", refreshedTokenOfAnother},
	{"T058 no ID token at all", refreshWithoutIDToken},
	{"T059 no ID token", forged(tokenTrial{codeAlone: true},
		forgery{"missing", "id_token", oidcrptest.NoIDToken},
		forgery{"null", "id_token", oidcrptest.IDTokenNull},
		forgery{"empty", "id_token", oidcrptest.TokenField("id_token", "")},
		forgery{"a number", "id_token", oidcrptest.TokenField("id_token", 7)},
		forgery{"an object", "id_token", oidcrptest.TokenField("id_token", map[string]any{"sub": "alice"})},
		forgery{"an error beside the tokens", "invalid_response", oidcrptest.TokenField("error", "invalid_grant")})},
	{"T059 token type", tokenTypes},
	{"T059 lifetime", lifetimesOfTokens},
	{"T060 empty mapped identity", emptyIdentities},
}

// forgery is what a provider, or who plays it, does to a token, and the check
// that must refuse it; without a reason the login succeeds.
type forgery struct {
	name   string
	reason string
	fault  oidcrptest.Fault
}

// tokenTrial is where forgeries are tried.
type tokenTrial struct {
	settings  func(*oidcrp.Config)
	base      []oidcrptest.Fault // of the provider, beside each forgery
	algorithm string             // it signs by; "": RS256
	codeAlone bool               // nothing of it comes by the browser
	strange   bool               // keys that nobody knows: nothing can be fetched for them any more
	logged    *record            // gets the application's log, if it is not nil
}

// forged tries each forgery by both ways in which an ID token comes: from the
// token endpoint and, in a hybrid flow, by the browser, where no code is redeemed
// after a refusal.
func forged(trial tokenTrial, all ...forgery) func(*testing.T) {
	return func(t *testing.T) {
		op := oidcrptest.NewProvider(t)
		flows := []string{"code", "code id_token"}
		if trial.codeAlone {
			flows = flows[:1]
		}
		for _, flow := range flows {
			t.Run(flow, func(t *testing.T) { trial.run(t, op, flow, all) })
		}
	}
}

func (trial tokenTrial) run(t *testing.T, op *oidcrptest.Provider, flow string, all []forgery) {
	op.SetFaults(trial.base...)
	a := newApp(t, op, func(c *oidcrp.Config) {
		p := &c.Providers[0]
		p.ResponseType, p.ResponseMode, p.UserInfo = flow, "form_post", oidcrp.UserInfoRequired
		if trial.settings != nil {
			trial.settings(c)
		}
	})
	if trial.algorithm != "" {
		a.op.SetAlgorithm(trial.algorithm)
	}
	a.clock.stop()
	a.op.SetNow(a.clock.now)
	b := a.signIn()
	calls := []string{oidcrptest.PAREndpoint}
	if flow == "code" {
		calls = append(calls, oidcrptest.TokenEndpoint)
	}
	for range 3 {
		if trial.strange {
			a.op.SetFaults(append(slices.Clip(trial.base), oidcrptest.UnknownKey)...)
			a.again(b)
		}
	}
	for _, f := range all {
		t.Run(f.name, func(t *testing.T) {
			a := a.in(t)
			if f.reason != "" {
				a.rejectsLogin(b, rejection{reason: f.reason, calls: calls}, append(slices.Clip(trial.base), f.fault)...)
				return
			}
			a.op.SetFaults(append(slices.Clip(trial.base), f.fault)...)
			a.shows(a.again(b), "reports for alice")
		})
	}
	if trial.logged != nil {
		fmt.Fprint(trial.logged, a.log)
	}
	a.op.SetFaults(trial.base...)
	a.shows(a.again(b), "reports for alice")
}

// again is another login in a browser that has a session.
func (a *app) again(b *oidcrptest.Browser) *oidcrptest.Page {
	return b.Get(a.URL + "/auth/login?return_to=/reports")
}

// rejectsLogin has a login by form_post fail for what the provider does, and its
// answer be used up. The last fault is what makes the answer wrong: the right
// one is as it would have been without.
func (a *app) rejectsLogin(b *oidcrptest.Browser, want rejection, faults ...oidcrptest.Fault) *oidcrptest.Page {
	a.t.Helper()
	want.right, want.form = a.URL+"/auth/callback/test", url.Values{}
	var alg string
	var claims map[string]any
	right := oidcrptest.Fault{
		Name:    "right",
		IDToken: func(t *oidcrptest.IDToken) { alg, claims = fmt.Sprint(t.Header["alg"]), maps.Clone(t.Claims) },
		Response: func(r *oidcrptest.Response) {
			clear(want.form)
			maps.Copy(want.form, r.Params)
			if r.Params.Has("id_token") && !strings.HasPrefix(alg, "HS") { // Sign has no such keys
				want.form.Set("id_token", a.op.Sign(alg, "", claims))
			}
		},
	}
	a.op.SetFaults(slices.Insert(slices.Clone(faults), len(faults)-1, right)...)
	return a.rejected(b, want, func() *oidcrptest.Page { return a.again(b) })
}

// onHeader sets headers of ID tokens, and lets sign make the signature, unless it
// is nil.
func onHeader(header map[string]any, sign func(*oidcrptest.IDToken, []byte) []byte) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "header", IDToken: func(t *oidcrptest.IDToken) {
		for name, value := range header {
			t.Header[name] = value
			if value == nil {
				delete(t.Header, name)
			}
		}
		if sign != nil {
			token := *t
			t.Sign = func(input []byte) []byte { return sign(&token, input) }
		}
	}}
}

// onText changes ID tokens that are signed already, wherever they come.
func onText(change func(string) string) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "text",
		TokenResponse: func(m map[string]any) { m["id_token"] = change(m["id_token"].(string)) },
		Response: func(r *oidcrptest.Response) {
			if r.Params.Has("id_token") {
				r.Params.Set("id_token", change(r.Params.Get("id_token")))
			}
		}}
}

// beside changes the claims of the ID token of an authorization response, knowing
// what comes beside it.
func beside(change func(claims map[string]any, answer url.Values)) oidcrptest.Fault {
	var token oidcrptest.IDToken
	return oidcrptest.Fault{Name: "beside",
		IDToken: func(t *oidcrptest.IDToken) {
			if t.Front {
				token = *t
			}
		},
		Response: func(r *oidcrptest.Response) {
			change(token.Claims, r.Params)
			r.Params.Set("id_token", compact(token.Header, token.Claims, token.Sign))
		}}
}

// compact serializes a token.
func compact(header, claims map[string]any, sign func([]byte) []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	input := b64(h) + "." + b64(c)
	return input + "." + b64(sign([]byte(input)))
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
