package oidcrp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// plain is a store with three methods and no more, that fails when told to.
type plain struct {
	mu      sync.Mutex
	records map[string][]byte
	fault   map[string]func() error // by method
}

func newPlain() *plain { return &plain{records: map[string][]byte{}} }

// fail lets methods fail; none: all work.
func (s *plain) fail(how func() error, methods ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = map[string]func() error{}
	for _, m := range methods {
		s.fault[m] = how
	}
}

func (s *plain) broken(method string) error {
	s.mu.Lock()
	how := s.fault[method]
	s.mu.Unlock()
	if how != nil {
		return how()
	}
	return nil
}

func (s *plain) Find(token string) ([]byte, bool, error) {
	if err := s.broken("Find"); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.records[token]
	return bytes.Clone(b), ok, nil
}

func (s *plain) Commit(token string, b []byte, expiry time.Time) error {
	if err := s.broken("Commit"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[token] = bytes.Clone(b)
	return nil
}

func (s *plain) Delete(token string) error {
	if err := s.broken("Delete"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, token)
	return nil
}

// sealed counts the records that are no marks.
func (s *plain) sealed() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.records {
		if len(b) > 45 {
			n++
		}
	}
	return n
}

// adding is a store with Add too.
type adding struct{ *plain }

func (s adding) Add(_ context.Context, token string, b []byte, _ time.Time) (bool, error) {
	if err := s.broken("Add"); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.records[token]; ok {
		return false, nil
	}
	s.records[token] = bytes.Clone(b)
	return true, nil
}

var breakages = map[string]func() error{
	"error":  func() error { return errors.New("connection refused by 10.0.0.7:6379") },
	"panic":  func() error { panic("nil connection to 10.0.0.7:6379") },
	"absent": func() error { return io.EOF },
}

func TestLoginAgainstAStore(t *testing.T) {
	store := newPlain()
	for name, s := range map[string]oidcrp.Store{"in memory": oidcrp.NewMemoryStore(), "of three methods": store, "with Add": adding{newPlain()}} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = s })
			b := a.browse()
			a.shows(b.Get(a.URL+"/reports?x=1"), "reports for alice at /reports?x=1")
			c := a.sessionCookie(b)
			if len(c.Value) != 43 {
				t.Errorf("the cookie is %d characters: %s", len(c.Value), c.Value)
			}
			a.shows(b.Get(a.URL+"/admin"), "admin page")
			a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
		})
	}
}

// An outage is not a sign-out: who has a session is asked to wait.
func storeOutage(t *testing.T) {
	for name, how := range breakages {
		t.Run(name, func(t *testing.T) {
			store := newPlain()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
			b, stranger := a.signIn(), a.browse()
			before := a.sessionCookie(b).Value
			a.op.ResetCalls()
			entered := a.reports.Load()
			store.fail(how, "Find", "Commit", "Delete")
			for _, path := range []string{"/", "/reports", "/admin", "/auth/me"} {
				page := b.Get(a.URL + path)
				if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || len(page.Trail) != 1 ||
					strings.Contains(page.Body, "nobody") || strings.Contains(page.Body, "10.0.0.7") {
					t.Errorf("%s: %v %v", path, page, page.Header)
				}
				if got := page.Header.Values("Set-Cookie"); len(got) != 0 {
					t.Errorf("%s: %q", path, got)
				}
			}
			b.Show(a.URL+"/", "")
			for _, path := range []string{"/reports", "/auth/me"} {
				script := b.Fetch("GET", path, nil)
				if doc := problem(t, []byte(script.Body)); script.Status != 503 || doc.Reason != "store_unavailable" || doc.Login != "" {
					t.Errorf("%s: %d %+v", path, script.Status, doc)
				}
			}
			if a.reports.Load() != entered {
				t.Error("the handler was entered")
			}
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			a.shows(stranger.Get(a.URL+"/"), "home of nobody")
			if failed := a.events.of(oidcrp.StoreFailed); len(failed) == 0 || failed[0].Err == nil || !strings.Contains(a.log.String(), `msg="store failed" step=session`) {
				t.Errorf("the operator is not told: %s", a.log)
			}
			store.fail(nil)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			if a.sessionCookie(b).Value != before {
				t.Error("the cookie changed")
			}
		})
	}
}

