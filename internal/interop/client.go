package interop

// Client is a client as it registers at a provider, in the words of the
// specifications (Registration 2 and its extensions), as far as they are
// needed here.
type Client struct {
	ID                     string   `json:"client_id,omitempty"`
	Secret                 string   `json:"client_secret,omitempty"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	ResponseTypes          []string `json:"response_types,omitempty"`
	GrantTypes             []string `json:"grant_types,omitempty"`
	Scope                  string   `json:"scope,omitempty"`

	// Its keys, and how it authenticates by them.
	JWKSURI       string `json:"jwks_uri,omitempty"`
	AuthMethod    string `json:"token_endpoint_auth_method,omitempty"`
	AuthAlg       string `json:"token_endpoint_auth_signing_alg,omitempty"`
	CertificateDN string `json:"tls_client_auth_subject_dn,omitempty"` // RFC 8705 2.1.2
	DPoP          bool   `json:"dpop_bound_access_tokens,omitempty"`   // RFC 9449 5.2
	DefaultMaxAge int    `json:"default_max_age,omitempty"`

	// How it learns of sign-outs.
	BackchannelLogout         string `json:"backchannel_logout_uri,omitempty"`
	BackchannelLogoutSession  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelLogout        string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutSession bool   `json:"frontchannel_logout_session_required,omitempty"`

	// What it asks.
	RequirePAR           bool     `json:"require_pushed_authorization_requests,omitempty"` // RFC 9126 6
	RequireRequestObject bool     `json:"require_signed_request_object,omitempty"`         // RFC 9101 10.5
	RequestObjectAlg     string   `json:"request_object_signing_alg,omitempty"`
	RequestURIs          []string `json:"request_uris,omitempty"`

	// What it is answered.
	ResponseAlg           string `json:"authorization_signed_response_alg,omitempty"` // JARM 3
	IDTokenAlg            string `json:"id_token_signed_response_alg,omitempty"`
	IDTokenEncryption     string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncryptionEnc  string `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoAlg           string `json:"userinfo_signed_response_alg,omitempty"`
	UserInfoEncryption    string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEncryptionEnc string `json:"userinfo_encrypted_response_enc,omitempty"`
}
