package oidcrp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// app is an application under test: a home page for everybody, and pages
// behind guards, on http://localhost and a free port.
type app struct {
	t      *testing.T
	URL    string
	rp     *oidcrp.RelyingParty
	op     *oidcrptest.Provider
	others []*oidcrptest.Provider // that the test added
	front  *front                 // in place of op
	clock  *clock
	log    *record
	events *events
	config oidcrp.Config // what rp was made of

	reports *atomic.Int32             // how often the protected handler was entered
	resumed func(*oidcrp.Login) error // what Resume asks at /accept; nil: nothing
	people  http.Handler              // at /people
}

// clock can be moved, and stopped.
type clock struct {
	ahead   atomic.Int64
	stopped atomic.Pointer[time.Time]
}

func (c *clock) now() time.Time {
	now := c.stopped.Load()
	if now == nil {
		t := time.Now()
		now = &t
	}
	return now.Add(time.Duration(c.ahead.Load()))
}

func (c *clock) stop() {
	now := time.Now()
	c.stopped.Store(&now)
}

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *record) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *record) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// events collects what the event hook gets.
type events struct {
	mu  sync.Mutex
	all []oidcrp.Event
}

func (e *events) add(_ context.Context, ev oidcrp.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// of returns the events of one kind.
func (e *events) of(kind oidcrp.EventKind) []oidcrp.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	var found []oidcrp.Event
	for _, ev := range e.all {
		if ev.Kind == kind {
			found = append(found, ev)
		}
	}
	return found
}

// reason is that of the latest event of a kind.
func (e *events) reason(kind oidcrp.EventKind) string {
	if all := e.of(kind); len(all) > 0 {
		return all[len(all)-1].Reason
	}
	return "no event"
}

// newApp starts an application that signs in at op, which answers at once as
// alice; change may be nil.
func newApp(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *app {
	t.Helper()
	srv, host := newServer()
	a := &app{t: t, URL: "http://" + host, op: op, reports: &atomic.Int32{}, clock: &clock{}, log: &record{}, events: &events{}}
	op.SignInAs("alice")
	cfg := oidcrp.Config{
		BaseURL: a.URL, CookieKeys: [][]byte{key(1)},
		Providers: []oidcrp.Provider{op.Config("test", a.URL)},
		Logger:    slog.New(slog.NewTextHandler(a.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent:   a.events.add,
	}
	cfg.Providers[0].RolesClaim = "roles"
	if change != nil {
		change(&cfg)
	}
	a.config = cfg
	var err error
	if a.rp, err = oidcrp.NewAt(cfg, a.clock.now); err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = a.rp.Load(a.handler())
	srv.Start()
	t.Cleanup(srv.Close)
	return a
}

// newServer has a free port already, and waits for its handler and Start.
func newServer() (srv *httptest.Server, host string) {
	srv = httptest.NewUnstartedServer(nil)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	return srv, "localhost:" + port
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "home of ", name(r)) })
	mux.HandleFunc("/enter", func(w http.ResponseWriter, r *http.Request) { a.rp.Login(w, r, oidcrp.LoginOptions{}) })
	reports := a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.reports.Add(1)
		fmt.Fprintf(w, "reports for %s at %s", name(r), r.URL)
	}))
	mux.Handle("/reports", reports)
	mux.Handle("/reports/", reports)
	mux.Handle("/admin", a.rp.Require(oidcrp.HasRole("admin"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "admin page")
	})))
	mux.Handle("/leave", a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: "/"})
	})))
	mux.HandleFunc("/people", func(w http.ResponseWriter, r *http.Request) { a.people.ServeHTTP(w, r) })
	a.tokenPages(mux)
	a.guardedPages(mux)
	a.linkPages(mux)
	return mux
}

func name(r *http.Request) string {
	if s := oidcrp.FromContext(r.Context()); s != nil {
		return s.Subject()
	}
	return "nobody"
}

