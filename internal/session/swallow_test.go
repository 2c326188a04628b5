package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Whichever call of the store fails, somebody is told: the caller by an error,
// or the operator by a warning. Where the caller is told of nothing, the
// operation did what it says.
func TestNoFailureOfTheStoreIsSwallowed(t *testing.T) {
	ctx := context.Background()
	ends := func(h *house, b *browser) bool {
		_, err := h.other(nil).Load(ctx, httptest.NewRecorder(), b.request(), false)
		return errors.Is(err, session.ErrNone)
	}
	lives := func(h *house, b *browser) bool { return !ends(h, b) }
	for name, op := range map[string]struct {
		do      func(h *house, b *browser, rec session.Record) error
		then    func(h *house, b *browser) bool
		renewed bool // the browser has the cookie of before
	}{
		"load": {func(h *house, b *browser, _ session.Record) error { _, err := h.load(b, true); return err }, lives, false},
		"login over it": {func(h *house, b *browser, _ session.Record) error {
			w := httptest.NewRecorder()
			_, err := h.Start(ctx, w, b.request(), h.at("bob", "s2"))
			return err
		}, ends, false},
		"renew": {func(h *house, b *browser, rec session.Record) error {
			_, err := h.Renew(ctx, httptest.NewRecorder(), b.request(), rec, func(d *session.Draft) { d.Roles = nil })
			return err
		}, ends, false},
		"checked": {func(h *house, b *browser, rec session.Record) error {
			_, err := h.Checked(ctx, httptest.NewRecorder(), b.request(), rec)
			return err
		}, lives, false},
		"end": {func(h *house, b *browser, rec session.Record) error {
			return h.End(ctx, httptest.NewRecorder(), b.request(), rec)
		}, ends, false},
		"end by handle": {func(h *house, _ *browser, rec session.Record) error { return h.EndByHandle(ctx, rec.Handle()) }, ends, false},
		"end what was renewed": {func(h *house, b *browser, _ session.Record) error {
			_, err := h.EndRenewed(ctx, b.request(), false)
			return err
		}, ends, true},
		"end what was renewed, on another node": {func(h *house, b *browser, _ session.Record) error {
			_, err := h.other(nil).EndRenewed(ctx, b.request(), false)
			return err
		}, ends, true},
		"end everything that was renewed": {func(h *house, b *browser, _ session.Record) error {
			_, err := h.EndRenewed(ctx, b.request(), true)
			return err
		}, ends, true},
		"end the user": {func(h *house, _ *browser, _ session.Record) error { return h.EndUser(ctx, user(h.at("bob", "s1"))) }, ends, false},
		"the provider ends the user": {func(h *house, _ *browser, _ session.Record) error {
			return h.EndByLogout(ctx, session.Logout{User: user(h.at("bob", "s1")), IssuedAt: h.clock.now()})
		}, ends, false},
		"the provider ends the session": {func(h *house, _ *browser, _ session.Record) error {
			return h.EndByLogout(ctx, session.Logout{User: user(h.at("bob", "s1")), SID: "s1", IssuedAt: h.clock.now()})
		}, ends, false},
		"the provider ends a session it knows": {func(h *house, _ *browser, _ session.Record) error {
			_, err := h.EndKnown(ctx, user(h.at("bob", "s1")), "s1")
			return err
		}, ends, false},
		"know a session": {func(h *house, _ *browser, _ session.Record) error { return h.Know(ctx, user(h.at("bob", "s1")), "s9") }, lives, false},
	} {
		for mode, place := range map[string]func(*session.Config){
			"store":          func(*session.Config) {},
			"store with Add": func(c *session.Config) { c.Store = addingStore{c.Store.(*plainStore)} },
			"cookie":         func(c *session.Config) { c.Store, c.Marks = nil, c.Store },
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				for n := int64(1); ; n++ {
					var calls, warnings atomic.Int64
					h := newHouse(t, true, func(c *session.Config) {
						c.Client, c.Idle = clientOf, time.Hour
						c.Warn = func(context.Context, error) { warnings.Add(1) }
						place(c)
					})
					b := new(browser)
					if err := h.Know(ctx, user(h.at("bob", "s1")), "s1"); err != nil {
						t.Fatal(err)
					}
					rec := h.start(b, h.at("bob", "s1"))
					thief := b.copy()
					if op.renewed {
						w := httptest.NewRecorder()
						if _, err := h.Renew(ctx, w, b.request(), rec, nil); err != nil {
							t.Fatal(err)
						}
						thief.take(w)
					}
					h.clock.add(30 * time.Minute)
					h.store.before = func(string, string) error {
						if calls.Add(1) == n {
							return errDown
						}
						return nil
					}
					err := op.do(h, b, rec)
					h.store.before = nil
					asked := calls.Load()
					if asked < n {
						if err != nil || warnings.Load() > 0 {
							t.Errorf("with a store that is well: %v, %d warnings", err, warnings.Load())
						}
						if !op.then(h, thief) {
							t.Error("with a store that is well it did not do its job")
						}
						return
					}
					if err == nil && warnings.Load() == 0 {
						t.Errorf("call %d of %d failed, and nobody is told", n, asked)
					}
					if err != nil && !errors.Is(err, session.ErrStore) && !errors.Is(err, session.ErrNone) {
						t.Errorf("call %d: %v", n, err)
					}
					if err == nil && !op.then(h, thief) {
						t.Errorf("call %d of %d failed, and it did not do what it says", n, asked)
					}
				}
			})
		}
	}
}
