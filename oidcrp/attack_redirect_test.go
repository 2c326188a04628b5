package oidcrp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// redirectAttacks are T085 to T097: redirects, headers, pages and caches.
var redirectAttacks = slices.Concat(returnAttacks, loopAttacks, headerAttacks, pageAttacks, cacheAttacks)

var returnAttacks = []attack{
	{"T085 the corpus is the one browsers judge", returnCorpusIsShared},
	{"T085 login", throughDoor(byLogin)},
	{"T085 a guard", throughDoor(byGuard)},
	{"T085 a form at a guard", throughDoor(byReferer)},
	{"T085 login from code", throughDoor(byCode)},
	{"T085 callback", throughDoor(byOnLogin)},
	{"T085 error retry", throughDoor(byRetry)},
	{"T085 logout", throughDoor(byLogout)},
	{"T085 logout page", throughDoor(byLogoutPage)},
	{"T085 logout from code", throughDoor(byLogoutFromCode)},
	{"T085 third-party initiation", throughDoor(byInitiation)},

	{"T086 return URL", splits("/auth/login?return_to=/reportsSPLIT", http.StatusFound)},
	{"T086 return URL after signing out", splitsAfterLogout},
	{"T086 target of an initiation", splits("/auth/initiate?iss=ISSUER&target_link_uri=/reportsSPLIT", http.StatusFound)},
	{"T086 login_hint", splits("/auth/login?login_hint=aliceSPLIT", http.StatusFound)},
	{"T086 login_hint of an initiation", splits("/auth/initiate?iss=ISSUER&login_hint=aliceSPLIT", http.StatusFound)},
	{"T086 provider", splits("/auth/login?provider=testSPLIT", http.StatusFound)}, // whom nobody has: there is one only
	{"T086 provider in a path", splits("/auth/callback/testSPLIT", http.StatusNotFound)},
	{"T086 address", splits("/reports/SPLIT", http.StatusFound)},
	{"T086 language", splitsByLanguage},

	{"T087 schemes", onlyPaths},
	{"T087 100 kB", tooLongToReturn},
}

// throughDoor tries the corpus at one door: wherever the visitor ends is ours.
func throughDoor(through door) func(*testing.T) {
	return func(t *testing.T) {
		t.Parallel()
		try := func(e *errand, raw string) {
			e.jar = nil
			got := through(e, raw)
			if why := leavesUs(errandOrigin, e.path, got); why != "" {
				t.Errorf("%q led to %q: %s", raw, got, why)
			}
			if home := errandOrigin + e.path; raw[0] != '/' && !strings.HasPrefix(raw, home) && got != home+"/" {
				t.Errorf("%q is no path, and led to %q", raw, got)
			}
		}
		atRoot, below := newErrand(t, ""), newErrand(t, "/app")
		for _, e := range []*errand{atRoot, below} {
			for _, ours := range returnsHome {
				for _, raw := range []string{e.path + ours[0], errandOrigin + e.path + ours[0]} {
					e.jar = nil
					if got := through(e, raw); got != errandOrigin+e.path+ours[1] {
						t.Errorf("%q led to %s", raw, got)
					}
				}
			}
		}
		for i, raw := range leavingURLs() {
			try(atRoot, raw)
			try(below, [...]string{"", "/app", errandOrigin + "/app", errandOrigin}[i%4]+raw)
		}
	}
}

// splitters would end a header's line, or become what does.
var splitters = map[string]string{
	"CR LF": "\r\n", "CR": "\r", "LF": "\n", "two lines": "\r\n\r\n", "NUL": "\x00", "next line": "\u0085", "line separator": "\u2028", "paragraph separator": "\u2029",
	"overlong CR LF": "\xc0\x8d\xc0\x8a", "overlong LF": "\xe0\x80\x8a", "cut to CR LF": "\u560d\u560a", "not UTF-8": "\xff",
}

// splits sends each at an address with one place for it.
func splits(address string, status int) func(*testing.T) {
	return func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].PAR = oidcrp.Refused })
		for name, split := range splitters {
			t.Run(name, func(t *testing.T) {
				text := split + "X-Evil: 1" + split + "Set-Cookie: evil=1"
				at := strings.NewReplacer("ISSUER", url.QueryEscape(a.op.Issuer()), "SPLIT", url.PathEscape(text)).Replace(address)
				head := a.head("GET " + at + " HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
				whole(t, head, status)
				if hint := mustParse(t, locationIn(head)).Query().Get("login_hint"); hint != "" && hint != "alice"+text {
					t.Errorf("login_hint %q", hint)
				}
			})
		}
	}
}