// browse opens a browser whose cookies follow the application's clock.
func (a *app) browse() *oidcrptest.Browser {
	b := oidcrptest.NewBrowser(a.t)
	b.SetNow(a.clock.now)
	return b
}

// signIn opens a browser with a session.
func (a *app) signIn() *oidcrptest.Browser {
	a.t.Helper()
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	return b
}

// shows fails the test unless a page is 200 and has the text.
func (a *app) shows(p *oidcrptest.Page, text string) {
	a.t.Helper()
	a.answers(p, http.StatusOK, text)
}

// answers fails the test unless a page has status and text.
func (a *app) answers(p *oidcrptest.Page, status int, text string) {
	a.t.Helper()
	if p.Status != status || !strings.Contains(p.Text()+p.Body, text) {
		a.t.Fatalf("got %d, want %d with %q\n%s\nlog: %s", p.Status, status, text, p, a.log)
	}
}

// refused fails the test unless a page is a refusal as SECURITY's REJ has it:
// its status, a correlation id that the log has too, the reason in the event,
// and no cookie that makes a session.
func (a *app) refused(p *oidcrptest.Page, status int, reason string) {
	a.t.Helper()
	if p.Status != status {
		a.t.Fatalf("status %d, want %d\n%s\nlog: %s", p.Status, status, p, a.log)
	}
	got := append(a.events.of(oidcrp.LoginFailed), a.events.of(oidcrp.ProviderFailed)...)
	if len(got) == 0 {
		a.t.Fatalf("no event\nlog: %s", a.log)
	}
	last := got[len(got)-1]
	if reason != "" && last.Reason != reason {
		a.t.Errorf("reason %q, want %q: %v", last.Reason, reason, last.Err)
	}
	if last.ID == "" || !strings.Contains(p.Text(), last.ID) || !strings.Contains(a.log.String(), last.ID) {
		a.t.Errorf("correlation id %q is not on the page and in the log\n%s", last.ID, p.Text())
	}
	if h := p.Header.Get("Cache-Control"); h != "no-store" {
		a.t.Errorf("Cache-Control %q", h)
	}
	a.noSessionIn(p.Header)
}

func (a *app) noSessionIn(h http.Header) {
	a.t.Helper()
	for _, line := range h.Values("Set-Cookie") {
		if strings.HasPrefix(line, "oidcrp_s_") || strings.HasPrefix(line, "__Host-oidcrp_s_") {
			a.t.Errorf("a session cookie is set: %s", line)
		}
	}
}

// sessionCookie is the session's in a browser.
func (a *app) sessionCookie(b *oidcrptest.Browser) *http.Cookie {
	a.t.Helper()
	for _, c := range b.Cookies(a.URL + "/") {
		if strings.Contains(c.Name, "oidcrp_s_") {
			return c
		}
	}
	a.t.Fatal("no session cookie")
	return nil
}

// calls fails the test unless an endpoint was called so often.
func (a *app) calls(endpoint string, want int) {
	a.t.Helper()
	if got := a.op.Calls(endpoint); got != want {
		a.t.Errorf("%s was called %d times, want %d", endpoint, got, want)
	}
}

// requests returns the parameters of the authorization requests, which were
// pushed.
func (a *app) requests() []url.Values {
	a.t.Helper()
	pushed := a.op.Requests(oidcrptest.PAREndpoint)
	var all []url.Values
	for i, r := range a.op.Requests(oidcrptest.AuthorizeEndpoint) {
		if len(r.Query) != 2 || !r.Query.Has("client_id") || !r.Query.Has("request_uri") || i >= len(pushed) {
			a.t.Fatalf("request %d was not pushed: %v", i, r.Query)
		}
		all = append(all, pushed[i].Form)
	}
	return all
}

