package oidcrp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestLoginWithNeeds(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	a.shows(b.Get(a.URL+"/again?age=0s&acr="+url.QueryEscape(strong)), "acr="+strong)
	if n := len(a.events.of(oidcrp.SteppedUp)); n != 1 || len(a.events.of(oidcrp.LoginSucceeded)) != 1 {
		t.Errorf("%+v", a.events.all)
	}
	// Without a session it is a login that checks them.
	for _, tt := range []struct {
		query, reason string
		fault         oidcrptest.Fault
	}{
		{"age=60s", "auth_time", oidcrptest.StaleAuthTime},
		{"age=60s", "auth_time", oidcrptest.MissingAuthTime},
		{"acr=" + url.QueryEscape(strong), "acr", oidcrptest.WrongACR},
	} {
		b, name := a.browse(), strings.SplitN(tt.query, "=", 2)[0]
		param := map[string]string{"age": "max_age", "acr": "acr_values"}[name]
		op.SetFaults(tt.fault)
		a.refused(b.Get(a.URL+"/again?"+tt.query), http.StatusBadRequest, tt.reason)
		if got, _ := a.wanted(param); got == "" {
			t.Errorf("%s was not asked for", param)
		}
		a.refused(b.Follow("Try again"), http.StatusBadRequest, tt.reason) // still asked for
		op.SetFaults()
		a.shows(b.Follow("Try again"), "GET /plain for alice")
		if got, _ := a.wanted(param); got == "" {
			t.Errorf("%s was not asked for", param)
		}
	}
	// One that is lost starts again with them.
	b = a.browse()
	callback := a.stopAtCallback(b, "/again?age=60s")
	a.clock.advance(11 * time.Minute)
	a.shows(b.Get(callback), "GET /plain")
	if got, _ := a.wanted("max_age"); got != "60" {
		t.Errorf("max_age=%q", got)
	}
	// A script is told.
	b = a.browse()
	b.Get(a.URL)
	if got := b.Fetch("GET", "/again?age=0s", nil); got.Status != http.StatusUnauthorized || problem(t, []byte(got.Body)).Reason != "login_required" {
		t.Errorf("got %s", got)
	}
	b.Get(a.URL + "/plain")
	if got := b.Fetch("GET", "/again?age=0s", nil); got.Status != http.StatusUnauthorized || problem(t, []byte(got.Body)).Reason != "step_up_needed" {
		t.Errorf("got %s", got)
	}
	got := b.Fetch("GET", "/again?scope=phone", nil)
	doc := problem(t, []byte(got.Body))
	if got.Status != http.StatusForbidden || doc.Reason != "consent_needed" {
		t.Errorf("got %s", got)
	}
	b.Get(doc.Login)
	if got, _ := a.wanted("scope"); !slices.Contains(strings.Fields(got), "phone") {
		t.Errorf("%q asks for %q", doc.Login, got)
	}
}

// The choice of a provider does not lose what was asked for.
func TestLoginWithNeedsByChoice(t *testing.T) {
	op, second := oidcrptest.NewProvider(t), oidcrptest.NewProvider(t)
	a := newStepApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers = append(cfg.Providers, second.Config("second", cfg.BaseURL))
	})
	second.SignInAs("bob")
	b := a.browse()
	b.Get(a.URL + "/again?acr=" + url.QueryEscape(strong))
	a.shows(b.Follow("Sign in with test"), "acr="+strong)
	// At another provider than the session's it is a login there.
	second.SetFaults(oidcrptest.WrongACR)
	a.refused(b.Get(a.URL+"/again?provider=second&acr=x"), http.StatusBadRequest, "acr")
	a.shows(b.Get(a.URL+"/plain"), "for alice")
	second.SetFaults()
	a.shows(b.Get(a.URL+"/again?provider=second&acr=x"), "for bob")
}

func TestPoliciesNobodyPasses(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	for name, policies := range map[string][]oidcrp.Policy{
		"no acr":              {oidcrp.ACR()},
		"an empty acr":        {oidcrp.ACR("a", "")},
		"two acr in one":      {oidcrp.ACR("a b")},
		"two acr at once":     {oidcrp.ACR("a", "b"), oidcrp.ACR("c")},
		"no time":             {oidcrp.AuthenticatedWithin(0)},
		"negative time":       {oidcrp.AuthenticatedWithin(-time.Minute)},
		"no scope":            {oidcrp.HasScope()},
		"no acr among others": {oidcrp.AnyOf(oidcrp.HasRole("admin"), oidcrp.ACR())},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			a.rp.Require(policies...)
		}()
	}
	a.rp.Require(oidcrp.ACR("a", "b"), oidcrp.ACR("b", "c"))
	a.rp.Require(oidcrp.AnyOf(oidcrp.ACR("a"), oidcrp.ACR("b")), oidcrp.ACR("b"))
}

func TestLoginNeededIsAnError(t *testing.T) {
	age := time.Minute
	for _, tt := range []struct {
		e       oidcrp.LoginNeeded
		text    string
		consent bool
	}{
		{oidcrp.LoginNeeded{}, "a new sign-in is needed", false},
		{oidcrp.LoginNeeded{MaxAge: &age, ACRValues: []string{"a", "b"}}, "a sign-in is needed: no older than 1m0s, acr a or b", false},
		{oidcrp.LoginNeeded{Scopes: []string{"x", "y"}}, "a sign-in is needed: scope x y", true},
	} {
		if tt.e.Error() != tt.text || errors.Is(&tt.e, oidcrp.ErrConsentNeeded) != tt.consent {
			t.Errorf("%q, consent %v", tt.e.Error(), errors.Is(&tt.e, oidcrp.ErrConsentNeeded))
		}
	}
}

// The policies by themselves, as handler tests use them.
func TestStepUpPoliciesOfTestSessions(t *testing.T) {
	now := time.Now()
	for _, tt := range []struct {
		name   string
		claims map[string]any
		policy oidcrp.Policy
		pass   bool
	}{
		{"just now", map[string]any{"auth_time": now.Unix()}, oidcrp.AuthenticatedWithin(time.Minute), true},
		{"long ago", map[string]any{"auth_time": now.Add(-time.Hour).Unix()}, oidcrp.AuthenticatedWithin(time.Minute), false},
		{"not said", nil, oidcrp.AuthenticatedWithin(1<<63 - 1), false},
		{"the acr", map[string]any{"acr": "b"}, oidcrp.ACR("a", "b"), true},
		{"another acr", map[string]any{"acr": "B"}, oidcrp.ACR("a", "b"), false},
		{"no acr", nil, oidcrp.ACR("a"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx := oidcrptest.WithSession(context.Background(), oidcrptest.User{Subject: "alice", Claims: tt.claims})
			var needed *oidcrp.LoginNeeded
			err := tt.policy(ctx, oidcrp.FromContext(ctx))
			if tt.pass != (err == nil) || err != nil && !errors.As(err, &needed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A session of no provider of ours cannot be sent anywhere.
func TestStepUpOfATestSession(t *testing.T) {
	a := newStepApp(t, oidcrptest.NewProvider(t), nil)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r = oidcrptest.SignedIn(r, oidcrptest.User{Subject: "alice"})
	w := httptest.NewRecorder()
	a.rp.Require(oidcrp.ACR("a"))(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Errorf("got %d", w.Code)
	}
}
