package oidcrptest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestCodeFlow(t *testing.T) {
	w := newWire(t)
	back := w.authorize()
	if back.Get("state") != "the-state" || back.Get("iss") != w.p.Issuer() || back.Get("code") == "" || len(back) != 3 {
		t.Errorf("response %v", back)
	}
	body := w.tokens()
	token := w.decode(body["id_token"].(string))
	if err := w.verify(token); err != nil {
		t.Error(err)
	}
	want := map[string]any{"iss": w.p.Issuer(), "sub": "alice", "aud": w.client.ID, "nonce": "the-nonce", "acr": "1",
		"name": "Alice Archer", "email": "alice@example.com", "email_verified": true, "preferred_username": "alice",
		"at_hash": halfSHA256(body["access_token"].(string))}
	for name, value := range want {
		if token.claims[name] != value {
			t.Errorf("%s = %v, want %v", name, token.claims[name], value)
		}
	}
	if body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 || body["refresh_token"] != nil {
		t.Errorf("token response %v", body)
	}
	info := w.userInfoBy(body["access_token"].(string)).json(t)
	if info["sub"] != "alice" || info["email"] != "alice@example.com" {
		t.Errorf("UserInfo %v", info)
	}
}

func TestClaimsFollowScopes(t *testing.T) {
	w := newWire(t)
	for name, test := range map[string]struct {
		scope, claims string
		has, hasNot   []string
	}{
		"openid alone":           {"openid", "", []string{"sub", "roles"}, []string{"name", "email"}},
		"email":                  {"openid email", "", []string{"email", "email_verified"}, []string{"name"}},
		"profile":                {"openid profile", "", []string{"name", "given_name"}, []string{"email"}},
		"asked for by parameter": {"openid", `{"id_token":{"email":null}}`, []string{"email"}, []string{"name"}},
	} {
		t.Run(name, func(t *testing.T) {
			claims := w.idToken("scope", test.scope, "claims", test.claims).claims
			for _, name := range test.has {
				if claims[name] == nil {
					t.Errorf("no %s in %v", name, claims)
				}
			}
			for _, name := range test.hasNot {
				if claims[name] != nil {
					t.Errorf("%s in %v", name, claims)
				}
			}
		})
	}
}

func TestUserInfoOnlyClientGetsBareIDTokens(t *testing.T) {
	w := newWire(t)
	w.client.UserInfoOnly = true
	w.p.AddClient(w.client)
	if claims := w.idToken().claims; claims["email"] != nil || claims["roles"] != nil || claims["sub"] != "alice" {
		t.Errorf("claims %v", claims)
	}
	if info := w.userInfo().json(t); info["email"] == nil || info["roles"] == nil {
		t.Errorf("UserInfo %v", info)
	}
}

func TestUsers(t *testing.T) {
	w := newWire(t)
	w.p.AddUser(oidcrptest.User{Subject: "erin", Name: "Erin"})
	w.p.AddUser(oidcrptest.User{Subject: "erin", Name: "Erin Engel", Email: "erin@example.com", Claims: map[string]any{"roles": []string{"auditor"}}})
	w.p.SignInAs("erin")
	if claims := w.idToken().claims; claims["name"] != "Erin Engel" || claims["roles"].([]any)[0] != "auditor" {
		t.Errorf("claims %v", claims)
	}
	if claims := w.idToken("login_hint", "dave@example.com").claims; claims["sub"] != "dave" || len(claims["groups"].([]any)) != 400 {
		t.Errorf("login_hint does not choose the user: %v", claims["sub"])
	}
	if claims := w.idToken("login_hint", "carol").claims; claims["email_verified"] != false {
		t.Errorf("carol's address is verified: %v", claims)
	}
	mustPanic(t, "SignInAs of nobody", func() { w.p.SignInAs("nobody") })
	mustPanic(t, "AddUser without subject", func() { w.p.AddUser(oidcrptest.User{Name: "X"}) })
	mustPanic(t, "Calls of no endpoint", func() { w.p.Calls("/tokn") })
	mustPanic(t, "SetAlgorithm of no algorithm", func() { w.p.SetAlgorithm("RS1") })
}

func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s does not panic", what)
		}
	}()
	f()
}

