package interop_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// app is a small application with one provider, whose real relying party
// signs in.
type app struct {
	url string // http or https://localhost:PORT, another site than the provider's
	op  *running
	log *interop.Log

	// sent is what was said behind the browser's back.
	sent *traffic

	mu        sync.Mutex
	callbacks []callback
	paths     []string         // below /auth that were asked for, but callbacks
	tamper    func(url.Values) // changes a response on its way, if not nil
}

// callback is a response as the provider sent it.
type callback struct {
	mode   string // query, fragment or form_post
	params url.Values
}

// whoami is what the application's protected page says.
type whoami struct {
	Issuer, Subject, Provider, ACR string
	AMR                            []string
	Claims                         map[string]any
}

// accounts are those of the provider.
var accounts = map[string]map[string]any{
	"alice": {"name": "Alice Archer", "email": "alice@example.com", "email_verified": true, "groups": []string{"staff", "admins"}},
	"bob":   {"name": "บ๊อบ ใจดี", "email": "bob@example.com"},
}

// newApp runs the application as a new client of a provider. The client and
// the settings for it may be adjusted.
func newApp(t *testing.T, op *running, adjust func(*interop.Client, *oidcrp.Provider)) *app {
	t.Helper()
	a := &app{op: op, log: &interop.Log{}, sent: newTraffic(op.roots)}
	t.Cleanup(a.sent.inner.CloseIdleConnections)
	server := httptest.NewUnstartedServer(nil)
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a.url = "http://localhost:" + port
	if op.https {
		a.url = "https://localhost:" + port
	}
	server.Config.Handler = a.record(a.build(t, adjust))
	if op.https {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{clientCA().issue("application")}}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the library said:\n%s\nsent:\n%s", a.log, a.sent)
		}
	})
	return a
}

// build is the application itself.
func (a *app) build(t *testing.T, adjust func(*interop.Client, *oidcrp.Provider)) http.Handler {
	t.Helper()
	client := interop.Client{
		ID:                     "reports-" + strings.ToLower(rand.Text()[:8]),
		Secret:                 "secret/with+odd%characters&=and:enough~of!them",
		RedirectURIs:           []string{a.url + "/auth/callback/op"},
		PostLogoutRedirectURIs: []string{a.url + "/auth/logout"},
		AuthMethod:             "client_secret_basic",
		Scope:                  "openid profile email groups",
		GrantTypes:             []string{"authorization_code"},
		ResponseTypes:          []string{"code"},
	}
	provider := oidcrp.Provider{
		Name: "op", Issuer: a.op.issuer,
		UserInfo:   oidcrp.UserInfoRequired,
		HTTPClient: a.sent.client(),
	}
	if adjust != nil {
		adjust(&client, &provider)
	}
	if client.AuthMethod == "none" {
		client.Secret = ""
	}
	if provider.Registration == nil {
		client = a.op.register(t, client)
		provider.ClientID = client.ID
	}
	if provider.Registration == nil && provider.ClientSecret == "" && strings.HasPrefix(client.AuthMethod, "client_secret_") {
		provider.ClientSecret = oidcrp.Secret(client.Secret)
	}
	if a.op.configure != nil {
		a.op.configure(&provider)
	}

	var store oidcrp.Store
	if a.sent.hurry = provider.KeepTokens; provider.KeepTokens || provider.BackchannelLogout || provider.FrontchannelLogout {
		store = oidcrp.NewMemoryStore()
	}
	rp, err := oidcrp.New(oidcrp.Config{
		Store:      store,
		BaseURL:    a.url,
		CookieKeys: [][]byte{[]byte(rand.Text() + rand.Text())},
		Providers:  []oidcrp.Provider{provider},
		Claims:     []string{"name", "email", "email_verified", "groups"},
		Logger:     slog.New(slog.NewTextHandler(a.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "home") })
	mux.Handle("GET /whoami", rp.RequireLogin(http.HandlerFunc(serveWhoami)))
	mux.Handle("GET /maybe", rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "maybe "+oidcrp.FromContext(r.Context()).Subject())
	})))
	mux.Handle("GET /call", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := rp.Client(r.Context()).Get(r.FormValue("api"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	})))
	return rp.Load(mux)
}

func serveWhoami(w http.ResponseWriter, r *http.Request) {
	s := oidcrp.FromContext(r.Context())
	claims, err := oidcrp.Claims[map[string]any](r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	json.NewEncoder(w).Encode(whoami{s.Issuer(), s.Subject(), s.Provider(), s.ACR(), s.AMR(), claims})
}

// record notes the responses that come to the callback, and which others of our
// addresses were asked for. A login that came by form_post goes on at the callback
// without another response.
func (a *app) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/auth/callback/op" && (r.Method == http.MethodPost || r.URL.Query().Has("state") && !r.URL.Query().Has("go-on") || r.URL.Query().Has("response")):
			if err := a.recordCallback(r); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
		case strings.HasPrefix(r.URL.Path, "/auth/"):
			a.mu.Lock()
			a.paths = append(a.paths, r.URL.Path)
			a.mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
}

func (a *app) recordCallback(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	params, formErr := url.ParseQuery(string(body))
	if err = errors.Join(err, formErr); err != nil {
		return err
	}
	seen := callback{mode: "form_post", params: params}
	if r.Method == http.MethodGet {
		params = r.URL.Query()
		seen = callback{mode: "query", params: params}
	} else if fragment := params.Get("response_fragment"); fragment != "" {
		seen.mode = "fragment"
		if seen.params, err = url.ParseQuery(fragment); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	seen.params = maps.Clone(seen.params)
	a.callbacks = append(a.callbacks, seen)
	if a.tamper != nil {
		a.tamper(params)
	}
	if r.Method == http.MethodGet {
		r.URL.RawQuery, body = params.Encode(), nil
		r.RequestURI = r.URL.RequestURI()
	} else {
		body = []byte(params.Encode())
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.ContentLength = int64(len(body))
	return nil
}

// onlyCallback is the one response the provider sent.
func (a *app) onlyCallback(t *testing.T) callback {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.callbacks) != 1 {
		t.Fatalf("the provider answered %d times, want once", len(a.callbacks))
	}
	return a.callbacks[0]
}

// told reports whether one of our addresses was asked for.
func (a *app) told(path string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Contains(a.paths, path)
}

func (a *app) whoami(t *testing.T, page *oidcrptest.Page) (me whoami) {
	t.Helper()
	if page.Status != http.StatusOK || page.URL.Path != "/whoami" {
		t.Fatalf("ended with %d at %v: %s", page.Status, page.URL, page)
	}
	if err := json.Unmarshal([]byte(page.Body), &me); err != nil {
		t.Fatal(err)
	}
	return me
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
