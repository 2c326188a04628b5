package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

var (
	exampleOpened   = regexp.MustCompile(`(?m)^Open: +(http://localhost:[0-9]+)$`)
	exampleProvider = regexp.MustCompile(`(?m)^Provider: +(http://127\.0\.0\.1:[0-9]+)$`)
)

// startExample runs one of the examples with its development provider, on free
// ports, and ends it, as Ctrl-C does, with the test.
func startExample(t *testing.T, name string, args ...string) (url, provider string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", program, "./"+name)
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the application: %v\n%s", err, out)
	}
	said := &interop.Log{}
	cmd := exec.Command(program, append(args, "-addr", "localhost:0", "-provider-addr", "127.0.0.1:0")...)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		select {
		case err := <-exited:
			if err != nil || !strings.HasSuffix(said.String(), "Example "+name+" ended.\n") {
				t.Errorf("the application did not end cleanly: %v", err)
			}
		case <-time.After(15 * time.Second):
			cmd.Process.Kill()
			t.Error("the application did not end within 15 seconds of an interrupt")
		}
		if t.Failed() {
			t.Logf("the application said:\n%s", said)
		}
	})
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		opened := exampleOpened.FindStringSubmatch(said.String())
		if opened == nil || !strings.Contains(said.String(), "Ctrl-C") {
			continue
		}
		if res, err := http.Get(opened[1] + "/"); err == nil {
			res.Body.Close()
			return opened[1], exampleProvider.FindStringSubmatch(said.String())[1]
		}
	}
	t.Fatalf("the application is not ready:\n%s", said)
	return "", ""
}

// The example that calls an API: its pages, and the way to the provider and
// back for one scope more.
func TestCallingAnAPI(t *testing.T) {
	url, _ := startExample(t, "api", "-api-addr", "127.0.0.1:0")
	b := newProfile(t)
	b.open(url + "/")
	b.look("api-signed-out")
	b.click(".oidcrp-signin")
	signInEmbedded(b, "alice")
	b.untilSees("Hello Alice Archer")
	b.look("api-home")
	b.click("main a[href='/calendar']")
	b.untilSees("Lunch with Dana")

	// The provider has a session, so that it asks for nothing but the scope.
	b.click("main a[href='/calendar/new']")
	b.until("the form, or the provider's question", "document.querySelector('input[name=entry], button[name=user]')")
	if b.holds("document.querySelector('button[name=user]')") {
		signInEmbedded(b, "alice")
	}
	b.until("the form", "document.querySelector('input[name=entry]')")
	b.look("api-new")
	b.fill("input[name=entry]", "ซ้อมร้องเพลง <choir>")
	b.click("main form button")
	b.untilSees("ซ้อมร้องเพลง <choir>")
	b.look("api-calendar")

	b.click("form[action='/forget'] button")
	b.until("no token", "document.querySelector('#state')?.innerText === 'none'")
	b.open(url + "/calendar")
	b.untilSees("no access to your calendar")
	b.look("api-forgotten")
	b.click("main p a")
	b.untilSees("Lunch with Dana")
	b.click(".oidcrp-signout")
	b.untilAt(url + "/auth/logout")
	b.hides("Alice Archer")
}