func TestAuthorizationRequestsRefusedByRedirect(t *testing.T) {
	w := newWire(t)
	for name, test := range map[string]struct {
		changes []string
		want    string
	}{
		"no openid":                 {[]string{"scope", "email"}, "invalid_scope"},
		"no response type":          {[]string{"response_type", ""}, "invalid_request"},
		"unknown response type":     {[]string{"response_type", "code device"}, "unsupported_response_type"},
		"response type twice":       {[]string{"response_type", "code code"}, "unsupported_response_type"},
		"unknown response mode":     {[]string{"response_mode", "web_message"}, "invalid_request"},
		"plain PKCE":                {[]string{"code_challenge_method", "plain"}, "invalid_request"},
		"PKCE without method":       {[]string{"code_challenge_method", ""}, "invalid_request"},
		"PKCE without challenge":    {[]string{"code_challenge", ""}, "invalid_request"},
		"PKCE challenge too short":  {[]string{"code_challenge", "abc"}, "invalid_request"},
		"prompt none with login":    {[]string{"prompt", "none login"}, "invalid_request"},
		"max_age that is no number": {[]string{"max_age", "soon"}, "invalid_request"},
		"claims that are no JSON":   {[]string{"claims", "{"}, "invalid_request"},
		"request that is no object": {[]string{"request", "a.b.c"}, "invalid_request_object"},
		"request from elsewhere":    {[]string{"request_uri", "http://192.0.2.1/request"}, "invalid_request_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			v := w.authorize(test.changes...)
			if v.Get("error") != test.want || v.Get("state") != "the-state" || v.Get("iss") != w.p.Issuer() || v.Has("code") {
				t.Errorf("answered %v, want %s", v, test.want)
			}
		})
	}
}

func TestAuthorizationRequestsRefusedByPage(t *testing.T) {
	w := newWire(t)
	for name, query := range map[string]string{
		"unknown client":                w.request("client_id", "nobody").Encode(),
		"no client":                     w.request("client_id", "").Encode(),
		"no redirect URI":               w.request("redirect_uri", "").Encode(),
		"redirect URI with a suffix":    w.request("redirect_uri", callback+"/").Encode(),
		"redirect URI of another port":  w.request("redirect_uri", "http://localhost:3001/callback").Encode(),
		"redirect URI with a query":     w.request("redirect_uri", callback+"?x=1").Encode(),
		"a parameter twice":             w.request().Encode() + "&state=again",
		"pushed request never pushed":   w.request("request_uri", "urn:ietf:params:oauth:request_uri:x").Encode(),
		"markup in the client id":       w.request("client_id", "<script>").Encode(),
		"language the page has not got": w.request("client_id", "nobody", "ui_locales", "xx").Encode(),
	} {
		t.Run(name, func(t *testing.T) {
			a := w.get(w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + query)
			if a.status != 400 || a.header.Get("Location") != "" || strings.Contains(a.body, "<script>") {
				t.Errorf("answered %d to %q: %s", a.status, a.header.Get("Location"), a.body)
			}
		})
	}
}

