package oidcrp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// LoginNeeded is the answer of a [Policy] that a new sign-in at the provider
// can satisfy; with none of its fields set it asks to sign in now. The guard
// sends who navigates to the provider of the session, and back to the same
// page, or the one a form was on; nothing is sent again. What comes back is
// checked, and must be of the same user. The session then goes on under
// another id. A provider that does not do what was asked, and a policy that
// asks again although it did, end with a page, and the session goes on, after a
// consent that granted less under another id;
// [Config.ErrorPage] finds what was needed in the [Error] with errors.As.
type LoginNeeded struct {
	MaxAge    *time.Duration // nil: not asked for; zero: sign in now
	ACRValues []string       // one of them
	Scopes    []string       // all of them
}

// Error says what is needed.
func (e *LoginNeeded) Error() string {
	var parts []string
	if e.MaxAge != nil {
		parts = append(parts, "no older than "+e.MaxAge.String())
	}
	if len(e.ACRValues) > 0 {
		parts = append(parts, "acr "+strings.Join(e.ACRValues, " or "))
	}
	if len(e.Scopes) > 0 {
		parts = append(parts, "scope "+strings.Join(e.Scopes, " "))
	}
	if len(parts) == 0 {
		return "a new sign-in is needed"
	}
	return "a sign-in is needed: " + strings.Join(parts, ", ")
}

// Is reports whether target is [ErrConsentNeeded] and further scopes are all
// that is needed.
func (e *LoginNeeded) Is(target error) bool {
	return target == ErrConsentNeeded && !e.signIn() || target == errStepUpNeeded && e.signIn()
}

// signIn reports whether consent to further scopes would not do.
func (e *LoginNeeded) signIn() bool {
	return e.MaxAge != nil || len(e.ACRValues) > 0 || len(e.Scopes) == 0
}

// and is what both need, so that it can be asked for at once. Where no acr
// serves both, one of them has to come first.
func (e *LoginNeeded) and(other *LoginNeeded) *LoginNeeded {
	if e == nil || other == nil {
		return orOther(e, other)
	}
	both := &LoginNeeded{MaxAge: orOther(e.MaxAge, other.MaxAge), ACRValues: e.ACRValues, Scopes: slices.Clone(e.Scopes)}
	if other.MaxAge != nil && *other.MaxAge < *both.MaxAge {
		both.MaxAge = other.MaxAge
	}
	if common := commonTo(e.ACRValues, other.ACRValues); len(common) > 0 {
		both.ACRValues = common
	}
	for _, scope := range other.Scopes {
		if !slices.Contains(both.Scopes, scope) {
			both.Scopes = append(both.Scopes, scope)
		}
	}
	return both
}

