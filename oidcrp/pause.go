package oidcrp

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// pauseTime is how long a login waits for a page of the application.
const pauseTime = 10 * time.Minute

// Values of a paused login that are not the application's.
const (
	pausedReturnTo = internal + "return_to"
	pausedCeiling  = internal + "ceiling"
	pausedPath     = internal + "path"
	pausedOnly     = internal + "only"
	pausedLogin    = internal + "login"    // the transaction's id
	pausedIDToken  = internal + "id_token" // for the sign-out
)

// internal begins the keys of such values: none of the application's is kept
// that could be taken for one.
const internal = "\x00"

func isInternal(key string) bool { return strings.HasPrefix(key, internal) }

// pause keeps a verified login back if that is what OnLogin's answer says: path
// is then the page to send the visitor to. Any other answer is returned.
func (rp *RelyingParty) pause(w http.ResponseWriter, r *http.Request, answer error, d session.Draft, returnTo, idToken string) (path string, err error) {
	var to *Pause
	if !errors.As(answer, &to) {
		return "", answer
	}
	path, ok := rp.site.returnTo(rp.site.path + to.Path)
	if !ok || rp.owns(path) {
		return "", fmt.Errorf("%w: Pause.Path %q is no page of the application", ErrMisconfigured, to.Path)
	}
	if to.Only {
		d.Values = append(slices.Clone(d.Values), session.Value{Key: pausedOnly, Value: "1"})
	}
	before, _ := rp.paused.Load(r.Context(), headers{}, r, false) // what cannot be read expires
	if err := rp.keepPaused(w, r, d, path, returnTo, idToken); err != nil {
		return "", err
	}
	if !slices.Equal(before.Tokens(), d.Tokens) { // another login waited here
		rp.giveUpTokens(r.Context(), before.Draft(), d)
	}
	return path, nil
}

// keepPaused keeps a verified login until the browser comes back to path. What
// does not fit its cookie is left out: first the ID token, as a sign-out does
// without, then a long return URL, so that it leads to the home page.
func (rp *RelyingParty) keepPaused(w http.ResponseWriter, r *http.Request, d session.Draft, path, returnTo, idToken string) error {
	values := append(slices.Clone(d.Values), session.Value{Key: pausedPath, Value: path})
	if !d.Ceiling.IsZero() {
		values = append(values, session.Value{Key: pausedCeiling, Value: d.Ceiling.UTC().Format(time.RFC3339)})
		d.Ceiling = time.Time{}
	}
	keep := func() error {
		d.Values = slices.Clone(values)
		for _, v := range []session.Value{{Key: pausedReturnTo, Value: returnTo}, {Key: pausedIDToken, Value: idToken}} {
			if v.Value != "" {
				d.Values = append(d.Values, v)
			}
		}
		_, err := rp.paused.Start(r.Context(), w, r, d)
		return tooLarge(err)
	}
	err := keep()
	if idToken != "" && errors.As(err, new(*misfit)) {
		idToken = ""
		err = keep()
	}
	if home := rp.site.home(); len(returnTo) > len(home) && errors.As(err, new(*misfit)) {
		rp.log.WarnContext(r.Context(), "return URL replaced by the home page", "err", err)
		returnTo = home
		err = keep()
	}
	return err
}

// unpaused is what was kept, as it was.
func unpaused(rec session.Record) session.Draft {
	d := rec.Draft()
	d.Values = slices.DeleteFunc(d.Values, func(v session.Value) bool { return isInternal(v.Key) })
	if at, err := time.Parse(time.RFC3339, rec.Value(pausedCeiling)); err == nil {
		d.Ceiling = at
	}
	return d
}

// Paused returns the login that OnLogin paused in this browser, with the kept
// claims. It is [ErrLoginExpired] when there is none or ten minutes have
// passed: send the visitor to [RelyingParty.LoginURL] then; and
// [ErrStoreUnavailable] when that cannot be found out.
func (rp *RelyingParty) Paused(r *http.Request) (*Login, error) {
	rp, r, err := rp.locate(r)
	if err != nil {
		return nil, err
	}
	rec, err := rp.pausedRecord(headers{}, r)
	if err != nil {
		return nil, err
	}
	before, err := rp.sessionBefore(headers{}, r)
	if err != nil {
		return nil, err
	}
	return rp.loginOf(r, rec, before), nil
}

