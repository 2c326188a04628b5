package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Values of [Settings.PAR].
const (
	UsageWhenAdvertised = iota
	UsageRequired
	UsageRefused
)

// maxPushes bounds the pushes under way at one provider. Anybody can start
// logins: while the provider is slow, no more than these wait for it.
const maxPushes = 64

const maxRequestURI = 512

var errBusy = errors.New("too many logins are starting at this provider")

// readPAR decides whether requests are pushed (RFC 9126 5).
func (m *metadata) readPAR(doc validate.Claims, s *Settings) error {
	required, _, err := doc.Bool("require_pushed_authorization_requests")
	switch {
	case err != nil:
		return err
	case s.PAR == UsageRequired && m.par == "":
		return errors.New("pushed_authorization_request_endpoint is missing, and PAR is required: set Endpoints.PAR if there is one all the same")
	case s.PAR == UsageRefused && required:
		return errors.New("the provider requires pushed authorization requests, and PAR is refused: allow it")
	case s.PAR == UsageRefused:
		m.par = ""
	}
	return nil
}

// push hands the authorization request to the provider directly and returns
// the request_uri that stands for it (RFC 9126 2). visitors says
// whether they had a word in it; what is private in it no error may repeat.
func (p *Provider) push(ctx context.Context, m *metadata, request url.Values, visitors bool, private ...string) (string, error) {
	select {
	case p.pushes <- struct{}{}:
		defer func() { <-p.pushes }()
	default:
		return "", &Unavailable{What: parEndpoint, Err: errBusy}
	}
	// A proof here would bind the code to the key (RFC 9449 10.1), which is this
	// process's alone: the login may end on another node.
	a, secrets, err := p.post(ctx, m, parEndpoint, m.par, request, proveNothing)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		err := a.oauthError(append(secrets, private...))
		if errors.Is(err, ErrUnavailable) {
			return "", err
		}
		if e, ok := errors.AsType[*Error](err); ok && e.Code == "invalid_request" && visitors {
			return "", fmt.Errorf("%w: %w", refused(parResponse, e.Code, "may be about what the visitor asked for"), err)
		}
		// The request is ours: only the operator can change it.
		return "", fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	return requestURI(a)
}

// requestURI reads the answer of RFC 9126 2.2. It is used at once, so
// expires_in tells nothing.
func requestURI(a *answer) (string, error) {
	if !a.isJSON() {
		return "", a.notJSON()
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return "", fmt.Errorf("%s: %w", a.what, err)
	}
	uri, _, err := doc.String("request_uri")
	switch {
	case err != nil || uri == "":
		return "", refused(parResponse, "request_uri", "is missing or no string")
	case len(uri) > maxRequestURI || !isVSCHAR(uri):
		return "", refused(parResponse, "request_uri", "is too long or has characters it cannot have")
	}
	return uri, nil
}

// deliver returns the address that brings the browser, and the request, to
// the provider. With a pushed request the browser carries nothing but its
// name: whatever is beside it would be a second word on the same matter.
func (p *Provider) deliver(ctx context.Context, m *metadata, address string, visitors bool, reference func([]byte) (string, error)) (string, error) {
	if m.par == "" && p.s.RequestObject == "" {
		return address, nil
	}
	params, err := url.ParseQuery(address[m.own:])
	if err != nil {
		return "", err
	}
	request, err := p.asObject(ctx, m, params, reference)
	if err != nil {
		return "", err
	}
	if m.par != "" {
		uri, err := p.push(ctx, m, request, visitors, params.Get("state"), params.Get("nonce"), request.Get("request"))
		if err != nil {
			return "", err
		}
		request = url.Values{"client_id": {m.client.id}, "request_uri": {uri}}
	}
	return address[:m.own] + request.Encode(), nil
}
