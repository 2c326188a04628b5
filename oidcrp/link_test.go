package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// linkPages are those of an account that may have several identities.
func (a *app) linkPages(mux *http.ServeMux) {
	mux.HandleFunc("/account", func(w http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `account of %s at %s, note=%s linked=%s roles=%v expires=%d <form method="post" action="/link?provider=second"><button>add</button></form>`,
			s.Subject(), s.Provider(), s.Value("note"), s.Value("linked"), s.Roles(), s.Expires().Unix())
	})
	mux.HandleFunc("/link", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		a.rp.Login(w, r, oidcrp.LoginOptions{Provider: q.Get("provider"), Link: true, ACRValues: q["acr"], ReturnTo: "/account?back"})
	})
}

// linkApp is an application with two providers and a table of identities.
type linkApp struct {
	*app
	second *oidcrptest.Provider

	mu     sync.Mutex
	linked []string // by whom, and what
	answer error    // of OnLogin to a link
}

func newLinkApp(t *testing.T, change func(*oidcrp.Config)) *linkApp {
	t.Helper()
	l := &linkApp{second: oidcrptest.NewProvider(t)}
	op := oidcrptest.NewProvider(t)
	l.app = newStepApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers = append(cfg.Providers, l.second.Config("second", cfg.BaseURL))
		cfg.Providers[1].RolesClaim = "roles"
		if change != nil {
			change(cfg)
		}
		cfg.OnLogin = l.onLogin
	})
	l.second.SetNow(l.clock.now)
	l.second.SignInAs("bob")
	return l
}

