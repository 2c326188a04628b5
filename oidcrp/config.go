package oidcrp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// The defaults of Config.
const (
	defaultPrefix            = "/auth"
	defaultSessionLifetime   = 12 * time.Hour
	defaultLoginTimeout      = 10 * time.Minute
	maxLoginTimeout          = time.Hour
	defaultStillAllowedEvery = 5 * time.Minute
	clockSkew                = time.Minute
)

// NoEndpoint in [Endpoints] is for an endpoint that the metadata has and this
// application is not to use.
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
	Registration  string // of clients
}

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

// Usage says whether an extension is used.
type Usage int

// The values of [Usage].
const (
	// WhenAdvertised uses it where the provider's metadata offers it.
	WhenAdvertised Usage = iota
	// Required fails logins at a provider that does not offer it.
	Required
	// Refused never uses it.
	Refused
)

// complaints collects everything wrong with a Config.
type complaints []error

// add says what is wrong with a field, and what to change.
func (c *complaints) add(format string, args ...any) {
	*c = append(*c, fmt.Errorf("oidcrp: Config."+format, args...))
}

func (c *complaints) addAll(prefix string, err error) {
	for _, e := range unjoin(err) {
		c.add("%s%w", prefix, e)
	}
}

// unjoin takes errors.Join apart.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// parseBaseURL accepts https, and http on loopback.
func parseBaseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New(`BaseURL: missing: give the address browsers use, such as "https://app.example.com"`)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", u.Opaque != "", u.User != nil, u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf(`BaseURL: %q is not an address: give scheme and host, such as "https://app.example.com"`, raw)
	case strings.ContainsFunc(u.Host, func(c rune) bool { return c >= 0x80 }):
		return nil, fmt.Errorf("BaseURL: %q: write the host in punycode, as browsers send it: \"xn--…\"", raw)
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "", hasDotSegment(u.EscapedPath()), strings.Contains(u.Path, "//"):
		return nil, fmt.Errorf("BaseURL: %q: remove query, fragment, and dots or double slashes in the path", raw)
	case u.Scheme == "http" && !provider.Loopback(u.Hostname()):
		return nil, fmt.Errorf("BaseURL: %q: use https: browsers drop the cookies of a login over plain http; only localhost, *.localhost and loopback addresses are excepted", raw)
	}
	host, ok := browserHost(u)
	if !ok {
		return nil, fmt.Errorf("BaseURL: %q: give a port from 1 to 65535, and an address without zone", raw)
	}
	u.Host = host
	return u, nil
}

// browserHost is host and port as browsers write them in an origin: without the
// scheme's own port, a number in one way, IPv6 in its shortest.
func browserHost(u *url.URL) (host string, ok bool) {
	host = strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		host = "[" + addr.String() + "]"
		if addr.Is4In6() {
			b := addr.As16()
			host = fmt.Sprintf("[::ffff:%x:%x]", uint(b[12])<<8|uint(b[13]), uint(b[14])<<8|uint(b[15]))
		}
		if addr.Zone() != "" {
			return "", false
		}
	}
	if u.Port() == "" {
		return host, true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", false
	}
	if port == map[string]uint64{"https": 443, "http": 80}[u.Scheme] {
		return host, true
	}
	return host + ":" + strconv.FormatUint(port, 10), true
}

// keys makes random ones where the configuration may do without.
func (c *complaints) keys(cfg *Config, base *url.URL, log *slog.Logger) *cookie.Keys {
	raw := cfg.CookieKeys
	if len(raw) == 0 {
		if base == nil && strings.Contains(cfg.BaseURL, "localhost") {
			return nil // what is wrong with it has been said
		}
		if base == nil || !provider.Loopback(base.Hostname()) {
			c.add("CookieKeys: missing: give at least one key of 32 random bytes, the same on every node; only a BaseURL on localhost does without")
			return nil
		}
		key := make([]byte, 32)
		rand.Read(key)
		raw = [][]byte{key}
		log.Warn("no CookieKeys: sessions end with this process; set at least one key of 32 random bytes")
	}
	for i, key := range raw {
		for _, p := range cfg.Providers {
			if p.ClientSecret != "" && string(p.ClientSecret) == string(key) {
				c.add("CookieKeys[%d]: is also the client secret of provider %q: use a key of its own", i, p.Name)
			}
		}
	}
	keys, err := cookie.NewKeys(raw)
	c.addAll("CookieKeys: ", err)
	return keys
}

// path checks a setting that is a path below the base URL.
func (c *complaints) path(field, path string) (ok bool) {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || path == "/" || strings.HasSuffix(path, "/") ||
		strings.Contains(path, "//") || hasDotSegment(path) || u.EscapedPath() != path {
		c.add("%s: %q: give a path such as \"/auth\": starting with a slash, not ending with one, without query, dots or double slashes", field, path)
		return false
	}
	return true
}

