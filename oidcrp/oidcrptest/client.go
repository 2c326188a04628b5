package oidcrptest

import (
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Client is a relying party registered at a [Provider].
type Client struct {
	ID     string
	Secret string // "": a public client
	Name   string // on the sign-in page; "": ID

	// Both are compared exactly; RelyingParty.RedirectURLs lists them. A
	// sign-out that is to come back to none of PostLogoutRedirectURLs is refused.
	RedirectURLs           []string
	PostLogoutRedirectURLs []string

	// ResponseTypes are those allowed; nil: all.
	ResponseTypes []string

	// AuthMethod is the one token_endpoint_auth_method allowed:
	// "client_secret_basic", "client_secret_post", "client_secret_jwt",
	// "private_key_jwt", "none" or, after [Provider.StartTLS], "tls_client_auth"
	// or "self_signed_tls_client_auth", whose certificate is an x5c of JWKS.
	// "" allows the first two.
	AuthMethod string

	// CertificateSubject is for tls_client_auth.
	CertificateSubject CertificateSubject

	// BindCertificate binds access tokens to the certificate of the token
	// request, and refuses one without (RFC 8705 3).
	BindCertificate bool

	// AuthAlgorithm is the one algorithm allowed for client assertions
	// (token_endpoint_auth_signing_alg); "" is RS256, PS256, ES256, EdDSA or,
	// with a Secret, HS256.
	AuthAlgorithm string

	// AssertionAudience is the one "aud" allowed in client assertions, as a
	// string. "" allows the issuer, the token endpoint and the endpoint called,
	// one or several.
	AssertionAudience string

	// JWKS has the client's public keys, a JWK Set in JSON, for client
	// assertions, request objects and encryption; JWKSURL is where it is instead, fetched
	// at each use. See [Provider.SetHTTPClient].
	JWKS    []byte
	JWKSURL string

	// RequestObjectAlgorithm is the one algorithm allowed for request objects
	// (RFC 9101): RS256, PS256, ES256, EdDSA, or "none", which takes unsigned
	// ones and no others. "" is any that signs.
	RequestObjectAlgorithm string

	// RequestURLs are the addresses allowed as request_uri, compared without
	// their fragments; one without a query allows any query. Nil: all.
	RequestURLs []string

	// RequireRequestObject refuses authorization requests without a request
	// object (RFC 9101).
	RequireRequestObject bool

	// Algorithm signs this client's ID tokens; "": the provider's.
	Algorithm string

	// UserInfoOnly leaves the user's claims out of ID tokens, as many real
	// providers do: they must be fetched from UserInfo.
	UserInfoOnly bool

	// ResponseAlgorithm signs the authorization responses of this client that
	// are JWTs (JARM), which the response modes jwt, query.jwt, fragment.jwt and
	// form_post.jwt ask for; "": the provider's.
	ResponseAlgorithm string

	// UserInfoAlgorithm signs UserInfo for this client; "": it is plain JSON.
	UserInfoAlgorithm string

	// What is encrypted to the client's JWKS, and how; nothing by default. A
	// signed token is signed first.
	IDTokenEncryption, UserInfoEncryption, ResponseEncryption Encryption

	// RequireDPoP refuses token requests without a DPoP proof (RFC 9449). With
	// one, access tokens are bound to its key for any client.
	RequireDPoP bool

	// RequirePAR refuses authorization requests that were not pushed (RFC 9126).
	RequirePAR bool

	// BackchannelLogoutURL takes a logout token by POST when a session ends in
	// which the client took part (Back-Channel Logout 1.0). It names the subject
	// and the session; that of [Provider.SignOut] names the subject alone unless
	// BackchannelLogoutSessionRequired.
	BackchannelLogoutURL             string
	BackchannelLogoutSessionRequired bool

	// FrontchannelLogoutURL is loaded in a frame of the provider's sign-out page
	// when a session ends in which the client took part (Front-Channel Logout
	// 1.0), with "iss" and "sid" if FrontchannelLogoutSessionRequired. It must
	// have the origin of a redirect URL.
	FrontchannelLogoutURL             string
	FrontchannelLogoutSessionRequired bool
}

// AddClient registers a client, or replaces the one with its ID. It returns
// the client with a random ID and Secret where these were empty; a public
// client says AuthMethod "none". With an ID and Secret of your own it may be
// called after [oidcrp.New], with the addresses of RelyingParty.RedirectURLs.
func (p *Provider) AddClient(c Client) Client {
	if c.ID == "" {
		c.ID = "client-" + random()[:8]
	}
	if c.Secret == "" && (c.AuthMethod == "" || strings.HasPrefix(c.AuthMethod, "client_secret_")) {
		c.Secret = random()
	}
	for _, alg := range []string{c.Algorithm, c.ResponseAlgorithm, c.UserInfoAlgorithm} {
		if alg != "" {
			mustSign(alg)
		}
	}
	for _, e := range []Encryption{c.IDTokenEncryption, c.UserInfoEncryption, c.ResponseEncryption} {
		e.check(c)
	}
	mustAuthenticate(c)
	if problem := logoutURLProblem(c.BackchannelLogoutURL, c.FrontchannelLogoutURL, c.RedirectURLs); problem != "" {
		panic("oidcrptest: " + problem)
	}
	c.RedirectURLs = slices.Clone(c.RedirectURLs)
	c.ResponseTypes = slices.Clone(c.ResponseTypes)
	c.PostLogoutRedirectURLs = slices.Clone(c.PostLogoutRedirectURLs)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.clients {
		if p.clients[i].ID == c.ID {
			p.clients[i] = c
			return c
		}
	}
	p.clients = append(p.clients, c)
	return c
}

// Clients returns the registered clients.
func (p *Provider) Clients() []Client {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.clients)
}

