package oidcrp_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// sessionAttacks are T098 to T116: cookies and sessions.
var sessionAttacks = []attack{
	{"T098 planted session", plantedSession},
	{"T098 made-up session", madeUpSession},
	{"T098 planted data", plantedData},
	{"T099 another user", loginOverASession},
	{"T099 same user", loginAgain},
	{"T099 by form_post", formPostEndsTheSession},
	{"T100 two session cookies", twoSessionCookies},
	{"T100 two binding cookies", twoBindingCookies},
	{"T100 odd names and values", oddCookies},
	{"T101 attributes", cookieAttributes},
	{"T101 base URL by http", baseURLByHTTP},
	{"T102 form_post", loginByFormPost},
	{"T102 no cookies", noCookiesAtAll},
	{"T103 deletion", cookieDeletion},
	{"T104 changed cookie", tamperedCookie},
	{"T104 each bit", flippedBits},
	{"T104 cookie of another key, purpose or base URL", cookieOfAnotherPurpose},
	{"T105 keys", weakKeys},
	{"T106 nonces", nonces},
	{"T107 chunks", noChunks},
	{"T107 chunks in memory", chunksInMemory},
	{"T108 sizes", cookieSizes},
	{"T109 groups", manyGroups},
	{"T110 no compression", noCompression},
	{"T111 header", longCookieHeader},
	{"T111 logins", manyOpenLogins},
	{"T112 ids", sessionIDs},
	{"T112 dump", storeDump},
	{"T113 isolation", identityIsolation},
	{"T114 providers come and go", startsWhileProvidersChange},
	{"T115 flood", startFlood},
	{"T115 flood of answers", answerFlood},
	{"T115 flood of answers in memory", answerFloodInMemory},
	{"T116 lifetimes", lifetimes},
	{"T116 year 2039", year2039},
	{"T116 clock", clockSetBack},
	{"T116 refresh at the limit", refreshAtTheLimit},
	{"T116 still allowed", allowedNoMore},
}

// plantedSession: whoever gives a visitor a session of their own learns nothing
// of the login that follows, and loses it.
func plantedSession(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			planted := a.sessionCookie(a.signInAs("bob"))
			victim := a.browse()
			a.plant(victim, planted.Name, planted.Value)
			a.shows(victim.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
			if own := a.sessionCookie(victim); own.Value == planted.Value || a.whoHas(own) != "alice" {
				t.Fatal("the planted session was taken over")
			}
			if who := a.whoHas(planted); who != "nobody" {
				t.Errorf("who planted it is %s now", who)
			}
		})
	}
}

// plantedData: an anonymous visitor has no data that a login could carry along,
// and what a session before had is not carried either.
func plantedData(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			b := a.browse()
			page := b.Get(a.URL + "/update?value=planted")
			a.answers(page, http.StatusTeapot, "anonymous true")
			if got := page.Header.Values("Set-Cookie"); len(got) != 0 {
				t.Errorf("an anonymous visitor has %q", got)
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			a.shows(b.Get(a.URL+"/note"), `alice notes ""`)
		})
	}
}

// loginOverASession: nothing is left of the one before.
func loginOverASession(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			records := newPlain()
			a := updating(t, func(c *oidcrp.Config) {
				if store(c); c.Store != nil {
					c.Store = records
				}
			})
			b := a.signIn()
			a.shows(b.Get(a.URL+"/update?value=of-alice"), "until now")
			before, kept := a.sessionCookie(b), records.keep()
			a.op.SignInAs("bob")
			a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for bob")
			a.shows(b.Get(a.URL+"/note"), `bob notes ""`)
			if who := a.whoNotes(before); who != "nobody" {
				t.Errorf("the session before is still %s's", who)
			}
			now := records.keep()
			for token, record := range kept {
				if len(record) > 45 && now[token] != nil { // a session's, not a mark
					t.Errorf("a record of %d bytes is left", len(record))
				}
			}
			if ended := a.events.of(oidcrp.SessionEnded); len(ended) != 1 || ended[0].Reason != "replaced" || ended[0].Subject != "alice" {
				t.Errorf("events %+v", ended)
			}
		})
	}
}

