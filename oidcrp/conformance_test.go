package oidcrp_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// A module is one of the conformance suite's: what its provider does, and what
// that must lead to.
type module struct {
	faults []oidcrptest.Fault
	change func(*conformance, *oidcrp.Config) // of the application
	alg    string                             // of the ID tokens; "": RS256
	mode   string                             // response mode; "": the plan's
	source *oidcrptest.ClaimSource            // of further claims

	// reason is why the ID token is refused; "": the login succeeds. With
	// userInfo it is UserInfo that is refused.
	reason   string
	userInfo bool

	tls      bool               // the application is at https
	logout   bool               // the provider signs out, and tells of it
	register func(*conformance) // changes the client
	check    func(*conformance) // after a login, what only this module asks for
	run      func(*conformance) // in place of a login
}

// conformance is the run of a module.
type conformance struct {
	*app
	*suite
	t           *testing.T
	client      oidcrptest.Client
	flow        string
	mode        string
	byReference bool // the request is an object
	faults      []oidcrptest.Fault
	dynamic     bool // the provider registers the client
	b           *oidcrptest.Browser
	page        *oidcrptest.Page
}

// has tells what the response type brings.
func (c *conformance) has(part string) bool { return slices.Contains(strings.Fields(c.flow), part) }

// suite is the conformance suite's provider for one response type of a plan.
type suite struct {
	op *oidcrptest.Provider

	mu    sync.Mutex
	front url.Values // the latest authorization response
	paths []string   // asked for, in order
	base  string     // path of the issuer
}

// suitePath comes before a slash in the suite's issuer.
const suitePath = "/test/a/oidcrp"

func newSuite(t *testing.T, base string) *suite {
	t.Helper()
	s := &suite{base: base}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	var err error
	if s.op, err = oidcrptest.NewHandler("http://" + srv.Listener.Addr().String() + base + "/"); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() {
		srv.Close()
		s.op.Close()
	})
	return s
}

func (s *suite) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.paths = append(s.paths, strings.TrimPrefix(r.URL.Path, s.base))
	s.mu.Unlock()
	s.op.ServeHTTP(w, r)
}

// requested lists the endpoints called, in order.
func (s *suite) requested() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.paths)
}

func (s *suite) answered() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.front
}

// shape makes the provider look as the suite's does: it says little of what
// it offers, lists response types in odd order and algorithms nobody wants, and
// does not say what its keys are for.
func (s *suite) shape() oidcrptest.Fault {
	return oidcrptest.Fault{Name: "suite",
		Metadata: func(m map[string]any) {
			for _, name := range []string{
				"code_challenge_methods_supported", "pushed_authorization_request_endpoint",
				"authorization_response_iss_parameter_supported", "revocation_endpoint", "end_session_endpoint",
			} {
				delete(m, name)
			}
			m["response_types_supported"] = []string{"code", "id_token code", "token code id_token", "id_token", "token id_token", "token code", "token"}
			m["id_token_signing_alg_values_supported"] = []string{"none", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "ES256", "ES256K", "EdDSA"}
			m["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
		},
		JWKS: func(doc map[string]any) {
			for _, k := range doc["keys"].([]any) {
				delete(k.(map[string]any), "alg")
			}
		},
		Response: func(r *oidcrptest.Response) {
			r.Params.Del("iss")
			s.mu.Lock()
			defer s.mu.Unlock()
			s.front = url.Values{}
			for name, values := range r.Params {
				s.front[name] = slices.Clone(values)
			}
		},
	}
}

// TestConformance runs the modules of the OpenID Foundation's conformance suite
// for relying parties against a provider that misbehaves as the suite's does.
func TestConformance(t *testing.T) {
	used := map[string]bool{}
	for _, p := range plans {
		for _, f := range p.flows {
			if names := slices.Compact(slices.Sorted(slices.Values(f.modules))); len(names) != f.count || len(f.modules) != f.count {
				t.Errorf("%s has %d modules for %q, want %d", p.name, len(names), f.responseType, f.count)
			}
			for _, name := range f.modules {
				used[name] = true
				if _, ok := p.module(name); !ok {
					t.Fatalf("%s has an unknown module %s", p.name, name)
				}
			}
		}
	}
	for _, all := range []map[string]module{modules, thirdPartyModules, refreshModules, comprehensiveModules, logoutModules, dynamicModules} {
		for name := range all {
			if !used[name] {
				t.Errorf("no plan has %s", name)
			}
		}
	}
	for _, p := range fapiPlans {
		t.Run(p.name, p.test)
	}
	for _, p := range plans {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			for _, f := range p.flows {
				t.Run(f.responseType, func(t *testing.T) {
					s := newSuite(t, suitePath)
					for _, name := range f.modules {
						m, _ := p.module(name)
						t.Run(name, func(t *testing.T) { s.test(t, m, p, f.responseType) })
					}
				})
			}
		})
	}
}

