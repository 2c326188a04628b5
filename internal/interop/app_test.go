package interop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// app is a small application whose only provider is npm oidc-provider.
type app struct {
	url  string // http://localhost:PORT, another site than the provider's
	node *interop.NodeProvider
	log  *interop.Log

	mu        sync.Mutex
	callbacks []callback
	tamper    func(url.Values) // changes a response on its way, if not nil
}

// callback is a response as the provider sent it.
type callback struct {
	method string
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

// startApp runs the application and its provider. The client and the settings
// for it may be adjusted.
func startApp(t *testing.T, adjust func(*interop.NodeClient, *oidcrp.Provider)) *app {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	a := &app{url: "http://localhost:" + port, log: &interop.Log{}}

	client := interop.NodeClient{
		ID:                     "reports",
		Secret:                 "secret/with+odd%characters&=and:enough~of!them",
		RedirectURIs:           []string{a.url + "/auth/callback/node"},
		PostLogoutRedirectURIs: []string{a.url + "/auth/logout"},
	}
	provider := oidcrp.Provider{
		Name:         "node",
		ClientID:     client.ID,
		ClientSecret: oidcrp.Secret(client.Secret),
		UserInfo:     oidcrp.UserInfoRequired,
	}
	if adjust != nil {
		adjust(&client, &provider)
	}
	a.node = interop.StartNode(t, interop.NodeConfig{Accounts: accounts, Clients: []interop.NodeClient{client}})
	provider.Issuer = a.node.Issuer

	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   a.url,
		Providers: []oidcrp.Provider{provider},
		Claims:    []string{"name", "email", "email_verified", "groups"},
		Logger:    slog.New(slog.NewTextHandler(a.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "home") })
	mux.Handle("GET /whoami", rp.RequireLogin(http.HandlerFunc(serveWhoami)))
	mux.Handle("POST /sign-out", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: "/"})
	})))
	mux.Handle("GET /maybe", rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "maybe "+oidcrp.FromContext(r.Context()).Subject())
	})))
	server := httptest.NewUnstartedServer(a.record(rp.Load(mux)))
	server.Listener.Close()
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the library said:\n%s", a.log)
		}
	})
	return a
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

// record notes the responses that come to the callback; a login that came by
// form_post goes on there without one.
func (a *app) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth/callback/node" && (r.Method == http.MethodPost || r.URL.Query().Has("state") && !r.URL.Query().Has("go-on")) {
			body, err := io.ReadAll(r.Body)
			params, formErr := url.ParseQuery(string(body))
			if err = errors.Join(err, formErr); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			if r.Method == http.MethodGet {
				params = r.URL.Query()
			}
			a.mu.Lock()
			a.callbacks = append(a.callbacks, callback{r.Method, maps.Clone(params)})
			if a.tamper != nil {
				a.tamper(params)
			}
			a.mu.Unlock()
			if r.Method == http.MethodGet {
				r.URL.RawQuery, body = params.Encode(), nil
				r.RequestURI = r.URL.RequestURI()
			} else {
				body = []byte(params.Encode())
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			r.ContentLength = int64(len(body))
		}
		next.ServeHTTP(w, r)
	})
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
