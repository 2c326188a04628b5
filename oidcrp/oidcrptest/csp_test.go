package oidcrptest_test

import (
	"net/url"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestFormAction(t *testing.T) {
	s, other := newSite(t), newSite(t)
	csp := "header"
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/", "html", form("post", other.at("127.0.0.1", "/")), csp, "Content-Security-Policy: form-action 'self'"))
	if page := b.SubmitForm("Go", nil); page.Blocked != "form-action" || page.Status != 0 || other.hits.Load() != 0 {
		t.Errorf("sent in spite of the policy: %v", page)
	}
	b.Get(s.at("localhost", "/", "html", form("post", s.at("localhost", "/", "to", other.at("127.0.0.1", "/"))), csp, "Content-Security-Policy: form-action 'self'"))
	if page := b.SubmitForm("Go", nil); page.Blocked != "form-action" || other.hits.Load() != 0 || len(page.Trail) != 1 {
		t.Errorf("redirected in spite of the policy: %v", page)
	}
	page, _ := url.Parse("http://localhost:3000/page")
	for _, test := range []struct {
		policy, target string
		redirected     bool
		want           bool
	}{
		{"", "http://other.example/", false, true},
		{"default-src 'none'", "http://other.example/", false, true},
		{"form-action 'none'", "http://localhost:3000/", false, false},
		{"form-action 'self'", "http://localhost:3000/x", false, true},
		{"form-action 'self'", "http://localhost:3001/x", false, false},
		{"form-action http://op.example", "http://op.example/x", false, true},
		{"form-action http://op.example", "https://op.example/x", false, true},
		{"form-action https://op.example", "http://op.example/x", false, false},
		{"form-action http://op.example", "http://op.example:81/x", false, false},
		{"form-action http://op.example:*", "http://op.example:81/x", false, true},
		{"form-action http://[::1]:81", "http://[::1]:81/x", false, true},
		{"form-action https://*.example", "https://op.example/", false, true},
		{"form-action https://*.example", "https://example/", false, false},
		{"form-action https:", "https://any.example/", false, true},
		{"form-action *", "https://any.example/", false, true},
		{"form-action op.example", "http://op.example/", false, true},
		{"form-action https://op.example/in/", "https://op.example/in/x", false, true},
		{"form-action https://op.example/in", "https://op.example/in/x", false, false},
		{"form-action https://op.example/in", "https://op.example/other", true, true},
		{"form-action *, form-action 'self'", "https://op.example/", false, false},
	} {
		target, _ := url.Parse(test.target)
		if got := oidcrptest.AllowsForm(page, test.policy, target, test.redirected); got != test.want {
			t.Errorf("%q allows %s: %v", test.policy, test.target, got)
		}
	}
}

func TestScriptsObeyThePolicy(t *testing.T) {
	s := newSite(t)
	html := form("post", "/sent") + `<script>document.forms[0].submit()</script>`
	for policy, want := range map[string]string{
		"":                           "/sent",
		"script-src 'self'":          "/",
		"default-src 'none'":         "/",
		"script-src 'unsafe-inline'": "/sent",
		"script-src 'nonce-x'":       "/",
		"script-src-elem 'none'":     "/",
		"default-src 'none'; script-src 'sha256-A2vI4zN3zHQ6f/fiGAtLyXpqBGWsc4hzB3U3Kxk/57M='": "/",
	} {
		page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", html, "header", "Content-Security-Policy: "+policy))
		if page.URL.Path != want {
			t.Errorf("%q: ended at %v", policy, page.URL)
		}
	}
	nonce := form("post", "/sent") + `<script nonce="x">document.forms[0].submit()</script>`
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", nonce, "header", "Content-Security-Policy: script-src 'nonce-x'")); page.URL.Path != "/sent" {
		t.Errorf("script with nonce did not run: %v", page)
	}
	onload := `<body onload="document.forms[0].submit()">` + form("post", "/sent")
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onload)); page.URL.Path != "/sent" {
		t.Errorf("onload did not run: %v", page)
	}
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onload, "header", "Content-Security-Policy: script-src 'sha256-x'")); page.URL.Path != "/" {
		t.Errorf("onload ran in spite of the policy: %v", page)
	}
	onclick := form("post", "/sent") + `<p onclick="document.forms[0].submit()">onload</p>`
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "html", onclick)); page.URL.Path != "/" {
		t.Errorf("onclick ran without a click: %v", page)
	}
	b := oidcrptest.NewBrowser(t)
	b.SetJavaScript(false)
	if page := b.Get(s.at("localhost", "/", "html", html)); page.URL.Path != "/" {
		t.Errorf("script ran though turned off: %v", page)
	}
}
