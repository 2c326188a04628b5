package oidcrp

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

var providerName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

// providerEntry is a provider and what the hall needs to know of it.
type providerEntry struct {
	*provider.Provider
	name, display  string
	clientID       string // by which ended sessions are found
	hidden         bool
	tenantSupplied bool
	anyAddress     bool   // may be in its tokens, for its tenants write what they like
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
		tenantSupplied: p.TenantSupplied, anyAddress: p.TenantSupplied || severalTenants(p),
		backchannel: p.BackchannelLogout, frontchannel: p.FrontchannelLogout, manages: p.SessionManagement,
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
