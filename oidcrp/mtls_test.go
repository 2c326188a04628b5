package oidcrp_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func newCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// showing is a client that trusts op and shows certificates.
func showing(op *strict, certificates ...tls.Certificate) *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(op.Certificate())
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: certificates}}}
}

// published fetches the one certificate of the application's JWK Set.
func published(jwksURL string) ([]byte, error) {
	res, err := http.Get(jwksURL)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		return nil, err
	}
	if len(set.Keys) != 1 || len(set.Keys[0].Certificates) != 1 {
		return nil, errors.New("not one certificate")
	}
	return set.Keys[0].Certificates[0].Raw, nil
}

func TestLoginWithCertificate(t *testing.T) {
	for _, method := range []string{"tls_client_auth", "self_signed_tls_client_auth"} {
		t.Run(method, func(t *testing.T) {
			op := newStrict(t)
			op.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
			op.StartTLS()
			mine := newCertificate(t)
			registered := func() ([]byte, error) { return mine.Certificate[0], nil }
			op.client = func(form url.Values, r *http.Request) error {
				want, err := registered()
				if err != nil {
					return err
				}
				if len(r.TLS.PeerCertificates) == 0 || !bytes.Equal(r.TLS.PeerCertificates[0].Raw, want) || form.Get("client_id") != "app" {
					return errors.New("another certificate")
				}
				return nil
			}
			login := func(shown tls.Certificate) *app {
				a := op.app(func(p *oidcrp.Provider) { p.ClientAuth, p.HTTPClient = method, showing(op, shown) })
				address := a.rp.RedirectURLs()[0].JWKS
				if (address != "") != (method == "self_signed_tls_client_auth") {
					t.Errorf("jwks_uri %q", address)
				}
				if address != "" && bytes.Equal(shown.Certificate[0], mine.Certificate[0]) {
					registered = func() ([]byte, error) { return published(address) }
				}
				return a
			}
			login(mine).signIn()
			a := login(newCertificate(t))
			a.refused(a.browse().Get(a.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
			if op.called("/token") != 2 {
				t.Errorf("%d token requests", op.called("/token"))
			}
		})
	}
}

// The provider has another host for clients with a certificate, and takes them
// there alone.
func TestMutualTLSAlias(t *testing.T) {
	op, door := newStrict(t), newStrict(t)
	door.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	door.StartTLS()
	door.handle["/token"] = op.ServeHTTP
	op.client = func(_ url.Values, r *http.Request) error {
		if r.TLS == nil || len(r.TLS.PeerCertificates) != 1 {
			return errors.New("no certificate")
		}
		return nil
	}
	op.metadata = map[string]any{"mtls_endpoint_aliases": map[string]any{"token_endpoint": door.URL + "/token"}}
	a := op.app(func(p *oidcrp.Provider) {
		p.ClientAuth, p.HTTPClient = "tls_client_auth", showing(door, newCertificate(t))
	})
	a.signIn()
	if door.called("/token") != 1 {
		t.Errorf("%d token requests at the alias", door.called("/token"))
	}
}
