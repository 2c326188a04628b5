package sitesettings_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// saas is an application for business customers, whose provider is acme.
type saas struct {
	t     *testing.T
	URL   string
	op    *oidcrptest.Provider
	rp    *oidcrp.RelyingParty
	accts *accounts.Accounts
	store accounts.Store
	log   record

	mu     sync.Mutex
	events []oidcrp.Event
}

// startSaaS runs one; change may be nil.
func startSaaS(t *testing.T, rules accounts.Rules, change func(*saas, *oidcrp.Config)) *saas {
	t.Helper()
	a := &saas{t: t, op: oidcrptest.NewProvider(t), store: accounts.NewMemoryStore()}
	a.op.SignInAs("alice")
	a.URL = oidcrptest.Serve(t, func(baseURL string) http.Handler {
		cfg := oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{a.op.Config("acme", baseURL)}}
		return a.build(cfg, rules, change)
	})
	return a
}

// build makes the application, or another one like it.
func (a *saas) build(cfg oidcrp.Config, rules accounts.Rules, change func(*saas, *oidcrp.Config)) http.Handler {
	a.t.Helper()
	cfg.Logger = slog.New(slog.NewTextHandler(&a.log, nil))
	cfg.CookieKeys = [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}
	cfg.OnEvent = func(_ context.Context, e oidcrp.Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.events = append(a.events, e)
	}
	for i := range cfg.Providers {
		cfg.Providers[i].PAR = oidcrp.Refused // so that requests can be read
	}
	if change != nil {
		change(a, &cfg)
	}
	var err error
	if a.accts, err = accounts.New(a.store, rules, &cfg); err != nil {
		a.t.Fatal(err)
	}
	if a.rp, err = oidcrp.New(cfg); err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { a.rp.Shutdown(context.Background()) })
	return a.rp.Load(a.pages())
}

func (a *saas) pages() http.Handler {
	mux := http.NewServeMux()
	home := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := a.accts.Current(r.Context())
		if err != nil {
			fmt.Fprintf(w, "nobody at %s", r.URL)
			return
		}
		s := oidcrp.FromContext(r.Context())
		fmt.Fprintf(w, "contact %s <%s> %v of %q, roles %q, amr %q, at %s", c.ID, c.Email, c.Fields, c.Organization, s.Roles(), s.AMR(), r.URL)
	})
	mux.Handle("/", home)
	mux.Handle("/calendar", a.rp.Require(oidcrp.HasScope("calendar"))(home))
	mux.HandleFunc("/unlink", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		fmt.Fprint(w, a.accts.Unlink(r.Context(), oidcrp.Identity{Issuer: q.Get("iss"), Subject: q.Get("sub")}))
	})
	mux.HandleFunc("/status", func(w http.ResponseWriter, r *http.Request) {
		status, err := a.rp.TokenStatus(r.Context())
		fmt.Fprintf(w, "%s, refresh %v, scopes %q, error %v", status.State, status.HasRefresh, status.Scopes, err)
	})
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) {
		resp, err := a.rp.Client(r.Context()).Get(a.op.URL(oidcrptest.ResourceEndpoint))
		switch {
		case errors.Is(err, oidcrp.ErrNoToken):
			fmt.Fprint(w, "no token")
		case err != nil:
			fmt.Fprint(w, err)
		default:
			defer resp.Body.Close()
			io.Copy(w, resp.Body)
		}
	})
	return mux
}

// login signs the user in, in a new browser, and returns both.
func (a *saas) login(u oidcrptest.User) (*oidcrptest.Browser, *oidcrptest.Page) {
	a.t.Helper()
	if u.Subject != "" {
		a.op.AddUser(u)
		a.op.SignInAs(u.Subject)
	}
	b := oidcrptest.NewBrowser(a.t)
	return b, b.Get(a.URL + "/auth/login?provider=acme")
}

// shows fails the test unless a page is 200 and has the texts.
func (a *saas) shows(p *oidcrptest.Page, texts ...string) {
	a.t.Helper()
	for _, text := range texts {
		if p.Status != http.StatusOK || !strings.Contains(p.Text(), text) {
			a.t.Fatalf("want 200 and %q: %s\n%s\n%s", text, p, p.Text(), a.log.String())
		}
	}
}

// asked is the latest authorization request.
func (a *saas) asked() url.Values {
	a.t.Helper()
	all := a.op.Requests(oidcrptest.AuthorizeEndpoint)
	if len(all) == 0 {
		a.t.Fatalf("no authorization request\n%s", a.log.String())
	}
	return all[len(all)-1].Query
}

// told are the reasons of the events of a kind.
func (a *saas) told(kind oidcrp.EventKind) []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var reasons []string
	for _, e := range a.events {
		if e.Kind == kind {
			reasons = append(reasons, e.Reason)
		}
	}
	return reasons
}

// decided fails the test unless the latest decision about an account was code.
func (a *saas) decided(code string) {
	a.t.Helper()
	if all := a.told(accounts.Decided); len(all) == 0 || all[len(all)-1] != code {
		a.t.Errorf("decided %q, want %s\n%s", all, code, a.log.String())
	}
}

// withTokens keeps them for the API of the provider.
func withTokens(a *saas, cfg *oidcrp.Config) {
	cfg.Store = oidcrp.NewMemoryStore()
	p := &cfg.Providers[0]
	p.KeepTokens, p.KeepOffline = true, true
	p.APIs = []oidcrp.API{{URL: a.op.URL(oidcrptest.ResourceEndpoint)}}
}

func (a *saas) erin() oidcrp.Identity {
	return oidcrp.Identity{Provider: "acme", Issuer: a.op.Issuer(), Subject: "erin"}
}

// erin is somebody with a verified address.
func erin(change func(*oidcrptest.User)) oidcrptest.User {
	u := oidcrptest.User{Subject: "erin", Name: "Erin", Email: "erin@acme.example", EmailVerified: true}
	if change != nil {
		change(&u)
	}
	return u
}

// serve answers one request.
func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	r.RequestURI = r.URL.RequestURI()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}
