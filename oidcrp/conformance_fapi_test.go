package oidcrp_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// fapiSuite is the conformance suite's provider for one variant of a FAPI
// plan, by https, with a second door for certificates.
type fapiSuite struct {
	suite
	v           fapiVariant
	roots       *x509.CertPool
	certificate tls.Certificate // of the client
	key         crypto.Signer   // of the client
	algorithm   string          // it signs with
}

// fapiRun is the run of a module.
type fapiRun struct {
	*conformance
	s *fapiSuite
	m fapiModule
}

// test runs the plan.
func (p fapiPlan) test(t *testing.T) {
	t.Parallel()
	for _, v := range p.variants {
		modules := v.modules()
		if len(modules) != v.count {
			t.Errorf("%s has %d modules for %s, want %d", p.name, len(modules), v, v.count)
		}
		t.Run(v.String(), func(t *testing.T) {
			s := newFAPISuite(t, v)
			for _, m := range modules {
				t.Run(fapiPrefix+m.name, func(t *testing.T) { s.test(t, m) })
			}
		})
	}
}

func newFAPISuite(t *testing.T, v fapiVariant) *fapiSuite {
	t.Helper()
	s := &fapiSuite{v: v}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	var err error
	if s.op, err = oidcrptest.NewHandler("https://" + srv.Listener.Addr().String() + suitePath + "/"); err != nil {
		t.Fatal(err)
	}
	srv.StartTLS()
	t.Cleanup(func() {
		srv.Close()
		s.op.Close()
	})
	if err := s.op.StartTLS(); err != nil {
		t.Fatal(err)
	}
	s.roots = s.op.CertPool()
	s.roots.AddCert(srv.Certificate())
	s.certificate = s.op.IssueCertificate(x509.Certificate{DNSNames: []string{"app.example"}})
	// Each variant of a plan has another key.
	switch {
	case v.auth == byMTLS:
		s.algorithm = "EdDSA"
		_, s.key, err = ed25519.GenerateKey(rand.Reader)
	case v.constraint == byMTLS:
		s.algorithm, s.key = "ES256", newKey(t)
	default:
		s.algorithm = "PS256"
		s.key, err = requestKey()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shape makes the provider look as the suite's does.
func (s *fapiSuite) shape() oidcrptest.Fault {
	return oidcrptest.Fault{Name: "suite",
		Metadata: func(m map[string]any) {
			for _, name := range []string{
				"revocation_endpoint", "end_session_endpoint", "token_endpoint_auth_signing_alg_values_supported",
				"request_object_signing_alg_values_supported", "authorization_signing_alg_values_supported",
			} {
				delete(m, name)
			}
			delete(m["mtls_endpoint_aliases"].(map[string]any), "revocation_endpoint")
			m["require_pushed_authorization_requests"] = true
			m["response_types_supported"] = []string{"code"}
			m["id_token_signing_alg_values_supported"] = []string{"PS256"}
			m["token_endpoint_auth_methods_supported"] = []string{strings.Replace(s.v.auth, byMTLS, "tls_client_auth", 1)}
			if s.v.constraint == byDPoP {
				m["dpop_signing_alg_values_supported"] = []string{"PS256", "ES256", "EdDSA", "Ed25519"}
				delete(m, "tls_client_certificate_bound_access_tokens")
			} else {
				delete(m, "dpop_signing_alg_values_supported")
			}
		},
		Pushed: func(m map[string]any) { m["expires_in"] = 600 },
	}
}

// settings are those of the application, all that FAPI2 leaves to say.
func (s *fapiSuite) settings(p *oidcrp.Provider) {
	p.Profile, p.ClientSecret, p.UserInfo = oidcrp.FAPI2, "", oidcrp.UserInfoRequired
	config := &tls.Config{RootCAs: s.roots}
	if s.v.auth == byMTLS {
		p.ClientAuth = "tls_client_auth"
	}
	if s.v.auth == byMTLS || s.v.constraint == byMTLS {
		config.Certificates = []tls.Certificate{s.certificate}
	}
	p.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	p.DPoP = s.v.constraint == byDPoP
	if s.v.auth != byMTLS || s.v.response != "" {
		p.ClientKeys = []oidcrp.ClientKey{{Key: s.key}}
	}
	if s.v.response != "" {
		p.RequestObject = oidcrp.RequestByValue
	}
	if s.v.response == jarmResponse {
		p.ResponseMode = "jwt"
	}
}

// client is what the suite knows of the application.
func (s *fapiSuite) client(a *app) oidcrptest.Client {
	c := oidcrptest.Client{
		ID: a.config.Providers[0].ClientID, RedirectURLs: []string{a.URL + "/auth/callback/test"}, ResponseTypes: []string{"code"},
		AuthMethod: "private_key_jwt", AuthAlgorithm: s.algorithm, AssertionAudience: s.op.Issuer(),
		JWKSURL:    a.rp.RedirectURLs()[0].JWKS,
		RequirePAR: true, RequireDPoP: s.v.constraint == byDPoP, BindCertificate: s.v.constraint == byMTLS,
		RequireRequestObject: s.v.response != "", RequestObjectAlgorithm: s.algorithm,
		Algorithm: "PS256", ResponseAlgorithm: "PS256", UserInfoOnly: true,
	}
	if s.v.auth == byMTLS {
		c.AuthMethod, c.AuthAlgorithm, c.CertificateSubject.DNS = "tls_client_auth", "", "app.example"
	}
	return c
}

// test runs a module.
func (s *fapiSuite) test(t *testing.T, m fapiModule) {
	c := &fapiRun{conformance: &conformance{suite: &s.suite, t: t, flow: "code"}, s: s, m: m}
	faults := append([]oidcrptest.Fault{s.shape(), oidcrptest.SharedKid}, m.faults...)
	if s.v.constraint == byDPoP && !m.noNonces {
		faults = append(faults, oidcrptest.DPoPNonces)
	}
	s.op.SetFaults(faults...)
	c.app = newTLSApp(t, s.op, func(cfg *oidcrp.Config) { s.settings(&cfg.Providers[0]) })
	c.client = s.op.AddClient(s.client(c.app))
	s.op.ResetCalls()
	c.b = c.browse()
	if m.run != nil {
		m.run(c)
		return
	}
	c.page = c.b.Get(c.URL + "/reports")
	c.request()
	c.backChannel()
	if m.reason == "" {
		c.accepted()
	} else {
		c.rejected()
	}
	if m.check != nil {
		m.check(c)
	}
}

// request checks the authorization request: pushed, whole, and nothing beside.
func (c *fapiRun) request() {
	c.t.Helper()
	pushed, opened := c.suite.op.Requests(oidcrptest.PAREndpoint), c.suite.op.Requests(oidcrptest.AuthorizeEndpoint)
	if len(pushed) != 1 || len(opened) != 1 {
		c.t.Fatalf("pushed %d, authorization requests %d\n%s\nlog: %s", len(pushed), len(opened), c.page, c.log)
	}
	if q := opened[0].Query; len(q) != 2 || q.Get("client_id") != c.client.ID || !strings.HasPrefix(q.Get("request_uri"), "urn:") {
		c.t.Errorf("query %v", q)
	}
	params := pushed[0].Form
	if params.Has("request_uri") || params.Has("request") != (c.s.v.response != "") {
		c.t.Errorf("pushed %v", params)
	}
	if params.Has("request") {
		params = c.signed(params)
	}
	mode := ""
	if c.s.v.response == jarmResponse {
		mode = "jwt"
	}
	for name, want := range map[string]string{
		"response_type": "code", "client_id": c.client.ID, "redirect_uri": c.client.RedirectURLs[0],
		"scope": "openid profile email", "code_challenge_method": "S256", "response_mode": mode,
	} {
		if params.Get(name) != want {
			c.t.Errorf("%s is %q, want %q", name, params.Get(name), want)
		}
	}
	if !nonceRule.MatchString(params.Get("nonce")) || !stateRule.MatchString(params.Get("state")) || len(params.Get("code_challenge")) != 43 {
		c.t.Errorf("nonce %q, state %q, challenge %q", params.Get("nonce"), params.Get("state"), params.Get("code_challenge"))
	}
}

// signed reads the request object, beside which nothing but the client's name
// and proof may stand.
func (c *fapiRun) signed(pushed url.Values) url.Values {
	c.t.Helper()
	for name := range pushed {
		if !slices.Contains([]string{"client_id", "request", "client_assertion", "client_assertion_type"}, name) {
			c.t.Errorf("%s is beside the request object", name)
		}
	}
	params := c.readObject(pushed.Get("request"))
	if !params.Has("exp") || !params.Has("nbf") {
		c.t.Errorf("request object %v", params)
	}
	return params
}

// backChannel checks how the client spoke with the provider: where, and by
// which proof of who it is.
func (c *fapiRun) backChannel() {
	c.t.Helper()
	seen := map[any]bool{}
	for _, endpoint := range []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint} {
		for _, r := range c.suite.op.Requests(endpoint) {
			// With a certificate, the host for certificates.
			shown := c.s.v.auth == byMTLS || c.s.v.constraint == byMTLS
			if shown != (r.Certificate != nil && bytes.Equal(r.Certificate.Raw, c.s.certificate.Certificate[0])) ||
				shown != strings.HasPrefix(c.suite.op.TLSURL(endpoint), "https://"+r.Host+"/") {
				c.t.Errorf("%s: at %s, with certificate: %v", endpoint, r.Host, r.Certificate != nil)
			}
			assertion := r.Form.Get("client_assertion")
			if (assertion != "") != (c.s.v.auth != byMTLS && endpoint != oidcrptest.UserInfoEndpoint) || r.Form.Has("client_secret") {
				c.t.Errorf("%s: authenticated in %v", endpoint, r.Form)
			}
			if assertion == "" {
				continue
			}
			header, claims := c.jwt(assertion)
			if header["alg"] != c.s.algorithm || claims["aud"] != c.suite.op.Issuer() || seen[claims["jti"]] {
				c.t.Errorf("%s: assertion %v %v", endpoint, header, claims)
			}
			seen[claims["jti"]] = true
		}
	}
}

// jwt reads a token without a look at its signature.
func (c *fapiRun) jwt(token string) (header, claims map[string]any) {
	c.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		c.t.Fatalf("no JWT: %q", token)
	}
	for i, v := range []any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			c.t.Fatalf("%v: %s", err, token)
		}
	}
	return header, claims
}

