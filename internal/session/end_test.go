package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Who was too late with a renewal, on a node that could not know, and signs out
// with the cookie of before, ends what the session really goes on as.
func TestEndAfterALostRenewal(t *testing.T) {
	ctx := context.Background()
	storeModes(t, func(c *session.Config) {
		c.Client = clientOf
	}, func(t *testing.T, h *house, cookies bool) {
		there := h.other(nil)
		var b browser
		rec := h.start(&b, h.at("bob", ""))
		old, renewed := b.copy(), false
		renew := func() {
			renewed = true
			h.renew(&b, rec)
		}
		if cookies {
			renew() // the other node has loaded the session before
		} else {
			h.store.before = func(op, _ string) error {
				if op == "commit" && !renewed { // the other node has looked before it writes
					renew()
				}
				return nil
			}
		}
		if _, err := there.Renew(ctx, httptest.NewRecorder(), old.request(), rec, nil); !errors.Is(err, session.ErrEnded) {
			t.Fatalf("the second renewal: %v", err)
		}
		h.store.before = nil
		h.lives(b.copy(), true)
		if _, err := there.EndRenewed(ctx, old.request(), false); err != nil {
			t.Error(err)
		}
		h.lives(b.copy(), false)
	})
}

// With a record at hand it is that session which ends, whatever the request came
// with.
func TestEndOfARecord(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		var one, two browser
		first, second := h.start(&one, h.at("bob", "")), h.start(&two, h.at("carol", ""))
		if err := h.end(new(browser), first); err != nil {
			t.Fatal(err)
		}
		h.lives(&one, false)
		if err := h.end(&one, second); err != nil {
			t.Fatal(err)
		}
		h.lives(&two, false)
	})
}

// A renewed session that was ended is followed all the same, by whoever has the
// cookie of before: but ended it says no more of the user's other sessions.
func TestEndRenewedAfterTheEnd(t *testing.T) {
	ctx := context.Background()
	everyMode(t, func(t *testing.T, h *house) {
		node := func() *house {
			if h.store == nil {
				return h
			}
			return h.other(nil)
		}
		var b, another browser
		first := h.start(&b, h.at("bob", ""))
		h.start(&another, h.at("bob", ""))
		old := b.copy()
		next := h.renew(&b, first)
		if err := node().EndByHandle(ctx, first.Handle()); err != nil {
			t.Fatal(err)
		}
		h.lives(b.copy(), false)
		handle, err := node().EndRenewed(ctx, old.request(), true)
		if handle != next.Handle() || err != nil {
			t.Errorf("it went on as %q, %v", handle, err)
		}
		h.lives(another.copy(), true)
	})
}

// The node that renewed a session ends what it goes on as without its store.
func TestEndRenewedWhileTheStoreIsDown(t *testing.T) {
	for name, stored := range map[string]bool{"store": true, "cookie": false} {
		t.Run(name, func(t *testing.T) {
			h := marksOnly(t)
			if stored {
				h = newHouse(t, true, nil)
			}
			var b browser
			rec := h.start(&b, person("bob"))
			old := b.copy()
			next := h.renew(&b, rec)
			h.store.before = func(string, string) error { return errDown }
			handle, err := h.EndRenewed(context.Background(), old.request(), false)
			if handle != next.Handle() || !errors.Is(err, session.ErrStore) {
				t.Errorf("it went on as %q, %v", handle, err)
			}
			h.store.before = nil
			h.lives(b.copy(), false)
		})
	}
}

// Who signs in over a session that was ended on another node is signed in.
func TestLoginOverWhatEndedElsewhere(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		node := h
		if h.store != nil {
			node = h.other(nil)
		}
		var b browser
		rec := h.start(&b, h.at("bob", ""))
		if err := h.EndByHandle(context.Background(), rec.Handle()); err != nil {
			t.Fatal(err)
		}
		node.start(&b, h.at("carol", ""))
		node.lives(&b, true)
	})
}

// Nor does a login with the cookie of before a renewal hide what the session goes
// on as from who ends it.
func TestLoginOverWhatWasRenewed(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		node := func() *house {
			if h.store == nil {
				return h
			}
			return h.other(nil)
		}
		var b browser
		rec := h.start(&b, h.at("bob", ""))
		late := b.copy()
		h.renew(&b, rec)
		node().start(late, h.at("carol", ""))
		h.lives(b.copy(), true)
		if err := node().EndByHandle(context.Background(), rec.Handle()); err != nil {
			t.Fatal(err)
		}
		h.lives(b.copy(), false)
		h.lives(late.copy(), true)
	})
}

// An end that the store does not hear of wins over what this node is writing at
// that moment.
func TestEndUnknownToTheStore(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(*house, *browser, session.Record) error{
		"a use": func(h *house, b *browser, _ session.Record) error { _, err := h.load(b, true); return err },
		"a renewal that fails": func(h *house, b *browser, rec session.Record) error {
			_, err := h.Renew(ctx, httptest.NewRecorder(), b.request(), rec, nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour })
			var b browser
			rec := h.start(&b, typical())
			h.clock.add(30 * time.Minute)
			down, commits := false, 0
			h.store.before = func(op, _ string) error {
				if down {
					return errDown
				}
				if op != "commit" {
					return nil
				}
				if commits++; name == "a use" || commits == 2 { // the renewal's mark
					down = true
					if err := h.EndByHandle(ctx, rec.Handle()); !errors.Is(err, session.ErrStore) {
						t.Errorf("the end: %v", err)
					}
					down = false
				}
				if commits == 2 {
					return errDown
				}
				return nil
			}
			if err := write(h, b.copy(), rec); err == nil {
				t.Error("it succeeded")
			}
			if err := write(h, b.copy(), rec); !errors.Is(err, session.ErrNone) {
				t.Errorf("it lives on: %v", err)
			}
			h.store.before = nil
			h.lives(b.copy(), false)
			if name == "a use" && len(h.store.sessions()) != 0 {
				t.Error("its record is back")
			}
		})
	}
}

