package oidcrp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const portal = "https://portal.example/apps"

// invite makes a browser follow another site's invitation, by link or form.
func invite(b *oidcrptest.Browser, a *app, method string, q url.Values) *oidcrptest.Page {
	if method == http.MethodPost {
		b.Show(portal, postPage(a.URL+"/auth/initiate", q))
		return b.SubmitForm("go on", nil)
	}
	b.Show(portal, `<a href="`+strings.ReplaceAll(a.URL+"/auth/initiate?"+q.Encode(), "&", "&amp;")+`">go on</a>`)
	return b.Follow("go on")
}

// Core 4.
func thirdPartyInitiation(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(method+", answered by "+mode, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://other.example", ClientID: "x"})
					c.Providers[0].ResponseMode, c.Providers[0].PAR = mode, oidcrp.Refused
				})
				q := url.Values{
					"iss": {a.op.Issuer()}, "login_hint": {"bob"}, "target_link_uri": {a.URL + "/reports?year=2026"},
					"scope": {"admin"}, "redirect_uri": {"https://evil.example"}, "prompt": {"consent"}, "state": {"x"}, "provider": {"other"},
				}
				page := invite(a.browse(), a, method, q)
				a.shows(page, "reports for bob at /reports?year=2026")
				sent := a.op.Requests(oidcrptest.AuthorizeEndpoint)[0].Query
				if sent.Get("login_hint") != "bob" || sent.Get("scope") != "openid profile email" || sent.Get("redirect_uri") != a.URL+"/auth/callback/test" || sent.Has("prompt") || sent.Get("state") == "x" {
					t.Errorf("sent %v", sent)
				}
			})
		}
	}
}

// T069, too: nobody is asked about an issuer that is not ours.
func thirdPartyInitiationRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		q      url.Values
		reason string
	}{
		{"an unknown issuer", url.Values{"iss": {"https://evil.example"}}, "unknown_issuer"},
		{"an issuer with a slash more", url.Values{"iss": {"OP/"}}, "unknown_issuer"},
		{"an issuer in capitals", url.Values{"iss": {"HTTP://127.0.0.1"}}, "unknown_issuer"},
		{"a provider's name", url.Values{"iss": {"test"}}, "unknown_issuer"},
		{"no issuer", url.Values{"login_hint": {"x"}}, "bad_request"},
		{"an empty issuer", url.Values{"iss": {""}}, "bad_request"},
		{"two issuers", url.Values{"iss": {"OP", "OP"}}, "bad_request"},
		{"two targets", url.Values{"iss": {"OP"}, "target_link_uri": {"/a", "/b"}}, "bad_request"},
		{"two hints", url.Values{"iss": {"OP"}, "login_hint": {"a", "b"}}, "bad_request"},
	} {
		for _, method := range []string{"GET", "POST"} {
			t.Run(tt.name+" by "+method, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), nil)
				q, err := url.ParseQuery(strings.ReplaceAll(tt.q.Encode(), "OP", url.QueryEscape(a.op.Issuer())))
				if err != nil {
					t.Fatal(err)
				}
				page := invite(a.browse(), a, method, q)
				a.refused(page, http.StatusBadRequest, tt.reason)
				if strings.Contains(page.Body, "evil.example") {
					t.Errorf("the issuer is on the page: %s", page.Body)
				}
				for _, endpoint := range []string{oidcrptest.DiscoveryEndpoint, oidcrptest.AuthorizeEndpoint} {
					a.calls(endpoint, 0)
				}
			})
		}
	}
}

func thirdPartyTarget(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	for _, target := range []string{
		"", "https://evil.example/", "//evil.example", `/\evil.example`, "/\t/evil.example", "javascript:alert(1)",
		a.URL + ".evil.example/", "/.//evil.example", a.URL + "@evil.example/", "/auth/login", "/auth/initiate?iss=x", "/auth/logout",
	} {
		page := invite(a.browse(), a, "GET", url.Values{"iss": {a.op.Issuer()}, "target_link_uri": {target}})
		if page.URL.String() != a.URL+"/" {
			t.Errorf("%q led to %s", target, page.URL)
		}
		a.shows(page, "home of alice")
	}
}

// Whoever is signed in is asked before another login takes the session's
// place, also by a form of another site, to which browsers show no session.
func thirdPartyInitiationOverASession(t *testing.T) {
	for _, method := range []string{"GET", "POST"} {
		t.Run(method, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			b := a.signIn()
			session := a.sessionCookie(b).Value
			page := invite(b, a, method, url.Values{"iss": {a.op.Issuer()}, "target_link_uri": {"/reports"}, "login_hint": {"bob"}})
			if page.URL.Path != "/auth/login" || len(page.Links()) == 0 {
				t.Fatalf("nobody was asked: %s", page)
			}
			if a.sessionCookie(b).Value != session {
				t.Error("the session is another one")
			}
			a.calls(oidcrptest.AuthorizeEndpoint, 1)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
		})
	}
}

func thirdPartyInitiationInAFrame(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	address := a.URL + "/auth/initiate?iss=" + url.QueryEscape(a.op.Issuer())
	b.Show(portal, "a portal")
	if page := b.Frame(address); page.Blocked != "frame-ancestors" || page.Status != http.StatusForbidden || page.Header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("in a frame: %q, %s", page.Blocked, page)
	}
	b.Get(a.URL + "/")
	if page := b.Fetch("GET", address, nil); page.Status != http.StatusUnauthorized {
		t.Errorf("a script: %s", page)
	}
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	if got := b.Get(address).Trail[0].Response; got.Get("Content-Security-Policy") != "frame-ancestors 'none'" || got.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", got)
	}
	long := a.browse()
	a.shows(invite(long, a, "GET", url.Values{"iss": {a.op.Issuer()}, "login_hint": {strings.Repeat("a", 1001)}}), "home of alice")
	big := invite(a.browse(), a, "POST", url.Values{"iss": {a.op.Issuer()}, "x": {strings.Repeat("a", 17<<10)}})
	a.refused(big, http.StatusBadRequest, "bad_request")
}

// A tenant's own portal names the tenant's issuer.
func TestThirdPartyInitiationByTenant(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		many := c.Providers[0]
		many.Name, many.Issuer, many.ClientID = "many", "https://login.example/common", "x"
		many.IssuerTemplate, many.Tenants = "https://login.example/{tenantid}", []string{"t1", "t2"}
		c.Providers = []oidcrp.Provider{many, {Name: "two", Issuer: "https://login.example/t2", ClientID: "y"}, c.Providers[0]}
	})
	for iss, want := range map[string]string{
		"https://login.example/t1": "many", "https://login.example/t2": "two", a.op.Issuer(): "test", "https://login.example/t3": "",
	} {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		req, err := http.NewRequest("GET", a.URL+"/auth/initiate?iss="+url.QueryEscape(iss), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", "text/html")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		to, _ := url.Parse(res.Header.Get("Location"))
		if to.Query().Get("provider") != want {
			t.Errorf("%s led to %s", iss, to)
		}
	}
}
