package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const theURN = "urn:ietf:params:oauth:request_uri:a b&c"

// pushing makes a fake take pushed requests.
func (f *fake) pushing() *fake {
	f.metadata = map[string]any{"pushed_authorization_request_endpoint": f.URL + "/par"}
	f.handle("/par", respond(201, "application/json", `{"request_uri":"`+theURN+`","expires_in":60}`))
	return f
}

func begin(p *provider.Provider) (string, error) {
	return p.AuthorizationURL(context.Background(), provider.Request{State: "canary-state", Nonce: theNonce, Challenge: "the-challenge", LoginHint: "a b"})
}

func TestPushedRequest(t *testing.T) {
	f := newFake(t).pushing()
	f.metadata["authorization_endpoint"] = f.URL + "/authorize?tenant=7&state=evil"
	p := f.new(t, func(s *provider.Settings) { s.Resource = []string{"https://a.example", "https://b.example"} })
	address, err := begin(p)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but these two (FAPI 2.0 5.3.3.2), and what the endpoint's own
	// address has.
	want := f.URL + "/authorize?tenant=7&client_id=client+1&request_uri=" + url.QueryEscape(theURN)
	if address != want {
		t.Errorf("got  %s\nwant %s", address, want)
	}
	got := f.requests("/par")
	if len(got) != 1 || got[0].Method != "POST" || !strings.HasPrefix(got[0].Header.Get("Authorization"), "Basic ") {
		t.Fatalf("got %+v", got)
	}
	form := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {"https://rp.example/auth/callback/op"},
		"scope": {"openid profile email"}, "state": {"canary-state"}, "nonce": {theNonce}, "login_hint": {"a b"},
		"code_challenge": {"the-challenge"}, "code_challenge_method": {"S256"}, "resource": {"https://a.example", "https://b.example"},
	}
	if got[0].Form.Encode() != form.Encode() {
		t.Errorf("got  %s\nwant %s", got[0].Form.Encode(), form.Encode())
	}
}

// A connection that the provider closed while it was idle is no outage: to push
// a request again does no harm (R15). A code is not sent again.
func TestPushedRequestOverAClosedConnection(t *testing.T) {
	f := newFake(t).pushing()
	good, n := f.handlers["/par"], 0
	f.handle("/par", func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 2 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			conn.Close()
			return
		}
		good(w, r)
	})
	p := f.new(t)
	for range 2 {
		if _, err := begin(p); err != nil {
			t.Fatal(err)
		}
	}
	got := f.requests("/par")
	if len(got) != 3 {
		t.Errorf("pushed %d times", len(got))
	}
	for _, r := range got {
		if r.Header["Idempotency-Key"] != nil {
			t.Errorf("sent %v", r.Header)
		}
	}
}

// The client authenticates as at the token endpoint, with an assertion of its
// own each time.
func TestPushedRequestIsAuthenticated(t *testing.T) {
	f := newFake(t).pushing()
	p := f.new(t, keys(provider.ClientKey{Key: rsaKey()}))
	for range 2 {
		if _, err := begin(p); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	seen := map[any]bool{}
	for _, r := range append(f.requests("/par"), f.requests("/token")...) {
		_, claims := readJWT(t, r.Form.Get("client_assertion"), "RS256", rsaKey().Public())
		if claims["aud"] != f.URL || seen[claims["jti"]] {
			t.Errorf("claims %v", claims)
		}
		seen[claims["jti"]] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d assertions", len(seen))
	}
}

func TestWhetherToPush(t *testing.T) {
	for _, tt := range []struct {
		name       string
		par        int
		endpoint   string // setting
		advertised bool
		required   bool
		pushes     int
		want       error
	}{
		{"advertised", provider.UsageWhenAdvertised, "", true, false, 1, nil},
		{"not advertised", provider.UsageWhenAdvertised, "", false, false, 0, nil},
		{"advertised and blanked", provider.UsageWhenAdvertised, "-", true, false, 0, nil},
		{"given by hand", provider.UsageWhenAdvertised, "/par", false, false, 1, nil},
		{"refused", provider.UsageRefused, "", true, false, 0, nil},
		{"refused and required there", provider.UsageRefused, "", true, true, 0, provider.ErrMisconfigured},
		{"required", provider.UsageRequired, "", true, false, 1, nil},
		{"required and not advertised", provider.UsageRequired, "", false, false, 0, provider.ErrMisconfigured},
		{"required and given by hand", provider.UsageRequired, "/par", false, false, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t).pushing()
			if !tt.advertised {
				delete(f.metadata, "pushed_authorization_request_endpoint")
			}
			f.metadata["require_pushed_authorization_requests"] = tt.required
			p := f.new(t, func(s *provider.Settings) {
				s.PAR, s.Endpoints.PAR = tt.par, tt.endpoint
				if strings.HasPrefix(tt.endpoint, "/") {
					s.Endpoints.PAR = f.URL + tt.endpoint
				}
			})
			address, err := begin(p)
			if !errors.Is(err, tt.want) || f.count("/par") != tt.pushes {
				t.Fatalf("got %v after %d pushes; want %v after %d", err, f.count("/par"), tt.want, tt.pushes)
			}
			if err == nil && strings.Contains(address, "request_uri=") != (tt.pushes == 1) {
				t.Errorf("got %s", address)
			}
		})
	}
}