func (l *linkApp) onLogin(_ context.Context, login *oidcrp.Login) error {
	if !login.Linking {
		login.Set("note", "kept")
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.linked = append(l.linked, fmt.Sprintf("%s %s: %s %s %s", login.Session.Subject(), login.Session.Value("note"), login.Provider, login.Subject, login.Text("email")))
	login.Set("linked", login.Subject)
	return l.answer
}

// start signs alice in and shows her account.
func (l *linkApp) start() *oidcrptest.Browser {
	l.t.Helper()
	b := l.browse()
	l.shows(b.Get(l.URL+"/auth/login?provider=test&return_to=/account"), "account of alice at test")
	return b
}

// untouched fails the test unless nothing was linked, and alice is signed in as
// before.
func (l *linkApp) untouched(b *oidcrptest.Browser, cookie string) {
	l.t.Helper()
	if len(l.linked) != 0 || len(l.events.of(oidcrp.IdentityLinked)) != 0 {
		l.t.Errorf("linked: %v", l.linked)
	}
	if cookie != "" && l.sessionCookie(b).Value != cookie {
		l.t.Error("the session has changed")
	}
	l.shows(b.Get(l.URL+"/account"), "account of alice at test, note=kept linked= ")
}

// stopAtLink sends the form, and returns where the provider sends the browser,
// not yet opened.
func (l *linkApp) stopAtLink(b *oidcrptest.Browser) string {
	l.t.Helper()
	jar := b.Cookies(l.URL + "/link")
	req, err := http.NewRequest(http.MethodPost, l.URL+"/link?provider=second", nil)
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range jar {
		req.AddCookie(c)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("Origin", l.URL)
	callback := ""
	client := &http.Client{CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if len(via) == 1 {
			for _, line := range next.Response.Header.Values("Set-Cookie") {
				b.SetCookie(l.URL+"/", line)
			}
		}
		if next.URL.Path == "/auth/callback/second" {
			callback = next.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	res, err := client.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	if callback == "" {
		body, _ := io.ReadAll(res.Body)
		l.t.Fatalf("no callback: %d %s", res.StatusCode, body)
	}
	return callback
}

func TestLink(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for _, kept := range []string{"cookie", "store", "cookie and store"} {
			t.Run(mode+", "+kept, func(t *testing.T) {
				l := newLinkApp(t, func(cfg *oidcrp.Config) {
					cfg.Providers[1].ResponseMode = mode
					if kept != "cookie" {
						cfg.Store = oidcrp.NewMemoryStore()
					}
					cfg.CookieSessions = kept == "cookie and store"
				})
				b := l.start()
				cookie, expires, roles := l.sessionCookie(b).Value, fieldOf(b.Page(), "expires"), fieldOf(b.Page(), "roles")
				l.clock.advance(time.Minute)
				page := b.SubmitForm("add", nil)
				l.shows(page, "account of alice at test, note=kept linked=bob")
				if page.URL.RequestURI() != "/account?back" || fieldOf(page, "expires") != expires || fieldOf(page, "roles") != roles {
					t.Errorf("%s: %s", page.URL, page.Body)
				}
				if want := "alice kept: second bob bob@example.com"; len(l.linked) != 1 || l.linked[0] != want {
					t.Errorf("linked %q, want %q", l.linked, want)
				}
				if l.sessionCookie(b).Value == cookie {
					t.Error("the session kept its id")
				}
				linked := l.events.of(oidcrp.IdentityLinked)
				if len(linked) != 1 || linked[0].Subject != "bob" || linked[0].Issuer != l.second.Issuer() || linked[0].Session == "" ||
					len(l.events.of(oidcrp.SessionEnded)) != 0 || len(l.events.of(oidcrp.LoginSucceeded)) != 1 {
					t.Errorf("%+v", l.events.all)
				}
				// It is still the first provider that signs out.
				b.Get(l.URL + "/leave")
				if l.op.Calls(oidcrptest.EndSessionEndpoint) == 0 || l.second.Calls(oidcrptest.EndSessionEndpoint) != 0 {
					t.Error("signed out at the other provider")
				}
			})
		}
	}
}

// Only a form of ours starts a link.
func linkFromElsewhere(t *testing.T) {
	l := newLinkApp(t, nil)
	b := l.start()
	cookie := l.sessionCookie(b).Value
	none := func(what string) {
		t.Helper()
		if n := l.second.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
			t.Errorf("%s: sent to the provider", what)
		}
		l.untouched(b, cookie)
	}
	page := b.Get(l.URL + "/link?provider=second")
	l.answers(page, http.StatusMethodNotAllowed, "Reference")
	if page.Header.Get("Allow") != http.MethodPost {
		t.Errorf("Allow: %q", page.Header.Get("Allow"))
	}
	none("by GET")
	// From another site the browser shows no session; from another port it does.
	b.Show("http://evil.example/", `<form method="post" action="`+l.URL+`/link?provider=second"><button>win</button></form>`)
	if got := b.SubmitForm("win", nil); got.Status != http.StatusForbidden {
		t.Errorf("got %s", got)
	}
	none("from another site")
	b.Show("http://localhost:1/", `<form method="post" action="`+l.URL+`/link?provider=second"><button>win</button></form>`)
	if got := b.SubmitForm("win", nil); got.Status != http.StatusForbidden {
		t.Errorf("got %s", got)
	}
	none("from another port")
	b.Get(l.URL + "/account")
	if got := b.Fetch("POST", "/link?provider=second", nil); got.Status != http.StatusBadRequest {
		t.Errorf("got %s", got)
	}
	none("by fetch")
	for what, header := range map[string][]string{
		"by something that is no browser": nil, "from a sibling, by what the browser says alone": {"Sec-Fetch-Site", "same-site"},
		"from a subdomain": {"Sec-Fetch-Site", "same-site", "Origin", "http://evil.localhost"}, "from a sibling, by the origin alone": {"Origin", "http://localhost:1"},
	} {
		res := l.with(b, http.MethodPost, "/link?provider=second", append(header, "Sec-Fetch-Mode", "navigate")...)
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", what, res.StatusCode)
		}
		none(what)
	}
	// Nor by an address, whatever it says.
	for _, query := range []string{"link=1", "Link=true", "needs=link"} {
		l.shows(b.Get(l.URL+"/auth/login?provider=test&return_to=/account&"+query), "account of alice")
		cookie = l.sessionCookie(b).Value // an ordinary login
	}
	none("by the login address")
	// No such provider is no other one.
	l.answers(b.PostForm(l.URL+"/link?provider=third", nil), http.StatusNotFound, "Page not found")
	none("at a provider that is not there")
}

func TestLinkOfNobody(t *testing.T) {
	l := newLinkApp(t, nil)
	b := l.browse()
	b.Get(l.URL + "/account")
	page := b.SubmitForm("add", nil)
	l.answers(page, http.StatusUnauthorized, "Please sign in")
	if n := l.second.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
		t.Errorf("%d logins begun", n)
	}
	b.Follow("Sign in")
	l.shows(b.Follow("Sign in with test"), "account of alice at test, note=kept linked= ")
}

// T084. The session at the end is not that of the start.
func TestLinkIntoAnotherSession(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			l := newLinkApp(t, func(cfg *oidcrp.Config) { cfg.Providers[1].ResponseMode = mode })
			b := l.start()
			l.second.SignInAs("") // by hand
			other := b.Tab()
			b.SubmitForm("add", nil) // at the provider's page
			l.op.EndSessions()
			l.op.SignInAs("carol")
			l.shows(other.Get(l.URL+"/auth/login?provider=test&return_to=/account"), "account of carol")
			page := b.SubmitForm("bob", nil)
			l.refused(page, http.StatusBadRequest, "expired")
			l.answers(page, http.StatusBadRequest, "The account was not added")
			l.shows(b.Follow("Go back"), "account of carol at test, note=kept linked= ")
			if len(l.linked) != 0 {
				t.Errorf("linked: %v", l.linked)
			}

			// Signed out meanwhile: not a login at the other provider in its place.
			l.second.EndSessions()
			b.SubmitForm("add", nil)
			other.DropCookie(l.sessionCookie(b).Name)
			l.refused(b.SubmitForm("bob", nil), http.StatusBadRequest, "expired")
			if len(l.linked) != 0 || len(l.events.of(oidcrp.LoginSucceeded)) != 2 {
				t.Errorf("linked: %v, %+v", l.linked, l.events.all)
			}
			l.shows(b.Follow("Try again"), "account of  at ,")
		})
	}
}

