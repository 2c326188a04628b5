package provider_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func TestComplete(t *testing.T) {
	f := newFake(t)
	now := f.clock.Now()
	f.claims = map[string]any{"sid": "s1", "acr": "high", "amr": []string{"pwd", "otp"}, "auth_time": now.Unix() - 5, "email": "a@example.com"}
	f.answer = map[string]any{"scope": "openid email"}
	p := f.new(t)
	login, err := complete(f, p)
	if err != nil {
		t.Fatal(err)
	}
	if login.Issuer != f.URL || login.Subject != "alice" || login.SID != "s1" || login.ACR != "high" || len(login.AMR) != 2 ||
		!login.AuthTime.Equal(now.Add(-5*time.Second)) || !login.IssuedAt.Equal(now) || !login.Expiry.Equal(now.Add(5*time.Minute)) ||
		strings.Join(login.Scopes, " ") != "openid email" || login.Warning != nil || login.UserInfo != nil ||
		strings.Count(login.RawIDToken, ".") != 2 || string(login.Claims["email"]) != `"a@example.com"` {
		t.Errorf("got %+v", login)
	}
	if f.count("/userinfo") != 0 {
		t.Error("userinfo was asked although it is off")
	}
}

func TestGrantedScopesDefaultToThoseAskedFor(t *testing.T) {
	f := newFake(t)
	login, err := complete(f, f.new(t))
	if err != nil || strings.Join(login.Scopes, " ") != "openid profile email" {
		t.Errorf("got %+v, %v", login, err)
	}
}

func TestTokenRequest(t *testing.T) {
	common := url.Values{
		"grant_type": {"authorization_code"}, "code": {theCode}, "code_verifier": {theVerifier},
		"redirect_uri": {"https://rp.example/auth/callback/op"},
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("client+1:canary-secret+%2F%2B%3A%25"))
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		more   url.Values
		header string
	}{
		{"with basic, form-encoded", nil, nil, basic},
		{"with post", func(s *provider.Settings) { s.ClientAuth = "client_secret_post" },
			url.Values{"client_id": {clientID}, "client_secret": {clientSecret}}, ""},
		{"of a public client", func(s *provider.Settings) { s.Secret = nil }, url.Values{"client_id": {clientID}}, ""},
		{"for resources", func(s *provider.Settings) { s.Resource = []string{"https://a.example", "https://b.example"} },
			url.Values{"resource": {"https://a.example", "https://b.example"}}, basic},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			p := f.new(t, func(s *provider.Settings) {
				if tt.change != nil {
					tt.change(s)
				}
			})
			if _, err := complete(f, p); err != nil {
				t.Fatal(err)
			}
			got := f.requests("/token")
			if len(got) != 1 {
				t.Fatalf("%d token requests", len(got))
			}
			want := url.Values{}
			for _, part := range []url.Values{common, tt.more} {
				for k, v := range part {
					want[k] = v
				}
			}
			r := got[0]
			if r.Form.Encode() != want.Encode() {
				t.Errorf("form %s\nwant %s", r.Form.Encode(), want.Encode())
			}
			if r.Method != "POST" || r.Header.Get("Authorization") != tt.header || r.Header.Get("Accept") != "application/json" || r.Header.Get("Content-Type") != urlencoded {
				t.Errorf("method %s, header %v", r.Method, r.Header)
			}
		})
	}
}

func TestSecretIsAskedForAtEachUse(t *testing.T) {
	f := newFake(t)
	n := 0
	p := f.new(t, func(s *provider.Settings) {
		s.ClientAuth = "client_secret_post"
		s.Secret = func(context.Context) (string, error) {
			n++
			return fmt.Sprint("secret", n), nil
		}
	})
	for i := 1; i <= 2; i++ {
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
		if got := f.requests("/token")[i-1].Form.Get("client_secret"); got != fmt.Sprint("secret", i) {
			t.Errorf("login %d used %q", i, got)
		}
	}
	vault := errors.New("vault is sealed")
	for _, tt := range []struct {
		name   string
		secret func(context.Context) (string, error)
		want   error
	}{
		{"a secret that cannot be had", func(context.Context) (string, error) { return "", vault }, vault},
		{"an unavailable secret", func(context.Context) (string, error) { return "", vault }, provider.ErrUnavailable},
		{"an empty secret", func(context.Context) (string, error) { return "", nil }, provider.ErrMisconfigured},
	} {
		f := newFake(t)
		_, err := complete(f, f.new(t, func(s *provider.Settings) { s.Secret = tt.secret }))
		if !errors.Is(err, tt.want) || f.count("/token") != 0 {
			t.Errorf("%s: %v after %d token requests", tt.name, err, f.count("/token"))
		}
	}
}

