package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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
