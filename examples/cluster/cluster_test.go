package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// redises are the ways to have one. Where redis-server is not installed it is
// skipped, or fails if everything is required.
var redises = map[string]func(*testing.T) func() (*redisServer, error){
	"miniredis": func(*testing.T) func() (*redisServer, error) { return startMiniredis },
	"redis-server": func(t *testing.T) func() (*redisServer, error) {
		program, err := exec.LookPath("redis-server")
		if err != nil {
			const missing = "redis-server is not installed: apt-get install redis-server"
			if os.Getenv("OIDCRP_REQUIRE") == "1" {
				t.Fatal(missing)
			}
			t.Skip(missing)
		}
		return func() (*redisServer, error) { return startRedisServer(program) }
	},
}

// each runs a test on a cluster of every kind.
func each(t *testing.T, test func(t *testing.T, c *cluster)) {
	for name, redis := range redises {
		t.Run(name, func(t *testing.T) { test(t, start(t, options{redis: redis(t)})) })
	}
	t.Run("sessions in cookies", func(t *testing.T) {
		test(t, start(t, options{redis: startMiniredis, cookieSessions: true}))
	})
}

// start runs a cluster on free ports until the test ends.
func start(t *testing.T, o options) *cluster {
	t.Helper()
	o.addr, o.providerAddr = "localhost:0", "127.0.0.1:0"
	c, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := c.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// signIn opens a browser that signs in at a node, as a visitor would.
func signIn(t *testing.T, c *cluster, at, user string) *oidcrptest.Browser {
	t.Helper()
	b := oidcrptest.NewBrowser(t)
	b.Get(c.baseURL + at)
	b.Follow("Sign in")
	if page := b.SubmitForm(user, nil); page.Status != http.StatusOK || page.URL.Path != at {
		t.Fatalf("signing in: %v", page)
	}
	return b
}

func contains(t *testing.T, page *oidcrptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Text(), text) {
			t.Errorf("%v does not say %q: %v", page.URL, text, page)
		}
	}
}

// both asks both nodes and says what they agree on: "alice", "bob" or
// "nobody".
func both(t *testing.T, c *cluster, b *oidcrptest.Browser) string {
	t.Helper()
	var who [2]string
	for i := range who {
		page := b.Tab().Get(fmt.Sprintf("%s/%d/", c.baseURL, i+1))
		contains(t, page, fmt.Sprintf("Answered by node %d", i+1))
		for text, name := range map[string]string{"Alice Archer": "alice", "Bob Baker": "bob", "Signed in nobody": "nobody"} {
			if strings.Contains(page.Text(), text) {
				who[i] += name
			}
		}
	}
	if who[0] != who[1] {
		t.Errorf("the nodes do not agree: %q", who)
	}
	return who[0]
}

func TestSignInOnOneGoOnAtTheOther(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		b := signIn(t, c, "/1/", "alice")
		one := b.Page()
		contains(t, one, "Node 1", "Alice Archer", "active, for", "0 at the provider", "What this node did")
		two := b.Follow("Node 2")
		contains(t, two, "Node 2", "Alice Archer", "active, for")
		if got, want := handle(t, two), handle(t, one); got != want || got == "" {
			t.Errorf("node 2 has session %q, node 1 had %q", got, want)
		}
		// In turn, and beside each other.
		contains(t, b.Get(c.baseURL+"/"), "Alice Archer")
		first := b.Page().Title()
		if again := b.Reload(); again.Title() == first {
			t.Errorf("%q twice", first)
		}
		watch := b.Follow("Both")
		if len(watch.Frames) != 2 {
			t.Fatalf("%d frames: %v", len(watch.Frames), watch)
		}
		for i, frame := range watch.Frames {
			contains(t, frame, fmt.Sprintf("Node %d", i+1), "Alice Archer")
			if got, want := frame.Header.Get("Refresh"), fmt.Sprintf("3; url=/%d/frame", i+1); got != want {
				t.Errorf("frame %d loads again %q", i+1, got)
			}
		}
		for i, frame := range b.Follow("Hold still").Frames {
			if got := frame.Header.Get("Refresh"); got != "" {
				t.Errorf("frame %d loads again %q", i+1, got)
			}
		}
	})
}

// handle is the session that a page shows.
func handle(t *testing.T, page *oidcrptest.Page) string {
	t.Helper()
	_, rest, found := strings.Cut(page.Body, "<dt>Session</dt><dd><code>")
	if !found {
		t.Fatalf("no session: %v", page)
	}
	text, _, _ := strings.Cut(rest, "<")
	return text
}

func TestNodeDownAndUpAgain(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		b := signIn(t, c, "/2/", "alice")
		b.Follow("Both")
		watch := b.SubmitForm("Take node 2 down", nil)
		if watch.Status != http.StatusOK || watch.URL.Path != "/watch" {
			t.Fatalf("after taking it down: %v", watch)
		}
		frame := watch.Frames[1]
		if frame.Status != http.StatusServiceUnavailable || frame.Header.Get("Refresh") != "3; url=/2/frame" {
			t.Errorf("its frame: %v", frame)
		}
		contains(t, frame, "Node 2 is down")
		for range 3 {
			contains(t, b.Get(c.baseURL+"/"), "Node 1", "Alice Archer")
		}
		down := b.Get(c.baseURL + "/2/")
		if down.Status != http.StatusServiceUnavailable || down.Header.Get("Retry-After") == "" {
			t.Errorf("node 2: %v", down)
		}
		contains(t, down, "Node 2 does not answer")
		contains(t, signIn(t, c, "/1/", "bob").Page(), "Bob Baker")
		b.Get(c.baseURL + "/watch")
		b.SubmitForm("Take node 1 down", nil)
		none := b.Get(c.baseURL + "/")
		if none.Status != http.StatusServiceUnavailable {
			t.Fatalf("with both down: %v", none)
		}
		contains(t, none, "No node answers")
		// What the balancer shows starts them.
		b.SubmitForm("Start node 1", nil)
		b.SubmitForm("Start node 2", nil)
		if got := both(t, c, b); got != "alice" {
			t.Errorf("up again, they see %q", got)
		}
	})
}

