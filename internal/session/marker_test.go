package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// clientOf is the client at each provider.
func clientOf(_ context.Context, provider string) (string, bool, error) {
	return "client of " + provider, provider != "silent", nil
}

// everyMode runs f with sessions in cookies, in cookies with a store for marks,
// and in a store.
func everyMode(t *testing.T, f func(t *testing.T, h *house)) {
	for _, mode := range []string{"cookie", "cookie and marks", "store"} {
		t.Run(mode, func(t *testing.T) {
			h := newHouse(t, mode == "store", func(c *session.Config) { c.Client = clientOf })
			if mode == "cookie and marks" {
				h.store = newPlainStore(h.clock)
				h = h.other(func(c *session.Config) { c.Marks = h.store })
			}
			f(t, h)
		})
	}
}

// at is a user's draft whose login was begun and whose ID token was issued now.
func (h *house) at(subject, sid string) session.Draft {
	d := person(subject)
	d.SID, d.Began, d.IssuedAt = sid, h.clock.now(), h.clock.now()
	return d
}

func user(d session.Draft) session.User {
	client, _, _ := clientOf(context.Background(), d.Provider)
	return session.User{Issuer: d.Issuer, Client: client, Subject: d.Subject}
}

func (h *house) logout(l session.Logout) {
	h.t.Helper()
	if err := h.EndByLogout(context.Background(), l); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) lives(b *browser, want bool) {
	h.t.Helper()
	if _, err := h.load(b, true); want && err != nil || !want && !errors.Is(err, session.ErrEnded) && !errors.Is(err, session.ErrMissing) {
		h.t.Errorf("lives: %v, want %v", err, want)
	}
}

func TestLogoutEndsWhatItNames(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		for name, test := range map[string]struct {
			logout func(*session.Logout)
			lives  [6]bool // s1, s2, without sid, newer, other user, other client
		}{
			"sid": {func(l *session.Logout) { l.Subject, l.SID = "", "s1" },
				[6]bool{false, true, true, true, true, true}},
			"subject": {func(*session.Logout) {},
				[6]bool{false, false, false, true, true, true}},
			"both": {func(l *session.Logout) { l.SID = "s1" },
				[6]bool{false, true, false, true, true, true}},
			"unknown sid":      {func(l *session.Logout) { l.Subject, l.SID = "", "s9" }, [6]bool{true, true, true, true, true, true}},
			"unknown subject":  {func(l *session.Logout) { l.Subject = "nobody" }, [6]bool{true, true, true, true, true, true}},
			"at other issuer":  {func(l *session.Logout) { l.Issuer += "/" }, [6]bool{true, true, true, true, true, true}},
			"before they were": {func(l *session.Logout) { l.IssuedAt = l.IssuedAt.Add(-time.Hour) }, [6]bool{true, true, true, true, true, true}},
		} {
			t.Run(name, func(t *testing.T) {
				h := h.other(nil)
				h.t = t
				who := fmt.Sprintf("bob %s", name) // the modes' stores are shared
				one, two, bare, newer := h.at(who, "s1"), h.at(who, "s2"), h.at(who, ""), h.at(who, "")
				stranger, elsewhere := h.at("not "+who, ""), h.at(who, "")
				elsewhere.Provider = "other"
				newer.IssuedAt = newer.IssuedAt.Add(2 * time.Second)
				for _, d := range []*session.Draft{&one, &two} {
					d.SID += name
				}
				var browsers [6]browser
				for i, d := range []session.Draft{one, two, bare, newer, stranger, elsewhere} {
					h.start(&browsers[i], d)
				}
				l := session.Logout{User: user(one), IssuedAt: h.clock.now().Add(time.Second)}
				test.logout(&l)
				if l.SID != "" {
					l.SID += name
				}
				for range 2 { // a replay changes nothing
					h.logout(l)
					for i := range browsers {
						h.lives(browsers[i].copy(), test.lives[i])
					}
				}
			})
		}
	})
}