func orOther[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// commonTo are the values of both lists, where none asks for nothing.
func commonTo(a, b []string) []string {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	var common []string
	for _, v := range a {
		if slices.Contains(b, v) {
			common = append(common, v)
		}
	}
	return common
}

var (
	// errStepUpNeeded: a script met a guard that wants a stronger sign-in.
	errStepUpNeeded = errors.New("a newer or stronger sign-in is needed")
	// errStepUpFailed: the provider was asked for one, and it is not there.
	errStepUpFailed = errors.New("the sign-in is not new or strong enough")
)

// AuthenticatedWithin passes users who signed in at the provider no longer than
// d ago, by auth_time, and sends others back to it with max_age in whole
// seconds: see [LoginNeeded]. Two clocks may differ by a minute, so that a
// minute more passes too. Use it for pages where it matters that it is the
// user who sits there.
func AuthenticatedWithin(d time.Duration) Policy { return agePolicy(d).check }

type agePolicy time.Duration

func (p agePolicy) check(ctx context.Context, s *Session) error {
	d := time.Duration(p)
	needed := &LoginNeeded{MaxAge: &d}
	if n := needsIn(ctx, s); n != nil {
		n.demand(d > 0, fmt.Sprintf("AuthenticatedWithin(%s) passes nobody: give a positive duration", d))
		n.ask = n.ask.and(needed)
		return nil
	}
	if at := s.AuthTime(); !at.IsZero() && nowIn(ctx).Sub(at)-clockSkew <= d {
		return nil
	}
	return needed
}

// nowIn is the time by the clock of the relying party that loaded a session.
func nowIn(ctx context.Context) time.Time {
	if c := loadedIn(ctx); c != nil && c.rp != nil {
		return c.rp.now()
	}
	return time.Now()
}

// ACR passes sessions whose acr is one of values, and sends others back to the
// provider with acr_values: see [LoginNeeded]. What the values mean is between
// you and the provider.
func ACR(values ...string) Policy { return acrPolicy(slices.Clone(values)).check }

type acrPolicy []string

func (p acrPolicy) check(ctx context.Context, s *Session) error {
	needed := &LoginNeeded{ACRValues: p}
	if n := needsIn(ctx, s); n != nil {
		n.demand(len(p) > 0, "ACR names no value, so that nobody passes: name one")
		for _, v := range p {
			n.demand(v != "" && !strings.ContainsAny(v, " \t\r\n"), fmt.Sprintf("ACR(%q) is no acr: give values without blanks, each as a string of its own", v))
		}
		n.demand(n.ask == nil || len(commonTo(n.ask.ACRValues, p)) > 0, "two ACR have no value in common, so that nobody passes: name one in both")
		n.ask = n.ask.and(needed)
		return nil
	}
	if slices.Contains(p, s.ACR()) {
		return nil
	}
	return needed
}

// notStronger names a step-up that the provider did not make for what it is.
func notStronger(tx *transaction.Transaction, err error) error {
	invalid, ok := errors.AsType[*validate.Error](err)
	if tx.Purpose == transaction.StepUp && ok && (invalid.Check == "auth_time" || invalid.Check == "acr") {
		return fmt.Errorf("%w: %w: %w", errStepUpFailed, demanded(tx.Begin), err)
	}
	return err
}

// askAgain sends a visitor to the provider for what a policy found missing,
// where that is possible; otherwise err says what is. all is what the guard's
// policies want anyway: to ask for one at a time could lose the other.
func (rp *RelyingParty) askAgain(w http.ResponseWriter, r *http.Request, s *Session, err error, all *LoginNeeded) error {
	var needed *LoginNeeded
	if !errors.As(err, &needed) {
		return err
	}
	p := rp.still(r.Context(), s.Provider())
	if p == nil {
		return err
	}
	if needed.signIn() && needed.MaxAge == nil && len(needed.ACRValues) == 0 {
		needed = needed.and(&LoginNeeded{MaxAge: new(time.Duration)})
	}
	if needed.signIn() && all != nil {
		needed = needed.and(&LoginNeeded{MaxAge: all.MaxAge, ACRValues: all.ACRValues})
	}
	if !navigates(r) && !formPosted(r) {
		return needed
	}
	opts := needed.options(p, rp.here(r))
	if askedJustNow(s, opts.ReturnTo, rp.now()) {
		e := &Error{Provider: p.name, RetryURL: rp.LoginURL(opts), Err: needed}
		if needed.signIn() {
			e.Err = fmt.Errorf("%w: still after it was asked for: %w", errStepUpFailed, needed)
		}
		return e
	}
	return rp.startAgain(w, r, s, opts)
}

// options are those of the login that is needed.
func (e *LoginNeeded) options(p *providerEntry, returnTo string) LoginOptions {
	return LoginOptions{Provider: p.name, ReturnTo: returnTo, MaxAge: e.MaxAge, ACRValues: e.ACRValues, Scopes: e.Scopes}
}

// needs is what a login is to have; nil: nothing.
func (o LoginOptions) needs() *LoginNeeded {
	if o.MaxAge == nil && len(o.ACRValues) == 0 && len(o.Scopes) == 0 {
		return nil
	}
	return &LoginNeeded{MaxAge: o.MaxAge, ACRValues: o.ACRValues, Scopes: o.Scopes}
}

// withNeeds is o with other needs.
func (o LoginOptions) withNeeds(e *LoginNeeded) LoginOptions {
	o.MaxAge, o.ACRValues, o.Scopes = nil, nil, nil
	if e != nil {
		o.MaxAge, o.ACRValues, o.Scopes = e.MaxAge, e.ACRValues, e.Scopes
	}
	return o
}

// paramNeeds of the login address is what a login is to have. It is sealed:
// what an application did not list, nobody else can ask a provider for.
const paramNeeds = "needs"

// sealNeeds is "" for none.
func (rp *RelyingParty) sealNeeds(e *LoginNeeded) string {
	if e == nil {
		return ""
	}
	b, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	value, _, err := rp.needs.Seal(b, nil, rp.now())
	if err != nil {
		return "" // asked for by the page it leads to
	}
	return value
}

// openNeeds takes what cannot be read for none: whoever may see a page is
// decided there.
func (rp *RelyingParty) openNeeds(value string) *LoginNeeded {
	if value == "" {
		return nil
	}
	e := &LoginNeeded{}
	b, _, err := rp.needs.Open(nil, value, nil)
	if err != nil || json.Unmarshal(b, e) != nil {
		return nil
	}
	return e
}

// demand has the callback check what a login asks for.
func demand(b *transaction.Begin, maxAge *time.Duration, acrValues []string) {
	if maxAge != nil {
		b.HasMaxAge, b.MaxAge = true, *maxAge
	}
	b.ACR = acrValues
}

// demanded is what the callback checks.
func demanded(b transaction.Begin) *LoginNeeded {
	if !b.HasMaxAge && len(b.ACR) == 0 && len(b.Scopes) == 0 {
		return nil
	}
	e := &LoginNeeded{ACRValues: b.ACR, Scopes: b.Scopes}
	if b.HasMaxAge {
		e.MaxAge = &b.MaxAge
	}
	return e
}

// A session remembers for which page its provider was asked last, and when: a
// page that still wants more then is not helped by asking.
const askedValue = internal + "asked"

// justNow is longer than a browser takes from the callback to the page.
const justNow = time.Minute

func askedFor(returnTo string, at time.Time) session.Value {
	return session.Value{Key: askedValue, Value: pageHash(returnTo) + strconv.FormatInt(at.Unix(), 10)}
}

func askedJustNow(s *Session, returnTo string, now time.Time) bool {
	at, ours := strings.CutPrefix(s.rec.Value(askedValue), pageHash(returnTo))
	sec, err := strconv.ParseInt(at, 10, 64)
	return ours && err == nil && now.Sub(time.Unix(sec, 0)).Abs() < justNow
}

// pageHash is short: a page that has another's is shown to ask once too rarely.
func pageHash(returnTo string) string {
	path, _, _ := strings.Cut(returnTo, "?")
	sum := sha256.Sum256([]byte(path))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}
