package oidcrp_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// job calls the API for alice without a browser.
func (a *app) job(rp *oidcrp.RelyingParty) (string, error) {
	u := oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"}
	resp, err := rp.ClientFor(context.Background(), u).Get(a.op.URL(oidcrptest.ResourceEndpoint))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body), nil
}

func (a *app) alice() oidcrp.Identity {
	return oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"}
}

func keepsOffline(cfg *oidcrp.Config) { cfg.Providers[0].KeepOffline = true }

func TestJobWithoutBrowser(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, keepsOffline)
	if _, err := a.job(a.rp); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Fatalf("before the first login: %v", err)
	}
	b := a.signIn()
	works := func() {
		t.Helper()
		if body, err := a.job(a.rp); err != nil || !strings.Contains(body, `"sub":"alice"`) {
			t.Fatalf("%s, %v\nlog: %s", body, err, a.log)
		}
	}
	works()
	a.shows(a.call(b), `"sub":"alice"`)
	// The session and the job use one refresh token.
	a.expire()
	works()
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	// A sign-out leaves it, a restart does, and another login replaces it.
	b.Get(a.URL + "/leave")
	a.expire()
	works()
	if _, err := a.job(a.later(func(*oidcrp.Config) {})); err != nil {
		t.Errorf("another process: %v", err)
	}
	a.signIn()
	works()
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 0 {
		t.Errorf("%d revocations", n)
	}
	for range 10 { // far beyond the session
		a.clock.advance(30 * 24 * 3600e9)
		works()
	}
	token, err := a.rp.TokenSourceFor(context.Background(), a.alice(), op.URL(oidcrptest.ResourceEndpoint)).Token()
	if err != nil || token.AccessToken == "" {
		t.Errorf("got %v, %v", token, err)
	}

	if err := a.rp.Forget(context.Background(), a.alice()); err != nil {
		t.Fatal(err)
	}
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 {
		t.Errorf("%d revocations", n)
	}
	if _, err := a.job(a.rp); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("after Forget: %v", err)
	}
	if err := a.rp.Forget(context.Background(), a.alice()); err != nil {
		t.Errorf("again: %v", err)
	}
	a.signIn() // the user is back
	works()
}

// Who was forgotten stays so, though a refresh that was under way wrote the tokens
// back while it could not be told.
func TestForgottenStaysForgotten(t *testing.T) {
	store := &expiring{plain: newPlain()}
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) {
		keepsOffline(cfg)
		cfg.Store = store
		cfg.Providers[0].Endpoints.Revocation = oidcrp.NoEndpoint // else the token is of no use
	})
	store.now = a.clock.now
	a.signIn()
	records := store.keep()
	if err := a.rp.Forget(t.Context(), a.alice()); err != nil {
		t.Fatal(err)
	}
	for key, b := range store.keep() {
		records[key] = b
	}
	store.putBack(records)
	a.clock.advance(399 * 24 * time.Hour)
	if _, err := a.job(a.later(func(*oidcrp.Config) {})); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("the job: %v", err)
	}
	a.signIn()
	if _, err := a.job(a.rp); err != nil {
		t.Errorf("the user is back: %v", err)
	}
}

// A login during a refresh brings newer tokens, and they stay.
func TestLoginDuringRefreshOfAJob(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, keepsOffline)
	a.signIn()
	a.expire()
	entered, release := a.holdRefresh()
	failed := make(chan error)
	go func() {
		_, err := a.job(a.rp)
		failed <- err
	}()
	late := (<-entered)["refresh_token"]
	a.signIn()
	release()
	if err := <-failed; err != nil {
		t.Errorf("the job: %v", err)
	}
	op.SetFaults()
	a.expire()
	if _, err := a.job(a.rp); err != nil {
		t.Errorf("the job: %v", err)
	}
	all := op.Requests(oidcrptest.TokenEndpoint)
	if got := all[len(all)-1].Form.Get("refresh_token"); got == "" || got == late {
		t.Error("the tokens of the login were overwritten")
	}
}