// Whatever the token endpoint answers, the code was sent once (T073), nothing
// secret is in the error (T127), and UserInfo was not asked.
func TestTokenEndpointFailures(t *testing.T) {
	echo := fmt.Sprintf(`{"error":"invalid_grant","error_description":"code %s verifier %s for %s or %s is bad"}`,
		theCode, theVerifier, clientSecret, url.QueryEscape(clientSecret))
	canary := fmt.Sprintf("%s %s %s %s", theCode, theVerifier, clientSecret, theAccess)
	for _, tt := range []struct {
		name  string
		h     http.HandlerFunc
		want  error
		code  string // of the *Error
		check string
	}{
		{"invalid_grant", respond(400, "application/json", echo), nil, "invalid_grant", ""},
		{"invalid_client", respond(401, "application/json", `{"error":"invalid_client"}`), provider.ErrMisconfigured, "invalid_client", ""},
		{"unauthorized_client", respond(400, "application/json;charset=UTF-8", `{"error":"unauthorized_client"}`), provider.ErrMisconfigured, "unauthorized_client", ""},
		{"server_error with 400", respond(400, "application/json", `{"error":"server_error"}`), provider.ErrUnavailable, "server_error", ""},
		{"an OAuth error with 500", respond(500, "application/json", `{"error":"error"}`), provider.ErrUnavailable, "error", ""},
		{"an OAuth error with 200", respond(200, "application/json", `{"error":"invalid_grant","id_token":"x"}`), nil, "invalid_grant", ""},
		{"an error that is an object", respond(400, "application/json", `{"error":{"message":"x"}}`), provider.ErrUnavailable, "", ""},
		{"500 with HTML", respond(500, "text/html", canary), provider.ErrUnavailable, "", ""},
		{"404", respond(404, "text/html", canary), provider.ErrUnavailable, "", ""},
		{"429", respond(429, "text/plain", canary), provider.ErrUnavailable, "", ""},
		{"201", respond(201, "application/json", canary), provider.ErrUnavailable, "", ""},
		{"a reset connection", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) }, provider.ErrUnavailable, "", ""},
		{"a form body", respond(200, "text/plain", "access_token=canary&id_token=canary"), provider.ErrUnavailable, "", ""},
		{"HTML with 200", respond(200, "text/html", canary), provider.ErrUnavailable, "", ""},
		{"no content type", func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = nil
			w.Write([]byte(`{"id_token":"canary"}`))
		}, provider.ErrUnavailable, "", ""},
		{"half an object", respond(200, "application/json", `{"id_token":"canary`), provider.ErrInvalid, "", "json"},
		{"an empty body", respond(200, "application/json", ""), provider.ErrInvalid, "", "json"},
		{"two ID tokens", respond(200, "application/json", `{"id_token":"a","id_token":"canary"}`), provider.ErrInvalid, "", "json"},
		{"more than a megabyte", respond(200, "application/json", strings.Repeat(" ", 1<<20+1)), provider.ErrUnavailable, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			f := newFake(t)
			f.handle("/token", tt.h)
			p := f.new(t, func(s *provider.Settings) {
				s.UserInfo = provider.UserInfoRequired
				s.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			})
			_, err := complete(f, p)
			if err == nil || (tt.want != nil && !errors.Is(err, tt.want)) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
			oauth, ok := errors.AsType[*provider.Error](err)
			if ok != (tt.code != "") || (ok && oauth.Code != tt.code) {
				t.Errorf("got %v; want an *Error with %q", err, tt.code)
			}
			if tt.check != "" && checked(err) != tt.check {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
			if !strings.Contains(err.Error(), "token") {
				t.Errorf("%v does not name the endpoint", err)
			}
			if n := f.count("/token"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
			if n := f.count("/userinfo"); n != 0 {
				t.Errorf("userinfo was asked %d times", n)
			}
			noSecrets(t, fmt.Sprintf("%v %+v %s", err, oauth, log.String()))
		})
	}
}