// test runs a module.
func (s *suite) test(t *testing.T, m module, p plan, responseType string) {
	mode := p.mode
	if m.mode != "" {
		mode = m.mode
	}
	c := &conformance{suite: s, t: t, flow: responseType, mode: mode, dynamic: p.dynamic}
	s.mu.Lock()
	s.front, s.paths = nil, nil
	s.mu.Unlock()
	faults := append([]oidcrptest.Fault{s.shape()}, m.faults...)
	if m.logout {
		faults = append(faults, s.signsOut())
	}
	s.op.SetSessionManagement(m.logout)
	s.op.SetFaults(faults...)
	c.faults = faults
	user := oidcrptest.User{Subject: "alice", Name: "Alice", Email: "alice@example.com", EmailVerified: true}
	if m.source != nil {
		user.Sources = map[string]oidcrptest.ClaimSource{"src1": *m.source}
	}
	s.op.AddUser(user)
	start := newApp
	if m.tls || c.dynamic {
		start = newTLSApp
	}
	c.app = start(t, s.op, func(cfg *oidcrp.Config) {
		p := &cfg.Providers[0]
		c.client = s.op.AddClient(oidcrptest.Client{
			// Characters that have a meaning in a URL, a form or a header.
			ID: "client_" + rand.Text()[:12] + ` :%+&"`, Secret: rand.Text() + `#'&+% :=/"<>;@?~!$()*,` + rand.Text(),
			RedirectURLs: []string{cfg.BaseURL + "/auth/callback/test"},
			AuthMethod:   "client_secret_basic", Algorithm: m.alg, UserInfoOnly: true,
		})
		p.ClientID, p.ClientSecret = c.client.ID, oidcrp.Secret(c.client.Secret)
		p.ResponseType, p.ResponseMode = responseType, mode
		if responseType != "id_token" {
			p.UserInfo = oidcrp.UserInfoRequired
		}
		if m.logout {
			c.toldOfLogouts(cfg)
		}
		if c.dynamic {
			c.register(p)
		}
		if m.change != nil {
			m.change(c, cfg)
		}
	})
	if m.register != nil && !c.dynamic {
		m.register(c)
		s.op.AddClient(c.client)
	}
	s.op.ResetCalls()
	c.b = c.browse()
	if m.run != nil {
		m.run(c)
		for _, r := range c.suite.op.Requests(oidcrptest.AuthorizeEndpoint) {
			if r.Query.Has("request_uri") != c.byReference {
				t.Errorf("requested %v", r.Query)
			}
		}
		return
	}
	c.page = c.b.Get(c.URL + "/reports")
	c.request()
	if m.reason == "" {
		c.accepted("reports for alice")
	} else {
		c.rejected(m)
	}
	c.delivered()
	if m.check != nil {
		m.check(c)
	}
}

var (
	nonceRule = regexp.MustCompile(`^[A-Za-z0-9._~-]{43}$`)
	stateRule = regexp.MustCompile(`^[A-Za-z0-9._~-]{16,128}$`)
)

// request checks what every module does of the authorization request.
func (c *conformance) request() {
	c.t.Helper()
	all := c.suite.op.Requests(oidcrptest.AuthorizeEndpoint)
	if len(all) != 1 {
		c.t.Fatalf("%d authorization requests\n%s\nlog: %s", len(all), c.page, c.log)
	}
	if c.dynamic {
		c.registered()
	}
	q := all[0].Query
	if q.Has("request") || (q.Get("request_uri") != "") != c.byReference {
		c.t.Errorf("a request object was sent, or none: %v", q)
	}
	if c.byReference {
		// The query must have these as well.
		if q.Get("client_id") != c.client.ID || q.Get("response_type") == "" || !slices.Contains(strings.Fields(q.Get("scope")), "openid") {
			c.t.Errorf("query %v", q)
		}
		q = c.object(q.Get("request_uri"))
	}
	asked := slices.Sorted(slices.Values(strings.Fields(q.Get("response_type"))))
	if want := slices.Sorted(slices.Values(strings.Fields(c.flow))); !slices.Equal(asked, want) {
		c.t.Errorf("response_type is %v, want %v", asked, want)
	}
	for name, want := range map[string]string{
		"client_id": c.client.ID, "redirect_uri": c.client.RedirectURLs[0], "response_mode": c.mode, "code_challenge_method": "S256",
	} {
		if !c.has("code") && strings.HasPrefix(name, "code_") {
			want = q.Get(name)
		}
		if q.Get(name) != want {
			c.t.Errorf("%s is %q, want %q", name, q.Get(name), want)
		}
	}
	scope := strings.Fields(q.Get("scope"))
	if !slices.Contains(scope, "openid") || !slices.Contains(scope, "email") {
		c.t.Errorf("scope is %q", scope)
	}
	if !nonceRule.MatchString(q.Get("nonce")) || !stateRule.MatchString(q.Get("state")) {
		c.t.Errorf("nonce %q, state %q", q.Get("nonce"), q.Get("state"))
	}
}

