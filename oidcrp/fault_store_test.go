package oidcrp_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// keep is what the store has, to be put back later.
func (s *plain) keep() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.records)
}

func (s *plain) putBack(records map[string][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = maps.Clone(records)
}

// hanging is a store that heeds no context, and does not answer while it hangs.
type hanging struct {
	*plain
	mu    sync.Mutex
	until chan struct{}
}

func (s *hanging) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until = make(chan struct{})
}

func (s *hanging) goOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.until)
	s.until = nil
}

func (s *hanging) wait() {
	s.mu.Lock()
	until := s.until
	s.mu.Unlock()
	if until != nil {
		<-until
	}
}

func (s *hanging) Find(token string) ([]byte, bool, error) { s.wait(); return s.plain.Find(token) }

func (s *hanging) Commit(token string, b []byte, expiry time.Time) error {
	s.wait()
	return s.plain.Commit(token, b, expiry)
}

func (s *hanging) Delete(token string) error { s.wait(); return s.plain.Delete(token) }

// storeHangsAtLogin: who signs in is told in time, and gets no cookie.
func storeHangsAtLogin(t *testing.T) {
	store := &hanging{plain: newPlain()}
	inBubble(t, func(c *oidcrp.Config) { c.Store = store }, func(t *testing.T, b *bubble) {
		store.hang()
		v, began := b.visitor(), time.Now()
		res, _ := b.get(v, "/reports")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
			t.Errorf("got %d", res.StatusCode)
		}
		if d := time.Since(began); d > 12*time.Second {
			t.Errorf("the visitor waited %v", d)
		}
		b.noSessionIn(res.Header)
		store.goOn()
		b.reads(v, "/", "home of nobody")
		b.reads(v, "/reports", "reports for alice")
	})
}

func storeHangsAtRequest(t *testing.T) {
	store := &hanging{plain: newPlain()}
	inBubble(t, func(c *oidcrp.Config) { c.Store = store }, func(t *testing.T, b *bubble) {
		v := b.visitor()
		b.reads(v, "/reports", "reports for alice")
		store.hang()
		began := time.Now()
		res, _ := b.get(v, "/")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("got %d %v", res.StatusCode, res.Header)
		}
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("the visitor waited %v", d)
		}
		b.reads(b.visitor(), "/", "home of nobody") // a stranger does not wait
		store.goOn()
		b.reads(v, "/", "home of alice")
	})
}

// lostSession: a session the store no longer has is none, and no failure.
func lostSession(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	before := store.keep()
	b := a.signIn()
	store.putBack(before)
	a.shows(b.Get(a.URL+"/"), "home of nobody")
	a.op.ResetCalls()
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
	if len(a.events.of(oidcrp.StoreFailed)) != 0 {
		t.Error("a miss is told as an outage")
	}
}

// lostLogout: where the store forgot that sessions have ended, the node that
// signed one out remembers, what the provider says again ends it again, and none
// outlives its lifetime.
func lostLogout(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			here, there := a.sessionCookie(b), a.sessionCookie(a.signIn())
			sid, before := a.sids()[1], a.store.keep()
			a.use(1)
			a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
			endedThere := func() {
				t.Helper()
				if sent := a.logout("", sid); sent.Status != http.StatusOK {
					t.Fatalf("answered %+v", sent)
				}
				if who := a.on(there); who != "nobody" {
					t.Errorf("the session is %s's", who)
				}
			}
			endedThere()
			a.store.putBack(before)
			a.use(1)
			if who := a.whoHas(here); who != "nobody" {
				t.Errorf("the node has forgotten: %s", who)
			}
			endedThere()
			a.store.putBack(before)
			a.clock.advance(12 * time.Hour)
			for _, c := range []*http.Cookie{here, there} {
				if who := a.on(c); who != "nobody" {
					t.Errorf("after its lifetime the session is %s's", who)
				}
			}
		})
	}
}

// idleConnectionToStore: a call that fails costs one answer and nothing else.
// To try again on a fresh connection is the pool's affair.
func idleConnectionToStore(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	b := a.signIn()
	before := a.sessionCookie(b).Value
	var once sync.Once
	store.fail(func() (err error) {
		once.Do(func() { err = io.EOF })
		return err
	}, "Find")
	page := b.Get(a.URL + "/reports")
	a.answers(page, http.StatusServiceUnavailable, "")
	a.shows(b.Reload(), "reports for alice")
	if a.sessionCookie(b).Value != before {
		t.Error("the cookie changed")
	}
}

