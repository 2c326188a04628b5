package interop_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Here others are the relying party, and our development provider is tried:
// what applications are tested against must be what the specifications say.

// landing is an application's side of a login that somebody else drives: it
// notes the authorization response.
type landing struct {
	url string // http://localhost:PORT, another site than the provider's

	mu   sync.Mutex
	form *string // of the response by form_post
}

func newLanding(t *testing.T) *landing {
	t.Helper()
	l := &landing{}
	l.url = oidcrptest.Serve(t, func(string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.form = nil; r.Method == http.MethodPost {
				form := string(body)
				l.form = &form
			}
			io.WriteString(w, r.Method)
		})
	})
	return l
}

// posted is the body of the latest request; nil where it was no POST.
func (l *landing) posted() *string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.form
}

// clientLogin is one row of what openid-client can do.
type clientLogin struct {
	name    string
	faults  []oidcrptest.Fault
	client  func(*oidcrptest.Client, json.RawMessage) // registered at the provider
	command map[string]any                            // what openid-client is told beyond the basics
	check   func(*testing.T, *oidcrptest.Provider, outcome)
}

// outcome is what openid-client made of a response.
type outcome struct {
	Claims, UserInfo map[string]any
	TokenType        string
	Resource         int // the status of an API called with the access token
	Refreshed        *struct {
		Claims, UserInfo map[string]any
		Rotated          bool
		AfterRevocation  string
	}
	ResourceAfterRevocation int

	page *oidcrptest.Page // where the browser came back
	form *string          // by form_post
}

func byAssertion(alg string) func(*oidcrptest.Client, json.RawMessage) {
	return func(c *oidcrptest.Client, jwks json.RawMessage) {
		c.AuthMethod, c.AuthAlgorithm, c.JWKS = "private_key_jwt", alg, jwks
	}
}

