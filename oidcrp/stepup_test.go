package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// strong is what the application wants, for its dearest pages.
const strong = "urn:example:phr"

// guardedPages are those that want more than a session.
func (a *app) guardedPages(mux *http.ServeMux) {
	var rounds atomic.Int64
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		fmt.Fprintf(w, "%s %s for %s: acr=%s auth=%d expires=%d note=%s roles=%v email=%s", r.Method, r.URL.Path, s.Subject(), s.ACR(),
			s.AuthTime().Unix(), s.Expires().Unix(), s.Value("note"), s.Roles(), s.Email())
	})
	for path, policies := range map[string][]oidcrp.Policy{
		"/plain":  nil,
		"/recent": {oidcrp.AuthenticatedWithin(5 * time.Minute)},
		"/strong": {oidcrp.ACR(strong, "other")},
		"/both":   {oidcrp.AuthenticatedWithin(5 * time.Minute), oidcrp.ACR(strong)},
		"/any":    {oidcrp.AnyOf(oidcrp.HasRole("nobody"), oidcrp.ACR(strong), oidcrp.HasScope("calendar"))},
		"/whole":  {oidcrp.ACR(strong), oidcrp.HasScope("calendar")},
		"/barred": {oidcrp.ACR(strong), oidcrp.HasRole("nobody")},
		"/never": {func(context.Context, *oidcrp.Session) error {
			age := time.Duration(rounds.Add(1)) * time.Second // another one each time
			return fmt.Errorf("never enough: %w", &oidcrp.LoginNeeded{MaxAge: &age})
		}},
		"/now": {func(_ context.Context, s *oidcrp.Session) error {
			if a.clock.now().Sub(s.AuthTime()) > time.Minute {
				return &oidcrp.LoginNeeded{}
			}
			return nil
		}},
	} {
		mux.Handle(path, a.rp.Require(policies...)(page))
	}
	mux.HandleFunc("/payform", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<form method="post" action="/recent"><input name="amount"><button>pay</button></form>`)
	})
	mux.HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) {
		opts := oidcrp.LoginOptions{ReturnTo: "/plain", Provider: r.URL.Query().Get("provider"), ACRValues: r.URL.Query()["acr"], Scopes: r.URL.Query()["scope"]}
		if age, err := time.ParseDuration(r.URL.Query().Get("age")); err == nil {
			opts.MaxAge = &age
		}
		a.rp.Login(w, r, opts)
	})
}

// newStepApp is newApp with one clock for all, and an application that has
// something to lose.
func newStepApp(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *app {
	t.Helper()
	a := newApp(t, op, func(cfg *oidcrp.Config) {
		cfg.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			l.Set("note", "kept")
			return nil
		}
		if change != nil {
			change(cfg)
		}
	})
	op.SetNow(a.clock.now)
	return a
}

// wanted is a parameter of the latest authorization request, and their number.
func (a *app) wanted(name string) (string, int) {
	a.t.Helper()
	all := a.requests()
	return all[len(all)-1].Get(name), len(all)
}

// ways are how an answer comes, and where a session lies.
func ways(t *testing.T, run func(t *testing.T, change func(*oidcrp.Config))) {
	for _, mode := range []string{"query", "form_post"} {
		for _, kept := range []string{"cookie", "store", "cookie and store"} {
			t.Run(mode+", "+kept, func(t *testing.T) {
				run(t, func(cfg *oidcrp.Config) {
					cfg.Providers[0].ResponseMode = mode
					if kept != "cookie" {
						cfg.Store = oidcrp.NewMemoryStore()
					}
					cfg.CookieSessions = kept == "cookie and store"
				})
			})
		}
	}
}

func fieldOf(page *oidcrptest.Page, name string) string {
	_, rest, _ := strings.Cut(page.Body, name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

func TestStepUpByAge(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		before, cookie := b.Get(a.URL+"/plain"), a.sessionCookie(b).Value
		a.clock.advance(5*time.Minute + 10*time.Second)
		a.shows(b.Get(a.URL+"/recent"), "GET /recent")
		if _, n := a.wanted("max_age"); n != 1 {
			t.Errorf("%d requests: clocks may differ", n)
		}
		a.clock.advance(2 * time.Minute)
		after := b.Get(a.URL + "/recent?amount=5")
		a.shows(after, "GET /recent for alice")
		if after.URL.RequestURI() != "/recent?amount=5" {
			t.Errorf("arrived at %s", after.URL)
		}
		if age, n := a.wanted("max_age"); age != "300" || n != 2 {
			t.Errorf("max_age=%q in %d requests", age, n)
		}
		for _, name := range []string{"expires", "note", "roles", "email"} {
			if got, want := fieldOf(after, name), fieldOf(before, name); got != want || got == "" {
				t.Errorf("%s is %q, was %q", name, got, want)
			}
		}
		if fieldOf(after, "auth") == fieldOf(before, "auth") {
			t.Error("auth_time is the old one")
		}
		if a.sessionCookie(b).Value == cookie {
			t.Error("the session kept its id")
		}
		if len(a.events.of(oidcrp.SteppedUp)) != 1 || len(a.events.of(oidcrp.LoginSucceeded)) != 1 || len(a.events.of(oidcrp.SessionEnded)) != 0 {
			t.Errorf("%+v", a.events.all)
		}
		a.shows(b.Get(a.URL+"/recent"), "GET /recent")
		a.calls(oidcrptest.TokenEndpoint, 2)
		// The cookie of before is worth nothing.
		thief := a.browse()
		thief.Get(a.URL)
		thief.SetCookie(a.URL, a.sessionName(b, a.URL)+"="+cookie)
		a.answers(thief.Fetch("GET", "/plain", nil), http.StatusUnauthorized, "login_required")
	})
}

func TestStepUpByACR(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
		if acr, n := a.wanted("acr_values"); acr != strong+" other" || n != 2 {
			t.Errorf("acr_values=%q in %d requests", acr, n)
		}
		a.shows(b.Get(a.URL+"/strong"), "note=kept")
		if _, n := a.wanted("acr_values"); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

// All that a guard wants is asked for at once.
func TestStepUpAsksOnce(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	a.shows(b.Get(a.URL+"/both"), "acr="+strong)
	age, n := a.wanted("max_age")
	if acr, _ := a.wanted("acr_values"); age != "300" || acr != strong || n != 2 {
		t.Errorf("max_age=%q acr_values=%q in %d requests", age, acr, n)
	}
	b = a.signIn()
	before := len(a.requests())
	a.shows(b.Get(a.URL+"/whole"), "acr="+strong)
	if scope, n := a.wanted("scope"); !strings.Contains(scope, "calendar") || n != before+1 {
		t.Errorf("scope=%q in %d requests", scope, n-before)
	}
	b = a.signIn()
	a.shows(b.Get(a.URL+"/both"), "acr="+strong)
	before = len(a.requests())
	a.clock.advance(7 * time.Minute)
	a.shows(b.Get(a.URL+"/both"), "acr="+strong)
	if acr, n := a.wanted("acr_values"); acr != strong || n != before+1 {
		t.Errorf("acr_values=%q in %d requests: a weaker sign-in would take its place", acr, n)
	}
}

// A long address comes back whole, and a provider may shorten a session.
func TestStepUpOfALongAddress(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		end := a.clock.now().Add(30 * time.Minute).Unix()
		op.SetFaults(oidcrptest.IDTokenClaim("session_expiry", end))
		page := b.Get(a.URL + "/strong?" + strings.Repeat("x", 900))
		a.shows(page, "GET /strong")
		if got := fieldOf(page, "expires"); got != fmt.Sprint(end) && got != fmt.Sprint(end-1) { // kept in seconds since the start
			t.Errorf("expires=%s, want %d", got, end)
		}
		if len(page.URL.RawQuery) != 900 {
			t.Errorf("arrived at %s", page.URL)
		}
	})
}

// A LoginNeeded that says nothing is "now".
func TestStepUpNow(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	a.clock.advance(2 * time.Minute)
	a.shows(b.Get(a.URL+"/now"), "GET /now")
	if age, n := a.wanted("max_age"); age != "0" || n != 2 {
		t.Errorf("max_age=%q in %d requests", age, n)
	}
}

func TestStepUpInAnyOf(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	a.shows(b.Get(a.URL+"/any"), "acr="+strong)
	if acr, n := a.wanted("acr_values"); acr != strong || n != 2 {
		t.Errorf("acr_values=%q in %d requests", acr, n)
	}
}

// Who may not anyway is not sent to sign in.
func TestNoStepUpForTheBarred(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	a.answers(b.Get(a.URL+"/barred"), http.StatusForbidden, "You do not have access")
	if n := len(a.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// A form comes back as the page it was on, and is not sent again.
func TestStepUpOfAForm(t *testing.T) {
	ways(t, func(t *testing.T, change func(*oidcrp.Config)) {
		op := oidcrptest.NewProvider(t)
		a := newStepApp(t, op, change)
		b := a.signIn()
		a.clock.advance(10 * time.Minute)
		b.Get(a.URL + "/payform")
		page := b.SubmitForm("pay", url.Values{"amount": {"5"}})
		if page.Status != http.StatusOK || page.URL.Path != "/payform" {
			t.Fatalf("arrived at %s: %s\nlog: %s", page.URL, page, a.log)
		}
		a.shows(b.SubmitForm("pay", url.Values{"amount": {"5"}}), "POST /recent for alice")
		if n := len(a.requests()); n != 2 {
			t.Errorf("%d requests", n)
		}
	})
}

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

// So it is with a consent. One that does not say how, of the sign-in there was,
// takes nothing back.
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

func TestStepUpPageInThai(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	b.SetLanguage("th")
	op.SetFaults(oidcrptest.WrongACR)
	a.answers(b.Get(a.URL+"/strong"), http.StatusForbidden, "โปรดยืนยันตัวตนอีกครั้ง")
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

// A script is told what is needed, and where to send the visitor.
func TestStepUpForFetch(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	b.Get(a.URL + "/plain")
	got := b.Fetch("GET", "/both", nil)
	doc := problem(t, []byte(got.Body))
	if got.Status != http.StatusUnauthorized || doc.Reason != "step_up_needed" || !strings.HasPrefix(doc.Login, a.URL+"/auth/login?") {
		t.Fatalf("got %d: %s", got.Status, got.Body)
	}
	if n := len(a.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
	a.shows(b.Get(doc.Login), "GET /plain for alice: acr="+strong)
	if age, n := a.wanted("max_age"); age != "300" || n != 2 {
		t.Errorf("max_age=%q in %d requests", age, n)
	}
	a.shows(b.Fetch("GET", "/both", nil), "note=kept")
	if got := b.Fetch("POST", "/strong", nil); got.Status != http.StatusOK {
		t.Errorf("got %s", got)
	}
	// The address is not for others to write.
	b = a.signIn()
	u, err := url.Parse(doc.Login)
	if err != nil {
		t.Fatal(err)
	}
	for _, needs := range []string{"x", u.Query().Get("needs") + "x", `{"ACRValues":["x"]}`} {
		q := u.Query()
		q.Set("needs", needs)
		u.RawQuery = q.Encode()
		a.shows(b.Get(u.String()), "GET /plain")
		if acr, _ := a.wanted("acr_values"); acr != "" {
			t.Errorf("%s: acr_values=%q", needs, acr)
		}
	}
}

// Who is not signed in yet is asked for everything at once, and signed in
// whatever comes of it.
func TestStepUpOfNobody(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	a.shows(a.browse().Get(a.URL+"/both"), "acr="+strong)
	age, n := a.wanted("max_age")
	if acr, _ := a.wanted("acr_values"); age != "300" || acr != strong || n != 1 {
		t.Errorf("max_age=%q acr_values=%q in %d requests", age, acr, n)
	}
	for _, fault := range []oidcrptest.Fault{oidcrptest.WrongACR, oidcrptest.MissingAuthTime} {
		op.SetFaults(fault)
		b := a.browse()
		before := len(a.requests())
		a.answers(b.Get(a.URL+"/both"), http.StatusForbidden, "Please confirm that it is you")
		if n := len(a.requests()) - before; n != 2 {
			t.Errorf("%s: %d requests", fault, n)
		}
		op.SetFaults()
		a.shows(b.Get(a.URL+"/plain"), "note=kept")
	}
	// A setting that must hold for each login is not replaced.
	a = newStepApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].ACRValues, cfg.Providers[0].RequireACR = []string{"1"}, true
	})
	a.op.ResetCalls()
	a.shows(a.browse().Get(a.URL+"/strong"), "acr="+strong)
	if n := len(a.requests()); n != 2 {
		t.Errorf("%d requests", n)
	}
}

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

// What calls APIs goes on doing so.
func TestStepUpKeepsTokens(t *testing.T) {
	for name, fault := range map[string]oidcrptest.Fault{
		"new ones":         {Name: "none"},
		"no refresh token": oidcrptest.TokenField("refresh_token", nil),
	} {
		t.Run(name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, nil)
			b := a.signIn()
			op.SetFaults(fault)
			a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
			op.SetFaults()
			a.shows(a.call(b), `"sub":"alice"`)
			a.expire()
			a.shows(a.call(b), `"sub":"alice"`)
			a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
			// Scopes do not cost the acr.
			a.shows(b.Get(a.URL+"/scoped"), "calendar")
			a.shows(b.Get(a.URL+"/strong"), "acr="+strong)
			a.rp.Shutdown(context.Background())
			if n := op.Calls(oidcrptest.RevokeEndpoint); n != 0 {
				t.Errorf("%d revocations", n)
			}
		})
	}
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
