package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Where the client at the provider cannot be found out, whoever asks is told,
// and no session begins, is lost, or changed.
func TestClientCannotBeFoundOut(t *testing.T) {
	ctx := context.Background()
	errClient := errors.New("the providers cannot be asked")
	everyMode(t, func(t *testing.T, h *house) {
		fails, asked := 0, 0
		h = h.other(func(c *session.Config) {
			c.Client = func(ctx context.Context, provider string) (string, bool, error) {
				if asked++; asked == fails {
					return "", false, errClient
				}
				return clientOf(ctx, provider)
			}
		})
		for name, do := range map[string]func(w http.ResponseWriter, b *browser, rec session.Record) error{
			"login": func(w http.ResponseWriter, b *browser, _ session.Record) error {
				_, err := h.Start(ctx, w, b.request(), h.at("carol", ""))
				return err
			},
			"load": func(w http.ResponseWriter, b *browser, _ session.Record) error {
				_, err := h.Load(ctx, w, b.request(), true)
				return err
			},
			"renew": func(w http.ResponseWriter, b *browser, rec session.Record) error {
				_, err := h.Renew(ctx, w, b.request(), rec, nil)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				for n := 1; ; n++ {
					fails = 0
					var b browser
					rec := h.start(&b, h.at("bob", ""))
					w := httptest.NewRecorder()
					fails, asked = n, 0
					err := do(w, &b, rec)
					reached := asked >= n
					fails = 0
					if !reached {
						if err != nil || n == 1 {
							t.Errorf("asked %d times: %v", asked, err)
						}
						return
					}
					if !errors.Is(err, errClient) || len(w.Header()) != 0 {
						t.Errorf("question %d: %v, %v", n, err, w.Header())
					}
					if got, err := h.load(&b, false); err != nil || got.Handle() != rec.Handle() {
						t.Errorf("question %d: the session before: %v, %v", n, got, err)
					}
				}
			})
		}
	})
}

// A session is worth nothing once its provider knows the application as another
// client. Where one of the two clients is not known there is nothing to compare.
func TestSessionOfAnotherClient(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		as := func(id string) *house {
			return h.other(func(c *session.Config) {
				c.Client = func(context.Context, string) (string, bool, error) { return id, true, nil }
			})
		}
		for _, test := range []struct {
			started, now string
			lives        bool
		}{
			{"one", "one", true},
			{"one", "two", false},
			{"", "one", true},
			{"one", "", true},
		} {
			var b browser
			as(test.started).start(&b, h.at("bob", ""))
			as(test.now).lives(&b, test.lives)
		}
		var b browser
		h.other(func(c *session.Config) { c.Client = nil }).start(&b, h.at("bob", ""))
		as("one").lives(&b, true)
	})
}

// Nor is a login that waited meanwhile.
func TestLoginOfAnotherClient(t *testing.T) {
	everyMode(t, func(t *testing.T, h *house) {
		d := h.at("bob", "")
		d.Client = session.ClientTag("client of " + d.Provider)
		var b browser
		h.start(&b, d)
		h.lives(&b, true)
		d.Client = session.ClientTag("the client before")
		w := httptest.NewRecorder()
		if _, err := h.Start(context.Background(), w, new(browser).request(), d); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
	})
}