// Whatever the endpoint answers, the request does not go another way.
func TestPushFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		h     http.HandlerFunc
		want  error
		check string
	}{
		{"invalid_client", respond(401, "application/json", `{"error":"invalid_client"}`), provider.ErrMisconfigured, ""},
		{"invalid_scope", respond(400, "application/json", `{"error":"invalid_scope","error_description":"canary-state `+theNonce+`"}`), provider.ErrMisconfigured, ""},
		{"invalid_request", respond(400, "application/json", `{"error":"invalid_request","error_description":"canary-state `+theNonce+`"}`), provider.ErrInvalid, "invalid_request"},
		{"server_error", respond(500, "application/json", `{"error":"server_error"}`), provider.ErrUnavailable, ""},
		{"429", respond(429, "text/plain", "canary"), provider.ErrUnavailable, ""},
		{"404", respond(404, "text/html", "canary"), provider.ErrUnavailable, ""},
		{"a redirect", redirectTo(307, "/elsewhere"), provider.ErrUnavailable, ""},
		{"a reset connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, provider.ErrUnavailable, ""},
		{"HTML", respond(201, "text/html", `{"request_uri":"urn:x"}`), provider.ErrUnavailable, ""},
		{"half an object", respond(201, "application/json", `{"request_uri":"canary`), provider.ErrInvalid, "json"},
		{"two request_uris", respond(201, "application/json", `{"request_uri":"urn:a","request_uri":"urn:b"}`), provider.ErrInvalid, "json"},
		{"no request_uri", respond(201, "application/json", `{"expires_in":60}`), provider.ErrInvalid, "request_uri"},
		{"an empty request_uri", respond(201, "application/json", `{"request_uri":""}`), provider.ErrInvalid, "request_uri"},
		{"a request_uri that is a number", respond(201, "application/json", `{"request_uri":1}`), provider.ErrInvalid, "request_uri"},
		{"a request_uri with a line break", respond(201, "application/json", `{"request_uri":"urn:a\r\nb"}`), provider.ErrInvalid, "request_uri"},
		{"an endless request_uri", respond(201, "application/json", `{"request_uri":"`+strings.Repeat("a", 513)+`"}`), provider.ErrInvalid, "request_uri"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t).pushing()
			f.handle("/par", tt.h)
			address, err := begin(f.new(t))
			if !errors.Is(err, tt.want) || (tt.check != "" && checked(err) != tt.check) || address != "" {
				t.Fatalf("got %q, %v; want %v, check %q", address, err, tt.want, tt.check)
			}
			// A push changes nothing anyone has seen yet: one lost with its kept
			// connection is made once more, on a new one.
			pushes := 1
			if tt.name == "a reset connection" {
				pushes = 2
			}
			if f.count("/par") != pushes || f.count("/elsewhere") != 0 {
				t.Errorf("%d pushes, want %d; %d elsewhere", f.count("/par"), pushes, f.count("/elsewhere"))
			}
			noSecrets(t, err.Error())
		})
	}
}

// What the operator can change is told from what any visitor can ask for.
func TestPushedWishes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*provider.Settings)
		wish   provider.Request
		want   error
	}{
		{"nothing", nil, provider.Request{UILocales: "de"}, provider.ErrMisconfigured},
		{"an age and a class of the application's", nil, provider.Request{MaxAge: ptr(time.Minute), ACRValues: []string{"gold"}}, provider.ErrMisconfigured},
		{"a prompt", nil, provider.Request{Prompt: "create"}, provider.ErrInvalid},
		{"a hint", nil, provider.Request{LoginHint: "alice"}, provider.ErrInvalid},
		{"a listed parameter", func(s *provider.Settings) { s.DynamicParams = []string{"kc_idp_hint"} },
			provider.Request{Params: map[string]string{"kc_idp_hint": "x"}}, provider.ErrInvalid},
		{"an unlisted parameter", nil, provider.Request{Params: map[string]string{"kc_idp_hint": "x"}}, provider.ErrMisconfigured},
		{"a prompt that is the setting's", func(s *provider.Settings) { s.Prompt = "login" }, provider.Request{Prompt: "create"}, provider.ErrMisconfigured},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t).pushing()
			f.handle("/par", respond(400, "application/json", `{"error":"invalid_request","error_description":"prompt"}`))
			change := tt.change
			if change == nil {
				change = func(*provider.Settings) {}
			}
			tt.wish.State, tt.wish.Nonce, tt.wish.Challenge = "canary-state", theNonce, "c"
			_, err := f.new(t, change).AuthorizationURL(context.Background(), tt.wish)
			if !errors.Is(err, tt.want) || errors.Is(err, provider.ErrMisconfigured) && errors.Is(err, provider.ErrInvalid) {
				t.Errorf("got %v; want %v", err, tt.want)
			}
			var answer *provider.Error
			if !errors.As(err, &answer) || answer.Code != "invalid_request" {
				t.Errorf("the answer is not in %v", err)
			}
		})
	}
}