func loginDuringAStoreOutage(t *testing.T) {
	for name, how := range breakages {
		for _, method := range []string{"Commit", "Find", "Delete", "Add"} {
			t.Run(name+" in "+method, func(t *testing.T) {
				store := adding{newPlain()}
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
				b := a.browse()
				store.fail(how, method)
				page := b.Get(a.URL + "/reports?x=1")
				switch method {
				case "Delete": // nothing to delete
					a.shows(page, "reports for alice")
					return
				case "Find": // signed in, and yet not able to show it
					a.answers(page, http.StatusServiceUnavailable, "")
				default:
					a.storeRefused(page)
				}
				a.shows(a.browse().Get(a.URL+"/"), "home of nobody")
				store.fail(nil)
				if method != "Find" {
					a.shows(b.Follow("Try again"), "reports for alice at /reports?x=1")
				}
				a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			})
		}
	}
}

// storeRefused fails the test unless a page is the refusal of a login that
// the store did not take.
func (a *app) storeRefused(page *oidcrptest.Page) {
	a.t.Helper()
	a.answers(page, http.StatusServiceUnavailable, "")
	failed := a.events.of(oidcrp.StoreFailed)
	if len(failed) == 0 {
		a.t.Fatalf("no event: %s", a.log)
	}
	last := failed[len(failed)-1]
	if last.ID == "" || !strings.Contains(page.Text(), last.ID) || !strings.Contains(a.log.String(), "store failed") || strings.Contains(page.Body, "10.0.0.7") {
		a.t.Errorf("event %+v\n%s", last, page.Text())
	}
	if page.Header.Get("Retry-After") == "" || page.Header.Get("Cache-Control") != "no-store" {
		a.t.Errorf("%v", page.Header)
	}
	a.noSessionIn(page.Header)
}

// A login that the store did not take leaves the session there was.
func failedLoginOverASession(t *testing.T) {
	for _, method := range []string{"Commit", "Delete"} {
		t.Run(method, func(t *testing.T) {
			store := newPlain()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store, c.IdleTimeout = store, time.Hour })
			b := a.signInAs("bob")
			before := a.sessionCookie(b).Value
			store.fail(breakages["error"], method)
			page := b.Get(a.URL + "/auth/login?return_to=/reports")
			a.storeRefused(page)
			store.fail(nil)
			if a.sessionCookie(b).Value != before {
				t.Error("the cookie changed")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for bob")
			if method == "Delete" {
				return // it is marked as ended, and will be found so when it is next written
			}
			a.clock.advance(30 * time.Minute) // the idle time is extended
			a.shows(b.Get(a.URL+"/"), "home of bob")
			a.shows(b.Get(a.URL+"/"), "home of bob")
		})
	}
}

func TestLogoutDuringAStoreOutage(t *testing.T) {
	for _, method := range []string{"Find", "Commit", "Delete"} {
		t.Run(method, func(t *testing.T) {
			store := newPlain()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
			b := a.signIn()
			c := a.sessionCookie(b)
			store.fail(breakages["error"], method)
			a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out") // here, at least
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			if len(a.events.of(oidcrp.StoreFailed)) == 0 {
				t.Error("the operator is not told")
			}
			store.fail(nil)
			if who := a.whoHas(c); who != "nobody" { // this process knows
				t.Errorf("a copy of the cookie is still %s", who)
			}
		})
	}
}

// Not being able to extend the idle time costs nobody a page.
func outageWhileExtending(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store, c.IdleTimeout = store, time.Hour })
	b := a.signIn()
	a.clock.advance(30 * time.Minute)
	store.fail(breakages["error"], "Commit")
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	if len(a.events.of(oidcrp.StoreFailed)) == 0 {
		t.Error("the operator is not told")
	}
	store.fail(nil)
	a.clock.advance(29 * time.Minute)
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.clock.advance(59 * time.Minute)
	a.shows(b.Get(a.URL+"/"), "home of alice")
}

