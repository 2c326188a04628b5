package main

import (
	"context"
	"embed"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// sessionLifetime is how long a session lasts at most.
const sessionLifetime = 12 * time.Hour

// portal is the application and what it runs on.
type portal struct {
	sites      []site // one at least; the first is the portal's own
	listener   net.Listener
	db         *database
	visits     *visits
	dev        []*oidcrptest.Provider // nil with real providers
	settings   *sitesettings.Settings // nil without -settings
	providers  []oidcrp.Provider
	rules      accounts.Rules
	contacts   *accounts.Accounts
	rp         *oidcrp.RelyingParty
	invitation string // link for the first administrator; "" where none is needed
}

// open gets everything ready to serve, or closes what it has opened.
func open(o options) (_ *portal, err error) {
	p := &portal{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.settings, err = o.readSettings(); err != nil {
		return nil, err
	}
	if p.rules, err = rulesFor(o.registration, p.settings); err != nil {
		return nil, err
	}
	keyFile, err := o.keyFile()
	if err != nil {
		return nil, err
	}
	var baseURLs []string
	if p.listener, baseURLs, err = o.listen(); err != nil {
		return nil, err
	}
	if p.settings != nil && o.baseURL == "" && p.settings.Config.BaseURL != "" {
		baseURLs = []string{p.settings.Config.BaseURL}
	}
	if p.sites, err = namedSites(baseURLs); err != nil {
		return nil, err
	}
	if p.settings != nil {
		p.providers = p.settings.Config.Providers
	} else if o.providers != "" {
		p.providers, err = readProviders(o.providers)
	} else if p.dev, err = startProviders(o.providerAddr); err == nil {
		p.providers = register(p.dev, p.sites)
	}
	if err != nil {
		return nil, err
	}
	if p.db, err = openDatabase(o.db); err != nil {
		return nil, err
	}
	keys, err := cookieKeys(keyFile)
	if err != nil {
		return nil, err
	}
	cfg := p.config(keys)
	p.visits = &visits{db: p.db, lifetime: cfg.SessionLifetime, seen: map[string]time.Time{}}
	if p.contacts, err = accounts.New(p.db.contacts, p.rules, &cfg); err != nil {
		return nil, err
	}
	if p.rp, err = oidcrp.New(cfg); err != nil {
		return nil, err
	}
	// New does not know the sites: find what is wrong with one before a visitor does.
	if err = p.atEach(context.Background(), func(site, *oidcrp.RelyingParty) error { return nil }); err != nil {
		return nil, err
	}
	if p.rules.Default.Gate == accounts.InviteOnly {
		err = p.inviteFirst(context.Background())
	}
	return p, err
}

// config is what the settings say, and the portal's own.
func (p *portal) config(keys [][]byte) oidcrp.Config {
	cfg := oidcrp.Config{Providers: p.providers, SessionLifetime: sessionLifetime}
	if p.settings != nil {
		cfg = p.settings.Config
	}
	p.locate(&cfg)
	cfg.ProviderSource = p.db.connected
	cfg.SingleSignOn = true
	cfg.CookieKeys = keys
	cfg.Store = p.db.sessions
	cfg.SignInPath = "/signin"
	cfg.Claims = []string{"name", "email", "email_verified", "preferred_username", "given_name", "family_name", "locale"}
	cfg.Language = chosenLanguage
	cfg.Pages = frames
	cfg.OnLogin = p.atLogin
	cfg.OnEvent = p.heard
	return cfg
}

func (p *portal) close() error {
	var errs []error
	if p.listener != nil {
		if err := p.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, closeProviders(p.dev))
	if p.db != nil {
		errs = append(errs, p.db.Close())
	}
	return errors.Join(errs...)
}

//go:embed portal.css
var assets embed.FS

func (p *portal) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", p.handle(p.home))
	mux.Handle("GET /signin", p.handle(p.signIn))
	mux.Handle("/register", p.contacts.RegistrationPage(p.rp))
	mux.Handle("GET /terms", p.handle(p.terms))
	mux.Handle("POST /terms", p.handle(p.acceptTerms))
	mux.Handle("/", p.handle(func(http.ResponseWriter, *http.Request) error { return errNotFound }))

	member := func(pattern string, page page) { mux.Handle(pattern, p.rp.RequireLogin(p.handle(page))) }
	member("GET /profile", p.profile)
	member("POST /profile", p.saveProfile)
	member("POST /profile/link", p.link)
	member("POST /profile/unlink", p.unlink)
	member("POST /profile/leave", p.leaveEverywhere)

	guard := p.rp.Require(oidcrp.HasRole(adminRole))
	admin := func(pattern string, page page) { mux.Handle(pattern, guard(p.handle(page))) }
	admin("GET /admin", p.adminProviders)
	admin("GET /admin/contacts", p.adminContacts)
	admin("GET /admin/contacts/{id}", p.adminContact)
	admin("POST /admin/contacts/{id}", p.changeContact)
	admin("GET /admin/sessions", p.adminSessions)
	admin("POST /admin/sessions", p.endSession)
	admin("GET /admin/connections", p.adminConnections)
	admin("POST /admin/connections", p.addConnection)
	admin("GET /admin/connections/{name}", p.adminConnection)
	admin("POST /admin/connections/{name}", p.changeConnection)
	admin("GET /admin/invitations", p.adminInvitations)
	admin("POST /admin/invitations", p.invite)

	everywhere := http.NewServeMux()
	everywhere.Handle("GET /portal.css", http.FileServerFS(assets)) // needs no site and no session
	everywhere.Handle("/", switchLanguage(p.rp.Load(p.visits.record(mux))))
	return secure(everywhere)
}

// maxForm is the most a form of the portal's may send.
const maxForm = 64 << 10

// secure sets what every answer should have; pages say more.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}
