package provider

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Values of [Settings.RequestObject]; the empty one sends plain parameters.
const (
	RequestByValue             = "request"
	RequestByReference         = "request_uri"
	UnsignedRequestByValue     = "unsigned request"
	UnsignedRequestByReference = "unsigned request_uri"
)

var requestObjects = []string{"", RequestByValue, RequestByReference, UnsignedRequestByValue, UnsignedRequestByReference}

// requestLifetime of a request object. The provider reads it when the browser
// arrives; the rest is for clocks that differ, and slow browsers.
const requestLifetime = 5 * time.Minute

// requestType keeps a request object from passing for another JWT of this
// client (RFC 9101 10.8).
const requestType = "oauth-authz-req+jwt"

// requestClaims are the request object's own, and sub, which would make it
// look like a client assertion (RFC 9101 10.8): no parameter may have such a
// name.
var requestClaims = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

func (s *Settings) signsRequest() bool {
	return s.RequestObject == RequestByValue || s.RequestObject == RequestByReference
}

func (s *Settings) refersToRequest() bool {
	return s.RequestObject == RequestByReference || s.RequestObject == UnsignedRequestByReference
}

func (s *Settings) checkRequestObject(m *mistakes) {
	switch {
	case !slices.Contains(requestObjects, s.RequestObject):
		m.add("RequestObject %q: use %q", s.RequestObject, requestObjects[1:])
	case s.signsRequest() && !s.canSign():
		m.add("RequestObject %q needs ClientKeys: give a key that signs", s.RequestObject)
	}
	if s.RequestObject == "" {
		return
	}
	for _, name := range requestClaims {
		if _, ok := s.AuthParams[name]; ok {
			m.add("AuthParams: %q is a claim of the request object: remove it", name)
		}
		if slices.Contains(s.DynamicParams, name) {
			m.add("DynamicParams: %q is a claim of the request object: remove it", name)
		}
	}
}

// readRequestObject reads what the provider wants of request objects
// (Discovery 3, RFC 9101 10.5).
func (m *metadata) readRequestObject(doc validate.Claims, s *Settings) error {
	required, _, err := doc.Bool("require_signed_request_object")
	if err == nil && required && !s.signsRequest() {
		err = fmt.Errorf("the provider requires signed request objects: set RequestObject to %q, and ClientKeys", RequestByValue)
	}
	var err2 error
	m.requestAlgorithms, _, err2 = doc.Strings("request_object_signing_alg_values_supported")
	return errors.Join(err, err2)
}

// asObject replaces the parameters by a request object, or a reference to
// one. Outside it stand those that OAuth 2.0 and Core 6.1 want there; a
// pushed request has client_id alone (RFC 9126 3).
func (p *Provider) asObject(ctx context.Context, m *metadata, params url.Values, reference func([]byte) (string, error)) (url.Values, error) {
	if p.s.RequestObject == "" {
		return params, nil
	}
	outside := url.Values{"client_id": params["client_id"]}
	if m.par == "" {
		outside["response_type"], outside["scope"] = params["response_type"], params["scope"]
	}
	if m.par == "" && p.s.refersToRequest() {
		vary, err := m.varying(params)
		if err != nil {
			return nil, err
		}
		uri, err := p.reference(vary, reference)
		outside.Set("request_uri", uri)
		return outside, err
	}
	object, err := p.requestObject(ctx, m, params, p.now())
	outside.Set("request", object)
	return outside, err
}

// varying is what of a request is not in every other one, further scopes
// among it.
func (m *metadata) varying(params url.Values) (url.Values, error) {
	constant, err := url.ParseQuery(m.request[m.own:])
	vary := maps.Clone(params)
	maps.DeleteFunc(vary, func(name string, values []string) bool { return slices.Equal(values, constant[name]) })
	return vary, err
}

// requestObject makes the JWT of RFC 9101 4.
func (p *Provider) requestObject(ctx context.Context, m *metadata, params url.Values, issued time.Time) (string, error) {
	claims := make(map[string]any, len(params)+6)
	for name, values := range params {
		claims[name] = requestClaim(name, values)
	}
	id := sha256.Sum256([]byte(params.Get("state"))) // one object for one login, however often it is fetched
	claims["iss"], claims["aud"], claims["jti"] = m.client.id, p.s.Issuer, base64.RawURLEncoding.EncodeToString(id[:16])
	claims["iat"], claims["nbf"], claims["exp"] = issued.Unix(), issued.Unix(), issued.Add(requestLifetime).Unix()
	if !p.s.signsRequest() {
		return unsigned(claims)
	}
	key, err := p.signingKey(ctx, m.requestAlgorithms)
	if err != nil {
		return "", err
	}
	return signed(key.sign(requestType, claims))
}

