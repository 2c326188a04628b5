package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The program as it stands, on other ports than those it names, which may be
// taken.
func TestQuickstart(t *testing.T) {
	dir := t.TempDir()
	app, provider := freePort(t), freePort(t)
	source, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("localhost:3000", "localhost:"+app, "127.0.0.1:4000", "127.0.0.1:"+provider).Replace(string(source))
	changed, overlay, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "quickstart")
	here, err := filepath.Abs("main.go")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{here: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{changed: text, overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(program)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})

	url := "http://localhost:" + app + "/"
	waitFor(t, url)
	b := oidcrptest.NewBrowser(t)
	b.Get(url)
	if page := b.SubmitForm("alice", nil); page.Body != "Hello, Alice Archer\n" {
		t.Errorf("alice sees %v", page)
	}
	b.Get(url + "auth/logout")
	if page := b.SubmitForm("", nil); page.Status != http.StatusOK || page.URL.Path != "/auth/logout" {
		t.Errorf("after signing out: %v", page)
	}
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

func waitFor(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if res, err := http.Head(url); err == nil {
			res.Body.Close()
			return
		}
	}
	t.Fatalf("nobody answers at %s", url)
}
