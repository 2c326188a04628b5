package oidcrp_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var headerAttacks = []attack{
	{"T089 hosts and forwarded headers", spoofedHeadersChangeNothing},
	{"T089 post-logout URI", spoofedHeadersAtLogout},

	{"T090 ways around a guard", nothingEntersAnonymously},
	{"T090 a session does not open other guards", rolesBehindOddPaths},

	{"T091 open path", identityHeaders("/", false)},
	{"T091 open path, signed in", identityHeaders("/", true)},
	{"T091 protected path, signed in", identityHeaders("/reports", true)},
	{"T091 malformed names", malformedHeaderNames},

	{"T096 before a login", nothingLeaks(nil)},
	{"T096 after the session expired", nothingLeaks(func(a *app, b *oidcrptest.Browser) { a.clock.advance(13 * time.Hour) })},
	{"T096 with a cookie that cannot be read", nothingLeaks(func(a *app, b *oidcrptest.Browser) {
		c := a.sessionCookie(b)
		a.plant(b, c.Name, flip(c.Value))
	})},
	{"T096 after a sign-out, with a copy of the cookie", nothingLeaks(func(a *app, b *oidcrptest.Browser) {
		c := a.sessionCookie(b)
		a.logout(b, "")
		a.plant(b, c.Name, c.Value)
	})},
	{"T096 signed in as somebody else", leaksToNoRole},
	{"T096 while the store is down", leaksInNoOutage},
}

// spoofed is all that a client can write about where we live.
var spoofed = []string{
	"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "X-Forwarded-Port", "443", "X-Forwarded-Prefix", "/evil",
	"Forwarded", "host=evil.example;proto=https", "X-Original-Host", "evil.example", "X-Forwarded-Server", "evil.example", "X-Forwarded-Uri", "//evil.example",
}

func spoofedHeadersAtLogout(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	res := a.sent(b, "POST", "/auth/logout", url.Values{"return_to": {"/bye"}}, append([]string{"Sec-Fetch-Site", "same-origin", "Accept", "text/html"}, spoofed...)...)
	to := mustParse(t, res.Header.Get("Location"))
	if !strings.HasPrefix(to.String(), a.op.URL(oidcrptest.EndSessionEndpoint)) || to.Query().Get("post_logout_redirect_uri") != a.URL+"/auth/logout" {
		t.Errorf("%d %s", res.StatusCode, to)
	}
	res = a.with(b, "GET", "/auth/logout?state="+to.Query().Get("state"), append(spoofed, "Accept", "text/html")...)
	if got := res.Header.Get("Location"); got != a.URL+"/bye" {
		t.Errorf("led back to %s", got)
	}
}

// rolesBehindOddPaths: who is signed in gets no further by a path that the mux
// cleans, or by a method.
func rolesBehindOddPaths(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signInAs("bob")
	cookie := cookieHeader(a.sessionCookie(b))
	for _, path := range []string{"/admin", "//admin", "/./admin", "/x/../admin", "/%2e/admin", "/%61dmin", "/admin?x=/public/", "/admin#x", "/reports/../admin", "/auth/login/../../admin"} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE", "BREW"} {
			res := a.raw(method + " " + path + " HTTP/1.1\r\nHost: x\r\nCookie: " + cookie + "\r\nSec-Fetch-Site: same-origin\r\nUser-Agent: kube-probe/1.30\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			body, err := io.ReadAll(res.Body)
			if err != nil || strings.Contains(string(body), "admin page") {
				t.Errorf("%s %s: %d %s %v", method, path, res.StatusCode, body, err)
			}
			// What is not cleaned is refused, or is another page of the application.
			if clean := path == "/admin" || path == "/%61dmin"; clean && res.StatusCode != http.StatusForbidden {
				t.Errorf("%s %s: %d", method, path, res.StatusCode)
			}
		}
	}
	if cookie = cookieHeader(a.sessionCookie(a.signIn())); a.raw("GET /%61dmin HTTP/1.1\r\nHost: x\r\nCookie: "+cookie+"\r\nConnection: close\r\n\r\n").StatusCode != 200 {
		t.Error("not even for who may")
	}
}

