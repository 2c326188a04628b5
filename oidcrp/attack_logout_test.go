package oidcrp_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// logoutAttacks are T117 to T126: sign-out.
var logoutAttacks = []attack{
	{"T117 copied cookie", copiedCookieAfterLogout},
	{"T117 copied cookie without a store", copiedCookieWithoutAStore},
	{"T118 no end-session endpoint", logoutWithoutTheProvider},
	{"T118 provider down", logoutWhileTheProviderIsDown},
	{"T118 provider that answers with an error", logoutTheProviderRefuses},
	{"T118 state on return", returnFromTheProvidersLogout},
	{"T118 address after the logout", whereALogoutEnds},
	{"T118 provider still signed in", noSilentLoginAfterSignOut},
	{"T119 what a token names", logoutTokenEndsWhatItNames},
	{"T119 already signed out", logoutTokenAfterSignOut},
	{"T120 token", badLogoutTokens},
	{"T121 replay after a new login", loginAfterLogoutToken},
	{"T121 login under way", logoutTokenDuringALogin},
	{"T122 request", logoutTokenRequests},
	{"T122 slow body", slowLogoutToken},
	{"T123 ID token as logout token", otherTokensAsLogoutTokens},
	{"T123 logout token as ID token", logoutTokenAsIDToken},
	{"T123 token of another provider", logoutTokenOfAnotherProvider},
	{"T124 older session expired", logoutTokenAfterOneExpired},
	{"T124 empty store", logoutTokenForAnEmptyStore},
	{"T124 store down", logoutTokenDuringAnOutage},
	{"T124 no index", noSessionIndex},
	{"T125 iss and sid", frontchannelLogout},
	{"T125 in a browser", frontchannelLogoutInABrowser},
	{"T126 one session and one user", administratorEnds},
	{"T126 everywhere", signOutEverywhere},
	{"T126 all users", newKeysEndAll},
	{"T126 tokens", tokensOfEndedSessions},
	{"T126 tokens at their expiry", tokensNobodyAsksFor},
	{"T126 deleted user", deletedUser},
}

// copiedCookieAfterLogout is none, on every node that has the store, for as
// long as the session would have lived.
func copiedCookieAfterLogout(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			// Else the provider would tell of it.
			a := newTold(t, func(c *oidcrp.Config) { keep(c); c.Providers[0].LocalLogoutOnly = true })
			b := a.signIn()
			c := a.sessionCookie(b)
			a.use(1)
			a.shows(a.app.logout(b, ""), "signed out")
			for range 13 {
				if who := a.on(c); who != "nobody" {
					t.Fatalf("the copy is %s's", who)
				}
				a.clock.advance(time.Hour)
			}
		})
	}
}

func returnFromTheProvidersLogout(t *testing.T) {
	for _, tt := range []struct {
		fault oidcrptest.Fault
		want  string
	}{
		{oidcrptest.Fault{Name: "right state"}, "home of nobody"},
		{oidcrptest.EndSessionWrongState, "You are signed out"},
		{oidcrptest.EndSessionNoState, "You are signed out"},
	} {
		t.Run(tt.fault.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, tt.fault), nil)
			b := a.signIn()
			a.shows(a.logout(b, "/bye"), tt.want)
			a.shows(b.Get(a.URL+"/"), "home of nobody")
		})
	}
	t.Run("a state that is a ticket, and the reverse", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		b := a.signIn()
		ticket := mustParse(t, a.with(b, "GET", "/leave").Header.Get("Location")).Query().Get("ticket")
		other := a.signIn()
		a.logout(other, "/bye")
		state := a.asked().Get("state")
		a.op.ResetCalls()
		third := a.signInAs("bob")
		a.shows(third.Get(a.URL+"/auth/logout?state="+ticket), "Sign out?")
		a.shows(third.Get(a.URL+"/auth/logout?ticket="+state), "Sign out?")
		a.calls(oidcrptest.EndSessionEndpoint, 0)
		a.clock.advance(61 * time.Minute)
		a.shows(third.Get(a.URL+"/auth/logout?state="+state), "Sign out?") // too old
		a.shows(third.Get(a.URL+"/"), "home of bob")
	})
}

