package oidcrptest

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// clientMetadata is what a client may say of itself (OpenID Connect
// Registration 2, RFC 7591 2). Other members are dropped.
type clientMetadata struct {
	ApplicationType string          `json:"application_type,omitempty"`
	ClientName      string          `json:"client_name,omitempty"`
	Contacts        []string        `json:"contacts,omitempty"`
	RedirectURIs    []string        `json:"redirect_uris"`
	ResponseTypes   []string        `json:"response_types,omitempty"`
	GrantTypes      []string        `json:"grant_types,omitempty"`
	JWKS            json.RawMessage `json:"jwks,omitempty"`
	JWKSURI         string          `json:"jwks_uri,omitempty"`
	RequestURIs     []string        `json:"request_uris,omitempty"`
	PostLogoutURIs  []string        `json:"post_logout_redirect_uris,omitempty"`
	InitiateURI     string          `json:"initiate_login_uri,omitempty"`

	AuthMethod    string `json:"token_endpoint_auth_method,omitempty"`
	AuthAlgorithm string `json:"token_endpoint_auth_signing_alg,omitempty"`

	SubjectDN    string `json:"tls_client_auth_subject_dn,omitempty"`
	SubjectDNS   string `json:"tls_client_auth_san_dns,omitempty"`
	SubjectURI   string `json:"tls_client_auth_san_uri,omitempty"`
	SubjectIP    string `json:"tls_client_auth_san_ip,omitempty"`
	SubjectEmail string `json:"tls_client_auth_san_email,omitempty"`

	IDTokenAlgorithm  string `json:"id_token_signed_response_alg,omitempty"`
	IDTokenKey        string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenContent    string `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoAlgorithm string `json:"userinfo_signed_response_alg,omitempty"`
	UserInfoKey       string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoContent   string `json:"userinfo_encrypted_response_enc,omitempty"`
	ResponseAlgorithm string `json:"authorization_signed_response_alg,omitempty"`
	ResponseKey       string `json:"authorization_encrypted_response_alg,omitempty"`
	ResponseContent   string `json:"authorization_encrypted_response_enc,omitempty"`
	ObjectAlgorithm   string `json:"request_object_signing_alg,omitempty"`

	RequireObject   bool `json:"require_signed_request_object,omitempty"`
	RequirePAR      bool `json:"require_pushed_authorization_requests,omitempty"`
	BindCertificate bool `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	RequireDPoP     bool `json:"dpop_bound_access_tokens,omitempty"`

	BackchannelURI      string `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession  bool   `json:"backchannel_logout_session_required,omitempty"`
	FrontchannelURI     string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession bool   `json:"frontchannel_logout_session_required,omitempty"`
}

// SetRegistrationToken closes the registration endpoint to all who have not
// this initial access token (RFC 7591 3). "" opens it.
func (p *Provider) SetRegistrationToken(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.registrationToken = token
}

// serveRegister registers a client (OpenID Connect Registration 3). Its ID and
// secret are as awkward as the certification suite's.
func (p *Provider) serveRegister(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	wanted := p.registrationToken
	p.mu.Unlock()
	if wanted != "" && r.Header.Get("Authorization") != "Bearer "+wanted {
		w.Header().Set("WWW-Authenticate", `Bearer realm="oidcrptest", error="invalid_token"`)
		writeOAuthError(w, &oauthError{"invalid_token", "no right initial access token", http.StatusUnauthorized})
		return
	}
	var m clientMetadata
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		writeOAuthError(w, &oauthError{"invalid_client_metadata", err.Error(), 0})
		return
	}
	m.setDefaults()
	if problem := m.judge(); problem != nil {
		writeOAuthError(w, problem)
		return
	}
	c := p.AddClient(m.client())
	var body map[string]any
	if err := json.Unmarshal(mustJSON(m), &body); err != nil {
		panic(err)
	}
	body["client_id"], body["client_id_issued_at"] = c.ID, p.time().Unix()
	if c.Secret != "" {
		body["client_secret"], body["client_secret_expires_at"] = c.Secret, 0
	}
	for _, f := range p.activeFaults() {
		if f.Registration != nil {
			f.Registration(body)
		}
	}
	writeJSON(w, http.StatusCreated, body)
}

func (m *clientMetadata) setDefaults() {
	for _, d := range []struct {
		field *string
		value string
	}{{&m.ApplicationType, "web"}, {&m.AuthMethod, "client_secret_basic"}, {&m.IDTokenAlgorithm, "RS256"}} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if m.ResponseTypes == nil {
		m.ResponseTypes = []string{"code"}
	}
	if m.GrantTypes == nil {
		m.GrantTypes = []string{"authorization_code"}
	}
}

// judge says what is wrong with what a client says of itself.
func (m *clientMetadata) judge() *oauthError {
	if len(m.RedirectURIs) == 0 {
		return &oauthError{"invalid_redirect_uri", "redirect_uris is empty", 0}
	}
	for _, uri := range m.RedirectURIs {
		if u, err := url.Parse(uri); err != nil || !u.IsAbs() || strings.Contains(uri, "#") {
			return &oauthError{"invalid_redirect_uri", uri, 0}
		}
	}
	invalid := func(description string) *oauthError {
		return &oauthError{"invalid_client_metadata", description, 0}
	}
	for _, name := range m.ResponseTypes {
		asked := responseType(name)
		if asked == "" {
			return invalid("response_types has " + name)
		}
		needs := map[string]bool{"authorization_code": strings.Contains(asked, "code"), "implicit": defaultMode(asked) == "fragment"}
		for grantType, needed := range needs {
			if needed && !slices.Contains(m.GrantTypes, grantType) {
				return invalid("response type " + asked + " needs the grant type " + grantType)
			}
		}
	}
	if problem := logoutURLProblem(m.BackchannelURI, m.FrontchannelURI, m.RedirectURIs); problem != "" {
		return invalid(problem)
	}
	if m.JWKS != nil && m.JWKSURI != "" {
		return invalid("jwks and jwks_uri exclude each other")
	}
	if m.AuthMethod == "tls_client_auth" && m.subject().names() != 1 {
		return invalid("tls_client_auth needs exactly one name of the certificate")
	}
	hasKeys := m.JWKS != nil || m.JWKSURI != ""
	for _, check := range []struct {
		name, value string
		allowed     []string
		needsKeys   bool
	}{
		{"token_endpoint_auth_method", m.AuthMethod, slices.Concat(authMethods, tlsMethods), m.AuthMethod == "private_key_jwt" || m.AuthMethod == "self_signed_tls_client_auth"},
		{"token_endpoint_auth_signing_alg", m.AuthAlgorithm, append([]string{"HS256"}, clientAlgorithms...), false},
		{"id_token_signed_response_alg", m.IDTokenAlgorithm, algorithms, false},
		{"userinfo_signed_response_alg", m.UserInfoAlgorithm, algorithms, false},
		{"authorization_signed_response_alg", m.ResponseAlgorithm, algorithms, false},
		{"request_object_signing_alg", m.ObjectAlgorithm, append([]string{"none"}, clientAlgorithms...), m.ObjectAlgorithm != "" && m.ObjectAlgorithm != "none"},
		{"id_token_encrypted_response_alg", m.IDTokenKey, encryptionAlgorithms, m.IDTokenKey != ""},
		{"userinfo_encrypted_response_alg", m.UserInfoKey, encryptionAlgorithms, m.UserInfoKey != ""},
		{"authorization_encrypted_response_alg", m.ResponseKey, encryptionAlgorithms, m.ResponseKey != ""},
		{"id_token_encrypted_response_enc", m.IDTokenContent, contentEncryptions, false},
		{"userinfo_encrypted_response_enc", m.UserInfoContent, contentEncryptions, false},
		{"authorization_encrypted_response_enc", m.ResponseContent, contentEncryptions, false},
	} {
		if check.value != "" && !slices.Contains(check.allowed, check.value) {
			return invalid(check.name + " " + check.value + " is not supported")
		}
		if check.needsKeys && !hasKeys {
			return invalid(check.name + " " + check.value + " needs jwks or jwks_uri")
		}
	}
	for _, pair := range [][2]string{{m.IDTokenKey, m.IDTokenContent}, {m.UserInfoKey, m.UserInfoContent}, {m.ResponseKey, m.ResponseContent}} {
		if pair[0] == "" && pair[1] != "" {
			return invalid("an encrypted_response_enc needs its encrypted_response_alg")
		}
	}
	return nil
}

func (m *clientMetadata) subject() CertificateSubject {
	return CertificateSubject{DN: m.SubjectDN, DNS: m.SubjectDNS, URI: m.SubjectURI, IP: m.SubjectIP, Email: m.SubjectEmail}
}

func (m *clientMetadata) client() Client {
	c := Client{
		ID:                     "client_" + awkward(25),
		Name:                   m.ClientName,
		RedirectURLs:           m.RedirectURIs,
		PostLogoutRedirectURLs: m.PostLogoutURIs,
		ResponseTypes:          m.ResponseTypes,
		AuthMethod:             m.AuthMethod,
		AuthAlgorithm:          m.AuthAlgorithm,
		CertificateSubject:     m.subject(),
		BindCertificate:        m.BindCertificate,
		JWKS:                   m.JWKS,
		JWKSURL:                m.JWKSURI,
		RequestObjectAlgorithm: m.ObjectAlgorithm,
		RequestURLs:            m.RequestURIs,
		RequireRequestObject:   m.RequireObject,
		Algorithm:              m.IDTokenAlgorithm,
		ResponseAlgorithm:      m.ResponseAlgorithm,
		UserInfoAlgorithm:      m.UserInfoAlgorithm,
		IDTokenEncryption:      Encryption{m.IDTokenKey, m.IDTokenContent},
		UserInfoEncryption:     Encryption{m.UserInfoKey, m.UserInfoContent},
		ResponseEncryption:     Encryption{m.ResponseKey, m.ResponseContent},
		RequireDPoP:            m.RequireDPoP,
		RequirePAR:             m.RequirePAR,

		BackchannelLogoutURL:              m.BackchannelURI,
		BackchannelLogoutSessionRequired:  m.BackchannelSession,
		FrontchannelLogoutURL:             m.FrontchannelURI,
		FrontchannelLogoutSessionRequired: m.FrontchannelSession,
	}
	if strings.HasPrefix(m.AuthMethod, "client_secret_") {
		c.Secret = awkward(72)
	}
	return c
}

// awkward is an unguessable text with five characters that URLs, forms and
// the Basic scheme must escape, each at a random place.
func awkward(n int) string {
	const punctuation = " :%+&#\"'=/?;@"
	b := []byte(random())
	for len(b) < n {
		b = append(b, random()...)
	}
	b = b[:n]
	for range 5 {
		b[rand.IntN(n)] = punctuation[rand.IntN(len(punctuation))]
	}
	return string(b)
}
