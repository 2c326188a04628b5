// Package testhook is the one back door through which oidcrptest signs people
// in without a provider. Package oidcrp fills it in; nothing outside this
// module can reach it.
package testhook

import (
	"context"
	"net/http"
)

// User is who is to be signed in, with all claims, sub included.
type User struct {
	Provider string // Name; "" for the first
	Claims   map[string]any
	Values   map[string]string // as Login.Set stores them
}

var (
	// WithSession returns ctx with a session that keeps all claims.
	WithSession func(ctx context.Context, u User) (context.Context, error)

	// Cookie starts a session at rp, an *oidcrp.RelyingParty, as a login would
	// and returns its cookie.
	Cookie func(ctx context.Context, rp any, u User) (*http.Cookie, error)
)
