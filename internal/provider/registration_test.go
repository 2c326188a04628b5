package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const canaryToken = "canary-initial-token"

// registers makes the fake one that registers, answering with changed members.
func (f *fake) registers(answer map[string]any) {
	f.set(func(f *fake) { f.metadata = map[string]any{"registration_endpoint": f.URL + "/register"} })
	f.handle("/register", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(change(map[string]any{
			"client_id": clientID, "client_secret": clientSecret, "client_secret_expires_at": 0,
			"registration_access_token": "canary-management", "registration_client_uri": f.URL + "/register/1",
		}, answer))
	})
}

// registering are settings without a client.
func registering(s *provider.Settings) {
	s.ClientID, s.Secret = "", nil
	s.Registration = &provider.Registration{InitialAccessToken: canaryToken}
}

func authorize(p *provider.Provider) (url.Values, error) {
	address, err := p.AuthorizationURL(context.Background(), provider.Request{State: "s", Nonce: theNonce, Challenge: "c"})
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(address)
	return u.Query(), err
}

func TestRegistrationAtFirstLogin(t *testing.T) {
	f := newFake(t)
	var sent map[string]any
	var header http.Header
	f.registers(nil)
	answer := f.handlers["/register"]
	f.handle("/register", func(w http.ResponseWriter, r *http.Request) { answer(w, r) })
	f.Server.Config.Handler = capture(f.Server.Config.Handler, &sent, &header)
	p := f.new(t, registering)
	if err := p.Ready(context.Background()); err != nil || f.count("/register") != 0 {
		t.Fatalf("%v, registered %d times", err, f.count("/register"))
	}
	for range 3 {
		q, err := authorize(p)
		if err != nil || q.Get("client_id") != clientID {
			t.Fatalf("%v %v", q, err)
		}
	}
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	if n := f.count("/register"); n != 1 {
		t.Errorf("registered %d times", n)
	}
	id, secret, _ := (&http.Request{Header: f.requests("/token")[0].Header}).BasicAuth()
	if id != url.QueryEscape(clientID) || secret != url.QueryEscape(clientSecret) {
		t.Errorf("redeemed as %q, %q", id, secret)
	}
	want := map[string]any{
		"application_type": "web", "redirect_uris": []any{"https://rp.example/auth/callback/op"},
		"response_types": []any{"code"}, "grant_types": []any{"authorization_code"},
		"token_endpoint_auth_method": "client_secret_basic", "scope": "openid profile email",
	}
	if !reflect.DeepEqual(sent, want) {
		t.Errorf("sent %v,\nwant %v", sent, want)
	}
	if header.Get("Authorization") != "Bearer "+canaryToken || header.Get("Content-Type") != "application/json" {
		t.Errorf("with %v", header)
	}
}

// capture keeps the body of the latest registration.
func capture(h http.Handler, body *map[string]any, header *http.Header) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/register" {
			b, _ := io.ReadAll(r.Body)
			*body, *header = nil, r.Header.Clone()
			json.Unmarshal(b, body)
		}
		h.ServeHTTP(w, r)
	})
}

