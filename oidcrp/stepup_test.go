package oidcrp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
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

func TestStepUpPageInThai(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newStepApp(t, op, nil)
	b := a.signIn()
	b.SetLanguage("th")
	op.SetFaults(oidcrptest.WrongACR)
	a.answers(b.Get(a.URL+"/strong"), http.StatusForbidden, "โปรดยืนยันตัวตนอีกครั้ง")
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
