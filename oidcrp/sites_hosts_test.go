package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What Config.Sites says is used for ten seconds, and then what it says by then.
func TestSitesAreAskedAgain(t *testing.T) {
	s := newTenants(t, nil)
	s.clock.stop()
	b := s.signedIn(acmeURL)
	asked := func(want int) {
		t.Helper()
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.asked) != want {
			t.Errorf("asked for %v", s.asked)
		}
	}
	asked(1)
	s.clock.advance(10*time.Second - 1)
	s.shows(b.Get(acmeURL+"/"), "alice at acme")
	asked(1)
	s.clock.advance(1)
	s.shows(b.Get(acmeURL+"/"), "alice at acme")
	asked(2)
	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: "https://alias.example"}, nil)
	if res := s.send(http.MethodGet, acmeURL+"/auth/login", ""); !strings.HasPrefix(res.Header.Get("Location"), s.op.Issuer()) {
		t.Errorf("%d, led to %v\n%s", res.StatusCode, res.Header, s.log)
	}
	pushed := s.op.Requests(oidcrptest.PAREndpoint)
	if got := pushed[len(pushed)-1].Form.Get("redirect_uri"); got != "https://alias.example/auth/callback/test" {
		t.Errorf("redirect_uri %s after the change", got)
	}
	s.set("acme.example", oidcrp.Site{}, nil) // and it is gone
	if res := s.send(http.MethodGet, acmeURL+"/", ""); res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("%d for a host that has no site any more", res.StatusCode)
	}
}

