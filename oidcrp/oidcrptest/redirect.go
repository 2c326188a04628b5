package oidcrptest

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// follow makes one navigation with its redirects.
func (b *Browser) follow(n *navigation, trail []Hop) *visit {
	b.t.Helper()
	page := &Page{URL: n.url, Trail: trail}
	v := &visit{request: n, page: page}
	hop := *n // the request of this hop
	state := redirectState{from: n.initiator, opaque: n.opaque, policy: n.referrer}
	for redirected := false; ; redirected = true {
		page.URL = hop.url
		if hop.url.Scheme != "http" && hop.url.Scheme != "https" {
			page.Blocked = "scheme"
			return v
		}
		if n.form != nil && !n.form.allowsForm(hop.url, redirected) {
			page.Blocked = "form-action"
			return v
		}
		if n.frame != nil && !n.frame.policy.allowsFrame(hop.url, redirected) {
			page.Blocked = "frame-src"
			return v
		}
		if len(page.Trail) > MaxRedirects {
			b.t.Fatalf("oidcrptest: more than %d requests without reaching a page: %v", MaxRedirects, page)
		}
		state.step(hop.url)
		res, err := b.document(&hop, &state)
		if err != nil {
			page.Err = err
			return v
		}
		page.take(res)
		next := location(hop.url, res)
		if next == nil {
			break
		}
		if policy := res.header.Get("Referrer-Policy"); policy != "" {
			state.policy = policy
		}
		hop = redirectTo(hop, next, res.status)
	}
	v.request = &hop
	if page.isHTML() {
		_, scripts := b.settings()
		page.doc = parseHTML(page.URL, page.Body, scripts)
	}
	return v
}

// redirectTo changes the request as a redirect of this status does (Fetch
// 4.5): 303, and 301 and 302 after POST, make it a GET.
func redirectTo(n navigation, to *url.URL, status int) navigation {
	if to.Fragment == "" {
		to.Fragment = n.url.Fragment
	}
	n.url = to
	if status == http.StatusSeeOther && n.method != http.MethodHead ||
		n.method == http.MethodPost && (status == http.StatusMovedPermanently || status == http.StatusFound) {
		n.method, n.body, n.contentType = http.MethodGet, "", ""
	}
	return n
}

// location returns where a response redirects to; nil if it does not.
func location(u *url.URL, res *response) *url.URL {
	switch res.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	l := res.header.Get("Location")
	if l == "" {
		return nil
	}
	next, err := u.Parse(l)
	if err != nil {
		return nil
	}
	return next
}

// redirectState is what a chain of redirects adds up to.
type redirectState struct {
	from     *url.URL // who began; nil: the user, or nobody
	opaque   bool
	relation string // Sec-Fetch-Site so far
	tainted  bool   // the origin was lost on the way: "null"
	policy   string // Referrer-Policy
	last     *url.URL
}

func (s *redirectState) step(u *url.URL) {
	if s.from == nil {
		s.relation = "none"
		if s.opaque {
			s.relation = "cross-site"
		}
		return
	}
	s.relation = worse(s.relation, relation(s.from, u))
	if s.relation == "" {
		s.relation = "same-origin"
	}
	if s.last != nil && origin(s.last) != origin(u) && origin(s.from) != origin(s.last) {
		s.tainted = true
	}
	s.last = u
}

// originHeader is the Origin of a request (Fetch 3.1): a page without
// referrers has no origin to show either.
func (s *redirectState) originHeader(u *url.URL, cors bool) string {
	if s.from == nil || s.opaque || s.tainted {
		return "null"
	}
	if cors {
		return origin(s.from)
	}
	switch referrerPolicy(s.policy) {
	case "no-referrer":
		return "null"
	case "same-origin":
		if origin(s.from) != origin(u) {
			return "null"
		}
	case "", "no-referrer-when-downgrade", "strict-origin", "strict-origin-when-cross-origin":
		if s.from.Scheme == "https" && u.Scheme != "https" {
			return "null"
		}
	}
	return origin(s.from)
}

