package oidcrp_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// keyAttacks are T061 to T074: keys, discovery and calls that go out.
var keyAttacks = []attack{
	{"T061 flood of unknown keys", floodOfUnknownKeys},
	{"T062 bad signature", forged(tokenTrial{},
		forgery{"one bit", "signature", oidcrptest.WrongSignature},
		forgery{"every byte", "signature", oidcrptest.ScrambledSignature},
		forgery{"too short", "signature", onHeader(nil, func(*oidcrptest.IDToken, []byte) []byte { return []byte{1} })},
		forgery{"zeros", "signature", onHeader(nil, func(*oidcrptest.IDToken, []byte) []byte { return make([]byte, 256) })})},
	{"T062 flood of bad signatures", floodOfBadSignatures},
	{"T063 rotation", rotations},
	{"T063 rotation seen by logout tokens", rotationsSeenByLogoutTokens},
	{"T064 revoked key", revokedKey},
	{"T064 outage", keysThroughAnOutage},
	{"T065 odd keys", oddKeys},
	{"T065 odd key sets", oddKeySets},
	{"T065 refreshed key set", refreshedKeySets},
	{"T066 redirects", redirectedCalls},
	{"T066 redirected revocation", redirectedRevocation},
	{"T067 hostile metadata", hostileMetadata},
	{"T068 names that lead inside", namesThatLeadInside},
	{"T069 issuer from user input", issuersFromUserInput},
	{"T070 addresses in claims", addressesInClaims},
	{"T071 endless answers", endlessAnswers},
	{"T071 slow answers", slowAnswers},
	{"T072 certificates", certificates},
	{"T072 plain http", plainHTTP},
	{"T073 code sent once", codeSentOnce},
	{"T074 metadata that moves", movedMetadata},
	{"T074 metadata without sign-out", metadataWithoutSignOut},
}

// flood has strangers send logout tokens, a thousand in a minute from 50
// addresses, each with what header adds to a good one and a signature of noise.
func (a *told) flood(header func(i int, h map[string]any), during func(i int)) {
	a.t.Helper()
	parts := strings.Split(a.op.LogoutToken(a.client.ID, "alice", ""), ".")
	var good map[string]any
	raw, err := jose.ParseSignedCompact(strings.Join(parts, "."), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		a.t.Fatal(err)
	}
	good = map[string]any{"alg": "RS256", "typ": "logout+jwt", "kid": raw.Signatures[0].Header.KeyID}
	noise := make([]byte, 256)
	for i := range 1000 {
		header(i, good)
		h, err := json.Marshal(good)
		if err != nil {
			a.t.Fatal(err)
		}
		rand.Read(noise)
		form := url.Values{"logout_token": {b64(h) + "." + parts[1] + "." + b64(noise)}}
		r := httptest.NewRequest(http.MethodPost, a.URL+"/auth/backchannel-logout/test", strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.RemoteAddr = fmt.Sprintf("198.51.100.%d:4000", i%50)
		w := httptest.NewRecorder()
		a.handlers[0].ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest {
			a.t.Fatalf("token %d was answered %d %s\nlog: %s", i, w.Code, w.Body, a.log)
		}
		a.clock.advance(time.Minute / 1000)
		if during != nil {
			during(i)
		}
	}
}

func newFlooded(t *testing.T) (*told, *oidcrptest.Browser) {
	a := newTold(t, nil)
	a.clock.stop()
	a.op.SetNow(a.clock.now)
	b := a.signIn()
	a.op.ResetCalls()
	return a, b
}

func floodOfUnknownKeys(t *testing.T) {
	a, b := newFlooded(t)
	a.flood(func(_ int, h map[string]any) { h["kid"] = rand.Text() }, func(i int) {
		if i == 700 {
			if n := a.op.Calls(oidcrptest.JWKSEndpoint); n == 0 || n > 3 {
				t.Errorf("%d fetches after 42 seconds", n)
			}
			// It is spent what strangers can spend, and not what a login needs.
			a.op.RotateKeys()
			a.op.DropOldKeys()
			a.shows(a.again(b), "reports for alice")
			a.op.RotateKeys()
			a.op.DropOldKeys()
			a.signInAs("bob")
		}
	})
	if n := a.op.Calls(oidcrptest.JWKSEndpoint); n > 4+2 {
		t.Errorf("%d fetches, 2 of them for logins", n)
	}
	if who := a.whoHas(a.sessionCookie(b)); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
}

func floodOfBadSignatures(t *testing.T) {
	a, b := newFlooded(t)
	a.flood(func(int, map[string]any) {}, nil)
	a.calls(oidcrptest.JWKSEndpoint, 0)
	if who := a.whoHas(a.sessionCookie(b)); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
}

func rotations(t *testing.T) {
	for name, drop := range map[string]bool{"old key dropped": true, "both keys published": false} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" })
			a.clock.stop()
			a.op.SetNow(a.clock.now)
			a.op.SetAlgorithm("ES256")
			b := a.signIn()
			rotate := oidcrptest.Fault{Name: "rotate", Response: func(*oidcrptest.Response) {
				a.op.RotateKeys()
				if drop {
					a.op.DropOldKeys()
				}
			}}
			// Twice in ten seconds, each between the answer and its token.
			for range 2 {
				a.op.ResetCalls()
				a.op.SetFaults(rotate)
				a.shows(a.again(b), "reports for alice")
				a.op.SetFaults()
				a.shows(a.again(b), "reports for alice")
				a.calls(oidcrptest.JWKSEndpoint, 1)
				a.clock.advance(5 * time.Second)
			}
			// More than that has to wait, and goes round in no circle.
			a.rejectsLogin(b, rejection{reason: "signature", calls: []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}}, rotate)
			a.op.SetFaults()
			a.clock.advance(30 * time.Second)
			a.shows(a.again(b), "reports for alice")
		})
	}
	t.Run("just before each signature", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.RotatesBeforeSigning), nil)
		for range 2 {
			a.op.ResetCalls()
			a.signIn()
			a.calls(oidcrptest.JWKSEndpoint, 1)
			a.calls(oidcrptest.TokenEndpoint, 1)
		}
	})
}

