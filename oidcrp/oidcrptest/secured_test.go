package oidcrptest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// open decrypts a JWE, which must be of this kind, to the plain text.
func (s *signer) open(t *testing.T, token string, e oidcrptest.Encryption) (plain, contentType string, err error) {
	t.Helper()
	if e.Content == "" {
		e.Content = "A128CBC-HS256"
	}
	jwe, err := jose.ParseEncrypted(token, []jose.KeyAlgorithm{jose.KeyAlgorithm(e.Algorithm)}, []jose.ContentEncryption{jose.ContentEncryption(e.Content)})
	if err != nil {
		t.Fatalf("%q: %v", token, err)
	}
	if jwe.Header.KeyID != s.id {
		t.Errorf("encrypted to the key %q", jwe.Header.KeyID)
	}
	b, err := jwe.Decrypt(s.key)
	contentType, _ = jwe.Header.ExtraHeaders["cty"].(string)
	return string(b), contentType, err
}

// encJWKS is the public key, for encryption.
func (s *signer) encJWKS() []byte {
	return []byte(strings.Replace(string(s.jwks()), `"use":"sig"`, `"use":"enc"`, 1))
}

func TestEncryption(t *testing.T) {
	for alg, key := range map[string]string{"RSA-OAEP": "RS256", "RSA-OAEP-256": "RS256", "ECDH-ES": "ES256", "ECDH-ES+A128KW": "ES256", "ECDH-ES+A256KW": "ES256"} {
		for _, enc := range []string{"", "A256CBC-HS512", "A128GCM", "A256GCM"} {
			t.Run(alg+" "+enc, func(t *testing.T) {
				w, s := newWire(t), newSigner(t, key)
				e := oidcrptest.Encryption{Algorithm: alg, Content: enc}
				w.replaceClient(oidcrptest.Client{JWKS: s.encJWKS(), IDTokenEncryption: e, UserInfoEncryption: e, UserInfoAlgorithm: "ES256", ResponseEncryption: e})

				response, cty, err := s.open(t, w.authorize("response_mode", "jwt").Get("response"), e)
				if err != nil || cty != "JWT" {
					t.Fatalf("response: cty %q, %v", cty, err)
				}
				code := w.decode(response).claims["code"].(string)
				body := w.post(oidcrptest.TokenEndpoint, codeForm(code)).json(t)
				token, cty, err := s.open(t, body["id_token"].(string), e)
				if err != nil || cty != "JWT" || w.verify(w.decode(token)) != nil {
					t.Errorf("ID token: cty %q, %v", cty, err)
				}
				info, cty, err := s.open(t, w.userInfoBy(body["access_token"].(string)).body, e)
				if err != nil || cty != "JWT" || w.verify(w.decode(info)) != nil {
					t.Errorf("UserInfo: cty %q, %v", cty, err)
				}
				front, _, err := s.open(t, w.front("response_type", "code id_token").Get("id_token"), e)
				if err != nil || w.decode(front).claims["c_hash"] == nil {
					t.Errorf("front ID token: %v", err)
				}
			})
		}
	}
	t.Run("UserInfo without signature", func(t *testing.T) {
		w, s := newWire(t), newSigner(t, "RS256")
		e := oidcrptest.Encryption{Algorithm: "RSA-OAEP"}
		w.replaceClient(oidcrptest.Client{JWKS: s.encJWKS(), UserInfoEncryption: e})
		plain, cty, err := s.open(t, w.userInfo().body, e)
		var claims map[string]any
		if err != nil || cty != "" || json.Unmarshal([]byte(plain), &claims) != nil || claims["sub"] != "alice" {
			t.Errorf("%q with cty %q, %v", plain, cty, err)
		}
	})
	t.Run("no key of the kind", func(t *testing.T) {
		w, s := newWire(t), newSigner(t, "ES256")
		w.replaceClient(oidcrptest.Client{JWKS: s.encJWKS(), IDTokenEncryption: oidcrptest.Encryption{Algorithm: "RSA-OAEP"}})
		if a := w.token(); a.status != 500 || a.json(t)["error"] != "server_error" {
			t.Errorf("token endpoint answered %d %s", a.status, a.body)
		}
		if v := w.front("response_type", "id_token"); v.Get("error") != "server_error" {
			t.Errorf("response %v", v)
		}
	})
	p := oidcrptest.NewProvider(t)
	mustPanic(t, "encryption without keys", func() {
		p.AddClient(oidcrptest.Client{IDTokenEncryption: oidcrptest.Encryption{Algorithm: "RSA-OAEP"}})
	})
	mustPanic(t, "RSA1_5", func() {
		p.AddClient(oidcrptest.Client{JWKSURL: "http://localhost/", IDTokenEncryption: oidcrptest.Encryption{Algorithm: "RSA1_5"}})
	})
	mustPanic(t, "unknown enc", func() {
		p.AddClient(oidcrptest.Client{JWKSURL: "http://localhost/", IDTokenEncryption: oidcrptest.Encryption{Algorithm: "RSA-OAEP", Content: "A1"}})
	})
}

