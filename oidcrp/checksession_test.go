package oidcrp_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What is asked is the provider's session of the latest login in this browser,
// however its answer came.
func TestCheckSession(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			op.SetSessionManagement(true)
			a := newApp(t, op, func(c *oidcrp.Config) {
				c.Providers[0].SessionManagement, c.Providers[0].ResponseMode = true, mode
			})
			b := a.browse()
			before := b.Get(a.URL + "/auth/check-session")
			if before.Status != http.StatusOK || strings.Contains(before.Body, "<script") || len(before.Frames) != 0 {
				t.Errorf("before a login: %s", before.Body)
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			page := b.Get(a.URL + "/auth/check-session")
			message := attribute(page.Body, "data-message")
			id, state, _ := strings.Cut(message, " ")
			if id != a.config.Providers[0].ClientID || state == "" || strings.Contains(state, " ") {
				t.Errorf("asks %q", message)
			}
			if len(page.Frames) != 1 || page.Frames[0].Blocked != "" || page.Frames[0].Status != http.StatusOK {
				t.Errorf("frames %v", page.Frames)
			}
			if page.Header.Get("X-Frame-Options") != "SAMEORIGIN" || page.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("headers %v", page.Header)
			}
			if other := a.browse().Get(a.URL + "/auth/check-session"); strings.Contains(other.Body, state) {
				t.Error("another browser is told the session_state")
			}
		})
	}
}

// A provider that manages no sessions, or says so oddly, is not asked, and
// logins do not depend on it.
func TestCheckSessionWithoutAState(t *testing.T) {
	for name, state := range map[string]string{"none": "", "with a space": "a b", "endless": strings.Repeat("s", 1000), "not ASCII": "é"} {
		t.Run(name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, oidcrptest.Fault{Name: "state", Response: func(r *oidcrptest.Response) {
				r.Params.Del("session_state")
				if state != "" {
					r.Params.Set("session_state", state)
				}
			}})
			op.SetSessionManagement(true)
			a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].SessionManagement = true })
			b := a.signIn()
			if page := b.Get(a.URL + "/auth/check-session"); page.Status != http.StatusOK || strings.Contains(page.Body, "<script") {
				t.Errorf("page %s", page.Body)
			}
		})
	}
	t.Run("no frame in the metadata", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.Fault{Name: "state", Response: func(r *oidcrptest.Response) {
			r.Params.Set("session_state", "hash.salt")
		}}), func(c *oidcrp.Config) { c.Providers[0].SessionManagement = true })
		b := a.signIn()
		if page := b.Get(a.URL + "/auth/check-session"); page.Status != http.StatusOK || strings.Contains(page.Body, "<script") {
			t.Errorf("page %s", page.Body)
		}
	})
	t.Run("not switched on", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		if page := a.browse().Get(a.URL + "/auth/check-session"); page.Status != http.StatusNotFound {
			t.Errorf("page %v", page)
		}
	})
}

// The provider is down, and the page cannot know whom to ask.
func TestCheckSessionWhileTheProviderIsDown(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SetSessionManagement(true)
	a := newNodes(t, op, func(c *oidcrp.Config) { c.Providers[0].SessionManagement = true })
	b := a.signIn()
	op.Stop()
	a.use(1) // has not talked to the provider yet
	began := time.Now()
	page := b.Get(a.URL + "/auth/check-session")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || time.Since(began) > 5*time.Second {
		t.Errorf("page %v after %v", page, time.Since(began))
	}
}
