//go:build planned

// Package presets knows what each well-known provider needs. Each function
// returns a Provider to change further.
package presets

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// Entra is a single tenant of Microsoft Entra ID.
func Entra(tenant, clientID string, secret oidcrp.Secret) oidcrp.Provider { panic("planned") }

// EntraMultiTenant is Microsoft Entra ID for these tenants, or for all.
func EntraMultiTenant(clientID string, secret oidcrp.Secret, tenants ...string) oidcrp.Provider {
	panic("planned")
}

// AzureADB2C is a user flow of Azure AD B2C.
func AzureADB2C(tenant, policy, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	panic("planned")
}

// Google is Google, limited to a Workspace domain unless hostedDomain is "".
func Google(hostedDomain, clientID string, secret oidcrp.Secret) oidcrp.Provider { panic("planned") }

// Okta is an Okta organisation's host, such as "acme.okta.com".
func Okta(host, clientID string, secret oidcrp.Secret) oidcrp.Provider { panic("planned") }

// Logto is a Logto endpoint, such as "https://acme.logto.app".
func Logto(endpoint, clientID string, secret oidcrp.Secret) oidcrp.Provider { panic("planned") }

// Keycloak is a realm of a Keycloak server.
func Keycloak(baseURL, realm, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	panic("planned")
}

// Auth0 is an Auth0 domain.
func Auth0(domain, clientID string, secret oidcrp.Secret) oidcrp.Provider { panic("planned") }

// Cognito is a user pool of Amazon Cognito.
func Cognito(region, userPool, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	panic("planned")
}

// Apple is Sign in with Apple, whose client secret is a signed assertion.
func Apple(clientID, teamID string, key oidcrp.ClientKey) oidcrp.Provider { panic("planned") }