var clientLogins = []clientLogin{
	// Client authentication.
	{name: "client_secret_basic", command: map[string]any{"auth": "client_secret_basic"},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.AuthMethod = "client_secret_basic" }},
	{name: "client_secret_post", command: map[string]any{"auth": "client_secret_post"},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.AuthMethod = "client_secret_post" }},
	{name: "client_secret_jwt", command: map[string]any{"auth": "client_secret_jwt"},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.AuthMethod = "client_secret_jwt" }},
	{name: "private_key_jwt by RS256", command: map[string]any{"auth": "private_key_jwt", "authAlg": "RS256"}, client: byAssertion("RS256")},
	{name: "private_key_jwt by PS256", command: map[string]any{"auth": "private_key_jwt", "authAlg": "PS256"}, client: byAssertion("PS256")},
	{name: "private_key_jwt by ES256", command: map[string]any{"auth": "private_key_jwt", "authAlg": "ES256"}, client: byAssertion("ES256")},
	{name: "private_key_jwt by EdDSA", command: map[string]any{"auth": "private_key_jwt", "authAlg": "EdDSA"}, client: byAssertion("EdDSA")},
	{name: "a public client", command: map[string]any{"auth": "none"},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.AuthMethod, c.Secret = "none", "" }},

	// Metadata by RFC 8414.
	{name: "authorization server metadata", faults: []oidcrptest.Fault{oidcrptest.OAuthMetadataOnly}, command: map[string]any{"oauthMetadata": true}},

	// Response modes and types.
	{name: "code by form_post", command: map[string]any{"parameters": map[string]any{"response_mode": "form_post"}}, check: byFormPost},
	{name: "code id_token by form_post", command: map[string]any{"responseType": "code id_token", "parameters": map[string]any{"response_mode": "form_post"}}, check: byFormPost},
	{name: "code id_token by fragment", command: map[string]any{"responseType": "code id_token"}, check: byFragment},
	{name: "code id_token as a detached signature", command: map[string]any{"responseType": "code id_token", "detached": true}, check: byFragment},
	{name: "id_token by form_post", command: map[string]any{"responseType": "id_token", "parameters": map[string]any{"response_mode": "form_post"}}, check: byFormPost},
	{name: "id_token by fragment", command: map[string]any{"responseType": "id_token"}, check: byFragment},

	// The request.
	{name: "PAR", command: map[string]any{"par": true}, check: pushed,
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.RequirePAR = true }},
	{name: "PAR by private_key_jwt", command: map[string]any{"par": true, "auth": "private_key_jwt"}, client: byAssertion("RS256"), check: pushed},
	{name: "JAR by RS256", command: map[string]any{"jar": "RS256"}, client: requestObject("RS256")},
	{name: "JAR by PS256", command: map[string]any{"jar": "PS256"}, client: requestObject("PS256")},
	{name: "JAR by ES256", command: map[string]any{"jar": "ES256"}, client: requestObject("ES256")},
	{name: "JAR by EdDSA", command: map[string]any{"jar": "EdDSA"}, client: requestObject("EdDSA")},
	{name: "JAR, pushed", command: map[string]any{"jar": "ES256", "par": true}, client: requestObject("ES256"), check: pushed},
	{name: "max_age, acr_values and claims", command: map[string]any{"parameters": map[string]any{
		"max_age": "600", "acr_values": "2", "ui_locales": "th", "claims": `{"id_token":{"email":null},"userinfo":{"phone_number":null}}`}},
		check: func(t *testing.T, _ *oidcrptest.Provider, o outcome) {
			if o.Claims["acr"] != "2" || o.Claims["email"] != "alice@example.com" {
				t.Errorf("claims %v", o.Claims)
			}
		}},

	// The response, signed and encrypted.
	{name: "JARM", command: map[string]any{"jarm": true}, check: func(t *testing.T, _ *oidcrptest.Provider, o outcome) {
		if q := o.page.URL.Query(); len(q) != 1 || !q.Has("response") {
			t.Errorf("the response was %v", q)
		}
	}},
	{name: "JARM by form_post", command: map[string]any{"jarm": true, "parameters": map[string]any{"response_mode": "form_post.jwt"}}, check: byFormPost},
	{name: "JARM by ES256", command: map[string]any{"jarm": true, "metadata": map[string]any{"authorization_signed_response_alg": "ES256"}},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.ResponseAlgorithm = "ES256" }},
	{name: "JARM, encrypted", command: map[string]any{"jarm": true, "decrypt": "RSA-OAEP-256"},
		client: encrypted("RSA-OAEP-256", "A256GCM", func(c *oidcrptest.Client) *oidcrptest.Encryption { return &c.ResponseEncryption })},

	// ID tokens and UserInfo, signed and encrypted.
	{name: "ID tokens by PS256", command: signedBy("PS256"), client: idTokens("PS256")},
	{name: "ID tokens by ES256", command: signedBy("ES256"), client: idTokens("ES256")},
	{name: "ID tokens by EdDSA", command: signedBy("EdDSA"), client: idTokens("EdDSA")},
	{name: "ID tokens by RSA-OAEP", command: map[string]any{"decrypt": "RSA-OAEP"}, client: encrypted("RSA-OAEP", "A128CBC-HS256", idTokenEncryption)},
	{name: "ID tokens by ECDH-ES", command: map[string]any{"decrypt": "ECDH-ES"}, client: encrypted("ECDH-ES", "A128GCM", idTokenEncryption)},
	{name: "UserInfo by RS256", command: map[string]any{"metadata": map[string]any{"userinfo_signed_response_alg": "RS256"}},
		client: func(c *oidcrptest.Client, _ json.RawMessage) { c.UserInfoAlgorithm = "RS256" }},
	{name: "UserInfo by ES256, encrypted", command: map[string]any{"decrypt": "RSA-OAEP-256", "metadata": map[string]any{"userinfo_signed_response_alg": "ES256"}},
		client: func(c *oidcrptest.Client, jwks json.RawMessage) {
			encrypted("RSA-OAEP-256", "A256CBC-HS512", func(c *oidcrptest.Client) *oidcrptest.Encryption { return &c.UserInfoEncryption })(c, jwks)
			c.UserInfoAlgorithm = "ES256"
		}},

	// Access tokens bound to a key, and refreshed.
	{name: "DPoP", command: map[string]any{"dpop": "ES256", "scope": "openid offline_access"}, client: dpop, check: bound},
	{name: "DPoP by PS256", command: map[string]any{"dpop": "PS256"}, client: dpop, check: bound},
	{name: "DPoP by EdDSA", command: map[string]any{"dpop": "Ed25519"}, client: dpop, check: bound},
	{name: "DPoP with nonces", command: map[string]any{"dpop": "ES256", "scope": "openid offline_access"}, client: dpop, check: bound,
		faults: []oidcrptest.Fault{oidcrptest.DPoPNonces}},
	{name: "DPoP with nonces, pushed, by a public client", command: map[string]any{"dpop": "ES256", "par": true, "auth": "none", "scope": "openid offline_access"}, check: bound,
		client: func(c *oidcrptest.Client, _ json.RawMessage) {
			c.AuthMethod, c.Secret, c.RequireDPoP = "none", "", true
		},
		faults: []oidcrptest.Fault{oidcrptest.DPoPNonces}},
	{name: "refresh", command: map[string]any{"scope": "openid email offline_access"},
		check: func(t *testing.T, _ *oidcrptest.Provider, o outcome) {
			if o.Refreshed == nil {
				t.Fatal("there was no refresh token")
			}
			r := *o.Refreshed
			if !r.Rotated || r.Claims["sub"] != "alice" || r.UserInfo["email"] != "alice@example.com" || r.AfterRevocation != "invalid_grant" {
				t.Errorf("refreshed: %+v", r)
			}
		}},

	// All at once, as FAPI 2.0 Message Signing has it.
	{name: "PAR, JAR, JARM, DPoP and private_key_jwt",
		command: map[string]any{"auth": "private_key_jwt", "authAlg": "PS256", "par": true, "jar": "PS256", "jarm": true, "dpop": "ES256"},
		client: func(c *oidcrptest.Client, jwks json.RawMessage) {
			byAssertion("PS256")(c, jwks)
			requestObject("PS256")(c, jwks)
			c.RequirePAR, c.RequireDPoP = true, true
		},
		check: bound},
}

