package oidcrp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// told is an application on two nodes whose provider tells it of logouts.
type told struct {
	*nodes
	client oidcrptest.Client
	store  *plain

	mu  sync.Mutex
	ids []string // sid of each login, in order
}

func (a *told) sids() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ids)
}

// logoutModes are the ways sessions are kept that logouts reach.
var logoutModes = map[string]func(*oidcrp.Config){
	"store":  func(*oidcrp.Config) {},
	"cookie": func(c *oidcrp.Config) { c.CookieSessions = true },
}

func newTold(t *testing.T, change func(*oidcrp.Config), faults ...oidcrptest.Fault) *told {
	t.Helper()
	a := &told{store: newPlain()}
	op := oidcrptest.NewProvider(t, append(faults, oidcrptest.Fault{Name: "collect", IDToken: func(token *oidcrptest.IDToken) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.ids = append(a.ids, token.Claims["sid"].(string))
	}})...)
	a.nodes = newNodes(t, op, func(c *oidcrp.Config) {
		c.Store = a.store
		p := &c.Providers[0]
		p.BackchannelLogout, p.FrontchannelLogout = true, true
		if change != nil {
			change(c)
		}
	})
	for _, c := range a.op.Clients() {
		if c.ID == a.config.Providers[0].ClientID {
			a.client = c
		}
	}
	at := a.rp.RedirectURLs()[0]
	a.client.BackchannelLogoutURL = at.BackchannelLogout
	a.client = a.op.AddClient(a.client)
	return a
}

// logout sends a logout token for a user to node 1.
func (a *told) logout(subject, sid string) oidcrptest.BackchannelLogout {
	a.t.Helper()
	a.use(1)
	defer a.use(0)
	return a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, subject, sid))
}

// on asks both nodes whose session a cookie is.
func (a *told) on(c *http.Cookie) string {
	a.t.Helper()
	var who [2]string
	for i := range who {
		a.use(i)
		who[i] = a.whoHas(c)
	}
	a.use(0)
	if who[0] != who[1] {
		a.t.Errorf("the nodes do not agree: %v", who)
	}
	return who[0]
}

// T119: what a logout token names ends, on every node, at the next request.
func TestBackchannelLogout(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			for name, tt := range map[string]struct {
				subject, sid bool
				ends         [3]bool // alice's two sessions at one provider session each, bob's
			}{
				"sid":     {false, true, [3]bool{true, false, false}},
				"subject": {true, false, [3]bool{true, true, false}},
				"both":    {true, true, [3]bool{true, false, false}},
			} {
				t.Run(name, func(t *testing.T) {
					a := newTold(t, keep)
					browsers := []*oidcrptest.Browser{a.signIn(), a.signIn(), a.signInAs("bob")}
					sids := a.sids()
					subject, sid := "", ""
					if tt.subject {
						subject = "alice"
					}
					if tt.sid {
						sid = sids[0]
					}
					a.clock.advance(time.Second)
					for range 2 { // again: it changes nothing, and is no failure
						sent := a.logout(subject, sid)
						if sent.Status != http.StatusOK || sent.Body != "" || sent.Header.Get("Cache-Control") != "no-store" {
							t.Fatalf("answered %+v\nlog: %s", sent, a.log)
						}
						for i, b := range browsers {
							want := []string{"alice", "alice", "bob"}[i]
							if tt.ends[i] {
								want = "nobody"
							}
							if who := a.on(a.sessionCookie(b)); who != want {
								t.Errorf("session %d is %s's, want %s", i, who, want)
							}
						}
					}
					ended := a.events.of(oidcrp.SessionEnded)
					if len(ended) != 2 || ended[0].Reason != "backchannel" || ended[0].Subject != subject || ended[0].Issuer != a.op.Issuer() {
						t.Errorf("events %+v", ended)
					}
					// Whoever was signed out there can sign in again.
					a.op.SignOut("alice")
					a.clock.advance(time.Second)
					a.shows(browsers[0].Get(a.URL+"/reports"), "reports for alice")
				})
			}
		})
	}
}

