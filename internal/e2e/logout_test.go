package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// client is an application without a library: what its pages show is up to
// the test.
type client struct {
	oidcrptest.Client
	base   string
	frames chan *http.Request // of front-channel logouts
}

// newClient registers an application on this host name.
func newClient(t *testing.T, p *oidcrptest.Provider, host, frame string) *client {
	t.Helper()
	c := &client{frames: make(chan *http.Request, 10)}
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/framed":
			c.frames <- r
		case "/denied":
			w.Header().Set("X-Frame-Options", "DENY")
			c.frames <- r
		case "/silent":
			c.frames <- r
			<-stop
		default:
			http.SetCookie(w, &http.Cookie{Name: "lax", Value: "1"})
			http.SetCookie(w, &http.Cookie{Name: "none", Value: "1", SameSite: http.SameSiteNoneMode, Secure: true})
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<title>app</title><p>At %s`, r.URL.Path)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(stop) })
	c.base = strings.Replace(server.URL, "127.0.0.1", host, 1)
	c.Client = p.AddClient(oidcrptest.Client{
		RedirectURLs: []string{c.base + "/back"}, PostLogoutRedirectURLs: []string{c.base + "/out"},
		FrontchannelLogoutURL: c.base + frame, FrontchannelLogoutSessionRequired: true,
	})
	return c
}

// signIn returns what came back.
func (c *client) signIn(b *tab, p *oidcrptest.Provider) url.Values {
	b.t.Helper()
	b.open(p.URL(oidcrptest.AuthorizeEndpoint) + "?" + url.Values{"client_id": {c.ID}, "redirect_uri": {c.base + "/back"},
		"response_type": {"id_token"}, "response_mode": {"fragment"}, "scope": {"openid"}, "nonce": {"n"}, "state": {"s"}}.Encode())
	b.untilAt(c.base + "/back#")
	u, err := url.Parse(b.location())
	if err != nil {
		b.t.Fatal(err)
	}
	v, err := url.ParseQuery(u.EscapedFragment())
	if err != nil || v.Get("id_token") == "" {
		b.t.Fatalf("came back %v: %v", v, err)
	}
	return v
}

func (c *client) signOutURL(p *oidcrptest.Provider, hint string) string {
	return p.URL(oidcrptest.EndSessionEndpoint) + "?" + url.Values{"id_token_hint": {hint},
		"post_logout_redirect_uri": {c.base + "/out"}, "state": {"s"}}.Encode()
}

// leaveFor goes to an address by a script, and does not wait for its page,
// which may never load.
func (b *tab) leaveFor(url string) {
	b.t.Helper()
	b.do("leave for "+url, chromedp.Evaluate[chromedp.Void]("setTimeout(() => location.href = "+quote(url)+")"))
}

// What oidcrptest.Browser takes for granted of frames and cookies.
func TestFrontchannelLogoutFrames(t *testing.T) {
	for name, test := range map[string]struct {
		host, frame string
		cookies     string
	}{
		"of another site":       {"localhost", "/framed", ""},
		"of the same site":      {"127.0.0.1", "/framed", "lax none"},
		"that forbid framing":   {"localhost", "/denied", ""},
		"that are never served": {"localhost", "/silent", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t)
			p.SignInAs("alice")
			b, c := newProfile(t), newClient(t, p, test.host, test.frame)
			token := c.signIn(b, p).Get("id_token")
			b.leaveFor(c.signOutURL(p, token))
			b.untilAt(c.base + "/out?state=s")
			select {
			case r := <-c.frames:
				if q := r.URL.Query(); q.Get("iss") != p.Issuer() || q.Get("sid") == "" {
					t.Errorf("framed %v", r.URL)
				}
				var names []string
				for _, cookie := range r.Cookies() {
					if cookie.Name == "lax" || cookie.Name == "none" {
						names = append(names, cookie.Name)
					}
				}
				if got := strings.Join(names, " "); got != test.cookies || r.Header.Get("Sec-Fetch-Dest") != "iframe" {
					t.Errorf("cookies %q, %v", got, r.Header)
				}
			case <-time.After(patience):
				t.Error("nothing was framed")
			}
		})
	}
}

// The provider's frame answers as Session Management 1.0 has it. The
// application is on the provider's site, or the frame would see no cookie.
func TestCheckSessionFrame(t *testing.T) {
	p := oidcrptest.NewProvider(t)
	p.SignInAs("alice")
	p.SetSessionManagement(true)
	b, c := newProfile(t), newClient(t, p, "127.0.0.1", "/framed")
	v := c.signIn(b, p)
	ask := func(message string) string {
		t.Helper()
		b.open(c.base + "/ask")
		b.until("an answer", `(() => {
			if (!window.asked) {
				window.asked = true
				const frame = document.createElement("iframe")
				frame.src = `+quote(p.URL(oidcrptest.CheckSessionEndpoint))+`
				frame.onload = () => frame.contentWindow.postMessage(`+quote(message)+`, `+quote(p.Issuer())+`)
				addEventListener("message", e => { if (e.origin === `+quote(p.Issuer())+`) window.answer = e.data })
				document.body.append(frame)
			}
			return window.answer
		})()`)
		answer, err := value[string](b, "window.answer")
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	expect := func(when, message, want string) {
		t.Helper()
		if got := ask(message); got != want {
			t.Errorf("%s: answered %q, want %q", when, got, want)
		}
	}
	message := c.ID + " " + v.Get("session_state")
	expect("signed in", message, "unchanged")
	expect("another client", "x "+v.Get("session_state"), "changed")
	expect("no session_state", c.ID, "error")
	expect("no salt", c.ID+" x", "error")
	b.leaveFor(c.signOutURL(p, v.Get("id_token")))
	b.untilAt(c.base + "/out?state=s")
	expect("signed out", message, "changed")
}