func TestRegistrationSaysWhatTheSettingsSay(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(*provider.Settings)
		want   map[string]any
	}{
		"hybrid": {func(s *provider.Settings) { s.ResponseType = "id_token code" },
			map[string]any{"response_types": []any{"code id_token"}, "grant_types": []any{"authorization_code", "implicit"}}},
		"implicit": {func(s *provider.Settings) { s.ResponseType = "id_token" },
			map[string]any{"response_types": []any{"id_token"}, "grant_types": []any{"implicit"}}},
		"algorithm": {func(s *provider.Settings) { s.Algorithms, s.ResponseMode = []string{"ES256"}, "jwt" },
			map[string]any{"id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256"}},
		"names and addresses": {func(s *provider.Settings) {
			s.Registration.ClientName = "Reports"
			s.Registration.PostLogoutRedirectURL = "https://rp.example/auth/logout"
			s.Registration.InitiateLoginURL = "https://rp.example/auth/initiate"
			s.Registration.BackchannelLogoutURL = "https://rp.example/auth/backchannel-logout/op"
			s.Registration.FrontchannelLogoutURL = "https://rp.example/auth/frontchannel-logout/op"
			s.Registration.Metadata = map[string]any{"contacts": []string{"ops@rp.example"}}
		}, map[string]any{
			"backchannel_logout_uri": "https://rp.example/auth/backchannel-logout/op", "frontchannel_logout_uri": "https://rp.example/auth/frontchannel-logout/op",
			"frontchannel_logout_session_required": true,
			"client_name":                          "Reports", "post_logout_redirect_uris": []any{"https://rp.example/auth/logout"},
			"initiate_login_uri": "https://rp.example/auth/initiate", "contacts": []any{"ops@rp.example"},
		}},
		"initiation without https": {func(s *provider.Settings) { s.Registration.InitiateLoginURL = "http://localhost/auth/initiate" },
			map[string]any{"initiate_login_uri": nil}},
		"signed requests": {func(s *provider.Settings) {
			s.ClientKeys = []provider.ClientKey{{Key: key, Algorithm: "PS256"}}
			s.ClientAuth, s.RequestObject = "client_secret_post", "request_uri"
			s.Registration.JWKSURL, s.Registration.RequestURL = "https://rp.example/auth/jwks", "https://rp.example/auth/request/op"
		}, map[string]any{
			"jwks_uri": "https://rp.example/auth/jwks", "token_endpoint_auth_method": "client_secret_post",
			"request_object_signing_alg": "PS256", "require_signed_request_object": true, "request_uris": []any{"https://rp.example/auth/request/op"},
		}},
		"unsigned requests": {func(s *provider.Settings) { s.RequestObject = "unsigned request" },
			map[string]any{"request_object_signing_alg": "none", "require_signed_request_object": nil, "request_uris": nil}},
		"encryption": {func(s *provider.Settings) {
			s.ClientKeys, s.UserInfo = []provider.ClientKey{{Key: key, Algorithm: "RSA-OAEP"}}, provider.UserInfoOptional
		}, map[string]any{"id_token_encrypted_response_alg": "RSA-OAEP", "userinfo_encrypted_response_alg": "RSA-OAEP", "userinfo_signed_response_alg": "RS256"}},
		"no RS256": {func(*provider.Settings) {}, map[string]any{"id_token_signed_response_alg": "PS256"}},
		"sender constraint": {func(s *provider.Settings) { s.DPoP, s.PAR = true, provider.UsageRequired },
			map[string]any{"dpop_bound_access_tokens": true, "require_pushed_authorization_requests": true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.registers(nil)
			f.set(func(f *fake) {
				f.metadata["pushed_authorization_request_endpoint"] = f.URL + "/par"
				if name == "no RS256" {
					f.metadata["id_token_signing_alg_values_supported"] = []string{"ES256", "PS256"}
				}
			})
			var sent map[string]any
			var header http.Header
			f.Server.Config.Handler = capture(f.Server.Config.Handler, &sent, &header)
			p := f.new(t, registering, tt.change)
			if _, err := p.Tag(context.Background()); err != nil {
				t.Fatal(err)
			}
			for member, want := range tt.want {
				if !reflect.DeepEqual(sent[member], want) {
					t.Errorf("%s is %v, want %v", member, sent[member], want)
				}
			}
		})
	}
}

func TestRegistrationSettings(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*provider.Settings)
		want   string
	}{
		"with a client id":  {func(s *provider.Settings) { s.ClientID = "c" }, "remove ClientID"},
		"with a secret":     {func(s *provider.Settings) { s.Secret = func(context.Context) (string, error) { return "", nil } }, "remove ClientID"},
		"of a tenant":       {func(s *provider.Settings) { s.TenantSupplied = true }, "TenantSupplied"},
		"endpoint blanked":  {func(s *provider.Settings) { s.Endpoints.Registration = "-" }, "Endpoints.Registration"},
		"token with a line": {func(s *provider.Settings) { s.Registration.InitialAccessToken = "t\n" }, "InitialAccessToken"},
		"derived member":    {func(s *provider.Settings) { s.Registration.Metadata = map[string]any{"redirect_uris": "x"} }, `"redirect_uris"`},
		"encrypted responses": {func(s *provider.Settings) {
			s.Registration.Metadata = map[string]any{"authorization_encrypted_response_alg": "RSA-OAEP"}
		}, `"authorization_encrypted_response_alg"`},
		"encrypted requests": {func(s *provider.Settings) {
			s.Registration.Metadata = map[string]any{"request_object_encryption_enc": "A128GCM"}
		}, `"request_object_encryption_enc"`},
		"no JSON":             {func(s *provider.Settings) { s.Registration.Metadata = map[string]any{"x": func() {}} }, "Registration.Metadata"},
		"endpoint on plain":   {func(s *provider.Settings) { s.Endpoints.Registration = "http://op.example/register" }, "Endpoints.Registration"},
		"key without a key":   {func(s *provider.Settings) { s.ClientAuth = "private_key_jwt" }, "ClientKeys"},
		"secret of no client": {func(s *provider.Settings) { s.ClientAuth = "client_secret_post" }, ""},
		"FAPI 2.0": {func(s *provider.Settings) {
			s.Profile, s.DPoP, s.ClientKeys, s.HTTPClient = provider.FAPI2, true, []provider.ClientKey{{Key: signingKey()}}, nil
			s.Issuer = "https://op.example"
		}, ""},
		"HMAC": {func(s *provider.Settings) { s.Algorithms = []string{"HS256"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t).settings()
			registering(&s)
			tt.change(&s)
			_, err := provider.New(s)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil {
				noSecrets(t, err.Error())
			}
		})
	}
}

func TestRegistrationAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer map[string]any
		change func(*provider.Settings)
		check  string // that fails; "": none
	}{
		"echoes":                 {answer: map[string]any{"redirect_uris": []string{"https://rp.example/auth/callback/op"}, "response_types": []string{"id_token", "code"}, "token_endpoint_auth_method": "client_secret_basic"}},
		"another secret method":  {answer: map[string]any{"token_endpoint_auth_method": "client_secret_post"}},
		"an algorithm of ours":   {answer: map[string]any{"id_token_signed_response_alg": "PS256"}},
		"without an expiry":      {answer: map[string]any{"client_secret_expires_at": nil}},
		"public, as asked":       {answer: map[string]any{"client_secret": nil}, change: func(s *provider.Settings) { s.ClientAuth = "none" }},
		"no client id":           {answer: map[string]any{"client_id": nil}, check: "client_id"},
		"empty client id":        {answer: map[string]any{"client_id": " "}, check: "client_id"},
		"client id a number":     {answer: map[string]any{"client_id": 7}, check: "client_id"},
		"client id of two lines": {answer: map[string]any{"client_id": "a\nb"}, check: "client_id"},
		"long client id":         {answer: map[string]any{"client_id": strings.Repeat("c", 2049)}, check: "client_id"},
		"long secret":            {answer: map[string]any{"client_secret": strings.Repeat("s", 4097)}, check: "client_secret"},
		"no secret":              {answer: map[string]any{"client_secret": nil}, check: "client_secret"},
		"secret an object":       {answer: map[string]any{"client_secret": map[string]any{}}, check: "client_secret"},
		"expiry in words":        {answer: map[string]any{"client_secret_expires_at": "soon"}, check: "client_secret_expires_at"},
		"expired":                {answer: map[string]any{"client_secret_expires_at": 1}, check: "client_secret_expires_at"},
		"expiry below zero":      {answer: map[string]any{"client_secret_expires_at": -5}, check: "client_secret_expires_at"},
		"another redirect URI":   {answer: map[string]any{"redirect_uris": []string{"https://evil.example/"}}, check: "redirect_uris"},
		"one more redirect URI":  {answer: map[string]any{"redirect_uris": []string{"https://rp.example/auth/callback/op", "https://evil.example/"}}, check: "redirect_uris"},
		"no redirect URI":        {answer: map[string]any{"redirect_uris": []string{}}, check: "redirect_uris"},
		"redirect URIs a number": {answer: map[string]any{"redirect_uris": 5}, check: "redirect_uris"},
		"another response type":  {answer: map[string]any{"response_types": []string{"token"}}, check: "response_types"},
		"unknown method":         {answer: map[string]any{"token_endpoint_auth_method": "magic"}, check: "token_endpoint_auth_method"},
		"made public":            {answer: map[string]any{"token_endpoint_auth_method": "none"}, check: "token_endpoint_auth_method"},
		"keys we have not":       {answer: map[string]any{"token_endpoint_auth_method": "private_key_jwt"}, check: "token_endpoint_auth_method"},
		"another than we insist": {answer: map[string]any{"token_endpoint_auth_method": "client_secret_basic"},
			change: func(s *provider.Settings) { s.ClientAuth = "client_secret_post" }, check: "token_endpoint_auth_method"},
		"certificate we have not": {answer: map[string]any{"token_endpoint_auth_method": "tls_client_auth"}, check: "token_endpoint_auth_method"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.registers(tt.answer)
			changes := []func(*provider.Settings){registering}
			if tt.change != nil {
				changes = append(changes, tt.change)
			}
			p := f.new(t, changes...)
			_, err := authorize(p)
			if tt.check == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var refusal *validate.Error
			if !errors.Is(err, provider.ErrUnavailable) || !errors.As(err, &refusal) || refusal.Check != tt.check {
				t.Fatalf("error %v, want a refused %s", err, tt.check)
			}
			noSecrets(t, err.Error())
			if _, err := authorize(p); err == nil || f.count("/register") != 1 {
				t.Errorf("asked %d times: %v", f.count("/register"), err)
			}
			if status := p.Status(); status.LastErr == nil || status.NextTry.IsZero() {
				t.Errorf("status %+v", status)
			}
		})
	}
}