func TestTokenRequestsRefused(t *testing.T) {
	w := newWire(t)
	other := w.p.AddClient(oidcrptest.Client{RedirectURLs: []string{callback}})
	for name, test := range map[string]struct {
		change func(r *http.Request, form url.Values)
		status int
		want   string
	}{
		"unknown code":               {func(_ *http.Request, f url.Values) { f.Set("code", "x") }, 400, "invalid_grant"},
		"other redirect URI":         {func(_ *http.Request, f url.Values) { f.Set("redirect_uri", callback+"/") }, 400, "invalid_grant"},
		"no redirect URI":            {func(_ *http.Request, f url.Values) { f.Del("redirect_uri") }, 400, "invalid_grant"},
		"wrong verifier":             {func(_ *http.Request, f url.Values) { f.Set("code_verifier", challenge()) }, 400, "invalid_grant"},
		"no verifier":                {func(_ *http.Request, f url.Values) { f.Del("code_verifier") }, 400, "invalid_grant"},
		"a parameter twice":          {func(_ *http.Request, f url.Values) { f.Add("code", "x") }, 400, "invalid_request"},
		"unknown grant type":         {func(_ *http.Request, f url.Values) { f.Set("grant_type", "password") }, 400, "unsupported_grant_type"},
		"wrong secret":               {func(r *http.Request, _ url.Values) { r.SetBasicAuth(w.client.ID, "x") }, 401, "invalid_client"},
		"unknown client":             {func(r *http.Request, _ url.Values) { r.SetBasicAuth("x", "x") }, 401, "invalid_client"},
		"no client authentication":   {func(r *http.Request, f url.Values) { r.Header.Del("Authorization"); f.Set("client_id", w.client.ID) }, 401, "invalid_client"},
		"rubbish for authentication": {func(r *http.Request, _ url.Values) { r.Header.Set("Authorization", "Basic %%%") }, 401, "invalid_client"},
		"two ways of authentication": {func(_ *http.Request, f url.Values) { f.Set("client_secret", w.client.Secret) }, 400, "invalid_request"},
		"two client ids":             {func(_ *http.Request, f url.Values) { f.Set("client_id", other.ID) }, 400, "invalid_request"},
		"code of another client":     {func(r *http.Request, _ url.Values) { r.SetBasicAuth(other.ID, other.Secret) }, 400, "invalid_grant"},
		"refresh token never given":  {func(_ *http.Request, f url.Values) { f.Set("grant_type", "refresh_token") }, 400, "invalid_grant"},
		"code expired before its use": {func(*http.Request, url.Values) {
			w.p.SetNow(func() time.Time { return time.Now().Add(2 * time.Minute) })
		}, 400, "invalid_grant"},
	} {
		t.Run(name, func(t *testing.T) {
			w.p.SetNow(time.Now)
			form := codeForm(w.authorize().Get("code"))
			r := w.postRequest(oidcrptest.TokenEndpoint, nil)
			test.change(r, form)
			changed := w.postRequest(oidcrptest.TokenEndpoint, form)
			changed.Header = r.Header
			a, err := w.do(changed)
			if err != nil {
				t.Fatal(err)
			}
			if a.status != test.status || a.json(t)["error"] != test.want || a.header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d %s, want %d %s", a.status, a.body, test.status, test.want)
			}
		})
	}
}

func TestClientAuthentication(t *testing.T) {
	for name, test := range map[string]struct {
		client oidcrptest.Client
		send   func(r *http.Request, form url.Values, c oidcrptest.Client)
	}{
		"Basic, form-encoded": {oidcrptest.Client{ID: "a:b c", Secret: "s%+&:ü"}, func(r *http.Request, _ url.Values, c oidcrptest.Client) {
			r.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret))
		}},
		"post": {oidcrptest.Client{AuthMethod: "client_secret_post"}, func(_ *http.Request, f url.Values, c oidcrptest.Client) {
			f.Set("client_id", c.ID)
			f.Set("client_secret", c.Secret)
		}},
		"none": {oidcrptest.Client{AuthMethod: "none"}, func(_ *http.Request, f url.Values, c oidcrptest.Client) {
			f.Set("client_id", c.ID)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire(t)
			test.client.RedirectURLs = []string{callback}
			w.client = w.p.AddClient(test.client)
			form := codeForm(w.authorize().Get("code"))
			header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			test.send(&http.Request{Header: header}, form, w.client)
			r := w.postRequest(oidcrptest.TokenEndpoint, form)
			r.Header = header
			a, err := w.do(r)
			if err != nil || a.status != 200 {
				t.Errorf("answered %d %s, %v", a.status, a.body, err)
			}
		})
	}
	t.Run("method that was not registered", func(t *testing.T) {
		w := newWire(t)
		w.client.AuthMethod = "client_secret_post"
		w.p.AddClient(w.client)
		if a := w.token(); a.json(t)["error"] != "invalid_client" {
			t.Errorf("answered %d %s", a.status, a.body)
		}
	})
}

func TestCodeUsedTwiceTakesItsTokens(t *testing.T) {
	w := newWire(t)
	form := codeForm(w.authorize().Get("code"))
	first := w.post(oidcrptest.TokenEndpoint, form).json(t)
	if a := w.post(oidcrptest.TokenEndpoint, form); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("second use answered %d %s", a.status, a.body)
	}
	if a := w.userInfoBy(first["access_token"].(string)); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("UserInfo answered %d", a.status)
	}
}

func refreshForm(token any) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}}
}

