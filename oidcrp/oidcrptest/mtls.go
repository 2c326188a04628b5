package oidcrptest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// tlsMethods authenticate by the certificate of the connection (RFC 8705 2).
var tlsMethods = []string{"tls_client_auth", "self_signed_tls_client_auth"}

// aliased are the endpoints with an alias for certificates, by their name in
// the metadata (RFC 8705 5).
var aliased = map[string]string{
	"token_endpoint":                        TokenEndpoint,
	"revocation_endpoint":                   RevokeEndpoint,
	"userinfo_endpoint":                     UserInfoEndpoint,
	"pushed_authorization_request_endpoint": PAREndpoint,
	"registration_endpoint":                 RegisterEndpoint,
}

// CertificateSubject is whom the certificate of a client with tls_client_auth
// must name: exactly one of these (RFC 8705 2.1.2).
type CertificateSubject struct {
	DN    string // as RFC 4514 writes it
	DNS   string
	URI   string
	IP    string
	Email string
}

func (s CertificateSubject) matches(c *x509.Certificate) bool {
	has := func(wanted string, n int, at func(int) string) bool {
		for i := range n {
			if at(i) == wanted {
				return true
			}
		}
		return false
	}
	switch {
	case s.DN != "":
		return c.Subject.String() == s.DN
	case s.DNS != "":
		return slices.Contains(c.DNSNames, s.DNS)
	case s.Email != "":
		return slices.Contains(c.EmailAddresses, s.Email)
	case s.URI != "":
		return has(s.URI, len(c.URIs), func(i int) string { return c.URIs[i].String() })
	}
	return has(s.IP, len(c.IPAddresses), func(i int) string { return c.IPAddresses[i].String() })
}

func (s CertificateSubject) names() int {
	return used(s.DN != "", s.DNS != "", s.URI != "", s.IP != "", s.Email != "")
}

// authority makes certificates: the provider's own, and those of clients.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "oidcrptest"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	return &authority{certificate, key}, err
}

// issue certifies a fresh key, for a day.
func (a *authority) issue(template *x509.Certificate) (tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := *template
	t.SerialNumber, t.NotBefore, t.NotAfter = serial, time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &t, a.certificate, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// StartTLS starts a second listener, by TLS and on a free port of 127.0.0.1,
// that asks for client certificates. The metadata has it as
// mtls_endpoint_aliases (RFC 8705 5). Its certificate is of an authority of
// the provider's own, see [Provider.CertPool]; its clients have one of
// [Provider.IssueCertificate], or sign their own.
func (p *Provider) StartTLS() error {
	a, err := p.certificates()
	if err != nil {
		return fmt.Errorf("oidcrptest: %w", err)
	}
	own, err := a.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "localhost"},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return fmt.Errorf("oidcrptest: %w", err)
	}
	p.mu.Lock()
	started := p.tlsAddr != ""
	p.mu.Unlock()
	if started {
		return errors.New("oidcrptest: StartTLS was called before")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("oidcrptest: %w", err)
	}
	p.mu.Lock()
	p.tlsAddr, p.tlsCertificate = ln.Addr().String(), own
	p.mu.Unlock()
	p.serveTLS(ln)
	return nil
}

func (p *Provider) serveTLS(ln net.Listener) {
	p.mu.Lock()
	server := &http.Server{
		Handler:           p,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{p.tlsCertificate}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12},
	}
	p.tlsServer = server
	p.mu.Unlock()
	go server.ServeTLS(ln, "", "")
}

// certificates returns the provider's authority, made when first needed.
func (p *Provider) certificates() (*authority, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.authority == nil {
		a, err := newAuthority()
		if err != nil {
			return nil, err
		}
		p.authority = a
	}
	return p.authority, nil
}

// CertPool returns the authority that certifies the provider's TLS listener
// and what [Provider.IssueCertificate] makes.
func (p *Provider) CertPool() *x509.CertPool {
	a, err := p.certificates()
	if err != nil {
		panic(err) // out of randomness
	}
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return pool
}

// IssueCertificate makes a certificate for a client with tls_client_auth, with
// the subject and alternative names of template.
func (p *Provider) IssueCertificate(template x509.Certificate) tls.Certificate {
	a, err := p.certificates()
	if err != nil {
		panic(err) // out of randomness
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	made, err := a.issue(&template)
	if err != nil {
		panic(fmt.Sprintf("oidcrptest: %v", err))
	}
	return made
}

// TLSURL returns the address of one of the endpoints at the TLS listener; ""
// before [Provider.StartTLS].
func (p *Provider) TLSURL(endpoint string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tlsAddr == "" {
		return ""
	}
	return "https://" + p.tlsAddr + p.base + endpoint
}

// addAliases puts the TLS listener into the metadata.
func (p *Provider) addAliases(m map[string]any) {
	if p.TLSURL("") == "" {
		return
	}
	aliases := map[string]any{}
	for name, endpoint := range aliased {
		aliases[name] = p.TLSURL(endpoint)
	}
	m["mtls_endpoint_aliases"] = aliases
	m["tls_client_certificate_bound_access_tokens"] = true
	m["token_endpoint_auth_methods_supported"] = append(slices.Clone(authMethods), tlsMethods...)
}

// certificateOf is the certificate a request came with; nil for none.
func certificateOf(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// certificateHash is x5t#S256 (RFC 8705 3.1); "" for no certificate.
func certificateHash(r *http.Request) string {
	c := certificateOf(r)
	if c == nil {
		return ""
	}
	sum := sha256.Sum256(c.Raw)
	return b64(sum[:])
}

// checkCertificate authenticates a client by its certificate (RFC 8705 2).
func (p *Provider) checkCertificate(r *http.Request, c Client) error {
	got := certificateOf(r)
	if got == nil {
		return invalidClient("no client certificate")
	}
	if c.AuthMethod == "tls_client_auth" {
		_, err := got.Verify(x509.VerifyOptions{Roots: p.CertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if err != nil {
			return invalidClient(err.Error())
		}
		if !c.CertificateSubject.matches(got) {
			return invalidClient("the certificate is of another subject: " + got.Subject.String())
		}
		return nil
	}
	keys, err := p.clientKeys(r.Context(), c)
	if err != nil {
		return invalidClient(err.Error())
	}
	for _, k := range keys {
		if len(k.Certificates) > 0 && k.Certificates[0].Equal(got) {
			return nil
		}
	}
	return invalidClient("the certificate is in no x5c of the client's key set")
}

// calledAs returns the addresses by which an endpoint may have been called.
func (p *Provider) calledAs(r *http.Request) []string {
	endpoint := strings.TrimPrefix(r.URL.Path, p.base)
	return slices.DeleteFunc([]string{p.URL(endpoint), p.TLSURL(endpoint)}, func(s string) bool { return s == "" })
}