func TestRegistrationFaults(t *testing.T) {
	asIs := func(body string) http.HandlerFunc { return respond(201, "application/json", body) }
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		kind   error
		retry  time.Duration
	}{
		"metadata not accepted": {respond(400, "application/json", `{"error":"invalid_redirect_uri","error_description":"`+canaryToken+`"}`), provider.ErrMisconfigured, 0},
		"token not accepted":    {respond(401, "text/plain", "no"), provider.ErrMisconfigured, 0},
		"forbidden":             {respond(403, "text/html", "no"), provider.ErrMisconfigured, 0},
		"server error":          {respond(500, "text/html", "oops"), provider.ErrUnavailable, 0},
		"too many": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "30")
			respond(429, "application/json", `{"error":"slow_down"}`)(w, r)
		}, provider.ErrUnavailable, 30 * time.Second},
		"redirect":          {redirectTo(307, "https://elsewhere.example/"), provider.ErrUnavailable, 0},
		"garbage":           {asIs("{"), provider.ErrUnavailable, 50 * time.Second},
		"array":             {asIs("[]"), provider.ErrUnavailable, 50 * time.Second},
		"not JSON":          {respond(201, "text/html", `{"client_id":"a","client_secret":"b"}`), provider.ErrUnavailable, 50 * time.Second},
		"client id twice":   {asIs(`{"client_id":"a","client_id":"b","client_secret":"s"}`), provider.ErrUnavailable, 50 * time.Second},
		"client id in caps": {asIs(`{"client_id":"a","Client_ID":"b","client_secret":"s"}`), provider.ErrUnavailable, 50 * time.Second},
		"oversized":         {asIs(`{"client_id":"a","client_secret":"s","x":"` + strings.Repeat("x", 1<<20) + `"}`), provider.ErrUnavailable, 50 * time.Second},
		"accepted only":     {respond(202, "application/json", `{"client_id":"a","client_secret":"s"}`), provider.ErrUnavailable, 50 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.registers(nil)
			well := f.handlers["/register"]
			f.handle("/register", tt.answer)
			p := f.new(t, registering)
			_, err := authorize(p)
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			noSecrets(t, err.Error())
			var down *provider.Unavailable
			if errors.As(err, &down) && down.Retry < max(tt.retry, time.Second/2) {
				t.Errorf("retry in %v", down.Retry)
			}
			authorize(p)
			if n := f.count("/register"); n != 1 {
				t.Errorf("asked %d times without a rest", n)
			}
			// It heals by itself.
			f.handle("/register", well)
			f.clock.Add(2 * max(tt.retry, time.Second))
			if _, err := authorize(p); err != nil {
				t.Errorf("after the rest: %v", err)
			}
		})
	}
}

// The provider has one client more with each answer that we refuse, and anybody
// can start logins.
func TestRefusedAnswersMakeFewClients(t *testing.T) {
	f := newFake(t)
	f.registers(map[string]any{"redirect_uris": []string{"https://rp.example/auth/callback/op/"}})
	p := f.new(t, registering)
	for range 360 {
		if _, err := authorize(p); !errors.Is(err, provider.ErrUnavailable) {
			t.Fatal(err)
		}
		f.clock.Add(10 * time.Second)
	}
	if n := f.count("/register"); n > 8 {
		t.Errorf("%d clients in an hour", n)
	}
	for range 24 * 6 {
		authorize(p)
		f.clock.Add(10 * time.Minute)
	}
	if n := f.count("/register"); n > 20 {
		t.Errorf("%d clients in a day", n)
	}
	f.registers(nil)
	f.clock.Add(4 * time.Hour)
	if id := currentClient(t, p); id != clientID {
		t.Errorf("%q once it answers well", id)
	}
}

func TestRegistrationIsMadeOnce(t *testing.T) {
	f := newFake(t)
	f.registers(nil)
	p := f.new(t, registering)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if q, err := authorize(p); err != nil || q.Get("client_id") != clientID {
				t.Errorf("%v %v", q, err)
			}
		})
	}
	all.Wait()
	if n := f.count("/register"); n != 1 {
		t.Errorf("registered %d times", n)
	}
}

