package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
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

// read takes the six from a file that has them as the guide prints them.
func (s *settings) read(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	found, err := sitesettings.FromJSON(b)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, found.Report)
	}
	if n := len(found.Config.Providers); n != 1 {
		return fmt.Errorf("%d providers; this application has one", n)
	}
	p := found.Config.Providers[0]
	s.Authority, s.ClientID, s.ResponseType, s.Scope = p.Issuer, p.ClientID, p.ResponseType, strings.Join(p.Scopes, " ")
	s.RedirectURI = strings.TrimSuffix(found.Config.BaseURL, "/") + p.RedirectPath
	s.PostLogoutRedirectURI = p.PostLogoutRedirectURL
	return nil
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
