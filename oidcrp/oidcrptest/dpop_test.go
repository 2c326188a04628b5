package oidcrptest_test

import (
	"crypto"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// proof makes a DPoP proof with changes; nil leaves a claim out.
func (w *wire) proof(s *signer, method, endpoint string, changes map[string]any) string {
	return w.proofOf(s, "dpop+jwt", jose.JSONWebKey{Key: s.key.(crypto.Signer).Public()}, method, endpoint, changes)
}

func (w *wire) proofOf(s *signer, typ string, jwk any, method, endpoint string, changes map[string]any) string {
	claims := map[string]any{"htm": method, "htu": w.p.URL(endpoint), "iat": time.Now().Unix(), "jti": rand.Text()}
	for name, value := range changes {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	options := (&jose.SignerOptions{}).WithType(jose.ContentType(typ)).WithHeader("jwk", jwk)
	maker, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(s.alg), Key: s.key}, options)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		w.t.Fatal(err)
	}
	jws, err := maker.Sign(b)
	if err != nil {
		w.t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// postProof posts a form with proofs.
func (w *wire) postProof(endpoint string, form url.Values, proofs ...string) answer {
	w.t.Helper()
	r := w.postRequest(endpoint, form)
	r.Header["Dpop"] = proofs
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// call calls a resource by this scheme.
func (w *wire) call(endpoint, scheme, token string, proofs ...string) answer {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.p.URL(endpoint), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", scheme+" "+token)
	r.Header["Dpop"] = proofs
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func TestDPoP(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w, s := newWire(t), newSigner(t, alg)
			w.replaceClient(oidcrptest.Client{RequireDPoP: true})
			form := codeForm(w.authorize("scope", "openid offline_access").Get("code"))
			if a := w.post(oidcrptest.TokenEndpoint, form); a.json(t)["error"] != "invalid_dpop_proof" {
				t.Errorf("without proof answered %d %s", a.status, a.body)
			}
			body := w.postProof(oidcrptest.TokenEndpoint, form, w.proof(s, "POST", oidcrptest.TokenEndpoint, nil)).json(t)
			access, _ := body["access_token"].(string)
			if body["token_type"] != "DPoP" || access == "" {
				t.Fatalf("token response %v", body)
			}
			for _, endpoint := range []string{oidcrptest.UserInfoEndpoint, oidcrptest.ResourceEndpoint} {
				if a := w.call(endpoint, "dpop", access, w.proof(s, "GET", endpoint, map[string]any{"ath": sha256of(access)})); a.status != 200 || a.json(t)["sub"] != "alice" {
					t.Errorf("%s answered %d %s", endpoint, a.status, a.body)
				}
			}
			if body := w.postProof(oidcrptest.TokenEndpoint, refreshForm(body["refresh_token"]), w.proof(newSigner(t, "ES256"), "POST", oidcrptest.TokenEndpoint, nil)).json(t); body["token_type"] != "DPoP" {
				t.Errorf("refresh of a confidential client by another key: %v", body)
			}
		})
	}
}