// identityHeaders: the package tells handlers who is there by the context alone.
// It sets no header that says so, so that none can be smuggled past it.
func identityHeaders(path string, signedIn bool) func(*testing.T) {
	return func(t *testing.T) {
		var seen http.Header
		a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
			page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = r.Header.Clone()
				fmt.Fprint(w, name(r))
			})
			mux := http.NewServeMux()
			mux.Handle("/", page)
			mux.Handle("/reports", a.rp.RequireLogin(page))
			return a.rp.Load(mux)
		})
		var b *oidcrptest.Browser
		want := "nobody"
		if signedIn {
			b, want = a.browse(), "alice"
			b.Get(a.URL + "/reports")
		}
		sent := http.Header{}
		var header []string
		for _, name := range []string{
			"X-User", "x_user", "X_User", "X-Remote-User", "Remote-User", "REMOTE_USER", "X-Forwarded-User", "X-Forwarded-Email", "X-Forwarded-Groups", "X-Forwarded-Preferred-Username", "X-Forwarded-Access-Token",
			"X-Auth-Request-User", "X-Auth-Request-Email", "OIDC_CLAIM_sub", "OIDC-Claim-Sub", "Oidc_access_token", "X-WEBAUTH-USER", "X-Authenticated-User", "X-Amzn-Oidc-Identity", "X-MS-CLIENT-PRINCIPAL-NAME",
			"X-Goog-Authenticated-User-Email", "Authorization",
		} {
			header = append(header, name, "mallory", name, "admin")
			sent.Add(name, "mallory")
			sent.Add(name, "admin")
		}
		res := a.with(b, "GET", path, header...)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK || string(body) != want {
			t.Errorf("%d %q is there, want %q, %v", res.StatusCode, body, want, err)
		}
		for _, ours := range []string{"Cookie", "User-Agent", "Accept-Encoding", "Connection"} {
			delete(seen, ours)
		}
		if !maps.EqualFunc(seen, sent, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
			t.Errorf("the handler saw %v, sent was %v", seen, sent)
		}
		for name, values := range res.Header {
			if text := strings.Join(values, " "); strings.Contains(text, "mallory") || name != "Set-Cookie" && strings.Contains(text, "alice") {
				t.Errorf("the answer has %s: %s", name, text)
			}
		}
	}
}

// malformedHeaderNames, with which some servers trim their way to another
// name, reach no handler.
func malformedHeaderNames(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	cookie := cookieHeader(a.sessionCookie(a.signIn()))
	before := a.reports.Load()
	for _, line := range []string{"X-User : mallory", "X-User\t: mallory", " X-User: mallory", "X-\x00User: mallory", "X-User\x0b: mallory", ": mallory"} {
		res := a.raw("GET /reports HTTP/1.1\r\nHost: x\r\n" + line + "\r\nCookie: " + cookie + "\r\nConnection: close\r\n\r\n")
		if res.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d", line, res.StatusCode)
		}
	}
	if a.reports.Load() != before {
		t.Error("the handler was entered")
	}
}

const figures = "the quarterly figures"

// leaky is an application whose guarded handler writes before all else.
func leaky(t *testing.T, change func(*oidcrp.Config), policies ...oidcrp.Policy) (a *app, entered *atomic.Int32) {
	t.Helper()
	entered = &atomic.Int32{}
	a = serving(t, oidcrptest.NewProvider(t), "", change, func(a *app) http.Handler {
		guarded := a.rp.Require(policies...)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			entered.Add(1)
			w.Header().Set("X-Figures", figures)
			io.WriteString(w, figures)
			w.(http.Flusher).Flush()
		}))
		mux := http.NewServeMux()
		mux.Handle("/figures", guarded)
		mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) {})
		return a.rp.Load(mux)
	})
	return a, entered
}

