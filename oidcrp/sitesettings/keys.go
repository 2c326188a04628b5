package sitesettings

// known is a setting that Power Pages has.
type known struct {
	name string // below its group

	// Why nothing depends on it, or, for a switch, what is so whatever it says.
	// Both empty: it is read.
	ignored, always string
}

// Reasons that several settings share.
const (
	noPasswords = "there are no passwords here: the provider signs people in"
	noSecondary = "a second factor is the provider's to ask for: AcrValues asks for one, and the guard oidcrp.ACR checks it"
	noPipeline  = "is about the inside of the other system"
	noBearer    = "tokens sent to an API are not looked at here: protect it with a verifier such as go-oidc's"
)

// providerKeys are those below Authentication/OpenIdConnect/{Provider}.
var providerKeys = []known{
	{name: "Authority"}, {name: "ClientId"}, {name: "RedirectUri"}, {name: "MetadataAddress"}, {name: "Scope"},
	{name: "ResponseType"}, {name: "ClientSecret"}, {name: "ResponseMode"},
	{name: "ExternalLogoutEnabled"}, {name: "PostLogoutRedirectUri"}, {name: "RPInitiatedLogout"}, {name: "RPInitiatedLogoutEnabled"},
	{name: "IssuerFilter"}, {name: "ValidIssuers"}, {name: "ValidAudiences"},
	{name: "ValidateIssuer"}, {name: "ValidateIssuers"},
	{name: "ValidateAudience", always: "the audience of a token is always checked: list further ones in ValidAudiences"},
	{name: "RegistrationClaimsMapping"}, {name: "LoginClaimsMapping"},
	{name: "UseUserInfoEndpointforClaims"}, {name: "UserInfoEndpoint"},
	{name: "NonceLifetime"}, {name: "NonceEnabled", always: "every login has a nonce, which is checked"},
	{name: "UseTokenLifetime"}, {name: "AllowContactMappingWithEmail"},
	{name: "AcrValues"}, {name: "Prompt"}, {name: "AllowedDynamicAuthorizationParameters"},
	{name: "TokenEndPointAuthenticatedMethod"},
	{name: "PrivateKeyJwt/CertificateObject", ignored: "a key is no setting here: give it as Provider.ClientKeys"},
	{name: "Caption"}, {name: "AuthenticationType"}, {name: "CallbackPath"}, {name: "RegistrationEnabled"}, {name: "Deprecated"},
	{name: "EmailClaimIdentifier"}, {name: "RequireUniqueEmail"}, {name: "Resource"}, {name: "RoleClaimType"},
	{name: "BackchannelTimeout", ignored: "a call to a provider ends after 4.5 seconds, and all calls of one login after 12"},
	{name: "RefreshOnIssuerKeyNotFound", always: "a key that is not known is looked for once, within a budget"},
	{name: "ClockSkew", ignored: "clocks may differ by a minute"},
	{name: "NameClaimType", ignored: "Session.Name is the claim name, or else preferred_username or email; keep others by Config.Claims"},
	{name: "RequireExpirationTime", always: "an ID token without exp is refused"},
	{name: "RequireSignedTokens", always: "an ID token without signature is refused"},
	{name: "ValidateLifetime", always: "an ID token that has expired is refused"},
	{name: "ValidateIssuerSigningKey", always: "the key that signed must be the issuer's"},
	{name: "SaveSigninToken", ignored: "the ID token is kept for the sign-out alone; tokens for calling APIs are kept with Provider.KeepTokens, which needs a Store"},
	{name: "ValidateActor", ignored: "no token of an actor is taken"},
	{name: "AuthenticationMode", ignored: noPipeline}, {name: "SignInAsAuthenticationType", ignored: noPipeline},
	{name: "DefaultPolicyId", ignored: "the policy of Azure AD B2C is part of MetadataAddress: give each policy a provider of its own"},
	{name: "PasswordResetPolicyId", ignored: "with AADB2C90118 the visitor comes to a page that says the sign-in failed: give the policy a provider of its own and link to it, or use a policy of B2C that resets within the sign-in"},
	{name: "ProfileEditPolicyId", ignored: "give the policy a provider of its own and link to it"},
	{name: "MCPClientId", ignored: "is for the MCP server of the other system"}, {name: "MCPScope", ignored: "is for the MCP server of the other system"},
}

