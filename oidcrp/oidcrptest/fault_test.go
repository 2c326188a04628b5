package oidcrptest_test

import (
	"encoding/base64"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// faultTests shows for each fault what it does on the wire.
var faultTests = map[string]faultTest{
	"WrongIssuer":     {oidcrptest.WrongIssuer, claimIs("iss", "https://other.example")},
	"IssuerWithSlash": {oidcrptest.IssuerWithSlash, claimIs("iss", func(w *wire) any { return w.p.Issuer() + "/" })},
	"MissingIssuer":   {oidcrptest.MissingIssuer, claimIs("iss", nil)},
	"WrongAudience":   {oidcrptest.WrongAudience, claimIs("aud", "another-client")},
	"MissingAudience": {oidcrptest.MissingAudience, claimIs("aud", nil)},
	"ExtraAudience": {oidcrptest.ExtraAudience, all(
		claimIs("aud", func(w *wire) any { return []any{w.client.ID, "untrusted"} }),
		claimIs("azp", func(w *wire) any { return w.client.ID }))},
	"MissingAZP": {oidcrptest.MissingAZP, all(
		claimIs("aud", func(w *wire) any { return []any{w.client.ID, "untrusted"} }),
		claimIs("azp", nil))},
	"WrongAZP":        {oidcrptest.WrongAZP, claimIs("azp", "another-client")},
	"AudienceArray":   {oidcrptest.AudienceArray, claimIs("aud", func(w *wire) any { return []any{w.client.ID} })},
	"WrongNonce":      {oidcrptest.WrongNonce, claimIs("nonce", "another-nonce")},
	"MissingNonce":    {oidcrptest.MissingNonce, claimIs("nonce", nil)},
	"ExpiredToken":    {oidcrptest.ExpiredToken, claimIsAbout("exp", -10*time.Minute)},
	"MissingExpiry":   {oidcrptest.MissingExpiry, claimIs("exp", nil)},
	"FutureIssuedAt":  {oidcrptest.FutureIssuedAt, claimIsAbout("iat", time.Hour)},
	"OldIssuedAt":     {oidcrptest.OldIssuedAt, claimIsAbout("iat", -24*time.Hour)},
	"MissingIssuedAt": {oidcrptest.MissingIssuedAt, claimIs("iat", nil)},
	"NotYetValid":     {oidcrptest.NotYetValid, claimIsAbout("nbf", time.Hour)},
	"MissingSubject":  {oidcrptest.MissingSubject, claimIs("sub", nil)},
	"EmptySubject":    {oidcrptest.EmptySubject, claimIs("sub", "")},
	"StaleAuthTime":   {oidcrptest.StaleAuthTime, claimIsAbout("auth_time", -24*time.Hour)},
	"MissingAuthTime": {oidcrptest.MissingAuthTime, claimIs("auth_time", nil)},
	"WrongACR":        {oidcrptest.WrongACR, claimIs("acr", "0")},
	"MissingACR":      {oidcrptest.MissingACR, claimIs("acr", nil)},
	"MissingATHash":   {oidcrptest.MissingATHash, claimIs("at_hash", nil)},
	"WrongATHash": {oidcrptest.WrongATHash, func(t *testing.T, w *wire) {
		body := w.tokens()
		got := w.decode(body["id_token"].(string)).claims["at_hash"].(string)
		if right := halfSHA256(body["access_token"].(string)); got == right || len(got) != len(right) {
			t.Errorf("at_hash = %q, must be another of the length of %q", got, right)
		}
	}},
	"WrongCHash":   {oidcrptest.WrongCHash, wrongHash("c_hash", "code")},
	"WrongSHash":   {oidcrptest.WrongSHash, wrongHash("s_hash", "state")},
	"MissingCHash": {oidcrptest.MissingCHash, frontClaimIs("c_hash", nil)},
	"MissingSHash": {oidcrptest.MissingSHash, frontClaimIs("s_hash", nil)},
	"OnResponseJWT": {oidcrptest.OnResponseJWT(oidcrptest.WrongAudience), func(t *testing.T, w *wire) {
		token := w.decode(w.authorize("response_mode", "jwt").Get("response"))
		if token.claims["aud"] != "another-client" || w.verify(token) != nil {
			t.Errorf("claims %v", token.claims)
		}
	}},
	"OnUserInfoJWT": {oidcrptest.OnUserInfoJWT(oidcrptest.WrongSignature), func(t *testing.T, w *wire) {
		w.client.UserInfoAlgorithm = "ES256"
		w.p.AddClient(w.client)
		if token := w.decode(w.userInfo().body); w.verify(token) == nil {
			t.Error("the signature verifies")
		}
	}},
	"OnlyRefreshed": {oidcrptest.OnlyRefreshed(oidcrptest.IDTokenSuffix("iss", "1")), func(t *testing.T, w *wire) {
		first := w.tokens("scope", "openid offline_access")
		second := w.post(oidcrptest.TokenEndpoint, refreshForm(first["refresh_token"])).json(t)
		a, b := w.decode(first["id_token"].(string)), w.decode(second["id_token"].(string))
		if a.claims["iss"] != w.p.Issuer() || b.claims["iss"] != w.p.Issuer()+"1" {
			t.Errorf("first %v, refreshed %v", a.claims["iss"], b.claims["iss"])
		}
		w.p.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.TokenField("token_type", "mac")))
		first = w.tokens("scope", "openid offline_access")
		second = w.post(oidcrptest.TokenEndpoint, refreshForm(first["refresh_token"])).json(t)
		if first["token_type"] != "Bearer" || second["token_type"] != "mac" {
			t.Errorf("first %v, refreshed %v", first["token_type"], second["token_type"])
		}
		w.p.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.TokenStatus(500)))
		first = w.tokens("scope", "openid offline_access")
		if a := w.post(oidcrptest.TokenEndpoint, refreshForm(first["refresh_token"])); a.status != http.StatusInternalServerError {
			t.Errorf("refreshed %d", a.status)
		}
	}},
	"RefreshTokenStays": {oidcrptest.RefreshTokenStays, func(t *testing.T, w *wire) {
		token := w.tokens("scope", "openid offline_access")["refresh_token"]
		for range 2 {
			if a := w.post(oidcrptest.TokenEndpoint, refreshForm(token)); a.status != http.StatusOK || a.json(t)["refresh_token"] != nil {
				t.Errorf("got %d: %s", a.status, a.body)
			}
		}
	}},
	"OnlyFront": {oidcrptest.OnlyFront(oidcrptest.IDTokenClaim("sub", "mallory")), func(t *testing.T, w *wire) {
		if _, front, back := w.hybrid(); front.claims["sub"] != "mallory" || back.claims["sub"] != "alice" {
			t.Errorf("front %v, back %v", front.claims, back.claims)
		}
	}},
	"OnlyBack": {oidcrptest.OnlyBack(oidcrptest.WrongNonce), func(t *testing.T, w *wire) {
		if _, front, back := w.hybrid(); front.claims["nonce"] != "the-nonce" || back.claims["nonce"] != "another-nonce" {
			t.Errorf("front %v, back %v", front.claims, back.claims)
		}
	}},
	"IDTokenSuffix": {oidcrptest.IDTokenSuffix("nonce", "1"), claimIs("nonce", "the-nonce1")},

	"DuplicateClaim": {oidcrptest.DuplicateClaim, payload(func(s string) bool {
		return strings.Count(s, `"sub":`) == 2 && strings.Contains(s, `"sub":"mallory"`) && strings.Contains(s, `"sub":"alice"`) && json.Valid([]byte(s))
	})},
	"CaseTwinClaim": {oidcrptest.CaseTwinClaim, payload(func(s string) bool {
		return strings.Contains(s, `"SUB":"mallory"`) && strings.Contains(s, `"sub":"alice"`) && json.Valid([]byte(s))
	})},
	"TrailingBytes": {oidcrptest.TrailingBytes, payload(func(s string) bool {
		return strings.HasSuffix(s, `}{"sub":"mallory"}`) && !json.Valid([]byte(s))
	})},

	"AlgNone": {oidcrptest.AlgNone, func(t *testing.T, w *wire) {
		if token := w.idToken(); token.header["alg"] != "none" || token.signatureLength != 0 {
			t.Errorf("header %v, signature of %d bytes", token.header, token.signatureLength)
		}
	}},
	"WrongSignature": {oidcrptest.WrongSignature, func(t *testing.T, w *wire) {
		token := w.idToken()
		if token.header["kid"] != w.jwks()[0].(map[string]any)["kid"] || w.verify(token) == nil {
			t.Errorf("signature verifies, or under another key: %v", token.header)
		}
	}},
	"ScrambledSignature": {oidcrptest.ScrambledSignature, func(t *testing.T, w *wire) {
		if token := w.idToken(); w.verify(token) == nil || token.signatureLength != 256 {
			t.Errorf("signature of %d bytes verifies, or has another length", token.signatureLength)
		}
	}},
	"SignedByRS256": {oidcrptest.SignedByRS256, func(t *testing.T, w *wire) {
		w.p.SetAlgorithm("PS256")
		if token := w.idToken(); token.header["alg"] != "RS256" || token.header["typ"] != "JWT" || w.verify(token) != nil {
			t.Errorf("header %v", token.header)
		}
	}},
	"RotatesBeforeSigning": {oidcrptest.RotatesBeforeSigning, func(t *testing.T, w *wire) {
		first, second := w.idToken(), w.idToken()
		if w.verify(first) == nil || w.verify(second) != nil || len(w.jwks()) != 3 {
			t.Error("want only the keys of the second token")
		}
	}},
	"UnknownKey": {oidcrptest.UnknownKey, func(t *testing.T, w *wire) {
		token := w.idToken()
		for _, k := range w.jwks() {
			if k.(map[string]any)["kid"] == token.header["kid"] {
				t.Errorf("key %v is published", token.header["kid"])
			}
		}
	}},
	"HMACWithPublicKey": {oidcrptest.HMACWithPublicKey, func(t *testing.T, w *wire) {
		token := w.idToken()
		if token.header["alg"] != "HS256" || token.header["kid"] != w.jwks()[0].(map[string]any)["kid"] || token.signatureLength != 32 {
			t.Errorf("header %v, signature of %d bytes", token.header, token.signatureLength)
		}
	}},
	"HMACWithClientSecret": {oidcrptest.HMACWithClientSecret, func(t *testing.T, w *wire) {
		token := w.idToken()
		if token.header["alg"] != "HS256" || !hmacMatches(token.raw, w.client.Secret) {
			t.Errorf("header %v, not signed by the client secret", token.header)
		}
	}},
	"WeakKey": {oidcrptest.WeakKey, func(t *testing.T, w *wire) {
		token := w.idToken()
		keys := w.jwks()
		weak := keys[len(keys)-1].(map[string]any)
		if token.header["kid"] != weak["kid"] || len(weak["n"].(string)) != 171 || token.signatureLength != 128 {
			t.Errorf("signed by %v, not by the key of 1024 bits %v", token.header, weak)
		}
	}},
	"AccessTokenType": {oidcrptest.AccessTokenType, headerIs("typ", "at+jwt")},
	"EventsInIDToken": {oidcrptest.EventsInIDToken, func(t *testing.T, w *wire) {
		token := w.idToken()
		if token.claims["events"] == nil || token.claims["nonce"] != "the-nonce" || token.header["typ"] != nil {
			t.Errorf("%v %v, want an ID token right but for events", token.header, token.claims)
		}
	}},
	"LogoutTokenAsIDToken": {oidcrptest.LogoutTokenAsIDToken, func(t *testing.T, w *wire) {
		token := w.idToken()
		if token.claims["events"] == nil || token.claims["jti"] == nil || token.claims["nonce"] != nil || token.header["typ"] != "logout+jwt" {
			t.Errorf("%v %v is no logout token", token.header, token.claims)
		}
	}},
	"IDTokenClaim":  {oidcrptest.IDTokenClaim("sub", 7), claimIs("sub", 7.0)},
	"IDTokenHeader": {oidcrptest.IDTokenHeader("jku", "https://other.example/jwks"), headerIs("jku", "https://other.example/jwks")},

	"NoIDToken":      {oidcrptest.NoIDToken, tokenFieldIs("id_token", nil, false)},
	"IDTokenNull":    {oidcrptest.IDTokenNull, tokenFieldIs("id_token", nil, true)},
	"NoAccessToken":  {oidcrptest.NoAccessToken, tokenFieldIs("access_token", nil, false)},
	"TokenField":     {oidcrptest.TokenField("expires_in", -1), tokenFieldIs("expires_in", -1.0, true)},
	"OddTokenType":   {oidcrptest.OddTokenType, tokenFieldIs("token_type", "bEARER", true)},
	"TokenHTML":      {oidcrptest.TokenHTML, tokenAnswer(200, "text/html; charset=utf-8", "<!doctype html>")},
	"TokenTextPlain": {oidcrptest.TokenTextPlain, tokenAnswer(200, "text/plain; charset=utf-8", `{"access_token"`)},
	"TokenError":     {oidcrptest.TokenError("invalid_client"), tokenAnswer(401, "application/json", `{"error":"invalid_client"`)},
	"TokenStatus":    {oidcrptest.TokenStatus(503), tokenAnswer(503, "text/plain; charset=utf-8", "Service Unavailable")},
	"TokenRedirect": {oidcrptest.TokenRedirect("https://other.example/token"), func(t *testing.T, w *wire) {
		if a := w.token(); a.status != 307 || a.header.Get("Location") != "https://other.example/token" {
			t.Errorf("answered %d to %q", a.status, a.header.Get("Location"))
		}
	}},
	"TokenSlow": {oidcrptest.TokenSlow(time.Millisecond), tokenAnswer(200, "application/json", `{"access_token"`)},
	"TokenHang": {oidcrptest.TokenHang, hangs(oidcrptest.TokenEndpoint)},
	"TokenHuge": {oidcrptest.TokenHuge, huge(func(w *wire) answer { return w.token() })},
	"IgnorePKCE": {oidcrptest.IgnorePKCE, func(t *testing.T, w *wire) {
		form := codeForm(w.authorize().Get("code"))
		form.Set("code_verifier", "a-verifier-of-somebody-else-entirely-as-long-as-it")
		if a := w.post(oidcrptest.TokenEndpoint, form); a.status != 200 {
			t.Errorf("answered %d: %s", a.status, a.body)
		}
	}},

	"MetadataIssuerMismatch": {oidcrptest.MetadataIssuerMismatch, metadataIs("issuer", func(w *wire) any { return w.p.Issuer() + "/" })},
	"MetadataNoPKCE":         {oidcrptest.MetadataNoPKCE, metadataIs("code_challenge_methods_supported", nil)},
	"MetadataPlainPKCE":      {oidcrptest.MetadataPlainPKCE, metadataIs("code_challenge_methods_supported", []any{"plain"})},
	"OnlyRS256":              {oidcrptest.OnlyRS256, metadataIs("id_token_signing_alg_values_supported", []any{"RS256"})},
	"SuiteMetadata": {oidcrptest.SuiteMetadata, all(
		metadataIs("response_types_supported", []any{"code", "id_token code", "token code id_token", "id_token", "token id_token", "token code", "token"}),
		metadataIs("id_token_signing_alg_values_supported", []any{"none", "RS256", "ES256", "PS256", "EdDSA", "HS256"}),
		metadataIs("code_challenge_methods_supported", nil))},
	"NoEndSession":     {oidcrptest.NoEndSession, metadataIs("end_session_endpoint", nil)},
	"NoUserInfo":       {oidcrptest.NoUserInfo, metadataIs("userinfo_endpoint", nil)},
	"MetadataField":    {oidcrptest.MetadataField("token_endpoint", "javascript:alert(1)"), metadataIs("token_endpoint", "javascript:alert(1)")},
	"MetadataRubbish":  {oidcrptest.MetadataRubbish, rubbish(oidcrptest.DiscoveryEndpoint)},
	"MetadataHang":     {oidcrptest.MetadataHang, hangs(oidcrptest.DiscoveryEndpoint)},
	"MetadataHuge":     {oidcrptest.MetadataHuge, huge(func(w *wire) answer { return w.get(w.p.URL(oidcrptest.DiscoveryEndpoint)) })},
	"MetadataStatus":   {oidcrptest.MetadataStatus(500), getAnswer(oidcrptest.DiscoveryEndpoint, 500, "")},
	"MetadataRedirect": {oidcrptest.MetadataRedirect("https://other.example/"), getAnswer(oidcrptest.DiscoveryEndpoint, 302, "https://other.example/")},

	"JWKSRubbish":  {oidcrptest.JWKSRubbish, rubbish(oidcrptest.JWKSEndpoint)},
	"JWKSHang":     {oidcrptest.JWKSHang, hangs(oidcrptest.JWKSEndpoint)},
	"JWKSHuge":     {oidcrptest.JWKSHuge, huge(func(w *wire) answer { return w.get(w.p.URL(oidcrptest.JWKSEndpoint)) })},
	"JWKSStatus":   {oidcrptest.JWKSStatus(503), getAnswer(oidcrptest.JWKSEndpoint, 503, "")},
	"RedirectJWKS": {oidcrptest.RedirectJWKS("https://other.example/"), getAnswer(oidcrptest.JWKSEndpoint, 302, "https://other.example/")},
	"JWKSEmpty": {oidcrptest.JWKSEmpty, func(t *testing.T, w *wire) {
		if keys := w.jwks(); len(keys) != 0 {
			t.Errorf("there are keys: %v", keys)
		}
	}},
	"JWKSUnsupportedKeys": {oidcrptest.JWKSUnsupportedKeys, func(t *testing.T, w *wire) {
		keys := w.jwks()
		last := keys[len(keys)-3].(map[string]any)
		if len(keys) < 10 || last["kid"] != w.idToken().header["kid"] {
			t.Errorf("%d keys, want unsupported ones and then the right ones: %v", len(keys), keys)
		}
	}},
	"JWKSMoved": {oidcrptest.JWKSMoved(), func(t *testing.T, w *wire) {
		if a := w.get(w.p.URL(oidcrptest.JWKSEndpoint)); a.status != 404 {
			t.Errorf("the usual place answered %d", a.status)
		}
		moved := w.metadata()["jwks_uri"].(string)
		if a := w.get(moved); a.status != 200 || len(a.json(t)["keys"].([]any)) != 3 || len(moved) < len(w.p.URL("/jwks-"))+10 {
			t.Errorf("%s answered %d", moved, a.status)
		}
		if a := w.get(moved + "x"); a.status != 404 || w.p.Calls(oidcrptest.JWKSEndpoint) != 1 {
			t.Errorf("another place answered %d; %d calls", a.status, w.p.Calls(oidcrptest.JWKSEndpoint))
		}
	}},
	"KidAbsentSingle":   {oidcrptest.KidAbsentSingle, kidAbsent(1, 6)},
	"KidAbsentMultiple": {oidcrptest.KidAbsentMultiple, kidAbsent(3, 12)},
	"SharedKid": {oidcrptest.SharedKid, func(t *testing.T, w *wire) {
		kinds := map[any][]any{}
		for _, k := range w.jwks() {
			k := k.(map[string]any)
			kinds[k["kid"]] = append(kinds[k["kid"]], k["kty"])
		}
		for kid, all := range kinds {
			slices.SortFunc(all, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
			if !slices.Equal(all, []any{"EC", "OKP", "RSA"}) {
				t.Errorf("kid %v is of %v", kid, all)
			}
		}
		if token := w.idToken(); len(kinds) != 3 || kinds[token.header["kid"]] == nil {
			t.Errorf("%d kids, and not that of %v", len(kinds), token.header)
		}
	}},
	"KidlessKeys": {oidcrptest.KidlessKeys, func(t *testing.T, w *wire) {
		for _, k := range w.jwks() {
			if _, ok := k.(map[string]any)["kid"]; ok {
				t.Errorf("key with kid: %v", k)
			}
		}
		if token := w.idToken(); token.header["kid"] != nil {
			t.Errorf("header %v has a kid", token.header)
		}
	}},

	"WrongResponseIssuer":   {oidcrptest.WrongResponseIssuer, responseIs("iss", "https://other.example")},
	"MissingResponseIssuer": {oidcrptest.MissingResponseIssuer, all(responseIs("iss"), metadataIs("authorization_response_iss_parameter_supported", true))},
	"NoResponseIssuer":      {oidcrptest.NoResponseIssuer, all(responseIs("iss"), metadataIs("authorization_response_iss_parameter_supported", nil))},
	"NoState":               {oidcrptest.NoState, responseIs("state")},
	"WrongState":            {oidcrptest.WrongState, responseIs("state", "another-state")},
	"NoCode":                {oidcrptest.NoCode, responseIs("code")},
	"DuplicateParams":       {oidcrptest.DuplicateParams, responseIs("state", "the-state", "another-state")},
	"TokensInResponse": {oidcrptest.TokensInResponse, func(t *testing.T, w *wire) {
		v := w.authorize()
		token := w.decode(v.Get("id_token"))
		if v.Get("code") == "" || v.Get("access_token") == "" || token.claims["nonce"] != "the-nonce" || w.verify(token) != nil {
			t.Errorf("response has not code, access token and good ID token: %v", v)
		}
	}},
	"NoIDTokenInResponse": {oidcrptest.NoIDTokenInResponse, func(t *testing.T, w *wire) {
		if v := w.front("response_type", "code id_token token"); v.Has("id_token") || !v.Has("code") || !v.Has("access_token") {
			t.Errorf("response %v", v)
		}
	}},
	"NoAccessTokenInResponse": {oidcrptest.NoAccessTokenInResponse, func(t *testing.T, w *wire) {
		if v := w.front("response_type", "code id_token token"); v.Has("access_token") || w.decode(v.Get("id_token")).claims["at_hash"] == nil {
			t.Errorf("response %v", v)
		}
	}},
	"IgnoreJARM": {oidcrptest.IgnoreJARM, func(t *testing.T, w *wire) {
		if v := w.authorize("response_mode", "jwt"); !v.Has("code") || v.Has("response") {
			t.Errorf("response %v", v)
		}
	}},
	"ForceQuery": {oidcrptest.ForceQuery, func(t *testing.T, w *wire) {
		if v := w.authorize("response_type", "id_token token"); !v.Has("id_token") || !v.Has("access_token") {
			t.Errorf("query %v", v)
		}
	}},
	"ForceFragment": {oidcrptest.ForceFragment, func(t *testing.T, w *wire) {
		if v := w.front(); !v.Has("code") {
			t.Errorf("fragment %v", v)
		}
	}},
	"ResponseParam":  {oidcrptest.ResponseParam("state", "a", "b"), responseIs("state", "a", "b")},
	"ResponseSuffix": {oidcrptest.ResponseSuffix("state", "1"), responseIs("state", "the-state1")},
	"IgnoreFormPost": {oidcrptest.IgnoreFormPost, func(t *testing.T, w *wire) {
		if v := w.authorize("response_mode", "form_post"); v.Get("code") == "" {
			t.Errorf("no code in the query: %v", v)
		}
	}},
	"ForceFormPost": {oidcrptest.ForceFormPost, func(t *testing.T, w *wire) {
		if a := w.get(w.authorizeURL()); a.status != 200 || !strings.Contains(a.body, `name="code"`) {
			t.Errorf("no form: %d %s", a.status, a.body)
		}
	}},
	"AuthorizationError": {oidcrptest.AuthorizationError("server_error", "boom"), all(
		responseIs("error", "server_error"), responseIs("error_description", "boom"), responseIs("code"), responseIs("state", "the-state"))},

	"NoRegistration":      {oidcrptest.NoRegistration, metadataIs("registration_endpoint", nil)},
	"RegistrationRubbish": {oidcrptest.RegistrationRubbish, registerAnswer(200, `{"issuer":"http`)},
	"RegistrationHang":    {oidcrptest.RegistrationHang, hangs(oidcrptest.RegisterEndpoint)},
	"RegistrationError":   {oidcrptest.RegistrationError("invalid_redirect_uri"), registerAnswer(400, `{"error":"invalid_redirect_uri"`)},
	"RegistrationHuge": {oidcrptest.RegistrationHuge, func(t *testing.T, w *wire) {
		if a := w.register(usualMetadata); a.status != 201 || len(a.body) < 32<<20 || !json.Valid([]byte(a.body)) {
			t.Errorf("answered %d with %d bytes", a.status, len(a.body))
		}
	}},
	"RegistrationField": {oidcrptest.RegistrationField("client_id", 7), func(t *testing.T, w *wire) {
		isField(t, w, "registration", w.register(usualMetadata).json(t), "client_id", 7)
	}},
	"WebFingerHang":     {oidcrptest.WebFingerHang, hangs(oidcrptest.WebFingerEndpoint)},
	"WebFingerRubbish":  {oidcrptest.WebFingerRubbish, rubbish(oidcrptest.WebFingerEndpoint)},
	"WebFingerStatus":   {oidcrptest.WebFingerStatus(404), getAnswer(oidcrptest.WebFingerEndpoint, 404, "")},
	"WebFingerRedirect": {oidcrptest.WebFingerRedirect("https://other.example/"), getAnswer(oidcrptest.WebFingerEndpoint, 302, "https://other.example/")},
	"WebFingerIssuer": {oidcrptest.WebFingerIssuer("https://other.example"), func(t *testing.T, w *wire) {
		if got := w.webFinger("acct:alice@127.0.0.1", ""); got != "https://other.example" {
			t.Errorf("issuer %q", got)
		}
	}},
	"OAuthMetadataOnly": {oidcrptest.OAuthMetadataOnly, all(
		getAnswer(oidcrptest.DiscoveryEndpoint, 404, ""), getAnswer(oidcrptest.OAuthMetadataEndpoint, 200, ""))},

	"IgnoreEncryption": {oidcrptest.IgnoreEncryption, encrypted(func(t *testing.T, s *signer, e oidcrptest.Encryption, token string) {
		if strings.Count(token, ".") != 2 {
			t.Errorf("encrypted: %s", token)
		}
	})},
	"EncryptToAnother": {oidcrptest.EncryptToAnother, encrypted(func(t *testing.T, s *signer, e oidcrptest.Encryption, token string) {
		if plain, _, err := s.open(t, token, e); err == nil {
			t.Errorf("the client can read %s", plain)
		}
	})},
	"Compressed": {oidcrptest.Compressed, encrypted(func(t *testing.T, s *signer, e oidcrptest.Encryption, token string) {
		header, _, _ := strings.Cut(token, ".")
		b, err := base64.RawURLEncoding.DecodeString(header)
		if plain, _, err2 := s.open(t, token, e); err != nil || err2 != nil || !strings.Contains(string(b), `"zip":"DEF"`) || strings.Count(plain, ".") != 2 {
			t.Errorf("header %s, %v, %v", b, err, err2)
		}
	})},

	"DPoPNonces":          {oidcrptest.DPoPNonces, nonces},
	"DPoPNonceNeverRight": {oidcrptest.DPoPNonceNeverRight, noNonceWillDo},
	"DPoPOddScheme": {oidcrptest.DPoPOddScheme, func(t *testing.T, w *wire) {
		a := w.call(oidcrptest.ResourceEndpoint, "DPoP", "x")
		if challenge := a.header.Get("WWW-Authenticate"); !strings.HasPrefix(challenge, "dPoP ") {
			t.Errorf("challenge %q", challenge)
		}
	}},

	"NoPAR":      {oidcrptest.NoPAR, metadataIs("pushed_authorization_request_endpoint", nil)},
	"PARRubbish": {oidcrptest.PARRubbish, parAnswer(200, `{"issuer":"http`)},
	"PARHang":    {oidcrptest.PARHang, hangs(oidcrptest.PAREndpoint)},
	"PARError":   {oidcrptest.PARError("invalid_request_object"), parAnswer(400, `{"error":"invalid_request_object"`)},
	"PARStatus":  {oidcrptest.PARStatus(503), parAnswer(503, "Service Unavailable")},
	"PARField":   {oidcrptest.PARField("request_uri", "urn:x"), parAnswer(201, `{"expires_in":60,"request_uri":"urn:x"}`)},
	"PARHuge": {oidcrptest.PARHuge, func(t *testing.T, w *wire) {
		if a := w.post(oidcrptest.PAREndpoint, w.request()); a.status != 201 || len(a.body) < 32<<20 || !json.Valid([]byte(a.body)) {
			t.Errorf("answered %d with %d bytes", a.status, len(a.body))
		}
	}},

	"UserInfoWrongSubject": {oidcrptest.UserInfoWrongSubject, userInfoIs("sub", "mallory")},
	"UserInfoNoSubject":    {oidcrptest.UserInfoNoSubject, userInfoIs("sub", nil)},
	"UserInfoClaim":        {oidcrptest.UserInfoClaim("email", "other@example.com"), userInfoIs("email", "other@example.com")},
	"UserInfoHang":         {oidcrptest.UserInfoHang, hangs(oidcrptest.UserInfoEndpoint)},
	"UserInfoHuge":         {oidcrptest.UserInfoHuge, huge(func(w *wire) answer { return w.userInfo() })},
	"UserInfoHeaderOnly":   {oidcrptest.UserInfoHeaderOnly, userInfoWays(200, 400)},
	"UserInfoBodyOnly":     {oidcrptest.UserInfoBodyOnly, userInfoWays(400, 200)},
	"UserInfoHTML": {oidcrptest.UserInfoHTML, func(t *testing.T, w *wire) {
		if a := w.userInfo(); a.status != 200 || !strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
			t.Errorf("answered %d %v", a.status, a.header)
		}
	}},
	"UserInfoStatus": {oidcrptest.UserInfoStatus(500), func(t *testing.T, w *wire) {
		if a := w.userInfo(); a.status != 500 {
			t.Errorf("answered %d", a.status)
		}
	}},
	"UserInfoRedirect": {oidcrptest.UserInfoRedirect("https://other.example/"), func(t *testing.T, w *wire) {
		if a := w.userInfo(); a.status != 307 || a.header.Get("Location") != "https://other.example/" {
			t.Errorf("answered %d %v", a.status, a.header)
		}
	}},

	"EndSessionWrongState": {oidcrptest.EndSessionWrongState, signedOutWith("state=another-state")},
	"EndSessionNoState":    {oidcrptest.EndSessionNoState, signedOutWith("")},

	"Slow": {oidcrptest.Slow(oidcrptest.JWKSEndpoint, time.Millisecond), getAnswer(oidcrptest.JWKSEndpoint, 200, "")},
	"Answer": {oidcrptest.Answer(oidcrptest.JWKSEndpoint, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(418) }),
		getAnswer(oidcrptest.JWKSEndpoint, 418, "")},
}

