package oidcrp

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Addresses and names that links have which were made for another system.

// paramReturnURL is what [Config.LoginPath] and LogoutPath have for
// paramReturnTo, in lower case.
const paramReturnURL = "returnurl"

// names checks what providers are called in links.
func (c *complaints) names(rp *RelyingParty, cfg *Config) {
	for _, p := range cfg.Providers {
		name := orDefault(p.Name, "default")
		for _, alias := range p.Aliases {
			other := rp.byAlias[alias]
			if rp.providers.byName[alias] != nil && alias != name {
				other = alias
			}
			switch {
			case alias == "":
				c.add("Providers (%s).Aliases: an entry is empty: remove it", name)
			case other != "" && other != name:
				c.add("Providers (%s).Aliases: %q is a name of %s too: give each its own", name, alias, other)
			default:
				rp.byAlias[alias] = name
			}
		}
	}
	if rp.preferred != "" && cfg.ProviderSource == nil && rp.providers.byName[rp.preferred] == nil {
		c.add("DefaultProvider: no provider is called %q: give the Name of one, or leave it out", rp.preferred)
	}
}

// addAliases makes the further addresses, and checks that they are no others of
// ours.
func (c *complaints) addAliases(rp *RelyingParty, cfg *Config) {
	rp.aliases = map[string]route{}
	for _, a := range []struct {
		field, path string
		route       route
	}{
		{"LoginPath", cfg.LoginPath, route{"login", "GET POST", (*RelyingParty).serveLoginAlias, nil}},
		{"LogoutPath", cfg.LogoutPath, route{"logout", "GET POST", (*RelyingParty).serveLogoutAlias, nil}},
	} {
		if a.path == "" || !c.path(a.field, a.path) {
			continue
		}
		if _, ours := rp.route(rp.site.path + a.path); ours || strings.EqualFold(rp.signInPath, a.path) || rp.hasCallback(a.path) {
			c.add("%s: %q is an address of ours already: choose another", a.field, a.path)
		}
		rp.aliases[strings.ToLower(a.path)] = a.route
	}
}

// hasCallback reports whether path is that of a callback, but for its case.
func (rp *RelyingParty) hasCallback(path string) bool {
	return slices.ContainsFunc(rp.providers.static, func(p *providerEntry) bool { return strings.EqualFold(p.redirectPath, path) })
}

// alias finds a further address, by its path below the base URL's or, where a
// proxy has cut that off, by what is left.
func (rp *RelyingParty) alias(below, path string) (route, bool) {
	if len(rp.aliases) == 0 {
		return route{}, false
	}
	for _, p := range [...]string{below, path} {
		if found, ok := rp.aliases[strings.ToLower(p)]; ok {
			return found, true
		}
	}
	return route{}, false
}

// serveLoginAlias is the login address with the names of parameters that the
// other system's links and forms have. A form of another site can do no more
// than its link.
func (rp *RelyingParty) serveLoginAlias(w http.ResponseWriter, r *http.Request) error {
	if err := readForm(w, r); err != nil {
		return err
	}
	return rp.loginBy(w, r, renamed(r.Form))
}

// serveLogoutAlias leads to the log-off address: only there does the browser
// show what the provider's sign-out needs, and only there the return URL of a
// link is judged.
func (rp *RelyingParty) serveLogoutAlias(w http.ResponseWriter, r *http.Request) error {
	returnTo := renamed(r.URL.Query()).Get(paramReturnTo)
	if r.Method != http.MethodPost {
		address := rp.path("/logout")
		if returnTo != "" {
			address += "?" + url.Values{paramReturnTo: {returnTo}}.Encode()
		}
		return rp.redirect(w, r, address)
	}
	if err := rp.sameOrigin(r); err != nil {
		return err
	}
	rp.Logout(w, r, LogoutOptions{ReturnTo: returnTo})
	return nil
}

// renamed gives parameters the names they have at our own addresses. Others
// may be the provider's, whose case counts; the fields that begin with two
// underscores are the other system's own, such as its anti-forgery token.
func renamed(q url.Values) url.Values {
	out := url.Values{}
	for _, name := range slices.Sorted(maps.Keys(q)) {
		ours := strings.ToLower(name)
		if strings.HasPrefix(name, "__") {
			continue
		}
		switch ours {
		case paramReturnURL:
			ours = paramReturnTo
		case paramProvider, "prompt", "login_hint", paramReturnTo:
		default:
			ours = name
		}
		if !out.Has(ours) {
			out[ours] = q[name]
		}
	}
	return out
}
