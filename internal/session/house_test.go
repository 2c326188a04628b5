package session_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// clock is a clock that tests set.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: epoch} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// plainStore is a store of three methods that goes by the test's clock, and
// does what a test tells it to do before or after an operation. The error of
// after is the caller's, though the operation was done: its answer is lost.
type plainStore struct {
	clock  *clock
	before func(op, key string) error
	after  func(op, key string) error

	mu      sync.Mutex
	records map[string]kept
	ops     []string
}

type kept struct {
	b      []byte
	expiry time.Time
}

func newPlainStore(c *clock) *plainStore {
	return &plainStore{clock: c, records: make(map[string]kept)}
}

func (s *plainStore) begin(op, key string) (end func() error, err error) {
	if s.before != nil {
		if err := s.before(op, key); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	s.ops = append(s.ops, op)
	return func() error {
		s.mu.Unlock()
		if s.after != nil {
			return s.after(op, key)
		}
		return nil
	}, nil
}

func (s *plainStore) Find(key string) (b []byte, found bool, err error) {
	end, err := s.begin("find", key)
	if err != nil {
		return nil, false, err
	}
	r, found := s.records[key]
	if found = found && r.expiry.After(s.clock.now()); found {
		b = bytes.Clone(r.b)
	}
	return b, found, end()
}

func (s *plainStore) Commit(key string, b []byte, expiry time.Time) error {
	end, err := s.begin("commit", key)
	if err != nil {
		return err
	}
	s.records[key] = kept{bytes.Clone(b), expiry}
	return end()
}

func (s *plainStore) Delete(key string) error {
	end, err := s.begin("delete", key)
	if err != nil {
		return err
	}
	delete(s.records, key)
	return end()
}

// addingStore is one with Add.
type addingStore struct{ *plainStore }

func (s addingStore) Add(_ context.Context, key string, b []byte, expiry time.Time) (added bool, err error) {
	end, err := s.begin("add", key)
	if err != nil {
		return false, err
	}
	if r, ok := s.records[key]; !ok || !r.expiry.After(s.clock.now()) {
		s.records[key], added = kept{bytes.Clone(b), expiry}, true
	}
	return added, end()
}

// count counts the operations so far.
func (s *plainStore) count(op string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.ops {
		if o == op {
			n++
		}
	}
	return n
}

// sessions gives the keys of the records that are no ended marks.
func (s *plainStore) sessions() (keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, r := range s.records {
		if len(r.b) > 45 {
			keys = append(keys, key)
		}
	}
	return keys
}

// house is a keeper with everything around it.
type house struct {
	*session.Keeper
	t      testing.TB
	clock  *clock
	store  *plainStore // nil in cookie mode
	config session.Config
	warned []error
}

func newHouse(t testing.TB, stored bool, change func(*session.Config)) *house {
	t.Helper()
	h := &house{t: t, clock: newClock()}
	h.config = session.Config{
		Keys: keys(t, 1), Site: site(t, "https://app.example.com"), Now: h.clock.now,
		Warn: func(_ context.Context, err error) { h.warned = append(h.warned, err) },
	}
	if stored {
		h.store = newPlainStore(h.clock)
		h.config.Store = h.store
	}
	if change != nil {
		change(&h.config)
	}
	h.Keeper = session.New(h.config)
	return h
}

// other is another keeper with the same clock and store.
func (h *house) other(change func(*session.Config)) *house {
	h.t.Helper()
	o := *h
	if change != nil {
		change(&o.config)
	}
	o.Keeper = session.New(o.config)
	return &o
}

// bothModes runs f in cookie mode and with a store.
func bothModes(t *testing.T, f func(t *testing.T, stored bool)) {
	t.Run("cookie", func(t *testing.T) { f(t, false) })
	t.Run("store", func(t *testing.T) { f(t, true) })
}

// storeModes runs f with sessions in a store, and with those in cookies beside
// one. change may be nil.
func storeModes(t *testing.T, change func(*session.Config), f func(t *testing.T, h *house, cookies bool)) {
	for mode, cookies := range map[string]bool{"store": false, "cookie": true} {
		t.Run(mode, func(t *testing.T) {
			f(t, newHouse(t, true, func(c *session.Config) {
				if change != nil {
					change(c)
				}
				if cookies {
					c.Store, c.Marks = nil, c.Store
				}
			}), cookies)
		})
	}
}

// browser keeps one site's cookies, as "name=value".
type browser struct{ cookies []string }

func (b *browser) request() *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/reports", nil)
	if len(b.cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(b.cookies, "; "))
	}
	return r
}

func (b *browser) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		kept := b.cookies[:0:0]
		for _, old := range b.cookies {
			if !strings.HasPrefix(old, c.Name+"=") {
				kept = append(kept, old)
			}
		}
		if c.MaxAge >= 0 {
			kept = append(kept, c.Name+"="+c.Value)
		}
		b.cookies = kept
	}
}

// copy is what a thief of the cookies has.
func (b *browser) copy() *browser { return &browser{append([]string(nil), b.cookies...)} }

func (h *house) start(b *browser, d session.Draft) session.Record {
	h.t.Helper()
	w := httptest.NewRecorder()
	rec, err := h.Start(context.Background(), w, b.request(), d)
	if err != nil {
		h.t.Fatalf("start: %v", err)
	}
	b.take(w)
	return rec
}

func (h *house) renew(b *browser, rec session.Record) session.Record {
	h.t.Helper()
	w := httptest.NewRecorder()
	next, err := h.Renew(context.Background(), w, b.request(), rec, nil)
	if err != nil {
		h.t.Fatalf("renew: %v", err)
	}
	b.take(w)
	return next
}

func (h *house) load(b *browser, active bool) (session.Record, error) {
	w := httptest.NewRecorder()
	rec, err := h.Load(context.Background(), w, b.request(), active)
	b.take(w)
	return rec, err
}

func (h *house) mustLoad(b *browser, active bool) session.Record {
	h.t.Helper()
	rec, err := h.load(b, active)
	if err != nil {
		h.t.Fatalf("load: %v", err)
	}
	return rec
}

func (h *house) end(b *browser, rec session.Record) error {
	w := httptest.NewRecorder()
	err := h.End(context.Background(), w, b.request(), rec)
	b.take(w)
	return err
}

func person(subject string) session.Draft {
	d := typical()
	d.Subject = subject
	return d
}
