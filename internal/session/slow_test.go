package session_test

import (
	"errors"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// A store that does not answer, and does not heed the context, holds nobody up
// for long: Find for a request, the rest for a sign-out.
func TestHangingStore(t *testing.T) {
	for _, hangs := range []string{"find", "commit", "delete"} {
		t.Run(hangs, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, true, nil)
				var b browser
				rec := h.start(&b, person("bob"))
				release := make(chan struct{})
				h.store.before = func(op, _ string) error {
					if op == hangs {
						<-release
					}
					return nil
				}
				began := time.Now()
				var err error
				if hangs == "find" {
					_, err = h.Load(t.Context(), httptest.NewRecorder(), b.request(), true)
				} else {
					err = h.End(t.Context(), httptest.NewRecorder(), b.request(), rec)
				}
				if !errors.Is(err, session.ErrStore) || time.Since(began) > 5*time.Second {
					t.Errorf("after %v: %v", time.Since(began), err)
				}
				close(release)
				synctest.Wait()
			})
		})
	}
}