func logoutWithoutTheProvider(t *testing.T) {
	for name, tt := range map[string]struct {
		faults []oidcrptest.Fault
		change func(*oidcrp.Config)
	}{
		"no end_session_endpoint": {faults: []oidcrptest.Fault{oidcrptest.NoEndSession}},
		"blanked":                 {change: func(c *oidcrp.Config) { c.Providers[0].Endpoints.EndSession = oidcrp.NoEndpoint }},
		"local only":              {change: func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true }},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, tt.faults...), tt.change)
			b := a.signIn()
			c := a.sessionCookie(b)
			a.shows(a.logout(b, "/bye"), "home of nobody")
			a.calls(oidcrptest.EndSessionEndpoint, 0)
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
			b = a.signIn()
			a.shows(a.logout(b, ""), "You are signed out")
			b = a.signIn()
			a.shows(b.Get(a.URL+"/leave"), "home of nobody")
			a.calls(oidcrptest.EndSessionEndpoint, 0)
		})
	}
}

// A process that never reached the provider signs out here all the same, soon.
func logoutWhileTheProviderIsDown(t *testing.T) {
	n := newNodes(t, oidcrptest.NewProvider(t), func(*oidcrp.Config) {})
	b := n.signIn()
	c := n.sessionCookie(b)
	n.op.Stop()
	n.use(1)
	began := time.Now()
	n.shows(n.logout(b, "/bye"), "home of nobody")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if who := n.whoHas(c); who != "nobody" {
		t.Errorf("a copy of the cookie is still %s", who)
	}
	if !strings.Contains(n.log.String(), "provider not signed out") {
		t.Errorf("the operator is not told: %s", n.log)
	}
}

func whereALogoutEnds(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	local := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true })
	for to, want := range map[string]string{
		"": "/auth/logout", "/": "/", "/bye?a=b": "/bye?a=b", a.URL + "/bye": "/bye",
		"//evil.example": "/", "https://evil.example/": "/", `/\evil.example`: "/", "javascript:alert(1)": "/", "/auth/login": "/", "/auth/logout": "/",
		"/%2e%2e//evil.example": "/", "/x\r\nSet-Cookie: a=b": "/",
	} {
		b := a.signIn()
		page := a.logout(b, to)
		got := page.URL.RequestURI()
		if strings.HasPrefix(got, "/auth/logout?state=") {
			got = "/auth/logout"
		}
		if page.Status != 200 || got != want || !strings.HasPrefix(page.URL.String(), a.URL+"/") {
			t.Errorf("%q led to %s: %d", to, page.URL, page.Status)
		}
		// Without the provider's detour there is nothing that judges it later.
		to = strings.ReplaceAll(to, a.URL, local.URL)
		if page := local.logout(local.signIn(), to); page.Status != 200 || page.URL.String() != local.URL+want {
			t.Errorf("%q led to %s without the provider: %d", to, page.URL, page.Status)
		}
	}
}

func copiedCookieWithoutAStore(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.IdleTimeout = time.Hour })
	b := a.signIn()
	c := a.sessionCookie(b)
	a.clock.advance(30 * time.Minute)
	b.Get(a.URL + "/reports") // a cookie with another stamp
	later := a.sessionCookie(b)
	if later.Value == c.Value || a.whoHas(c) != "alice" {
		t.Fatal("the idle time was not extended")
	}
	a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
	for _, copied := range []*http.Cookie{c, later} {
		if who := a.whoHas(copied); who != "nobody" {
			t.Errorf("still %s", who)
		}
	}
	a.op.SetNow(a.clock.now)
	if who := a.whoHas(a.sessionCookie(a.signIn())); who != "alice" {
		t.Errorf("a later session of the same user is %s", who)
	}
}

// noSilentLoginAfterSignOut: the provider's session may survive the sign-out,
// and must not undo it.
func noSilentLoginAfterSignOut(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.NoEndSession), nil)
	address := newSilentApp(t, a)
	b := a.browse()
	a.shows(b.Get(address+"/"), "home of alice")
	b.PostForm(address+"/auth/logout", nil)
	a.op.ResetCalls()
	a.shows(b.Get(address+"/"), "home of nobody")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	a.clock.advance(11 * time.Minute) // the browser's
	a.shows(b.Get(address+"/"), "home of alice")
}

// logoutTheProviderRefuses has ended here before the provider is asked.
func logoutTheProviderRefuses(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.EndSessionStatus(status)), nil)
			b := a.signIn()
			c := a.sessionCookie(b)
			if page := a.logout(b, "/bye"); page.Status != status {
				t.Errorf("ended at %s", page)
			}
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
			for _, left := range b.Cookies(a.URL + "/auth/logout") {
				if !strings.Contains(left.Name, "oidcrp_login_") {
					t.Errorf("left behind: %s", left)
				}
			}
			a.shows(b.Get(a.URL+"/auth/logout"), "You are signed out")
		})
	}
}
