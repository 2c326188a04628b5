package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Load answers the package's own addresses, and otherwise calls next with the
// visitor's session in the request's context, if there is one. The
// ResponseWriter is passed on as it is. While a Store cannot be asked,
// requests that bring a session get 503.
//
// Responses to signed-in visitors are marked "no-store", so that Back after a
// sign-out shows nothing; a handler may set another Cache-Control.
func (rp *RelyingParty) Load(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp, r, ok := rp.enter(w, r)
		if !ok {
			return
		}
		if ours, ok := rp.route(r.URL.EscapedPath()); ok {
			rp.serve(ours, w, r)
			return
		}
		if r, ok = rp.load(w, r); ok {
			next.ServeHTTP(w, r)
		}
	})
}

// Protect is Load with RequireLogin for everything: only our own addresses
// and [Config.SignInPath] are open.
func (rp *RelyingParty) Protect(next http.Handler) http.Handler {
	guarded := rp.RequireLogin(next)
	return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rp.loadedAt(r.Context()).isSignIn(r.URL.EscapedPath()) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
}

// isSignIn reports whether a path is the application's sign-in page. A proxy
// may have cut off the base URL's path.
func (rp *RelyingParty) isSignIn(path string) bool {
	return rp.signIn != "" && (path == rp.signIn || rp.site.path+path == rp.signIn)
}

// RequireLogin calls next for signed-in visitors only. Others are sent to
// sign in and come back to the same address if they are navigating; anything
// else, such as fetch, gets 401 and a problem document (RFC 9457) whose
// "login" member is where to sign in. It may have the query parameter return_to
// already, the page that asked: to say where signing in leads set it to a whole
// path, do not append it. A form is not sent again: after signing in the visitor
// is back on the page it was on. A form of another site leads to the login
// address, which asks first if somebody is signed in.
//
// Unsafe methods and WebSocket upgrades that come with a session get 403 if
// they come from a foreign origin, or with neither Origin nor Sec-Fetch-Site,
// one of which every browser sends. The page of a [Pause] is open to the
// visitor whose login waits there.
//
// Where neither Load nor Protect stands in front of it, it answers the
// package's own addresses too, as far as they reach it: a guard around single
// routes also needs Load in front of them, or rp mounted below Config.Prefix.
func (rp *RelyingParty) RequireLogin(next http.Handler) http.Handler {
	return rp.Require()(next)
}

