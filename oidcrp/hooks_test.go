package oidcrp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// pausing is an application that stops logins at a page of its own.
type pausing struct {
	*app
	onLogin hook[*oidcrp.Login]
	update  hook[*oidcrp.Login]
	session *oidcrp.Session // latest seen
}

func newPausing(t *testing.T, op *oidcrptest.Provider, path string, change func(*oidcrp.Config)) *pausing {
	p := &pausing{}
	p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms?step=1"} })
	serving(t, op, path, func(c *oidcrp.Config) {
		c.OnLogin = p.onLogin.call
		if change != nil {
			change(c)
		}
	}, func(a *app) http.Handler {
		p.app = a
		terms := func(w http.ResponseWriter, r *http.Request) {
			l, err := a.rp.Paused(r)
			if err != nil {
				http.Error(w, fmt.Sprint("expired ", errors.Is(err, oidcrp.ErrLoginExpired), " store ", errors.Is(err, oidcrp.ErrStoreUnavailable)), http.StatusTeapot)
				return
			}
			var c struct{ Email string }
			if err := l.Claims(&c); err != nil {
				t.Error(err)
			}
			fmt.Fprintf(w, "%s at %s: terms for %s of %s, %s, note %q, to %s", name(r), r.URL, l.Subject, l.Provider, c.Email, l.Value("note"), l.ReturnTo)
		}
		accept := func(w http.ResponseWriter, r *http.Request) {
			a.rp.Resume(w, r, func(l *oidcrp.Login) error { return p.update.call(r.Context(), l) })
		}
		home := func(w http.ResponseWriter, r *http.Request) {
			p.session = oidcrp.FromContext(r.Context())
			fmt.Fprintf(w, "page of %s at %s", name(r), r.URL)
		}
		return a.pages(map[string]http.HandlerFunc{"/": home, "/terms": terms, "/more": terms, "/accept": accept, path + "/terms": terms, path + "/accept": accept,
			"/reports": a.rp.RequireLogin(http.HandlerFunc(home)).ServeHTTP})
	})
	return p
}

func (p *pausing) accept(b *oidcrptest.Browser) *oidcrptest.Page {
	return b.PostForm(p.URL+"/accept", url.Values{"yes": {"1"}})
}

func TestPauseAndResume(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			p.onLogin.set(func(l *oidcrp.Login) error {
				l.Set("note", "from login")
				l.Set("drop", "me")
				return &oidcrp.Pause{Path: "/terms?step=1"}
			})
			page := b.Get(p.URL + "/reports?a=b")
			p.shows(page, `nobody at /terms?step=1: terms for alice of test, alice@example.com, note "from login", to /reports?a=b`)
			p.noSessionIn(page.Trail[len(page.Trail)-2].Response)
			p.shows(b.Get(p.URL+"/"), "page of nobody") // not signed in yet
			p.shows(b.Get(p.URL+"/terms"), "terms for alice")
			if len(p.events.of(oidcrp.LoginSucceeded)) != 0 {
				t.Error("it counts as a login already")
			}
			p.update.set(func(l *oidcrp.Login) error {
				l.Set("user", "42")
				l.Set("drop", "")
				l.Roles = append(l.Roles, "member")
				return nil
			})
			p.clock.advance(5 * time.Minute)
			p.shows(p.accept(b), "page of alice at /reports?a=b")
			s := p.session
			if s.Value("user") != "42" || s.Value("note") != "from login" || s.Value("drop") != "" || !s.HasRole("admin") || !s.HasRole("member") ||
				s.Email() != "alice@example.com" || s.ACR() == "" || s.AuthTime().IsZero() || !reflect.DeepEqual(s.AMR(), []string{"demo"}) {
				t.Errorf("%q %q %q %v", s.Value("user"), s.Value("note"), s.Roles(), s.Email())
			}
			if got := s.Expires().Sub(p.clock.now()); got < 12*time.Hour-time.Minute {
				t.Errorf("the session lives %v", got)
			}
			if len(p.events.of(oidcrp.LoginSucceeded)) != 1 {
				t.Error("no event")
			}
			p.shows(p.accept(b), "page of alice at /") // and again
			p.answers(b.Get(p.URL+"/terms"), http.StatusTeapot, "expired true")
			p.shows(b.Get(p.URL+"/reports"), "page of alice")
		})
	}
}

func TestCopiedPauseIsSpent(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			b.Get(p.URL + "/reports")
			paused := p.pauseCookie(b)
			p.shows(p.accept(b), "page of alice")
			b.SetCookie(p.URL+"/", paused.Name+"="+paused.Value+"; Path=/")
			p.shows(p.accept(b), "page of alice at /")
			if n := len(p.events.of(oidcrp.LoginSucceeded)); n != 1 {
				t.Errorf("%d sessions were started", n)
			}
		})
	}
}