func (p *Provider) client(id string) (Client, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}

func (c Client) displayName() string {
	if c.Name != "" {
		return c.Name
	}
	return c.ID
}

// authMethods are the ways a client can authenticate.
var authMethods = []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"}

// mustAuthenticate panics where a client could never be recognized.
func mustAuthenticate(c Client) {
	if c.AuthMethod != "" && !slices.Contains(authMethods, c.AuthMethod) && !slices.Contains(tlsMethods, c.AuthMethod) {
		panic(fmt.Sprintf("oidcrptest: no AuthMethod %q; there are %v and %v", c.AuthMethod, authMethods, tlsMethods))
	}
	byKey := c.AuthMethod == "private_key_jwt" || c.AuthMethod == "self_signed_tls_client_auth"
	if byKey && len(c.JWKS) == 0 && c.JWKSURL == "" {
		panic("oidcrptest: a client with " + c.AuthMethod + " needs JWKS or JWKSURL")
	}
	if c.AuthMethod == "tls_client_auth" && c.CertificateSubject.names() != 1 {
		panic("oidcrptest: a client with tls_client_auth needs one name in CertificateSubject")
	}
	if alg := c.AuthAlgorithm; alg != "" && alg != "HS256" && !slices.Contains(clientAlgorithms, alg) {
		panic(fmt.Sprintf("oidcrptest: no AuthAlgorithm %q; there are HS256 and %v", alg, clientAlgorithms))
	}
	if alg := c.RequestObjectAlgorithm; alg != "" && alg != "none" && !slices.Contains(clientAlgorithms, alg) {
		panic(fmt.Sprintf("oidcrptest: no RequestObjectAlgorithm %q; there are none and %v", alg, clientAlgorithms))
	}
}

// authenticateClient says which client sends this request (RFC 6749 2.3.1,
// Core 9).
func (p *Provider) authenticateClient(r *http.Request) (Client, error) {
	form := r.PostForm
	header := r.Header.Get("Authorization")
	if used(header != "", form.Has("client_secret"), form.Has("client_assertion")) > 1 {
		return Client{}, &oauthError{"invalid_request", "two ways of client authentication", 0}
	}
	id, secret, method := form.Get("client_id"), form.Get("client_secret"), "none"
	switch {
	case header != "":
		var ok bool
		method = "client_secret_basic"
		if id, secret, ok = basicAuth(header); !ok {
			return Client{}, invalidClient("cannot read the Authorization header")
		}
	case form.Has("client_assertion"):
		if form.Get("client_assertion_type") != assertionType {
			return Client{}, invalidClient("client_assertion_type must be " + assertionType)
		}
		if id == "" { // RFC 7521 4.2
			id = unverifiedSubject(form.Get("client_assertion"))
		}
	case secret != "":
		method = "client_secret_post"
	}
	if named := form.Get("client_id"); named != "" && named != id {
		return Client{}, &oauthError{"invalid_request", "client_id differs from the Authorization header", 0}
	}
	c, ok := p.client(id)
	if !ok {
		return Client{}, invalidClient("no such client")
	}
	if form.Has("client_assertion") {
		var err error
		if method, err = p.checkAssertion(r, c, form.Get("client_assertion")); err != nil {
			return Client{}, err
		}
	}
	if method == "none" && slices.Contains(tlsMethods, c.AuthMethod) {
		if err := p.checkCertificate(r, c); err != nil {
			return Client{}, err
		}
		method = c.AuthMethod
	}
	if !c.allows(method) {
		return Client{}, invalidClient("this client may not authenticate by " + method)
	}
	bySecret := method == "client_secret_basic" || method == "client_secret_post"
	if bySecret && subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 {
		return Client{}, invalidClient("wrong client secret")
	}
	return c, nil
}

func used(ways ...bool) (n int) {
	for _, way := range ways {
		if way {
			n++
		}
	}
	return n
}

// unverifiedSubject reads whose assertion it claims to be, to find the key.
func unverifiedSubject(assertion string) string {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	if json.Unmarshal(b, &claims) != nil {
		return ""
	}
	return claims.Subject
}

func (c Client) allows(method string) bool {
	if c.AuthMethod != "" {
		return c.AuthMethod == method
	}
	return method == "client_secret_basic" || method == "client_secret_post"
}

// basicAuth reads a Basic header whose two parts are form-encoded (RFC 6749
// 2.3.1), which net/http does not undo.
func basicAuth(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	id, secret, ok = strings.Cut(string(b), ":")
	if !ok {
		return "", "", false
	}
	id, err1 := url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	return id, secret, err1 == nil && err2 == nil
}
