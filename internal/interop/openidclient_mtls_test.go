package interop_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestOpenIDClientByCertificate(t *testing.T) {
	node := interop.StartOpenIDClient(t)
	for _, method := range []string{"tls_client_auth", "self_signed_tls_client_auth"} {
		t.Run(method, func(t *testing.T) {
			p := oidcrptest.NewProvider(t)
			if err := p.StartTLS(); err != nil {
				t.Fatal(err)
			}
			certificate := p.IssueCertificate(x509.Certificate{Subject: pkix.Name{CommonName: "reports"}})
			land := newLanding(t)
			c := oidcrptest.Client{
				RedirectURLs: []string{land.url + "/callback"}, PostLogoutRedirectURLs: []string{land.url + "/out"},
				AuthMethod: method, BindCertificate: true, RequirePAR: true,
			}
			if method == "tls_client_auth" {
				c.CertificateSubject.DN = "CN=reports"
			} else {
				c.JWKS = certificateJWKS(t, certificate)
			}
			c = p.AddClient(c)
			clientSignsIn(t, node, p, land, c, map[string]any{
				"auth": method, "par": true, "scope": "openid offline_access",
				"resource": p.TLSURL(oidcrptest.ResourceEndpoint),
				"tls":      map[string]any{"ca": authorityPEM(t, p), "cert": toPEM("CERTIFICATE", certificate.Certificate[0]), "key": keyPEM(t, certificate)},
			})
			for _, endpoint := range []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint, oidcrptest.RevokeEndpoint} {
				without := func(r oidcrptest.Request) bool { return r.Certificate == nil }
				if p.Calls(endpoint) == 0 || slices.ContainsFunc(p.Requests(endpoint), without) {
					t.Errorf("%s was called without the certificate, or not at all", endpoint)
				}
			}
		})
	}
}

// certificateJWKS is the key set of a client that is known by its certificate.
func certificateJWKS(t *testing.T, c tls.Certificate) []byte {
	t.Helper()
	point, err := c.Leaf.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(c.Certificate[0])},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func keyPEM(t *testing.T, c tls.Certificate) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return toPEM("PRIVATE KEY", der)
}

// authorityPEM is the certificate at the end of the provider's chain.
func authorityPEM(t *testing.T, p *oidcrptest.Provider) string {
	t.Helper()
	u := mustParse(t, p.TLSURL(""))
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: p.CertPool()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	chain := conn.ConnectionState().VerifiedChains[0]
	return toPEM("CERTIFICATE", chain[len(chain)-1].Raw)
}
