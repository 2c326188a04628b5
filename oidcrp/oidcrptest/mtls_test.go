package oidcrptest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// with is a wire that shows this certificate, and none where it is nil.
func (w *wire) with(c *tls.Certificate) *wire {
	config := &tls.Config{RootCAs: w.p.CertPool()}
	if c != nil {
		config.Certificates = []tls.Certificate{*c}
	}
	other, client := *w, *w.http
	client.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}
	other.http = &client
	return &other
}

// postAlias posts a form, without further authentication, to the alias of an
// endpoint.
func (w *wire) postAlias(endpoint string, form url.Values) answer {
	w.t.Helper()
	form = maps.Clone(form)
	form.Set("client_id", w.client.ID)
	r := w.postRequest(endpoint, form)
	u, err := url.Parse(w.p.TLSURL(endpoint))
	if err != nil {
		w.t.Fatal(err)
	}
	r.URL, r.Host = u, u.Host
	r.Header.Del("Authorization")
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func selfSigned(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func newTLSWire(t *testing.T, faults ...oidcrptest.Fault) *wire {
	t.Helper()
	w := newWire(t, faults...)
	if err := w.p.StartTLS(); err != nil {
		t.Fatal(err)
	}
	return w
}

func TestTLSMetadata(t *testing.T) {
	w := newWire(t)
	methods := func() []any { return w.metadata()["token_endpoint_auth_methods_supported"].([]any) }
	if m := w.metadata(); m["mtls_endpoint_aliases"] != nil || slices.Contains(methods(), any("tls_client_auth")) || w.p.TLSURL("/token") != "" {
		t.Errorf("without TLS: %v", m)
	}
	if err := w.p.StartTLS(); err != nil {
		t.Fatal(err)
	}
	m := w.metadata()
	aliases := m["mtls_endpoint_aliases"].(map[string]any)
	if len(aliases) != 5 || aliases["token_endpoint"] != w.p.TLSURL(oidcrptest.TokenEndpoint) || m["token_endpoint"] != w.p.URL(oidcrptest.TokenEndpoint) ||
		m["tls_client_certificate_bound_access_tokens"] != true || !slices.Contains(methods(), any("tls_client_auth")) || !slices.Contains(methods(), any("self_signed_tls_client_auth")) {
		t.Errorf("metadata %v", m)
	}
	if err := w.p.StartTLS(); err == nil {
		t.Error("two TLS listeners")
	}
	w.p.Stop()
	if _, err := w.with(nil).http.Get(w.p.TLSURL(oidcrptest.DiscoveryEndpoint)); err == nil {
		t.Error("a stopped provider answers by TLS")
	}
	if err := w.p.Start(); err != nil {
		t.Fatal(err)
	}
	if a := w.with(nil).get(w.p.TLSURL(oidcrptest.DiscoveryEndpoint)); a.json(t)["issuer"] != w.p.Issuer() {
		t.Errorf("came back as %s", a.body)
	}
}

func TestTLSClientAuth(t *testing.T) {
	w := newTLSWire(t)
	uri, err := url.Parse("spiffe://app.example/reports")
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{Subject: pkix.Name{CommonName: "reports", Organization: []string{"Acme"}}, DNSNames: []string{"app.example"},
		EmailAddresses: []string{"ops@app.example"}, URIs: []*url.URL{uri}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}
	right := w.p.IssueCertificate(template)
	other := w.p.IssueCertificate(x509.Certificate{Subject: pkix.Name{CommonName: "other"}})
	forged := selfSigned(t, "reports")
	for name, subject := range map[string]oidcrptest.CertificateSubject{
		"DN":     {DN: "CN=reports,O=Acme"},
		"DNS":    {DNS: "app.example"},
		"URI":    {URI: "spiffe://app.example/reports"},
		"IP":     {IP: "192.0.2.1"},
		"e-mail": {Email: "ops@app.example"},
	} {
		t.Run(name, func(t *testing.T) {
			w.replaceClient(oidcrptest.Client{AuthMethod: "tls_client_auth", CertificateSubject: subject})
			if w.client.Secret != "" {
				t.Error("it has a secret")
			}
			form := codeForm(w.authorize().Get("code"))
			if a := w.with(&other).postAlias(oidcrptest.TokenEndpoint, form); a.status != 401 {
				t.Errorf("another certificate answered %d %s", a.status, a.body)
			}
			if a := w.with(&forged).postAlias(oidcrptest.TokenEndpoint, form); a.status != 401 {
				t.Errorf("self-signed certificate answered %d %s", a.status, a.body)
			}
			if a := w.with(nil).postAlias(oidcrptest.TokenEndpoint, form); a.status != 401 {
				t.Errorf("no certificate answered %d %s", a.status, a.body)
			}
			form.Set("client_id", w.client.ID)
			if a := w.post(oidcrptest.TokenEndpoint, form); a.status != 401 {
				t.Errorf("without TLS answered %d %s", a.status, a.body)
			}
			w.p.ResetCalls()
			if a := w.with(&right).postAlias(oidcrptest.TokenEndpoint, form); a.status != 200 {
				t.Errorf("answered %d %s", a.status, a.body)
			}
			r := w.p.Requests(oidcrptest.TokenEndpoint)[0]
			if u, _ := url.Parse(w.p.TLSURL("")); r.Host != u.Host || !r.Certificate.Equal(right.Leaf) {
				t.Errorf("recorded host %q and certificate %v", r.Host, r.Certificate)
			}
			if a := w.with(&right).postAlias(oidcrptest.PAREndpoint, w.request()); a.status != 201 {
				t.Errorf("PAR answered %d %s", a.status, a.body)
			}
		})
	}
	mustPanic(t, "no subject", func() { w.p.AddClient(oidcrptest.Client{AuthMethod: "tls_client_auth"}) })
	mustPanic(t, "two subjects", func() {
		w.p.AddClient(oidcrptest.Client{AuthMethod: "tls_client_auth", CertificateSubject: oidcrptest.CertificateSubject{DN: "CN=x", DNS: "x"}})
	})
}

func TestSelfSignedTLSClientAuth(t *testing.T) {
	w := newTLSWire(t)
	right, other := selfSigned(t, "reports"), selfSigned(t, "reports")
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: right.Leaf.PublicKey, KeyID: "1", Certificates: []*x509.Certificate{right.Leaf}}}})
	if err != nil {
		t.Fatal(err)
	}
	w.replaceClient(oidcrptest.Client{AuthMethod: "self_signed_tls_client_auth", JWKS: jwks})
	form := codeForm(w.authorize().Get("code"))
	if a := w.with(&other).postAlias(oidcrptest.TokenEndpoint, form); a.status != 401 {
		t.Errorf("another certificate answered %d %s", a.status, a.body)
	}
	if a := w.with(&right).postAlias(oidcrptest.TokenEndpoint, form); a.status != 200 {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	mustPanic(t, "no keys", func() { w.p.AddClient(oidcrptest.Client{AuthMethod: "self_signed_tls_client_auth"}) })
}