func TestRefresh(t *testing.T) {
	w := newWire(t)
	first := w.tokens("scope", "openid email offline_access")
	second := w.post(oidcrptest.TokenEndpoint, refreshForm(first["refresh_token"])).json(t)
	token := w.decode(second["id_token"].(string))
	if token.claims["sub"] != "alice" || token.claims["nonce"] != nil || w.verify(token) != nil {
		t.Errorf("ID token of a refresh: %v", token.claims)
	}
	if second["refresh_token"] == first["refresh_token"] {
		t.Error("refresh token was not rotated")
	}
	narrow := refreshForm(second["refresh_token"])
	narrow.Set("scope", "openid")
	third := w.post(oidcrptest.TokenEndpoint, narrow).json(t)
	if third["scope"] != "openid" {
		t.Errorf("narrower scope answered by %v", third["scope"])
	}
	wide := refreshForm(third["refresh_token"])
	wide.Set("scope", "openid phone")
	if a := w.post(oidcrptest.TokenEndpoint, wide); a.json(t)["error"] != "invalid_scope" {
		t.Errorf("wider scope answered by %s", a.body)
	}
	if a := w.post(oidcrptest.TokenEndpoint, refreshForm(first["refresh_token"])); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("reuse answered by %s", a.body)
	}
	if a := w.post(oidcrptest.TokenEndpoint, refreshForm(third["refresh_token"])); a.json(t)["error"] != "invalid_grant" {
		t.Errorf("token of a stolen family answered by %s", a.body)
	}
}

func TestRevocation(t *testing.T) {
	w := newWire(t)
	body := w.tokens("scope", "openid offline_access")
	if a := w.post(oidcrptest.RevokeEndpoint, url.Values{"token": {"unknown"}}); a.status != 200 {
		t.Errorf("unknown token answered %d", a.status)
	}
	w.post(oidcrptest.RevokeEndpoint, url.Values{"token": {body["refresh_token"].(string)}})
	if a := w.post(oidcrptest.TokenEndpoint, refreshForm(body["refresh_token"])); a.status != 400 {
		t.Errorf("revoked refresh token answered %d", a.status)
	}
	if a := w.userInfoBy(body["access_token"].(string)); a.status != 401 {
		t.Errorf("access token of a revoked grant answered %d", a.status)
	}

	body = w.tokens("scope", "openid offline_access")
	w.post(oidcrptest.RevokeEndpoint, url.Values{"token": {body["access_token"].(string)}})
	if a := w.userInfoBy(body["access_token"].(string)); a.status != 401 {
		t.Errorf("revoked access token answered %d", a.status)
	}
	if a := w.post(oidcrptest.TokenEndpoint, refreshForm(body["refresh_token"])); a.status != 200 {
		t.Errorf("refresh token answered %d after its access token was revoked", a.status)
	}

	body = w.tokens("scope", "openid offline_access")
	w.p.RevokeTokens()
	if a := w.post(oidcrptest.TokenEndpoint, refreshForm(body["refresh_token"])); a.status != 400 {
		t.Errorf("answered %d after RevokeTokens", a.status)
	}
}

func TestTokenLifetime(t *testing.T) {
	w := newWire(t)
	now := time.Unix(2_000_000_000, 0)
	w.p.SetNow(func() time.Time { return now })
	w.p.SetTokenLifetime(time.Minute)
	body := w.tokens()
	claims := w.decode(body["id_token"].(string)).claims
	if body["expires_in"] != 60.0 || claims["exp"] != claims["iat"].(float64)+60 {
		t.Errorf("expires_in %v, exp %v, iat %v", body["expires_in"], claims["exp"], claims["iat"])
	}
	now = now.Add(61 * time.Second)
	if a := w.userInfoBy(body["access_token"].(string)); a.status != 401 {
		t.Errorf("expired token answered %d", a.status)
	}
}

func TestPushedRequests(t *testing.T) {
	w := newWire(t)
	w.client.RequirePAR = true
	w.p.AddClient(w.client)
	if a := w.get(w.authorizeURL()); a.status != 400 {
		t.Errorf("request that was not pushed answered %d", a.status)
	}
	a := w.post(oidcrptest.PAREndpoint, w.request())
	if a.status != 201 || a.json(t)["expires_in"] != 60.0 {
		t.Fatalf("PAR answered %d %s", a.status, a.body)
	}
	pushed := w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + url.Values{"client_id": {w.client.ID}, "request_uri": {a.json(t)["request_uri"].(string)}}.Encode()
	location, _ := url.Parse(w.get(pushed).header.Get("Location"))
	if location.Query().Get("code") == "" || location.Query().Get("state") != "the-state" {
		t.Errorf("came back with %v", location)
	}
	if a := w.get(pushed); a.status != 400 {
		t.Errorf("second use answered %d", a.status)
	}

	a = w.post(oidcrptest.PAREndpoint, w.request())
	w.p.SetNow(func() time.Time { return time.Now().Add(2 * time.Minute) })
	pushed = w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + url.Values{"client_id": {w.client.ID}, "request_uri": {a.json(t)["request_uri"].(string)}}.Encode()
	if a := w.get(pushed); a.status != 400 {
		t.Errorf("expired request answered %d", a.status)
	}
	for name, form := range map[string]url.Values{
		"unregistered redirect URI": w.request("redirect_uri", "http://localhost:1/"),
		"request_uri":               w.request("request_uri", "urn:x"),
		"no response type":          w.request("response_type", ""),
	} {
		if a := w.post(oidcrptest.PAREndpoint, form); a.status != 400 {
			t.Errorf("%s: answered %d %s", name, a.status, a.body)
		}
	}
}

