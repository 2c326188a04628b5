package oidcrp_test

import (
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
