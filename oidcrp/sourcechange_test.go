package oidcrp_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// changedApp is sourcedApp with a provider that tells of logouts.
func changedApp(t *testing.T, change func(*oidcrp.Config)) (*app, *directory) {
	t.Helper()
	a, d := sourcedApp(t, func(c *oidcrp.Config, d *directory) {
		c.Store = newPlain()
		change(c)
		p := d.all["acme"]
		p.BackchannelLogout = true
		d.all["acme"] = p
	})
	client := a.clientOf(d.all["acme"])
	client.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/acme"
	a.op.AddClient(client)
	return a, d
}

// Who is signed in with a provider that is another one by now is signed in no
// more, and what was ended before the change does not come back by it.
func TestSessionsOfAProviderThatChanges(t *testing.T) {
	for mode, change := range logoutModes {
		for name, tt := range map[string]struct {
			change func(*oidcrp.Provider)
			ends   bool
		}{
			"another issuer": {func(p *oidcrp.Provider) { p.Issuer = "https://other.example" }, true},
			"another client": {func(p *oidcrp.Provider) { p.ClientID = "another" }, true},
			"another secret": {func(p *oidcrp.Provider) { p.ClientSecret = "another" }, false},
			"other roles": {func(p *oidcrp.Provider) {
				p.RolesClaim, p.Roles = "groups", map[string]string{"staff": "admin"}
			}, false},
		} {
			t.Run(name+", "+mode, func(t *testing.T) {
				a, d := changedApp(t, change)
				b := a.signInBy("acme")
				before := d.all["acme"]
				d.change("acme", func(p *oidcrp.Provider) { tt.change(p); p.Version = "2" })
				a.clock.advance(61 * time.Second)
				signedIn := func() bool {
					w := answer(a.rp.RequireLogin(http.NotFoundHandler()), navigation(t, a, b, "/reports"))
					return w.Code == http.StatusNotFound
				}
				if signedIn() == tt.ends {
					t.Errorf("signed in: %v", tt.ends)
				}
				d.change("acme", func(p *oidcrp.Provider) { *p = before; p.Version = "3" })
				a.clock.advance(61 * time.Second)
				if signedIn() == tt.ends {
					t.Errorf("after it was changed back, signed in: %v", tt.ends)
				}
			})
		}
	}
}

// What has ended stays so when the provider's client id changes.
func TestEndsOutliveAnotherClient(t *testing.T) {
	for mode, change := range logoutModes {
		for how, end := range map[string]func(a *app, id string) error{
			"logout token": func(a *app, id string) error {
				if sent := a.op.SendLogoutToken(id, a.op.LogoutToken(id, "alice", "")); sent.Status != http.StatusOK {
					return fmt.Errorf("%+v", sent)
				}
				return nil
			},
			"EndSessions": func(a *app, id string) error {
				return a.rp.EndSessions(context.Background(), oidcrp.Identity{Provider: "acme", Issuer: a.op.Issuer(), Subject: "alice"})
			},
		} {
			t.Run(how+", "+mode, func(t *testing.T) {
				a, d := changedApp(t, change)
				b := a.signInBy("acme")
				a.clock.advance(2 * time.Second)
				if err := end(a, d.all["acme"].ClientID); err != nil {
					t.Fatal(err)
				}
				d.change("acme", func(p *oidcrp.Provider) { p.ClientID, p.Version = "another", "2" })
				a.clock.advance(61 * time.Second)
				w := answer(a.rp.RequireLogin(http.NotFoundHandler()), navigation(t, a, b, "/reports"))
				if w.Code != http.StatusFound && w.Code != http.StatusUnauthorized {
					t.Errorf("signed in again: %d", w.Code)
				}
			})
		}
	}
}

// An ID token is shown to nobody who has taken the place of its provider.
func TestSignOutAfterAnotherIssuer(t *testing.T) {
	for name, expired := range map[string]bool{"signed in": false, "session expired": true} {
		t.Run(name, func(t *testing.T) {
			a, d := sourcedApp(t, nil)
			heir := oidcrptest.NewProvider(t)
			b := a.signInBy("acme")
			p := heir.Config("acme", a.URL)
			p.Version = "2"
			d.change("acme", func(at *oidcrp.Provider) { *at = p })
			if a.clock.advance(61 * time.Second); expired {
				a.clock.advance(13 * time.Hour)
			}
			page := b.PostForm(a.URL+"/auth/logout", nil)
			a.shows(page, "signed out")
			if heir.Calls(oidcrptest.EndSessionEndpoint) != 0 {
				t.Errorf("led to the other provider: %v", heir.Requests(oidcrptest.EndSessionEndpoint)[0].Query)
			}
		})
	}
}

// A login that waits for a page of the application is one of who the provider
// was.
func TestPauseOfAProviderThatChanges(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*oidcrp.Provider)
		starts bool
	}{
		"another client": {func(p *oidcrp.Provider) { p.ClientID = "another" }, false},
		"another secret": {func(p *oidcrp.Provider) { p.ClientSecret = "another" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			a, d := sourcedApp(t, func(c *oidcrp.Config, _ *directory) {
				c.OnLogin = func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} }
			})
			b := a.browse()
			b.Get(a.URL + "/auth/login?provider=acme&return_to=/reports")
			d.change("acme", func(p *oidcrp.Provider) { tt.change(p); p.Version = "2" })
			r := navigation(t, a, b, "/terms")
			r.Method = http.MethodPost
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			w := answer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				a.rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
			}), r)
			if started := len(a.events.of(oidcrp.LoginSucceeded)) == 1; started != tt.starts || !tt.starts && w.Code != http.StatusBadRequest {
				t.Errorf("%d, started: %v", w.Code, started)
			}
		})
	}
}
