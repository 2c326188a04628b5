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
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// at is the relying party at the site of a host.
func (s *tenants) at(host string) *oidcrp.RelyingParty {
	s.t.Helper()
	at, err := s.rp.At(context.Background(), host)
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

func (s *tenants) alice() oidcrp.Identity {
	return oidcrp.Identity{Provider: "test", Issuer: s.op.Issuer(), Subject: "alice"}
}

// What a provider says at one site's address, or the application of one site,
// ends nothing at another.
func TestEndingAtOneSite(t *testing.T) {
	var acmeSID, acmeHandle string
	for how, end := range map[string]func(s *tenants) error{
		"logout token with sid": func(s *tenants) error { return s.logout("", acmeSID) },
		"logout token with sub": func(s *tenants) error { return s.logout("alice", "") },
		"frame": func(s *tenants) error {
			q := url.Values{"iss": {s.op.Issuer()}, "sid": {acmeSID}}
			s.send(http.MethodGet, betaURL+"/auth/frontchannel-logout/test?"+q.Encode(), "") // not known there
			s.send(http.MethodGet, acmeURL+"/auth/frontchannel-logout/test?"+q.Encode(), "")
			return nil
		},
		"EndSessions": func(s *tenants) error { return s.at("acme.example").EndSessions(context.Background(), s.alice()) },
		"EndSession": func(s *tenants) error {
			if err := s.at("beta.example").EndSession(context.Background(), acmeHandle); err != nil {
				return err
			}
			return s.at("acme.example").EndSession(context.Background(), acmeHandle)
		},
		"EndSessions in a request": func(s *tenants) error {
			return s.inRequest("acme.example", func(ctx context.Context) error { return s.rp.EndSessions(ctx, s.alice()) })
		},
	} {
		for mode, change := range logoutModes {
			t.Run(how+", "+mode, func(t *testing.T) {
				s := newTenants(t, func(c *oidcrp.Config) {
					c.Store = newPlain()
					c.Providers[0].BackchannelLogout, c.Providers[0].FrontchannelLogout = true, true
					c.OnLogin = func(_ context.Context, l *oidcrp.Login) error { acmeSID = l.Text("sid"); return nil }
					change(c)
				})
				beta := s.signedIn(betaURL)
				acme := s.signedIn(acmeURL)
				for _, e := range s.events.of(oidcrp.LoginSucceeded) {
					acmeHandle = e.Session
				}
				s.clock.advance(2 * time.Second)
				if err := end(s); err != nil {
					t.Fatal(err)
				}
				s.shows(acme.Get(acmeURL+"/"), "nobody at acme")
				s.shows(beta.Get(betaURL+"/"), "alice at beta")
			})
		}
	}
}

// logout has the provider send a logout token to acme.
func (s *tenants) logout(subject, sid string) error {
	token := s.op.LogoutToken(s.config.Providers[0].ClientID, subject, sid)
	res := s.send(http.MethodPost, acmeURL+"/auth/backchannel-logout/test", url.Values{"logout_token": {token}}.Encode(), "Content-Type", "application/x-www-form-urlencoded")
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %s", res.StatusCode, s.text(res))
	}
	return nil
}

// inRequest runs f in a handler behind Load.
func (s *tenants) inRequest(host string, f func(ctx context.Context) error) (err error) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = host
	s.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { err = f(r.Context()) })).ServeHTTP(httptest.NewRecorder(), r)
	return err
}