func TestDPoPAtResources(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	stranger := newSigner(t, "ES256")
	bearer := w.tokens()["access_token"].(string)
	access := w.postProof(oidcrptest.TokenEndpoint, codeForm(w.authorize().Get("code")), w.proof(s, "POST", oidcrptest.TokenEndpoint, nil)).json(t)["access_token"].(string)
	const endpoint = oidcrptest.ResourceEndpoint
	good := map[string]any{"ath": sha256of(access)}
	if a := w.call(endpoint, "Bearer", bearer); a.status != 200 || a.json(t)["client_id"] != w.client.ID || a.json(t)["scope"] != "openid profile email" {
		t.Errorf("Bearer token answered %d %s", a.status, a.body)
	}
	used := w.proof(s, "GET", endpoint, good)
	if a := w.call(endpoint, "DPoP", access, used); a.status != 200 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	for name, test := range map[string]struct {
		scheme, token, want string
		proofs              []string
	}{
		"bound token as Bearer":   {"Bearer", access, "invalid_token", nil},
		"Bearer token with proof": {"DPoP", bearer, "invalid_token", []string{w.proof(s, "GET", endpoint, map[string]any{"ath": sha256of(bearer)})}},
		"no proof":                {"DPoP", access, "invalid_token", nil},
		"proof by another key":    {"DPoP", access, "invalid_token", []string{w.proof(stranger, "GET", endpoint, good)}},
		"no ath":                  {"DPoP", access, "invalid_dpop_proof", []string{w.proof(s, "GET", endpoint, nil)}},
		"ath of another token":    {"DPoP", access, "invalid_dpop_proof", []string{w.proof(s, "GET", endpoint, map[string]any{"ath": sha256of(bearer)})}},
		"proof of another method": {"DPoP", access, "invalid_dpop_proof", []string{w.proof(s, "POST", endpoint, good)}},
		"proof used before":       {"DPoP", access, "invalid_dpop_proof", []string{used}},
		"unknown token":           {"DPoP", "x", "invalid_token", []string{w.proof(s, "GET", endpoint, good)}},
	} {
		a := w.call(endpoint, test.scheme, test.token, test.proofs...)
		challenge := a.header.Get("WWW-Authenticate")
		if a.status != 401 || a.json(t)["error"] != test.want || !strings.HasPrefix(challenge, test.scheme) || !strings.Contains(challenge, test.want) {
			t.Errorf("%s: answered %d %q %s", name, a.status, challenge, a.body)
		}
	}
}

func TestDPoPProofsRefused(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	const endpoint = oidcrptest.TokenEndpoint
	proof := func(name string, value any) string {
		return w.proof(s, "POST", endpoint, map[string]any{name: value})
	}
	public := jose.JSONWebKey{Key: s.key.(crypto.Signer).Public()}
	good := proof("", nil)
	for name, proofs := range map[string][]string{
		"two":                {good, proof("", nil)},
		"no JWT":             {"x"},
		"broken signature":   {good[:len(good)-4] + "AAAA"},
		"another type":       {w.proofOf(s, "JWT", public, "POST", endpoint, nil)},
		"private key in it":  {w.proofOf(s, "dpop+jwt", jose.JSONWebKey{Key: s.key}, "POST", endpoint, nil)},
		"key of another":     {w.proofOf(s, "dpop+jwt", jose.JSONWebKey{Key: newSigner(t, "ES256").key.(crypto.Signer).Public()}, "POST", endpoint, nil)},
		"another method":     {proof("htm", "GET")},
		"another address":    {proof("htu", w.p.URL(oidcrptest.PAREndpoint))},
		"address with query": {proof("htu", w.p.URL(endpoint)+"?x")},
		"no jti":             {proof("jti", nil)},
		"no iat":             {proof("iat", nil)},
		"of an hour ago":     {proof("iat", time.Now().Add(-time.Hour).Unix())},
		"of the future":      {proof("iat", time.Now().Add(time.Hour).Unix())},
		"ath":                {proof("ath", sha256of("x"))},
	} {
		if a := w.postProof(endpoint, codeForm("x"), proofs...); a.status != 400 || a.json(t)["error"] != "invalid_dpop_proof" {
			t.Errorf("%s: answered %d %s", name, a.status, a.body)
		}
	}
}

func TestDPoPBoundCodes(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	public := jose.JSONWebKey{Key: s.key.(crypto.Signer).Public()}
	sum, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	redeem := func(code string, by *signer) answer {
		return w.postProof(oidcrptest.TokenEndpoint, codeForm(code), w.proof(by, "POST", oidcrptest.TokenEndpoint, nil))
	}
	if a := redeem(w.authorize("dpop_jkt", b64(sum)).Get("code"), newSigner(t, "ES256")); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("another key answered %d %s", a.status, a.body)
	}
	if a := w.post(oidcrptest.TokenEndpoint, codeForm(w.authorize("dpop_jkt", b64(sum)).Get("code"))); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("no key answered %d %s", a.status, a.body)
	}
	if a := redeem(w.authorize("dpop_jkt", b64(sum)).Get("code"), s); a.status != 200 {
		t.Errorf("the key answered %d %s", a.status, a.body)
	}

	pushed := w.postProof(oidcrptest.PAREndpoint, w.request(), w.proof(s, "POST", oidcrptest.PAREndpoint, nil)).json(t)
	request := url.Values{"client_id": {w.client.ID}, "request_uri": {pushed["request_uri"].(string)}}
	code := mustHaveCode(t, w.get(w.p.URL(oidcrptest.AuthorizeEndpoint)+"?"+request.Encode())).Get("code")
	if a := redeem(code, newSigner(t, "ES256")); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("another key than of the pushed request answered %d %s", a.status, a.body)
	}
	if a := w.postProof(oidcrptest.PAREndpoint, w.request("dpop_jkt", "x"), w.proof(s, "POST", oidcrptest.PAREndpoint, nil)); a.json(t)["error"] != "invalid_dpop_proof" {
		t.Errorf("dpop_jkt and proof that differ answered %d %s", a.status, a.body)
	}
}

