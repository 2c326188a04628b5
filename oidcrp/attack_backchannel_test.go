package oidcrp_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// T119: what a logout token names ends, on every node, at the next request.
func logoutTokenEndsWhatItNames(t *testing.T) {
	for mode, keep := range logoutModes {
		for name, tt := range map[string]struct {
			subject, sid string // "-": that of alice's first session
			ends         [4]bool
		}{
			"sid":             {"", "-", [4]bool{true, false, false, false}},
			"subject":         {"alice", "", [4]bool{true, true, true, false}},
			"both":            {"alice", "-", [4]bool{true, false, false, false}},
			"unknown sid":     {"", "no such session", [4]bool{}},
			"unknown subject": {"carol", "", [4]bool{}},
		} {
			t.Run(mode+" by "+name, func(t *testing.T) {
				a := newTold(t, keep)
				browsers := []*oidcrptest.Browser{a.signIn(), a.signIn(), a.signIn(), a.signInAs("bob")}
				if tt.sid == "-" {
					tt.sid = a.sids()[0]
				}
				a.clock.advance(time.Second)
				for range 2 { // again: it changes nothing, and is no failure
					a.accepted(a.logout(tt.subject, tt.sid))
					for i, b := range browsers {
						want := []string{"alice", "alice", "alice", "bob"}[i]
						if tt.ends[i] {
							want = "nobody"
						}
						if who := a.on(a.sessionCookie(b)); who != want {
							t.Errorf("session %d is %s's, want %s", i, who, want)
						}
					}
				}
				ended := a.events.of(oidcrp.SessionEnded)
				if len(ended) != 2 || ended[0].Reason != "backchannel" || ended[0].Subject != tt.subject || ended[0].Issuer != a.op.Issuer() {
					t.Errorf("events %+v", ended)
				}
				// Whoever was signed out there can sign in again.
				a.op.SignOut("alice")
				a.clock.advance(time.Second)
				a.shows(browsers[0].Get(a.URL+"/reports"), "reports for alice")
			})
		}
	}
}

// logoutTokenAfterSignOut: who has left already is no failure either.
func logoutTokenAfterSignOut(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			b := a.signIn()
			c, sid := a.sessionCookie(b), a.sids()[0]
			b.PostForm(a.URL+"/auth/logout", nil)
			a.accepted(a.logout("alice", sid))
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
}

// accepted wants the answer that says that the sessions have ended.
func (a *told) accepted(sent oidcrptest.BackchannelLogout) {
	a.t.Helper()
	if sent.Status != http.StatusOK || sent.Body != "" || sent.Header.Get("Cache-Control") != "no-store" || len(sent.Header.Values("Set-Cookie")) != 0 {
		a.t.Fatalf("answered %+v\nlog: %s", sent, a.log)
	}
}

// logoutTokenFaults are what makes a logout token worthless, by the check that
// fails (Back-Channel Logout 2.6).
var logoutTokenFaults = []struct {
	check string
	fault oidcrptest.Fault
}{
	{"serialization", oidcrptest.OnLogoutToken(oidcrptest.AlgNone)},
	{"alg", oidcrptest.OnLogoutToken(oidcrptest.HMACWithPublicKey)},
	{"alg", oidcrptest.LogoutWrongAlgorithm},
	{"signature", oidcrptest.OnLogoutToken(oidcrptest.WrongSignature)},
	{"typ", oidcrptest.LogoutHeader("typ", "at+jwt")},
	{"iss", oidcrptest.OnLogoutToken(oidcrptest.WrongIssuer)},
	{"aud", oidcrptest.OnLogoutToken(oidcrptest.WrongAudience)},
	{"events", oidcrptest.LogoutNoEvents},
	{"events", oidcrptest.LogoutWrongEvent},
	{"events", oidcrptest.LogoutEvent(nil)},
	{"events", oidcrptest.LogoutEvent("yes")},
	{"events", oidcrptest.LogoutEvent([]any{})},
	{"nonce", oidcrptest.LogoutWithNonce},
	{"nonce", oidcrptest.LogoutClaim("nonce", "")},
	{"nonce", oidcrptest.LogoutClaim("nonce", json.RawMessage("null"))},
	{"jti", oidcrptest.LogoutNoTokenID},
	{"iat", oidcrptest.OnLogoutToken(oidcrptest.MissingIssuedAt)},
	{"exp", oidcrptest.LogoutNoExpiry},
	{"exp", oidcrptest.OnLogoutToken(oidcrptest.ExpiredToken)},
	{"iat", oidcrptest.OnLogoutToken(oidcrptest.OldIssuedAt)},
	{"iat", oidcrptest.OnLogoutToken(oidcrptest.FutureIssuedAt)},
	{"sub", oidcrptest.LogoutOfNobody},
	// Of another type than theirs.
	{"iss", oidcrptest.LogoutClaim("iss", 7)},
	{"aud", oidcrptest.LogoutClaim("aud", 7)},
	{"iat", oidcrptest.LogoutClaim("iat", "now")},
	{"exp", oidcrptest.LogoutClaim("exp", "later")},
	{"jti", oidcrptest.LogoutClaim("jti", 7)},
	{"events", oidcrptest.LogoutClaim("events", []string{"logout"})},
	{"sub", oidcrptest.LogoutClaim("sub", 7)},
	{"sid", oidcrptest.LogoutClaim("sid", 7)},
	{"sid", oidcrptest.LogoutClaim("sid", json.RawMessage("null"))},
}

