package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// adminPages are those of the administration, in the order of its menu: name
// and address.
var adminPages = [][2]string{
	{"providers", "/admin"},
	{"connections", "/admin/connections"},
	{"contacts", "/admin/contacts"},
	{"sessions", "/admin/sessions"},
	{"invitations", "/admin/invitations"},
}

// adminProvider is a provider as the administration shows it.
type adminProvider struct {
	oidcrp.ProviderStatus
	DisplayName, Issuer string
	Addresses           []oidcrp.Addresses // to be registered there, of each site
}

func (p *portal) adminProviders(w http.ResponseWriter, r *http.Request) error {
	var all []adminProvider
	var sites [][]oidcrp.Addresses // what to register, at each site
	err := p.atEach(r.Context(), func(_ site, at *oidcrp.RelyingParty) error {
		sites = append(sites, at.RedirectURLs())
		return nil
	})
	if err != nil {
		return err
	}
	for i, status := range p.rp.Status().Providers[:len(p.providers)] { // connections have pages of their own
		one := adminProvider{ProviderStatus: status, DisplayName: p.displayName(r.Context(), status.Name), Issuer: p.providers[i].Issuer}
		for _, addresses := range sites {
			one.Addresses = append(one.Addresses, addresses[i])
		}
		all = append(all, one)
	}
	return p.show(w, r, "providers", all)
}

func (p *portal) displayName(ctx context.Context, name string) string {
	for _, provider := range p.providers {
		if provider.Name == name && provider.DisplayName != "" {
			return provider.DisplayName
		}
	}
	if c, err := p.db.connected.Find(ctx, name); err == nil {
		return shown(c)
	}
	return name
}

// adminSessions lists who is signed in.
func (p *portal) adminSessions(w http.ResponseWriter, r *http.Request) error {
	visits, err := p.visits.of(r.Context(), "")
	if err != nil {
		return err
	}
	return p.show(w, r, "sessions", visits)
}

// endSession ends one session. A handle of none is no error: it has ended.
func (p *portal) endSession(w http.ResponseWriter, r *http.Request) error {
	err := p.atEach(r.Context(), func(_ site, at *oidcrp.RelyingParty) error {
		return at.EndSession(r.Context(), r.PostFormValue("handle"))
	})
	if err != nil {
		return err
	}
	back := "/admin/sessions"
	if id := r.PostFormValue("contact"); id != "" {
		back = "/admin/contacts/" + url.PathEscape(id)
	}
	return done(w, r, back, "ended")
}