// T121: what was started after the logout lives, and nothing kills it later.
func TestLoginAfterBackchannelLogout(t *testing.T) {
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
func TestBackchannelLogoutRacesALogin(t *testing.T) {
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

// T120, T122, T123: nothing but a good token ends anything, and the answer is
// 400, so that the provider may try again.
func TestBackchannelLogoutRefused(t *testing.T) {
	faults := map[string]oidcrptest.Fault{
		"alg": oidcrptest.OnLogoutToken(oidcrptest.HMACWithPublicKey), "iss": oidcrptest.OnLogoutToken(oidcrptest.WrongIssuer),
		"aud": oidcrptest.OnLogoutToken(oidcrptest.WrongAudience), "signature": oidcrptest.OnLogoutToken(oidcrptest.WrongSignature),
		"serialization": oidcrptest.OnLogoutToken(oidcrptest.AlgNone), "events": oidcrptest.LogoutNoEvents,
		"nonce": oidcrptest.LogoutWithNonce, "jti": oidcrptest.LogoutNoTokenID, "exp": oidcrptest.LogoutNoExpiry,
		"iat": oidcrptest.OnLogoutToken(oidcrptest.MissingIssuedAt), "sub": oidcrptest.LogoutOfNobody,
		"typ": oidcrptest.LogoutHeader("typ", "at+jwt"), "sid": oidcrptest.LogoutClaim("sid", 7),
	}
	a := newTold(t, nil)
	b := a.signIn()
	c := a.sessionCookie(b)
	sid := a.sids()[0]
	for check, fault := range faults {
		t.Run(fault.Name, func(t *testing.T) {
			a.op.SetFaults(fault)
			sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "alice", sid))
			a.op.SetFaults()
			a.notEnded(t, sent, http.StatusBadRequest, check, c)
		})
	}
	other := newTold(t, nil)
	other.signIn()
	for name, token := range map[string]string{
		"a token of another provider": other.op.LogoutToken(other.client.ID, "alice", ""),
		"words":                       "hello",
	} {
		t.Run(name, func(t *testing.T) {
			a.notEnded(t, a.op.SendLogoutToken(a.client.ID, token), http.StatusBadRequest, "", c)
		})
	}
}

// notEnded wants a refusal that ended nothing and told nobody why.
func (a *told) notEnded(t *testing.T, sent oidcrptest.BackchannelLogout, status int, reason string, c *http.Cookie) {
	t.Helper()
	if sent.Status != status || sent.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("answered %+v", sent)
	}
	var doc struct{ Reason, ID string }
	if json.Unmarshal([]byte(sent.Body), &doc) != nil || doc.ID == "" || !strings.Contains(a.log.String(), doc.ID) {
		t.Errorf("no problem document with the log's id: %s", sent.Body)
	}
	// Nobody was signing in.
	if failed := a.events.of(oidcrp.RequestFailed); len(failed) == 0 || failed[len(failed)-1].ID != doc.ID || len(a.events.of(oidcrp.LoginFailed)) != 0 {
		t.Errorf("events %+v", failed)
	}
	if reason != "" && doc.Reason != reason {
		t.Errorf("reason %q, want %q", doc.Reason, reason)
	}
	if who := a.on(c); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
}

