package oidcrp

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// Check fetches a provider's metadata and keys and names every problem with them
// and with p, each with its remedy: for a command line, for a page where
// providers are typed in, for a test of a deployment. It is a function, and no
// method, so that it can be asked about a provider before there is an application
// that could be made of it.
//
// cfg is what p is to be a part of: of it BaseURL, Prefix, Store, HTTPClient and
// the like count; Providers, Sites, CookieKeys and Logger do not. With a
// ProviderSource p is to be one of its providers; for a Site give its BaseURL.
// Without BaseURL nothing is said of the application's own addresses.
//
// It calls the provider as a login would, by the same client and with the same
// limits, at most three times. It registers no client and changes nothing. What
// only a login can tell, such as whether the secret is right or a redirect URI
// registered, it cannot. Without a secret p is taken for a public client, as
// CheckReport.ClientAuth says. Where ctx ends the report has "unreachable". It
// never asks for secrets and shows none; AuthParams are not shown either.
func Check(ctx context.Context, cfg Config, p Provider) *CheckReport {
	r := &CheckReport{}
	if cfg.BaseURL == "" {
		cfg.BaseURL = noBaseURL
	}
	key := make([]byte, 32)
	rand.Read(key)
	ofSource := cfg.ProviderSource != nil
	cfg.Sites, cfg.ProviderSource = nil, nil // p is looked at, as one provider at one base URL
	cfg.CookieKeys, cfg.Providers, cfg.Logger = [][]byte{key}, []Provider{p}, slog.New(slog.DiscardHandler)
	rp := unchecked(&cfg, time.Now)
	for _, complaint := range unjoin(rp.check(&cfg)) {
		text := strings.TrimPrefix(complaint.Error(), "oidcrp: Config.")
		r.add(true, "settings", strings.Replace(text, "Providers[0]", "Provider", 1))
	}
	if len(rp.providers.static) == 0 {
		return r
	}
	e := rp.providers.static[0]
	if ofSource {
		var c complaints
		c.sourced("Provider", p, e)
		for _, complaint := range c {
			r.add(true, "settings", strings.TrimPrefix(complaint.Error(), "oidcrp: Config."))
		}
	}
	if base, err := parseBaseURL(cfg.BaseURL); err == nil && cfg.BaseURL != noBaseURL {
		r.Addresses = rp.addresses(e)
		r.checkCookies(e, base)
	}
	settings := rp.providerSettings(&cfg, p, rp.site.url(rp.callbackPath(e)), false)
	settings.Registration = rp.registrationOf(&cfg, p, e)
	found := provider.Examine(ctx, settings, provider.Uses{
		EndSession: !p.LocalLogoutOnly, Backchannel: p.BackchannelLogout,
		Frontchannel: p.FrontchannelLogout, SessionManagement: p.SessionManagement,
	})
	r.take(found)
	return r
}

// noBaseURL is where an application is that nobody told us of.
const noBaseURL = "https://app.invalid"

// CheckReport is what [Check] found. Everything in it that is the provider's is a
// stranger's text: escape it in a page.
type CheckReport struct {
	Issuer      string         // as configured
	MetadataURL string         // that was asked; "" if there was none to ask
	Metadata    map[string]any // the provider's document, as it is; nil if there is none
	Endpoints   Endpoints      // of the provider, those of the settings included; "" for none
	Keys        []string       // for signatures: what kind, and its kid

	// What logins use, of all that is offered. Empty where that cannot be told.
	ClientAuth   string
	ResponseType string
	ResponseMode string
	Scopes       []string
	Algorithms   []string // of ID tokens
	PAR          bool     // requests are pushed (RFC 9126)
	Iss          bool     // responses name the issuer (RFC 9207)

	Addresses Addresses // to register there; empty without BaseURL

	Problems []Problem // those that keep logins from succeeding first
}

// Problem is something about a provider, and what to do about it. Its Code is one
// of these, more of which may come:
//
//   - settings: New would refuse it.
//   - unreachable, unknown_host, timeout, no_tls, certificate, private_address,
//     redirect, too_large: the metadata cannot be had; with keys_ in front, the keys.
//   - metadata_status, metadata_not_found, metadata_not_json, metadata,
//     issuer_mismatch, http_behind_proxy: it cannot be used.
//   - keys_status, keys_unusable, keys_algorithm: nor can the keys.
//   - response_type, response_mode, scopes, prompt, acr_values, claims_parameter,
//     client_auth, no_pkce, no_pkce_s256, no_iss, no_userinfo: what logins ask for.
//   - no_offline_access, no_refresh: what KeepTokens needs.
//   - no_end_session, no_backchannel_logout, no_frontchannel_logout,
//     no_session_management: what sign-out needs.
//   - http, tls_unverified, clock, form_post_cookie: what is about us.
type Problem struct {
	Fatal bool   // logins fail; else they are less than they could be
	Code  string // stable, for programs
	Text  string // what is wrong, and what to change
}

