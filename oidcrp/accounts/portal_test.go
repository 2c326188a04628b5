package accounts_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// portal is an application with contacts, on http://localhost, and the providers
// its visitors sign in with, each a site of its own.
type portal struct {
	t      *testing.T
	URL    string
	rp     *oidcrp.RelyingParty
	store  accounts.Store
	ops    map[string]*oidcrptest.Provider
	log    record
	events events
	still  func(context.Context, *oidcrp.Session) error

	onLogin atomic.Pointer[func(context.Context, *oidcrp.Login) error]
	before  atomic.Pointer[func()] // called once, before the next Update by Accounts
	*accounts.Accounts
}

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

// events are the decisions, as the audit hook got them.
type events struct {
	mu    sync.Mutex
	codes []string
}

func (e *events) add(_ context.Context, ev oidcrp.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ev.Kind == accounts.Decided {
		e.codes = append(e.codes, ev.Reason)
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.codes)
}

// newPortal starts a portal with a provider of each name; change may be nil.
func newPortal(t *testing.T, rules accounts.Rules, change func(*oidcrp.Config), providers ...string) *portal {
	t.Helper()
	return newPortalAt(t, "", rules, change, providers...)
}

// newPortalAt starts it below a path.
func newPortalAt(t *testing.T, path string, rules accounts.Rules, change func(*oidcrp.Config), providers ...string) *portal {
	t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	p := &portal{t: t, URL: "http://localhost:" + port + path, store: accounts.NewMemoryStore(), ops: map[string]*oidcrptest.Provider{}}
	cfg := oidcrp.Config{
		BaseURL: p.URL, CookieKeys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, OnEvent: p.events.add,
		Logger: slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, name := range providers {
		p.ops[name] = oidcrptest.NewProvider(t)
		cfg.Providers = append(cfg.Providers, p.ops[name].Config(name, p.URL))
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if p.Accounts, err = accounts.New(overtaken{p.store, p}, rules, &cfg); err != nil {
		t.Fatal(err)
	}
	onLogin := cfg.OnLogin
	p.onLogin.Store(&onLogin)
	cfg.OnLogin = func(ctx context.Context, login *oidcrp.Login) error { return (*p.onLogin.Load())(ctx, login) }
	p.still = cfg.StillAllowed
	if p.rp, err = oidcrp.New(cfg); err != nil {
		t.Fatal(err)
	}
	srv.Config.Handler = p.rp.Load(http.StripPrefix(path, p.handler()))
	srv.Start()
	t.Cleanup(srv.Close)
	return p
}

// overtaken is a store where somebody else is faster.
type overtaken struct {
	accounts.Store
	p *portal
}

func (s overtaken) Update(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
	if f := s.p.before.Swap(nil); f != nil {
		(*f)()
	}
	return s.Store.Update(ctx, id, invitation, change)
}

// overtake lets f happen between the next decision and its doing.
func (p *portal) overtake(f func()) { p.before.Store(&f) }

func (p *portal) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/register", p.RegistrationPage(p.rp))
	mux.HandleFunc("/link", func(w http.ResponseWriter, r *http.Request) {
		p.rp.Login(w, r, oidcrp.LoginOptions{Provider: r.URL.Query().Get("provider"), Link: true, ReturnTo: "/"})
	})
	mux.HandleFunc("/unlink", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		fmt.Fprint(w, p.Unlink(r.Context(), oidcrp.Identity{Issuer: q.Get("iss"), Subject: q.Get("sub")}))
	})
	mux.HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) { // wants a fresh sign-in
		http.Redirect(w, r, p.rp.LoginURL(oidcrp.LoginOptions{ReturnTo: "/", Prompt: "login"}), http.StatusSeeOther)
	})
	mux.HandleFunc("/call", func(w http.ResponseWriter, r *http.Request) { // an API, with a fresh token
		resp, err := p.rp.Client(r.Context()).Get(r.URL.Query().Get("api"))
		if err == nil {
			resp.Body.Close()
		}
		fmt.Fprint(w, err)
	})
	mux.HandleFunc("POST /terms", func(w http.ResponseWriter, r *http.Request) { // of the application's own
		p.rp.Resume(w, r, func(*oidcrp.Login) error { return nil })
	})
	mux.HandleFunc("/still", func(w http.ResponseWriter, r *http.Request) { // as after StillAllowedEvery
		err := p.still(r.Context(), oidcrp.FromContext(r.Context()))
		fmt.Fprint(w, err, errors.As(err, new(*oidcrp.Refusal)), errors.Is(err, oidcrp.ErrStoreUnavailable))
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if oidcrp.FromContext(r.Context()).Value(accounts.PendingKey) != "" {
			p.t.Error("the session keeps what was for the registration page")
		}
		c, err := p.Current(r.Context())
		if err != nil {
			fmt.Fprintf(w, "%s: nobody: %v", r.URL, err)
			return
		}
		fmt.Fprintf(w, "%s: contact %s <%s> of %q, roles %q, %v", r.URL, c.ID, c.Email, c.Organization, oidcrp.FromContext(r.Context()).Roles(), c.Fields)
	})
	return mux
}

