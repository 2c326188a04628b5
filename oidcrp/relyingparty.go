package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// RelyingParty signs visitors in and out. It is an [http.Handler] for its own
// addresses and the source of the guards in front of the application's. It is
// immutable and safe for concurrent use; it needs no Close.
type RelyingParty struct {
	site      site
	prefix    string // "/auth"
	signIn    string // path of the application's sign-in page, or ""
	providers []*providerEntry
	byName    map[string]*providerEntry
	routes    map[string]route // by escaped path

	desk       *transaction.Desk
	sessions   *session.Keeper
	paused     *session.Keeper // logins that wait for a page of the application
	pausedName string          // of its cookie
	resuming   sync.Map        // handles of those being resumed
	hint       hintCookie
	watched    jsonCookie[watched]
	tickets    *cookie.Box      // sealed steps of a sign-out
	requests   *cookie.Box      // authorization requests by reference
	needs      *cookie.Box      // what a login is to have
	archive    *session.Archive // nil without a store
	finder     *provider.Finder // nil: nobody is found by WebFinger
	pages      *pages.Renderer

	vault   *session.Vault // nil without a Store
	locker  Locker
	flights flights
	spent   spent
	resting resting

	claims            []string
	lifetime          time.Duration
	loginTimeout      time.Duration
	passive           func(*http.Request) bool
	onLogin           func(context.Context, *Login) error
	onRefresh         func(context.Context, *Login) error
	stillAllowed      func(context.Context, *Session) error
	stillAllowedEvery time.Duration
	crossOrigin       *http.CrossOriginProtection
	siteName          string
	language          func(*http.Request) string
	errorPage         func(http.ResponseWriter, *http.Request, *Error)
	onEvent           func(context.Context, Event)
	log               *slog.Logger
	now               func() time.Time
}

// New checks cfg, reporting all mistakes at once with errors.Join, each saying
// what to change. It makes no network call and starts nothing, so a provider
// that is down does not keep the application from starting.
func New(cfg Config) (*RelyingParty, error) { return newAt(cfg, time.Now) }

// newAt is New with a clock, for tests.
func newAt(cfg Config, now func() time.Time) (*RelyingParty, error) {
	rp := &RelyingParty{
		prefix:            orDefault(cfg.Prefix, defaultPrefix),
		byName:            map[string]*providerEntry{},
		claims:            append([]string(nil), cfg.Claims...),
		lifetime:          orDefault(cfg.SessionLifetime, defaultSessionLifetime),
		loginTimeout:      orDefault(cfg.LoginTimeout, defaultLoginTimeout),
		passive:           cfg.Passive,
		onLogin:           cfg.OnLogin,
		onRefresh:         cfg.OnRefresh,
		locker:            cfg.Locker,
		stillAllowed:      cfg.StillAllowed,
		stillAllowedEvery: orDefault(cfg.StillAllowedEvery, defaultStillAllowedEvery),
		crossOrigin:       http.NewCrossOriginProtection(),
		siteName:          cfg.SiteName,
		language:          cfg.Language,
		errorPage:         cfg.ErrorPage,
		onEvent:           cfg.OnEvent,
		log:               cfg.Logger,
		now:               now,
	}
	if cfg.Claims == nil {
		rp.claims = defaultClaims
	}
	if rp.log == nil {
		rp.log = slog.Default()
	}
	rp.log = slog.New(carefulHandler{rp.log.Handler()})
	if err := rp.check(&cfg); err != nil {
		return nil, err
	}
	return rp, nil
}

// build furnishes the rooms, once everything was found right.
func (rp *RelyingParty) build(cfg *Config, keys *cookie.Keys, at cookie.Site) {
	crossSite := false
	for _, p := range rp.providers {
		crossSite = crossSite || p.formPost
	}
	rp.desk = transaction.New(transaction.Config{
		Keys: keys, Site: at, Timeout: rp.loginTimeout, CrossSite: crossSite,
		Add: adder(cfg.Store), Now: rp.now,
	})
	var records, marks session.Store = cfg.Store, nil
	if cfg.CookieSessions {
		records, marks = nil, cfg.Store
	}
	rp.sessions = session.New(session.Config{
		Keys: keys, Site: at, Store: records, Marks: marks, Client: rp.client,
		Lifetime: rp.lifetime, Idle: cfg.IdleTimeout, Now: rp.now, Warn: func(ctx context.Context, err error) { rp.storeFailed(ctx, "session", err) },
		Cleared: rp.clearTokens,
	})
	rp.paused = session.New(session.Config{
		Kind: "paused", Keys: keys, Site: at, Store: records, Marks: marks,
		Lifetime: pauseTime, Now: rp.now,
	})
	rp.pausedName = at.Cookie("paused", cookie.Options{}).Name()
	if cfg.Store != nil {
		rp.vault = session.NewVault(session.Config{Keys: keys, Site: at, Store: cfg.Store, Now: rp.now})
	}
	rp.hint = hintCookie{newJSONCookie[idTokenHint](keys, at, "hint", rp.path("/logout"), rp.lifetime+hintOutlives)}
	rp.watched = newJSONCookie[watched](keys, at, "watch", rp.path("/check-session"), rp.lifetime+hintOutlives)
	rp.tickets = keys.Box("logout", at.ID())
	rp.requests = keys.Box("request", at.ID())
	rp.needs = keys.Box("needs", at.ID())
	if cfg.Store != nil {
		rp.archive = session.NewArchive(keys, at, cfg.Store, adder(cfg.Store), rp.now)
	}
}