func TestRegistrationOutlivesTheRequest(t *testing.T) {
	f := newFake(t)
	f.registers(nil)
	answer := f.handlers["/register"]
	arrived, goOn := make(chan bool, 1), make(chan bool)
	f.handle("/register", func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-goOn
		answer(w, r)
	})
	p := f.new(t, registering)
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error)
	go func() {
		_, err := p.Tag(ctx)
		left <- err
	}()
	<-arrived
	cancel()
	if err := <-left; !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("who left hears %v", err)
	}
	close(goOn)
	if _, err := authorize(p); err != nil || f.count("/register") != 1 {
		t.Errorf("%v, registered %d times", err, f.count("/register"))
	}
}

// numbered clients tell registrations apart, and may expire.
func (f *fake) registersNumbered(expires time.Duration) {
	f.registers(nil)
	n := 0
	f.handle("/register", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		n++
		id := "client-" + string(rune('0'+n))
		f.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(map[string]any{"client_id": id, "client_secret": "secret of " + id, "client_secret_expires_at": f.clock.Now().Add(expires).Unix()})
	})
}

func currentClient(t *testing.T, p *provider.Provider) string {
	t.Helper()
	q, err := authorize(p)
	if err != nil {
		t.Fatal(err)
	}
	return q.Get("client_id")
}

func TestRegistrationIsRenewedBeforeItExpires(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	p := f.new(t, registering)
	first, err := p.Tag(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	f.clock.Add(50 * time.Minute)
	if id := currentClient(t, p); id != "client-1" || f.count("/register") != 1 {
		t.Fatalf("%s after %d registrations", id, f.count("/register"))
	}
	// Towards the end it happens in the background, and what there is serves.
	f.clock.Add(5 * time.Minute)
	well := f.handlers["/register"]
	f.handle("/register", respond(500, "text/plain", ""))
	if id := currentClient(t, p); id != "client-1" {
		t.Errorf("%s while it is renewed", id)
	}
	p.Wait(context.Background())
	f.handle("/register", well)
	f.clock.Add(2 * time.Second)
	currentClient(t, p)
	p.Wait(context.Background())
	if id := currentClient(t, p); id != "client-2" {
		t.Errorf("%s after the renewal", id)
	}
	if err := p.Belongs(context.Background(), first); !errors.Is(err, provider.ErrOtherClient) {
		t.Errorf("a login of the first client: %v", err)
	}
	// Once expired, nobody is what they were.
	f.clock.Add(2 * time.Hour)
	if id := currentClient(t, p); id != "client-3" {
		t.Errorf("%s after the end", id)
	}
}

func TestExpiredRegistrationServesNobody(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	p := f.new(t, registering)
	currentClient(t, p)
	f.handle("/register", respond(500, "text/plain", ""))
	f.clock.Add(time.Hour + time.Minute)
	if _, err := authorize(p); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func TestBelongsWithRegistration(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	p := f.new(t, registering)
	own := tag(t, p)
	if err := p.Belongs(context.Background(), own); err != nil {
		t.Error(err)
	}
	elsewhere := tag(t, f.new(t, registering, func(s *provider.Settings) { s.Name = "other" }))
	fixed := tag(t, f.new(t, func(s *provider.Settings) { s.Name = "other" }))
	for name, foreign := range map[string][8]byte{"registered": elsewhere, "fixed": fixed, "zero": {}} {
		var refusal *validate.Error
		if err := p.Belongs(context.Background(), foreign); !errors.As(err, &refusal) || refusal.Check != "provider" {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Where the client is configured, another one is another provider.
	configured := f.new(t)
	other := tag(t, f.new(t, func(s *provider.Settings) { s.ClientID = "other" }))
	var refusal *validate.Error
	if err := configured.Belongs(context.Background(), other); !errors.As(err, &refusal) {
		t.Errorf("another client: %v", err)
	}
}

// memory are records that nodes share.
type memory struct {
	mu   sync.Mutex
	all  map[string][]byte
	fail error
}

func (m *memory) Read(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.all[name]), m.fail
}

func (m *memory) Replace(_ context.Context, name string, old, record []byte, _ time.Time) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	if there := m.all[name]; there != nil && string(there) != string(old) {
		return there, nil
	}
	if m.all == nil {
		m.all = map[string][]byte{}
	}
	m.all[name] = slices.Clone(record)
	return record, nil
}

func TestNodesAreOneClient(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	shared := &memory{}
	node := func() *provider.Provider {
		return f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = shared })
	}
	a, b := node(), node()
	var both sync.WaitGroup
	for _, p := range []*provider.Provider{a, b} {
		both.Go(func() { authorize(p) })
	}
	both.Wait()
	if currentClient(t, a) != currentClient(t, b) {
		t.Error("two clients")
	}
	n := f.count("/register")
	if currentClient(t, node()) != currentClient(t, a) || f.count("/register") != n {
		t.Error("a restart registered")
	}
	// One renews; the other learns of it from a login that began there.
	f.clock.Add(58 * time.Minute)
	authorize(a)
	a.Wait(context.Background())
	if err := b.Belongs(context.Background(), tag(t, a)); err != nil {
		t.Errorf("a login of the renewed client: %v", err)
	}
	if currentClient(t, a) != currentClient(t, b) || f.count("/register") != n+1 {
		t.Errorf("%d registrations more", f.count("/register")-n)
	}
}

