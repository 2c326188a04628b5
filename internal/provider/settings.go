package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Policies of [Settings.UserInfo].
const (
	UserInfoOff = iota
	UserInfoOptional
	UserInfoRequired
)

// noEndpoint blanks an advertised endpoint.
const noEndpoint = "-"

// Endpoints replace those of the metadata; "-" removes one.
type Endpoints struct {
	Authorization string
	Token         string
	UserInfo      string
	JWKS          string
	EndSession    string
	PAR           string
	Revocation    string
}

// Settings describe one provider as this application uses it.
type Settings struct {
	Name        string
	Issuer      string
	MetadataURL string // "": Issuer + /.well-known/openid-configuration
	Endpoints   Endpoints

	ClientID   string
	Secret     func(context.Context) (string, error) // nil: a public client
	ClientAuth string                                // "": from the metadata

	Scopes        []string // openid is always added; nil: openid profile email
	ResponseType  string   // "" or "code"
	ResponseMode  string   // "", "query" or "form_post"
	RedirectURL   string
	ACRValues     []string
	Prompt        string
	LoginHint     string
	MaxAge        time.Duration // 0: not sent
	RequireACR    bool
	Resource      []string
	ClaimsRequest string
	AuthParams    map[string]string
	DynamicParams []string

	Algorithms []string // nil: the asymmetric ones, less what metadata leaves out
	Audiences  []string
	UserInfo   int

	HTTPClient        *http.Client // never used for a TenantSupplied provider
	TenantSupplied    bool
	InsecureAllowHTTP bool
	RequireIss        bool          // refuse a missing iss even where not advertised
	Skew              time.Duration // of clocks; 0: one minute
	Logger            *slog.Logger
	Now               func() time.Time
}

// protocolParams are set by this package alone: neither fixed nor dynamic
// parameters may name them.
var protocolParams = []string{
	"client_id", "redirect_uri", "response_type", "response_mode", "scope",
	"state", "nonce", "code_challenge", "code_challenge_method", "request",
	"request_uri", "registration", "client_secret", "client_assertion",
	"client_assertion_type", "code", "code_verifier", "grant_type",
	"id_token_hint", "dpop_jkt", "iss", "error",
}

// settingParams have a setting of their own.
var settingParams = map[string]string{
	"prompt": "Prompt", "login_hint": "LoginHint", "max_age": "MaxAge",
	"acr_values": "ACRValues", "claims": "ClaimsRequest", "resource": "Resource",
}

var prompts = []string{"none", "login", "consent", "select_account", "create"}

// asymmetric are the ID token algorithms accepted without asking for them.
var asymmetric = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512", "EdDSA",
}

// symmetric ones are keyed with the client secret (Core 10.1), by choice only.
var symmetric = []string{"HS256", "HS384", "HS512"}

// check reports every mistake, each with what to change.
func (s *Settings) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	errs = append(errs, s.checkIssuer(), s.checkClient(), s.checkRequest(), s.checkParams(), s.checkAlgorithms())
	if s.UserInfo < UserInfoOff || s.UserInfo > UserInfoRequired {
		bad("UserInfo %d: use 0 (off), 1 (optional) or 2 (required)", s.UserInfo)
	}
	if s.UserInfo == UserInfoRequired && s.Endpoints.UserInfo == noEndpoint {
		bad("UserInfo is required and Endpoints.UserInfo is %q: give the endpoint, or make UserInfo optional", noEndpoint)
	}
	if s.Skew < 0 || s.Skew > 10*time.Minute {
		bad("Skew %v: use 0 to 10 minutes", s.Skew)
	}
	if slices.Contains(s.Audiences, "") {
		bad("Audiences has an empty entry: remove it")
	}
	return errors.Join(errs...)
}

func (s *Settings) checkIssuer() error {
	if s.Issuer == "" {
		return errors.New("Issuer is empty: give the provider's issuer identifier, such as https://login.example.com")
	}
	u, err := checkURL(s.Issuer, s.urlRule(nil))
	if err != nil {
		return fmt.Errorf("Issuer %q: %w", s.Issuer, err)
	}
	if u.RawQuery != "" || u.ForceQuery {
		return fmt.Errorf("Issuer %q: remove the query (Discovery 3)", s.Issuer)
	}
	if s.TenantSupplied {
		return s.checkTenant()
	}
	var errs []error
	if s.MetadataURL != "" {
		if _, err := checkURL(s.MetadataURL, s.urlRule(u)); err != nil {
			errs = append(errs, fmt.Errorf("MetadataURL %q: %w", s.MetadataURL, err))
		}
	}
	for _, e := range s.Endpoints.list() {
		if e.url == "" || e.url == noEndpoint {
			continue
		}
		if _, err := checkURL(e.url, s.urlRule(u)); err != nil {
			errs = append(errs, fmt.Errorf("Endpoints.%s %q: %w", e.name, e.url, err))
		}
	}
	for _, e := range s.Endpoints.list()[:3] {
		if e.url == noEndpoint {
			errs = append(errs, fmt.Errorf("Endpoints.%s is %q: a login needs it; leave it empty or give an address", e.name, noEndpoint))
		}
	}
	return errors.Join(errs...)
}

// checkTenant refuses whatever would let a tenant's settings reach further
// than discovery at the exact issuer.
func (s *Settings) checkTenant() error {
	var errs []error
	if s.MetadataURL != "" {
		errs = append(errs, errors.New("MetadataURL: a TenantSupplied provider is discovered at its issuer; remove it"))
	}
	if s.Endpoints != (Endpoints{}) {
		errs = append(errs, errors.New("Endpoints: a TenantSupplied provider may not replace endpoints; remove them"))
	}
	if s.InsecureAllowHTTP {
		errs = append(errs, errors.New("InsecureAllowHTTP: not for a TenantSupplied provider; remove it"))
	}
	return errors.Join(errs...)
}