// client tells the session room what its markers go by. Sessions of a provider
// that was removed end anyway.
func (rp *RelyingParty) client(name string) (id string, logouts bool) {
	p := rp.byName[name]
	if p == nil {
		return "", false
	}
	return p.clientID, p.backchannel || p.frontchannel
}

// adder is the store's optional Add (SET NX).
func adder(s Store) func(context.Context, string, []byte, time.Time) (bool, error) {
	a, ok := s.(interface {
		Add(context.Context, string, []byte, time.Time) (bool, error)
	})
	if !ok {
		return nil
	}
	return func(ctx context.Context, key string, b []byte, expiry time.Time) (added bool, err error) {
		err = guarded("Store.Add", func() (err error) {
			added, err = a.Add(ctx, key, b, expiry)
			return err
		})
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrStoreUnavailable, err)
		}
		return added, err
	}
}

// route is one of our own addresses.
type route struct {
	step    string // see Error.Step
	methods string // "GET POST"
	serve   func(w http.ResponseWriter, r *http.Request) error
}

// path is the escaped path of one of our addresses as browsers see it.
func (rp *RelyingParty) path(p string) string { return rp.site.path + rp.prefix + p }

// fixedPaths are those of our addresses that are not callbacks.
func (rp *RelyingParty) fixedPaths() []string {
	paths := []string{rp.path("/login"), rp.path("/logout"), rp.path("/me"), rp.path("/initiate"), rp.path("/check-session")}
	for _, p := range rp.providers {
		paths = append(paths, rp.requestPath(p.name), rp.jwksPath(p.name), rp.path("/backchannel-logout/"+p.name), rp.path("/frontchannel-logout/"+p.name))
	}
	return paths
}

func (rp *RelyingParty) makeRoutes() map[string]route {
	routes := map[string]route{
		rp.path("/login"):    {"login", "GET", rp.serveLogin},
		rp.path("/logout"):   {"logout", "GET POST", rp.serveLogout},
		rp.path("/me"):       {"me", "GET", rp.serveMe},
		rp.path("/initiate"): {"initiate", "GET POST", rp.serveInitiate},
	}
	for _, p := range rp.providers {
		routes[p.callback] = route{"callback", "GET POST", func(w http.ResponseWriter, r *http.Request) error {
			return rp.serveCallback(w, r, p)
		}}
		if p.backchannel {
			routes[rp.path("/backchannel-logout/"+p.name)] = route{"backchannel-logout", "POST", func(w http.ResponseWriter, r *http.Request) error {
				return rp.serveBackchannelLogout(w, r, p)
			}}
		}
		if p.frontchannel {
			routes[rp.path("/frontchannel-logout/"+p.name)] = route{"frontchannel-logout", "GET", func(w http.ResponseWriter, r *http.Request) error {
				return rp.serveFrontchannelLogout(w, r, p)
			}}
		}
		if p.clientKeys {
			routes[rp.jwksPath(p.name)] = route{"jwks", "GET", func(w http.ResponseWriter, r *http.Request) error {
				return rp.serveJWKS(w, r, p)
			}}
		}
		if p.manages {
			routes[rp.path("/check-session")] = route{"check-session", "GET", rp.serveCheckSession}
		}
		if p.byReference {
			routes[rp.requestPath(p.name)] = route{"request", "GET", func(w http.ResponseWriter, r *http.Request) error {
				return rp.serveRequest(w, r, p)
			}}
		}
	}
	return routes
}

// route finds the address a request is for, if it is one of ours. A proxy may
// have cut off the base URL's path.
func (rp *RelyingParty) route(path string) (route, bool) {
	if found, ok := rp.routes[path]; ok {
		return found, true
	}
	if rp.site.path != "" {
		if found, ok := rp.routes[rp.site.path+path]; ok {
			return found, true
		}
	}
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(path, rp.site.path), rp.prefix); ok && (rest == "" || rest[0] == '/') {
		return route{"login", "", func(http.ResponseWriter, *http.Request) error { return errNotFound }}, true
	}
	return route{}, false
}

var errNotFound = errors.New("no such address")

