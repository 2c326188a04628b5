package provider

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	modeQuery    = "query"
	modeFragment = "fragment"
	modeFormPost = "form_post"
)

// maxParam bounds what a visitor can put into one parameter.
const maxParam = 1000

// Request is what differs from login to login.
type Request struct {
	State     string
	Nonce     string
	Challenge string   // S256
	Scopes    []string // beside the setting

	// Wishes. Settings beat them; what is not a prompt is left out.
	Prompt    string
	LoginHint string
	UILocales string
	Params    map[string]string // those of DynamicParams are used

	MaxAge    *time.Duration // the smaller one of this and the setting counts
	ACRValues []string       // in place of the setting

	RedirectURL string // where the setting leaves it open

	// Reference returns the address of ours at which what it is given can be
	// fetched as a request object; nil where no setting asks for it. See
	// [Provider.RequestObject].
	Reference func(packed []byte) (string, error)
}

// AuthorizationURL returns where to send the browser (Core 3.1.2.1). Nonce and
// state are in every request, and PKCE with S256 in every one for a code,
// whatever the metadata says. It pushes the request where that is agreed (RFC
// 9126), so it may take a call. One that is not taken is [ErrMisconfigured], or
// [ErrInvalid] where that may be for what the visitor wished.
func (p *Provider) AuthorizationURL(ctx context.Context, r Request) (string, error) {
	if r.State == "" || r.Nonce == "" || r.Challenge == "" || p.s.RedirectURL == "" && r.RedirectURL == "" {
		return "", fmt.Errorf("%w: state, nonce, challenge and a redirect address are needed", ErrMisconfigured)
	}
	if p.current.Load() == nil || p.s.Registration != nil {
		// The visitor is waiting, for metadata and push together. The push alone
		// has a time of its own.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, p.timeout+p.timeout/10)
		defer cancel()
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	constant := m.request
	if len(r.Scopes) > 0 {
		constant, _ = constantRequest(m.authorization, m.client.id, &p.s, union(m.scopes, r.Scopes))
	}
	b := new(strings.Builder)
	b.Grow(len(constant) + len(r.State) + len(r.LoginHint) + 192)
	b.WriteString(constant)
	if p.s.RedirectURL == "" {
		addParam(b, "redirect_uri", r.RedirectURL)
	}
	addParam(b, "state", r.State)
	addParam(b, "nonce", r.Nonce)
	if p.flow.code {
		addParam(b, "code_challenge", r.Challenge)
	}
	own := b.Len()
	if p.s.Prompt == "" && isPrompt(r.Prompt) {
		addParam(b, "prompt", r.Prompt)
	}
	if p.s.LoginHint == "" && usable(r.LoginHint) {
		addParam(b, "login_hint", r.LoginHint)
	}
	p.addDynamic(b, r)
	visitors := b.Len() > own
	if p.s.AuthParams["ui_locales"] == "" && usable(r.UILocales) {
		addParam(b, "ui_locales", r.UILocales)
	}
	if age, ok := p.maxAge(r.MaxAge); ok {
		addParam(b, "max_age", strconv.FormatInt(int64(age/time.Second), 10))
	}
	acr := p.s.ACRValues
	if len(r.ACRValues) > 0 {
		acr = r.ACRValues
	}
	if len(acr) > 0 {
		addParam(b, "acr_values", strings.Join(acr, " "))
	}
	return p.deliver(ctx, m, b.String(), visitors, r.Reference)
}

// addDynamic passes listed parameters on. Those with a field of their own in
// Request were dealt with there.
func (p *Provider) addDynamic(b *strings.Builder, r Request) {
	for _, name := range p.s.DynamicParams {
		value, fixed := r.Params[name], p.fixed(name)
		if fixed || !usable(value) {
			continue
		}
		switch name {
		case "prompt":
			if r.Prompt != "" || !isPrompt(value) {
				continue
			}
		case "login_hint":
			if r.LoginHint != "" {
				continue
			}
		case "ui_locales":
			if r.UILocales != "" {
				continue
			}
		case "acr_values":
			if len(r.ACRValues) > 0 {
				continue
			}
		case "max_age":
			if r.MaxAge != nil || !isSeconds(value) {
				continue
			}
		}
		addParam(b, name, value)
	}
}

// fixed reports whether a setting has decided on the parameter.
func (p *Provider) fixed(name string) bool {
	switch name {
	case "prompt":
		return p.s.Prompt != ""
	case "login_hint":
		return p.s.LoginHint != ""
	case "max_age":
		return p.s.MaxAge > 0
	case "acr_values":
		return len(p.s.ACRValues) > 0
	case "claims":
		return p.s.ClaimsRequest != ""
	case "resource":
		return len(p.s.Resource) > 0
	}
	_, ok := p.s.AuthParams[name]
	return ok
}

// maxAge is the age to ask for, and to check.
func (p *Provider) maxAge(asked *time.Duration) (time.Duration, bool) {
	switch {
	case asked == nil:
		return p.s.MaxAge, p.s.MaxAge > 0
	case p.s.MaxAge > 0:
		return min(*asked, p.s.MaxAge), true
	}
	return *asked, true
}

// constantRequest is the part of the authorization request that is the same
// for every login. The endpoint's own query stays (RFC 6749 3.1), except
// parameters that are ours: each appears once. The request itself begins at
// own.
func constantRequest(endpoint, clientID string, s *Settings, scopes []string) (request string, own int) {
	base, query, _ := strings.Cut(endpoint, "?")
	b := new(strings.Builder)
	b.WriteString(base + "?")
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, err := url.QueryUnescape(name); err != nil || name == "" || ours(name, s) {
			continue
		}
		b.WriteString(pair + "&")
	}
	own = b.Len()
	f := s.flow()
	b.WriteString("response_type=" + url.QueryEscape(f.String()))
	if f.code {
		b.WriteString("&code_challenge_method=S256")
	}
	addParam(b, "client_id", clientID)
	if s.RedirectURL != "" {
		addParam(b, "redirect_uri", s.RedirectURL)
	}
	addParam(b, "scope", strings.Join(scopes, " "))
	// The default of the response type need not be sent (OAuth Multiple Response
	// Types 2.1), but whoever names it has a provider with another default.
	if s.ResponseMode != "" {
		addParam(b, "response_mode", s.ResponseMode)
	}
	if s.Prompt != "" {
		addParam(b, "prompt", s.Prompt)
	}
	if s.LoginHint != "" {
		addParam(b, "login_hint", s.LoginHint)
	}
	if s.ClaimsRequest != "" {
		addParam(b, "claims", s.ClaimsRequest)
	}
	for _, resource := range s.Resource {
		addParam(b, "resource", resource)
	}
	names := make([]string, 0, len(s.AuthParams))
	for name := range s.AuthParams {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		addParam(b, name, s.AuthParams[name])
	}
	return b.String(), own
}

// ours reports whether the request may set the parameter itself.
func ours(name string, s *Settings) bool {
	_, setting := settingParams[name]
	_, fixed := s.AuthParams[name]
	return setting || fixed || name == "ui_locales" || slices.Contains(protocolParams, name) || slices.Contains(s.DynamicParams, name)
}

func addParam(b *strings.Builder, name, value string) {
	b.WriteByte('&')
	b.WriteString(url.QueryEscape(name))
	b.WriteByte('=')
	b.WriteString(url.QueryEscape(value))
}

// usable reports whether a visitor's value may go into the request.
func usable(s string) bool { return s != "" && len(s) <= maxParam && !hasControl(s) }

func isSeconds(s string) bool {
	_, err := strconv.ParseUint(s, 10, 31)
	return err == nil
}
