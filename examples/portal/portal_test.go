package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// start runs the portal on free ports until the test ends.
func start(t *testing.T, o options) *portal {
	t.Helper()
	o.addr, o.providerAddr = "localhost:0", "127.0.0.1:0"
	p, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.serve(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := p.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// signIn goes to a page and signs in on the way, as a visitor would.
func signIn(b *oidcrptest.Browser, p *portal, path, providerButton, user string) *oidcrptest.Page {
	b.Get(p.baseURL + path)
	b.Follow(providerButton)
	return b.SubmitForm(user, nil)
}

func contains(t *testing.T, page *oidcrptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Text(), text) {
			t.Errorf("%v does not say %q: %v", page.URL, text, page)
		}
	}
}

func at(t *testing.T, page *oidcrptest.Page, status int, path string) {
	t.Helper()
	if page.Status != status || page.URL.Path != path {
		t.Fatalf("wanted %d at %s: %v", status, path, page)
	}
}

func TestSignInAndOutThroughEachProvider(t *testing.T) {
	p := start(t, options{})
	for i, provider := range developmentProviders {
		t.Run(provider.mode, func(t *testing.T) {
			b := oidcrptest.NewBrowser(t)
			page := b.Get(p.baseURL + "/")
			at(t, page, http.StatusOK, "/")
			contains(t, page, "The members’ portal", "Sign in")

			page = signIn(b, p, "/profile", "Continue with "+provider.display, "alice")
			at(t, page, http.StatusOK, "/profile")
			contains(t, page, "Alice Archer", "alice@example.com", provider.display, "admin")

			at(t, b.Tab().Get(p.baseURL+"/profile"), http.StatusOK, "/profile")

			page = b.SubmitForm("Sign out here and at "+provider.display, nil)
			at(t, page, http.StatusOK, "/auth/logout")
			contains(t, page, "signed out")
			if p.dev[i].Calls(oidcrptest.EndSessionEndpoint) == 0 {
				t.Error("the provider was not asked to sign out")
			}
			if page := b.Back(); strings.Contains(page.Text(), "Alice") {
				t.Errorf("Back shows %v", page)
			}
			// The provider asks again whom it has to do with.
			b.Get(p.baseURL + "/profile")
			page = b.Follow("Continue with " + provider.display)
			if page.Status != http.StatusOK || page.URL.Port() == b.Get(p.baseURL+"/").URL.Port() {
				t.Errorf("the provider still knows alice: %v", page)
			}
		})
	}
}

// Who signs out at the provider, in whatever browser, is signed out here.
func TestSignedOutAtTheProvider(t *testing.T) {
	p := start(t, options{})
	for i, provider := range developmentProviders {
		here, there := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)
		for _, b := range []*oidcrptest.Browser{here, there} {
			at(t, signIn(b, p, "/profile", "Continue with "+provider.display, "alice"), http.StatusOK, "/profile")
		}
		there.Get(p.dev[i].URL(oidcrptest.EndSessionEndpoint))
		there.SubmitForm("confirm", nil)
		contains(t, there.Get(p.baseURL+"/"), "Sign in")
		contains(t, here.Get(p.baseURL+"/profile"), "Alice Archer") // the provider's other session
		for _, told := range p.dev[i].SignOut("alice") {
			if told.Status != http.StatusOK {
				t.Errorf("%s: %+v", provider.name, told)
			}
		}
		if page := here.Get(p.baseURL + "/profile"); page.URL.Path == "/profile" {
			t.Errorf("%s: still %v", provider.name, page)
		}
	}
}

func TestAdminPageIsForAdmins(t *testing.T) {
	p := start(t, options{})
	alice, bob := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)

	page := signIn(alice, p, "/admin", "Continue with Aster", "alice")
	at(t, page, http.StatusOK, "/admin")
	contains(t, page, "Administration", "Aster", "ready", "Banyan", "not asked yet", p.baseURL+"/auth/callback/banyan")

	page = signIn(bob, p, "/admin", "Continue with Banyan", "bob")
	at(t, page, http.StatusForbidden, "/admin")
	page = bob.Get(p.baseURL + "/profile")
	contains(t, page, "Bob Baker")
	for _, link := range page.Links() {
		if link.URL.Path == "/admin" {
			t.Error("bob is shown a link to the admin page")
		}
	}
}

func TestTwoLanguages(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	b.SetLanguage("en")

	b.Get(p.baseURL + "/signin?return_to=%2Fprofile")
	page := b.Follow("ไทย")
	at(t, page, http.StatusOK, "/signin")
	contains(t, page, "ลงชื่อเข้าใช้ Riverside", "ดำเนินการต่อด้วย Aster")
	if got := page.Header.Get("Content-Language"); got != "th" {
		t.Errorf("Content-Language is %q", got)
	}

	// The provider's page, the way back, and our own pages are Thai too.
	page = b.Follow("ดำเนินการต่อด้วย Banyan")
	contains(t, page, "เลือกผู้ใช้ตัวอย่าง")
	page = b.SubmitForm("carol", nil)
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "โปรไฟล์ของคุณ", "แครอล ใจดี", "2569")
	contains(t, b.Get(p.baseURL+"/admin"), "ไม่มีสิทธิ์")
	b.Get(p.baseURL + "/")
	contains(t, b.SubmitForm("ออกจากระบบ", nil), "ออกจากระบบแล้ว")

	contains(t, b.Get(p.baseURL+"/?lang=en"), "The members’ portal")

	thai := oidcrptest.NewBrowser(t)
	thai.SetLanguage("th-TH,th;q=0.9,en;q=0.5")
	contains(t, thai.Get(p.baseURL+"/"), "พอร์ทัลสมาชิก")
}