// object fetches a request object as the provider does, and reads what it says.
func (c *conformance) object(address string) url.Values {
	c.t.Helper()
	if !strings.HasPrefix(address, "https://") {
		c.t.Errorf("request_uri %s", address)
	}
	return c.readObject(c.browse().Get(address).Body)
}

// readObject reads what a request object says, and checks how it says so.
func (c *conformance) readObject(token string) url.Values {
	c.t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		c.t.Fatalf("request object %q", token)
	}
	var header struct{ Alg, Typ string }
	var claims map[string]any
	for i, v := range []any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			c.t.Fatalf("%v: %s", err, token)
		}
	}
	if want := c.client.RequestObjectAlgorithm; header.Alg != want || (want == "none") != (parts[2] == "") {
		c.t.Errorf("signed by %q, want %q", header.Alg, want)
	}
	if claims["iss"] != c.client.ID || claims["aud"] != c.suite.op.Issuer() || header.Typ != "oauth-authz-req+jwt" {
		c.t.Errorf("%s of %v, for %v", header.Typ, claims["iss"], claims["aud"])
	}
	q := url.Values{}
	for name, value := range claims {
		q.Set(name, fmt.Sprint(value))
	}
	return q
}

// accepted wants the login to succeed with each endpoint called as often as it
// must be, and no more: to the suite a call after the end is a failure.
func (c *conformance) accepted(text string) {
	c.t.Helper()
	c.shows(c.page, text)
	c.calls(oidcrptest.DiscoveryEndpoint, 1)
	c.calls(oidcrptest.AuthorizeEndpoint, 1)
	c.calls(oidcrptest.JWKSEndpoint, 1)
	c.calls(oidcrptest.TokenEndpoint, count(c.has("code")))
	c.calls(oidcrptest.UserInfoEndpoint, count(c.flow != "id_token"))
	if c.flow == "id_token" {
		return
	}
	// The access token for the code is ours alone; without a code there is
	// the one beside the ID token.
	r := c.suite.op.Requests(oidcrptest.UserInfoEndpoint)[0]
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ") + r.Form.Get("access_token")
	if came := token == c.suite.answered().Get("access_token"); came == c.has("code") {
		c.t.Errorf("UserInfo was asked with the token of the response: %v", came)
	}
}

// rejected wants the login to fail at its first bad token, and nothing to be
// redeemed or used after it.
func (c *conformance) rejected(m module) {
	c.t.Helper()
	c.refused(c.page, http.StatusBadRequest, m.reason)
	c.calls(oidcrptest.TokenEndpoint, count(c.has("code") && (m.userInfo || !c.has("id_token"))))
	c.calls(oidcrptest.UserInfoEndpoint, count(m.userInfo))
	c.calls(oidcrptest.AuthorizeEndpoint, 1)
	if c.reports.Load() != 0 || len(c.events.of(oidcrp.LoginSucceeded)) != 0 {
		c.t.Error("the visitor was signed in")
	}
	if me := c.b.Fetch("GET", "/auth/me", nil); me.Status != http.StatusUnauthorized {
		c.t.Errorf("there is a session: %s", me.Body)
	}
}

// delivered checks how the answer came.
func (c *conformance) delivered() {
	c.t.Helper()
	if c.suite.answered() == nil {
		c.t.Fatal("no authorization response")
	}
	method, site := http.MethodGet, "" // whichever began the login
	switch {
	case c.mode == "form_post":
		method, site = http.MethodPost, "cross-site"
	case c.flow != "code":
		method, site = http.MethodPost, "same-origin" // by the page that reads the fragment
	}
	if !slices.ContainsFunc(c.page.Trail, func(hop oidcrptest.Hop) bool {
		return strings.HasPrefix(hop.URL.String(), c.client.RedirectURLs[0]) &&
			hop.Method == method && (site == "" || hop.Request.Get("Sec-Fetch-Site") == site)
	}) {
		c.t.Errorf("the answer did not come by %s %s: %s", site, method, c.page)
	}
	c.kept(c.suite.answered())
}

func count(once bool) int {
	if once {
		return 1
	}
	return 0
}

// ready lets the application fetch metadata and keys, and nothing else.
func (c *conformance) ready() error { return c.rp.Ready(context.Background()) }