// A process that is gone without a word costs its own requests only.
func TestNodeThatDied(t *testing.T) {
	c := start(t, options{redis: startMiniredis})
	if err := c.nodes[0].running.server.Close(); err != nil {
		t.Fatal(err)
	}
	b := oidcrptest.NewBrowser(t)
	if page := b.Get(c.baseURL + "/1/"); page.Status != http.StatusBadGateway || !strings.Contains(page.Text(), "Node 1 does not answer") {
		t.Errorf("node 1: %v", page)
	}
	contains(t, b.Get(c.baseURL+"/2/"), "Answered by node 2")
	if err := c.nodes[0].stop(); err != nil {
		t.Error(err)
	}
	if err := c.nodes[0].start(); err != nil {
		t.Error(err)
	}
	contains(t, b.Get(c.baseURL+"/1/"), "Answered by node 1")
}

func TestOnlyOurPagesTakeNodesDown(t *testing.T) {
	c := start(t, options{redis: startMiniredis})
	b := oidcrptest.NewBrowser(t)
	b.Get(c.provider.Issuer())
	if page := b.PostForm(c.baseURL+"/nodes/1/stop", nil); page.Status != http.StatusForbidden || !c.nodes[0].up() {
		t.Errorf("from another site: %v", page)
	}
	b.Get(c.baseURL + "/")
	for path, status := range map[string]int{"/nodes/3/stop": http.StatusNotFound, "/nowhere": http.StatusNotFound, "/1/auth/login": http.StatusNotFound} {
		if page := b.PostForm(c.baseURL+path, nil); page.Status != status {
			t.Errorf("%s: %v", path, page)
		}
	}
}

func TestRunSaysWhatThereIsAndEnds(t *testing.T) {
	for name, redis := range redises {
		t.Run(name, func(t *testing.T) {
			ctx, interrupt := context.WithCancel(context.Background())
			read, write := io.Pipe()
			ended := make(chan error, 1)
			o := options{addr: "localhost:0", providerAddr: "127.0.0.1:0", redis: redis(t)}
			go func() {
				err := serve(ctx, o, write)
				write.Close()
				ended <- err
			}()
			lines := bufio.NewScanner(read)
			var said strings.Builder
			var url string
			for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
				fmt.Fprintln(&said, lines.Text())
				if rest, ok := strings.CutPrefix(lines.Text(), "Balancer:"); ok {
					url = strings.TrimSpace(rest)
				}
			}
			for _, text := range []string{"/1/", "/2/", "/watch", "Provider:  http://127.0.0.1:", "alice, bob, carol, dave", name} {
				if !strings.Contains(said.String(), text) {
					t.Errorf("does not say %q:\n%s", text, said.String())
				}
			}
			if page := oidcrptest.NewBrowser(t).Get(url + "/"); page.Status != http.StatusOK {
				t.Errorf("it answers %v", page)
			}
			interrupt()
			if !lines.Scan() || lines.Text() != "Cluster ended." {
				t.Errorf("it said %q", lines.Text())
			}
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if page := oidcrptest.NewBrowser(t).Get(url + "/"); page.Err == nil {
				t.Errorf("it still answers: %v", page)
			}
			if _, socket, ok := strings.Cut(said.String(), " at "); ok {
				socket, _, _ = strings.Cut(socket, "\n")
				if left, _ := filepath.Glob(filepath.Dir(socket)); len(left) > 0 {
					t.Errorf("it left %v", left)
				}
			}
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := options{addr: "localhost:0", providerAddr: "127.0.0.1:0", redis: startMiniredis}
	for name, test := range map[string]struct {
		change func(*options)
		says   string
	}{
		"an address without a port":             {func(o *options) { o.addr = "localhost" }, "-addr"},
		"an address for everybody in the house": {func(o *options) { o.addr = ":0" }, "-addr"},
		"a provider for everybody in the house": {func(o *options) { o.providerAddr = "0.0.0.0:0" }, "-provider-addr"},
		"a Redis that does not start": {func(o *options) {
			o.redis = func() (*redisServer, error) { return startRedisServer("/bin/false") }
		}, "/bin/false"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			test.change(&o)
			if _, err := open(o); err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// Nothing of a page is for a stranger's frame, and none is kept.
func TestPagesAreGuarded(t *testing.T) {
	c := start(t, options{redis: startMiniredis})
	b := oidcrptest.NewBrowser(t)
	for _, path := range []string{"/", "/1/frame", "/watch"} {
		page := b.Get(c.baseURL + path)
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "frame-ancestors 'self'") || page.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %q, %q", path, csp, page.Header.Get("Cache-Control"))
		}
		if strings.Contains(page.Body, "<script") {
			t.Errorf("%s has a script", path)
		}
	}
	b.Show("http://127.0.0.1:1/", "<p>a stranger's page</p>")
	if frame := b.Frame(c.baseURL + "/1/"); frame.Blocked != "frame-ancestors" {
		t.Errorf("in a stranger's frame: %v", frame)
	}
}