// siteKeys are those below Authentication, by group.
var siteKeys = map[string][]known{
	"Registration": {
		{name: "Enabled"}, {name: "ExternalLoginEnabled"}, {name: "OpenRegistrationEnabled"}, {name: "InvitationEnabled"},
		{name: "RequiresInvitation"}, {name: "RequiresConfirmation"}, {name: "LoginButtonAuthenticationType"},
		{name: "SignOutEverywhereEnabled"}, {name: "RequireUniqueEmail"},
		{name: "LocalLoginEnabled", ignored: noPasswords}, {name: "LocalLoginByEmail", ignored: noPasswords}, {name: "LocalLoginDeprecated", ignored: noPasswords},
		{name: "AzureADLoginEnabled", ignored: "no provider is built in: configure Microsoft Entra ID as one of OpenIdConnect"},
		{name: "ProfileRedirectEnabled", ignored: "visitors go where they wanted: to send them elsewhere set Login.ReturnTo in OnLogin"},
		{name: "TwoFactorEnabled", ignored: noSecondary}, {name: "RememberBrowserEnabled", ignored: noSecondary},
		{name: "RememberMeEnabled", ignored: "a session lasts as ApplicationCookie/ExpireTimeSpan says, for everybody"},
		{name: "ResetPasswordEnabled", ignored: noPasswords}, {name: "ResetPasswordRequiresConfirmedEmail", ignored: noPasswords},
		{name: "TriggerLockoutOnFailedPassword", ignored: noPasswords},
		{name: "CaptchaEnabled", ignored: noPasswords}, {name: "IsCaptchaEnabledForRegistration", ignored: "who registers has signed in at a provider before"},
		{name: "EmailConfirmationEnabled", ignored: "no mail is sent: an address is verified where the provider says so"},
		{name: "IsDemoMode", ignored: "there is no demonstration mode"},
		{name: "TermsAgreementEnabled", ignored: "terms are the application's: pause the login in OnLogin until they are accepted (oidcrp.Pause)"},
		{name: "TermsPublicationDate", ignored: "terms are the application's: OnLogin compares when they were accepted"},
		{name: "DenyMinors", ignored: "is the application's to decide in OnLogin, from a claim about age (oidcrp.Refusal)"},
		{name: "DenyMinorsWithoutParentalConsent", ignored: "is the application's to decide in OnLogin, from a claim about consent (oidcrp.Refusal)"},
	},
	"ApplicationCookie": {
		{name: "ExpireTimeSpan"}, {name: "SlidingExpiration"}, {name: "AbsoluteSlidingExpireTimeSpan"},
		{name: "SecurityStampValidator/ValidateInterval"}, {name: "CookieSecure"},
		{name: "CookieHttpOnly", always: "no script reads our cookies"},
		{name: "AuthenticationType", ignored: noPipeline},
		{name: "CookieName", ignored: "cookies are named after the base URL, so that applications on one host do not take each other's"},
		{name: "CookieDomain", ignored: "a cookie is for one host: browsers then let no other host of the domain set it"},
		{name: "CookiePath", ignored: "the session cookie is for the whole host"},
		{name: "LoginPath", ignored: "guards find the sign-in page by themselves: for a page of the application's own set Config.SignInPath"},
		{name: "LogoutPath", ignored: "signing out is at /Account/Login/LogOff, and at the address \"logout\" below Config.Prefix: set Config.LogoutPath for another"},
		{name: "ReturnUrlParameter", ignored: "at /Account/Login/ExternalLogin it is ReturnUrl, and at our own addresses return_to"},
	},
	"TwoFactorCookie": {
		{name: "AuthenticationType", ignored: noPipeline}, {name: "ExpireTimeSpan", ignored: noSecondary},
	},
	"UserManager": {
		{name: "UserValidator/RequireUniqueEmail"},
		{name: "UserValidator/AllowOnlyAlphanumericUserNames", ignored: "there are no user names: issuer and subject identify"},
		{name: "PasswordValidator/EnforcePasswordPolicy", ignored: noPasswords}, {name: "PasswordValidator/RequiredLength", ignored: noPasswords},
		{name: "PasswordValidator/RequireNonLetterOrDigit", ignored: noPasswords}, {name: "PasswordValidator/RequireDigit", ignored: noPasswords},
		{name: "PasswordValidator/RequireLowercase", ignored: noPasswords}, {name: "PasswordValidator/RequireUppercase", ignored: noPasswords},
		{name: "UserLockoutEnabledByDefault", ignored: noPasswords}, {name: "DefaultAccountLockoutTimeSpan", ignored: noPasswords},
		{name: "MaxFailedAccessAttemptsBeforeLockout", ignored: noPasswords},
	},
	"LoginThrottling": {
		{name: "IpAddressTimeoutTimeSpan", ignored: noPasswords}, {name: "MaxAttemptsTimeLimitTimeSpan", ignored: noPasswords},
		{name: "MaxInvaildAttemptsFromIPAddress", ignored: noPasswords}, {name: "MaxInvalidAttemptsFromIPAddress", ignored: noPasswords},
	},
	"BearerAuthentication": {
		{name: "Enabled", ignored: noBearer}, {name: "Protocol", ignored: noBearer}, {name: "Provider", ignored: noBearer},
		{name: "UseEntraV2Issuer", ignored: noBearer}, {name: "ValidIssuers", ignored: noBearer}, {name: "ValidIssuer", ignored: noBearer},
	},
}

// otherProtocols are groups whose settings have any number of names.
var otherProtocols = []string{"OpenAuth", "SAML2", "WsFederation", "WindowsLive", "OpenId"}
