package oidcrptest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// signer makes JWTs as a client.
type signer struct {
	t   *testing.T
	alg string
	id  string
	key any // crypto.Signer or secret
}

func newSigner(t *testing.T, alg string) *signer {
	t.Helper()
	s := &signer{t: t, alg: alg, id: "key-" + alg}
	var err error
	switch alg {
	case "RS256", "PS256":
		s.key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		s.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// jwks is the public key as a JWK Set.
func (s *signer) jwks() []byte {
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.(crypto.Signer).Public(), KeyID: s.id, Use: "sig"}}})
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *signer) sign(typ string, claims map[string]any) string {
	s.t.Helper()
	options := &jose.SignerOptions{}
	if typ != "" {
		options = options.WithType(jose.ContentType(typ))
	}
	key := s.key
	if s.alg != "HS256" {
		key = jose.JSONWebKey{Key: s.key, KeyID: s.id}
	}
	maker, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.alg), Key: key}, options)
	if err != nil {
		s.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	jws, err := maker.Sign(payload)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// assertion makes a client assertion with changes; nil leaves a claim out.
func (w *wire) assertion(s *signer, changes map[string]any) string {
	claims := map[string]any{"iss": w.client.ID, "sub": w.client.ID, "aud": w.p.Issuer(), "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return s.sign("", claims)
}

// postAs sends a form that authenticates by an assertion.
func (w *wire) postAs(endpoint, assertion string, form url.Values) answer {
	w.t.Helper()
	form = maps.Clone(form)
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	r := w.postRequest(endpoint, form)
	r.Header.Del("Authorization")
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// replaceClient registers a client of this kind in the wire's place.
func (w *wire) replaceClient(c oidcrptest.Client) {
	c.RedirectURLs = []string{callback}
	w.client = w.p.AddClient(c)
}

func TestClientAssertions(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w, s := newWire(t), newSigner(t, alg)
			w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: s.jwks()})
			form := codeForm(w.authorize("scope", "openid offline_access").Get("code"))
			a := w.postAs(oidcrptest.TokenEndpoint, w.assertion(s, nil), form)
			if a.status != 200 {
				t.Fatalf("token endpoint answered %d %s", a.status, a.body)
			}
			refresh := a.json(t)["refresh_token"]
			if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 201 {
				t.Errorf("PAR answered %d %s", a.status, a.body)
			}
			if a := w.postAs(oidcrptest.TokenEndpoint, w.assertion(s, nil), refreshForm(refresh)); a.status != 200 {
				t.Errorf("refresh answered %d %s", a.status, a.body)
			}
			if a := w.postAs(oidcrptest.RevokeEndpoint, w.assertion(s, nil), url.Values{"token": {"x"}}); a.status != 200 {
				t.Errorf("revocation answered %d %s", a.status, a.body)
			}
			if a := w.post(oidcrptest.RevokeEndpoint, url.Values{"token": {"x"}}); a.status != 401 {
				t.Errorf("a secret answered %d %s", a.status, a.body)
			}
		})
	}
	t.Run("client_secret_jwt", func(t *testing.T) {
		w := newWire(t)
		w.replaceClient(oidcrptest.Client{ID: "a:b c", Secret: "s%+&:ü and as long as HS256 wants it to be", AuthMethod: "client_secret_jwt"})
		s := &signer{t: t, alg: "HS256", key: []byte(w.client.Secret)}
		form := codeForm(w.authorize().Get("code"))
		if a := w.postAs(oidcrptest.TokenEndpoint, w.assertion(s, nil), form); a.status != 200 {
			t.Errorf("answered %d %s", a.status, a.body)
		}
		wrong := &signer{t: t, alg: "HS256", key: []byte("another secret of at least thirty-two bytes")}
		if a := w.postAs(oidcrptest.TokenEndpoint, w.assertion(wrong, nil), form); a.status != 401 {
			t.Errorf("wrong secret answered %d %s", a.status, a.body)
		}
	})
	t.Run("keys by address", func(t *testing.T) {
		w, s := newWire(t), newSigner(t, "ES256")
		keys := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(s.jwks()) }))
		t.Cleanup(keys.Close)
		w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKSURL: keys.URL})
		if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 201 {
			t.Errorf("answered %d %s", a.status, a.body)
		}
		keys.Close()
		if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 401 {
			t.Errorf("without keys answered %d %s", a.status, a.body)
		}
	})
}

