package oidcrp_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// finding is an application with two providers, one of whose hosts says whose
// users are whose. It returns that host.
func finding(t *testing.T, faults ...oidcrptest.Fault) (a *app, host string) {
	t.Helper()
	op, other := oidcrptest.NewProvider(t, faults...), oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	return newApp(t, op, func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, other.Config("other", c.BaseURL))
		c.WebFinger = []string{op.Issuer()}
	}), strings.TrimPrefix(op.Issuer(), "http://")
}

func TestIdentifierLeadsToTheProvider(t *testing.T) {
	a, host := finding(t)
	for _, typed := range []string{"acct:alice@" + host, a.op.Issuer() + "/alice", " " + host + "/alice "} {
		a.op.ResetCalls()
		b := a.browse()
		a.shows(b.Get(a.URL+"/auth/login?return_to=/reports&identifier="+url.QueryEscape(typed)), "reports for alice")
		a.calls(oidcrptest.WebFingerEndpoint, 1)
		if hint := a.requests()[0].Get("login_hint"); hint != strings.TrimSpace(typed) {
			t.Errorf("login_hint is %q, typed was %q", hint, typed)
		}
	}
}

func TestSignInPageAsksForAnIdentifier(t *testing.T) {
	a, host := finding(t)
	for language, label := range map[string]string{"en": "Your e-mail address or web address", "th": "อีเมลหรือที่อยู่เว็บของคุณ"} {
		b := a.browse()
		b.SetLanguage(language)
		page := b.Get(a.URL + "/auth/login?return_to=/reports")
		a.shows(page, label)
		if !strings.Contains(page.Body, `<label for="identifier">`) || strings.Contains(page.Body, "<script") {
			t.Error(page.Body)
		}
		// Browsers hold the whole way to the provider, and on from there, against it.
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, a.op.Issuer()) || !strings.Contains(csp, " https:") {
			t.Error(csp)
		}
		a.shows(b.SubmitForm("", url.Values{"identifier": {"acct:alice@" + host}}), "reports for alice")
	}
	// Without WebFinger nothing of it is there, and the parameter means nothing.
	plain := a.later(func(c *oidcrp.Config) { c.WebFinger = nil })
	a.op.ResetCalls()
	w := ask(plain, plain, nil, "GET", "/auth/login?identifier=acct:alice@"+host, navigate...)
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "identifier") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	a.calls(oidcrptest.WebFingerEndpoint, 0)
}

// The page of an identifier that leads nowhere is one and the same, whether
// its host may be asked, knows nobody, or names somebody who is not ours.
func identifierThatLeadsNowhere(t *testing.T) {
	a, host := finding(t)
	stranger := oidcrptest.NewProvider(t)
	for name, tt := range map[string]struct {
		typed string
		fault oidcrptest.Fault
		asked int
	}{
		"host not listed":     {"acct:alice@" + strings.TrimPrefix(stranger.Issuer(), "http://"), oidcrptest.Fault{}, 0},
		"no identifier":       {"what?", oidcrptest.Fault{}, 0},
		"XRI":                 {"=alice", oidcrptest.Fault{}, 0},
		"nobody":              {"acct:alice@" + host, oidcrptest.WebFingerStatus(404), 1},
		"provider not listed": {"acct:alice@" + host, oidcrptest.WebFingerIssuer(stranger.Issuer()), 1},
		"almost a provider":   {"acct:alice@" + host, oidcrptest.WebFingerIssuer(a.op.Issuer() + "/"), 1},
		"a script":            {"acct:alice@" + host, oidcrptest.WebFingerIssuer("javascript:alert(1)"), 1},
	} {
		t.Run(name, func(t *testing.T) {
			a.op.SetFaults(tt.fault)
			a.op.ResetCalls()
			page := a.browse().Get(a.URL + "/auth/login?return_to=/reports&identifier=" + url.QueryEscape(tt.typed))
			a.refused(page, http.StatusBadRequest, "identifier")
			if text := page.Text(); strings.Contains(page.Body, "alice") || !strings.Contains(text, "We could not find where you sign in") {
				t.Errorf("%s", text)
			}
			a.calls(oidcrptest.WebFingerEndpoint, tt.asked)
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			for endpoint := range map[string]bool{oidcrptest.WebFingerEndpoint: true, oidcrptest.DiscoveryEndpoint: true, oidcrptest.RegisterEndpoint: true} {
				if stranger.Calls(endpoint) != 0 {
					t.Errorf("%s of a stranger was called", endpoint)
				}
			}
			if strings.Contains(a.log.String(), "alice@") {
				t.Errorf("the log has the identifier\n%s", a.log)
			}
		})
	}
}

func TestIdentifierHostFails(t *testing.T) {
	for name, fault := range map[string]oidcrptest.Fault{
		"rubbish": oidcrptest.WebFingerRubbish, "server error": oidcrptest.WebFingerStatus(500), "redirect": oidcrptest.WebFingerStatus(302),
	} {
		a, host := finding(t, fault)
		b := a.browse()
		page := b.Get(a.URL + "/auth/login?return_to=/reports&identifier=acct:alice@" + host)
		if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %s", name, page)
		}
		a.calls(oidcrptest.AuthorizeEndpoint, 0)
		a.shows(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
	}
}

func TestIdentifierRequests(t *testing.T) {
	a, host := finding(t)
	typed := "identifier=acct:alice@" + host
	for name, tt := range map[string]struct {
		query  string
		status int
		asked  int
	}{
		"twice":             {typed + "&" + typed, http.StatusBadRequest, 0},
		"empty":             {"identifier=", http.StatusOK, 0},
		"with a provider":   {typed + "&provider=other", http.StatusFound, 0}, // a link that names one is followed
		"once":              {typed, http.StatusFound, 1},
		"too long":          {"identifier=" + strings.Repeat("a", 600) + "@" + host, http.StatusBadRequest, 0},
		"control character": {typed + "%0d%0aX:y", http.StatusBadRequest, 0},
	} {
		a.op.ResetCalls()
		w := ask(a.rp, a.rp, nil, "GET", "/auth/login?"+tt.query, navigate...)
		if w.Code != tt.status {
			t.Errorf("%s: %d, want %d\n%s", name, w.Code, tt.status, w.Body)
		}
		a.calls(oidcrptest.WebFingerEndpoint, tt.asked)
	}
	// Scripts do not ask.
	a.op.ResetCalls()
	if w := ask(a.rp, a.rp, nil, "GET", "/auth/login?"+typed, "Sec-Fetch-Mode", "cors"); w.Code != http.StatusUnauthorized {
		t.Errorf("fetch: %d", w.Code)
	}
	a.calls(oidcrptest.WebFingerEndpoint, 0)
}

// A visitor who is signed in is asked first, if another site sent them.
func TestIdentifierFromAnotherSite(t *testing.T) {
	a, host := finding(t)
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
	b.Show(a.op.Issuer()+"/", `<a href="`+a.URL+"/auth/login?identifier=acct:bob@"+host+`">come</a>`)
	a.op.ResetCalls()
	page := b.Follow("come")
	a.shows(page, "Change to another account?")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
}

func TestWebFingerSettings(t *testing.T) {
	a, _ := finding(t)
	cfg := a.config
	cfg.WebFinger = []string{"https://example.com/x", "*.example.com", "example.com", "http://10.0.0.1", "example.com"}
	_, err := oidcrp.New(cfg)
	if err == nil {
		t.Fatal("accepted")
	}
	if text := err.Error(); strings.Count(text, "oidcrp: Config.WebFinger: ") != 4 || errors.Is(err, oidcrp.ErrMisconfigured) {
		t.Error(text)
	}
}