// signIn signs a user in at a provider, in browser b or a new one, on the way to
// the home page.
func (p *portal) signIn(provider string, u oidcrptest.User) *oidcrptest.Page {
	p.t.Helper()
	return p.signInWith(oidcrptest.NewBrowser(p.t), provider, u, "/")
}

func (p *portal) signInWith(b *oidcrptest.Browser, provider string, u oidcrptest.User, returnTo string) *oidcrptest.Page {
	p.t.Helper()
	op := p.ops[provider]
	op.AddUser(u)
	op.SignInAs(u.Subject)
	return b.Get(p.URL + "/auth/login?" + url.Values{"provider": {provider}, "return_to": {returnTo}}.Encode())
}

// link adds the identity of a user at a provider to who is signed in.
func (p *portal) link(b *oidcrptest.Browser, provider string, u oidcrptest.User) *oidcrptest.Page {
	p.t.Helper()
	op := p.ops[provider]
	op.AddUser(u)
	op.SignInAs(u.Subject)
	return b.PostForm(p.URL+"/link?"+url.Values{"provider": {provider}}.Encode(), nil)
}

// decided fails the test unless the latest decision was code.
func (p *portal) decided(code string) {
	p.t.Helper()
	all := p.events.all()
	if len(all) == 0 || all[len(all)-1] != code {
		p.t.Fatalf("decisions %q, want %q last\nlog: %s", all, code, &p.log)
	}
	if !strings.Contains(p.log.String(), "decision.code="+code) {
		p.t.Errorf("the log does not say %s: %s", code, &p.log)
	}
}

// is fails the test unless a page shows the contact, signed in.
func (p *portal) is(page *oidcrptest.Page, contact string) {
	p.t.Helper()
	if page.Status != 200 || !strings.Contains(page.Body, "contact "+contact+" ") {
		p.t.Fatalf("not signed in as %s: %s\nlog: %s", contact, page, &p.log)
	}
}

// refused fails the test unless a page is a refusal with the words, and nobody
// was signed in.
func (p *portal) refused(page *oidcrptest.Page, words string) {
	p.t.Helper()
	if page.Status != http.StatusForbidden || !strings.Contains(page.Text(), words) {
		p.t.Fatalf("no refusal with %q: %s\nlog: %s", words, page, &p.log)
	}
	for _, hop := range page.Trail {
		for _, line := range hop.Response.Values("Set-Cookie") {
			if strings.HasPrefix(line, "oidcrp_s_") && !strings.Contains(line, "Max-Age=0") {
				p.t.Errorf("a session began: %s", line)
			}
		}
	}
}

// contacts are all there are.
func (p *portal) contacts() []*accounts.Contact {
	p.t.Helper()
	all, err := p.store.List(p.t.Context(), "", 1000)
	if err != nil {
		p.t.Fatal(err)
	}
	return all
}

// add puts a contact into the store, as the application's staff would.
func (p *portal) add(c accounts.Contact) *accounts.Contact {
	p.t.Helper()
	c.ID = accounts.NewID()
	if err := p.store.Create(p.t.Context(), &c, ""); err != nil {
		p.t.Fatal(err)
	}
	return &c
}

func (p *portal) get(id string) *accounts.Contact {
	p.t.Helper()
	c, err := p.store.ByID(p.t.Context(), id)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

// of is the contact of a user at a provider; nil if there is none.
func (p *portal) of(provider, subject string) *accounts.Contact {
	c, err := p.store.ByIdentity(p.t.Context(), p.ops[provider].Issuer(), subject)
	if err != nil {
		return nil
	}
	return c
}

// change changes a contact as the application's staff would.
func (p *portal) change(id string, change func(*accounts.Contact)) {
	p.t.Helper()
	if err := p.store.Update(p.t.Context(), id, "", func(c *accounts.Contact) error { change(c); return nil }); err != nil {
		p.t.Fatal(err)
	}
}

// person is a user whose address the provider says it verified.
func person(subject, email string) oidcrptest.User {
	return oidcrptest.User{Subject: subject, Name: subject, Email: email, EmailVerified: true}
}

var matching = accounts.Rules{Default: accounts.ProviderRules{MatchEmail: true}}