// stopAtCallback starts a login and returns the callback address with the
// provider's answer, not yet opened.
func (a *app) stopAtCallback(b *oidcrptest.Browser, start string) string {
	a.t.Helper()
	callback := ""
	jar := b.Cookies(a.URL + start)
	req, err := http.NewRequest(http.MethodGet, a.URL+start, nil)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range jar {
		req.AddCookie(c)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Sec-Fetch-Site", "none") // typed
	client := &http.Client{CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.Contains(req.URL.Path, "/callback/") {
			callback = req.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer res.Body.Close()
	first := res.Request
	for first.Response != nil {
		for _, line := range first.Response.Header.Values("Set-Cookie") {
			if first.Response.Request.URL.Host == strings.TrimPrefix(a.URL, "http://") {
				b.SetCookie(a.URL+start, line)
			}
		}
		first = first.Response.Request
	}
	if callback == "" {
		body, _ := io.ReadAll(res.Body)
		a.t.Fatalf("no callback: %d %s", res.StatusCode, body)
	}
	return callback
}

// problem decodes a problem document.
func problem(t *testing.T, body []byte) (doc struct {
	Type, Title, Detail, Reason, Login, ID string
	Status                                 int
}) {
	t.Helper()
	if err := json.Unmarshal(body, &doc); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return doc
}

// signInAs opens a browser with a session of another user.
func (a *app) signInAs(subject string) *oidcrptest.Browser {
	a.t.Helper()
	a.op.SignInAs(subject)
	defer a.op.SignInAs("alice")
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports"), "reports for "+subject)
	return b
}

// bindingName is the name of the binding cookie.
func (a *app) bindingName(b *oidcrptest.Browser) string {
	a.t.Helper()
	for _, c := range b.Cookies(a.URL + "/") {
		if strings.Contains(c.Name, "oidcrp_login_") {
			return c.Name
		}
	}
	a.t.Fatal("no binding cookie")
	return ""
}

// sessionName is the name of the session cookie for an address.
func (a *app) sessionName(b *oidcrptest.Browser, address string) string {
	a.t.Helper()
	for _, c := range b.Cookies(address + "/") {
		if strings.Contains(c.Name, "oidcrp_s_") {
			return c.Name
		}
	}
	a.t.Fatal("no session cookie")
	return ""
}

// newTLSApp is newApp over https.
func newTLSApp(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *app {
	t.Helper()
	a, srv := newAppAt(t, op, "https", "", change)
	srv.Config.Handler = a.rp.Load(a.handler())
	srv.StartTLS()
	return a
}

// newAppAt is newApp at another base URL, where a server waits to be started.
func newAppAt(t *testing.T, op *oidcrptest.Provider, scheme, path string, change func(*oidcrp.Config)) (*app, *httptest.Server) {
	t.Helper()
	srv, host := newServer()
	t.Cleanup(srv.Close)
	base := scheme + "://" + host + path
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.BaseURL = base
		c.Providers = []oidcrp.Provider{op.Config("test", base)}
		c.Providers[0].RolesClaim = "roles"
		if change != nil {
			change(c)
		}
	})
	a.URL = base
	return a, srv
}

// newSilentApp serves a second application beside a, signing in silently.
func newSilentApp(t *testing.T, a *app) string {
	t.Helper()
	srv, host := newServer()
	base := "http://" + host
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, CookieKeys: [][]byte{key(2)},
		Providers: []oidcrp.Provider{a.op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "home of ", name(r))
	}))
	srv.Start()
	t.Cleanup(srv.Close)
	return base
}

// later is the relying party of the same application after its configuration
// was changed.
func (a *app) later(change func(*oidcrp.Config)) *oidcrp.RelyingParty {
	a.t.Helper()
	cfg := a.config
	cfg.Providers = slices.Clone(cfg.Providers)
	change(&cfg)
	rp, err := oidcrp.NewAt(cfg, a.clock.now)
	if err != nil {
		a.t.Fatal(err)
	}
	return rp
}