func rotationsSeenByLogoutTokens(t *testing.T) {
	a, _ := newFlooded(t)
	a.use(0)
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusBadRequest, http.StatusBadRequest} {
		a.op.RotateKeys()
		a.op.DropOldKeys()
		a.op.ResetCalls()
		sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "carol", ""))
		if sent.Status != want {
			t.Errorf("after rotation %d: answered %+v", i+1, sent)
		}
		a.calls(oidcrptest.JWKSEndpoint, count(want == http.StatusOK))
		a.clock.advance(3 * time.Second)
	}
	a.clock.advance(time.Minute)
	if sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "carol", "")); sent.Status != http.StatusOK {
		t.Errorf("a minute later: answered %+v", sent)
	}
}

// oldKey lets ID tokens be signed by the key that signed when it was made.
func (a *app) oldKey() oidcrptest.Fault {
	a.t.Helper()
	var was oidcrptest.IDToken
	a.op.SetFaults(oidcrptest.Fault{Name: "look", IDToken: func(t *oidcrptest.IDToken) { was = *t }})
	a.signInAs("bob")
	a.op.SetFaults()
	return oidcrptest.Fault{Name: "old key", IDToken: func(t *oidcrptest.IDToken) { t.Header["kid"], t.Sign = was.Header["kid"], was.Sign }}
}

func revokedKey(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" })
	a.clock.stop()
	a.op.SetNow(a.clock.now)
	b := a.signIn()
	old := a.oldKey()
	a.op.RotateKeys()
	a.op.DropOldKeys()
	a.clock.advance(15*time.Minute + time.Second)
	calls := []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}
	a.rejectsLogin(b, rejection{reason: "signature", calls: append(calls, oidcrptest.JWKSEndpoint)}, old)
	a.op.SetFaults()
	a.shows(a.again(b), "reports for alice")
}

func keysThroughAnOutage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers[0].ResponseMode = "form_post"
		c.SessionLifetime = 100 * time.Hour
	})
	a.clock.stop()
	a.op.SetNow(a.clock.now)
	b := a.signIn()
	a.op.SetFaults(oidcrptest.JWKSStatus(500))
	for range 2 {
		a.clock.advance(12*time.Hour - time.Minute)
		a.shows(a.again(b), "reports for alice")
	}
	a.clock.advance(3 * time.Minute)
	// Metadata is asked for again meanwhile, whenever that may be.
	before := a.sessionIn(b)
	a.unavailable(a.again(b))
	if a.sessionIn(b) != before {
		t.Error("the session changed")
	}
	a.op.SetFaults()
	a.clock.advance(time.Minute)
	a.shows(a.again(b), "reports for alice")
}