// T122: how it is sent.
func TestBackchannelLogoutRequests(t *testing.T) {
	a := newTold(t, nil)
	c := a.sessionCookie(a.signIn())
	token := a.op.LogoutToken(a.client.ID, "alice", "")
	form := url.Values{"logout_token": {token}}.Encode()
	for name, tt := range map[string]struct {
		method, kind, body string
		header             [2]string
		status             int
	}{
		"by GET":                {"GET", "", "", [2]string{}, http.StatusMethodNotAllowed},
		"as JSON":               {"POST", "application/json", `{"logout_token":"` + token + `"}`, [2]string{}, http.StatusUnsupportedMediaType},
		"without type":          {"POST", "", form, [2]string{}, http.StatusUnsupportedMediaType},
		"in the query":          {"POST", "application/x-www-form-urlencoded", "", [2]string{"X-Query", form}, http.StatusBadRequest},
		"twice":                 {"POST", "application/x-www-form-urlencoded", form + "&" + form, [2]string{}, http.StatusBadRequest},
		"without a token":       {"POST", "application/x-www-form-urlencoded", "x=1", [2]string{}, http.StatusBadRequest},
		"without a body":        {"POST", "application/x-www-form-urlencoded", "", [2]string{}, http.StatusBadRequest},
		"with 2 MB":             {"POST", "application/x-www-form-urlencoded", form + "&x=" + strings.Repeat("x", 2<<20), [2]string{}, http.StatusRequestEntityTooLarge},
		"broken":                {"POST", "application/x-www-form-urlencoded", "logout_token=%zz", [2]string{}, http.StatusBadRequest},
		"from a page":           {"POST", "application/x-www-form-urlencoded", form, [2]string{"Origin", "https://evil.example"}, http.StatusBadRequest},
		"from a browser's form": {"POST", "application/x-www-form-urlencoded", form, [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			address := a.client.BackchannelLogoutURL
			if tt.header[0] == "X-Query" {
				address += "?" + tt.header[1]
			}
			req, err := http.NewRequest(tt.method, address, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.kind != "" {
				req.Header.Set("Content-Type", tt.kind)
			}
			if tt.header[0] != "" {
				req.Header.Set(tt.header[0], tt.header[1])
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tt.status || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d %v", res.StatusCode, res.Header)
			}
			if who := a.on(c); who != "alice" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
	if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
		t.Errorf("the same token sent as it should be: %+v", sent)
	}
}

// T124: while the store is down a logout fails, and the provider may send it
// again; so does one whose keys cannot be fetched.
func TestBackchannelLogoutDuringAnOutage(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			c := a.sessionCookie(a.signIn())
			token := a.op.LogoutToken(a.client.ID, "alice", "")
			a.store.fail(breakages["error"], "Find", "Commit", "Delete")
			if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusBadRequest || !strings.Contains(sent.Body, "store_unavailable") {
				t.Errorf("answered %+v", sent)
			}
			if len(a.events.of(oidcrp.StoreFailed)) == 0 {
				t.Error("no event")
			}
			a.store.fail(nil)
			if who := a.on(c); who != "alice" {
				t.Errorf("the session is %s's", who)
			}
			if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
				t.Errorf("sent again: %+v", sent)
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
}

// Hydra and Glewlwyd send tokens without exp: only where the operator says so.
func TestLogoutTokenWithoutExp(t *testing.T) {
	a := newTold(t, func(c *oidcrp.Config) { c.Providers[0].AcceptLogoutTokenWithoutExp = true })
	c := a.sessionCookie(a.signIn())
	a.op.SetFaults(oidcrptest.LogoutNoExpiry)
	if sent := a.logout("alice", ""); sent.Status != http.StatusOK {
		t.Errorf("answered %+v", sent)
	}
	if who := a.on(c); who != "nobody" {
		t.Errorf("the session is %s's", who)
	}
}

// The provider's own sign-out reaches sessions in other browsers too.
func TestSignOutAtTheProvider(t *testing.T) {
	a := newTold(t, nil)
	one, two := a.sessionCookie(a.signIn()), a.sessionCookie(a.signIn())
	for _, sent := range a.op.SignOut("alice") {
		if sent.Status != http.StatusOK {
			t.Errorf("answered %+v", sent)
		}
	}
	for _, c := range []*http.Cookie{one, two} {
		if who := a.on(c); who != "nobody" {
			t.Errorf("the session is %s's", who)
		}
	}
}

// T125: a frame of the provider's ends the session it names, without cookies,
// and tells nobody whether there was one.
func TestFrontchannelLogout(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			c := a.sessionCookie(a.signIn())
			other := a.sessionCookie(a.signIn())
			sid := a.sids()[0]
			address := a.rp.RedirectURLs()[0].FrontchannelLogout
			before := len(a.store.records)
			get := func(q url.Values) *http.Response {
				t.Helper()
				res, err := http.Get(address + "?" + q.Encode())
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				return res
			}
			iss := a.op.Issuer()
			for name, q := range map[string]url.Values{
				"iss alone":       {"iss": {iss}},
				"sid alone":       {"sid": {sid}},
				"neither":         {},
				"another issuer":  {"iss": {"https://evil.example"}, "sid": {sid}},
				"a stranger's":    {"iss": {iss}, "sid": {sid + "x"}},
				"sid twice":       {"iss": {iss}, "sid": {sid, sid}},
				"iss twice":       {"iss": {iss, iss}, "sid": {sid}},
				"an empty sid":    {"iss": {iss}, "sid": {""}},
				"slash at issuer": {"iss": {iss + "/"}, "sid": {sid}},
			} {
				if res := get(q); res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
				}
				if who := a.on(c); who != "alice" {
					t.Fatalf("%s ended the session", name)
				}
			}
			if len(a.store.records) != before {
				t.Error("a stranger's sid left a trace")
			}
			res := get(url.Values{"iss": {iss}, "sid": {sid}})
			h := res.Header
			if res.StatusCode != http.StatusOK || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "" ||
				strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors") || len(h.Values("Set-Cookie")) != 0 {
				t.Errorf("answered %d %v", res.StatusCode, h)
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
			if who := a.on(other); who != "alice" {
				t.Errorf("another session is %s's", who)
			}
			if a.events.reason(oidcrp.SessionEnded) != "frontchannel" {
				t.Errorf("events %+v", a.events.of(oidcrp.SessionEnded))
			}
			a.store.fail(breakages["error"], "Find", "Commit", "Delete")
			if res := get(url.Values{"iss": {iss}, "sid": {sid}}); res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("with the store down: %d", res.StatusCode)
			}
		})
	}
}

