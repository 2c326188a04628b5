package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// hook is a hook of the application that a test can exchange.
type hook[T any] struct{ f atomic.Pointer[func(T) error] }

func (h *hook[T]) set(f func(T) error) { h.f.Store(&f) }

func (h *hook[T]) call(_ context.Context, v T) error {
	if f := h.f.Load(); f != nil {
		return (*f)(v)
	}
	return nil
}

func TestOnLoginRefuses(t *testing.T) {
	tests := []struct {
		name   string
		answer func() error
		status int
		reason string
		shown  string
	}{
		{"refusal", func() error { return &oidcrp.Refusal{Message: `Ask <b>Bob</b> & "Carol".`} }, 403, "refused", `Ask <b>Bob</b> & "Carol".`},
		{"wrapped refusal", func() error { return fmt.Errorf("policy: %w", &oidcrp.Refusal{Message: "Not today."}) }, 403, "refused", "Not today."},
		{"refusal without a word", func() error { return &oidcrp.Refusal{} }, 403, "refused", "account cannot be used"},
		{"error", func() error { return errors.New("database down at 10.0.0.7") }, 500, "internal", "Something went wrong"},
		{"panic", func() error { panic("database down at 10.0.0.7") }, 500, "internal", "Something went wrong"},
		{"forbidden", func() error { return oidcrp.ErrForbidden }, 403, "forbidden", "do not have access"},
		{"an outage", func() error { return fmt.Errorf("directory: %w", oidcrp.ErrProviderUnavailable) }, 503, "provider_unavailable", "not available right now"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var onLogin hook[*oidcrp.Login]
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.OnLogin = onLogin.call })
			signedIn := a.signInAs("bob")
			before := a.sessionCookie(signedIn).Value
			onLogin.set(func(*oidcrp.Login) error { return tt.answer() })
			for _, b := range []*oidcrptest.Browser{a.browse(), signedIn} {
				page := b.Get(a.URL + "/auth/login?return_to=/reports")
				a.refused(page, tt.status, tt.reason)
				if !strings.Contains(page.Text(), tt.shown) || strings.Contains(page.Body, "<b>") || strings.Contains(page.Body, "10.0.0.7") {
					t.Errorf("the visitor reads %s", page.Body)
				}
			}
			for _, kind := range []oidcrp.EventKind{oidcrp.AccessDenied, oidcrp.ProviderFailed, oidcrp.RequestFailed} {
				if len(a.events.of(kind)) != 0 {
					t.Errorf("a login that failed is told as %q", kind)
				}
			}
			if n := len(a.events.of(oidcrp.LoginFailed)); n != 2 {
				t.Errorf("%d failed logins in the events", n)
			}
			if a.sessionCookie(signedIn).Value != before {
				t.Error("the session changed")
			}
			a.shows(signedIn.Get(a.URL+"/reports"), "reports for bob")
			if tt.status == 500 && !strings.Contains(a.log.String(), "database down") {
				t.Errorf("log: %s", a.log)
			}
			onLogin.set(func(*oidcrp.Login) error { return nil })
			a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

// At once back at the provider, with the same account, would be no way out.
func TestRefusedVisitorMayUseAnotherAccount(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(context.Context, *oidcrp.Login) error { return &oidcrp.Refusal{Message: "staff only"} }
	})
	b := a.browse()
	b.Get(a.URL + "/reports")
	b.Follow("Use another account")
	r := a.requests()
	if prompt := r[len(r)-1].Get("prompt"); prompt != "select_account" {
		t.Errorf("prompt %q", prompt)
	}
}

func TestOnLoginSeesAndChanges(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{
		"department": "audit", "realm_access": map[string]any{"roles": []string{"r"}}, "roles": []string{"writer"},
	}})
	var onLogin hook[*oidcrp.Login]
	var s *oidcrp.Session
	a := serving(t, op, "", func(c *oidcrp.Config) {
		c.OnLogin = onLogin.call
		c.Providers[0].UserInfo = oidcrp.UserInfoRequired
	}, func(a *app) http.Handler {
		return a.pages(map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
			s = oidcrp.FromContext(r.Context())
			fmt.Fprintf(w, "page of %s at %s", name(r), r.URL)
		}})
	})
	op.SignInAs("erin")
	op.SetFaults(oidcrptest.UserInfoClaim("phone", "+1"))
	b := a.browse()
	var seen oidcrp.Login
	var previous string
	onLogin.set(func(l *oidcrp.Login) error {
		seen, previous = *l, l.Session.Subject()
		var all struct{ Department, Phone, Iss string }
		if err := l.Claims(&all); err != nil || all.Department != "audit" || all.Phone != "+1" || all.Iss != op.Issuer() {
			t.Errorf("claims %+v %v", all, err)
		}
		if raw, ok := l.Claim("/realm_access/roles/0"); !ok || string(raw) != `"r"` {
			t.Errorf("pointer: %s", raw)
		}
		if _, ok := l.Claim("Department"); ok {
			t.Error("names in other case are found")
		}
		l.Set("user", "42")
		l.Set("gone", "x")
		l.Set("gone", "")
		if l.Value("user") != "42" {
			t.Error("Value does not tell what Set stored")
		}
		l.Roles = append(l.Roles, "local")
		l.ReturnTo = "/welcome?from=" + url.QueryEscape(l.ReturnTo)
		return nil
	})
	b.SetLanguage("th")
	page := b.Get(a.URL + "/auth/login?return_to=/reports")
	a.shows(page, "page of erin at /welcome?from=%2Freports")
	if seen.Provider != "test" || seen.Issuer != op.Issuer() || seen.Subject != "erin" || seen.ReturnTo != "/reports" || seen.Language != "th" ||
		seen.Session != nil || !slices.Contains(seen.Scopes, "openid") || seen.AuthTime.IsZero() || !reflect.DeepEqual(seen.Roles, []string{"writer"}) {
		t.Errorf("%+v", seen)
	}
	if s.Value("user") != "42" || s.Value("gone") != "" || !s.HasRole("local") || !s.HasRole("writer") {
		t.Errorf("value %q, roles %q", s.Value("user"), s.Roles())
	}
	if _, ok := s.Claim("department"); ok {
		t.Error("the session keeps what it was not asked to")
	}
	onLogin.set(func(l *oidcrp.Login) error { previous = l.Session.Subject(); return nil })
	op.SignInAs("alice")
	b.Get(a.URL + "/auth/login")
	if previous != "erin" || s.Subject() != "alice" {
		t.Errorf("the session before was %q, and now %q", previous, s.Subject())
	}
	for _, to := range []string{"https://evil.example/", "//evil.example", "/auth/logout", "", "javascript:alert(1)"} {
		onLogin.set(func(l *oidcrp.Login) error { l.ReturnTo = to; return nil })
		a.shows(a.browse().Get(a.URL+"/auth/login?return_to=/reports"), "page of alice at /")
	}
}