// loginAgain as the same user is a new session all the same.
func loginAgain(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			b := a.signIn()
			before := a.sessionCookie(b)
			a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
			if again := a.sessionCookie(b); again.Value == before.Value {
				t.Error("the same id at a second login")
			}
			if who := a.whoHas(before); who != "nobody" {
				t.Errorf("the session before is still %s", who)
			}
		})
	}
}

// madeUpSession: an id that we did not make never becomes one.
func madeUpSession(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			real := a.sessionCookie(a.signIn())
			made := &http.Cookie{Name: real.Name, Value: strings.Repeat("A", len(real.Value))}
			victim := a.browse()
			a.plant(victim, made.Name, made.Value)
			a.shows(victim.Get(a.URL+"/"), "home of nobody")
			a.shows(victim.Get(a.URL+"/reports"), "reports for alice")
			if a.sessionCookie(victim).Value == made.Value || a.whoHas(made) != "nobody" {
				t.Error("the made-up session became real")
			}
		})
	}
}

// formPostEndsTheSession: to a form of another site the browser shows no session; the one it replaces
// must end nevertheless.
func formPostEndsTheSession(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				formPost(c)
				store(c)
			})
			b := a.signInAs("bob")
			old := a.sessionCookie(b)
			a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
			if who := a.whoHas(old); who != "nobody" {
				t.Errorf("the replaced session is still %s's", who)
			}
		})
	}
}

// lifetimes: a session ends at the earliest of its ends.
func lifetimes(t *testing.T) {
	tests := []struct {
		name   string
		change func(*oidcrp.Config)
		fault  func(a *app) oidcrptest.Fault
		lives  time.Duration
		used   time.Duration // interval between requests; 0: none
	}{
		{name: "default", lives: 12 * time.Hour},
		{name: "default, always used", lives: 12 * time.Hour, used: time.Hour},
		{name: "absolute", lives: time.Hour, used: 7 * time.Minute, change: func(c *oidcrp.Config) { c.SessionLifetime = time.Hour }},
		{name: "idle", lives: 30 * time.Minute, change: func(c *oidcrp.Config) { c.IdleTimeout = 30 * time.Minute }},
		{name: "idle, but used", lives: 12 * time.Hour, used: 26 * time.Minute, change: func(c *oidcrp.Config) { c.IdleTimeout = 30 * time.Minute }},
		{name: "token lifetime", lives: time.Hour, used: 20 * time.Minute, change: func(c *oidcrp.Config) { c.Providers[0].UseTokenLifetime = true }},
		{name: "token lifetime, longer than ours", lives: 30 * time.Minute, change: func(c *oidcrp.Config) {
			c.Providers[0].UseTokenLifetime, c.SessionLifetime = true, 30*time.Minute
		}},
		{name: "the provider's session_expiry", lives: 20 * time.Minute, used: 3 * time.Minute, fault: func(a *app) oidcrptest.Fault {
			return oidcrptest.IDTokenClaim("session_expiry", a.clock.now().Add(20*time.Minute).Unix())
		}},
	}
	for _, tt := range tests {
		for mode, store := range stores {
			t.Run(tt.name+", "+mode, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					store(c)
					if tt.change != nil {
						tt.change(c)
					}
				})
				if tt.fault != nil {
					a.op.SetFaults(tt.fault(a))
				}
				b := a.signIn()
				kept := a.sessionCookie(b)
				for at := tt.used; tt.used > 0 && at < tt.lives-time.Minute; at += tt.used {
					a.clock.advance(tt.used)
					a.shows(b.Get(a.URL+"/"), "home of alice")
					kept = a.sessionCookie(b)
				}
				spent := time.Duration(a.clock.ahead.Load())
				a.clock.advance(tt.lives - spent - 10*time.Second)
				a.shows(b.Get(a.URL+"/auth/me"), `"sub":"alice"`)
				a.clock.advance(12 * time.Second)
				if who := a.whoHas(kept); who != "nobody" { // whatever the browser does with the cookie
					t.Errorf("still %s after %v", who, tt.lives)
				}
				a.shows(b.Get(a.URL+"/"), "home of nobody")
			})
		}
	}
}