// encrypted checks a fault on a client whose ID tokens are encrypted.
func encrypted(check func(t *testing.T, s *signer, e oidcrptest.Encryption, token string)) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		for alg, key := range map[string]string{"RSA-OAEP": "RS256", "ECDH-ES": "ES256"} {
			s, e := newSigner(t, key), oidcrptest.Encryption{Algorithm: alg}
			w.replaceClient(oidcrptest.Client{JWKS: s.encJWKS(), IDTokenEncryption: e})
			check(t, s, e, w.tokens()["id_token"].(string))
		}
	}
}

func TestSecuredResponses(t *testing.T) {
	for _, alg := range []string{"", "RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		t.Run("signed by "+alg, func(t *testing.T) {
			w := newWire(t)
			w.replaceClient(oidcrptest.Client{ResponseAlgorithm: alg})
			v := w.authorize("response_mode", "query.jwt")
			token := w.decode(v.Get("response"))
			c := token.claims
			if len(v) != 1 || c["iss"] != w.p.Issuer() || c["aud"] != w.client.ID || c["exp"] == nil || c["state"] != "the-state" || c["code"] == nil {
				t.Errorf("response %v: %v", v, c)
			}
			if alg == "HS256" && !hmacMatches(token.raw, w.client.Secret) || alg != "HS256" && w.verify(token) != nil || alg != "" && token.header["alg"] != alg {
				t.Errorf("header %v", token.header)
			}
			if a := w.post(oidcrptest.TokenEndpoint, codeForm(c["code"].(string))); a.status != 200 {
				t.Errorf("token endpoint answered %d %s", a.status, a.body)
			}
		})
	}
	w := newWire(t)
	for name, test := range map[string]struct {
		responseType, mode string
		get                func(...string) url.Values
	}{
		"code in the query":        {"code", "jwt", w.authorize},
		"code in the fragment":     {"code", "fragment.jwt", w.front},
		"hybrid in the fragment":   {"code id_token", "jwt", w.front},
		"implicit in the fragment": {"id_token token", "fragment.jwt", w.front},
	} {
		v := test.get("response_type", test.responseType, "response_mode", test.mode)
		if claims := w.decode(v.Get("response")).claims; len(v) != 1 || claims["state"] != "the-state" || claims["error"] != nil {
			t.Errorf("%s: %v %v", name, v, claims)
		}
	}
	if a := w.get(w.authorizeURL("response_mode", "form_post.jwt")); a.status != 200 || !strings.Contains(a.body, `name="response"`) || strings.Contains(a.body, `name="code"`) {
		t.Errorf("form: %d %s", a.status, a.body)
	}
	if claims := w.decode(w.authorize("response_mode", "jwt", "code_challenge", "x").Get("response")).claims; claims["error"] != "invalid_request" {
		t.Errorf("errors come as %v", claims)
	}
	if v := w.front("response_type", "id_token", "response_mode", "query.jwt"); v.Get("error") != "invalid_request" {
		t.Errorf("tokens in the query: %v", v)
	}
}

