package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// directory is a source whose providers come and go.
type directory struct {
	mu    sync.Mutex
	all   map[string]oidcrp.Provider
	calls map[string]int // by method
	fail  func(method string) error
}

func (d *directory) ask(method string, fits func(oidcrp.Provider) bool) ([]oidcrp.Provider, error) {
	d.mu.Lock()
	d.calls[method]++
	fail := d.fail
	var found []oidcrp.Provider
	for _, name := range slices.Sorted(maps.Keys(d.all)) {
		if fits(d.all[name]) {
			found = append(found, d.all[name])
		}
	}
	d.mu.Unlock()
	if fail != nil {
		if err := fail(method); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (d *directory) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	_, err := d.ask("Provider", func(oidcrp.Provider) bool { return false })
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.all[name]
	if err == nil && !ok {
		err = oidcrp.ErrNoProvider
	}
	return p, err
}

func (d *directory) ByIssuer(_ context.Context, issuer string) ([]oidcrp.Provider, error) {
	return d.ask("ByIssuer", func(p oidcrp.Provider) bool { return p.Issuer == issuer })
}

func (d *directory) ByEmailDomain(_ context.Context, domain string) ([]oidcrp.Provider, error) {
	return d.ask("ByEmailDomain", func(p oidcrp.Provider) bool { return slices.Contains(p.EmailDomains, domain) })
}

func (d *directory) List(context.Context) ([]oidcrp.Provider, error) {
	return d.ask("List", func(p oidcrp.Provider) bool { return !p.Hidden })
}

// change changes or adds a provider.
func (d *directory) change(name string, change func(*oidcrp.Provider)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.all[name]
	p.Name = name
	change(&p)
	d.all[name] = p
}

func (d *directory) remove(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.all, name)
}

func (d *directory) failing(fail func(method string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

func (d *directory) asked(method string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls[method]
}

// quiet is for those whose log nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// navigation is a request of a browser that opens a page.
func navigation(t *testing.T, a *app, b *oidcrptest.Browser, path string) *http.Request {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(navigate); i += 2 {
		r.Header.Add(navigate[i], navigate[i+1])
	}
	for _, c := range b.Cookies(a.URL + path) {
		r.AddCookie(c)
	}
	return r
}

func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// sourcedApp is an application whose provider comes from a source, as "acme".
func sourcedApp(t *testing.T, change func(*oidcrp.Config, *directory)) (*app, *directory) {
	t.Helper()
	d := &directory{all: map[string]oidcrp.Provider{}, calls: map[string]int{}}
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.Providers, c.ProviderSource = nil, d
		p := op.Config("acme", c.BaseURL)
		p.Version = "1"
		d.all["acme"] = p
		if change != nil {
			change(c, d)
		}
	})
	op.SetNow(a.clock.now)
	return a, d
}

func TestProviderFromASource(t *testing.T) {
	a, d := sourcedApp(t, nil)
	b := a.browse()
	// The sign-in page has it; nothing was fetched for that.
	a.shows(b.Get(a.URL+"/reports?year=2026"), "Sign in with acme")
	a.calls(oidcrptest.DiscoveryEndpoint, 0)
	a.shows(b.Follow("Sign in with acme"), "reports for alice at /reports?year=2026")
	a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
	if a.op.Calls(oidcrptest.EndSessionEndpoint) != 1 {
		t.Error("not signed out at the provider")
	}
	// A link that names it skips the page; a name nobody has is the page.
	a.shows(b.Get(a.URL+"/auth/login?provider=acme&return_to=/reports"), "reports for alice")
	for _, name := range []string{"other", "ACME", "../acme", strings.Repeat("a", 65)} {
		a.shows(a.browse().Get(a.URL+"/auth/login?provider="+url.QueryEscape(name)), "Sign in with acme")
	}
	// What is said of a provider serves those who are signed in for a minute.
	before := d.asked("Provider")
	for range 5 {
		a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	}
	if got := d.asked("Provider"); got != before {
		t.Errorf("asked %d times for requests within a minute", got-before)
	}
	a.clock.advance(61 * time.Second)
	for range 5 {
		a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	}
	if got := d.asked("Provider"); got != before+1 {
		t.Errorf("asked %d times after a minute", got-before)
	}
	a.calls(oidcrptest.DiscoveryEndpoint, 1)
	if s := a.rp.Status(); len(s.Providers) != 1 || s.Providers[0].Name != "acme" || !s.Providers[0].Ready {
		t.Errorf("status %v", s)
	}
}