// How a Host is asked for, and which are not.
func TestSiteHosts(t *testing.T) {
	for host, want := range map[string]string{
		"acme.example": "acme.example", "ACME.Example": "acme.example", "acme.example.": "acme.example", "acme.example:8443": "acme.example",
		"ACME.EXAMPLE.:443": "acme.example", "acme.example:": "acme.example", "xn--mnchen-3ya.example": "xn--mnchen-3ya.example", "a_b.example": "a_b.example",
		"127.0.0.1:3000": "127.0.0.1", "localhost": "localhost",
		"[::1]": "::1", "[::1]:3000": "::1", "[2001:DB8:0::0001]": "2001:db8::1",
		"": "", ".": "", ":443": "", "::1": "", "a:b": "", "a b": "", "a/b": "", "münchen.example": "", "acme.example:80x": "", "acme..:1:2": "",
		"[::1": "", "[acme]": "", "[::1]x": "", "[::1%25lo]": "", "[::1]:x": "", "[127.0.0.1]": "", "a\x00b": "", "@acme": "", "acme.example,beta.example": "",
		strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a", strings.Repeat("a.", 127) + "a": "",
	} {
		asked := ""
		rp, err := oidcrp.New(oidcrp.Config{
			CookieKeys: [][]byte{key(1)}, Providers: goodConfig().Providers, Logger: slog.New(slog.DiscardHandler),
			Sites: func(_ context.Context, host string) (oidcrp.Site, error) {
				asked = host
				return oidcrp.Site{BaseURL: acmeURL}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		rp.Load(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
		status := http.StatusOK
		if want == "" {
			status = http.StatusMisdirectedRequest
		}
		if asked != want || w.Code != status {
			t.Errorf("%q: asked for %q, want %q; answered %d", host, asked, want, w.Code)
		}
	}
}

// Hosts that have no site, and what cannot be found out.
func TestSitesThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct {
		site   oidcrp.Site
		err    error
		status int
		log    string
	}{
		"unknown":                {err: fmt.Errorf("look up: %w", oidcrp.ErrNoSite), status: http.StatusMisdirectedRequest},
		"neither site nor error": {status: http.StatusMisdirectedRequest, log: "level=WARN"},
		"an error":               {err: errors.New("no route to the database"), status: http.StatusServiceUnavailable, log: "no route to the database"},
		"plain http":             {site: oidcrp.Site{BaseURL: "http://acme.example"}, status: http.StatusInternalServerError, log: "use https"},
		"no address":             {site: oidcrp.Site{Name: "acme", BaseURL: "acme.example"}, status: http.StatusInternalServerError, log: "give scheme and host"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTenants(t, nil)
			s.set("nobody.example", tt.site, tt.err)
			page := s.browse().Get("https://nobody.example/reports")
			if page.Status != tt.status || page.Header.Get("Set-Cookie") != "" || page.Header.Get("Cache-Control") != "no-store" || len(page.Links()) != 0 {
				t.Errorf("%d\n%s\nlog: %s", page.Status, page, s.log)
			}
			if strings.Contains(page.Body, "nobody.example") || strings.Contains(page.Body, "database") {
				t.Errorf("the page says %s", page.Text())
			}
			if (page.Header.Get("Retry-After") != "") != (tt.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After %q", page.Header.Get("Retry-After"))
			}
			if !strings.Contains(s.log.String(), tt.log) || tt.log == "" && strings.Contains(s.log.String(), "level=WARN") {
				t.Errorf("want %q in the log: %s", tt.log, s.log)
			}
			for _, path := range []string{"/auth/me", "/auth/callback/test?state=x", "/auth/login"} {
				res := s.send(http.MethodGet, "https://nobody.example"+path, "", "Accept", "application/json")
				if res.StatusCode != tt.status || res.Header.Get("Content-Type") != "application/problem+json" || problem(t, []byte(s.text(res))).Status != tt.status {
					t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
				}
			}
			s.mu.Lock()
			s.fails = nil
			s.mu.Unlock()
			s.signedIn(acmeURL) // nobody else is affected
		})
	}
}

// A site that is known is not forgotten because it could not be asked about for
// a while.
func TestSitesComeBack(t *testing.T) {
	s := newTenants(t, nil)
	b := s.signedIn(acmeURL)
	acme := oidcrp.Site{Name: "acme", BaseURL: acmeURL}
	s.set("acme.example", acme, errors.New("down"))
	s.answers(b.Get(acmeURL+"/"), http.StatusServiceUnavailable, "")
	s.set("acme.example", acme, nil)
	s.shows(b.Get(acmeURL+"/"), "alice at acme")
}

// Config.Sites may hang or panic, and costs no more than the request.
func TestSitesThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		hang := make(chan struct{})
		rp, err := oidcrp.New(oidcrp.Config{
			CookieKeys: [][]byte{key(1)}, Providers: goodConfig().Providers, Logger: slog.New(slog.DiscardHandler),
			Sites: func(ctx context.Context, host string) (oidcrp.Site, error) {
				calls.Add(1)
				switch host {
				case "panics.example":
					panic("no tenant")
				case "hangs.example":
					<-hang
				case "waits.example":
					<-ctx.Done()
					return oidcrp.Site{}, ctx.Err()
				}
				return oidcrp.Site{BaseURL: acmeURL}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		h := rp.Load(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		ask := func(ctx context.Context, host string) int {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code
		}
		for _, host := range []string{"panics.example", "hangs.example", "waits.example"} {
			began := time.Now()
			if got := ask(t.Context(), host); got != http.StatusServiceUnavailable || time.Since(began) > 10*time.Second {
				t.Errorf("%s: %d after %v", host, got, time.Since(began))
			}
		}
		if got := ask(t.Context(), "acme.example"); got != http.StatusOK {
			t.Errorf("another site: %d", got)
		}
		// Those who wait for one host ask once, and who gives up leaves.
		before := calls.Load()
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got := ask(t.Context(), "hangs.example"); got != http.StatusServiceUnavailable {
					t.Errorf("%d", got)
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		ask(ctx, "hangs.example")
		if took := time.Since(began); took > time.Second {
			t.Errorf("gave up after %v", took)
		}
		cancel()
		all.Wait()
		if got := calls.Load() - before; got != 1 {
			t.Errorf("asked %d times", got)
		}
		close(hang)
	})
}

// Hosts that strangers think of cannot keep a site that is known from being
// asked about.
func TestFloodOfHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		rp, err := oidcrp.New(oidcrp.Config{
			CookieKeys: [][]byte{key(1)}, Providers: goodConfig().Providers, Logger: slog.New(slog.DiscardHandler),
			Sites: func(_ context.Context, host string) (oidcrp.Site, error) {
				if host != "acme.example" {
					<-hang
					return oidcrp.Site{}, oidcrp.ErrNoSite
				}
				return oidcrp.Site{BaseURL: acmeURL}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		at := func(host string) error {
			_, err := rp.At(t.Context(), host)
			return err
		}
		if err := at("acme.example"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second) // it has to be asked about again
		var flood sync.WaitGroup
		for i := range 1500 {
			flood.Go(func() {
				if err := at(fmt.Sprintf("h%d.example", i)); err == nil {
					t.Error("a site")
				}
			})
		}
		synctest.Wait()
		if err := at("acme.example"); err != nil {
			t.Errorf("a site that is known: %v", err)
		}
		close(hang)
		flood.Wait()
	})
}

// Answers come, change, go and are put away while they are used.
func TestSitesInParallel(t *testing.T) {
	var n atomic.Int64
	s := newTenants(t, func(c *oidcrp.Config) {
		c.Sites = func(_ context.Context, host string) (oidcrp.Site, error) {
			if n.Add(1)%7 == 0 {
				return oidcrp.Site{}, oidcrp.ErrNoSite
			}
			return oidcrp.Site{Name: fmt.Sprint(n.Load() % 3), BaseURL: "https://" + host}, nil
		}
	})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 200 {
				host := fmt.Sprintf("a%d.example", i%5)
				at, err := s.rp.At(context.Background(), host)
				if err == nil && at.RedirectURLs()[0].Redirect != "https://"+host+"/auth/callback/test" || err != nil && !errors.Is(err, oidcrp.ErrNoSite) {
					t.Errorf("%s: %v, %v", host, at, err)
				}
				s.clock.advance(time.Second)
			}
		})
	}
	all.Wait()
}

// Known sites are bounded, and one that was put away comes back as it was.
func TestManySites(t *testing.T) {
	s := newTenants(t, func(c *oidcrp.Config) {
		c.Sites = func(_ context.Context, host string) (oidcrp.Site, error) {
			return oidcrp.Site{Name: host, BaseURL: "https://" + host}, nil
		}
	})
	first := s.at("a.example")
	alice := oidcrptest.Cookie(first, "", oidcrptest.User{Subject: "alice"})
	bob := oidcrptest.Cookie(first, "", oidcrptest.User{Subject: "bob"})
	who := func(c *http.Cookie) (who string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "a.example"
		r.AddCookie(c)
		s.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who = name(r) })).ServeHTTP(httptest.NewRecorder(), r)
		return who
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "a.example"
	r.AddCookie(bob)
	s.rp.Logout(httptest.NewRecorder(), r, oidcrp.LogoutOptions{})
	for i := range 1100 {
		s.at(fmt.Sprintf("a%d.example", i))
	}
	if again := s.at("a.example"); again == first {
		t.Error("1101 sites are kept")
	}
	if got := who(alice) + " " + who(bob); got != "alice nobody" { // what has ended stays so
		t.Errorf("the sessions are of %s", got)
	}
}

