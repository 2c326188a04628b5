package presets

import (
	"regexp"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Google is Google, limited to the Workspace domain hostedDomain unless that is
// "". Google is asked to offer accounts of the domain only, and the claim hd must
// name it: the parameter is the browser's to change. For several domains:
//
//	p := presets.Google("*", clientID, secret) // any Workspace
//	p.RequireClaims = map[string][]string{"hd": {"example.com", "example.org"}}
//
// An address outside the Workspace may belong to somebody else by now than to
// whom Google verified it. Visitors choose the account each time. Google has no
// sign-out for applications, so that a sign-out is of the application alone.
func Google(hostedDomain, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	p := preset("google", "Google", "https://accounts.google.com", clientID, secret)
	p.Prompt = "select_account"
	p.LocalLogoutOnly = true
	switch {
	case hostedDomain == "":
		return p
	case hostedDomain == "*":
		// That there is one is for the caller to hold against a list.
		p.RequireClaims = map[string][]string{"hd": nil}
	case !mailDomain.MatchString(hostedDomain):
		p.Issuer = mistake("Google: hosted domain '%s': give the Workspace's domain alone, in lower case, such as example.com", hostedDomain)
	default:
		p.RequireClaims = map[string][]string{"hd": {hostedDomain}}
	}
	p.AuthParams = map[string]string{"hd": hostedDomain}
	return p
}

var mailDomain = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// GoogleOffline is [Google] with [oidcrp.Provider.KeepTokens]. Google knows no
// scope offline_access: it gives a refresh token for access_type=offline, and each
// time only if the user is asked for consent. What was granted before is included.
func GoogleOffline(hostedDomain, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	p := Google(hostedDomain, clientID, secret)
	if p.AuthParams == nil {
		p.AuthParams = map[string]string{}
	}
	p.AuthParams["access_type"] = "offline"
	p.AuthParams["include_granted_scopes"] = "true"
	p.Prompt = "consent select_account"
	p.KeepTokens = true
	return p
}
