package oidcrp_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Whoever brings an error ends nobody's session and nobody's login.
func errorWithoutALogin(t *testing.T) {
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		v := a.answerTo(b, "/auth/login?return_to=/reports")
		stranger := a.answerTo(a.browse(), "/reports")
		for _, code := range []string{"access_denied", "login_required", "server_error"} {
			for _, tt := range []struct{ name, state, reason string }{
				{"no state", "", "state"},
				{"made-up state", "made-up", "state"},
				{"another browser's state", stranger.Get("state"), "binding"},
			} {
				t.Run(fmt.Sprintf("%s with %s by %s", code, tt.name, mode), func(t *testing.T) {
					a := a.in(t)
					failed := url.Values{"error": {code}, "error_description": {"call 0900-FRAUD"}, "iss": v["iss"]}
					if tt.state != "" {
						failed.Set("state", tt.state)
					}
					page := a.rejected(b, rejection{reason: tt.reason}, func() *oidcrptest.Page { return a.answer(b, mode, failed) })
					if strings.Contains(page.Body, "FRAUD") || strings.Contains(page.Body, code) {
						t.Errorf("the error is on the page: %s", page.Body)
					}
				})
			}
		}
		a.shows(a.answer(b, mode, v), "reports for alice")
	}
}

func errorOfTheProvider(t *testing.T) {
	generic := map[string]bool{}
	codes := []struct {
		code   string
		status int
		reason string
	}{
		{"access_denied", 400, "cancelled"},
		{"login_required", 400, "invalid_response"},
		{"interaction_required", 400, "invalid_response"},
		{"consent_required", 400, "invalid_response"},
		{"server_error", 503, "provider_unavailable"},
		{"temporarily_unavailable", 503, "provider_unavailable"},
		{"invalid_scope", 500, "misconfigured"},
		{"made_up", 400, "invalid_response"},
		{"<b>made up</b>", 400, "invalid_response"},
		{strings.Repeat("x", 10<<10), 400, "invalid_response"},
	}
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		for _, tt := range codes {
			t.Run(fmt.Sprintf("%.20s by %s", tt.code, mode), func(t *testing.T) {
				a := a.in(t)
				a.op.ResetCalls()
				v := a.answerTo(b, "/auth/login?return_to=/reports")
				failed := url.Values{"error": {tt.code}, "error_description": {"call 0900-FRAUD"}, "state": v["state"], "iss": v["iss"]}
				want := rejection{status: tt.status, reason: tt.reason}
				want.right, want.form = a.rightly(mode, v)
				page := a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, failed) })
				if strings.Contains(page.Body, "FRAUD") || strings.Contains(page.Body, tt.code) {
					t.Errorf("the provider's text is on the page: %s", page.Body)
				}
				if n := len(tt.code); n > 1000 && strings.Contains(a.log.String(), tt.code) {
					t.Errorf("%d characters are in the log", n)
				}
				if tt.reason == "invalid_response" {
					failed := a.events.of(oidcrp.LoginFailed)
					generic[strings.Replace(page.Text(), failed[len(failed)-1].ID, "", 1)] = true
				}
				again := b.Follow(page.Links()[0].Text)
				a.shows(again, "reports for alice")
				pushed := a.requests()
				if state := pushed[len(pushed)-1].Get("state"); state == v.Get("state") || len(pushed) != 2 {
					t.Errorf("%d logins, the last with state %q", len(pushed), state)
				}
			})
		}
	}
	if len(generic) != 1 {
		t.Errorf("codes nobody maps have several pages: %v", generic)
	}
}

// lateApp is an application whose clock, and its provider's, a test moves.
func lateApp(t *testing.T) (a *app, b *oidcrptest.Browser) {
	// The provider would have forgotten a pushed request by then.
	a = newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].PAR = oidcrp.Refused })
	a.clock.stop()
	a.op.SetNow(a.clock.now)
	a.op.SignInAs("")
	b = a.browse()
	b.SetNow(time.Now) // it keeps its cookies longer than it should
	b.Get(a.URL + "/reports?a=b")
	return a, b
}

func answerInTime(t *testing.T) {
	a, b := lateApp(t)
	a.clock.advance(10*time.Minute - time.Second)
	a.shows(b.SubmitForm("alice", nil), "reports for alice at /reports?a=b")
	if n := len(a.events.of(oidcrp.LoginStarted)); n != 1 {
		t.Errorf("%d logins started", n)
	}
}

