// Package presets knows what each well-known vendor needs of a relying party:
// how its issuer is written, where it departs from the specifications, and which
// settings close what it leaves open. Each function returns an [oidcrp.Provider]
// to change further:
//
//	entra := presets.Entra(tenantID, clientID, secret)
//	entra.DisplayName = "Contoso"
//
// [oidcrp.Provider.Name] is the vendor's name, which is part of the redirect URI;
// two providers of one vendor need a name each. With an empty secret, say what the
// client is by [oidcrp.Provider.ClientAuth] or [oidcrp.Provider.ClientKeys].
//
// An argument that cannot be right, such as a host with https:// in front, is
// reported by [oidcrp.New] with its other complaints, in the words of the
// function that was called.
//
// A provider that is not here needs no function. One that keeps to OpenID
// Connect is an [oidcrp.Provider] with Issuer, ClientID and ClientSecret;
// [oidcrp.Check] says where it does not.
package presets

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// preset is what all have in common.
func preset(name, display, issuer, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	return oidcrp.Provider{Name: name, DisplayName: display, Issuer: issuer, ClientID: clientID, ClientSecret: secret}
}

// mistake is the issuer of settings that cannot work. It is a sentence, and so
// no address: New refuses it and quotes it.
func mistake(format string, args ...any) string { return fmt.Sprintf("presets."+format, args...) }

var bareHost = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)

// isAddress reports whether s has scheme and host, and neither query nor
// fragment.
func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, "?# ")
}

// Okta is an Okta organization by its host, such as "acme.okta.com".
// authorizationServer is "default" or the id of another custom one; "" is the
// organization's own, which every organization has.
//
// Its ID tokens carry little of the profile, so UserInfo is asked as well. Groups
// take a groups claim of the authorization server, and perhaps the scope
// "groups".
func Okta(host, authorizationServer, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := "https://" + host
	if authorizationServer != "" {
		issuer += "/oauth2/" + authorizationServer
	}
	switch {
	case !bareHost.MatchString(host):
		issuer = mistake("Okta: host '%s': give the host alone, such as acme.okta.com", host)
	case strings.HasSuffix(strings.ToLower(host), "-admin.okta.com"):
		issuer = mistake("Okta: host '%s' is the administrators' console: leave -admin out", host)
	case !oktaServer.MatchString(authorizationServer):
		issuer = mistake("Okta: authorization server '%s': give its id alone, such as default, or nothing for the organization's own", authorizationServer)
	}
	p := preset("okta", "Okta", issuer, clientID, secret)
	p.UserInfo = oidcrp.UserInfoOptional
	return p
}

var oktaServer = regexp.MustCompile(`^[A-Za-z0-9]*$`)

// Logto is a Logto endpoint, such as "https://acme.logto.app" or the one of a
// server of your own. Its issuer is below it, at /oidc.
//
// Logto gives refresh tokens only after it has asked for consent: with
// [oidcrp.Provider.KeepTokens] set [oidcrp.Provider.Prompt] to "consent".
func Logto(endpoint, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := strings.TrimSuffix(strings.TrimSuffix(endpoint, "/"), "/oidc") + "/oidc"
	if !isAddress(endpoint) {
		issuer = mistake("Logto: endpoint '%s': give the address, such as https://acme.logto.app", endpoint)
	}
	return preset("logto", "Logto", issuer, clientID, secret)
}

// Keycloak is a realm of the Keycloak server at baseURL, such as
// "https://sso.example.org"; servers before Keycloak 17 have "/auth" behind it.
//
// Roles come into the ID token only by a mapper of the client's that has "Add to
// ID token" on; [oidcrp.Provider.RolesClaim] then is "/realm_access/roles".
func Keycloak(baseURL, realm, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := strings.TrimSuffix(baseURL, "/") + "/realms/" + url.PathEscape(realm)
	switch {
	case !isAddress(baseURL):
		issuer = mistake("Keycloak: base URL '%s': give the server's address, such as https://sso.example.org", baseURL)
	case strings.Contains(baseURL+"/", "/realms/"):
		issuer = mistake("Keycloak: base URL '%s': leave out /realms and what follows", baseURL)
	case realm == "" || strings.ContainsAny(realm, "/?#"):
		issuer = mistake("Keycloak: realm '%s': give the realm's name", realm)
	}
	return preset("keycloak", "Keycloak", issuer, clientID, secret)
}

// Auth0 is an Auth0 tenant by its domain, such as "acme.eu.auth0.com", or by its
// custom domain. The issuer ends with a slash.
//
// Auth0 names its sign-out in the metadata once "RP-Initiated Logout End Session
// Endpoint Discovery" is on; until then a sign-out is of the application alone.
// Roles come in a claim that an Action adds, whose name is an address.
func Auth0(domain, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := "https://" + domain + "/"
	if !bareHost.MatchString(domain) {
		issuer = mistake("Auth0: domain '%s': give the domain alone, such as acme.eu.auth0.com", domain)
	}
	return preset("auth0", "Auth0", issuer, clientID, secret)
}

// Cognito is a user pool of Amazon Cognito, such as "eu-west-1_AbCdEf123" in
// region "eu-west-1". Groups are in the claim "cognito:groups".
//
// A sign-out is of the application alone, because Cognito's endpoint is none of
// RP-Initiated Logout: it wants logout_uri, and fails without. The address can
// have it, which must be one of the app client's sign-out URLs:
//
//	p.LocalLogoutOnly = false
//	p.Endpoints.EndSession = "https://acme.auth.eu-west-1.amazoncognito.com/logout?logout_uri=" +
//		url.QueryEscape("https://app.example.com/auth/logout")
//
// Cognito gives no state back, so that visitors then end at the signed-out page. It
// takes no form, which a sign-out becomes where the ID token is longer than an
// address can be.
func Cognito(region, userPool, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := "https://cognito-idp." + region + ".amazonaws.com/" + userPool
	switch id, ok := strings.CutPrefix(userPool, region+"_"); {
	case !awsRegion.MatchString(region):
		issuer = mistake("Cognito: region '%s': give its code, such as eu-west-1", region)
	case !ok || !poolID.MatchString(id):
		issuer = mistake("Cognito: user pool '%s': give its id, which is the region, an underscore and more: %s_…", userPool, region)
	}
	p := preset("cognito", "Amazon Cognito", issuer, clientID, secret)
	p.LocalLogoutOnly = true
	return p
}

var (
	awsRegion = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]{1,2}$`)
	poolID    = regexp.MustCompile(`^[A-Za-z0-9]+$`)
)
