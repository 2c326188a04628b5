package oidcrp_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// registering has the provider give the client.
func registering(c *oidcrp.Config) {
	p := &c.Providers[0]
	p.ClientID, p.ClientSecret = "", ""
	p.Registration = &oidcrp.Registration{}
}

// asClient starts a login and returns the client_id it is for.
func asClient(t *testing.T, rp *oidcrp.RelyingParty) string {
	t.Helper()
	w := ask(rp, rp, nil, "GET", "/auth/login?provider=test", navigate...)
	id := mustParse(t, w.Header().Get("Location")).Query().Get("client_id")
	if w.Code != http.StatusFound || id == "" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return id
}

func TestRegistration(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SetRegistrationToken("canary-initial")
	a := newApp(t, op, func(c *oidcrp.Config) {
		registering(c)
		c.SiteName, c.Store = "Reports", oidcrp.NewMemoryStore()
		c.Providers[0].BackchannelLogout, c.Providers[0].FrontchannelLogout = true, true
		c.Providers[0].Registration = &oidcrp.Registration{
			InitialAccessToken: "canary-initial", Metadata: map[string]any{"contacts": []string{"ops@example.com"}},
		}
	})
	a.calls(oidcrptest.RegisterEndpoint, 0) // by New
	for range 3 {
		a.signIn()
	}
	a.calls(oidcrptest.RegisterEndpoint, 1)
	var said map[string]any
	if err := json.Unmarshal([]byte(op.Requests(oidcrptest.RegisterEndpoint)[0].Body), &said); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"redirect_uris": "[" + a.URL + "/auth/callback/test]", "post_logout_redirect_uris": "[" + a.URL + "/auth/logout]",
		"backchannel_logout_uri": a.URL + "/auth/backchannel-logout/test", "frontchannel_logout_uri": a.URL + "/auth/frontchannel-logout/test",
		"client_name": "Reports", "contacts": "[ops@example.com]", "initiate_login_uri": "<nil>", "jwks_uri": "<nil>",
	} {
		if got := fmt.Sprint(said[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	clients := op.Clients()
	for _, secret := range []string{"canary-initial", clients[len(clients)-1].Secret} {
		if strings.Contains(a.log.String(), secret) {
			t.Errorf("the log has a secret\n%s", a.log)
		}
	}
	if s := fmt.Sprintf("%+v %#v", a.config, *a.config.Providers[0].Registration); strings.Contains(s, "canary-initial") {
		t.Error("the token is printed")
	}
}

// The hint alone says whose session ends: it may be another client's than now.
func TestRegisteredClientSignsOut(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), registering)
	a.logout(a.signIn(), "/")
	q := a.op.Requests(oidcrptest.EndSessionEndpoint)[0].Query
	if q.Get("id_token_hint") == "" || q.Has("client_id") || q.Get("post_logout_redirect_uri") != a.URL+"/auth/logout" {
		t.Errorf("left with %v", q)
	}
}

func TestRegistrationSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*oidcrp.Provider)
		want   string
	}{
		"with a client id":     {func(p *oidcrp.Provider) { p.ClientID = "c" }, "remove ClientID"},
		"with a secret":        {func(p *oidcrp.Provider) { p.ClientSecret = "s" }, "remove ClientID"},
		"of a tenant":          {func(p *oidcrp.Provider) { p.TenantSupplied = true }, "TenantSupplied"},
		"with what is derived": {func(p *oidcrp.Provider) { p.Registration.Metadata = map[string]any{"jwks_uri": "https://evil.example"} }, `Registration.Metadata: "jwks_uri"`},
	} {
		log := &record{}
		cfg := oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Logger: slog.New(slog.NewTextHandler(log, nil)),
			Providers: []oidcrp.Provider{{Issuer: "https://op.example", Registration: &oidcrp.Registration{}}}}
		if _, err := oidcrp.New(cfg); err != nil || log.String() != "" {
			t.Fatalf("%v\n%s", err, log)
		}
		tt.change(&cfg.Providers[0])
		if _, err := oidcrp.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFirstLoginsRegisterOnce(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), registering)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { asClient(t, a.rp) })
	}
	all.Wait()
	a.calls(oidcrptest.RegisterEndpoint, 1)
	a.calls(oidcrptest.DiscoveryEndpoint, 1)
}

func TestRegistrationFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  oidcrptest.Fault
		status int
		reason string
	}{
		"redirect URI refused": {oidcrptest.RegistrationError("invalid_redirect_uri"), 500, "misconfigured"},
		"no endpoint":          {oidcrptest.NoRegistration, 500, "misconfigured"},
		"rubbish":              {oidcrptest.RegistrationRubbish, 503, ""},
		"huge":                 {oidcrptest.RegistrationHuge, 503, "provider_unavailable"},
		"no client id":         {oidcrptest.RegistrationField("client_id", nil), 503, "client_id"},
		"another redirect URI": {oidcrptest.RegistrationField("redirect_uris", []string{"https://evil.example/"}), 503, "redirect_uris"},
		"provider down": {oidcrptest.Fault{Name: "down", Endpoint: oidcrptest.RegisterEndpoint, Handler: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			w.WriteHeader(http.StatusBadGateway)
		}}, 503, "provider_unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			other := oidcrptest.NewProvider(t)
			other.SignInAs("bob")
			a := newApp(t, oidcrptest.NewProvider(t, tt.fault), func(c *oidcrp.Config) {
				registering(c)
				c.Providers = append(c.Providers, other.Config("other", c.BaseURL))
			})
			b := a.browse()
			page := b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
			a.refused(page, tt.status, tt.reason)
			if retry := page.Header.Get("Retry-After"); (retry != "") != (tt.status == 503) {
				t.Errorf("Retry-After %q", retry)
			}
			a.refused(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), tt.status, "")
			a.calls(oidcrptest.RegisterEndpoint, count(name != "no endpoint"))
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			a.shows(b.Get(a.URL+"/auth/login?provider=other&return_to=/reports"), "reports for bob")
			if s := a.rp.Status().Providers[0]; s.LastError == "" || s.NextTry.IsZero() {
				t.Errorf("status %+v", s)
			}
			// And heals without a restart.
			a.op.SetFaults()
			a.clock.advance(time.Minute)
			a.shows(a.browse().Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
		})
	}
}

// A login that began as another client starts again, and the code of the
// other is sent nowhere.
func TestLoginOfAnotherClientStartsAgain(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), registering)
	b := a.browse()
	callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
	restarted := a.later(func(*oidcrp.Config) {})
	w := ask(restarted, restarted, nil, "GET", callback, append(navigate, "Cookie", cookies(b, a.URL))...)
	to := mustParse(t, w.Header().Get("Location"))
	if w.Code != http.StatusFound || !strings.HasPrefix(to.String(), a.op.URL(oidcrptest.AuthorizeEndpoint)) {
		t.Fatalf("%d %s %s", w.Code, to, w.Body)
	}
	before := mustParse(t, callback)
	if clients := a.op.Clients(); to.Query().Get("client_id") != clients[len(clients)-1].ID || before.Query().Get("code") == "" {
		t.Errorf("started as %s", to)
	}
	a.calls(oidcrptest.RegisterEndpoint, 2)
	a.calls(oidcrptest.TokenEndpoint, 0)
	a.noSessionIn(w.Header())
}

// An error response, or one for another provider, starts nothing.
func TestAnswerToAnotherClientThatIsNoCode(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), registering)
	b := a.browse()
	callback := mustParse(t, a.stopAtCallback(b, "/auth/login?return_to=/reports"))
	q := callback.Query()
	q.Del("code")
	q.Set("error", "access_denied")
	callback.RawQuery = q.Encode()
	restarted := a.later(func(*oidcrp.Config) {})
	w := ask(restarted, restarted, nil, "GET", callback.String(), append(navigate, "Cookie", cookies(b, a.URL))...)
	if w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
		t.Errorf("%d %s", w.Code, w.Header())
	}
}

func cookies(b *oidcrptest.Browser, at string) string {
	var all []string
	for _, c := range b.Cookies(at + "/") {
		all = append(all, cookieHeader(c))
	}
	return strings.Join(all, "; ")
}

// Nodes with a store are one client, also after a restart.
func TestNodesShareARegistration(t *testing.T) {
	for name, store := range map[string]oidcrp.Store{"memory": oidcrp.NewMemoryStore(), "without Add": newPlain()} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				registering(c)
				c.Store = store
			})
			first := asClient(t, a.rp)
			for range 2 {
				if id := asClient(t, a.later(func(*oidcrp.Config) {})); id != first {
					t.Errorf("another node is %q, want %q", id, first)
				}
			}
			a.calls(oidcrptest.RegisterEndpoint, 1)
			// With other settings it is another client, and so for another site or
			// under other keys.
			for name, change := range map[string]func(*oidcrp.Config){
				"moved callback": func(c *oidcrp.Config) { c.Providers[0].RedirectPath = "/signin" },
				"another site":   func(c *oidcrp.Config) { c.BaseURL = "http://other.localhost:3000" },
				"other keys":     func(c *oidcrp.Config) { c.CookieKeys = [][]byte{key(3)} },
			} {
				if id := asClient(t, a.later(change)); id == first {
					t.Errorf("%s: the same client", name)
				}
			}
		})
	}
}