// pausesAt reports whether a request is for the page where a login of this
// browser waits: RequireLogin lets it in, since nobody can be signed in there.
func (rp *RelyingParty) pausesAt(r *http.Request) bool {
	rec, err := rp.paused.Load(r.Context(), headers{}, r, false)
	if err != nil {
		return false
	}
	return rp.waitsAt(r, rec)
}

// waitsAt reports whether a request is for the page where the login of rec
// waits.
func (rp *RelyingParty) waitsAt(r *http.Request, rec session.Record) bool {
	path, _, _ := strings.Cut(rec.Value(pausedPath), "?")
	at := r.URL.EscapedPath()
	return at == path || rp.site.path+at == path
}

func (rp *RelyingParty) pausedRecord(w http.ResponseWriter, r *http.Request) (session.Record, error) {
	rec, err := rp.paused.Load(r.Context(), w, r, false)
	if errors.Is(err, session.ErrNone) || err == nil && rp.owns(rec.Value(pausedPath)) {
		return rec, fmt.Errorf("%w: no login is paused here", ErrLoginExpired)
	}
	return rec, err
}

// loginOf is the login as OnLogin left it.
func (rp *RelyingParty) loginOf(r *http.Request, rec session.Record, before *Session) *Login {
	d := unpaused(rec)
	l := &Login{
		Provider: d.Provider, Issuer: d.Issuer, Subject: d.Subject, Scopes: d.Scopes,
		ACR: d.ACR, AMR: d.AMR, AuthTime: d.AuthTime, Roles: d.Roles, RolesUnknown: rec.Value(rolesUnknown) != "",
		ReturnTo: rec.Value(pausedReturnTo), Language: rp.pages.Language(rp.lang(r)), Session: before,
		verified: verified{claims: validate.Claims{}, values: map[string]string{}},
	}
	for name, value := range rp.session(rec).nested() {
		l.claims[name] = rawJSON(value)
	}
	if p := rp.peek(d.Provider); p != nil {
		l.owned = p.ownsEmail(l.claims)
	}
	for _, v := range d.Values {
		l.values[v.Key] = v.Value
	}
	return l
}

// Resume ends a pause: it calls update with the paused login, starts the
// session, and sends the visitor where the login was to lead. update may call
// Set, and change Roles and ReturnTo; OnLogin is not called again. A form sent
// twice calls it once, on each node; without a paused login who is signed in is
// sent to BaseURL. An error of update is handled as OnLogin's would be,
// *[Pause] to another page included; *[Refusal] shows its message and leaves
// the login paused, so that the visitor may go back to the page: what is to be
// final has to be remembered, and refused again. It answers the request, and
// refuses one that is not a POST from our own origin: no guard has seen it,
// since nobody is signed in yet.
func (rp *RelyingParty) Resume(w http.ResponseWriter, r *http.Request, update func(*Login) error) {
	rp, r, ok := rp.enter(w, r)
	if !ok {
		return
	}
	w.Header()["Cache-Control"] = noStore
	rp.fail("resume", w, r, rp.resume(w, r, update))
}

func (rp *RelyingParty) resume(w http.ResponseWriter, r *http.Request, update func(*Login) error) error {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return errMethod
	}
	if err := rp.sameOrigin(r); err != nil {
		return err
	}
	rec, err := rp.pausedRecord(w, r)
	if errors.Is(err, ErrLoginExpired) && rp.signedIn(w, r) {
		return rp.redirect(w, r, rp.site.home()) // the form was sent again
	}
	if err != nil {
		return rp.because(nil, "", err)
	}
	before, err := rp.sessionBefore(w, r)
	if err != nil {
		return rp.because(nil, "", err)
	}
	login := rp.loginOf(r, rec, before)
	p, err := rp.find(r.Context(), rec.Provider())
	if errors.Is(err, ErrNoProvider) {
		err = fmt.Errorf("%w: %w", ErrLoginExpired, err)
	}
	if err != nil {
		return rp.because(nil, login.ReturnTo, err)
	}
	if err := rp.mayAssert(r.Context(), p, login.claims, LoginOptions{ReturnTo: rp.target(login.ReturnTo)}); err != nil {
		return err
	}
	if rec.Value(pausedOnly) != "" && !rp.waitsAt(r, rec) {
		return rp.because(p, login.ReturnTo, fmt.Errorf("%w: it waits at another page", ErrLoginExpired))
	}
	// A form sent twice at once decides once, and the second goes where the
	// first leads. The login waits on should update turn the visitor away.
	if _, taken := rp.resuming.LoadOrStore(rec.Handle(), true); taken {
		return rp.redirect(w, r, rp.target(login.ReturnTo))
	}
	defer rp.resuming.Delete(rec.Handle())
	if _, err := rp.pausedRecord(w, r); errors.Is(err, ErrLoginExpired) { // just now
		return rp.redirect(w, r, rp.target(login.ReturnTo))
	} else if err != nil {
		return rp.because(p, login.ReturnTo, err)
	}
	return rp.decide(w, r, p, rec, login, judged("Resume", func() error { return update(login) }))
}