func storeErrors(t *testing.T) {
	for _, said := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.", "READONLY You can't write against a read only replica.",
		"MOVED 3999 10.0.0.7:6381", "CLUSTERDOWN Hash slot not served", "LOADING Redis is loading the dataset in memory",
		"NOAUTH Authentication required.", "MISCONF Redis is configured to save RDB snapshots",
	} {
		word, _, _ := strings.Cut(said, " ")
		t.Run(word, func(t *testing.T) {
			store := newPlain()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store, c.IdleTimeout = store, time.Hour })
			a.op.SetNow(a.clock.now)
			b := a.signIn()
			before := a.sessionCookie(b).Value
			a.clock.advance(30 * time.Minute) // it would be extended
			fails := func() error { return errors.New(said) }
			store.fail(fails, "Commit", "Delete") // it can be read
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			page := a.browse().Get(a.URL + "/reports")
			a.storeRefused(page)
			if strings.Contains(html.UnescapeString(page.Body), said) || !strings.Contains(a.log.String(), said) {
				t.Errorf("%q is for the operator\n%s", said, page.Body)
			}
			store.fail(fails, "Find", "Commit", "Delete")
			a.answers(b.Get(a.URL+"/reports"), http.StatusServiceUnavailable, "")
			store.fail(nil)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			if a.sessionCookie(b).Value != before {
				t.Error("the cookie changed")
			}
		})
	}
}

// evictedRecord: tokens that the store threw out are gone, the session is not.
func evictedRecord(t *testing.T) {
	store := newPlain()
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	b := a.signIn()
	all := store.keep()
	for token := range all {
		without := maps.Clone(all)
		delete(without, token)
		store.putBack(without)
		switch page := b.Get(a.URL + "/"); page.Text() {
		case "home of alice": // it was not the session's
		case "home of nobody":
			continue
		default:
			t.Fatal(page)
		}
		if page := a.call(b); page.Status != http.StatusOK && !strings.Contains(page.Body, oidcrp.ErrNoToken.Error()) {
			t.Errorf("without the tokens: %s", page)
		}
	}
	if len(a.events.of(oidcrp.StoreFailed)) != 0 {
		t.Error("a miss is told as an outage")
	}
	store.putBack(all)
	a.shows(a.call(b), `"sub":"alice"`)
}

// foreignRecordIsTold: nobody is signed in by it, and the operator hears of it.
func foreignRecordIsTold(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
	b := a.signIn()
	all := store.keep()
	foreign := maps.Clone(all)
	for token := range foreign {
		foreign[token] = []byte("\x0d\x7f\x04\x01\x02\xff\x80 someone else's value")
	}
	store.putBack(foreign)
	a.shows(b.Get(a.URL+"/"), "home of nobody")
	told := a.events.of(oidcrp.StoreFailed)
	if len(told) != 1 || told[0].Reason != "record" || told[0].ID == "" || told[0].Err == nil {
		t.Errorf("events %+v", told)
	}
	if log := a.log.String(); !strings.Contains(log, "reason=record") || strings.Contains(log, "someone else") {
		t.Errorf("log: %s", log)
	}
	store.putBack(all)
	a.shows(b.Get(a.URL+"/"), "home of alice") // nothing was deleted
}

// recordOfAnotherVersion is no session to who cannot read it, and is left to who
// can.
func recordOfAnotherVersion(t *testing.T) {
	keys, err := cookie.NewKeys([][]byte{key(1)})
	if err != nil {
		t.Fatal(err)
	}
	newer := func(record []byte, _ cookie.Seal, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		record[0] += 0x10 // the version
		return record
	}
	t.Run("cookie", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		b := a.signIn()
		good := a.sessionCookie(b)
		box, aad := keys.Box("session cookie", a.siteID()), []byte(good.Name)
		value, _, err := box.Seal(newer(box.Open(nil, good.Value, aad)), aad, a.clock.now())
		if err != nil {
			t.Fatal(err)
		}
		a.plant(b, good.Name, value)
		a.signsInAgain(b)
	})
	t.Run("store", func(t *testing.T) {
		store := newPlain()
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = store })
		b := a.signIn()
		good := a.sessionCookie(b)
		id, err := base64.RawURLEncoding.DecodeString(good.Value)
		if err != nil {
			t.Fatal(err)
		}
		box := keys.BoxFor("session record", a.siteID(), id)
		all := store.keep()
		other := maps.Clone(all)
		for token, record := range all {
			if _, _, err := box.OpenBytes(nil, record, nil); err != nil {
				continue // not the session's
			}
			if other[token], _, err = box.SealBytes(nil, newer(box.OpenBytes(nil, record, nil)), nil, a.clock.now()); err != nil {
				t.Fatal(err)
			}
		}
		store.putBack(other)
		a.shows(b.Get(a.URL+"/"), "home of nobody")
		for token, record := range other {
			if got, _, _ := store.Find(token); !bytes.Equal(got, record) {
				t.Error("what others can read was written over")
			}
		}
		store.putBack(all)
		if who := a.whoHas(good); who != "alice" {
			t.Errorf("the record we can read is %s's", who)
		}
		store.putBack(other)
		a.signsInAgain(b)
	})
}

// siteID is what the application's secrets are bound to.
func (a *app) siteID() string { return cookie.NewSite(mustParse(a.t, a.URL)).ID() }

// signsInAgain fails the test unless a visitor is nobody, and signs in without
// being told of a failure.
func (a *app) signsInAgain(b *oidcrptest.Browser) {
	a.t.Helper()
	a.op.ResetCalls()
	a.shows(b.Get(a.URL+"/"), "home of nobody")
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
}