func TestClientAssertionsRefused(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: s.jwks()})
	stranger := newSigner(t, "ES256")
	used := w.assertion(s, nil)
	if a := w.postAs(oidcrptest.PAREndpoint, used, w.request()); a.status != 201 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	for name, assertion := range map[string]string{
		"used before":           used,
		"key of somebody else":  w.assertion(stranger, nil),
		"unsigned":              "eyJhbGciOiJub25lIn0." + used[len("eyJhbGciOiJub25lIn0."):len(used)-86],
		"no JWT":                "x",
		"wrong iss":             w.assertion(s, map[string]any{"iss": "x"}),
		"wrong sub":             w.assertion(s, map[string]any{"sub": "x"}),
		"no iss":                w.assertion(s, map[string]any{"iss": nil}),
		"wrong aud":             w.assertion(s, map[string]any{"aud": "https://other.example"}),
		"no aud":                w.assertion(s, map[string]any{"aud": nil}),
		"expired":               w.assertion(s, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}),
		"no exp":                w.assertion(s, map[string]any{"exp": nil}),
		"exp in a day":          w.assertion(s, map[string]any{"exp": time.Now().Add(24 * time.Hour).Unix()}),
		"iat in the future":     w.assertion(s, map[string]any{"iat": time.Now().Add(time.Minute).Unix()}),
		"nbf in the future":     w.assertion(s, map[string]any{"nbf": time.Now().Add(time.Minute).Unix()}),
		"no jti":                w.assertion(s, map[string]any{"jti": nil}),
		"audience of a listing": w.assertion(s, map[string]any{"aud": []string{}}),
	} {
		t.Run(name, func(t *testing.T) {
			if a := w.postAs(oidcrptest.PAREndpoint, assertion, w.request()); a.status != 401 || a.json(t)["error"] != "invalid_client" {
				t.Errorf("answered %d %s", a.status, a.body)
			}
		})
	}
	for name, form := range map[string]url.Values{
		"another assertion type": {"client_assertion_type": {"urn:x"}, "client_assertion": {w.assertion(s, nil)}, "client_id": {w.client.ID}},
		"no assertion type":      {"client_assertion": {w.assertion(s, nil)}, "client_id": {w.client.ID}},
	} {
		r := w.postRequest(oidcrptest.RevokeEndpoint, form)
		r.Header.Del("Authorization")
		if a, err := w.do(r); err != nil || a.status != 401 {
			t.Errorf("%s: answered %d %s, %v", name, a.status, a.body, err)
		}
	}
	form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {w.assertion(s, nil)}}
	if a := w.post(oidcrptest.RevokeEndpoint, form); a.json(t)["error"] != "invalid_request" {
		t.Errorf("two ways of authentication answered %d %s", a.status, a.body)
	}
}

func TestAssertionAudiences(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	token, par := w.p.URL(oidcrptest.TokenEndpoint), w.p.URL(oidcrptest.PAREndpoint)
	for name, test := range map[string]struct {
		registered string
		aud        any
		status     int
	}{
		"issuer":                           {"", w.p.Issuer(), 201},
		"token endpoint":                   {"", token, 201},
		"endpoint called":                  {"", par, 201},
		"another endpoint":                 {"", w.p.URL(oidcrptest.RevokeEndpoint), 401},
		"several":                          {"", []string{"https://other.example", token}, 201},
		"issuer alone, as FAPI 2.0":        {w.p.Issuer(), w.p.Issuer(), 201},
		"issuer alone, but the endpoint":   {w.p.Issuer(), par, 401},
		"issuer alone, but in an array":    {w.p.Issuer(), []string{w.p.Issuer()}, 401},
		"token endpoint alone, as Hydra":   {token, token, 201},
		"token endpoint alone, but issuer": {token, w.p.Issuer(), 401},
	} {
		t.Run(name, func(t *testing.T) {
			w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: s.jwks(), AssertionAudience: test.registered})
			if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, map[string]any{"aud": test.aud}), w.request()); a.status != test.status {
				t.Errorf("answered %d %s", a.status, a.body)
			}
		})
	}
}

func TestAuthAlgorithm(t *testing.T) {
	w, s := newWire(t), newSigner(t, "RS256")
	w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: s.jwks(), AuthAlgorithm: "PS256"})
	if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 401 {
		t.Errorf("RS256 answered %d", a.status)
	}
	s.alg = "PS256"
	if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 201 {
		t.Errorf("PS256 answered %d %s", a.status, a.body)
	}
}

func TestClientKeysRefused(t *testing.T) {
	s := newSigner(t, "ES256")
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key, KeyID: s.id}}})
	if err != nil {
		t.Fatal(err)
	}
	encryption, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: s.key.(crypto.Signer).Public(), KeyID: s.id, Use: "enc"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, jwks := range map[string]string{
		"private key":    string(private),
		"encryption key": string(encryption),
		"no key set":     "[]",
		"no keys":        `{"keys":[]}`,
		"unknown kinds":  `{"keys":[{"kty":"PQC"},7]}`,
	} {
		w := newWire(t)
		w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: []byte(jwks)})
		if a := w.postAs(oidcrptest.PAREndpoint, w.assertion(s, nil), w.request()); a.status != 401 {
			t.Errorf("%s: answered %d %s", name, a.status, a.body)
		}
	}
}

