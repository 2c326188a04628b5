package provider_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func ptr[T any](v T) *T { return &v }

// sent is the query of the authorization request of one login.
func sent(t *testing.T, p *provider.Provider, r provider.Request) url.Values {
	t.Helper()
	r.State, r.Nonce, r.Challenge = request.State, request.Nonce, request.Challenge
	address, err := p.AuthorizationURL(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	q := mustQuery(t, address)
	for name, values := range q {
		if len(values) != 1 && name != "resource" {
			t.Errorf("%s is sent %d times", name, len(values))
		}
	}
	return q
}

func TestAuthorizationRequest(t *testing.T) {
	f := newFake(t)
	q := sent(t, f.new(t), provider.Request{})
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {"https://rp.example/auth/callback/op"},
		"scope": {"openid profile email"}, "state": {"the-state"}, "nonce": {theNonce},
		"code_challenge": {"the-challenge"}, "code_challenge_method": {"S256"},
	}
	if q.Encode() != want.Encode() {
		t.Errorf("got  %s\nwant %s", q.Encode(), want.Encode())
	}
}

func TestAuthorizationSettings(t *testing.T) {
	f := newFake(t)
	for _, tt := range []struct {
		name        string
		change      func(*provider.Settings)
		request     provider.Request
		param, want string
	}{
		{"form_post is asked for", func(s *provider.Settings) { s.ResponseMode = "form_post" }, provider.Request{}, "response_mode", "form_post"},
		{"the default is not", func(s *provider.Settings) { s.ResponseType = "code id_token" }, provider.Request{}, "response_mode", ""},
		{"the default is where it is named", func(s *provider.Settings) { s.ResponseType, s.ResponseMode = "code id_token", "fragment" }, provider.Request{}, "response_mode", "fragment"},
		{"openid comes first, once", func(s *provider.Settings) { s.Scopes = []string{"email,openid groups", "email"} }, provider.Request{}, "scope", "openid email groups"},
		{"a fixed prompt", func(s *provider.Settings) { s.Prompt = "login consent" }, provider.Request{}, "prompt", "login consent"},
		{"a prompt of the request", nil, provider.Request{Prompt: "select_account"}, "prompt", "select_account"},
		{"a fixed prompt beats the request's", func(s *provider.Settings) { s.Prompt = "login" }, provider.Request{Prompt: "none"}, "prompt", "login"},
		{"an unknown prompt is left out", nil, provider.Request{Prompt: "none&redirect_uri=x"}, "prompt", ""},
		{"none with another is left out", nil, provider.Request{Prompt: "none login"}, "prompt", ""},
		{"a login hint", nil, provider.Request{LoginHint: "a+b@example.com&x=y"}, "login_hint", "a+b@example.com&x=y"},
		{"a fixed login hint beats it", func(s *provider.Settings) { s.LoginHint = "fixed" }, provider.Request{LoginHint: "x"}, "login_hint", "fixed"},
		{"a login hint of 5 kB is left out", nil, provider.Request{LoginHint: strings.Repeat("a", 5000)}, "login_hint", ""},
		{"a login hint with a line break is left out", nil, provider.Request{LoginHint: "a\r\nb"}, "login_hint", ""},
		{"the language", nil, provider.Request{UILocales: "th en"}, "ui_locales", "th en"},
		{"a fixed language beats it", func(s *provider.Settings) { s.AuthParams = map[string]string{"ui_locales": "de"} }, provider.Request{UILocales: "th"}, "ui_locales", "de"},
		{"a fixed max age", func(s *provider.Settings) { s.MaxAge = time.Hour }, provider.Request{}, "max_age", "3600"},
		{"a max age of the request", nil, provider.Request{MaxAge: ptr(time.Duration(0))}, "max_age", "0"},
		{"the smaller max age counts", func(s *provider.Settings) { s.MaxAge = time.Hour }, provider.Request{MaxAge: ptr(time.Minute)}, "max_age", "60"},
		{"whichever it is", func(s *provider.Settings) { s.MaxAge = time.Minute }, provider.Request{MaxAge: ptr(time.Hour)}, "max_age", "60"},
		{"fixed acr values", func(s *provider.Settings) { s.ACRValues = []string{"a", "b"} }, provider.Request{}, "acr_values", "a b"},
		{"acr values of the request", func(s *provider.Settings) { s.ACRValues = []string{"a"} }, provider.Request{ACRValues: []string{"c"}}, "acr_values", "c"},
		{"a claims request", func(s *provider.Settings) { s.ClaimsRequest = `{"id_token":{}}` }, provider.Request{}, "claims", `{"id_token":{}}`},
		{"a fixed parameter", func(s *provider.Settings) { s.AuthParams = map[string]string{"domain_hint": "a b"} }, provider.Request{}, "domain_hint", "a b"},
		{"a listed dynamic parameter", func(s *provider.Settings) { s.DynamicParams = []string{"domain_hint"} },
			provider.Request{Params: map[string]string{"domain_hint": "x"}}, "domain_hint", "x"},
		{"one that is not listed is ignored", nil, provider.Request{Params: map[string]string{"domain_hint": "x"}}, "domain_hint", ""},
		{"a fixed one beats it", func(s *provider.Settings) {
			s.DynamicParams, s.AuthParams = []string{"domain_hint"}, map[string]string{"domain_hint": "fixed"}
		}, provider.Request{Params: map[string]string{"domain_hint": "x"}}, "domain_hint", "fixed"},
		{"state cannot be passed", nil, provider.Request{Params: map[string]string{"state": "x"}}, "state", "the-state"},
		{"response_type cannot be passed", nil, provider.Request{Params: map[string]string{"response_type": "token"}}, "response_type", "code"},
		{"a listed prompt, checked", func(s *provider.Settings) { s.DynamicParams = []string{"prompt"} },
			provider.Request{Params: map[string]string{"prompt": "x"}}, "prompt", ""},
		{"a listed prompt, once", func(s *provider.Settings) { s.DynamicParams = []string{"prompt"} },
			provider.Request{Prompt: "login", Params: map[string]string{"prompt": "none"}}, "prompt", "login"},
		{"a listed max age, checked", func(s *provider.Settings) { s.DynamicParams = []string{"max_age"} },
			provider.Request{Params: map[string]string{"max_age": "-1"}}, "max_age", ""},
		{"a listed max age, once", func(s *provider.Settings) { s.DynamicParams = []string{"max_age"} },
			provider.Request{MaxAge: ptr(time.Minute), Params: map[string]string{"max_age": "999999"}}, "max_age", "60"},
		{"a listed acr, once", func(s *provider.Settings) { s.DynamicParams = []string{"acr_values"} },
			provider.Request{ACRValues: []string{"high"}, Params: map[string]string{"acr_values": "low"}}, "acr_values", "high"},
		{"a listed acr that is fixed", func(s *provider.Settings) { s.DynamicParams, s.ACRValues = []string{"acr_values"}, []string{"high"} },
			provider.Request{Params: map[string]string{"acr_values": "low"}}, "acr_values", "high"},
		{"a listed prompt that is fixed", func(s *provider.Settings) { s.DynamicParams, s.Prompt = []string{"prompt"}, "login" },
			provider.Request{Params: map[string]string{"prompt": "none"}}, "prompt", "login"},
		{"a listed login hint that is fixed", func(s *provider.Settings) { s.DynamicParams, s.LoginHint = []string{"login_hint"}, "fixed" },
			provider.Request{Params: map[string]string{"login_hint": "x"}}, "login_hint", "fixed"},
		{"a listed max age that is fixed", func(s *provider.Settings) { s.DynamicParams, s.MaxAge = []string{"max_age"}, time.Minute },
			provider.Request{Params: map[string]string{"max_age": "9"}}, "max_age", "60"},
		{"listed claims that are fixed", func(s *provider.Settings) { s.DynamicParams, s.ClaimsRequest = []string{"claims"}, "{}" },
			provider.Request{Params: map[string]string{"claims": "x"}}, "claims", "{}"},
		{"a listed resource that is fixed", func(s *provider.Settings) {
			s.DynamicParams, s.Resource = []string{"resource"}, []string{"https://a.example"}
		},
			provider.Request{Params: map[string]string{"resource": "https://b.example"}}, "resource", "https://a.example"},
		{"a listed login hint, once", func(s *provider.Settings) { s.DynamicParams = []string{"login_hint", "ui_locales"} },
			provider.Request{LoginHint: "a", UILocales: "th", Params: map[string]string{"login_hint": "b", "ui_locales": "en"}}, "login_hint", "a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := f.new(t, func(s *provider.Settings) {
				if tt.change != nil {
					tt.change(s)
				}
			})
			if got := sent(t, p, tt.request).Get(tt.param); got != tt.want {
				t.Errorf("%s=%q, want %q", tt.param, got, tt.want)
			}
		})
	}
	t.Run("several resources", func(t *testing.T) {
		p := f.new(t, func(s *provider.Settings) { s.Resource = []string{"https://a.example", "https://b.example"} })
		if got := sent(t, p, provider.Request{})["resource"]; len(got) != 2 {
			t.Errorf("got %v", got)
		}
	})
}