// Who ends a renewed session by what it was, and is told that the store could not
// be asked, ends it by trying again: what it goes on as is not forgotten.
func TestEndThatCouldNotLook(t *testing.T) {
	ctx := context.Background()
	for mode, cookies := range map[string]bool{"store": false, "cookie": true} {
		for store, add := range map[string]bool{"without Add": false, "with Add": true} {
			for _, failing := range []int64{1, 2} {
				t.Run(fmt.Sprintf("%s, %s, %d looks", mode, store, failing), func(t *testing.T) {
					h := newHouse(t, true, func(c *session.Config) {
						c.Client = clientOf
						if add {
							c.Store = addingStore{c.Store.(*plainStore)}
						}
						if cookies {
							c.Store, c.Marks = nil, c.Store
						}
					})
					there := h.other(nil)
					var renewed, never browser
					first := h.start(&renewed, h.at("bob", ""))
					other := h.start(&never, h.at("carol", ""))
					h.renew(&renewed, first)
					var fail atomic.Int64
					h.store.before = func(op, _ string) error {
						if op == "find" && fail.Add(-1) >= 0 {
							return errDown
						}
						return nil
					}
					for _, rec := range []session.Record{first, other} {
						fail.Store(failing)
						if err := there.EndByHandle(ctx, rec.Handle()); !errors.Is(err, session.ErrStore) {
							t.Errorf("nobody is told: %v", err)
						}
						fail.Store(0)
						if rec.Handle() == other.Handle() {
							h.lives(never.copy(), false) // nothing was there to be written over
						}
						if err := there.EndByHandle(ctx, rec.Handle()); err != nil {
							t.Error(err)
						}
					}
					for _, node := range []*house{h, there, h.other(nil)} {
						if failing == 1 || add { // or what it was renewed to was written over, unseen
							node.lives(renewed.copy(), false)
						}
						node.lives(never.copy(), false)
					}
				})
			}
		}
	}
}

// A sign-out while the store answers no question is one on all nodes, though one
// of them is about to write the record once more.
func TestEndWhileNothingIsAnswered(t *testing.T) {
	storeModes(t, func(c *session.Config) {
		c.Idle = time.Hour
	}, func(t *testing.T, h *house, cookies bool) {
		there := h.other(nil)
		var b browser
		rec := h.start(&b, person("bob"))
		copied := b.copy()
		h.clock.add(30 * time.Minute)
		signOut := func() {
			before := h.store.before
			h.store.before = func(op, _ string) error {
				if op == "find" {
					return errDown
				}
				return nil
			}
			if err := h.end(&b, rec); !errors.Is(err, session.ErrStore) {
				t.Errorf("nobody is told: %v", err)
			}
			h.store.before = before
		}
		if cookies {
			signOut()
		} else {
			done := false
			h.store.before = func(op, _ string) error {
				if op == "commit" && !done {
					done = true
					signOut()
				}
				return nil
			}
			if _, err := there.load(copied, true); !errors.Is(err, session.ErrEnded) {
				t.Errorf("the request in flight: %v", err)
			}
			h.store.before = nil
		}
		there.lives(copied.copy(), false)
		h.other(nil).lives(copied.copy(), false)
	})
}

// Who signs in anew over a session that is being renewed has ended it, though the
// renewal fails.
func TestLoginOverARenewalThatFails(t *testing.T) {
	for mode, cookies := range map[string]bool{"store": false, "cookie": true} {
		for node, elsewhere := range map[string]bool{"on its node": false, "on another": true} {
			t.Run(mode+", "+node, func(t *testing.T) {
				h := newHouse(t, true, func(c *session.Config) {
					if cookies {
						c.Store, c.Marks = nil, c.Store
					}
				})
				there := h
				if elsewhere {
					there = h.other(nil)
				}
				var b browser
				rec := h.start(&b, person("bob"))
				copied, tab := b.copy(), b.copy()
				commits, inside := 0, false
				fails := func(op, _ string) error {
					if inside || op != "commit" {
						return nil
					}
					if commits++; commits == 1 && !cookies {
						return nil // the new record
					}
					inside = true
					there.start(tab, person("bob"))
					inside, h.store.before, h.store.after = false, nil, nil
					return errDown // about the renewal's mark
				}
				if elsewhere {
					h.store.after = fails // it is there, and the answer is lost
				} else {
					h.store.before = fails
				}
				if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil); err == nil {
					t.Error("the renewal succeeded")
				}
				for _, node := range []*house{h, there, h.other(nil)} {
					node.lives(copied.copy(), false)
				}
				there.lives(tab.copy(), true)
			})
		}
	}
}
