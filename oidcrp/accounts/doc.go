// Package accounts keeps the people who sign in, as a portal's contacts: who
// may register, what claims become of their profile, which further identities
// are theirs, and what they get at the first sign-in.
//
//	cfg := oidcrp.Config{BaseURL: "https://portal.example", CookieKeys: keys, Providers: providers}
//	store, err := accounts.NewSQLStore(ctx, db, accounts.PostgreSQL)
//	…
//	contacts, err := accounts.New(store, accounts.Rules{
//		RegistrationPath: "/register",
//		Ask:              []accounts.Field{{Name: "company", Required: true}},
//		Default: accounts.ProviderRules{
//			Gate:  accounts.InviteOnly,
//			Login: map[string]string{"name": "name", "city": "/address/locality"},
//		},
//	}, &cfg)
//	…
//	rp, err := oidcrp.New(cfg)
//	…
//	mux.Handle("/register", contacts.RegistrationPage(rp))
//
// In a handler, [Accounts.Current] is the signed-in [Contact].
//
// # A login
//
// [New] sets the hooks of the configuration, and uses nothing else of package
// oidcrp. A verified login is looked up by issuer and subject, and by nothing
// else: a change of address or name at the provider changes nothing about whose
// account it is. Who is found is signed in, and their fields are brought up to
// date by the Login mapping. Who is not found is
//
//   - refused, if the provider is retired;
//   - given the contact of the invitation they bring, if it is for one and the
//     gate is not closed;
//   - given the contact of a verified address where MatchEmail allows that, be
//     the gate closed or not;
//   - refused, if the gate is closed;
//   - shown the registration page, if there is something to ask or an
//     invitation is needed;
//   - registered as a new contact, with the Registration mapping and the
//     organization and roles that the provider's Grant or the mail domain's
//     gives. These are given once: what is taken away later stays away, and who
//     leaves the provider's group keeps them. For roles that follow the provider
//     use [oidcrp.Provider.RolesClaim]; both are in the session's roles.
//
// Every login ends in a [Decision] of a stable code, which the log and an
// audit event of kind [Decided] carry, and [Decision.String] explains. It is
// made anew when another login was faster, so that any number of first logins
// of one user make one contact, also on several nodes.
//
// A contact that is disabled is refused at each login and signed out within
// [oidcrp.Config.StillAllowedEvery]; nothing here enables it again.
// [Accounts.Delete] leaves a disabled contact without data, so that who was
// deleted does not come back by registering. A Store that cannot be asked is
// 503: nobody is signed in, out, or registered.
//
// # Addresses
//
// An e-mail address proves nothing until a provider that may speak for it says
// that it is the user's. Only the boolean true says so; the text "true", and
// silence, do where a provider's rules allow it, and false never does. An
// address is ASCII and one plain mailbox; the case of letters does not count,
// and everything else does. What is no such address is no address at all.
//
// With MatchEmail, a new identity is given to a contact with its address under
// four conditions: the provider verified the address and speaks for its domain,
// exactly one contact has it, that contact's own address is verified, and it
// has no identity yet. So an account that somebody made ahead with another's
// address is never merged with (pre-hijacking), and an address that changes
// hands does not hand over an account in use. Whoever is refused is told to
// sign in as before and to add the new identity from there. With several
// providers, [oidcrp.Provider.EmailDomains] says which of them is believed about
// what: a login elsewhere with such an address does not come this far. Use it too
// where a provider once verified addresses of domains that it does not run, as
// Google does: whose an address is now it cannot know.
//
// Providers that speak for several tenants (IssuerTemplate, or Issuers of
// several) are never believed, and MatchEmail there is an error of New, since
// any tenant's administrator can write any address. Send invitations instead:
// [Accounts.Invite].
//
// # Mappings
//
// A claim becomes a field by its exact name, in which dots are dots, or by a JSON
// Pointer into it; numbers, booleans and arrays become text. "userinfo." in front
// takes UserInfo's word and no ID token's. Where UserInfo may fail without ending
// the login ([oidcrp.UserInfoOptional]), such fields stay as they were; use
// [oidcrp.UserInfoRequired] where the address that MatchEmail goes by, or roles,
// come from there. [ParseMapping] reads
//
//	firstname=given_name,lastname=family_name,city=userinfo./address/locality
//
// # More identities
//
// A login that was started with [oidcrp.LoginOptions.Link] adds its identity to
// the contact whose session asked; an identity that is another contact's is refused.
// [Accounts.Unlink] takes one away, but not the last that works. To leave a
// provider, mark it Retired: nobody new comes through it, those who have
// nothing else are sent to Rules.MovePath to link another, and who did is
// refused there from then on.
//
// # Several base URLs
//
// With [oidcrp.Config.Sites] all sites have the same contacts: who registered at
// one is known at the others, with the same organization and roles. A Store that
// looks at [oidcrp.SiteFromContext] keeps them apart. Paths are below the BaseURL
// of the site, and an invitation is for the site where it was made.
//
// # What remains the application's
//
// Pages for profile and administration; sending invitations; telling the
// relying party to end sessions at once ([oidcrp.RelyingParty.EndSessions] for
// each identity) where StillAllowedEvery is too late, as after taking a role
// away, which a session has had since its login; and EmailVerified: whoever lets
// users type an address must clear it. Passwords are no business of this
// package, and no contact has one.
//
// An OnLogin of the application's may pause the login too, for terms, unless
// it is Linking. The registration page ends its own pause alone (Pause.Only);
// let such a page do the same.
package accounts
