package provider

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// read does what a login does with the document. It returns nil where a login
// would fail.
func (x *examiner) read(doc validate.Claims) *metadata {
	named := doc == nil || x.issuer(doc)
	m, err := newMetadata(doc, &x.s)
	var plain []string
	for _, e := range apart(err) {
		if errors.Is(e, errPlainHTTP) {
			name, _, _ := strings.Cut(e.Error(), ":")
			plain = append(plain, name)
			continue
		}
		x.fatal("metadata", "The metadata cannot be used: %v.", e)
	}
	if len(plain) > 0 {
		x.fatal("http_behind_proxy", "The metadata names addresses by plain http: %s. The provider does not know that a proxy speaks https for it: set its public address there, and have the proxy send X-Forwarded-Proto or Forwarded.", strings.Join(plain, ", "))
	}
	if !named || err != nil {
		return nil
	}
	return m
}

// apart takes errors.Join apart, however deep, and what newMetadata puts before it.
func apart(err error) []error {
	if err == nil {
		return nil
	}
	many, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range many.Unwrap() {
		if e != ErrMisconfigured {
			all = append(all, apart(e)...)
		}
	}
	return all
}

// issuer compares the issuer as a login does, and tells the usual differences
// apart.
func (x *examiner) issuer(doc validate.Claims) bool {
	got, _, err := doc.String("issuer")
	if err != nil || got == "" {
		x.fatal("metadata", "The metadata at %s names no issuer: it is not a provider's.", x.MetadataURL)
		return false
	}
	want := x.s.Issuer
	if got == want || got == x.s.IssuerTemplate || slices.Contains(x.s.Issuers, got) {
		return true
	}
	shown := clean(got, 256, nil)
	gotURL, _ := url.Parse(got)
	wantURL, _ := url.Parse(want)
	switch {
	case strings.TrimSuffix(got, "/") == strings.TrimSuffix(want, "/"):
		x.fatal("issuer_mismatch", "The provider calls itself %q, and Issuer is %q: they differ in the slash at the end. Set Issuer to %q.", shown, want, shown)
	case gotURL != nil && wantURL != nil && gotURL.Scheme == "http" && wantURL.Scheme == "https" && gotURL.Hostname() == wantURL.Hostname():
		x.fatal("http_behind_proxy", "The provider calls itself %q, by plain http: it does not know that a proxy speaks https for it. Set its public address there, and have the proxy send X-Forwarded-Proto or Forwarded.", shown)
	case strings.Contains(got, validate.TenantPlaceholder):
		x.fatal("issuer_mismatch", "The provider calls itself %q: it is one of many tenants. Set IssuerTemplate to that, as presets.EntraMultiTenant does; for one tenant put its id into Issuer.", shown)
	case strings.EqualFold(got, want):
		x.fatal("issuer_mismatch", "The provider calls itself %q, and Issuer is %q: they differ in upper and lower case. Set Issuer to %q.", shown, want, shown)
	case gotURL != nil && gotURL.Host == "sts.windows.net":
		x.fatal("issuer_mismatch", "The provider calls itself %q, the issuer of Entra ID's v1.0 tokens. Set Issuer to that of v2.0, https://login.microsoftonline.com/{tenant's id}/v2.0, as presets.Entra does.", shown)
	default:
		x.fatal("issuer_mismatch", "The provider calls itself %q, and Issuer is %q. If it is the one you mean, set Issuer to %q, and MetadataURL to %s unless its metadata is below it.", shown, want, shown, x.MetadataURL)
	}
	return false
}

// capabilities holds what the provider says it can do against what is asked of
// it. m is nil where a login would fail already.
func (x *examiner) capabilities(doc validate.Claims, m *metadata) {
	list := func(name string) ([]string, bool) {
		values, listed, err := doc.Strings(name)
		return values, listed && err == nil
	}
	yes := func(name string) bool {
		v, _, err := doc.Bool(name)
		return v && err == nil
	}
	x.request(list)
	if methods, listed := list("code_challenge_methods_supported"); x.s.flow().code {
		switch {
		case !listed:
			x.warn("no_pkce", "The provider does not say that it supports PKCE (code_challenge_methods_supported). It is sent all the same; if the provider ignores it, the nonce alone keeps out a code that was stolen. Turn it on there, or ask the vendor.")
		case !slices.Contains(methods, "S256"):
			x.fatal("no_pkce_s256", "The provider lists PKCE methods without S256, which is the only one used. Turn S256 on there.")
		}
	}
	if m != nil {
		x.offered(list, m)
	}
	if x.s.ClaimsRequest != "" && !yes("claims_parameter_supported") {
		x.warn("claims_parameter", "ClaimsRequest is set, and the provider does not say that it reads the claims parameter.")
	}
	if x.uses.Backchannel && !yes("backchannel_logout_supported") {
		x.warn("no_backchannel_logout", "BackchannelLogout is on, and the provider does not say that it sends logout tokens: sessions would not end with its own. Turn it on there, or off here.")
	}
	if x.uses.Frontchannel && !(yes("frontchannel_logout_supported") && yes("frontchannel_logout_session_supported")) {
		x.warn("no_frontchannel_logout", "FrontchannelLogout is on, and the provider does not say that it shows a frame with iss and sid: sessions would not end with its own. Turn it on there, or off here.")
	}
	if frame, _, _ := doc.String("check_session_iframe"); x.uses.SessionManagement && frame == "" {
		x.warn("no_session_management", "SessionManagement is on, and the provider has no check_session_iframe: pages would never hear of a change. Turn it off.")
	}
}