func TestClientsThatCannotBe(t *testing.T) {
	p := oidcrptest.NewProvider(t)
	mustPanic(t, "unknown AuthMethod", func() { p.AddClient(oidcrptest.Client{AuthMethod: "magic"}) })
	mustPanic(t, "private_key_jwt without keys", func() { p.AddClient(oidcrptest.Client{AuthMethod: "private_key_jwt"}) })
	mustPanic(t, "unknown AuthAlgorithm", func() { p.AddClient(oidcrptest.Client{AuthAlgorithm: "none"}) })
	mustPanic(t, "unknown RequestObjectAlgorithm", func() { p.AddClient(oidcrptest.Client{RequestObjectAlgorithm: "HS256"}) })
}

// requestObject makes a request object of the wire's usual request, with
// changes; nil leaves a claim out.
func (w *wire) requestObject(s *signer, typ string, changes map[string]any) string {
	claims := map[string]any{"iss": w.client.ID, "aud": w.p.Issuer(), "exp": time.Now().Add(time.Minute).Unix()}
	for name, values := range w.request() {
		claims[name] = values[0]
	}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	if s == nil {
		return unsigned(w.t, claims)
	}
	return s.sign(typ, claims)
}

func unsigned(t testing.TB, claims map[string]any) string {
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	return "eyJhbGciOiJub25lIn0." + b64(b) + "."
}

// byObject is the authorization request that has what an object says.
func (w *wire) byObject(object string, changes ...string) answer {
	v := url.Values{"client_id": {w.client.ID}, "response_type": {"code"}, "scope": {"openid"}, "request": {object}}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
	}
	return w.get(w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + v.Encode())
}

func mustHaveCode(t *testing.T, a answer) url.Values {
	t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || u.Query().Get("code") == "" || u.Query().Get("state") != "the-state" {
		t.Fatalf("answered %d to %q: %s", a.status, u, a.body)
	}
	return u.Query()
}

func TestRequestObjects(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w, s := newWire(t), newSigner(t, alg)
			w.replaceClient(oidcrptest.Client{JWKS: s.jwks(), RequestObjectAlgorithm: alg, RequireRequestObject: true})
			object := w.requestObject(s, "oauth-authz-req+jwt", map[string]any{"max_age": 3600, "claims": map[string]any{"id_token": map[string]any{"locale": nil}}})
			back := mustHaveCode(t, w.byObject(object, "state", "not this one"))
			token := w.decode(w.post(oidcrptest.TokenEndpoint, codeForm(back.Get("code"))).json(t)["id_token"].(string))
			if token.claims["nonce"] != "the-nonce" || token.claims["locale"] != "en" {
				t.Errorf("ID token %v", token.claims)
			}
			a := w.post(oidcrptest.PAREndpoint, url.Values{"client_id": {w.client.ID}, "request": {object}})
			if a.status != 201 {
				t.Fatalf("PAR answered %d %s", a.status, a.body)
			}
			pushed := url.Values{"client_id": {w.client.ID}, "request_uri": {a.json(t)["request_uri"].(string)}}
			mustHaveCode(t, w.get(w.p.URL(oidcrptest.AuthorizeEndpoint)+"?"+pushed.Encode()))
			if a := w.get(w.authorizeURL()); a.header.Get("Location") == "" || mustQuery(t, a).Get("error") != "invalid_request" {
				t.Errorf("without object answered %d to %s", a.status, a.header.Get("Location"))
			}
		})
	}
	t.Run("unsigned", func(t *testing.T) {
		w := newWire(t)
		object := w.requestObject(nil, "", map[string]any{"iss": nil, "aud": nil})
		if a := w.byObject(object); a.status != 400 {
			t.Errorf("not registered as such, answered %d", a.status)
		}
		w.client.RequestObjectAlgorithm = "none"
		w.p.AddClient(w.client)
		mustHaveCode(t, w.byObject(object))
	})
}