// pauseCookie is that of a login that waits.
func (p *pausing) pauseCookie(b *oidcrptest.Browser) *http.Cookie {
	p.t.Helper()
	for _, c := range b.Cookies(p.URL + "/") {
		if strings.Contains(c.Name, "paused") {
			return c
		}
	}
	p.t.Fatal("no paused login")
	return nil
}

func pauseIsNoSessionAndTheReverse(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			b.Get(p.URL + "/reports")
			paused := p.pauseCookie(b)
			p.accept(b)
			session := p.sessionCookie(b)
			fresh := p.browse()
			fresh.Get(p.URL + "/reports")
			waiting := p.pauseCookie(fresh)
			p.plant(fresh, session.Name, waiting.Value)
			p.shows(fresh.Get(p.URL+"/"), "page of nobody")

			thief := p.browse()
			p.plant(thief, paused.Name, session.Value)
			p.answers(thief.Get(p.URL+"/terms"), http.StatusTeapot, "expired true")
			thief.Get(p.URL + "/")
			p.answers(p.accept(thief), http.StatusBadRequest, "")
			p.shows(b.Get(p.URL+"/reports"), "page of alice")
		})
	}
}

func TestResumeWantsAPostOfOurOwn(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	resumed := false
	p.update.set(func(*oidcrp.Login) error { resumed = true; return nil })
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		res := p.with(b, method, "/accept", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Accept", "text/html")
		if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "POST" {
			t.Errorf("%s: %d, Allow %q", method, res.StatusCode, res.Header.Get("Allow"))
		}
	}
	for _, header := range [][]string{nil, {"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "null"}} {
		if res := p.with(b, "POST", "/accept", header...); res.StatusCode != http.StatusForbidden {
			t.Errorf("%v: %d", header, res.StatusCode)
		}
	}
	if resumed {
		t.Error("it was resumed")
	}
	b.Get(p.URL + "/terms")
	p.shows(p.accept(b), "page of alice")
}

// A page that decides about something of its own does not end another's pause.
func TestPauseAtOnePageOnly(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms?step=1", Only: true} })
			b := p.browse()
			b.Get(p.URL + "/reports")
			p.update.set(func(*oidcrp.Login) error { t.Error("resumed elsewhere"); return nil })
			p.refused(p.accept(b), http.StatusBadRequest, "expired")
			p.shows(b.Get(p.URL+"/"), "page of nobody")

			// It waits on, and ends where it waits.
			p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/accept", Only: true} })
			b.Get(p.URL + "/reports")
			p.update.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} })
			p.shows(p.accept(b), "terms for alice")
			p.update.set(func(*oidcrp.Login) error { return nil })
			p.shows(p.accept(b), "page of alice at /reports") // which any page ends again
		})
	}
}

func TestPauseExpires(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			b.Get(p.URL + "/reports")
			b.SetNow(time.Now) // the browser keeps the cookie
			p.clock.advance(10*time.Minute + time.Second)
			p.answers(b.Get(p.URL+"/terms"), http.StatusTeapot, "expired true")
			page := p.accept(b)
			p.refused(page, http.StatusBadRequest, "expired")
			p.shows(b.Get(p.URL+"/"), "page of nobody")
		})
	}
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.clock.advance(10*time.Minute - 5*time.Second)
	p.shows(p.accept(b), "page of alice")
}

func TestAnswersToResume(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			b.Get(p.URL + "/reports?a=b")
			for _, tt := range []struct {
				answer func() error
				status int
				shown  string
			}{
				{func() error { return &oidcrp.Refusal{Message: "Too <young>."} }, 403, "Too <young>."},
				{func() error { return errors.New("10.0.0.7") }, 500, "went wrong"},
				{func() error { panic("10.0.0.7") }, 500, "went wrong"},
			} {
				p.update.set(func(*oidcrp.Login) error { return tt.answer() })
				page := p.accept(b)
				p.refused(page, tt.status, "")
				if !strings.Contains(page.Text(), tt.shown) || strings.Contains(page.Body, "10.0.0.7") || strings.Contains(page.Body, "<young>") {
					t.Errorf("shown: %s", page.Body)
				}
				p.shows(b.Get(p.URL+"/"), "page of nobody")
			}
			p.update.set(func(l *oidcrp.Login) error {
				l.Set("note", "one")
				return &oidcrp.Pause{Path: "/more"}
			})
			p.shows(p.accept(b), `nobody at /more: terms for alice of test, alice@example.com, note "one", to /reports?a=b`)
			p.update.set(func(l *oidcrp.Login) error {
				if l.Value("note") != "one" {
					t.Errorf("note %q", l.Value("note"))
				}
				l.ReturnTo = "/elsewhere"
				return nil
			})
			p.shows(p.accept(b), "page of alice at /elsewhere")
			if p.session.Value("note") != "one" {
				t.Errorf("note %q", p.session.Value("note"))
			}
		})
	}
}