// decide does what update answered about the paused login of rec.
func (rp *RelyingParty) decide(w http.ResponseWriter, r *http.Request, p *providerEntry, rec session.Record, login *Login, answer error) error {
	returnTo := rp.chosen(r.Context(), login.ReturnTo)
	d := unpaused(rec)
	kept := rp.keep(login)
	d.Values, d.Roles = kept.Values, kept.Roles
	idToken := rec.Value(pausedIDToken)
	path, err := rp.pause(w, r, answer, d, returnTo, idToken)
	if err != nil {
		return rp.because(p, returnTo, err)
	}
	if path != "" {
		if err := rp.prolongTokens(r.Context(), p, d); err != nil {
			return rp.because(p, returnTo, err)
		}
		return rp.redirect(w, r, path)
	}
	err = rp.paused.Claim(r.Context(), rec)
	if errors.Is(err, session.ErrNone) { // on another node
		return rp.redirect(w, r, returnTo)
	}
	if err == nil {
		d.Tokens, err = rp.settleTokens(r.Context(), p, d)
	}
	if err == nil {
		err = rp.startSession(w, r, p, d, login.Session, rec.Started())
	}
	if err != nil {
		return rp.because(p, returnTo, err)
	}
	if idToken != "" {
		rp.hint.set(w, p, d, idToken)
	}
	rp.endPaused(w, r, rec)
	return rp.redirect(w, r, returnTo)
}

// dropPaused ends a login that waits: who signs in or out meanwhile has decided
// otherwise, and on a shared computer may be somebody else. d is the login that
// takes its place; zero at a sign-out.
func (rp *RelyingParty) dropPaused(w http.ResponseWriter, r *http.Request, d session.Draft) {
	rec, err := rp.paused.Load(r.Context(), w, r, false)
	if !errors.Is(err, session.ErrNone) {
		rp.endPaused(w, r, session.Record{})
		rp.giveUpTokens(r.Context(), rec.Draft(), d)
	}
}

// endPaused ends one, or that of the request if rec is zero.
func (rp *RelyingParty) endPaused(w http.ResponseWriter, r *http.Request, rec session.Record) {
	if err := rp.paused.End(r.Context(), w, r, rec); err != nil {
		rp.log.WarnContext(r.Context(), "paused login not removed", "err", err)
	}
}

// Update changes the application's own values of the visitor's session, "" to
// remove one, and renews the session id, and so its Handle, as every change of
// privilege should. The next login starts without them, see [Login.Set].
// It must be called before the response is written; this request keeps the
// session it has, though Update may be called again. It returns
// [ErrNotLoaded], [ErrAnonymous] also when the session was ended or updated by
// another request meanwhile, [ErrStoreUnavailable], or [ErrMisconfigured] when the session does not fit
// its cookie any more.
func (rp *RelyingParty) Update(w http.ResponseWriter, r *http.Request, values map[string]string) error {
	if _, err := sessionOf(r.Context()); err != nil {
		return err
	}
	rp, r, err := rp.locate(r)
	if err != nil {
		return err
	}
	c := loadedIn(r.Context())
	if !c.of(rp) {
		return ErrNotLoaded // but another relying party's, or another site's
	}
	rec, err := rp.sessions.Renew(r.Context(), w, r, c.latest(), func(d *session.Draft) { rp.setValues(d, values) })
	if errors.Is(err, session.ErrNone) { // ended, or renewed by another request
		return fmt.Errorf("%w: %w", ErrAnonymous, err)
	}
	if err != nil {
		return tooLarge(err)
	}
	c.renewed.Store(&rec)
	return nil
}
