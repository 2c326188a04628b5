package oidcrp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// whoOn is who a node takes somebody with a session cookie for.
func (a *app) whoOn(rp *oidcrp.RelyingParty, c *http.Cookie) (who string) {
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	r.AddCookie(c)
	rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = name(r) })).ServeHTTP(httptest.NewRecorder(), r)
	return who
}

func clockJumps(t *testing.T) {
	for mode, keep := range stores {
		for _, jump := range []time.Duration{5 * time.Minute, -5 * time.Minute, time.Hour, -time.Hour} {
			t.Run(mode+" "+jump.String(), func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					keep(c)
					c.IdleTimeout, c.SessionLifetime = 2*time.Hour, 4*time.Hour
				})
				a.clock.stop()
				c := a.sessionCookie(a.signIn())
				ends := a.clock.now().Add(4 * time.Hour)
				a.clock.advance(jump)
				for range 3 {
					if who := a.whoHas(c); who != "alice" { // nobody is signed out by it
						t.Errorf("after the jump the session is %s's", who)
					}
				}
				for a.clock.now().Before(ends.Add(-time.Hour)) {
					a.clock.advance(time.Hour)
					if who := a.whoHas(c); who != "alice" && mode == "store" {
						t.Errorf("%v before its end the session is %s's", ends.Sub(a.clock.now()), who)
					}
				}
				a.clock.advance(ends.Sub(a.clock.now()) + time.Second)
				if who := a.whoHas(c); who != "nobody" { // nor is it extended
					t.Errorf("after its end the session is %s's", who)
				}
			})
		}
	}
	t.Run("login", func(t *testing.T) {
		for _, jump := range []time.Duration{30 * time.Second, -30 * time.Second, 5 * time.Minute, -5 * time.Minute, time.Hour, -time.Hour} {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			bob, stranger := a.signInAs("bob"), a.browse()
			a.op.SignInAs("alice")
			over, first := a.stopAtCallback(bob, "/auth/login?return_to=/reports"), a.stopAtCallback(stranger, "/reports")
			a.clock.advance(jump)
			if jump.Abs() < time.Minute { // as documented
				a.shows(bob.Get(over), "reports for alice")
				a.shows(stranger.Get(first), "reports for alice")
				continue
			}
			if page := bob.Get(over); page.Status != http.StatusOK && page.Status != http.StatusBadRequest {
				t.Errorf("%v: %s", jump, page)
			}
			if page := stranger.Get(first); page.Status != http.StatusOK && page.Status != http.StatusBadRequest {
				t.Errorf("%v: %s", jump, page)
			}
			a.op.SetNow(a.clock.now)
			a.op.EndSessions() // whose auth_time may be in the future now
			a.shows(stranger.Get(a.URL+"/reports"), "reports for alice")
			if who := a.whoHas(a.sessionCookie(bob)); who == "nobody" {
				t.Errorf("%v: bob was signed out", jump)
			}
		}
	})
	t.Run("suspended", func(t *testing.T) { // for longer than a session lives
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		b := a.signIn()
		callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
		a.clock.advance(24 * time.Hour)
		a.op.SetNow(a.clock.now)
		a.signsInAgain(b)
		a.answers(b.Get(callback), http.StatusBadRequest, "") // a tab from yesterday
		a.shows(b.Get(a.URL+"/"), "home of alice")
	})
}

// clocksOfTwoNodes differ by four minutes: nobody is signed out by it.
func clocksOfTwoNodes(t *testing.T) {
	for mode, keep := range stores {
		for _, apart := range []time.Duration{4 * time.Minute, -4 * time.Minute} {
			t.Run(mode+" "+apart.String(), func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					keep(c)
					c.IdleTimeout = 30 * time.Minute
				})
				other, err := oidcrp.NewAt(a.config, func() time.Time { return a.clock.now().Add(apart) })
				if err != nil {
					t.Fatal(err)
				}
				b := a.signIn()
				for range 6 {
					if who := a.whoOn(other, a.sessionCookie(b)); who != "alice" {
						t.Errorf("on the other node the session is %s's", who)
					}
					a.clock.advance(5 * time.Minute)
					a.shows(b.Get(a.URL+"/"), "home of alice")
				}
			})
		}
	}
}

// restartInLogin: what a login needs is in the browser.
func restartInLogin(t *testing.T) {
	for mode, keep := range stores {
		t.Run(mode, func(t *testing.T) {
			n := newNodes(t, oidcrptest.NewProvider(t), keep)
			for _, path := range []string{"/reports", "/reports?" + strings.Repeat("x", 1500)} {
				b := n.browse()
				callback := n.stopAtCallback(b, path)
				n.handlers[0] = n.later(func(c *oidcrp.Config) {}).Load(n.handler()) // started again
				n.shows(b.Get(callback), "reports for alice at "+path)
			}
			n.calls(oidcrptest.AuthorizeEndpoint, 2)
			if all := n.events.of(oidcrp.LoginFailed); len(all) != 0 {
				t.Errorf("%+v", all)
			}
		})
	}
}

