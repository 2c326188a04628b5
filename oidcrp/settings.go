package oidcrp

import (
	"context"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

// Config is everything a [RelyingParty] needs. The zero value of every field
// but BaseURL and Providers is the safe, usual choice. [New] copies it.
type Config struct {
	// BaseURL is where browsers find the application, such as
	// "https://app.example.com" or "https://example.com/app/". It is the only
	// truth about where we live: Host and forwarded headers decide nothing.
	// Plain http is accepted on loopback names only. A proxy may pass the path
	// on whole or cut BaseURL's path off; both work.
	BaseURL string

	// Sites finds the site of a request by its Host, for one instance that
	// serves several base URLs, such as a domain for each tenant; BaseURL must
	// be empty then, and CookieKeys set. Host decides nothing else. It comes in
	// lower case, as "app.acme.example", without a port or a dot at its end, and
	// IPv6 as "2001:db8::1"; anybody can send any, so a host that has no site
	// should cost little. [ErrNoSite] is answered 421, any other error, a panic
	// and what takes longer than ten seconds 503, and a Site that New would not
	// take as BaseURL 500, with what to change in the log.
	//
	// A Site is used for ten seconds, for up to a thousand hosts, and requests
	// that wait for the same host ask once. Sessions, logins under way, what has
	// ended and tokens belong to the site they came from; see [RelyingParty.At].
	Sites func(ctx context.Context, host string) (Site, error)

	// CookieKeys seal every cookie and record: at least 32 random bytes each,
	// newest first; what is plainly not random is refused. To rotate, append
	// the new key on every node, then move it to the front, then drop the old
	// one once SessionLifetime and a day have passed. With KeepOffline or
	// Registration keep it until those records were written again, at most 400
	// days: what lies under a dropped key is lost. They print as they are: do
	// not log a Config. On a loopback BaseURL they may be left out: random ones
	// are made, with a warning, and sessions end with the process.
	CookieKeys [][]byte

	// Providers are the OpenID Providers visitors may sign in with.
	Providers []Provider

	// ProviderSource gives more providers at run time, beside Providers, which
	// may then be empty. The zero value is none.
	ProviderSource ProviderSource

	// Prefix is the path, below BaseURL, of the package's own addresses.
	// Everything below it is ours: what we do not know there is 404.
	// Default "/auth".
	Prefix string

	// Store keeps sessions on the server. Nil: one sealed cookie per session.
	// Any alexedwards/scs store fits; see [Store].
	Store Store

	// CookieSessions keeps sessions in the cookie although a Store is set,
	// which then holds only what has ended, logins under way, and tokens.
	CookieSessions bool

	// Locker makes refreshes single across several nodes. See [Locker].
	Locker Locker

	// Claims names what a session keeps: exact top-level claims, or JSON
	// Pointers (RFC 6901) such as "/realm_access/roles". Policies and [Claims]
	// see only these. Nil: name, email, email_verified, preferred_username. One
	// that a login does not have is left out: some providers give these to
	// [Provider.UserInfo] only.
	Claims []string

	// SessionLifetime ends a session however active its user is: a minute to
	// 400 days. Default 12 hours.
	SessionLifetime time.Duration

	// IdleTimeout ends a session that saw no request for so long: at least a
	// minute. Zero: off.
	IdleTimeout time.Duration

	// Passive reports requests that do not count as activity, such as
	// polling. The package's own "me" address never counts. Nil: all others
	// count.
	Passive func(*http.Request) bool

	// LoginTimeout is how long one login may take, and so the lifetime of its
	// nonce. Default 10 minutes, at most an hour.
	LoginTimeout time.Duration

	// OnLogin runs after everything was verified and before the session
	// starts. Nil accepts every verified login. It may call [Login.Set];
	// returning *[Refusal] shows its message and starts no session; returning
	// *[Pause] sends the visitor to a page of the application first; any other
	// error is logged and shown as a plain failure, but [ErrForbidden],
	// [ErrProviderUnavailable] and the like with page and status of their own. A
	// panic refuses the login. ctx ends after ten seconds. Values of the session
	// before are not carried over: see [Login.Session].
	OnLogin func(ctx context.Context, login *Login) error

	// OnRefresh runs after a refresh, with the claims of the new ID token and of
	// UserInfo; Login.Session is the session, nil for a user who is not here. It may
	// change Roles and call [Login.Set]. Claims and Roles that did not come again
	// stay as they were. Returning *[Refusal] ends the session, or forgets the user
	// who is not here; with KeepOffline, where one refresh serves them all, it does
	// both, and ends all sessions of the user. Any other error is logged and leaves the
	// claims as they are.
	// It is not called where a refresh brings no ID token, or where UserInfo was to
	// be asked and could not be; one of [Provider.ClaimSources] that fails costs its
	// claims alone.
	OnRefresh func(ctx context.Context, login *Login) error

	// StillAllowed is asked whether a session may go on, at the first request
	// after each StillAllowedEvery, and after a refresh that brought an ID token.
	// *[Refusal] ends the session, and after a refresh with KeepOffline all sessions
	// of the user; any other error answers 503 and leaves the
	// session as it is. The request that meets the end is answered 403 (reason
	// "refused"), and those after it are anonymous. ctx ends after ten seconds.
	StillAllowed func(ctx context.Context, s *Session) error

	// StillAllowedEvery is the interval of StillAllowed. Default 5 minutes.
	StillAllowedEvery time.Duration

	// CrossOrigin lists origins, besides our own, whose scripts may send
	// unsafe requests and open WebSockets through the guards, such as
	// "https://admin.example.com". No CORS headers are sent: a CORS handler
	// belongs outside Load or Protect, where it answers preflights itself.
	// Browsers bring the session from origins of the same site only.
	CrossOrigin []string

	// SiteName is the application's name on our pages. "" leaves it out.
	SiteName string

	// Language chooses the language tag of our pages and of ui_locales for a
	// request; a tag without messages falls back to its base language, then to
	// English. Nil, and for "": the best match of Accept-Language.
	Language func(*http.Request) string

	// Messages adds languages, or replaces single texts, by language tag and
	// message key, such as "signin.with"; English ("en") and Thai ("th") are
	// built in. What to translate is DefaultMessages()["en"]; keep {provider},
	// {site} and {user}. Texts left out are English.
	Messages map[string]map[string]string

	// Pages replaces built-in pages by template name: "signin", "signedout",
	// "signout", "error", "denied", "confirm", "register" (of package
	// accounts), "formpost", or "layout" around them all. Templates see .Lang and .Dir ("ltr" or "rtl"), .SiteName,
	// .Home, .Title, .Message, .Label of the button, .Cancel of the link away,
	// .Status, .ID, .RetryURL, .User, .Providers (each with .Name,
	// .DisplayName, .URL and .Label), .Action and .Fields (each .Name and
	// .Value) of the form, which on "signin" is a GET with an "identifier" and
	// there with SingleSignOn, also as .SingleSignOn, and WebFinger only, .Inputs of "register" (each .Name, .Label,
	// .Value, .Autocomplete, .Required and .Error), .Text "key" for any message, .Style and .Script for
	// the elements our Content-Security-Policy admits, and in "layout"
	// .Content. Nothing from elsewhere loads on these pages.
	Pages *template.Template

	// SignInPath is the application's own sign-in page, relative to BaseURL:
	// "/welcome" is https://example.com/app/welcome. It is used instead of the
	// built-in one. [RelyingParty.View] gives it its buttons.
	SignInPath string

	// LoginPath and LogoutPath are further addresses of login and logout, relative
	// to BaseURL, for links and forms that were made for another system, such as
	// "/Account/Login/ExternalLogin" and "/Account/Login/LogOff" of Power Pages.
	// There ReturnUrl is another name for return_to, and neither paths nor names
	// of parameters regard case. "": none.
	LoginPath, LogoutPath string

	// DefaultProvider is the Name of the provider that a login goes to which names
	// none: one of Providers or, with a ProviderSource, perhaps of that. "": the only
	// one there is, or the sign-in page.
	DefaultProvider string

	// SignOutEverywhere makes each sign-out end all sessions of the identity, as
	// [LogoutOptions.Everywhere] does for one.
	SignOutEverywhere bool

	// ErrorPage answers failed navigations instead of the built-in pages:
	// errors.Is tells failures apart. It must write e.Status; Cache-Control and
	// Retry-After are set already. Nothing of e.Err should reach the visitor.
	// Requests that do not navigate get their problem document all the same.
	ErrorPage func(w http.ResponseWriter, r *http.Request, e *Error)

	// OnEvent receives every event worth auditing or counting, synchronously.
	// It must be safe for concurrent use. A panic in it is logged and ignored.
	OnEvent func(ctx context.Context, e Event)

	// Logger receives one line for each refusal and failure, for "signed in" and
	// "signed out", and warnings. A line's message is the Kind of its event, so
	// that logging from OnEvent too doubles it. Nil: slog.Default(). Tokens,
	// codes, cookies and claims are never logged.
	Logger *slog.Logger

	// SingleSignOn has the sign-in page ask for an e-mail address, which leads
	// to the provider with its domain in [Provider.EmailDomains]. Whose domain
	// is nobody's is back on the page. Only the domain is looked at, so that
	// the page tells nobody who has an account; the provider gets the address
	// as login_hint. With one provider in Providers and no ProviderSource
	// nobody is asked. A page of the application's own asks in a form that
	// sends identifier by GET to the login address, and on to the provider,
	// which its Content-Security-Policy has to allow; SignInPath gets
	// identifier back where it led nowhere.
	SingleSignOn bool

	// WebFinger lists the hosts that may be asked who signs their users in
	// (Discovery 2), such as "example.com" or "example.com:8443"; a host of
	// this machine may have http:// in front. A visitor then may type an e-mail
	// address or URL at one of them into the sign-in page, or come with it as
	// identifier= of the login address; at a host with a port the address is
	// typed as acct:alice@example.com:8443, because without acct: it reads as a
	// URL (Discovery 2.1.2). The answer must be the Issuer of one of Providers. No
	// other host is ever asked. With a single provider there is nothing to
	// choose, and so no sign-in page to type into. Nil: off.
	WebFinger []string

	// HTTPClient makes the calls to providers: for proxies, private CAs and
	// client certificates. Redirects are refused and bodies and time limited
	// whatever it says. Nil: a client of our own. Tenant-supplied providers
	// never use it.
	HTTPClient *http.Client
}

// Provider is one OpenID Provider as this application uses it.
type Provider struct {
	// Name identifies the provider in addresses and logs: lower-case letters,
	// digits, "-" and "_". It may be empty when there is only one provider,
	// which is then called "default".
	Name string

	// Aliases are further names it has as provider= of a login address, in links
	// that were made for another system. They are compared exactly, and no other
	// provider may have them. One of a [ProviderSource] has none.
	Aliases []string

	// DisplayName is the text of its sign-in button. Default: Name.
	DisplayName string

	// Hidden leaves it out of the sign-in page; links that name it still work.
	Hidden bool

	// Issuer is the provider's issuer identifier, compared exactly.
	Issuer string

	// IssuerTemplate accepts many issuers that differ in one path segment,
	// which must equal the token's tid claim, such as
	// "https://login.microsoftonline.com/{tenantid}/v2.0". Issuer is then where
	// the metadata is, ".../common/v2.0" or ".../organizations/v2.0". Whose
	// login it was is the issuer and subject of the token, never its e-mail
	// address: any tenant can write any address.
	IssuerTemplate string

	// Tenants limits IssuerTemplate to these tenant ids. Nil: every tenant.
	Tenants []string

	// Issuers lists further issuers this provider's tokens may carry. A tid
	// claim must name a path segment of the issuer, and a key whose publisher
	// says for which issuer it signs, signs for no other.
	Issuers []string

	// Audiences lists audiences trusted beside ClientID. The audience is
	// always validated: ClientID must be in it, and azp must name it where
	// there are several.
	Audiences []string

	// MetadataURL is where the metadata is, when it is neither at Issuer +
	// "/.well-known/openid-configuration" (Discovery 4) nor, that being missing,
	// at the place of RFC 8414.
	MetadataURL string

	// Endpoints replaces single endpoints of the metadata. With Authorization,
	// Token and JWKS given no metadata is fetched, unless MetadataURL is set.
	Endpoints Endpoints

	// ClientID and ClientSecret are what the provider gave the application. Without
	// a secret, and without ClientKeys that sign, it is a public client, with a
	// warning unless ClientAuth says what it is.
	ClientID     string
	ClientSecret Secret

	// Registration has the provider give ClientID and ClientSecret at the
	// first login instead. Nil: they are given here.
	Registration *Registration

	// ClientSecretFunc is asked for the secret at each use instead, so that it
	// can be rotated without a restart.
	ClientSecretFunc func(context.Context) (Secret, error)

	// ClientAuth is the token endpoint authentication method (Core 9):
	// "client_secret_basic", "client_secret_post", "none",
	// "client_secret_jwt", "private_key_jwt", "tls_client_auth" or
	// "self_signed_tls_client_auth". Empty: chosen from the metadata and from
	// what is configured, never by trying. The TLS methods (RFC 8705) are never
	// chosen: HTTPClient shows the certificate, to mtls_endpoint_aliases where
	// there are any.
	ClientAuth string

	// ClientKeys sign client assertions and request objects, newest first, or
	// decrypt tokens, which is off until there is a key for it: see
	// [ClientKey.Algorithm]. With one, ID tokens must be encrypted, and UserInfo
	// may be. The public halves are served at Prefix + "/jwks/" + Name, see
	// [RelyingParty.RedirectURLs]. To rotate, append the new key, then move it
	// to the front, then drop the old one.
	ClientKeys []ClientKey

	// AssertionAudience is the aud of client assertions. Empty: the issuer.
	// Some providers, such as Ory Hydra, want their token endpoint.
	AssertionAudience string

	// Profile turns on a hardening profile as a whole. See [FAPI2].
	Profile Profile

	// Scopes to ask for, in entries or within one, between spaces or commas;
	// openid is always added. Nil: openid profile email.
	Scopes []string

	// ResponseType is "code" (default), "code id_token", "id_token",
	// "id_token token", "code id_token token" or "code token".
	ResponseType string

	// ResponseMode is "query", "form_post" or "fragment". Empty: the default
	// of the response type, which is "query" for "code" and "fragment" for all
	// others, and not sent: name it for a provider whose default is another,
	// such as Glewlwyd. A fragment needs JavaScript in the browser; form_post
	// does not.
	// Each with ".jwt" behind it, or "jwt" for the default, asks for a signed
	// response (JARM), and refuses others, plain errors excepted. It must not be
	// encrypted: state would be known only after a decryption that anybody could
	// have us make. PKCE and nonce protect what is in it, and form_post keeps it
	// out of addresses.
	ResponseMode string

	// RedirectPath is the callback path, relative to BaseURL: "/signin-acme" is
	// https://example.com/app/signin-acme; it may lie below Prefix. Default: Prefix +
	// "/callback/" + Name.
	RedirectPath string

	// ACRValues are sent as acr_values, in order of preference. They are a
	// wish, unless RequireACR.
	ACRValues []string

	// RequireACR refuses logins whose acr is none of ACRValues.
	RequireACR bool

	// Prompt is the fixed prompt parameter: "none", "login", "consent",
	// "select_account", "create" or several of them. It beats the query's.
	Prompt string

	// LoginHint is the fixed login_hint parameter. It beats the query's.
	LoginHint string

	// MaxAge is sent as max_age, and the answer's auth_time checked against
	// it. Zero: not sent; to force a fresh sign-in use Prompt "login".
	MaxAge time.Duration

	// Resource is sent as resource (RFC 8707).
	Resource []string

	// ClaimsRequest is the claims parameter, a JSON object (Core 5.5).
	ClaimsRequest string

	// AuthParams are further fixed parameters of the authorization request.
	// Parameters of the protocol itself are refused by New.
	AuthParams map[string]string

	// DynamicParams names parameters that the login address may pass on to
	// the provider, besides prompt and login_hint; ui_locales is the language
	// of our pages. All others are ignored, and parameters of the protocol
	// itself refused by New.
	DynamicParams []string

	// PAR says whether requests are pushed (RFC 9126). Zero: where advertised.
	PAR Usage

	// RequestObject says whether requests are signed (RFC 9101), by value or
	// by reference.
	RequestObject RequestObject

	// DPoP binds access tokens to a key of this process (RFC 9449), which is
	// kept with them. A token that the provider did not bind is refused.
	DPoP bool

	// Algorithms the ID token, UserInfo and responses may be signed with. Nil:
	// RS256, PS256, ES256, their 384 and 512 forms, and EdDSA, less what the
	// metadata leaves out. HS256 is accepted only when it is named here. "none" never.
	Algorithms []string

	// UserInfo says whether the UserInfo endpoint is asked at login, for claims
	// that ID tokens of this provider lack, and what its failure means. Zero: it
	// is not asked. A sub that differs always fails the login. An answer
	// that is signed must verify, and name Issuer and ClientID.
	UserInfo UserInfoPolicy

	// UserInfoInBody sends the access token to the UserInfo endpoint in the
	// body of a form, for providers that do not read the header (RFC 6750 2.2).
	UserInfoInBody bool

	// ClaimSources are those whose aggregated and distributed claims are used
	// (Core 5.6.2). Nil: ID token and UserInfo may refer to others as they
	// like, nothing is fetched and nobody believed.
	ClaimSources []ClaimSource

	// RequireClaims admits only users whose ID token has each of these claims, a
	// string or an array of strings, with one of the values, or at all where they
	// are nil: {"hd": {"example.com"}} is for one Google Workspace domain. Others
	// get 403, before UserInfo is asked or OnLogin runs. A refreshed ID token may
	// leave a claim out; one with another value ends the session.
	RequireClaims map[string][]string

	// RolesClaim names the claim (or JSON Pointer) the session's roles come
	// from: a string, or an array of strings, less those that are empty. It need
	// not be in Config.Claims. For what comes of a login that does not tell all of
	// them see [Login.RolesUnknown].
	// "realm_access.roles" is a claim of that name; a path is written
	// "/realm_access/roles".
	RolesClaim string

	// Roles maps values of RolesClaim to roles of the application; other
	// values are dropped. Nil keeps the values as they are.
	Roles map[string]string

	// KeepTokens keeps access and refresh token for calling APIs, in a record of
	// the Store that ends with the session; a sign-out also revokes them at the
	// provider, if it has a revocation endpoint (RFC 7009). It needs a Store and a
	// ResponseType with a code. offline_access is added to Scopes, unless the
	// provider lists its scopes without it; whoever asks for refresh tokens in
	// another way, such as Google by access_type=offline, is asked so in
	// AuthParams. Many providers want Prompt "consent" for one.
	KeepTokens bool

	// KeepOffline keeps the tokens beyond the session, for jobs without a browser:
	// see [RelyingParty.ClientFor]. There is one record for each user, of the
	// latest login that brought a refresh token, under the CookieKeys; a sign-out
	// leaves it, [RelyingParty.Forget] removes it. It needs KeepTokens.
	KeepOffline bool

	// APIs are where [RelyingParty.Client] may send this provider's tokens. Of
	// several that a request is below, the longest URL counts.
	APIs []API

	// UseTokenLifetime ends the session with the ID token, if that is earlier.
	UseTokenLifetime bool

	// LocalLogoutOnly signs out here and leaves the provider's session alone:
	// "External logout" and "RP initiated logout" both off, in the words of
	// Power Pages.
	LocalLogoutOnly bool

	// PostLogoutRedirectURL is where the provider sends the visitor after its
	// own sign-out. It must be registered there. Default: our logout address;
	// [RelyingParty.RedirectURLs] lists it.
	PostLogoutRedirectURL string

	// BackchannelLogout answers logout tokens at Prefix + "/backchannel-logout/" +
	// Name (Back-Channel Logout 1.0): a sid ends that session, a sub all of the
	// user's whose ID token is not newer, each at its next request. It needs a
	// Store. Anybody can encrypt a token to [Provider.ClientKeys]: 16 at once are
	// decrypted, more wait three seconds for their turn, and none is refused before
	// it. Where each costs money, at a key service, limit the rate of this address in
	// front of the application.
	BackchannelLogout bool

	// AcceptLogoutTokenWithoutExp accepts a logout token without exp while its
	// iat is at most two minutes old, for Ory Hydra and Glewlwyd.
	AcceptLogoutTokenWithoutExp bool

	// FrontchannelLogout answers frames of the provider's at Prefix +
	// "/frontchannel-logout/" + Name (Front-Channel Logout 1.0). It ends the
	// session that iss and sid name, both of which the provider must send, and
	// needs a Store: no cookie arrives there.
	FrontchannelLogout bool

	// SessionManagement serves, at Prefix + "/check-session", a page that asks the
	// provider every five seconds whether its session has changed (Session
	// Management 1.0). A page of the application shows it in a hidden frame and
	// is told once, by a message event of its own origin whose data is
	// {oidcrp: "changed"} or {oidcrp: "error"}. It is a hint and ends nothing:
	// browsers that block third-party cookies make every session look changed.
	// It needs a ClientID without spaces.
	SessionManagement bool

	// EmailDomains are the mail domains that this provider speaks for, such as
	// "acme.example"; one does not stand for those below it. People of these
	// sign in here and nowhere else: what they type into the sign-in page leads
	// here ([Config.SingleSignOn]), and a login or refresh at any other provider
	// whose claim email is of them is refused, verified or not, also at a [Site]
	// that does not have this provider. In return this
	// provider may assert no other address. A login without the claim asserts
	// none, and is let in everywhere. Where several providers have a domain, the
	// visitor chooses. Public mail services are refused, and providers with
	// several tenants. That a domain is the tenant's is yours to find out, such as
	// by a record in its DNS.
	EmailDomains []string

	// HTTPClient is used for this provider instead of Config.HTTPClient.
	HTTPClient *http.Client

	// TenantSupplied marks a provider whose settings were typed in by somebody
	// else than the operator: discovery at the exact issuer only, no endpoint
	// or key overrides, public addresses only, checked when they are dialled: a
	// provider of oidcrptest cannot be one.
	// With two of them, or a [ProviderSource], iss must be in every response
	// without an ID token (RFC 9207), and a login that a page of another origin
	// starts, as far as the browser says so, is asked about first.
	TenantSupplied bool

	// InsecureAllowHTTP admits plain http for this provider on any host. Only
	// for a network that nobody else can read or write; it is logged.
	InsecureAllowHTTP bool

	// Version tells changed settings from unchanged ones when a
	// [ProviderSource] gives the provider again, and is needed there. With the
	// same one metadata, keys and settings stay as they are. Sessions, and logins
	// under way, end where issuer or client id changed meanwhile, in Config.Providers
	// too; with other settings sessions go on with the roles they have.
	Version string
}

// LoginOptions are choices for one login.
type LoginOptions struct {
	Provider string // Name; "": Config.DefaultProvider, the only one, or the sign-in page
	// ReturnTo is a whole path as browsers see it, with that of BaseURL:
	// "/app/reports" for https://example.com/app/reports. At most 2,000 bytes;
	// anything that is no page of the application is BaseURL, which Login warns
	// of in the log. "": BaseURL, and for Login the page it is called on, unless
	// somebody is signed in there who is asked for nothing more.
	ReturnTo string

	Prompt    string            // see Provider.Prompt, which beats it
	LoginHint string            // see Provider.LoginHint, which beats it
	Params    map[string]string // those of Provider.DynamicParams

	// Scopes asks for these too, MaxAge for a sign-in no older, in whole seconds
	// (zero: now), and ACRValues for one of these, in place of
	// [Provider.ACRValues]. A sign-in that is older, or by another acr, is
	// refused. With a session of the same provider the user must be the same,
	// and the session goes on: see [LoginNeeded].
	Scopes    []string
	MaxAge    *time.Duration
	ACRValues []string

	// Link keeps the session, and has OnLogin add the identity that signs in at
	// Provider to its user: see [Login.Linking]. It takes a form of our own
	// origin: anything but a POST gets 405, and one from elsewhere 403, without a
	// session 401. [RelyingParty.LoginURL] leaves it out.
	Link bool
}

// LogoutOptions are choices for one sign-out.
type LogoutOptions struct {
	ReturnTo   string // whole path as browsers see it, "/app/bye", of a page open to all; "": the signed-out page
	LocalOnly  bool   // leave the provider's session alone
	Everywhere bool   // end all sessions of this identity; see RelyingParty.EndSessions
}

// Login is a verified login before it becomes a session. It is valid only
// during the call it is given to.
type Login struct {
	Provider string // Name of the provider
	Issuer   string
	Subject  string
	ReturnTo string // where the visitor will go, a whole path as browsers see it, "/app/reports"; may be changed by OnLogin
	Scopes   []string
	ACR      string
	AMR      []string
	AuthTime time.Time
	Roles    []string // the application's; may be changed by OnLogin, to whose roles Provider.Roles is not applied
	// RolesUnknown: the user may have roles that the provider did not tell, as
	// Microsoft Entra ID does not of a user with very many groups; or UserInfo or a
	// claim source, which may have them, failed. Roles has none of them then, and
	// guards that ask for a role say 403. OnLogin may find the roles out, put them
	// into Roles and clear it, or refuse. The user's tokens are not there for that
	// yet: at Microsoft Graph use credentials of the application and the claim oid.
	RolesUnknown bool
	Language     string   // tag of the language our pages would use
	Session      *Session // the visitor's session until now; nil for none, and after form_post, which shows none

	// Linking: the user of Session, which is there then, asked for this identity
	// to be added ([LoginOptions.Link]), and stays signed in. OnLogin keeps it,
	// or returns *[Refusal] when it is somebody else's; it cannot pause. Values
	// that are Set are added to those of Session, Roles are not. After form_post
	// Claims are the kept claims only.
	Linking bool

	verified
}
