package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// certificate is a self-signed one for localhost and 127.0.0.1.
type certificate struct {
	cert, key string // PEM
	spki      string // what Chromium is told to trust
}

var testCertificate = sync.OnceValue(func() certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "localhost"},
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(public)
	return certificate{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		spki: base64.StdEncoding.EncodeToString(sum[:]),
	}
})

// files writes the certificate where a program can read it.
func (c certificate) files(t testing.TB) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string]string{cert: c.cert, key: c.key} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// built is the portal's program, built once.
var built struct {
	once sync.Once
	dir  string
	err  error
	out  []byte
}

func buildPortal(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "oidcrp-e2e"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, "portal"), "./portal")
		cmd.Dir = filepath.Join("..", "..", "examples")
		built.out, built.err = cmd.CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build the portal: %v\n%s", built.err, built.out)
	}
	return filepath.Join(built.dir, "portal")
}

func removeBuilt() {
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
}

// portal is a running example portal.
type portal struct {
	url string // http://localhost:PORT
	cmd *exec.Cmd
	log *interop.Log
}

// portalOptions says how the portal is started.
type portalOptions struct {
	tls       bool
	addr      string // "": a free port of localhost
	providers string // contents of its -providers file; "": those it brings along
}

// startPortal runs the portal's program and ends it, as Ctrl-C does, with the
// test.
func startPortal(t testing.TB, o portalOptions) *portal {
	t.Helper()
	program := buildPortal(t)
	if o.addr == "" {
		o.addr = "localhost:0"
	}
	args := []string{"-addr", o.addr, "-provider-addr", "127.0.0.1:0", "-db", filepath.Join(t.TempDir(), "portal.db")}
	env := os.Environ()
	if o.tls {
		cert, key := testCertificate().files(t)
		args = append(args, "-tls-cert", cert, "-tls-key", key)
		env = append(env, "SSL_CERT_FILE="+cert) // it trusts a provider with our certificate
	}
	if o.providers != "" {
		path := filepath.Join(t.TempDir(), "providers.json")
		if err := os.WriteFile(path, []byte(o.providers), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-providers", path)
	}

	p := &portal{cmd: exec.Command(program, args...), log: &interop.Log{}}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- p.cmd.Wait() }()
	t.Cleanup(func() { p.stop(t, exited) })
	p.waitReady(t, exited)
	return p
}

// stop interrupts the portal, which must end cleanly.
func (p *portal) stop(t testing.TB, exited <-chan error) {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("the portal did not end cleanly: %v", err)
		}
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		t.Errorf("the portal did not end within 15 seconds of an interrupt")
	}
	if t.Failed() {
		t.Logf("the portal said:\n%s", p.log)
	}
}

var announced = regexp.MustCompile(`(?m)^Portal: +(https?://localhost:[0-9]+)$`)

// waitReady waits until the portal has said where it is, and answers there.
func (p *portal) waitReady(t testing.TB, exited chan error) {
	t.Helper()
	client := &http.Client{
		Timeout:   2 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("the portal ended: %v\n%s", err, p.log)
		default:
		}
		said := announced.FindStringSubmatch(p.log.String())
		if said == nil {
			continue
		}
		p.url = said[1]
		if res, err := client.Get(p.url + "/"); err == nil {
			res.Body.Close()
			return
		}
	}
	t.Fatalf("the portal is not ready:\n%s", p.log)
}

// freeAddr finds an address of localhost that nobody listens on, for a portal
// whose provider must know it beforehand.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("localhost", port)
}
