package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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
