package oidcrp_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// stepUpIgnored: the provider does not do what it was asked: a page, no loop, and
// the session as it was.
func stepUpIgnored(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	for _, tt := range []struct {
		path   string
		fault  oidcrptest.Fault
		status int
		reason string
	}{
		{"/recent", oidcrptest.StaleAuthTime, http.StatusForbidden, "step_up_failed"},
		{"/recent", oidcrptest.MissingAuthTime, http.StatusForbidden, "step_up_failed"},
		{"/strong", oidcrptest.WrongACR, http.StatusForbidden, "step_up_failed"},
		{"/strong", oidcrptest.MissingACR, http.StatusForbidden, "step_up_failed"},
		{"/strong", oidcrptest.AuthorizationError("unmet_authentication_requirements", "no"), http.StatusForbidden, "step_up_failed"},
		{"/strong", oidcrptest.AuthorizationError("login_required", "no"), http.StatusForbidden, "step_up_failed"},
		{"/strong", oidcrptest.AuthorizationError("access_denied", "no"), http.StatusBadRequest, "cancelled"},
		{"/strong", oidcrptest.WrongSignature, http.StatusBadRequest, "signature"},
		{"/strong", oidcrptest.TokenError("invalid_grant"), http.StatusBadRequest, "invalid_response"},
	} {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(tt.fault.Name+" "+tt.path+", "+mode, func(t *testing.T) {
				op.SetFaults()
				op.ResetCalls()
				a := newStepApp(t, op, func(cfg *oidcrp.Config) { cfg.Providers[0].ResponseMode = mode })
				b := a.signIn()
				a.clock.advance(10 * time.Minute)
				cookie, before := a.sessionCookie(b).Value, b.Get(a.URL+"/plain").Body
				op.SetFaults(tt.fault)
				page := b.Get(a.URL + tt.path)
				a.refused(page, tt.status, tt.reason)
				if failed := a.events.of(oidcrp.LoginFailed); tt.reason == "step_up_failed" && !errors.As(failed[0].Err, new(*oidcrp.LoginNeeded)) {
					t.Errorf("%v does not say what is needed", failed[0].Err)
				}
				a.answers(page, tt.status, "Please confirm that it is you")
				if n := len(a.requests()); n != 2 {
					t.Errorf("%d requests: it goes round in circles", n)
				}
				if a.sessionCookie(b).Value != cookie || b.Get(a.URL+"/plain").Body != before {
					t.Error("the session has changed")
				}
				// To try again is a wish, and one round.
				b.Get(a.URL + tt.path)
				a.refused(b.Follow("Try again"), tt.status, tt.reason)
				if n := len(a.requests()); n != 4 {
					t.Errorf("%d requests", n)
				}
				op.SetFaults()
				a.shows(b.Follow("Try again"), "GET "+tt.path)
			})
		}
	}
}

// laterSignInIsWeaker: what counts is how the user signed in last.
func laterSignInIsWeaker(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	for name, weaken := range map[string]string{"a login": "/auth/login?return_to=/plain", "a step-up by age alone": "/again?age=0s"} {
		b := a.browse()
		a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
		op.SetFaults(oidcrptest.WrongACR)
		a.shows(b.Get(a.URL+weaken), "acr=0")
		before := len(a.requests())
		a.refused(b.Get(a.URL+"/strong"), http.StatusForbidden, "step_up_failed")
		op.SetFaults()
		a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
		if n := len(a.requests()) - before; n != 2 {
			t.Errorf("after %s: %d requests", name, n)
		}
	}
}

func TestStepUpOfSomebodyElse(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		a.clock.advance(10 * time.Minute)
		cookie := a.sessionCookie(b).Value
		op.EndSessions()
		op.SignInAs("bob")
		page := b.Get(a.URL + "/recent")
		a.refused(page, http.StatusBadRequest, "sub")
		a.answers(page, http.StatusBadRequest, "That was another account")
		if a.sessionCookie(b).Value != cookie {
			t.Error("the session has changed")
		}
		a.shows(b.Get(a.URL+"/plain"), "for alice")
		op.SignInAs("alice")
		b.Get(a.URL + "/recent")
		a.shows(b.Get(a.URL+"/recent"), "for alice")
	})
}