// What is late, replayed, of another browser or without its cookie links
// nothing, and signs nobody in.
func TestLinkThatIsLost(t *testing.T) {
	l := newLinkApp(t, nil)
	b := l.start()
	cookie := l.sessionCookie(b).Value
	refused := func(callback, reason string) {
		t.Helper()
		page := b.Get(callback)
		l.refused(page, http.StatusBadRequest, reason)
		l.answers(page, http.StatusBadRequest, "The account was not added")
		l.shows(b.Follow("Go back"), "account of alice")
		l.untouched(b, cookie)
	}
	callback := l.stopAtLink(b)
	l.clock.advance(6 * time.Minute)
	l.stopAtLink(b)
	l.clock.advance(5 * time.Minute)
	refused(callback, "expired")

	callback = l.stopAtLink(b)
	b.DropCookie(l.bindingName(b))
	refused(callback, "no_binding")

	// Another browser's answer: of an attacker who wants in later.
	thief := l.start()
	callback = l.stopAtLink(thief)
	l.stopAtLink(b)
	page := b.Get(callback)
	l.refused(page, http.StatusBadRequest, "binding")
	if to := page.Links()[0].URL.RequestURI(); to != "/auth/login" {
		t.Errorf("leads to %s", to) // and not to a login at the other provider
	}
	l.untouched(b, cookie)

	callback = l.stopAtLink(b)
	l.shows(b.Get(callback), "account of alice at test, note=kept linked=bob")
	l.linked = nil
	l.refused(b.Get(callback), http.StatusBadRequest, "expired")
	if len(l.linked) != 0 {
		t.Errorf("linked twice: %v", l.linked)
	}
	l.calls(oidcrptest.TokenEndpoint, 2)
	if n := l.second.Calls(oidcrptest.TokenEndpoint); n != 1 {
		t.Errorf("%d codes redeemed", n)
	}
}

func TestLinkFails(t *testing.T) {
	for name, tt := range map[string]struct {
		fault  oidcrptest.Fault
		answer error
		status int
		reason string
		text   string
	}{
		"the user cancels":              {oidcrptest.AuthorizationError("access_denied", "no"), nil, http.StatusBadRequest, "cancelled", "The account was not added"},
		"the provider is down":          {oidcrptest.TokenStatus(503), nil, http.StatusServiceUnavailable, "provider_unavailable", "not available"},
		"a forged token":                {oidcrptest.WrongSignature, nil, http.StatusBadRequest, "signature", "The account was not added"},
		"another nonce":                 {oidcrptest.WrongNonce, nil, http.StatusBadRequest, "nonce", "The account was not added"},
		"it is somebody else's":         {oidcrptest.Fault{}, &oidcrp.Refusal{Message: "It belongs to dave."}, http.StatusForbidden, "refused", "It belongs to dave."},
		"the table is broken":           {oidcrptest.Fault{}, errors.New("table broken"), http.StatusInternalServerError, "internal", "Reference"},
		"OnLogin pauses, which it must": {oidcrptest.Fault{}, &oidcrp.Pause{Path: "/terms"}, http.StatusInternalServerError, "misconfigured", "Reference"},
	} {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(name+", "+mode, func(t *testing.T) {
				l := newLinkApp(t, func(cfg *oidcrp.Config) { cfg.Providers[1].ResponseMode = mode })
				b := l.start()
				cookie := l.sessionCookie(b).Value
				l.second.SetFaults(tt.fault)
				l.answer = tt.answer
				page := b.SubmitForm("add", nil)
				l.refused(page, tt.status, tt.reason)
				l.answers(page, tt.status, tt.text)
				l.linked = nil // asked, and refused
				l.untouched(b, cookie)
				if to := page.Links()[0].URL; to.RequestURI() != "/account?back" {
					t.Errorf("leads to %s", to)
				}
			})
		}
	}
}

func TestLinkChecksWhatItAskedFor(t *testing.T) {
	l := newLinkApp(t, nil)
	b := l.start()
	cookie := l.sessionCookie(b).Value
	l.second.SetFaults(oidcrptest.WrongACR)
	l.refused(b.PostForm(l.URL+"/link?provider=second&acr="+url.QueryEscape(strong), nil), http.StatusBadRequest, "acr")
	l.untouched(b, cookie)
	l.second.SetFaults()
	l.shows(b.PostForm(l.URL+"/link?provider=second&acr="+url.QueryEscape(strong), nil), "linked=bob")
}

func TestLinkWithoutHook(t *testing.T) {
	l := newLinkApp(t, nil)
	rp := l.later(func(cfg *oidcrp.Config) { cfg.OnLogin = nil })
	base := oidcrptest.Serve(t, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			rp.Login(w, r, oidcrp.LoginOptions{Provider: "second", Link: true})
		})
	})
	if got := l.browse().PostForm(base+"/", nil); got.Status != http.StatusInternalServerError {
		t.Errorf("got %s", got)
	}
}
