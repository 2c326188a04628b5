package interop

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// OpenIDClient is npm openid-client, a relying party, in a process of its own.
// It does one thing at a time.
type OpenIDClient struct {
	// JWKS has its public keys: one for each algorithm it signs or decrypts by.
	JWKS json.RawMessage

	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan []byte // of its stdout; closed at its end
	log   *Log
}

const clientInstall = "npm ci --ignore-scripts (in internal/interop/client)"

// StartOpenIDClient starts npm openid-client and ends it with the test. What
// it had to say is logged if the test fails.
func StartOpenIDClient(t testing.TB) *OpenIDClient {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		Missing(t, "Node.js", "apt-get install nodejs npm")
	}
	dir, err := filepath.Abs("client")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "openid-client", "package.json")); err != nil {
		Missing(t, "npm openid-client", clientInstall)
	}

	// On a busy machine Node was once seen to hang before it ran.
	c, err := startOpenIDClient(t, node, dir)
	for again := 0; err != nil && again < 2; again++ {
		t.Logf("npm openid-client: %v; once more", err)
		c.stop()
		c, err = startOpenIDClient(t, node, dir)
	}
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("npm openid-client said:\n%s", c.log)
		}
	})
	if err != nil {
		t.Fatalf("npm openid-client: %v", err)
	}
	return c
}

// startOpenIDClient starts the process and reads its first line. The process
// is there also with an error.
func startOpenIDClient(t testing.TB, node, dir string) (*OpenIDClient, error) {
	t.Helper()
	c := &OpenIDClient{cmd: exec.Command(node, "client.mjs"), lines: make(chan []byte), log: &Log{}}
	c.cmd.Dir = dir
	c.cmd.Stderr = c.log
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		r := bufio.NewReader(stdout)
		for {
			line, err := r.ReadBytes('\n')
			if err != nil {
				return
			}
			c.lines <- line
		}
	}()
	var first struct{ JWKS json.RawMessage }
	err = c.read(&first)
	c.JWKS = first.JWKS
	return c, err
}

// Do gives it a command and reads the answer. What openid-client refuses is
// an error, in its words.
func (c *OpenIDClient) Do(command map[string]any, answer any) error {
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		return err
	}
	return c.read(answer)
}

func (c *OpenIDClient) read(answer any) error {
	select {
	case line, ok := <-c.lines:
		if !ok {
			return errors.New("it has ended")
		}
		var refused struct{ Error string }
		if err := json.Unmarshal(line, &refused); err != nil {
			return err
		}
		if refused.Error != "" {
			return errors.New(refused.Error)
		}
		return json.Unmarshal(line, answer)
	case <-time.After(60 * time.Second):
		return fmt.Errorf("no answer after a minute")
	}
}

// stop ends the process, which exits when its stdin ends.
func (c *OpenIDClient) stop() {
	c.stdin.Close()
	kill := time.AfterFunc(5*time.Second, func() { c.cmd.Process.Kill() })
	defer kill.Stop()
	for range c.lines { // what it still has to say
	}
	c.cmd.Wait()
}
