package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func formPost(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" }

func TestLoginByRedirect(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports?year=2026&q=a%20b"), "reports for alice at /reports?year=2026&q=a%20b")
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
	a.calls(oidcrptest.TokenEndpoint, 1)
	a.calls(oidcrptest.UserInfoEndpoint, 0)

	q := a.requests()[0]
	want := map[string]string{
		"response_type": "code", "scope": "openid profile email", "code_challenge_method": "S256",
		"redirect_uri": a.URL + "/auth/callback/test", "ui_locales": "en",
	}
	for name, value := range want {
		if q.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, q.Get(name), value)
		}
	}
	for _, name := range []string{"nonce", "code_challenge"} {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(q.Get(name)) {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`).MatchString(q.Get("state")) {
		t.Errorf("state is %q", q.Get("state"))
	}
	if q.Has("response_mode") || q.Has("prompt") {
		t.Errorf("sent what is the default: %v", q)
	}
	if v := a.op.Requests(oidcrptest.TokenEndpoint)[0].Form.Get("code_verifier"); len(v) != 43 {
		t.Errorf("code_verifier has %d characters", len(v))
	}
}

func onlyNavigationsStartLogins(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	b.Get(a.URL + "/")
	for _, method := range []string{"GET", "POST", "DELETE"} {
		page := b.Fetch(method, "/reports", nil)
		if page.Status != http.StatusUnauthorized || page.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%s: %d %s", method, page.Status, page.Body)
		}
		doc := problem(t, []byte(page.Body))
		if doc.Status != 401 || doc.Reason != "login_required" || doc.Login != a.URL+"/auth/login" || doc.ID == "" || doc.Title == "" || doc.Type != "about:blank" {
			t.Errorf("%s: %+v", method, doc)
		}
	}
	b.Get(a.URL + "/page?x=1")
	if doc := problem(t, []byte(b.Fetch("GET", "/reports", nil).Body)); doc.Login != a.URL+"/auth/login?return_to=%2Fpage%3Fx%3D1" {
		t.Errorf("login is %s", doc.Login)
	}
	if cookies := b.Cookies(a.URL + "/"); len(cookies) != 0 {
		t.Errorf("cookies %v", cookies)
	}
	if page := b.Fetch("GET", "/auth/login", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("a script started a login: %s", page)
	}
	if a.reports.Load() != 0 {
		t.Error("the protected handler ran")
	}
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
}

// A form sent after the session ended comes back to the form, not to a second
// sending of it.
func interruptedPostComesBackToItsPage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	b.Get(a.URL + "/form?id=7")
	page := b.PostForm(a.URL+"/reports", url.Values{"a": {"b"}})
	a.shows(page, "home of alice")
	if !strings.HasSuffix(page.URL.String(), "/") && !strings.HasSuffix(page.URL.String(), "/form?id=7") {
		t.Errorf("ended at %s", page.URL)
	}
	if a.reports.Load() != 0 {
		t.Error("the form was sent on")
	}
}

func parallelTabs(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
			a.op.SignInAs("")
			first := a.browse()
			tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab(), first.Tab()}
			for i, tab := range tabs {
				tab.Get(a.URL + "/reports/" + string(rune('a'+i)))
			}
			for i := len(tabs) - 1; i >= 0; i-- {
				a.shows(tabs[i].SubmitForm("alice", nil), "at /reports/"+string(rune('a'+i)))
			}
		})
	}
}

// Three tabs that arrive at the callback together each reach their own page, and
// share one session.
func tabsThatFinishTogether(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for storage, store := range stores {
			t.Run(mode+" "+storage, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers[0].ResponseMode = mode
					if store != nil {
						store(c)
					}
				})
				a.op.SignInAs("")
				first := a.browse()
				tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab()}
				pages := make([]*oidcrptest.Page, len(tabs))
				for i, tab := range tabs {
					tab.Get(a.URL + "/reports/" + string(rune('a'+i)))
				}
				var wg sync.WaitGroup
				for i, tab := range tabs {
					wg.Go(func() { pages[i] = tab.SubmitForm("alice", nil) })
				}
				wg.Wait()
				for i, page := range pages {
					a.shows(page, "reports for alice at /reports/"+string(rune('a'+i)))
				}
			})
		}
	}
}

// A login that was handed over belongs to one browser, one transaction and one
// provider, and is taken once.
func TestHandedOverLogin(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		formPost(c)
		p := other.Config("other", c.BaseURL)
		p.ResponseMode = "form_post"
		c.Providers = append(c.Providers, p)
	})
	b := a.browse()
	page := b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	a.shows(page, "reports for alice")
	goOn := page.Trail[len(page.Trail)-2].URL.String()
	if !strings.Contains(goOn, "go-on=") {
		t.Fatalf("the last hop but one is %s", goOn)
	}
	a.shows(b.Get(goOn), "reports for alice") // reloaded
	if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 1 {
		t.Errorf("%d sessions", n)
	}
	stranger := a.browse()
	stranger.Get(a.URL + "/auth/login?provider=other") // a binding of its own
	if page := stranger.Get(goOn); page.Status == http.StatusOK && strings.Contains(page.Body, "alice") {
		t.Errorf("another browser is signed in: %s", page)
	}
	if page := b.Get(strings.Replace(goOn, "/callback/test", "/callback/other", 1)); page.Status != http.StatusBadRequest {
		t.Errorf("taken at another provider's callback: %s", page)
	}
}

func cookiesDoNotGrow(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SignInAs("")
	b := a.browse()
	for range 50 {
		b.Get(a.URL + "/reports?" + strings.Repeat("x", 500))
	}
	size := 0
	for _, c := range b.Cookies(a.URL + "/auth/callback/test") {
		size += len(c.Name) + len(c.Value)
	}
	if size == 0 || size > 8000 {
		t.Errorf("%d bytes of cookies", size)
	}
}

func TestLongReturnURL(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
		long := "/reports?" + strings.Repeat("x", 2000-len("/reports?"))
		page := a.browse().Get(a.URL + long)
		a.shows(page, "reports for alice")
		if page.URL.RequestURI() != long {
			t.Errorf("%s: ended at %d bytes of address, want %d", mode, len(page.URL.RequestURI()), len(long))
		}
		page = a.browse().Get(a.URL + long + "x")
		a.shows(page, "home of alice")
	}
}

func TestLostCookieRestarts(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SignInAs("")
	b := a.browse()
	b.Get(a.URL + "/reports?a=b")
	b.DropCookie(a.bindingName(b))
	a.shows(b.SubmitForm("alice", nil), "reports for alice at /reports?a=b")
	a.calls(oidcrptest.TokenEndpoint, 1)
	a.calls(oidcrptest.AuthorizeEndpoint, 2)
}

// What cannot be finished restarts only where the visitor wanted a login, here,
// and the provider did not refuse it.
func TestWhatDoesNotRestart(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers = append(c.Providers, other.Config("other", c.BaseURL)) })
	callback := a.stopAtCallback(a.browse(), "/auth/login?provider=test&return_to=/reports")
	answer := mustParse(t, callback).Query()
	failed := url.Values{"state": answer["state"], "iss": answer["iss"], "error": {"login_required"}}
	only := a.later(func(c *oidcrp.Config) { c.Providers = c.Providers[:1] })
	silent := ask(only, only.TryLogin(http.NotFoundHandler()), nil, "GET", "/", append(navigate, "Sec-Fetch-Dest", "document")...)
	if silent.Code != http.StatusFound {
		t.Fatalf("no silent login: %d", silent.Code)
	}
	pushed := a.op.Requests(oidcrptest.PAREndpoint)
	quiet := url.Values{"state": {pushed[len(pushed)-1].Form.Get("state")}, "iss": answer["iss"], "code": {"x"}}
	for name, address := range map[string]string{
		"an error of the provider":       a.URL + "/auth/callback/test?" + failed.Encode(),
		"at another provider's callback": strings.Replace(callback, "/callback/test", "/callback/other", 1),
		"a silent login":                 a.URL + "/auth/callback/test?" + quiet.Encode(),
	} {
		started := len(a.events.of(oidcrp.LoginStarted))
		page := a.browse().Get(address)
		a.refused(page, http.StatusBadRequest, "no_binding")
		if n := len(a.events.of(oidcrp.LoginStarted)) - started; n != 0 {
			t.Errorf("%s: %d logins started", name, n)
		}
	}
}

// A configuration may change between the two halves of a login or sign-out:
// where the visitor comes back to is judged by the new one.
func TestReturnURLIsJudgedAgain(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	callback := a.stopAtCallback(a.browse(), "/auth/login?return_to=/welcome")
	a.logout(a.signIn(), "/welcome")
	session := cookieHeader(a.sessionCookie(a.signIn()))
	later := a.later(func(c *oidcrp.Config) { c.SignInPath = "/welcome" })
	for name, w := range map[string]*httptest.ResponseRecorder{
		"signed in already": ask(later, later, nil, "GET", callback, append(navigate, "Cookie", session)...),
		"signed out":        ask(later, later, nil, "GET", a.URL+"/auth/logout?state="+a.asked().Get("state"), navigate...),
	} {
		if to := w.Header().Get("Location"); to != a.URL+"/" {
			t.Errorf("%s: %d %q", name, w.Code, to)
		}
	}
}

// Whatever drops the session cookie, the third round is a page.
func lostSessionsDoNotLoop(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	for range 2 {
		a.shows(b.Get(a.URL+"/"), "home of nobody")
		page := b.Get(a.URL + "/auth/login?return_to=/")
		for _, c := range page.Trail[len(page.Trail)-2].Response.Values("Set-Cookie") {
			b.DropCookie(strings.SplitN(c, "=", 2)[0])
			if strings.Contains(c, "oidcrp_login_") {
				b.SetCookie(a.URL+"/", c) // keep the binding, as a browser would that drops the session's
			}
		}
	}
	page := b.Get(a.URL + "/reports")
	a.refused(page, http.StatusBadRequest, "loop")
	a.calls(oidcrptest.AuthorizeEndpoint, 2)
	a.shows(b.Follow("Try again"), "reports for alice")
}

// handing is an application whose logins come by form_post, stopped between
// the provider's form and the request that starts the session.
type handing struct {
	*app
	stop atomic.Bool
}

func newHanding(t *testing.T, store func(*oidcrp.Config)) *handing {
	h := &handing{}
	serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		formPost(c)
		other := c.Providers[0]
		other.Name = "other"
		c.Providers = append(c.Providers, other)
		store(c)
	}, func(a *app) http.Handler {
		h.app = a
		next := a.pages(map[string]http.HandlerFunc{
			"/terms": func(w http.ResponseWriter, r *http.Request) {
				_, err := a.rp.Paused(r)
				fmt.Fprint(w, "expired ", errors.Is(err, oidcrp.ErrLoginExpired))
			},
			"/accept": func(w http.ResponseWriter, r *http.Request) {
				a.rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
			},
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h.stop.Load() && r.URL.Query().Has("go-on") {
				fmt.Fprint(w, "stopped")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	return h
}

// handedOver opens a browser with a login of alice that only has to go on, and
// says where.
func (h *handing) handedOver() (b *oidcrptest.Browser, at string) {
	h.t.Helper()
	b = h.browse()
	h.stop.Store(true)
	page := b.Get(h.URL + "/auth/login?provider=test&return_to=/reports")
	h.stop.Store(false)
	h.shows(page, "stopped")
	return b, page.URL.String()
}

func TestHandedOverLoginGoesOnInOnePlaceOnly(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			h := newHanding(t, store)
			b, at := h.handedOver()
			h.shows(b.Get(h.URL+"/"), "home of nobody")
			h.refused(b.Get(strings.Replace(at, "/callback/test", "/callback/other", 1)), http.StatusBadRequest, "provider")
			h.plant(b, strings.Replace(strings.TrimPrefix(h.bindingName(b), "__Host-"), "_login_", "_paused_", 1), mustParse(t, at).Query().Get("go-on"))
			h.shows(b.Get(h.URL+"/terms"), "expired true")
			h.refused(b.PostForm(h.URL+"/accept", nil), http.StatusBadRequest, "expired")
			h.shows(b.Get(at), "reports for alice") // where it belongs

			b, at = h.handedOver()
			b.PostForm(h.URL+"/auth/logout", nil)
			h.refused(b.Get(at), http.StatusBadRequest, "binding")
			h.shows(b.Get(h.URL+"/"), "home of nobody")

			b, at = h.handedOver()
			b.SetNow(time.Now) // the browser keeps the cookie
			h.clock.advance(10*time.Minute + time.Second)
			started := len(h.events.of(oidcrp.LoginStarted))
			page := b.Get(at)
			if n := len(h.events.of(oidcrp.LoginStarted)) - started; n != 1 {
				t.Errorf("too late, and %d new logins: %s", n, page)
			}
		})
	}
}

func flip(s string) string {
	b := []byte(s)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

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

func TestSignInPage(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		p, hidden := other.Config("other", c.BaseURL), other.Config("hidden", c.BaseURL)
		p.DisplayName, hidden.Hidden, hidden.DisplayName = "Fabrikam <b>", true, "Concealed"
		c.Providers = append(c.Providers, p, hidden)
	})
	b := a.browse()
	page := b.Get(a.URL + "/reports?a=b")
	a.shows(page, "Fabrikam <b>")
	if strings.Contains(page.Body, "Fabrikam <b>") || strings.Contains(page.Text(), "Concealed") {
		t.Error(page.Body)
	}
	a.shows(b.Follow("Sign in with Fabrikam <b>"), "reports for bob at /reports?a=b")
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=hidden"), "home of bob") // links keep working
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=gone"), "Fabrikam")      // and so do those that outlived theirs
	b = a.browse()
	b.SetLanguage("th-TH,th;q=0.9")
	if page := b.Get(a.URL + "/auth/login"); !strings.Contains(page.Body, `lang="th"`) || !strings.ContainsRune(page.Text(), 'เ') {
		t.Errorf("not Thai: %s", page)
	}
}

func loginParameters(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		p := &c.Providers[0]
		p.Scopes = []string{"email", "groups,offline_access"}
		p.ACRValues = []string{"gold", "silver"}
		p.LoginHint, p.MaxAge = "alice", time.Hour
		p.Resource = []string{"https://api.example"}
		p.ClaimsRequest = `{"userinfo":{"email":null}}`
		p.AuthParams = map[string]string{"audience": "x"}
		p.DynamicParams = []string{"domain_hint", "audience"}
	})
	query := url.Values{
		"prompt": {"login"}, "login_hint": {"mallory"}, "domain_hint": {"corp.example"}, "audience": {"evil"}, "unlisted": {"x"},
		"state": {"evil"}, "nonce": {"evil"}, "redirect_uri": {"https://evil.example"}, "response_type": {"token"}, "code_challenge": {"evil"},
		"client_id": {"evil"}, "scope": {"evil"}, "request": {"evil"},
	}
	a.op.SignInAs("alice")
	a.browse().Get(a.URL + "/auth/login?" + query.Encode())
	got := a.requests()[0]
	want := map[string]string{
		"scope": "openid email groups offline_access", "acr_values": "gold silver", "login_hint": "alice", "max_age": "3600",
		"resource": "https://api.example", "claims": `{"userinfo":{"email":null}}`, "audience": "x", "domain_hint": "corp.example", "prompt": "login",
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Get(name), value)
		}
	}
	for name, values := range got {
		if len(values) != 1 || strings.Contains(values[0], "evil") || name == "unlisted" || name == "request" {
			t.Errorf("%s is %q", name, values)
		}
	}
}

func TestSilentLogin(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	op.SignInAs("")
	silent := newSilentApp(t, a)
	b := a.browse()
	page := b.Get(silent + "/")
	a.shows(page, "home of nobody") // the provider does not know the visitor
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
	if got := a.requests()[0].Get("prompt"); got != "none" {
		t.Errorf("prompt %q", got)
	}
	a.shows(b.Get(silent+"/?again"), "home of nobody")
	a.calls(oidcrptest.AuthorizeEndpoint, 1) // not asked again
	b.Get(silent + "/auth/login?return_to=/reports")
	a.shows(b.SubmitForm("alice", nil), "home of alice")

	b.DropCookies() // of both; the provider forgets her
	b = a.browse()
	b.Get(silent + "/auth/login")
	b.SubmitForm("alice", nil)
	b.DropCookie(a.sessionName(b, silent))
	a.shows(b.Get(silent+"/page"), "home of alice") // nobody was asked anything
}

func TestFailedSilentLoginShowsThePage(t *testing.T) {
	for _, code := range []string{"access_denied", "server_error", "invalid_request", "temporarily_unavailable"} {
		op := oidcrptest.NewProvider(t)
		a := newApp(t, op, nil)
		silent := newSilentApp(t, a)
		op.SetFaults(oidcrptest.AuthorizationError(code, ""))
		b := a.browse()
		for range 3 {
			a.shows(b.Get(silent+"/"), "home of nobody")
		}
	}
}

func TestRefusedSilentLoginShowsThePage(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		rp, err := oidcrp.New(oidcrp.Config{
			BaseURL: base, Providers: []oidcrp.Provider{op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler),
			OnLogin: func(context.Context, *oidcrp.Login) error { return &oidcrp.Refusal{Message: "staff only"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		return rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "home of "+name(r)) }))
	})
	b := oidcrptest.NewBrowser(t)
	for i := range 3 {
		if page := b.Get(base + "/"); page.Status != http.StatusOK || page.Body != "home of nobody" {
			t.Errorf("visit %d: %s", i, page)
		}
	}
}

// A silent login that took too long leaves the page it was tried for open.
func TestSilentLoginThatExpired(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	op.SetFaults(oidcrptest.Fault{Name: "late", Response: func(*oidcrptest.Response) { a.clock.advance(11 * time.Minute) }})
	b := a.browse()
	b.SetNow(time.Now) // the browser keeps its cookies longer than it should
	guarded := httptest.NewServer(a.rp.TryLogin(http.NotFoundHandler()))
	defer guarded.Close()
	page := b.Get(strings.Replace(guarded.URL, "127.0.0.1", "localhost", 1) + "/page")
	a.shows(page, "home of nobody")
	a.calls(oidcrptest.TokenEndpoint, 0)
}

// A fixed prompt beats prompt=none, so such an attempt would not be silent.
func TestNoSilentLoginWhereThePromptIsFixed(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].Prompt = "login" })
	b := a.browse()
	guarded := httptest.NewServer(a.rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("home of " + name(r)))
	})))
	defer guarded.Close()
	a.shows(b.Get(guarded.URL+"/"), "home of nobody")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
}

func crossSiteStartAsksFirst(t *testing.T) {
	for name, elsewhere := range map[string]string{"another site": "https://evil.example/", "a sibling": "http://localhost:1/", "a subdomain": "http://evil.localhost/"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			a.op.SignInAs("bob")
			b := a.browse()
			link := `<a href="` + a.URL + `/auth/login?return_to=/reports">look</a>`
			b.Show(elsewhere, link)
			a.shows(b.Follow("look"), "reports for bob") // nobody was signed in
			before := a.sessionCookie(b).Value
			a.op.SignInAs("alice")
			b.Show(elsewhere, link)
			page := b.Follow("look")
			a.shows(page, "signed in already")
			if a.sessionCookie(b).Value != before {
				t.Fatal("the session changed without asking")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for bob")
			b.Show(elsewhere, link)
			b.Follow("look")
			a.shows(b.Follow(page.Links()[0].Text), "reports for alice")
		})
	}
}

// Whoever runs a tenant's provider also says who signs in there, so that a
// page elsewhere could sign its visitors in as anybody.
func tenantsProviderAsksFirst(t *testing.T) {
	for _, link := range []string{"/auth/login?provider=test&return_to=/reports", "/auth/login?fresh=1&return_to=/reports", "/reports"} {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		oidcrp.MarkTenant(a.rp, "test")
		for _, elsewhere := range []string{"https://evil.example/", "http://localhost:1/"} {
			b := a.browse()
			b.Show(elsewhere, `<a href="`+a.URL+link+`">look</a>`)
			a.shows(b.Follow("look"), "Continue signing in?")
			a.shows(b.Follow("Continue"), "reports for alice")
		}
		// An old browser does not say where it comes from.
		if w := ask(a.rp, a.rp.Protect(http.NotFoundHandler()), nil, "GET", "/reports", "Accept", "text/html"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Continue signing in?") {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
}

// The answer to a login of the attacker's is no way around the question.
func tenantsProviderIsNotJoinedByCallback(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	oidcrp.MarkTenant(a.rp, "test")
	callback := a.stopAtCallback(a.browse(), "/reports")
	a.op.ResetCalls()
	victim := a.browse()
	evil(victim, `<a href="`+callback+`">look</a>`)
	a.refused(victim.Follow("look"), http.StatusBadRequest, "no_binding")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	a.shows(victim.Get(a.URL+"/"), "home of nobody")
}

// To a form of another site the browser shows no session, so that it must not
// start a login in place of one.
func postFromElsewhereReplacesNoSession(t *testing.T) {
	second := oidcrptest.NewProvider(t)
	second.SignInAs("bob")
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, second.Config("second", c.BaseURL))
	})
	callback := mustParse(t, a.stopAtCallback(a.browse(), "/auth/login?provider=second&return_to=/reports"))
	victim := a.browse()
	victim.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	victim.DropCookie(a.bindingName(victim)) // ten minutes later
	form := `<form method="post" action="` + a.URL + callback.Path + `">`
	for name, values := range callback.Query() {
		form += `<input type="hidden" name="` + name + `" value="` + values[0] + `">`
	}
	evil(victim, form+`<button>go</button></form>`)
	victim.SubmitForm("go", nil)
	a.shows(victim.Get(a.URL+"/reports"), "reports for alice")
}

// To a form of another site a guard sees nobody, though somebody is signed in:
// the login it would begin is asked about, so that the session stays.
func formFromElsewhereAsksFirst(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for _, from := range []string{"https://evil.example/", "https://admin.example/"} { // the second is listed
			t.Run(mode+" from "+from, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers[0].ResponseMode = mode
					c.CrossOrigin = []string{"https://admin.example"}
				})
				b := a.signIn()
				before := a.sessionCookie(b).Value
				a.op.SignInAs("bob")
				a.op.ResetCalls()
				b.Show(from, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
				a.shows(b.SubmitForm("win", nil), "signed in already")
				a.calls(oidcrptest.AuthorizeEndpoint, 0)
				a.shows(b.Get(a.URL+"/reports"), "reports for alice")
				if a.sessionCookie(b).Value != before {
					t.Error("the session changed without asking")
				}
				b.Back()
				a.shows(b.Follow("Continue"), "home of bob")
			})
		}
	}
}

// Nor does it end the logins of other tabs, whose cookie it does not bring.
func formFromElsewhereKeepsLogins(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports")
	other := b.Tab()
	evil(other, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
	a.shows(other.SubmitForm("win", nil), "home of alice")
	if page := b.Get(callback); len(page.Trail) != 2 {
		t.Errorf("the login did not finish at once: %v", page)
	}
}

// Trying again after a loop must not end the logins of other tabs.
func TestTryingAgainKeepsLoginsUnderWay(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports") // in another tab
	a.op.SignInAs("")
	tab := b.Tab()
	evil(tab, `<a href="`+a.URL+`/auth/login?provider=test&fresh=1">look</a>`)
	tab.Follow("look")
	a.shows(b.Get(callback), "reports for alice")
}

// The application's answer may come from a cookie, and so from a visitor.
func TestLanguageOfPagesAndProvider(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.SiteName = "Reports & More"
		c.Language = func(r *http.Request) string { return r.URL.Query().Get("lang") }
	})
	for lang, want := range map[string]string{"th": "th", "de-AT": "de-AT", "": "en", "th\" x": "en", "../../x": "en"} {
		a.op.ResetCalls()
		b := a.browse()
		b.Get(a.URL + "/auth/login?lang=" + url.QueryEscape(lang))
		if got := a.requests()[0].Get("ui_locales"); got != want {
			t.Errorf("%q: ui_locales is %q, want %q", lang, got, want)
		}
	}
	page := a.browse().Get(a.URL + "/auth/nowhere?lang=th")
	if !strings.Contains(page.Body, `lang="th"`) || !strings.Contains(page.Text(), "Reports & More") {
		t.Errorf("the page is %s", page.Body)
	}
}
