package provider

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// metadata is one version of what is known about the provider: its document
// (Discovery 3) with the settings applied. It never changes.
type metadata struct {
	authorization string
	token         string
	userInfo      string
	jwks          string
	endSession    string
	checkSession  string
	par           string // "": requests are not pushed
	registration  string
	client        *client // who we are here
	revocation    string
	scopes        []string // to ask for

	clientAuth         string
	authAlgorithms     []string // of client assertions; nil: not listed
	requestAlgorithms  []string // of request objects; nil: not listed
	algorithms         []string
	userInfoAlgorithms []string
	responseAlgorithms []string // JARM
	issAdvertised      bool     // RFC 9207 3

	request    string // the constant part of the authorization request
	own        int    // where in it our parameters begin
	formAction []string
	fetched    time.Time
}

// metadataURL is where the document is (Discovery 4).
func (s *Settings) metadataURL() string {
	if s.MetadataURL != "" {
		return s.MetadataURL
	}
	return strings.TrimSuffix(s.Issuer, "/") + "/.well-known/openid-configuration"
}

// serverMetadataURL is where the metadata of an OAuth authorization server is:
// between host and path, not behind them (RFC 8414 3.1).
func (s *Settings) serverMetadataURL() string {
	path := ""
	if u, err := url.Parse(s.Issuer); err == nil {
		path = u.EscapedPath()
	}
	return origin(s.Issuer) + "/.well-known/oauth-authorization-server" + strings.TrimSuffix(path, "/")
}

// parseMetadata reads a metadata document. Nothing in it is trusted before it
// has been checked here: every address that may be used later, and the issuer,
// by simple comparison (Discovery 4.3). A provider of several issuers may
// name another of its own, or all of them at once, as Entra ID does.
func parseMetadata(document []byte, s *Settings) (*metadata, error) {
	doc, err := validate.Object(document)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	issuer, _, err := doc.String("issuer")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errBroken, err)
	}
	if issuer == "" {
		return nil, fmt.Errorf("%w: it names no issuer", errBroken)
	}
	if issuer != s.Issuer && issuer != s.IssuerTemplate && !slices.Contains(s.Issuers, issuer) {
		return nil, fmt.Errorf("%w: the document's issuer is %q, the configured one %q", ErrMisconfigured, clean(issuer, 256, nil), s.Issuer)
	}
	return newMetadata(doc, s)
}

// errBroken is a document that cannot be the provider's metadata, such as the
// page of a proxy: time may heal it.
var errBroken = errors.New("not a metadata document")

// newMetadata applies the settings to doc, which is empty for a provider whose
// endpoints were given by hand.
func newMetadata(doc validate.Claims, s *Settings) (*metadata, error) {
	m := &metadata{}
	issuer, err := url.Parse(s.Issuer)
	if err != nil {
		return nil, fmt.Errorf("%w: issuer: %w", ErrMisconfigured, err)
	}
	rule := s.urlRule(issuer)
	var errs []error
	if s.showsCertificate() {
		if doc, err = withAliases(doc); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMisconfigured, err)
		}
	}
	for _, e := range []struct {
		to       *string
		override string
		name     string
		required bool
	}{
		{&m.authorization, s.Endpoints.Authorization, "authorization_endpoint", true},
		{&m.token, s.Endpoints.Token, "token_endpoint", s.flow().code}, // Discovery 3
		{&m.jwks, s.Endpoints.JWKS, "jwks_uri", !s.usesMAC()},
		{&m.userInfo, s.Endpoints.UserInfo, "userinfo_endpoint", false},
		{&m.endSession, s.Endpoints.EndSession, "end_session_endpoint", false},
		{&m.checkSession, "", "check_session_iframe", false},
		{&m.par, s.Endpoints.PAR, "pushed_authorization_request_endpoint", false},
		{&m.revocation, s.Endpoints.Revocation, "revocation_endpoint", false},
	} {
		*e.to, err = endpoint(doc, e.name, e.override, rule)
		if err == nil && e.required && *e.to == "" {
			err = fmt.Errorf("%s is missing", e.name)
		}
		errs = append(errs, err)
	}
	if s.Registration != nil { // to others it may be whatever it likes
		m.registration, err = endpoint(doc, "registration_endpoint", s.Endpoints.Registration, rule)
		if err == nil && m.registration == "" {
			err = errors.New("registration_endpoint is missing")
		}
		errs = append(errs, err)
	}
	errs = append(errs, m.readScopes(doc, s), m.readCapabilities(doc, s), m.readPAR(doc, s), m.readRequestObject(doc, s), m.checkTransport(s), m.checkFAPI2(doc, s))
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	m.client = &client{id: s.ClientID, secret: s.Secret}
	m.request, m.own = constantRequest(m.authorization, m.client.id, s, m.scopes)
	m.formAction = []string{origin(m.authorization)}
	if o := origin(m.endSession); m.endSession != "" && o != m.formAction[0] {
		m.formAction = append(m.formAction, o)
	}
	return m, nil
}