// Whatever the application makes of the return URL, it stays a page of ours.
func TestResumeLeadsNowhereElse(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	p.update.set(func(l *oidcrp.Login) error { l.ReturnTo = "https://evil.example/"; return nil })
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.shows(p.accept(b), "page of alice at /")
	if log := p.log.String(); !strings.Contains(log, `msg="return URL replaced by the home page"`) || !strings.Contains(log, "return_to=https://evil.example/ ") {
		t.Errorf("the mistake is not in the log: %s", log)
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

// The address under which form_post logins go on is no way around the page.
func TestPauseCannotBeSkipped(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	callback := p.stopAtCallback(b, "/reports")
	b.Get(callback)
	q := url.Values{"go-on": {p.pauseCookie(b).Value}, "state": {mustParse(t, callback).Query().Get("state")}}
	p.shows(b.Get(p.URL+"/auth/callback/test?"+q.Encode()), "terms for alice")
	p.shows(b.Get(p.URL+"/"), "page of nobody")
}

// What the pause needs to know and what the application keeps do not mix.
func TestPauseKeepsItsOwnValues(t *testing.T) {
	const ours = "\x00return_to"
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	p.onLogin.set(func(l *oidcrp.Login) error {
		l.Set(ours, "/stolen")
		l.Set("uid", "17")
		return &oidcrp.Pause{Path: "/terms"}
	})
	p.update.set(func(l *oidcrp.Login) error {
		if l.Value(ours) != "" || l.Value("\x00path") != "" || l.Value("uid") != "17" {
			t.Errorf("values %q %q %q", l.Value(ours), l.Value("\x00path"), l.Value("uid"))
		}
		return nil
	})
	b := p.browse()
	p.shows(b.Get(p.URL+"/reports"), "terms for alice")
	p.shows(p.accept(b), "page of alice at /reports")
	if s := p.session; s.Value(ours) != "" || s.Value("\x00path") != "" || s.Value("uid") != "17" {
		t.Errorf("in the session %q %q %q", s.Value(ours), s.Value("\x00path"), s.Value("uid"))
	}
}

func TestPauseOverASession(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	p.onLogin.set(func(*oidcrp.Login) error { return nil })
	b := p.browse()
	p.op.SignInAs("bob")
	p.shows(b.Get(p.URL+"/reports"), "page of bob")
	before := p.sessionCookie(b)
	p.op.SignInAs("alice")
	p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} })
	p.shows(b.Get(p.URL+"/auth/login?return_to=/reports"), "bob at /terms: terms for alice")
	p.shows(b.Get(p.URL+"/reports"), "page of bob")
	p.update.set(func(l *oidcrp.Login) error {
		if l.Session.Subject() != "bob" {
			t.Errorf("the session until now is %q", l.Session.Subject())
		}
		return nil
	})
	p.shows(p.accept(b), "page of alice at /reports")
	stolen := p.browse()
	p.plant(stolen, before.Name, before.Value)
	p.shows(stolen.Get(p.URL+"/"), "page of nobody")
	if ended := p.events.of(oidcrp.SessionEnded); len(ended) != 1 || ended[0].Subject != "bob" || ended[0].Reason != "replaced" {
		t.Errorf("events %+v", ended)
	}
}

// A form sent twice decides once: the second waits for nothing and goes on.
func TestResumeHappensOnce(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			p.shows(b.Get(p.URL+"/reports?a=b"), "terms for alice")
			entered, leave := make(chan struct{}), make(chan struct{})
			var calls atomic.Int32
			p.update.set(func(*oidcrp.Login) error {
				if calls.Add(1) == 1 {
					close(entered)
					<-leave
				}
				return nil
			})
			post := func() *http.Response {
				return p.with(b, "POST", "/accept", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate", "Accept", "text/html")
			}
			first := make(chan *http.Response)
			go func() { first <- post() }()
			<-entered
			second := post()
			close(leave)
			for _, res := range []*http.Response{second, <-first} {
				if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != p.URL+"/reports?a=b" {
					t.Errorf("%d %q", res.StatusCode, res.Header.Get("Location"))
				}
			}
			p.noSessionIn(second.Header)
			if n := calls.Load(); n != 1 || len(p.events.of(oidcrp.LoginSucceeded)) != 1 {
				t.Errorf("update was called %d times, sessions started: %d", n, len(p.events.of(oidcrp.LoginSucceeded)))
			}
		})
	}
}

// Whom update turned away can correct the form and send it again.
func TestResumeAfterARefusal(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			p := newPausing(t, oidcrptest.NewProvider(t), "", store)
			b := p.browse()
			b.Get(p.URL + "/reports")
			for _, answer := range []error{&oidcrp.Refusal{Message: "Accept the terms, please."}, errors.New("database down"), &oidcrp.Pause{Path: "/more"}} {
				p.update.set(func(l *oidcrp.Login) error { return answer })
				p.accept(b)
				p.shows(b.Get(p.URL+"/terms"), "terms for alice")
			}
			p.update.set(func(*oidcrp.Login) error { return nil })
			p.shows(p.accept(b), "page of alice at /reports")
			p.answers(b.Get(p.URL+"/terms"), http.StatusTeapot, "expired true")
		})
	}
}

