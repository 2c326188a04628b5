package oidcrptest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Fault makes a [Provider] do one thing wrong. The package has one for each
// way of failing that a relying party should survive; another is a struct
// with a name and the hook that does it:
//
//	oidcrptest.Fault{Name: "LateNonce", IDToken: func(t *oidcrptest.IDToken) {
//		t.Claims["nonce"] = "late"
//	}}
//
// Several faults act in the order given. Hooks may run concurrently.
type Fault struct {
	Name string

	Metadata      func(m map[string]any)   // before it is served
	JWKS          func(doc map[string]any) // "keys" is a []any of map[string]any
	Response      func(r *Response)        // the authorization response
	TokenResponse func(m map[string]any)   // a successful one
	IDToken       func(t *IDToken)         // before it is signed
	Pushed        func(m map[string]any)   // a successful answer to a pushed request
	Registration  func(m map[string]any)   // a successful answer to a registration
	WebFinger     func(doc map[string]any)
	UserInfo      func(claims map[string]any)
	UserInfoJWT   func(t *JWT)            // signed UserInfo, before it is signed
	ResponseJWT   func(t *JWT)            // an authorization response by JARM, before it is signed
	LogoutToken   func(t *JWT)            // of back-channel logout, before it is signed
	EndSession    func(params url.Values) // what goes back to the post-logout redirect URI
	Frontchannel  func(params url.Values) // what goes to a front-channel logout URI: "iss" and "sid", or nothing

	// Handler answers requests to Endpoint, such as [TokenEndpoint], or passes
	// them on to next, which is the provider.
	Endpoint string
	Handler  func(w http.ResponseWriter, r *http.Request, next http.Handler)

	denial     *oauthError
	ignorePKCE bool

	proofNonces, noNonceWillDo, oddScheme        bool
	ignoreEncryption, encryptToAnother, compress bool
	rotateKeys, onlyRefresh, sameRefreshToken    bool
	jwksPath                                     string
}

// String returns the name.
func (f Fault) String() string { return f.Name }

