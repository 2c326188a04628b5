package provider

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// maxClientID and maxClientSecret leave room for those that are JWTs.
const (
	maxClientID     = 2048
	maxClientSecret = 4096
)

// derived are the members that follow from the settings, and those that are
// not for clients to say: nothing else may add them.
var derived = []string{
	"redirect_uris", "response_types", "grant_types", "application_type", "client_name",
	"post_logout_redirect_uris", "initiate_login_uri", "backchannel_logout_uri", "backchannel_logout_session_required",
	"frontchannel_logout_uri", "frontchannel_logout_session_required", "jwks_uri", "jwks", "scope",
	"token_endpoint_auth_method", "id_token_signed_response_alg", "id_token_encrypted_response_alg",
	"userinfo_encrypted_response_alg", "authorization_signed_response_alg",
	"request_uris", "request_object_signing_alg", "require_signed_request_object",
	"require_pushed_authorization_requests", "dpop_bound_access_tokens",
	// Encrypted responses are not read, nor requests encrypted.
	"authorization_encrypted_response_alg", "authorization_encrypted_response_enc",
	"request_object_encryption_alg", "request_object_encryption_enc",
	"client_id", "client_secret", "client_secret_expires_at", "client_id_issued_at",
	"registration_access_token", "registration_client_uri",
}

func (s *Settings) checkRegistration(m *mistakes) {
	r := s.Registration
	if s.ClientID != "" || s.Secret != nil {
		m.add("Registration: the provider gives the client id and secret: remove ClientID, ClientSecret and ClientSecretFunc, or Registration")
	}
	if s.TenantSupplied {
		m.add("Registration: only at a provider the operator chose, not at a TenantSupplied one: give its ClientID")
	}
	if s.Endpoints.Registration == noEndpoint {
		m.add("Registration: Endpoints.Registration is %q: give the endpoint, or leave it as advertised", noEndpoint)
	}
	if hasControl(r.InitialAccessToken) || strings.Contains(r.InitialAccessToken, " ") {
		m.add("Registration.InitialAccessToken has characters a token cannot have: check how it was copied")
	}
	for name := range r.Metadata {
		if slices.Contains(derived, name) || name == "" {
			m.add("Registration.Metadata: %q follows from the other settings, or asks for what is not supported: remove it", name)
		}
	}
	if _, err := json.Marshal(r.Metadata); err != nil {
		m.add("Registration.Metadata: %w", err)
	}
}

// clientMetadata is what we say of ourselves (Registration 2, RFC 7591 2),
// with m nil as far as the settings alone decide.
func (p *Provider) clientMetadata(ctx context.Context, m *metadata) (map[string]any, error) {
	r := p.s.Registration
	all := map[string]any{}
	maps.Copy(all, r.Metadata)
	grants := []string{}
	if p.flow.code {
		grants = append(grants, "authorization_code")
	}
	if p.flow.front() {
		grants = append(grants, "implicit")
	}
	all["application_type"] = "web"
	all["redirect_uris"] = []string{p.s.RedirectURL}
	all["response_types"] = []string{p.flow.String()}
	scopes := requestScopes(p.s.Scopes)
	if m != nil {
		scopes = m.scopes
	}
	all["scope"] = strings.Join(scopes, " ")
	if p.flow.code && (p.s.Offline || slices.Contains(scopes, offlineAccess)) {
		grants = append(grants, "refresh_token")
	}
	all["grant_types"] = grants
	say := func(name, value string) {
		if value != "" {
			all[name] = value
		}
	}
	say("client_name", r.ClientName)
	say("jwks_uri", r.JWKSURL)
	if strings.HasPrefix(r.InitiateLoginURL, "https://") { // Registration 2
		all["initiate_login_uri"] = r.InitiateLoginURL
	}
	if r.PostLogoutRedirectURL != "" {
		all["post_logout_redirect_uris"] = []string{r.PostLogoutRedirectURL}
	}
	say("backchannel_logout_uri", r.BackchannelLogoutURL)
	if r.FrontchannelLogoutURL != "" { // both iss and sid are needed there
		all["frontchannel_logout_uri"], all["frontchannel_logout_session_required"] = r.FrontchannelLogoutURL, true
	}
	p.algorithmsWanted(m, say)
	accepted := p.s.signable(nil)
	say("token_endpoint_auth_method", p.s.ClientAuth)
	if m != nil {
		accepted = m.requestAlgorithms
		say("token_endpoint_auth_method", m.clientAuth)
	}
	switch {
	case p.s.DPoP:
		all["dpop_bound_access_tokens"] = true
	case p.s.fapi():
		all["tls_client_certificate_bound_access_tokens"] = true
	}
	if p.s.PAR == UsageRequired || p.s.fapi() {
		all["require_pushed_authorization_requests"] = true
	}
	if p.s.refersToRequest() {
		all["request_uris"] = []string{r.RequestURL}
	}
	switch {
	case p.s.signsRequest():
		key, err := p.signingKey(ctx, accepted)
		if err != nil {
			return nil, err
		}
		all["request_object_signing_alg"], all["require_signed_request_object"] = key.algorithm, true
	case p.s.RequestObject != "":
		all["request_object_signing_alg"] = "none"
	}
	return all, nil
}

