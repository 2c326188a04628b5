package sitesettings_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *record) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *record) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// portal is a site that was made of settings, and runs.
type portal struct {
	t        *testing.T
	URL      string
	op       *oidcrptest.Provider
	client   oidcrptest.Client
	settings sitesettings.Settings
	rp       *oidcrp.RelyingParty
	store    accounts.Store
	log      record
}

const contoso = "Authentication/OpenIdConnect/Contoso/"

// full is a name as a file has it; a plain one is of the provider Contoso.
func full(key string) string {
	for _, group := range []string{"Registration/", "ApplicationCookie/", "TwoFactorCookie/", "UserManager/", "LoginThrottling/", "BearerAuthentication/", "OpenIdConnect/"} {
		if strings.HasPrefix(key, group) {
			return "Authentication/" + key
		}
	}
	return contoso + key
}

// minimal are settings that a site cannot do without, those given in addition;
// "-" leaves one out.
func minimal(given map[string]string) map[string]string {
	all := map[string]string{
		contoso + "Authority": "https://login.contoso.example", contoso + "ClientId": "portal",
		contoso + "ClientSecret": "the secret of the site", contoso + "RedirectUri": "https://portal.example/signin-contoso",
	}
	for key, value := range given {
		if all[full(key)] = value; value == "-" {
			delete(all, full(key))
		}
	}
	return all
}

// startPortal runs a site with settings given in addition to what op needs;
// change may be nil.
func startPortal(t *testing.T, given map[string]string, change func(*portal, *oidcrp.Config)) *portal {
	t.Helper()
	p := &portal{t: t, op: oidcrptest.NewProvider(t), store: accounts.NewMemoryStore()}
	p.op.SignInAs("alice")
	p.URL = oidcrptest.Serve(t, func(baseURL string) http.Handler {
		p.client = p.op.AddClient(oidcrptest.Client{
			RedirectURLs:           []string{baseURL + "/signin-contoso", baseURL + "/signin-Contoso", baseURL + "/elsewhere"},
			PostLogoutRedirectURLs: []string{baseURL + "/auth/logout", baseURL + "/"},
		})
		settings := map[string]string{"Authority": p.op.Issuer(), "ClientId": p.client.ID, "ClientSecret": p.client.Secret, "RedirectUri": baseURL + "/signin-contoso"}
		for key, value := range given {
			value = strings.ReplaceAll(value, "{issuer}", p.op.Issuer())
			settings[key] = strings.ReplaceAll(value, "{site}", baseURL)
		}
		return p.build(minimal(settings), baseURL, change)
	})
	return p
}

func (p *portal) build(settings map[string]string, baseURL string, change func(*portal, *oidcrp.Config)) http.Handler {
	p.t.Helper()
	var err error
	if p.settings, err = sitesettings.FromMap(settings); err != nil {
		p.t.Fatal(err)
	}
	cfg := p.settings.Config
	cfg.BaseURL = baseURL
	cfg.Logger = slog.New(slog.NewTextHandler(&p.log, nil))
	for i := range cfg.Providers {
		cfg.Providers[i].PAR = oidcrp.Refused // so that requests can be read
	}
	if change != nil {
		change(p, &cfg)
	}
	accts, err := accounts.New(p.store, p.settings.Rules, &cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.rp, err = oidcrp.New(cfg); err != nil {
		p.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(p.settings.Rules.RegistrationPath, accts.RegistrationPage(p.rp))
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := accts.Current(r.Context())
		if err != nil {
			fmt.Fprintf(w, "nobody at %s", r.URL)
			return
		}
		s := oidcrp.FromContext(r.Context())
		fmt.Fprintf(w, "contact <%s> %v, roles %q, at %s", c.Email, c.Fields, s.Roles(), r.URL)
	})
	mux.Handle("/", page)
	mux.Handle("/guarded", p.rp.RequireLogin(page))
	return p.rp.Load(mux)
}

// visit follows a link in a new browser.
func (p *portal) visit(link string) *oidcrptest.Page {
	p.t.Helper()
	return oidcrptest.NewBrowser(p.t).Get(p.URL + link)
}

const signInLink = "/Account/Login/ExternalLogin?ReturnUrl=%2Fprofile&provider=Contoso"

// asked follows a link and returns the authorization request it leads to.
func (p *portal) asked(link string) url.Values {
	p.t.Helper()
	before := p.op.Calls(oidcrptest.AuthorizeEndpoint)
	page := p.visit(link)
	all := p.op.Requests(oidcrptest.AuthorizeEndpoint)
	if len(all) != before+1 {
		p.t.Fatalf("%d authorization requests: %s\n%s", len(all)-before, page, p.log.String())
	}
	return all[before].Query
}

// shows fails the test unless a page is 200 and has the text.
func (p *portal) shows(page *oidcrptest.Page, text string) {
	p.t.Helper()
	if page.Status != http.StatusOK || !strings.Contains(page.Text(), text) {
		p.t.Fatalf("want 200 and %q: %s\n%s\n%s", text, page, page.Text(), p.log.String())
	}
}

// refuses fails the test unless a page is an error, whose cause the log names.
func (p *portal) refuses(page *oidcrptest.Page, cause string) {
	p.t.Helper()
	if page.Status < 400 || !strings.Contains(p.log.String(), cause) {
		p.t.Fatalf("want a refusal because of %q: %s\n%s", cause, page, p.log.String())
	}
}

// line fails the test unless the report has one line for a key, with a verdict
// and with text in its reason.
func line(t *testing.T, s sitesettings.Settings, key string, verdict sitesettings.Verdict, reason string) {
	t.Helper()
	var found []sitesettings.Line
	for _, l := range s.Report {
		if l.Key == full(key) {
			found = append(found, l)
		}
	}
	if len(found) != 1 || found[0].Verdict != verdict || !strings.Contains(found[0].Reason, reason) {
		t.Errorf("%s: want %s because of %q, got %v", key, verdict, reason, found)
	}
}

// says reads settings without running a site, and looks at one line.
func says(t *testing.T, given map[string]string, key string, verdict sitesettings.Verdict, reason string) sitesettings.Settings {
	t.Helper()
	s, err := sitesettings.FromMap(minimal(given))
	line(t, s, key, verdict, reason)
	if bad := verdict == sitesettings.Wrong || verdict == sitesettings.Contradictory; bad != (err != nil) {
		t.Errorf("%s: error %v", key, err)
	}
	if err != nil && (!strings.Contains(err.Error(), full(key)) || len(s.Config.Providers) > 0 || s.Rules.ByProvider != nil) {
		t.Errorf("%s: %v; %v", key, err, s.Config)
	}
	return s
}

// person is somebody at the provider.
func (p *portal) person(u oidcrptest.User) {
	p.op.AddUser(u)
	p.op.SignInAs(u.Subject)
}

// contact adds one.
func (p *portal) contact(email string) {
	p.t.Helper()
	c := &accounts.Contact{ID: accounts.NewID(), Email: email, EmailVerified: true, Fields: map[string]string{"firstname": "Known"}}
	if err := p.store.Create(context.Background(), c, ""); err != nil {
		p.t.Fatal(err)
	}
}