func TestSignedUserInfo(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "HS256"} {
		w := newWire(t)
		w.replaceClient(oidcrptest.Client{UserInfoAlgorithm: alg})
		a := w.userInfo()
		token := w.decode(a.body)
		c := token.claims
		if a.header.Get("Content-Type") != "application/jwt" || c["sub"] != "alice" || c["iss"] != w.p.Issuer() || c["aud"] != w.client.ID || c["email"] != "alice@example.com" {
			t.Errorf("%s: %v %v", alg, a.header, c)
		}
		if token.header["alg"] != alg || alg == "HS256" && !hmacMatches(a.body, w.client.Secret) || alg != "HS256" && w.verify(token) != nil {
			t.Errorf("%s: header %v", alg, token.header)
		}
	}
}

func TestUserInfoByForm(t *testing.T) {
	w := newWire(t)
	form := url.Values{"access_token": {w.tokens()["access_token"].(string)}}
	r := w.postRequest(oidcrptest.UserInfoEndpoint, form)
	r.Header.Del("Authorization")
	if a, err := w.do(r); err != nil || a.json(t)["sub"] != "alice" {
		t.Errorf("answered %d %s, %v", a.status, a.body, err)
	}
	r = w.postRequest(oidcrptest.UserInfoEndpoint, form)
	r.Header.Set("Authorization", "Bearer "+form.Get("access_token"))
	if a, err := w.do(r); err != nil || a.status != 400 {
		t.Errorf("in both places: answered %d %s, %v", a.status, a.body, err)
	}
}

func TestClaimSources(t *testing.T) {
	w := newWire(t)
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	w.p.AddUser(oidcrptest.User{Subject: "erin", Sources: map[string]oidcrptest.ClaimSource{
		"src1": {Claims: map[string]any{"address": map[string]any{"country": "TH"}, "phone_number": "+66"}, Algorithm: "none"},
		"src2": {Claims: map[string]any{"credit_score": 650}, Distributed: true},
		"src3": {Claims: map[string]any{"shoe_size": 8}, Distributed: true, Endpoint: other.URL},
		"src4": {Claims: map[string]any{"hat_size": 7}, Algorithm: "ES256"},
	}})
	w.p.SignInAs("erin")
	info := w.userInfo().json(t)
	names := info["_claim_names"].(map[string]any)
	sources := info["_claim_sources"].(map[string]any)
	source := func(name string) map[string]any { return sources[name].(map[string]any) }
	if names["address"] != "src1" || names["phone_number"] != "src1" || names["credit_score"] != "src2" || info["credit_score"] != nil {
		t.Errorf("names %v in %v", names, info)
	}
	aggregated := w.decode(source("src1")["JWT"].(string))
	if aggregated.header["alg"] != "none" || aggregated.signatureLength != 0 || len(aggregated.claims) != 2 {
		t.Errorf("aggregated %v %v", aggregated.header, aggregated.claims)
	}
	if token := w.decode(source("src4")["JWT"].(string)); w.verify(token) != nil || token.header["alg"] != "ES256" {
		t.Errorf("aggregated %v", token.header)
	}
	if source("src3")["endpoint"] != other.URL {
		t.Errorf("elsewhere: %v", source("src3"))
	}
	access := source("src2")["access_token"].(string)
	for _, inForm := range []bool{false, true} {
		r := w.postRequest(oidcrptest.ClaimsEndpoint, url.Values{"access_token": {access}})
		r.Header.Del("Authorization")
		if !inForm {
			r = w.postRequest(oidcrptest.ClaimsEndpoint, nil)
			r.Header.Set("Authorization", "Bearer "+access)
		}
		a, err := w.do(r)
		if err != nil || a.header.Get("Content-Type") != "application/jwt" {
			t.Fatalf("answered %d %s, %v", a.status, a.body, err)
		}
		if token := w.decode(a.body); w.verify(token) != nil || token.claims["credit_score"] != 650.0 || len(token.claims) != 1 {
			t.Errorf("distributed %v", token.claims)
		}
	}
	if a := w.get(source("src2")["endpoint"].(string) + "?access_token=" + access); a.status != 401 {
		t.Errorf("token in the query answered %d", a.status)
	}
	if a := w.userInfoBy(access); a.status != 401 {
		t.Errorf("UserInfo takes the token of a source: %d", a.status)
	}
}
