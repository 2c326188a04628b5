package oidcrp_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// one is a list of one fault.
func one(f oidcrptest.Fault) []oidcrptest.Fault { return []oidcrptest.Fault{f} }

// modules are the suite's, by their official names.
var modules = map[string]module{
	"oidcc-client-test":             {},
	"oidcc-client-test-invalid-iss": {faults: one(oidcrptest.IDTokenSuffix("iss", "1")), reason: "iss"},
	"oidcc-client-test-missing-sub": {faults: one(oidcrptest.MissingSubject), reason: "sub"},
	"oidcc-client-test-invalid-aud": {faults: one(oidcrptest.IDTokenSuffix("aud", "1")), reason: "aud"},
	"oidcc-client-test-missing-iat": {faults: one(oidcrptest.MissingIssuedAt), reason: "iat"},

	"oidcc-client-test-kid-absent-single-jwks":   {faults: one(oidcrptest.KidAbsentSingle)},
	"oidcc-client-test-kid-absent-multiple-jwks": {faults: one(oidcrptest.KidAbsentMultiple)}, // a refusal would do, too

	"oidcc-client-test-invalid-chash":  {faults: one(oidcrptest.OnlyFront(oidcrptest.IDTokenSuffix("c_hash", "1"))), reason: "c_hash"},
	"oidcc-client-test-missing-chash":  {faults: one(oidcrptest.OnlyFront(oidcrptest.MissingCHash)), reason: "c_hash"},
	"oidcc-client-test-invalid-athash": {faults: one(oidcrptest.OnlyFront(oidcrptest.IDTokenSuffix("at_hash", "1"))), reason: "at_hash"},
	"oidcc-client-test-missing-athash": {faults: one(oidcrptest.OnlyFront(oidcrptest.MissingATHash)), reason: "at_hash"},

	"oidcc-client-test-idtoken-sig-rs256": {faults: one(oidcrptest.OnlyRS256)},
	"oidcc-client-test-invalid-sig-rs256": {faults: one(oidcrptest.ScrambledSignature), reason: "signature"},
	// We refuse it by design, which the suite tolerates: SKIPPED.
	"oidcc-client-test-idtoken-sig-none": {faults: one(oidcrptest.AlgNone), reason: "serialization"},

	"oidcc-client-test-userinfo-invalid-sub": {reason: "sub", userInfo: true, faults: one(oidcrptest.Fault{Name: "sub and more",
		UserInfo: func(claims map[string]any) { claims["sub"] = claims["sub"].(string) + "invalid" }})},

	"oidcc-client-test-nonce-invalid": {faults: one(oidcrptest.IDTokenSuffix("nonce", "1")), reason: "nonce"},
	"oidcc-client-test-nonce-unless-code-flow": {faults: one(demand(oidcrptest.AuthorizeEndpoint, "a nonce",
		func(r *http.Request) bool { return r.URL.Query().Get("nonce") != "" }))},
	"oidcc-client-test-scope-userinfo-claims": {
		faults: one(demand(oidcrptest.AuthorizeEndpoint, "a scope of claims", func(r *http.Request) bool {
			return slices.ContainsFunc(strings.Fields(r.URL.Query().Get("scope")), func(s string) bool {
				return slices.Contains([]string{"profile", "email", "phone", "address"}, s)
			})
		})),
		check: func(c *conformance) {
			if got := c.claims()["email"]; got != "alice@example.com" {
				c.t.Errorf("email is %v", got)
			}
		},
	},
	"oidcc-client-test-client-secret-basic": {check: func(c *conformance) {
		r := c.suite.op.Requests(oidcrptest.TokenEndpoint)[0]
		id, secret, ok := (&http.Request{Header: r.Header}).BasicAuth()
		if !ok || id != url.QueryEscape(c.client.ID) || secret != url.QueryEscape(c.client.Secret) {
			c.t.Errorf("Authorization is not that of the client: %q, %q", id, secret)
		}
		if r.Form.Has("client_secret") || r.Form.Has("client_assertion") || r.Form.Has("client_id") && r.Form.Get("client_id") != c.client.ID {
			c.t.Errorf("authenticated in the form too: %v", r.Form)
		}
	}},

	"oidcc-client-test-discovery-openid-config": {run: func(c *conformance) {
		if err := c.ready(); err != nil {
			c.t.Fatal(err)
		}
		c.calls(oidcrptest.DiscoveryEndpoint, 1)
		// After the end the suite forgives requests for its keys alone.
		for _, path := range c.requested() {
			if path != oidcrptest.DiscoveryEndpoint && path != oidcrptest.JWKSEndpoint {
				c.t.Errorf("%s was called", path)
			}
		}
	}},
	"oidcc-client-test-discovery-jwks-uri-keys": {
		faults: one(oidcrptest.JWKSMoved()),
		run: func(c *conformance) {
			if err := c.ready(); err != nil {
				c.t.Fatal(err)
			}
			asked := c.requested()
			if len(asked) != 2 || asked[0] != oidcrptest.DiscoveryEndpoint || !strings.HasPrefix(asked[1], oidcrptest.JWKSEndpoint+"-") {
				c.t.Errorf("asked for %v", asked)
			}
		},
	},
	"oidcc-client-test-discovery-issuer-mismatch": {
		faults: one(oidcrptest.Fault{Name: "another issuer", Metadata: func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "INVALID" }}),
		run: func(c *conformance) {
			c.refused(c.b.Get(c.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
			if err := c.ready(); err == nil {
				c.t.Error("ready")
			}
			for _, path := range c.requested() {
				if path != oidcrptest.DiscoveryEndpoint {
					c.t.Errorf("%s was called", path)
				}
			}
		},
	},
	"oidcc-client-test-signing-key-rotation-just-before-signing": {
		faults: one(oidcrptest.RotatesBeforeSigning),
		run: func(c *conformance) {
			if err := c.ready(); err != nil {
				c.t.Fatal(err)
			}
			c.shows(c.b.Get(c.URL+"/reports"), "reports for alice")
			c.calls(oidcrptest.TokenEndpoint, 1)
			c.calls(oidcrptest.UserInfoEndpoint, 1)
			c.calls(oidcrptest.JWKSEndpoint, 2)
		},
	},
	"oidcc-client-test-signing-key-rotation": {
		run: func(c *conformance) {
			for n := 1; n <= 2; n++ {
				c.shows(c.browse().Get(c.URL+"/reports"), "reports for alice")
				c.calls(oidcrptest.TokenEndpoint, n)
				c.calls(oidcrptest.UserInfoEndpoint, n)
				c.calls(oidcrptest.JWKSEndpoint, n)
				c.suite.op.RotateKeys()
				c.suite.op.DropOldKeys()
			}
		},
	},
}

// thirdPartyModules begin where another site says.
var thirdPartyModules = map[string]module{
	"oidcc-client-test-3rd-party-init-login": {
		tls: true,
		run: func(c *conformance) {
			c.page = invite(c.b, c.app, http.MethodGet, url.Values{"iss": {c.suite.op.Issuer()}})
			c.request()
			c.accepted("home of alice")
			c.delivered()
		},
	},
}

// claims are those the session keeps.
func (c *conformance) claims() map[string]any {
	c.t.Helper()
	var doc struct{ Claims map[string]any }
	if err := c.b.Fetch("GET", "/auth/me", nil).JSON(&doc); err != nil {
		c.t.Fatal(err)
	}
	return doc.Claims
}

// demand refuses requests to an endpoint that lack what a module wants of them.
func demand(endpoint, what string, ok func(*http.Request) bool) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "demand " + what, Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !ok(r) {
			http.Error(w, "the suite wants "+what, http.StatusBadRequest)
			return
		}
		next.ServeHTTP(w, r)
	}}
}
