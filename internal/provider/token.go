package provider

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// maxLifetime is what a stated lifetime of an access token is cut to.
const maxLifetime = 365 * 24 * time.Hour

// tokens is a token response (Core 3.1.3.3), parsed; its ID token is not
// verified yet.
type tokens struct {
	oauth2.Token
	idToken string
	scopes  []string
	key     []byte // that the access token is bound to by DPoP; nil: none
}

// exchange redeems the code (RFC 6749 4.1.3, RFC 7636 4.5): one request, sent
// once, whatever comes back, unless it is a nonce to prove our key with.
func (p *Provider) exchange(ctx context.Context, m *metadata, code string, e Expected) (*tokens, error) {
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {cmp.Or(p.s.RedirectURL, e.RedirectURL)},
		"code_verifier": {e.Verifier},
	}
	if len(p.s.Resource) > 0 {
		form["resource"] = p.s.Resource
	}
	t, err := p.requestTokens(ctx, m, form, p.dpop, union(m.scopes, e.Scopes), code, e.Verifier)
	if err != nil {
		return nil, err
	}
	if t.idToken == "" {
		return nil, refused(tokenResponse, "id_token", "is missing")
	}
	t.idToken, err = p.decryptIDToken(ctx, t.idToken)
	return t, err
}

// requestTokens asks the token endpoint, for tokens bound to the key of d. The
// scopes are those asked for, which the answer may leave out.
func (p *Provider) requestTokens(ctx context.Context, m *metadata, form url.Values, d *dpop, asked []string, spent ...string) (*tokens, error) {
	var secrets []string
	a, err := d.send(&p.nonces.server, "", func(prove prover) (a *answer, err error) {
		a, secrets, err = p.post(ctx, m, tokenEndpoint, m.token, form, prove)
		return a, err
	})
	if err != nil {
		return nil, err
	}
	t, err := parseTokens(a, asked, p.now(), append(secrets, spent...)...)
	if err != nil {
		return nil, err
	}
	if err := d.checkTokenType(t); err != nil {
		return nil, err
	}
	if d != nil {
		t.key = d.key
	}
	return t, nil
}

// post sends a form as this client, and returns what of its credentials no
// error may repeat.
func (p *Provider) post(ctx context.Context, m *metadata, what, address string, form url.Values, prove prover) (*answer, []string, error) {
	sign, secrets, err := p.authenticate(ctx, m, form)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w: no address", what, ErrMisconfigured)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	if what == parEndpoint {
		// To push a request again does no harm, so that net/http may, where the
		// provider has closed an idle connection. Empty, it is not sent.
		req.Header["Idempotency-Key"] = []string{}
	}
	sign(req)
	if err := prove(req); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, err)
	}
	a, err := p.call(ctx, what, req)
	if err == nil && p.s.Registration != nil && a.errorCode() == "invalid_client" {
		p.forget(ctx, m.client)
	}
	return a, secrets, err
}

// errorCode is that of an error response; "" where there is none.
func (a *answer) errorCode() string {
	if a.status < 400 || !a.isJSON() {
		return ""
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return ""
	}
	code, _, _ := doc.String("error")
	return code
}

// parseTokens reads the answer of the token endpoint. Secrets are those of the
// request, which no error may repeat.
func parseTokens(a *answer, asked []string, now time.Time, secrets ...string) (*tokens, error) {
	if a.status != http.StatusOK {
		return nil, a.oauthError(secrets)
	}
	if !a.isJSON() {
		return nil, a.notJSON()
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.what, err)
	}
	// Some providers answer errors with 200.
	if _, ok := doc["error"]; ok {
		return nil, a.oauthError(secrets)
	}
	t := &tokens{scopes: asked}
	if t.idToken, _, err = doc.String("id_token"); err != nil {
		return nil, refused(tokenResponse, "id_token", "is no string")
	}
	// A provider asked for nothing but openid may leave the access token out.
	if t.AccessToken, _, err = doc.String("access_token"); err != nil || !isVSCHAR(t.AccessToken) {
		return nil, refused(tokenResponse, "access_token", "is no string of printable characters")
	}
	if t.RefreshToken, _, err = doc.String("refresh_token"); err != nil || !isVSCHAR(t.RefreshToken) {
		return nil, refused(tokenResponse, "refresh_token", "is no string of printable characters")
	}
	if t.TokenType, _, err = doc.String("token_type"); err != nil {
		return nil, refused(tokenResponse, "token_type", "is no string")
	}
	if lifetime, ok := lifetime(doc["expires_in"]); ok {
		t.Expiry = now.Add(lifetime)
	}
	if scope, present, err := doc.String("scope"); err == nil && present {
		t.scopes = strings.Fields(scope)
	}
	return t, nil
}

// lifetime reads expires_in, which some providers send as a string and some
// absurdly. It decides about no login, so nothing here is an error.
func lifetime(raw json.RawMessage) (time.Duration, bool) {
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `" `), 64)
	if err != nil || n != n {
		return 0, false
	}
	return time.Duration(min(max(n, 0), maxLifetime.Seconds())) * time.Second, true
}

// oauthError is the error of an endpoint that answered with one (RFC 6749
// 5.2), or of its status where the body says nothing that can be read.
func (a *answer) oauthError(secrets []string) error {
	doc, err := validate.Object(a.body)
	if err != nil || !a.isJSON() {
		return a.unexpected()
	}
	code, _, err := doc.String("error")
	if err != nil || code == "" {
		return a.unexpected()
	}
	description, _, _ := doc.String("error_description")
	uri, _, _ := doc.String("error_uri")
	e := newError(a.status, code, description, uri, secrets...)
	if a.status == http.StatusTooManyRequests || a.status >= 500 {
		return &Unavailable{What: a.what, Retry: a.retryAfter(), Err: e}
	}
	return fmt.Errorf("%s: %w", a.what, e)
}
