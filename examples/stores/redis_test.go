package stores

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server of this test alone.
type redisServer struct {
	program, dir, port string
	more               []string // arguments
	cmd                *exec.Cmd
	log                bytes.Buffer
}

// startRedis starts Debian's redis-server on a free port. Where it is not
// installed the test is skipped, or fails if everything is required.
func startRedis(t *testing.T, more ...string) *redisServer {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		const missing = "redis-server is not installed: apt-get install redis-server"
		if os.Getenv("OIDCRP_REQUIRE") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	s := &redisServer{program: program, dir: t.TempDir(), port: freePort(t), more: more}
	s.start(t)
	t.Cleanup(func() {
		s.end()
		if t.Failed() {
			t.Logf("redis-server said:\n%s", &s.log)
		}
	})
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// start runs the server, with what it had when it was stopped.
func (s *redisServer) start(t *testing.T) {
	t.Helper()
	s.cmd = exec.Command(s.program, append([]string{"--bind", "127.0.0.1", "--port", s.port, "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.more...)...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	client := s.client(t)
	for end := time.Now().Add(10 * time.Second); client.Ping(context.Background()).Err() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("redis-server does not answer")
		}
	}
}

// client returns a client that does not wait long for a server that hangs.
func (s *redisServer) client(t *testing.T) *redis.Client {
	c := redis.NewClient(&redis.Options{
		Addr:         "127.0.0.1:" + s.port,
		DialTimeout:  time.Second,
		ReadTimeout:  300 * time.Millisecond,
		WriteTimeout: 300 * time.Millisecond,
		MaxRetries:   -1, // the next request tries again
	})
	t.Cleanup(func() { c.Close() })
	return c
}

// stop ends the server, which first writes down what it has.
func (s *redisServer) stop(t *testing.T) {
	t.Helper()
	err := s.client(t).ShutdownSave(context.Background()).Err()
	if err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Fatal(err)
	}
	s.cmd.Wait()
	s.cmd = nil
}

// kill ends the server as a crash does.
func (s *redisServer) kill(t *testing.T) {
	s.signal(t, syscall.SIGKILL)
	s.cmd.Wait()
	s.cmd = nil
}

// hang stops the server's process where it is; connections stay open and
// nothing answers.
func (s *redisServer) hang(t *testing.T) { s.signal(t, syscall.SIGSTOP) }

func (s *redisServer) goOn(t *testing.T) { s.signal(t, syscall.SIGCONT) }

func (s *redisServer) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (s *redisServer) end() {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(syscall.SIGCONT) // in case it hangs
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}
