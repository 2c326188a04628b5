package provider

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// FAPI2 is the one value of [Settings.Profile] besides "": the FAPI 2.0
// Security Profile as it binds clients (5.3.3, 5.4).
const FAPI2 = "FAPI2"

// fapiAlgorithms are all that may sign a JWT, ours and the provider's (FAPI
// 2.0 5.4.1).
var fapiAlgorithms = []string{"PS256", "ES256", "EdDSA"}

func (s *Settings) fapi() bool { return s.Profile == FAPI2 }

// hardened decides what the profile leaves no choice about.
func (s Settings) hardened() Settings {
	if !s.fapi() {
		return s
	}
	s.RequireIss = true
	if s.ClientAuth == "" && s.canSign() {
		s.ClientAuth = authPrivateKey
	}
	return s
}

// acceptable are the public-key algorithms to choose from.
func (s *Settings) acceptable() []string {
	if s.fapi() {
		return fapiAlgorithms
	}
	return asymmetric
}

// signable is what our keys may sign with: of what the provider supports, nil
// for all, that which is acceptable.
func (s *Settings) signable(supported []string) []string {
	if !s.fapi() {
		return supported
	}
	return among(fapiAlgorithms, supported, supported != nil)
}

// showsCertificate reports whether the client's certificate is shown: to
// authenticate the client, or to have access tokens bound to it (RFC 8705 3).
// FAPI 2.0 knows DPoP and this, and nothing else.
func (s *Settings) showsCertificate() bool { return s.mutualTLS() || s.fapi() && !s.DPoP }

// checkProfile reports every setting that contradicts the profile.
func (s *Settings) checkProfile(m *mistakes) {
	if s.Profile == "" {
		return
	}
	if !s.fapi() {
		m.add("Profile %q: use %q, or leave it out", s.Profile, FAPI2)
		return
	}
	refuse := func(contradicts bool, format string, args ...any) {
		if contradicts {
			m.add(format, args...)
		}
	}
	algorithms := strings.Join(fapiAlgorithms, ", ")
	refuse(s.flow() != flow{code: true}, "ResponseType %q: Profile FAPI2 has %q alone: use that", s.ResponseType, "code")
	refuse(s.PAR == UsageRefused, "PAR is refused, and Profile FAPI2 requires it: allow it")
	refuse(s.RequestObject != "" && !s.signsRequest(), "RequestObject %q: Profile FAPI2 takes no unsigned JWT: use %q, or leave it out", s.RequestObject, RequestByValue)
	switch s.ClientAuth {
	case authPrivateKey, authTLS, authSelfSigned:
	default:
		m.add("ClientAuth %q: Profile FAPI2 takes %s, %s or %s: use one, with ClientKeys or with a certificate in HTTPClient", s.ClientAuth, authPrivateKey, authTLS, authSelfSigned)
	}
	refuse(s.Secret != nil, "ClientSecret, ClientSecretFunc: Profile FAPI2 has no client secret: remove it")
	refuse(s.AssertionAudience != "" && s.AssertionAudience != s.Issuer, "AssertionAudience: with Profile FAPI2 it is the issuer: remove it")
	// A TLS method of client authentication checks this itself, and believes a
	// transport that keeps its certificate to itself.
	c, seen := clientTLS(s.HTTPClient)
	bound := s.DPoP || s.mutualTLS() || seen && hasCertificate(c) && !s.TenantSupplied
	refuse(!bound, "DPoP: Profile FAPI2 binds access tokens: turn it on, or give HTTPClient a client certificate to bind them to, with TLSClientConfig in an *http.Transport")
	refuse(s.UserInfoInBody, "UserInfoInBody: with Profile FAPI2 the access token goes into the header: remove it")
	for _, alg := range s.Algorithms {
		refuse(!slices.Contains(fapiAlgorithms, alg), "Algorithms: Profile FAPI2 does not accept %q: use %s", alg, algorithms)
	}
	for i, k := range s.ClientKeys {
		refuse(!k.decrypts() && !k.fits(fapiAlgorithms), "ClientKeys[%d]: Profile FAPI2 signs with %s: give a key, and an Algorithm, for one of them", i, algorithms)
	}
	s.checkProfileOrigin(m, refuse)
}

