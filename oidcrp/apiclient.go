package oidcrp

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// API is an API that gets a provider's access tokens.
type API struct {
	// URL is the API's address: what has the same scheme, host and port and
	// is this path or below it, by whole segments.
	URL string

	// Scopes it needs; of several APIs each has its own. Requests of users who did
	// not grant all of them fail with [ErrConsentNeeded].
	Scopes []string

	// Resource has an access token of its own asked for, for this resource
	// alone (RFC 8707). "": the access token of the login serves.
	Resource string
}

// api is an API with its address taken apart.
type api struct {
	url, origin, path string
	scopes            []string
	resource          string
}

// apis checks where a provider's tokens may go.
func (c *complaints) apis(cfg *Config, field string, p Provider) []api {
	switch {
	case p.KeepTokens && cfg.Store == nil:
		c.add("%s.KeepTokens: needs Config.Store: tokens are never kept in a cookie", field)
	case p.KeepOffline && !p.KeepTokens:
		c.add("%s.KeepOffline: needs KeepTokens: set it too", field)
	case len(p.APIs) > 0 && !p.KeepTokens:
		c.add("%s.APIs: need KeepTokens: set it too", field)
	}
	if p.KeepTokens && strings.HasPrefix(p.ResponseType, "id_token") {
		c.add("%s.KeepTokens: response type %q brings no refresh token: choose one with a code", field, p.ResponseType)
	}
	var apis []api
	for i, a := range p.APIs {
		u, err := url.Parse(a.URL)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" ||
			u.Scheme != "https" && u.Scheme != "http" || hasDotSegment(u.EscapedPath()) {
			c.add(`%s.APIs[%d].URL: %q: give scheme, host and path, such as "https://api.example.com/v1"`, field, i, a.URL)
			continue
		}
		if u.Scheme == "http" && !provider.Loopback(u.Hostname()) && !p.InsecureAllowHTTP {
			c.add("%s.APIs[%d].URL: %q: use https: whoever sees a token can use it", field, i, a.URL)
		}
		for _, scope := range a.Scopes {
			if !provider.IsScope(scope) {
				c.add("%s.APIs[%d].Scopes: %q: give one scope in each", field, i, scope)
			}
		}
		if r, err := url.Parse(a.Resource); err != nil || a.Resource != "" && (!r.IsAbs() || r.Fragment != "") {
			c.add("%s.APIs[%d].Resource: %q: give an absolute URI without fragment (RFC 8707 2)", field, i, a.Resource)
		}
		for _, other := range apis {
			if other.url == a.URL {
				c.add("%s.APIs[%d].URL: %q is there already: remove it", field, i, a.URL)
			}
		}
		apis = append(apis, api{
			url: a.URL, origin: originOf(u), path: strings.TrimRight(u.EscapedPath(), "/"),
			scopes: append([]string(nil), a.Scopes...), resource: a.Resource,
		})
	}
	return apis
}

// originOf is scheme, host and port, the usual one left out.
func originOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + host
}

// apiAt finds the API an address belongs to: the most precise one.
func (p *providerEntry) apiAt(u *url.URL) (found api, ok bool) {
	path := u.EscapedPath()
	if hasDotSegment(path) {
		return found, false // who knows where that leads
	}
	for _, a := range p.apis {
		rest, below := strings.CutPrefix(path, a.path)
		if a.origin == originOf(u) && below && (rest == "" || rest[0] == '/') && (!ok || len(a.path) > len(found.path)) {
			found, ok = a, true
		}
	}
	return found, ok
}

// Client returns a client that attaches the visitor's access token to requests
// towards [Provider.APIs], refreshing it as needed. It makes no others: they
// fail with [ErrMisconfigured]. A redirect is followed without the token where
// it leads to another origin, or to no listed API.
//
// Its requests fail with [ErrNoToken] when there is no token or none that can
// be used, so that the visitor should sign in again; [ErrConsentNeeded] when the
// API needs further scopes; [ErrProviderUnavailable] when the token ended and
// the provider does not answer; [ErrStoreUnavailable]. Nobody is signed out by
// any of these. A token is refreshed once however many requests wait for it, and
// the refresh ends well though all of them give up.
//
// ctx is that of the visitor's request, whose session counts. The client may be
// used concurrently, and must not outlive the request. It has no time limit of
// its own: requests carry a context.
func (rp *RelyingParty) Client(ctx context.Context) *http.Client {
	at, h, err := rp.visitor(ctx)
	return &http.Client{Transport: &carrier{rp: at, ctx: ctx, h: h, err: err}}
}

