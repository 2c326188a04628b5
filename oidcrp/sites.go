package oidcrp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
)

// Site is one of several base URLs that one instance serves, as
// [Config.Sites] gives it.
type Site struct {
	// Name is the application's own name for whoever the site belongs to, such
	// as a tenant id. It is never shown. It is part of what cookies and records
	// are sealed to: under another Name a base URL begins anew, so that who had
	// it before is signed in nowhere.
	Name string

	// BaseURL is as Config.BaseURL. Its host need not be the one that was asked
	// for: a proxy may call us by another, and an alias lead to the same site,
	// where a login then ends.
	BaseURL string

	// SiteName is as Config.SiteName, which stands in for "".
	SiteName string

	// Providers names the providers allowed here, in the order of the sign-in
	// page; any other is as if it did not exist, and who is signed in with it
	// is not any more. They are asked of a ProviderSource by name, and its List is
	// not. Where there is one, nobody has to choose. Nil: all, which with a
	// ProviderSource is every provider that it knows by name, whatever its List
	// shows: where providers belong to customers, always name them. Empty and not
	// nil: none; a query without rows usually gives nil.
	Providers []string
}

func (s Site) equal(other Site) bool {
	return s.Name == other.Name && s.BaseURL == other.BaseURL && s.SiteName == other.SiteName &&
		(s.Providers == nil) == (other.Providers == nil) && slices.Equal(s.Providers, other.Providers)
}

// SiteFromContext returns the site of a request, or of a call made for what
// [RelyingParty.At] returned: in handlers, policies and hooks. ok is false
// where there is none, and with [Config.BaseURL].
func SiteFromContext(ctx context.Context) (s Site, ok bool) {
	c, _ := ctx.Value(locatedKey{}).(*located)
	if c == nil {
		return Site{}, false
	}
	s = *c.rp.owned
	s.Providers = slices.Clone(s.Providers)
	return s, true
}

// located is the context of what happens at a site.
type located struct {
	context.Context
	rp *RelyingParty // at the site
}

type locatedKey struct{}

func (c *located) Value(key any) any {
	if key == (locatedKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Format prints what it is, whatever the verb: it holds keys.
func (c *located) Format(f fmt.State, _ rune) { io.WriteString(f, c.String()) }

func (c *located) String() string { return "oidcrp.Site" }

// locatedIn finds where a context says rp is; nil if it does not. There may be
// other relying parties in front of this one.
func (rp *RelyingParty) locatedIn(ctx context.Context) *RelyingParty {
	c, _ := ctx.Value(locatedKey{}).(*located)
	for c != nil && c.rp.common != rp.common {
		c, _ = c.Context.Value(locatedKey{}).(*located)
	}
	if c == nil {
		return nil
	}
	return c.rp
}

// At returns the relying party at the site of a host, with or without a port,
// for what has no request: jobs, an administrator's page about another site,
// and RedirectURLs. It is found as for a request to that host, and keeps the
// site it was found with, so ask each time. All methods may be called on what
// it returns; its handlers serve this site whatever the Host of a request. With
// [Config.BaseURL] it returns rp itself.
//
// The errors are [ErrNoSite], [ErrMisconfigured] for a Site that cannot be used,
// and whatever Config.Sites said.
func (rp *RelyingParty) At(ctx context.Context, host string) (*RelyingParty, error) {
	if rp.sites == nil {
		return rp, nil
	}
	return rp.sites.find(ctx, rp, host)
}

var errNoRequest = fmt.Errorf("%w: with Config.Sites this is for one site: call it on what At returns, or with the context of a request", ErrMisconfigured)

// at is rp where the context of a call says it is, and the context with it.
func (rp *RelyingParty) at(ctx context.Context) (*RelyingParty, context.Context, error) {
	at := rp.loadedAt(ctx)
	if at == nil {
		return nil, ctx, errNoRequest
	}
	return at, at.located(ctx), nil
}

// located is ctx with where rp is.
func (rp *RelyingParty) located(ctx context.Context) context.Context {
	if rp.sites == nil {
		return ctx
	}
	if in := rp.locatedIn(ctx); in != nil && in.place == rp.place {
		return ctx
	}
	return &located{ctx, rp}
}

// enter finds the site of a request, and puts it into the request's context.
// It reports false when it has answered the request itself.
func (rp *RelyingParty) enter(w http.ResponseWriter, r *http.Request) (*RelyingParty, *http.Request, bool) {
	at, r, err := rp.locate(r)
	if err != nil {
		(&RelyingParty{rp.common, rp.nowhere}).fail("site", w, r, err)
		return nil, nil, false
	}
	return at, r, true
}

func (rp *RelyingParty) locate(r *http.Request) (*RelyingParty, *http.Request, error) {
	if rp.sites == nil {
		return rp, r, nil
	}
	ctx := r.Context()
	at := rp.loadedAt(ctx)
	if at == nil {
		var err error
		if at, err = rp.sites.find(ctx, rp, r.Host); err != nil {
			return nil, r, err
		}
	}
	if in := rp.locatedIn(ctx); in != nil && in.place == at.place {
		return at, r, nil
	}
	return at, r.WithContext(&located{ctx, at}), nil
}

// loadedAt is rp where a context says it is; nil if that does not say.
func (rp *RelyingParty) loadedAt(ctx context.Context) *RelyingParty {
	if rp.place != nil {
		return rp
	}
	return rp.locatedIn(ctx)
}
