package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// ClaimSource is a claims provider whose aggregated and distributed claims are
// believed (Core 5.6.2).
type ClaimSource struct {
	Issuer   string   // "": the provider itself, whose tokens may leave iss out
	JWKS     string   // of another issuer
	Endpoint string   // "": aggregated claims only
	Claims   []string // it may speak for
}

// claimSource is a [ClaimSource] in use.
type claimSource struct {
	ClaimSource
	keys *keySet // nil: the provider's own
}

const (
	// maxSources bounds the tokens taken up, and so the calls made, for one
	// document.
	maxSources     = 4
	maxSourceToken = 64 << 10

	sourceToken    = "claims token"
	sourceEndpoint = "claims endpoint"
)

func (p *Provider) newClaimSources(sources []ClaimSource) []claimSource {
	out := make([]claimSource, len(sources))
	for i, s := range sources {
		s.Claims = slices.Clone(s.Claims)
		out[i].ClaimSource = s
		if s.Issuer != "" {
			out[i].keys = newKeySet(func(ctx context.Context) ([]byte, error) {
				a, err := p.get(ctx, keysEndpoint, s.JWKS)
				if err != nil {
					return nil, err
				}
				return a.body, nil
			}, p.now)
		}
	}
	return out
}

// addReferred takes up the claims that ID token and UserInfo refer to, from
// those sources the settings name. Where that fails the login lacks the claims
// and has a warning. Without settings nothing is looked at, let alone fetched:
// the addresses are the provider's choice, and would be reached from inside
// our network (T070).
func (p *Provider) addReferred(ctx context.Context, m *metadata, login *Login) {
	if len(p.claimSources) == 0 {
		return
	}
	for _, doc := range []validate.Claims{login.Claims, login.UserInfo} {
		names, sources, err := referred(doc)
		if err != nil {
			login.Warning = errors.Join(login.Warning, err)
			continue
		}
		for _, source := range slices.Sorted(maps.Keys(names)) {
			claims, err := p.fromSource(ctx, m, sources[source], names[source], login.Subject)
			if err != nil {
				login.Warning = errors.Join(login.Warning, err)
				continue
			}
			// What was said first wins, as for UserInfo.
			login.Claims = merge(login.Claims, claims)
		}
	}
}

// reference is a member of _claim_sources.
type reference struct {
	jwt, endpoint, accessToken string
}

// referred reads _claim_names and _claim_sources: the claims by the names of
// the sources, and the sources.
func referred(doc validate.Claims) (names map[string][]string, sources map[string]reference, err error) {
	if doc["_claim_names"] == nil {
		return nil, nil, nil
	}
	bad := refused(sourceToken, "_claim_names", "these and _claim_sources are no objects of names and sources")
	var byClaim map[string]string
	var members map[string]json.RawMessage
	if json.Unmarshal(doc["_claim_names"], &byClaim) != nil || json.Unmarshal(doc["_claim_sources"], &members) != nil {
		return nil, nil, bad
	}
	names, sources = make(map[string][]string), make(map[string]reference)
	for claim, source := range byClaim {
		member, err := validate.Object(members[source])
		if err != nil {
			return nil, nil, bad
		}
		var r reference
		var errs [3]error
		r.jwt, _, errs[0] = member.String("JWT")
		r.endpoint, _, errs[1] = member.String("endpoint")
		r.accessToken, _, errs[2] = member.String("access_token")
		if errors.Join(errs[:]...) != nil || (r.jwt == "") == (r.endpoint == "") || !isVSCHAR(r.accessToken) {
			return nil, nil, bad
		}
		names[source], sources[source] = append(names[source], claim), r
	}
	if len(sources) > maxSources {
		return nil, nil, refused(sourceToken, "size", "there are more sources than are taken up")
	}
	return names, sources, nil
}

// fromSource returns those of the named claims that the source has, and may
// speak for.
func (p *Provider) fromSource(ctx context.Context, m *metadata, r reference, names []string, subject string) (validate.Claims, error) {
	token, source, err := r.jwt, (*claimSource)(nil), error(nil)
	if r.endpoint != "" {
		// The very address that was configured, not one like it.
		if source = p.claimSource(func(s *claimSource) bool { return s.Endpoint == r.endpoint }); source == nil {
			return nil, refused(sourceToken, "endpoint", "is none of ClaimSources")
		}
		if token, err = p.fetchClaims(ctx, r); err != nil {
			return nil, err
		}
	}
	claims, source, err := p.verifyClaims(ctx, m, token, source, subject)
	if err != nil {
		return nil, inToken(sourceToken, err)
	}
	out := make(validate.Claims)
	for _, name := range names {
		if raw, ok := claims[name]; ok && slices.Contains(source.Claims, name) {
			out[name] = raw
		}
	}
	return out, nil
}

