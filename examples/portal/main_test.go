package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestAnnouncement(t *testing.T) {
	p := start(t, options{})
	var said bytes.Buffer
	p.announce(&said)
	for _, text := range []string{p.url(), p.dev[0].Issuer(), p.dev[1].Issuer(), "alice (admin), bob, carol, dave", "Ctrl-C"} {
		if !strings.Contains(said.String(), text) {
			t.Errorf("does not say %q:\n%s", text, &said)
		}
	}
}

func TestRunEndsWhenInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(ctx, options{addr: "localhost:0", providerAddr: "127.0.0.1:0"}, write)
		write.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(read)
	var url string
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		if rest, ok := strings.CutPrefix(lines.Text(), "Portal:"); ok {
			url = strings.TrimSpace(rest)
		}
	}
	at(t, oidcrptest.NewBrowser(t).Get(url+"/"), http.StatusOK, "/")
	interrupt()
	if !lines.Scan() || lines.Text() != "Portal ended." {
		t.Errorf("it said %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if page := oidcrptest.NewBrowser(t).Get(url + "/"); page.Err == nil {
		t.Errorf("it still answers: %v", page)
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := options{addr: "localhost:0", providerAddr: "127.0.0.1:0"}
	for name, test := range map[string]struct {
		change func(*options)
		says   string
	}{
		"a certificate without its key":         {func(o *options) { o.tlsCert = "cert.pem" }, "-tls-key"},
		"an address without a port":             {func(o *options) { o.addr = "localhost" }, "-addr"},
		"a provider address without a port":     {func(o *options) { o.providerAddr = "localhost" }, "-provider-addr"},
		"a provider for everybody in the house": {func(o *options) { o.providerAddr = "0.0.0.0:0" }, "loopback"},
		"a database in a folder that is not":    {func(o *options) { o.db = filepath.Join(t.TempDir(), "no", "portal.db") }, "-db"},
		"a providers file that is not":          {func(o *options) { o.providers = "nothing.json" }, "nothing.json"},
		"no rule for registration":              {func(o *options) { o.registration = "everybody" }, "-registration"},
		"PostgreSQL without keys to share":      {func(o *options) { o.db = "postgres://localhost:1/none" }, "-keys"},
		"a PostgreSQL that is not there":        {func(o *options) { o.db, o.keys = "postgres://127.0.0.1:1/none", "keys" }, "-db"},
		"more addresses than names":             {func(o *options) { o.baseURL = "http://a.localhost,http://b.localhost,http://c.localhost" }, "-base-url"},
		"two addresses at one host":             {func(o *options) { o.baseURL = "http://localhost:1, http://localhost:2" }, "host"},
		"http on a second public name":          {func(o *options) { o.baseURL = "http://localhost,http://portal.example" }, "https"},
		"http on a public name":                 {func(o *options) { o.baseURL = "http://portal.example" }, "https"},
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