func splitsAfterLogout(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	for name, split := range splitters {
		t.Run(name, func(t *testing.T) {
			body := url.Values{"return_to": {"/reports" + split + "X-Evil: 1"}}.Encode()
			head := a.head(fmt.Sprintf("POST /auth/logout HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"+
				"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
			whole(t, head, http.StatusSeeOther)
			if to := locationIn(head); to != a.URL+"/" && split != "\u560d\u560a" {
				t.Errorf("led to %s", to)
			}
		})
	}
}

// splitsByLanguage: the application's answer may come from a cookie.
func splitsByLanguage(t *testing.T) {
	for name, split := range splitters {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				c.Language = func(*http.Request) string { return "en" + split + "X-Evil: 1" }
			})
			whole(t, a.head("GET /auth/nowhere HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n"), http.StatusNotFound)
		})
	}
}

// head is the answer to a request as it was sent, up to its body.
func (a *app) head(request string) string {
	a.t.Helper()
	conn := a.write(request)
	b, err := io.ReadAll(conn)
	if err != nil {
		a.t.Fatal(err)
	}
	head, _, found := strings.Cut(string(b), "\r\n\r\n")
	if !found {
		a.t.Fatalf("no answer: %q", b)
	}
	return head
}

// whole fails the test unless an answer has its status and the headers that we
// set, each once.
func whole(t *testing.T, head string, status int) {
	t.Helper()
	lines := strings.Split(head, "\r\n")
	if !strings.HasPrefix(lines[0], fmt.Sprintf("HTTP/1.1 %d ", status)) {
		t.Errorf("%s, want %d", lines[0], status)
	}
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		name = strings.ToLower(name)
		if name == "x-evil" || strings.Contains(value, "evil=") || seen[name] && name != "set-cookie" {
			t.Errorf("header %q", line)
		}
		if seen[name] = true; strings.ContainsFunc(line, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
			t.Errorf("header %q has a character no header has", line)
		}
	}
}

func locationIn(head string) string {
	_, rest, _ := strings.Cut(head, "\r\nLocation: ")
	location, _, _ := strings.Cut(rest, "\r\n")
	return location
}

// everyDoor lists where return URLs are taken.
var everyDoor = map[string]door{
	"login": byLogin, "login from code": byCode, "callback": byOnLogin, "error retry": byRetry,
	"logout": byLogout, "logout from code": byLogoutFromCode, "initiation": byInitiation,
}

// goesHome fails the test unless a return URL is replaced at every door.
func goesHome(t *testing.T, raw string) {
	for name, through := range everyDoor {
		if got := through(newErrand(t, "/app"), raw); got != errandOrigin+"/app/" {
			t.Errorf("%s: %.200q led to %.200q", name, raw, got)
		}
	}
}

func onlyPaths(t *testing.T) {
	for _, raw := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "javascript://app.example/app/%0aalert(1)", "javascript:/app/reports",
		"data:text/html,<script>alert(1)</script>", "data:text/html;base64,PHNjcmlwdD4=", "vbscript:msgbox(1)", "blob:https://app.example/app/reports",
		"https:x", "https:/app/reports", "https:app.example/app", "HTTPS://APP.EXAMPLE/app", "http://app.example/app", "https://app.example:443/app", "file:///app/reports", "about:blank",
		"mailto:a@app.example", "intent://app.example/app#Intent;end", "view-source:https://app.example/app", "feed:https://app.example/app",
	} {
		t.Run(raw, func(t *testing.T) { goesHome(t, raw) })
	}
}

func tooLongToReturn(t *testing.T) {
	for _, raw := range []string{"/app/" + strings.Repeat("a", 100<<10), errandOrigin + "/app/?" + strings.Repeat("a", 100<<10), "/app/" + strings.Repeat("ก", 700)} {
		for name, through := range everyDoor {
			if name == "logout" {
				continue // by a form, which is refused below
			}
			if got := through(newErrand(t, "/app"), raw); got != errandOrigin+"/app/" {
				t.Errorf("%s: %d bytes led to %.200q", name, len(raw), got)
			}
		}
	}
	if w := newErrand(t, "/app").send("POST", "/auth/logout", url.Values{"return_to": {"/app/" + strings.Repeat("a", 100<<10)}}, nil); w.Code != http.StatusBadRequest || w.Header().Get("Location") != "" {
		t.Errorf("a form of 100 kB: %d %v", w.Code, w.Header())
	}
}
