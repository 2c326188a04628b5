package stores

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// crowd are visitors who are signed in, each as somebody else, and open pages all
// the time. Whatever happens to the store they see their own page, or that they
// have to wait.
type crowd struct {
	t   *testing.T
	url string

	mu      sync.Mutex
	guests  []*guest
	changed chan struct{} // closed after each page
}

type guest struct {
	name    string
	cookies []*http.Cookie
	pages   int // opened so far
	well    int // of them, the latest that were not refused
}

// gather signs so many visitors in and lets them go until the test ends.
func gather(t *testing.T, a *apptest.App, n int) *crowd {
	t.Helper()
	c := &crowd{t: t, url: a.URL, changed: make(chan struct{})}
	for i := range n {
		g := &guest{name: fmt.Sprintf("Visitor %d", i)}
		a.Provider.AddUser(oidcrptest.User{Subject: fmt.Sprintf("visitor-%d", i), Name: g.name})
		g.cookies = signIn(t, a, fmt.Sprintf("visitor-%d", i), g.name).Cookies(a.URL + "/")
		c.guests = append(c.guests, g)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for _, g := range c.guests {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					c.visit(g)
				}
			}
		})
	}
	t.Cleanup(func() { close(stop); all.Wait() })
	return c
}

// signIn opens a browser in which a user is signed in.
func signIn(t *testing.T, a *apptest.App, user, name string) *oidcrptest.Browser {
	t.Helper()
	b := oidcrptest.NewBrowser(t)
	a.Provider.SignInAs(user)
	defer a.Provider.SignInAs("")
	if page := b.Get(a.URL + "/private"); page.Body != "Hello "+name {
		t.Fatalf("after signing in as %s: %v", user, page)
	}
	return b
}

// visit opens one page, public and private in turn.
func (c *crowd) visit(g *guest) {
	req, err := http.NewRequest(http.MethodGet, c.url+[]string{"/", "/private"}[g.pages%2], nil)
	if err != nil {
		c.t.Error(err)
		return
	}
	req.Header.Set("Accept", "text/html")
	for _, cookie := range g.cookies {
		req.AddCookie(cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	well := res.StatusCode == http.StatusOK && string(body) == "Hello "+g.name
	if err != nil || !well && (res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "") {
		c.t.Errorf("%s at %s: %d %q %v", g.name, req.URL.Path, res.StatusCode, body, err)
	}
	for _, line := range res.Header.Values("Set-Cookie") {
		if strings.HasPrefix(line, "oidcrp_s_") || !well {
			c.t.Errorf("%s at %s: %d sets %q", g.name, req.URL.Path, res.StatusCode, line)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	g.pages++
	if g.well++; !well {
		g.well = 0
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// await waits until something holds for every visitor.
func (c *crowd) await(t *testing.T, what string, holds func(*guest) bool) {
	t.Helper()
	late := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		all, changed := true, c.changed
		for _, g := range c.guests {
			all = all && holds(g)
		}
		c.mu.Unlock()
		if all {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s: not within two minutes", what)
		}
	}
}

// goesOn waits until every visitor has opened some more pages.
func (c *crowd) goesOn(t *testing.T) {
	t.Helper()
	seen := map[*guest]int{}
	c.mu.Lock()
	for _, g := range c.guests {
		seen[g] = g.pages
	}
	c.mu.Unlock()
	c.await(t, "more pages", func(g *guest) bool { return g.pages >= seen[g]+3 })
}

// isWell waits until every visitor sees the right pages again.
func (c *crowd) isWell(t *testing.T) {
	t.Helper()
	c.goesOn(t)
	c.await(t, "back to normal", func(g *guest) bool { return g.well >= 3 })
}