type faultTest struct {
	fault oidcrptest.Fault
	check func(t *testing.T, w *wire)
}

func TestFaults(t *testing.T) {
	for name, test := range faultTests {
		t.Run(name, func(t *testing.T) {
			if !strings.HasPrefix(test.fault.String(), name) {
				t.Errorf("fault is named %q", test.fault)
			}
			test.check(t, newWire(t, test.fault))
		})
	}
}

// A fault without a test above would be a promise nobody checked.
func TestEveryFaultIsTested(t *testing.T) {
	var decls []ast.Decl
	for _, name := range []string{"fault.go", "logoutfault.go", "metadatafault.go", "responsefault.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		decls = append(decls, file.Decls...)
	}
	found := 0
	expect := func(name string) {
		if !ast.IsExported(name) {
			return
		}
		found++
		if _, ok := faultTests[name]; !ok {
			t.Errorf("no test for fault %s", name)
		}
	}
	for _, decl := range decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				expect(d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					expect(v.Names[0].Name)
				}
			}
		}
	}
	if found != len(faultTests) {
		t.Errorf("%d faults, %d tests", found, len(faultTests))
	}
}

func TestFaultOfTheCallersOwn(t *testing.T) {
	w := newWire(t, oidcrptest.Fault{Name: "LateNonce", IDToken: func(t *oidcrptest.IDToken) { t.Claims["nonce"] = "late" }}, oidcrptest.WrongACR)
	if token := w.idToken(); token.claims["nonce"] != "late" || token.claims["acr"] != "0" {
		t.Errorf("claims %v, want both faults", token.claims)
	}
	w.p.SetFaults()
	if token := w.idToken(); token.claims["nonce"] != "the-nonce" || w.verify(token) != nil {
		t.Errorf("claims %v after the faults were lifted", token.claims)
	}
}

// A hanging provider must not keep its test from ending.
func TestStopEndsHangingRequests(t *testing.T) {
	w := newWire(t, oidcrptest.MetadataHang)
	done := make(chan error)
	go func() {
		r := httptest.NewRequest(http.MethodGet, w.p.URL(oidcrptest.DiscoveryEndpoint), nil)
		r.RequestURI = ""
		_, err := w.do(r)
		done <- err
	}()
	for w.p.Calls(oidcrptest.DiscoveryEndpoint) == 0 {
		time.Sleep(0)
	}
	w.p.Stop()
	if err := <-done; err == nil {
		t.Error("a stopped provider answered")
	}
}
