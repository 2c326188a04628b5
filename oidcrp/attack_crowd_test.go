package oidcrp_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// sessionIDs are 32 random bytes each: no two are the same, and each bit is one
// in half of them. 60,000 of them, 3,000 under the race detector: ids of fewer
// than 32 bits would repeat, and a counter or a clock would show in its bits. The
// catalogue's million takes twenty seconds, and would find 40 bits at most.
func sessionIDs(t *testing.T) {
	n := 60_000
	if raceEnabled {
		n /= 20
	}
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = oidcrp.NewMemoryStore() })
	seen := make(map[string]bool, n)
	var ones [256]int
	for range n {
		c := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "alice"})
		id, err := base64.RawURLEncoding.Strict().DecodeString(c.Value)
		if err != nil || len(id) != 32 || seen[c.Value] {
			t.Fatalf("id %q: %v", c.Value, err)
		}
		seen[c.Value] = true
		for i := range ones {
			ones[i] += int(id[i/8] >> (i % 8) & 1)
		}
	}
	for i, k := range ones {
		// Seven standard deviations: not once in 10^9 runs.
		if off := 2*k - n; off*off > 49*n {
			t.Errorf("bit %d is one in %d of %d", i, k, n)
		}
	}
}

// storeDump: who reads the store, and knows the code, has nobody's session.
func storeDump(t *testing.T) {
	store := newPlain()
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	own := a.sessionCookie(a.signIn())
	records := store.keep()
	if len(records) < 2 {
		t.Fatalf("%d records", len(records))
	}
	for token, record := range records {
		for _, secret := range []string{own.Value, "alice", "Archer", "access_token"} {
			if strings.Contains(token, secret) || bytes.Contains(record, []byte(secret)) {
				t.Errorf("the store shows %q", secret)
			}
		}
		for _, value := range []string{token, string(record), base64.RawURLEncoding.EncodeToString(record), base64.RawURLEncoding.EncodeToString(record[:min(32, len(record))])} {
			w := ask(a.rp, a.rp.Load(a.handler()), nil, "GET", a.URL+"/", "Cookie", own.Name+"="+value)
			if w.Body.String() != "home of nobody" {
				t.Errorf("%q signs in: %s", value, w.Body)
			}
		}
	}
	if who := a.whoHas(own); who != "alice" {
		t.Errorf("the session itself is %s's", who)
	}
}

// identityIsolation: who signs in, calls an API and has tokens refreshed beside
// many others gets what is theirs. 50 users with 3 times 4 rounds, 10 under the
// race detector: the catalogue's 200 with 50 take half a minute, more logins at once
// than 64 are refused as a flood, and what one round shares with the next and one
// user with another is the same after a few. TestFetchStorm has more requests.
func identityIsolation(t *testing.T) {
	n := 50
	if raceEnabled {
		n /= 5
	}
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, func(c *oidcrp.Config) { keep(c); c.SessionLifetime = 100 * time.Hour })
			op.SignInAs("")
			browsers := map[string]*oidcrptest.Browser{}
			for i := range n {
				user := fmt.Sprint("user-", i)
				op.AddUser(oidcrptest.User{Subject: user})
				browsers[user] = a.browse()
			}
			atOnce := func(do func(user string, b *oidcrptest.Browser)) {
				var all sync.WaitGroup
				for user, b := range browsers {
					all.Go(func() { do(user, b) })
				}
				all.Wait()
			}
			atOnce(func(user string, b *oidcrptest.Browser) {
				b.Get(a.URL + "/reports")
				if page := b.SubmitForm(user, nil); !strings.HasPrefix(page.Text(), "reports for "+user+" at") {
					t.Errorf("%s signed in and got %s", user, page)
				}
			})
			for range 3 {
				atOnce(func(user string, b *oidcrptest.Browser) {
					for range 4 {
						if page := a.call(b); page.Status != http.StatusOK || !strings.Contains(page.Body, `"sub":"`+user+`"`) {
							t.Errorf("%s: the API answers %s", user, page)
						}
						var me struct{ Sub string }
						if page := b.Get(a.URL + "/auth/me"); page.JSON(&me) != nil || me.Sub != user {
							t.Errorf("%s is told to be %s", user, page)
						}
					}
				})
				a.expire()
			}
			if got := refreshes(op); got != 2*n {
				t.Errorf("%d refreshes of %d users", got, n)
			}
		})
	}
}

// startsWhileProvidersChange: 10,000 logins are started at providers that come,
// change and go meanwhile; a tenth under the race detector.
func startsWhileProvidersChange(t *testing.T) {
	n := 625 // by each of 8, at each of 2
	if raceEnabled {
		n /= 10
	}
	a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) { c.OnEvent = nil })
	d.change("stays", func(p *oidcrp.Provider) { *p = byHand("stays") })
	h := a.rp.Load(a.handler())
	start := func(provider string) *httptest.ResponseRecorder {
		return ask(a.rp, h, nil, "GET", a.URL+"/auth/login?provider="+provider, navigate...)
	}
	var logins, changes sync.WaitGroup
	done := make(chan struct{})
	changes.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				d.change("goes", func(p *oidcrp.Provider) { *p = byHand("goes"); p.Version = fmt.Sprint(i) })
				d.change("stays", func(p *oidcrp.Provider) { p.Version = fmt.Sprint(i) })
				d.remove("goes")
				a.clock.advance(time.Second) // so that the source is asked again
				runtime.Gosched()
			}
		}
	})
	for range 8 {
		logins.Go(func() {
			for range n {
				if w := start("stays"); w.Code != http.StatusFound || !strings.HasPrefix(w.Header().Get("Location"), "https://op.example/a?") {
					t.Errorf("at one that stays: %d %s", w.Code, w.Body)
				}
				switch w := start("goes"); {
				case w.Code == http.StatusFound && strings.HasPrefix(w.Header().Get("Location"), "https://op.example/a?"):
				case w.Code == http.StatusFound && w.Header().Get("Location") == a.URL+"/auth/login":
				case w.Code == http.StatusOK && strings.Contains(w.Body.String(), "Choose how you would like to sign in"):
				default:
					t.Errorf("at one that goes: %d %s %.1000s", w.Code, w.Header(), w.Body)
				}
			}
		})
	}
	logins.Wait()
	close(done)
	changes.Wait()
}