// Of one second of the provider's clock, what was begun after the logout came
// is a new login, and a replay does not make it old.
func TestLogoutWithinTheSecond(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var before, after, late browser
		h.start(&before, h.at("bob", ""))
		under := h.at("bob", "") // under way when the logout comes
		h.clock.add(10 * time.Millisecond)
		l := session.Logout{User: user(under), IssuedAt: epoch}
		h.logout(l)
		h.clock.add(10 * time.Millisecond)
		h.start(&after, h.at("bob", ""))
		h.logout(l)
		h.lives(&before, false)
		h.lives(&after, true)

		w := httptest.NewRecorder()
		if _, err := h.Start(context.Background(), w, after.request(), under); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
			t.Errorf("a login that raced the logout: %v, %v", err, w.Header())
		}
		h.lives(&after, true)

		// A token that was issued earlier and comes later changes nothing.
		h.clock.add(time.Hour)
		h.logout(session.Logout{User: user(under), IssuedAt: epoch.Add(time.Hour - time.Second)})
		h.start(&late, h.at("bob", ""))
		h.logout(session.Logout{User: user(under), IssuedAt: epoch.Add(time.Minute)})
		h.lives(&after, false)
		h.lives(&late, true)
	})
}

func TestEndUser(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var one, renewed, other, again browser
		h.start(&one, h.at("bob", "s1"))
		rec := h.start(&renewed, h.at("bob", ""))
		h.start(&other, h.at("carol", ""))
		under := h.at("bob", "")
		h.clock.add(time.Second)
		if err := h.EndUser(context.Background(), user(under)); err != nil {
			t.Fatal(err)
		}
		for _, b := range []*browser{&one, &renewed} {
			h.lives(b.copy(), false)
		}
		h.lives(&other, true)
		w := httptest.NewRecorder()
		if _, err := h.Renew(context.Background(), w, renewed.request(), rec, nil); !errors.Is(err, session.ErrNone) {
			t.Errorf("renewed: %v", err)
		}
		if _, err := h.Start(context.Background(), w, again.request(), under); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
			t.Errorf("a login under way: %v, %v", err, w.Header())
		}
		h.clock.add(time.Millisecond)
		d := h.at("bob", "s1")
		h.start(&again, d)
		h.lives(&again, true)
		d.Began = time.Time{} // not said: when it started
		h.start(&again, d)
		h.lives(&again, true)
	})
}

// The clocks of two nodes need not agree: what was started before an end on
// another node ends, and what is started afterwards lives, until the next.
func TestEndUserOnANodeWithAnotherClock(t *testing.T) {
	ctx := context.Background()
	storeModes(t, func(c *session.Config) {
		c.Client = clientOf
	}, func(t *testing.T, h *house, _ bool) {
		behind := h.other(func(c *session.Config) {
			c.Now = func() time.Time { return h.clock.now().Add(-4 * time.Minute) }
		})
		d := h.at("bob", "s1")
		var b, renewed browser
		for range 3 {
			d.Began = h.clock.now()
			h.start(&b, d)
			rec := h.start(&renewed, d)
			w := httptest.NewRecorder()
			if _, err := h.Renew(ctx, w, renewed.request(), rec, nil); err != nil {
				t.Fatal(err)
			}
			renewed.take(w)
			for _, node := range []*house{h, behind} {
				node.lives(b.copy(), true)
				node.lives(renewed.copy(), true)
			}
			if err := behind.EndUser(ctx, user(d)); err != nil {
				t.Fatal(err)
			}
			for _, node := range []*house{h, behind} {
				node.lives(b.copy(), false)
				node.lives(renewed.copy(), false)
			}
			h.clock.add(time.Second)
		}
	})
}

// What a session says of its user can be changed, and what it started under stays.
func TestAmendedSessionLivesAfterEndUser(t *testing.T) {
	h := newHouse(t, true, func(c *session.Config) { c.Client = clientOf })
	var b browser
	d := h.at("bob", "s1")
	if err := h.EndUser(context.Background(), user(d)); err != nil {
		t.Fatal(err)
	}
	h.clock.add(time.Second)
	d.Began = h.clock.now()
	d.Tokens = []byte("id")
	rec := h.start(&b, d)
	if _, err := h.Amend(context.Background(), rec, func(d *session.Draft) { d.Values = []session.Value{{Key: "k", Value: "v"}} }); err != nil {
		t.Fatal(err)
	}
	h.lives(&b, true)
	rec = h.mustLoad(&b, false)
	if got := rec.Draft(); len(got.Values) != 1 || got.Values[0].Key != "k" || string(rec.Tokens()) != "id" {
		t.Errorf("values %v, tokens %q", got.Values, rec.Tokens())
	}
}

