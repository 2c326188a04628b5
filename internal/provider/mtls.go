package provider

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// aliased are the endpoints that have another address for clients with a
// certificate (RFC 8705 5). Browsers and key sets know no such thing.
var aliased = []string{"token_endpoint", "userinfo_endpoint", "pushed_authorization_request_endpoint", "revocation_endpoint"}

// mutualTLS reports whether the client authenticates by its certificate.
func (s *Settings) mutualTLS() bool {
	return s.ClientAuth == authTLS || s.ClientAuth == authSelfSigned
}

// clientTLS is what the caller's client says to servers, where that can be
// seen: a transport of the caller's own kind keeps it to itself.
func clientTLS(c *http.Client) (config *tls.Config, seen bool) {
	if c == nil || c.Transport == nil {
		return &tls.Config{}, true
	}
	t, ok := c.Transport.(*http.Transport)
	if !ok || t.DialTLSContext != nil {
		return nil, false
	}
	if t.TLSClientConfig == nil {
		return &tls.Config{}, true
	}
	return t.TLSClientConfig, true
}

func hasCertificate(c *tls.Config) bool {
	return len(c.Certificates) > 0 || c.GetClientCertificate != nil
}

func (s *Settings) checkMutualTLS(m *mistakes) {
	if s.TenantSupplied {
		m.add("ClientAuth %q: a TenantSupplied provider never uses HTTPClient, which has the certificate: use %q", s.ClientAuth, authPrivateKey)
		return
	}
	if c, seen := clientTLS(s.HTTPClient); seen && !hasCertificate(c) {
		m.add("ClientAuth %q: HTTPClient has no client certificate: give its transport one in TLSClientConfig", s.ClientAuth)
	}
}

// withAliases puts the endpoints for clients with a certificate in place of
// the others, as far as there are any (RFC 8705 5).
func withAliases(doc validate.Claims) (validate.Claims, error) {
	raw, ok := doc["mtls_endpoint_aliases"]
	if !ok {
		return doc, nil
	}
	aliases, err := validate.Object(raw)
	if err != nil {
		return nil, errors.New("mtls_endpoint_aliases: is no object")
	}
	doc = maps.Clone(doc)
	for _, name := range aliased {
		if alias, ok := aliases[name]; ok {
			doc[name] = alias
		}
	}
	return doc, nil
}

// checkTransport refuses endpoints at which a certificate cannot be shown.
func (m *metadata) checkTransport(s *Settings) error {
	used := map[string]string{"token_endpoint": m.token, "pushed_authorization_request_endpoint": m.par}
	if s.Offline { // there are tokens to revoke
		used["revocation_endpoint"] = m.revocation
	}
	for name, address := range used {
		if s.mutualTLS() && address != "" && !strings.HasPrefix(address, "https://") {
			return fmt.Errorf("%s: ClientAuth %q needs https", name, s.ClientAuth)
		}
	}
	return nil
}

// certificateKey is the public key of the client's certificate with the
// certificate itself, by which a provider knows it that trusts no authority
// for it (RFC 8705 2.2.2). It is nil where there is none to be seen.
func (p *Provider) certificateKey() (json.RawMessage, error) {
	c, seen := clientTLS(p.s.HTTPClient)
	if p.s.ClientAuth != authSelfSigned || !seen {
		return nil, nil
	}
	leaf, err := clientCertificate(c)
	if err != nil {
		return nil, &Unavailable{What: "client certificate", Err: err}
	}
	id, err := thumbprint(leaf.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w: %w", ErrMisconfigured, err)
	}
	sum := sha256.Sum256(leaf.Raw) // some providers compare this alone
	key := jose.JSONWebKey{
		Key: leaf.PublicKey, KeyID: id, Use: "sig",
		Certificates: []*x509.Certificate{leaf}, CertificateThumbprintSHA256: sum[:],
	}
	return key.MarshalJSON()
}

// clientCertificate is the one that would be shown to a server now.
func clientCertificate(c *tls.Config) (*x509.Certificate, error) {
	var shown tls.Certificate
	if len(c.Certificates) > 0 {
		shown = c.Certificates[0]
	}
	if c.GetClientCertificate != nil {
		now, err := c.GetClientCertificate(&tls.CertificateRequestInfo{
			Version: tls.VersionTLS13,
			SignatureSchemes: []tls.SignatureScheme{
				tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512, tls.Ed25519,
				tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512,
			},
		})
		if err != nil {
			return nil, err
		}
		if now != nil {
			shown = *now
		}
	}
	if len(shown.Certificate) == 0 {
		return nil, errors.New("there is none")
	}
	return x509.ParseCertificate(shown.Certificate[0])
}