func TestAlgorithms(t *testing.T) {
	for _, alg := range []string{"RS256", "ES256", "PS256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w := newWire(t)
			w.p.SetAlgorithm(alg)
			token := w.idToken()
			if err := w.verify(token); err != nil || token.header["alg"] != alg {
				t.Errorf("header %v: %v", token.header, err)
			}
		})
	}
	t.Run("HS256", func(t *testing.T) {
		w := newWire(t)
		w.client.Algorithm = "HS256"
		w.p.AddClient(w.client)
		token := w.idToken()
		if token.header["alg"] != "HS256" || token.header["kid"] != nil || !hmacMatches(token.raw, w.client.Secret) {
			t.Errorf("header %v", token.header)
		}
		a := w.get(w.p.URL(oidcrptest.EndSessionEndpoint) + "?" + url.Values{"id_token_hint": {token.raw}, "post_logout_redirect_uri": {signedOut}}.Encode())
		if a.header.Get("Location") != signedOut {
			t.Errorf("hint by HS256 answered %d %s", a.status, a.body)
		}
	})
}

func TestKeyRotation(t *testing.T) {
	w := newWire(t)
	before := w.idToken()
	w.p.RotateKeys()
	after := w.idToken()
	if before.header["kid"] == after.header["kid"] {
		t.Error("the same key signs")
	}
	if w.verify(before) != nil || w.verify(after) != nil {
		t.Error("both keys must be published")
	}
	w.p.DropOldKeys()
	if w.verify(before) == nil || w.verify(after) != nil {
		t.Error("only the new key must be published")
	}
	if signed := w.decode(w.p.Sign("ES256", "logout+jwt", map[string]any{"sub": "x"})); w.verify(signed) != nil || signed.header["typ"] != "logout+jwt" {
		t.Errorf("Sign made %v", signed)
	}
}

func TestKeysAreOfOneProvider(t *testing.T) {
	a, b := newWire(t), newWire(t)
	if b.verify(a.idToken()) == nil {
		t.Error("two providers share a key")
	}
}

func TestRecording(t *testing.T) {
	w := newWire(t)
	w.tokens()
	if w.p.Calls(oidcrptest.AuthorizeEndpoint) != 1 || w.p.Calls(oidcrptest.TokenEndpoint) != 1 || w.p.Calls(oidcrptest.UserInfoEndpoint) != 0 {
		t.Error("calls are not counted")
	}
	r := w.p.Requests(oidcrptest.TokenEndpoint)[0]
	if r.Method != "POST" || r.Form.Get("code_verifier") != verifier || !strings.HasPrefix(r.Header.Get("Authorization"), "Basic ") {
		t.Errorf("recorded %v", r)
	}
	if r := w.p.Requests(oidcrptest.AuthorizeEndpoint)[0]; r.Query.Get("nonce") != "the-nonce" {
		t.Errorf("recorded %v", r)
	}
	w.p.ResetCalls()
	if w.p.Calls(oidcrptest.TokenEndpoint) != 0 || len(w.p.Requests(oidcrptest.TokenEndpoint)) != 0 {
		t.Error("calls are not forgotten")
	}
}

func TestStopAndStart(t *testing.T) {
	w := newWire(t)
	before := w.idToken()
	w.p.Stop()
	w.p.Stop()
	if _, err := http.Get(w.p.URL(oidcrptest.DiscoveryEndpoint)); err == nil {
		t.Error("a stopped provider answers")
	}
	if err := w.p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.p.Start(); err != nil {
		t.Fatal(err)
	}
	if w.metadata()["issuer"] != w.p.Issuer() || w.verify(before) != nil {
		t.Error("came back as another")
	}
}

