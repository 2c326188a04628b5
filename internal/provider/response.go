package provider

import (
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxResponse = 64 << 10
	maxState    = 4 << 10
	maxCode     = 8 << 10
	maxIss      = 2 << 10
)

// responseParams are the parameters of authorization responses (RFC 6749
// 4.1.2, RFC 9207, OAuth Multiple Response Types, JARM). Each may appear once.
var responseParams = []string{
	"state", "code", "iss", "error", "error_description", "error_uri",
	"id_token", "access_token", "token_type", "expires_in", "response",
	"session_state",
}

// Response is an authorization response, parsed and not yet believed.
type Response struct {
	State     string
	Code      string
	Issuer    string // iss (RFC 9207)
	HasIssuer bool   // it was there, perhaps empty

	Error            string
	ErrorDescription string
	ErrorURI         string

	tokens bool // tokens or a JWT response, which the code flow has not
}

// ParseResponse reads the authorization response of a GET, from the query, or
// of a POST, from an urlencoded body (Form Post Response Mode 2). A body that
// was parsed before is taken from r.PostForm. Errors are [ErrInvalid].
func ParseResponse(r *http.Request) (*Response, error) {
	if len(r.URL.RawQuery) > maxResponse {
		return nil, refused(authorizationResponse, "size", "is too large")
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refused(authorizationResponse, "syntax", "the query cannot be parsed")
	}
	switch r.Method {
	case http.MethodGet:
		return parseResponse(query)
	case http.MethodPost:
		for _, name := range responseParams {
			if query.Has(name) {
				return nil, refused(authorizationResponse, "duplicate", name+" is in the query of a form post")
			}
		}
		form, err := postForm(r)
		if err != nil {
			return nil, err
		}
		return parseResponse(form)
	}
	return nil, refused(authorizationResponse, "method", "must be GET or POST")
}

func postForm(r *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, refused(authorizationResponse, "content_type", "must be a urlencoded form")
	}
	if r.PostForm != nil {
		return r.PostForm, nil
	}
	if r.Body == nil {
		return nil, refused(authorizationResponse, "syntax", "has no body")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err != nil {
		return nil, refused(authorizationResponse, "syntax", "the body ended early")
	}
	if len(body) > maxResponse {
		return nil, refused(authorizationResponse, "size", "is too large")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, refused(authorizationResponse, "syntax", "the form cannot be parsed")
	}
	return form, nil
}

func parseResponse(v url.Values) (*Response, error) {
	for _, name := range responseParams {
		if len(v[name]) > 1 {
			return nil, refused(authorizationResponse, "duplicate", name+" appears more than once")
		}
	}
	for _, limit := range []struct {
		name string
		size int
	}{{"state", maxState}, {"code", maxCode}, {"iss", maxIss}} {
		value := v.Get(limit.name)
		if len(value) > limit.size {
			return nil, refused(authorizationResponse, "size", limit.name+" is too long")
		}
		if !isVSCHAR(value) {
			return nil, refused(authorizationResponse, "syntax", limit.name+" has characters it cannot have")
		}
	}
	code, state := v.Get("code"), v.Get("state")
	e := newError(0, v.Get("error"), v.Get("error_description"), v.Get("error_uri"), code, state)
	if v.Has("error") && e.Code == "" {
		return nil, refused(authorizationResponse, "error", "is empty")
	}
	return &Response{
		State: state, Code: code,
		Issuer: v.Get("iss"), HasIssuer: v.Has("iss"),
		Error: e.Code, ErrorDescription: e.Description, ErrorURI: e.URI,
		tokens: v.Has("id_token") || v.Has("access_token") || v.Has("response"),
	}, nil
}

// isVSCHAR: RFC 6749 appendix A.
func isVSCHAR(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// CheckResponse holds the response against what this provider was asked for,
// before the transaction is spent: issuer (RFC 9207 2.4), response mode, and
// nothing the code flow does not have.
func (p *Provider) CheckResponse(ctx context.Context, r *Response, method string) error {
	// A wrong iss is refused whoever sent it, error responses included.
	if r.HasIssuer && r.Issuer != p.s.Issuer {
		return refused(authorizationResponse, "iss", "is not the issuer this login was started at")
	}
	if r.tokens {
		return refused(authorizationResponse, "response_type", "has tokens, only a code was asked for")
	}
	if r.Code != "" && r.Error != "" {
		return refused(authorizationResponse, "response_type", "has both a code and an error")
	}
	if r.Code == "" && r.Error == "" {
		return refused(authorizationResponse, "code", "is missing")
	}
	if err := p.checkMode(r, method); err != nil {
		return err
	}
	if r.HasIssuer {
		return nil
	}
	if p.s.RequireIss {
		return refused(authorizationResponse, "iss", "is missing")
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return err
	}
	if m.issAdvertised {
		return refused(authorizationResponse, "iss", "is missing, and the provider says it sends it")
	}
	return nil
}

// checkMode refuses a code that came another way than asked for. An error may
// come either way: providers fall back to the query, and it carries nothing.
func (p *Provider) checkMode(r *Response, method string) error {
	asked, came := modeQuery, modeQuery
	if p.s.ResponseMode == modeFormPost {
		asked = modeFormPost
	}
	if method == http.MethodPost {
		came = modeFormPost
	}
	if asked == came || r.Error != "" {
		return nil
	}
	return refused(authorizationResponse, "response_mode",
		fmt.Sprintf("came by %s, asked for was %s; if the provider cannot, set ResponseMode to %q", came, asked, came))
}