// span checks a duration.
func (c *complaints) span(field string, d, least, most time.Duration) {
	if d < least || d > most {
		c.add("%s: %v: give a duration from %v to %v", field, d, least, most)
	}
}

// badPointer is a JSON Pointer with an escape that is none (RFC 6901 3).
var badPointer = regexp.MustCompile(`^/.*~([^01]|$)`)

// claimNames checks what a session is to keep.
func (c *complaints) claimNames(names []string) {
	for i, name := range names {
		switch {
		case name == "" || name == "/" || badPointer.MatchString(name):
			c.add("Claims[%d]: %q: give a claim's name, or a JSON Pointer such as \"/realm_access/roles\"", i, name)
		case slices.Index(names, name) != i:
			c.add("Claims[%d]: %q is there already: remove it", i, name)
		}
		for _, other := range names {
			if strings.HasPrefix(name, "/"+strings.TrimPrefix(other, "/")+"/") {
				c.add("Claims[%d]: %q is part of %q: keep one of them", i, name, other)
			}
		}
	}
}

// origins checks Config.CrossOrigin.
func (c *complaints) origins(origins []string) []string {
	for i, origin := range origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			c.add(`CrossOrigin[%d]: %q: give scheme and host only, such as "https://admin.example.com"`, i, origin)
		}
	}
	return slices.Clone(origins)
}

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// providerEntry is a provider and what the hall needs to know of it.
type providerEntry struct {
	*provider.Provider
	name, display  string
	clientID       string // by which ended sessions are found
	hidden         bool
	tenantSupplied bool
	redirectPath   string // of the callback, escaped, below the base URL's
	rolesClaim     string
	roles          map[string]string
	tokenLifetime  bool
	localLogout    bool
	postLogout     string // "": our logout address
	formPost       bool
	issuer         string
	emailDomains   []string // in the form of validate.MailDomain
	clientKeys     bool
	byReference    bool // requests, so they are served
	keepTokens     bool
	keepOffline    bool
	requiresACR    bool
	apis           []api
	asks           bool      // a fixed prompt, which beats a silent login's
	backchannel    bool      // it tells of logouts
	frontchannel   bool      // likewise, through the browser
	manages        bool      // sessions, so that pages can ask
	noRoles        sync.Once // the warning about it
}

// providers checks all of them together and each by itself.
func (c *complaints) providers(rp *RelyingParty, cfg *Config) {
	if len(cfg.Providers) == 0 && cfg.ProviderSource == nil {
		c.add("Providers: missing: give at least one, with Issuer and ClientID, or a ProviderSource")
	}
	tenants := 0
	for _, p := range cfg.Providers {
		if p.TenantSupplied {
			tenants++
		}
	}
	g := &rp.providers
	g.byName, g.log = map[string]*providerEntry{}, rp.log
	for i, p := range cfg.Providers {
		field := fmt.Sprintf("Providers[%d]", i)
		if p.Name == "" && len(cfg.Providers) == 1 {
			p.Name = "default"
		}
		if !providerName.MatchString(p.Name) {
			c.add("%s.Name: %q: give a name of lower-case letters, digits, - and _, at most 64", field, p.Name)
		} else {
			field = fmt.Sprintf("Providers[%d] (%s)", i, p.Name)
		}
		entry := c.provider(rp, cfg, field, p, tenants > 1 || cfg.ProviderSource != nil)
		g.owning = g.owning || len(p.EmailDomains) > 0
		if g.byName[p.Name] != nil {
			c.add("%s.Name: %q is taken by another provider: give each its own", field, p.Name)
			continue
		}
		g.static = append(g.static, entry)
		g.byName[p.Name] = entry
	}
	if cfg.ProviderSource != nil {
		g.owning = true
		g.source = rp.newSource(*cfg)
	}
	if cfg.SingleSignOn && !g.owning {
		c.add("SingleSignOn: finds nobody: give a provider its EmailDomains, or a ProviderSource")
	}
	for _, a := range g.static {
		for _, b := range g.static {
			if a != b && a.redirectPath == b.redirectPath {
				c.add("Providers (%s).RedirectPath: %q is that of %s too: give each its own, so that no answer can be taken for another's", b.name, b.redirectPath, a.name)
			}
		}
		if slices.Contains(rp.fixedPaths(), a.redirectPath) {
			c.add("Providers (%s).RedirectPath: %q is an address of ours: choose another", a.name, a.redirectPath)
		}
	}
	c.names(rp, cfg)
}