func mustQuery(t *testing.T, a answer) url.Values {
	t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestRequestObjectsRefused(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	w.replaceClient(oidcrptest.Client{JWKS: s.jwks()})
	object := func(name string, value any) string { return w.requestObject(s, "", map[string]any{name: value}) }
	for name, test := range map[string]struct{ object, want string }{
		"key of somebody else": {w.requestObject(newSigner(t, "ES256"), "", nil), "invalid_request_object"},
		"another type":         {w.requestObject(s, "at+jwt", nil), "invalid_request_object"},
		"no iss":               {object("iss", nil), "invalid_request_object"},
		"wrong iss":            {object("iss", "x"), "invalid_request_object"},
		"no aud":               {object("aud", nil), "invalid_request_object"},
		"wrong aud":            {object("aud", w.p.URL(oidcrptest.TokenEndpoint)), "invalid_request_object"},
		"no client_id":         {object("client_id", nil), "invalid_request_object"},
		"another client_id":    {object("client_id", "x"), "invalid_request_object"},
		"client assertion":     {object("sub", w.client.ID), "invalid_request_object"},
		"expired":              {object("exp", time.Now().Add(-time.Minute).Unix()), "invalid_request_object"},
		"not valid yet":        {object("nbf", time.Now().Add(time.Minute).Unix()), "invalid_request_object"},
		"object in an object":  {object("request", "x"), "invalid_request_object"},
		"reference in it":      {object("request_uri", "x"), "invalid_request_object"},
		"array":                {object("scope", []string{"openid"}), "invalid_request_object"},
		"other response type":  {object("response_type", "id_token"), "invalid_request"},
		"no PKCE method":       {object("code_challenge_method", nil), "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.byObject(test.object, "redirect_uri", callback)
			if v := mustQuery(t, a); v.Get("error") != test.want || v.Has("code") {
				t.Errorf("answered %d %v, want %s", a.status, v, test.want)
			}
			if a := w.post(oidcrptest.PAREndpoint, url.Values{"client_id": {w.client.ID}, "response_type": {"code"}, "request": {test.object}}); a.status != 400 || a.json(t)["error"] != test.want {
				t.Errorf("PAR answered %d %s", a.status, a.body)
			}
		})
	}
	if a := w.byObject(object("iss", "x")); a.status != 400 || a.header.Get("Location") != "" {
		t.Errorf("without a redirect URI to trust: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := w.byObject(object("redirect_uri", "https://other.example/"), "redirect_uri", callback); a.status != 400 || a.header.Get("Location") != "" {
		t.Errorf("object with a strange redirect URI: %d to %q", a.status, a.header.Get("Location"))
	}
	if a := w.byObject(object("iss", w.client.ID), "request_uri", "http://localhost/", "redirect_uri", callback); mustQuery(t, a).Get("error") != "invalid_request" {
		t.Errorf("both value and reference: %d to %q", a.status, a.header.Get("Location"))
	}
}

// byReference is an authorization request whose object is hosted elsewhere.
func (w *wire) byReference(uri string) answer {
	v := url.Values{"client_id": {w.client.ID}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {callback}, "request_uri": {uri}}
	return w.get(w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + v.Encode())
}

func TestRequestObjectsByReference(t *testing.T) {
	w, s := newWire(t), newSigner(t, "RS256")
	fetched := 0
	var object string
	host := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched++
		w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
		switch r.URL.Path {
		case "/object":
			w.Write([]byte(object))
		case "/long":
			w.Write(make([]byte, 2<<20))
		default:
			http.Redirect(w, r, "/object", http.StatusFound)
		}
	}))
	t.Cleanup(host.Close)
	w.replaceClient(oidcrptest.Client{JWKS: s.jwks(), RequestURLs: []string{host.URL + "/object", host.URL + "/long", host.URL + "/redirect"}})
	object = w.requestObject(s, "", nil)
	mustHaveCode(t, w.byReference(host.URL+"/object"))
	mustHaveCode(t, w.byReference(host.URL+"/object#"+sha256of(object)))
	for name, uri := range map[string]string{
		"not registered":       host.URL + "/other",
		"of another content":   host.URL + "/object#" + sha256of("x"),
		"too long":             host.URL + "/long",
		"redirected":           host.URL + "/redirect",
		"address of no server": host.URL + "/object?" + string(make([]byte, 600)),
	} {
		if v := mustQuery(t, w.byReference(uri)); v.Get("error") != "invalid_request_uri" {
			t.Errorf("%s: answered %v", name, v)
		}
	}

	// A user may take longer than the object lives.
	w.p.SignInAs("")
	fetched = 0
	b := oidcrptest.NewBrowser(t)
	b.Get(w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + url.Values{"client_id": {w.client.ID}, "request_uri": {host.URL + "/object"}}.Encode())
	w.p.SetNow(func() time.Time { return time.Now().Add(5 * time.Minute) })
	page := b.SubmitForm("alice", nil)
	if page.URL.Query().Get("code") == "" || fetched != 1 {
		t.Errorf("ended at %v after %d fetches", page, fetched)
	}
}