// year2039 lies behind what 32 bits count in seconds.
func year2039(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			a.clock.advance(time.Until(time.Date(2039, 2, 1, 0, 0, 0, 0, time.UTC)))
			a.op.SetNow(a.clock.now)
			c := a.sessionCookie(a.signIn())
			a.clock.advance(12*time.Hour - 10*time.Second)
			if who := a.whoHas(c); who != "alice" {
				t.Errorf("within its lifetime it is %s's", who)
			}
			a.clock.advance(20 * time.Second)
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("after its lifetime it is %s's", who)
			}
		})
	}
}

// clockSetBack by an hour, or an hour ahead and back, ends no session and makes
// none longer, though it is used meanwhile.
func clockSetBack(t *testing.T) {
	for mode, store := range stores {
		for _, jump := range []time.Duration{time.Hour, -time.Hour} {
			t.Run(mode+" "+jump.String(), func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					store(c)
					c.SessionLifetime, c.IdleTimeout = 4*time.Hour, 3*time.Hour
				})
				b := a.signIn()
				for range 2 {
					a.clock.advance(jump)
					a.shows(b.Get(a.URL+"/"), "home of alice")
					a.clock.advance(-jump)
					a.shows(b.Get(a.URL+"/"), "home of alice")
				}
				early := a.sessionCookie(b)
				a.clock.advance(2 * time.Hour)
				a.shows(b.Get(a.URL+"/"), "home of alice")
				late := a.sessionCookie(b)
				a.clock.advance(2*time.Hour + time.Second)
				for _, c := range []*http.Cookie{early, late} {
					if who := a.whoHas(c); who != "nobody" {
						t.Errorf("after its lifetime it is %s's", who)
					}
				}
			})
		}
	}
}

// refreshAtTheLimit of a session brings tokens, and no time.
func refreshAtTheLimit(t *testing.T) {
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.SessionLifetime = 5 * time.Hour })
	b := a.signIn()
	c := a.sessionCookie(b)
	for range 2 {
		a.expire()
		a.shows(a.call(b), `"sub":"alice"`)
	}
	a.clock.advance(time.Hour - time.Second)
	a.shows(a.call(b), `"sub":"alice"`)
	n := refreshes(a.op)
	if n < 2 {
		t.Fatalf("%d refreshes", n)
	}
	a.clock.advance(2 * time.Second)
	if who := a.whoHas(c); who != "nobody" {
		t.Errorf("after its lifetime it is %s's", who)
	}
	if status := a.onOtherNode(a.rp, c); status != http.StatusBadGateway || refreshes(a.op) != n {
		t.Errorf("its tokens still serve: %d", status)
	}
}

// allowedNoMore: the application is asked at an interval and at a refresh, and
// what it says ends the session before its time.
func allowedNoMore(t *testing.T) {
	for name, refuse := range map[string]func(*oidcrp.Config, func() error){
		"at an interval": func(c *oidcrp.Config, ask func() error) {
			c.StillAllowedEvery = time.Hour
			c.StillAllowed = func(context.Context, *oidcrp.Session) error { return ask() }
		},
		"at a refresh": func(c *oidcrp.Config, ask func() error) {
			c.OnRefresh = func(context.Context, *oidcrp.Login) error { return ask() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			closed, asked := false, 0
			a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				refuse(c, func() error {
					if asked++; closed {
						return &oidcrp.Refusal{Message: "closed"}
					}
					return nil
				})
			})
			b := a.signIn()
			c := a.sessionCookie(b)
			a.expire()
			a.shows(a.call(b), `"sub":"alice"`)
			if asked == 0 {
				t.Error("the application was not asked")
			}
			closed = true
			a.expire()
			a.call(b)
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
}
