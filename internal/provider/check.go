package provider

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// protocolParams are set by this package alone: neither fixed nor dynamic
// parameters may name them.
var protocolParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope",
	"state", "nonce", "code_challenge", "code_challenge_method", "request",
	"request_uri", "registration", "client_secret", "client_assertion",
	"client_assertion_type", "code", "code_verifier", "grant_type",
	"id_token_hint", "dpop_jkt", "iss", "error",
}

// settingParams have a setting of their own.
var settingParams = map[string]string{
	"prompt": "Prompt", "login_hint": "LoginHint", "max_age": "MaxAge",
	"acr_values": "ACRValues", "claims": "ClaimsRequest", "resource": "Resource",
}

var prompts = []string{"none", "login", "consent", "select_account", "create"}

// asymmetric are the ID token algorithms accepted without asking for them.
var asymmetric = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}

// symmetric ones are keyed with the client secret (Core 10.1), by choice only.
var symmetric = []string{"HS256", "HS384", "HS512"}

// mistakes are errors about settings, each beginning with a setting's name and
// saying what to change.
type mistakes []error

func (m *mistakes) add(format string, args ...any) { *m = append(*m, fmt.Errorf(format, args...)) }

// check reports every mistake at once.
func (s *Settings) check() error {
	var m mistakes
	s.checkIssuer(&m)
	s.checkIssuers(&m)
	s.checkClient(&m)
	s.checkRequest(&m)
	s.checkParams(&m)
	s.checkAlgorithms(&m)
	s.checkClaimSources(&m)
	s.checkRequireClaims(&m)
	s.checkProfile(&m)
	if s.UserInfo < UserInfoOff || s.UserInfo > UserInfoRequired {
		m.add("UserInfo %d: use 0 (off), 1 (optional) or 2 (required)", s.UserInfo)
	}
	if s.UserInfo == UserInfoRequired && s.Endpoints.UserInfo == noEndpoint {
		m.add("UserInfo is required and Endpoints.UserInfo is %q: give the endpoint, or make UserInfo optional", noEndpoint)
	}
	// RFC 9449 5: the token endpoint binds, and no other.
	if s.DPoP && !s.flow().code {
		m.add("DPoP: ResponseType %q brings no access token that could be bound: turn it off, or use %q", s.ResponseType, "code")
	}
	if s.DPoP && s.UserInfoInBody {
		m.add("UserInfoInBody: a token bound by DPoP goes into the header (RFC 9449 7.1): remove one of them")
	}
	if s.Skew < 0 || s.Skew > 10*time.Minute {
		m.add("Skew %v: use 0 to 10 minutes", s.Skew)
	}
	// Core 5.3.1: UserInfo is asked with an access token.
	if s.UserInfo != UserInfoOff && s.flow() == (flow{idToken: true}) {
		m.add("UserInfo needs an access token, which ResponseType %q does not bring: turn it off, or use %q", s.ResponseType, "id_token token")
	}
	if slices.Contains(s.Audiences, "") {
		m.add("Audiences has an empty entry: remove it")
	}
	return errors.Join(m...)
}

func (s *Settings) checkIssuer(m *mistakes) {
	if s.Issuer == "" {
		m.add("Issuer is empty: give the provider's issuer identifier, such as https://login.example.com")
		return
	}
	u, err := checkURL(s.Issuer, s.urlRule(nil))
	switch {
	case strings.HasPrefix(s.Issuer, "presets."):
		m.add("Issuer: %s", s.Issuer) // what the preset has to say of its arguments
	case strings.Contains(s.Issuer, "/.well-known/"):
		m.add("Issuer %q is a metadata address: give the issuer alone, without /.well-known/ and what follows", s.Issuer)
	case err != nil:
		m.add("Issuer %q: %w", shown(s.Issuer), err)
	case u.RawQuery != "" || u.ForceQuery:
		m.add("Issuer %q: remove the query (Discovery 3)", s.Issuer)
	}
	if s.TenantSupplied {
		s.checkTenant(m)
		return
	}
	s.checkEndpoints(m)
}

