// Package oidcrp signs visitors of a web application in with OpenID Connect.
//
// It is the relying party: it sends a visitor to a provider, checks what comes
// back, keeps the visitor signed in, and signs them out again. It is
// middleware for net/http and works with any router that takes an
// [http.Handler].
//
//	keys, err := oidcrp.ParseKeys(os.Getenv("COOKIE_KEYS")) // openssl rand -base64 32
//	if err != nil {
//		log.Fatal(err)
//	}
//	rp, err := oidcrp.New(oidcrp.Config{
//		BaseURL:    "https://app.example.com",
//		CookieKeys: keys,
//		Providers: []oidcrp.Provider{{
//			Issuer:       "https://login.example.com",
//			ClientID:     "reports",
//			ClientSecret: secret,
//		}},
//	})
//	if err != nil {
//		log.Fatal(err)
//	}
//	mux := http.NewServeMux()
//	mux.Handle("/", home)
//	mux.Handle("/reports", rp.RequireLogin(reports))
//	mux.Handle("/admin/", rp.Require(oidcrp.HasRole("admin"))(admin))
//	log.Fatal(http.ListenAndServe(addr, rp.Load(mux)))
//
// Inside a handler, [FromContext] is the session and [Claims] decodes what it
// keeps into a struct of the application's. [RelyingParty.RedirectURLs] lists
// what has to be registered at the providers.
//
// # A login
//
// A visitor asks for /reports. [RelyingParty.Load] looks for a session and
// finds none, so [RelyingParty.RequireLogin] begins a login: it seals where the
// visitor wants to go, and with which provider, into the state parameter,
// binds it to this browser by a cookie of random bytes, derives nonce and PKCE
// verifier from both, and redirects. A provider that takes pushed requests
// (RFC 9126) is handed the request directly, and the browser a reference to
// it. Nothing is kept on the server, so logins that are never finished cost
// nothing.
//
// The provider sends the browser back to the callback. In this order: the
// state must open, belong to this browser, to this provider, and to the issuer
// that answers (RFC 9207), and is spent; only then is the response looked at
// and the code redeemed, once. The ID token is checked by signature, issuer,
// audience, times, nonce and the rest of Core 3.1.3.7; UserInfo is asked if so
// configured, and must speak of the same subject. [Config.OnLogin] may refuse
// the login, add values to it, or pause it for a page of the application. Then
// a new session starts, and the visitor arrives at /reports. Package accounts is
// such a hook, for applications that keep a table of their users.
//
// Where the provider offers it, the response can be signed
// ([Provider.ResponseMode]), tokens and UserInfo encrypted
// ([Provider.ClientKeys]), access tokens bound to a key ([Provider.DPoP]), and
// claims taken from third parties ([Provider.ClaimSources]).
//
// [Provider.Profile] turns a hardening profile on as a whole: [FAPI2] is the
// FAPI 2.0 Security Profile, for banks and others who demand it. What is set
// against it is an error of [New]; what the provider lacks of it fails
// [RelyingParty.Ready] and every login there, by one error that names it all.
//
// With [Provider.ResponseType] the browser brings an ID token too, or instead
// of a code (the hybrid and implicit flows). It is checked first, together
// with its hashes of what came beside it; the one that comes for the code must
// be about the same subject. An access token the browser brought beside a code
// is never used. Prefer "code", or else form_post to fragments, which need
// JavaScript.
//
// A login that was lost, expired, or finished before repairs itself: who is
// signed in goes where it led, and others start again, at most twice. Nothing
// loops, whatever drops our cookies.
//
// Only navigations are redirected. A request navigates if its Sec-Fetch-Mode is
// navigate; without that header, if it is a GET or HEAD that accepts text/html,
// or a POST that does, as of a form. Anything else, such as fetch, gets 401 and a
// problem document (RFC 9457):
//
//	{"type": "about:blank", "title": "Unauthorized", "status": 401,
//	 "reason": "login_required", "login": "https://app.example.com/auth/login", "id": "…"}
//
// The address may have return_to already, the page that asked: set it, do not
// append. After a *[Refusal] there is also "detail", the message for the visitor.
//
// # Addresses
//
// These are answered below [Config.Prefix], "/auth" unless changed. They are
// part of the API.
//
//	login                  begins a login: ?provider=&return_to=&prompt=&login_hint=, and needs=, sealed by LoginURL
//	callback/{provider}    the redirect URI; see also Provider.RedirectPath
//	logout                 POST signs out; GET asks, and is where providers return to (return_to=)
//	initiate               begins a login that another site asks for: ?iss=&login_hint=&target_link_uri= (Core 4)
//	me                     who is signed in, as JSON, for front ends
//	request/{provider}     signed authorization requests, for providers to fetch
//	backchannel-logout/{provider}   a provider ends sessions, by a logout token
//	frontchannel-logout/{provider}  a provider ends a session, in a frame
//	check-session          a page to frame, that asks the provider whether its session has changed
//	jwks/{provider}        the public halves of Provider.ClientKeys, and a self-signed certificate
//
// [Config.LoginPath] and [Config.LogoutPath] are other names of the first and the
// third, for links of another system, and [Provider.Aliases] other values of
// provider=.
// login with the name of no provider is the sign-in page, or the only provider;
// without one it is [Config.DefaultProvider];
// with [Config.WebFinger] identifier= finds the provider of who typed it.
// A visitor sent there by a page of another origin is asked before a session is
// replaced, and so is one whom a form of another site sent to a guard.
// initiate wants the issuer of one of the providers; a page of another site as
// target is the home page, and a visitor who is signed in is asked first.
// logout reads return_to and everywhere (anything but "") from the body of a
// POST, which is a form's, and nothing from its address.
// To a form, logout answers with redirects to the provider and back; to fetch,
// which cannot follow, with {"location": "…"}, an address of ours for the
// browser to go on at within a minute: location.assign(answer.location). me
// answers
//
//	{"iss": "…", "sub": "…", "provider": "…", "name": "…", "roles": [], "claims": {…},
//	 "expires_in": 43170, "logout": "https://app.example.com/auth/logout"}
//
// and 401 with the problem document when nobody is signed in. A page of
// JavaScript needs no more than that, and holds no token: examples/spa has one.
// Each provider fetches keys at an address of its own, so that it cannot encrypt to a key that
// is for another, and does not miss its keys when another's cannot be had.
//
// # Roles
//
// [Provider.RolesClaim] says where roles come from, and [Provider.Roles] what
// becomes of groups. Microsoft Entra ID leaves the groups of a user with very many
// out of the token, and says by _claim_names or hasgroups that it did. These roles
// are unknown, neither none nor all: the login goes on, [Login.RolesUnknown] lets
// OnLogin find them out or refuse, guards that ask for a role answer 403, and the
// log says "roles unknown" at the login and why at the guard. So it is where
// UserInfo or a claim source fails that might have them. A refresh that brings
// too many groups takes away the roles of before; one that says nothing of them
// leaves them.
//
// # Providers
//
// Package presets has the settings that well-known vendors need. [Check] says of any
// provider what logins would use of it, and what is wrong with it.
// [Provider.RequireClaims] admits some of a provider's users only.
//
// Metadata is fetched at first use, again in the background every 12 hours or as
// its Cache-Control says, and kept through failures. While there is none it is
// asked for with visitors, after a rest that grows to 10 seconds, whatever
// Retry-After the provider answers. Keys are trusted for 15
// minutes after they were fetched, and through an outage of the provider for
// 24 hours; an unknown kid fetches them anew within the request, but tokens
// strangers can send no more than twice at once and then every 30 seconds.
// Keys without kid work, and keys that cannot be used are passed over.
//
// A [ProviderSource] gives providers at run time, from a database or an API: they
// are added, changed and removed without a restart, and of 100,000 those that
// are used take memory. Who loses a provider, or whose provider has another issuer
// or client id by now, is signed out within a minute.
//
// A provider with [Provider.EmailDomains] is the only way in for the people of
// these domains, and asserts no others. With [Config.SingleSignOn] the sign-in page
// asks for an e-mail address and leads to whose domain it is; a login at another
// provider that brings such an address, whatever it was begun for, ends on a page
// that leads there too. Domains are compared in one form, see [MailDomain]; an
// address that parsers could read in two ways is nobody's, and no login's.
//
// With [Provider.Registration] the provider gives client id and secret at the
// first login; with a Store all nodes share them.
//
// A call to a provider may take 4.5 seconds and answer 1 MiB, all calls of one
// callback 12 seconds; redirects are refused. Clocks may differ by a minute.
// JSON with a name twice, or with two names that differ in case only, is
// refused. A claim session_expiry ends the session with it.
//
// # Sessions
//
// Without a [Store] a session is one sealed cookie with the user's identity and
// the claims of [Config.Claims]. It cannot hold tokens or four hundred groups:
// a session that does not fit fails at the login with an error that names the
// largest claims. With a Store, which may be any alexedwards/scs store, the
// cookie carries a random id and the record is sealed under a key derived from
// it, so that a copy of the store gives nothing away.
//
// The session cookie is HttpOnly, SameSite=Lax, and on https Secure with the
// __Host- prefix. A new session id is made at every login, step-up and
// link, and by [RelyingParty.Update]. Sign-out ends the session wherever its cookie was
// copied to: at once on this node, on all nodes with a Store; without one,
// marks of ended sessions are kept in the process, so a restart forgets them.
// While the Store cannot be asked, a sign-out holds for this browser and this
// process, and the event [StoreFailed] says so. Besides sessions a Store holds
// marks of ended ones and logins under way, so its records are no count of
// visitors. A call to a Store may take three seconds. [Config.CookieSessions]
// leaves sessions in cookies although there is a Store, which then holds what
// has ended.
//
// With [Config.IdleTimeout] and without a Store, the answer to a slow request may
// bring back the cookie that a login or Update has replaced meanwhile. Its
// session has ended, so that the visitor has to sign in once more.
//
// On several nodes a session's end wins over an Update, step-up, consent or link
// that is under way elsewhere. A Store knows no compare-and-swap, so this remains.
// Two of these for one session, on two nodes in the same instant, may both succeed
// where the Store has no Add: the session then goes on twice, each under a handle
// of its own, until it ends or [RelyingParty.EndSessions] ends all. The new claims
// of a refresh are lost to another request that read the session just before they
// were written, and writes just after that it was used, or that StillAllowed was
// asked: the next refresh brings them again.
//
// # Cookies
//
// They are named oidcrp_, what they are for, and a short hash of BaseURL,
// behind __Host- or, where the path is not "/", __Secure-, on https. All are
// HttpOnly and, but for the two of a login when some provider answers by
// form_post, SameSite=Lax:
//
//	s         "/"           the session, as long as it can live
//	login     "/"           random bytes a login is bound to, LoginTimeout
//	return0…  the callback  a long return URL, LoginTimeout
//	paused    "/"           a login that waits at the page of a Pause, 10 minutes
//	hint      logout        the ID token for the provider's sign-out, a day longer than the session
//	watch     check-session the provider's session, where it manages sessions, likewise
//
// # Several base URLs
//
// With [Config.Sites] in place of BaseURL one instance serves many, such as a
// domain for each customer. The Host of a request finds the [Site] and decides
// nothing else: addresses, cookies and what a browser may send come from its
// BaseURL, its SiteName is on our pages, and only its Providers are there.
// Handlers, policies and hooks find it by [SiteFromContext], a session by
// [Session.Site].
//
// Whatever one site gave is worth nothing at another, though they share keys,
// Store and providers: sessions, logins under way, pauses, what has ended, and
// tokens, those for jobs too. So a sign-out, [RelyingParty.EndSessions] and a
// logout token end what is at the site where they happen or arrive: a provider
// that is to sign users out of several sites has to know each as a client of its
// own, or tell of it at each. What is kept in the process is bounded for all
// sites together. Metadata and keys of a provider are fetched once for all.
//
// Without a request, [RelyingParty.At] says which site is meant:
//
//	acme, err := rp.At(ctx, "acme.example.com")
//	if err != nil {
//		return err
//	}
//	res, err := acme.ClientFor(ctx, user).Get("https://api.example.com/v1/report")
//
// With the context of a request these calls go to its site; without one, and
// without At, they are [ErrMisconfigured]. A [Registration] takes one BaseURL.
//
// # Tokens
//
// With [Provider.KeepTokens] the tokens of a login are kept in the Store, sealed,
// in a record of their own whose id only the session knows. A request that calls
// no API does not read it. [RelyingParty.Client] sends them to [Provider.APIs],
// and never across a redirect to another origin.
//
// An access token is replaced when a tenth of its life is left, at most five
// minutes, while it goes on serving; who comes in its last ten seconds waits.
// There is one refresh at a time for a login, however many requests want it; it
// goes on when they give up, and nobody uses its tokens before the Store has
// them. On several nodes a provider that takes each refresh token once needs a
// [Config.Locker]; without one, the slower of two nodes looks for what the other
// has stored. While a provider does not answer, the old token serves to its end
// and the provider is left alone for two seconds, or as long as it asks for; then
// requests fail with [ErrProviderUnavailable]. One that refuses the refresh token
// makes them fail with [ErrNoToken]. Neither ends the session: that does a
// refreshed ID token of another user, issuer, client or sign-in (Core 12.2), and
// a [Refusal] of [Config.OnRefresh] or [Config.StillAllowed].
//
// The claims of a refreshed ID token, and of UserInfo where it is asked, take the
// place of those in the session whose request began the refresh, if it is in a
// Store. It keeps its id; claims that did not come again stay. An Update at the
// same moment leaves them for the next refresh.
//
// [HasScope] and [LoginOptions] ask for further scopes when they are needed, as
// below for a stronger sign-in. The new tokens take the place of the old.
//
// [Provider.KeepOffline] keeps tokens for jobs: [RelyingParty.ClientFor]. They
// outlive sessions, and are kept for 400 days after their last refresh, until
// [RelyingParty.Forget]; a [Refusal] at a refresh removes them and ends all
// sessions of the user. All other tokens end with their session; a sign-out
// revokes them at the provider (RFC 7009), which may withdraw what the user
// granted with them: set Endpoints.Revocation to [NoEndpoint] where that is too
// much. The tokens of a session that a marker ended, see below, are removed, and
// unless it was by front-channel revoked, when somebody next comes with it;
// nothing can use them until then.
//
// With [Provider.DPoP] the key is drawn by the process that signs the user in and
// goes where the tokens go: other nodes, and this one after a restart, prove
// with it.
//
// # Signed in, and asked again
//
// [AuthenticatedWithin], [ACR], [HasScope] and policies of the application's that
// return [LoginNeeded] send a visitor who is signed in to the provider of the
// session, with max_age, acr_values and scope of all the guard's policies at
// once, if the others pass. So does [RelyingParty.Login] with these options. The
// visitor comes back to the same page; a form comes back as a GET of the page it
// was on, and is not sent again.
//
// The answer is checked: auth_time must be there and recent, acr one of those
// asked for, and the user the one who is signed in. The session then goes on
// under another id, with what it says of the user, its values and its end, and
// with auth_time, acr, amr and sid of the new ID token: a later sign-in by weaker
// means counts as such. Where only scopes were asked for, auth_time, acr and amr
// stay if the ID token says of no other sign-in. OnLogin is not called. A step-up that brings no refresh
// token leaves the tokens as they are.
//
// A provider that does not do what was asked ends this with a page, and so does
// a policy that asks again for a page it was just done for; the session stays as
// it was, and to try again is the visitor's choice. In [AnyOf] the first that a
// sign-in can satisfy is asked for. Anonymous visitors are asked for max_age and
// acr_values when they sign in, if there is one provider; the guard judges what
// comes of it. To fetch the answer is 401 with reason step_up_needed, or 403 with
// consent_needed if only scopes are missing, each with a "login" that asks for it.
//
// [LoginOptions.Link] adds an identity to the user who is signed in: OnLogin is
// called with Linking, Session and the verified identity, and keeps it under
// issuer and subject. The session stays that of the first provider, under another
// id; the other's tokens are not kept. It takes a form of our own origin to start,
// and at the end a session of the same user in the same browser; otherwise there
// is a page, OnLogin is not asked, and nobody signed in. A sign-out while OnLogin
// runs ends the session, and what OnLogin has written stays.
//
// # Leaving
//
// A sign-out here ends the session first and then visits the provider's
// end-session endpoint (RP-Initiated Logout), unless [Provider.LocalLogoutOnly].
// With everywhere=1 in the form, or [LogoutOptions], all sessions of this identity
// end; of identities that are linked to it the application knows, and calls
// [RelyingParty.EndSessions] for each. That and [RelyingParty.EndSession] are for
// administrators too.
//
// A provider that signs a user out by itself tells us with
// [Provider.BackchannelLogout], server to server, or, less reliably, with
// [Provider.FrontchannelLogout], in a frame to which browsers send no cookies.
// Both need a Store. Nothing is looked up then: a marker says from when on a sid
// or a subject has ended, and each session looks for its markers when it is
// loaded, on every node. A sid ends its session whenever it was started; a
// subject ends the sessions whose ID token is not newer than the logout token,
// so that who has signed in again stays; a token with both ends the sid, and
// the subject's sessions that have none. To send the token again changes
// nothing, and a login under way when it comes is refused at the callback. With
// either setting a request asks the Store for the session and four marks,
// these at once.
//
// # Errors
//
// A visitor sees a plain page with the right status, a correlation id and a
// way to try again, or what [Config.ErrorPage] makes of the [Error]. The
// operator finds the same id in one log line with the step, the provider and
// the check that failed. An attacker learns nothing. Whatever failed, an
// existing session and the logins of other tabs stay as they were.
//
// The reason of a problem document, an [Event] and an [Error] is a stable code:
// bad_request, binding, cancelled, consent_needed, cross_origin, email,
// email_domain, ended, expired, forbidden, foreign_domain, hook, identifier,
// internal, invalid_response, invalid_token, lifetime, login_required, loop,
// media_type, method, misconfigured, no_binding, no_site, no_token, not_found,
// provider_unavailable, record, refused, session_too_large, sites,
// source_unavailable, state, step_up_failed, step_up_needed, store_unavailable,
// too_long, unknown_issuer, unknown_provider; or the check of a token or response
// that failed, such as aud, exp, iss, nonce, signature or sub. Nobody outside can
// add to them, nor to kinds, steps and names of providers, so that they can be
// labels of a metric.
//
// # What remains yours
//
// Providers that speak OAuth 2.0 without OpenID Connect, such as GitHub, give no ID
// token and cannot be used. The raw ID token and refresh tokens are not given out:
// what was verified is in [Login], and [RelyingParty.Client] sends access tokens.
//
// A guard decides once, when a request begins: a stream or WebSocket that
// outlives [Session.Expires], or should heed a sign-out, has to end by itself.
// Every application on the host gets our cookies, and behind a reverse proxy of
// yours they travel on to its upstream: remove them there where it is not to be
// trusted with them. [Config.CrossOrigin] lets requests through and sends no
// CORS headers: a CORS handler stands outside Load or Protect and answers the
// preflight itself. me answers our own origin only.
//
// Encryption on the way to browsers; the decision who may do what; a CSRF
// token where a form must be safe against pages of your own origin; flash
// messages and other anonymous data. Load alone checks no origin: forms on
// routes without a guard need such a check. Put it inside Load, because answers
// by form_post are cross-site POSTs by design. In the template of a page with a
// strict Content-Security-Policy, list [View.FormAction].
package oidcrp