func TestDPoPRefreshOfPublicClients(t *testing.T) {
	w, s := newWire(t), newSigner(t, "ES256")
	w.replaceClient(oidcrptest.Client{AuthMethod: "none"})
	post := func(form url.Values, by *signer) answer {
		form.Set("client_id", w.client.ID)
		r := w.postRequest(oidcrptest.TokenEndpoint, form)
		r.Header.Del("Authorization")
		r.Header["Dpop"] = []string{w.proof(by, "POST", oidcrptest.TokenEndpoint, nil)}
		a, err := w.do(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	body := post(codeForm(w.authorize("scope", "openid offline_access").Get("code")), s).json(t)
	if a := post(refreshForm(body["refresh_token"]), newSigner(t, "ES256")); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("another key answered %d %s", a.status, a.body)
	}
	if a := post(refreshForm(body["refresh_token"]), s); a.status != 200 {
		t.Errorf("the key answered %d %s", a.status, a.body)
	}
}

// nonces checks that each endpoint wants a nonce of its own, and takes it.
func nonces(t *testing.T, w *wire) {
	s := newSigner(t, "ES256")
	form := codeForm(w.authorize().Get("code"))
	try := func(nonce any) answer {
		return w.postProof(oidcrptest.TokenEndpoint, form, w.proof(s, "POST", oidcrptest.TokenEndpoint, map[string]any{"nonce": nonce}))
	}
	a := try(nil)
	server := a.header.Get("DPoP-Nonce")
	if a.status != 400 || a.json(t)["error"] != "use_dpop_nonce" || len(server) < 80 {
		t.Fatalf("answered %d %v %s", a.status, a.header, a.body)
	}
	if a := try("x"); a.header.Get("DPoP-Nonce") != server {
		t.Errorf("nonce changed to %q", a.header.Get("DPoP-Nonce"))
	}
	a = try(server)
	access, _ := a.json(t)["access_token"].(string)
	if a.status != 200 || a.header.Get("DPoP-Nonce") != "" {
		t.Fatalf("answered %d %v %s", a.status, a.header, a.body)
	}
	if a := try(server); a.json(t)["error"] != "use_dpop_nonce" || a.header.Get("DPoP-Nonce") == server {
		t.Errorf("nonce does not change: %d %s", a.status, a.body)
	}
	call := func(nonce string) answer {
		return w.call(oidcrptest.ResourceEndpoint, "DPoP", access, w.proof(s, "GET", oidcrptest.ResourceEndpoint, map[string]any{"ath": sha256of(access), "nonce": nonce}))
	}
	a = call(server)
	resource := a.header.Get("DPoP-Nonce")
	if a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="use_dpop_nonce"`) || resource == "" || resource == server {
		t.Errorf("resource answered %d %v", a.status, a.header)
	}
	if a := call(resource); a.status != 200 {
		t.Errorf("resource answered %d %s", a.status, a.body)
	}
}

// noNonceWillDo checks that the second try fails as the first.
func noNonceWillDo(t *testing.T, w *wire) {
	s := newSigner(t, "ES256")
	nonce := ""
	for range 3 {
		a := w.postProof(oidcrptest.TokenEndpoint, codeForm("x"), w.proof(s, "POST", oidcrptest.TokenEndpoint, map[string]any{"nonce": nonce}))
		if a.json(t)["error"] != "use_dpop_nonce" || a.header.Get("DPoP-Nonce") == nonce {
			t.Errorf("answered %d %v %s", a.status, a.header, a.body)
		}
		nonce = a.header.Get("DPoP-Nonce")
	}
}
