package oidcrp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Whoever lacks a required claim is told so, before anything else is asked of
// them or of the provider, and may come as somebody else.
func TestRequireClaims(t *testing.T) {
	for _, tt := range []struct {
		name    string
		hd      any // in the ID token
		require map[string][]string
		in      bool
	}{
		{"the value", "example.com", map[string][]string{"hd": {"example.com"}}, true},
		{"one of the values", "example.org", map[string][]string{"hd": {"example.com", "example.org"}}, true},
		{"an array with the value", []string{"x", "example.com"}, map[string][]string{"hd": {"example.com"}}, true},
		{"any value", "example.net", map[string][]string{"hd": nil}, true},
		{"another value", "example.net", map[string][]string{"hd": {"example.com"}}, false},
		{"another case", "Example.com", map[string][]string{"hd": {"example.com"}}, false},
		{"part of the value", "example.com.evil.example", map[string][]string{"hd": {"example.com"}}, false},
		{"no claim", nil, map[string][]string{"hd": {"example.com"}}, false},
		{"no claim, of any value", nil, map[string][]string{"hd": nil}, false},
		{"an empty array", []string{}, map[string][]string{"hd": nil}, false},
		{"no text", true, map[string][]string{"hd": nil}, false},
		{"one of two", "example.com", map[string][]string{"hd": {"example.com"}, "org": {"x"}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			op.SetFaults(oidcrptest.IDTokenClaim("hd", tt.hd), oidcrptest.Fault{Name: "UserInfo with it", UserInfo: func(m map[string]any) {
				m["hd"], m["org"] = "example.com", "x"
			}})
			a := newApp(t, op, func(c *oidcrp.Config) {
				c.Providers[0].RequireClaims = tt.require
				c.Providers[0].UserInfo = oidcrp.UserInfoOptional
			})
			b := a.browse()
			page := b.Get(a.URL + "/reports")
			if tt.in {
				a.shows(page, "reports for alice")
				return
			}
			a.refused(page, http.StatusForbidden, "forbidden")
			a.calls(oidcrptest.UserInfoEndpoint, 0)
			if !strings.Contains(page.Body, "prompt=select_account") {
				t.Errorf("no way to use another account:\n%s", page)
			}
		})
	}
}

// Who signs in as somebody that may not stays signed in as who they are, and a
// link or step-up is no way around.
func TestRequireClaimsKeepsTheSession(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.IDTokenClaim("hd", "example.com"))
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.Providers[0].RequireClaims = map[string][]string{"hd": {"example.com"}}
	})
	b := a.signIn()
	op.SetFaults(oidcrptest.IDTokenClaim("hd", "example.net"))
	for _, address := range []string{"/auth/login?return_to=/reports", "/again?age=0s"} {
		a.refused(b.Get(a.URL+address), http.StatusForbidden, "forbidden")
		a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	}
}

func TestRequireClaimsAtRefresh(t *testing.T) {
	for _, tt := range []struct {
		name string
		hd   any
		ends bool
	}{{"as before", "example.com", false}, {"left out", nil, false}, {"another", "example.net", true}} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, oidcrptest.IDTokenClaim("hd", "example.com"))
			a := newTokenApp(t, op, func(c *oidcrp.Config) {
				c.Providers[0].RequireClaims = map[string][]string{"hd": {"example.com"}}
			})
			b := a.signIn()
			op.SetFaults(oidcrptest.IDTokenClaim("hd", tt.hd))
			op.SignInAs("") // whoever is signed out stays so
			a.expire()
			a.call(b)
			if n := refreshes(op); n != 1 {
				t.Errorf("%d refreshes", n)
			}
			if me := b.Fetch("GET", "/auth/me", nil); (me.Status == http.StatusUnauthorized) != tt.ends {
				t.Errorf("me: %d", me.Status)
			}
		})
	}
}

func TestRequireClaimsMistakes(t *testing.T) {
	_, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Issuer: "https://op.example", ClientID: "c", ClientSecret: "s",
			RequireClaims: map[string][]string{"": {"x"}, "hd": {}, "tid": {""}},
		}},
	})
	for _, want := range []string{"RequireClaims has a claim without a name", `RequireClaims["hd"] is empty`, `RequireClaims["tid"] has an empty value`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
