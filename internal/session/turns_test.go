package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// turns is one node's way to a store: every call waits for its turn, so that a
// test can try all orders in which two nodes may write and look.
type turns struct {
	*plainStore
	turn, taken chan struct{}
}

func newTurns(s *plainStore) *turns {
	return &turns{s, make(chan struct{}), make(chan struct{})}
}

func (s *turns) Find(key string) ([]byte, bool, error) {
	defer s.take()()
	return s.plainStore.Find(key)
}

func (s *turns) Commit(key string, b []byte, expiry time.Time) error {
	defer s.take()()
	return s.plainStore.Commit(key, b, expiry)
}

func (s *turns) Delete(key string) error {
	defer s.take()()
	return s.plainStore.Delete(key)
}

func (s *turns) take() (done func()) {
	<-s.turn
	return func() { s.taken <- struct{}{} }
}

// addingTurns has Add too.
type addingTurns struct{ *turns }

func (s addingTurns) Add(_ context.Context, key string, b []byte, expiry time.Time) (bool, error) {
	defer s.take()()
	if _, found, _ := s.plainStore.Find(key); found {
		return false, nil
	}
	return true, s.plainStore.Commit(key, b, expiry)
}

// inTurns runs one and two, and lets them call their stores in an order: bit i
// of it says that call i is two's. Who has no more to do leaves it to the other.
func inTurns(order uint, stores [2]*turns, run [2]func()) {
	var done [2]chan struct{}
	for i := range run {
		done[i] = make(chan struct{})
		go func() { defer close(done[i]); run[i]() }()
	}
	for ; done[0] != nil || done[1] != nil; order >>= 1 {
		who := order & 1
		if done[who] == nil {
			who ^= 1
		}
		select {
		case stores[who].turn <- struct{}{}:
			<-stores[who].taken
		case <-done[who]:
			done[who] = nil
			order <<= 1 // that was no call
		}
	}
}

// Whatever the order in which two nodes write and look: an end wins over a
// renewal that is under way.
func TestEndWinsOverRenewal(t *testing.T) {
	for name, add := range map[string]bool{"with Add": true, "without Add": false} {
		t.Run(name, func(t *testing.T) {
			renewed, ended := 0, 0
			for order := range uint(1 << 9) {
				h := newHouse(t, true, nil)
				var stores [2]*turns
				var nodes [2]*house
				for i := range nodes {
					stores[i] = newTurns(h.store)
					nodes[i] = h.other(func(c *session.Config) {
						c.Store = stores[i]
						if add {
							c.Store = addingTurns{stores[i]}
						}
					})
				}
				var b browser
				rec := h.start(&b, person("bob"))
				old := b.copy()
				w := httptest.NewRecorder()
				var renewal, end error
				inTurns(order<<2, stores, [2]func(){ // what there is, and the new record, come first
					func() { _, renewal = nodes[0].Renew(context.Background(), w, b.request(), rec, nil) },
					func() { end = nodes[1].EndByHandle(context.Background(), rec.Handle()) },
				})
				switch {
				case renewal == nil:
					renewed++
				case errors.Is(renewal, session.ErrEnded) && len(w.Header()) == 0:
					ended++
				default:
					t.Fatalf("order %b: %v, %v", order, renewal, w.Header())
				}
				if end != nil {
					t.Fatal(end)
				}
				b.take(w)
				for _, who := range []*browser{&b, old} {
					if got, err := h.load(who.copy(), false); !errors.Is(err, session.ErrNone) {
						t.Fatalf("order %b: %s is signed in: %v", order, got.Subject(), err)
					}
				}
				if n := len(h.store.sessions()); n != 0 {
					t.Fatalf("order %b: %d records left", order, n)
				}
			}
			if renewed == 0 || ended == 0 {
				t.Errorf("%d renewals, %d too late: not all orders were tried", renewed, ended)
			}
		})
	}
}

// A login over a session, or a renewal, that fails takes back its own mark, and
// not the end that somebody means at that moment.
func TestEndWinsOverTakingBack(t *testing.T) {
	for name, change := range map[string]func(*house, *browser, session.Record) error{
		"a login": func(h *house, b *browser, _ session.Record) error {
			_, err := h.Start(context.Background(), httptest.NewRecorder(), b.request(), person("carol"))
			return err
		},
		"a renewal": func(h *house, b *browser, rec session.Record) error {
			_, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil)
			return err
		},
	} {
		for order := range uint(1 << 9) {
			// In cookie mode there is nothing but the marks.
			h := newHouse(t, false, func(c *session.Config) { c.Marks = newPlainStore(newClock()) })
			marks := h.config.Marks.(*plainStore)
			stores := [2]*turns{newTurns(marks), newTurns(marks)}
			here := h.other(func(c *session.Config) { c.Marks = lostAnswer{stores[0]} })
			there := h.other(func(c *session.Config) { c.Marks = stores[1] })
			var b browser
			rec := h.start(&b, person("bob"))
			inTurns(order, stores, [2]func(){
				func() { change(here, &b, rec) },
				func() {
					if err := there.EndByHandle(context.Background(), rec.Handle()); err != nil {
						t.Error(err)
					}
				},
			})
			for _, node := range []*house{h, h.other(nil)} {
				if got, err := node.load(b.copy(), false); !errors.Is(err, session.ErrNone) {
					t.Fatalf("%s, order %b: %s is signed in: %v", name, order, got.Subject(), err)
				}
			}
		}
	}
}

// lostAnswer writes, and says that it did not.
type lostAnswer struct{ *turns }

func (s lostAnswer) Commit(key string, b []byte, expiry time.Time) error {
	s.turns.Commit(key, b, expiry)
	return errDown
}

// Of two nodes that renew a session at once one succeeds, in a store with Add.
func TestOneOfTwoNodesRenews(t *testing.T) {
	for order := range uint(1 << 8) {
		h := newHouse(t, true, nil)
		stores := [2]*turns{newTurns(h.store), newTurns(h.store)}
		var b browser
		rec := h.start(&b, person("bob"))
		var errs [2]error
		run := [2]func(){}
		for i := range run {
			node := h.other(func(c *session.Config) { c.Store = addingTurns{stores[i]} })
			run[i] = func() {
				_, errs[i] = node.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil)
			}
		}
		inTurns(order, stores, run)
		if failed := fmt.Sprint(errs[0] != nil, errs[1] != nil); failed != "true false" && failed != "false true" {
			t.Fatalf("order %b: %v", order, errs)
		}
		if n := len(h.store.sessions()); n != 1 {
			t.Fatalf("order %b: %d records", order, n)
		}
	}
}
