package interop

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// process is a provider that runs as a process of its own.
type process struct {
	cmd *exec.Cmd
	log *Log

	ended chan struct{} // closed when it has
}

// startProcess starts a provider on free ports and returns when ready answers
// the client 200. It ends with the test, and what it had to say is logged if the test
// fails. Command is given the ports; a port that somebody else took meanwhile
// is no failure.
func startProcess(t testing.TB, name string, client *http.Client, ports int, command func(ports []string) (cmd *exec.Cmd, ready string)) {
	t.Helper()
	var err error
	for range 3 {
		cmd, ready := command(freePorts(t, ports))
		p := &process{cmd: cmd, log: &Log{}, ended: make(chan struct{})}
		cmd.Stdout, cmd.Stderr = p.log, p.log
		if err := cmd.Start(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		go func() {
			cmd.Wait()
			close(p.ended)
		}()
		if err = p.answers(client, ready); err == nil {
			t.Cleanup(func() {
				p.stop()
				if t.Failed() {
					t.Logf("%s said:\n%s", name, p.log)
				}
			})
			return
		}
		p.stop()
		t.Logf("%s: %v; it said:\n%s", name, err, p.log)
	}
	t.Fatalf("%s: %v", name, err)
}

// answers waits until an address of the process answers 200.
func (p *process) answers(client *http.Client, address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	for {
		res, err := client.Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-p.ended:
			return fmt.Errorf("ended at once: %v", p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.New("not ready after a minute")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the process.
func (p *process) stop() {
	p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// freePorts finds loopback ports that nobody listens on.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var ports []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // after the loop, so that no port comes twice
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports
}

// locate finds a file of the repository by its path there, from a test's
// directory.
func locate(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		file := filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
