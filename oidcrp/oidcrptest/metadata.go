package oidcrptest

import (
	"net/http"
	"slices"
)

func (p *Provider) serveMetadata(w http.ResponseWriter, r *http.Request) {
	m := map[string]any{
		"issuer":                                p.issuer,
		"authorization_endpoint":                p.URL(AuthorizeEndpoint),
		"token_endpoint":                        p.URL(TokenEndpoint),
		"userinfo_endpoint":                     p.URL(UserInfoEndpoint),
		"jwks_uri":                              p.URL(JWKSEndpoint),
		"end_session_endpoint":                  p.URL(EndSessionEndpoint),
		"registration_endpoint":                 p.URL(RegisterEndpoint),
		"revocation_endpoint":                   p.URL(RevokeEndpoint),
		"pushed_authorization_request_endpoint": p.URL(PAREndpoint),

		"response_types_supported":                         responseTypes,
		"response_modes_supported":                         []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
		"grant_types_supported":                            []string{"authorization_code", "implicit", "refresh_token"},
		"subject_types_supported":                          []string{"public"},
		"id_token_signing_alg_values_supported":            algorithms,
		"token_endpoint_auth_methods_supported":            authMethods,
		"token_endpoint_auth_signing_alg_values_supported": append(slices.Clone(clientAlgorithms), "HS256"),
		"request_object_signing_alg_values_supported":      append(slices.Clone(clientAlgorithms), "none"),
		"code_challenge_methods_supported":                 []string{"S256"},
		"scopes_supported":                                 []string{"openid", "profile", "email", "address", "phone", "offline_access"},
		"claims_supported": []string{"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "nonce",
			"name", "preferred_username", "given_name", "family_name", "locale", "email", "email_verified", "roles", "groups"},
		"prompt_values_supported":                        []string{"none", "login", "consent", "select_account"},
		"ui_locales_supported":                           languages,
		"acr_values_supported":                           []string{defaultACR, "2"},
		"claim_types_supported":                          []string{"normal", "aggregated", "distributed"},
		"id_token_encryption_alg_values_supported":       encryptionAlgorithms,
		"id_token_encryption_enc_values_supported":       contentEncryptions,
		"userinfo_signing_alg_values_supported":          algorithms,
		"userinfo_encryption_alg_values_supported":       encryptionAlgorithms,
		"userinfo_encryption_enc_values_supported":       contentEncryptions,
		"authorization_signing_alg_values_supported":     algorithms,
		"authorization_encryption_alg_values_supported":  encryptionAlgorithms,
		"authorization_encryption_enc_values_supported":  contentEncryptions,
		"dpop_signing_alg_values_supported":              clientAlgorithms,
		"claims_parameter_supported":                     true,
		"request_parameter_supported":                    true,
		"request_uri_parameter_supported":                true,
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          true,
	}
	if p.managesSessions() {
		m["check_session_iframe"] = p.URL(CheckSessionEndpoint)
	}
	p.addAliases(m)
	for _, f := range p.activeFaults() {
		if f.Metadata != nil {
			f.Metadata(m)
		}
	}
	writeJSON(w, http.StatusOK, m)
}
