package oidcrp_test

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// dynamicFlows are those of a client that registers, and whose requests all
// are objects by reference.
var dynamicFlows = []planFlow{
	{responseCode, 12, []string{
		"oidcc-client-test-discovery-webfinger-acct",
		"oidcc-client-test-discovery-webfinger-url",
		"oidcc-client-test-discovery-openid-config",
		"oidcc-client-test-discovery-jwks-uri-keys",
		"oidcc-client-test-discovery-issuer-mismatch",
		"oidcc-client-test-dynamic-registration",
		"oidcc-client-test-request-uri-signed-rs256",
		"oidcc-client-test-request-uri-signed-none",
		"oidcc-client-test-idtoken-sig-none",
		"oidcc-client-test-signing-key-rotation-just-before-signing",
		"oidcc-client-test-signing-key-rotation",
		"oidcc-client-test-userinfo-signed",
	}},
}

// dynamicModules are those of the dynamic plan that are its own, or differ
// there.
var dynamicModules = map[string]module{
	"oidcc-client-test-discovery-webfinger-acct": {run: func(c *conformance) {
		c.byWebFinger(func(host, alias, name string) string { return "acct:" + alias + "." + name + "@" + host })
	}},
	"oidcc-client-test-discovery-webfinger-url": {run: func(c *conformance) {
		c.byWebFinger(func(host, alias, name string) string { return "http://" + host + "/" + alias + "/" + name })
	}},
	"oidcc-client-test-dynamic-registration": {run: func(c *conformance) {
		// Nothing may be called after the registration: the browser stays.
		to := c.startOnly("/auth/login")
		if asked := c.requested(); !slices.Equal(asked, []string{oidcrptest.DiscoveryEndpoint, oidcrptest.RegisterEndpoint}) {
			c.t.Errorf("asked for %v", asked)
		}
		c.registered()
		if got := to.Query().Get("client_id"); got != c.client.ID {
			c.t.Errorf("goes on as %q, registered is %q", got, c.client.ID)
		}
	}},
	// As in the other plans we refuse it by design, which the suite tolerates:
	// SKIPPED. The registration says what comes.
	"oidcc-client-test-idtoken-sig-none": {
		faults: []oidcrptest.Fault{
			oidcrptest.AlgNone,
			oidcrptest.RegistrationField("id_token_signed_response_alg", "none"),
			oidcrptest.RegistrationField("grant_types", []string{"authorization_code"}),
		},
		reason: "serialization",
	},
	"oidcc-client-test-userinfo-signed": {
		change: func(_ *conformance, cfg *oidcrp.Config) {
			cfg.Providers[0].Registration.Metadata = map[string]any{"userinfo_signed_response_alg": "RS256"}
		},
		check: func(c *conformance) {
			if got := c.claims()["email"]; got != "alice@example.com" || c.client.UserInfoAlgorithm != "RS256" {
				c.t.Errorf("email is %v, signed by %q", got, c.client.UserInfoAlgorithm)
			}
		},
	},
}

// register makes the client one that the provider registers.
func (c *conformance) register(p *oidcrp.Provider) {
	byReference(p)
	c.byReference = true
	p.ClientID, p.ClientSecret, p.Registration = "", "", &oidcrp.Registration{}
}

// registered checks what the client said of itself, and finds what became of
// it.
func (c *conformance) registered() {
	c.t.Helper()
	c.calls(oidcrptest.RegisterEndpoint, 1)
	all := c.suite.op.Clients()
	c.client = all[len(all)-1]
	var said map[string]any
	if err := json.Unmarshal([]byte(c.suite.op.Requests(oidcrptest.RegisterEndpoint)[0].Body), &said); err != nil {
		c.t.Fatal(err)
	}
	alg := "RS256"
	if c.config.Providers[0].RequestObject == oidcrp.UnsignedRequestByReference {
		alg = "none"
	}
	for name, want := range map[string]any{
		"redirect_uris": []any{c.URL + "/auth/callback/test"}, "response_types": []any{"code"}, "grant_types": []any{"authorization_code"},
		"application_type": "web", "token_endpoint_auth_method": "client_secret_basic", "request_object_signing_alg": alg,
		"request_uris": []any{c.URL + "/auth/request/test"}, "jwks_uri": c.URL + "/auth/jwks/test", "initiate_login_uri": c.URL + "/auth/initiate",
		// The provider fetches these, and both of these exclude each other.
		"jwks": nil, "logo_uri": nil, "client_uri": nil, "policy_uri": nil, "tos_uri": nil, "sector_identifier_uri": nil,
	} {
		got, _ := json.Marshal(said[name])
		if wanted, _ := json.Marshal(want); string(got) != string(wanted) {
			c.t.Errorf("%s is %s, want %s", name, got, wanted)
		}
	}
}

// startOnly starts a login and returns where the browser would go for it,
// outside the application.
func (c *conformance) startOnly(path string) *url.URL {
	c.t.Helper()
	to := path
	for range 3 {
		w := ask(c.rp, c.rp, nil, http.MethodGet, to, navigate...)
		if w.Code != http.StatusFound {
			c.t.Fatalf("%d %s\nlog: %s", w.Code, w.Body, c.log)
		}
		if to = w.Header().Get("Location"); !strings.HasPrefix(to, c.URL) {
			break
		}
	}
	u, err := url.Parse(to)
	if err != nil {
		c.t.Fatal(err)
	}
	return u
}

// byWebFinger has the login find an issuer that nothing else leads to. The
// module is over once its metadata is fetched: nothing may follow.
func (c *conformance) byWebFinger(identifier func(host, alias, name string) string) {
	s := newSuite(c.t, suitePath+"/"+rand.Text()[:10])
	issuer, err := url.Parse(s.op.Issuer())
	if err != nil {
		c.t.Fatal(err)
	}
	c.suite = s
	c.app = newApp(c.t, s.op, func(cfg *oidcrp.Config) {
		cfg.WebFinger = []string{"http://" + issuer.Host}
		cfg.Providers[0].PAR = oidcrp.Refused
		cfg.Providers = append(cfg.Providers, oidcrp.Provider{Name: "other", Issuer: "https://op.example", ClientID: "c"})
	})
	s.op.ResetCalls()
	typed := identifier(issuer.Host, "oidcrp", c.t.Name()[strings.LastIndexByte(c.t.Name(), '/')+1:])
	to := c.startOnly("/auth/login?identifier=" + url.QueryEscape(typed))
	if to.Query().Get("login_hint") != typed || !strings.HasPrefix(to.String(), s.op.Issuer()) {
		c.t.Errorf("goes to %s", to)
	}
	if asked := s.requested(); !slices.Equal(asked, []string{oidcrptest.WebFingerEndpoint, oidcrptest.DiscoveryEndpoint}) {
		c.t.Errorf("asked for %v", asked)
	}
	q := s.op.Requests(oidcrptest.WebFingerEndpoint)[0].Query
	if q.Get("resource") != typed || q.Get("rel") != "http://openid.net/specs/connect/1.0/issuer" {
		c.t.Errorf("asked about %v", q)
	}
}