// Roles that never come look like users without roles: the operator is told,
// once.
func TestMissingRolesClaimIsLogged(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].RolesClaim = "/realm_access/roles" })
	for range 2 {
		a.signIn()
	}
	if n := strings.Count(a.log.String(), `msg="no roles" provider=test claim=/realm_access/roles`); n != 1 {
		t.Errorf("%d lines\n%s", n, a.log)
	}
	fine := newApp(t, oidcrptest.NewProvider(t), nil)
	fine.signIn()
	if strings.Contains(fine.log.String(), `msg="no roles"`) {
		t.Error(fine.log)
	}
}

func TestOnLoginReadsClaims(t *testing.T) {
	var email, groups string
	var verified bool
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			email, verified, groups = l.Text("email"), l.EmailVerified(), l.Text("roles")
			return nil
		}
	})
	a.signIn()
	if email != "alice@example.com" || !verified || groups != "admin" {
		t.Errorf("%q %v %q", email, verified, groups)
	}
}

func TestReturnToOfOnLoginIsJudged(t *testing.T) {
	for to, warns := range map[string]bool{"/welcome": false, "": false, "//evil.example/?secret=1": true, "/auth/login": true} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			c.OnLogin = func(_ context.Context, l *oidcrp.Login) error { l.ReturnTo = to; return nil }
		})
		a.shows(a.browse().Get(a.URL+"/auth/login?return_to=https://evil.example/"), "home of alice")
		if log := a.log.String(); strings.Contains(log, "return URL replaced") != warns || strings.Contains(log, "secret=1") {
			t.Errorf("%q: %s", to, log)
		}
	}
}

// A line of the log stays a line.
func TestLoggedReturnURLIsCut(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			l.ReturnTo = "https://evil.example/" + strings.Repeat("a", 100_000)
			return nil
		}
	})
	a.shows(a.browse().Get(a.URL+"/auth/login"), "home of alice")
	if log := a.log.String(); !strings.Contains(log, "return_to=https://evil.example/aaa") || strings.Contains(log, strings.Repeat("a", 201)) {
		t.Errorf("%.1000s", log)
	}
}

// The return URL and the login are too much for one cookie. Where it can wait
// elsewhere it leads there, and else the login counts for more.
func TestLoginWithALongReturnURL(t *testing.T) {
	long := "/reports?q=" + strings.Repeat("a", 1985)
	for _, tt := range []struct {
		name, mode string
		pause      bool
		leads      string
	}{
		{"query", "query", false, long},
		{"form_post", "form_post", false, long},
		{"paused", "query", true, "/"},
		{"paused by form_post", "form_post", true, "/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			op.AddUser(oidcrptest.User{Subject: "erin", Claims: map[string]any{"groups": strings.Repeat("g", 1000)}})
			p := newPausing(t, op, "", func(c *oidcrp.Config) {
				c.Claims, c.Providers[0].ResponseMode = []string{"groups", "email"}, tt.mode
			})
			if !tt.pause {
				p.onLogin.set(func(*oidcrp.Login) error { return nil })
			}
			op.SignInAs("erin")
			b := p.browse()
			page := b.Get(p.URL + long)
			if tt.pause {
				p.shows(page, "terms for erin")
				page = p.accept(b)
			}
			p.shows(page, "page of erin at "+tt.leads)
			if !tt.pause && page.URL.RequestURI() != tt.leads {
				t.Errorf("arrived at %s", page.URL)
			}
			for _, c := range b.Cookies(p.URL + "/auth/callback/test") {
				if strings.Contains(c.Name, "_return") {
					t.Errorf("%s is left", c.Name)
				}
			}
			if n := strings.Count(p.log.String(), "return URL replaced"); (n > 0) != tt.pause {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// Nor does what the application chose instead get lost on the way.
func TestReturnURLOfOnLoginByFormPost(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" })
	p.onLogin.set(func(l *oidcrp.Login) error { l.ReturnTo = "/welcome"; return nil })
	p.shows(p.browse().Get(p.URL+"/reports?q="+strings.Repeat("a", 1985)), "page of alice at /welcome")
}