// Every text exists in every language, and leaves the same gaps.
func TestTextsAreComplete(t *testing.T) {
	for lang, of := range texts {
		for key, text := range texts["en"] {
			if of[key] == "" {
				t.Errorf("%s: no text %q", lang, key)
			}
			if strings.Count(of[key], "%s") != strings.Count(text, "%s") {
				t.Errorf("%s: %q has other gaps than in English", lang, key)
			}
		}
		if len(of) != len(texts["en"]) {
			t.Errorf("%s has texts that English has not", lang)
		}
	}
}

func TestLanguageLinksStayOnThisSite(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	for _, path := range []string{"//evil.example/?lang=th", "/%5Cevil.example/?lang=th", "/%2Fevil.example?lang=th", "/?lang=%0d%0aSet-Cookie:x=1"} {
		page := b.Get(p.baseURL + path)
		if page.Err != nil || page.URL.Host != strings.TrimPrefix(p.baseURL, "http://") {
			t.Errorf("%s led to %v", path, page)
		}
	}
}

// A proxy in front keeps the address while the portal behind it comes back at
// another port: its old one might be taken by then.
func TestSessionsOutliveARestart(t *testing.T) {
	var behind atomic.Pointer[url.URL]
	baseURL := oidcrptest.Serve(t, func(string) http.Handler {
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(behind.Load()) }}
	})
	provider := oidcrptest.NewProvider(t)
	client := provider.AddClient(oidcrptest.Client{
		RedirectURLs:           []string{baseURL + "/auth/callback/acme"},
		PostLogoutRedirectURLs: []string{baseURL + "/auth/logout"},
	})
	folder := t.TempDir()
	o := options{
		addr: "127.0.0.1:0", baseURL: baseURL,
		db:        filepath.Join(folder, "portal ü?.db"),
		providers: filepath.Join(folder, "providers.json"),
	}
	text := `[{"name": "acme", "display_name": "Acme", "issuer": "` + provider.Issuer() + `",
		"client_id": "` + client.ID + `", "client_secret": "` + client.Secret + `"}]`
	if err := os.WriteFile(o.providers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(use func()) {
		t.Helper()
		p, err := open(o)
		if err != nil {
			t.Fatal(err)
		}
		behind.Store(&url.URL{Scheme: "http", Host: p.listener.Addr().String()})
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- p.serve(ctx, o) }()
		use()
		cancel()
		if err := errors.Join(<-ended, p.close()); err != nil {
			t.Error(err)
		}
	}
	provider.SignInAs("alice")
	b := oidcrptest.NewBrowser(t)
	run(func() { at(t, b.Get(baseURL+"/profile"), http.StatusOK, "/profile") })
	asked := provider.Calls(oidcrptest.AuthorizeEndpoint)
	run(func() {
		page := b.Get(baseURL + "/profile")
		at(t, page, http.StatusOK, "/profile")
		contains(t, page, "Alice Archer")
		if provider.Calls(oidcrptest.AuthorizeEndpoint) != asked {
			t.Error("the restart ended the session: the provider was asked again")
		}
		// This process has not talked to the provider yet, and still the page
		// lets its sign-out form lead there.
		if page := b.SubmitForm("Sign out here and at Acme", nil); page.Blocked != "" {
			t.Errorf("signing out: %v", page)
		}
	})
	info, err := os.Stat(o.db + ".key")
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the key file is readable by others: %v", info.Mode())
	}
}

func TestProvidersFromAFile(t *testing.T) {
	provider := oidcrptest.NewProvider(t)
	file := filepath.Join(t.TempDir(), "providers.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ACME_SECRET", "a-secret")
	write(`[{"name": "acme", "display_name": "Acme", "issuer": "` + provider.Issuer() + `",
		"client_id": "portal", "client_secret_env": "ACME_SECRET", "roles": {"member": "admin"}, "backchannel_logout": true}]`)
	p := start(t, options{providers: file})
	provider.AddClient(oidcrptest.Client{ID: "portal", Secret: "a-secret",
		RedirectURLs:           []string{p.baseURL + "/auth/callback/acme"},
		PostLogoutRedirectURLs: []string{p.baseURL + "/auth/logout"}})

	var said bytes.Buffer
	p.announce(&said)
	if !strings.Contains(said.String(), p.baseURL+"/auth/callback/acme") || !strings.Contains(said.String(), p.baseURL+"/auth/backchannel-logout/acme") || strings.Contains(said.String(), "a-secret") {
		t.Errorf("announced:\n%s", &said)
	}
	provider.SignInAs("bob")
	page := oidcrptest.NewBrowser(t).Get(p.baseURL + "/admin")
	at(t, page, http.StatusOK, "/admin")

	for _, wrong := range []string{`[]`, `{`, `[{"name": "acme", "isuer": "x"}]`, `[{"name": "acme", "client_secret_env": "NOT_THERE"}]`} {
		write(wrong)
		if _, err := open(options{addr: "localhost:0", providers: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestUnknownPage(t *testing.T) {
	p := start(t, options{})
	page := oidcrptest.NewBrowser(t).Get(p.baseURL + "/nothing")
	at(t, page, http.StatusNotFound, "/nothing")
	contains(t, page, "This page does not exist")
}

func TestAnnouncement(t *testing.T) {
	p := start(t, options{})
	var said bytes.Buffer
	p.announce(&said)
	for _, text := range []string{p.baseURL, p.dev[0].Issuer(), p.dev[1].Issuer(), "alice (admin), bob, carol, dave", "Ctrl-C"} {
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
		err := run(ctx, options{addr: "localhost:0", providerAddr: "127.0.0.1:0"}, write)
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
