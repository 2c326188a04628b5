package oidcrp_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Nothing that one site gave a browser is worth anything at another below the
// same host, where its cookies go.
func TestSitesOfOneHost(t *testing.T) {
	const one, two = "https://app.example/one", "https://app.example/two"
	for mode, change := range siteModes {
		t.Run(mode, func(t *testing.T) {
			if strings.Contains(mode, "reference") {
				return
			}
			s := newTenants(t, func(c *oidcrp.Config) {
				change(c)
				c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
					if l.ReturnTo == "/one/pause" || l.ReturnTo == "/two/pause" {
						return &oidcrp.Pause{Path: "/terms"}
					}
					return nil
				}
			})
			s.op.SetNow(s.clock.now)
			for _, c := range s.op.Clients() {
				c.RedirectURLs = append(c.RedirectURLs, one+"/auth/callback/test", two+"/auth/callback/test")
				c.PostLogoutRedirectURLs = append(c.PostLogoutRedirectURLs, two+"/auth/logout")
				s.op.AddClient(c)
			}
			// A proxy knows by the path which is which, and says so in Host.
			s.set("one.internal", oidcrp.Site{Name: "one", BaseURL: one}, nil)
			s.set("two.internal", oidcrp.Site{Name: "two", BaseURL: two}, nil)
			h := s.rp.Load(s.pages())
			proxy := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.Host = "one.internal"
				if strings.HasPrefix(r.URL.Path, "/two") {
					r.Host = "two.internal"
				}
				h.ServeHTTP(w, r)
			}))
			defer proxy.Close()
			browse := func() *oidcrptest.Browser {
				b := s.browse()
				b.Resolve("app.example", proxy.Listener.Addr().String())
				return b
			}
			b := browse()
			s.shows(b.Get(one+"/reports"), "alice at one")
			s.shows(b.Get(two+"/"), "nobody at two")
			s.shows(b.Get(two+"/reports"), "alice at two")
			s.shows(b.PostForm(two+"/auth/logout", url.Values{"everywhere": {"1"}}), "signed out")
			s.shows(b.Get(two+"/"), "nobody at two")
			s.shows(b.Get(one+"/"), "alice at one")

			// A login that waits at one is not resumed at the other, though its
			// cookie be called as the other's.
			b = browse()
			b.Get(one + "/auth/login?return_to=/one/pause")
			b.Get(two + "/reports") // to have cookies to be called like
			var tags [2]string
			for _, c := range b.Cookies(one + "/terms") {
				if _, tag, ok := strings.Cut(c.Name, "oidcrp_paused_"); ok {
					tags[0] = tag
				}
				if _, tag, ok := strings.Cut(c.Name, "oidcrp_s_"); ok {
					tags[1] = tag
				}
			}
			if tags[0] == "" || tags[1] == "" || tags[0] == tags[1] {
				t.Fatalf("the cookies are those of %q", tags)
			}
			for _, at := range []struct {
				host, path string
				waits      bool
			}{{"one.internal", "/one/terms", true}, {"two.internal", "/two/terms", false}} {
				r := httptest.NewRequest(http.MethodGet, at.path, nil)
				r.Host = at.host
				for _, c := range b.Cookies(one + "/terms") {
					if strings.Contains(c.Name, "paused") {
						if at.host == "two.internal" {
							c.Name = strings.Replace(c.Name, tags[0], tags[1], 1)
						}
						r.AddCookie(c)
					}
				}
				if _, err := s.rp.Paused(r); (err == nil) != at.waits || err != nil && !errors.Is(err, oidcrp.ErrLoginExpired) {
					t.Errorf("%s: %v", at.host, err)
				}
			}
			// The end of one login is not the end of one at the other site.
			s.shows(b.Get(two+"/"), "alice at two")
		})
	}
}

// A step of a sign-out at one site is none at another.
func TestSignOutOfAnotherSite(t *testing.T) {
	s := newTenants(t, nil)
	for _, way := range [][2]string{{acmeURL, betaURL}, {betaURL, acmeURL}} {
		there := s.signedIn(way[1])
		b := s.signedIn(way[0])
		res := s.send(http.MethodPost, way[0]+"/leave", "", "Cookie", s.cookiesAt(b, way[0], way[0]), "Sec-Fetch-Site", "same-origin")
		ticket := mustParse(t, res.Header.Get("Location")).Query().Get("ticket")
		if ticket == "" {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		out := s.op.Calls(oidcrptest.EndSessionEndpoint)
		for _, step := range []string{"ticket", "state"} {
			page := there.Get(way[1] + "/auth/logout?" + url.Values{step: {ticket}}.Encode())
			if page.Status != http.StatusOK || page.Form("Sign out") == nil {
				t.Errorf("%s of %s at %s: %s", step, way[0], way[1], page)
			}
		}
		if s.op.Calls(oidcrptest.EndSessionEndpoint) != out {
			t.Error("signed out at the provider")
		}
		s.shows(there.Get(way[1]+"/"), "alice at ")
	}
}