func TestSignOutAfterAPauseNamesTheUser(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.shows(p.accept(b), "page of alice")
	p.logout(b, "")
	if p.asked().Get("id_token_hint") == "" {
		t.Error("the provider was not told whose session it is")
	}
}

// Who gives a pause up leaves the ID token of who is signed in where it is.
func TestSignOutOverAPauseNamesWhoIsSignedIn(t *testing.T) {
	for mode, store := range stores {
		for _, answer := range []string{"query", "form_post"} {
			for _, resumed := range []bool{false, true} {
				t.Run(fmt.Sprint(mode, " ", answer, " ", resumed), func(t *testing.T) {
					p := newPausing(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
						c.Providers[0].ResponseMode = answer
						store(c)
					})
					p.onLogin.set(func(*oidcrp.Login) error { return nil })
					b := p.browse()
					p.op.SignInAs("bob")
					p.shows(b.Get(p.URL+"/reports"), "page of bob")
					p.op.SignInAs("alice")
					p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} })
					p.shows(b.Get(p.URL+"/auth/login?return_to=/reports"), "terms for alice")
					want := "bob"
					if resumed {
						want = "alice"
						p.shows(p.accept(b), "page of alice")
					}
					p.logout(b, "")
					if got := subjectOf(p.asked().Get("id_token_hint")); got != want {
						t.Errorf("the provider was told that it is %q, want %q", got, want)
					}
				})
			}
		}
	}
}

// subjectOf reads an ID token without checking it.
func subjectOf(idToken string) string {
	var c struct{ Sub string }
	if parts := strings.Split(idToken, "."); len(parts) == 3 {
		b, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(b, &c)
	}
	return c.Sub
}

func TestPauseKeepsLongLists(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			n := 60
			if mode == "store" {
				n = 1000
			}
			var roles []string
			for i := range n {
				roles = append(roles, fmt.Sprintf("role-%04d, with \"odd\"\x01 letters", i))
			}
			if mode == "cookie" {
				for i := range roles {
					roles[i] = fmt.Sprintf("role %d", i)
				}
			}
			op.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", Claims: map[string]any{"roles": roles}})
			p := newPausing(t, op, "", store)
			op.SignInAs("erin")
			b := p.browse()
			p.shows(b.Get(p.URL+"/reports?"+strings.Repeat("x", 500)), "terms for erin")
			p.shows(p.accept(b), "page of erin")
			if !reflect.DeepEqual(p.session.Roles(), roles) {
				t.Errorf("%d roles of %d", len(p.session.Roles()), n)
			}
		})
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

func TestPauseKeepsTheProvidersCeiling(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	p.op.SetFaults(oidcrptest.IDTokenClaim("session_expiry", p.clock.now().Add(30*time.Minute).Unix()))
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.clock.advance(5 * time.Minute)
	p.shows(p.accept(b), "page of alice")
	p.clock.advance(24 * time.Minute)
	p.shows(b.Get(p.URL+"/"), "page of alice")
	p.clock.advance(2 * time.Minute)
	p.shows(b.Get(p.URL+"/"), "page of nobody")
}

func TestPauseAtAPageThatIsNone(t *testing.T) {
	for _, path := range []string{"", "terms", "//evil.example/", "https://evil.example/", "/auth/login", "/../x", `/\evil.example`} {
		p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
		p.onLogin.set(func(*oidcrp.Login) error { return &oidcrp.Pause{Path: path} })
		page := p.browse().Get(p.URL + "/reports")
		p.refused(page, http.StatusInternalServerError, "misconfigured")
	}
}

func TestPauseBelowABasePath(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "/app", nil)
	b := p.browse()
	page := b.Get(p.URL + "/auth/login?return_to=/app/reports")
	p.shows(page, "nobody at /app/terms?step=1: terms for alice")
	p.shows(p.accept(b), "page of alice at /app/reports")
}

// Who signs in or out while a login waits has decided otherwise, and on a
// shared computer may be somebody else.
func TestPausedLoginIsOverAfterSignOut(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	b.PostForm(p.URL+"/auth/logout", nil)
	p.refused(p.accept(b), http.StatusBadRequest, "expired")
	p.shows(b.Get(p.URL+"/"), "page of nobody")
}

func TestPausedLoginIsOverAfterAnother(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.onLogin.set(func(*oidcrp.Login) error { return nil })
	p.op.SignInAs("bob")
	p.shows(b.Get(p.URL+"/auth/login?return_to=/reports"), "page of bob")
	p.shows(p.accept(b), "page of bob at /")
}

