package provider

import (
	"context"
	"net/url"
	"slices"
)

// EndSession is one request to end the provider's session (RP-Initiated
// Logout 1.0 section 2). Empty fields are not sent.
type EndSession struct {
	IDTokenHint           string
	PostLogoutRedirectURL string
	State                 string
	UILocales             string
}

// EndSession returns where to send the browser, and with which parameters: in
// the query, or as a form where that would be too long. client_id is among
// them, so that it works without a hint too; where we were registered, the hint
// alone says as whom, which may have been another client than now. The endpoint
// may have a query of its own. It is [ErrNoEndSession] when there is none, or
// nothing to say who we are: signing out registers nobody.
func (p *Provider) EndSession(ctx context.Context, e EndSession) (endpoint string, params url.Values, err error) {
	m, err := p.document(ctx)
	if err != nil {
		return "", nil, err
	}
	if m.endSession == "" {
		return "", nil, ErrNoEndSession
	}
	params = url.Values{}
	if id := p.clientIDBeside(ctx, e.IDTokenHint); id != "" {
		params.Set("client_id", id)
	} else if e.IDTokenHint == "" {
		return "", nil, ErrNoEndSession
	}
	for _, param := range []struct{ name, value string }{
		{"id_token_hint", e.IDTokenHint},
		{"post_logout_redirect_uri", e.PostLogoutRedirectURL},
		{"ui_locales", e.UILocales},
	} {
		if param.value != "" {
			params.Set(param.name, param.value)
		}
	}
	// state means nothing without an address to bring it back to.
	if e.State != "" && e.PostLogoutRedirectURL != "" {
		params.Set("state", e.State)
	}
	return m.endSession, params, nil
}

// EndsSessions reports whether an ID token is worth keeping for the end-session
// endpoint: there is one, or the metadata is not known yet. It never waits.
func (p *Provider) EndsSessions() bool {
	m := p.current.Load()
	return m == nil || m.endSession != ""
}

// CheckSession returns the page that browsers ask, in a frame, whether the
// session has changed, and what they ask it (Session Management 1.0, 3.1); "" if
// the provider has none, or nothing says who we are there: asking registers
// nobody.
func (p *Provider) CheckSession(ctx context.Context, sessionState string) (frame, message string, err error) {
	m, err := p.document(ctx)
	if err != nil {
		return "", "", err
	}
	id := p.clientIDBeside(ctx, "")
	if id == "" {
		return "", "", nil
	}
	return m.checkSession, id + " " + sessionState, nil
}

// FormAction returns the provider's origins that a form of ours may lead to:
// browsers hold form-action against redirects too. It never waits; before the
// metadata is known there are none.
func (p *Provider) FormAction() []string {
	m := p.current.Load()
	if m == nil {
		return nil
	}
	return slices.Clone(m.formAction)
}
