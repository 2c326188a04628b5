package provider

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
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
	Registration  string
}

// Settings describe one provider as this application uses it.
type Settings struct {
	Name        string
	Issuer      string
	MetadataURL string // "": Issuer + /.well-known/openid-configuration
	Endpoints   Endpoints

	Issuers        []string // accepted too
	IssuerTemplate string   // and all of this form, with {tenantid} for a tenant
	Tenants        []string // nil: all

	ClientID   string
	Secret     func(context.Context) (string, error) // nil: a public client
	ClientAuth string                                // "": from the metadata
	ClientKeys []ClientKey                           // newest first

	Profile string // FAPI2, or ""

	Registration *Registration // nil: ClientID is known

	AssertionAudience string // of client assertions; "": the issuer

	Scopes        []string // openid is always added; nil: openid profile email
	Offline       bool     // offline_access is added where the provider does not leave it out of what it supports
	ResponseType  string   // one of responseTypes; "": code
	ResponseMode  string   // "query", "fragment" or "form_post"; "": the default of the type; "jwt" or with .jwt: JARM
	RedirectURL   string   // "": that of each [Request] and [Expected]
	ACRValues     []string
	Prompt        string
	LoginHint     string
	MaxAge        time.Duration // 0: not sent
	RequireACR    bool
	Resource      []string
	ClaimsRequest string
	AuthParams    map[string]string
	DynamicParams []string
	PAR           int
	RequestObject string // "": plain parameters

	DPoP       bool     // access tokens are bound to a key of ours
	Algorithms []string // nil: the asymmetric ones, less what metadata leaves out
	Audiences  []string
	UserInfo   int

	RequireClaims map[string][]string // that an ID token must have, with one of these values; nil: any

	LogoutTokenWithoutExp bool // is accepted while it is fresh

	UserInfoInBody bool // the access token goes into a form
	ClaimSources   []ClaimSource

	HTTPClient        *http.Client // never used for a TenantSupplied provider
	TenantSupplied    bool
	InsecureAllowHTTP bool
	RequireIss        bool          // refuse a missing iss even where not advertised
	Skew              time.Duration // of clocks; 0: one minute
	Logger            *slog.Logger
	Now               func() time.Time
}

type namedEndpoint struct{ name, url string }

// list has the endpoints no login can do without in front.
func (e *Endpoints) list() []namedEndpoint {
	return []namedEndpoint{
		{"Authorization", e.Authorization}, {"Token", e.Token}, {"JWKS", e.JWKS},
		{"UserInfo", e.UserInfo}, {"EndSession", e.EndSession},
		{"PAR", e.PAR}, {"Revocation", e.Revocation}, {"Registration", e.Registration},
	}
}

// byHand reports whether no metadata is needed.
func (s *Settings) byHand() bool {
	return (s.Registration == nil || s.Endpoints.Registration != "") && s.MetadataURL == "" && s.Endpoints.Authorization != "" && (s.Endpoints.Token != "" || !s.flow().code) &&
		(s.Endpoints.JWKS != "" || s.usesMAC())
}

// others are the issuers beside Issuer.
func (s *Settings) others() validate.Issuers {
	return validate.Issuers{Exact: s.Issuers, Template: s.IssuerTemplate, Tenants: s.Tenants}
}

// hasSecret reports whether there is a client secret, or will be.
func (s *Settings) hasSecret() bool {
	return s.Secret != nil || s.Registration != nil && (s.ClientAuth == "" || slices.Contains(secretMethods, s.ClientAuth))
}

// usesMAC reports whether ID tokens are signed with the client secret.
func (s *Settings) usesMAC() bool {
	return len(s.Algorithms) > 0 && slices.Contains(symmetric, s.Algorithms[0])
}

// clone makes later changes by the caller harmless.
func (s Settings) clone() Settings {
	s.Scopes = slices.Clone(s.Scopes)
	s.ACRValues = slices.Clone(s.ACRValues)
	s.Resource = slices.Clone(s.Resource)
	s.AuthParams = maps.Clone(s.AuthParams)
	s.DynamicParams = slices.Clone(s.DynamicParams)
	s.Algorithms = slices.Clone(s.Algorithms)
	s.Audiences = slices.Clone(s.Audiences)
	s.Issuers = slices.Clone(s.Issuers)
	s.Tenants = slices.Clone(s.Tenants)
	s.ClientKeys = slices.Clone(s.ClientKeys)
	s.RequireClaims = cloneLists(s.RequireClaims)
	if s.Registration != nil {
		r := *s.Registration
		r.Metadata = maps.Clone(r.Metadata)
		s.Registration = &r
	}
	return s
}
