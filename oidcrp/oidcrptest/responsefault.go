package oidcrptest

import (
	"net/http"
	"strings"
)

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
