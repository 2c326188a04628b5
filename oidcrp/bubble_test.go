package oidcrp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// bubble is an application and its provider in one process, with no network
// between them: in a synctest bubble an hour takes no time, and whatever is left
// running at the end fails the test.
type bubble struct {
	*app
	h http.Handler

	mu     sync.Mutex
	refuse func(*http.Request) error // instead of reaching the provider
}

const (
	bubbleURL    = "http://localhost:3000"
	bubbleIssuer = "http://127.0.0.1:4000"
)

// inBubble runs a test in a bubble; change may be nil.
func inBubble(t *testing.T, change func(*oidcrp.Config), test func(*testing.T, *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		op, err := oidcrptest.NewHandler(bubbleIssuer)
		if err != nil {
			t.Fatal(err)
		}
		op.SignInAs("alice")
		b := &bubble{app: &app{t: t, URL: bubbleURL, op: op, clock: &clock{}, log: &record{}, events: &events{}, reports: &atomic.Int32{}}}
		op.SetHTTPClient(&http.Client{Transport: b})
		cfg := oidcrp.Config{
			BaseURL: bubbleURL, CookieKeys: [][]byte{key(1)},
			Providers:  []oidcrp.Provider{op.Config("test", bubbleURL)},
			Logger:     slog.New(slog.NewTextHandler(b.log, nil)),
			OnEvent:    b.events.add,
			HTTPClient: &http.Client{Transport: b},
		}
		if change != nil {
			change(&cfg)
		}
		b.config = cfg
		if b.rp, err = oidcrp.NewAt(cfg, b.clock.now); err != nil {
			t.Fatal(err)
		}
		b.h = b.rp.Load(b.handler())
		test(t, b)
		if err := b.rp.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// visitor is a browser in the bubble.
func (b *bubble) visitor() *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: b}
}

// get opens a page of the application and follows where it leads.
func (b *bubble) get(visitor *http.Client, path string) (res *http.Response, body string) {
	b.t.Helper()
	req, err := http.NewRequest(http.MethodGet, bubbleURL+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	res, err = visitor.Do(req)
	if err != nil {
		b.t.Error(err)
		return &http.Response{}, ""
	}
	defer res.Body.Close()
	read, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Error(err)
	}
	return res, string(read)
}

// reads fails the test unless a page is 200 and has the text.
func (b *bubble) reads(visitor *http.Client, path, text string) {
	b.t.Helper()
	if res, body := b.get(visitor, path); res.StatusCode != http.StatusOK || !strings.Contains(body, text) {
		b.t.Errorf("%s: %d %s, want %q\nlog: %s", path, res.StatusCode, body, text, b.log)
	}
}

// unreachable keeps calls from reaching the provider; nil: they reach it.
func (b *bubble) unreachable(refuse func(*http.Request) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse = refuse
}

// RoundTrip lets the application or the provider answer.
func (b *bubble) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	refuse := b.refuse
	b.mu.Unlock()
	h := http.Handler(b.op)
	switch {
	case r.URL.Host == strings.TrimPrefix(bubbleURL, "http://"):
		h = b.h
	case refuse != nil:
		if err := refuse(r); err != nil {
			return nil, err
		}
	}
	return answerTo(h, r)
}

// answerTo is what a handler answers, from the moment it begins to.
func answerTo(h http.Handler, r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	in := r.Clone(ctx)
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "127.0.0.1:1"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	body, out := io.Pipe()
	w := &pipeWriter{header: http.Header{}, out: out, begun: make(chan struct{})}
	gone := context.AfterFunc(ctx, func() { body.CloseWithError(ctx.Err()) })
	go func() {
		defer gone()
		defer out.Close()
		defer func() {
			if v := recover(); v != nil { // as a server does with http.ErrAbortHandler
				out.CloseWithError(io.ErrUnexpectedEOF)
				w.WriteHeader(aborted)
			}
		}()
		h.ServeHTTP(w, in)
		w.WriteHeader(http.StatusOK)
	}()
	select {
	case <-w.begun:
		if w.status == aborted {
			return nil, io.ErrUnexpectedEOF
		}
		return &http.Response{StatusCode: w.status, Header: w.sent, Body: body, Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

const aborted = -1 // before an answer began

// pipeWriter hands over an answer while it is written.
type pipeWriter struct {
	header, sent http.Header
	status       int
	out          *io.PipeWriter
	begun        chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }
func (w *pipeWriter) Flush()              {}

func (w *pipeWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	}
}

func (w *pipeWriter) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.out.Write(b)
}