// The ID token.
var (
	// WrongIssuer puts another issuer in ID tokens.
	WrongIssuer = claim("WrongIssuer", "iss", "https://other.example")
	// IssuerWithSlash adds a slash to the issuer in ID tokens.
	IssuerWithSlash = onToken("IssuerWithSlash", func(t *IDToken) { t.Claims["iss"] = t.Claims["iss"].(string) + "/" })
	// MissingIssuer leaves "iss" out of ID tokens.
	MissingIssuer = claim("MissingIssuer", "iss", nil)

	// WrongAudience addresses ID tokens to another client.
	WrongAudience = claim("WrongAudience", "aud", "another-client")
	// MissingAudience leaves "aud" out.
	MissingAudience = claim("MissingAudience", "aud", nil)
	// ExtraAudience adds a second audience nobody knows, with the right "azp".
	ExtraAudience = onToken("ExtraAudience", func(t *IDToken) {
		t.Claims["aud"], t.Claims["azp"] = []string{t.Client.ID, "untrusted"}, t.Client.ID
	})
	// MissingAZP has two audiences and no "azp".
	MissingAZP = onToken("MissingAZP", func(t *IDToken) { t.Claims["aud"] = []string{t.Client.ID, "untrusted"} })
	// WrongAZP names another client as the authorized party.
	WrongAZP = claim("WrongAZP", "azp", "another-client")
	// AudienceArray has the right audience in an array. It is allowed (RFC 7519 4.1.3).
	AudienceArray = onToken("AudienceArray", func(t *IDToken) { t.Claims["aud"] = []string{t.Client.ID} })

	// WrongNonce puts another nonce in ID tokens.
	WrongNonce = claim("WrongNonce", "nonce", "another-nonce")
	// MissingNonce leaves the nonce out.
	MissingNonce = claim("MissingNonce", "nonce", nil)

	// ExpiredToken lets ID tokens have expired ten minutes ago.
	ExpiredToken = times("ExpiredToken", "exp", -10*time.Minute)
	// MissingExpiry leaves "exp" out.
	MissingExpiry = claim("MissingExpiry", "exp", nil)
	// FutureIssuedAt issues ID tokens in an hour.
	FutureIssuedAt = times("FutureIssuedAt", "iat", time.Hour)
	// OldIssuedAt issues ID tokens a day ago, long before the login began.
	OldIssuedAt = times("OldIssuedAt", "iat", -24*time.Hour)
	// MissingIssuedAt leaves "iat" out.
	MissingIssuedAt = claim("MissingIssuedAt", "iat", nil)
	// NotYetValid makes ID tokens valid in an hour ("nbf").
	NotYetValid = times("NotYetValid", "nbf", time.Hour)

	// MissingSubject leaves "sub" out.
	MissingSubject = claim("MissingSubject", "sub", nil)
	// EmptySubject has a "sub" of no characters.
	EmptySubject = claim("EmptySubject", "sub", "")

	// StaleAuthTime says that the user signed in a day ago, whatever max_age asked.
	StaleAuthTime = times("StaleAuthTime", "auth_time", -24*time.Hour)
	// MissingAuthTime leaves "auth_time" out.
	MissingAuthTime = claim("MissingAuthTime", "auth_time", nil)
	// WrongACR says that the user signed in by the weakest means, "0".
	WrongACR = claim("WrongACR", "acr", "0")
	// MissingACR leaves "acr" out.
	MissingACR = claim("MissingACR", "acr", nil)

	// WrongATHash has the "at_hash" of another access token.
	WrongATHash = onToken("WrongATHash", func(t *IDToken) {
		t.Claims["at_hash"] = halfHash(t.Header["alg"].(string), "another access token")
	})
	// MissingATHash leaves "at_hash" out, as the code flow allows (Core 3.1.3.6).
	MissingATHash = claim("MissingATHash", "at_hash", nil)

	// WrongCHash has the "c_hash" of another code (Core 3.3.2.11).
	WrongCHash = onToken("WrongCHash", func(t *IDToken) {
		if t.Claims["c_hash"] != nil {
			t.Claims["c_hash"] = halfHash(t.Header["alg"].(string), "another code")
		}
	})
	// MissingCHash leaves "c_hash" out.
	MissingCHash = claim("MissingCHash", "c_hash", nil)
	// WrongSHash has the "s_hash" of another state (FAPI 1.0 Part 2, 5.1).
	WrongSHash = onToken("WrongSHash", func(t *IDToken) {
		if t.Claims["s_hash"] != nil {
			t.Claims["s_hash"] = halfHash(t.Header["alg"].(string), "another state")
		}
	})
	// MissingSHash leaves "s_hash" out.
	MissingSHash = claim("MissingSHash", "s_hash", nil)

	// DuplicateClaim gives the claims two "sub", first another user's.
	DuplicateClaim = rewrite("DuplicateClaim", func(b []byte) []byte {
		return append([]byte(`{"sub":"mallory",`), b[1:]...)
	})
	// CaseTwinClaim adds "SUB", another user's, which encoding/json would take for "sub".
	CaseTwinClaim = rewrite("CaseTwinClaim", func(b []byte) []byte {
		return append(b[:len(b)-1:len(b)-1], `,"SUB":"mallory"}`...)
	})
	// TrailingBytes puts a second object after the claims.
	TrailingBytes = rewrite("TrailingBytes", func(b []byte) []byte { return append(b, `{"sub":"mallory"}`...) })
)

