package oidcrp_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const (
	acmeURL = "https://acme.example"
	betaURL = "https://beta.example/app"
)

// tenants is an application with a base URL for each of two tenants, and a
// third host that leads to the first one's.
type tenants struct {
	*app
	server  *httptest.Server
	network *http.Transport // every host leads there

	mu    sync.Mutex
	sites map[string]oidcrp.Site
	fails error
	asked []string // hosts
}

func (s *tenants) site(_ context.Context, host string) (oidcrp.Site, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, host)
	found, ok := s.sites[host]
	if !ok && s.fails == nil {
		return oidcrp.Site{}, fmt.Errorf("%w: %s is no tenant's", oidcrp.ErrNoSite, host)
	}
	return found, s.fails
}

// set changes what is answered, and lets the earlier answer pass.
func (s *tenants) set(host string, site oidcrp.Site, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites[host], s.fails = site, err
	s.clock.advance(10 * time.Second)
}

func newTenants(t *testing.T, change func(*oidcrp.Config)) *tenants {
	t.Helper()
	return tenantsAt(t, oidcrptest.NewProvider(t), change)
}

// tenantsAt is newTenants at a provider; change may be nil.
func tenantsAt(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *tenants {
	t.Helper()
	op.SignInAs("alice")
	s := &tenants{
		app: &app{t: t, op: op, reports: &atomic.Int32{}, clock: &clock{}, log: &record{}, events: &events{}},
		sites: map[string]oidcrp.Site{
			"acme.example":  {Name: "acme", BaseURL: acmeURL},
			"beta.example":  {Name: "beta", BaseURL: betaURL + "/"},
			"alias.example": {Name: "acme", BaseURL: acmeURL},
		},
	}
	p := op.Config("test", acmeURL)
	for _, c := range op.Clients() {
		if c.ID == p.ClientID {
			c.RedirectURLs = append(c.RedirectURLs, betaURL+"/auth/callback/test", "https://alias.example/auth/callback/test")
			c.PostLogoutRedirectURLs = append(c.PostLogoutRedirectURLs, betaURL+"/auth/logout")
			op.AddClient(c)
		}
	}
	cfg := oidcrp.Config{
		Sites: s.site, CookieKeys: [][]byte{key(1)}, Providers: []oidcrp.Provider{p},
		Logger:  slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnEvent: s.events.add,
	}
	if change != nil {
		change(&cfg)
	}
	s.config = cfg
	var err error
	if s.rp, err = oidcrp.NewAt(cfg, s.clock.now); err != nil {
		t.Fatal(err)
	}
	s.server = httptest.NewTLSServer(s.rp.Load(s.pages()))
	t.Cleanup(s.server.Close)
	s.network = &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.server.Listener.Addr().String())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}
	t.Cleanup(s.network.CloseIdleConnections)
	return s
}

// pages says where and who one is.
func (s *tenants) pages() http.Handler {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, ok := oidcrp.SiteFromContext(r.Context())
		session := oidcrp.FromContext(r.Context())
		if session != nil && session.Site() != at.Name || !ok {
			s.t.Errorf("the session is of %q, the request of %q, %v", session.Site(), at.Name, ok)
		}
		fmt.Fprintf(w, "%s at %s", name(r), at.Name)
	})
	guarded := s.rp.RequireLogin(page)
	leave := s.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: r.URL.Query().Get("to")})
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/reports"):
			guarded.ServeHTTP(w, r)
		case strings.HasSuffix(r.URL.Path, "/leave"):
			leave.ServeHTTP(w, r)
		default:
			page.ServeHTTP(w, r)
		}
	})
}

func (s *tenants) browse() *oidcrptest.Browser {
	b := s.app.browse()
	for _, host := range []string{"acme.example", "beta.example", "alias.example", "nobody.example"} {
		b.Resolve(host, s.server.Listener.Addr().String())
	}
	return b
}

// signedIn is a browser with a session at a base URL.
func (s *tenants) signedIn(base string) *oidcrptest.Browser {
	s.t.Helper()
	b := s.browse()
	s.shows(b.Get(base+"/reports"), "alice at ")
	return b
}

// send makes one request, without following where it leads.
func (s *tenants) send(method, address, body string, header ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	res, err := s.network.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(b)))
	return res
}