// ClientFor is Client for a user who is not here, for jobs without a browser:
// for providers with [Provider.KeepOffline], and users whose login brought a
// refresh token. ctx ends what the client waits for.
func (rp *RelyingParty) ClientFor(ctx context.Context, u Identity) *http.Client {
	at, h, err := rp.absent(ctx, u)
	return &http.Client{Transport: &carrier{rp: at, ctx: ctx, h: h, err: err}}
}

// carrier carries the tokens of one holder to APIs.
type carrier struct {
	rp  *RelyingParty
	ctx context.Context // of who may use them
	h   holder
	err error // why there is no holder
}

// RoundTrip implements [http.RoundTripper].
func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	send, err := c.sender(r)
	if err != nil {
		if r.Body != nil {
			r.Body.Close()
		}
		return nil, err
	}
	return send(r)
}

func (c *carrier) sender(r *http.Request) (func(*http.Request) (*http.Response, error), error) {
	if c.err != nil {
		return nil, c.err
	}
	to, listed := c.h.p.apiAt(r.URL)
	// A name beside the address could lead elsewhere on the same machine.
	listed = listed && (r.Host == "" || r.Host == r.URL.Host)
	redirected := r.Response != nil
	if redirected && (!listed || leftOrigin(r)) {
		return c.h.p.Pass, nil
	}
	if !listed {
		return nil, fmt.Errorf("%w: %s is not below any of the provider's APIs", ErrMisconfigured, originOf(r.URL))
	}
	// Whichever gives up first.
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(context.Cause(c.ctx)) })()
	t, err := c.rp.accessToken(ctx, c.h, to)
	if err != nil {
		return nil, err
	}
	return func(r *http.Request) (*http.Response, error) { return c.h.p.RoundTrip(r, t) }, nil
}

// leftOrigin reports whether a redirect on the way to r led to another origin:
// whoever answered there chose where it goes on.
func leftOrigin(r *http.Request) bool {
	for from := r.Response; from != nil && from.Request != nil; from = from.Request.Response {
		if originOf(from.Request.URL) != originOf(r.URL) {
			return true
		}
	}
	return false
}

// TokenSource returns the visitor's access token for api, one of
// [Provider.APIs] by its URL, refreshed as needed; with the errors of Client. Each
// call asks anew. A token that is bound to a key (DPoP) or certificate is of use
// to Client alone.
func (rp *RelyingParty) TokenSource(ctx context.Context, api string) oauth2.TokenSource {
	at, h, err := rp.visitor(ctx)
	return &source{rp: at, ctx: ctx, h: h, err: err, api: api}
}

// TokenSourceFor is TokenSource for a user who is not here; see ClientFor.
func (rp *RelyingParty) TokenSourceFor(ctx context.Context, u Identity, api string) oauth2.TokenSource {
	at, h, err := rp.absent(ctx, u)
	return &source{rp: at, ctx: ctx, h: h, err: err, api: api}
}

type source struct {
	rp  *RelyingParty
	ctx context.Context
	h   holder
	err error
	api string
}

// Token implements [oauth2.TokenSource].
func (s *source) Token() (*oauth2.Token, error) {
	if s.err != nil {
		return nil, s.err
	}
	for _, a := range s.h.p.apis {
		if a.url != s.api {
			continue
		}
		t, err := s.rp.accessToken(s.ctx, s.h, a)
		if err != nil {
			return nil, err
		}
		return &oauth2.Token{AccessToken: t.Access, TokenType: t.Type, Expiry: t.Expiry}, nil
	}
	return nil, fmt.Errorf("%w: %q is none of the provider's APIs", ErrMisconfigured, s.api)
}
