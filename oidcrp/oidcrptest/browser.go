package oidcrptest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// MaxRedirects is how many requests one navigation may make before it fails
// the test, as Chromium gives up after 20 redirects.
const MaxRedirects = 20

// Browser is one tab of a browser that reaches servers on this machine only.
// It keeps and sends cookies as Chromium does, with its default of blocking
// third-party cookies; follows redirects; submits forms, those that submit
// themselves too, with the fragment of the address if their script reads it;
// loads frames; obeys form-action, frame-src and frame-ancestors of a page's
// Content-Security-Policy; and sends Sec-Fetch-*, Origin, Referer and Accept
// as Chromium does. It accepts any TLS certificate, runs no other script and
// loads no images or styles.
//
// Mistakes in the test, such as a form that is not there, and redirect loops
// fail the test at once. What a server or the browser refuses does not: see
// [Page].
//
// A tab is for one goroutine at a time; different tabs may run in parallel.
type Browser struct {
	t testing.TB
	*profile

	history []*visit
	at      int // index in history of the current page; -1: none
}

// profile is what the tabs of a browser share.
type profile struct {
	jar       jar
	transport *http.Transport // redirects are the browser's own business

	mu       sync.Mutex
	language string
	scripts  bool
	hosts    map[string]string
}

// visit is an entry of the history.
type visit struct {
	request *navigation // the last one, after redirects
	page    *Page
}

// NewBrowser opens a browser with one empty tab and no cookies.
func NewBrowser(t testing.TB) *Browser {
	p := &profile{language: "en", scripts: true, hosts: map[string]string{}}
	p.jar.now = time.Now
	p.transport = &http.Transport{
		DialContext:       p.dial,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // it dials loopback only
		ForceAttemptHTTP2: true,
	}
	t.Cleanup(p.transport.CloseIdleConnections)
	return &Browser{t: t, profile: p, at: -1}
}

// dial reaches loopback only, so that no test leaves the machine.
func (p *profile) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	mapped, ok := p.hosts[strings.ToLower(host)]
	p.mu.Unlock()
	if ok {
		addr = mapped
	} else if !loopback(host) {
		return nil, fmt.Errorf("oidcrptest: the browser does not leave this machine: say where %s is with Resolve", host)
	} else if strings.HasSuffix(strings.ToLower(host), ".localhost") {
		addr = net.JoinHostPort("localhost", port)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// Resolve makes a made-up host name lead to a loopback address and port:
//
//	b.Resolve("app.example.com", server.Listener.Addr().String())
func (b *Browser) Resolve(host, addr string) {
	b.t.Helper()
	if h, _, err := net.SplitHostPort(addr); err != nil || !loopback(h) {
		b.t.Fatalf("oidcrptest: Resolve: %q is not a loopback address with a port", addr)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[strings.ToLower(host)] = addr
}

// SetNow replaces the clock by which cookies expire, in all tabs.
func (b *Browser) SetNow(now func() time.Time) {
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	b.jar.now = now
}

// SetLanguage sets Accept-Language, in all tabs. The default is "en".
func (b *Browser) SetLanguage(acceptLanguage string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.language = acceptLanguage
}

// SetJavaScript turns scripts on or off, in all tabs. They are on; all that a
// script can do is submit its page's first form, and give it the fragment of
// the address, be it empty, if it mentions location.hash: whole in the first empty field,
// or in a field for each parameter where no field is empty.
func (b *Browser) SetJavaScript(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scripts = on
}

func (p *profile) settings() (language string, scripts bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.language, p.scripts
}

// Tab opens a new, empty tab with the same cookies.
func (b *Browser) Tab() *Browser {
	return &Browser{t: b.t, profile: b.profile, at: -1}
}

// Restart is closing the browser and opening it again: cookies without an
// expiry are gone. Pages and their history stay.
func (b *Browser) Restart() {
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	b.jar.cookies = slices.DeleteFunc(b.jar.cookies, func(c *cookie) bool { return c.expires.IsZero() })
}

// Page returns the page the tab shows; nil before the first.
func (b *Browser) Page() *Page {
	if b.at < 0 {
		return nil
	}
	return b.history[b.at].page
}

// Cookies returns the cookies kept for a URL, whatever their SameSite, with
// their attributes. Domain is empty for a host-only cookie, Expires zero for
// one that ends with the browser.
func (b *Browser) Cookies(rawURL string) []*http.Cookie {
	b.t.Helper()
	u := b.parse(rawURL)
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	var found []*http.Cookie
	for _, c := range b.jar.matching(u) {
		out := &http.Cookie{Name: c.name, Value: c.value, Path: c.path, Expires: c.expires, Secure: c.secure, HttpOnly: c.httpOnly, SameSite: c.sameSite}
		if !c.hostOnly {
			out.Domain = c.domain
		}
		found = append(found, out)
	}
	return found
}

// SetCookie keeps a cookie as if the server of a URL had set it by this
// Set-Cookie line on a page the user visited; say "Path=/" to plant it for
// all. A line that a browser would refuse fails the test.
func (b *Browser) SetCookie(rawURL, line string) {
	b.t.Helper()
	u := b.parse(rawURL)
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	if err := b.jar.storeLine(u, line, crossing{sameSite: true, topLevel: true, safe: true}); err != nil {
		b.t.Fatalf("oidcrptest: SetCookie %q: %v", line, err)
	}
}

// DropCookie forgets all cookies of this name, and returns how many.
func (b *Browser) DropCookie(name string) int {
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	before := len(b.jar.cookies)
	b.jar.cookies = slices.DeleteFunc(b.jar.cookies, func(c *cookie) bool { return c.name == name })
	return before - len(b.jar.cookies)
}

// DropCookies forgets all cookies.
func (b *Browser) DropCookies() {
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	b.jar.cookies = nil
}

// RefusedCookies says which cookies servers tried to set in vain, and why,
// such as "id of http://localhost:3000: SameSite=None without Secure".
func (b *Browser) RefusedCookies() []string {
	b.jar.mu.Lock()
	defer b.jar.mu.Unlock()
	return slices.Clone(b.jar.refused)
}

func (b *Browser) parse(rawURL string) *url.URL {
	b.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		b.t.Fatalf("oidcrptest: %q is not an http or https URL", rawURL)
	}
	return u
}
