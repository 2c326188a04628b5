package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Who was too late with a renewal, on a node that could not know, and signs out
// with the cookie of before, ends what the session really goes on as.
func TestEndAfterALostRenewal(t *testing.T) {
	ctx := context.Background()
	for mode, cookies := range map[string]bool{"store": false, "cookie": true} {
		t.Run(mode, func(t *testing.T) {
			h := newHouse(t, true, func(c *session.Config) {
				c.Client = clientOf
				if cookies {
					c.Store, c.Marks = nil, c.Store
				}
			})
			there := h.other(nil)
			var b browser
			rec := h.start(&b, h.at("bob", ""))
			old, renewed := b.copy(), false
			renew := func() {
				renewed = true
				w := httptest.NewRecorder()
				if _, err := h.Renew(ctx, w, b.request(), rec, nil); err != nil {
					t.Error(err)
				}
				b.take(w)
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
}

// Who ends a renewed session by what it was, and is told that the store could not
// be asked, ends it by trying again: what it goes on as is not forgotten.
func TestEndThatCouldNotLook(t *testing.T) {
	ctx := context.Background()
	for mode, cookies := range map[string]bool{"store": false, "cookie": true} {
		for store, add := range map[string]bool{"without Add": false, "with Add": true} {
			for _, failing := range []int{1, 2} {
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
					looks := 0
					h.store.before = func(op, _ string) error {
						if op == "find" {
							if looks++; looks <= failing {
								return errDown
							}
						}
						return nil
					}
					for _, rec := range []session.Record{first, other} {
						looks = 0
						if err := there.EndByHandle(ctx, rec.Handle()); !errors.Is(err, session.ErrStore) {
							t.Errorf("nobody is told: %v", err)
						}
						looks = failing
						if rec.Handle() == other.Handle() && (failing == 1 || add || !cookies) {
							h.lives(never.copy(), false) // nothing was there to be written over
						}
						if err := there.EndByHandle(ctx, rec.Handle()); err != nil {
							t.Error(err)
						}
					}
					for _, node := range []*house{h, there, h.other(nil)} {
						node.lives(renewed.copy(), false)
						node.lives(never.copy(), false)
					}
				})
			}
		}
	}
}
