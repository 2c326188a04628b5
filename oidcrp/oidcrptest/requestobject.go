package oidcrptest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// requestParameters returns the parameters of a request object, passed by
// value or by reference (RFC 9101, Core 6); the given ones where there is
// none. Where there is one, nothing beside it counts (RFC 9101 6.3).
func (p *Provider) requestParameters(ctx context.Context, v url.Values, c Client) (url.Values, *oauthError) {
	object, code := v.Get("request"), "invalid_request_object"
	if v.Has("request_uri") {
		if v.Has("request") {
			return v, &oauthError{code: "invalid_request", description: "request and request_uri exclude each other"}
		}
		code = "invalid_request_uri"
		b, err := p.fetchRequest(ctx, v.Get("request_uri"), c)
		if err != nil {
			return v, &oauthError{code: code, description: err.Error()}
		}
		object, code = strings.TrimSpace(string(b)), "invalid_request_object"
	} else if !v.Has("request") {
		if c.RequireRequestObject {
			return v, &oauthError{code: "invalid_request", description: "this client must send request objects (RFC 9101)"}
		}
		return v, nil
	}
	claims, err := p.readRequestObject(ctx, object, c)
	if err != nil {
		return v, &oauthError{code: code, description: err.Error()}
	}
	for _, name := range []string{"client_id", "response_type"} {
		if v.Has(name) && claims.Has(name) && v.Get(name) != claims.Get(name) {
			return v, &oauthError{code: "invalid_request", description: name + " differs from the request object's"}
		}
	}
	return claims, nil
}

// fetchRequest fetches a request object. Its fragment may have its hash
// (Core 6.2).
func (p *Provider) fetchRequest(ctx context.Context, uri string, c Client) ([]byte, error) {
	if len(uri) > 512 { // RFC 9101 5.2.1
		return nil, fmt.Errorf("request_uri is longer than 512 characters")
	}
	bare, hash, hashed := strings.Cut(uri, "#")
	path, _, _ := strings.Cut(bare, "?")
	registered := slices.ContainsFunc(c.RequestURLs, func(s string) bool {
		s, _, _ = strings.Cut(s, "#")
		return s == bare || s == path
	})
	if c.RequestURLs != nil && !registered {
		return nil, fmt.Errorf("request_uri is not registered for this client: %s", uri)
	}
	b, err := p.fetch(ctx, bare)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); hashed && hash != b64(sum[:]) {
		return nil, fmt.Errorf("the fragment of request_uri is not the hash of what is there")
	}
	return b, nil
}

// readRequestObject checks a request object and returns its parameters.
func (p *Provider) readRequestObject(ctx context.Context, object string, c Client) (url.Values, error) {
	algs := clientAlgorithms
	if c.RequestObjectAlgorithm != "" {
		algs = []string{c.RequestObjectAlgorithm}
	}
	var claims map[string]any
	unsigned, err := unsignedJWT(object)
	if err == nil {
		if c.RequestObjectAlgorithm != "none" {
			return nil, fmt.Errorf("the request object is not signed, and the client did not register that it would not be")
		}
		claims = unsigned
	} else {
		header, signed, err := p.verifyByClient(ctx, object, c, algs)
		if err != nil {
			return nil, err
		}
		// RFC 9101 10.8; Core has no type at all.
		if typ, _ := header.ExtraHeaders["typ"].(string); typ != "" && !strings.EqualFold(typ, "oauth-authz-req+jwt") && !strings.EqualFold(typ, "JWT") {
			return nil, fmt.Errorf("the request object has the type %s", typ)
		}
		if signed["iss"] == nil || signed["aud"] == nil {
			return nil, fmt.Errorf("a signed request object needs iss and aud (RFC 9101 4)")
		}
		claims = signed
	}
	if err := p.judgeRequestObject(claims, c); err != nil {
		return nil, err
	}
	return objectParameters(claims)
}

func (p *Provider) judgeRequestObject(claims map[string]any, c Client) error {
	if iss, ok := claims["iss"]; ok && iss != c.ID {
		return fmt.Errorf("iss of the request object is not the client_id")
	}
	if aud, ok := claims["aud"]; ok && !audienceHas(aud, p.issuer) {
		return fmt.Errorf("aud of the request object is not the issuer")
	}
	if claims["sub"] == c.ID { // it could pass for a client assertion (RFC 9101 10.8)
		return fmt.Errorf("sub of the request object is the client_id")
	}
	if claims["client_id"] != c.ID {
		return fmt.Errorf("client_id of the request object is not the client_id")
	}
	now := p.time()
	if exp, ok := timeClaim(claims, "exp"); ok && now.After(exp.Add(clockSkew)) {
		return fmt.Errorf("the request object has expired")
	}
	for _, name := range []string{"nbf", "iat"} {
		if t, ok := timeClaim(claims, name); ok && t.After(now.Add(clockSkew)) {
			return fmt.Errorf("%s of the request object is in the future", name)
		}
	}
	for _, name := range []string{"request", "request_uri"} {
		if _, ok := claims[name]; ok {
			return fmt.Errorf("%s inside a request object (RFC 9101 4)", name)
		}
	}
	return nil
}

// objectParameters turns claims into parameters: numbers and objects, such as
// max_age and claims, into their JSON (Core 6.1).
func objectParameters(claims map[string]any) (url.Values, error) {
	v := url.Values{}
	for name, value := range claims {
		switch name {
		case "iss", "aud", "exp", "nbf", "iat", "jti", "sub":
			continue
		}
		switch value := value.(type) {
		case string:
			v.Set(name, value)
		case []any:
			for _, element := range value {
				s, ok := element.(string)
				if !ok || name != "resource" {
					return nil, fmt.Errorf("%s of the request object is an array", name)
				}
				v.Add(name, s)
			}
		default:
			v.Set(name, string(mustJSON(value)))
		}
	}
	return v, nil
}

// unsignedJWT reads a JWT with "alg" none and no signature (RFC 7519 6).
func unsignedJWT(token string) (map[string]any, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || parts[2] != "" {
		return nil, fmt.Errorf("not an unsigned JWT")
	}
	var decoded [2]map[string]any
	for i := range decoded {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(b, &decoded[i]); err != nil {
			return nil, err
		}
	}
	if decoded[0]["alg"] != "none" {
		return nil, fmt.Errorf("not an unsigned JWT")
	}
	return decoded[1], nil
}
