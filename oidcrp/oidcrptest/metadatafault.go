package oidcrptest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// The metadata.
var (
	// MetadataIssuerMismatch adds a slash to the issuer in the metadata.
	MetadataIssuerMismatch = Fault{Name: "MetadataIssuerMismatch", Metadata: func(m map[string]any) {
		m["issuer"] = m["issuer"].(string) + "/"
	}}
	// MetadataRubbish answers with JSON cut short.
	MetadataRubbish = rubbish("MetadataRubbish", DiscoveryEndpoint)
	// MetadataHang never answers.
	MetadataHang = hang("MetadataHang", DiscoveryEndpoint)
	// MetadataHuge answers after 32 MiB of white space.
	MetadataHuge = huge("MetadataHuge", DiscoveryEndpoint)
	// MetadataNoPKCE does not say that PKCE is supported, though it is.
	MetadataNoPKCE = metadataField("MetadataNoPKCE", "code_challenge_methods_supported", nil)
	// MetadataPlainPKCE says that only the method "plain" is supported.
	MetadataPlainPKCE = metadataField("MetadataPlainPKCE", "code_challenge_methods_supported", []string{"plain"})
	// OnlyRS256 says that ID tokens are signed by RS256 alone.
	OnlyRS256 = metadataField("OnlyRS256", "id_token_signing_alg_values_supported", []string{"RS256"})
	// SuiteMetadata is the certification suite's: response types in odd order,
	// the algorithm none, nothing of PKCE. A login should succeed.
	SuiteMetadata = Fault{Name: "SuiteMetadata", Metadata: func(m map[string]any) {
		m["response_types_supported"] = []string{"code", "id_token code", "token code id_token", "id_token", "token id_token", "token code", "token"}
		for _, name := range []string{"id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported"} {
			m[name] = append([]string{"none"}, algorithms...)
		}
		delete(m, "code_challenge_methods_supported")
	}}
	// NoEndSession has no end_session_endpoint.
	NoEndSession = metadataField("NoEndSession", "end_session_endpoint", nil)
	// NoUserInfo has no userinfo_endpoint.
	NoUserInfo = metadataField("NoUserInfo", "userinfo_endpoint", nil)
)

// MetadataStatus answers metadata requests with this status.
func MetadataStatus(status int) Fault { return statusOnly("MetadataStatus", DiscoveryEndpoint, status) }

// MetadataRedirect sends metadata requests elsewhere.
func MetadataRedirect(to string) Fault {
	return redirect("MetadataRedirect", DiscoveryEndpoint, to, http.StatusFound)
}

// MetadataField sets one field of the metadata; nil leaves it out.
func MetadataField(name string, value any) Fault {
	return metadataField("MetadataField "+name, name, value)
}

// The key set.
var (
	// JWKSRubbish answers with JSON cut short.
	JWKSRubbish = rubbish("JWKSRubbish", JWKSEndpoint)
	// JWKSHang never answers.
	JWKSHang = hang("JWKSHang", JWKSEndpoint)
	// JWKSHuge answers after 32 MiB of white space.
	JWKSHuge = huge("JWKSHuge", JWKSEndpoint)
	// JWKSEmpty has no keys.
	JWKSEmpty = Fault{Name: "JWKSEmpty", JWKS: func(doc map[string]any) { doc["keys"] = []any{} }}
	// JWKSUnsupportedKeys has unknown, malformed, symmetric, encryption and
	// private keys before the right ones. A login should succeed.
	JWKSUnsupportedKeys = Fault{Name: "JWKSUnsupportedKeys", JWKS: func(doc map[string]any) {
		doc["keys"] = append(unsupportedKeys(), doc["keys"].([]any)...)
	}}
	// KidlessKeys has no "kid" in keys and tokens. A login should succeed.
	KidlessKeys = Fault{Name: "KidlessKeys",
		IDToken: func(t *IDToken) { delete(t.Header, "kid") },
		JWKS: func(doc map[string]any) {
			for _, k := range doc["keys"].([]any) {
				delete(k.(map[string]any), "kid")
			}
		}}
)

// KidAbsentSingle signs by RS256 with no "kid", and has keys without "kid" and
// "alg" of which one fits: RSA, P-256, Ed25519, secp256k1, and two for
// encryption. A login should succeed.
var KidAbsentSingle = Fault{Name: "KidAbsentSingle",
	IDToken: func(t *IDToken) {
		t.signBy("RS256")
		delete(t.Header, "kid")
	},
	JWKS: func(doc map[string]any) { doc["keys"] = nameless(append(doc["keys"].([]any), foreignKeys()...)) }}

// KidAbsentMultiple is [KidAbsentSingle] with three keys of each kind that
// signs; the right one is between the others. A login may succeed.
var KidAbsentMultiple = Fault{Name: "KidAbsentMultiple",
	IDToken: KidAbsentSingle.IDToken,
	JWKS: func(doc map[string]any) {
		d := decoys()
		doc["keys"] = nameless(slices.Concat(d[:3], doc["keys"].([]any), d[3:], foreignKeys()))
	}}

// SharedKid has keys that never sign, one of each kind, before each right one
// and under its "kid". A login should succeed.
var SharedKid = Fault{Name: "SharedKid", JWKS: func(doc map[string]any) {
	var keys []any
	for _, k := range doc["keys"].([]any) {
		for _, other := range decoys()[:3] {
			if other := maps.Clone(other.(map[string]any)); other["kty"] != k.(map[string]any)["kty"] {
				other["kid"] = k.(map[string]any)["kid"]
				keys = append(keys, other)
			}
		}
		keys = append(keys, k)
	}
	doc["keys"] = keys
}}

// JWKSMoved has the key set at an address nobody can guess, and nothing where
// it used to be.
func JWKSMoved() Fault {
	path := JWKSEndpoint + "-" + strings.ToLower(random()[:10])
	return Fault{Name: "JWKSMoved", jwksPath: path, Metadata: func(m map[string]any) {
		m["jwks_uri"] = strings.TrimSuffix(m["jwks_uri"].(string), JWKSEndpoint) + path
	}}
}

// JWKSStatus answers key set requests with this status.
func JWKSStatus(status int) Fault { return statusOnly("JWKSStatus", JWKSEndpoint, status) }

// RedirectJWKS sends key set requests elsewhere.
func RedirectJWKS(to string) Fault {
	return redirect("RedirectJWKS", JWKSEndpoint, to, http.StatusFound)
}
