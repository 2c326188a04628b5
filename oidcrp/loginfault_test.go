package oidcrp_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestResponseFaults(t *testing.T) {
	tests := []struct {
		fault  oidcrptest.Fault
		mode   string
		status int
		reason string
	}{
		{oidcrptest.WrongResponseIssuer, "query", 400, "iss"},
		{oidcrptest.MissingResponseIssuer, "query", 400, "iss"},
		{oidcrptest.NoState, "query", 400, "state"},
		{oidcrptest.WrongState, "query", 400, "state"},
		{oidcrptest.NoCode, "query", 400, ""},
		{oidcrptest.TokensInResponse, "query", 400, ""},
		{oidcrptest.DuplicateParams, "query", 400, ""},
		{oidcrptest.DuplicateParams, "form_post", 400, ""},
		{oidcrptest.IgnoreFormPost, "form_post", 400, ""},
		{oidcrptest.WrongResponseIssuer, "form_post", 400, "iss"},
		{oidcrptest.AuthorizationError("access_denied", "no"), "query", 400, "cancelled"},
		{oidcrptest.AuthorizationError("login_required", ""), "form_post", 400, "invalid_response"},
		{oidcrptest.AuthorizationError("server_error", ""), "query", 503, "provider_unavailable"},
		{oidcrptest.AuthorizationError("invalid_scope", ""), "query", 500, "misconfigured"},
		{oidcrptest.AuthorizationError("made_up", strings.Repeat("x", 10<<10)), "query", 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Name+" "+tt.mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = tt.mode })
			b := a.signIn()
			before := a.sessionCookie(b).Value
			a.op.ResetCalls()
			a.op.SetFaults(tt.fault)
			a.refused(b.Get(a.URL+"/auth/login"), tt.status, tt.reason)
			a.calls(oidcrptest.TokenEndpoint, 0)
			if a.sessionCookie(b).Value != before {
				t.Error("the session changed")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

func TestHarmlessOdditiesAreAccepted(t *testing.T) {
	for _, fault := range []oidcrptest.Fault{oidcrptest.AudienceArray, oidcrptest.MissingATHash, oidcrptest.NoResponseIssuer,
		oidcrptest.MetadataNoPKCE, oidcrptest.JWKSUnsupportedKeys, oidcrptest.KidlessKeys} {
		t.Run(fault.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, fault), nil)
			a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice")
			if q := a.requests()[0]; q.Get("code_challenge_method") != "S256" {
				t.Error("no PKCE")
			}
		})
	}
}

func endpointFaults(t *testing.T) {
	tests := []struct {
		fault  oidcrptest.Fault
		status int
		tokens int // calls
	}{
		{oidcrptest.MetadataIssuerMismatch, 500, 0}, {oidcrptest.MetadataStatus(500), 503, 0}, {oidcrptest.MetadataRubbish, 503, 0},
		{oidcrptest.MetadataRedirect("http://127.0.0.1:1/"), 503, 0}, {oidcrptest.MetadataHuge, 503, 0},
		{oidcrptest.JWKSStatus(500), 503, 1}, {oidcrptest.JWKSRubbish, 503, 1}, {oidcrptest.RedirectJWKS("http://127.0.0.1:1/"), 503, 1},
		{oidcrptest.TokenError("invalid_grant"), 400, 1}, {oidcrptest.TokenError("invalid_client"), 500, 1},
		{oidcrptest.TokenStatus(500), 503, 1}, {oidcrptest.TokenHTML, 503, 1}, {oidcrptest.TokenTextPlain, 503, 1},
		{oidcrptest.TokenRedirect("http://127.0.0.1:1/"), 503, 1}, {oidcrptest.TokenHuge, 503, 1},
	}
	for _, tt := range tests {
		t.Run(tt.fault.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, tt.fault), nil)
			page := a.browse().Get(a.URL + "/reports")
			a.refused(page, tt.status, "")
			a.calls(oidcrptest.TokenEndpoint, tt.tokens)
			if retry := page.Header.Get("Retry-After"); (retry != "") != (tt.status == 503) {
				t.Errorf("Retry-After %q", retry)
			}
		})
	}
}

// A provider that does not know the client need not say so in JSON.
func TestRefusedClientIsMisconfigured(t *testing.T) {
	for _, status := range []int{401, 403} {
		a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.TokenStatus(status)), nil)
		a.refused(a.browse().Get(a.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
		failed := append(a.events.of(oidcrp.LoginFailed), a.events.of(oidcrp.ProviderFailed)...)
		if err := failed[0].Err; !errors.Is(err, oidcrp.ErrMisconfigured) || errors.Is(err, oidcrp.ErrProviderUnavailable) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func providerDownAtStart(t *testing.T) {
	down, up := oidcrptest.NewProvider(t), oidcrptest.NewProvider(t)
	up.SignInAs("bob")
	down.Stop()
	a := newApp(t, down, func(c *oidcrp.Config) { c.Providers = append(c.Providers, up.Config("up", c.BaseURL)) })
	b := a.browse()
	for range 2 {
		began := time.Now()
		page := b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
		a.refused(page, http.StatusServiceUnavailable, "provider_unavailable")
		if page.Header.Get("Retry-After") == "" || time.Since(began) > 5*time.Second {
			t.Errorf("after %v, Retry-After %q", time.Since(began), page.Header.Get("Retry-After"))
		}
	}
	if s := a.rp.Status(); s.Providers[0].Ready || s.Providers[0].LastError == "" || s.Providers[0].NextTry.IsZero() {
		t.Errorf("status %+v", s)
	}
	if err := a.rp.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "provider test") || strings.Contains(err.Error(), "provider up") {
		t.Errorf("Ready: %v", err)
	}
	other := a.browse()
	a.shows(other.Get(a.URL+"/auth/login?provider=up&return_to=/reports"), "reports for bob")
	if err := down.Start(); err != nil {
		t.Fatal(err)
	}
	a.clock.advance(2 * time.Minute)
	down.SetNow(a.clock.now)
	a.shows(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
	if err := a.rp.Ready(t.Context()); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

func keyRolloverInsideTheLogin(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
	a.op.RotateKeys()
	a.op.DropOldKeys()
	a.op.ResetCalls()
	a.shows(b.Get(callback), "reports for alice")
	a.calls(oidcrptest.JWKSEndpoint, 1)
	a.calls(oidcrptest.TokenEndpoint, 1)
}
