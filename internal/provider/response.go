package provider

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxResponse = 64 << 10
	maxForm     = 1 << 20 // more of a form is read for nothing but the state
	maxState    = 4 << 10
	maxCode     = 8 << 10
	maxIss      = 2 << 10

	maxSessionState = 512
)

// responseParams are the parameters of authorization responses (RFC 6749
// 4.1.2, RFC 9207, OAuth Multiple Response Types, JARM). Each may appear once.
var responseParams = []string{
	"state", "code", "iss", "error", "error_description", "error_uri",
	"id_token", "access_token", "token_type", "expires_in", "scope", "response",
	"session_state",
}

// FragmentField is the form field in which our own page brings what the
// provider put into the fragment, as it stood there.
const FragmentField = "response_fragment"

// Response is an authorization response, parsed and not yet believed.
type Response struct {
	State       string
	Code        string
	IDToken     string
	AccessToken string
	Issuer      string // iss (RFC 9207)
	HasIssuer   bool   // it was there, perhaps empty
	Mode        string // the way it came: query, fragment or form_post

	SessionState string // Session Management 1.0, 2; "" if there is none of that form

	Error            string
	ErrorDescription string
	ErrorURI         string

	tokenType string // "" if not stated
	scope     string // granted, "" if not stated
	jwt       string // the response all this was in (JARM); "": it came plain
}

// InFragment reports whether the browser has the answer in the fragment, which
// it does not send: a page of ours has to bring it. Errors come by the query
// too.
func (p *Provider) InFragment(r *http.Request) bool {
	if p.mode != modeFragment || r.Method != http.MethodGet {
		return false
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	return err == nil && !slices.ContainsFunc(responseParams, query.Has)
}

// ParseResponse reads the authorization response of a GET, from the query, or
// of a POST, from an urlencoded body (Form Post Response Mode 2), in which our
// own page may have put a fragment. A body that was parsed before is taken
// from r.PostForm. Errors are [ErrInvalid]; of the response there is only the
// State then, where one is named and no other.
func ParseResponse(r *http.Request) (*Response, error) {
	v, mode, err := received(r)
	if err != nil {
		return naming(v), err
	}
	resp, err := readResponse(v, mode)
	if err != nil {
		return naming(v), err
	}
	return resp, nil
}

// naming is what is left of a response that cannot be read.
func naming(v url.Values) *Response {
	if len(v["state"]) != 1 {
		return &Response{}
	}
	return &Response{State: v.Get("state")}
}

// received returns the parameters of a response, and the mode they came in.
// Beside an error there are the states that were named, if they can be told.
func received(r *http.Request) (v url.Values, mode string, err error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if len(r.URL.RawQuery) > maxResponse {
		return statesOf(strings.NewReader(r.URL.RawQuery)), "", refused(authorizationResponse, "size", "is too large")
	}
	if err != nil {
		return statesOf(strings.NewReader(r.URL.RawQuery)), "", refused(authorizationResponse, "syntax", "the query cannot be parsed")
	}
	switch r.Method {
	case http.MethodGet:
		return query, modeQuery, nil
	case http.MethodPost:
		form, err := postForm(r)
		if err != nil {
			return form, "", err
		}
		for _, name := range responseParams {
			if query.Has(name) {
				both := url.Values{"state": slices.Concat(form["state"], query["state"])}
				return both, "", refused(authorizationResponse, "duplicate", name+" is in the query of a form post")
			}
		}
		return unpacked(form)
	}
	return nil, "", refused(authorizationResponse, "method", "must be GET or POST")
}

// unpacked reads the provider's own form, or ours with a fragment.
func unpacked(form url.Values) (v url.Values, mode string, err error) {
	if !form.Has(FragmentField) {
		return form, modeFormPost, nil
	}
	if len(form) != 1 || len(form[FragmentField]) != 1 {
		return nil, "", refused(authorizationResponse, "duplicate", "the fragment is not alone in its form")
	}
	fragment, err := url.ParseQuery(form.Get(FragmentField))
	if err != nil {
		return statesOf(strings.NewReader(form.Get(FragmentField))), "", refused(authorizationResponse, "syntax", "the fragment cannot be parsed")
	}
	return fragment, modeFragment, nil
}

// postForm reads the form of a response. Beside an error there are the states.
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
		return statesOf(bytes.NewReader(body)), refused(authorizationResponse, "syntax", "the body ended early")
	}
	if len(body) > maxResponse {
		whole := io.MultiReader(bytes.NewReader(body), io.LimitReader(r.Body, maxForm))
		return statesOf(whole), refused(authorizationResponse, "size", "is too large")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil { // a broken escape, or thousands of parameters
		return statesOf(bytes.NewReader(body)), refused(authorizationResponse, "syntax", "the form cannot be parsed")
	}
	return form, nil
}

// statesOf finds the states in a form, as many as it takes to know whether there
// is one, and keeps nothing else of it: whatever is wrong with the rest.
func statesOf(form io.Reader) url.Values {
	found := url.Values{}
	r := bufio.NewReaderSize(form, maxState)
	for begins := true; len(found["state"]) < 2; {
		piece, err := r.ReadSlice('&')
		if begins {
			pair, _ := url.ParseQuery(strings.TrimSuffix(string(piece), "&"))
			found["state"] = append(found["state"], pair["state"]...)
		}
		begins = err == nil // or the pair was longer than what is read at once
		if err != nil && err != bufio.ErrBufferFull {
			break
		}
	}
	return found
}

