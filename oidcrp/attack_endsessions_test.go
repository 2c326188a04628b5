package oidcrp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// administratorEnds one session, or all of a user's, on every node.
func administratorEnds(t *testing.T) {
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

func signOutEverywhere(t *testing.T) {
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

// newKeys, and no old ones, end all sessions there are at once.
func newKeysEndAll(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			cookies := []*http.Cookie{a.sessionCookie(a.signIn()), a.sessionCookie(a.signInAs("bob"))}
			after := a.later(func(c *oidcrp.Config) { c.CookieKeys = [][]byte{key(2)} })
			for i, c := range cookies {
				if who := a.whoOn(after, c); who != "nobody" {
					t.Errorf("session %d is %s's", i, who)
				}
			}
			if who := a.whoOn(after, oidcrptest.Cookie(after, "", oidcrptest.User{Subject: "alice"})); who != "alice" {
				t.Errorf("a new session is %s's", who)
			}
		})
	}
}

// tokensOfEndedSessions serve nothing from that moment, whoever has a copy of
// the cookie; those for jobs stay until they are forgotten.
func tokensOfEndedSessions(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, func(c *oidcrp.Config) {
				keep(c)
				p := &c.Providers[0]
				p.KeepTokens, p.KeepOffline, p.APIs = true, true, []oidcrp.API{{URL: p.Issuer + oidcrptest.ResourceEndpoint}}
			})
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			c := a.sessionCookie(b)
			a.shows(a.call(b), `"sub":"alice"`)
			a.expire() // so that the next call takes the refresh token
			if err := a.rp.EndSessions(t.Context(), a.alice()); err != nil {
				t.Fatal(err)
			}
			served := a.op.Calls(oidcrptest.ResourceEndpoint)
			for _, rp := range a.rps {
				if status := a.onOtherNode(rp, c); status == http.StatusOK {
					t.Errorf("its tokens still serve: %d", status)
				}
				if err := rp.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			if n := refreshes(a.op); n != 0 || a.op.Calls(oidcrptest.ResourceEndpoint) != served {
				t.Errorf("%d refreshes", n)
			}
			if _, err := a.job(a.rp); err != nil {
				t.Errorf("a job before Forget: %v", err)
			}
			if err := a.rp.Forget(t.Context(), a.alice()); err != nil {
				t.Fatal(err)
			}
			for _, rp := range a.rps {
				if _, err := a.job(rp); !errors.Is(err, oidcrp.ErrNoToken) {
					t.Errorf("a job after Forget: %v", err)
				}
			}
			a.rp.Shutdown(t.Context())
			if n := a.store.sealed(); n != 0 {
				t.Errorf("%d sealed records left", n)
			}
		})
	}
}

// tokensNobodyAsksFor any more stay in the store as long as their session would
// have lived, since no list says where they are.
func tokensNobodyAsksFor(t *testing.T) {
	store := &expiring{plain: newPlain()}
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	store.now = a.clock.now
	a.signIn()
	kept := store.keep()
	if err := a.rp.EndSessions(t.Context(), a.alice()); err != nil {
		t.Fatal(err)
	}
	a.clock.advance(12*time.Hour + 2*time.Minute) // the session began a moment after them
	for token, record := range kept {
		if _, found, err := store.Find(token); found || err != nil {
			t.Errorf("a record of %d bytes is still there: %v", len(record), err)
		}
	}
}

// deletedUser is asked about at an interval, and gets nothing from then on.
func deletedUser(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			var deleted atomic.Bool
			refuse := func() error {
				if deleted.Load() {
					return &oidcrp.Refusal{Message: "no such account"}
				}
				return nil
			}
			a := newTold(t, func(c *oidcrp.Config) {
				keep(c)
				c.StillAllowedEvery = 5 * time.Minute
				c.StillAllowed = func(context.Context, *oidcrp.Session) error { return refuse() }
				c.OnLogin = func(context.Context, *oidcrp.Login) error { return refuse() }
			})
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			c := a.sessionCookie(b)
			deleted.Store(true)
			a.clock.advance(5 * time.Minute)
			a.answers(b.Get(a.URL+"/reports"), http.StatusForbidden, "no such account")
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
			page := b.Get(a.URL + "/auth/login?return_to=/reports")
			a.answers(page, http.StatusForbidden, "no such account")
			a.noSessionIn(page.Header)
		})
	}
}
