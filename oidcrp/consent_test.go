package oidcrp_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// askedScopes is the scope of the latest authorization request.
func (a *app) askedScopes() []string {
	a.t.Helper()
	all := a.requests()
	return strings.Fields(all[len(all)-1].Get("scope"))
}

// The scopes that are asked for are those in the request object, which the
// provider fetches from us.
func TestConsentByRequestObject(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		p := &cfg.Providers[0]
		p.RequestObject, p.PAR = oidcrp.UnsignedRequestByReference, oidcrp.Refused
		p.APIs[0].Scopes = []string{"calendar"}
	})
	c := op.Clients()[0]
	c.RequireRequestObject, c.RequestObjectAlgorithm = true, "none"
	op.AddClient(c)
	b := a.signIn()
	a.fails(b, oidcrp.ErrConsentNeeded)
	a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
	a.shows(a.call(b), "calendar")
}

func TestConsentToFurtherScopes(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
				p := &cfg.Providers[0]
				p.ResponseMode = mode
				p.APIs[0].Scopes = []string{"calendar"}
			})
			b := a.signIn()
			a.fails(b, oidcrp.ErrConsentNeeded)
			before, spoken := a.sessionCookie(b).Value, len(a.events.of(oidcrp.LoginSucceeded))
			a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
			if got := a.askedScopes(); !slices.Contains(got, "calendar") || !slices.Contains(got, "email") || !slices.Contains(got, "offline_access") {
				t.Errorf("asked for %v", got)
			}
			a.shows(a.call(b), `calendar`)
			if a.sessionCookie(b).Value == before {
				t.Error("the session kept its id")
			}
			if n := len(a.events.of(oidcrp.SessionEnded)); n != 0 || len(a.events.of(oidcrp.LoginSucceeded)) != spoken || len(a.events.of(oidcrp.ConsentGranted)) != 1 {
				t.Errorf("%d sessions ended: %+v", n, a.events.all)
			}
			a.shows(b.Get(a.URL+"/more?scope=mail"), "calendar of alice")
			if got := a.askedScopes(); !slices.Contains(got, "calendar") || !slices.Contains(got, "mail") {
				t.Errorf("asked for %v: what was granted would be lost", got)
			}
			a.shows(a.call(b), `calendar mail`)
			// It stays so after a refresh, and nobody is asked again.
			a.expire()
			a.shows(a.call(b), `calendar`)
			a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
			if n := len(a.requests()); n != 3 {
				t.Errorf("%d authorization requests", n)
			}
			a.rp.Shutdown(context.Background())
			if n := op.Calls(oidcrptest.RevokeEndpoint); n != 0 {
				t.Errorf("%d revocations: to revoke the old grant could end the new one", n)
			}
		})
	}
}

func TestConsentIsNotGiven(t *testing.T) {
	for name, fault := range map[string]oidcrptest.Fault{
		"the user declines":      oidcrptest.AuthorizationError("access_denied", "no"),
		"the provider leaves it": oidcrptest.TokenField("scope", "openid profile email offline_access"),
	} {
		t.Run(name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, nil)
			b := a.signIn()
			op.SetFaults(fault)
			page := b.Get(a.URL + "/scoped")
			a.answers(page, http.StatusForbidden, "Permission was not given")
			if n := len(a.requests()); n != 2 {
				t.Errorf("%d authorization requests: it goes round in circles", n)
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			a.shows(a.call(b), `"sub":"alice"`)
			// A script is told, and not sent anywhere.
			if got := b.Fetch("GET", "/scoped", nil); got.Status != http.StatusForbidden || problem(t, []byte(got.Body)).Reason != "consent_needed" {
				t.Errorf("got %d: %s", got.Status, got.Body)
			}
			op.SetFaults()
			a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
		})
	}
}

func TestConsentOfSomebodyElse(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Providers[0].ResponseMode = mode })
			b := a.signIn()
			op.EndSessions()
			op.SignInAs("bob")
			a.refused(b.Get(a.URL+"/scoped"), http.StatusBadRequest, "sub")
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			a.shows(a.call(b), `"sub":"alice"`)
		})
	}
}

// Another user signed in, in this browser, while the first one was asked.
func TestConsentForAnotherSession(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/scoped")
	op.EndSessions()
	op.SignInAs("bob")
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for bob")
	a.refused(b.Get(callback), http.StatusBadRequest, "sub")
	a.shows(b.Get(a.URL+"/reports"), "reports for bob")
	a.shows(a.call(b), `"sub":"bob"`)
}

// Without a session it is a login that asks for more.
func TestLoginWithFurtherScopes(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.browse()
	a.shows(b.Get(a.URL+"/more?scope=calendar"), "calendar of alice")
	if got := a.askedScopes(); !slices.Contains(got, "calendar") {
		t.Errorf("asked for %v", got)
	}
	if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// A consent too tells how the user signed in last. One that does not say how, of
// the sign-in there was, takes nothing back.
func TestConsentSaysHowTheUserSignedIn(t *testing.T) {
	for name, tt := range map[string]struct {
		fault oidcrptest.Fault
		acr   string
	}{
		"weaker":       {oidcrptest.WrongACR, "acr=0 "},
		"the same":     {oidcrptest.Fault{Name: "none"}, "acr=" + strong + " "},
		"nothing said": {oidcrptest.MissingACR, "acr=" + strong + " "},
		"another moment": {oidcrptest.Fault{Name: "moment", IDToken: func(token *oidcrptest.IDToken) {
			delete(token.Claims, "acr")
			token.Claims["auth_time"] = token.Claims["auth_time"].(int64) - 60
		}}, "acr= "},
	} {
		t.Run(name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newStepApp(t, op, nil)
			b := a.browse()
			a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
			op.SetFaults(tt.fault)
			a.shows(b.Get(a.URL+"/more?scope=calendar"), "calendar of alice")
			a.shows(b.Get(a.URL+"/plain"), tt.acr)
			op.SetFaults()
			a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
		})
	}
}