// A provider that a site does not allow is as if it did not exist there.
func TestProvidersOfASite(t *testing.T) {
	s := newTenants(t, func(c *oidcrp.Config) {
		c.Store = newPlain()
		other := c.Providers[0]
		other.Name, other.DisplayName, other.RedirectPath = "own", "Of acme alone", "/signin-own"
		c.Providers = append(c.Providers, other)
		for i := range c.Providers {
			c.Providers[i].BackchannelLogout, c.Providers[i].FrontchannelLogout = true, true
		}
	})
	for _, c := range s.op.Clients() {
		c.RedirectURLs = append(c.RedirectURLs, acmeURL+"/signin-own", betaURL+"/signin-own")
		s.op.AddClient(c)
	}
	acme := oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{"own", "test", "gone"}}
	s.set("acme.example", acme, nil)
	s.set("beta.example", oidcrp.Site{Name: "beta", BaseURL: betaURL, Providers: []string{"test"}}, nil)

	b := s.browse()
	page := b.Get(acmeURL + "/reports")
	s.shows(page, "Of acme alone")
	if links := page.Links(); len(links) < 2 || !strings.Contains(links[0].URL.RawQuery, "provider=own") {
		t.Errorf("the sign-in page has %v", links)
	}
	s.shows(b.Get(acmeURL+"/auth/login?provider=own&return_to=/reports"), "alice at acme")

	s.shows(s.browse().Get(betaURL+"/reports"), "alice at beta")                                        // one provider, no page
	s.shows(s.browse().Get(betaURL+"/auth/login?provider=own&return_to=/app/reports"), "alice at beta") // as any name nobody has
	pushed := s.op.Requests(oidcrptest.PAREndpoint)
	if got := pushed[len(pushed)-1].Form.Get("redirect_uri"); got != betaURL+"/auth/callback/test" {
		t.Errorf("signed in at %s", got)
	}
	for _, tt := range []struct {
		method, path string
		acme, beta   int
	}{
		{http.MethodPost, "/auth/backchannel-logout/own", http.StatusUnsupportedMediaType, http.StatusNotFound},
		{http.MethodGet, "/auth/frontchannel-logout/own", http.StatusOK, http.StatusNotFound},
		{http.MethodGet, "/auth/frontchannel-logout/test", http.StatusOK, http.StatusOK},
		{http.MethodGet, "/signin-own?state=x&code=y", http.StatusBadRequest, http.StatusOK}, // a page of the application
	} {
		for base, want := range map[string]int{acmeURL: tt.acme, betaURL: tt.beta} {
			if res := s.send(tt.method, base+tt.path, ""); res.StatusCode != want {
				t.Errorf("%s%s: %d, want %d", base, tt.path, res.StatusCode, want)
			}
		}
	}

	// Sessions of a provider that is allowed no more are over.
	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{"test"}}, nil)
	s.shows(b.Get(acmeURL+"/"), "nobody at acme")
	s.set("acme.example", acme, nil)
	s.shows(b.Get(acmeURL+"/"), "nobody at acme") // they do not come back

	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{}}, nil)
	page = s.browse().Get(acmeURL + "/reports")
	s.shows(page, "Sign in")
	for _, l := range page.Links() {
		if strings.Contains(l.URL.RawQuery, "provider=") {
			t.Errorf("offered %s", l.URL)
		}
	}
	if res := s.send(http.MethodGet, acmeURL+"/auth/initiate?iss="+url.QueryEscape(s.op.Issuer()), ""); res.StatusCode != http.StatusBadRequest {
		t.Errorf("initiated: %d", res.StatusCode)
	}
}