func TestPausePageBehindProtect(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	var rp *oidcrp.RelyingParty
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		var err error
		rp, err = oidcrp.New(oidcrp.Config{
			BaseURL: base, Providers: []oidcrp.Provider{op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler),
			OnLogin: func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} },
		})
		if err != nil {
			t.Fatal(err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /terms", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<form method="post"><button>Accept</button></form>`)
		})
		mux.HandleFunc("POST /terms", func(w http.ResponseWriter, r *http.Request) {
			rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
		})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL.Path, " of ", name(r)) })
		mux.Handle("/admin", rp.Require(oidcrp.HasRole("admin"))(http.NotFoundHandler()))
		return rp.Protect(mux)
	})
	b := oidcrptest.NewBrowser(t)
	b.Get(base + "/reports")
	if page := b.Page(); page.URL.Path != "/terms" {
		t.Fatalf("ended at %s", page)
	}
	other := b.Tab()
	if page := other.Get(base + "/reports"); page.URL.Path != "/terms" {
		t.Errorf("another page is open: %s", page)
	}
	if page := b.SubmitForm("Accept", nil); page.Body != "/reports of alice" {
		t.Errorf("got %s", page)
	}
}

func TestStillAllowed(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			var asked hook[*oidcrp.Session]
			var n atomic.Int32
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				store(c)
				c.StillAllowed = asked.call
				c.StillAllowedEvery = 10 * time.Minute
			})
			allow := func(s *oidcrp.Session) error {
				if n.Add(1); s.Subject() != "alice" {
					t.Errorf("asked about %q", s.Subject())
				}
				return nil
			}
			asked.set(allow)
			b := a.signIn()
			for range 3 {
				a.shows(b.Get(a.URL+"/"), "home of alice")
			}
			if n.Load() != 0 {
				t.Errorf("asked %d times right after the login", n.Load())
			}
			for i := range 3 {
				a.clock.advance(10 * time.Minute)
				for range 3 {
					a.shows(b.Get(a.URL+"/reports"), "reports for alice")
				}
				if int(n.Load()) != i+1 {
					t.Errorf("asked %d times in %d intervals", n.Load(), i+1)
				}
			}
			for name, answer := range map[string]func(*oidcrp.Session) error{
				"error": func(*oidcrp.Session) error { return errors.New("directory down at 10.0.0.7") },
				"panic": func(*oidcrp.Session) error { panic("directory down at 10.0.0.7") },
			} {
				a.clock.advance(10 * time.Minute)
				asked.set(answer)
				for range 2 {
					page := b.Get(a.URL + "/reports")
					a.answers(page, http.StatusServiceUnavailable, "")
					if page.Header.Get("Retry-After") == "" || strings.Contains(page.Body, "10.0.0.7") || !strings.Contains(a.log.String(), "10.0.0.7") {
						t.Errorf("%s: %v %s", name, page.Header, page.Body)
					}
				}
				asked.set(allow)
				a.shows(b.Get(a.URL+"/reports"), "reports for alice") // the session stayed
			}
			kept := a.sessionCookie(b)
			a.clock.advance(10 * time.Minute)
			asked.set(func(*oidcrp.Session) error { return &oidcrp.Refusal{Message: "Your <account> was closed."} })
			a.op.ResetCalls()
			page := b.Get(a.URL + "/reports")
			a.answers(page, http.StatusForbidden, "Your <account> was closed.")
			if strings.Contains(page.Body, "<account>") {
				t.Error("the message is not escaped")
			}
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
			asked.set(allow)
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			if who := a.whoHas(kept); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
			if ended := a.events.of(oidcrp.SessionEnded); len(ended) != 1 || ended[0].Reason != "refused" || ended[0].Subject != "alice" {
				t.Errorf("events %+v", ended)
			}
		})
	}
}

// A clock that was far ahead when it was asked last keeps nobody signed in.
func TestStillAllowedAfterAClockWasSetBack(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				store(c)
				c.StillAllowed = func(context.Context, *oidcrp.Session) error { return &oidcrp.Refusal{Message: "left"} }
			})
			b := a.signIn()
			a.clock.advance(-2 * time.Minute)
			a.shows(b.Get(a.URL+"/"), "home of alice") // nodes may differ by that
			a.clock.advance(-time.Hour)
			if page := b.Get(a.URL + "/"); page.Status != http.StatusForbidden {
				t.Errorf("%s", page)
			}
		})
	}
}

// Whichever error the application passes on, only a Refusal decides.
func TestStillAllowedErrorsDecideNothing(t *testing.T) {
	for _, cause := range []error{oidcrp.ErrForbidden, oidcrp.ErrLoginExpired, oidcrp.ErrMisconfigured} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			c.StillAllowed = func(context.Context, *oidcrp.Session) error { return fmt.Errorf("db: %w", cause) }
		})
		b := a.signIn()
		a.clock.advance(6 * time.Minute)
		if page := b.Get(a.URL + "/reports"); page.Status != http.StatusServiceUnavailable {
			t.Errorf("%v: %s", cause, page)
		}
	}
}

