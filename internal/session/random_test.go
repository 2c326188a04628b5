package session_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// failing is the system's random source, whose read number n fails.
type failing struct {
	io.Reader
	n, reads int
}

func (f *failing) Read(b []byte) (int, error) {
	if f.reads++; f.reads == f.n {
		return 0, errors.New("no randomness")
	}
	return f.Reader.Read(b)
}

// eachRead runs f with the first read of random bytes failing, then with the
// second, until f needs none that fails. Tests here do not run in parallel.
func eachRead(t *testing.T, f func(fail func(), failed func() bool)) {
	old := rand.Reader
	defer func() { rand.Reader = old }()
	for n := 1; ; n++ {
		rand.Reader = old
		source := &failing{Reader: old, n: n}
		f(func() { rand.Reader = source }, func() bool { rand.Reader = old; return source.reads >= n })
		if source.reads < n {
			if n == 1 {
				t.Error("it needs no random bytes: nothing was tried")
			}
			return
		}
	}
}

// Without random bytes no session begins, and none is lost or changed.
func TestRandomSourceFails(t *testing.T) {
	ctx := context.Background()
	everyMode(t, func(t *testing.T, h *house) {
		for name, do := range map[string]func(w http.ResponseWriter, b *browser, rec session.Record) error{
			"login": func(w http.ResponseWriter, _ *browser, _ session.Record) error {
				_, err := h.Start(ctx, w, new(browser).request(), h.at("carol", ""))
				return err
			},
			"login over it": func(w http.ResponseWriter, b *browser, _ session.Record) error {
				_, err := h.Start(ctx, w, b.request(), h.at("carol", ""))
				return err
			},
			"renew": func(w http.ResponseWriter, b *browser, rec session.Record) error {
				_, err := h.Renew(ctx, w, b.request(), rec, nil)
				return err
			},
			"checked": func(w http.ResponseWriter, b *browser, rec session.Record) error {
				_, err := h.Checked(ctx, w, b.request(), rec)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				eachRead(t, func(fail func(), failed func() bool) {
					var b browser
					rec := h.start(&b, h.at("bob", ""))
					w := httptest.NewRecorder()
					fail()
					err := do(w, &b, rec)
					if !failed() {
						if err != nil {
							t.Errorf("with a source that is well: %v", err)
						}
						return
					}
					if !errors.Is(err, cookie.ErrRandom) || len(w.Header()) != 0 {
						t.Errorf("%v, %v", err, w.Header())
					}
					if got, err := h.load(&b, false); err != nil || got.Handle() != rec.Handle() {
						t.Errorf("the session before: %v, %v", got, err)
					}
				})
			})
		}
	})
}

func TestVaultAndArchiveWithoutRandomBytes(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	a := session.NewArchive(keys(t, 1), site(t, "https://app.example.com"), store, store.clock.now)
	id := v.IDOf("alice")
	for name, do := range map[string]func() error{
		"new id":  func() error { _, err := v.NewID(); return err },
		"keep":    func() error { return v.Keep(ctx, id, []byte("x"), epoch.Add(time.Hour)) },
		"replace": func() error { _, err := a.Replace(ctx, "x", nil, []byte("x"), later); return err },
	} {
		eachRead(t, func(fail func(), failed func() bool) {
			clear(store.records)
			fail()
			err := do()
			if failed() && (!errors.Is(err, cookie.ErrRandom) || len(store.records) != 0) || !failed() && err != nil {
				t.Errorf("%s: %v, %d records", name, err, len(store.records))
			}
		})
	}
}