// lockCannotBeHad: then nothing is redeemed, and nobody is signed out.
func lockCannotBeHad(t *testing.T) {
	for name, how := range breakages {
		t.Run(name, func(t *testing.T) {
			locker := &brokenLocker{how: func(context.Context) error { return how() }}
			a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Locker = locker })
			b := a.signIn()
			a.expire()
			a.fails(b, oidcrp.ErrStoreUnavailable)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			if n := refreshes(a.op); n != 0 {
				t.Errorf("%d refreshes", n)
			}
			locker.set(nil)
			a.shows(a.call(b), `"sub":"alice"`)
		})
	}
	t.Run("held by who died", func(t *testing.T) {
		locker := &brokenLocker{}
		inBubble(t, func(c *oidcrp.Config) {
			c.Store, c.Locker = newPlain(), locker
			c.Providers[0].KeepTokens, c.Providers[0].APIs = true, []oidcrp.API{{URL: bubbleIssuer + oidcrptest.ResourceEndpoint}}
		}, func(t *testing.T, b *bubble) {
			v := b.visitor()
			call := "/call?api=" + url.QueryEscape(b.op.URL(oidcrptest.ResourceEndpoint))
			b.reads(v, call, `"sub":"alice"`)
			time.Sleep(2 * time.Hour)
			locker.set(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
			if res, body := b.get(v, call); res.StatusCode != http.StatusBadGateway || !strings.Contains(body, oidcrp.ErrStoreUnavailable.Error()) {
				t.Errorf("got %d %s", res.StatusCode, body)
			}
			b.reads(v, "/reports", "reports for alice")
			locker.set(nil) // its lease has ended
			b.reads(v, call, `"sub":"alice"`)
			if n := refreshes(b.op); n != 1 {
				t.Errorf("%d refreshes", n)
			}
		})
	})
}

type brokenLocker struct {
	mu     sync.Mutex
	how    func(context.Context) error
	unlock func()
}

func (l *brokenLocker) set(how func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.how = how
}

func (l *brokenLocker) Lock(ctx context.Context, _ string) (func(), error) {
	l.mu.Lock()
	how := l.how
	l.mu.Unlock()
	if how != nil {
		return nil, how(ctx)
	}
	return func() {
		if l.unlock != nil {
			l.unlock()
		}
	}, nil
}

// crashInCallback ends everything between redeeming the code and writing the
// session: nothing after that point runs.
func crashInCallback(t *testing.T) {
	for mode, keep := range stores {
		t.Run(mode, func(t *testing.T) {
			var onLogin hook[*oidcrp.Login]
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { keep(c); c.OnLogin = onLogin.call })
			b := a.browse()
			callback := a.stopAtCallback(b, "/reports")
			onLogin.set(func(*oidcrp.Login) error { runtime.Goexit(); return nil })
			r, answer := httptest.NewRequest("GET", callback, nil), httptest.NewRecorder()
			for _, c := range b.Cookies(callback) {
				r.AddCookie(c)
			}
			crashed := make(chan struct{})
			go func() {
				defer close(crashed)
				a.rp.ServeHTTP(answer, r)
			}()
			<-crashed
			a.calls(oidcrptest.TokenEndpoint, 1)
			a.noSessionIn(answer.Header())
			onLogin.set(func(*oidcrp.Login) error { return nil })

			// Started again, with what the visitor does now: reload.
			restarted := a.later(func(*oidcrp.Config) {})
			srv := httptest.NewServer(restarted.Load(a.handler()))
			defer srv.Close()
			b.Resolve("localhost", srv.Listener.Addr().String())
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			page := b.Get(callback)
			if mode == "store" { // which knows that the callback was used: the login starts again
				a.shows(page, "reports for alice")
				return
			}
			a.answers(page, http.StatusBadRequest, "") // the provider knows
			a.noSessionIn(page.Header)
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

// keyRotationNodeByNode: while the nodes' keys overlap, no session is lost on
// any of them.
func keyRotationNodeByNode(t *testing.T) {
	for mode, keep := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), keep)
			old, both, newest, only := [][]byte{key(1)}, [][]byte{key(1), key(2)}, [][]byte{key(2), key(1)}, [][]byte{key(2)}
			var cookies []*http.Cookie
			var moved int // the first that was made under the new key
			for i, deployed := range [][2][][]byte{{old, old}, {old, both}, {both, both}, {both, newest}, {newest, newest}, {newest, only}, {only, only}} {
				var nodes [2]*oidcrp.RelyingParty
				for n := range nodes {
					nodes[n] = a.later(func(c *oidcrp.Config) { c.CookieKeys = deployed[n] })
				}
				if i == 4 {
					moved = len(cookies)
				}
				if i == 5 { // by now the others have expired
					cookies = cookies[moved:]
				}
				for _, rp := range nodes {
					cookies = append(cookies, oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: "erin"}))
				}
				for _, rp := range nodes {
					for j, c := range cookies {
						if who := a.whoOn(rp, c); who != "erin" {
							t.Errorf("step %d: session %d is %s's", i, j, who)
						}
					}
				}
			}
		})
	}
}