// A renewed session is as old as it was.
func TestRenewedSessionEndsWithTheRest(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var b browser
		d := h.at("bob", "")
		rec := h.start(&b, d)
		h.clock.add(time.Second)
		w := httptest.NewRecorder()
		if _, err := h.Renew(context.Background(), w, b.request(), rec, nil); err != nil {
			t.Fatal(err)
		}
		b.take(w)
		h.lives(&b, true)
		h.logout(session.Logout{User: user(d), IssuedAt: epoch})
		h.lives(&b, false)
	})
}

func TestEndByHandle(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var one, two browser
		rec := h.start(&one, h.at("bob", ""))
		h.start(&two, h.at("bob", ""))
		if err := h.EndByHandle(context.Background(), "AQIDBAUGBwgJCgsM"); err != nil {
			t.Errorf("a handle of nobody: %v", err)
		}
		if h.store != nil {
			h.store.before = func(op, _ string) error { t.Errorf("%s for what is no handle", op); return nil }
		}
		for _, name := range []string{"", "no handle", rec.Handle()[:15], rec.Handle() + "A", rec.Handle() + "\n", "AQIDBAUGBwgJCgs\n", "AQIDBAUGBwgJCgs*", strings.Repeat(rec.Handle(), 2)} {
			if err := h.EndByHandle(context.Background(), name); err != nil {
				t.Errorf("%q: %v", name, err)
			}
		}
		if h.store != nil {
			h.store.before = nil
		}
		h.lives(&one, true)
		node := h
		if h.store != nil {
			node = h.other(nil)
		}
		if err := node.EndByHandle(context.Background(), rec.Handle()); err != nil {
			t.Fatal(err)
		}
		h.lives(&one, false)
		h.lives(&two, true)
		h.clock.add(11 * time.Hour) // it is remembered for as long as somebody could come with it
		h.lives(&one, false)
		h.lives(&two, true)
	})
}

func TestEndKnown(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		ctx := context.Background()
		var b browser
		d := h.at("bob", "s1")
		if err := h.Know(ctx, user(d), d.SID); err != nil {
			t.Fatal(err)
		}
		h.start(&b, d)
		h.lives(&b, true)
		count := func() int {
			if h.store == nil {
				return 0
			}
			return len(h.store.records)
		}
		before := count()
		if known, err := h.EndKnown(ctx, user(d), "s2"); known || err != nil {
			t.Errorf("a stranger's sid: %v, %v", known, err)
		}
		if count() != before {
			t.Error("a stranger's sid left a trace")
		}
		h.lives(&b, true)
		if known, err := h.EndKnown(ctx, user(d), "s1"); !known || err != nil {
			t.Errorf("a sid of ours: %v, %v", known, err)
		}
		h.lives(&b, false)
		// Another login with it is too late, whatever Know says.
		if err := h.Know(ctx, user(d), d.SID); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Start(ctx, httptest.NewRecorder(), b.request(), h.at("bob", "s1")); !errors.Is(err, session.ErrEnded) {
			t.Errorf("a login with an ended sid: %v", err)
		}
	})
}

// A marker lives as long as the sessions it ends.
func TestMarkersOutliveSessions(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var b browser
		d := h.at("bob", "s1")
		h.start(&b, d)
		h.logout(session.Logout{User: user(d), SID: "s1", IssuedAt: h.clock.now()})
		kept := b.copy()
		for range 12 {
			h.clock.add(time.Hour - time.Second)
			h.lives(kept.copy(), false)
		}
		if _, err := h.load(kept, true); errors.Is(err, session.ErrExpired) {
			t.Error("the clock has gone too far to show anything")
		}
	})
}

