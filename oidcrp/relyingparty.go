//go:build planned

package oidcrp

import (
	"context"
	"html/template"
	"net/http"
	"time"
)

// RelyingParty signs visitors in and out. It is an [http.Handler] for its own
// addresses and the source of the guards in front of the application's. It is
// immutable and safe for concurrent use; it needs no Close.
type RelyingParty struct {
}

// New checks cfg, reporting all mistakes at once with errors.Join, each saying
// what to change. It makes no network call and starts nothing, so a provider
// that is down does not keep the application from starting.
func New(cfg Config) (*RelyingParty, error) { panic("planned") }

// ServeHTTP answers the package's own addresses below [Config.Prefix] and the
// providers' callback paths, and 404 to anything else. Load and Protect answer
// them too, so mounting it is needed only where neither is used.
func (rp *RelyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("planned") }

// Load answers the package's own addresses, and otherwise calls next with the
// visitor's session in the request's context, if there is one. The
// ResponseWriter is passed on as it is.
func (rp *RelyingParty) Load(next http.Handler) http.Handler { panic("planned") }

// Protect is Load with RequireLogin for everything: only our own addresses
// are open.
func (rp *RelyingParty) Protect(next http.Handler) http.Handler { panic("planned") }

// RequireLogin calls next for signed-in visitors only. Others are sent to
// sign in and come back to the same address if they are navigating; anything
// else, such as fetch, gets 401 and a problem document (RFC 9457) whose
// "login" member is where to sign in. Unsafe methods and WebSocket upgrades
// from foreign origins get 403.
func (rp *RelyingParty) RequireLogin(next http.Handler) http.Handler { panic("planned") }

// Require is RequireLogin for visitors who also pass all policies. It panics
// when a policy reads a claim that [Config.Claims] does not keep, or a role
// that no provider can give.
func (rp *RelyingParty) Require(policies ...Policy) func(http.Handler) http.Handler {
	panic("planned")
}

// TryLogin signs anonymous visitors in without asking them anything, where the
// only provider still knows them (prompt=none), and otherwise calls next
// without a session. A failed attempt is not repeated for LoginTimeout.
func (rp *RelyingParty) TryLogin(next http.Handler) http.Handler { panic("planned") }

// LoginOptions are choices for one login.
type LoginOptions struct {
	Provider  string            // Name; "": the only one, or the sign-in page
	ReturnTo  string            // path of this site; "": BaseURL
	Prompt    string            // see Provider.Prompt, which beats it
	LoginHint string            // see Provider.LoginHint, which beats it
	Params    map[string]string // those of Provider.DynamicParams

	Scopes    []string       // ask for these too, keeping the session
	MaxAge    *time.Duration // ask for a sign-in no older, and check it
	ACRValues []string       // ask for one of these, and check it
	Link      bool           // keep the session's user and add an identity
}

// Login starts a login from code. It answers the request.
func (rp *RelyingParty) Login(w http.ResponseWriter, r *http.Request, opts LoginOptions) {
	panic("planned")
}

// LoginURL returns the address that starts such a login, for links.
func (rp *RelyingParty) LoginURL(opts LoginOptions) string { panic("planned") }

// LogoutOptions are choices for one sign-out.
type LogoutOptions struct {
	ReturnTo   string // path of this site to end on; "": the signed-out page
	LocalOnly  bool   // leave the provider's session alone
	Everywhere bool   // end all sessions of this user
}

// Logout ends the session from code, and the provider's where configured
// (RP-Initiated Logout 1.0). It answers the request. The caller has checked
// that the request is the user's own wish.
func (rp *RelyingParty) Logout(w http.ResponseWriter, r *http.Request, opts LogoutOptions) {
	panic("planned")
}

// Paused returns the login that OnLogin paused in this browser. It is
// [ErrLoginExpired] when there is none or ten minutes have passed.
func (rp *RelyingParty) Paused(r *http.Request) (*Login, error) { panic("planned") }

// Resume ends a pause: it calls update with the paused login, starts the
// session, and sends the visitor where the login was to lead. An error of
// update is handled as OnLogin's would be: *[Refusal], *[Pause] to another
// page. It answers the request.
func (rp *RelyingParty) Resume(w http.ResponseWriter, r *http.Request, update func(*Login) error) {
	panic("planned")
}

// Update changes the application's own values of the visitor's session, "" to
// remove one, and renews the session id, as every change of privilege should.
// It must be called before the response is written; this request keeps the
// session it has.
func (rp *RelyingParty) Update(w http.ResponseWriter, r *http.Request, values map[string]string) error {
	panic("planned")
}

// RedirectURLs lists what to register at the providers, by provider name: the
// redirect URI, then the post-logout redirect URI.
func (rp *RelyingParty) RedirectURLs() map[string][2]string { panic("planned") }

// Ready fetches the metadata and keys of every provider and reports all
// failures. It is for start-up and deployment checks; requests never wait for
// it.
func (rp *RelyingParty) Ready(ctx context.Context) error { panic("planned") }

// Status describes the providers without any network call, for health checks.
func (rp *RelyingParty) Status() Status { panic("planned") }

// Status is what [RelyingParty.Status] returns.
type Status struct {
	Providers []ProviderStatus
}

