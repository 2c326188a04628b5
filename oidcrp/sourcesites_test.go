package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// connected are tenants whose providers come from a source: "acme" has "staff"
// and "guests", and beta "own" alone. Nothing else is anywhere.
func connected(t *testing.T, change func(*oidcrp.Config, *directory)) (*tenants, *directory) {
	t.Helper()
	d := &directory{all: map[string]oidcrp.Provider{}, calls: map[string]int{}}
	op := oidcrptest.NewProvider(t)
	s := tenantsAt(t, op, func(c *oidcrp.Config) {
		c.Providers, c.ProviderSource = nil, d
		for _, name := range []string{"staff", "guests", "own"} {
			p := op.Config(name, acmeURL)
			for _, client := range op.Clients() {
				if client.ID == p.ClientID {
					client.RedirectURLs = append(client.RedirectURLs, betaURL+"/auth/callback/"+name)
					client.PostLogoutRedirectURLs = append(client.PostLogoutRedirectURLs, betaURL+"/auth/logout")
					op.AddClient(client)
				}
			}
			p.Version = "1"
			d.all[name] = p
		}
		if change != nil {
			change(c, d)
		}
	})
	op.SetNow(s.clock.now)
	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{"staff", "guests", "gone"}}, nil)
	s.set("beta.example", oidcrp.Site{Name: "beta", BaseURL: betaURL, Providers: []string{"own"}}, nil)
	return s, d
}

// A13, A8: each site has the providers of the source that it names.
func TestSourcedProvidersOfASite(t *testing.T) {
	s, d := connected(t, nil)
	b := s.browse()
	page := b.Get(acmeURL + "/reports")
	if links := page.Links(); len(links) < 2 || links[0].Text != "Sign in with staff" || links[1].Text != "Sign in with guests" || strings.Contains(page.Body, "own") || strings.Contains(page.Body, "gone") {
		t.Fatalf("%v\n%s", links, page)
	}
	s.shows(b.Follow("Sign in with guests"), "alice at acme")
	s.shows(s.browse().Get(betaURL+"/reports"), "alice at beta") // one, and nothing to choose
	if d.asked("List") != 0 {
		t.Error("the source's List was asked for at a site that names its own")
	}
	// Another site's is as one that nobody has.
	s.shows(s.browse().Get(betaURL+"/auth/login?provider=staff&return_to=/app/reports"), "alice at beta")
	if all := s.events.of(oidcrp.LoginSucceeded); all[len(all)-1].Provider != "own" {
		t.Errorf("signed in by %s", all[len(all)-1].Provider)
	}
	for _, path := range []string{"/auth/callback/own?code=c&state=s", "/auth/frontchannel-logout/own"} {
		if res := s.send(http.MethodGet, acmeURL+path, ""); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, res.StatusCode)
		}
	}
	// Who is signed in by it is signed in no more where it is taken away.
	s.set("acme.example", oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{"staff"}}, nil)
	s.shows(b.Get(acmeURL+"/"), "nobody at acme")

	// What a third party begins leads to the site's own.
	q := url.Values{"iss": {s.op.Issuer()}}.Encode()
	for base, want := range map[string]string{acmeURL: "provider=staff", betaURL: "provider=own"} {
		res := s.send(http.MethodGet, base+"/auth/initiate?"+q, "", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document")
		if to := res.Header.Get("Location"); !strings.HasPrefix(to, base+"/auth/login?") || !strings.Contains(to, want) {
			t.Errorf("%s: %d to %s", base, res.StatusCode, to)
		}
	}

	// To register: Check says, for the site's BaseURL; RedirectURLs has none of a source.
	if all := s.at("beta.example").RedirectURLs(); len(all) != 0 {
		t.Errorf("%v", all)
	}
	cfg := s.config
	cfg.BaseURL = betaURL
	report := oidcrp.Check(context.Background(), cfg, d.all["own"])
	if report.Addresses.Redirect != betaURL+"/auth/callback/own" || report.Addresses.PostLogout != betaURL+"/auth/logout" {
		t.Errorf("%+v", report.Addresses)
	}
}

// TryLogin asks the source where it begins a login, and not at each page.
func TestSilentLoginAtASourcedProvider(t *testing.T) {
	s, d := connected(t, nil)
	page := s.rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, name(r))
	}))
	get := func(cookies []*http.Cookie, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/app/", nil)
		r.Host = "beta.example"
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		for _, c := range cookies {
			r.AddCookie(c)
		}
		return answer(page, r)
	}
	document := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html"}
	b := s.signedIn(betaURL)
	asked := d.asked("Provider")
	for range 3 {
		if w := get(b.Cookies(betaURL+"/"), document...); w.Body.String() != "alice" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		get(nil) // a search engine
	}
	if got := d.asked("Provider"); got != asked {
		t.Errorf("asked %d times", got-asked)
	}
	if w := get(nil, document...); !strings.Contains(w.Header().Get("Location"), s.op.Issuer()) {
		t.Errorf("no silent login: %d %v", w.Code, w.Header())
	}
	// Through an outage the page is shown, and not waited for again.
	d.failing(func(string) error { return errors.New("down") })
	asked = d.asked("Provider")
	var cookies []*http.Cookie
	for range 3 {
		w := get(cookies, document...)
		if w.Body.String() != "nobody" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		cookies = append(cookies, w.Result().Cookies()...)
	}
	if got := d.asked("Provider"); got != asked+1 {
		t.Errorf("asked %d times through an outage", got-asked)
	}
}