// What another node began is finished here, after it renewed the registration.
func TestRenewedOnAnotherNode(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	var a *app
	op.SetFaults(oidcrptest.Fault{Name: "expiry", Registration: func(m map[string]any) {
		m["client_secret_expires_at"] = a.clock.now().Add(time.Hour).Unix()
	}})
	a = newApp(t, op, func(c *oidcrp.Config) {
		registering(c)
		c.Store = oidcrp.NewMemoryStore()
	})
	op.SetNow(a.clock.now)
	a.signIn()
	a.clock.advance(58 * time.Minute)
	node := a.later(func(*oidcrp.Config) {}) // finds the registration due
	b := a.browse()
	w := ask(node, node, nil, "GET", "/auth/login?return_to=/reports", navigate...)
	for _, line := range w.Header().Values("Set-Cookie") {
		b.SetCookie(a.URL+"/", line)
	}
	res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(w.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	callback := res.Header.Get("Location")
	a.calls(oidcrptest.RegisterEndpoint, 2)
	a.shows(b.Get(callback), "reports for alice")
	a.calls(oidcrptest.RegisterEndpoint, 2)
}

// The provider ends sessions of who we were before the registration was
// renewed, too; and who we are was not changed by its word.
func TestLogoutAfterARenewal(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	var a *app
	op.SetFaults(oidcrptest.Fault{Name: "expiry", Registration: func(m map[string]any) {
		m["client_secret_expires_at"] = a.clock.now().Add(time.Hour).Unix()
	}})
	a = newApp(t, op, func(c *oidcrp.Config) {
		registering(c)
		c.Store, c.Providers[0].BackchannelLogout = oidcrp.NewMemoryStore(), true
	})
	op.SetNow(a.clock.now)
	b := a.signIn()
	clients := op.Clients()
	old := clients[len(clients)-1]
	a.clock.advance(2 * time.Hour)
	other := a.signInAs("bob")
	a.calls(oidcrptest.RegisterEndpoint, 2)
	if sent := op.SendLogoutToken(old.ID, op.LogoutToken(old.ID, "alice", "")); sent.Status != http.StatusOK {
		t.Errorf("answered %+v\n%s", sent, a.log)
	}
	if me := b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		t.Errorf("the session lives: %s", me)
	}
	a.shows(other.Get(a.URL+"/reports"), "reports for bob")
	a.calls(oidcrptest.RegisterEndpoint, 2)
}

// Two clients at one provider are two, though neither is in the settings.
func TestEndedAtOneOfTwoRegisteredClients(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		registering(c)
		second := c.Providers[0]
		second.Name = "second"
		c.Providers = append(c.Providers, second)
	})
	first, second := a.browse(), a.browse()
	a.shows(first.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
	a.shows(second.Get(a.URL+"/auth/login?provider=second&return_to=/reports"), "reports for alice")
	a.calls(oidcrptest.RegisterEndpoint, 2)
	if err := a.rp.EndSessions(t.Context(), oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"}); err != nil {
		t.Fatal(err)
	}
	if me := first.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		t.Errorf("the ended session lives: %s", me)
	}
	if me := second.Fetch("GET", "/auth/me", nil); me.Status != http.StatusOK {
		t.Errorf("the other one does not: %s", me)
	}
}

func TestStoreOutageAtRegistration(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		registering(c)
		c.Store = store
	})
	store.fail(func() error { return fmt.Errorf("down") }, "Find", "Commit")
	if page := a.browse().Get(a.URL + "/auth/login"); page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Errorf("%s", page)
	}
	a.calls(oidcrptest.RegisterEndpoint, 0)
	store.fail(nil)
	a.clock.advance(time.Minute)
	a.signIn()
}

// The store holds nothing that helps who reads it.
func TestRegistrationIsSealed(t *testing.T) {
	store := newPlain()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		registering(c)
		c.Store = store
	})
	id := asClient(t, a.rp)
	clients := a.op.Clients()
	store.mu.Lock()
	defer store.mu.Unlock()
	if len(store.records) == 0 {
		t.Fatal("nothing was kept")
	}
	for name, value := range store.records {
		for _, secret := range []string{id, clients[len(clients)-1].Secret} {
			if bytes.Contains(value, []byte(secret)) || strings.Contains(name, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
	}
}

func TestRegisteredByKeys(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		registering(c)
		byReference(&c.Providers[0])
		c.Providers[0].ClientAuth = "private_key_jwt"
	})
	a.signIn()
	clients := a.op.Clients()
	c := clients[len(clients)-1]
	if c.AuthMethod != "private_key_jwt" || c.Secret != "" || c.JWKSURL != a.URL+"/auth/jwks/test" || c.RequestObjectAlgorithm != "RS256" ||
		!slices.Equal(c.RequestURLs, []string{a.URL + "/auth/request/test"}) || !c.RequireRequestObject {
		t.Errorf("registered %+v", c)
	}
}