// postAfterExpiry: what was being sent when the session expired is not sent on
// by itself.
func postAfterExpiry(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	a.clock.advance(13 * time.Hour)
	a.op.SetNow(a.clock.now)
	entered := a.reports.Load()
	page := b.Fetch("POST", "/reports", &oidcrptest.FetchOptions{Body: "a=b"})
	if doc := problem(t, []byte(page.Body)); page.Status != http.StatusUnauthorized || doc.Reason != "login_required" {
		t.Errorf("a script's: %s", page)
	}
	page = b.PostForm(a.URL+"/reports", url.Values{"a": {"b"}})
	a.shows(page, "reports for alice") // the page the form was on
	for _, hop := range page.Trail[1:] {
		if hop.Method != http.MethodGet {
			t.Errorf("%s %s", hop.Method, hop.URL)
		}
	}
	if got := a.reports.Load() - entered; got != 1 {
		t.Errorf("the handler was entered %d times, by the GET alone", got)
	}
}

// backchannelDuringRefresh: the provider ends the session while its tokens are
// being refreshed.
func backchannelDuringRefresh(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, func(c *oidcrp.Config) {
				keep(c)
				p := &c.Providers[0]
				p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: p.Issuer + oidcrptest.ResourceEndpoint}}
				c.OnRefresh = func(_ context.Context, l *oidcrp.Login) error { l.Set("seen", "yes"); return nil } // writes the session
			})
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			c, sid := a.sessionCookie(b), a.sids()[0]
			a.expire()
			entered, release := a.holdRefresh()
			done := make(chan int)
			go func() { done <- a.onOtherNode(a.rps[0], c) }()
			<-entered
			if sent := a.logout("", sid); sent.Status != http.StatusOK {
				t.Errorf("answered %+v", sent)
			}
			release()
			<-done
			for _, rp := range a.rps {
				if err := rp.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
			if status := a.onOtherNode(a.rps[1], c); status != http.StatusBadGateway {
				t.Errorf("its tokens still serve: %d", status)
			}
		})
	}
}

// tabClosedDuringCallback: the visitor goes while the code is being redeemed.
func tabClosedDuringCallback(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		v := b.visitor()
		b.op.SetFaults(oidcrptest.TokenSlow(2 * time.Second))
		ctx, closed := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, closed)
		r, err := http.NewRequestWithContext(ctx, "GET", bubbleURL+"/reports", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		if _, err := v.Do(r); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		time.Sleep(10 * time.Second)
		for _, kind := range []oidcrp.EventKind{oidcrp.ProviderFailed, oidcrp.StoreFailed, oidcrp.RequestFailed} {
			if all := b.events.of(kind); len(all) != 0 {
				t.Errorf("%+v", all)
			}
		}
		b.reads(v, "/reports", "reports for alice")
	})
}

// tabClosedDuringSharedFetch: who waits for the same goes on waiting.
func tabClosedDuringSharedFetch(t *testing.T) {
	for _, endpoint := range []string{oidcrptest.DiscoveryEndpoint, oidcrptest.JWKSEndpoint} {
		t.Run(endpoint, func(t *testing.T) {
			inBubble(t, nil, func(t *testing.T, b *bubble) {
				b.op.SetFaults(oidcrptest.Slow(endpoint, 3*time.Second))
				ctx, closed := context.WithCancel(t.Context())
				time.AfterFunc(time.Second, closed)
				var both sync.WaitGroup
				both.Go(func() {
					r, _ := http.NewRequestWithContext(ctx, "GET", bubbleURL+"/reports", nil)
					r.Header.Set("Accept", "text/html")
					if _, err := b.visitor().Do(r); !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				})
				time.Sleep(time.Millisecond) // the other began it
				both.Go(func() { b.reads(b.visitor(), "/reports", "reports for alice") })
				both.Wait()
				if n := b.op.Calls(endpoint); n != 1 {
					t.Errorf("%d fetches", n)
				}
			})
		})
	}
}