type namedEndpoint struct{ name, url string }

// list has the endpoints no login can do without in front.
func (e *Endpoints) list() []namedEndpoint {
	return []namedEndpoint{
		{"Authorization", e.Authorization}, {"Token", e.Token}, {"JWKS", e.JWKS},
		{"UserInfo", e.UserInfo}, {"EndSession", e.EndSession},
		{"PAR", e.PAR}, {"Revocation", e.Revocation},
	}
}

// byHand reports whether no metadata is needed.
func (s *Settings) byHand() bool {
	return s.MetadataURL == "" && s.Endpoints.Authorization != "" && s.Endpoints.Token != "" && s.Endpoints.JWKS != ""
}

func (s *Settings) checkClient() error {
	var errs []error
	if s.ClientID == "" {
		errs = append(errs, errors.New("ClientID is empty: give the id the provider registered"))
	}
	if hasControl(s.ClientID) {
		errs = append(errs, errors.New("ClientID has control characters: check how it was copied"))
	}
	switch s.ClientAuth {
	case "":
	case authBasic, authPost:
		if s.Secret == nil {
			errs = append(errs, fmt.Errorf("ClientAuth %q needs a client secret: give one, or use %q", s.ClientAuth, authNone))
		}
	case authNone:
		if s.Secret != nil {
			errs = append(errs, fmt.Errorf("ClientAuth is %q and there is a client secret: remove one of them", authNone))
		}
	default:
		errs = append(errs, fmt.Errorf("ClientAuth %q: use %q, %q or %q", s.ClientAuth, authBasic, authPost, authNone))
	}
	return errors.Join(errs...)
}

func (s *Settings) checkRequest() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if s.ResponseType != "" && s.ResponseType != "code" {
		bad("ResponseType %q: use \"code\"", s.ResponseType)
	}
	switch s.ResponseMode {
	case "", modeQuery, modeFormPost:
	default:
		bad("ResponseMode %q: use %q or %q", s.ResponseMode, modeQuery, modeFormPost)
	}
	if u, err := url.Parse(s.RedirectURL); err != nil || !u.IsAbs() || u.Host == "" || u.Fragment != "" || (u.Scheme != "https" && u.Scheme != "http") {
		bad("RedirectURL %q: give an absolute https address without a fragment", s.RedirectURL)
	}
	for _, scope := range splitScopes(s.Scopes) {
		if !isScope(scope) {
			bad("Scopes: %q is no scope (RFC 6749 3.3)", scope)
		}
	}
	if !isPrompt(s.Prompt) && s.Prompt != "" {
		bad("Prompt %q: use %s, several separated by spaces, and none alone", s.Prompt, strings.Join(prompts, ", "))
	}
	if s.MaxAge < 0 {
		bad("MaxAge %v: it cannot be negative", s.MaxAge)
	}
	if s.RequireACR && len(s.ACRValues) == 0 {
		bad("RequireACR needs ACRValues: list the acceptable ones")
	}
	for _, acr := range s.ACRValues {
		if acr == "" || strings.ContainsAny(acr, " \t\r\n") {
			bad("ACRValues: %q must be one value without spaces", acr)
		}
	}
	for _, resource := range s.Resource {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			bad("Resource %q: give an absolute URI without a fragment (RFC 8707 2)", resource)
		}
	}
	if s.ClaimsRequest != "" {
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(s.ClaimsRequest), &object) != nil || object == nil {
			bad("ClaimsRequest: it must be a JSON object (Core 5.5)")
		}
	}
	return errors.Join(errs...)
}

func (s *Settings) checkParams() error {
	var errs []error
	for name := range s.AuthParams {
		switch setting, ok := settingParams[name]; {
		case ok:
			errs = append(errs, fmt.Errorf("AuthParams: %q has a setting of its own: use %s", name, setting))
		case name == "" || slices.Contains(protocolParams, name):
			errs = append(errs, fmt.Errorf("AuthParams: %q belongs to the protocol: remove it", name))
		}
	}
	for _, name := range s.DynamicParams {
		if name == "" || slices.Contains(protocolParams, name) {
			errs = append(errs, fmt.Errorf("DynamicParams: %q belongs to the protocol: remove it", name))
		}
	}
	return errors.Join(errs...)
}

func (s *Settings) checkAlgorithms() error {
	var errs []error
	mac := 0
	for _, alg := range s.Algorithms {
		switch {
		case slices.Contains(symmetric, alg):
			mac++
		case !slices.Contains(asymmetric, alg):
			errs = append(errs, fmt.Errorf("Algorithms: %q is not supported: use %s", alg, strings.Join(asymmetric, ", ")))
		}
	}
	if mac == 0 {
		return errors.Join(errs...)
	}
	// A key that serves as MAC secret and, under another algorithm, as a
	// public key is what algorithm confusion lives on.
	if mac < len(s.Algorithms) {
		errs = append(errs, errors.New("Algorithms: HMAC and public-key algorithms cannot be mixed: name one kind"))
	}
	if s.Secret == nil {
		errs = append(errs, errors.New("Algorithms: HMAC needs a client secret: give one, or name a public-key algorithm"))
	}
	// Core 3.1.3.7 (8) leaves MAC keys undefined for several audiences.
	if len(s.Audiences) > 0 {
		errs = append(errs, errors.New("Algorithms: HMAC is not defined with further Audiences: remove them"))
	}
	return errors.Join(errs...)
}
