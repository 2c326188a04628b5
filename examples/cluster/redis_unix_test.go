//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestMain is the program itself where a test starts it as one.
func TestMain(m *testing.M) {
	if os.Getenv("CLUSTER_MAIN") == "1" {
		main()
		return
	}
	os.Exit(m.Run())
}

// Ctrl-C in a terminal reaches the program and whatever it has started.
func TestCtrlCEndsWithoutComplaint(t *testing.T) {
	redises["redis-server"](t) // where it is installed
	cmd := exec.Command(os.Args[0], "-addr", "localhost:0", "-provider-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "CLUSTER_MAIN=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var said strings.Builder
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
				t.Error(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !strings.HasSuffix(said.String(), "Cluster ended.\n") {
		t.Errorf("it ended with %v, and said\n%s%s", err, &said, &complaints)
	}
	_, dir, _ := strings.Cut(said.String(), " at ")
	dir, _, _ = strings.Cut(dir, "/redis.sock")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it left %q: %v", dir, err)
	}
}