// Require is RequireLogin for visitors who also pass all policies. It panics
// where nobody could ever pass: when a policy reads a claim that
// [Config.Claims] does not keep, or a role where no provider has a RolesClaim,
// names a provider that is not there, names nothing at all, wants a domain where
// every provider's tenants write any address, two acr at once or none, or a
// sign-in of no age, or is nil.
//
// What a sign-in can satisfy is asked of the session's provider, for all
// policies at once, if the others pass: see [LoginNeeded]. A fetch gets 401
// with reason step_up_needed, or 403 with consent_needed where only scopes are
// missing. Anonymous visitors are asked for it while they sign in, where there
// is one provider.
func (rp *RelyingParty) Require(policies ...Policy) func(http.Handler) http.Handler {
	ask := rp.mustKeep(policies)
	policies = slices.Clone(policies)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rp, r, ok := rp.enter(w, r)
			if !ok {
				return
			}
			// In front of everything without Load, it would guard the callback
			// too, and no login would ever end.
			if !loadedIn(r.Context()).of(rp) {
				if ours, ok := rp.route(r.URL.EscapedPath()); ok {
					rp.serve(ours, w, r)
					return
				}
			}
			if r, ok = rp.load(w, r); !ok {
				return
			}
			s := FromContext(r.Context())
			if s == nil && len(policies) == 0 && rp.pausesAt(r) {
				next.ServeHTTP(w, r)
				return
			}
			if s == nil {
				rp.challenge(w, r, LoginOptions{ReturnTo: rp.here(r)}, ask)
				return
			}
			err := rp.sameOrigin(r)
			if err == nil {
				err = passes(r.Context(), s, policies)
			}
			if err != nil {
				rp.fail("guard", w, r, rp.askAgain(w, r, s, err, ask))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// mustKeep panics where nobody could ever pass, as regexp.MustCompile does: it
// is a mistake in the program, and found when the program starts. It returns
// what a login can be asked for at once.
func (rp *RelyingParty) mustKeep(policies []Policy) (ask *LoginNeeded) {
	n := needsOf(policies)
	if n.mistake != "" {
		panic("oidcrp: Require: " + n.mistake)
	}
	for _, name := range n.providers {
		if rp.providers.source == nil && rp.providers.byName[name] == nil {
			panic(fmt.Sprintf("oidcrp: Require: a policy names the provider %q, which is none of Config.Providers: correct the name", name))
		}
	}
	for _, claim := range n.claims {
		if !slices.Contains(rp.claims, claim) {
			panic(fmt.Sprintf("oidcrp: Require: a policy reads the claim %q, which sessions do not keep: add it to Config.Claims", claim))
		}
	}
	givesRoles := func(p *providerEntry) bool { return p.rolesClaim != "" }
	if n.roles && rp.onLogin == nil && rp.providers.source == nil && !slices.ContainsFunc(rp.providers.static, givesRoles) {
		panic("oidcrp: Require: a policy reads roles, which no provider gives: set Provider.RolesClaim")
	}
	writesAny := func(p *providerEntry) bool { return p.anyAddress && len(p.emailDomains) == 0 }
	if n.addresses && rp.providers.source == nil && !slices.ContainsFunc(rp.providers.static, func(p *providerEntry) bool { return !writesAny(p) }) {
		panic("oidcrp: Require: EmailDomain: any tenant of each provider can write any address: set the EmailDomains of one that is tenant-supplied; of one with several tenants ask for the tid claim instead, or configure each as a provider of its own")
	}
	return n.ask
}

// passes asks all policies; a panic in one refuses. A sign-in is needed only
// where it would help: what another policy refuses, it refuses before.
func passes(ctx context.Context, s *Session, policies []Policy) (err error) {
	if len(policies) == 0 {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("policy panicked: %v", v)
		}
	}()
	var needed *LoginNeeded
	for _, policy := range policies {
		err := policy(ctx, s)
		if err == nil {
			continue
		}
		var one *LoginNeeded
		if !errors.As(err, &one) {
			return err
		}
		needed = one.and(needed)
	}
	if needed != nil {
		return needed
	}
	return nil
}

func isForbidden(err error) bool { return errors.Is(err, ErrForbidden) }

// TryLogin signs anonymous visitors in without asking them anything, where the
// only provider still knows them (prompt=none), and otherwise calls next
// without a session. After a failed attempt, and after a sign-out, none is made
// for LoginTimeout, or until the browser has signed in again. A session that
// was ended from elsewhere is begun anew at the next such page while the
// provider knows the visitor: OnLogin has to refuse whoever is to stay out.
// With several providers, and for requests that are no browser's navigation by
// Sec-Fetch-Mode, it is Load: search engines see the page at once. A browser
// that keeps no cookies is shown the page about that, after two rounds.
func (rp *RelyingParty) TryLogin(next http.Handler) http.Handler {
	return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp := rp.loadedAt(r.Context())
		try := FromContext(r.Context()) == nil && isSafe(r.Method) &&
			r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
			rp.desk.SilentAllowed(r)
		if !try {
			next.ServeHTTP(w, r)
			return
		}
		p, err := rp.only(r.Context())
		if err == nil && (p == nil || p.asks || p.tenantSupplied) {
			next.ServeHTTP(w, r)
			return
		}
		name := ""
		if err == nil {
			name, err = p.name, rp.startSilent(w, r, p)
		}
		if err != nil {
			rp.log.WarnContext(r.Context(), "silent login not started", "provider", name, "err", err)
			// What is slow to answer, provider or source, is not waited for at every
			// page.
			rp.desk.SilentFailed(w, r)
			next.ServeHTTP(w, r)
		}
	}))
}

// Header values shared by all responses: appending to them copies.
var (
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	noSniff    = []string{"nosniff"}
	varyCookie = []string{"Cookie"}
)

