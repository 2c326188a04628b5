package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Whatever hangs is not asked more and more.
func TestHangingStoreIsNotAskedWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, true, nil)
		var b browser
		h.start(&b, person("bob"))
		release := make(chan struct{})
		var asked atomic.Int32
		h.store.before = func(string, string) error {
			asked.Add(1)
			<-release
			return nil
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		load := func(ctx context.Context) error {
			_, err := h.Load(ctx, httptest.NewRecorder(), b.request(), true)
			return err
		}
		var wg sync.WaitGroup
		for range session.MaxAsked + 100 {
			wg.Go(func() {
				if err := load(gone); !errors.Is(err, session.ErrStore) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		began := time.Now()
		if err := load(t.Context()); !errors.Is(err, session.ErrStore) || time.Since(began) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if n := asked.Load(); n != session.MaxAsked {
			t.Errorf("%d calls are under way", n)
		}
		close(release)
		synctest.Wait()
		if err := load(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A request waits for the record, and then for the slowest of all questions about
// it.
func TestQuestionsAreAskedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, true, func(c *session.Config) { c.Client = clientOf })
		var b browser
		h.start(&b, h.at("bob", "s1"))
		h.store.before = func(string, string) error {
			time.Sleep(time.Second) // of the bubble
			return nil
		}
		began := time.Now()
		if _, err := h.Load(t.Context(), httptest.NewRecorder(), b.request(), true); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// A store that knows no context is not asked for who is gone.
func TestStoreIsNotAskedForNobody(t *testing.T) {
	h := newHouse(t, true, nil)
	var b browser
	h.start(&b, person("bob"))
	var asked atomic.Int32
	h.store.before = func(string, string) error { asked.Add(1); return nil }
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 { // what is ready first is left to chance
		if _, err := h.Load(gone, httptest.NewRecorder(), b.request(), true); !errors.Is(err, session.ErrStore) || !errors.Is(err, context.Canceled) {
			t.Errorf("load: %v", err)
		}
		if _, err := h.Start(gone, httptest.NewRecorder(), b.request(), person("carol")); !errors.Is(err, session.ErrStore) || !errors.Is(err, context.Canceled) {
			t.Errorf("start: %v", err)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times", n)
	}
}

// A burst of visitors waits for its turn: a store that is merely slow refuses
// nobody.
func TestBurstOverSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, true, nil)
		var b browser
		h.start(&b, person("bob"))
		h.store.before = func(string, string) error {
			time.Sleep(20 * time.Millisecond) // of the bubble
			return nil
		}
		var refused atomic.Int32
		var wg sync.WaitGroup
		for range 4 * session.MaxAsked {
			wg.Go(func() {
				if _, err := h.Load(t.Context(), httptest.NewRecorder(), b.request(), true); err != nil {
					refused.Add(1)
				}
			})
		}
		wg.Wait()
		if n := refused.Load(); n != 0 {
			t.Errorf("%d visitors were refused", n)
		}
	})
}

// A store that is well again is asked again, though the calls that hung never
// return.
func TestHungStoreHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, true, nil)
		var b browser
		h.start(&b, person("bob"))
		release := make(chan struct{})
		var ill atomic.Bool
		ill.Store(true)
		h.store.before = func(string, string) error {
			if ill.Load() {
				<-release
			}
			return nil
		}
		var wg sync.WaitGroup
		for range session.MaxAsked + 100 {
			wg.Go(func() {
				if _, err := h.Load(t.Context(), httptest.NewRecorder(), b.request(), true); !errors.Is(err, session.ErrStore) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		ill.Store(false)
		time.Sleep(2 * time.Minute) // of the bubble
		if _, err := h.Load(t.Context(), httptest.NewRecorder(), b.request(), true); err != nil {
			t.Error(err)
		}
		close(release)
		synctest.Wait()
	})
}

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
