package oidcrp

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

// loginParams are the parameters of the login address that are not passed on
// to the provider as they are.
const (
	paramProvider   = "provider"
	paramReturnTo   = "return_to"
	paramFresh      = "fresh"      // the visitor wants to try again after a loop
	paramEverywhere = "everywhere" // of a sign-out: all of the user's sessions
)

// serveLogin is the login address. Without a provider it is the sign-in page;
// so is a name nobody has, for links that outlived their provider.
func (rp *RelyingParty) serveLogin(w http.ResponseWriter, r *http.Request) error {
	return rp.loginBy(w, r, r.URL.Query())
}

// loginBy is serveLogin with the parameters of the address.
func (rp *RelyingParty) loginBy(w http.ResponseWriter, r *http.Request, q url.Values) error {
	if !navigates(r) && !formPosted(r) {
		return errLoginRequired
	}
	opts := rp.optionsFrom(q)
	if rp.identifies() && opts.Provider == "" && q.Get(paramIdentifier) != "" {
		return rp.identify(w, r, q[paramIdentifier], opts)
	}
	p, err := rp.choose(r.Context(), opts.Provider)
	if err != nil {
		return rp.blame(nil, opts, err)
	}
	if p == nil {
		return rp.signInPage(w, r, opts, "", "")
	}
	// Anybody can send a browser here. Without this question a page elsewhere
	// could exchange the visitor's session for another; beginLogin has one for
	// visitors who bring none.
	if fromElsewhere(r) && rp.signedIn(w, r) {
		return rp.askToConfirm(w, r, p, opts, true)
	}
	if q.Get(paramFresh) != "" {
		rp.desk.Again(w, r)
		return rp.redirect(w, r, rp.LoginURL(opts))
	}
	return rp.beginLogin(w, r, opts, nil)
}

// optionsFrom reads what a login address may say. What nobody listed is left
// behind later, in the provider room.
func (rp *RelyingParty) optionsFrom(q url.Values) LoginOptions {
	opts := LoginOptions{
		Provider: q.Get(paramProvider), ReturnTo: rp.target(q.Get(paramReturnTo)),
		Prompt: q.Get("prompt"), LoginHint: q.Get("login_hint"),
	}
	for name, values := range q {
		switch name {
		case paramProvider, paramReturnTo, paramFresh, paramIdentifier, paramNeeds, "prompt", "login_hint":
		default:
			if len(values) == 1 {
				if opts.Params == nil {
					opts.Params = map[string]string{}
				}
				opts.Params[name] = values[0]
			}
		}
	}
	if name := rp.byAlias[opts.Provider]; name != "" {
		opts.Provider = name
	}
	return opts.withNeeds(rp.openNeeds(q.Get(paramNeeds)))
}

// choose finds the provider a login is for; nil if that is not decided.
func (rp *RelyingParty) choose(ctx context.Context, name string) (*providerEntry, error) {
	if name != "" {
		p, err := rp.find(ctx, name)
		if !errors.Is(err, ErrNoProvider) {
			return p, err
		}
	}
	if name == "" && rp.preferred != "" {
		p, err := rp.find(ctx, rp.preferred)
		if !errors.Is(err, ErrNoProvider) {
			return p, err
		}
	}
	return rp.only(ctx)
}

// askToConfirm asks the visitor whether the login is their wish. Following the
// link from our own page is the answer.
func (rp *RelyingParty) askToConfirm(w http.ResponseWriter, r *http.Request, p *providerEntry, opts LoginOptions, signedIn bool) error {
	opts.Provider = p.name
	page := pages.Page{
		Name: "confirm", RetryURL: rp.LoginURL(opts),
		Providers: []pages.Link{{Name: p.name, DisplayName: p.display}},
	}
	if signedIn {
		page.MessageKey = "confirm.switch"
	}
	return rp.page(w, r, page)
}

// signedIn reports whether a request brings a session.
func (rp *RelyingParty) signedIn(w http.ResponseWriter, r *http.Request) bool {
	s, err := rp.sessionNow(w, r)
	return s != nil || err != nil // not known is not "no"
}

