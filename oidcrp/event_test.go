package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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
