package oidcrptest

import (
	"context"
	"maps"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/testhook"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// WithSession returns ctx with a session of user, as [oidcrp.RelyingParty.Load]
// would leave it: for calling handlers directly, and through guards too. The
// session keeps all of the user's claims, whatever Config.Claims says: use
// [Cookie] to see what is really kept. Its roles are the claim "roles", and
// acr, amr and auth_time are read from claims too; RolesClaim and Roles of the
// provider are not applied, as by [Cookie] they are. Its issuer is
// https://issuer.example, its Site "", and its provider none that was configured,
// so that [oidcrp.EmailDomain] believes its address: use Cookie where these count,
// for a site what RelyingParty.At returns with it, and a request to a whole URL of
// that site. It has no tokens: test calls to APIs by a login at a [Provider].
// It panics if the user has no Subject.
func WithSession(ctx context.Context, user User) context.Context {
	ctx, err := testhook.WithSession(ctx, hookUser(user.Provider, user))
	if err != nil {
		panic("oidcrptest: WithSession: " + err.Error())
	}
	return ctx
}

// SignedIn returns r with a session of user, as WithSession makes it, looking as if a page of the
// application had sent it in a browser, so that guards let unsafe methods
// pass. Use it on requests of httptest.NewRequest. The package's own addresses
// read cookies only: use Cookie there.
func SignedIn(r *http.Request, user User) *http.Request {
	r = r.Clone(WithSession(r.Context(), user))
	if r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// Cookie starts a session at rp for user and returns its cookie, for requests
// that go through [oidcrp.RelyingParty.Load]; an unsafe method also needs the
// header Sec-Fetch-Site "same-origin". OnLogin is not called. The session is what a login at
// the named provider, or the first where that is "", would keep of the user's
// claims. With Config.Sites rp is what [oidcrp.RelyingParty.At] returned. It
// panics if that cannot be.
func Cookie(rp *oidcrp.RelyingParty, provider string, user User) *http.Cookie {
	if provider == "" {
		provider = user.Provider
	}
	c, err := testhook.Cookie(context.Background(), rp, hookUser(provider, user))
	if err != nil {
		panic("oidcrptest: Cookie: " + err.Error())
	}
	return c
}

func hookUser(provider string, user User) testhook.User {
	claims := map[string]any{"sub": user.Subject, "email_verified": user.EmailVerified}
	if user.Name != "" {
		claims["name"] = user.Name
	}
	if user.Email != "" {
		claims["email"] = user.Email
	} else {
		delete(claims, "email_verified")
	}
	maps.Copy(claims, user.Claims)
	return testhook.User{Provider: provider, Claims: claims, Values: user.Values}
}