// signInPage shows a button for each provider, on the application's page if it
// has one. message is the key of what to say there, and typed what led nowhere,
// both "" at first.
func (rp *RelyingParty) signInPage(w http.ResponseWriter, r *http.Request, opts LoginOptions, message, typed string) error {
	opts.Provider = ""
	// Behind a guard the application's page would send the visitor to itself.
	if rp.signIn != "" && !rp.isSignIn(r.URL.EscapedPath()) {
		q := rp.loginQuery(opts)
		if typed != "" {
			q.Set(paramIdentifier, typed)
		}
		return rp.redirect(w, r, rp.signIn+"?"+q.Encode())
	}
	links, err := rp.links(r.Context(), opts)
	if err != nil && len(links) == 0 {
		return rp.blame(nil, opts, err)
	}
	page := pages.Page{Name: "signin", MessageKey: message, Providers: links}
	rp.identifierForm(&page, opts)
	return rp.page(w, r, page)
}

// links are the buttons of a sign-in page. Where the source fails, the log has
// why, and those that do not need it are there.
func (rp *RelyingParty) links(ctx context.Context, opts LoginOptions) ([]pages.Link, error) {
	found, err := rp.listed(ctx)
	if err != nil && len(found) > 0 {
		rp.log.ErrorContext(ctx, "providers not listed", "err", err)
	}
	return rp.linksTo(found, opts), err
}

// Login starts a login from code. It answers the request: with a redirect to
// the provider, or to the sign-in page where opts and Config leave the choice,
// or with a problem document if the request does not navigate: 401, or 403 where
// only Scopes are to be asked for, with a "login" for the page to go to. Over a
// session, Scopes, MaxAge, ACRValues and Link keep it.
func (rp *RelyingParty) Login(w http.ResponseWriter, r *http.Request, opts LoginOptions) {
	rp, r, ok := rp.enter(w, r)
	if !ok {
		return
	}
	switch {
	case opts.ReturnTo != "":
		opts.ReturnTo = rp.chosen(r.Context(), opts.ReturnTo)
	case opts.needs() == nil && !opts.Link && rp.signedIn(w, r):
		opts.ReturnTo = rp.target("") // here it would begin once more, for ever
	default:
		opts.ReturnTo = rp.here(r)
	}
	if opts.Link {
		rp.fail("login", w, r, rp.beginLink(w, r, opts))
		return
	}
	rp.challenge(w, r, opts, nil)
}

// LoginURL returns the address that starts such a login, for links. It is a
// path of this site. Scopes, MaxAge and ACRValues are sealed in it; whoever
// follows another link is not asked for them, so a page that needs them has
// to have a guard. With [Config.Sites] it is that of a BaseURL without a path,
// unless it is called on what [RelyingParty.At] returns.
func (rp *RelyingParty) LoginURL(opts LoginOptions) string {
	if rp.place == nil {
		rp = &RelyingParty{rp.common, rp.nowhere}
	}
	if opts.ReturnTo == rp.site.home() {
		opts.ReturnTo = ""
	}
	if q := rp.loginQuery(opts).Encode(); q != "" {
		return rp.path("/login") + "?" + q
	}
	return rp.path("/login")
}

