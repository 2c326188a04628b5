package oidcrptest_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const usualMetadata = `{"redirect_uris":["` + callback + `"]}`

func (w *wire) register(metadata string) answer {
	w.t.Helper()
	r := w.postRequest(oidcrptest.RegisterEndpoint, nil)
	fresh, err := http.NewRequest(http.MethodPost, r.URL.String(), strings.NewReader(metadata))
	if err != nil {
		w.t.Fatal(err)
	}
	fresh.Header.Set("Content-Type", "application/json")
	a, err := w.do(fresh)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func registerAnswer(status int, prefix string) func(*testing.T, *wire) {
	return func(t *testing.T, w *wire) {
		if a := w.register(usualMetadata); a.status != status || !strings.HasPrefix(a.body, prefix) {
			t.Errorf("answered %d %q", a.status, a.body)
		}
	}
}

func TestRegistration(t *testing.T) {
	w := newWire(t)
	punctuation := ""
	for range 20 {
		a := w.register(usualMetadata)
		m := a.json(t)
		if a.status != 201 || m["client_secret_expires_at"] != 0.0 || m["id_token_signed_response_alg"] != "RS256" ||
			m["token_endpoint_auth_method"] != "client_secret_basic" || m["registration_access_token"] != nil {
			t.Fatalf("answered %d %s", a.status, a.body)
		}
		w.client = oidcrptest.Client{ID: m["client_id"].(string), Secret: m["client_secret"].(string)}
		if len(w.client.ID) != 32 || len(w.client.Secret) != 72 {
			t.Errorf("client_id %q, secret %q", w.client.ID, w.client.Secret)
		}
		punctuation += w.client.ID + w.client.Secret
		if token := w.idToken(); token.claims["aud"] != w.client.ID {
			t.Errorf("aud %v", token.claims["aud"])
		}
		if v := w.front("response_type", "code token"); v.Get("error") != "unauthorized_client" {
			t.Errorf("a response type not registered: %v", v)
		}
	}
	for _, c := range ` :%+&#"'` {
		if !strings.ContainsRune(punctuation, c) {
			t.Errorf("no %q in any of %q", c, punctuation)
		}
	}
	if got := w.p.Requests(oidcrptest.RegisterEndpoint)[0].Body; got != usualMetadata {
		t.Errorf("recorded %q", got)
	}
}

func TestRegistrationOfEverything(t *testing.T) {
	w, s := newWire(t), newSigner(t, "RS256")
	keys := strings.Replace(string(s.jwks()), `"use":"sig",`, "", 1) // for both uses
	m := w.register(`{"redirect_uris":["` + callback + `"],"client_name":"Reports","response_types":["token code id_token","code"],
		"grant_types":["authorization_code","implicit","refresh_token"],"jwks":` + keys + `,
		"post_logout_redirect_uris":["` + signedOut + `"],"request_uris":["https://localhost/r"],
		"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_signing_alg":"PS256",
		"id_token_signed_response_alg":"ES256","id_token_encrypted_response_alg":"RSA-OAEP","id_token_encrypted_response_enc":"A256GCM",
		"userinfo_signed_response_alg":"PS256","userinfo_encrypted_response_alg":"RSA-OAEP-256",
		"authorization_signed_response_alg":"EdDSA","authorization_encrypted_response_alg":"RSA-OAEP",
		"request_object_signing_alg":"RS256","require_signed_request_object":true,
		"require_pushed_authorization_requests":true,"dpop_bound_access_tokens":true,"of_my_own":1,
		"backchannel_logout_uri":"http://localhost:1/bc?x=1","backchannel_logout_session_required":true,
		"frontchannel_logout_uri":"http://localhost:1/fc","frontchannel_logout_session_required":true}`).json(t)
	if m["client_secret"] != nil || m["client_secret_expires_at"] != nil || m["of_my_own"] != nil || m["client_name"] != "Reports" {
		t.Errorf("answered %v", m)
	}
	clients := w.p.Clients()
	c := clients[len(clients)-1]
	want := oidcrptest.Client{ID: m["client_id"].(string), Name: "Reports", RedirectURLs: []string{callback}, PostLogoutRedirectURLs: []string{signedOut},
		ResponseTypes: []string{"token code id_token", "code"}, AuthMethod: "private_key_jwt", AuthAlgorithm: "PS256", JWKS: c.JWKS,
		RequestObjectAlgorithm: "RS256", RequestURLs: []string{"https://localhost/r"}, RequireRequestObject: true,
		Algorithm: "ES256", ResponseAlgorithm: "EdDSA", UserInfoAlgorithm: "PS256",
		IDTokenEncryption:  oidcrptest.Encryption{Algorithm: "RSA-OAEP", Content: "A256GCM"},
		UserInfoEncryption: oidcrptest.Encryption{Algorithm: "RSA-OAEP-256"}, ResponseEncryption: oidcrptest.Encryption{Algorithm: "RSA-OAEP"},
		RequirePAR: true, RequireDPoP: true,
		BackchannelLogoutURL: "http://localhost:1/bc?x=1", BackchannelLogoutSessionRequired: true,
		FrontchannelLogoutURL: "http://localhost:1/fc", FrontchannelLogoutSessionRequired: true}
	got, _ := json.Marshal(c)
	if b, _ := json.Marshal(want); string(got) != string(b) || string(c.JWKS) != keys {
		t.Errorf("registered %s,\nwant %s", got, b)
	}
	w.client, s.alg = c, "PS256"
	if a := w.postAs(oidcrptest.RevokeEndpoint, w.assertion(s, nil), url.Values{"token": {"x"}}); a.status != 200 {
		t.Errorf("its assertion answered %d %s", a.status, a.body)
	}
}

func TestRegistrationsRefused(t *testing.T) {
	w := newWire(t)
	const uris = `{"redirect_uris":["` + callback + `"],`
	for name, test := range map[string]struct{ metadata, want string }{
		"no JSON":                     {`redirect_uris=x`, "invalid_client_metadata"},
		"of another type":             {`{"redirect_uris":"` + callback + `"}`, "invalid_client_metadata"},
		"no redirect URI":             {`{}`, "invalid_redirect_uri"},
		"relative redirect URI":       {`{"redirect_uris":["/callback"]}`, "invalid_redirect_uri"},
		"redirect URI with fragment":  {`{"redirect_uris":["` + callback + `#x"]}`, "invalid_redirect_uri"},
		"unknown response type":       {uris + `"response_types":["device"]}`, "invalid_client_metadata"},
		"grant type for code missing": {uris + `"grant_types":["implicit"]}`, "invalid_client_metadata"},
		"grant type implicit missing": {uris + `"response_types":["code id_token"]}`, "invalid_client_metadata"},
		"keys twice":                  {uris + `"jwks":{"keys":[]},"jwks_uri":"https://localhost/"}`, "invalid_client_metadata"},
		"unknown authentication":      {uris + `"token_endpoint_auth_method":"magic"}`, "invalid_client_metadata"},
		"assertions without keys":     {uris + `"token_endpoint_auth_method":"private_key_jwt"}`, "invalid_client_metadata"},
		"unsigned ID tokens":          {uris + `"id_token_signed_response_alg":"none"}`, "invalid_client_metadata"},
		"request objects unsigned HS": {uris + `"request_object_signing_alg":"HS256"}`, "invalid_client_metadata"},
		"encryption without keys":     {uris + `"userinfo_encrypted_response_alg":"RSA-OAEP"}`, "invalid_client_metadata"},
		"logout URL without scheme":   {uris + `"backchannel_logout_uri":"/logout"}`, "invalid_client_metadata"},
		"logout URL with fragment":    {uris + `"backchannel_logout_uri":"http://localhost:1/logout#x"}`, "invalid_client_metadata"},
		"frame with fragment":         {uris + `"frontchannel_logout_uri":"http://localhost:1/logout#x"}`, "invalid_client_metadata"},
		"frame of another origin":     {uris + `"frontchannel_logout_uri":"http://localhost:3001/logout"}`, "invalid_client_metadata"},
		"enc without alg":             {uris + `"id_token_encrypted_response_enc":"A128GCM"}`, "invalid_client_metadata"},
	} {
		before := len(w.p.Clients())
		if a := w.register(test.metadata); a.status != 400 || a.json(t)["error"] != test.want || len(w.p.Clients()) != before {
			t.Errorf("%s: answered %d %s", name, a.status, a.body)
		}
	}
	w.p.SetRegistrationToken("initial")
	if a := w.register(usualMetadata); a.status != 401 {
		t.Errorf("without initial access token answered %d", a.status)
	}
	r := w.postRequest(oidcrptest.RegisterEndpoint, nil)
	r, err := http.NewRequest(http.MethodPost, r.URL.String(), strings.NewReader(usualMetadata))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer initial")
	if a, err := w.do(r); err != nil || a.status != 201 {
		t.Errorf("with it answered %d %s, %v", a.status, a.body, err)
	}
}

// webFinger returns the issuer found; "" if none was.
func (w *wire) webFinger(resource, rel string) string {
	w.t.Helper()
	query := url.Values{"resource": {resource}}
	if rel != "" {
		query.Set("rel", rel)
	}
	a := w.get(w.p.URL(oidcrptest.WebFingerEndpoint) + "?" + query.Encode())
	if a.status == 404 {
		return ""
	}
	if a.status != 200 || a.header.Get("Content-Type") != "application/jrd+json" || a.json(w.t)["subject"] != resource {
		w.t.Fatalf("answered %d %v %s", a.status, a.header, a.body)
	}
	for _, link := range a.json(w.t)["links"].([]any) {
		if m := link.(map[string]any); m["rel"] == "http://openid.net/specs/connect/1.0/issuer" {
			return m["href"].(string)
		}
	}
	return ""
}

func TestWebFinger(t *testing.T) {
	w := newWire(t)
	host := strings.TrimPrefix(w.p.Issuer(), "http://")
	for resource, found := range map[string]bool{
		"acct:alice@" + host:             true,
		"acct:alice@127.0.0.1":           true,
		"acct:alice.smith@home@" + host:  true,
		"https://" + host + "/alice":     true,
		"http://" + host:                 true,
		"acct:alice":                     false,
		"acct:alice@other.example":       false,
		"https://other.example/alice":    false,
		"ftp://" + host:                  false,
		"https://other.example@" + "x/%": false,
	} {
		want := ""
		if found {
			want = w.p.Issuer()
		}
		if got := w.webFinger(resource, "http://openid.net/specs/connect/1.0/issuer"); got != want {
			t.Errorf("%s: issuer %q, want %q", resource, got, want)
		}
	}
	if got := w.webFinger("acct:alice@127.0.0.1", "http://other.example/rel"); got != "" {
		t.Errorf("another relation: %q", got)
	}
	if a := w.get(w.p.URL(oidcrptest.WebFingerEndpoint)); a.status != 400 {
		t.Errorf("no resource answered %d", a.status)
	}
}

// An issuer with a path has two documents at the root of its host.
func TestWellKnownAtTheRoot(t *testing.T) {
	var p *oidcrptest.Provider
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	p, err := oidcrptest.NewHandler(server.URL + "/tenant/")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, p: p, http: server.Client()}
	const oauth = "/.well-known/oauth-authorization-server"
	for address, status := range map[string]int{
		server.URL + oauth + "/tenant":                                           200,
		server.URL + oauth + "/tenant/":                                          200,
		server.URL + oauth:                                                       404,
		server.URL + oauth + "/tenants":                                          404,
		server.URL + "/tenant" + oauth:                                           404,
		server.URL + "/.well-known/webfinger?resource=" + server.URL + "/me":     200,
		server.URL + "/tenant/.well-known/webfinger?resource=" + server.URL:      404,
		p.URL(oidcrptest.OAuthMetadataEndpoint):                                  200,
		p.URL(oidcrptest.WebFingerEndpoint) + "?resource=" + server.URL + "/you": 200,
	} {
		if a := w.get(address); a.status != status {
			t.Errorf("%s answered %d, want %d", address, a.status, status)
		}
	}
	if m := w.get(p.URL(oidcrptest.OAuthMetadataEndpoint)).json(t); m["issuer"] != p.Issuer() {
		t.Errorf("issuer %v", m["issuer"])
	}
}

func TestInitiateLoginURL(t *testing.T) {
	p := oidcrptest.NewProvider(t)
	for want, got := range map[string]string{
		"iss":                            p.InitiateLoginURL("http://localhost:1/auth/initiate", "", ""),
		"iss&login_hint&target_link_uri": p.InitiateLoginURL("http://localhost:1/auth/initiate?a=b", "alice", "/reports"),
	} {
		u, err := url.Parse(got)
		if err != nil || u.Query().Get("iss") != p.Issuer() || u.Path != "/auth/initiate" {
			t.Errorf("%s, %v", got, err)
		}
		for name := range strings.SplitSeq(want, "&") {
			if !u.Query().Has(name) {
				t.Errorf("%s has no %s", got, name)
			}
		}
	}
}