func TestCertificateBoundTokens(t *testing.T) {
	w := newTLSWire(t)
	right, other := selfSigned(t, "reports"), selfSigned(t, "other")
	w.replaceClient(oidcrptest.Client{AuthMethod: "none", BindCertificate: true})
	form := codeForm(w.authorize().Get("code"))
	if a := w.with(nil).postAlias(oidcrptest.TokenEndpoint, form); a.json(t)["error"] != "invalid_request" {
		t.Errorf("no certificate answered %d %s", a.status, a.body)
	}
	body := w.with(&right).postAlias(oidcrptest.TokenEndpoint, form).json(t)
	if body["token_type"] != "Bearer" {
		t.Fatalf("token response %v", body)
	}
	call := func(by *wire) answer {
		r, err := http.NewRequest(http.MethodGet, w.p.TLSURL(oidcrptest.UserInfoEndpoint), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+body["access_token"].(string))
		a, err := by.do(r)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := call(w.with(&other)); a.status != 401 || a.json(t)["error"] != "invalid_token" {
		t.Errorf("another certificate answered %d %s", a.status, a.body)
	}
	if a := call(w.with(nil)); a.status != 401 {
		t.Errorf("no certificate answered %d %s", a.status, a.body)
	}
	if a := w.userInfoBy(body["access_token"].(string)); a.status != 401 {
		t.Errorf("without TLS answered %d %s", a.status, a.body)
	}
	if a := call(w.with(&right)); a.status != 200 || a.json(t)["sub"] != "alice" {
		t.Errorf("answered %d %s", a.status, a.body)
	}
}

// Proofs and assertions may name the alias they are sent to.
func TestAliasesAreTheEndpoint(t *testing.T) {
	w, s := newTLSWire(t), newSigner(t, "ES256")
	w.replaceClient(oidcrptest.Client{AuthMethod: "private_key_jwt", JWKS: s.jwks()})
	w = w.with(nil)
	form := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {w.assertion(s, map[string]any{"aud": w.p.TLSURL(oidcrptest.PAREndpoint)})}}
	maps.Copy(form, w.request())
	if a := w.postAlias(oidcrptest.PAREndpoint, form); a.status != 201 {
		t.Errorf("answered %d %s", a.status, a.body)
	}
	w.replaceClient(oidcrptest.Client{AuthMethod: "none", RequireDPoP: true})
	form = codeForm(w.authorize().Get("code"))
	form.Set("client_id", w.client.ID)
	r := w.postRequest(oidcrptest.TokenEndpoint, form)
	u, err := url.Parse(w.p.TLSURL(oidcrptest.TokenEndpoint))
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.Host = u, u.Host
	r.Header.Del("Authorization")
	r.Header.Set("DPoP", w.proof(s, "POST", oidcrptest.TokenEndpoint, map[string]any{"htu": u.String()}))
	if a, err := w.do(r); err != nil || a.json(t)["token_type"] != "DPoP" {
		t.Errorf("answered %d %s, %v", a.status, a.body, err)
	}
}

func TestRegistrationByCertificate(t *testing.T) {
	w := newTLSWire(t)
	const uris = `{"redirect_uris":["` + callback + `"],"token_endpoint_auth_method":"tls_client_auth"`
	if m := w.register(uris + `,"tls_client_auth_san_dns":"app.example","tls_client_certificate_bound_access_tokens":true}`).json(t); m["client_id"] == nil || m["client_secret"] != nil || m["tls_client_auth_san_dns"] != "app.example" {
		t.Errorf("answered %v", m)
	}
	clients := w.p.Clients()
	if c := clients[len(clients)-1]; c.CertificateSubject.DNS != "app.example" || !c.BindCertificate {
		t.Errorf("registered %v", c)
	}
	for _, names := range []string{"", `,"tls_client_auth_san_dns":"a","tls_client_auth_san_ip":"192.0.2.1"`} {
		if m := w.register(uris + names + `}`).json(t); m["error"] != "invalid_client_metadata" {
			t.Errorf("with %s answered %v", names, m)
		}
	}
}
