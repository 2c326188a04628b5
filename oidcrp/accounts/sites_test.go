package accounts_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const (
	acmeURL = "https://acme.example"
	betaURL = "https://beta.example/app"
)

// estate is a portal at two sites, one of them below a path, whose providers are
// all of a source: acme has two of them, and beta one.
type estate struct {
	*portal
	addr string
}

func newEstate(t *testing.T, rules accounts.Rules) *estate {
	t.Helper()
	e := &estate{portal: &portal{t: t, store: accounts.NewMemoryStore(), ops: map[string]*oidcrptest.Provider{}}}
	source := sourceOf{}
	for _, name := range []string{"corp", "branch"} {
		op := oidcrptest.NewProvider(t)
		p := op.Config(name, acmeURL)
		for _, c := range op.Clients() {
			c.RedirectURLs = append(c.RedirectURLs, betaURL+"/auth/callback/"+name)
			c.PostLogoutRedirectURLs = append(c.PostLogoutRedirectURLs, betaURL+"/auth/logout")
			op.AddClient(c)
		}
		p.Version, p.BackchannelLogout = "1", true
		source[name], e.ops[name] = p, op
	}
	cfg := oidcrp.Config{
		CookieKeys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, OnEvent: e.events.add, Store: oidcrp.NewMemoryStore(),
		Logger:         slog.New(slog.NewTextHandler(&e.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		ProviderSource: source,
		Sites: func(_ context.Context, host string) (oidcrp.Site, error) {
			switch host {
			case "acme.example":
				return oidcrp.Site{Name: "acme", BaseURL: acmeURL, Providers: []string{"branch", "corp"}}, nil
			case "beta.example":
				return oidcrp.Site{Name: "beta", BaseURL: betaURL + "/", Providers: []string{"corp"}}, nil
			}
			return oidcrp.Site{}, oidcrp.ErrNoSite
		},
	}
	var err error
	if e.Accounts, err = accounts.New(overtaken{e.store, e.portal}, rules, &cfg); err != nil {
		t.Fatal(err)
	}
	if e.rp, err = oidcrp.New(cfg); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/invite", func(w http.ResponseWriter, r *http.Request) {
		code, err := e.Invite(r.Context(), accounts.Invitation{Organization: r.URL.Query().Get("org")})
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, code)
	})
	mux.Handle("/", e.handler())
	srv := httptest.NewTLSServer(e.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := oidcrp.SiteFromContext(r.Context())
		u, _ := url.Parse(at.BaseURL)
		http.StripPrefix(strings.TrimSuffix(u.Path, "/"), mux).ServeHTTP(w, r)
	})))
	t.Cleanup(srv.Close)
	e.addr = srv.Listener.Addr().String()
	return e
}

func (e *estate) browse() *oidcrptest.Browser {
	b := oidcrptest.NewBrowser(e.t)
	for _, host := range []string{"acme.example", "beta.example"} {
		b.Resolve(host, e.addr)
	}
	return b
}

func (e *estate) as(provider string, u oidcrptest.User) {
	e.ops[provider].AddUser(u)
	e.ops[provider].SignInAs(u.Subject)
}

// invited is an invitation that a page of a site made.
func (e *estate) invited(base, organization string) string {
	e.t.Helper()
	return e.browse().Get(base + "/invite?org=" + organization).Body
}

// Whoever registers does so at the site where they are, whatever its path, and
// at its only provider without being asked for one.
func TestRegistrationAtASite(t *testing.T) {
	e := newEstate(t, asking)
	for base, path := range map[string]string{acmeURL: "", betaURL: "/app"} {
		e.as("corp", person("at "+base, "s@corp.example"))
		b := e.browse()
		page := b.Get(base + "/register")
		if base == acmeURL {
			if all := page.Links(); len(all) < 2 || all[0].Text != "Sign in with branch" || all[1].Text != "Sign in with corp" {
				t.Fatalf("the sign-in page has %v", all)
			}
			page = b.Follow("Sign in with corp")
		}
		if page.URL.Host != mustURL(t, base).Host || page.URL.Path != path+"/register" {
			t.Fatalf("%s: at %s\n%s", base, page, &e.log)
		}
		if page := b.SubmitForm("Continue", url.Values{"company": {""}}); !strings.Contains(page.Body, "required") || page.URL.Path != path+"/register" {
			t.Fatalf("%s: with mistakes: %s", base, page)
		}
		page = b.SubmitForm("Continue", url.Values{"company": {"x"}})
		e.decided("register/open")
		if page.URL.String() != base+"/" || !strings.Contains(page.Body, "contact "+e.of("corp", "at "+base).ID) {
			t.Errorf("%s: ended at %s", base, page)
		}
		if page := b.Get(base + "/register"); page.URL.String() != base+"/" {
			t.Errorf("%s: signed in already: %s", base, page)
		}
		// The page may stand outside of Load, where nothing has found the site.
		r := httptest.NewRequest(http.MethodGet, "/register?invitation=x", nil)
		r.Host = mustURL(t, base).Host
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		e.RegistrationPage(e.rp).ServeHTTP(w, r)
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, e.ops["corp"].Issuer()) && !strings.HasPrefix(to, base+"/auth/login?return_to="+url.QueryEscape(path+"/register?invitation=x")) {
			t.Errorf("%s: %d to %s", base, w.Code, to)
		}
	}
}