// T126: administrators end one session, or all of a user's, on every node.
func TestEndSessions(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			one, two, bob := a.signIn(), a.signIn(), a.signInAs("bob")
			first := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "alice"})
			handle := a.events.of(oidcrp.LoginSucceeded)[0].Session
			under := a.browse()
			callback := a.stopAtCallback(under, "/reports")
			if err := a.rps[0].EndSession(t.Context(), handle); err != nil {
				t.Fatal(err)
			}
			for b, want := range map[*oidcrptest.Browser]string{one: "nobody", two: "alice", bob: "bob"} {
				if who := a.on(a.sessionCookie(b)); who != want {
					t.Errorf("after EndSession: %s, want %s", who, want)
				}
			}
			user := oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"}
			if err := a.rps[0].EndSessions(t.Context(), user); err != nil {
				t.Fatal(err)
			}
			for c, want := range map[*http.Cookie]string{a.sessionCookie(two): "nobody", first: "nobody", a.sessionCookie(bob): "bob"} {
				if who := a.on(c); who != want {
					t.Errorf("after EndSessions: %s, want %s", who, want)
				}
			}
			a.refused(under.Get(callback), http.StatusBadRequest, "ended")
			a.clock.advance(10 * time.Millisecond)
			a.shows(two.Get(a.URL+"/reports"), "reports for alice") // signs in anew

			if err := a.rp.EndSession(t.Context(), "no such"); err != nil {
				t.Errorf("no such session: %v", err)
			}
			user.Provider = "gone"
			if err := a.rp.EndSessions(t.Context(), user); !errors.Is(err, oidcrp.ErrMisconfigured) {
				t.Errorf("no such provider: %v", err)
			}
			a.store.fail(breakages["error"], "Find", "Commit", "Delete")
			user.Provider = "test"
			if err := errors.Join(a.rp.EndSession(t.Context(), handle), a.rp.EndSessions(t.Context(), user)); !errors.Is(err, oidcrp.ErrStoreUnavailable) {
				t.Errorf("with the store down: %v", err)
			}
		})
	}
}

func TestSignOutEverywhere(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			one, two, bob := a.signIn(), a.signIn(), a.signInAs("bob")
			cookies := []*http.Cookie{a.sessionCookie(one), a.sessionCookie(two), a.sessionCookie(bob)}
			one.Show(a.URL+"/", "")
			a.shows(one.PostForm(a.URL+"/auth/logout", url.Values{"everywhere": {"1"}}), "signed out")
			for i, want := range []string{"nobody", "nobody", "bob"} {
				if who := a.on(cookies[i]); who != want {
					t.Errorf("session %d is %s's, want %s", i, who, want)
				}
			}
			// The provider tells of it as well, since it was asked to sign out.
			if ended := a.events.of(oidcrp.SessionEnded); ended[0].Reason != "everywhere" || ended[len(ended)-1].Reason != "backchannel" {
				t.Errorf("events %+v", ended)
			}
		})
	}
	// On one node it works without a store.
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	one, two := a.signIn(), a.signIn()
	one.Show(a.URL+"/", "")
	a.shows(one.PostForm(a.URL+"/auth/logout", url.Values{"everywhere": {"1"}}), "signed out")
	if who := a.whoHas(a.sessionCookie(two)); who != "nobody" {
		t.Errorf("the other session is %s's", who)
	}
}