func idTokenEncryption(c *oidcrptest.Client) *oidcrptest.Encryption { return &c.IDTokenEncryption }

func encrypted(alg, enc string, what func(*oidcrptest.Client) *oidcrptest.Encryption) func(*oidcrptest.Client, json.RawMessage) {
	return func(c *oidcrptest.Client, jwks json.RawMessage) {
		c.JWKS = jwks
		*what(c) = oidcrptest.Encryption{Algorithm: alg, Content: enc}
	}
}

func requestObject(alg string) func(*oidcrptest.Client, json.RawMessage) {
	return func(c *oidcrptest.Client, jwks json.RawMessage) {
		c.RequestObjectAlgorithm, c.RequireRequestObject, c.JWKS = alg, true, jwks
	}
}

func signedBy(alg string) map[string]any {
	return map[string]any{"metadata": map[string]any{"id_token_signed_response_alg": alg}}
}

func idTokens(alg string) func(*oidcrptest.Client, json.RawMessage) {
	return func(c *oidcrptest.Client, _ json.RawMessage) { c.Algorithm = alg }
}

func dpop(c *oidcrptest.Client, _ json.RawMessage) { c.RequireDPoP = true }

func byFormPost(t *testing.T, _ *oidcrptest.Provider, o outcome) {
	if o.form == nil {
		t.Error("the response did not come by POST")
	}
}

func byFragment(t *testing.T, _ *oidcrptest.Provider, o outcome) {
	if o.form != nil || o.page.URL.RawQuery != "" || o.page.URL.Fragment == "" {
		t.Errorf("the response came to %v", o.page.URL)
	}
}

func pushed(t *testing.T, p *oidcrptest.Provider, _ outcome) {
	request := p.Requests(oidcrptest.AuthorizeEndpoint)[0].Query
	if p.Calls(oidcrptest.PAREndpoint) != 1 || len(request) != 2 || !request.Has("request_uri") {
		t.Errorf("%d pushed, and the request was %v", p.Calls(oidcrptest.PAREndpoint), request)
	}
}

func bound(t *testing.T, _ *oidcrptest.Provider, o outcome) {
	if !strings.EqualFold(o.TokenType, "DPoP") {
		t.Errorf("token_type is %s", o.TokenType)
	}
}

func TestOpenIDClient(t *testing.T) {
	node := interop.StartOpenIDClient(t)
	for _, test := range clientLogins {
		t.Run(test.name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t, test.faults...)
			land := newLanding(t)
			c := oidcrptest.Client{RedirectURLs: []string{land.url + "/callback"}, PostLogoutRedirectURLs: []string{land.url + "/out"}}
			if test.client != nil {
				test.client(&c, node.JWKS)
			}
			c = p.AddClient(c)
			o := clientSignsIn(t, node, p, land, c, test.command)
			if test.check != nil {
				test.check(t, p, o)
			}
		})
	}
}

// clientSignsIn lets openid-client sign in alice, use its tokens and leave.
func clientSignsIn(t *testing.T, node *interop.OpenIDClient, p *oidcrptest.Provider, land *landing, c oidcrptest.Client, more map[string]any) outcome {
	t.Helper()
	command := map[string]any{
		"do": "start", "issuer": p.Issuer(), "clientId": c.ID, "secret": c.Secret,
		"redirectUri": land.url + "/callback", "resource": p.URL(oidcrptest.ResourceEndpoint),
	}
	if c.Secret != "" {
		command["auth"] = "client_secret_basic"
	}
	maps.Copy(command, more)
	b := oidcrptest.NewBrowser(t)
	var started, left struct{ URL, State string }
	if err := node.Do(command, &started); err != nil {
		t.Fatal(err)
	}
	b.Get(started.URL)
	page := b.SubmitForm("alice", nil)
	if page.Status != http.StatusOK || !strings.HasPrefix(page.URL.String(), land.url) {
		t.Fatalf("the browser is not back: %v", page)
	}
	o := outcome{page: page, form: land.posted()}
	if err := node.Do(map[string]any{"do": "finish", "url": page.URL.String(), "form": o.form}, &o); err != nil {
		t.Fatal(err)
	}
	if o.Claims["sub"] != "alice" || o.Claims["iss"] != p.Issuer() {
		t.Errorf("claims %v", o.Claims)
	}
	if command["responseType"] != "id_token" {
		if o.UserInfo["sub"] != "alice" || o.Resource != http.StatusOK || o.ResourceAfterRevocation != http.StatusUnauthorized {
			t.Errorf("with the tokens: %+v", o)
		}
	}

	if err := node.Do(map[string]any{"do": "logout", "returnTo": land.url + "/out"}, &left); err != nil {
		t.Fatal(err)
	}
	page = b.Get(left.URL)
	if form := page.Form("confirm"); form != nil { // asked where no ID token says who leaves
		page = b.SubmitForm("confirm", nil)
	}
	if page.URL.Path != "/out" || page.URL.Query().Get("state") != left.State || len(b.Cookies(p.Issuer())) != 0 {
		t.Errorf("after the logout at %v, with cookies %v", page, b.Cookies(p.Issuer()))
	}
	return o
}