// A login that began as the client another node has registered is ours, too,
// when a renewal learns of that client first.
func TestBelongsWhileARenewalEnds(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	shared := &memory{}
	slow := &afterwards{memory: shared}
	a := f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = shared })
	b := f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = slow })
	currentClient(t, a)
	currentClient(t, b)
	f.clock.Add(58 * time.Minute)
	currentClient(t, a)
	a.Wait(context.Background())
	began := tag(t, a)
	slow.wait = b.Wait
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if err := b.Belongs(ctx, began); err != nil {
		t.Error(err)
	}
}

// afterwards reads for a visitor only after what is done in the background,
// which has no end to its context.
type afterwards struct {
	*memory
	wait func(context.Context) error
}

func (m *afterwards) Read(ctx context.Context, name string) ([]byte, error) {
	if ctx.Done() != nil && m.wait != nil {
		m.wait(context.Background())
	}
	return m.memory.Read(ctx, name)
}

func TestOtherSettingsAreAnotherClient(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	shared := &memory{}
	withRecords := func(s *provider.Settings) { s.Registration.Records = shared }
	currentClient(t, f.new(t, registering, withRecords))
	moved := f.new(t, registering, withRecords, func(s *provider.Settings) { s.RedirectURL += "/2" })
	if id := currentClient(t, moved); id != "client-2" {
		t.Errorf("registered for another redirect URI, used as %s", id)
	}
}

// A record may be of a time when we could do what we no longer can.
func TestRecordThatDoesNotFitTheSettings(t *testing.T) {
	signs := provider.ClientKey{Key: p256("sign")}
	decrypts := provider.ClientKey{Key: p256("decrypt"), Algorithm: "ECDH-ES"}
	f := newFake(t)
	f.registers(map[string]any{"token_endpoint_auth_method": "private_key_jwt", "client_secret": nil, "client_secret_expires_at": nil})
	f.metadata["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt", "client_secret_basic"}
	shared := &memory{}
	node := func(keys ...provider.ClientKey) *provider.Provider {
		return f.new(t, registering, func(s *provider.Settings) {
			s.ClientKeys, s.Registration.Records, s.Registration.JWKSURL = keys, shared, "https://rp.example/auth/jwks"
		})
	}
	currentClient(t, node(signs, decrypts))
	f.registers(map[string]any{"client_id": "anew"})
	p := node(decrypts)
	if id := currentClient(t, p); id != "anew" || f.count("/register") != 2 {
		t.Fatalf("%s after %d registrations", id, f.count("/register"))
	}
	complete(f, p) // must not want to sign
	id, _, _ := (&http.Request{Header: f.requests("/token")[0].Header}).BasicAuth()
	if id != "anew" {
		t.Errorf("redeemed as %q", id)
	}
}

func TestRecordsOutage(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	broken := errors.New("records are down")
	shared := &memory{fail: broken}
	p := f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = shared })
	if _, err := authorize(p); !errors.Is(err, broken) || f.count("/register") != 0 {
		t.Fatalf("%v after %d registrations", err, f.count("/register"))
	}
	// What was registered and could not be kept is kept later, not made again.
	shared.fail = nil
	answer := f.handlers["/register"]
	f.handle("/register", func(w http.ResponseWriter, r *http.Request) {
		shared.mu.Lock()
		shared.fail = broken
		shared.mu.Unlock()
		answer(w, r)
	})
	f.clock.Add(2 * time.Second)
	if _, err := authorize(p); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	shared.fail = nil
	f.clock.Add(5 * time.Second)
	if id := currentClient(t, p); id != "client-1" || f.count("/register") != 1 {
		t.Errorf("%s after %d registrations", id, f.count("/register"))
	}
}