// Fatal reports whether logins would fail.
func (r *CheckReport) Fatal() bool { return len(r.Problems) > 0 && r.Problems[0].Fatal }

// add keeps what is fatal in front.
func (r *CheckReport) add(fatal bool, code, text string) {
	at := len(r.Problems)
	if fatal {
		at = 0
		for at < len(r.Problems) && r.Problems[at].Fatal {
			at++
		}
	}
	r.Problems = append(r.Problems, Problem{})
	copy(r.Problems[at+1:], r.Problems[at:])
	r.Problems[at] = Problem{fatal, code, text}
}

// checkCookies names browsers that will not bring the cookie of a login back.
func (r *CheckReport) checkCookies(e *providerEntry, base *url.URL) {
	if base.Scheme == "http" && e.formPost {
		r.add(false, "form_post_cookie", "The answer comes by form_post from another site, for which the login's cookie has to be SameSite=None and Secure, and BaseURL is http: Safari does not keep such a cookie, so that no login there ends well. Use https, or ResponseMode \"query\".")
	}
}

// take says in our words what the provider room found.
func (r *CheckReport) take(found *provider.Examination) {
	r.Issuer, r.MetadataURL, r.Metadata = found.Issuer, found.MetadataURL, found.Document
	r.Endpoints, r.Keys = Endpoints(found.Endpoints), found.Keys
	if found.Usable {
		r.ClientAuth, r.Scopes, r.Algorithms, r.PAR, r.Iss = found.ClientAuth, found.Scopes, found.Algorithms, found.PAR, found.Iss
		r.ResponseType, r.ResponseMode = found.ResponseType, found.ResponseMode
	}
	for _, f := range found.Findings {
		r.add(f.Fatal, f.Code, f.Text)
	}
}

// String is the report for people to read, over several lines.
func (r *CheckReport) String() string {
	var b strings.Builder
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %-40s%s\n", name, value)
		}
	}
	b.WriteString("Provider\n")
	row("issuer", r.Issuer)
	row("metadata", r.MetadataURL)
	row("authorization_endpoint", r.Endpoints.Authorization)
	row("token_endpoint", r.Endpoints.Token)
	row("userinfo_endpoint", r.Endpoints.UserInfo)
	row("jwks_uri", r.Endpoints.JWKS)
	row("end_session_endpoint", r.Endpoints.EndSession)
	row("revocation_endpoint", r.Endpoints.Revocation)
	row("pushed_authorization_request_endpoint", r.Endpoints.PAR)
	row("registration_endpoint", r.Endpoints.Registration)
	for _, key := range r.Keys {
		row("key", key)
	}
	if r.ResponseType != "" {
		b.WriteString("\nLogins\n")
		row("response_type", r.ResponseType)
		row("response_mode", r.ResponseMode)
		row("scope", strings.Join(r.Scopes, " "))
		row("client authentication", r.ClientAuth)
		row("ID tokens signed by", strings.Join(r.Algorithms, " "))
		row("PKCE", r.pkce())
		row("requests are pushed", yesNo(r.PAR))
		row("responses name the issuer", yesNo(r.Iss))
	}
	if r.Addresses.Redirect != "" {
		b.WriteString("\nTo register at the provider\n")
		row("redirect_uri", r.Addresses.Redirect)
		row("post_logout_redirect_uri", r.Addresses.PostLogout)
		row("initiate_login_uri", r.Addresses.Initiate)
		row("backchannel_logout_uri", r.Addresses.BackchannelLogout)
		row("frontchannel_logout_uri", r.Addresses.FrontchannelLogout)
		row("request_uris", r.Addresses.Request)
		row("jwks_uri", r.Addresses.JWKS)
	}
	fatal := 0
	b.WriteString("\nProblems\n")
	for _, p := range r.Problems {
		severity := "warning"
		if p.Fatal {
			severity = "ERROR"
			fatal++
		}
		fmt.Fprintf(&b, "  %-8s%s\n          %s\n", severity, p.Code, strings.ReplaceAll(p.Text, "\n", "\n          "))
	}
	switch {
	case fatal > 0:
		fmt.Fprintf(&b, "\nLogins will fail: %s, %s.\n", count(fatal, "error"), count(len(r.Problems)-fatal, "warning"))
	case len(r.Problems) > 0:
		fmt.Fprintf(&b, "\nNothing was found that keeps logins from succeeding; %s.\n", count(len(r.Problems), "warning"))
	default:
		b.WriteString("  none\n")
	}
	return b.String()
}

// pkce is only where there is a code.
func (r *CheckReport) pkce() string {
	if strings.Contains(r.ResponseType, "code") {
		return "S256"
	}
	return ""
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func yesNo(v bool) string {
	if v {
		return "yes"
	}
	return "no"
}
