package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestSettings(t *testing.T) {
	s := settings{
		Authority: "https://login.example.com/oidc", ClientID: "app", ResponseType: "code", Scope: "openid profile books",
		RedirectURI: "http://localhost:3000/callback", PostLogoutRedirectURI: "http://localhost:3000/",
	}
	p, err := s.provider("http://localhost:3000", "")
	if err != nil || p.ClientAuth != "none" || p.KeepTokens {
		t.Errorf("%+v, %v", p, err)
	}
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{p}, Store: oidcrp.NewMemoryStore()})
	if err != nil {
		t.Fatal(err)
	}
	if u := rp.RedirectURLs()[0]; u.Redirect != s.RedirectURI || u.PostLogout != s.PostLogoutRedirectURI {
		t.Errorf("%+v", u)
	}
	for _, elsewhere := range []string{"http://localhost:3000.evil.example/callback", "https://localhost:3000/callback", "/callback"} {
		s.RedirectURI = elsewhere
		if _, err := s.provider("http://localhost:3000", ""); err == nil || !strings.Contains(err.Error(), "-redirect-uri") {
			t.Errorf("%s: %v", elsewhere, err)
		}
	}
}

func TestSettingsOfAFile(t *testing.T) {
	want := settings{
		Authority: "https://bookstore.logto.example/oidc", ClientID: "bookstore", ResponseType: "code", Scope: "openid profile",
		RedirectURI: "http://localhost:3000/callback", PostLogoutRedirectURI: "http://localhost:3000/",
	}
	var s settings
	if err := s.read("../migrate/testdata/logto.json"); err != nil || s != want {
		t.Errorf("%+v, %v", s, err)
	}
	before := s
	for file, says := range map[string]string{
		"testdata/none.json":                "no such file",
		"../migrate/testdata/mistakes.json": "wrong",
	} {
		if err := s.read(file); err == nil || !strings.Contains(err.Error(), says) || s != before {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// runCommand runs the command until the test has looked at what it said.
func runCommand(t *testing.T, o options, look func(said string)) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(ctx, o, out)
		out.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	var text strings.Builder
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		text.WriteString(lines.Text() + "\n")
	}
	look(text.String())
	interrupt()
	if !lines.Scan() || lines.Text() != "Example spa ended." {
		t.Errorf("at the end it said %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

var opened = regexp.MustCompile(`(?m)^Open: +(http://localhost:[0-9]+)$`)

func TestTheCommand(t *testing.T) {
	o := options{addr: "localhost:0", providerAddr: "127.0.0.1:0", settings: settings{ResponseType: "code", Scope: "openid profile"}}
	runCommand(t, o, func(said string) {
		found := opened.FindStringSubmatch(said)
		if found == nil || !strings.Contains(said, "Users:     alice, bob") {
			t.Fatalf("it said:\n%s", said)
		}
		b := oidcrptest.NewBrowser(t)
		b.Get(found[1] + "/auth/login")
		if page := b.SubmitForm("alice", nil); page.URL.Path != "/" || page.Status != http.StatusOK {
			t.Errorf("%v", page)
		}
	})
}

// A real provider is told by flags, and what to register there is said.
func TestTheCommandWithAProvider(t *testing.T) {
	real := oidcrptest.NewProvider(t)
	o := options{addr: "localhost:0", settings: settings{
		Authority: real.Issuer(), ClientID: "app", ClientSecret: "a-secret-of-the-app", ResponseType: "code", Scope: "openid profile",
	}}
	runCommand(t, o, func(said string) {
		found := opened.FindStringSubmatch(said)
		if found == nil {
			t.Fatalf("it said:\n%s", said)
		}
		for _, register := range []string{found[1] + "/callback\n", found[1] + "/\n", found[1] + "/auth/backchannel-logout/main\n"} {
			if !strings.Contains(said, register) {
				t.Errorf("it does not say %q:\n%s", register, said)
			}
		}
		real.AddClient(oidcrptest.Client{ID: "app", Secret: "a-secret-of-the-app", RedirectURLs: []string{found[1] + "/callback"}})
		real.SignInAs("bob")
		b := oidcrptest.NewBrowser(t)
		if page := b.Get(found[1] + "/auth/login"); page.URL.Path != "/" {
			t.Errorf("%v", page)
		}
		if page := b.Fetch("GET", "/auth/me", nil); !strings.Contains(page.Body, "Bob Baker") {
			t.Errorf("%v", page)
		}
		if page := b.Fetch("GET", "/api/elsewhere", nil); page.Status != http.StatusNotFound {
			t.Errorf("an API that was not named: %v", page)
		}
	})
}

func TestFlagsThatContradict(t *testing.T) {
	o := options{addr: "localhost:0", providerAddr: "127.0.0.1:0", settings: settings{ClientID: "app"}}
	if err := serve(context.Background(), o, io.Discard); err == nil || !strings.Contains(err.Error(), "-authority") {
		t.Errorf("%v", err)
	}
}