// The signature and the header of ID tokens.
var (
	// AlgNone sends ID tokens without signature, "alg" none.
	AlgNone = onToken("AlgNone", func(t *IDToken) {
		t.Header = map[string]any{"alg": "none"}
		t.Sign = func([]byte) []byte { return nil }
	})
	// WrongSignature changes the signature, under the "kid" of the right key.
	WrongSignature = onToken("WrongSignature", func(t *IDToken) {
		sign := t.Sign
		t.Sign = func(input []byte) []byte {
			sig := sign(input)
			sig[len(sig)/2] ^= 1
			return sig
		}
	})
	// ScrambledSignature changes every byte of the signature, by XOR with 0x5A.
	ScrambledSignature = onToken("ScrambledSignature", func(t *IDToken) {
		sign := t.Sign
		t.Sign = func(input []byte) []byte {
			sig := sign(input)
			for i := range sig {
				sig[i] ^= 0x5A
			}
			return sig
		}
	})
	// SignedByRS256 signs by the RS256 key whatever is configured, with "typ"
	// JWT.
	SignedByRS256 = onToken("SignedByRS256", func(t *IDToken) {
		t.signBy("RS256")
		t.Header["typ"] = "JWT"
	})
	// RotatesBeforeSigning makes new keys and drops the old ones before it
	// signs each ID token. A login should succeed.
	RotatesBeforeSigning = Fault{Name: "RotatesBeforeSigning", rotateKeys: true}
	// UnknownKey signs by a key that is not published.
	UnknownKey = onToken("UnknownKey", func(t *IDToken) {
		stranger := newKey("ES256")
		t.Header["alg"], t.Header["kid"] = "ES256", stranger.id
		t.Sign = func(input []byte) []byte { return stranger.sign("ES256", input) }
	})
	// HMACWithPublicKey signs by HS256 with the PEM of the public key as the
	// secret, under the "kid" of that key.
	HMACWithPublicKey = onToken("HMACWithPublicKey", func(t *IDToken) {
		if t.key == nil {
			return
		}
		secret := t.key.publicPEM()
		t.Header["alg"] = "HS256"
		t.Sign = func(input []byte) []byte { return hmacSHA256(secret, input) }
	})
	// HMACWithClientSecret signs by HS256 with the client secret, whatever the
	// client registered.
	HMACWithClientSecret = onToken("HMACWithClientSecret", func(t *IDToken) {
		t.Header = map[string]any{"alg": "HS256"}
		t.Sign = func(input []byte) []byte { return hmacSHA256([]byte(t.Client.Secret), input) }
	})
	// WeakKey signs by a published RSA key of 1024 bits.
	WeakKey = Fault{Name: "WeakKey",
		IDToken: func(t *IDToken) {
			weak := weakKey()
			t.Header["alg"], t.Header["kid"] = "RS256", weak.id
			t.Sign = func(input []byte) []byte { return weak.sign("RS256", input) }
		},
		JWKS: func(doc map[string]any) {
			doc["keys"] = append(doc["keys"].([]any), publicKeys([]key{weakKey()})...)
		}}
	// AccessTokenType calls ID tokens access tokens ("typ" at+jwt, RFC 9068).
	AccessTokenType = header("AccessTokenType", "typ", "at+jwt")
	// EventsInIDToken gives ID tokens the "events" of a logout token.
	EventsInIDToken = claim("EventsInIDToken", "events", logoutEvents())
	// LogoutTokenAsIDToken sends a logout token (Back-Channel Logout 2.4) as ID
	// token: "events", "jti", no nonce, "typ" logout+jwt.
	LogoutTokenAsIDToken = onToken("LogoutTokenAsIDToken", func(t *IDToken) {
		t.Header["typ"] = "logout+jwt"
		t.Claims["events"], t.Claims["jti"] = logoutEvents(), random()
		delete(t.Claims, "nonce")
	})
)

// IDTokenClaim sets one claim of ID tokens; nil leaves it out.
func IDTokenClaim(name string, value any) Fault { return claim("IDTokenClaim "+name, name, value) }

// IDTokenHeader sets one header of ID tokens, such as "jku" or "crit"; nil
// leaves it out.
func IDTokenHeader(name string, value any) Fault { return header("IDTokenHeader "+name, name, value) }

