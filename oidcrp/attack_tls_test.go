package oidcrp_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// certificate makes one that is valid for an hour before end, by an authority that
// is returned with it.
func certificate(t *testing.T, end time.Time, change func(*x509.Certificate)) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	private, _ := ownKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: end.Add(-2 * time.Hour), NotAfter: end, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, pool
}

func certificates(t *testing.T) {
	next := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name    string
		end     time.Time
		change  func(*x509.Certificate)
		trusted bool
		newest  uint16 // version of TLS
		reached bool
	}{
		{"as it should be", next, nil, true, 0, true},
		{"self-signed", next, nil, false, 0, false},
		{"of another name", next, func(c *x509.Certificate) { c.IPAddresses, c.DNSNames = nil, []string{"op.example"} }, true, 0, false},
		{"of another address", next, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 2)} }, true, 0, false},
		{"its name in the subject alone", next, func(c *x509.Certificate) { c.IPAddresses = nil }, true, 0, false},
		{"expired", time.Now().Add(-time.Minute), nil, true, 0, false},
		{"not yet valid", time.Now().Add(5 * time.Hour), nil, true, 0, false},
		{"TLS 1.0", next, nil, true, tls.VersionTLS10, false},
		{"TLS 1.1", next, nil, true, tls.VersionTLS11, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, authority := certificate(t, tt.end, tt.change)
			var requests atomic.Int32
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
			srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tt.newest}
			srv.Config.ErrorLog = log.New(io.Discard, "", 0)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			cfg := oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Logger: quiet,
				Providers: []oidcrp.Provider{{Issuer: srv.URL, ClientID: "c", ClientSecret: "s"}}}
			if tt.trusted {
				transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}}
				t.Cleanup(transport.CloseIdleConnections)
				cfg.HTTPClient = &http.Client{Transport: transport}
			}
			rp, err := oidcrp.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			w := ask(rp, rp, nil, "GET", "/auth/login", navigate...)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Location") != "" {
				t.Errorf("%d to %q: %s", w.Code, w.Header().Get("Location"), w.Body)
			}
			if reached := requests.Load() > 0; reached != tt.reached {
				t.Errorf("the server was asked: %v; %s", reached, rp.Status().Providers[0].LastError)
			}
			if text := rp.Status().Providers[0].LastError; !tt.reached && !strings.Contains(text, "tls:") && !strings.Contains(text, "x509:") {
				t.Errorf("the operator learns %q", text)
			}
		})
	}
}

func plainHTTP(t *testing.T) {
	blind := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, tt := range []struct {
		name   string
		change func(*oidcrp.Provider)
		err    string // "": it is admitted
		warns  string
	}{
		{"plain http", func(p *oidcrp.Provider) {}, "https://", ""},
		{"plain http, admitted", func(p *oidcrp.Provider) { p.InsecureAllowHTTP = true }, "", "provider may be reached by plain http"},
		{"plain http, of a tenant", func(p *oidcrp.Provider) { p.InsecureAllowHTTP, p.TenantSupplied = true, true }, "InsecureAllowHTTP", ""},
		{"plain http on this machine", func(p *oidcrp.Provider) { p.Issuer = "http://127.0.0.1:4000" }, "", ""},
		{"a name that begins like this machine's", func(p *oidcrp.Provider) { p.Issuer = "http://localhost.evil.example" }, "https://", ""},
		{"an endpoint by plain http", func(p *oidcrp.Provider) {
			p.Issuer, p.Endpoints.Token = "https://op.example", "http://op.example/token"
		}, "https://", ""},
		{"any certificate", func(p *oidcrp.Provider) { p.Issuer, p.HTTPClient = "https://op.example", blind }, "", "accepts any certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seen := &record{}
			p := oidcrp.Provider{Issuer: "http://op.example", ClientID: "c", ClientSecret: "s"}
			tt.change(&p)
			_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Providers: []oidcrp.Provider{p},
				Logger: slog.New(slog.NewTextHandler(seen, nil))})
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v", err)
			}
			if warned := strings.Contains(seen.String(), "level=WARN"); warned != (tt.warns != "") || !strings.Contains(seen.String(), tt.warns) {
				t.Errorf("log: %s", seen)
			}
		})
	}
}