// Nodes that write at the same time take nothing back of each other, in
// whatever order the store sees it.
func TestMarkersOfTwoNodes(t *testing.T) {
	d := person("bob")
	words := map[string]func(*house) error{
		"user": func(h *house) error { return h.EndUser(context.Background(), user(d)) },
		"sub": func(h *house) error {
			return h.EndByLogout(context.Background(), session.Logout{User: user(d), IssuedAt: epoch})
		},
		"both": func(h *house) error {
			return h.EndByLogout(context.Background(), session.Logout{User: user(d), SID: "s1", IssuedAt: epoch})
		},
		"newer": func(h *house) error {
			return h.EndByLogout(context.Background(), session.Logout{User: user(d), IssuedAt: epoch.Add(time.Minute)})
		},
		"known": func(h *house) error { return h.Know(context.Background(), user(d), "s1") },
	}
	ends := map[string]string{"user": "named, bare, next", "sub": "named, bare", "both": "named, bare", "newer": "named, bare, next", "known": ""}
	for first, say := range words {
		for second, interrupt := range words {
			if first == "sub" && second == "newer" {
				continue // of one kind, the last writer wins
			}
			t.Run(first+" with "+second, func(t *testing.T) {
				h := newHouse(t, true, func(c *session.Config) { c.Client = clientOf })
				browsers := map[string]*browser{"named": {}, "bare": {}, "next": {}}
				next := h.at("bob", "")
				next.IssuedAt = epoch.Add(time.Second)
				h.start(browsers["named"], h.at("bob", "s1"))
				h.start(browsers["bare"], h.at("bob", ""))
				h.start(browsers["next"], next)
				there, done := h.other(nil), false
				h.store.before = func(op, _ string) error {
					if op == "commit" && !done { // between the other's read and write
						done = true
						return interrupt(there)
					}
					return nil
				}
				if err := say(h); err != nil {
					t.Fatal(err)
				}
				h.store.before = nil
				for name, b := range browsers {
					want := !strings.Contains(ends[first], name) && !strings.Contains(ends[second], name)
					h.lives(b.copy(), want)
				}
			})
		}
	}
}

// Whatever fails while a session ends, or is written by a request that was
// under way: with the mark in the store it does not come back, on any node (R14,
// T117).
func TestEndedSessionStaysEnded(t *testing.T) {
	for name, fails := range map[string]string{"the look for the mark": "find", "the second deletion": "delete"} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour })
			there, elsewhere := h.other(nil), h.other(nil)
			var b browser
			rec := h.start(&b, typical())
			kept := b.copy()
			h.clock.add(20 * time.Minute)
			ended, failing := false, false
			h.store.before = func(op, _ string) error {
				if op == "commit" && !ended { // the idle time is being extended
					ended = true
					if err := there.EndByHandle(context.Background(), rec.Handle()); err != nil {
						t.Error(err)
					}
					failing = true
				} else if failing && op == fails {
					failing = false
					return errors.New("gone for a moment")
				}
				return nil
			}
			h.load(&b, true)
			h.store.before = nil
			if !ended || failing {
				t.Fatal("nothing was tried")
			}
			if len(h.warned) != 1 || !errors.Is(h.warned[0], session.ErrStore) {
				t.Errorf("warned of %v", h.warned)
			}
			for _, node := range []*house{h, there, elsewhere} {
				node.lives(kept.copy(), false)
			}
		})
	}
	t.Run("the deletion at a sign-out", func(t *testing.T) {
		h := newHouse(t, true, nil)
		elsewhere := h.other(nil)
		var b browser
		rec := h.start(&b, typical())
		kept := b.copy()
		h.store.before = func(op, _ string) error {
			if op == "delete" {
				return errors.New("gone for a moment")
			}
			return nil
		}
		if err := h.end(&b, rec); !errors.Is(err, session.ErrStore) {
			t.Errorf("end: %v", err)
		}
		h.store.before = nil
		elsewhere.lives(kept.copy(), false)
	})
}

// Who ends a session by what it was before a renewal ends what it has become.
func TestEndFollowsRenewals(t *testing.T) {
	ctx := context.Background()
	everyMode(t, func(t *testing.T, h *house) {
		for name, end := range map[string]func(*house, *browser, session.Record) error{
			"by handle": func(h *house, _ *browser, rec session.Record) error { return h.EndByHandle(ctx, rec.Handle()) },
			"by cookie": func(h *house, b *browser, _ session.Record) error {
				handle, err := h.EndRenewed(ctx, b.request(), false)
				if handle == "" {
					t.Error("nothing was followed")
				}
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				var b browser
				first := h.start(&b, h.at("bob", ""))
				old, rec := b.copy(), first
				for range 3 {
					w := httptest.NewRecorder()
					next, err := h.Renew(ctx, w, b.request(), rec, nil)
					if err != nil {
						t.Fatal(err)
					}
					b.take(w)
					rec = next
				}
				h.lives(b.copy(), true)
				node := h
				if h.store != nil {
					node = h.other(nil)
				}
				if err := end(node, old, first); err != nil {
					t.Fatal(err)
				}
				h.lives(b.copy(), false)
			})
		}
		t.Run("nothing known", func(t *testing.T) {
			var b browser
			h.start(&b, h.at("bob", ""))
			if handle, err := h.EndRenewed(ctx, b.request(), false); handle != "" || err != nil {
				t.Errorf("a session that was not renewed: %q, %v", handle, err)
			}
			h.lives(b.copy(), true)
			if handle, err := h.EndRenewed(ctx, (&browser{}).request(), false); handle != "" || err != nil {
				t.Errorf("no cookie: %q, %v", handle, err)
			}
			// A new login is another session.
			old := b.copy()
			h.start(&b, h.at("carol", ""))
			if handle, err := h.EndRenewed(ctx, old.request(), false); handle != "" || err != nil {
				t.Errorf("a session that was replaced: %q, %v", handle, err)
			}
			h.lives(b.copy(), true)
		})
	})
}

