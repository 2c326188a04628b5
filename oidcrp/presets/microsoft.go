package presets

import (
	"regexp"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const entraHost = "https://login.microsoftonline.com/"

// Entra is one tenant of Microsoft Entra ID, by its id: a GUID. Its tokens are
// those of the v2.0 endpoints.
//
// The issuer and the claim tid say whose login it was; oid is the user's id in the
// whole tenant, and sub one for this application alone: name in
// [oidcrp.Config.Claims] what a session should keep. An e-mail address is what the
// tenant's administrator has written. No email_verified comes with it, and so it
// counts as unverified, until the application is registered with the optional
// claim xms_edov, and its OnLogin looks at that: [oidcrp.EmailDomain] does not,
// and admits nobody here. [oidcrp.AuthenticatedWithin] needs the optional claim
// auth_time. App roles are in the claim "roles", groups, where the registration
// emits them, in "groups".
func Entra(tenant, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	issuer := entraHost + strings.ToLower(tenant) + "/v2.0"
	switch {
	case strings.EqualFold(tenant, "common"), strings.EqualFold(tenant, "organizations"), strings.EqualFold(tenant, "consumers"):
		issuer = mistake("Entra: tenant '%s' is no single one: use EntraMultiTenant", tenant)
	case !guid.MatchString(tenant):
		issuer = mistake("Entra: tenant '%s': give the tenant's id, a GUID, not its name: the issuer has the id", tenant)
	}
	return preset("entra", "Microsoft", issuer, clientID, secret)
}

// EntraMultiTenant is Microsoft Entra ID for the tenants with these ids, or for
// every tenant if there are none. Who may sign in there at all, Microsoft accounts
// of persons among them, is decided by the application's registration.
//
// All that is said at [Entra] holds, and weighs more: anybody can have a tenant,
// and write any e-mail address into it. A token's issuer must be that of its tid,
// and so must the key's that signed it. A user is the issuer and the subject
// together, or tid and oid, and nothing else; roles are given by the tenant's
// administrator, so that "admin" is one of that tenant.
func EntraMultiTenant(clientID string, secret oidcrp.Secret, tenants ...string) oidcrp.Provider {
	issuer := entraHost + "common/v2.0"
	ids := tenants
	for i, tenant := range tenants {
		if !guid.MatchString(tenant) {
			issuer = mistake("EntraMultiTenant: tenant '%s': give the tenant's id, a GUID, not its name: tid has the id", tenant)
		}
		if i == 0 {
			ids = make([]string, len(tenants))
		}
		ids[i] = strings.ToLower(tenant)
	}
	p := preset("entra", "Microsoft", issuer, clientID, secret)
	p.IssuerTemplate = entraHost + "{tenantid}/v2.0"
	p.Tenants = ids
	return p
}

var guid = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

// AzureADB2C is a policy of an Azure AD B2C tenant: a user flow, such as
// "B2C_1_signin", or a custom policy, "B2C_1A_…". tenant is the first part of its
// domain, "contoso" for contoso.onmicrosoft.com, and tenantID its id, a GUID,
// which stands in the issuer.
//
// The metadata is the policy's, the issuer usually one of all policies:
// https://contoso.b2clogin.com/{tenantID}/v2.0/. Where the policy's token
// settings put itself into the issuer, set [oidcrp.Provider.Issuer] to
// https://contoso.b2clogin.com/tfp/{tenantID}/{policy}/v2.0/, in lower case as the
// metadata has it. With a custom domain, set Issuer and
// [oidcrp.Provider.MetadataURL].
//
// Addresses come in the claim "emails", an array; there is no UserInfo. With
// [oidcrp.Provider.KeepTokens] add the scope "offline_access", and, for an access
// token, the application's own id: B2C lists neither.
func AzureADB2C(tenant, tenantID, policy, clientID string, secret oidcrp.Secret) oidcrp.Provider {
	host := "https://" + strings.ToLower(tenant) + ".b2clogin.com/"
	issuer := host + strings.ToLower(tenantID) + "/v2.0/"
	switch {
	case !b2cTenant.MatchString(tenant):
		issuer = mistake("AzureADB2C: tenant '%s': give the first part of its domain alone, such as contoso", tenant)
	case !guid.MatchString(tenantID):
		issuer = mistake("AzureADB2C: tenant id '%s': give the tenant's id, a GUID", tenantID)
	case !b2cPolicy.MatchString(policy):
		issuer = mistake("AzureADB2C: policy '%s': give its whole name, such as B2C_1_signin", policy)
	}
	p := preset("b2c", "Azure AD B2C", issuer, clientID, secret)
	p.MetadataURL = host + strings.ToLower(tenant) + ".onmicrosoft.com/" + policy + "/v2.0/.well-known/openid-configuration"
	p.Scopes = []string{"openid"}
	return p
}

var (
	b2cTenant = regexp.MustCompile(`^[A-Za-z0-9]+$`)
	b2cPolicy = regexp.MustCompile(`^(?i:b2c_1a?_)[A-Za-z0-9_-]+$`)
)
