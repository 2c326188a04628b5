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

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// RelyingParty signs visitors in and out. It is an [http.Handler] for its own
// addresses and the source of the guards in front of the application's. It is
// immutable and safe for concurrent use; it needs no Close.
type RelyingParty struct {
	*common
	*place // nil with Config.Sites: see At
}

// common is what does not depend on where we live.
type common struct {
	prefix     string // "/auth"
	signInPath string // of the application's sign-in page, or ""
	providers  registry
	byAlias    map[string]string // Name, by what only links say
	preferred  string            // Name of the provider of a login that names none; "": see choose
	routes     map[string]route  // by escaped path below the base URL's
	aliases    map[string]route  // likewise, in lower case
	rooms      rooms
	sites      *sites // nil with BaseURL
	nowhere    *place // with sites, where nothing is at home

	ofProviders map[string]providerRoute // by path below prefix

	finder   *provider.Finder // nil: nobody is found by WebFinger
	pages    *pages.Renderer
	resuming sync.Map // handles of paused logins being resumed

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
	crossOrigins      []string // besides our own
	everywhere        bool     // every sign-out is
	siteName          string
	singleSignOn      bool
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
	rp := unchecked(&cfg, now)
	if err := rp.check(&cfg); err != nil {
		return nil, err
	}
	return rp, nil
}

// unchecked has what cfg says, as it says it.
func unchecked(cfg *Config, now func() time.Time) *RelyingParty {
	rp := &RelyingParty{common: &common{
		prefix:            orDefault(cfg.Prefix, defaultPrefix),
		signInPath:        cfg.SignInPath,
		ofProviders:       providerRoutes(),
		byAlias:           map[string]string{},
		preferred:         cfg.DefaultProvider,
		everywhere:        cfg.SignOutEverywhere,
		claims:            append([]string(nil), cfg.Claims...),
		lifetime:          orDefault(cfg.SessionLifetime, defaultSessionLifetime),
		loginTimeout:      orDefault(cfg.LoginTimeout, defaultLoginTimeout),
		passive:           cfg.Passive,
		onLogin:           cfg.OnLogin,
		onRefresh:         cfg.OnRefresh,
		locker:            cfg.Locker,
		stillAllowed:      cfg.StillAllowed,
		stillAllowedEvery: orDefault(cfg.StillAllowedEvery, defaultStillAllowedEvery),
		siteName:          cfg.SiteName,
		singleSignOn:      cfg.SingleSignOn,
		language:          cfg.Language,
		errorPage:         cfg.ErrorPage,
		onEvent:           cfg.OnEvent,
		log:               cfg.Logger,
		now:               now,
	}}
	if cfg.Claims == nil {
		rp.claims = defaultClaims
	}
	if rp.log == nil {
		rp.log = slog.Default()
	}
	rp.log = slog.New(carefulHandler{rp.log.Handler()})
	return rp
}

// client tells the session room what its markers go by. Sessions of a provider
// that was removed end anyway.
func (rp *RelyingParty) client(ctx context.Context, name string) (id string, logouts bool, err error) {
	p, err := rp.providers.known(ctx, name)
	if errors.Is(err, ErrNoProvider) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	return p.clientID, p.backchannel || p.frontchannel, nil
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
	serve   func(rp *RelyingParty, w http.ResponseWriter, r *http.Request) error
	of      *providerEntry // whose address it is; nil: everybody's
}

func (r route) here(rp *RelyingParty) bool { return r.of == nil || rp.allows(r.of.name) }

// path is the escaped path of one of our addresses as browsers see it.
func (rp *RelyingParty) path(p string) string { return rp.site.path + rp.prefix + p }

// fixedPaths are those of our addresses that are not callbacks, below the base
// URL's.
func (rp *RelyingParty) fixedPaths() []string {
	paths := []string{"/login", "/logout", "/me", "/initiate", "/check-session"}
	for _, p := range rp.providers.static {
		for below := range rp.ofProviders {
			if below != callbackBelow {
				paths = append(paths, below+p.name)
			}
		}
	}
	for i := range paths {
		paths[i] = rp.prefix + paths[i]
	}
	return paths
}

func (rp *RelyingParty) makeRoutes() map[string]route {
	routes := map[string]route{
		rp.prefix + "/login":    {"login", "GET", (*RelyingParty).serveLogin, nil},
		rp.prefix + "/logout":   {"logout", "GET POST", (*RelyingParty).serveLogout, nil},
		rp.prefix + "/me":       {"me", "GET", (*RelyingParty).serveMe, nil},
		rp.prefix + "/initiate": {"initiate", "GET POST", (*RelyingParty).serveInitiate, nil},
	}
	checks := route{"check-session", "GET", (*RelyingParty).serveCheckSession, nil}
	if rp.providers.source != nil {
		routes[rp.prefix+"/check-session"] = checks
	}
	for _, p := range rp.providers.static {
		for below, at := range rp.ofProviders {
			if !at.offered(p) {
				continue
			}
			path := rp.prefix + below + p.name
			if below == callbackBelow {
				path = p.redirectPath
			}
			routes[path] = route{at.step, at.methods, func(rp *RelyingParty, w http.ResponseWriter, r *http.Request) error {
				return at.serve(rp, w, r, p)
			}, p}
		}
		if p.manages {
			routes[rp.prefix+"/check-session"] = checks
		}
	}
	return routes
}

// route finds the address a request is for, if it is one of ours. A proxy may
// have cut off the base URL's path.
func (rp *RelyingParty) route(path string) (route, bool) {
	below, whole := strings.CutPrefix(path, rp.site.path)
	if whole {
		if found, ok := rp.routes[below]; ok && found.here(rp) {
			return found, true
		}
	}
	if found, ok := rp.routes[path]; ok && found.here(rp) {
		return found, true
	}
	if found, ok := rp.alias(below, path); ok {
		return found, true
	}
	if rest, ok := strings.CutPrefix(below, rp.prefix); ok && (rest == "" || rest[0] == '/') {
		if found, ok := rp.sourcedRoute(rest); ok {
			return found, true
		}
		return noRoute, true
	}
	return route{}, false
}

// noRoute is an address of ours that does not exist.
var noRoute = route{step: "login", serve: func(*RelyingParty, http.ResponseWriter, *http.Request) error { return errNotFound }}

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
	rp, r, ok := rp.enter(w, r)
	if !ok {
		return
	}
	found, ok := rp.route(r.URL.EscapedPath())
	if !ok {
		found = noRoute
	}
	rp.serve(found, w, r)
}

// serve answers one of our own addresses.
func (rp *RelyingParty) serve(to route, w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Cache-Control"], h["Referrer-Policy"], h["X-Content-Type-Options"] = noStore, noReferrer, noSniff
	if to.methods != "" && !allows(to.methods, r.Method) {
		h.Set("Allow", strings.ReplaceAll(to.methods, " ", ", "))
		rp.fail(to.step, w, r, errMethod)
		return
	}
	rp.fail(to.step, w, r, to.serve(rp, w, r))
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