// IDTokenSuffix appends to one claim of ID tokens that is a string; one that
// is missing becomes the suffix alone.
func IDTokenSuffix(name, suffix string) Fault {
	return onToken("IDTokenSuffix "+name, func(t *IDToken) {
		s, _ := t.Claims[name].(string)
		t.Claims[name] = s + suffix
	})
}

// OnResponseJWT does to authorization responses by JARM what f does to ID
// tokens.
func OnResponseJWT(f Fault) Fault {
	return Fault{Name: "OnResponseJWT " + f.Name, ResponseJWT: func(t *JWT) { asIDToken(f, t) }}
}

// OnUserInfoJWT does to signed UserInfo what f does to ID tokens.
func OnUserInfoJWT(f Fault) Fault {
	return Fault{Name: "OnUserInfoJWT " + f.Name, UserInfoJWT: func(t *JWT) { asIDToken(f, t) }}
}

// OnlyRefreshed lets a fault of the token endpoint or of ID tokens act at
// refreshes alone, so that the login before succeeds.
func OnlyRefreshed(f Fault) Fault {
	f.Name, f.onlyRefresh = "OnlyRefreshed "+f.Name, true
	if change := f.IDToken; change != nil {
		f.IDToken = func(t *IDToken) {
			if t.Refreshed {
				change(t)
			}
		}
	}
	if answer := f.Handler; answer != nil {
		f.Handler = func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.PostForm.Get("grant_type") != "refresh_token" {
				next.ServeHTTP(w, r)
				return
			}
			answer(w, r, next)
		}
	}
	return f
}

// OnlyFront limits what f does to ID tokens to those of authorization
// responses, OnlyBack to those of the token endpoint, so that the two of a
// hybrid flow disagree.
func OnlyFront(f Fault) Fault { return limited("OnlyFront "+f.Name, f, true) }

// OnlyBack is described at [OnlyFront].
func OnlyBack(f Fault) Fault { return limited("OnlyBack "+f.Name, f, false) }

// The token endpoint.
var (
	// NoIDToken leaves the ID token out of token responses.
	NoIDToken = tokenField("NoIDToken", "id_token", nil)
	// IDTokenNull has null in its place.
	IDTokenNull = tokenField("IDTokenNull", "id_token", json.RawMessage("null"))
	// NoAccessToken leaves the access token out.
	NoAccessToken = tokenField("NoAccessToken", "access_token", nil)
	// TokenHTML answers token requests with a web page and status 200.
	TokenHTML = replace("TokenHTML", TokenEndpoint, webPage)
	// TokenTextPlain answers token requests rightly, but calls it text/plain.
	TokenTextPlain = contentType("TokenTextPlain", TokenEndpoint, "text/plain; charset=utf-8")
	// TokenHang never answers token requests.
	TokenHang = hang("TokenHang", TokenEndpoint)
	// TokenHuge answers token requests after 32 MiB of white space.
	TokenHuge = huge("TokenHuge", TokenEndpoint)
	// IgnorePKCE does not look at code verifiers.
	IgnorePKCE = Fault{Name: "IgnorePKCE", ignorePKCE: true}
)

// TokenError answers token requests with an error of RFC 6749 5.2.
func TokenError(code string) Fault {
	return oauthFailure("TokenError", TokenEndpoint, code)
}

// TokenStatus answers token requests with this status and no OAuth error.
func TokenStatus(status int) Fault { return statusOnly("TokenStatus", TokenEndpoint, status) }

// TokenRedirect sends token requests elsewhere, by 307, which keeps the form.
func TokenRedirect(to string) Fault {
	return redirect("TokenRedirect", TokenEndpoint, to, http.StatusTemporaryRedirect)
}

// TokenSlow answers token requests after d.
func TokenSlow(d time.Duration) Fault {
	f := Slow(TokenEndpoint, d)
	f.Name = "TokenSlow"
	return f
}

