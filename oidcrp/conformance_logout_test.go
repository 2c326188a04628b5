package oidcrp_test

import (
	"crypto/sha256"
	"encoding/hex"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// signsOut has the suite's provider say that it signs out.
func (s *suite) signsOut() oidcrptest.Fault {
	return oidcrptest.Fault{Name: "signs out", Metadata: func(m map[string]any) {
		m["end_session_endpoint"] = s.op.URL(oidcrptest.EndSessionEndpoint)
	}}
}

// toldOfLogouts registers the addresses of the application at which it is told.
func (c *conformance) toldOfLogouts(cfg *oidcrp.Config) {
	cfg.Store = oidcrp.NewMemoryStore()
	p := &cfg.Providers[0]
	p.BackchannelLogout, p.FrontchannelLogout, p.SessionManagement = true, true, true
	p.Algorithms = []string{"RS256"} // id_token_signed_response_alg
	c.client.PostLogoutRedirectURLs = []string{cfg.BaseURL + "/auth/logout"}
	c.client.BackchannelLogoutURL = cfg.BaseURL + "/auth/backchannel-logout/test"
	c.client.FrontchannelLogoutURL = cfg.BaseURL + "/auth/frontchannel-logout/test"
	c.client.FrontchannelLogoutSessionRequired = true
	c.client = c.suite.op.AddClient(c.client)
}

// logoutModules are the suite's about leaving.
var logoutModules = map[string]module{
	"oidcc-client-test-rp-init-logout":             rpInitiated(nil, true),
	"oidcc-client-test-rp-init-logout-other-state": rpInitiated(func(q url.Values) { q.Set("state", q.Get("state")+"_INVALID") }, false),
	"oidcc-client-test-rp-init-logout-no-state":    rpInitiated(func(q url.Values) { q.Del("state") }, false),

	"oidcc-client-test-session-management": {logout: true, run: (*conformance).watchTheSession,
		change: func(c *conformance, cfg *oidcrp.Config) {
			c.client.ID = "static-client" // the frame splits its message at spaces
			c.client = c.suite.op.AddClient(c.client)
			cfg.Providers[0].ClientID = c.client.ID
		}},

	"oidcc-client-test-rp-frontchannel-rpinitlogout": {logout: true, run: func(c *conformance) {
		c.signedIn()
		c.page = c.app.logout(c.b, "")
		c.shows(c.page, "signed out")
		c.framed(c.page)
	}},
	"oidcc-client-test-rp-frontchannel-opinitlogout": {logout: true, run: func(c *conformance) {
		c.signedIn()
		c.b.Get(c.suite.op.URL(oidcrptest.EndSessionEndpoint))
		c.framed(c.b.SubmitForm("confirm", nil))
		if ended := c.events.of(oidcrp.SessionEnded); !slices.ContainsFunc(ended, func(e oidcrp.Event) bool { return e.Reason == "frontchannel" || e.Reason == "backchannel" }) {
			c.t.Errorf("events %+v", ended)
		}
		c.gone()
	}},

	"oidcc-client-test-rp-backchannel-rpinitlogout":             backchannel(http.StatusOK, oidcrptest.SuiteLogoutToken),
	"oidcc-client-test-rp-backchannel-rpinitlogout-alg-none":    backchannel(http.StatusBadRequest, oidcrptest.OnLogoutToken(oidcrptest.AlgNone)),
	"oidcc-client-test-rp-backchannel-rpinitlogout-no-event":    backchannel(http.StatusBadRequest, oidcrptest.LogoutNoEvents),
	"oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce":  backchannel(http.StatusBadRequest, oidcrptest.LogoutWithNonce),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg":   backchannel(http.StatusBadRequest, oidcrptest.LogoutWrongAlgorithm),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud":   backchannel(http.StatusBadRequest, oidcrptest.OnLogoutToken(oidcrptest.WrongAudience)),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event": backchannel(http.StatusBadRequest, oidcrptest.LogoutWrongEvent),
	"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss":   backchannel(http.StatusBadRequest, oidcrptest.OnLogoutToken(oidcrptest.WrongIssuer)),
}

// signedIn begins every module: a login as always.
func (c *conformance) signedIn() {
	c.t.Helper()
	c.page = c.b.Get(c.URL + "/reports")
	c.shows(c.page, "reports for alice")
}

// gone wants nobody to be signed in any more.
func (c *conformance) gone() {
	c.t.Helper()
	c.b.Show(c.URL+"/", "")
	if me := c.b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		c.t.Errorf("there is a session: %s", me.Body)
	}
}

