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

// builtExamples are the programs built so far.
var builtExamples struct {
	dir      string
	programs map[string]bool
}

// buildExample builds one of the examples, once. Tests run one after the other.
func buildExample(t *testing.T, name string) string {
	t.Helper()
	b := &builtExamples
	if b.dir == "" {
		var err error
		if b.dir, err = os.MkdirTemp("", "oidcrp-e2e-examples"); err != nil {
			t.Fatal(err)
		}
		b.programs = make(map[string]bool)
	}
	program := filepath.Join(b.dir, name)
	if b.programs[name] {
		return program
	}
	build := exec.Command("go", "build", "-o", program, "./"+name)
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the example %s: %v\n%s", name, err, out)
	}
	b.programs[name] = true
	return program
}

func removeExamples() {
	if builtExamples.dir != "" {
		os.RemoveAll(builtExamples.dir)
	}
}

// startExample runs one of the examples, on free ports where args say nothing
// else, and ends it, as Ctrl-C does, with the test. provider is its development
// provider, if it has one.
func startExample(t *testing.T, name string, args ...string) (url, provider string) {
	t.Helper()
	program := buildExample(t, name)
	said := &interop.Log{}
	cmd := exec.Command(program, append([]string{"-addr", "localhost:0", "-provider-addr", "127.0.0.1:0"}, args...)...)
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
			if found := exampleProvider.FindStringSubmatch(said.String()); found != nil {
				provider = found[1]
			}
			return opened[1], provider
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

	// Who says no is still signed in, and is asked again.
	b.click("main a[href='/calendar/new']")
	b.until("the provider's question", "document.querySelector('button[name=cancel]')")
	b.click("button[name=cancel]")
	b.untilAt(url + "/auth/callback")
	b.open(url + "/calendar")
	b.untilSees("Lunch with Dana")
	b.click("main a[href='/calendar/new']")
	signInEmbedded(b, "alice")
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
	signInEmbedded(b, "alice")
	b.untilSees("Lunch with Dana")
	b.click(".oidcrp-signout")
	b.untilAt(url + "/auth/logout")
	b.hides("Alice Archer")
}
