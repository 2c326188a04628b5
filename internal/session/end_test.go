package session_test

import (
	"context"
	"errors"
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