// A provider may repeat what it was sent, in whatever form that was.
func TestPushErrorsTellNothingPrivate(t *testing.T) {
	for _, kind := range []string{"", "request", "unsigned request"} {
		f := newFake(t).pushing()
		var object string
		f.handle("/par", func(w http.ResponseWriter, r *http.Request) {
			got := f.requests("/par")
			object = got[len(got)-1].Form.Get("request")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			json.NewEncoder(w).Encode(map[string]string{"error": "invalid_scope", "error_description": object + " has " + longState + " and " + longNonce})
		})
		var key []provider.ClientKey
		if kind == "request" {
			key = []provider.ClientKey{{Key: p256("par")}}
		}
		_, err := f.new(t, objects(kind, key...)).AuthorizationURL(context.Background(), provider.Request{State: longState, Nonce: longNonce, Challenge: longChallenge})
		if err == nil || !strings.Contains(err.Error(), "[redacted]") {
			t.Fatalf("%q: %v", kind, err)
		}
		for _, private := range []string{longState, longNonce, object} {
			if private != "" && strings.Contains(err.Error(), private) {
				t.Errorf("%q: the error says %v", kind, err)
			}
		}
	}
}

// Anybody can start logins. While the provider is slow a bounded number of
// them waits, and the others hear of it at once.
func TestPushesAreBounded(t *testing.T) {
	f := newFake(t).pushing()
	release := make(chan struct{})
	ok := respond(201, "application/json", `{"request_uri":"urn:x"}`)
	f.handle("/par", func(w http.ResponseWriter, r *http.Request) {
		<-release
		ok(w, r)
	})
	p := f.new(t)
	if err := p.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 200)
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() { _, err := begin(p); results <- err })
	}
	for range 200 - 64 {
		if err := <-results; !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("one too many: %v", err)
		}
	}
	close(release)
	wg.Wait()
	for range 64 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if _, err := begin(p); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func TestSilentPushEndpoint(t *testing.T) {
	f := newFake(t).pushing()
	done := make(chan struct{})
	f.handle("/par", func(w http.ResponseWriter, r *http.Request) { <-done })
	defer close(done)
	p := f.new(t)
	provider.SetTimeout(p, 50*time.Millisecond)
	began := time.Now()
	if _, err := begin(p); !errors.Is(err, provider.ErrUnavailable) || time.Since(began) > 5*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

// Secrets go to the endpoint: it may come and go, but not move elsewhere.
func TestPushEndpointMoves(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before any
		after  string // "" is gone; "/" is at the same host
		pushes int
	}{
		{"a new one beside the token endpoint", nil, "/par", 1},
		{"one that goes away", "/par", "", 0},
		{"one that moves to another host", "/par", "https://evil.example/par", 1},
		{"a new one elsewhere", nil, "https://evil.example/par", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t).pushing()
			at := func(path any) any {
				if s, ok := path.(string); ok && strings.HasPrefix(s, "/") {
					return f.URL + s
				}
				return path
			}
			f.metadata["pushed_authorization_request_endpoint"] = at(tt.before)
			p := f.new(t)
			if err := p.Ready(context.Background()); err != nil {
				t.Fatal(err)
			}
			f.set(func(f *fake) {
				f.metadata["pushed_authorization_request_endpoint"] = at(tt.after)
				if tt.after == "" {
					f.metadata["pushed_authorization_request_endpoint"] = nil
				}
			})
			f.clock.Add(25 * time.Hour)
			if _, err := begin(p); err != nil { // with what is known; refreshes in the background
				t.Fatal(err)
			}
			p.Wait(context.Background())
			before := f.count("/par")
			address, err := begin(p)
			if err != nil || strings.Contains(address, "evil") || f.count("/par")-before != tt.pushes {
				t.Errorf("%s, %v, %d pushes; status %+v", address, err, f.count("/par")-before, p.Status())
			}
		})
	}
}

func FuzzPushedResponse(f *testing.F) {
	for _, seed := range []string{`{"request_uri":"urn:x","expires_in":60}`, `{"request_uri":null}`, `[]`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		uri, err := provider.ReadRequestURI(body)
		if (err == nil) != (uri != "") || len(uri) > 512 || strings.ContainsAny(uri, "\r\n\x00") {
			t.Errorf("%q: %q, %v", body, uri, err)
		}
	})
}