// checkIssuers refuses what would accept more than a list of issuers, or one
// tenant in one place.
func (s *Settings) checkIssuers(m *mistakes) {
	for i, issuer := range s.Issuers {
		u, err := checkURL(issuer, s.urlRule(nil))
		switch {
		case err != nil:
			m.add("Issuers[%d] %q: %w", i, issuer, err)
		case u.RawQuery != "" || u.ForceQuery || strings.ContainsAny(issuer, "*{}"):
			m.add("Issuers[%d] %q: give one issuer exactly; for many there is IssuerTemplate", i, issuer)
		case issuer == s.Issuer || slices.Contains(s.Issuers[:i], issuer):
			m.add("Issuers[%d] %q is there already: remove it", i, issuer)
		}
	}
	if s.TenantSupplied && !s.others().None() {
		m.add("Issuers, IssuerTemplate: a TenantSupplied provider has one issuer; remove them")
	}
	if s.IssuerTemplate != "" {
		s.checkTemplate(m)
	} else if s.Tenants != nil {
		m.add("Tenants needs IssuerTemplate: say where in an issuer the tenant is")
	}
	if s.Tenants != nil && len(s.Tenants) == 0 {
		m.add("Tenants is empty: list those that may sign in, or use nil for all")
	}
	for i, tenant := range s.Tenants {
		if !validate.IsTenant(tenant) {
			m.add("Tenants[%d] %q is no tenant id", i, tenant)
		}
	}
}

func (s *Settings) checkTemplate(m *mistakes) {
	const tenant = "0-tenant-0" // nobody's
	u, err := checkURL(strings.ReplaceAll(s.IssuerTemplate, validate.TenantPlaceholder, tenant), s.urlRule(nil))
	switch {
	case err != nil:
		m.add("IssuerTemplate %q: %w", s.IssuerTemplate, err)
	case strings.Count(s.IssuerTemplate, validate.TenantPlaceholder) != 1 || !slices.Contains(strings.Split(u.EscapedPath(), "/"), tenant),
		strings.ContainsAny(u.Path, "*{}"), u.RawQuery != "" || u.ForceQuery:
		m.add("IssuerTemplate %q: have %s once, as a whole segment of the path", s.IssuerTemplate, validate.TenantPlaceholder)
	}
}

func (s *Settings) checkEndpoints(m *mistakes) {
	rule := s.urlRule(nil)
	if s.MetadataURL != "" {
		if _, err := checkURL(s.MetadataURL, rule); err != nil {
			m.add("MetadataURL %q: %w", shown(s.MetadataURL), err)
		}
	}
	for i, e := range s.Endpoints.list() {
		switch e.url {
		case "":
		case noEndpoint:
			if i == 0 || (i == 1 && s.flow().code) || (i == 2 && !s.usesMAC()) {
				m.add("Endpoints.%s is %q: a login needs it; leave it empty or give an address", e.name, noEndpoint)
			}
		default:
			if _, err := checkURL(e.url, rule); err != nil {
				m.add("Endpoints.%s %q: %w", e.name, shown(e.url), err)
			}
		}
	}
}

// checkTenant refuses whatever would let a tenant's settings reach further
// than discovery at the exact issuer.
func (s *Settings) checkTenant(m *mistakes) {
	if s.MetadataURL != "" {
		m.add("MetadataURL: a TenantSupplied provider is discovered at its issuer; remove it")
	}
	if s.Endpoints != (Endpoints{}) {
		m.add("Endpoints: a TenantSupplied provider may not replace endpoints; remove them")
	}
	if s.InsecureAllowHTTP {
		m.add("InsecureAllowHTTP: not for a TenantSupplied provider; remove it")
	}
	// It could use what it is sent at a provider of its choice.
	if s.AssertionAudience != "" {
		m.add("AssertionAudience: for a TenantSupplied provider it is the issuer; remove it")
	}
}

func (s *Settings) checkClient(m *mistakes) {
	if s.Registration != nil {
		s.checkRegistration(m)
	} else if strings.TrimSpace(s.ClientID) == "" {
		m.add("ClientID is empty: give the id the provider registered")
	}
	if hasControl(s.ClientID) {
		m.add("ClientID has control characters: check how it was copied")
	}
	switch s.ClientAuth {
	case "":
	case authBasic, authPost, authSecretJWT:
		if !s.hasSecret() {
			m.add("ClientAuth %q needs a client secret: give one, or use %q", s.ClientAuth, authNone)
		}
	case authNone:
		if s.Secret != nil {
			m.add("ClientAuth is %q and there is a client secret: remove one of them", authNone)
		}
	case authTLS, authSelfSigned:
		s.checkMutualTLS(m)
	case authPrivateKey:
		if !s.canSign() {
			m.add("ClientAuth %q needs ClientKeys: give the signing key whose public half the provider knows", s.ClientAuth)
		}
	default:
		m.add("ClientAuth %q: use %s", s.ClientAuth, strings.Join(authMethods, ", "))
	}
	s.checkClientKeys(m)
	if s.AssertionAudience != "" && s.ClientAuth != "" && s.ClientAuth != authPrivateKey && s.ClientAuth != authSecretJWT {
		m.add("AssertionAudience: ClientAuth %q sends no assertion: remove one of them", s.ClientAuth)
	}
}