// algorithmsWanted says how tokens are to be signed and encrypted for us. What
// is not said is RS256, and not encrypted.
func (p *Provider) algorithmsWanted(m *metadata, say func(name, value string)) {
	alg := ""
	switch {
	case len(p.s.Algorithms) > 0:
		alg = p.s.Algorithms[0]
	case m != nil && !slices.Contains(m.algorithms, "RS256"):
		alg = m.algorithms[0]
	}
	say("id_token_signed_response_alg", alg)
	if p.s.jarm() {
		say("authorization_signed_response_alg", alg)
	}
	if len(p.decryptionKeys) > 0 {
		say("id_token_encrypted_response_alg", p.decryptionKeys[0].Algorithm)
		if p.s.UserInfo != UserInfoOff {
			say("userinfo_encrypted_response_alg", p.decryptionKeys[0].Algorithm)
			// Some providers encrypt no more than what they signed.
			if p.s.Registration.Metadata["userinfo_signed_response_alg"] == nil {
				say("userinfo_signed_response_alg", cmp.Or(alg, "RS256"))
			}
		}
	}
}

// requestClient asks the provider to register us, once, and returns the record
// of what it made of us, with who we were earlier.
func (p *Provider) requestClient(ctx context.Context, m *metadata, earlier []string) ([]byte, error) {
	wanted, err := p.clientMetadata(ctx, m)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.registration, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: no address", registerEndpoint, ErrMisconfigured)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if token := p.s.Registration.InitialAccessToken; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	a, err := p.call(ctx, registerEndpoint, req)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, p.orphaned(err)
	case err != nil:
		return nil, err
	case a.status < 300 && a.status != http.StatusCreated && a.status != http.StatusOK:
		return nil, p.orphaned(a.unexpected())
	case a.status >= 300:
		err := a.oauthError([]string{p.s.Registration.InitialAccessToken})
		if errors.Is(err, ErrUnavailable) {
			return nil, err
		}
		// What we say of ourselves, and the token, only the operator can change.
		return nil, fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	r, err := p.readClient(a, m)
	if err != nil {
		return nil, p.orphaned(err)
	}
	p.registration.orphans = 0
	r.Earlier = earlier
	return json.Marshal(r)
}

// orphaned is the error of an answer by which the provider may have one client
// more, and we have none. Time may heal what it answers, and its own operator;
// but anybody can start logins, and each attempt may leave it another client.
func (p *Provider) orphaned(err error) error {
	r := &p.registration
	rest := min(firstOrphanRest<<r.orphans, lastOrphanRest)
	r.orphans = min(r.orphans+1, 10)
	return &Unavailable{What: registerEndpoint, Retry: jitter(rest), Err: err}
}

// readClient reads the answer of Registration 3.2. What would let us go on as
// somebody else than we said we are is refused; the rest of what a provider
// repeats, and the token to change it with, are not used.
func (p *Provider) readClient(a *answer, m *metadata) (*record, error) {
	if !a.isJSON() {
		return nil, refused(registrationResponse, "content_type", "is not JSON")
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return nil, inToken(registrationResponse, err)
	}
	r := &record{Auth: m.clientAuth}
	for _, member := range []struct {
		name string
		to   *string
		max  int
	}{
		{"client_id", &r.ID, maxClientID}, {"client_secret", &r.Secret, maxClientSecret},
		{"token_endpoint_auth_method", &r.Auth, 64}, {"id_token_signed_response_alg", &r.SignedWith, 64},
	} {
		value, present, err := doc.String(member.name)
		if err != nil || len(value) > member.max || !isVSCHAR(value) {
			return nil, refused(registrationResponse, member.name, "is no string, too long, or has characters it cannot have")
		}
		if present {
			*member.to = value
		}
	}
	if strings.TrimSpace(r.ID) == "" {
		return nil, refused(registrationResponse, "client_id", "is missing")
	}
	if err := p.checkAuth(r.Auth, r.Secret != "", m); err != nil {
		return nil, err
	}
	uris, listed, err := doc.Strings("redirect_uris")
	if err != nil || listed && !slices.Equal(uris, []string{p.s.RedirectURL}) {
		return nil, refused(registrationResponse, "redirect_uris", "are not those that were sent")
	}
	types, listed, err := doc.Strings("response_types")
	if err != nil || listed && !slices.ContainsFunc(types, func(t string) bool { f, ok := flowOf(t); return ok && f == p.flow }) {
		return nil, refused(registrationResponse, "response_types", "do not have the one that was sent")
	}
	return r, p.date(r, doc)
}

// checkAuth refuses a method we cannot do, or that is not what was asked for
// where that was no choice of ours (RFC 7591 3.2.1 lets a provider choose).
func (p *Provider) checkAuth(method string, hasSecret bool, m *metadata) error {
	// Less than was asked for is nothing that happens by itself.
	bySecret := slices.Contains(secretMethods, method)
	can := method == m.clientAuth || p.s.ClientAuth == "" && (bySecret || method == authPrivateKey && p.s.canSign())
	if !can {
		return refused(registrationResponse, "token_endpoint_auth_method", "is not the one that was asked for: set ClientAuth if it is right")
	}
	if !hasSecret && (bySecret || p.s.usesMAC()) {
		return refused(registrationResponse, "client_secret", "is missing")
	}
	return nil
}

// date reads when the secret expires (Registration 3.2); 0 is never.
func (p *Provider) date(r *record, doc validate.Claims) error {
	now := p.now()
	expires := now.Add(registrationLife)
	at, present, err := doc.Time("client_secret_expires_at")
	switch {
	case err != nil:
		return refused(registrationResponse, "client_secret_expires_at", "is no time")
	case present && at.Unix() != 0 && at.Before(expires):
		expires = at
	}
	if expires.Before(now.Add(time.Minute)) {
		return refused(registrationResponse, "client_secret_expires_at", "is not a minute away")
	}
	r.Issued, r.Expires = now.Unix(), expires.Unix()
	return nil
}