// What an endpoint's address has in its query is nobody's business.
func TestErrorsLeaveOutAddresses(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"token_endpoint": f.URL + "/token?key=canary"}
	f.handle("/token", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	_, err := complete(f, f.new(t))
	if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), strings.TrimPrefix(f.URL, "http://")) {
		t.Errorf("got %v; want ErrUnavailable that names the host", err)
	}
	noSecrets(t, err.Error())
}

func TestRetryAfterOfTheTokenEndpoint(t *testing.T) {
	f := newFake(t)
	f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		respond(503, "application/json", `{"error":"temporarily_unavailable"}`)(w, r)
	})
	_, err := complete(f, f.new(t))
	if u, ok := errors.AsType[*provider.Unavailable](err); !ok || u.RetryAfter() != 7*time.Second {
		t.Errorf("got %v", err)
	}
}

// T059.
func TestTokenResponseOddities(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer map[string]any
		check  string // "" is accepted
	}{
		{"no ID token", map[string]any{"id_token": nil}, "id_token"},
		{"an ID token that is a number", map[string]any{"id_token": 1}, "id_token"},
		{"an ID token that is empty", map[string]any{"id_token": ""}, "id_token"},
		{"an ID token that is an array", map[string]any{"id_token": []string{"x"}}, "id_token"},
		{"a type in another case", map[string]any{"token_type": "bEARER"}, ""},
		{"no type", map[string]any{"token_type": nil}, ""},
		{"an unknown type", map[string]any{"token_type": "mac"}, "token_type"},
		{"DPoP, which was not asked for", map[string]any{"token_type": "DPoP"}, "token_type"},
		{"a type that is a number", map[string]any{"token_type": 1}, "token_type"},
		{"an access token that is a number", map[string]any{"access_token": 1}, "access_token"},
		{"an access token with a line break", map[string]any{"access_token": "a\r\nb"}, "access_token"},
		{"no access token", map[string]any{"access_token": nil}, ""},
		{"no lifetime", map[string]any{"expires_in": nil}, ""},
		{"a lifetime as text", map[string]any{"expires_in": "3600"}, ""},
		{"a negative lifetime", map[string]any{"expires_in": -5}, ""},
		{"an absurd lifetime", map[string]any{"expires_in": 1e18}, ""},
		{"a lifetime that is an object", map[string]any{"expires_in": map[string]any{}}, ""},
		{"members nobody knows", map[string]any{"x": []int{1}, "refresh_token": "r", "session_state": "s"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.answer = tt.answer
			_, err := complete(f, f.new(t))
			if checked(err) != tt.check || (err == nil) != (tt.check == "") {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
			if n := f.count("/token"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
	t.Run("a null ID token", func(t *testing.T) {
		f := newFake(t)
		f.handle("/token", respond(200, "application/json", `{"access_token":"a","token_type":"Bearer","id_token":null}`))
		if _, err := complete(f, f.new(t)); checked(err) != "id_token" {
			t.Errorf("got %v", err)
		}
	})
}

func TestAccessTokenLifetimeIsBounded(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Time{
		`300`:    now.Add(5 * time.Minute),
		`"300"`:  now.Add(5 * time.Minute),
		`300.5`:  now.Add(5 * time.Minute),
		`-1`:     now,
		`1e18`:   now.Add(365 * 24 * time.Hour),
		`1e300`:  now.Add(365 * 24 * time.Hour),
		`"NaN"`:  {},
		`"soon"`: {},
		`null`:   {},
		`[]`:     {},
	} {
		got, err := provider.AccessTokenExpiry(`{"id_token":"x","access_token":"a","expires_in":`+value+`}`, now)
		if err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", value, got, err, want)
		}
	}
}

func TestErrorResponseEndsTheLogin(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	_, err := p.Complete(context.Background(), &provider.Response{Error: "access_denied", ErrorDescription: "no", ErrorURI: "https://op.example/e"}, f.expected())
	e, ok := errors.AsType[*provider.Error](err)
	if !ok || *e != (provider.Error{Code: "access_denied", Description: "no", URI: "https://op.example/e"}) {
		t.Errorf("got %v", err)
	}
	for _, tt := range []struct {
		name string
		r    provider.Response
		e    provider.Expected
		want error
	}{
		{"no code", provider.Response{}, f.expected(), provider.ErrInvalid},
		{"no nonce", provider.Response{Code: theCode}, provider.Expected{Verifier: theVerifier}, provider.ErrMisconfigured},
		{"no verifier", provider.Response{Code: theCode}, provider.Expected{Nonce: theNonce}, provider.ErrMisconfigured},
	} {
		if _, err := p.Complete(context.Background(), &tt.r, tt.e); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if n := f.count("/token"); n != 0 {
		t.Errorf("%d token requests", n)
	}
}

func TestErrorClasses(t *testing.T) {
	for _, tt := range []struct {
		code                       string
		misconfigured, unavailable bool
	}{
		{"invalid_client", true, false},
		{"unauthorized_client", true, false},
		{"invalid_scope", true, false},
		{"server_error", false, true},
		{"temporarily_unavailable", false, true},
		{"access_denied", false, false},
		{"login_required", false, false},
		{"invalid_grant", false, false},
		{"something else", false, false},
	} {
		err := fmt.Errorf("wrapped: %w", &provider.Error{Code: tt.code})
		if errors.Is(err, provider.ErrMisconfigured) != tt.misconfigured || errors.Is(err, provider.ErrUnavailable) != tt.unavailable {
			t.Errorf("%s: misconfigured %v, unavailable %v", tt.code, errors.Is(err, provider.ErrMisconfigured), errors.Is(err, provider.ErrUnavailable))
		}
	}
}

// A browser that goes away during the token call spoils nothing for others.
func TestCancelledExchange(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	ctx, cancel := context.WithCancel(context.Background())
	f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := p.Complete(ctx, &provider.Response{Code: theCode}, f.expected()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want context.Canceled", err)
	}
	f.handle("/token", nil)
	if _, err := complete(f, p); err != nil {
		t.Errorf("the next login: %v", err)
	}
}

// FuzzTokens: what is accepted is what encoding/json reads too, and no error;
// what is refused is told in short, and repeats no secret and no line break.
func FuzzTokens(f *testing.F) {
	const kind = "application/json"
	for _, seed := range []struct {
		status int
		kind   string
		body   string
	}{
		{200, kind, `{"id_token":"a.b.c","access_token":"t","token_type":"Bearer","expires_in":"3600","scope":"openid"}`},
		{200, "application/vnd.op+json; charset=utf-8", `{"id_token":"a.b.c"}`},
		{200, kind, `{"id_token":"a.b.c","ID_TOKEN":"d.e.f"}`},
		{200, kind, `{}`},
		{200, kind, `{"ID_TOKEN":"a.b.c"}`},
		{200, kind, `{"id_token":null,"access_token":null}`},
		{200, kind, `{"id_token":"a.b.c","access_token":"\u0000","expires_in":1e999}`},
		{200, kind, `{"error":"invalid_grant","id_token":"a.b.c"}`},
		{400, kind, `{"error":"invalid_grant","error_description":"` + theCode + `\r\n","error_uri":7}`},
		{401, kind, `{"error":"invalid_client"}`},
		{503, kind, `{"error":"temporarily_unavailable"}`},
		{500, "text/html", `<p>` + theCode},
		{200, "text/plain", `id_token=a`},
	} {
		f.Add(seed.status, seed.kind, seed.body)
	}
	f.Fuzz(func(t *testing.T, status int, kind, body string) {
		idToken, access, err := provider.ReadTokens(status, kind, body, theCode)
		if err != nil {
			text := err.Error()
			if strings.Contains(text, theCode) || strings.ContainsAny(text, "\r\n\x00") || len(text) > 4096 {
				t.Errorf("the error says %q", text)
			}
			var answered *provider.Error
			if !errors.Is(err, provider.ErrInvalid) && !errors.Is(err, provider.ErrUnavailable) && !errors.Is(err, provider.ErrMisconfigured) && !errors.As(err, &answered) {
				t.Errorf("%v is of no kind", err)
			}
			return
		}
		var read map[string]any // by exact names; the last of two would win
		if err := json.Unmarshal([]byte(body), &read); err != nil || status != 200 {
			t.Fatalf("accepted %d %q: %v", status, body, err)
		}
		// Neither has to be there: which one must be depends on what was asked.
		for name, got := range map[string]string{"id_token": idToken, "access_token": access} {
			if want, isString := read[name].(string); got != want || !isString && read[name] != nil {
				t.Errorf("accepted %q with %s %q", body, name, got)
			}
		}
		if _, failed := read["error"]; failed {
			t.Errorf("accepted the error %q", body)
		}
	})
}
