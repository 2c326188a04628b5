package oidcrptest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// FetchOptions are those of the browser's fetch function.
type FetchOptions struct {
	Header http.Header // by the script
	Body   string

	// Mode is "cors" (the default), "no-cors" or "same-origin".
	Mode string
	// Credentials is "same-origin" (the default), "include" or "omit".
	Credentials string
	// Redirect is "follow" (the default), "manual" or "error".
	Redirect string
}

// Fetch makes a request as a script of the current page: with Origin and
// Sec-Fetch headers, with cookies as far as Credentials, SameSite and the
// blocking of third-party cookies allow, and with a preflight where CORS
// wants one. Blocked is "cors" where the script would not get the response;
// then a request that needed a preflight has not been made. opts may be nil.
// The tab stays on its page.
func (b *Browser) Fetch(method, rawURL string, opts *FetchOptions) *Page {
	b.t.Helper()
	around := b.mustPage()
	if opts == nil {
		opts = &FetchOptions{}
	}
	f := &fetch{
		browser: b,
		opts:    *opts,
		state:   redirectState{from: around.URL, policy: around.Header.Get("Referrer-Policy")},
		page:    &Page{},
	}
	f.opts.Mode = orDefault(opts.Mode, "cors")
	f.opts.Credentials = orDefault(opts.Credentials, "same-origin")
	f.opts.Redirect = orDefault(opts.Redirect, "follow")
	target, err := around.URL.Parse(rawURL)
	if err != nil {
		b.t.Fatalf("oidcrptest: Fetch: %v", err)
	}
	f.run(navigation{method: strings.ToUpper(method), url: target, body: opts.Body})
	if f.page.isHTML() {
		f.page.doc = parseHTML(f.page.URL, f.page.Body, true)
	}
	return f.page
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// fetch is one call of Fetch under way.
type fetch struct {
	browser *Browser
	opts    FetchOptions
	state   redirectState
	page    *Page
}

func (f *fetch) run(n navigation) {
	f.browser.t.Helper()
	for {
		f.page.URL = n.url
		f.state.step(n.url)
		cross := f.state.relation != "same-origin"
		if cross && f.opts.Mode == "same-origin" {
			f.page.Blocked = "cors"
			return
		}
		if len(f.page.Trail) > MaxRedirects {
			f.browser.t.Fatalf("oidcrptest: Fetch: more than %d requests: %v", MaxRedirects, f.page)
		}
		checked := cross && f.opts.Mode == "cors"
		if checked && f.needsPreflight(n.method) && !f.preflight(n) {
			return
		}
		res, err := f.send(n, cross)
		if err != nil {
			f.page.Err = err
			return
		}
		f.page.take(res)
		if checked && !f.allowed(res.header, n.url) {
			f.page.Blocked = "cors"
			return
		}
		next := location(n.url, res)
		if next == nil || f.opts.Redirect == "manual" {
			return
		}
		if f.opts.Redirect == "error" {
			f.page.Blocked = "cors"
			return
		}
		n = redirectTo(n, next, res.status)
	}
}

// credentials reports whether cookies may go along, if SameSite lets them.
func (f *fetch) credentials(cross bool) bool {
	return f.opts.Credentials == "include" || f.opts.Credentials == "same-origin" && !cross
}

func (f *fetch) send(n navigation, cross bool) (*response, error) {
	h := http.Header{}
	h.Set("Accept", "*/*")
	for name, values := range f.opts.Header {
		h[http.CanonicalHeaderKey(name)] = slices.Clone(values)
	}
	if n.body != "" && h.Get("Content-Type") == "" {
		h.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	if n.body == "" {
		h.Del("Content-Type")
	}
	safe := n.method == http.MethodGet || n.method == http.MethodHead
	if !safe || cross && f.opts.Mode == "cors" {
		h.Set("Origin", f.state.originHeader(n.url, f.opts.Mode == "cors"))
	}
	if referer := f.state.referer(n.url); referer != "" {
		h.Set("Referer", referer)
	}
	f.secFetch(h, n.url)
	var x *crossing
	if f.credentials(cross) {
		same := site(f.state.from) == site(n.url)
		x = &crossing{sameSite: same, safe: safe, thirdParty: !same}
	}
	return f.browser.send(n.method, n.url, n.body, h, x)
}

func (f *fetch) secFetch(h http.Header, u *url.URL) {
	if !trustworthy(u) {
		return
	}
	h.Set("Sec-Fetch-Site", f.state.relation)
	h.Set("Sec-Fetch-Mode", f.opts.Mode)
	h.Set("Sec-Fetch-Dest", "empty")
}

// needsPreflight reports whether CORS asks first (Fetch 4.1).
func (f *fetch) needsPreflight(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodPost || len(f.unsafeHeaders()) > 0
}

// unsafeHeaders are the script's headers that are not CORS-safelisted.
func (f *fetch) unsafeHeaders() []string {
	var names []string
	for name := range f.opts.Header {
		switch name = strings.ToLower(name); name {
		case "accept", "accept-language", "content-language":
		case "content-type":
			mediaType, _, _ := strings.Cut(f.opts.Header.Get(name), ";")
			switch strings.ToLower(strings.TrimSpace(mediaType)) {
			case urlencoded, "multipart/form-data", "text/plain":
			default:
				names = append(names, name)
			}
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// preflight asks whether the request may be made (Fetch 4.8).
func (f *fetch) preflight(n navigation) bool {
	h := http.Header{}
	h.Set("Accept", "*/*")
	h.Set("Origin", f.state.originHeader(n.url, true))
	h.Set("Access-Control-Request-Method", n.method)
	unsafe := f.unsafeHeaders()
	if len(unsafe) > 0 {
		h.Set("Access-Control-Request-Headers", strings.Join(unsafe, ","))
	}
	f.secFetch(h, n.url)
	res, err := f.browser.send(http.MethodOptions, n.url, "", h, nil)
	if err != nil {
		f.page.Err = err
		return false
	}
	f.page.take(res)
	methods := listed(res.header, "Access-Control-Allow-Methods")
	headers := listed(res.header, "Access-Control-Allow-Headers")
	wild := f.opts.Credentials != "include"
	ok := res.status >= 200 && res.status < 300 && f.allowed(res.header, n.url)
	ok = ok && (n.method == http.MethodPost || n.method == http.MethodGet || n.method == http.MethodHead ||
		slices.Contains(methods, strings.ToLower(n.method)) || wild && slices.Contains(methods, "*"))
	for _, name := range unsafe {
		ok = ok && (slices.Contains(headers, name) || wild && name != "authorization" && slices.Contains(headers, "*"))
	}
	if !ok {
		f.page.Blocked = "cors"
	}
	return ok
}

// allowed is the CORS check of a response (Fetch 4.9).
func (f *fetch) allowed(h http.Header, u *url.URL) bool {
	allow := h.Get("Access-Control-Allow-Origin")
	if f.opts.Credentials != "include" && allow == "*" {
		return true
	}
	if allow != f.state.originHeader(u, true) {
		return false
	}
	return f.opts.Credentials != "include" || h.Get("Access-Control-Allow-Credentials") == "true"
}

func listed(h http.Header, name string) []string {
	var items []string
	for _, value := range h.Values(name) {
		for item := range strings.SplitSeq(value, ",") {
			items = append(items, strings.ToLower(strings.TrimSpace(item)))
		}
	}
	return items
}