func TestLoopbackOnly(t *testing.T) {
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:0", "127.0.0.1", "localhost.example:0"} {
		if p, err := oidcrptest.StartProvider(addr); err == nil {
			p.Close()
			t.Errorf("listens on %s", addr)
		}
	}
	for _, issuer := range []string{"http://example.com", "https://0.0.0.0/", "ftp://localhost/", "http://localhost/?x", "http://u@localhost/", "http://localhost.example/", "%"} {
		if _, err := oidcrptest.NewHandler(issuer); err == nil {
			t.Errorf("is issuer %s", issuer)
		}
	}
	p, err := oidcrptest.StartProvider("localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if !strings.HasPrefix(p.Issuer(), "http://localhost:") {
		t.Errorf("issuer %s", p.Issuer())
	}
	for name, change := range map[string]func(*http.Request){
		"request from another machine":   func(r *http.Request) { r.RemoteAddr = "192.0.2.7:1234" },
		"request for a name not its own": func(r *http.Request) { r.Host = "rebound.example" },
	} {
		r := httptest.NewRequest("GET", p.URL(oidcrptest.DiscoveryEndpoint), nil)
		r.RemoteAddr = "127.0.0.1:1234"
		change(r)
		rec := httptest.NewRecorder()
		p.ServeHTTP(rec, r)
		if rec.Code != 403 {
			t.Errorf("%s: answered %d", name, rec.Code)
		}
	}
}

func TestHandlerWithPathAndTLS(t *testing.T) {
	var p *oidcrptest.Provider
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	defer server.Close()
	p, err := oidcrptest.NewHandler(server.URL + "/tenant/")
	if err != nil {
		t.Fatal(err)
	}
	client := p.AddClient(oidcrptest.Client{RedirectURLs: []string{callback}})
	w := &wire{t: t, p: p, client: client, http: server.Client()}
	if m := w.metadata(); m["issuer"] != server.URL+"/tenant/" || m["token_endpoint"] != server.URL+"/tenant/token" {
		t.Errorf("metadata %v", m)
	}
	if a := w.get(server.URL + "/token"); a.status != 404 {
		t.Errorf("endpoint outside the issuer's path answered %d", a.status)
	}
	b := oidcrptest.NewBrowser(t)
	b.Get(w.authorizeURL())
	b.SubmitForm("alice", nil)
	if c := b.Cookies(p.Issuer()); len(c) != 1 || !c[0].Secure || c[0].Path != "/tenant/" || c[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("cookies %v", c)
	}
}

func TestMethods(t *testing.T) {
	w := newWire(t)
	if a := w.get(w.p.URL(oidcrptest.TokenEndpoint)); a.status != 405 || a.header.Get("Allow") != "POST" {
		t.Errorf("GET of the token endpoint answered %d", a.status)
	}
	if a := w.post(oidcrptest.AuthorizeEndpoint, w.request()); a.status != 303 {
		t.Errorf("POST of the authorization endpoint answered %d", a.status)
	}
	if a := w.post(oidcrptest.JWKSEndpoint, nil); a.status != 405 {
		t.Errorf("POST of the key set answered %d", a.status)
	}
}

func TestUserInfoNeedsAToken(t *testing.T) {
	w := newWire(t)
	if a := w.get(w.p.URL(oidcrptest.UserInfoEndpoint)); a.status != 401 || a.header.Get("WWW-Authenticate") != `Bearer realm="oidcrptest"` {
		t.Errorf("answered %d %v", a.status, a.header)
	}
	if a := w.userInfoBy("rubbish"); a.status != 401 || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
		t.Errorf("answered %d %v", a.status, a.header)
	}
	if a := w.post(oidcrptest.UserInfoEndpoint, nil); a.status != 401 {
		t.Errorf("answered %d", a.status)
	}
}

func TestProviderServesConcurrently(t *testing.T) {
	w := newWire(t)
	done := make(chan bool)
	for range 8 {
		go func() {
			defer func() { done <- true }()
			w.tokens("scope", "openid offline_access")
			w.p.SetFaults(oidcrptest.WrongACR)
			w.p.Calls(oidcrptest.TokenEndpoint)
		}()
	}
	for range 8 {
		<-done
	}
}