// request holds the parameters of the authorization request against what is
// offered. Response types are sets of words.
func (x *examiner) request(list func(string) ([]string, bool)) {
	f, valid := flowOf(x.s.ResponseType)
	if types, listed := list("response_types_supported"); listed && valid &&
		!slices.ContainsFunc(types, func(t string) bool { g, ok := flowOf(t); return ok && t != "" && g == f }) {
		x.fatal("response_type", "The provider does not offer response type %q, but %s. Set ResponseType to one of those; \"code\" is best.", f, quoted(types))
	}
	modes, listed := list("response_modes_supported")
	var wrong mistakes // which the settings' own check reports
	x.s.checkResponseMode(&wrong, f)
	switch mode := x.s.ResponseMode; {
	case mode == "" || len(wrong) > 0 || listed && slices.Contains(modes, mode):
	case listed:
		x.fatal("response_mode", "The provider does not offer response mode %q, but %s. Leave ResponseMode out, or set it to one of those.", mode, quoted(modes))
	case mode != modeQuery && mode != modeFragment: // the default of Discovery 3
		x.warn("response_mode", "The provider does not say that it offers response mode %q. Some answer by a redirect all the same, which is refused then.", mode)
	}
	if prompts, listed := list("prompt_values_supported"); listed {
		for _, prompt := range strings.Fields(x.s.Prompt) {
			if !slices.Contains(prompts, prompt) {
				x.warn("prompt", "The provider does not offer prompt %q, but %s. Leave it out of Prompt.", prompt, quoted(prompts))
			}
		}
	}
	acrs, listed := list("acr_values_supported")
	if listed && len(x.s.ACRValues) > 0 && !slices.ContainsFunc(x.s.ACRValues, func(v string) bool { return slices.Contains(acrs, v) }) {
		say := x.warn
		if x.s.RequireACR {
			say = x.fatal
		}
		say("acr_values", "The provider offers none of ACRValues, but %s. Set ACRValues to one of those.", quoted(acrs))
	}
}

// offered holds what logins would use against what is offered.
func (x *examiner) offered(list func(string) ([]string, bool), m *metadata) {
	if scopes, listed := list("scopes_supported"); listed {
		var missing []string
		for _, scope := range m.scopes {
			if !slices.Contains(scopes, scope) {
				missing = append(missing, scope)
			}
		}
		if len(missing) > 0 {
			x.warn("scopes", "The provider does not list the scopes %s. It may refuse them, or ignore them and leave claims out. Leave them out of Scopes, if logins fail with invalid_scope.", quoted(missing))
		}
		if x.s.Offline && !slices.Contains(scopes, offlineAccess) && x.s.AuthParams["access_type"] == "" && !slices.Contains(m.scopes, offlineAccess) {
			x.warn("no_offline_access", "KeepTokens is on, and the provider does not list offline_access, so it is not asked for. Ask for refresh tokens in the provider's own way, or add the scope by hand.")
		}
	}
	x.clientAuth(list, m)
	if grants, listed := list("grant_types_supported"); x.s.Offline && listed && !slices.Contains(grants, "refresh_token") {
		x.warn("no_refresh", "KeepTokens is on, and the provider does not list the grant refresh_token: tokens will end and not be renewed.")
	}
	if !m.issAdvertised {
		if x.s.RequireIss && !x.s.flow().idToken {
			x.fatal("no_iss", "The provider does not name itself in its responses (RFC 9207), which is required of it here.")
		} else {
			x.warn("no_iss", "The provider does not name itself in its responses (RFC 9207). With several providers, that each has its own callback path protects against mix-up.")
		}
	}
	if x.uses.EndSession && m.endSession == "" {
		x.warn("no_end_session", "The provider has no end_session_endpoint: a sign-out ends the session here, and the provider's goes on, so that the next sign-in may ask for nothing. Turn it on there, set Endpoints.EndSession if there is one all the same, or set LocalLogoutOnly if that is meant.")
	}
	switch {
	case m.userInfo != "" || x.s.UserInfo == UserInfoOff:
	case x.s.UserInfo == UserInfoRequired:
		x.fatal("no_userinfo", "UserInfo is required, and the provider has no userinfo_endpoint. Turn it off, or set Endpoints.UserInfo.")
	default:
		x.warn("no_userinfo", "UserInfo is on, and the provider has no userinfo_endpoint: its claims will be missing. Turn it off, or set Endpoints.UserInfo.")
	}
}

// clientAuth is what a login authenticates by, where there is a code to redeem.
func (x *examiner) clientAuth(list func(string) ([]string, bool), m *metadata) {
	methods, listed := list("token_endpoint_auth_methods_supported")
	if !listed {
		methods = []string{authBasic} // Discovery 3
	}
	switch {
	case m.clientAuth == "" || slices.Contains(methods, m.clientAuth):
	case m.clientAuth == authNone:
		x.warn("client_auth", "There is no client secret, and the provider does not list the method \"none\" in token_endpoint_auth_methods_supported. It must know this client as a public one; otherwise set ClientSecret.")
	case listed:
		x.fatal("client_auth", "The provider does not offer ClientAuth %q, but %s. Leave ClientAuth out, and it is chosen.", m.clientAuth, quoted(methods))
	default:
		x.warn("client_auth", "The provider does not say by what clients authenticate, which means client_secret_basic, and ClientAuth is %q.", m.clientAuth)
	}
}

// quoted shows a provider's list.
func quoted(list []string) string {
	if len(list) == 0 {
		return "none at all"
	}
	more := ""
	if len(list) > 12 {
		list, more = list[:12], " and more"
	}
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = `"` + clean(s, 64, nil) + `"`
	}
	return strings.Join(out, ", ") + more
}
