package provider

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// modeJWT ends the response modes in which the response is a JWT (JARM 2.3):
// before it stands the way it comes, and alone it is the default way.
const modeJWT = "jwt"

// jarm reports whether responses have to be signed.
func (s *Settings) jarm() bool {
	return s.ResponseMode == modeJWT || strings.HasSuffix(s.ResponseMode, "."+modeJWT)
}

// parseJWT reads the response in a JWT, before anything of it is verified: only
// its state, which proves itself, says whether anybody asked for it.
func parseJWT(v url.Values, mode string) (*Response, error) {
	for _, name := range responseParams {
		if name != "response" && v.Has(name) {
			return nil, refused(authorizationResponse, "duplicate", name+" is beside a JWT response")
		}
	}
	token := v.Get("response")
	jws, err := validate.SplitJWS(token, maxResponse)
	if err != nil {
		return nil, inToken(authorizationResponse, err)
	}
	claims, err := validate.Object(jws.Payload)
	if err != nil {
		return nil, inToken(authorizationResponse, err)
	}
	members := url.Values{}
	for _, name := range responseParams {
		if name == "response" || name == "expires_in" { // a number, and not used
			continue
		}
		value, present, err := claims.String(name)
		if err != nil {
			return nil, inToken(authorizationResponse, err)
		}
		if present {
			members.Set(name, value)
		}
	}
	r, err := readResponse(members, mode)
	if err != nil {
		return nil, err
	}
	r.jwt = token
	return r, nil
}

// checkJWT verifies a JWT response (JARM 2.4), and refuses a plain one where
// one was asked for. A plain error may come all the same: a provider need not
// know yet how to answer, and an error carries nothing.
func (p *Provider) checkJWT(ctx context.Context, r *Response) error {
	switch {
	case r.jwt != "" && !p.s.jarm():
		return refused(authorizationResponse, "response_type", "is a JWT, which was not asked for")
	case r.jwt == "" && p.s.jarm() && r.Error == "":
		return refused(authorizationResponse, "response_mode", "is not signed, asked for was "+p.s.ResponseMode)
	case r.jwt == "":
		return nil
	}
	jws, err := validate.SplitJWS(r.jwt, maxResponse)
	if err != nil {
		return inToken(authorizationResponse, err)
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return err
	}
	// Anybody can have sent it here.
	payload, issuers, err := p.verify(ctx, m, jws, m.responseAlgorithms, true)
	if err != nil {
		return inToken(authorizationResponse, err)
	}
	e := p.expect(m, Expected{}, "", "")
	e.KeyIssuers = issuers
	return validate.CheckResponseToken(jws.Header, payload, e)
}

// checkResponseMode reports a mode the response type cannot have.
func (s *Settings) checkResponseMode(m *mistakes, f flow) {
	way, signed := strings.CutSuffix(s.ResponseMode, "."+modeJWT)
	ways := []string{modeQuery, modeFormPost, modeFragment}
	switch {
	case s.ResponseMode == "" || s.ResponseMode == modeJWT:
	case !slices.Contains(ways, way):
		m.add("ResponseMode %q: use %s, or for a signed response jwt, or one of them with .jwt behind it", s.ResponseMode, strings.Join(ways, ", "))
	// A signature hides nothing (JARM 2.3.1).
	case way == modeQuery && f.front():
		suffix := ""
		if signed {
			suffix = "." + modeJWT
		}
		m.add("ResponseMode %q: tokens must not be in a query, where logs keep them (OAuth Multiple Response Types 5): use %q or %q", s.ResponseMode, modeFormPost+suffix, modeFragment+suffix)
	}
}