// OddTokenType spells token_type with the other case, dpOp or bEARER. It is
// allowed (RFC 6749 5.1).
var OddTokenType = Fault{Name: "OddTokenType", TokenResponse: func(m map[string]any) {
	m["token_type"] = strings.Map(func(r rune) rune {
		if lower := unicode.ToLower(r); lower != r {
			return lower
		}
		return unicode.ToUpper(r)
	}, m["token_type"].(string))
}}

// TokenField sets one field of token responses; nil leaves it out.
func TokenField(name string, value any) Fault { return tokenField("TokenField "+name, name, value) }

// RefreshTokenStays takes a refresh token again and again, and sends no other
// with a refresh. It is allowed (RFC 6749 6).
var RefreshTokenStays = Fault{Name: "RefreshTokenStays", sameRefreshToken: true}

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

// The authorization response.
var (
	// WrongResponseIssuer has another "iss" (RFC 9207).
	WrongResponseIssuer = onResponse("WrongResponseIssuer", func(r *Response) { r.Params.Set("iss", "https://other.example") })
	// MissingResponseIssuer leaves out the "iss" that the metadata promises.
	MissingResponseIssuer = onResponse("MissingResponseIssuer", func(r *Response) { r.Params.Del("iss") })
	// NoResponseIssuer knows nothing of RFC 9207: no "iss", none promised. It is allowed.
	NoResponseIssuer = Fault{Name: "NoResponseIssuer",
		Metadata: func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") },
		Response: func(r *Response) { r.Params.Del("iss") }}
	// NoState leaves the state out.
	NoState = onResponse("NoState", func(r *Response) { r.Params.Del("state") })
	// WrongState has another state.
	WrongState = onResponse("WrongState", func(r *Response) { r.Params.Set("state", "another-state") })
	// NoCode leaves the code out.
	NoCode = onResponse("NoCode", func(r *Response) { r.Params.Del("code") })
	// NoIDTokenInResponse leaves the ID token out of authorization responses.
	NoIDTokenInResponse = onResponse("NoIDTokenInResponse", func(r *Response) { r.Params.Del("id_token") })
	// NoAccessTokenInResponse leaves the access token out of authorization
	// responses. The "at_hash" of it stays.
	NoAccessTokenInResponse = onResponse("NoAccessTokenInResponse", func(r *Response) { r.Params.Del("access_token") })
	// TokensInResponse adds an ID token and an access token to the code.
	TokensInResponse = onResponse("TokensInResponse", (*Response).addTokens)
	// DuplicateParams sends state, code and iss twice, the second time another.
	DuplicateParams = onResponse("DuplicateParams", func(r *Response) {
		for _, name := range []string{"state", "code", "iss"} {
			if r.Params.Has(name) {
				r.Params.Add(name, "another-"+name)
			}
		}
	})
	// IgnoreFormPost answers by redirect although form_post was asked for.
	IgnoreFormPost = onResponse("IgnoreFormPost", func(r *Response) { r.Mode = defaultMode(r.request.response) })
	// IgnoreJARM answers in the open although a JWT was asked for.
	IgnoreJARM = onResponse("IgnoreJARM", func(r *Response) { r.Mode = strings.TrimSuffix(r.Mode, ".jwt") })
	// ForceQuery answers in the query whatever was asked for, tokens and all.
	ForceQuery = onResponse("ForceQuery", func(r *Response) { r.Mode = "query" })
	// ForceFragment answers in the fragment whatever was asked for.
	ForceFragment = onResponse("ForceFragment", func(r *Response) { r.Mode = "fragment" })
	// ForceFormPost answers by form_post although it was not asked for.
	ForceFormPost = onResponse("ForceFormPost", func(r *Response) { r.Mode = "form_post" })
)

// AuthorizationError answers every authorization request with an error, at
// once.
func AuthorizationError(code, description string) Fault {
	return Fault{Name: "AuthorizationError " + code, denial: &oauthError{code: code, description: description}}
}