// owns reports whether a return URL leads to one of our own addresses, where
// it would go round in circles.
func (rp *RelyingParty) owns(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	if path == rp.signIn && path != "" {
		return true
	}
	_, ours := rp.route(path)
	return ours
}

// ServeHTTP answers the package's own addresses below [Config.Prefix] and the
// providers' callback paths, and 404 to anything else. Load and Protect answer
// them too, so mounting it is needed only where neither is used. Mount it with
// Prefix in the path: do not strip it.
func (rp *RelyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	found, ok := rp.route(r.URL.EscapedPath())
	if !ok {
		found = route{"login", "", func(http.ResponseWriter, *http.Request) error { return errNotFound }}
	}
	rp.serve(found, w, r)
}

// serve answers one of our own addresses.
func (rp *RelyingParty) serve(to route, w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if to.methods != "" && !allows(to.methods, r.Method) {
		h.Set("Allow", strings.ReplaceAll(to.methods, " ", ", "))
		rp.fail(to.step, w, r, errMethod)
		return
	}
	rp.fail(to.step, w, r, to.serve(w, r))
}

var (
	errMethod     = errors.New("method not allowed")
	errBadRequest = errors.New("request cannot be read")
)

func allows(methods, method string) bool {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for m := range strings.FieldsSeq(methods) {
		if m == method {
			return true
		}
	}
	return false
}

// Addresses are what has to be registered at a provider.
type Addresses struct {
	Provider   string // Name
	Redirect   string // redirect_uri
	PostLogout string // post_logout_redirect_uri
	Initiate   string // initiate_login_uri

	BackchannelLogout  string // backchannel_logout_uri; "" unless Provider.BackchannelLogout
	FrontchannelLogout string // frontchannel_logout_uri, with frontchannel_logout_session_required; "" unless Provider.FrontchannelLogout

	// Request is where request objects are fetched, with more behind a "?" at each
	// login: a pattern of request_uris, such as Request + "*". "" unless
	// Provider.RequestObject is by reference.
	Request string

	JWKS string // jwks_uri; "" without ClientKeys and a self-signed certificate
}

// RedirectURLs lists what to register at the providers, in the order of
// [Config.Providers]. At those with a [Registration] it happens by itself.
func (rp *RelyingParty) RedirectURLs() []Addresses {
	var all []Addresses
	for _, p := range rp.providers {
		a := Addresses{
			Provider: p.name, Redirect: rp.site.url(p.callback), PostLogout: p.postLogout,
			Initiate: rp.site.url(rp.path("/initiate")),
		}
		if p.backchannel {
			a.BackchannelLogout = rp.site.url(rp.path("/backchannel-logout/" + p.name))
		}
		if p.frontchannel {
			a.FrontchannelLogout = rp.site.url(rp.path("/frontchannel-logout/" + p.name))
		}
		if p.byReference {
			a.Request = rp.site.url(rp.requestPath(p.name))
		}
		if p.clientKeys {
			a.JWKS = rp.site.url(rp.jwksPath(p.name))
		}
		all = append(all, a)
	}
	return all
}

// Ready fetches the metadata and keys of every provider and reports all
// failures. It is for start-up and deployment checks; requests never wait for
// it. It registers no client: the first login does.
func (rp *RelyingParty) Ready(ctx context.Context) error {
	errs := make([]error, len(rp.providers))
	var wg sync.WaitGroup
	for i, p := range rp.providers {
		wg.Go(func() {
			if err := p.Ready(ctx); err != nil {
				errs[i] = &Error{Step: "ready", Provider: p.name, Err: err}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Status describes the providers without any network call, for health checks.
// A provider nobody has used yet is not ready: do not make an application's
// readiness depend on it unless Ready was called.
func (rp *RelyingParty) Status() Status {
	var s Status
	for _, p := range rp.providers {
		at := p.Status()
		status := ProviderStatus{Name: p.name, Ready: at.Ready, Fetched: at.Fetched, NextTry: at.NextTry, Keys: at.Keys}
		if at.LastErr != nil {
			status.LastError = at.LastErr.Error()
		}
		s.Providers = append(s.Providers, status)
	}
	return s
}

// Status is what [RelyingParty.Status] returns.
type Status struct {
	Providers []ProviderStatus
}

// ProviderStatus describes one provider.
type ProviderStatus struct {
	Name      string
	Ready     bool      // metadata is known; false until a login or Ready fetched it
	Fetched   time.Time // when it was last fetched; zero if never
	LastError string    // of the last attempt; "" after a success
	NextTry   time.Time // no attempt before
	Keys      int       // known signing keys
}

// Shutdown waits for work that outlives requests, such as a refresh of tokens
// or metadata, until ctx is done, whose error it then returns. Calling it is
// optional.
func (rp *RelyingParty) Shutdown(ctx context.Context) error {
	rp.flights.wait(ctx)
	for _, p := range rp.providers {
		p.Wait(ctx)
	}
	return ctx.Err()
}
