package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Token endpoint authentication methods (Core 9).
const (
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authNone  = "none"
)

// chooseClientAuth decides once, from settings and metadata: trying would send
// a code twice, and some providers revoke everything then (RFC 6749 4.1.2).
func chooseClientAuth(s *Settings, supported []string, listed bool) (string, error) {
	switch {
	case s.ClientAuth != "":
		return s.ClientAuth, nil
	case s.Secret == nil:
		return authNone, nil
	// client_secret_basic is the default of Discovery 3.
	case !listed || slices.Contains(supported, authBasic):
		return authBasic, nil
	case slices.Contains(supported, authPost):
		return authPost, nil
	}
	return "", errors.New("the provider lists no way to use a client secret in token_endpoint_auth_methods_supported: set ClientAuth if it has one all the same")
}

// authenticate adds the client's credentials to a back-channel form and
// returns the function that adds them to its request, and the secret.
func (p *Provider) authenticate(ctx context.Context, method string, form url.Values) (func(*http.Request), string, error) {
	if method == authNone {
		form.Set("client_id", p.s.ClientID)
		return func(*http.Request) {}, "", nil
	}
	secret, err := p.secret(ctx)
	if err != nil {
		return nil, "", err
	}
	if method == authPost {
		form.Set("client_id", p.s.ClientID)
		form.Set("client_secret", secret)
		return func(*http.Request) {}, secret, nil
	}
	// Both parts are form-encoded before they are joined (RFC 6749 2.3.1).
	id, encoded := url.QueryEscape(p.s.ClientID), url.QueryEscape(secret)
	return func(r *http.Request) { r.SetBasicAuth(id, encoded) }, secret, nil
}

// secret asks for the secret at each use, so that it can be rotated.
func (p *Provider) secret(ctx context.Context) (string, error) {
	secret, err := p.s.Secret(ctx)
	if err != nil {
		return "", &Unavailable{What: "client secret", Err: err}
	}
	if secret == "" {
		return "", fmt.Errorf("%w: the client secret is empty", ErrMisconfigured)
	}
	return secret, nil
}