// A8: added, changed and removed without a restart.
func TestProviderComesAndGoes(t *testing.T) {
	a, d := sourcedApp(t, nil)
	b := a.signInBy("acme")

	d.change("second", func(p *oidcrp.Provider) {
		*p = a.op.Config("second", a.URL)
		p.Version, p.DisplayName = "1", "The Second"
	})
	second := a.browse()
	second.Get(a.URL + "/reports")
	a.shows(second.Follow("Sign in with The Second"), "reports for alice")

	// The same Version changes nothing; another does, and fetches anew.
	fetched := a.op.Calls(oidcrptest.DiscoveryEndpoint)
	d.change("acme", func(p *oidcrp.Provider) { p.Prompt = "login" })
	a.shows(b.Get(a.URL+"/auth/login?provider=acme&return_to=/reports"), "reports for alice")
	if last := a.requests(); last[len(last)-1].Has("prompt") || a.op.Calls(oidcrptest.DiscoveryEndpoint) != fetched {
		t.Error("built anew for the same version")
	}
	d.change("acme", func(p *oidcrp.Provider) { p.Version = "2" })
	b.Get(a.URL + "/auth/login?provider=acme&return_to=/reports")
	if last := a.requests(); last[len(last)-1].Get("prompt") != "login" || a.op.Calls(oidcrptest.DiscoveryEndpoint) != fetched+1 {
		t.Errorf("not built anew for another version: %v", last[len(last)-1])
	}

	// Removed: its sessions end within a minute, at their next request.
	d.remove("acme")
	a.clock.advance(61 * time.Second)
	a.shows(b.Get(a.URL+"/reports"), "Sign in with The Second")
	a.shows(second.Get(a.URL+"/reports"), "reports for alice")
	if page := b.Get(a.URL + "/auth/login?provider=acme"); strings.Contains(page.Text(), "with acme") || page.Status != http.StatusOK {
		t.Errorf("%s", page)
	}
	if s := a.rp.Status(); len(s.Providers) != 1 || s.Providers[0].Name != "second" {
		t.Errorf("status %v", s)
	}
}

// signInBy opens a browser with a session at one of several providers.
func (a *app) signInBy(name string) *oidcrptest.Browser {
	a.t.Helper()
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports&provider="+name), "reports for alice")
	return b
}

// clientOf is who we are at a provider, on its side.
func (a *app) clientOf(p oidcrp.Provider) oidcrptest.Client {
	a.t.Helper()
	for _, c := range a.op.Clients() {
		if c.ID == p.ClientID {
			return c
		}
	}
	a.t.Fatal("no such client")
	return oidcrptest.Client{}
}

func TestProviderChangesDuringALogin(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(d *directory)
		status int
		reason string
	}{
		"removed": {func(d *directory) { d.remove("acme") }, 404, "unknown_provider"},
		"another issuer": {func(d *directory) {
			d.change("acme", func(p *oidcrp.Provider) { p.Issuer, p.Version = "https://other.example", "2" })
		}, 400, "provider"},
		"another client": {func(d *directory) {
			d.change("acme", func(p *oidcrp.Provider) { p.ClientID, p.Version = "another", "2" })
		}, 400, "provider"},
		"broken":         {func(d *directory) { d.change("acme", func(p *oidcrp.Provider) { p.ClientID, p.Version = "", "2" }) }, 500, "misconfigured"},
		"source is down": {func(d *directory) { d.failing(func(string) error { return errors.New("no database") }) }, 503, "source_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			a, d := sourcedApp(t, nil)
			b := a.browse()
			callback := a.stopAtCallback(b, "/auth/login?provider=acme&return_to=/reports")
			tt.change(d)
			page := b.Get(callback)
			a.refused(page, tt.status, tt.reason)
			a.calls(oidcrptest.TokenEndpoint, 0)
			if tt.status == 404 && !strings.Contains(page.Text(), "Sign in") {
				t.Errorf("no way on: %s", page)
			}
		})
	}
	// A change of what does not identify the client does not matter.
	a, d := sourcedApp(t, nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/auth/login?provider=acme&return_to=/reports")
	d.change("acme", func(p *oidcrp.Provider) { p.DisplayName, p.Version = "ACME", "2" })
	a.shows(b.Get(callback), "reports for alice")
}