func (s *tenants) text(res *http.Response) string {
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// whoHas asks a site whose session a cookie header is.
func (s *tenants) whoHas(base, cookies string) string {
	s.t.Helper()
	res := s.send(http.MethodGet, base+"/", "", "Cookie", cookies)
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("%d %s", res.StatusCode, s.text(res))
	}
	who, _, _ := strings.Cut(s.text(res), " at ")
	return who
}

// cookiesAt are the cookies of a browser at a site, as they would be called at
// another.
func (s *tenants) cookiesAt(b *oidcrptest.Browser, base, another string) string {
	tag := func(base string) string {
		res := s.send(http.MethodGet, base+"/reports", "")
		_, name, _ := strings.Cut(res.Header.Get("Set-Cookie"), "oidcrp_login_")
		name, _, _ = strings.Cut(name, "=")
		return name
	}
	from, to := tag(base), tag(another)
	if from == "" || to == "" || (from == to) != (base == another) {
		s.t.Fatalf("the sites are %q and %q", from, to)
	}
	var all []string
	for _, c := range b.Cookies(base + "/") {
		all = append(all, strings.Replace(c.Name, from, to, 1)+"="+c.Value)
	}
	return strings.Join(all, "; ")
}

var siteModes = map[string]func(*oidcrp.Config){
	"cookies":                     func(*oidcrp.Config) {},
	"one store":                   func(c *oidcrp.Config) { c.Store = newPlain() },
	"cookies, with a store":       func(c *oidcrp.Config) { c.Store, c.CookieSessions = newPlain(), true },
	"one store that knows Add":    func(c *oidcrp.Config) { c.Store = oidcrp.NewMemoryStore() },
	"a form that brings the code": func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" },
	"requests by reference": func(c *oidcrp.Config) {
		c.Providers[0].RequestObject, c.Providers[0].PAR = oidcrp.UnsignedRequestByReference, oidcrp.Refused
	},
}

// A13: one instance signs in and out at several base URLs, and each has its own
// addresses, cookies and sessions.
func TestSites(t *testing.T) {
	for mode, change := range siteModes {
		t.Run(mode, func(t *testing.T) {
			var hooks []string
			s := newTenants(t, func(c *oidcrp.Config) {
				change(c)
				c.OnLogin = func(ctx context.Context, l *oidcrp.Login) error {
					at, ok := oidcrp.SiteFromContext(ctx)
					hooks = append(hooks, fmt.Sprint(at.Name, " ", ok))
					return nil
				}
			})
			if mode == "requests by reference" {
				s.op.SetHTTPClient(&http.Client{Transport: s.network})
				for _, c := range s.op.Clients() {
					c.RequestObjectAlgorithm = "none"
					s.op.AddClient(c)
				}
			}
			b := s.browse()
			for i, base := range []string{acmeURL, betaURL} {
				page := b.Get(base + "/reports?x=1")
				s.shows(page, "alice at "+[]string{"acme", "beta"}[i])
				if page.URL.String() != base+"/reports?x=1" {
					t.Errorf("ended at %s", page.URL)
				}
				redeemed := s.op.Requests(oidcrptest.TokenEndpoint)
				if got := redeemed[len(redeemed)-1].Form.Get("redirect_uri"); got != base+"/auth/callback/test" {
					t.Errorf("redeemed with %s", got)
				}
				s.shows(b.Get(base+"/auth/me"), `"logout":"`+base+`/auth/logout"`)
			}
			if fmt.Sprint(hooks) != "[acme true beta true]" {
				t.Errorf("OnLogin was called at %v", hooks)
			}
			s.shows(b.Get(acmeURL+"/"), "alice at acme") // the second took nothing from the first
			page := b.PostForm(acmeURL+"/auth/logout", url.Values{"return_to": {"/bye"}})
			s.shows(page, "nobody at acme")
			if page.URL.String() != acmeURL+"/bye" {
				t.Errorf("ended at %s", page.URL)
			}
			s.shows(b.Get(betaURL+"/"), "alice at beta")
			s.shows(b.PostForm(betaURL+"/leave?to=/app/bye", nil), "nobody at beta")
			out := s.op.Requests(oidcrptest.EndSessionEndpoint)
			for i, base := range []string{acmeURL, betaURL} {
				if got := cmp.Or(out[i].Query.Get("post_logout_redirect_uri"), out[i].Form.Get("post_logout_redirect_uri")); got != base+"/auth/logout" {
					t.Errorf("%s: back to %s", base, got)
				}
			}
		})
	}
}

