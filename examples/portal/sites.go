package main

import (
	"context"
	"fmt"
	"log"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// A portal may be at several addresses, each for a community that has a name
// of its own. They share providers and contacts; whoever is signed in at one is
// signed in there alone.

// siteNames are what the portal is called at its addresses, in their order.
var siteNames = []string{"Riverside", "Hillside"}

// prefix is where oidcrp's own addresses are.
const prefix = "/auth"

// site is one of the portal's addresses.
type site struct{ name, baseURL string }

// namedSites gives addresses their names.
func namedSites(baseURLs []string) ([]site, error) {
	if len(baseURLs) > len(siteNames) {
		return nil, fmt.Errorf("-base-url: %d addresses, and siteNames has %d names", len(baseURLs), len(siteNames))
	}
	var all []site
	for i, baseURL := range baseURLs {
		s := site{siteNames[i], strings.TrimSuffix(strings.TrimSpace(baseURL), "/")}
		if slices.ContainsFunc(all, func(other site) bool { return other.host() == s.host() }) {
			return nil, fmt.Errorf("-base-url: %s: sites are told apart by their host, and another has this one", s.baseURL)
		}
		all = append(all, s)
	}
	return all, nil
}

// host is what the site is found by.
func (s site) host() string {
	u, err := url.Parse(s.baseURL)
	if err != nil {
		return "" // New complains about a base URL, and a site about its own
	}
	return strings.ToLower(u.Hostname())
}

// redirectURL and postLogoutURL are to be registered at a provider.
func (s site) redirectURL(provider string) string {
	return s.baseURL + prefix + "/callback/" + provider
}
func (s site) postLogoutURL() string { return s.baseURL + prefix + "/logout" }

// locate says where the portal is: with one address that is all there is to
// say, and the Host of requests does not matter.
func (p *portal) locate(cfg *oidcrp.Config) {
	cfg.Prefix = prefix
	if len(p.sites) == 1 {
		cfg.BaseURL, cfg.SiteName = p.sites[0].baseURL, p.sites[0].name
		return
	}
	cfg.BaseURL, cfg.Sites = "", p.siteOf
}

// siteOf finds the site of a request. Hosts that have none are answered 421.
func (p *portal) siteOf(_ context.Context, host string) (oidcrp.Site, error) {
	for _, s := range p.sites {
		if s.host() == host {
			return oidcrp.Site{Name: host, BaseURL: s.baseURL, SiteName: s.name}, nil
		}
	}
	return oidcrp.Site{}, oidcrp.ErrNoSite
}

// here is the site of a request, or of what happens at one.
func (p *portal) here(ctx context.Context) site {
	at, _ := oidcrp.SiteFromContext(ctx)
	return p.siteNamed(at.Name)
}

// siteNamed is the site with a host; with one address, that.
func (p *portal) siteNamed(host string) site {
	for _, s := range p.sites {
		if s.host() == host {
			return s
		}
	}
	return p.sites[0]
}

// atEach does something at each site: what ends at one goes on at the others.
func (p *portal) atEach(ctx context.Context, do func(site, *oidcrp.RelyingParty) error) error {
	for _, s := range p.sites {
		at, err := p.rp.At(ctx, s.host())
		if err != nil {
			return err
		}
		if err := do(s, at); err != nil {
			return err
		}
	}
	return nil
}

// heard is called with every event.
func (p *portal) heard(ctx context.Context, e oidcrp.Event) {
	p.visits.heard(ctx, e)
	if e.Reason != "backchannel" || e.Subject == "" {
		return
	}
	// A provider tells one address of a client that somebody has signed out.
	err := p.atEach(ctx, func(s site, at *oidcrp.RelyingParty) error {
		if s == p.here(ctx) {
			return nil
		}
		return at.EndSessions(ctx, oidcrp.Identity{Provider: e.Provider, Issuer: e.Issuer, Subject: e.Subject})
	})
	if err != nil {
		log.Printf("signed out at the provider, and not at all sites: %v", err)
	}
}