// The visitor signs out in another tab while the application thinks.
func TestLogoutDuringStillAllowed(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			var asked hook[*oidcrp.Session]
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				store(c)
				c.StillAllowed = asked.call
			})
			b := a.signIn()
			c := a.sessionCookie(b)
			asked.set(func(*oidcrp.Session) error {
				a.with(nil, "POST", "/auth/logout", "Cookie", cookieHeader(c), "Sec-Fetch-Site", "same-origin")
				return nil
			})
			a.clock.advance(5 * time.Minute)
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			asked.set(func(*oidcrp.Session) error { return nil })
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("the session came back as %s's", who)
			}
		})
	}
}

func TestEvents(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	b.Get(a.URL + "/reports")
	b.PostForm(a.URL+"/auth/logout", nil)
	a.op.SignInAs("bob")
	b.Get(a.URL + "/admin")
	a.op.SetFaults(oidcrptest.TokenStatus(500))
	b.Get(a.URL + "/auth/login")
	a.op.SetFaults(oidcrptest.WrongNonce)
	b.Get(a.URL + "/auth/login")
	a.events.mu.Lock()
	defer a.events.mu.Unlock()
	var got []string
	handle := ""
	for _, e := range a.events.all {
		if e.Kind == oidcrp.LoginStarted {
			if e.Provider != "test" || e.Issuer != a.op.Issuer() || e.Time.IsZero() {
				t.Errorf("%+v", e)
			}
			continue
		}
		got = append(got, strings.TrimSuffix(fmt.Sprintf("%s|%s|%s", e.Kind, e.Subject, e.Reason), "|"))
		switch e.Kind {
		case oidcrp.LoginSucceeded:
			if e.Session == "" || e.Duration <= 0 || e.Issuer != a.op.Issuer() || e.Provider != "test" || e.Err != nil {
				t.Errorf("%+v", e)
			}
			handle = e.Session
		case oidcrp.SessionEnded:
			if e.Session != handle || e.Provider != "test" {
				t.Errorf("%+v, signed in was %s", e, handle)
			}
		default:
			if e.ID == "" || e.Err == nil || e.Step == "" {
				t.Errorf("%+v", e)
			}
		}
		if text := e.LogValue().String(); !strings.Contains(text, string(e.Kind)) || strings.Contains(text, "alice@example.com") {
			t.Errorf("in the log: %s", text)
		}
	}
	want := []string{"login succeeded|alice", "session ended|alice|logout", "login succeeded|bob", "access denied|bob|forbidden",
		"provider failed||provider_unavailable", "login failed||nonce"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What fails outside a login is told as no login's failure.
func TestEventsOfRequestsThatAreNoLogin(t *testing.T) {
	var still hook[*oidcrp.Session]
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.StillAllowed = still.call })
	b := a.signIn()
	still.set(func(*oidcrp.Session) error { return errors.New("directory down") })
	a.clock.advance(6 * time.Minute)
	a.answers(b.Get(a.URL+"/reports"), http.StatusServiceUnavailable, "Something went wrong")
	still.set(func(*oidcrp.Session) error { return nil })
	a.answers(b.Fetch("POST", "/auth/logout", &oidcrptest.FetchOptions{
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: "return_to=%zz",
	}), http.StatusBadRequest, "bad_request")
	stranger := a.browse()
	evil(stranger, "")
	a.answers(stranger.PostForm(a.URL+"/auth/logout", nil), http.StatusForbidden, "another site")
	for kind, want := range map[oidcrp.EventKind][]string{
		oidcrp.RequestFailed: {"session|hook", "logout|bad_request"}, oidcrp.AccessDenied: {"logout|cross_origin"}, oidcrp.LoginFailed: nil,
	} {
		var got []string
		for _, e := range a.events.of(kind) {
			got = append(got, e.Step+"|"+e.Reason)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}

// A login that could not begin at a guard is a login's failure.
func TestEventOfALoginThatDidNotBegin(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.PARError("invalid_request")), nil)
	a.browse().Get(a.URL + "/reports")
	failed := a.events.of(oidcrp.LoginFailed)
	if len(failed) != 1 || failed[0].Step != "login" || len(a.events.of(oidcrp.LoginStarted)) != 0 {
		t.Errorf("events %+v", failed)
	}
}

func panicInTheEventHook(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnEvent = func(context.Context, oidcrp.Event) { panic("metrics are down") }
	})
	b := a.signIn()
	page := b.PostForm(a.URL+"/auth/logout", nil)
	a.shows(page, "signed out")
	if !strings.Contains(a.log.String(), "metrics are down") {
		t.Error("it is not in the log")
	}
}