func answerTooLate(t *testing.T) {
	a, b := lateApp(t)
	a.clock.advance(10*time.Minute + time.Second)
	a.shows(b.SubmitForm("alice", nil), "reports for alice at /reports?a=b") // the provider knows her by now
	a.calls(oidcrptest.TokenEndpoint, 1)
	if started, failed := a.events.of(oidcrp.LoginStarted), a.events.of(oidcrp.LoginFailed); len(started) != 2 || len(failed) != 1 || failed[0].Reason != "expired" {
		t.Errorf("started %+v, failed %+v", started, failed)
	}
}

func answerTooLateEachTime(t *testing.T) {
	a, b := lateApp(t)
	a.op.SetFaults(oidcrptest.Fault{Name: "late", Response: func(*oidcrptest.Response) { a.clock.advance(11 * time.Minute) }})
	page := b.SubmitForm("alice", nil)
	a.refused(page, http.StatusBadRequest, "expired")
	a.calls(oidcrptest.TokenEndpoint, 0)
	if started, failed := a.events.of(oidcrp.LoginStarted), a.events.of(oidcrp.LoginFailed); len(started) != 3 || len(failed) != 3 {
		t.Errorf("%d logins started, and two by themselves were to; %d failed", len(started), len(failed))
	}
	a.op.SetFaults()
	a.shows(b.Follow("Try again"), "reports for alice at /reports?a=b")
}

// Each character of the state changed, in the last one just the bits that no
// byte has.
func changedState(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	v := a.answerTo(b, "/auth/login?return_to=/reports")
	good := v.Get("state")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for i := range good {
		changed := []byte(good)
		changed[i] = alphabet[strings.IndexByte(alphabet, good[i])^1]
		broken := maps.Clone(v)
		broken.Set("state", string(changed))
		a.rejected(b, rejection{reason: "state"}, func() *oidcrptest.Page { return a.answer(b, "query", broken) })
	}
	a.shows(a.answer(b, "query", v), "reports for alice")
}

// Nonce and verifier belong to the state, so that another's code is of no use.
func stateOfAnotherLogin(t *testing.T) {
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		one := a.answerTo(b, "/auth/login?return_to=/reports/1")
		two := a.answerTo(b, "/auth/login?return_to=/reports/2")
		swapped := maps.Clone(one)
		swapped["state"] = two["state"]
		want := rejection{reason: "invalid_response", calls: []string{oidcrptest.TokenEndpoint}}
		want.right, want.form = a.rightly(mode, two)
		a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, swapped) })
	}
}

// A return URL too long for the state is in one of two cookies, which belongs to
// the transaction: that of another login leads nowhere.
func returnURLOfAnotherLogin(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	long := strings.Repeat("x", 500)
	one := a.answerTo(b, "/auth/login?return_to=/reports/1"+long)
	two := a.answerTo(b, "/auth/login?return_to=/reports/2"+long)
	three := a.answerTo(b, "/auth/login?return_to=/reports/3"+long) // in place of the first
	a.shows(a.answer(b, "query", one), "home of alice")
	var kept []*http.Cookie
	for _, c := range b.Cookies(a.URL + "/auth/callback/test") {
		if strings.Contains(c.Name, "oidcrp_return") {
			kept = append(kept, c)
		}
	}
	if len(kept) != 2 {
		t.Fatalf("%d return cookies", len(kept))
	}
	for i, c := range kept {
		b.SetCookie(a.URL+"/", fmt.Sprintf("%s=%s; Path=%s; HttpOnly; SameSite=Lax", c.Name, kept[1-i].Value, c.Path))
	}
	a.shows(a.answer(b, "query", two), "home of alice")
	for _, c := range kept {
		b.SetCookie(a.URL+"/", fmt.Sprintf("%s=%s; Path=%s; HttpOnly; SameSite=Lax", c.Name, c.Value, c.Path))
	}
	a.shows(a.answer(b, "query", three), "reports for alice at /reports/3")
}

func tabsAtTwoProviders(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			second := oidcrptest.NewProvider(t)
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				c.Providers = append(c.Providers, second.Config("second", c.BaseURL))
				c.Providers[0].ResponseMode, c.Providers[1].ResponseMode = mode, mode
			})
			a.op.SignInAs("")
			one := a.browse()
			two := one.Tab()
			one.Get(a.URL + "/auth/login?provider=test&return_to=/reports/1")
			two.Get(a.URL + "/auth/login?provider=second&return_to=/reports/2")
			a.shows(two.SubmitForm("bob", nil), "reports for bob at /reports/2")
			a.shows(one.SubmitForm("alice", nil), "reports for alice at /reports/1")
			if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 2 {
				t.Errorf("%d logins succeeded", n)
			}
		})
	}
}