// The administrator's end between a renewal's look and its mark is not lost.
func TestEndWithinARenewal(t *testing.T) {
	h := newHouse(t, true, nil)
	var b browser
	rec := h.start(&b, typical())
	done := false
	h.store.before = func(op, _ string) error {
		if op == "delete" && !done { // the renewal has written its mark
			done = true
			return h.other(nil).EndByHandle(context.Background(), rec.Handle())
		}
		return nil
	}
	w := httptest.NewRecorder()
	_, err := h.Renew(context.Background(), w, b.request(), rec, nil)
	h.store.before = nil
	b.take(w)
	if !done {
		t.Fatal("nothing was tried")
	}
	if err == nil {
		h.lives(b.copy(), false)
	}
}

// A renewal that fails takes back what it wrote itself, and not the end that
// somebody else meant meanwhile, on this node or another.
func TestFailedRenewalTakesBackNoEnd(t *testing.T) {
	for name, same := range map[string]bool{"on this node": true, "on another node": false} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true, nil)
			there := h
			if !same {
				there = h.other(nil)
			}
			var b browser
			rec := h.start(&b, typical())
			commits := 0
			h.store.before = func(op, _ string) error {
				if op != "commit" {
					return nil
				}
				commits++
				switch commits {
				case 2: // the renewal's mark
					if err := there.EndByHandle(context.Background(), rec.Handle()); err != nil {
						t.Error(err)
					}
					return errors.New("gone for a moment")
				}
				return nil
			}
			if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil); !errors.Is(err, session.ErrStore) {
				t.Errorf("renew: %v", err)
			}
			h.store.before = nil
			h.lives(b.copy(), false)
			h.other(nil).lives(b.copy(), false)
		})
	}
	t.Run("nobody meant it", func(t *testing.T) {
		h := newHouse(t, true, nil)
		var b browser
		rec := h.start(&b, typical())
		h.store.before = func(op, _ string) error {
			if op == "delete" {
				return errors.New("gone")
			}
			return nil
		}
		if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil); !errors.Is(err, session.ErrStore) {
			t.Errorf("renew: %v", err)
		}
		h.store.before = nil
		h.lives(b.copy(), true)
		h.other(nil).lives(b.copy(), true)
	})
}

// Providers that tell of no logouts cost no questions about them.
func TestQuestionsPerRequest(t *testing.T) {
	for provider, want := range map[string]int{"acme": 5, "silent": 3} {
		h := newHouse(t, true, func(c *session.Config) { c.Client = clientOf })
		var b browser
		d := h.at("bob", "s1")
		d.Provider = provider
		h.start(&b, d)
		before := h.store.count("find")
		h.mustLoad(&b, true)
		if n := h.store.count("find") - before; n != want {
			t.Errorf("%s: %d questions to the store, want %d", provider, n, want)
		}
	}
}

