package oidcrp_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// comprehensiveModules are those of the comprehensive plan alone.
var comprehensiveModules = map[string]module{
	"oidcc-client-test-missing-aud": {faults: one(oidcrptest.MissingAudience), reason: "aud"},
	"oidcc-client-test-invalid-sig-hs256": {
		alg: "HS256", faults: one(oidcrptest.ScrambledSignature), reason: "signature",
		change: func(_ *conformance, cfg *oidcrp.Config) { cfg.Providers[0].Algorithms = []string{"HS256"} },
	},
	"oidcc-client-test-invalid-sig-es256": {alg: "ES256", faults: one(oidcrptest.ScrambledSignature), reason: "signature"},

	"oidcc-client-test-userinfo-bearer-header": {faults: one(oidcrptest.UserInfoHeaderOnly)},
	"oidcc-client-test-userinfo-bearer-body": {
		faults: one(oidcrptest.UserInfoBodyOnly),
		change: func(_ *conformance, cfg *oidcrp.Config) { cfg.Providers[0].UserInfoInBody = true },
	},
	"oidcc-client-test-form-post-error": {
		mode: "form_post",
		faults: []oidcrptest.Fault{
			demand(oidcrptest.AuthorizeEndpoint, "max_age 0 and prompt none", func(r *http.Request) bool {
				return r.URL.Query().Get("max_age") == "0" && r.URL.Query().Get("prompt") == "none"
			}),
			oidcrptest.AuthorizationError("login_required", "the suite signs nobody in"),
		},
		change: func(_ *conformance, cfg *oidcrp.Config) { cfg.Providers[0].DynamicParams = []string{"max_age"} },
		run: func(c *conformance) {
			c.page = c.b.Get(c.URL + "/auth/login?prompt=none&max_age=0")
			c.refused(c.page, http.StatusBadRequest, "invalid_response")
			c.delivered()
			c.calls(oidcrptest.AuthorizeEndpoint, 1)
			c.calls(oidcrptest.TokenEndpoint, 0)
			c.calls(oidcrptest.UserInfoEndpoint, 0)
		},
	},

	"oidcc-client-test-request-uri-signed-rs256": {
		tls:      true,
		change:   func(_ *conformance, cfg *oidcrp.Config) { byReference(&cfg.Providers[0]) },
		register: registerObjects("RS256"),
	},
	"oidcc-client-test-request-uri-signed-none": {
		tls: true,
		change: func(_ *conformance, cfg *oidcrp.Config) {
			cfg.Providers[0].RequestObject = oidcrp.UnsignedRequestByReference
		},
		register: registerObjects("none"),
	},
	"oidcc-client-test-userinfo-signed": {
		register: func(c *conformance) { c.client.UserInfoAlgorithm = "RS256" },
		check: func(c *conformance) {
			if got := c.claims()["email"]; got != "alice@example.com" {
				c.t.Errorf("email is %v", got)
			}
		},
	},

	"oidcc-client-test-mtls-endpoint-aliases": {
		faults: one(oidcrptest.Fault{Name: "an alias of one endpoint", Metadata: func(m map[string]any) {
			m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": m["mtls_endpoint_aliases"].(map[string]any)["token_endpoint"]}
			m["token_endpoint_auth_methods_supported"] = []string{"tls_client_auth"}
		}}),
		change: func(c *conformance, cfg *oidcrp.Config) {
			if err := c.suite.op.StartTLS(); err != nil {
				c.t.Fatal(err)
			}
			p := &cfg.Providers[0]
			p.ClientAuth, p.ClientSecret = "tls_client_auth", ""
			p.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
				RootCAs:      c.suite.op.CertPool(),
				Certificates: []tls.Certificate{c.suite.op.IssueCertificate(x509.Certificate{DNSNames: []string{"app.example"}})},
			}}}
		},
		register: func(c *conformance) {
			c.client.AuthMethod, c.client.CertificateSubject.DNS = "tls_client_auth", "app.example"
		},
		check: func(c *conformance) {
			if form := c.suite.op.Requests(oidcrptest.TokenEndpoint)[0].Form; form.Get("client_id") != c.client.ID {
				c.t.Errorf("client_id is %q", form.Get("client_id"))
			}
			// Those that did not come by TLS.
			plain := c.requested()
			if slices.Contains(plain, oidcrptest.TokenEndpoint) || !slices.Contains(plain, oidcrptest.UserInfoEndpoint) {
				c.t.Errorf("without a certificate %v were called", plain)
			}
		},
	},

	// Unsigned claims are left out by design, and the login goes on.
	"oidcc-client-test-aggregated-claims": {
		source: &oidcrptest.ClaimSource{Algorithm: "none", Claims: map[string]any{
			"address": map[string]any{"country": "Norway"}, "phone_number": "+47 1",
		}},
		change: func(_ *conformance, cfg *oidcrp.Config) {
			cfg.Claims = []string{"address", "phone_number"}
			cfg.Providers[0].ClaimSources = []oidcrp.ClaimSource{{Claims: cfg.Claims}}
		},
		check: func(c *conformance) {
			if all := c.claims(); all["address"] != nil || all["phone_number"] != nil {
				c.t.Errorf("unsigned claims were believed: %v", all)
			}
			if !strings.Contains(c.log.String(), "level=WARN") {
				c.t.Errorf("nobody was told\n%s", c.log)
			}
		},
	},
	"oidcc-client-test-distributed-claims": {
		source: &oidcrptest.ClaimSource{Distributed: true, Claims: map[string]any{"credit_score": 650}},
		change: func(_ *conformance, cfg *oidcrp.Config) {
			cfg.Claims = []string{"credit_score"}
			cfg.Providers[0].ClaimSources = []oidcrp.ClaimSource{{
				Endpoint: cfg.Providers[0].Issuer + oidcrptest.ClaimsEndpoint[1:], Claims: cfg.Claims,
			}}
		},
		check: func(c *conformance) {
			if score := c.claims()["credit_score"]; score != 650.0 {
				c.t.Errorf("credit_score is %v\n%s", score, c.log)
			}
			c.calls(oidcrptest.ClaimsEndpoint, 1)
			r := c.suite.op.Requests(oidcrptest.ClaimsEndpoint)[0]
			if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") || r.Query.Has("access_token") {
				c.t.Errorf("the token was sent in %v", r.Query)
			}
		},
	},
}

// requestKey signs request objects.
var requestKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// byReference sends signed request objects, but authenticates by the secret.
func byReference(p *oidcrp.Provider) {
	key, err := requestKey()
	if err != nil {
		panic(err) // out of randomness
	}
	p.RequestObject, p.ClientAuth = oidcrp.RequestByReference, "client_secret_basic"
	p.ClientKeys = []oidcrp.ClientKey{{Algorithm: "RS256", Key: key}}
}

// registerObjects lets the client send request objects by reference alone.
func registerObjects(alg string) func(*conformance) {
	return func(c *conformance) {
		c.byReference = true
		c.client.RequireRequestObject, c.client.RequestObjectAlgorithm = true, alg
		c.client.JWKSURL = c.rp.RedirectURLs()[0].JWKS
	}
}