func TestJobIsForNoOther(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, keepsOffline)
	a.signIn()
	for name, u := range map[string]oidcrp.Identity{
		"another user":   {Provider: "test", Issuer: op.Issuer(), Subject: "bob"},
		"another issuer": {Provider: "test", Issuer: "https://other.example", Subject: "alice"},
		"no provider":    {Provider: "other", Issuer: op.Issuer(), Subject: "alice"},
	} {
		want := oidcrp.ErrNoToken
		if u.Provider != "test" {
			want = oidcrp.ErrMisconfigured
		}
		if _, err := a.rp.ClientFor(context.Background(), u).Get(op.URL(oidcrptest.ResourceEndpoint)); !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Without KeepOffline nothing outlives the session.
	session := newTokenApp(t, oidcrptest.NewProvider(t), nil)
	session.signIn()
	if _, err := session.job(session.rp); !errors.Is(err, oidcrp.ErrMisconfigured) {
		t.Errorf("got %v", err)
	}
	if err := session.rp.Forget(context.Background(), session.alice()); !errors.Is(err, oidcrp.ErrMisconfigured) {
		t.Errorf("got %v", err)
	}
}

// A login that brings no refresh token leaves what an earlier one left.
func TestLoginWithoutRefreshToken(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, keepsOffline)
	a.signIn()
	op.SetFaults(oidcrptest.TokenField("refresh_token", nil))
	b := a.signIn()
	a.shows(a.call(b), `"sub":"alice"`)
	op.SetFaults()
	a.expire()
	a.fails(b, oidcrp.ErrNoToken) // this session has no way to another one
	if _, err := a.job(a.rp); err != nil {
		t.Errorf("the job: %v", err)
	}
}

func TestRefreshBringsClaims(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Providers[0].UserInfo = oidcrp.UserInfoRequired })
	op.AddUser(oidcrptest.User{Subject: "alice", Name: "Alice", Email: "alice@example.com"})
	b := a.signIn()
	if page := b.Get(a.URL + "/admin"); page.Status != http.StatusForbidden {
		t.Fatalf("status %d", page.Status)
	}
	cookie := a.sessionCookie(b).Value
	op.AddUser(oidcrptest.User{Subject: "alice", Name: "Alice Cooper", Claims: map[string]any{"roles": []string{"admin"}}})
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
	a.shows(b.Get(a.URL+"/admin"), "admin page")
	me := b.Fetch("GET", "/auth/me", nil)
	// What did not come again stays.
	if !strings.Contains(string(me.Body), "Alice Cooper") || !strings.Contains(string(me.Body), "alice@example.com") {
		t.Errorf("me: %s", me.Body)
	}
	if a.sessionCookie(b).Value != cookie {
		t.Error("the session has another cookie, which nobody carried away")
	}
}

// An address of one document and the word of another that it is the user's make
// no verified address.
func TestRefreshPairsNoTwoDocuments(t *testing.T) {
	type claims = map[string]any
	verified := claims{"email": "alice@example.com", "email_verified": true}
	for _, tt := range []struct {
		name       string
		login      claims
		refreshed  claims
		email      string
		isVerified bool
	}{
		{"another address alone", verified, claims{"email": "ceo@corp.example"}, "ceo@corp.example", false},
		{"another address that is", verified, claims{"email": "ceo@corp.example", "email_verified": true}, "ceo@corp.example", true},
		{"the same address alone", verified, claims{"email": "alice@example.com"}, "alice@example.com", true},
		{"null, which is nothing", verified, claims{"email": nil, "email_verified": nil}, "alice@example.com", true},
		{"the word alone", claims{"email": "alice@example.com"}, claims{"email_verified": true}, "alice@example.com", false},
		{"the word taken back", verified, claims{"email_verified": false}, "alice@example.com", false},
		{"neither", verified, claims{"name": "Alice"}, "alice@example.com", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, oidcrptest.Fault{Name: "addresses", IDToken: func(t *oidcrptest.IDToken) {
				says := tt.login
				if t.Refreshed {
					says = tt.refreshed
				}
				maps.Copy(t.Claims, says)
			}})
			op.AddUser(oidcrptest.User{Subject: "alice"})
			a := newTokenApp(t, op, nil)
			b := a.signIn()
			a.expire()
			a.shows(a.call(b), `"sub":"alice"`)
			var me struct {
				Claims struct {
					Email    string `json:"email"`
					Verified bool   `json:"email_verified"`
				} `json:"claims"`
			}
			if err := b.Fetch("GET", "/auth/me", nil).JSON(&me); err != nil || me.Claims.Email != tt.email || me.Claims.Verified != tt.isVerified {
				t.Errorf("got %+v, %v", me, err)
			}
		})
	}
}

func TestOnRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	answer := error(nil)
	asked := 0
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.OnLogin = func(_ context.Context, l *oidcrp.Login) error { l.Set("user", "7"); return nil }
		cfg.OnRefresh = func(_ context.Context, l *oidcrp.Login) error {
			asked++
			if l.Subject != "alice" || l.Session.Subject() != "alice" || l.Value("user") != "7" {
				t.Errorf("got %+v", l)
			}
			l.Roles = []string{"admin"}
			return answer
		}
	})
	op.AddUser(oidcrptest.User{Subject: "alice"})
	b := a.signIn()
	a.expire()
	answer = errors.New("database is down")
	a.shows(a.call(b), `"sub":"alice"`)
	if page := b.Get(a.URL + "/admin"); page.Status != http.StatusForbidden {
		t.Errorf("the claims were taken: %d", page.Status)
	}
	answer = nil
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
	a.shows(b.Get(a.URL+"/admin"), "admin page")
	answer = &oidcrp.Refusal{Message: "left the company"}
	a.expire()
	op.SignInAs("")
	a.fails(b, oidcrp.ErrNoToken)
	if me := b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		t.Errorf("still signed in: %s", me.Body)
	}
	if asked != 3 || a.events.reason(oidcrp.SessionEnded) != "refused" || a.events.reason(oidcrp.RefreshFailed) != "refused" {
		t.Errorf("asked %d times, %s, %s", asked, a.events.reason(oidcrp.SessionEnded), a.events.reason(oidcrp.RefreshFailed))
	}
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 {
		t.Errorf("%d revocations", n)
	}
}

// Whom the application does not want any more is forgotten by its jobs.
func TestOnRefreshOfAJob(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		keepsOffline(cfg)
		cfg.OnRefresh = func(_ context.Context, l *oidcrp.Login) error {
			if l.Session != nil || l.Identity().Subject != "alice" {
				t.Errorf("got %+v", l)
			}
			return &oidcrp.Refusal{Message: "left the company"}
		}
	})
	a.signIn()
	a.expire()
	for range 2 {
		if _, err := a.job(a.rp); !errors.Is(err, oidcrp.ErrNoToken) {
			t.Errorf("got %v", err)
		}
	}
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 || refreshes(op) != 1 {
		t.Errorf("%d revocations, %d refreshes", n, refreshes(op))
	}
}

// One record serves all sessions of a user, and jobs: who is refused when it is
// refreshed loses them all, whichever of them began it.
func TestRefusalReachesAllWhoShareTokens(t *testing.T) {
	refusal := &oidcrp.Refusal{Message: "left the company"}
	for hook, set := range map[string]func(cfg *oidcrp.Config, refused *atomic.Bool){
		"OnRefresh": func(cfg *oidcrp.Config, refused *atomic.Bool) {
			cfg.OnRefresh = func(context.Context, *oidcrp.Login) error {
				if refused.Load() {
					return refusal
				}
				return nil
			}
		},
		"StillAllowed": func(cfg *oidcrp.Config, refused *atomic.Bool) {
			cfg.StillAllowedEvery = 400 * 24 * 3600e9
			cfg.StillAllowed = func(context.Context, *oidcrp.Session) error {
				if refused.Load() {
					return refusal
				}
				return nil
			}
		},
	} {
		for by, use := range map[string]func(a *app, b *oidcrptest.Browser){
			"a session": func(a *app, b *oidcrptest.Browser) { a.fails(b, oidcrp.ErrNoToken) },
			"a job": func(a *app, _ *oidcrptest.Browser) {
				if _, err := a.job(a.rp); !errors.Is(err, oidcrp.ErrNoToken) {
					a.t.Errorf("the job: %v", err)
				}
			},
		} {
			if hook == "StillAllowed" && by == "a job" {
				continue // there is no session to ask about
			}
			t.Run(hook+" by "+by, func(t *testing.T) {
				var refused atomic.Bool
				op := oidcrptest.NewProvider(t)
				a := newTokenApp(t, op, func(cfg *oidcrp.Config) { keepsOffline(cfg); set(cfg, &refused) })
				one, two, bob := a.signIn(), a.signIn(), a.signInAs("bob")
				a.expire()
				refused.Store(true)
				use(a, one)
				for b, want := range map[*oidcrptest.Browser]string{one: "nobody", two: "nobody", bob: "bob"} {
					if who := a.whoHas(a.sessionCookie(b)); who != want {
						t.Errorf("a session is %s's, want %s", who, want)
					}
				}
				if ended := a.events.of(oidcrp.SessionEnded); ended[0].Reason != "refused" || ended[0].Subject != "alice" {
					t.Errorf("events %+v", ended)
				}
				refused.Store(false)
				op.EndSessions()
				op.SignInAs("alice")
				a.clock.advance(time.Second)
				a.shows(two.Get(a.URL+"/reports"), "reports for alice")
				a.shows(a.call(two), `"sub":"alice"`)
			})
		}
	}
	// A record that is one session's ends that one.
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) {
		cfg.OnRefresh = func(context.Context, *oidcrp.Login) error { return refusal }
	})
	one, two := a.signIn(), a.signIn()
	a.expire()
	a.fails(one, oidcrp.ErrNoToken)
	if who := a.whoHas(a.sessionCookie(two)); who != "alice" {
		t.Errorf("the other session is %s's", who)
	}
}

func TestStillAllowedAtRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	allowed := true
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.StillAllowedEvery = 400 * 24 * 3600e9
		cfg.StillAllowed = func(_ context.Context, s *oidcrp.Session) error {
			if !allowed {
				return &oidcrp.Refusal{Message: "left"}
			}
			return nil
		}
	})
	b := a.signIn()
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
	allowed = false
	a.expire()
	op.SignInAs("")
	a.fails(b, oidcrp.ErrNoToken)
	if me := b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		t.Errorf("still signed in: %s", me.Body)
	}
}

// Tokens of a session that is over are given back, though the request it ended
// with is over too.
func TestTokensOfWhoGoesAway(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	ctx, goAway := context.WithCancel(context.Background())
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Store = newPlain()
		cfg.StillAllowed = func(context.Context, *oidcrp.Session) error {
			goAway()
			return &oidcrp.Refusal{Message: "left"}
		}
	})
	cookie := a.sessionCookie(a.signIn())
	a.clock.advance(6 * time.Minute)
	r := httptest.NewRequestWithContext(ctx, "GET", a.URL+"/auth/me", nil)
	r.AddCookie(cookie)
	a.rp.ServeHTTP(httptest.NewRecorder(), r)
	if ctx.Err() == nil {
		t.Fatal("the application was not asked")
	}
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 {
		t.Errorf("%d revocations\nlog: %s", n, a.log)
	}
}

// What waits for a page of the application has its tokens afterwards, and so
// has what came by form_post.
func TestTokensAfterPause(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].ResponseMode = "form_post"
		cfg.OnLogin = func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} }
	})
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports"), "terms")
	a.shows(b.Submit(b.Page().Form("terms"), nil), "reports for alice")
	a.shows(a.call(b), `"sub":"alice"`)
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)

	direct := newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) { cfg.Providers[0].ResponseMode = "form_post" })
	b = direct.signIn()
	direct.shows(direct.call(b), `"sub":"alice"`)
	// Changing the session leaves them where they are.
	direct.shows(b.Get(direct.URL+"/update"), "updated")
	direct.shows(direct.call(b), `"sub":"alice"`)
}

func TestTokensAreSealed(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	store := newPlain()
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Store = store; keepsOffline(cfg) })
	b := a.signIn()
	a.shows(a.call(b), "alice")
	token := strings.TrimPrefix(op.Requests(oidcrptest.ResourceEndpoint)[0].Header.Get("Authorization"), "Bearer ")
	for key, record := range store.records {
		if strings.Contains(string(record), token) || strings.Contains(string(record), "alice") || strings.Contains(key, "alice") {
			t.Errorf("%s is not sealed", key)
		}
	}
	for _, c := range b.Cookies(a.URL) {
		if len(c.Value) > 100 && !strings.Contains(c.Name, "hint") {
			t.Errorf("cookie %s has %d bytes", c.Name, len(c.Value))
		}
	}
}

