package oidcrptest_test

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func init() { maps.Copy(faultTests, logoutFaultTests) }

const backchannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutFaultTests are more of faultTests.
var logoutFaultTests = map[string]faultTest{
	"LogoutUntyped": {oidcrptest.LogoutUntyped, logoutIs(func(t *testing.T, token idToken) {
		if token.header["typ"] != nil || len(token.header) != 2 {
			t.Errorf("header %v", token.header)
		}
	})},
	"SuiteLogoutToken": {oidcrptest.SuiteLogoutToken, logoutIs(func(t *testing.T, token idToken) {
		if len(token.header) != 2 || token.header["alg"] != "RS256" || token.header["kid"] == nil || len(token.claims) != 9 {
			t.Errorf("header %v, claims %v", token.header, token.claims)
		}
	})},
	"LogoutNoExpiry":   {oidcrptest.LogoutNoExpiry, logoutClaimIs("exp", nil)},
	"LogoutNoEvents":   {oidcrptest.LogoutNoEvents, logoutClaimIs("events", nil)},
	"LogoutWrongEvent": {oidcrptest.LogoutWrongEvent, logoutClaimIs("events", map[string]any{"https://other.example/event": map[string]any{}})},
	"LogoutEvent":      {oidcrptest.LogoutEvent(nil), logoutClaimIs("events", map[string]any{backchannelEvent: nil})},
	"LogoutWithNonce":  {oidcrptest.LogoutWithNonce, logoutClaimIs("nonce", "a-nonce")},
	"LogoutNoTokenID":  {oidcrptest.LogoutNoTokenID, logoutClaimIs("jti", nil)},
	"LogoutOfNobody":   {oidcrptest.LogoutOfNobody, all(logoutClaimIs("sub", nil), logoutClaimIs("sid", nil))},
	"LogoutClaim": {oidcrptest.LogoutClaim("nonce", json.RawMessage("null")), logoutIs(func(t *testing.T, token idToken) {
		if got, ok := token.claims["nonce"]; !ok || got != nil {
			t.Errorf("claims %v", token.claims)
		}
	})},
	"LogoutHeader": {oidcrptest.LogoutHeader("typ", "at+jwt"), logoutIs(func(t *testing.T, token idToken) {
		if token.header["typ"] != "at+jwt" {
			t.Errorf("header %v", token.header)
		}
	})},
	"LogoutWrongAlgorithm": {oidcrptest.LogoutWrongAlgorithm, func(t *testing.T, w *wire) {
		for alg, want := range map[string]string{"RS256": "ES256", "ES256": "RS256", "PS256": "RS256"} {
			w.p.SetAlgorithm(alg)
			if token := w.logoutToken(); token.header["alg"] != want || w.verify(token) != nil {
				t.Errorf("%s: header %v", alg, token.header)
			}
			if token := w.idToken(); token.header["alg"] != alg {
				t.Errorf("ID token by %v instead of %s", token.header["alg"], alg)
			}
		}
	}},
	"IDTokenAsLogoutToken": {oidcrptest.IDTokenAsLogoutToken, logoutIs(func(t *testing.T, token idToken) {
		if token.claims["events"] != nil || token.claims["jti"] != nil || token.claims["nonce"] == nil || token.header["typ"] != nil {
			t.Errorf("header %v, claims %v", token.header, token.claims)
		}
	})},
	"FrontchannelParam": {oidcrptest.FrontchannelParam("sid", "s1", "s2"), func(t *testing.T, w *wire) {
		frame := framedAtEndSession(t, w)
		if q := frame.URL.Query(); len(q["sid"]) != 2 || q.Get("iss") != w.p.Issuer() {
			t.Errorf("framed %v", frame)
		}
	}},
	"EndSessionHang":   {oidcrptest.EndSessionHang, hangs(oidcrptest.EndSessionEndpoint)},
	"EndSessionStatus": {oidcrptest.EndSessionStatus(503), getAnswer(oidcrptest.EndSessionEndpoint, 503, "")},
	"OnLogoutToken": {oidcrptest.OnLogoutToken(oidcrptest.OldIssuedAt), func(t *testing.T, w *wire) {
		now := time.Unix(2_000_000_000, 0)
		w.p.SetNow(func() time.Time { return now })
		isField(t, w, "logout token", w.logoutToken().claims, "iat", now.Add(-24*time.Hour).Unix())
		isField(t, w, "ID token", w.idToken().claims, "iat", now.Unix())
	}},
}

// logoutToken is one for the wire's client.
func (w *wire) logoutToken() idToken {
	w.t.Helper()
	return w.decode(w.p.LogoutToken(w.client.ID, "alice", "the-sid"))
}

// logoutIs looks at a logout token whose signature is right.
func logoutIs(check func(*testing.T, idToken)) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		token := w.logoutToken()
		check(t, token)
		if err := w.verify(token); err != nil {
			t.Errorf("signature must be right: %v", err)
		}
	}
}

func logoutClaimIs(name string, want any) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		logoutIs(func(t *testing.T, token idToken) { isField(t, w, "logout token", token.claims, name, want) })(t, w)
	}
}
