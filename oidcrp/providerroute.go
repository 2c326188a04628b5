package oidcrp

import (
	"net/http"
	"strings"
)

// providerRoute is an address that each provider has, below its own name.
type providerRoute struct {
	step, methods string
	serve         func(*RelyingParty, http.ResponseWriter, *http.Request, *providerEntry) error
	offered       func(*providerEntry) bool
}

// callbackBelow is where callbacks are that have no path of their own.
const callbackBelow = "/callback/"

// providerRoutes are those of every provider, by path below Prefix.
func providerRoutes() map[string]providerRoute {
	return map[string]providerRoute{
		callbackBelow: {"callback", "GET POST", (*RelyingParty).serveCallback,
			func(*providerEntry) bool { return true }},
		"/backchannel-logout/": {"backchannel-logout", "POST", (*RelyingParty).serveBackchannelLogout,
			func(p *providerEntry) bool { return p.backchannel }},
		"/frontchannel-logout/": {"frontchannel-logout", "GET", (*RelyingParty).serveFrontchannelLogout,
			func(p *providerEntry) bool { return p.frontchannel }},
		"/jwks/": {"jwks", "GET", (*RelyingParty).serveJWKS,
			func(p *providerEntry) bool { return p.clientKeys }},
		"/request/": {"request", "GET", (*RelyingParty).serveRequest,
			func(p *providerEntry) bool { return p.byReference }},
	}
}

func backchannelPath(name string) string  { return "/backchannel-logout/" + name }
func frontchannelPath(name string) string { return "/frontchannel-logout/" + name }

// sourcedRoute is the address below Prefix of a provider that only the source
// knows. It is looked up when it is asked for.
func (rp *RelyingParty) sourcedRoute(rest string) (route, bool) {
	slash := strings.LastIndexByte(rest, '/')
	if rp.providers.source == nil || slash < 0 {
		return route{}, false
	}
	name := rest[slash+1:]
	at, ok := rp.ofProviders[rest[:slash+1]]
	if !ok || !providerName.MatchString(name) || rp.providers.byName[name] != nil {
		return route{}, false
	}
	return route{at.step, at.methods, func(rp *RelyingParty, w http.ResponseWriter, r *http.Request) error {
		p, err := rp.find(r.Context(), name)
		if err != nil {
			// Without Provider: anybody can send any name, and must not make labels
			// of what is counted.
			return &Error{RetryURL: rp.LoginURL(LoginOptions{}), Err: err}
		}
		if !at.offered(p) {
			return errNotFound
		}
		return at.serve(rp, w, r, p)
	}, nil}, true
}
