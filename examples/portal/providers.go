package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// developmentProviders come along with the portal. They differ in how the
// answer travels back through the browser.
var developmentProviders = []struct{ name, display, mode string }{
	{"aster", "Aster", "query"},
	{"banyan", "Banyan", "form_post"},
}

// startProviders starts them on addr and the ports after it; with port 0, on
// free ones.
func startProviders(addr string) ([]*oidcrptest.Provider, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("-provider-addr: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("-provider-addr: port %q is not a number", portText)
	}
	var started []*oidcrptest.Provider
	for i := range developmentProviders {
		if port != 0 && i > 0 {
			port++
		}
		p, err := oidcrptest.StartProvider(net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("-provider-addr: %w", err), closeProviders(started))
		}
		started = append(started, p)
	}
	return started, nil
}

func closeProviders(ps []*oidcrptest.Provider) error {
	var errs []error
	for _, p := range ps {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// register makes the portal a client of the development providers: one, with
// the addresses of all sites.
func register(dev []*oidcrptest.Provider, sites []site) []oidcrp.Provider {
	var out []oidcrp.Provider
	for i, d := range developmentProviders {
		client := oidcrptest.Client{ID: "portal", BackchannelLogoutURL: sites[0].baseURL + prefix + "/backchannel-logout/" + d.name}
		var names []string
		for _, s := range sites {
			names = append(names, s.name)
			client.RedirectURLs = append(client.RedirectURLs, s.redirectURL(d.name))
			client.PostLogoutRedirectURLs = append(client.PostLogoutRedirectURLs, s.postLogoutURL())
		}
		client.Name = strings.Join(names, " & ")
		client = dev[i].AddClient(client)
		out = append(out, oidcrp.Provider{
			Name:         d.name,
			DisplayName:  d.display,
			Issuer:       dev[i].Issuer(),
			ClientID:     client.ID,
			ClientSecret: oidcrp.Secret(client.Secret),
			ResponseMode: d.mode,
			RolesClaim:   "roles",
			KeepTokens:   true,

			BackchannelLogout: true, // who signs out at the provider is signed out here
		})
	}
	return out
}

func hasRole(u oidcrptest.User, role string) bool {
	roles, _ := u.Claims["roles"].([]string)
	return slices.Contains(roles, role)
}

// providerFile is what -providers reads: a list of these. The secret may stay
// in the environment.
//
//	[{
//	  "name": "acme",
//	  "display_name": "Acme",
//	  "issuer": "https://login.acme.example",
//	  "client_id": "portal",
//	  "client_secret_env": "ACME_SECRET",
//	  "response_type": "code id_token",
//	  "response_mode": "form_post",
//	  "roles_claim": "/realm_access/roles",
//	  "roles": {"portal-admins": "admin"}
//	}]
type providerFile struct {
	Name            string            `json:"name"`
	DisplayName     string            `json:"display_name"`
	Issuer          string            `json:"issuer"`
	ClientID        string            `json:"client_id"`
	ClientSecret    string            `json:"client_secret"`
	ClientSecretEnv string            `json:"client_secret_env"`
	ClientAuth      string            `json:"client_auth"`
	Scopes          []string          `json:"scopes"`
	ResponseType    string            `json:"response_type"` // default "code"
	ResponseMode    string            `json:"response_mode"`
	RolesClaim      string            `json:"roles_claim"` // default "roles"
	Roles           map[string]string `json:"roles"`
	UserInfo        bool              `json:"userinfo"` // ask the UserInfo endpoint too
	KeepTokens      bool              `json:"keep_tokens"`
	AllowHTTP       bool              `json:"insecure_allow_http"`

	BackchannelLogout      bool `json:"backchannel_logout"`
	FrontchannelLogout     bool `json:"frontchannel_logout"`
	LogoutTokensWithoutExp bool `json:"logout_tokens_without_exp"` // of Ory Hydra and Glewlwyd
}

func readProviders(name string) ([]oidcrp.Provider, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var listed []providerFile
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&listed); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(listed) == 0 {
		return nil, fmt.Errorf("%s: lists no provider", name)
	}
	var out []oidcrp.Provider
	for i, l := range listed {
		p, err := l.provider()
		if err != nil {
			return nil, fmt.Errorf("%s: provider %d: %w", name, i+1, err)
		}
		out = append(out, p)
	}
	return out, nil
}

func (l providerFile) provider() (oidcrp.Provider, error) {
	p := oidcrp.Provider{
		Name:              l.Name,
		DisplayName:       l.DisplayName,
		Issuer:            l.Issuer,
		ClientID:          l.ClientID,
		ClientSecret:      oidcrp.Secret(l.ClientSecret),
		ClientAuth:        l.ClientAuth,
		Scopes:            l.Scopes,
		ResponseType:      l.ResponseType,
		ResponseMode:      l.ResponseMode,
		RolesClaim:        l.RolesClaim,
		Roles:             l.Roles,
		KeepTokens:        l.KeepTokens,
		InsecureAllowHTTP: l.AllowHTTP,

		BackchannelLogout: l.BackchannelLogout, FrontchannelLogout: l.FrontchannelLogout,
		AcceptLogoutTokenWithoutExp: l.LogoutTokensWithoutExp,
	}
	if p.RolesClaim == "" {
		p.RolesClaim = "roles"
	}
	if l.UserInfo {
		p.UserInfo = oidcrp.UserInfoRequired
	}
	if l.ClientSecretEnv != "" {
		secret, ok := os.LookupEnv(l.ClientSecretEnv)
		if !ok || l.ClientSecret != "" {
			return p, fmt.Errorf("client_secret_env: %s is not in the environment, or client_secret is there too", l.ClientSecretEnv)
		}
		p.ClientSecret = oidcrp.Secret(secret)
	}
	return p, nil
}