// load looks for the session of a request, once, however many guards nest. It
// reports false when it has answered the request itself.
func (rp *RelyingParty) load(w http.ResponseWriter, r *http.Request) (*http.Request, bool) {
	ctx := r.Context()
	if loadedIn(ctx).of(rp) {
		return r, true
	}
	c := &loaded{Context: ctx, rp: rp}
	err := rp.loadSession(w, r, c, rp.active(r))
	if err != nil {
		rp.fail("session", w, r, err)
		return r, false
	}
	h := w.Header()
	if h["Vary"] == nil {
		h["Vary"] = varyCookie
	} else {
		h.Add("Vary", "Cookie")
	}
	if c.signedIn {
		h["Cache-Control"] = noStore
	}
	return r.WithContext(c), true
}

// active reports whether a request counts as activity.
func (rp *RelyingParty) active(r *http.Request) bool {
	if rp.passive == nil {
		return true
	}
	var passive bool
	rp.harmless(r, "Passive", func() { passive = rp.passive(r) })
	return !passive
}

// loadSession finds the session and whether it may go on.
func (rp *RelyingParty) loadSession(w http.ResponseWriter, r *http.Request, c *loaded, active bool) error {
	rec, err := rp.sessions.Load(r.Context(), w, r, active)
	if errors.Is(err, session.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := rp.known(r.Context(), rec.Provider())
	if err != nil && !errors.Is(err, ErrNoProvider) {
		return err
	}
	if p == nil || !p.Accepts(rec.Issuer()) {
		// Its provider was removed from the configuration, or is another by now.
		rp.endTokens(r.Context(), rec.Draft(), false)
		return rp.sessions.End(r.Context(), w, r, rec)
	}
	if rp.stillAllowed != nil && rp.now().Sub(rec.Checked()).Abs() >= rp.stillAllowedEvery { // or some clock was wrong
		rec, err = rp.askStillAllowed(w, r, p, rec)
		if errors.Is(err, session.ErrNone) {
			return nil // ended while the application thought
		}
		if err != nil {
			return err
		}
	}
	c.session, c.signedIn = *rp.sessionAt(p, rec), true
	rp.desk.Loaded(w, r)
	return nil
}

// askStillAllowed asks the application whether a session may go on.
func (rp *RelyingParty) askStillAllowed(w http.ResponseWriter, r *http.Request, p *providerEntry, rec session.Record) (session.Record, error) {
	ctx, s := r.Context(), rp.sessionAt(p, rec)
	err := guarded("StillAllowed", func() error {
		ctx, cancel := context.WithTimeout(ctx, hookTime)
		defer cancel()
		return rp.stillAllowed(ctx, s)
	})
	var refusal *Refusal
	if errors.As(err, &refusal) {
		rp.endSession(w, r, s, "refused")
		return rec, err
	}
	if err != nil {
		return rec, fmt.Errorf("%w: StillAllowed: %w", errHook, err)
	}
	return rp.sessions.Checked(ctx, w, r, rec)
}

// hookTime is how long the application may think while a visitor waits.
const hookTime = 10 * time.Second

// errHook is a hook of the application that failed: nothing was decided.
var errHook = errors.New("application hook failed")

// guarded calls a hook of the application. A panic there refuses, and must
// not take the connection down with it.
func guarded(hook string, call func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s panicked: %v", hook, v)
		}
	}()
	return call()
}

// harmless calls a hook that decides nothing about a login. A panic in it is
// logged, and costs what it would have said; it reports whether there was none.
func (rp *RelyingParty) harmless(r *http.Request, hook string, call func()) bool {
	err := guarded(hook, func() error { call(); return nil })
	if err != nil {
		rp.log.ErrorContext(r.Context(), "hook panicked", "err", err)
	}
	return err == nil
}

// challenge answers a request that needs a login first. See beginLogin.
func (rp *RelyingParty) challenge(w http.ResponseWriter, r *http.Request, opts LoginOptions, wish *LoginNeeded) {
	w.Header()["Cache-Control"] = noStore
	if !navigates(r) && !formPosted(r) {
		err := errLoginRequired
		if needed := opts.needs(); needed != nil && FromContext(r.Context()) != nil {
			err = needed
		}
		rp.fail("guard", w, r, err)
		return
	}
	rp.fail("login", w, r, rp.beginLogin(w, r, opts, wish))
}

var errLoginRequired = fmt.Errorf("%w: sign in first", ErrAnonymous)