// referer is the Referer of a request; "" for none (Referrer Policy 8.3).
func (s *redirectState) referer(u *url.URL) string {
	if s.from == nil || s.opaque {
		return ""
	}
	full := *s.from
	full.Fragment, full.User = "", nil
	same := origin(s.from) == origin(u)
	downgrade := s.from.Scheme == "https" && !trustworthy(u)
	switch referrerPolicy(s.policy) {
	case "no-referrer":
		return ""
	case "unsafe-url":
		return full.String()
	case "origin":
		return origin(s.from) + "/"
	case "same-origin":
		if !same {
			return ""
		}
		return full.String()
	case "no-referrer-when-downgrade":
		if downgrade {
			return ""
		}
		return full.String()
	case "strict-origin":
		if downgrade {
			return ""
		}
		return origin(s.from) + "/"
	case "origin-when-cross-origin":
		if same {
			return full.String()
		}
		return origin(s.from) + "/"
	}
	switch { // strict-origin-when-cross-origin, the default
	case same:
		return full.String()
	case downgrade:
		return ""
	}
	return origin(s.from) + "/"
}

// referrerPolicy picks the last policy known of a header.
func referrerPolicy(header string) string {
	policy := ""
	for value := range strings.SplitSeq(header, ",") {
		switch value = strings.ToLower(strings.TrimSpace(value)); value {
		case "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
			"origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url":
			policy = value
		}
	}
	return policy
}

// document makes one request for a document.
func (b *Browser) document(n *navigation, s *redirectState) (*response, error) {
	h := http.Header{}
	h.Set("Accept", acceptDocuments)
	h.Set("Upgrade-Insecure-Requests", "1")
	if n.contentType != "" {
		h.Set("Content-Type", n.contentType)
	}
	if n.method != http.MethodGet && n.method != http.MethodHead {
		h.Set("Origin", s.originHeader(n.url, false))
	}
	if referer := s.referer(n.url); referer != "" {
		h.Set("Referer", referer)
	}
	if trustworthy(n.url) {
		h.Set("Sec-Fetch-Site", s.relation)
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-Dest", "document")
		if n.frame != nil {
			h.Set("Sec-Fetch-Dest", "iframe")
		}
		if n.user {
			h.Set("Sec-Fetch-User", "?1")
		}
	}
	// Chromium compares the site with who began, not with the redirects
	// between: signing in by links and redirects alone keeps Strict cookies.
	x := crossing{
		sameSite: !n.opaque && (n.initiator == nil || site(n.initiator) == site(n.url)),
		topLevel: n.frame == nil,
		safe:     n.method == http.MethodGet || n.method == http.MethodHead,
	}
	if n.frame != nil {
		x.thirdParty = n.frame.crosses(n.url)
	}
	return b.send(n.method, n.url, n.body, h, &x)
}

// response is a response read whole.
type response struct {
	hop    Hop
	status int
	header http.Header
	body   string
}

// send makes one request, with cookies and storing cookies unless x is nil.
func (p *profile) send(method string, u *url.URL, body string, h http.Header, x *crossing) (*response, error) {
	language, _ := p.settings()
	h.Set("User-Agent", userAgent)
	h.Set("Accept-Language", language)
	if x != nil {
		if cookies := p.jar.header(u, *x); cookies != "" {
			h.Set("Cookie", cookies)
		}
	}
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	bare := *u
	bare.Fragment = ""
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, bare.String(), reader)
	if err != nil {
		return nil, err
	}
	req.Header = h
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, err
	}
	if x != nil {
		p.jar.store(u, res.Header, *x)
	}
	return &response{
		hop:    Hop{Method: method, URL: u, Request: h, Status: res.StatusCode, Response: res.Header},
		status: res.StatusCode,
		header: res.Header,
		body:   string(content),
	}, nil
}

func (p *Page) take(res *response) {
	p.Trail = append(p.Trail, res.hop)
	p.Status, p.Header, p.Body = res.status, res.header, res.body
}
