package interop_test

import (
	"crypto/tls"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// clientAuthentication are the ways of Core 9 and RFC 8705.
var clientAuthentication = []feature{
	{
		name:   "none",
		adjust: authenticate("none", ""),
		used: func(t *testing.T, in *signIn) {
			e := in.tokenRequest(t)
			if e.header.Get("Authorization") != "" || e.form.Has("client_secret") || e.form.Has("client_assertion") || !e.form.Has("code_verifier") {
				t.Errorf("sent %v", sortedNames(e.form))
			}
		},
	},
	{
		name:   "client_secret_basic",
		adjust: authenticate("client_secret_basic", ""),
		used: func(t *testing.T, in *signIn) {
			e := in.tokenRequest(t)
			if e.header.Get("Authorization") == "" || e.form.Has("client_secret") {
				t.Errorf("sent %v", sortedNames(e.form))
			}
		},
	},
	{
		name:   "client_secret_post",
		adjust: authenticate("client_secret_post", ""),
		used: func(t *testing.T, in *signIn) {
			e := in.tokenRequest(t)
			if e.header.Get("Authorization") != "" || !e.form.Has("client_secret") {
				t.Errorf("sent %v", sortedNames(e.form))
			}
		},
	},
	{name: "client_secret_jwt", adjust: authenticate("client_secret_jwt", "HS256"), used: asserted("HS256")},
	{name: "private_key_jwt", adjust: authenticate("private_key_jwt", "RS256"), used: asserted("RS256")},
	byCertificate("tls_client_auth", func() tls.Certificate { return clientCA().issue(clientName) }),
	byCertificate("self_signed_tls_client_auth", func() tls.Certificate { return newAuthority(clientName).own }),
}

const clientName = "reports"

// authenticate makes the client use a method, with an algorithm where it
// signs.
func authenticate(method, alg string) func(*interop.Client, *oidcrp.Provider) {
	return func(c *interop.Client, p *oidcrp.Provider) {
		c.AuthMethod, c.AuthAlg, p.ClientAuth = method, alg, method
		if method == "private_key_jwt" {
			p.ClientKeys = []oidcrp.ClientKey{{Algorithm: alg, Key: keyFor(alg)}}
			published(c)
		}
	}
}

// asserted checks that the client proved itself by a JWT of this algorithm.
func asserted(alg string) func(*testing.T, *signIn) {
	return func(t *testing.T, in *signIn) {
		e := in.tokenRequest(t)
		if e.header.Get("Authorization") != "" || e.form.Has("client_secret") {
			t.Errorf("sent %v", sortedNames(e.form))
		}
		if header := joseHeader(t, e.form.Get("client_assertion"), 3); header.Alg != alg {
			t.Errorf("asserted by %q", header.Alg)
		}
	}
}

// byCertificate makes the client prove itself by a certificate (RFC 8705 2).
func byCertificate(method string, certificate func() tls.Certificate) feature {
	var shown atomic.Int32 // to servers that asked for it
	return feature{
		name: method,
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.AuthMethod, p.ClientAuth = method, method
			if method == "tls_client_auth" {
				c.CertificateDN = "CN=" + clientName
			} else {
				published(c)
			}
			mine := certificate()
			shown.Store(0)
			p.HTTPClient.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				shown.Add(1)
				return &mine, nil
			}
		},
		used: func(t *testing.T, in *signIn) {
			e := in.tokenRequest(t)
			if e.url.Scheme != "https" || shown.Load() == 0 {
				t.Errorf("%v was shown the certificate %d times", e.url, shown.Load())
			}
			if e.header.Get("Authorization") != "" || e.form.Has("client_secret") || e.form.Has("client_assertion") || !e.form.Has("client_id") {
				t.Errorf("sent %v", sortedNames(e.form))
			}
		},
	}
}
