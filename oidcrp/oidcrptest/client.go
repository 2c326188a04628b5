package oidcrptest

import (
	"crypto/subtle"
	"encoding/base64"
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

	RedirectURLs           []string // compared exactly
	PostLogoutRedirectURLs []string // compared exactly

	// AuthMethod is the one token_endpoint_auth_method allowed:
	// "client_secret_basic", "client_secret_post" or "none". "" allows both
	// of the former, or the latter when there is no Secret.
	AuthMethod string

	// Algorithm signs this client's ID tokens; "": the provider's.
	Algorithm string

	// UserInfoOnly leaves the user's claims out of ID tokens, as many real
	// providers do: they must be fetched from UserInfo.
	UserInfoOnly bool

	// RequirePAR refuses authorization requests that were not pushed (RFC 9126).
	RequirePAR bool
}

// AddClient registers a client, or replaces the one with its ID. It returns
// the client with a random ID and Secret where these were empty; a public
// client says AuthMethod "none".
func (p *Provider) AddClient(c Client) Client {
	if c.ID == "" {
		c.ID = "client-" + random()[:8]
	}
	if c.Secret == "" && c.AuthMethod != "none" {
		c.Secret = random()
	}
	if c.Algorithm != "" {
		mustSign(c.Algorithm)
	}
	c.RedirectURLs = slices.Clone(c.RedirectURLs)
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

// authenticateClient says which client sends this request (RFC 6749 2.3.1).
func (p *Provider) authenticateClient(r *http.Request) (Client, error) {
	invalid := func(description string) error {
		return &oauthError{"invalid_client", description, http.StatusUnauthorized}
	}
	id, secret, method := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), "client_secret_post"
	if header := r.Header.Get("Authorization"); header != "" {
		if r.PostForm.Has("client_secret") {
			return Client{}, &oauthError{"invalid_request", "two ways of client authentication", 0}
		}
		basicID, basicSecret, ok := basicAuth(header)
		if !ok {
			return Client{}, invalid("cannot read the Authorization header")
		}
		if id != "" && id != basicID {
			return Client{}, &oauthError{"invalid_request", "client_id differs from the Authorization header", 0}
		}
		id, secret, method = basicID, basicSecret, "client_secret_basic"
	} else if secret == "" {
		method = "none"
	}
	c, ok := p.client(id)
	if !ok {
		return Client{}, invalid("no such client")
	}
	if !c.allows(method) {
		return Client{}, invalid("this client may not authenticate by " + method)
	}
	if subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 && method != "none" {
		return Client{}, invalid("wrong client secret")
	}
	return c, nil
}

func (c Client) allows(method string) bool {
	if c.AuthMethod != "" {
		return c.AuthMethod == method
	}
	return method != "none"
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