func (rp *RelyingParty) loginQuery(opts LoginOptions) url.Values {
	q := url.Values{}
	for name, value := range opts.Params {
		q.Set(name, value)
	}
	for name, value := range map[string]string{
		paramProvider: opts.Provider, paramReturnTo: opts.ReturnTo,
		"prompt": opts.Prompt, "login_hint": opts.LoginHint, paramNeeds: rp.sealNeeds(opts.needs()),
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// beginLogin sends the visitor to the provider, or to choose one. ReturnTo has
// been judged. A wish is asked for where that is no detour, and not checked: the
// page it is for does that, to a visitor who is signed in then.
func (rp *RelyingParty) beginLogin(w http.ResponseWriter, r *http.Request, opts LoginOptions, wish *LoginNeeded) error {
	s, err := rp.sessionFor(w, r, opts)
	if err != nil {
		return rp.because(nil, opts.ReturnTo, err)
	}
	if s != nil {
		return rp.startAgain(w, r, s, opts)
	}
	p, err := rp.choose(r.Context(), opts.Provider)
	if err != nil {
		return rp.blame(nil, opts, err)
	}
	if p == nil {
		opts.Provider = ""
		if rp.signIn != "" {
			return rp.signInPage(w, r, opts, "", "")
		}
		return rp.redirect(w, r, rp.LoginURL(opts))
	}
	if foreignForm(r) {
		// The browser shows no cookies to it, neither of a session nor of logins
		// under way. It shows them to the login address.
		return rp.redirect(w, r, rp.LoginURL(opts))
	}
	if p.tenantSupplied && fromElsewhere(r) {
		return rp.askToConfirm(w, r, p, opts, rp.signedIn(w, r))
	}
	begin := transaction.Begin{Purpose: transaction.Login, ReturnTo: opts.ReturnTo}
	demand(&begin, opts.MaxAge, opts.ACRValues)
	if wish != nil && !p.requiresACR {
		opts = opts.withNeeds(&LoginNeeded{MaxAge: wish.MaxAge, ACRValues: wish.ACRValues})
	}
	return rp.start(w, r, p, begin, opts)
}

// startSilent asks the provider without asking the visitor.
func (rp *RelyingParty) startSilent(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	begin := transaction.Begin{Purpose: transaction.Silent, ReturnTo: rp.here(r)}
	return rp.start(w, r, p, begin, LoginOptions{Prompt: "none"})
}

// start begins one attempt at a provider and redirects there.
func (rp *RelyingParty) start(w http.ResponseWriter, r *http.Request, p *providerEntry, b transaction.Begin, opts LoginOptions) error {
	ctx := r.Context()
	tag, err := p.Tag(ctx)
	if err != nil {
		return rp.stopped(p, b, err)
	}
	b.Provider, b.CallbackPath = tag, rp.callbackPath(p)
	tx, err := rp.desk.Start(w, r, b)
	if errors.Is(err, transaction.ErrLoop) && !b.Purpose.OverSession() {
		again := LoginOptions{Provider: p.name, ReturnTo: b.ReturnTo, Params: map[string]string{paramFresh: "1"}}.withNeeds(demanded(b))
		return &Error{Provider: p.name, RetryURL: rp.LoginURL(again), Err: err}
	}
	if err != nil {
		return rp.stopped(p, b, err)
	}
	address, err := p.AuthorizationURL(ctx, provider.Request{
		State: tx.State, Nonce: tx.Nonce, Challenge: tx.Challenge(), Scopes: opts.Scopes,
		Prompt: opts.Prompt, LoginHint: opts.LoginHint, UILocales: rp.lang(r), Params: opts.Params,
		MaxAge: opts.MaxAge, ACRValues: opts.ACRValues,
		RedirectURL: rp.redirectURL(p), Reference: rp.reference(p),
	})
	if err != nil {
		return rp.stopped(p, b, err)
	}
	rp.log.LogAttrs(ctx, slog.LevelDebug, "login started", slog.String("provider", p.name), slog.Int("attempt", b.Attempt))
	rp.emit(ctx, Event{Kind: LoginStarted, Provider: p.name, Issuer: p.issuer})
	return rp.redirect(w, r, address)
}

// redirect sends the browser on. A path is made absolute, behind our own
// origin; http.Redirect would clean it first and so judge it anew.
func (rp *RelyingParty) redirect(w http.ResponseWriter, r *http.Request, to string) error {
	if to[0] == '/' {
		to = rp.site.url(to)
	}
	h := w.Header()
	h["Cache-Control"], h["Location"] = noStore, []string{to}
	status := http.StatusSeeOther
	if isSafe(r.Method) {
		status = http.StatusFound
	}
	w.WriteHeader(status)
	return nil
}

// languageTag is what a tag looks like (RFC 5646 2.1), roughly.
var languageTag = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,5}$`)

// lang is the language tag of our pages, and of ui_locales, for a request. An
// application may have its answer from a cookie: what is no tag is none.
func (rp *RelyingParty) lang(r *http.Request) string {
	if rp.language != nil {
		var tag string
		rp.harmless(r, "Language", func() { tag = rp.language(r) })
		if languageTag.MatchString(tag) {
			return tag
		}
	}
	return rp.pages.Language(r.Header.Get("Accept-Language"))
}

func secretFunc(f func(context.Context) (Secret, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (secret string, err error) {
		err = guarded("ClientSecretFunc", func() error {
			s, err := f(ctx)
			secret = string(s)
			return err
		})
		return secret, err
	}
}

func fixedSecret(s Secret) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return string(s), nil }
}
