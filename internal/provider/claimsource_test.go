package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const creditToken = "canary-credit-token"

// refer makes UserInfo refer to a source for credit_score.
func refer(source map[string]any) map[string]any {
	return map[string]any{
		"sub": "alice", "_claim_names": map[string]any{"credit_score": "src1"},
		"_claim_sources": map[string]any{"src1": source},
	}
}

// bank signs as another issuer does.
func bank(claims map[string]any) string {
	b, _ := json.Marshal(claims)
	return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p256("bank"), KeyID: "b1"}}, nil, string(b))
}

func withSources(f *fake) func(*provider.Settings) {
	return func(s *provider.Settings) {
		s.UserInfo = provider.UserInfoRequired
		s.ClaimSources = []provider.ClaimSource{
			{Endpoint: f.URL + "/claims", Claims: []string{"credit_score", "address"}},
			{Issuer: f.URL + "/bank", JWKS: f.URL + "/bank/jwks", Endpoint: f.URL + "/bank/claims", Claims: []string{"credit_score"}},
		}
	}
}

func newFakeWithBank(t *testing.T) *fake {
	f := newFake(t)
	f.handle("/bank/jwks", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p256("bank").Public(), KeyID: "b1", Use: "sig"}}})
	})
	return f
}

func TestClaimSources(t *testing.T) {
	score := map[string]any{"credit_score": 650}
	for _, tt := range []struct {
		name string
		doc  func(*fake) map[string]any
		path string // that answers
		body func(*fake) string
	}{
		{"aggregated, the provider's own", func(*fake) map[string]any { return map[string]any{"JWT": sign(score)} }, "", nil},
		{"aggregated, the provider's own with iss", func(f *fake) map[string]any {
			return map[string]any{"JWT": sign(map[string]any{"credit_score": 650, "iss": f.URL, "sub": "alice", "aud": clientID})}
		}, "", nil},
		{"aggregated, another's", func(f *fake) map[string]any {
			return map[string]any{"JWT": bank(map[string]any{"credit_score": 650, "iss": f.URL + "/bank", "sub": "customer 17"})}
		}, "", nil},
		{"distributed, the provider's own", func(f *fake) map[string]any {
			return map[string]any{"endpoint": f.URL + "/claims", "access_token": creditToken}
		}, "/claims", func(*fake) string { return sign(score) }},
		{"distributed, another's", func(f *fake) map[string]any {
			return map[string]any{"endpoint": f.URL + "/bank/claims", "access_token": creditToken}
		}, "/bank/claims", func(f *fake) string { return bank(map[string]any{"credit_score": 650, "iss": f.URL + "/bank"}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeWithBank(t)
			f.userInfo = refer(tt.doc(f))
			if tt.path != "" {
				f.handle(tt.path, respond(200, "application/jwt", tt.body(f)))
			}
			login, err := complete(f, f.new(t, withSources(f)))
			if err != nil || login.Warning != nil {
				t.Fatalf("%v, warning %v", err, login)
			}
			if string(login.Claims["credit_score"]) != "650" {
				t.Errorf("claims %s", login.Claims)
			}
			if tt.path == "" {
				return
			}
			// The source's token, in the header: neither in the query nor the user's.
			got := f.requests(tt.path)
			if len(got) != 1 || got[0].Method != "GET" || got[0].Header.Get("Authorization") != "Bearer "+creditToken {
				t.Errorf("received %v", got)
			}
		})
	}
}

func TestClaimSourcesOfTheIDToken(t *testing.T) {
	f := newFakeWithBank(t)
	f.claims = refer(map[string]any{"JWT": sign(map[string]any{"credit_score": 650})})
	login, err := complete(f, f.new(t, withSources(f), func(s *provider.Settings) { s.UserInfo = provider.UserInfoOff }))
	if err != nil || string(login.Claims["credit_score"]) != "650" {
		t.Errorf("got %+v, %v", login, err)
	}
}

// A source that fails costs its claims alone, at a refresh as at a login.
func TestClaimSourceFailsAtRefresh(t *testing.T) {
	for name, source := range map[string]map[string]any{
		"not one of ours": {"endpoint": "https://unlisted.example/claims"},
		"unsigned":        {"JWT": "eyJhbGciOiJub25lIn0.eyJjcmVkaXRfc2NvcmUiOjY1MH0."},
	} {
		f := newFakeWithBank(t)
		f.userInfo = refer(source)
		f.userInfo["name"] = "Alice"
		var log strings.Builder
		p := f.new(t, withSources(f), func(s *provider.Settings) { s.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		tokens, login, err := p.Refresh(context.Background(), grantOf(f), "")
		if err != nil || login == nil || tokens.Access != theAccess {
			t.Fatalf("%s: %+v, %v, %v", name, tokens, login, err)
		}
		if _, there := login.Claims["credit_score"]; there || string(login.Claims["name"]) != `"Alice"` {
			t.Errorf("%s: claims %s", name, login.Claims)
		}
		if login.Warning == nil || !strings.Contains(log.String(), "claims not used") {
			t.Errorf("%s: warning %v, log %s", name, login.Warning, log.String())
		}
	}
}

// A fetch of a source's keys outlives the request, and is waited for.
func TestWaitForTheKeysOfAClaimSource(t *testing.T) {
	f := newFakeWithBank(t)
	f.userInfo = refer(map[string]any{"JWT": bank(map[string]any{"credit_score": 650, "iss": f.URL + "/bank", "sub": "customer 17"})})
	asked, release := make(chan struct{}), make(chan struct{})
	var landed atomic.Bool
	f.handle("/bank/jwks", func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		landed.Store(true)
	})
	p := f.new(t, withSources(f))
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := p.Complete(ctx, &provider.Response{Code: theCode}, f.expected())
		gone <- err
	}()
	<-asked
	cancel()
	<-gone
	impatient, stop := context.WithTimeout(context.Background(), time.Millisecond)
	defer stop()
	if err := p.Wait(impatient); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait with a fetch under way: %v", err)
	}
	close(release)
	if err := p.Wait(context.Background()); err != nil || !landed.Load() {
		t.Errorf("Wait did not: %v", err)
	}
}