// Our pages are called as their site is, be it newly named; and nobody is
// signed out by that.
func TestNamesOfSites(t *testing.T) {
	s := newTenants(t, func(c *oidcrp.Config) { c.SiteName = "Everybody's" })
	acme := oidcrp.Site{Name: "acme", BaseURL: acmeURL, SiteName: "Acme Members"}
	s.set("acme.example", acme, nil)
	b := s.signedIn(acmeURL)
	s.shows(b.Get(acmeURL+"/auth/logout"), "Acme Members")
	s.shows(s.browse().Get(betaURL+"/auth/logout"), "Everybody's")
	acme.SiteName = "Acme Friends"
	s.set("acme.example", acme, nil)
	page := b.Get(acmeURL + "/auth/logout")
	s.shows(page, "Acme Friends")
	if strings.Contains(page.Body, "Acme Members") || strings.Contains(page.Body, "Everybody") {
		t.Errorf("the page has an older name: %s", page)
	}
	s.shows(b.Get(acmeURL+"/"), "alice at acme")
}

// Whoever has the handle of another site's session ends nothing there.
func TestHandleOfAnotherSite(t *testing.T) {
	for mode, change := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			s := newTenants(t, func(c *oidcrp.Config) {
				c.Store = newPlain()
				change(c)
			})
			acme := s.signedIn(acmeURL)
			handle := s.events.of(oidcrp.LoginSucceeded)[0].Session
			if err := s.at("beta.example").EndSession(context.Background(), handle); err != nil {
				t.Fatal(err)
			}
			s.shows(acme.Get(acmeURL+"/"), "alice at acme")
			if err := s.at("acme.example").EndSession(context.Background(), handle); err != nil {
				t.Fatal(err)
			}
			s.shows(acme.Get(acmeURL+"/"), "nobody at acme")
		})
	}
}