// provider builds one, complaining about whatever it can see.
func (c *complaints) provider(rp *RelyingParty, cfg *Config, field string, p Provider, requireIss bool) *providerEntry {
	path := rp.prefix + "/callback/" + p.Name
	if p.RedirectPath != "" && c.path(field+".RedirectPath", p.RedirectPath) {
		path = p.RedirectPath
	}
	e := &providerEntry{
		name: p.Name, display: orDefault(p.DisplayName, p.Name), hidden: p.Hidden,
		clientID:       p.ClientID,
		tenantSupplied: p.TenantSupplied,
		backchannel:    p.BackchannelLogout, frontchannel: p.FrontchannelLogout, manages: p.SessionManagement,
		redirectPath: path, postLogout: p.PostLogoutRedirectURL,
		rolesClaim: p.RolesClaim, roles: maps.Clone(p.Roles),
		tokenLifetime: p.UseTokenLifetime, localLogout: p.LocalLogoutOnly,
		formPost: p.ResponseMode == "form_post" || p.ResponseMode == "form_post.jwt",
		issuer:   p.Issuer, clientKeys: len(p.ClientKeys) > 0 || p.ClientAuth == "self_signed_tls_client_auth",
		byReference: p.RequestObject == RequestByReference || p.RequestObject == UnsignedRequestByReference,
		asks:        p.Prompt != "" && p.Prompt != "none",
		keepTokens:  p.KeepTokens, keepOffline: p.KeepOffline, requiresACR: p.RequireACR,
		apis: c.apis(cfg, field, p), emailDomains: c.emailDomains(field, p),
	}
	if p.Registration != nil {
		e.clientID = "registered " + p.Name // whoever we were
	}
	if u, err := url.Parse(e.postLogout); e.postLogout != "" && (err != nil || !u.IsAbs() || u.Fragment != "") {
		c.add("%s.PostLogoutRedirectURL: %q: give an absolute address without fragment", field, p.PostLogoutRedirectURL)
	}
	if p.ClientSecret != "" && p.ClientSecretFunc != nil {
		c.add("%s: ClientSecret and ClientSecretFunc are both set: keep one", field)
	}
	for _, need := range []struct {
		field string
		set   bool
	}{{"BackchannelLogout", p.BackchannelLogout}, {"FrontchannelLogout", p.FrontchannelLogout}} {
		if need.set && cfg.Store == nil {
			c.add("%s.%s: needs Config.Store, where all nodes find what has ended; NewMemoryStore() serves one node, with CookieSessions where sessions are to stay in cookies", field, need.field)
		}
	}
	if badPointer.MatchString(p.RolesClaim) {
		c.add("%s.RolesClaim: %q: ~ is written ~0 in a JSON Pointer, and / inside a name ~1", field, p.RolesClaim)
	}
	if p.Roles != nil && p.RolesClaim == "" {
		c.add("%s.Roles: needs RolesClaim: name the claim its keys are values of", field)
	}
	if p.Registration != nil && cfg.Sites != nil {
		c.add("%s.Registration: tells the provider one BaseURL, and Sites gives several: register there yourself, with the addresses that RedirectURLs lists, and set ClientID", field)
	}
	redirectURL := ""
	if cfg.Sites == nil {
		redirectURL = rp.site.url(rp.callbackPath(e))
	}
	var err error
	settings := rp.providerSettings(cfg, p, redirectURL, requireIss)
	if cfg.Sites == nil {
		settings.Registration = rp.registrationOf(cfg, p, e)
	}
	if settings.Anonymous() {
		rp.log.Warn("no ClientSecret: a public client; say so by ClientAuth \"none\"", "provider", p.Name)
	}
	e.Provider, err = provider.New(settings)
	for _, complaint := range unjoin(err) {
		c.add("%s.%w", field, complaint)
	}
	return e
}