func TestOpenIDClientRegisters(t *testing.T) {
	node := interop.StartOpenIDClient(t)
	for _, test := range []struct {
		name     string
		metadata map[string]any
		command  map[string]any
	}{
		{"with the provider's defaults", nil, map[string]any{"auth": "client_secret_basic"}},
		{"client_secret_post", map[string]any{"token_endpoint_auth_method": "client_secret_post"}, nil},
		{"private_key_jwt", map[string]any{"token_endpoint_auth_method": "private_key_jwt", "jwks": node.JWKS}, map[string]any{"auth": "private_key_jwt"}},
		{"none", map[string]any{"token_endpoint_auth_method": "none"}, map[string]any{"auth": "none"}},
		{"code id_token", map[string]any{"response_types": []string{"code id_token"}, "grant_types": []string{"authorization_code", "implicit"}}, map[string]any{"responseType": "code id_token", "auth": "client_secret_basic"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t)
			p.SetRegistrationToken("registering is for us")
			land := newLanding(t)
			metadata := map[string]any{
				"client_name": "openid-client", "redirect_uris": []string{land.url + "/callback"}, "post_logout_redirect_uris": []string{land.url + "/out"},
			}
			maps.Copy(metadata, test.metadata)
			command := map[string]any{"register": true, "metadata": metadata, "initialAccessToken": "registering is for us"}
			maps.Copy(command, test.command)
			clientSignsIn(t, node, p, land, oidcrptest.Client{}, command)
			if n := p.Calls(oidcrptest.RegisterEndpoint); n != 1 {
				t.Errorf("registered %d times", n)
			}
		})
	}
}

// It has to see what is wrong, too: else what it accepts would prove little.
func TestOpenIDClientRefuses(t *testing.T) {
	node := interop.StartOpenIDClient(t)
	for _, test := range []struct {
		fault   oidcrptest.Fault
		command map[string]any
		client  func(*oidcrptest.Client, json.RawMessage)
		want    string
	}{
		{fault: oidcrptest.WrongNonce, want: "nonce"},
		{fault: oidcrptest.WrongSignature, want: "signature"},
		{fault: oidcrptest.WrongIssuer, want: "iss"},
		{fault: oidcrptest.WrongAudience, want: "aud"},
		{fault: oidcrptest.WrongState, want: "state"},
		{fault: oidcrptest.WrongResponseIssuer, want: "iss"},
		{fault: oidcrptest.WrongCHash, command: map[string]any{"responseType": "code id_token", "parameters": map[string]any{"response_mode": "form_post"}}, want: "c_hash"},
		{fault: oidcrptest.IgnoreJARM, command: map[string]any{"jarm": true}, want: "response"},
		{fault: oidcrptest.DPoPNonceNeverRight, command: map[string]any{"dpop": "ES256"}, client: dpop, want: "use_dpop_nonce"},
	} {
		t.Run(test.fault.Name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t, test.fault)
			p.SignInAs("alice")
			land := newLanding(t)
			c := oidcrptest.Client{RedirectURLs: []string{land.url + "/callback"}}
			if test.client != nil {
				test.client(&c, node.JWKS)
			}
			c = p.AddClient(c)
			command := map[string]any{
				"do": "start", "issuer": p.Issuer(), "clientId": c.ID, "secret": c.Secret, "auth": "client_secret_basic",
				"redirectUri": land.url + "/callback", "resource": p.URL(oidcrptest.ResourceEndpoint),
			}
			maps.Copy(command, test.command)
			var started struct{ URL string }
			if err := node.Do(command, &started); err != nil {
				t.Fatal(err)
			}
			page := oidcrptest.NewBrowser(t).Get(started.URL)
			err := node.Do(map[string]any{"do": "finish", "url": page.URL.String(), "form": land.posted()}, &outcome{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("openid-client said %v, want something of %s", err, test.want)
			}
		})
	}
}
