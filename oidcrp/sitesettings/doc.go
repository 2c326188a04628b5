// Package sitesettings reads the settings of a Power Pages site, and those of an
// application of Logto, into an [oidcrp.Config] and [accounts.Rules], and reports
// what became of each.
//
//	s, err := sitesettings.FromJSON(file)
//	fmt.Printf("%s%s", s.Report, s.Defaults) // whether it went well or not
//	if err != nil {
//		log.Fatal(err)
//	}
//	s.Config.CookieKeys = keys
//	accts, err := accounts.New(store, s.Rules, &s.Config)
//	…
//	rp, err := oidcrp.New(s.Config)
//	…
//	mux.Handle(s.Rules.RegistrationPath, accts.RegistrationPage(rp)) // Logto has none
//
// # Where settings come from
//
// [FromMap] takes names and values, [FromJSON] an object of them, [FromEnviron]
// the environment. A name is "Authentication/OpenIdConnect/{Provider}/Authority",
// in any case. A portal's export is a list in YAML: in a clone of the repository
// go -C examples run ./migrate FILE reads it, and all other forms, and prints the
// report.
//
// # What becomes of a setting
//
// It is taken; or changed for safety, with the reason; or ignored, with the
// reason; or it contradicts another, or is wrong, and then there are no Config and
// no Rules, and the error says what to change, all of it at once. A name that is
// nearly one we know is taken for a slip, and wrong; any other that nobody knows
// is ignored, and its value is not shown. ClientSecret is never shown.
//
// Some things cannot be had by a setting. PKCE, state and nonce are in every
// request. Issuer, audience, signature and times of a token are always checked:
// IssuerFilter becomes an [oidcrp.Provider.IssuerTemplate], which binds a token
// to its tenant, or is wrong. An e-mail address finds a contact only where it is
// verified. No link sets a parameter of the protocol.
//
// # What is not given
//
// Power Pages has other defaults than this library, and they hold here:
// ResponseType "code id_token", ResponseMode form_post, the scope openid, a day
// for a session that is not used, and redirect URIs /signin-{Provider}.
// [Settings.Defaults] lists them, and where we
// differ: a session that is used ends after fourteen days unless
// AbsoluteSlidingExpireTimeSpan says another limit, and after a sign-out the
// provider returns to our signed-out page. "code id_token" without a secret is
// "id_token": Power Pages does not redeem the code, and without a secret nobody
// can.
//
// Links of a portal go on working: /Account/Login/ExternalLogin and
// /Account/Login/LogOff are [oidcrp.Config.LoginPath] and LogoutPath, and
// provider= may be the provider's name in the settings or its AuthenticationType,
// which is its authority unless it was given.
//
// Contacts that are brought along need their identities: Power Pages knows a user
// of Microsoft Entra ID in one tenant by oid, and this library, as everybody
// else's users, by the sub of the ID token.
//
// # Mappings
//
// RegistrationClaimsMapping and LoginClaimsMapping are read by
// [accounts.ParseMapping]: "firstname=given_name,city=userinfo./address/locality".
// A claim is an exact name, in which dots are dots, or a JSON Pointer. Sources
// that begin with "userinfo." are left out while UseUserInfoEndpointforClaims is
// off, and otherwise take UserInfo's word alone. emailaddress1 is the address of
// the contact, which only the claim email sets.
//
// UserInfo that fails costs its claims and a warning, as Power Pages has it, but
// with RoleClaimType or AllowContactMappingWithEmail the login: who is somebody
// else, or may more, is not decided without the claims it rests on.
package sitesettings