// rpInitiated signs out at the provider, which answers with the state as
// changed. With another one, or none, the visitor still arrives at a page that
// says they are signed out.
func rpInitiated(change func(url.Values), carries bool) module {
	m := module{logout: true}
	if change != nil {
		m.faults = one(oidcrptest.Fault{Name: "state", EndSession: change})
	}
	m.run = func(c *conformance) {
		var issued tokens
		c.suite.op.SetFaults(append(slices.Clone(c.faults), issued.fault())...)
		c.signedIn()
		returnTo := "/goodbye"
		c.page = c.app.logout(c.b, returnTo)
		if carries {
			c.shows(c.page, "home of nobody")
		} else {
			c.shows(c.page, "signed out")
		}
		if at := c.page.URL.Path; at != map[bool]string{true: returnTo, false: "/auth/logout"}[carries] {
			c.t.Errorf("ended at %s", c.page.URL)
		}
		q := c.asked()
		if hint := q.Get("id_token_hint"); hint == "" || hint != c.suite.answered().Get("id_token") && !slices.Contains(issued.all, hint) || !slices.Contains(c.client.PostLogoutRedirectURLs, q.Get("post_logout_redirect_uri")) || q.Get("state") == "" {
			c.t.Errorf("asked %v", q)
		}
		for _, sent := range c.suite.op.BackchannelLogouts() {
			if sent.ClientID == c.client.ID && sent.Status != http.StatusOK {
				c.t.Errorf("the notice was answered %+v", sent)
			}
		}
		c.gone()
	}
	return m
}

// backchannel signs out at the provider, which sends a logout token meanwhile.
func backchannel(status int, fault oidcrptest.Fault) module {
	return module{logout: true, faults: one(fault), run: func(c *conformance) {
		c.signedIn()
		before := len(c.suite.op.BackchannelLogouts())
		c.shows(c.app.logout(c.b, ""), "signed out")
		sent := c.suite.op.BackchannelLogouts()[before:]
		if len(sent) != 1 || sent[0].Status != status || sent[0].Header.Get("Cache-Control") != "no-store" {
			c.t.Errorf("answered %+v, want %d\nlog: %s", sent, status, c.log)
		}
		ended := c.events.of(oidcrp.SessionEnded)
		if heard := ended[len(ended)-1].Reason == "frontchannel"; !heard {
			c.t.Errorf("events %+v", ended)
		}
		if heard := slices.ContainsFunc(ended, func(e oidcrp.Event) bool { return e.Reason == "backchannel" }); heard != (status == http.StatusOK) {
			c.t.Errorf("it was believed: %v", heard)
		}
		c.gone()
	}}
}

// framed wants a page to have framed our address, and us to have answered.
func (c *conformance) framed(p *oidcrptest.Page) {
	c.t.Helper()
	i := slices.IndexFunc(p.Frames, func(f *oidcrptest.Page) bool {
		return strings.HasPrefix(f.URL.String(), c.client.FrontchannelLogoutURL)
	})
	if i < 0 {
		c.t.Fatalf("not framed: %v", p.Frames)
	}
	f := p.Frames[i]
	if q := f.URL.Query(); f.Status != http.StatusOK || f.Blocked != "" || f.Header.Get("Cache-Control") != "no-store" ||
		f.Trail[0].Request.Get("Cookie") != "" || q.Get("iss") != c.suite.op.Issuer() || q.Get("sid") == "" {
		c.t.Errorf("framed %v: %v", f, f.Header)
	}
}

// watchTheSession does what the scripts of the two frames do.
func (c *conformance) watchTheSession() {
	c.signedIn()
	if answer := c.ask(); answer != "unchanged" {
		c.t.Errorf("before the sign-out: %s", answer)
	}
	c.shows(c.app.logout(c.b, ""), "signed out")
	if answer := c.ask(); answer != "changed" {
		c.t.Errorf("after the sign-out: %s", answer)
	}
	c.gone()
	c.calls(oidcrptest.AuthorizeEndpoint, 1) // no silent login follows
}

// ask reads our page, and answers its message as the provider's frame does
// (Session Management 3.2).
func (c *conformance) ask() string {
	c.t.Helper()
	page := c.b.Get(c.URL + "/auth/check-session")
	frame, message, origin := attribute(page.Body, "src"), attribute(page.Body, "data-message"), attribute(page.Body, "data-origin")
	at := c.suite.op.URL(oidcrptest.CheckSessionEndpoint)
	if page.Status != http.StatusOK || frame != at || !strings.HasPrefix(at, origin+"/") ||
		!strings.Contains(page.Header.Get("Content-Security-Policy"), "frame-src "+origin) {
		c.t.Fatalf("page %d %v\n%s", page.Status, page.Header, page.Body)
	}
	id, state, _ := strings.Cut(message, " ")
	sum, salt, ok := strings.Cut(state, ".")
	if id != c.client.ID || !ok {
		c.t.Fatalf("asks %q", message)
	}
	seen := ""
	for _, k := range c.b.Cookies(at) {
		if strings.HasSuffix(k.Name, "_state") {
			seen = k.Value
		}
	}
	want := sha256.Sum256([]byte(id + " " + c.URL + " " + seen + " " + salt))
	if hex.EncodeToString(want[:]) == sum {
		return "unchanged"
	}
	return "changed"
}

// attribute is the value of the first attribute of a name in a page.
func attribute(body, name string) string {
	_, rest, _ := strings.Cut(body, " "+name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}