func (p *Provider) claimSource(is func(*claimSource) bool) *claimSource {
	for i := range p.claimSources {
		if is(&p.claimSources[i]) {
			return &p.claimSources[i]
		}
	}
	return nil
}

// fetchClaims asks for distributed claims (Core 5.6.2.2), with the access
// token made for that, if any, and never with the user's.
func (p *Provider) fetchClaims(ctx context.Context, r reference) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.endpoint, nil)
	if err != nil {
		return "", fmt.Errorf("%s: %w: no address", sourceEndpoint, ErrMisconfigured)
	}
	req.Header.Set("Accept", "application/jwt")
	if r.accessToken != "" {
		req.Header.Set("Authorization", "Bearer "+r.accessToken)
	}
	a, err := p.call(ctx, sourceEndpoint, req)
	switch {
	case err != nil:
		return "", err
	case a.status != http.StatusOK:
		return "", a.unexpected()
	case !a.isJWT():
		return "", refused(sourceToken, "content_type", "is no JWT")
	}
	return strings.TrimSpace(string(a.body)), nil
}

// verifyClaims checks a token of the given source or, where that is nil, of
// the one its iss names. An unsigned one proves nothing, so there are none.
func (p *Provider) verifyClaims(ctx context.Context, m *metadata, token string, source *claimSource, subject string) (validate.Claims, *claimSource, error) {
	jws, err := validate.SplitJWS(token, maxSourceToken)
	if err != nil {
		return nil, nil, err
	}
	if source == nil {
		if source, err = p.issuerOf(jws.Payload); err != nil {
			return nil, nil, err
		}
	}
	var payload []byte
	e := p.expect(m, Expected{}, "", "")
	if source.keys == nil {
		payload, _, err = p.verify(ctx, m, jws, m.algorithms, false)
	} else {
		e.Issuer = source.Issuer
		payload, _, err = source.keys.verify(ctx, jws, p.s.acceptable(), false)
	}
	if err != nil {
		return nil, nil, err
	}
	claims, err := validate.CheckClaimsToken(jws.Header, payload, e, source.keys != nil)
	if err != nil {
		return nil, nil, err
	}
	// The provider's own tokens are about its own subjects.
	if claims["sub"] != nil && source.keys == nil {
		err = checkSubject(claims, subject)
	}
	return claims, source, err
}

// issuerOf is the source an aggregated token says it comes from.
func (p *Provider) issuerOf(unverified []byte) (*claimSource, error) {
	claims, err := validate.Object(unverified)
	if err != nil {
		return nil, err
	}
	iss, _, err := claims.String("iss")
	if err != nil {
		return nil, err
	}
	if iss == p.s.Issuer {
		iss = ""
	}
	source := p.claimSource(func(s *claimSource) bool { return s.Issuer == iss })
	if source == nil {
		return nil, refused(sourceToken, "iss", "is none of ClaimSources")
	}
	return source, nil
}

// checkClaimSources reports what would let a document choose what is fetched
// or believed.
func (s *Settings) checkClaimSources(m *mistakes) {
	if s.TenantSupplied && len(s.ClaimSources) > 0 {
		m.add("ClaimSources: not for a TenantSupplied provider; remove them")
	}
	for i, source := range s.ClaimSources {
		for _, address := range []struct{ name, url string }{{"Issuer", source.Issuer}, {"JWKS", source.JWKS}, {"Endpoint", source.Endpoint}} {
			if address.url == "" {
				continue
			}
			if _, err := checkURL(address.url, s.urlRule(nil)); err != nil {
				m.add("ClaimSources[%d].%s %q: %w", i, address.name, address.url, err)
			}
		}
		switch {
		case source.Issuer == s.Issuer:
			m.add("ClaimSources[%d].Issuer is the provider's: leave it empty", i)
		case (source.Issuer == "") != (source.JWKS == ""):
			m.add("ClaimSources[%d]: give both Issuer and JWKS, or for the provider's own claims neither", i)
		}
		if len(source.Claims) == 0 {
			m.add("ClaimSources[%d].Claims is empty: name the claims it may speak for", i)
		}
		for _, name := range source.Claims {
			if name == "" || slices.Contains(tokenClaims, name) {
				m.add("ClaimSources[%d].Claims: %q is not for others to say: remove it", i, name)
			}
		}
	}
}