func TestUpdateDuringAStoreOutage(t *testing.T) {
	for _, method := range []string{"Find", "Commit", "Delete"} {
		t.Run(method, func(t *testing.T) {
			store := newPlain()
			store.fail(nil)
			a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) { c.Store = store }, func(a *app) http.Handler {
				return a.pages(map[string]http.HandlerFunc{"/update": func(w http.ResponseWriter, r *http.Request) {
					store.fail(breakages["error"], method)
					err := a.rp.Update(w, r, map[string]string{"note": "x"})
					store.fail(nil)
					fmt.Fprint(w, "store ", errors.Is(err, oidcrp.ErrStoreUnavailable))
				}})
			})
			b := a.signIn()
			before := a.sessionCookie(b).Value
			a.shows(b.Get(a.URL+"/update"), "store true")
			if a.sessionCookie(b).Value != before {
				t.Error("the cookie changed")
			}
			a.shows(b.Get(a.URL+"/"), "home of alice")
		})
	}
}

// A store that is read gives nothing away, and one that is written to forges
// nothing.
func recordsAtRest(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Store, c.Claims = store, []string{"name", "email", "groups"}
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error { l.Set("user", "id-4711"); return nil }
	})
	b := a.signInAs("dave")
	c := a.sessionCookie(b)
	mallory := a.sessionCookie(a.signInAs("bob"))
	if len(store.records) < 2 {
		t.Fatalf("%d records", len(store.records))
	}
	for token, record := range store.records {
		if len(token) != 43 || token == c.Value || token == mallory.Value {
			t.Errorf("token %q", token)
		}
		for _, secret := range []string{"dave", "example.com", "group-", "id-4711", "test", "member", c.Value, token} {
			if bytes.Contains(record, []byte(secret)) {
				t.Errorf("a record contains %q", secret)
			}
		}
	}
	if strings.Contains(a.log.String(), c.Value) {
		t.Error("the session id is in the log")
	}

	// Records exchanged, changed, cut, emptied.
	whole := map[string][]byte{}
	var tokens []string
	for token, record := range store.records {
		whole[token] = record
		tokens = append(tokens, token)
	}
	for name, change := range map[string]func(i int, b []byte) []byte{
		"of another": func(i int, _ []byte) []byte { return whole[tokens[(i+1)%len(tokens)]] },
		"flipped":    func(_ int, b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"cut":        func(_ int, b []byte) []byte { return b[:len(b)-1] },
		"empty":      func(int, []byte) []byte { return []byte{} },
		"plain":      func(int, []byte) []byte { return []byte(`{"sub":"dave"}`) },
		"huge":       func(int, []byte) []byte { return make([]byte, 1<<20) },
	} {
		store.mu.Lock()
		for i, token := range tokens {
			store.records[token] = change(i, whole[token])
		}
		store.mu.Unlock()
		if who := a.whoHas(c); who != "nobody" {
			t.Errorf("%s: still %s", name, who)
		}
	}
	store.mu.Lock()
	store.records = whole
	store.mu.Unlock()
	if who := a.whoHas(c); who != "dave" {
		t.Errorf("the records as they were: %s", who)
	}
}

// nodes are two processes of one application behind one address; use chooses.
type nodes struct {
	*app
	mu       sync.Mutex
	handlers [2]http.Handler
	rps      [2]*oidcrp.RelyingParty
	now      int
}

func newNodes(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *nodes {
	n := &nodes{}
	var cfg oidcrp.Config
	n.app = serving(t, op, "", func(c *oidcrp.Config) { change(c); cfg = *c }, func(a *app) http.Handler {
		for i := range n.handlers {
			rp, err := oidcrp.NewAt(cfg, a.clock.now)
			if err != nil {
				t.Fatal(err)
			}
			a.rp, n.rps[i] = rp, rp
			n.handlers[i] = rp.Load(a.handler())
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.mu.Lock()
			h := n.handlers[n.now]
			n.mu.Unlock()
			h.ServeHTTP(w, r)
		})
	})
	return n
}

func (n *nodes) use(i int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now = i
}

func TestSeveralNodes(t *testing.T) {
	store := newPlain()
	for mode, keep := range map[string]func(*oidcrp.Config){"cookie": func(*oidcrp.Config) {}, "store": func(c *oidcrp.Config) { c.Store = store }} {
		t.Run(mode, func(t *testing.T) {
			n := newNodes(t, oidcrptest.NewProvider(t), keep)
			b := n.browse()
			callback := n.stopAtCallback(b, "/reports")
			n.use(1)
			n.shows(b.Get(callback), "reports for alice") // begun on one node, ended on another
			n.use(0)
			n.shows(b.Get(n.URL+"/reports"), "reports for alice")
			n.calls(oidcrptest.AuthorizeEndpoint, 1)
			c := n.sessionCookie(b)
			n.shows(b.PostForm(n.URL+"/auth/logout", nil), "signed out")
			n.use(1)
			want := "nobody"
			if mode == "cookie" {
				want = "alice" // as documented: marks are kept in the process
			}
			if who := n.whoHas(c); who != want {
				t.Errorf("a copy of the cookie is %s on the other node, want %s", who, want)
			}
			n.use(0)
			if who := n.whoHas(c); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
		})
	}
}