// ProviderStatus describes one provider.
type ProviderStatus struct {
	Name     string
	Ready    bool      // metadata is known
	Fetched  time.Time // when it was last fetched
	LastErr  error     // of the last attempt; nil after a success
	NextTry  time.Time // no attempt before
	KeyCount int
}

// Shutdown waits for work that outlives requests, until ctx is done. Calling
// it is optional.
func (rp *RelyingParty) Shutdown(ctx context.Context) error { panic("planned") }

// Policy decides whether a signed-in visitor may pass: nil passes,
// [ErrForbidden] is answered 403. It is never called with a nil Session.
type Policy func(ctx context.Context, s *Session) error

// HasRole passes sessions with at least one of roles.
func HasRole(roles ...string) Policy { panic("planned") }

// HasClaim passes sessions whose kept claim is one of values: as a string, a
// boolean ("true"), a number as the token spells it, or a member of an array
// of these. With no values the claim must be there and not null.
func HasClaim(name string, values ...string) Policy { panic("planned") }

// EmailDomain passes sessions with a verified e-mail address of exactly one of
// domains. It reads the claims email and email_verified.
func EmailDomain(domains ...string) Policy { panic("planned") }

// FromProvider passes sessions that signed in with one of providers.
func FromProvider(names ...string) Policy { panic("planned") }

// AnyOf passes when one of policies does. With none it never passes.
func AnyOf(policies ...Policy) Policy { panic("planned") }

// View is what a page of the application shows about signing in, for
// html/template: pass it as a field of the template's data. Its methods may be
// called on the zero View.
//
//	{{if .Auth.SignedIn}}Hello {{.Auth.User.Name}} {{.Auth.SignOutButton}}
//	{{else}}{{.Auth.SignInButton}}{{end}}
//	{{if .Auth.User.HasRole "admin"}}<a href="/admin">Admin</a>{{end}}
type View struct{}

// View returns the view of a request, with the session that was loaded.
func (rp *RelyingParty) View(r *http.Request) View { panic("planned") }

// SignedIn reports whether there is a session.
func (v View) SignedIn() bool { panic("planned") }

// User returns the session; nil, and yet safe to call methods on, for an
// anonymous visitor.
func (v View) User() *Session { panic("planned") }

// Allowed reports whether the visitor passes all policies.
func (v View) Allowed(policies ...Policy) bool { panic("planned") }

// Language returns the language tag our pages would use for this request.
func (v View) Language() string { panic("planned") }

// Providers returns a link for each provider that is not hidden; signing in
// comes back to this page, or to the page named by return_to on a sign-in
// page.
func (v View) Providers() []ProviderLink { panic("planned") }

// ProviderLink is one way to sign in.
type ProviderLink struct {
	Name        string
	DisplayName string
	URL         string
}

// SignInURL returns the address that signs in and comes back to this page.
func (v View) SignInURL() string { panic("planned") }

// SignInButton returns a link to SignInURL with class "oidcrp-signin". Its
// text is in the page's language unless given.
func (v View) SignInButton(text ...string) template.HTML { panic("planned") }

// SignOutButton returns a form with a button of class "oidcrp-signout" that
// signs out. Its text is in the page's language unless given.
func (v View) SignOutButton(text ...string) template.HTML { panic("planned") }

// Event is something worth auditing or counting.
type Event struct {
	Kind     EventKind
	Time     time.Time
	ID       string        // correlation id of the request
	Provider string        // Name
	Issuer   string        // where known
	Subject  string        // where known
	Session  string        // handle, where there is one
	Reason   string        // stable code of a refusal, such as "nonce"; else ""
	Duration time.Duration // since the login or request started
	Err      error         // cause of a refusal or failure; nil otherwise
}

// EventKind says what happened.
type EventKind string

// The kinds of [Event].
const (
	LoginStarted   EventKind = "login started"
	LoginSucceeded EventKind = "login succeeded"
	LoginFailed    EventKind = "login failed"
	SessionEnded   EventKind = "session ended"
	AccessDenied   EventKind = "access denied"
	StoreFailed    EventKind = "store failed"
	ProviderFailed EventKind = "provider failed"
	TokenRefreshed EventKind = "token refreshed"
)

// UserInfoPolicy says whether UserInfo is asked, and what a failure means.
type UserInfoPolicy int

// The values of [UserInfoPolicy].
const (
	// UserInfoOff never asks.
	UserInfoOff UserInfoPolicy = iota
	// UserInfoOptional asks, and continues without its claims, with a warning,
	// when that fails.
	UserInfoOptional
	// UserInfoRequired asks, and fails the login when that fails.
	UserInfoRequired
)

// NoEndpoint blanks an advertised endpoint in [Endpoints].
const NoEndpoint = "-"

// Endpoints are endpoint addresses that replace the metadata's; [NoEndpoint]
// removes one, and "" leaves it as advertised.
type Endpoints struct {
	Authorization string
	Token         string
	UserInfo      string
	JWKS          string
	EndSession    string
	PAR           string
	Revocation    string
}

// NewMemoryStore returns a Store in memory, for one node and for tests. It
// holds at most about 100,000 records; beyond that the ones that expire first
// go. They are lost when the process ends.
func NewMemoryStore() Store { panic("planned") }

// DefaultMessages returns a copy of the built-in texts of our pages by
// language tag and key.
func DefaultMessages() map[string]map[string]string { panic("planned") }
