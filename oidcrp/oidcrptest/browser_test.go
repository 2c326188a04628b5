package oidcrptest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// site answers by what its query says: set (Set-Cookie lines), to and status
// (a redirect), header ("Name: value"), html; otherwise it shows the request.
type site struct {
	*httptest.Server
	hits atomic.Int64
}

func newSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func newTLSSite(t *testing.T) *site {
	s := &site{}
	s.Server = httptest.NewTLSServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.hits.Add(1)
	q := r.URL.Query()
	for _, line := range q["set"] {
		w.Header().Add("Set-Cookie", line)
	}
	for _, h := range q["header"] {
		name, value, _ := strings.Cut(h, ": ")
		w.Header().Add(name, value)
	}
	if to := q.Get("to"); to != "" {
		status := http.StatusFound
		fmt.Sscan(q.Get("status"), &status)
		w.Header().Set("Location", to)
		w.WriteHeader(status)
		return
	}
	if html := q.Get("html"); html != "" {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(html))
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	r.ParseForm()
	fmt.Fprintf(w, "%s %s [%s]", r.Method, r.PostForm.Encode(), r.Header.Get("Cookie"))
}

// at is an address of the site under a host name, with a query of pairs.
func (s *site) at(host, path string, query ...string) string {
	u, _ := url.Parse(s.URL)
	v := url.Values{}
	for i := 0; i < len(query); i += 2 {
		v.Add(query[i], query[i+1])
	}
	return u.Scheme + "://" + host + ":" + u.Port() + path + "?" + v.Encode()
}

// seen returns the names of the cookies that reached a site.
func seen(page *oidcrptest.Page) string {
	_, cookies, _ := strings.Cut(page.Body, "[")
	var names []string
	for c := range strings.SplitSeq(strings.TrimSuffix(cookies, "]"), "; ") {
		name, _, _ := strings.Cut(c, "=")
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// Glewlwyd's form_post is a page without Content-Type.
func TestPageThatDoesNotSayWhatItIs(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		name string
		set  func(http.Header)
		want string
	}{
		{"it looks like HTML", func(h http.Header) { h["Content-Type"] = nil }, "/there"},
		{"nobody may look", func(h http.Header) { h["Content-Type"] = nil; h.Set("X-Content-Type-Options", "nosniff") }, "/"},
		{"it is said to be text", func(h http.Header) { h.Set("Content-Type", "text/plain") }, "/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				test.set(w.Header())
				fmt.Fprintf(w, `<html><body onload="document.forms[0].submit()"><form method="post" action="%s"></form></body></html>`, s.at("localhost", "/there"))
			}))
			defer op.Close()
			if page := oidcrptest.NewBrowser(t).Get(op.URL + "/"); page.URL.Path != test.want {
				t.Errorf("at %v, want %s", page, test.want)
			}
		})
	}
}

func form(method, action string) string {
	return `<form method="` + method + `" action="` + strings.ReplaceAll(action, "&", "&amp;") + `"><button>Go</button></form>`
}

