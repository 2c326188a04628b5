package oidcrptest

import (
	"encoding/json"
	"net/http"
	"net/url"
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
