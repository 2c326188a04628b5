package oidcrp

import "github.com/seed-78edd7da/go-oidcrp/internal/provider"

// ClaimSource is a claims provider: a party that states claims about the users
// of a [Provider], in tokens which ID token or UserInfo contain (aggregated
// claims) or say where to fetch (distributed claims). A source that fails, or
// is not believed, leaves its claims out, with a warning in the log.
type ClaimSource struct {
	// Issuer is the iss of its tokens, and JWKS the address of the keys they
	// are signed with. Both empty: the provider's own tokens, in which iss may
	// be missing. Unsigned ones are never believed.
	Issuer string
	JWKS   string

	// Endpoint is the one address its distributed claims are fetched from,
	// compared exactly. Empty: aggregated claims only.
	Endpoint string

	// Claims are those it may speak for, where ID token and UserInfo do not
	// say otherwise. Claims about the login itself, such as sub, are refused.
	Claims []string
}

// claimSources are the sources in the provider room's words.
func claimSources(sources []ClaimSource) []provider.ClaimSource {
	out := make([]provider.ClaimSource, len(sources))
	for i, s := range sources {
		out[i] = provider.ClaimSource(s)
	}
	return out
}