// Errors can be brought without end, and without any login at a provider.
func TestStrangersDoNotFillTheStore(t *testing.T) {
	store := adding{newPlain()}
	a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.AuthorizationError("access_denied", "")), func(c *oidcrp.Config) { c.Store = store })
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports")
	a.refused(b.Get(callback), http.StatusBadRequest, "cancelled")
	a.refused(b.Get(callback), http.StatusBadRequest, "expired")
	store.mu.Lock()
	defer store.mu.Unlock()
	if len(store.records) != 0 {
		t.Errorf("%d records", len(store.records))
	}
}

// A visitor who goes away is no outage.
func TestVisitorsWhoGoAwayAreNotReported(t *testing.T) {
	for name, store := range map[string]oidcrp.Store{"in memory": oidcrp.NewMemoryStore(), "elsewhere": newPlain()} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				c.Store, c.StillAllowed = store, func(ctx context.Context, _ *oidcrp.Session) error { return ctx.Err() }
			})
			b := a.signIn()
			callback := a.stopAtCallback(a.browse(), "/reports")
			a.clock.advance(6 * time.Minute)
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			for _, target := range []string{"/reports", "/auth/me", "/auth/login", strings.TrimPrefix(callback, a.URL)} {
				r := httptest.NewRequest("GET", target, nil).WithContext(gone)
				r.Header.Set("Accept", "text/html")
				for _, c := range b.Cookies(a.URL + "/") {
					r.AddCookie(c)
				}
				a.rp.Load(a.handler()).ServeHTTP(httptest.NewRecorder(), r)
			}
			for _, kind := range []oidcrp.EventKind{oidcrp.StoreFailed, oidcrp.ProviderFailed, oidcrp.RequestFailed} {
				if all := a.events.of(kind); len(all) != 0 {
					t.Errorf("%+v", all)
				}
			}
			if strings.Contains(a.log.String(), "level=ERROR") {
				t.Error(a.log)
			}
		})
	}
}

// slow is a store that answers when it is told to.
type slow struct {
	*plain
	wait chan struct{}
}

func (s slow) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	select {
	case <-ctx.Done():
		return nil, false, ctx.Err()
	case <-s.wait:
		return s.Find(token)
	}
}

// A visitor who goes away does not keep the store busy, and loses nothing.
func slowStore(t *testing.T) {
	store := &slow{newPlain(), make(chan struct{})}
	close(store.wait)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	c := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "alice"})
	store.wait = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", a.URL+"/reports", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(c)
	done := make(chan error, 1)
	go func() {
		_, err := http.DefaultClient.Do(req)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(store.wait)
	if who := a.whoHas(c); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
}

func TestStoreNeverGetsAShortLife(t *testing.T) {
	store := &lives{plain: newPlain()}
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Store, c.IdleTimeout, c.SessionLifetime = store, time.Minute, 2*time.Minute
	})
	store.now = a.clock.now
	b := a.signIn()
	for range 12 {
		a.clock.advance(10*time.Second - 50*time.Millisecond)
		b.Get(a.URL + "/")
	}
	b.Get(a.URL + "/")
	b.PostForm(a.URL+"/auth/logout", url.Values{})
	if store.shortest < 2*time.Second {
		t.Errorf("a record was to live %v", store.shortest)
	}
}

// lives looks at how long records are to live.
type lives struct {
	*plain
	now      func() time.Time
	shortest time.Duration
}

func (s *lives) Commit(token string, b []byte, expiry time.Time) error {
	s.mu.Lock()
	if d := expiry.Sub(s.now()); s.shortest == 0 || d < s.shortest {
		s.shortest = d
	}
	s.mu.Unlock()
	return s.plain.Commit(token, b, expiry)
}
