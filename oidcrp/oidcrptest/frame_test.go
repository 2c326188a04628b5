package oidcrptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What frames a page loads, and with which cookies, as Chromium would.
func TestFramesOfPages(t *testing.T) {
	s, other := newSite(t), newSite(t)
	frame := func(src string) string {
		return `<iframe src="` + strings.ReplaceAll(src, "&", "&amp;") + `">no <b>text</iframe>`
	}
	lax := func(b *oidcrptest.Browser) {
		b.Get(s.at("localhost", "/", "set", "lax=1; SameSite=Lax", "set", "strict=1; SameSite=Strict"))
	}
	inner := s.at("localhost", "/inner")
	for name, test := range map[string]struct {
		url     string
		cookies string
		blocked string
	}{
		"of the same site":        {s.at("localhost", "/", "html", frame("/inner")), "lax strict", ""},
		"of another site":         {other.at("127.0.0.1", "/", "html", frame(inner)), "", ""},
		"not by frame-src":        {other.at("127.0.0.1", "/", "html", frame(inner), "header", "Content-Security-Policy: frame-src 'self'; default-src *"), "", "frame-src"},
		"not by child-src":        {other.at("127.0.0.1", "/", "html", frame(inner), "header", "Content-Security-Policy: child-src 'none'; default-src *"), "", "frame-src"},
		"not by default-src":      {other.at("127.0.0.1", "/", "html", frame(inner), "header", "Content-Security-Policy: default-src 'none'"), "", "frame-src"},
		"not by redirect":         {other.at("127.0.0.1", "/", "html", frame(other.at("127.0.0.1", "/", "to", inner)), "header", "Content-Security-Policy: frame-src 'self'"), "", "frame-src"},
		"not by frame-ancestors":  {other.at("127.0.0.1", "/", "html", frame(s.at("localhost", "/inner", "header", "Content-Security-Policy: frame-ancestors 'self'"))), "", "frame-ancestors"},
		"not by two, one of them": {s.at("localhost", "/", "html", frame("/inner?header="+url.QueryEscape("Content-Security-Policy: frame-ancestors 'self', frame-ancestors 'none'"))), "", "frame-ancestors"},
	} {
		t.Run(name, func(t *testing.T) {
			b := oidcrptest.NewBrowser(t)
			lax(b)
			page := b.Get(test.url)
			if len(page.Frames) != 1 || strings.Contains(page.Text(), "no text") {
				t.Fatalf("%d frames: %v", len(page.Frames), page)
			}
			got := page.Frames[0]
			if got.Blocked != test.blocked || test.blocked == "" && seen(got) != test.cookies {
				t.Errorf("blocked by %q, cookies %q", got.Blocked, seen(got))
			}
			requested := slices.ContainsFunc(got.Trail, func(h oidcrptest.Hop) bool { return h.URL.Path == "/inner" })
			if requested == (test.blocked == "frame-src") {
				t.Errorf("requested: %v, blocked by %q", requested, test.blocked)
			}
		})
	}
	t.Run("of its own site within another", func(t *testing.T) {
		b := oidcrptest.NewBrowser(t)
		lax(b)
		middle := other.at("127.0.0.1", "/", "html", frame(inner))
		page := b.Get(s.at("localhost", "/", "html", frame(middle)))
		if nested := page.Frames[0].Frames; len(nested) != 1 || seen(nested[0]) != "" {
			t.Errorf("nested %v", nested)
		}
	})
	t.Run("nothing to load", func(t *testing.T) {
		page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", `<iframe></iframe><iframe src="about:blank"></iframe><iframe src=" "></iframe>`))
		if len(page.Frames) != 0 || page.Status != http.StatusOK {
			t.Errorf("frames %v", page.Frames)
		}
	})
	t.Run("of itself", func(t *testing.T) {
		var hits atomic.Int64
		endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<iframe src="/%d"></iframe>`, hits.Add(1))
		}))
		t.Cleanup(endless.Close)
		oidcrptest.NewBrowser(t).Get(endless.URL)
		if hits.Load() != 5 {
			t.Errorf("%d requests", hits.Load())
		}
	})
}
