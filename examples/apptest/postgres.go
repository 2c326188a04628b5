package apptest

import (
	"bufio"
	"bytes"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Postgres starts Debian's PostgreSQL for this test alone, on a socket in a
// directory of its own: no port can be in the way. It returns the URL of a
// database. Where it is not installed the test is skipped, or fails if everything
// is required.
func Postgres(t testing.TB) string {
	t.Helper()
	initdb, postgres := program("initdb"), program("postgres")
	if initdb == "" || postgres == "" {
		const missing = "PostgreSQL is not installed: apt-get install postgresql"
		if os.Getenv("OIDCRP_REQUIRE") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	dir, err := os.MkdirTemp("", "pg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := unprivileged(t, dir)
	command := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.Dir, cmd.SysProcAttr = dir, as
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
		return cmd
	}
	data := filepath.Join(dir, "data")
	if out, err := command(initdb, "-D", data, "-U", "test", "-A", "trust", "-E", "UTF8", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	server := command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=50")
	said, err := server.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan bool)
	var log bytes.Buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		lines := bufio.NewScanner(io.TeeReader(said, &log))
		isReady := false
		for lines.Scan() {
			if !isReady && strings.Contains(lines.Text(), "ready to accept connections") {
				isReady = true
				ready <- true
			}
		}
		if !isReady {
			ready <- false
		}
	}()
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // ends sessions, and then itself
		<-done
		server.Wait()
		if t.Failed() {
			t.Logf("PostgreSQL said:\n%s", &log)
		}
	})
	if !<-ready {
		t.Fatal("PostgreSQL does not start")
	}
	return "postgres://test@localhost/postgres?" + url.Values{"host": {dir}, "sslmode": {"disable"}}.Encode()
}

// program is the newest one of this name, which Debian keeps out of PATH.
func program(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 {
		return found[len(found)-1]
	}
	path, _ := exec.LookPath(name)
	return path
}

// unprivileged makes dir that of a user whom PostgreSQL does not refuse, as it
// does root.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
