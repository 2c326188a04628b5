package main

import (
	"fmt"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// settings are what a guide for single-page applications has one fill in, and
// the secret that only a program can have.
type settings struct {
	Authority             string
	ClientID              string
	ClientSecret          string
	RedirectURI           string
	PostLogoutRedirectURI string
	ResponseType          string
	Scope                 string
}

// provider is what they mean here.
func (s settings) provider(baseURL, api string) (oidcrp.Provider, error) {
	path, ours := strings.CutPrefix(s.RedirectURI, baseURL+"/")
	if !ours {
		return oidcrp.Provider{}, fmt.Errorf("-redirect-uri: %q is not below %s/, where this application is", s.RedirectURI, baseURL)
	}
	p := oidcrp.Provider{
		Name:                  "main",
		Issuer:                s.Authority, // found at its /.well-known/openid-configuration, and compared exactly
		ClientID:              s.ClientID,
		ClientSecret:          oidcrp.Secret(s.ClientSecret),
		RedirectPath:          "/" + path,
		PostLogoutRedirectURL: s.PostLogoutRedirectURI,
		ResponseType:          s.ResponseType,
		Scopes:                []string{s.Scope}, // openid is added if it is missing
		RolesClaim:            "roles",

		BackchannelLogout: true, // who signs out at the provider is signed out here
	}
	if s.ClientSecret == "" {
		p.ClientAuth = "none" // a public client: PKCE alone, which is always used
	}
	if api != "" {
		p.KeepTokens = true
		p.APIs = []oidcrp.API{{URL: api}}
	}
	return p, nil
}

// register makes the application a client of the development provider, as one
// would in a console.
func (s *settings) register(p *oidcrptest.Provider, baseURL string) {
	client := p.AddClient(oidcrptest.Client{
		ID:                     "bookstore",
		Name:                   "Bookstore",
		RedirectURLs:           []string{s.RedirectURI},
		PostLogoutRedirectURLs: []string{s.PostLogoutRedirectURI},
		BackchannelLogoutURL:   baseURL + "/auth/backchannel-logout/main",
	})
	s.Authority, s.ClientID, s.ClientSecret = p.Issuer(), client.ID, client.Secret
}