// A later version's marker ends what it names, and lets a login after it in. What
// is no marker keeps nobody out, and makes room for one (R17, R19).
func TestMarkerOfAnotherVersion(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		if h.store == nil {
			return
		}
		var warned atomic.Int32 // from several looks at once
		h = h.other(func(c *session.Config) {
			c.Warn = func(_ context.Context, err error) {
				if errors.Is(err, session.ErrUnreadable) {
					warned.Add(1)
				}
			}
		})
		var older, kept, newer browser
		d := h.at("bob", "")
		h.start(&older, d)
		h.start(&kept, d)
		h.logout(session.Logout{User: user(d), IssuedAt: epoch.Add(time.Minute)})
		if err := h.EndUser(context.Background(), user(d)); err != nil {
			t.Fatal(err)
		}
		markers := func(change func(b []byte) []byte) {
			n := 0
			for key, r := range h.store.records {
				if len(r.b) == 17 || len(r.b) == 18 {
					r.b = change(r.b)
					h.store.records[key] = r
					n++
				}
			}
			if n != 2 {
				t.Fatalf("%d markers", n)
			}
		}
		markers(func(b []byte) []byte { return append([]byte{b[0] - 1}, b[1:]...) })
		h.lives(kept.copy(), true) // no version of ours
		markers(func(b []byte) []byte { return append(append([]byte{b[0] + 2}, b[1:]...), 'x') })
		h.clock.add(2 * time.Minute)
		h.start(&newer, h.at("bob", ""))
		h.lives(older.copy(), false)
		h.lives(kept.copy(), false)
		h.lives(newer.copy(), true)

		markers(func(b []byte) []byte { return b[1:4] })
		h.lives(newer.copy(), true)
		if warned.Load() == 0 {
			t.Error("nobody was told")
		}
		h.logout(session.Logout{User: user(d), IssuedAt: epoch.Add(time.Hour)})
		h.lives(newer.copy(), false)
	})
}

// With the store down nobody knows whether a session was ended: 503, and the
// cookie stays.
func TestMarkersCannotBeAsked(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		if h.store == nil {
			return
		}
		var b browser
		d := h.at("bob", "s1")
		h.start(&b, d)
		h.store.before = func(op, _ string) error { return errors.New("gone") }
		if _, err := h.load(&b, true); !errors.Is(err, session.ErrStore) || errors.Is(err, session.ErrNone) {
			t.Errorf("load: %v", err)
		}
		if err := h.EndByLogout(context.Background(), session.Logout{User: user(d), SID: "s1", IssuedAt: epoch}); !errors.Is(err, session.ErrStore) {
			t.Errorf("logout: %v", err)
		}
		if err := h.EndUser(context.Background(), user(d)); !errors.Is(err, session.ErrStore) {
			t.Errorf("end: %v", err)
		}
		if _, err := h.EndKnown(context.Background(), user(d), "s1"); !errors.Is(err, session.ErrStore) {
			t.Errorf("end known: %v", err)
		}
		h.store.before = nil
		h.lives(&b, true)
	})
}

// A copied cookie of a session that was signed out of dies on every node.
func TestEndedOnOtherNodes(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		if h.store == nil {
			return
		}
		var b browser
		rec := h.start(&b, h.at("bob", ""))
		thief := b.copy()
		if err := h.end(&b, rec); err != nil {
			t.Fatal(err)
		}
		there := h.other(nil)
		there.lives(thief, false)
	})
}

// What a session kept is cleared once, when it is found ended with others, and
// not when it has gone on under another id.
func TestClearedOnce(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var cleared []string
		node := func() *house {
			return h.other(func(c *session.Config) {
				c.Cleared = func(_ context.Context, rec session.Record, told bool) {
					cleared = append(cleared, fmt.Sprint(rec.Subject(), " ", told))
				}
			})
		}
		h = node()
		ctx := context.Background()
		var signedOut, renewed, told, framed browser
		rec := h.start(&signedOut, h.at("dave", ""))
		gone := signedOut.copy()
		if err := h.end(&signedOut, rec); err != nil {
			t.Fatal(err)
		}
		d := h.at("bob", "")
		rec = h.start(&renewed, d)
		old := renewed.copy()
		w := httptest.NewRecorder()
		if _, err := h.Renew(ctx, w, renewed.request(), rec, nil); err != nil {
			t.Fatal(err)
		}
		h.start(&told, h.at("carol", ""))
		h.start(&framed, h.at("erin", "s1"))
		if err := h.Know(ctx, user(d), "s1"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.EndKnown(ctx, user(d), "s1"); err != nil {
			t.Fatal(err)
		}
		for _, who := range []string{"bob", "carol", "dave"} {
			h.logout(session.Logout{User: user(h.at(who, "")), IssuedAt: epoch})
		}
		if h.store != nil {
			h = node() // one that knows of ended marks from the store only
		}
		for range 2 {
			for _, b := range []*browser{gone, old, &told, &framed} {
				h.lives(b.copy(), false)
			}
		}
		if got := strings.Join(cleared, ", "); got != "carol true, erin false" {
			t.Errorf("cleared: %s", got)
		}
	})
}