func TestSourceFails(t *testing.T) {
	outage := func(string) error { return errors.New("the database is down, at secret-host") }
	for name, fail := range map[string]func(string) error{
		"error": outage,
		"panic": func(string) error { panic("source") },
	} {
		t.Run(name, func(t *testing.T) {
			var static *oidcrptest.Provider
			a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) {
				static = oidcrptest.NewProvider(t)
				c.Providers = []oidcrp.Provider{static.Config("staff", c.BaseURL)}
				c.Providers[0].EmailDomains = []string{"example.com"}
				c.SingleSignOn = true
				d.all["never"] = oidcrp.Provider{Name: "never", Issuer: "https://never.example", ClientID: "x", Version: "1", EmailDomains: []string{"never.example"}}
			})
			a.op.AddUser(oidcrptest.User{Subject: "alice", Email: "alice@elsewhere.example"})
			static.SignInAs("bob")
			static.SetNow(a.clock.now)
			b := a.signInBy("acme")
			d.failing(fail)
			// A login that needs the source is 503, and so is a look-up by address.
			page := a.browse().Get(a.URL + "/auth/login?provider=acme")
			a.refused(page, http.StatusServiceUnavailable, "source_unavailable")
			if page.Header.Get("Retry-After") == "" || strings.Contains(page.Body, "secret-host") {
				t.Errorf("%v %s", page.Header, page)
			}
			a.refused(a.browse().Get(a.URL+"/auth/login?identifier=x@never.example"), http.StatusServiceUnavailable, "source_unavailable")
			// Everybody else goes on, and who is signed in: here, there, elsewhere.
			a.clock.advance(61 * time.Second)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			asked := d.asked("Provider")
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			if d.asked("Provider") != asked {
				t.Error("the source is not left alone")
			}
			b2 := a.browse()
			a.shows(b2.Get(a.URL+"/reports"), "Sign in with staff")
			a.shows(b2.Follow("Sign in with staff"), "reports for bob")
			// And out.
			a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
			if err := a.rp.Ready(context.Background()); !errors.Is(err, oidcrp.ErrProviderUnavailable) {
				t.Errorf("ready: %v", err)
			}
			d.failing(nil)
			a.shows(a.signInBy("acme").Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

// Who comes with a session of a provider that is not known here, while the
// source is down, is neither anonymous nor signed in.
func TestSourceFailsForASessionFromBefore(t *testing.T) {
	a, d := sourcedApp(t, nil)
	b := a.signInBy("acme")
	restarted := a.later(func(*oidcrp.Config) {})
	d.failing(func(string) error { return errors.New("down") })
	r := navigation(t, a, b, "/reports")
	w := answer(restarted.RequireLogin(http.NotFoundHandler()), r)
	if w.Code != http.StatusServiceUnavailable || len(w.Header().Values("Set-Cookie")) > 0 {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	d.failing(nil)
	if w := answer(restarted.RequireLogin(http.NotFoundHandler()), r); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A source that never answers keeps nobody waiting, and a flood of questions to
// it does not pile up.
func TestSourceHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{all: map[string]oidcrp.Provider{}, calls: map[string]int{}}
		release := make(chan struct{})
		d.failing(func(string) error { <-release; return nil })
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, ProviderSource: d, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				target := "/auth/login?provider=" + string(rune('a'+i%20)) + strings.Repeat("x", i/20)
				if w := ask(rp, rp, nil, "GET", target, navigate...); w.Code != http.StatusServiceUnavailable {
					t.Errorf("%d", w.Code)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("waited %v", took)
		}
		if n := d.asked("Provider"); n > 200 {
			t.Errorf("%d questions are under way", n)
		}
		close(release)
		if err := rp.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// What a source gives that cannot be used is for the operator, and no matter of
// anybody else's.
func TestSourceGivesWhatCannotBeUsed(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*oidcrp.Provider)
		says   string
	}{
		"nothing":              {func(p *oidcrp.Provider) { *p = oidcrp.Provider{} }, `ProviderSource gave`},
		"another name":         {func(p *oidcrp.Provider) { p.Name = "other" }, `gave \"other\"`},
		"no version":           {func(p *oidcrp.Provider) { p.Version = "" }, "Version: missing"},
		"no client id":         {func(p *oidcrp.Provider) { p.ClientID = "" }, "ClientID"},
		"a callback path":      {func(p *oidcrp.Provider) { p.RedirectPath = "/signin" }, "RedirectPath"},
		"form_post":            {func(p *oidcrp.Provider) { p.ResponseMode = "form_post" }, "ResponseMode"},
		"a public mail domain": {func(p *oidcrp.Provider) { p.EmailDomains = []string{"Gmail.com"} }, "public mail service"},
		"logout without store": {func(p *oidcrp.Provider) { p.BackchannelLogout = true }, "needs Config.Store"},
		"a panic inside": {func(p *oidcrp.Provider) {
			p.ClientSecretFunc = func(context.Context) (oidcrp.Secret, error) { panic("vault") }
			p.ClientSecret = ""
		}, "ClientSecretFunc panicked"},
	} {
		t.Run(name, func(t *testing.T) {
			a, d := sourcedApp(t, nil)
			d.change("good", func(p *oidcrp.Provider) { *p = a.op.Config("good", a.URL); p.Version = "1" })
			d.change("acme", tt.change)
			page := a.browse().Get(a.URL + "/auth/login?provider=acme&return_to=/reports")
			if page.Status < 500 || !strings.Contains(a.log.String(), tt.says) || strings.Contains(page.Body, tt.says) {
				t.Errorf("%s\nlog: %s", page, a.log)
			}
			a.noSessionIn(page.Header)
			a.shows(a.signInBy("good").Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

// Config.Providers go before the source, and that is said.
func TestNameInBoth(t *testing.T) {
	a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		p := d.all["acme"]
		p.DisplayName = "The first"
		c.Providers = []oidcrp.Provider{p}
		p.DisplayName, p.Issuer = "The second", "https://other.example"
		d.all["acme"] = p
	})
	b := a.browse()
	page := b.Get(a.URL + "/auth/login?return_to=/reports")
	if strings.Contains(page.Body, "The second") || !strings.Contains(a.log.String(), "one of Config.Providers has this name") {
		t.Errorf("%s\n%s", page, a.log)
	}
	a.shows(b.Follow("Sign in with The first"), "reports for alice")
	if d.asked("Provider") != 0 {
		t.Error("the source was asked for a name of Config.Providers")
	}
}

func TestThirdPartyInitiatedLoginAtASourcedProvider(t *testing.T) {
	a, d := sourcedApp(t, nil)
	q := url.Values{"iss": {a.op.Issuer()}, "login_hint": {"bob"}, "target_link_uri": {a.URL + "/reports"}}
	a.shows(invite(a.browse(), a, "GET", q), "reports for bob")
	// Two tenants of one provider: nobody but the visitor knows.
	d.change("second", func(p *oidcrp.Provider) { *p = a.op.Config("second", a.URL); p.Version = "1" })
	b := a.browse()
	a.shows(invite(b, a, "GET", q), "Sign in with second")
	a.shows(b.Follow("Sign in with second"), "reports for bob")
	q.Set("iss", "https://nobody.example")
	a.refused(invite(a.browse(), a, "GET", q), 400, "unknown_issuer")
	d.failing(func(string) error { return errors.New("down") })
	a.refused(invite(a.browse(), a, "GET", q), 503, "source_unavailable")
}

// Two tenants' providers could else answer for one another (RFC 9700 4.4).
func TestTenantSuppliedFromASource(t *testing.T) {
	tenant := oidcrp.Provider{Name: "evil", Issuer: "https://evil.example", ClientID: "x", ClientSecret: "s", TenantSupplied: true, Version: "1"}
	d := &directory{all: map[string]oidcrp.Provider{"evil": tenant}, calls: map[string]int{}}
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, ProviderSource: d, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	// Another site's link is asked about before anything is fetched.
	w := ask(rp, rp, nil, "GET", "/auth/login?provider=evil", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Accept", "text/html")
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Continue only if you expected this") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !oidcrp.WantsIss(rp, "evil") {
		t.Error("iss may be missing")
	}
}

func TestSourcedLogoutTokens(t *testing.T) {
	store := oidcrp.NewMemoryStore()
	a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		c.Store = store
		p := d.all["acme"]
		p.BackchannelLogout, p.FrontchannelLogout = true, true
		d.all["acme"] = p
	})
	client := a.clientOf(d.all["acme"])
	client.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/acme"
	a.op.AddClient(client)
	b := a.signInBy("acme")
	if sent := a.op.SendLogoutToken(client.ID, a.op.LogoutToken(client.ID, "alice", "")); sent.Status != http.StatusOK {
		t.Errorf("%+v", sent)
	}
	w := answer(a.rp.RequireLogin(http.NotFoundHandler()), navigation(t, a, b, "/reports"))
	if w.Code != http.StatusFound {
		t.Errorf("the session goes on: %d", w.Code)
	}
	for path, status := range map[string]int{
		"/auth/backchannel-logout/gone":  404,
		"/auth/frontchannel-logout/gone": 404,
		"/auth/callback/gone":            404,
		"/auth/jwks/acme":                404,
		"/auth/request/acme":             404,
		"/auth/nothing/acme":             404,
	} {
		method := "GET"
		if strings.Contains(path, "backchannel") {
			method = "POST"
		}
		if w := ask(a.rp, a.rp, nil, method, path, "Content-Type", "application/x-www-form-urlencoded"); w.Code != status {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	d.remove("acme")
	if w := ask(a.rp, a.rp, nil, "POST", "/auth/backchannel-logout/acme"); w.Code != 404 {
		t.Errorf("after it was removed: %d", w.Code)
	}
}

// byHand is a provider that a login can start at without any call.
func byHand(name string) oidcrp.Provider {
	return oidcrp.Provider{Name: name, Issuer: "https://op.example", ClientID: "x", ClientSecret: "s", Version: "1",
		Endpoints: oidcrp.Endpoints{Authorization: "https://op.example/a", Token: "https://op.example/t", JWKS: "https://op.example/k"}}
}

// endless has a provider of every name.
type endless struct{ directory }

func (*endless) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	return byHand(name), nil
}

// A8: of 100,000 tenants those that are used are in memory.
func TestManyConnectorsAreBounded(t *testing.T) {
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet,
		ProviderSource: &endless{directory{calls: map[string]int{}}}})
	if err != nil {
		t.Fatal(err)
	}
	const connectors = 5000
	var seen oidcrp.Seen
	for i := range connectors {
		if w := ask(rp, rp, nil, "GET", "/auth/login?provider=t"+strconv.Itoa(i), navigate...); w.Code != http.StatusFound {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if i%500 == 0 {
			seen.Look(rp)
		}
	}
	seen.Look(rp)
	if n := len(rp.Status().Providers); n != 1000 {
		t.Errorf("%d are kept ready", n)
	}
	for range 3 {
		runtime.GC()
	}
	if all, live := seen.Count(); all != connectors || live > 1100 {
		t.Errorf("%d of %d providers are in memory", live, all)
	}
}

// everywhere has a provider of every name, at one server.
type everywhere struct {
	directory
	server string
}

func (e *everywhere) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	return oidcrp.Provider{Name: name, Issuer: e.server + "/" + name, ClientID: "x", ClientSecret: "s", Version: "1"}, nil
}

// Those that are not kept ready keep no connection either.
func TestConnectionsOfManyConnectorsAreBounded(t *testing.T) {
	var open atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		issuer := "http://" + r.Host + strings.TrimSuffix(r.URL.Path, oidcrptest.DiscoveryEndpoint)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"issuer": %q, "authorization_endpoint": "%[2]s/a", "token_endpoint": "%[2]s/t", "jwks_uri": "%[2]s/k", "response_types_supported": ["code"]}`, issuer, issuer)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", Logger: quiet,
		ProviderSource: &everywhere{directory{calls: map[string]int{}}, server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	oidcrp.KeepBuilt(rp, 10)
	for i := range 50 {
		if w := ask(rp, rp, nil, "GET", "/auth/login?provider=t"+strconv.Itoa(i), navigate...); w.Code != http.StatusFound {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	// The server notices a little later.
	for end := time.Now().Add(10 * time.Second); open.Load() > 10; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d connections are open, for 10 providers", open.Load())
		}
	}
}

// down never reaches anybody.
type down struct{}

func (down) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("down") }

// silentOnes has a provider of every name, and none of them answers.
type silentOnes struct{ directory }

func (*silentOnes) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	return oidcrp.Provider{Name: name, Issuer: "https://op.example/" + name, ClientID: "x", ClientSecret: "s", Version: "1"}, nil
}

// So is what is remembered of those that are not kept ready.
func TestWhatWasSpentIsBounded(t *testing.T) {
	now := time.Now() // stands still: nothing is to have rested long enough
	rp, err := oidcrp.NewAt(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet,
		HTTPClient: &http.Client{Transport: down{}}, ProviderSource: &silentOnes{directory{calls: map[string]int{}}}}, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	oidcrp.RememberSpending(rp, 500)
	for i := range 2000 {
		if w := ask(rp, rp, nil, "GET", "/auth/login?provider=t"+strconv.Itoa(i), navigate...); w.Code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if n := oidcrp.Remembered(rp); n > 500 || n < 400 {
		t.Errorf("%d are remembered", n)
	}
}

// What was spent on a provider outlives its place among those kept ready.
func TestSpendingOutlivesEviction(t *testing.T) {
	a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		c.Store = oidcrp.NewMemoryStore()
		p := d.all["acme"]
		p.BackchannelLogout = true
		d.all["acme"] = p
	})
	client := a.clientOf(d.all["acme"])
	client.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/acme"
	a.op.AddClient(client)
	a.signInBy("acme")
	forge := func() {
		if sent := a.op.SendLogoutToken(client.ID, a.op.LogoutToken(client.ID, "alice", "")); sent.Status != http.StatusBadRequest {
			t.Errorf("%+v", sent)
		}
	}
	a.op.SetFaults(oidcrptest.OnLogoutToken(oidcrptest.IDTokenHeader("kid", "unknown")))
	for range 5 {
		forge()
	}
	fetched := a.op.Calls(oidcrptest.JWKSEndpoint)
	for i := range 1001 {
		name := "t" + strconv.Itoa(i)
		d.change(name, func(p *oidcrp.Provider) { *p = byHand(name) })
		ask(a.rp, a.rp, nil, "GET", "/auth/login?provider="+name, navigate...)
	}
	if s := a.rp.Status(); slices.ContainsFunc(s.Providers, func(p oidcrp.ProviderStatus) bool { return p.Name == "acme" }) {
		t.Fatal("it is still kept ready")
	}
	forge()
	a.op.SetFaults()
	if got := a.op.Calls(oidcrptest.JWKSEndpoint); got != fetched {
		t.Errorf("%d fetches more for tokens of strangers", got-fetched)
	}
	// A login has a budget of its own.
	a.signInBy("acme")
}

func BenchmarkFirstLoginAtANewProvider(b *testing.B) {
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet,
		ProviderSource: &endless{directory{calls: map[string]int{}}}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		i++
		if w := ask(rp, rp, nil, "GET", "/auth/login?provider=t"+strconv.Itoa(i), navigate...); w.Code != http.StatusFound {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
}