// shapes are the ways to ask for a page, with the status for who has no
// session, or 403 for who has no right.
var shapes = []struct {
	name, line, header string
	anonymous          int
}{
	{"navigation", "GET", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n", 302},
	{"navigation of an older browser", "GET", "Accept: text/html\r\n", 302},
	{"HEAD", "HEAD", "Accept: text/html\r\n", 302},
	{"form", "POST", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\n", 303},
	{"range", "GET", "Accept: text/html\r\nRange: bytes=0-3\r\n", 302},
	{"conditional", "GET", "Accept: text/html\r\nIf-None-Match: *\r\nIf-Modified-Since: Sat, 01 Jan 2000 00:00:00 GMT\r\n", 302},
	{"fetch", "GET", "Accept: */*\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n", 401},
	{"XHR", "POST", "Accept: application/json\r\nX-Requested-With: XMLHttpRequest\r\nOrigin: ORIGIN\r\n", 401},
	{"fetch for a page", "GET", "Accept: text/html\r\nSec-Fetch-Mode: same-origin\r\nSec-Fetch-Site: same-origin\r\n", 401},
	{"program", "GET", "", 401},
	{"PUT", "PUT", "Accept: text/html\r\nOrigin: ORIGIN\r\n", 401},
	{"upgrade", "GET", "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nOrigin: ORIGIN\r\n", 401},
	{"HTTP/1.0", "GET", "Accept: text/html\r\nX-Protocol: HTTP/1.0\r\n", 302},
}

// leaks tries all shapes with the cookies of b, and fails the test unless the
// answer is status and has nothing of what the handler writes.
func (a *app) leaks(b *oidcrptest.Browser, entered *atomic.Int32, status func(anonymous int) int) {
	a.t.Helper()
	cookie := ""
	for _, c := range b.Cookies(a.URL + "/figures") {
		cookie += "; " + cookieHeader(c)
	}
	if cookie != "" {
		cookie = "Cookie: " + cookie[2:] + "\r\n"
	}
	before := entered.Load()
	for _, shape := range shapes {
		protocol, want := "HTTP/1.1", status(shape.anonymous)
		if strings.Contains(shape.header, "HTTP/1.0") {
			protocol = "HTTP/1.0"
		}
		conn := a.write(shape.line + " /figures " + protocol + "\r\nHost: x\r\n" + cookie + strings.ReplaceAll(shape.header, "ORIGIN", a.URL) + closing(shape.header) + "Content-Length: 0\r\n\r\n")
		b, err := io.ReadAll(conn)
		if err != nil {
			a.t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(b), "\r\n\r\n")
		if !strings.HasPrefix(head, fmt.Sprintf("%s %d ", "HTTP/1."+string(head[7]), want)) || strings.Contains(string(b), figures) {
			a.t.Errorf("%s: want %d\n%s", shape.name, want, b)
		}
		if !strings.Contains(head, "\r\nCache-Control: no-store") {
			a.t.Errorf("%s: may be cached: %s", shape.name, head)
		}
		if want == 401 && (!strings.Contains(head, "\r\nContent-Type: application/problem+json") || problem(a.t, []byte(body)).Login == "") {
			a.t.Errorf("%s: no problem document: %s", shape.name, b)
		}
		if to := locationIn(head); want/100 == 3 && !strings.HasPrefix(to, a.op.Issuer()) {
			a.t.Errorf("%s: sent to %q", shape.name, to)
		}
	}
	if n := entered.Load() - before; n != 0 {
		a.t.Errorf("the handler was entered %d times", n)
	}
}

// closing asks for the connection to be closed after the answer.
func closing(header string) string {
	if strings.Contains(header, "Connection:") {
		return ""
	}
	return "Connection: close\r\n"
}

func same(status int) int { return status }

// nothingLeaks tries who was signed in and is not any more; nil: never was.
func nothingLeaks(end func(*app, *oidcrptest.Browser)) func(*testing.T) {
	return func(t *testing.T) {
		a, entered := leaky(t, nil)
		b := a.browse()
		if end != nil {
			if page := b.Get(a.URL + "/figures"); page.Body != figures {
				t.Fatalf("signed in: %s", page)
			}
			end(a, b)
		}
		a.leaks(b, entered, same)
	}
}

func leaksToNoRole(t *testing.T) {
	a, entered := leaky(t, nil, oidcrp.HasRole("admin"))
	a.op.SignInAs("bob")
	b := a.browse()
	b.Get(a.URL + "/figures")
	a.leaks(b, entered, func(int) int { return http.StatusForbidden })
}

func leaksInNoOutage(t *testing.T) {
	store := newPlain()
	a, entered := leaky(t, func(c *oidcrp.Config) { c.Store = store })
	b := a.browse()
	if page := b.Get(a.URL + "/figures"); page.Body != figures {
		t.Fatalf("signed in: %s", page)
	}
	store.fail(breakages["error"], "Find")
	a.leaks(b, entered, func(int) int { return http.StatusServiceUnavailable })
}