// Neither signs out, nor lets in, nor needs a restart: an outage of the source at
// a site.
func TestSourceFailsAtASite(t *testing.T) {
	s, d := connected(t, nil)
	b := s.signedIn(betaURL)
	d.failing(func(string) error { return errors.New("the database is down") })
	for _, path := range []string{"/reports", "/auth/login", "/auth/login?provider=own", "/auth/callback/own?code=c&state=s"} {
		res := s.send(http.MethodGet, betaURL+path, "", "Sec-Fetch-Mode", "navigate")
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || strings.Contains(s.text(res), "database") {
			t.Errorf("%s: %d %v", path, res.StatusCode, res.Header)
		}
	}
	if res := s.send(http.MethodGet, acmeURL+"/auth/login", "", "Sec-Fetch-Mode", "navigate"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a sign-in page without buttons: %d", res.StatusCode)
	}
	for range 3 {
		s.clock.advance(61 * time.Second)
		s.shows(b.Get(betaURL+"/"), "alice at beta")
	}
	d.failing(nil)
	s.shows(b.Get(betaURL+"/"), "alice at beta")
	s.signedIn(betaURL)
}

// A source that hangs keeps the sign-in page of a site waiting once, however many
// providers that has, and those of Config.Providers are there.
func TestSourceHangsAtASite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{all: map[string]oidcrp.Provider{}, calls: map[string]int{}}
		release := make(chan struct{})
		d.failing(func(string) error { <-release; return nil })
		own := byHand("own")
		own.Version = ""
		rp, err := oidcrp.New(oidcrp.Config{
			CookieKeys: [][]byte{key(1)}, Providers: []oidcrp.Provider{own}, ProviderSource: d, Logger: quiet,
			Sites: func(context.Context, string) (oidcrp.Site, error) {
				return oidcrp.Site{BaseURL: acmeURL, Providers: []string{"a", "b", "c", "own", "d"}}, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		w := ask(rp, rp, nil, "GET", "/auth/login", navigate...)
		if took := time.Since(began); took > 6*time.Second || !strings.Contains(w.Body.String(), "Sign in with own") {
			t.Errorf("after %v: %d %s", took, w.Code, w.Body)
		}
		close(release)
		if err := rp.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// Names that strangers think of are no labels of what is counted.
func TestUnknownProvidersAreNoLabels(t *testing.T) {
	a, d := sourcedApp(t, nil)
	count := func() {
		t.Helper()
		for i := range 5 {
			for _, path := range []string{"/auth/callback/", "/auth/frontchannel-logout/", "/auth/jwks/", "/auth/request/", "/auth/login?provider="} {
				ask(a.rp, a.rp, nil, "GET", fmt.Sprintf("%sguess%d", path, i), navigate...)
			}
			ask(a.rp, a.rp, nil, "POST", fmt.Sprintf("/auth/backchannel-logout/guess%d", i), "Content-Type", "application/x-www-form-urlencoded")
		}
		a.events.mu.Lock()
		defer a.events.mu.Unlock()
		for _, e := range a.events.all {
			if e.Provider != "" && e.Provider != "acme" {
				t.Errorf("an event of %q: %+v", e.Provider, e)
			}
		}
		if len(a.events.all) == 0 {
			t.Error("no event at all")
		}
	}
	count()
	d.failing(func(string) error { return errors.New("down") })
	count()
	if !strings.Contains(a.log.String(), "guess1") {
		t.Error("the log does not say which")
	}
}

// T084: an address is its owner's, also at a site that does not have the owner.
func TestOwnersDomainAtAnotherSite(t *testing.T) {
	s, _ := connected(t, func(c *oidcrp.Config, d *directory) {
		c.SingleSignOn = true
		p := d.all["staff"]
		p.EmailDomains = []string{"corp.example"}
		d.all["staff"] = p
	})
	s.op.AddUser(oidcrptest.User{Subject: "eve", Name: "Eve", Email: "eve@corp.example", EmailVerified: true})
	s.op.SignInAs("eve")
	b := s.browse()
	page := b.Get(betaURL + "/reports")
	s.refused(page, http.StatusForbidden, "foreign_domain")
	if page := b.Follow("Continue"); strings.Contains(page.Body, "eve at") || strings.Contains(page.URL.RawQuery, "corp.example") {
		t.Errorf("led on to %s", page)
	}
	// Where the owner is, the way leads there.
	b = s.browse()
	s.refused(b.Get(acmeURL+"/auth/login?provider=guests&return_to=/reports"), http.StatusForbidden, "foreign_domain")
	s.shows(b.Follow("Continue"), "eve at acme")
	// And typed, it leads there alone.
	for base, leads := range map[string]bool{acmeURL: true, betaURL: false} {
		res := s.send(http.MethodGet, base+"/auth/login?identifier=eve@corp.example", "", "Sec-Fetch-Mode", "navigate")
		if to := res.Header.Get("Location"); strings.Contains(to, "provider=staff") != leads {
			t.Errorf("%s: %d to %q", base, res.StatusCode, to)
		}
	}
}