// checkProfileOrigin reports what would let another word than the metadata's,
// found by the issuer over TLS, say where the provider is (5.2, 5.3.3.1).
func (s *Settings) checkProfileOrigin(m *mistakes, refuse func(bool, string, ...any)) {
	refuse(!s.others().None(), "Issuers, IssuerTemplate: with Profile FAPI2 a provider has one issuer, which its metadata names: remove them")
	refuse(s.MetadataURL != "", "MetadataURL: with Profile FAPI2 the metadata is found by the issuer: remove it")
	for i, e := range s.Endpoints.list() {
		blanked := e.url == noEndpoint && i > 2 && e.name != "PAR"
		refuse(e.url != "" && !blanked, "Endpoints.%s: with Profile FAPI2 endpoints are the metadata's: remove it", e.name)
	}
	refuse(s.InsecureAllowHTTP, "InsecureAllowHTTP: Profile FAPI2 has https alone: remove it")
	refuse(!s.TenantSupplied && verifiesNothing(s.HTTPClient), "HTTPClient accepts any certificate, and Profile FAPI2 requires that it is checked: remove InsecureSkipVerify")
	if c, seen := clientTLS(s.HTTPClient); seen {
		tooOld := func(version uint16) bool { return version != 0 && version < tls.VersionTLS12 }
		refuse(tooOld(c.MinVersion) || tooOld(c.MaxVersion), "HTTPClient: Profile FAPI2 requires TLS 1.2 or later: remove MinVersion and MaxVersion")
	}
}

// fits reports whether the key may sign with one of algorithms, as far as can
// be seen without asking a source.
func (k *ClientKey) fits(algorithms []string) bool {
	if k.Algorithm != "" {
		return slices.Contains(algorithms, k.Algorithm)
	}
	if k.Key == nil {
		return true
	}
	able, err := signingAlgorithms(k.Key.Public())
	return err != nil || slices.ContainsFunc(able, func(alg string) bool { return slices.Contains(algorithms, alg) })
}

// checkFAPI2 reports all that the provider's metadata lacks of the profile at
// once, so that its operator need be asked only once.
func (m *metadata) checkFAPI2(doc validate.Claims, s *Settings) error {
	if !s.fapi() {
		return nil
	}
	var lacking []string
	// What is mistyped here is missing too.
	has := func(name string, values ...string) bool {
		listed, _, err := doc.Strings(name)
		return err == nil && len(among(values, listed, true)) > 0
	}
	need := func(there bool, format string, args ...any) {
		if !there {
			lacking = append(lacking, fmt.Sprintf(format, args...))
		}
	}
	list := func(name string, values ...string) {
		need(has(name, values...), "%s in %s", strings.Join(values, " or "), name)
	}
	yes := func(name string) {
		stated, _, err := doc.Bool(name)
		need(err == nil && stated, "true for %s", name)
	}
	need(m.par != "", "pushed_authorization_request_endpoint")
	list("response_types_supported", "code")
	list("code_challenge_methods_supported", "S256")
	if !s.jarm() { // which has iss inside
		yes("authorization_response_iss_parameter_supported")
	}
	list("token_endpoint_auth_methods_supported", s.ClientAuth)
	if s.ClientAuth == authPrivateKey && doc["token_endpoint_auth_signing_alg_values_supported"] != nil {
		list("token_endpoint_auth_signing_alg_values_supported", fapiAlgorithms...)
	}
	wanted := fapiAlgorithms
	if s.Algorithms != nil {
		wanted = s.Algorithms
	}
	list("id_token_signing_alg_values_supported", wanted...)
	if s.jarm() && doc["authorization_signing_alg_values_supported"] != nil {
		list("authorization_signing_alg_values_supported", wanted...)
	}
	if s.signsRequest() && doc["request_object_signing_alg_values_supported"] != nil {
		list("request_object_signing_alg_values_supported", fapiAlgorithms...)
	}
	if s.DPoP {
		list("dpop_signing_alg_values_supported", dpopAlgorithm)
	} else {
		yes("tls_client_certificate_bound_access_tokens")
	}
	if lacking == nil {
		return nil
	}
	return fmt.Errorf("the provider's metadata has not all that Profile FAPI2 needs; it lacks %s: ask the provider for it, or leave Profile out", strings.Join(lacking, ", "))
}

// among are those of wanted that are supported, all of them where nothing is
// listed.
func among(wanted, supported []string, listed bool) []string {
	if !listed {
		return wanted
	}
	var out []string
	for _, v := range wanted {
		if slices.Contains(supported, v) {
			out = append(out, v)
		}
	}
	return out
}