func TestTokenSettings(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	for name, tt := range map[string]struct {
		change func(*oidcrp.Config)
		want   string
	}{
		"no store":          {func(c *oidcrp.Config) { c.Store = nil }, "KeepTokens: needs Config.Store"},
		"no code":           {func(c *oidcrp.Config) { c.Providers[0].ResponseType = "id_token token" }, "KeepTokens: response type"},
		"offline alone":     {func(c *oidcrp.Config) { c.Providers[0].KeepTokens, c.Providers[0].KeepOffline = false, true }, "KeepOffline: needs KeepTokens"},
		"APIs alone":        {func(c *oidcrp.Config) { c.Providers[0].KeepTokens = false }, "APIs: need KeepTokens"},
		"plain http":        {api(oidcrp.API{URL: "http://api.example/"}), "APIs[0].URL: \"http://api.example/\": use https"},
		"a path alone":      {api(oidcrp.API{URL: "/v1"}), "APIs[0].URL: \"/v1\": give scheme"},
		"a query":           {api(oidcrp.API{URL: "https://api.example/?x=1"}), "give scheme, host and path"},
		"dots":              {api(oidcrp.API{URL: "https://api.example/a/../b"}), "give scheme, host and path"},
		"two scopes in one": {api(oidcrp.API{URL: "https://api.example/", Scopes: []string{"a b"}}), "give one scope in each"},
		"a relative target": {api(oidcrp.API{URL: "https://api.example/", Resource: "mail"}), "APIs[0].Resource"},
		"the same API twice": {func(c *oidcrp.Config) {
			c.Providers[0].APIs = []oidcrp.API{{URL: "https://api.example/"}, {URL: "https://api.example/"}}
		}, "is there already"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := oidcrp.Config{BaseURL: "http://localhost:1", CookieKeys: [][]byte{key(1)}, Store: oidcrp.NewMemoryStore(), Providers: []oidcrp.Provider{op.Config("test", "http://localhost:1")}}
			cfg.Providers[0].KeepTokens = true
			cfg.Providers[0].APIs = []oidcrp.API{{URL: "https://api.example/"}}
			tt.change(&cfg)
			if _, err := oidcrp.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func api(a oidcrp.API) func(*oidcrp.Config) {
	return func(c *oidcrp.Config) { c.Providers[0].APIs = []oidcrp.API{a} }
}

// Sessions may stay in cookies, and tokens never do.
func TestTokensOfCookieSessions(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.CookieSessions = true })
	b := a.signIn()
	for range 2 {
		a.shows(a.call(b), `"sub":"alice"`)
		a.expire()
	}
	stolen := a.sessionCookie(b)
	b.Get(a.URL + "/leave")
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 {
		t.Errorf("%d revocations", n)
	}
	calls := op.Calls(oidcrptest.ResourceEndpoint)
	if status := a.onOtherNode(a.rp, stolen); status == http.StatusOK || op.Calls(oidcrptest.ResourceEndpoint) != calls {
		t.Errorf("a copied cookie calls the API: %d", status)
	}
}

// Who calls no API pays nothing for tokens.
func TestRequestsWithoutAPIReadNoTokens(t *testing.T) {
	read := map[bool]int{}
	for _, keep := range []bool{false, true} {
		store := newPlain()
		a := newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) {
			cfg.Store = store
			if !keep {
				cfg.Providers[0].KeepTokens, cfg.Providers[0].APIs = false, nil
			}
		})
		b := a.signIn()
		store.fail(func() error { read[keep]++; return nil }, "Find")
		a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	}
	if read[true] != read[false] || read[true] == 0 {
		t.Errorf("%d records read, and %d without tokens", read[true], read[false])
	}
}

// R24: what panics outside of a request must not end the process.
func panicDuringRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	broken := false
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		p := &cfg.Providers[0]
		secret := p.ClientSecret
		p.ClientSecret, p.ClientSecretFunc = "", func(context.Context) (oidcrp.Secret, error) {
			if broken {
				panic("no vault")
			}
			return secret, nil
		}
	})
	b := a.signIn()
	a.expire()
	broken = true
	if page := a.call(b); page.Status != http.StatusBadGateway || !strings.Contains(page.Body, "panicked") {
		t.Errorf("got %s", page)
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	broken = false
	a.clock.advance(time.Minute) // it rests after a failure
	a.shows(a.call(b), `"sub":"alice"`)
	broken = true
	b.Get(a.URL + "/leave")
	a.rp.Shutdown(context.Background())
	if !strings.Contains(a.log.String(), "refresh token not revoked") {
		t.Error("nothing in the log")
	}
}
