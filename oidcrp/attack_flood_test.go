package oidcrp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// startFlood: what strangers begin and never end stays in their browsers. 10,000
// starts after as many to warm up, a tenth of both under the race detector: the
// catalogue's million would show the same, for what one start leaves behind is
// measured.
func startFlood(t *testing.T) {
	n := 10_000
	if raceEnabled {
		n /= 10
	}
	store := newPlain()
	for mode, keep := range map[string]func(*oidcrp.Config){"cookie": func(*oidcrp.Config) {}, "store": func(c *oidcrp.Config) { c.Store = store }} {
		t.Run(mode, func(t *testing.T) {
			rp := offline(t, func(c *oidcrp.Config) {
				keep(c)
				c.Providers = []oidcrp.Provider{byHand("main")}
			})
			flood := func() {
				for i := range n {
					target := "https://app.example/auth/login?return_to=" + url.QueryEscape(fmt.Sprint("/", i))
					if w := ask(rp, rp, nil, "GET", target, navigate...); w.Code != http.StatusFound {
						t.Fatalf("start %d: %d %s", i, w.Code, w.Body)
					}
				}
			}
			flood()
			before := heapInUse()
			flood()
			if grown := heapInUse() - before; grown > int64(64*n) {
				t.Errorf("%d bytes more after %d more starts", grown, n)
			}
			runtime.KeepAlive(rp)
			if records := store.keep(); len(records) != 0 {
				t.Errorf("%d records in the store", len(records))
			}
		})
	}
}

// dated is a store with Add that knows how long what it has is kept.
type dated struct {
	adding
	latest *atomic.Int64 // in seconds
}

func (s dated) Commit(token string, b []byte, expiry time.Time) error {
	s.latest.Store(max(s.latest.Load(), expiry.Unix()))
	return s.adding.Commit(token, b, expiry)
}

func (s dated) Add(ctx context.Context, token string, b []byte, expiry time.Time) (bool, error) {
	s.latest.Store(max(s.latest.Load(), expiry.Unix()))
	return s.adding.Add(ctx, token, b, expiry)
}

// flooded is an application whose provider takes no code, and whose store tells
// how long what it has is kept.
type flooded struct {
	t     *testing.T
	rp    *oidcrp.RelyingParty
	clock *clock
	store dated
	asked int // of the provider
}

func newFloodedApp(t *testing.T) *flooded {
	t.Helper()
	a := &flooded{t: t, clock: &clock{}, store: dated{adding{newPlain()}, &atomic.Int64{}}}
	a.clock.stop()
	cfg := oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Store: a.store, Logger: slog.New(slog.DiscardHandler), Providers: []oidcrp.Provider{byHand("main")},
		HTTPClient: &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			a.asked++
			body := io.NopCloser(strings.NewReader(`{"error":"invalid_grant"}`))
			return &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
		})},
	}
	var err error
	if a.rp, err = oidcrp.NewAt(cfg, a.clock.now); err != nil {
		t.Fatal(err)
	}
	return a
}

// start begins a login and returns its state and the binding.
func (a *flooded) start() (state, binding string) {
	w := ask(a.rp, a.rp, nil, "GET", "https://app.example/auth/login", navigate...)
	binding, _, _ = strings.Cut(w.Header().Get("Set-Cookie"), ";")
	return mustParse(a.t, w.Header().Get("Location")).Query().Get("state"), binding
}

// flood begins n logins, each in another browser, and brings an answer to each.
func (a *flooded) flood(n int, answer string, change func(state, binding string) (string, string)) {
	a.t.Helper()
	for i := range n {
		state, binding := a.start()
		if change != nil {
			state, binding = change(state, binding)
		}
		header := append(navigate[:len(navigate):len(navigate)], "Cookie", binding)
		if w := ask(a.rp, a.rp, nil, "GET", "https://app.example/auth/callback/main?"+answer+"&state="+state, header...); w.Code != http.StatusBadRequest {
			a.t.Fatalf("answer %d: %d %s", i, w.Code, w.Body)
		}
	}
}

// answerFlood: nor does it help to bring answers. What names no open login, and an
// error, leaves no record in a store; another answer leaves a small one, for as
// long as its login could be open, and a code costs one request.
func answerFlood(t *testing.T) {
	const n = 300 // each is alike
	for name, tt := range map[string]struct {
		answer       string
		marks, calls int // for each answer
		change       func(a *flooded, state, binding string) (string, string)
	}{
		"errors":                 {answer: "error=access_denied"},
		"two codes":              {answer: "code=x&code=y"},
		"states of nobody":       {answer: "code=x", change: func(_ *flooded, state, binding string) (string, string) { return flip(state), binding }},
		"other browsers' states": {answer: "code=x", change: func(a *flooded, state, _ string) (string, string) { _, other := a.start(); return state, other }},
		"no codes":               {answer: "iss=https%3A%2F%2Fop.example", marks: 1},
		"tokens":                 {answer: "id_token=x.y.z", marks: 1},
		"codes":                  {answer: "code=x", marks: 1, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := newFloodedApp(t)
			a.flood(n, tt.answer, func(state, binding string) (string, string) {
				if tt.change == nil {
					return state, binding
				}
				return tt.change(a, state, binding)
			})
			records := a.store.keep()
			if len(records) != tt.marks*n || a.asked != tt.calls*n {
				t.Errorf("%d records in the store and %d requests after %d answers", len(records), a.asked, n)
			}
			for _, record := range records {
				if len(record) > 16 {
					t.Fatalf("a record of %d bytes", len(record))
				}
			}
			if left := time.Unix(a.store.latest.Load(), 0).Sub(a.clock.now()); left > 15*time.Minute {
				t.Errorf("records are kept for %v", left)
			}
		})
	}
}

// answerFloodInMemory: what was spent is forgotten once it cannot come any more.
// 4,000 answers after as many to warm up; a tenth under the race detector.
func answerFloodInMemory(t *testing.T) {
	n := 4000
	if raceEnabled {
		n /= 10
	}
	a := newFloodedApp(t)
	a.flood(n, "error=access_denied", nil)
	a.clock.advance(16 * time.Minute)
	before := heapInUse()
	a.flood(n, "error=access_denied", nil)
	if grown := heapInUse() - before; grown > int64(32*n+64<<10) {
		t.Errorf("%d bytes more after %d more answers", grown, n)
	}
	runtime.KeepAlive(a)
}