// badLogoutTokens: nothing but a good token ends anything, and the answer is
// 400, so that the provider may try again.
func badLogoutTokens(t *testing.T) {
	for mode, keep := range logoutModes {
		a := newTold(t, func(c *oidcrp.Config) {
			keep(c)
			c.Providers[0].Algorithms = []string{"RS256"} // id_token_signed_response_alg
		})
		c := a.sessionCookie(a.signIn())
		sid := a.sids()[0]
		for _, tt := range logoutTokenFaults {
			t.Run(tt.fault.Name+" with "+mode, func(t *testing.T) {
				a := a.in(t)
				a.op.SetFaults(tt.fault)
				token := a.op.LogoutToken(a.client.ID, "alice", sid)
				a.op.SetFaults()
				a.refusesLogout(token, tt.check, c)
			})
		}
		t.Run("words with "+mode, func(t *testing.T) { a.in(t).refusesLogout("hello", "serialization", c) })
		a.accepted(a.logout("alice", sid)) // none of it was in the way
	}
}

// in has what fails during a subtest fail it.
func (a *told) in(t *testing.T) *told {
	before := a.app
	a.app = before.in(t)
	t.Cleanup(func() { a.app = before })
	return a
}

// refusesLogout sends a token that must be refused for a reason, as an attempt
// that ended nothing, cost no further calls and told the sender nothing but an id.
func (a *told) refusesLogout(token, reason string, c *http.Cookie, asks ...string) {
	a.t.Helper()
	calls, events, records := a.asks(), len(a.told()), a.store.keep()
	sent := a.op.SendLogoutToken(a.client.ID, token)
	if sent.Status != http.StatusBadRequest || sent.Header.Get("Cache-Control") != "no-store" || len(sent.Header.Values("Set-Cookie")) != 0 {
		a.t.Errorf("answered %+v", sent)
	}
	doc := problem(a.t, []byte(sent.Body))
	if doc.Reason != reason || doc.ID == "" || strings.Count(a.log.String(), "id="+doc.ID) != 1 {
		a.t.Errorf("answered with reason %q, want %q, and id %q\nlog: %s", doc.Reason, reason, doc.ID, a.log)
	}
	told := a.told()[events:]
	if len(told) != 1 || told[0].Kind != oidcrp.RequestFailed || told[0].ID != doc.ID || told[0].Reason != reason {
		a.t.Fatalf("events %+v", told) // nobody was signing in
	}
	if strings.Contains(sent.Body, told[0].Err.Error()) {
		a.t.Errorf("the sender is told the cause: %s", sent.Body)
	}
	for _, endpoint := range asks {
		calls[endpoint]++
	}
	if now := a.asks(); !maps.Equal(now, calls) {
		a.t.Errorf("the provider was asked %v in all, want %v", now, calls)
	}
	if now := a.store.keep(); !maps.EqualFunc(now, records, bytes.Equal) {
		a.t.Errorf("the store has %d records, and had %d", len(now), len(records))
	}
	if who := a.on(c); who != "alice" {
		a.t.Errorf("the session is %s's", who)
	}
}

// T121: what was started after the logout lives, and nothing kills it later.
func loginAfterLogoutToken(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			old := a.sessionCookie(b)
			token := a.op.LogoutToken(a.client.ID, "alice", "")
			if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
				t.Fatal(sent)
			}
			// In the same second of the provider's clock, most likely.
			a.clock.advance(10 * time.Millisecond)
			again := a.sessionCookie(a.signIn())
			a.clock.advance(10 * time.Second)
			later := a.sessionCookie(a.signIn())
			for range 2 {
				if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
					t.Fatal(sent)
				}
				for c, want := range map[*http.Cookie]string{old: "nobody", again: "alice", later: "alice"} {
					if who := a.on(c); who != want {
						t.Errorf("got %s, want %s", who, want)
					}
				}
			}
		})
	}
}

// A logout that comes while a login is under way wins, whichever way it names
// the session; what there was stays.
func logoutTokenDuringALogin(t *testing.T) {
	for mode, keep := range logoutModes {
		for _, by := range []string{"subject", "sid"} {
			t.Run(mode+" by "+by, func(t *testing.T) {
				var race func()
				a := newTold(t, keep, oidcrptest.Fault{Name: "race", TokenResponse: func(map[string]any) {
					if race != nil {
						race()
					}
				}})
				other := a.signInAs("bob")
				race = func() {
					race = nil
					sids := a.sids()
					subject, sid := "alice", ""
					if by == "sid" {
						subject, sid = "", sids[len(sids)-1]
					}
					if sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, subject, sid)); sent.Status != http.StatusOK {
						t.Errorf("answered %+v", sent)
					}
				}
				a.op.SignInAs("alice")
				page := a.browse().Get(a.URL + "/reports")
				a.refused(page, http.StatusBadRequest, "ended")
				if !slices.ContainsFunc(page.Links(), func(l oidcrptest.Link) bool { return l.URL.Query().Get("prompt") == "login" }) {
					t.Errorf("no way to sign in anew: %v", page.Links())
				}
				if who := a.on(a.sessionCookie(other)); who != "bob" {
					t.Errorf("bob's session is %s's", who)
				}
			})
		}
	}
}