func readResponse(v url.Values, mode string) (*Response, error) {
	for _, name := range responseParams {
		if len(v[name]) > 1 {
			return nil, refused(authorizationResponse, "duplicate", name+" appears more than once")
		}
	}
	if v.Has("response") {
		return parseJWT(v, mode)
	}
	for _, limit := range []struct {
		name string
		size int
	}{{"state", maxState}, {"code", maxCode}, {"iss", maxIss}, {"id_token", maxResponse}, {"access_token", maxResponse}} {
		value := v.Get(limit.name)
		if len(value) > limit.size {
			return nil, refused(authorizationResponse, "size", limit.name+" is too long")
		}
		if !isVSCHAR(value) {
			return nil, refused(authorizationResponse, "syntax", limit.name+" has characters it cannot have")
		}
	}
	code, state := v.Get("code"), v.Get("state")
	e := newError(0, v.Get("error"), v.Get("error_description"), v.Get("error_uri"),
		code, state, v.Get("id_token"), v.Get("access_token"))
	if v.Has("error") && e.Code == "" {
		return nil, refused(authorizationResponse, "error", "is empty")
	}
	return &Response{
		State: state, Code: code, IDToken: v.Get("id_token"), AccessToken: v.Get("access_token"),
		Issuer: v.Get("iss"), HasIssuer: v.Has("iss"), Mode: mode,
		Error: e.Code, ErrorDescription: e.Description, ErrorURI: e.URI,
		SessionState: sessionState(v.Get("session_state")),
		tokenType:    v.Get("token_type"), scope: v.Get("scope"),
	}, nil
}

// sessionState leaves out what no page could ask with: the provider sends it
// unasked, and a login does not depend on it.
func sessionState(s string) string {
	if len(s) > maxSessionState || !isVSCHAR(s) || strings.Contains(s, " ") {
		return ""
	}
	return s
}

// isVSCHAR: RFC 6749 appendix A.
func isVSCHAR(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// CheckResponse holds the response against what this provider was asked for,
// before the transaction is spent: signature (JARM), issuer (RFC 9207 2.4),
// response mode, and exactly the members of the response type.
func (p *Provider) CheckResponse(ctx context.Context, r *Response) error {
	if err := p.checkJWT(ctx, r); err != nil {
		return err
	}
	// A wrong iss is refused whoever sent it, error responses included.
	if r.HasIssuer && !p.Accepts(r.Issuer) {
		return refused(authorizationResponse, "iss", "is not the issuer this login was started at")
	}
	if err := p.checkMembers(r); err != nil {
		return err
	}
	if err := p.checkMode(r); err != nil {
		return err
	}
	// An ID token names its issuer itself, and is validated before anything is
	// redeemed; certified providers leave iss out beside one.
	if r.HasIssuer || r.IDToken != "" {
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

// checkMembers refuses what the response type does not have, and a response
// that lacks what it has (Core 3.1.2.5, 3.2.2.5, 3.3.2.5).
func (p *Provider) checkMembers(r *Response) error {
	failed := r.Error != ""
	for _, member := range []struct {
		name, value string
		asked       bool
	}{
		{"code", r.Code, p.flow.code},
		{"id_token", r.IDToken, p.flow.idToken},
		{"access_token", r.AccessToken, p.flow.token},
	} {
		switch {
		case member.value != "" && failed:
			return refused(authorizationResponse, "response_type", "has both "+member.name+" and error")
		case member.value != "" && !member.asked:
			return refused(authorizationResponse, "response_type", "has "+member.name+", which was not asked for")
		case member.value == "" && member.asked && !failed:
			return refused(authorizationResponse, member.name, "is missing")
		}
	}
	// A token of a type we do not know must not be used (RFC 6749 7.1).
	if r.AccessToken != "" && r.tokenType != "" && !strings.EqualFold(r.tokenType, "Bearer") {
		return refused(authorizationResponse, "token_type", "is not Bearer")
	}
	return nil
}

// checkMode refuses an answer that came another way than asked for. An error
// may come either way: providers fall back to the query, and it carries
// nothing.
func (p *Provider) checkMode(r *Response) error {
	asked := p.mode
	if asked == r.Mode || r.Error != "" {
		return nil
	}
	remedy := ""
	switch {
	case p.flow.front() && p.s.ResponseMode == "":
		remedy = " as the default; name it in ResponseMode, or form_post"
	case r.Mode == modeQuery && p.flow.front(): // which New refuses
	case p.s.jarm():
		remedy = fmt.Sprintf("; if the provider cannot, set ResponseMode to %q", r.Mode+"."+modeJWT)
	default:
		remedy = fmt.Sprintf("; if the provider cannot, set ResponseMode to %q", r.Mode)
	}
	return refused(authorizationResponse, "response_mode", "came by "+r.Mode+", asked for was "+asked+remedy)
}