// An invitation is for the site where it was made, or for all where no site made
// it, and is not lost by being tried elsewhere.
func TestInvitationOfASite(t *testing.T) {
	rules := asking
	rules.Default.Gate = accounts.InviteOnly
	e := newEstate(t, rules)
	everywhere, err := e.Invite(context.Background(), accounts.Invitation{Organization: "all"})
	if err != nil {
		t.Fatal(err)
	}
	for i, way := range [][2]string{{acmeURL, betaURL}, {betaURL, acmeURL}} {
		subject := fmt.Sprint("s", i)
		e.as("corp", person(subject, subject+"@corp.example"))
		code := e.invited(way[0], "here")
		accept := func(base, code string) *oidcrptest.Page {
			b := e.browse()
			page := b.Get(base + e.InvitationPath(code))
			if base == acmeURL {
				page = b.Follow("Sign in with corp")
			}
			if page.Form("Continue") == nil {
				t.Fatalf("%s", page)
			}
			return b.SubmitForm("Continue", url.Values{"company": {"x"}, "invitation": {code}})
		}
		if page := accept(way[1], code); page.URL.Path != mustURL(t, way[1]).Path+"/register" || e.of("corp", subject) != nil {
			t.Fatalf("of %s at %s: %s", way[0], way[1], page)
		}
		e.decided("ask/wrong_invitation")
		if page := accept(way[0], code); page.URL.String() != way[0]+"/" || e.of("corp", subject).Organization != "here" {
			t.Fatalf("of %s there: %s", way[0], page)
		}
		e.decided("register/invited")
		if i == 1 {
			e.as("corp", person("last", "last@corp.example"))
			if accept(way[0], everywhere); e.of("corp", "last").Organization != "all" {
				t.Error("one for all sites is not taken")
			}
		}
	}
}

// Where a retired provider's people are sent is at their site, too.
func TestMovingAtASite(t *testing.T) {
	e := newEstate(t, accounts.Rules{MovePath: "/move", ByProvider: map[string]accounts.ProviderRules{"corp": {Retired: true}}})
	c := e.add(accounts.Contact{Identities: []oidcrp.Identity{{Provider: "corp", Issuer: e.ops["corp"].Issuer(), Subject: "s"}}})
	e.as("corp", person("s", ""))
	if page := e.browse().Get(betaURL + "/auth/login"); page.URL.String() != betaURL+"/move" || !strings.Contains(page.Body, c.ID) {
		t.Errorf("%s", page)
	}
	e.decided("signin/moving")
}

// Who is signed in at two sites is one contact, and signs out at one.
func TestOneContactAtTwoSites(t *testing.T) {
	e := newEstate(t, accounts.Rules{})
	e.as("corp", person("s", "s@corp.example"))
	e.as("branch", person("t", "t@branch.example"))
	b := e.browse()
	b.Get(acmeURL + "/auth/login?provider=corp")
	id := e.of("corp", "s").ID
	e.is(b.Get(acmeURL+"/"), id)
	e.is(b.Get(betaURL+"/auth/login"), id)

	// A provider that beta does not have links nothing there, and its sessions
	// are no sessions there.
	if page := b.PostForm(betaURL+"/link?provider=branch", nil); strings.Contains(page.Body, "contact") && e.of("branch", "t") != nil {
		t.Errorf("linked: %s", page)
	}
	b.Get(acmeURL + "/")
	e.is(b.PostForm(acmeURL+"/link?provider=branch", nil), id)
	e.decided("link/asked")

	away := e.browse()
	away.Get(betaURL + "/auth/login")
	e.is(away.Get(betaURL+"/"), id)
	b.Get(betaURL + "/")
	b.PostForm(betaURL+"/auth/logout", url.Values{"everywhere": {"1"}})
	for _, at := range []*oidcrptest.Browser{b, away} {
		if page := at.Get(betaURL + "/"); !strings.Contains(page.Body, "nobody") {
			t.Errorf("signed in at beta: %s", page)
		}
	}
	e.is(b.Get(acmeURL+"/"), id)
	acme, err := e.rp.At(context.Background(), "acme.example")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range e.get(id).Identities {
		if err := acme.EndSessions(context.Background(), own); err != nil {
			t.Error(err)
		}
	}
	if page := b.Get(acmeURL + "/"); !strings.Contains(page.Body, "nobody") {
		t.Errorf("signed in at acme: %s", page)
	}
}

func mustURL(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
