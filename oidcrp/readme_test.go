package oidcrp_test

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The program on the README's first screen compiles, starts, and protects its
// handler with sign-in.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindSubmatch(readme)
	if program == nil {
		t.Fatal("no program in README.md")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	base := "http://localhost:" + port
	bin := buildProgram(t, strings.ReplaceAll(string(program[1]), "localhost:3000", "localhost:"+port))

	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	settings := op.Config("default", base)
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), "ISSUER="+settings.Issuer, "CLIENT_ID="+settings.ClientID, "CLIENT_SECRET="+string(settings.ClientSecret))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	waitFor(t, "localhost:"+port)
	b := oidcrptest.NewBrowser(t)
	b.Get(op.Issuer() + "/nowhere") // a page of another site, to fetch from
	if page := b.Fetch(http.MethodGet, base+"/", nil); strings.Contains(page.Body, "Hello") {
		t.Errorf("the handler is open: %s", page)
	}
	if page := b.Get(base + "/"); page.Body != "Hello, Alice Archer\n" {
		t.Errorf("got %d %q", page.Status, page.Body)
	}
}

// buildProgram compiles a main package inside this module, without writing
// into it.
func buildProgram(t *testing.T, source string) string {
	t.Helper()
	dir := t.TempDir()
	file, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal", "readme", "main.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	replaced := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(replaced, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", replaced, "-o", bin, "./internal/readme")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// waitFor waits until a server takes connections.
func waitFor(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s", addr)
}