// A cookie of one site is worth nothing at another, whichever is first, and a
// store that both share does not tell.
func TestSessionsOfAnotherSite(t *testing.T) {
	for mode, change := range siteModes {
		t.Run(mode, func(t *testing.T) {
			if strings.Contains(mode, "reference") {
				return // nothing of it is a session's
			}
			s := newTenants(t, change)
			for _, way := range [][2]string{{acmeURL, betaURL}, {betaURL, acmeURL}} {
				b := s.signedIn(way[0])
				if who := s.whoHas(way[1], s.cookiesAt(b, way[0], way[1])); who != "nobody" {
					t.Errorf("a session of %s is %s's at %s", way[0], who, way[1])
				}
				s.shows(b.Get(way[0]+"/"), "alice")
			}
		})
	}
}

// What a login carries is sealed to the site where it started: state, binding,
// return URL, and the address of a request.
func TestLoginsOfAnotherSite(t *testing.T) {
	s := newTenants(t, func(c *oidcrp.Config) { c.Providers[0].PAR = oidcrp.Refused })
	for _, way := range [][2]string{{acmeURL, betaURL}, {betaURL, acmeURL}} {
		b := s.browse()
		b.Get(way[0] + "/") // to have a page
		start := s.send(http.MethodGet, way[0]+"/reports", "")
		to := mustParse(t, start.Header.Get("Location"))
		if to.Query().Get("redirect_uri") != way[0]+"/auth/callback/test" {
			t.Fatalf("started as %v", to)
		}
		line := start.Header.Get("Set-Cookie")
		b.SetCookie(way[0]+"/", line)
		callback := "/auth/callback/test?" + url.Values{"state": {to.Query().Get("state")}, "code": {"c"}, "iss": {s.op.Issuer()}}.Encode()
		calls := s.op.Calls(oidcrptest.TokenEndpoint)
		res := s.send(http.MethodGet, way[1]+callback, "", "Cookie", s.cookiesAt(b, way[0], way[1]))
		if res.StatusCode != http.StatusBadRequest || s.events.reason(oidcrp.LoginFailed) != "state" {
			t.Errorf("%s at %s: %d, %s", way[0], way[1], res.StatusCode, s.events.reason(oidcrp.LoginFailed))
		}
		if s.op.Calls(oidcrptest.TokenEndpoint) != calls {
			t.Error("a code was redeemed")
		}
	}
}

// To each site the others are foreign origins.
func TestOriginsOfSites(t *testing.T) {
	s := newTenants(t, nil)
	for _, way := range [][2]string{{acmeURL, betaURL}, {betaURL, acmeURL}} {
		b := s.signedIn(way[0])
		cookies := s.cookiesAt(b, way[0], way[0])
		for from, want := range map[string]int{way[0]: http.StatusOK, way[1]: http.StatusForbidden} {
			u := mustParse(t, from)
			res := s.send(http.MethodPost, way[0]+"/reports", "", "Cookie", cookies, "Origin", u.Scheme+"://"+u.Host)
			if res.StatusCode != want {
				t.Errorf("from %s to %s: %d", from, way[0], res.StatusCode)
			}
		}
	}
}

// The same base URL with another owner is another site: a domain that changed
// hands signs nobody in who was signed in before.
func TestSiteChangesHands(t *testing.T) {
	for mode, change := range siteModes {
		t.Run(mode, func(t *testing.T) {
			if strings.Contains(mode, "reference") {
				return
			}
			s := newTenants(t, change)
			b := s.signedIn(acmeURL)
			s.set("acme.example", oidcrp.Site{Name: "heir", BaseURL: acmeURL}, nil)
			s.shows(b.Get(acmeURL+"/"), "nobody at heir")
			s.shows(b.Get(acmeURL+"/reports"), "alice at heir")
		})
	}
}

// Host finds the site and decides nothing else: an alias leads to the one
// base URL there is.
func TestSiteByAnAlias(t *testing.T) {
	s := newTenants(t, nil)
	b := s.browse()
	page := b.Get("https://alias.example/reports")
	s.shows(page, "alice at acme")
	if page.URL.String() != acmeURL+"/reports" {
		t.Errorf("ended at %s", page.URL)
	}
	for _, p := range s.op.Requests(oidcrptest.PAREndpoint) {
		if got := p.Form.Get("redirect_uri"); got != acmeURL+"/auth/callback/test" {
			t.Errorf("redirect_uri %s", got)
		}
	}
}
