package session_test

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Of a session that is found ended with others no record stays, and the operator
// hears of one that cannot be deleted.
func TestRecordOfWhatEndedWithOthersIsDeleted(t *testing.T) {
	for name, fails := range map[string]bool{"deleted": false, "not deleted": true} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true, func(c *session.Config) { c.Client = clientOf })
			var b browser
			d := h.at("bob", "")
			h.start(&b, d)
			if err := h.EndUser(context.Background(), user(d)); err != nil {
				t.Fatal(err)
			}
			h.store.before = func(op, _ string) error {
				if fails && op == "delete" {
					return errDown
				}
				return nil
			}
			h.lives(&b, false)
			if left := len(h.store.sessions()) == 1; left != fails {
				t.Errorf("%d records", len(h.store.sessions()))
			}
			if told := len(h.warned) == 1 && errors.Is(h.warned[0], session.ErrStore); told != fails {
				t.Errorf("warned of %v", h.warned)
			}
		})
	}
}

// A store in memory tells the sites and keepers of a process of what ended as any
// other store tells nodes.
func TestMarksInMemory(t *testing.T) {
	for name, cookies := range map[string]bool{"store": false, "cookie": true} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, false, func(c *session.Config) {
				c.Client, c.Store = clientOf, session.NewMemoryStore(0)
				if cookies {
					c.Store, c.Marks = nil, c.Store
				}
			})
			h.clock.t = time.Now() // what a store in memory goes by
			there := h.other(nil)
			var one, two, three browser
			d := h.at("bob", "")
			rec := h.start(&one, d)
			h.start(&two, d)
			h.start(&three, h.at("carol", ""))
			if err := there.EndByHandle(context.Background(), rec.Handle()); err != nil {
				t.Fatal(err)
			}
			h.lives(&one, false)
			h.lives(&two, true)
			if err := there.EndUser(context.Background(), user(d)); err != nil {
				t.Fatal(err)
			}
			h.lives(&two, false)
			h.lives(&three, true)
		})
	}
}

// Of two logout tokens for one user that come to a node at once the newer
// counts, be it heard while the older is being written.
func TestLogoutsAtOnce(t *testing.T) {
	for name, place := range map[string]func(*session.Config){
		"store": func(c *session.Config) { c.Store = session.NewMemoryStore(0) },
		"marks": func(c *session.Config) { c.Marks = session.NewMemoryStore(0) },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, false, func(c *session.Config) { c.Client = clientOf; place(c) })
			h.clock.t = time.Now()
			d := h.at("bob", "")
			d.IssuedAt = d.IssuedAt.Add(time.Minute)
			var b browser
			h.start(&b, d)
			older, newer := session.Logout{User: user(d), IssuedAt: h.clock.now()}, session.Logout{User: user(d), IssuedAt: d.IssuedAt}
			done := make(chan error, 1)
			var writing atomic.Bool
			h.BeforeMark(func() {
				if writing.Swap(true) {
					return
				}
				go func() { done <- h.EndByLogout(context.Background(), newer) }()
				for range 10000 { // it comes as far as it can
					runtime.Gosched()
				}
			})
			h.logout(older)
			if err := <-done; err != nil {
				t.Error(err)
			}
			h.lives(&b, false)
		})
	}
}