func TestNavigationHeaders(t *testing.T) {
	s, other := newSite(t), newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Resolve("rp.test", s.Listener.Addr().String())
	h := b.Get(s.at("localhost", "/")).Trail[0].Request
	if !strings.HasPrefix(h.Get("Accept"), "text/html,") || h.Get("Sec-Fetch-Mode") != "navigate" || h.Get("Sec-Fetch-Dest") != "document" ||
		h.Get("Sec-Fetch-Site") != "none" || h.Get("Sec-Fetch-User") != "?1" || h.Get("Origin") != "" || h.Get("Referer") != "" || h.Get("Accept-Language") != "en" {
		t.Errorf("headers of a typed address %v", h)
	}
	if h := b.Get(s.at("rp.test", "/")).Trail[0].Request; h.Get("Sec-Fetch-Site") != "" {
		t.Errorf("Sec-Fetch headers to http://rp.test: %v", h)
	}
	b.Get(s.at("localhost", "/page"))
	h = b.PostForm(s.at("localhost", "/"), url.Values{"a": {"1"}}).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "same-origin" || h.Get("Origin")+"/" != s.at("localhost", "/")[:len(h.Get("Origin"))+1] || !strings.HasSuffix(h.Get("Referer"), "/page?") {
		t.Errorf("headers of a form %v", h)
	}
	h = b.PostForm(other.at("127.0.0.1", "/"), nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "cross-site" || !strings.HasPrefix(h.Get("Origin"), "http://localhost:") || h.Get("Referer") != h.Get("Origin")+"/" {
		t.Errorf("headers of a cross-site form %v", h)
	}
	h = b.Tab().PostForm(s.at("localhost", "/"), nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "cross-site" || h.Get("Origin") != "null" {
		t.Errorf("headers of a form from nowhere %v", h)
	}
	b.Get(s.at("localhost", "/", "html", form("post", s.at("localhost", "/x")), "header", "Referrer-Policy: no-referrer"))
	h = b.SubmitForm("Go", nil).Trail[0].Request
	if h.Get("Sec-Fetch-Site") != "same-origin" || h.Get("Origin") != "null" || h.Get("Referer") != "" {
		t.Errorf("headers of a form of a page without referrer %v", h)
	}
	b.Get(s.at("localhost", "/", "html", form("post", other.at("127.0.0.1", "/", "to", s.at("localhost", "/x"), "status", "307"))))
	page := b.SubmitForm("Go", nil)
	if h := page.Trail[1].Request; page.Trail[1].Method != "POST" || h.Get("Origin") != "null" || h.Get("Sec-Fetch-Site") != "cross-site" {
		t.Errorf("headers of a form that came back through another origin %v", h)
	}
	frame := b.Frame(s.at("localhost", "/"))
	if h := frame.Trail[0].Request; h.Get("Sec-Fetch-Dest") != "iframe" || h.Get("Sec-Fetch-User") != "" {
		t.Errorf("headers of a frame %v", h)
	}
}

func TestRedirectsChangeTheMethod(t *testing.T) {
	s := newSite(t)
	for status, want := range map[string]string{"301": "GET ", "302": "GET ", "303": "GET ", "307": "POST a=1", "308": "POST a=1"} {
		b := oidcrptest.NewBrowser(t)
		page := b.PostForm(s.at("localhost", "/", "to", "/next#part", "status", status), url.Values{"a": {"1"}})
		if !strings.HasPrefix(page.Body, want+" ") || page.URL.Path != "/next" || page.URL.Fragment != "part" || len(page.Trail) != 2 {
			t.Errorf("%s: %v", status, page)
		}
	}
}

// failing records the failure that a test is meant to have.
type failing struct {
	testing.TB
	failed string
}

func (f *failing) Helper()                   {}
func (f *failing) Cleanup(func())            {}
func (f *failing) Fatal(args ...any)         { f.failed = fmt.Sprint(args...); runtime.Goexit() }
func (f *failing) Fatalf(s string, a ...any) { f.failed = fmt.Sprintf(s, a...); runtime.Goexit() }

// failure runs f against a browser of its own and returns how that failed.
func failure(f func(b *oidcrptest.Browser)) string {
	t := &failing{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(oidcrptest.NewBrowser(t))
	}()
	<-done
	return t.failed
}

func TestMistakesFailTheTest(t *testing.T) {
	s := newSite(t)
	page := s.at("localhost", "/", "html", `<form action="/x"><input name=a><button>Go</button></form>`)
	for name, test := range map[string]struct {
		do   func(b *oidcrptest.Browser)
		want string
	}{
		"redirect to itself":    {func(b *oidcrptest.Browser) { loop(b) }, "more than 20 requests"},
		"form not there":        {func(b *oidcrptest.Browser) { b.Get(page); b.SubmitForm("Other", nil) }, `no form "Other"`},
		"field not there":       {func(b *oidcrptest.Browser) { b.Get(page); b.SubmitForm("Go", url.Values{"b": {"1"}}) }, `no field "b"`},
		"link not there":        {func(b *oidcrptest.Browser) { b.Get(page); b.Follow("Other") }, `no link "Other"`},
		"link in plain text":    {func(b *oidcrptest.Browser) { b.Get(s.at("localhost", "/", "plain", "")); b.Follow("Other") }, "text/plain: only HTML"},
		"form in plain text":    {func(b *oidcrptest.Browser) { b.Get(s.at("localhost", "/", "plain", "")); b.SubmitForm("Other", nil) }, "text/plain: only HTML"},
		"form before any page":  {func(b *oidcrptest.Browser) { b.SubmitForm("", nil) }, "no page yet"},
		"back from the first":   {func(b *oidcrptest.Browser) { b.Get(page); b.Back() }, "no page to go back to"},
		"no URL":                {func(b *oidcrptest.Browser) { b.Get("/relative") }, "not an http or https URL"},
		"cookie nobody keeps":   {func(b *oidcrptest.Browser) { b.SetCookie("http://rp.test/", "a=1; Secure") }, "insecure page"},
		"name off this machine": {func(b *oidcrptest.Browser) { b.Resolve("rp.test", "192.0.2.1:80") }, "not a loopback address"},
	} {
		t.Run(name, func(t *testing.T) {
			got := failure(test.do)
			if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
				t.Errorf("failed with %q, want %q", got, test.want)
			}
		})
	}
}

func loop(b *oidcrptest.Browser) {
	server := httptest.NewServer(http.RedirectHandler("/", http.StatusFound))
	defer server.Close()
	b.Get(server.URL)
}

func TestBrowserStaysOnThisMachine(t *testing.T) {
	page := oidcrptest.NewBrowser(t).Get("http://example.com/")
	if page.Err == nil || page.Status != 0 || !strings.Contains(page.Err.Error(), "does not leave this machine") {
		t.Errorf("reached %v", page)
	}
}

func TestRefusedConnectionIsAPage(t *testing.T) {
	s := newSite(t)
	address := s.at("localhost", "/")
	s.Close()
	if page := oidcrptest.NewBrowser(t).Get(address); page.Err == nil || page.Status != 0 {
		t.Errorf("reached %v", page)
	}
}

func TestBackAndReload(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/kept"))
	b.Get(s.at("localhost", "/fresh", "header", "Cache-Control: no-store"))
	b.Get(s.at("localhost", "/last"))
	before := s.hits.Load()
	if page := b.Back(); page.Restored || page.URL.Path != "/fresh" || s.hits.Load() != before+1 {
		t.Errorf("a page with no-store was not asked for again: %v", page)
	}
	if page := b.Back(); !page.Restored || page.URL.Path != "/kept" || s.hits.Load() != before+1 {
		t.Errorf("a page without no-store was asked for again: %v", page)
	}
	if page := b.Reload(); page.URL.Path != "/kept" || s.hits.Load() != before+2 || b.Page() != page {
		t.Errorf("not reloaded: %v", page)
	}
	b.PostForm(s.at("localhost", "/form"), url.Values{"a": {"1"}})
	if page := b.Reload(); !strings.HasPrefix(page.Body, "POST a=1") {
		t.Errorf("form not sent again: %v", page)
	}
}

// Chromium remembers who led to a page.
func TestReloadAndBackAreCausedAsTheFirstTime(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	b := withCookies(t, rp, "localhost")
	b.Get(op.at("127.0.0.1", "/", "html", `<a href="`+rp.at("localhost", "/?header=Cache-Control:+no-store#")+`">Go</a>`))
	b.Follow("Go")
	for name, again := range map[string]func() *oidcrptest.Page{
		"reload": b.Reload,
		"back":   func() *oidcrptest.Page { b.Get(rp.at("localhost", "/other")); return b.Back() },
	} {
		page := again()
		h := page.Trail[0].Request
		if seen(page) != "none lax unsaid" || h.Get("Sec-Fetch-Site") != "cross-site" || h.Get("Sec-Fetch-User") != "?1" {
			t.Errorf("%s: got %q with %v", name, seen(page), h)
		}
	}
}

func TestTabsShareCookies(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/one", "set", "a=1"))
	tab := b.Tab()
	if tab.Page() != nil {
		t.Error("a new tab shows a page")
	}
	if got := seen(tab.Get(s.at("localhost", "/two"))); got != "a" || b.Page().URL.Path != "/one" {
		t.Errorf("tab got %q", got)
	}
}

func TestFraming(t *testing.T) {
	s, other := newSite(t), newSite(t)
	around, _ := url.Parse(other.at("127.0.0.1", "/"))
	for header, want := range map[string]string{
		"":                            "",
		"X-Frame-Options: DENY":       "frame-ancestors",
		"X-Frame-Options: SAMEORIGIN": "frame-ancestors",
		"Content-Security-Policy: frame-ancestors 'none'":                 "frame-ancestors",
		"Content-Security-Policy: frame-ancestors 'self'":                 "frame-ancestors",
		"Content-Security-Policy: frame-ancestors http://" + around.Host:  "",
		"Content-Security-Policy: frame-ancestors https://" + around.Host: "frame-ancestors",
	} {
		b := oidcrptest.NewBrowser(t)
		b.Get(around.String())
		if page := b.Frame(s.at("localhost", "/framed", "header", header)); page.Blocked != want || page.Status != 200 || b.Page().URL.Path != "/" {
			t.Errorf("%q: %v", header, page)
		}
	}
}

func TestFetchAndCORS(t *testing.T) {
	s, other := newSite(t), newSite(t)
	self := strings.TrimSuffix(s.at("localhost", ""), "?")
	allowed := []string{"header", "Access-Control-Allow-Origin: " + self, "header", "Access-Control-Allow-Credentials: true",
		"header", "Access-Control-Allow-Methods: PUT", "header", "Access-Control-Allow-Headers: X-A, Content-Type"}
	json := http.Header{"Content-Type": {"application/json"}}
	for _, test := range []struct {
		name    string
		method  string
		target  string
		opts    *oidcrptest.FetchOptions
		blocked string
		methods string // that reached the other server
	}{
		{"same origin, anything", "PUT", s.at("localhost", "/x"), &oidcrptest.FetchOptions{Header: json, Body: "{}"}, "", "PUT"},
		{"simple, not allowed", "POST", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Body: "a"}, "cors", "POST"},
		{"simple, allowed", "POST", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Body: "a"}, "", "POST"},
		{"simple, allowed to all", "GET", other.at("127.0.0.1", "/", "header", "Access-Control-Allow-Origin: *"), nil, "", "GET"},
		{"with credentials, allowed to all", "GET", other.at("127.0.0.1", "/", "header", "Access-Control-Allow-Origin: *"), &oidcrptest.FetchOptions{Credentials: "include"}, "cors", "GET"},
		{"with credentials, allowed", "GET", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Credentials: "include"}, "", "GET"},
		{"method that asks, not allowed", "DELETE", other.at("127.0.0.1", "/", allowed...), nil, "cors", "OPTIONS"},
		{"method that asks, allowed", "PUT", other.at("127.0.0.1", "/", allowed...), nil, "", "OPTIONS PUT"},
		{"header that asks, not allowed", "GET", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Header: http.Header{"X-B": {"1"}}}, "cors", "OPTIONS"},
		{"JSON asks, allowed", "POST", other.at("127.0.0.1", "/", allowed...), &oidcrptest.FetchOptions{Header: json, Body: "{}"}, "", "OPTIONS POST"},
		{"no-cors", "POST", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Mode: "no-cors"}, "", "POST"},
		{"same-origin mode", "GET", other.at("127.0.0.1", "/"), &oidcrptest.FetchOptions{Mode: "same-origin"}, "cors", ""},
		{"redirected to another origin", "GET", s.at("localhost", "/", "to", other.at("127.0.0.1", "/")), nil, "cors", "GET GET"},
		{"redirect not followed", "GET", s.at("localhost", "/", "to", other.at("127.0.0.1", "/")), &oidcrptest.FetchOptions{Redirect: "manual"}, "", "GET"},
		{"redirect as an error", "GET", s.at("localhost", "/", "to", "/x"), &oidcrptest.FetchOptions{Redirect: "error"}, "cors", "GET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := oidcrptest.NewBrowser(t)
			b.Get(s.at("localhost", "/page"))
			page := b.Fetch(test.method, test.target, test.opts)
			var methods []string
			for _, hop := range page.Trail {
				methods = append(methods, hop.Method)
			}
			if page.Blocked != test.blocked || strings.Join(methods, " ") != test.methods || b.Page().URL.Path != "/page" {
				t.Errorf("blocked by %q after %q: %v", page.Blocked, methods, page)
			}
			for _, hop := range page.Trail {
				cross := hop.URL.Hostname() != "localhost"
				if cross && test.name != "no-cors" && hop.Request.Get("Origin") != self {
					t.Errorf("Origin %q", hop.Request.Get("Origin"))
				}
				if hop.Request.Get("Sec-Fetch-Dest") != "empty" || cross == (hop.Request.Get("Sec-Fetch-Site") == "same-origin") {
					t.Errorf("headers %v", hop.Request)
				}
			}
		})
	}
}

func TestTabsMayRunInParallel(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	done := make(chan bool)
	for i := range 8 {
		tab := b.Tab()
		go func() {
			tab.Get(s.at("localhost", "/", "set", fmt.Sprintf("c%d=1", i)))
			done <- true
		}()
	}
	for range 8 {
		<-done
	}
	if got := len(b.Cookies(s.at("localhost", "/"))); got != 8 {
		t.Errorf("%d cookies", got)
	}
}