func TestEndpointsOwnQueryStaysWithoutOurParameters(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"authorization_endpoint": f.URL + "/authorize?p=signin&client_id=evil&state=x&%73cope=all&prompt=none&hint=1&ui_locales=de"}
	q := sent(t, f.new(t, func(s *provider.Settings) { s.DynamicParams = []string{"hint"} }), provider.Request{})
	if q.Get("p") != "signin" || q.Get("client_id") != clientID || q.Get("scope") != "openid profile email" || q.Has("prompt") || q.Has("ui_locales") || q.Has("hint") {
		t.Errorf("got %v", q)
	}
}

func TestAuthorizationNeedsItsSecrets(t *testing.T) {
	p := newFake(t).new(t)
	for _, r := range []provider.Request{
		{Nonce: "n", Challenge: "c"}, {State: "s", Challenge: "c"}, {State: "s", Nonce: "n"},
	} {
		if _, err := p.AuthorizationURL(context.Background(), r); !errors.Is(err, provider.ErrMisconfigured) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestFormActionIsKnownWithoutAsking(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"end_session_endpoint": "http://localhost:9/logout?x"}
	p := f.new(t)
	if got := p.FormAction(); got != nil || f.count(discoveryPath) != 0 {
		t.Fatalf("before: %v", got)
	}
	start(p)
	if got := p.FormAction(); len(got) != 2 || got[0] != f.URL || got[1] != "http://localhost:9" {
		t.Errorf("got %v", got)
	}
}

func BenchmarkAuthorizationURL(b *testing.B) {
	s := valid()
	s.Endpoints = provider.Endpoints{Authorization: "https://op.example/authorize", Token: "https://op.example/token", JWKS: "https://op.example/jwks"}
	p, err := provider.New(s)
	if err != nil {
		b.Fatal(err)
	}
	r := provider.Request{State: strings.Repeat("s", 120), Nonce: theNonce, Challenge: strings.Repeat("c", 43), UILocales: "en"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.AuthorizationURL(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// One client may live at several base URLs: then each login says where its
// answer goes, and says it again with the code (RFC 6749 4.1.3).
func TestRedirectAddressOfTheRequest(t *testing.T) {
	const address = "https://acme.example/app/cb?x=1"
	f := newFake(t)
	open := func(s *provider.Settings) { s.RedirectURL = "" }
	p := f.new(t, open)
	if q := sent(t, p, provider.Request{RedirectURL: address}); q.Get("redirect_uri") != address {
		t.Errorf("asked with %q", q["redirect_uri"])
	}
	if _, err := p.AuthorizationURL(context.Background(), request); !errors.Is(err, provider.ErrMisconfigured) {
		t.Errorf("without one: %v", err)
	}
	expected := f.expected()
	expected.RedirectURL = address
	if _, err := p.Complete(context.Background(), &provider.Response{State: "s", Code: theCode}, expected); err != nil {
		t.Fatal(err)
	}
	if got := f.requests("/token")[0].Form["redirect_uri"]; len(got) != 1 || got[0] != address {
		t.Errorf("redeemed with %q", got)
	}
	// A setting is not overruled.
	if q := sent(t, f.new(t), provider.Request{RedirectURL: address}); q.Get("redirect_uri") != "https://rp.example/auth/callback/op" {
		t.Errorf("asked with %q", q["redirect_uri"])
	}

	refs := &references{base: "https://acme.example/auth/request/op?"}
	p = f.new(t, open, objects("unsigned request_uri"))
	r := refs.wishing()
	r.RedirectURL = address
	if _, err := p.AuthorizationURL(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	object, err := p.RequestObject(context.Background(), refs.packed[0])
	if err != nil || unsignedClaims(t, object)["redirect_uri"] != address {
		t.Errorf("the object has %v, %v", object, err)
	}
	r.Reference = nil
	if _, err := p.AuthorizationURL(context.Background(), r); !errors.Is(err, provider.ErrMisconfigured) {
		t.Errorf("without an address for the object: %v", err)
	}
}