func TestClaimSourcesRefused(t *testing.T) {
	aggregated := func(jwt string) func(*fake) map[string]any {
		return func(*fake) map[string]any { return refer(map[string]any{"JWT": jwt}) }
	}
	distributed := func(path string) func(*fake) map[string]any {
		return func(f *fake) map[string]any { return refer(map[string]any{"endpoint": f.URL + path}) }
	}
	own := func(changes map[string]any) string {
		return sign(change(map[string]any{"credit_score": 650}, changes))
	}
	for _, tt := range []struct {
		name, check string
		userInfo    func(*fake) map[string]any
		answer      http.HandlerFunc // of /claims
	}{
		{"unsigned", "serialization", aggregated("eyJhbGciOiJub25lIn0.eyJjcmVkaXRfc2NvcmUiOjY1MH0."), nil},
		{"alg none", "alg", aggregated("eyJhbGciOiJub25lIn0.eyJjcmVkaXRfc2NvcmUiOjY1MH0.AAAA"), nil},
		{"about another", "sub", aggregated(own(map[string]any{"sub": "bob"})), nil},
		{"for another", "aud", aggregated(own(map[string]any{"aud": "another"})), nil},
		{"expired", "exp", aggregated(own(map[string]any{"exp": 1})), nil},
		{"an event", "events", aggregated(own(map[string]any{"events": map[string]any{}})), nil},
		{"of an unknown issuer", "iss", aggregated(own(map[string]any{"iss": "https://evil.example"})), nil},
		{"of a known issuer with the provider's key", "signature", func(f *fake) map[string]any {
			return refer(map[string]any{"JWT": sign(map[string]any{"credit_score": 650, "iss": f.URL + "/bank"})})
		}, nil},
		{"of the provider with a known issuer's key", "signature", aggregated(bank(map[string]any{"credit_score": 650})), nil},
		{"no JWT", "serialization", aggregated("x"), nil},
		{"an address that is not configured", "endpoint", distributed("/internal"), nil},
		{"an address like one configured", "endpoint", distributed("/claims?x=1"), nil},
		{"JSON", "content_type", distributed("/claims"), respond(200, "application/json", `{"credit_score":650}`)},
		{"an unsigned answer", "serialization", distributed("/claims"), respond(200, "application/jwt", "eyJhbGciOiJub25lIn0.e30.")},
		{"an answer of another issuer", "iss", distributed("/claims"), respond(200, "application/jwt", own(map[string]any{"iss": "https://evil.example"}))},
		{"500", "", distributed("/claims"), respond(500, "text/plain", "")},
		{"a redirect", "", distributed("/claims"), redirectTo(307, "http://127.0.0.1:1/")},
		{"both kinds at once", "_claim_names", func(f *fake) map[string]any {
			return refer(map[string]any{"JWT": own(nil), "endpoint": f.URL + "/claims"})
		}, nil},
		{"neither kind", "_claim_names", func(*fake) map[string]any { return refer(map[string]any{}) }, nil},
		{"a source that is no object", "_claim_names", func(*fake) map[string]any {
			return map[string]any{"sub": "alice", "_claim_names": map[string]any{"credit_score": "s"}, "_claim_sources": map[string]any{"s": 1}}
		}, nil},
		{"a source that is missing", "_claim_names", func(*fake) map[string]any {
			return map[string]any{"sub": "alice", "_claim_names": map[string]any{"credit_score": "s"}}
		}, nil},
		{"an access token with a line break", "_claim_names", func(f *fake) map[string]any {
			return refer(map[string]any{"endpoint": f.URL + "/claims", "access_token": "a\r\nb"})
		}, nil},
		{"five sources", "size", func(f *fake) map[string]any {
			names, sources := map[string]any{}, map[string]any{}
			for _, s := range strings.Split("a b c d e", " ") {
				names["claim "+s], sources[s] = s, map[string]any{"endpoint": f.URL + "/claims"}
			}
			return map[string]any{"sub": "alice", "_claim_names": names, "_claim_sources": sources}
		}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFakeWithBank(t)
			f.userInfo = tt.userInfo(f)
			f.handle("/claims", tt.answer)
			login, err := complete(f, f.new(t, withSources(f)))
			if err != nil {
				t.Fatal(err)
			}
			if login.Claims["credit_score"] != nil || login.Warning == nil || (tt.check != "" && checked(login.Warning) != tt.check) {
				t.Errorf("got %v; want check %q", login.Warning, tt.check)
			}
			if tt.answer == nil && f.count("/claims")+f.count("/internal") != 0 {
				t.Error("an address was fetched")
			}
			noSecrets(t, login.Warning.Error())
		})
	}
}

