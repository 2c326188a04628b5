package run

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func hello(baseURL string, p oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{p}})
	if err != nil {
		return nil, err
	}
	return rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s", oidcrp.FromContext(r.Context()).Name())
		if r.URL.Path == "/stream" {
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	})), nil
}

// The example says where it is, serves, and ends, though a stream is open.
func TestExample(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := Example(ctx, "hello", "localhost:0", "127.0.0.1:0", hello, out)
		out.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	var text strings.Builder
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		text.WriteString(lines.Text() + "\n")
	}
	found := regexp.MustCompile(`(?m)^Open: +(http://localhost:[0-9]+)\nProvider: +http://127\.0\.0\.1:[0-9]+\nUsers: +alice,`).FindStringSubmatch(text.String())
	if found == nil {
		t.Fatalf("it said:\n%s", &text)
	}
	b := oidcrptest.NewBrowser(t)
	b.Get(found[1] + "/")
	if page := b.SubmitForm("alice", nil); page.Body != "Hello Alice Archer" {
		t.Errorf("alice sees %v", page)
	}

	req, err := http.NewRequest("GET", found[1]+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Cookies(found[1]) {
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	interrupt()
	if !lines.Scan() || lines.Text() != "Example hello ended." {
		t.Errorf("at the end it said %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAddressesThatAreRefused(t *testing.T) {
	for addr, why := range map[string]string{
		"localhost":        "missing port",
		":3000":            "not on this machine alone",
		"0.0.0.0:3000":     "not on this machine alone",
		"example.com:3000": "not on this machine alone",
	} {
		if ln, _, err := Listen(addr); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, %v", addr, ln, err)
		}
	}
}
