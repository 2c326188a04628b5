package provider_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// certificate is a self-signed one.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// door is the entrance of a fake for clients with a certificate.
type door struct {
	*httptest.Server
	mu    sync.Mutex
	shown map[string][]byte // by path
}

func newDoor(t *testing.T, f *fake) *door {
	t.Helper()
	d := &door{shown: map[string][]byte{}}
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.shown[r.URL.Path] = r.TLS.PeerCertificates[0].Raw
		d.mu.Unlock()
		f.serve(w, r)
	}))
	d.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	d.StartTLS()
	t.Cleanup(d.Close)
	return d
}

// client shows a certificate at the door.
func (d *door) client(config *tls.Config) *http.Client {
	config.RootCAs = x509.NewCertPool()
	config.RootCAs.AddCert(d.Certificate())
	return &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
}

func TestMutualTLS(t *testing.T) {
	for _, method := range []string{"tls_client_auth", "self_signed_tls_client_auth"} {
		t.Run(method, func(t *testing.T) {
			f := newFake(t).pushing()
			d := newDoor(t, f)
			f.metadata["mtls_endpoint_aliases"] = map[string]any{
				"token_endpoint": d.URL + "/token", "pushed_authorization_request_endpoint": d.URL + "/par",
				"authorization_endpoint": d.URL + "/evil", "jwks_uri": d.URL + "/evil",
			}
			mine := certificate(t, "client")
			p := f.new(t, func(s *provider.Settings) {
				s.Secret, s.ClientAuth, s.UserInfo = nil, method, provider.UserInfoRequired
				s.HTTPClient = d.client(&tls.Config{Certificates: []tls.Certificate{mine}})
			})
			address, err := begin(p)
			if err != nil || !strings.HasPrefix(address, f.URL+"/authorize?") {
				t.Fatalf("%s, %v", address, err)
			}
			if _, err := complete(f, p); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/par", "/token"} {
				r := f.requests(path)[0]
				if !bytes.Equal(d.shown[path], mine.Certificate[0]) || r.Form.Get("client_id") != clientID || r.Form.Has("client_secret") || r.Form.Has("client_assertion") || r.Header.Get("Authorization") != "" {
					t.Errorf("%s: certificate %x, form %v, header %v", path, d.shown[path], r.Form, r.Header)
				}
			}
			// No alias, no change.
			if len(d.shown) != 2 || f.count("/userinfo") != 1 || f.count("/jwks") != 1 {
				t.Errorf("at the door: %d; userinfo %d, jwks %d", len(d.shown), f.count("/userinfo"), f.count("/jwks"))
			}
		})
	}
}

func TestMutualTLSEndpoints(t *testing.T) {
	const aliases = `"mtls_endpoint_aliases":`
	for _, tt := range []struct {
		name   string
		more   string
		change func(*provider.Settings)
		token  string // "" is refused
		says   string
	}{
		{"an alias", aliases + `{"token_endpoint":"https://mtls.example/token"}`, nil, "https://mtls.example/token", ""},
		{"an alias for those without a certificate", aliases + `{"token_endpoint":"https://mtls.example/token"}`,
			func(s *provider.Settings) { s.ClientAuth = "" }, "https://op.example/token", ""},
		{"a setting beats it", aliases + `{"token_endpoint":"https://mtls.example/token"}`,
			func(s *provider.Settings) { s.Endpoints.Token = "https://own.example/token" }, "https://own.example/token", ""},
		{"no alias for it", aliases + `{"userinfo_endpoint":"https://mtls.example/userinfo"}`, nil, "https://op.example/token", ""},
		{"no aliases", `"x":1`, nil, "https://op.example/token", ""},
		{"aliases that are an array", aliases + `["https://mtls.example"]`, nil, "", "mtls_endpoint_aliases"},
		{"an alias that is a number", aliases + `{"token_endpoint":1}`, nil, "", "token_endpoint"},
		{"an alias inside", aliases + `{"token_endpoint":"https://169.254.169.254/token"}`, nil, "", "token_endpoint"},
		{"an alias by http", aliases + `{"token_endpoint":"http://mtls.example/token"}`, nil, "", "https"},
		{"an alias by http where admitted", aliases + `{"token_endpoint":"http://mtls.example/token"}`,
			func(s *provider.Settings) { s.InsecureAllowHTTP = true }, "", "needs https"},
		{"revocation by http, of tokens that are kept", `"revocation_endpoint":"http://op.example/revoke"`,
			func(s *provider.Settings) { s.InsecureAllowHTTP, s.Offline = true, true }, "", "needs https"},
		{"revocation by http, where none are", `"revocation_endpoint":"http://op.example/revoke"`,
			func(s *provider.Settings) { s.InsecureAllowHTTP = true }, "https://op.example/token", ""},
		{"an alias on this machine", aliases + `{"token_endpoint":"https://localhost/token"}`, nil, "", "this machine"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := valid()
			s.ClientAuth = "tls_client_auth"
			s.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}}}}
			if tt.change != nil {
				tt.change(&s)
			}
			m, err := provider.ParseMetadata([]byte(`{"issuer":"https://op.example","authorization_endpoint":"https://op.example/authorize",
				"token_endpoint":"https://op.example/token","jwks_uri":"https://op.example/jwks",`+tt.more+`}`), s)
			if tt.token == "" {
				if !errors.Is(err, provider.ErrMisconfigured) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("got %+v, %v; want %q", m, err, tt.says)
				}
				return
			}
			if err != nil || m.Token != tt.token {
				t.Errorf("got %+v, %v; want %s", m, err, tt.token)
			}
		})
	}
}

// A provider that trusts no authority for the certificate finds it in our set
// (RFC 8705 2.2.2).
func TestCertificateInPublicKeys(t *testing.T) {
	f := newFake(t)
	first, second := certificate(t, "first"), certificate(t, "second")
	now := first
	gone := errors.New("the agent is gone")
	var failing bool
	rotating := &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if failing {
			return nil, gone
		}
		return &now, nil
	}}
	set := func(config *tls.Config, method string) (*provider.Provider, func(want *tls.Certificate)) {
		p := f.new(t, func(s *provider.Settings) {
			s.Secret, s.ClientAuth = nil, method
			s.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		})
		return p, func(want *tls.Certificate) {
			t.Helper()
			public, err := p.PublicKeys(context.Background())
			if want == nil {
				if err != nil || len(public) != 0 {
					t.Errorf("got %s, %v", public, err)
				}
				return
			}
			if err != nil || len(public) != 1 {
				t.Fatalf("got %s, %v", public, err)
			}
			var key jose.JSONWebKey
			if err := key.UnmarshalJSON(public[0]); err != nil || len(key.Certificates) != 1 || !bytes.Equal(key.Certificates[0].Raw, want.Certificate[0]) || !key.IsPublic() || key.KeyID == "" {
				t.Errorf("got %s, %v", public[0], err)
			}
			if sum := sha256.Sum256(want.Certificate[0]); !bytes.Equal(key.CertificateThumbprintSHA256, sum[:]) {
				t.Errorf("thumbprint %x", key.CertificateThumbprintSHA256)
			}
		}
	}
	_, check := set(&tls.Config{Certificates: []tls.Certificate{first}}, "self_signed_tls_client_auth")
	check(&first)
	_, check = set(&tls.Config{Certificates: []tls.Certificate{first}}, "tls_client_auth")
	check(nil)
	p, check := set(rotating, "self_signed_tls_client_auth")
	check(&first)
	now = second
	check(&second)
	failing = true
	if public, err := p.PublicKeys(context.Background()); !errors.Is(err, gone) || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %s, %v", public, err)
	}
}