// providerSettings says in the provider room's words what the configuration
// says in ours.
func (rp *RelyingParty) providerSettings(cfg *Config, p Provider, redirectURL string, requireIss bool) provider.Settings {
	s := provider.Settings{
		Name: p.Name, Issuer: p.Issuer, MetadataURL: p.MetadataURL,
		Endpoints: provider.Endpoints(p.Endpoints),
		ClientID:  p.ClientID, ClientAuth: p.ClientAuth,
		ClientKeys: clientKeys(p.ClientKeys), AssertionAudience: p.AssertionAudience, Profile: string(p.Profile),
		Scopes: p.Scopes, Offline: p.KeepTokens, ResponseType: p.ResponseType, ResponseMode: p.ResponseMode,
		RedirectURL: redirectURL,
		ACRValues:   p.ACRValues, RequireACR: p.RequireACR,
		Prompt: p.Prompt, LoginHint: p.LoginHint, MaxAge: p.MaxAge,
		Resource: p.Resource, ClaimsRequest: p.ClaimsRequest,
		AuthParams: p.AuthParams, DynamicParams: p.DynamicParams, PAR: int(p.PAR),
		RequestObject: string(p.RequestObject),
		Issuers:       p.Issuers, IssuerTemplate: p.IssuerTemplate, Tenants: p.Tenants, Audiences: p.Audiences,
		Algorithms: p.Algorithms, UserInfo: int(p.UserInfo), UserInfoInBody: p.UserInfoInBody,
		DPoP: p.DPoP,

		LogoutTokenWithoutExp: p.AcceptLogoutTokenWithoutExp,
		ClaimSources:          claimSources(p.ClaimSources),
		RequireClaims:         p.RequireClaims,
		HTTPClient:            p.HTTPClient,
		TenantSupplied:        p.TenantSupplied, InsecureAllowHTTP: p.InsecureAllowHTTP,
		RequireIss: p.TenantSupplied && requireIss,
		Skew:       clockSkew, Logger: rp.log, Now: rp.now,
	}
	if s.HTTPClient == nil {
		s.HTTPClient = cfg.HTTPClient
	}
	switch {
	case p.ClientSecretFunc != nil:
		s.Secret = secretFunc(p.ClientSecretFunc)
	case p.ClientSecret != "":
		s.Secret = fixedSecret(p.ClientSecret)
	}
	return s
}

// baseURL is nil where there is none, be it that Sites gives several.
func (c *complaints) baseURL(cfg *Config) *url.URL {
	if cfg.Sites != nil && cfg.BaseURL == "" {
		return nil
	}
	if cfg.Sites != nil {
		c.add("BaseURL: remove it, or Sites, which gives one for each host")
	}
	base, err := parseBaseURL(cfg.BaseURL)
	c.addAll("", err)
	return base
}

// live moves in at the base URL, or gets ready to do so at several.
func (rp *RelyingParty) live(cfg *Config, base *url.URL) {
	if cfg.Sites == nil {
		rp.furnish(cookie.NewSite(base))
		return
	}
	rp.rooms.needs = rp.rooms.keys.Box("needs", "")
	rp.place, rp.nowhere, rp.sites = nil, &place{needs: rp.rooms.needs}, newSites(cfg.Sites)
}

// check builds everything New needs of cfg.
func (rp *RelyingParty) check(cfg *Config) error {
	var c complaints
	base := c.baseURL(cfg)
	keys := c.keys(cfg, base, rp.log)
	if base == nil {
		base = &url.URL{Scheme: "https", Host: "unknown.invalid"} // to find the other mistakes
	}
	rp.place = &place{site: newSite(base)} // furnished when all is right
	c.path("Prefix", rp.prefix)
	if rp.signInPath != "" {
		c.path("SignInPath", rp.signInPath)
	}
	c.span("SessionLifetime", rp.lifetime, time.Minute, 400*24*time.Hour)
	c.span("LoginTimeout", rp.loginTimeout, time.Minute, maxLoginTimeout)
	c.span("StillAllowedEvery", rp.stillAllowedEvery, time.Second, 400*24*time.Hour)
	if cfg.IdleTimeout != 0 {
		c.span("IdleTimeout", cfg.IdleTimeout, time.Minute, max(rp.lifetime, time.Minute))
	}
	if cfg.CookieSessions && cfg.Store == nil {
		c.add("CookieSessions: needs Store, for what has ended; without one sessions are in cookies anyway: remove it")
	}
	c.claimNames(rp.claims)
	rp.crossOrigins = c.origins(cfg.CrossOrigin)
	c.providers(rp, cfg)
	if cfg.WebFinger != nil {
		var err error
		rp.finder, err = provider.NewFinder(cfg.WebFinger, cfg.HTTPClient)
		c.addAll("WebFinger: ", err)
	}
	if rp.routes = rp.makeRoutes(); rp.signInPath != "" {
		if _, ours := rp.route(rp.site.path + rp.signInPath); ours {
			c.add("SignInPath: %q is an address of ours: choose another", cfg.SignInPath)
		}
	}
	c.addAliases(rp, cfg)
	c.pages(rp, cfg)
	if len(c) == 0 {
		rp.rooms = rp.build(cfg, keys)
		rp.live(cfg, base)
	}
	return errors.Join(c...)
}

// pages builds the renderer of our own pages.
func (c *complaints) pages(rp *RelyingParty, cfg *Config) {
	var err error
	rp.pages, err = pages.New(cfg.Pages, cfg.Messages)
	c.addAll("", err)
}
