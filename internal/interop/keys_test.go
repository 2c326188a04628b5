package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// keys are made once: those of RSA take long.
var keys = map[string]func() crypto.Signer{
	"RS256": sync.OnceValue(rsaKey),
	"PS256": sync.OnceValue(rsaKey),
	"ES256": sync.OnceValue(func() crypto.Signer { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) }),
	"EdDSA": sync.OnceValue(func() crypto.Signer {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return must(key, err)
	}),
}

func rsaKey() crypto.Signer { return must(rsa.GenerateKey(rand.Reader, 2048)) }

// keyFor is a key that signs with alg.
func keyFor(alg string) crypto.Signer { return keys[alg]() }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// published makes the provider fetch the keys our application serves.
func published(c *interop.Client) {
	c.JWKSURI = strings.Replace(c.RedirectURIs[0], "/callback/", "/jwks/", 1)
}

// authority certifies others, or nobody but itself.
type authority struct {
	own tls.Certificate
}

// clientCA certifies the clients of all providers, and providers.
var clientCA = sync.OnceValue(func() *authority { return newAuthority("interop") })

func newAuthority(name string) *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := certificateOf(name)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage |= x509.KeyUsageCertSign
	der := must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return &authority{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}}
}

// issue certifies a new key, for a client or a server on this machine.
func (a *authority) issue(name string) tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	der := must(x509.CreateCertificate(rand.Reader, certificateOf(name), a.own.Leaf, key.Public(), a.own.PrivateKey))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
}

// pool trusts the authority.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.own.Leaf)
	return pool
}

// pemOf is what other people's programs read.
func pemOf(c tls.Certificate) (certificate, key string) {
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func certificateOf(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: must(rand.Int(rand.Reader, big.NewInt(1<<62))),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
}