// attempts are how often an endpoint that wants a nonce is called: once more,
// to learn it.
func (c *fapiRun) attempts() int {
	return 1 + count(c.s.v.constraint == byDPoP && !c.m.noNonces)
}

// accepted wants the login to succeed, and the resource, for which UserInfo
// stands, to be called with the bound token.
func (c *fapiRun) accepted() {
	c.t.Helper()
	c.shows(c.page, "reports for alice")
	c.calls(oidcrptest.DiscoveryEndpoint, 1)
	c.calls(oidcrptest.JWKSEndpoint, 1)
	c.calls(oidcrptest.TokenEndpoint, c.attempts())
	c.calls(oidcrptest.UserInfoEndpoint, c.attempts())
	for _, r := range c.suite.op.Requests(oidcrptest.UserInfoEndpoint) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if want := map[string]string{byDPoP: "DPoP", byMTLS: "Bearer"}[c.s.v.constraint]; scheme != want || r.Query.Has("access_token") {
			c.t.Errorf("the token came by %q, want %q", scheme, want)
		}
	}
}

// rejected wants the login to fail at the first thing that is wrong, and
// nothing to be redeemed or used after it.
func (c *fapiRun) rejected() {
	c.t.Helper()
	c.refused(c.page, http.StatusBadRequest, c.m.reason)
	c.calls(oidcrptest.TokenEndpoint, count(!c.m.response)*c.attempts())
	c.calls(oidcrptest.UserInfoEndpoint, 0)
	if c.reports.Load() != 0 || len(c.events.of(oidcrp.LoginSucceeded)) != 0 {
		c.t.Error("the visitor was signed in")
	}
	if me := c.b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		c.t.Errorf("there is a session: %s", me.Body)
	}
}