// as returns a copy of m for a client that was registered.
func (m metadata) as(c *client, s *Settings) *metadata {
	m.client, m.clientAuth = c, c.auth
	m.request, m.own = constantRequest(m.authorization, c.id, s, m.scopes)
	// What it would sign with that we do not accept is refused when it comes.
	if slices.Contains(m.algorithms, c.signedWith) {
		m.algorithms = []string{c.signedWith}
	}
	return &m
}

// endpoint is the setting, if there is one, else what doc says. A hostile
// address spoils the whole document; the operator can replace or blank it.
func endpoint(doc validate.Claims, name, override string, rule urlRule) (string, error) {
	switch override {
	case noEndpoint:
		return "", nil
	case "":
	default:
		return override, nil
	}
	address, _, err := doc.String(name)
	if err != nil || address == "" {
		return "", err
	}
	if _, err := checkURL(address, rule); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return address, nil
}

// readScopes decides what to ask for. offline_access is OpenID Connect's word
// for a refresh token (Core 11): a provider that lists its scopes without it has
// another, and may refuse what it does not know.
func (m *metadata) readScopes(doc validate.Claims, s *Settings) error {
	supported, listed, err := doc.Strings("scopes_supported")
	m.scopes = requestScopes(s.Scopes)
	if s.Offline && (!listed || slices.Contains(supported, offlineAccess)) {
		m.scopes = union(m.scopes, []string{offlineAccess})
	}
	return err
}

const offlineAccess = "offline_access"

// union has the members of both, each once.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (m *metadata) readCapabilities(doc validate.Claims, s *Settings) error {
	var errs []error
	var err error
	if m.issAdvertised, _, err = doc.Bool("authorization_response_iss_parameter_supported"); err != nil {
		errs = append(errs, err)
	}
	methods, listed, err := doc.Strings("token_endpoint_auth_methods_supported")
	// Without a code, a client names itself to the PAR endpoint only.
	if err == nil && (s.flow().code || s.Registration != nil || m.par != "" && s.PAR != UsageRefused) {
		m.clientAuth, err = chooseClientAuth(s, methods, listed)
	}
	errs = append(errs, err)
	m.authAlgorithms, _, err = doc.Strings("token_endpoint_auth_signing_alg_values_supported")
	errs = append(errs, err)
	algorithms, listed, err := doc.Strings("id_token_signing_alg_values_supported")
	if err == nil {
		m.algorithms, err = chooseAlgorithms(s, algorithms, listed)
	}
	errs = append(errs, err)
	algorithms, listed, err = doc.Strings("userinfo_signing_alg_values_supported")
	m.userInfoAlgorithms = narrowed(s, algorithms, listed)
	errs = append(errs, err)
	algorithms, listed, err = doc.Strings("authorization_signing_alg_values_supported")
	m.responseAlgorithms = narrowed(s, algorithms, listed)
	errs = append(errs, err)
	proofs, listed, err := doc.Strings("dpop_signing_alg_values_supported")
	if s.DPoP && !s.fapi() && listed && err == nil && !slices.Contains(proofs, dpopAlgorithm) {
		err = errors.New("the provider does not list ES256 in dpop_signing_alg_values_supported: turn DPoP off")
	}
	return errors.Join(append(errs, err)...)
}

// chooseAlgorithms lets the metadata narrow the list, never widen it.
func chooseAlgorithms(s *Settings, supported []string, listed bool) ([]string, error) {
	out := narrowed(s, supported, listed)
	if len(out) == 0 && !s.fapi() { // else [metadata.checkFAPI2] tells
		return nil, errors.New("the provider lists no public-key algorithm for ID tokens: if it is HMAC with the client secret you want, name it in Algorithms")
	}
	return out, nil
}

// narrowed is what the settings accept or, where they leave it open, the
// public-key algorithms the metadata does not leave out.
func narrowed(s *Settings, supported []string, listed bool) []string {
	if len(s.Algorithms) > 0 {
		return s.Algorithms
	}
	return among(s.acceptable(), supported, listed)
}
