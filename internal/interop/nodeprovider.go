package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NodeConfig is what npm oidc-provider is started with.
type NodeConfig struct {
	// Accounts are the claims of its users by subject. Others are made up
	// from their login name.
	Accounts map[string]map[string]any `json:"accounts,omitempty"`

	// Clients are there from the start; others register.
	Clients []Client `json:"clients"`

	// Pages shows its sign-in and consent pages, for browsers. Otherwise it
	// signs in whoever login_hint names, and "deny" refuses.
	Pages bool `json:"pages,omitempty"`

	// TLS serves https with this certificate.
	TLS *TLS `json:"tls,omitempty"`

	// MutualTLS opens a second listener, for clients with a certificate.
	MutualTLS *TLS `json:"mtls,omitempty"`
}

// TLS is a certificate and its key, and who certifies clients, all PEM.
type TLS struct {
	Key  string `json:"key"`
	Cert string `json:"cert"`
	CA   string `json:"ca,omitempty"`
}

// NodeProvider is a running npm oidc-provider.
type NodeProvider struct {
	Issuer string

	cmd   *exec.Cmd
	stdin io.Closer
	log   *Log
}

const nodeInstall = "npm ci --ignore-scripts (in internal/interop/op)"

// StartNode starts npm oidc-provider on a free port and ends it with the test.
// What it had to say is logged if the test fails.
func StartNode(t testing.TB, c NodeConfig) *NodeProvider {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "Node.js", "apt-get install nodejs npm")
	}
	dir, err := nodeDir()
	if err != nil {
		Missing(t, "npm oidc-provider", nodeInstall)
	}
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}

	// On a busy machine Node was once seen to hang before it listened.
	p, err := startNode(t, node, dir, config)
	for again := 0; err != nil && again < 2; again++ {
		t.Logf("npm oidc-provider: %v; once more", err)
		p.Stop()
		p, err = startNode(t, node, dir, config)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("npm oidc-provider said:\n%s", p.log)
		}
	})
	if err != nil {
		t.Fatalf("npm oidc-provider: %v", err)
	}
	return p
}

// startNode starts the process and waits until it is ready. The process is
// there also with an error.
func startNode(t testing.TB, node, dir string, config []byte) (*NodeProvider, error) {
	t.Helper()
	var err error
	p := &NodeProvider{cmd: exec.Command(node, "server.mjs"), log: &Log{}}
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), "OIDCRP_OP="+string(config))
	p.cmd.Stderr = p.log
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.Issuer, err = readyIssuer(stdout)
	return p, err
}

// Stop ends the provider. It may be called again.
func (p *NodeProvider) Stop() {
	p.stdin.Close() // it exits when its stdin ends
	kill := time.AfterFunc(5*time.Second, func() { p.cmd.Process.Kill() })
	defer kill.Stop()
	p.cmd.Wait()
}

// readyIssuer reads the provider's ready line.
func readyIssuer(stdout io.Reader) (string, error) {
	type result struct {
		issuer string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		var ready struct{ Issuer string }
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &ready)
		}
		done <- result{ready.Issuer, err}
	}()
	select {
	case r := <-done:
		return r.issuer, r.err
	case <-time.After(30 * time.Second):
		return "", fmt.Errorf("not ready after 30 seconds")
	}
}

// nodeDir finds the provider's folder, installed, from a test's directory in
// this module or beside it.
func nodeDir() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		op := filepath.Join(dir, "internal", "interop", "op")
		if _, err := os.Stat(filepath.Join(op, "node_modules", "oidc-provider", "package.json")); err == nil {
			return op, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
