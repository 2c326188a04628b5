package oidcrp

import (
	"context"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// place is what is bound to one base URL: what was sealed at one is worth
// nothing at another.
type place struct {
	site        site
	owned       *Site  // as Config.Sites gave it; nil with BaseURL
	signIn      string // path of the application's sign-in page, or ""
	crossOrigin *http.CrossOriginProtection

	desk       *transaction.Desk
	sessions   *session.Keeper
	paused     *session.Keeper // logins that wait for a page of the application
	pausedName string          // of its cookie
	hint       hintCookie
	watched    jsonCookie[watched]
	tickets    *cookie.Box      // sealed steps of a sign-out
	requests   *cookie.Box      // authorization requests by reference
	needs      *cookie.Box      // what a login is to have
	vault      *session.Vault   // nil without a Store
	archive    *session.Archive // nil without a Store
}

// rooms are the rooms as no place has them yet: what they keep in the process,
// and their calls to the store, is one for all places.
type rooms struct {
	keys     *cookie.Keys
	desk     *transaction.Desk
	sessions *session.Keeper
	paused   *session.Keeper
	vault    *session.Vault
	archive  *session.Archive
	needs    *cookie.Box // with Config.Sites one for all: see LoginURL
}

// build makes the rooms, once everything was found right.
func (rp *RelyingParty) build(cfg *Config, keys *cookie.Keys) rooms {
	crossSite := false
	for _, p := range rp.providers.static {
		crossSite = crossSite || p.formPost
	}
	var records, marks session.Store = cfg.Store, nil
	if cfg.CookieSessions {
		records, marks = nil, cfg.Store
	}
	all := rooms{
		keys: keys,
		desk: transaction.New(transaction.Config{
			Keys: keys, Timeout: rp.loginTimeout, CrossSite: crossSite,
			Add: adder(cfg.Store), Now: rp.now,
		}),
		sessions: session.New(session.Config{
			Keys: keys, Store: records, Marks: marks, Client: rp.client,
			Lifetime: rp.lifetime, Idle: cfg.IdleTimeout, Now: rp.now, Warn: func(ctx context.Context, err error) { rp.storeFailed(ctx, "session", err) },
		}),
		paused: session.New(session.Config{
			Kind: "paused", Keys: keys, Store: records, Marks: marks,
			Lifetime: pauseTime, Now: rp.now,
		}),
	}
	if cfg.Store != nil {
		all.vault = session.NewVault(session.Config{Keys: keys, Store: cfg.Store, Now: rp.now})
		all.archive = session.NewArchive(keys, cookie.Site{}, cfg.Store, rp.now)
	}
	return all
}

// furnish puts the rooms to where rp lives.
func (rp *RelyingParty) furnish(at cookie.Site) {
	p, all := rp.place, rp.rooms
	if rp.signInPath != "" {
		p.signIn = p.site.path + rp.signInPath
	}
	p.crossOrigin = http.NewCrossOriginProtection()
	for _, origin := range append([]string{p.site.origin}, rp.crossOrigins...) {
		// All were found right, and the standard check takes what is none for
		// another origin.
		_ = p.crossOrigin.AddTrustedOrigin(origin)
	}
	p.desk = all.desk.At(at)
	p.sessions = all.sessions.At(at, rp.clearTokens)
	p.paused = all.paused.At(at, nil)
	p.pausedName = at.Cookie("paused", cookie.Options{}).Name()
	p.hint = hintCookie{newJSONCookie[idTokenHint](all.keys, at, "hint", rp.path("/logout"), rp.lifetime+hintOutlives)}
	p.watched = newJSONCookie[watched](all.keys, at, "watch", rp.path("/check-session"), rp.lifetime+hintOutlives)
	p.tickets = all.keys.Box("logout", at.ID())
	p.requests = all.keys.Box("request", at.ID())
	if p.needs = all.needs; p.needs == nil {
		p.needs = all.keys.Box("needs", at.ID())
	}
	if all.vault != nil {
		p.vault = all.vault.At(at)
		p.archive = all.archive.At(at)
	}
}

// callbackPath is where a provider's answers arrive, as browsers see it.
func (rp *RelyingParty) callbackPath(p *providerEntry) string { return rp.site.path + p.redirectPath }

// redirectURL is the redirect_uri of a login; "" where the provider room has the
// only one there is.
func (rp *RelyingParty) redirectURL(p *providerEntry) string {
	if rp.sites == nil {
		return ""
	}
	return rp.site.url(rp.callbackPath(p))
}

// postLogoutURL is where a provider sends the visitor after its sign-out.
func (rp *RelyingParty) postLogoutURL(p *providerEntry) string {
	return orDefault(p.postLogout, rp.site.url(rp.path("/logout")))
}

// session is a session here.
func (p *place) session(rec session.Record) *Session { return p.sessionAt(nil, rec) }

// sessionAt is session for who knows its provider.
func (p *place) sessionAt(at *providerEntry, rec session.Record) *Session {
	return &Session{rec: rec, site: p.owned, at: at}
}