func (s *Settings) checkRequest(m *mistakes) {
	f, ok := flowOf(s.ResponseType)
	if !ok {
		m.add("ResponseType %q: use %s", s.ResponseType, strings.Join(responseTypes, ", "))
	}
	s.checkResponseMode(m, f)
	if u, err := url.Parse(s.RedirectURL); s.RedirectURL != "" && (err != nil || u.Host == "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http")) {
		m.add("RedirectURL %q: give an absolute https address without a fragment", s.RedirectURL)
	}
	if s.Registration != nil && s.RedirectURL == "" {
		m.add("Registration needs RedirectURL, which is told to the provider")
	}
	for _, scope := range splitScopes(s.Scopes) {
		if !IsScope(scope) {
			m.add("Scopes: %q is no scope: write scopes without quotes, in ASCII, such as openid profile (RFC 6749 3.3)", scope)
		}
	}
	if s.Prompt != "" && !isPrompt(s.Prompt) {
		m.add("Prompt %q: use %s, several separated by spaces, and none alone", s.Prompt, strings.Join(prompts, ", "))
	}
	if s.MaxAge < 0 || (s.MaxAge > 0 && s.MaxAge < time.Second) {
		m.add("MaxAge %v: use whole seconds, or 0 to leave it out", s.MaxAge)
	}
	if s.RequireACR && len(s.ACRValues) == 0 {
		m.add("RequireACR needs ACRValues: list the acceptable ones")
	}
	for _, acr := range s.ACRValues {
		if acr == "" || strings.ContainsAny(acr, " \t\r\n") {
			m.add("ACRValues: %q must be one value without spaces", acr)
		}
	}
	for _, resource := range s.Resource {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			m.add("Resource %q: give an absolute URI without a fragment (RFC 8707 2)", resource)
		}
	}
	if s.PAR < UsageWhenAdvertised || s.PAR > UsageRefused {
		m.add("PAR %d: use 0 (where advertised), 1 (required) or 2 (refused)", s.PAR)
	}
	if s.PAR == UsageRequired && s.Endpoints.PAR == noEndpoint {
		m.add("PAR is required and Endpoints.PAR is %q: give the endpoint, or leave it as advertised", noEndpoint)
	}
	s.checkRequestObject(m)
	if s.ClaimsRequest != "" {
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(s.ClaimsRequest), &object) != nil || object == nil {
			m.add("ClaimsRequest: it must be a JSON object (Core 5.5)")
		}
	}
}

func (s *Settings) checkParams(m *mistakes) {
	for name := range s.AuthParams {
		switch setting, ok := settingParams[name]; {
		case ok:
			m.add("AuthParams: %q has a setting of its own: use %s", name, setting)
		case name == "" || slices.Contains(protocolParams, name):
			m.add("AuthParams: %q belongs to the protocol: remove it", name)
		}
	}
	for i, name := range s.DynamicParams {
		switch {
		case name == "" || slices.Contains(protocolParams, name):
			m.add("DynamicParams: %q belongs to the protocol: remove it", name)
		case slices.Contains(s.DynamicParams[:i], name):
			m.add("DynamicParams: %q is listed twice: remove one", name)
		}
	}
}

func (s *Settings) checkAlgorithms(m *mistakes) {
	mac := 0
	for _, alg := range s.Algorithms {
		switch {
		case slices.Contains(symmetric, alg):
			mac++
		case !slices.Contains(asymmetric, alg):
			m.add("Algorithms: %q is not supported: use %s", alg, strings.Join(asymmetric, ", "))
		}
	}
	if mac == 0 {
		return
	}
	// A key that serves as MAC secret and, under another algorithm, as a
	// public key is what algorithm confusion lives on.
	if mac < len(s.Algorithms) {
		m.add("Algorithms: HMAC and public-key algorithms cannot be mixed: name one kind")
	}
	if !s.hasSecret() {
		m.add("Algorithms: HMAC needs a client secret: give one, or name a public-key algorithm")
	}
	// Core 3.1.3.7 (8) leaves MAC keys undefined for several audiences.
	if len(s.Audiences) > 0 {
		m.add("Algorithms: HMAC is not defined with further Audiences: remove them")
	}
}
