package oidcrp_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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