// A session that was ended with others is found so when it is next loaded: what
// it kept goes then, and the provider hears of its tokens once, unless a page
// of a stranger's may have ended it (Back-Channel Logout 2.7).
func TestTokensOfSessionsEndedWithOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		end     func(a *told, sid string) error
		revokes int
	}{
		"subject": {func(a *told, _ string) error { a.logout("alice", ""); return nil }, 1},
		"sid":     {func(a *told, sid string) error { a.logout("", sid); return nil }, 1},
		"administrator": {func(a *told, _ string) error {
			return a.rp.EndSessions(a.t.Context(), oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"})
		}, 1},
		"frame": {func(a *told, sid string) error {
			res, err := http.Get(a.rp.RedirectURLs()[0].FrontchannelLogout + "?" + url.Values{"iss": {a.op.Issuer()}, "sid": {sid}}.Encode())
			if err == nil {
				res.Body.Close()
			}
			return err
		}, 0},
		"nobody": {func(*told, string) error { return nil }, 0},
	} {
		for mode, keep := range logoutModes {
			t.Run(name+" with "+mode, func(t *testing.T) {
				a := newTold(t, func(c *oidcrp.Config) { keep(c); c.Providers[0].KeepTokens = true })
				c := a.sessionCookie(a.signIn())
				a.clock.advance(time.Second)
				if err := tt.end(a, a.sids()[0]); err != nil {
					t.Fatal(err)
				}
				want := "nobody"
				if name == "nobody" {
					want = "alice"
				}
				for i := range 4 { // a node of its own each time, and again
					a.use(i % 2)
					if who := a.whoHas(c); who != want {
						t.Errorf("the session is %s's, want %s", who, want)
					}
					a.rps[i%2].Shutdown(t.Context())
				}
				if kept := a.store.sealed(); (kept > 0) != (want == "alice") {
					t.Errorf("%d sealed records left", kept)
				}
				revoked := a.op.Requests(oidcrptest.RevokeEndpoint)
				if len(revoked) != tt.revokes || tt.revokes > 0 && revoked[0].Form.Get("token") == "" {
					t.Errorf("revocations %+v, want %d", revoked, tt.revokes)
				}
			})
		}
	}
}

// Without a store nobody could know what a provider says.
func TestLogoutsNeedAStore(t *testing.T) {
	_, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000", CookieSessions: true,
		Providers: []oidcrp.Provider{{Issuer: "https://op.example", ClientID: "x", ClientAuth: "none", BackchannelLogout: true, FrontchannelLogout: true}},
	})
	for _, says := range []string{"CookieSessions: needs Store", "BackchannelLogout: needs Config.Store", "FrontchannelLogout: needs Config.Store"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("does not say %q: %v", says, err)
		}
	}
	// Addresses nobody asked for are not there.
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	for _, path := range []string{"/auth/backchannel-logout/test", "/auth/frontchannel-logout/test"} {
		if page := a.browse().Get(a.URL + path); page.Status != http.StatusNotFound {
			t.Errorf("%s: %v", path, page)
		}
	}
	if at := a.rp.RedirectURLs()[0]; at.BackchannelLogout+at.FrontchannelLogout != "" {
		t.Errorf("registers %+v", at)
	}
}

// R28, and invariant 6: whatever a logout interleaves with, nobody stays.
func logoutIsMonotone(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, func(c *oidcrp.Config) {
				keep(c)
				c.IdleTimeout = time.Minute // each request writes the session
				c.SessionLifetime = time.Hour
			})
			c := a.sessionCookie(a.signIn())
			var busy sync.WaitGroup
			stop := make(chan struct{})
			for range 4 {
				busy.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
							a.clock.advance(7 * time.Second / 10)
							a.whoHas(c)
						}
					}
				})
			}
			sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "alice", ""))
			close(stop)
			busy.Wait()
			if sent.Status != http.StatusOK {
				t.Fatalf("answered %+v", sent)
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
}

// After a step-up it is the new ID token that a logout speaks of.
func TestLogoutAfterStepUp(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			a.clock.advance(2 * time.Second)
			between := a.op.LogoutToken(a.client.ID, "alice", "")
			a.op.EndSessions()
			a.clock.advance(2 * time.Second)
			a.shows(b.Get(a.URL+"/again?age=0s"), "GET /plain for alice")
			c, sids := a.sessionCookie(b), a.sids()
			if len(sids) != 2 || sids[0] == sids[1] {
				t.Fatalf("sids %q", sids)
			}
			if sent := a.op.SendLogoutToken(a.client.ID, between); sent.Status != http.StatusOK || a.on(c) != "alice" {
				t.Errorf("%+v: she has signed in again since", sent)
			}
			if a.logout("", sids[0]); a.on(c) != "alice" {
				t.Error("ended by the session before")
			}
			q := url.Values{"iss": {a.op.Issuer()}, "sid": {sids[1]}}
			res, err := http.Get(a.rp.RedirectURLs()[0].FrontchannelLogout + "?" + q.Encode())
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if who := a.on(c); who != "nobody" {
				t.Errorf("still %s's", who)
			}
		})
	}
}