func TestErrorPage(t *testing.T) {
	var mu sync.Mutex
	var last *oidcrp.Error
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.ErrorPage = func(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
			mu.Lock()
			last = e
			mu.Unlock()
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(e.Status)
			fmt.Fprintf(w, `own page, %s, <a href="%s">again</a>`, e.ID, template.HTMLEscapeString(e.RetryURL))
		}
	})
	tests := []struct {
		fault    oidcrptest.Fault
		status   int
		is       error
		provider string // code of the ProviderError
		direct   bool
	}{
		{oidcrptest.AuthorizationError("access_denied", "changed my mind"), 400, oidcrp.ErrCancelled, "access_denied", false},
		{oidcrptest.AuthorizationError("server_error", ""), 503, oidcrp.ErrProviderUnavailable, "server_error", false},
		{oidcrptest.AuthorizationError("login_required", ""), 400, oidcrp.ErrInvalidResponse, "login_required", false},
		{oidcrptest.TokenError("invalid_client"), 500, oidcrp.ErrMisconfigured, "invalid_client", true},
		{oidcrptest.TokenError("invalid_grant"), 400, oidcrp.ErrInvalidResponse, "invalid_grant", true},
		{oidcrptest.TokenStatus(502), 503, oidcrp.ErrProviderUnavailable, "", false},
		{oidcrptest.WrongNonce, 400, oidcrp.ErrInvalidToken, "", false},
		{oidcrptest.NoIDToken, 400, oidcrp.ErrInvalidToken, "", false},
		{oidcrptest.NoState, 400, oidcrp.ErrLoginExpired, "", false},
		{oidcrptest.WrongResponseIssuer, 400, oidcrp.ErrInvalidResponse, "", false},
		{oidcrptest.NoCode, 400, oidcrp.ErrInvalidResponse, "", false},
		{oidcrptest.DuplicateParams, 400, oidcrp.ErrInvalidResponse, "", false},
	}
	all := []error{oidcrp.ErrNotLoaded, oidcrp.ErrAnonymous, oidcrp.ErrForbidden, oidcrp.ErrLoginExpired, oidcrp.ErrCancelled, oidcrp.ErrInvalidResponse,
		oidcrp.ErrInvalidToken, oidcrp.ErrProviderUnavailable, oidcrp.ErrStoreUnavailable, oidcrp.ErrMisconfigured}
	b := a.browse()
	for _, tt := range tests {
		t.Run(tt.fault.Name, func(t *testing.T) {
			a.op.SetFaults(tt.fault)
			page := b.Get(a.URL + "/auth/login?return_to=/reports")
			mu.Lock()
			e := last
			mu.Unlock()
			if page.Status != tt.status || e.Status != tt.status || !strings.Contains(page.Body, "own page, "+e.ID) || len(e.ID) < 8 {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			for _, kind := range all {
				if errors.Is(e, kind) != (kind == tt.is) {
					t.Errorf("errors.Is(e, %q) is %v: %v", kind, errors.Is(e, kind), e)
				}
			}
			var answer *oidcrp.ProviderError
			if errors.As(e, &answer) != (tt.provider != "") || answer != nil && (answer.Code != tt.provider || tt.direct != (answer.Status != 0)) {
				t.Errorf("provider's answer %+v", answer)
			}
			if tt.provider != "" && e.Provider != "test" {
				t.Errorf("provider %q", e.Provider)
			}
			if page.Header.Get("Cache-Control") != "no-store" || (page.Header.Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("%v", page.Header)
			}
			if script := b.Fetch("GET", "/reports", nil); script.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("a script gets %v", script)
			}
			a.op.SetFaults()
			if e.RetryURL != "" && !slices.Contains([]string{"NoState", "DuplicateParams"}, tt.fault.Name) {
				a.shows(b.Follow("again"), "reports for alice")
				b.DropCookies()
			}
		})
	}
	if answer := a.events.of(oidcrp.LoginFailed); len(answer) == 0 || strings.Contains(a.browse().Get(a.URL+"/auth/nowhere").Body, "changed my mind") {
		t.Error("no events")
	}
}

// On a page of the application's own, who is signed in stays so while another
// login fails.
func TestErrorPageKnowsTheVisitor(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			b := a.signIn()
			a.op.SetFaults(oidcrptest.WrongNonce)
			b.Get(a.URL + "/auth/login")
			if failed := a.events.of(oidcrp.LoginFailed); len(failed) != 1 || failed[0].Subject != "" {
				t.Errorf("whose login failed is not known: %+v", failed)
			}
			var rp *oidcrp.RelyingParty
			rp = a.later(func(c *oidcrp.Config) {
				c.ErrorPage = func(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
					w.WriteHeader(e.Status)
					fmt.Fprintf(w, "%v %s", rp.View(r).SignedIn(), name(r))
				}
			})
			if got := ask2(rp, a, b, "/auth/nowhere"); got != "true alice" {
				t.Error(got)
			}
		})
	}
}

// ask2 sends a request with the cookies of a browser to another relying party.
func ask2(rp *oidcrp.RelyingParty, a *app, b *oidcrptest.Browser, path string) string {
	r := httptest.NewRequest("GET", path, nil)
	r.Header.Set("Accept", "text/html")
	for _, c := range b.Cookies(a.URL + path) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	rp.ServeHTTP(w, r)
	return w.Body.String()
}