// Somebody else signed in here meanwhile, or nobody is any more.
func TestStepUpForAnotherSession(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/strong")
	op.EndSessions()
	op.SignInAs("bob")
	a.shows(b.Get(a.URL+"/auth/login?return_to=/plain"), "for bob")
	a.refused(b.Get(callback), http.StatusBadRequest, "sub")
	a.shows(b.Get(a.URL+"/plain"), "for bob: acr=1")

	op.SignInAs("alice")
	b = a.signIn()
	callback = a.stopAtCallback(b, "/strong")
	b.DropCookie(a.sessionCookie(b).Name)
	a.refused(b.Get(callback), http.StatusBadRequest, "expired")
	a.answers(b.Fetch("GET", a.URL+"/plain", nil), http.StatusUnauthorized, "login_required")
}

// An answer that is late, replayed, or has lost its cookie is no reason to ask
// again by itself.
func TestStepUpThatIsLost(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/strong")
	a.clock.advance(6 * time.Minute)
	a.stopAtCallback(b, "/strong") // which keeps the cookie
	a.clock.advance(5 * time.Minute)
	page := b.Get(callback)
	a.refused(page, http.StatusBadRequest, "expired")
	a.shows(b.Follow("Try again"), "GET /strong")

	callback = a.stopAtCallback(b, "/again?age=0s")
	b.DropCookie(a.bindingName(b))
	a.refused(b.Get(callback), http.StatusBadRequest, "no_binding")
	a.shows(b.Get(a.URL+"/plain"), "for alice")

	callback = a.stopAtCallback(b, "/again?age=0s")
	a.shows(b.Get(callback), "GET /plain")
	n := op.Calls(oidcrptest.TokenEndpoint)
	a.shows(b.Get(callback), "GET /plain")
	if op.Calls(oidcrptest.TokenEndpoint) != n {
		t.Error("a code was redeemed twice")
	}
}

// A policy that is never content gets no more than one round.
func stepUpNeverLoops(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		page := b.Get(a.URL + "/never?x=1")
		a.answers(page, http.StatusForbidden, "Please confirm that it is you")
		if n := len(a.requests()); n != 2 {
			t.Errorf("%d requests", n)
		}
		if got := a.events.reason(oidcrp.AccessDenied); got != "step_up_failed" {
			t.Errorf("reason %q", got)
		}
		a.answers(b.Follow("Try again"), http.StatusForbidden, "Please confirm that it is you")
		if n := len(a.requests()); n != 3 {
			t.Errorf("%d requests", n)
		}
		a.shows(b.Get(a.URL+"/plain"), "note=kept")
		// Later it is another matter.
		a.clock.advance(2 * time.Minute)
		a.answers(b.Get(a.URL+"/never"), http.StatusForbidden, "Please confirm that it is you")
		if n := len(a.requests()); n != 4 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestStepUpInTwoTabs(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newStepApp(t, op, func(cfg *oidcrp.Config) { cfg.Providers[0].ResponseMode = mode })
			b := a.signIn()
			a.clock.advance(10 * time.Minute)
			op.SignInAs("") // by hand
			op.EndSessions()
			other := b.Tab()
			b.Get(a.URL + "/recent")
			other.Get(a.URL + "/strong")
			a.shows(b.SubmitForm("alice", nil), "GET /recent for alice")
			a.shows(other.SubmitForm("alice", nil), "acr="+strong)
			a.shows(b.Get(a.URL+"/recent"), "note=kept")
			if n := len(a.events.of(oidcrp.SteppedUp)); n != 2 {
				t.Errorf("%d step-ups", n)
			}
		})
	}
}