// Tokens belong to the site where the user signed in, those for jobs too.
func TestTokensOfASite(t *testing.T) {
	var refreshed []string
	op := oidcrptest.NewProvider(t)
	api := op.URL(oidcrptest.ResourceEndpoint)
	s := tenantsAt(t, op, func(c *oidcrp.Config) {
		c.Store = newPlain()
		p := &c.Providers[0]
		p.KeepTokens, p.KeepOffline, p.APIs = true, true, []oidcrp.API{{URL: api}}
		c.OnRefresh = func(ctx context.Context, _ *oidcrp.Login) error {
			at, _ := oidcrp.SiteFromContext(ctx)
			refreshed = append(refreshed, at.Name)
			return nil
		}
	})
	t.Cleanup(func() { s.rp.Shutdown(context.Background()) })
	s.op.SetNow(s.clock.now)
	s.signedIn(acmeURL)

	call := func(c *http.Client) error {
		res, err := c.Get(api)
		if err == nil {
			res.Body.Close()
		}
		return err
	}
	ctx := context.Background()
	acme, beta := s.at("acme.example"), s.at("beta.example")
	for range 2 {
		if err := call(acme.ClientFor(ctx, s.alice())); err != nil {
			t.Errorf("at its site: %v", err)
		}
		if err := call(beta.ClientFor(ctx, s.alice())); !errors.Is(err, oidcrp.ErrNoToken) {
			t.Errorf("at another: %v", err)
		}
		s.clock.advance(24 * time.Hour)
	}
	if got := strings.Join(refreshed, " "); got != "acme" {
		t.Errorf("refreshed at %q", got)
	}
	if err := beta.Forget(ctx, s.alice()); err != nil {
		t.Errorf("forget nothing: %v", err)
	}
	if _, err := acme.TokenSourceFor(ctx, s.alice(), api).Token(); err != nil {
		t.Errorf("after another site forgot: %v", err)
	}
	if err := acme.Forget(ctx, s.alice()); err != nil {
		t.Fatal(err)
	}
	if err := call(acme.ClientFor(ctx, s.alice())); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("after Forget: %v", err)
	}

	// The visitor's own, whatever the context of the API's request.
	b := s.signedIn(acmeURL)
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host = "acme.example"
	for _, c := range b.Cookies(acmeURL + "/") {
		r.AddCookie(c)
	}
	ran := false
	s.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran = true
		if err := call(s.rp.Client(r.Context())); err != nil {
			t.Error(err)
		}
		if status, err := s.rp.TokenStatus(r.Context()); err != nil || status.State != "active" {
			t.Errorf("%+v, %v", status, err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !ran {
		t.Error("the handler did not run")
	}
}

// At gives a relying party on which everything can be called, and knows the
// same hosts as requests do.
func TestAt(t *testing.T) {
	s := newTenants(t, nil)
	ctx := context.Background()
	for host, want := range map[string]oidcrp.Addresses{
		"acme.example":      {Provider: "test", Redirect: acmeURL + "/auth/callback/test", PostLogout: acmeURL + "/auth/logout", Initiate: acmeURL + "/auth/initiate"},
		"BETA.example.:443": {Provider: "test", Redirect: betaURL + "/auth/callback/test", PostLogout: betaURL + "/auth/logout", Initiate: betaURL + "/auth/initiate"},
	} {
		if got := s.at(host).RedirectURLs(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: %+v, want %+v", host, got, want)
		}
	}
	opts := oidcrp.LoginOptions{Provider: "test", ReturnTo: "/app/reports"}
	if got := s.at("beta.example").LoginURL(opts); got != "/app/auth/login?provider=test&return_to=%2Fapp%2Freports" {
		t.Error(got)
	}
	if got := s.at("acme.example").LoginURL(opts); got != s.rp.LoginURL(opts) || got != "/auth/login?provider=test&return_to=%2Fapp%2Freports" {
		t.Error(got)
	}
	// What a login is to have is understood wherever the address is used.
	age := time.Hour
	sealed := s.rp.LoginURL(oidcrp.LoginOptions{MaxAge: &age})
	s.browse().Get(acmeURL + sealed)
	if got := s.op.Requests(oidcrptest.PAREndpoint)[0].Form.Get("max_age"); got != "3600" {
		t.Errorf("max_age %q", got)
	}
	for host, want := range map[string]error{"nobody.example": oidcrp.ErrNoSite, "a b": oidcrp.ErrNoSite, "": oidcrp.ErrNoSite} {
		if at, err := s.rp.At(ctx, host); !errors.Is(err, want) || at != nil {
			t.Errorf("%q: %v, %v", host, at, err)
		}
	}
	s.set("wrong.example", oidcrp.Site{BaseURL: "wrong.example"}, nil)
	if _, err := s.rp.At(ctx, "wrong.example"); !errors.Is(err, oidcrp.ErrMisconfigured) || !strings.Contains(err.Error(), "Site.BaseURL") {
		t.Errorf("%v", err)
	}
	down := errors.New("down")
	s.set("down.example", oidcrp.Site{}, down)
	if _, err := s.rp.At(ctx, "down.example"); !errors.Is(err, down) {
		t.Errorf("%v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := s.rp.At(gone, "later.example"); err == nil {
		t.Error("a context that is done gave a site")
	}

	// With one base URL it is that.
	rp, err := oidcrp.New(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	if at, err := rp.At(ctx, "anything"); at != rp || err != nil {
		t.Errorf("%v, %v", at, err)
	}
}

// Its handlers serve one site, whatever the Host; and beside another's Load a
// guard looks for its own session.
func TestHandlersAtOneSite(t *testing.T) {
	s := newTenants(t, nil)
	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: acmeURL}, nil)
	acme, beta := s.at("acme.example"), s.at("beta.example")
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := oidcrp.SiteFromContext(r.Context())
		fmt.Fprintf(w, "%s at %s %s", name(r), at.Name, oidcrp.FromContext(r.Context()).Site())
	})
	get := func(h http.Handler, host string, cookies ...*http.Cookie) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return fmt.Sprintf("%d %s", w.Code, w.Body)
	}
	alice := oidcrptest.Cookie(acme, "", oidcrptest.User{Subject: "alice"})
	for host, want := range map[string]string{"acme.example": "alice at acme acme", "nobody.example": "alice at acme acme", "beta.example": "alice at acme acme"} {
		if got := get(acme.Load(page), host, alice); got != "200 "+want {
			t.Errorf("%s: %s", host, got)
		}
		if got := get(acme.RequireLogin(page), host, alice); got != "200 "+want {
			t.Errorf("%s, guarded: %s", host, got)
		}
	}
	if got := get(s.rp.Load(acme.RequireLogin(page)), "acme.example", alice); got != "200 alice at acme acme" {
		t.Errorf("a guard within: %s", got)
	}
	if got := get(s.rp.Load(beta.RequireLogin(page)), "acme.example", alice); !strings.HasPrefix(got, "401") {
		t.Errorf("another's guard: %s", got)
	}
	if got := get(beta.Load(s.rp.RequireLogin(page)), "acme.example", alice); !strings.HasPrefix(got, "401") {
		t.Errorf("within another's Load: %s", got)
	}
	for guard, h := range map[string]http.Handler{"Load": s.rp.Load(page), "Protect": s.rp.Protect(page), "RequireLogin": s.rp.RequireLogin(page), "TryLogin": s.rp.TryLogin(page)} {
		if got := get(h, "acme.example", alice); got != "200 alice at acme acme" {
			t.Errorf("%s: %s", guard, got)
		}
	}
	if got := get(s.rp, "acme.example"); !strings.HasPrefix(got, "404") {
		t.Errorf("no address of ours: %s", got)
	}
	// What another site loaded is not changed here.
	get(s.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := beta.Update(w, r, map[string]string{"a": "b"}); !errors.Is(err, oidcrp.ErrNotLoaded) || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("updated at another site: %v", err)
		}
		if err := s.rp.Update(w, r, map[string]string{"a": "b"}); err != nil || w.Header().Get("Set-Cookie") == "" {
			t.Errorf("updated here: %v", err)
		}
	})), "acme.example", oidcrptest.Cookie(acme, "", oidcrptest.User{Subject: "carol"}))
	// A relying party of one base URL inside, or outside, has a site of its own.
	one, err := oidcrp.New(goodConfig())
	if err != nil {
		t.Fatal(err)
	}
	if got := get(s.rp.Load(one.Load(s.rp.RequireLogin(page))), "acme.example", alice); got != "200 alice at acme acme" {
		t.Errorf("around another: %s", got)
	}
	other, err := oidcrp.New(oidcrp.Config{CookieKeys: [][]byte{key(2)}, Providers: goodConfig().Providers, Logger: slog.New(slog.DiscardHandler),
		Sites: func(context.Context, string) (oidcrp.Site, error) {
			return oidcrp.Site{Name: "other", BaseURL: "https://other.example"}, nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if got := get(s.rp.Load(other.Load(s.rp.RequireLogin(page))), "acme.example", alice); !strings.HasSuffix(got, "200 alice at other acme") {
		t.Errorf("around another with sites: %s", got)
	}
}

// Outside of a request nothing guesses a site, and nothing panics.
func TestNoSite(t *testing.T) {
	s := newTenants(t, func(c *oidcrp.Config) {
		c.Store = newPlain()
		c.Providers[0].KeepTokens, c.Providers[0].KeepOffline = true, true
		c.Providers[0].APIs = []oidcrp.API{{URL: "https://api.example"}}
	})
	ctx := context.Background()
	_, tokens := s.rp.TokenSourceFor(ctx, s.alice(), "https://api.example").Token()
	_, client := s.rp.ClientFor(ctx, s.alice()).Get("https://api.example")
	for name, err := range map[string]error{
		"EndSession": s.rp.EndSession(ctx, "x"), "EndSessions": s.rp.EndSessions(ctx, s.alice()),
		"Forget": s.rp.Forget(ctx, s.alice()), "TokenSourceFor": tokens, "ClientFor": client,
	} {
		if !errors.Is(err, oidcrp.ErrMisconfigured) || !strings.Contains(err.Error(), "At returns") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.rp.TokenStatus(ctx); !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("TokenStatus: %v", err)
	}
	if _, err := s.rp.Client(ctx).Get("https://api.example"); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("Client: %v", err)
	}
	signedIn := oidcrptest.WithSession(ctx, oidcrptest.User{Subject: "alice"})
	if _, err := s.rp.Client(signedIn).Get("https://api.example"); !errors.Is(err, oidcrp.ErrMisconfigured) {
		t.Errorf("Client with a session for a test: %v", err)
	}
	if got := s.rp.RedirectURLs(); got != nil {
		t.Errorf("RedirectURLs: %v", got)
	}
	if at, ok := oidcrp.SiteFromContext(ctx); ok || at.Name != "" {
		t.Errorf("a site: %v", at)
	}
	if got := len(s.rp.Status().Providers); got != 1 {
		t.Errorf("Status has %d providers", got)
	}

	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Host = "nobody.example"
	if v := s.rp.View(r); v.SignInButton() != "" || len(v.Providers()) != 0 || v.SignedIn() || v.Language() != "en" {
		t.Error("a view with ways to sign in")
	}
	if _, err := s.rp.Paused(r); !errors.Is(err, oidcrp.ErrNoSite) {
		t.Errorf("Paused: %v", err)
	}
	if err := s.rp.Update(httptest.NewRecorder(), r, nil); !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("Update: %v", err)
	}
	for name, answer := range map[string]func(http.ResponseWriter){
		"Login":        func(w http.ResponseWriter) { s.rp.Login(w, r, oidcrp.LoginOptions{}) },
		"Logout":       func(w http.ResponseWriter) { s.rp.Logout(w, r, oidcrp.LogoutOptions{}) },
		"Resume":       func(w http.ResponseWriter) { s.rp.Resume(w, r, nil) },
		"ServeHTTP":    func(w http.ResponseWriter) { s.rp.ServeHTTP(w, r) },
		"RequireLogin": func(w http.ResponseWriter) { s.rp.RequireLogin(nil).ServeHTTP(w, r) },
		"Protect":      func(w http.ResponseWriter) { s.rp.Protect(nil).ServeHTTP(w, r) },
		"TryLogin":     func(w http.ResponseWriter) { s.rp.TryLogin(nil).ServeHTTP(w, r) },
	} {
		w := httptest.NewRecorder()
		if answer(w); w.Code != http.StatusMisdirectedRequest {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestNewWithSitesReportsMistakes(t *testing.T) {
	sites := func(context.Context, string) (oidcrp.Site, error) { return oidcrp.Site{}, oidcrp.ErrNoSite }
	for name, tt := range map[string]struct {
		change func(*oidcrp.Config)
		want   string
	}{
		"BaseURL beside it": {func(c *oidcrp.Config) { c.BaseURL = "https://app.example" }, "BaseURL: remove it"},
		"loopback too":      {func(c *oidcrp.Config) { c.BaseURL, c.CookieKeys = "http://localhost", nil }, "BaseURL: remove it"},
		"no keys":           {func(c *oidcrp.Config) { c.CookieKeys = nil }, "CookieKeys: missing"},
		"registration": {func(c *oidcrp.Config) {
			c.Providers[0].ClientID, c.Providers[0].ClientSecret, c.Providers[0].Registration = "", "", &oidcrp.Registration{}
		}, "Providers[0] (acme).Registration: tells the provider one BaseURL"},
		"what else is wrong": {func(c *oidcrp.Config) { c.SignInPath = "welcome" }, "SignInPath"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := goodConfig()
			cfg.BaseURL, cfg.Sites = "", sites
			if _, err := oidcrp.New(cfg); err != nil {
				t.Fatalf("without the mistake: %v", err)
			}
			tt.change(&cfg)
			if _, err := oidcrp.New(cfg); err == nil || !strings.Contains(err.Error(), "oidcrp: Config."+tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
