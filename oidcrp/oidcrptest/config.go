package oidcrptest

import (
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Config registers a client for the application at baseURL and returns the
// settings it needs, to be changed further: the whole set-up of a test or of
// an example. RolesClaim is "roles", where the demo users have theirs. The
// redirect URI is the one a provider called name has with the usual
// [oidcrp.Config.Prefix].
//
// To have the client do anything else, such as another redirect URI, take the
// one of [Provider.Clients] whose ID is the ClientID, change it, and give it to
// [Provider.AddClient], which replaces it. The settings have the secret it was
// given here: for private_key_jwt, or a public client, empty ClientSecret too.
func (p *Provider) Config(name, baseURL string) oidcrp.Provider {
	baseURL = strings.TrimRight(baseURL, "/")
	if name == "" {
		name = "default" // as New has it
	}
	client := p.AddClient(Client{
		Name:                   baseURL,
		RedirectURLs:           []string{baseURL + "/auth/callback/" + name},
		PostLogoutRedirectURLs: []string{baseURL + "/auth/logout"},
	})
	return oidcrp.Provider{
		Name: name, Issuer: p.Issuer(),
		ClientID: client.ID, ClientSecret: oidcrp.Secret(client.Secret),
		RolesClaim: "roles",
	}
}