// ResponseParam sets one parameter of authorization responses; no value leaves
// it out, several send it so often.
func ResponseParam(name string, values ...string) Fault {
	return onResponse("ResponseParam "+name, func(r *Response) {
		r.Params.Del(name)
		if len(values) > 0 {
			r.Params[name] = values
		}
	})
}

// ResponseSuffix appends to one parameter of authorization responses.
func ResponseSuffix(name, suffix string) Fault {
	return onResponse("ResponseSuffix "+name, func(r *Response) { r.Params.Set(name, r.Params.Get(name)+suffix) })
}

// Registration, WebFinger and metadata of OAuth alone.
var (
	// NoRegistration has no registration_endpoint.
	NoRegistration = metadataField("NoRegistration", "registration_endpoint", nil)
	// RegistrationRubbish answers with JSON cut short.
	RegistrationRubbish = rubbish("RegistrationRubbish", RegisterEndpoint)
	// RegistrationHang never answers.
	RegistrationHang = hang("RegistrationHang", RegisterEndpoint)
	// RegistrationHuge answers after 32 MiB of white space.
	RegistrationHuge = huge("RegistrationHuge", RegisterEndpoint)
	// WebFingerHang never answers.
	WebFingerHang = hang("WebFingerHang", WebFingerEndpoint)
	// WebFingerRubbish answers with JSON cut short.
	WebFingerRubbish = rubbish("WebFingerRubbish", WebFingerEndpoint)
	// OAuthMetadataOnly has no OpenID metadata, only OAuth's (RFC 8414).
	OAuthMetadataOnly = statusOnly("OAuthMetadataOnly", DiscoveryEndpoint, http.StatusNotFound)
)

// RegistrationError answers registrations with an error of RFC 7591 3.2.2.
func RegistrationError(code string) Fault {
	return oauthFailure("RegistrationError", RegisterEndpoint, code)
}

// RegistrationField sets one field of successful answers to registrations; nil
// leaves it out.
func RegistrationField(name string, value any) Fault {
	return Fault{Name: "RegistrationField " + name, Registration: func(m map[string]any) { set(m, name, value) }}
}

// WebFingerIssuer names another provider.
func WebFingerIssuer(issuer string) Fault {
	return Fault{Name: "WebFingerIssuer " + issuer, WebFinger: func(doc map[string]any) {
		doc["links"] = []any{map[string]any{"rel": issuerRelation, "href": issuer}}
	}}
}

// WebFingerStatus answers WebFinger requests with this status.
func WebFingerStatus(status int) Fault {
	return statusOnly("WebFingerStatus", WebFingerEndpoint, status)
}

// WebFingerRedirect sends WebFinger requests elsewhere.
func WebFingerRedirect(to string) Fault {
	return redirect("WebFingerRedirect", WebFingerEndpoint, to, http.StatusFound)
}

// Encryption.
var (
	// IgnoreEncryption encrypts nothing.
	IgnoreEncryption = Fault{Name: "IgnoreEncryption", ignoreEncryption: true}
	// EncryptToAnother encrypts to a key that the client has not got, under the
	// "kid" of one it has.
	EncryptToAnother = Fault{Name: "EncryptToAnother", encryptToAnother: true}
	// Compressed compresses what it encrypts ("zip" DEF), as a bomb would be.
	Compressed = Fault{Name: "Compressed", compress: true}
)

// DPoP.
var (
	// DPoPNonces asks for nonces in proofs, as it is allowed to (RFC 9449 8, 9).
	// The token endpoint's nonce differs from the resources' and changes at
	// each authorization and token response, without being announced.
	DPoPNonces = Fault{Name: "DPoPNonces", proofNonces: true}
	// DPoPNonceNeverRight asks for another nonce every time.
	DPoPNonceNeverRight = Fault{Name: "DPoPNonceNeverRight", noNonceWillDo: true}
	// DPoPOddScheme spells the scheme of challenges dPoP. It is allowed.
	DPoPOddScheme = Fault{Name: "DPoPOddScheme", oddScheme: true}
)