// requestClaim gives a parameter the type it has in JSON (Core 6.1).
func requestClaim(name string, values []string) any {
	value := values[0]
	switch {
	case len(values) > 1: // resource
		return values
	case name == "max_age":
		if n, err := strconv.ParseUint(value, 10, 31); err == nil {
			return n
		}
	case name == "claims":
		if _, err := validate.Object([]byte(value)); err == nil {
			return json.RawMessage(value)
		}
	}
	return value
}

// unsigned makes a JWT that proves nothing, where the operator said so.
func unsigned(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none","typ":"`+requestType+`"}`)) + "." + encode(payload) + ".", nil
}

// essential are the parameters a reference never leaves out.
var essential = []string{"state", "nonce", "code_challenge", "scope", "prompt", "max_age", "acr_values"}

// reference is the request_uri of a request that differs from others by params.
// Nothing is kept here: the address itself holds what is needed to make the
// object, sealed. A hint that does not fit (Core 6.2) is left out.
func (p *Provider) reference(params url.Values, address func([]byte) (string, error)) (string, error) {
	if address == nil {
		return "", fmt.Errorf("%w: nothing says where a request object can be fetched", ErrMisconfigured)
	}
	for range 2 {
		packed, err := packRequest(params, p.now())
		if err != nil {
			return "", err
		}
		uri, err := address(packed)
		if err != nil || len(uri) <= maxRequestURI {
			return uri, err
		}
		for name := range params {
			if !slices.Contains(essential, name) {
				delete(params, name)
			}
		}
	}
	return "", fmt.Errorf("%w: a request_uri of ours would be longer than %d characters: use %q", ErrMisconfigured, maxRequestURI, RequestByValue)
}

// packedParams are base64url, and packed as the bytes they stand for.
var packedParams = []string{"state", "nonce", "code_challenge"}

func packRequest(params url.Values, issued time.Time) ([]byte, error) {
	b := binary.BigEndian.AppendUint32(nil, uint32(issued.Unix()))
	rest := url.Values{}
	for name, values := range params {
		rest[name] = values
	}
	for _, name := range packedParams {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(params.Get(name))
		if err != nil || len(raw) > 255 {
			return nil, fmt.Errorf("%w: %s cannot be packed", ErrMisconfigured, name)
		}
		b = append(append(b, byte(len(raw))), raw...)
		rest.Del(name)
	}
	return append(b, rest.Encode()...), nil
}

func unpackRequest(b []byte) (params url.Values, issued time.Time, err error) {
	broken := refused(requestReference, "syntax", "cannot be unpacked")
	if len(b) < 4 {
		return nil, time.Time{}, broken
	}
	issued, b = time.Unix(int64(binary.BigEndian.Uint32(b)), 0), b[4:]
	packed := map[string]string{}
	for _, name := range packedParams {
		if len(b) == 0 || len(b) <= int(b[0]) {
			return nil, time.Time{}, broken
		}
		n := int(b[0])
		packed[name], b = base64.RawURLEncoding.EncodeToString(b[1:1+n]), b[1+n:]
	}
	if params, err = url.ParseQuery(string(b)); err != nil {
		return nil, time.Time{}, broken
	}
	for name, value := range packed {
		if value != "" {
			params.Set(name, value)
		}
	}
	return params, issued, nil
}

// RequestObject makes the request object that packed stands for, which must
// have been given to Reference.
func (p *Provider) RequestObject(ctx context.Context, packed []byte) (string, error) {
	vary, issued, err := unpackRequest(packed)
	if err != nil {
		return "", err
	}
	if now := p.now(); now.Before(issued.Add(-time.Second)) || !now.Before(issued.Add(requestLifetime)) {
		return "", refused(requestReference, "exp", "has expired")
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return "", err
	}
	params, err := url.ParseQuery(m.request[m.own:])
	if err != nil {
		return "", err
	}
	for name, values := range vary {
		params[name] = values
	}
	return p.requestObject(ctx, m, params, issued)
}