func TestForgottenClientIsRegisteredAnew(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(24 * time.Hour)
	shared := &memory{}
	p := f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = shared })
	currentClient(t, p)
	f.handle("/token", respond(401, "application/json", `{"error":"invalid_client"}`))
	for range 3 { // too soon to make anything of it
		if _, err := complete(f, p); !errors.Is(err, provider.ErrMisconfigured) {
			t.Fatal(err)
		}
	}
	if id := currentClient(t, p); id != "client-1" {
		t.Errorf("%s at once", id)
	}
	f.clock.Add(2 * time.Minute)
	for range 3 {
		complete(f, p)
		currentClient(t, p)
	}
	if id := currentClient(t, p); id != "client-2" || f.count("/register") != 2 {
		t.Errorf("%s after %d registrations", id, f.count("/register"))
	}
}

// Some who waited for a registration read it only after others were told that
// it is no good.
func TestClientForgottenWhileOthersWaited(t *testing.T) {
	f := newFake(t)
	f.registers(nil)
	f.metadata["pushed_authorization_request_endpoint"] = f.URL + "/par"
	for range 20 {
		p := f.new(t, registering, func(s *provider.Settings) {
			s.Registration.Records = longAgo{f.clock.Now().Add(-time.Hour)}
			s.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.URL.Path != "/par" {
					return http.DefaultTransport.RoundTrip(r)
				}
				return &http.Response{StatusCode: 401, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"error":"invalid_client"}`)), Request: r}, nil
			})}
		})
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if _, err := authorize(p); !errors.Is(err, provider.ErrMisconfigured) && !errors.Is(err, provider.ErrUnavailable) {
					t.Errorf("error %v", err)
				}
			})
		}
		all.Wait()
	}
}

// longAgo are records of another node that was faster.
type longAgo struct{ issued time.Time }

func (longAgo) Read(context.Context, string) ([]byte, error) { return nil, nil }

func (l longAgo) Replace(_ context.Context, _ string, _, record []byte, _ time.Time) ([]byte, error) {
	var members map[string]any
	if err := json.Unmarshal(record, &members); err != nil {
		return nil, err
	}
	members["iat"] = l.issued.Unix()
	return json.Marshal(members)
}

func TestEndSessionOfARegisteredClient(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	p := f.new(t, registering)
	if _, _, err := p.EndSession(context.Background(), provider.EndSession{}); !errors.Is(err, provider.ErrNoEndSession) || f.count("/register") != 0 {
		t.Errorf("%v after %d registrations", err, f.count("/register"))
	}
	_, params, err := p.EndSession(context.Background(), provider.EndSession{IDTokenHint: "hint"})
	if err != nil || params.Get("id_token_hint") != "hint" || params.Has("client_id") {
		t.Errorf("%v %v", params, err)
	}
	f.set(func(f *fake) { f.metadata["check_session_iframe"] = f.URL + "/check" })
	watching := f.new(t, registering)
	if frame, message, err := watching.CheckSession(context.Background(), "state"); frame+message != "" || err != nil || f.count("/register") != 0 {
		t.Errorf("%q, %q, %v after %d registrations", frame, message, err, f.count("/register"))
	}
	id := currentClient(t, watching)
	if frame, message, err := watching.CheckSession(context.Background(), "state"); frame != f.URL+"/check" || message != id+" state" || err != nil {
		t.Errorf("%q, %q, %v", frame, message, err)
	}
	f.registersNumbered(time.Hour)
	currentClient(t, p)
	if _, params, err := p.EndSession(context.Background(), provider.EndSession{}); err != nil || params.Get("client_id") != "client-1" {
		t.Errorf("%v %v", params, err)
	}
}

// A logout token may be for who we were, but makes us nobody new.
func TestLogoutTokenOfARegisteredClient(t *testing.T) {
	f := newFake(t)
	f.registersNumbered(time.Hour)
	shared := &memory{}
	node := func() *provider.Provider {
		return f.new(t, registering, func(s *provider.Settings) { s.Registration.Records = shared })
	}
	p, other := node(), node()
	logout := func(p *provider.Provider, client string) error {
		_, err := p.LogoutToken(context.Background(), sign(f.logoutToken(map[string]any{"aud": client})))
		return err
	}
	if err := logout(p, "client-1"); !failsAt(err, "aud") || f.count("/register") != 0 {
		t.Errorf("%v after %d registrations", err, f.count("/register"))
	}
	for range 2 {
		currentClient(t, p)
		f.clock.Add(2 * time.Hour)
	}
	currentClient(t, p)
	for client, check := range map[string]string{"client-1": "", "client-2": "", "client-3": "", "client-4": "aud", "": "aud"} {
		for name, p := range map[string]*provider.Provider{"own": p, "another node": other, "restarted": node()} {
			if err := logout(p, client); (check == "") != (err == nil) || check != "" && !failsAt(err, check) {
				t.Errorf("%s, %q: %v", name, client, err)
			}
		}
	}
	if n := f.count("/register"); n != 3 {
		t.Errorf("%d registrations", n)
	}
	// Whose it is does not excuse the rest.
	old := sign(f.logoutToken(map[string]any{"aud": "client-1", "exp": f.clock.Now().Add(-time.Hour).Unix()}))
	if _, err := p.LogoutToken(context.Background(), old); err == nil {
		t.Error("an old token was accepted")
	}
}

func TestRegisteredAlgorithmIsPinned(t *testing.T) {
	for alg, want := range map[string]string{"ES256": "", "RS256": "alg", "none": ""} {
		f := newFake(t)
		f.registers(map[string]any{"id_token_signed_response_alg": alg})
		p := f.new(t, registering)
		_, err := complete(f, p) // signed with ES256
		var refusal *validate.Error
		errors.As(err, &refusal)
		if (want == "") != (err == nil) || want != "" && (refusal == nil || refusal.Check != want) {
			t.Errorf("%s: %v, want %q", alg, err, want)
		}
	}
}

func TestNoRegistrationEndpoint(t *testing.T) {
	f := newFake(t)
	if _, err := authorize(f.new(t, registering)); !errors.Is(err, provider.ErrMisconfigured) || !strings.Contains(err.Error(), "registration_endpoint") {
		t.Errorf("error %v", err)
	}
	f.registers(nil)
	f.set(func(f *fake) { f.metadata = nil })
	p := f.new(t, registering, func(s *provider.Settings) { s.Endpoints.Registration = f.URL + "/register" })
	if _, err := authorize(p); err != nil {
		t.Error(err)
	}
}

// The initial access token and the secret are as good as the endpoint.
func TestRegistrationEndpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		endpoint any
		ok       bool
	}{
		"as it was":       {"/register", true},
		"another path":    {"/clients", true},
		"at another host": {"https://evil.example/register", false},
		"gone":            {nil, false},
		"no address":      {7, false},
	} {
		f := newFake(t)
		f.registers(nil)
		p, fixed := f.new(t, registering), f.new(t)
		currentClient(t, p)
		authorize(fixed)
		if path, ok := tt.endpoint.(string); ok && path[0] == '/' {
			tt.endpoint = f.URL + path
		}
		f.set(func(f *fake) { f.metadata["registration_endpoint"] = tt.endpoint })
		f.clock.Add(25 * time.Hour)
		for _, p := range []*provider.Provider{p, fixed} {
			authorize(p)
			p.Wait(context.Background())
		}
		if err := p.Status().LastErr; (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
		if err := fixed.Status().LastErr; err != nil {
			t.Errorf("%s, where nobody registers: %v", name, err)
		}
	}
}

func FuzzRegistrationResponse(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"c","client_secret":"s","client_secret_expires_at":0}`,
		`{"client_id":"c","client_id":"d"}`, `{"client_id":7}`, `[]`, `{`, "",
		`{"client_id":"c","client_secret":"s","redirect_uris":["https://evil.example"]}`,
		`{"client_id":"c","client_secret":"s","client_secret_expires_at":1e300,"token_endpoint_auth_method":"none"}`,
	} {
		f.Add(seed)
	}
	op := newFake(f)
	op.registers(nil)
	s := op.settings()
	registering(&s)
	p, err := provider.New(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body string) {
		id, secret, auth, expires, err := provider.ReadClient(p, body)
		if err != nil {
			return
		}
		if strings.TrimSpace(id) == "" || len(id) > 2048 || secret == "" || auth == "none" || !expires.After(op.clock.Now()) {
			t.Errorf("accepted %q %q %q until %v", id, secret, auth, expires)
		}
		var all map[string]any
		if err := json.Unmarshal([]byte(body), &all); err != nil || all["client_id"] != id {
			t.Errorf("read otherwise: %v", all)
		}
	})
}
