// Package oidcrptest helps to test and develop applications that sign people
// in with OpenID Connect: a provider that can misbehave on request, and a
// client that treats cookies as a browser does. Neither needs a network, a
// container or JavaScript.
//
// # Testing your routes
//
// A handler that needs a signed-in user needs no provider, and no login:
//
//	user := oidcrptest.User{Subject: "1", Name: "Erin", Claims: map[string]any{"roles": []string{"admin"}}}
//	r := oidcrptest.SignedIn(httptest.NewRequest("GET", "/admin", nil), user)
//	handler.ServeHTTP(rec, r) // guards see the session, and its role
//
// An anonymous request of httptest.NewRequest is no navigation, so that a guard
// answers 401; with the header Accept "text/html" it redirects. [WithSession]
// does it to a context. RolesClaim and Roles of the provider are not applied:
// the claim "roles" has the application's own names. [Cookie] gives a cookie
// for requests that go through the whole of the application, and a [Browser]
// can start with it. What happens at the login itself takes a provider:
//
//	p := oidcrptest.NewProvider(t)
//	p.SignInAs("alice")
//	rp, err := oidcrp.New(oidcrp.Config{
//		BaseURL:   "http://localhost:3000",
//		Providers: []oidcrp.Provider{p.Config("main", "http://localhost:3000")},
//	})
//
// # A provider
//
// [NewProvider] runs an OpenID provider for one test; [StartProvider] runs
// one for development, with a sign-in page. It has demo users (alice, who is
// an admin; bob; carol, whose address is not verified; dave, who is in 400
// groups) and any others given to [Provider.AddUser], all without passwords:
//
//	p := oidcrptest.NewProvider(t)
//	client := p.AddClient(oidcrptest.Client{
//		RedirectURLs:           []string{"http://localhost:3000/auth/callback/main"},
//		PostLogoutRedirectURLs: []string{"http://localhost:3000/auth/logout"},
//	})
//	p.SignInAs("alice") // answer every authorization request at once
//
// The provider is at http://127.0.0.1 and a port. Put the application on
// http://localhost and a port: these are different sites to a browser, so
// that SameSite mistakes show. Two ports of one host share their cookies and
// hide them.
//
// It speaks all response types and modes, PKCE, PAR, request objects, JARM,
// DPoP, every client authentication (those by certificate after
// [Provider.StartTLS]), signed and encrypted tokens and UserInfo, aggregated
// and distributed claims, registration and WebFinger. What a client must do,
// and gets, is said by [Client]:
//
//	client := p.AddClient(oidcrptest.Client{
//		RedirectURLs:           []string{"http://localhost:3000/auth/callback/main"},
//		PostLogoutRedirectURLs: []string{"http://localhost:3000/auth/logout"},
//		AuthMethod:             "private_key_jwt", JWKS: publicKeys,
//		RequirePAR:             true, RequireDPoP: true,
//	})
//
// An issuer with https, which FAPI 2.0 wants, is a [NewHandler] behind a server
// of the test's own.
//
// # Faults
//
// A [Fault] makes the provider do one thing wrong, to see what the
// application makes of it:
//
//	p := oidcrptest.NewProvider(t, oidcrptest.WrongNonce)
//	p.SetFaults(oidcrptest.TokenStatus(503)) // from now on
//	p.Stop()                                 // or all of it
//
// [Provider.Calls] and [Provider.Requests] tell which endpoints were used: a
// refused login that still redeemed its code is half refused.
//
// # Tokens
//
// [ResourceEndpoint] is an API that says whose access token it was called with, at
// exactly this path. [Answer] has it say something else; a second API is a server
// of your own.
// A refresh token comes to who asks for offline_access; it is good for one use,
// and its second one ends all that was granted with it. Tokens end with
// [Provider.SetTokenLifetime], at the clock of [Provider.SetNow]. [OnlyRefreshed]
// lets a fault wait for the refresh:
//
//	p.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.TokenError("invalid_grant")))
//
// # Logout
//
// When a session ends at the provider, the clients that took part in it hear
// of it, if they say where: by a logout token ([Client].BackchannelLogoutURL),
// and in a frame of the page that signs the user out, before it leads back
// ([Client].FrontchannelLogoutURL). What a [Browser] saw in such frames is in
// [Page].Frames. A session ends at the end-session endpoint, and by
// [Provider.SignOut], as an administrator would end it, without a browser:
//
//	p.SignOut("alice")
//	for _, sent := range p.BackchannelLogouts() {
//		t.Log(sent.ClientID, sent.Status)
//	}
//
// [Provider.LogoutToken] and [Provider.SendLogoutToken] send one at any time,
// twice, or one of the faults:
//
//	p.SetFaults(oidcrptest.LogoutWithNonce)
//	sent := p.SendLogoutToken(client.ID, p.LogoutToken(client.ID, "alice", ""))
//	if sent.Status != http.StatusBadRequest {
//		t.Error("a logout token with a nonce was taken")
//	}
//
// After [Provider.SetSessionManagement] authorization responses have a
// session_state, which a page of the application can compare with the session
// there is, by asking [CheckSessionEndpoint] in a frame. That takes a real
// browser, for this one runs no scripts.
//
// # A browser
//
// [NewBrowser] stores and sends cookies as Chromium does (Secure, SameSite,
// the __Host- prefix, sites, sizes), follows redirects, submits forms, and
// sends the Sec-Fetch and Origin headers that a cross-origin check reads:
//
//	b := oidcrptest.NewBrowser(t)
//	page := b.Get(app.URL + "/reports") // ends on the provider's sign-in page
//	page = b.SubmitForm("alice", nil)   // presses the button of that name
//	if page.Status != http.StatusOK || page.URL.Path != "/reports" {
//		t.Errorf("ended at %v with %d", page.URL, page.Status)
//	}
package oidcrptest
