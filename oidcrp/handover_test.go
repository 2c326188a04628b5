package oidcrp_test

import (
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

// A login that was handed over belongs to one browser, one transaction and one
// provider, and is taken once.
func TestHandedOverLogin(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		formPost(c)
		p := other.Config("other", c.BaseURL)
		p.ResponseMode = "form_post"
		c.Providers = append(c.Providers, p)
	})
	b := a.browse()
	page := b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	a.shows(page, "reports for alice")
	goOn := page.Trail[len(page.Trail)-2].URL.String()
	if !strings.Contains(goOn, "go-on=") {
		t.Fatalf("the last hop but one is %s", goOn)
	}
	a.shows(b.Get(goOn), "reports for alice") // reloaded
	if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 1 {
		t.Errorf("%d sessions", n)
	}
	stranger := a.browse()
	stranger.Get(a.URL + "/auth/login?provider=other") // a binding of its own
	if page := stranger.Get(goOn); page.Status == http.StatusOK && strings.Contains(page.Body, "alice") {
		t.Errorf("another browser is signed in: %s", page)
	}
	if page := b.Get(strings.Replace(goOn, "/callback/test", "/callback/other", 1)); page.Status != http.StatusBadRequest {
		t.Errorf("taken at another provider's callback: %s", page)
	}
}

// handing is an application whose logins come by form_post, stopped between
// the provider's form and the request that starts the session.
type handing struct {
	*app
	stop atomic.Bool
}

func newHanding(t *testing.T, store func(*oidcrp.Config)) *handing {
	h := &handing{}
	serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		formPost(c)
		other := c.Providers[0]
		other.Name = "other"
		c.Providers = append(c.Providers, other)
		store(c)
	}, func(a *app) http.Handler {
		h.app = a
		next := a.pages(map[string]http.HandlerFunc{
			"/terms": func(w http.ResponseWriter, r *http.Request) {
				_, err := a.rp.Paused(r)
				fmt.Fprint(w, "expired ", errors.Is(err, oidcrp.ErrLoginExpired))
			},
			"/accept": func(w http.ResponseWriter, r *http.Request) {
				a.rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
			},
		})
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h.stop.Load() && r.URL.Query().Has("go-on") {
				fmt.Fprint(w, "stopped")
				return
			}
			next.ServeHTTP(w, r)
		})
	})
	return h
}

// handedOver opens a browser with a login of alice that only has to go on, and
// says where.
func (h *handing) handedOver() (b *oidcrptest.Browser, at string) {
	h.t.Helper()
	b = h.browse()
	h.stop.Store(true)
	page := b.Get(h.URL + "/auth/login?provider=test&return_to=/reports")
	h.stop.Store(false)
	h.shows(page, "stopped")
	return b, page.URL.String()
}

func TestHandedOverLoginGoesOnInOnePlaceOnly(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			h := newHanding(t, store)
			b, at := h.handedOver()
			h.shows(b.Get(h.URL+"/"), "home of nobody")
			h.refused(b.Get(strings.Replace(at, "/callback/test", "/callback/other", 1)), http.StatusBadRequest, "provider")
			h.plant(b, strings.Replace(strings.TrimPrefix(h.bindingName(b), "__Host-"), "_login_", "_paused_", 1), mustParse(t, at).Query().Get("go-on"))
			h.shows(b.Get(h.URL+"/terms"), "expired true")
			h.refused(b.PostForm(h.URL+"/accept", nil), http.StatusBadRequest, "expired")
			h.shows(b.Get(at), "reports for alice") // where it belongs

			b, at = h.handedOver()
			b.PostForm(h.URL+"/auth/logout", nil)
			h.refused(b.Get(at), http.StatusBadRequest, "binding")
			h.shows(b.Get(h.URL+"/"), "home of nobody")

			b, at = h.handedOver()
			b.SetNow(time.Now) // the browser keeps the cookie
			h.clock.advance(10*time.Minute + time.Second)
			started := len(h.events.of(oidcrp.LoginStarted))
			page := b.Get(at)
			if n := len(h.events.of(oidcrp.LoginStarted)) - started; n != 1 {
				t.Errorf("too late, and %d new logins: %s", n, page)
			}
		})
	}
}