// oddKeys are published beside good ones, and sign.
func oddKeys(t *testing.T) {
	private, sign := ownKey(t)
	secret := []byte("a secret that everybody can read")
	public, err := json.Marshal(jose.JSONWebKey{Key: private.Public()})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(jose.JSONWebKey{Key: private})
	if err != nil {
		t.Fatal(err)
	}
	key := func(text []byte, members ...any) map[string]any {
		m := map[string]any{}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(members); i += 2 {
			m[members[i].(string)] = members[i+1]
		}
		return m
	}
	publish := oidcrptest.Fault{Name: "publish", JWKS: func(doc map[string]any) {
		odd := []any{
			key(public, "kid", "good"),
			key(whole, "kid", "private"),
			map[string]any{"kty": "oct", "kid": "oct", "k": b64(secret), "alg": "HS256"},
			key(public, "kid", "unknown", "kty", "ECX"),
			key(public, "kid", "curve", "crv", "P-384"),
			key(public, "kid", "x", "x", "AAAA"),
			key(public, "kid", 7),
			key(public, "kid", "use", "use", []string{"sig"}),
			key(public, "kid", strings.Repeat("k", 2000)),
			"no key", nil, 7, []any{}, map[string]any{},
		}
		doc["keys"] = slices.Concat(odd, doc["keys"].([]any))
	}}
	by := func(kid any) oidcrptest.Fault {
		return onHeader(map[string]any{"alg": "ES256", "kid": kid}, func(_ *oidcrptest.IDToken, input []byte) []byte { return sign(input) })
	}
	published := onHeader(map[string]any{"alg": "HS256", "kid": "oct"}, func(_ *oidcrptest.IDToken, input []byte) []byte { return hs256(secret, input) })
	base := []oidcrptest.Fault{publish}
	forged(tokenTrial{base: base, strange: true},
		forgery{"a good one", "", by("good")},
		forgery{"a private one", "signature", by("private")},
		forgery{"a secret", "alg", published},
		forgery{"of an unknown kind", "signature", by("unknown")},
		forgery{"on another curve", "signature", by("curve")},
		forgery{"off the curve", "signature", by("x")},
		forgery{"for a use that is none", "signature", by("use")},
	)(t)
	t.Run("where the client secret signs", forged(tokenTrial{base: base, settings: pinned("HS256"), algorithm: "HS256"},
		forgery{"a secret", "signature", published}))
}

// oddKeySets are those of a first login.
func oddKeySets(t *testing.T) {
	filler := func(n int) (keys []any) {
		for range n {
			keys = append(keys, map[string]any{"kty": "?"})
		}
		return keys
	}
	set := func(change func(keys []any) any) oidcrptest.Fault {
		return oidcrptest.Fault{Name: "set", JWKS: func(doc map[string]any) { doc["keys"] = change(doc["keys"].([]any)) }}
	}
	text := func(change func(string) string) oidcrptest.Fault {
		return answered(oidcrptest.JWKSEndpoint, func(b []byte) []byte { return []byte(change(string(b))) })
	}
	op := oidcrptest.NewProvider(t)
	for _, tt := range []struct {
		name   string
		fault  oidcrptest.Fault
		reason string // "": the login succeeds
	}{
		{"10000 keys, the right one first", set(func(keys []any) any { return slices.Concat(keys, filler(10_000)) }), ""},
		{"10000 keys, the right one last", set(func(keys []any) any { return slices.Concat(filler(10_000), keys) }), "provider_unavailable"},
		{"more than 1 MB", oidcrptest.JWKSHuge, "provider_unavailable"},
		{"unsupported keys", oidcrptest.JWKSUnsupportedKeys, ""},
		{"one kid for several", oidcrptest.SharedKid, ""},
		{"each key twice", set(func(keys []any) any { return slices.Concat(keys, keys) }), ""},
		{"no keys", oidcrptest.JWKSEmpty, "provider_unavailable"},
		{"keys null", set(func([]any) any { return nil }), "provider_unavailable"},
		{"keys an object", set(func(keys []any) any { return map[string]any{"0": keys[0]} }), "provider_unavailable"},
		{"no usable key", set(func([]any) any { return filler(3) }), "provider_unavailable"},
		{"two arrays", text(func(s string) string { return `{"keys":[],` + s[1:] }), "provider_unavailable"},
		{"an array", text(func(s string) string { return "[" + s + "]" }), "provider_unavailable"},
		{"cut short", oidcrptest.JWKSRubbish, "provider_unavailable"},
		{"something behind", text(func(s string) string { return s + "{}" }), "provider_unavailable"},
		{"nothing", text(func(string) string { return "" }), "provider_unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op.SetFaults(tt.fault)
			a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" })
			if tt.reason == "" {
				a.signIn()
				return
			}
			a.rejectsLogin(a.browse(), rejection{status: http.StatusServiceUnavailable, reason: tt.reason,
				calls: []string{oidcrptest.DiscoveryEndpoint, oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.JWKSEndpoint}}, tt.fault)
		})
	}
}

// refreshedKeySets that are worse than the last one do not take its place.
func refreshedKeySets(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	for _, fault := range []oidcrptest.Fault{oidcrptest.JWKSEmpty, oidcrptest.JWKSRubbish, oidcrptest.JWKSHuge, oidcrptest.JWKSStatus(404), oidcrptest.Answer(oidcrptest.JWKSEndpoint, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"keys":[{"kty":"oct","k":"AAAA"}]}`)
	})} {
		t.Run(fault.Name, func(t *testing.T) {
			op.SetFaults()
			a := newApp(t, op, nil)
			op.SetNow(a.clock.now)
			b := a.signIn()
			op.ResetCalls()
			op.SetFaults(fault)
			a.clock.advance(16 * time.Minute)
			a.shows(a.again(b), "reports for alice")
			a.calls(oidcrptest.JWKSEndpoint, 1)
		})
	}
}
