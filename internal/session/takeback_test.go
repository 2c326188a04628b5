package session_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// marksOnly is a house with sessions in cookies: nothing but the marks in the
// store says which have ended.
func marksOnly(t *testing.T) *house {
	return newHouse(t, true, func(c *session.Config) { c.Store, c.Marks = nil, c.Store })
}

// The answer to a mark is lost, so that a login over a session fails: what it
// takes back is its own mark, and not that of what happened to the session
// before, or happens meanwhile.
func TestFailedLoginTakesBackItsOwnMark(t *testing.T) {
	for name, test := range map[string]struct {
		before, meanwhile func(h *house, b *browser, rec session.Record)
		lives             bool
	}{
		"nothing else":   {lives: true},
		"a login before": {before: func(h *house, b *browser, _ session.Record) { h.start(b, person("carol")) }},
		"a login elsewhere meanwhile": {meanwhile: func(h *house, b *browser, _ session.Record) {
			h.other(nil).start(b, person("carol"))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := marksOnly(t)
			var b browser
			rec := h.start(&b, person("bob"))
			if test.before != nil {
				test.before(h, b.copy(), rec)
			}
			h.store.after = func(op, _ string) error {
				if op != "commit" {
					return nil
				}
				h.store.after = nil
				if test.meanwhile != nil {
					test.meanwhile(h, b.copy(), rec)
				}
				return errDown
			}
			w := httptest.NewRecorder()
			if _, err := h.Start(context.Background(), w, b.request(), person("dave")); !errors.Is(err, session.ErrStore) || len(w.Header()) != 0 {
				t.Errorf("%v, %v", err, w.Header())
			}
			for _, node := range []*house{h, h.other(nil)} {
				node.lives(b.copy(), test.lives)
			}
		})
	}
}

// Who could not look whether a session has ended has written nothing of it, and
// takes nothing back.
func TestNothingIsTakenBackUnwritten(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(*house, *browser, session.Record) error{
		"a login": func(h *house, b *browser, _ session.Record) error {
			_, err := h.Start(ctx, httptest.NewRecorder(), b.request(), person("dave"))
			return err
		},
		"a renewal": func(h *house, b *browser, rec session.Record) error {
			_, err := h.Renew(ctx, httptest.NewRecorder(), b.request(), rec, nil)
			return err
		},
	} {
		for store, add := range map[string]bool{"without Add": false, "with Add": true} {
			t.Run(name+" "+store, func(t *testing.T) {
				h := marksOnly(t)
				if add {
					h = h.other(func(c *session.Config) { c.Marks = addingStore{h.store} })
				}
				var b browser
				rec := h.start(&b, person("bob"))
				old := b.copy()
				h.renew(&b, rec)
				finds := 0
				h.store.before = func(op, _ string) error {
					if op == "find" {
						if finds++; finds > 1 { // the first is for the new session
							return errDown
						}
					}
					return nil
				}
				if err := change(h.other(nil), old.copy(), rec); !errors.Is(err, session.ErrStore) {
					t.Errorf("got %v", err)
				}
				h.store.before = nil
				h.other(nil).lives(old.copy(), false)
				h.other(nil).lives(b.copy(), true)
			})
		}
	}
}

// What fails while a mark is taken back: the look at it keeps nobody out, and
// where nothing can be done the operator is told.
func TestMarkIsTakenBackBlindly(t *testing.T) {
	for name, test := range map[string]struct {
		fails []string // one after the other
		lives bool
	}{
		"nothing":                    {nil, true},
		"the look":                   {[]string{"find"}, true},
		"the deletion":               {[]string{"delete"}, true},
		"the look, and what follows": {[]string{"find", "commit"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := marksOnly(t)
			var b browser
			rec := h.start(&b, person("bob"))
			var fails []string
			h.store.after = func(op, _ string) error {
				if op != "commit" {
					return nil
				}
				h.store.after, fails = nil, test.fails
				return errDown
			}
			h.store.before = func(op, _ string) error {
				if len(fails) > 0 && fails[0] == op {
					fails = fails[1:]
					return errDown
				}
				return nil
			}
			if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil); !errors.Is(err, session.ErrStore) {
				t.Errorf("renew: %v", err)
			}
			if len(fails) > 0 {
				t.Errorf("not tried: %v", fails)
			}
			h.other(nil).lives(b.copy(), test.lives)
			if test.lives {
				h.other(nil).renew(b.copy(), rec) // and can end anew
				h.other(nil).lives(b.copy(), false)
			}
			if told := len(h.warned) == 1 && errors.Is(h.warned[0], session.ErrStore); told == test.lives || len(h.warned) > 1 {
				t.Errorf("warned of %v", h.warned)
			}
		})
	}
}
