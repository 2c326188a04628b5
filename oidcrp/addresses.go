package oidcrp

// Addresses are what has to be registered at a provider. Behind BaseURL and
// [Config.Prefix] they are "/callback/{Name}", unless RedirectPath says another,
// "/logout", unless PostLogoutRedirectURL does, "/initiate",
// "/backchannel-logout/{Name}", "/frontchannel-logout/{Name}", "/request/{Name}"
// and "/jwks/{Name}".
type Addresses struct {
	Provider   string // Name
	Redirect   string // redirect_uri
	PostLogout string // post_logout_redirect_uri
	Initiate   string // initiate_login_uri

	BackchannelLogout  string // backchannel_logout_uri; "" unless Provider.BackchannelLogout
	FrontchannelLogout string // frontchannel_logout_uri, with frontchannel_logout_session_required; "" unless Provider.FrontchannelLogout

	// Request is where request objects are fetched, with more behind a "?" at each
	// login: a pattern of request_uris, such as Request + "*". "" unless
	// Provider.RequestObject is by reference.
	Request string

	JWKS string // jwks_uri; "" without ClientKeys and a self-signed certificate
}

// RedirectURLs lists what to register at the providers, in the order of
// [Config.Providers]. At those with a [Registration] it happens by itself. For
// those of a [ProviderSource] see there: [Check] returns what one of them
// needs. With [Config.Sites] the addresses are those of one site, and nil
// before [RelyingParty.At] says which.
func (rp *RelyingParty) RedirectURLs() []Addresses {
	if rp.place == nil {
		return nil
	}
	var all []Addresses
	for _, p := range rp.static() {
		if rp.allows(p.name) {
			all = append(all, rp.addresses(p))
		}
	}
	return all
}

// addresses are those for a provider to know, where rp is.
func (rp *RelyingParty) addresses(p *providerEntry) Addresses {
	a := Addresses{
		Provider: p.name, Redirect: rp.site.url(rp.callbackPath(p)), PostLogout: rp.postLogoutURL(p),
		Initiate: rp.site.url(rp.path("/initiate")),
	}
	if p.backchannel {
		a.BackchannelLogout = rp.site.url(rp.path(backchannelPath(p.name)))
	}
	if p.frontchannel {
		a.FrontchannelLogout = rp.site.url(rp.path(frontchannelPath(p.name)))
	}
	if p.byReference {
		a.Request = rp.site.url(rp.path(requestPath(p.name)))
	}
	if p.clientKeys {
		a.JWKS = rp.site.url(rp.path(jwksPath(p.name)))
	}
	return a
}