// A source speaks for the claims it was given, and for none that was said
// before, nor for the login itself.
func TestClaimSourcesLimits(t *testing.T) {
	f := newFakeWithBank(t)
	f.claims = map[string]any{"address": "of the token"}
	f.userInfo = map[string]any{
		"sub": "alice",
		"_claim_names": map[string]any{
			"credit_score": "s", "address": "s", "groups": "s", "acr": "s", "absent": "s",
		},
		"_claim_sources": map[string]any{"s": map[string]any{"JWT": sign(map[string]any{
			"credit_score": 1, "address": "of the source", "groups": []string{"admin"}, "acr": "high", "more": 1,
		})}},
	}
	login, err := complete(f, f.new(t, withSources(f)))
	if err != nil {
		t.Fatal(err)
	}
	if string(login.Claims["credit_score"]) != "1" || string(login.Claims["address"]) != `"of the token"` ||
		login.Claims["groups"] != nil || login.Claims["acr"] != nil || login.Claims["more"] != nil || login.Claims["absent"] != nil {
		t.Errorf("claims %s", login.Claims)
	}
}

func TestNewRefusesClaimSources(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		source     provider.ClaimSource
	}{
		{"no claims", "Claims is empty", provider.ClaimSource{}},
		{"a claim about the login", `"sub" is not for others`, provider.ClaimSource{Claims: []string{"sub"}}},
		{"keys without an issuer", "give both Issuer and JWKS", provider.ClaimSource{JWKS: "https://a.example/jwks", Claims: []string{"x"}}},
		{"an issuer without keys", "give both Issuer and JWKS", provider.ClaimSource{Issuer: "https://a.example", Claims: []string{"x"}}},
		{"an address that is none", "Endpoint", provider.ClaimSource{Endpoint: "file:///etc/passwd", Claims: []string{"x"}}},
		{"a link-local address", "Endpoint", provider.ClaimSource{Endpoint: "https://169.254.169.254/", Claims: []string{"x"}}},
	} {
		f := newFake(t)
		s := f.settings()
		s.ClaimSources = []provider.ClaimSource{tt.source}
		if _, err := provider.New(s); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v; want %q", tt.name, err, tt.want)
		}
	}
}