func TestMessagesAndLanguage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Messages = map[string]map[string]string{
			"en": {"denied.title": "Computer says no"},
			"de": {"denied.title": "Kein <Zugang>", "signin.button": "Anmelden"},
		}
		c.Language = func(r *http.Request) string { return r.URL.Query().Get("lang") }
	})
	b := a.signInAs("bob")
	a.answers(b.Get(a.URL+"/admin"), 403, "Computer says no")
	page := b.Get(a.URL + "/admin?lang=de")
	a.answers(page, 403, "Kein <Zugang>")
	if !strings.Contains(page.Body, `lang="de"`) || strings.Contains(page.Body, "<Zugang>") || page.Header.Get("Content-Language") != "de" {
		t.Errorf("%v %s", page.Header, page.Body)
	}
	b.SetLanguage("de-AT,de;q=0.9,en;q=0.1")
	a.answers(b.Get(a.URL+"/admin"), 403, "Kein <Zugang>") // Language left it open
	a.op.ResetCalls()
	b.Get(a.URL + "/auth/login")
	if got := a.requests()[0].Get("ui_locales"); got != "de" {
		t.Errorf("ui_locales %q", got)
	}
	if all := oidcrp.DefaultMessages(); all["en"]["denied.title"] == "" || all["th"]["denied.title"] == "" || all["en"]["denied.title"] == "Computer says no" {
		t.Errorf("defaults %v", all["en"]["denied.title"])
	}
}

func TestReplacedPages(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Pages = template.Must(template.New("layout").Parse(`<html lang="{{.Lang}}"><body>Our frame {{.Content}}</body></html>`))
		template.Must(c.Pages.New("denied").Parse(`No, {{.User}}: {{.Title}} {{.Status}}`))
		template.Must(c.Pages.New("signedout").Parse(`{{if eq .Lang "th"}}{{index .Providers 7}}{{end}}`))
	})
	op := a.op
	op.AddUser(oidcrptest.User{Subject: "erin", Name: `<script>alert(1)</script>`, Email: "e@example.com"})
	b := a.signInAs("erin")
	page := b.Get(a.URL + "/admin")
	a.answers(page, 403, "Our frame No, <script>alert(1)</script>: You do not have access 403")
	if strings.Contains(page.Body, "<script>") {
		t.Error("not escaped")
	}
	a.answers(b.Get(a.URL+"/auth/nowhere"), 404, "Our frame Page not found")
	b.SetLanguage("th")
	page = b.PostForm(a.URL+"/auth/logout", nil)
	a.shows(page, "ออกจากระบบแล้ว") // the built-in one, since the template fails
	if !strings.Contains(a.log.String(), "page template failed") {
		t.Error("nobody is told of the template")
	}
}

func TestOwnSignInPage(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		c.SignInPath = "/welcome"
		p, hidden := other.Config("other", c.BaseURL), other.Config("hidden", c.BaseURL)
		p.DisplayName, hidden.Hidden = "Fabrikam <b>", true
		c.Providers = append(c.Providers, p, hidden)
	}, func(a *app) http.Handler {
		page := template.Must(template.New("").Parse(`our own page {{range .Auth.Providers}}<a href="{{.URL}}">{{.DisplayName}}</a> {{end}}`))
		return a.pages(map[string]http.HandlerFunc{"/welcome": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := page.Execute(w, map[string]any{"Auth": a.rp.View(r)}); err != nil {
				t.Error(err)
			}
		}})
	})
	for _, start := range []string{"/reports?a=b&c=d", "/auth/login?return_to=%2Freports%3Fa%3Db%26c%3Dd"} {
		b := a.browse()
		page := b.Get(a.URL + start)
		a.shows(page, "our own page")
		if strings.Contains(page.Text(), "hidden") || len(page.Links()) != 2 || page.URL.Path != "/welcome" {
			t.Errorf("%s", page.Body)
		}
		a.shows(b.Follow("Fabrikam <b>"), "reports for bob at /reports?a=b&c=d")
	}
	b := a.browse()
	for _, to := range []string{"//evil.example", "https://evil.example/", "/welcome", "/auth/logout"} {
		b.Get(a.URL + "/welcome?return_to=" + url.QueryEscape(to))
		page := b.Follow("Fabrikam <b>")
		a.shows(page, "home of bob")
		b.DropCookies()
	}
	b.Get(a.URL + "/")
	if doc := problem(t, []byte(b.Fetch("GET", "/reports", nil).Body)); doc.Login != a.URL+"/auth/login" {
		t.Errorf("login %q", doc.Login)
	}
}

// A guard around the sign-in page is a mistake, but not an endless one.
func guardAroundTheSignInPage(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) {
		c.SignInPath = "/signin"
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://two.example", ClientID: "app"})
	})
	h, at := rp.Load(rp.RequireLogin(http.NotFoundHandler())), "/reports"
	for range 5 {
		w := ask(rp, h, nil, "GET", at, navigate...)
		if w.Code == http.StatusOK {
			return
		}
		at = strings.TrimPrefix(w.Header().Get("Location"), "https://app.example")
	}
	t.Errorf("still on the way, to %s", at)
}