// Pushed authorization requests (RFC 9126).
var (
	// NoPAR has no pushed_authorization_request_endpoint.
	NoPAR = metadataField("NoPAR", "pushed_authorization_request_endpoint", nil)
	// PARRubbish answers with JSON cut short.
	PARRubbish = rubbish("PARRubbish", PAREndpoint)
	// PARHang never answers.
	PARHang = hang("PARHang", PAREndpoint)
	// PARHuge answers after 32 MiB of white space.
	PARHuge = huge("PARHuge", PAREndpoint)
)

// PARError answers pushed requests with an error of RFC 6749 5.2.
func PARError(code string) Fault { return oauthFailure("PARError", PAREndpoint, code) }

// PARStatus answers pushed requests with this status and no OAuth error.
func PARStatus(status int) Fault { return statusOnly("PARStatus", PAREndpoint, status) }

// PARField sets one field of successful answers to pushed requests; nil leaves
// it out.
func PARField(name string, value any) Fault {
	return Fault{Name: "PARField " + name, Pushed: func(m map[string]any) { set(m, name, value) }}
}

// UserInfo.
var (
	// UserInfoWrongSubject answers for another user.
	UserInfoWrongSubject = userInfo("UserInfoWrongSubject", "sub", "mallory")
	// UserInfoNoSubject leaves "sub" out.
	UserInfoNoSubject = userInfo("UserInfoNoSubject", "sub", nil)
	// UserInfoHeaderOnly takes the access token in the Authorization header and
	// nowhere else.
	UserInfoHeaderOnly = Fault{Name: "UserInfoHeaderOnly", Endpoint: UserInfoEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") == "" || r.Form.Has("access_token") {
			http.Error(w, "access token not in the header alone", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	}}
	// UserInfoBodyOnly takes it in the body of a POST and nowhere else.
	UserInfoBodyOnly = Fault{Name: "UserInfoBodyOnly", Endpoint: UserInfoEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Header.Get("Authorization") != "" || !r.PostForm.Has("access_token") || r.URL.Query().Has("access_token") {
			http.Error(w, "access token not in the body alone", http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	}}
	// UserInfoHTML answers with a web page and status 200.
	UserInfoHTML = replace("UserInfoHTML", UserInfoEndpoint, webPage)
	// UserInfoHang never answers.
	UserInfoHang = hang("UserInfoHang", UserInfoEndpoint)
	// UserInfoHuge answers after 32 MiB of white space.
	UserInfoHuge = huge("UserInfoHuge", UserInfoEndpoint)
)

// UserInfoStatus answers UserInfo requests with this status.
func UserInfoStatus(status int) Fault { return statusOnly("UserInfoStatus", UserInfoEndpoint, status) }

// UserInfoRedirect sends UserInfo requests elsewhere.
func UserInfoRedirect(to string) Fault {
	return redirect("UserInfoRedirect", UserInfoEndpoint, to, http.StatusTemporaryRedirect)
}

// UserInfoClaim sets one claim of UserInfo; nil leaves it out.
func UserInfoClaim(name string, value any) Fault { return userInfo("UserInfoClaim "+name, name, value) }

// The end of the session.
var (
	// EndSessionWrongState comes back from sign-out with another state.
	EndSessionWrongState = onEndSession("EndSessionWrongState", func(v url.Values) { v.Set("state", "another-state") })
	// EndSessionNoState comes back from sign-out without the state.
	EndSessionNoState = onEndSession("EndSessionNoState", func(v url.Values) { v.Del("state") })
)

// Any endpoint.

// Slow answers requests to an endpoint after d.
func Slow(endpoint string, d time.Duration) Fault {
	return Fault{Name: "Slow " + endpoint, Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}}
}

// Answer lets h answer requests to an endpoint in the provider's place.
func Answer(endpoint string, h http.HandlerFunc) Fault {
	return replace("Answer "+endpoint, endpoint, h)
}
