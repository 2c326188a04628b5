package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// hybridHouse is the portal with a provider in this process, which tells what
// was asked of it. The login is Power Pages' usual one, "code id_token".
type hybridHouse struct {
	house
	op       *oidcrptest.Provider
	callback string
}

func hybrid(t *testing.T, mode string, overTLS bool) hybridHouse {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, scheme := freeAddr(t), "http://"
	if overTLS {
		scheme = "https://"
	}
	op, err := oidcrptest.NewHandler(scheme + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(op)
	server.Listener.Close()
	server.Listener = l
	if overTLS {
		c := testCertificate()
		pair, err := tls.X509KeyPair([]byte(c.cert), []byte(c.key))
		if err != nil {
			t.Fatal(err)
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	t.Cleanup(op.Stop)

	callback := scheme + addr + "/auth/callback/pages"
	client := op.AddClient(oidcrptest.Client{
		Name: "Riverside", RedirectURLs: []string{callback}, PostLogoutRedirectURLs: []string{scheme + addr + "/auth/logout"},
		ResponseTypes: []string{"code id_token"},
	})
	providers, err := json.Marshal([]map[string]any{{
		"name": "pages", "display_name": "Power Pages", "issuer": op.Issuer(), "client_id": client.ID, "client_secret": client.Secret,
		"response_type": "code id_token", "response_mode": mode,
	}, {
		"name": "other", "display_name": "Other", "issuer": op.Issuer() + "/nothing-here", "client_id": "portal", "client_secret": "x",
	}})
	if err != nil {
		t.Fatal(err)
	}
	h := house{
		portal:    startPortal(t, portalOptions{tls: overTLS, addr: addr, providers: string(providers)}),
		provider:  "pages",
		signIn:    signInEmbedded,
		signOut:   func(*tab) {},
		knowsName: "Alice Archer",
	}
	return hybridHouse{h, op, callback}
}

// traffic is what a tab sent and got, as the browser reports it.
type traffic struct {
	mu        sync.Mutex
	requests  []*network.Request
	responses []*network.Response
	refusals  []string // by a Content-Security-Policy
}

func record(b *tab) *traffic {
	b.t.Helper()
	seen := &traffic{}
	err := chromedp.Listen(b.ctx, func(event any) {
		seen.mu.Lock()
		defer seen.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			seen.requests = append(seen.requests, e.Request)
		case *network.EventResponseReceived:
			seen.responses = append(seen.responses, e.Response)
		case *log.EventEntryAdded:
			if strings.Contains(e.Entry.Text, "Content Security Policy") {
				seen.refusals = append(seen.refusals, e.Entry.Text)
			}
		}
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, log.Enable, cdp.Empty{})
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return seen
}

// methods of the requests to an address, its query and fragment left aside.
func (s *traffic) methods(address string) (methods []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		if r.URL == address || strings.HasPrefix(r.URL, address+"?") {
			methods = append(methods, r.Method)
		}
	}
	return methods
}

// TestHybridByFormPost looks at the login that Power Pages has by default: the
// answer is a form that another site posts.
func TestHybridByFormPost(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			h := hybrid(t, "form_post", scheme == "https")
			b := newProfile(t)
			seen := record(b)
			h.choose(b, "/profile")
			b.until("the provider's sign-in page", "document.querySelector('button[name=user]')")
			b.shoot(shotName(t) + "-provider-sign-in")
			h.signIn(b, "alice")
			h.arrive(b, "/profile")
			b.untilSees("Alice Archer")
			b.shoot(shotName(t) + "-profile")
			checkCookies(b, h.portal.url)
			checkAddresses(b)

			request := h.op.Requests(oidcrptest.PAREndpoint)[0].Form
			if request.Get("response_type") != "code id_token" || request.Get("response_mode") != "form_post" ||
				request.Get("code_challenge_method") != "S256" || request.Get("nonce") == "" {
				t.Errorf("asked for %v", request)
			}
			if n := h.op.Calls(oidcrptest.TokenEndpoint); n != 1 {
				t.Errorf("%d codes were redeemed", n)
			}
			// The browser kept the cookie of the login for a POST from elsewhere, and
			// the Lax one of the session for what followed.
			if methods := seen.methods(h.callback); len(methods) == 0 || methods[0] != "POST" || slices.Contains(methods[1:], "POST") {
				t.Errorf("the callback got %v", methods)
			}
			if seen.refusals != nil {
				t.Errorf("a policy was in the way: %q", seen.refusals)
			}
			h.again(b)
		})
	}
}

// again signs in once more while the provider still knows who it is, with the
// session that there was.
func (h hybridHouse) again(b *tab) {
	b.t.Helper()
	b.open(h.portal.url + "/signin?return_to=/profile")
	b.click("#signin-" + h.provider)
	b.untilAt(h.portal.url + "/profile")
	b.untilSees("Alice Archer")
}

// TestHybridByFragment looks at the page that takes the tokens out of the
// address.
func TestHybridByFragment(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			h := hybrid(t, "fragment", scheme == "https")
			b := newProfile(t)
			seen := record(b)
			h.enter(b, "/profile")
			b.untilSees("Alice Archer")
			checkAddresses(b)

			if methods := seen.methods(h.callback); len(methods) < 2 || methods[0] != "GET" || methods[1] != "POST" {
				t.Errorf("the callback got %v", methods)
			}
			seen.checkNoLeak(t, h.callback)
			if seen.refusals != nil {
				t.Errorf("a policy was in the way: %q", seen.refusals)
			}

			// Back and forward find nothing either.
			for i := 0; i < 10 && b.location() != "about:blank"; i++ {
				b.back()
				checkAddresses(b)
			}
		})
	}
}

// checkNoLeak asserts that no request but the form of the callback had a part
// of the answer.
func (s *traffic) checkNoLeak(t *testing.T, callback string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		referer, _ := r.Headers["Referer"].(string)
		if strings.Contains(r.URL, "id_token=") || strings.Contains(r.URL, "code=") || strings.Contains(referer, "id_token") {
			t.Errorf("a token is in %s %s, from %s", r.Method, r.URL, referer)
		}
	}
}

// checkAddresses asserts that no address the tab remembers has a token, and
// returns the one it is at.
func checkAddresses(b *tab) (at string) {
	b.t.Helper()
	history, err := chromedp.Call(b.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, entry := range history.Entries {
		for _, name := range []string{"id_token=", "code=", "access_token="} {
			if strings.Contains(entry.URL, name) || strings.Contains(entry.UserTypedURL, name) {
				b.t.Errorf("the history has %s", entry.URL)
			}
		}
	}
	return history.Entries[history.CurrentIndex].URL
}

// While the form is on its way, and however long that takes, the address is
// clean already.
func TestFragmentPage(t *testing.T) {
	h := hybrid(t, "fragment", false)
	b := newProfile(t)
	held := make(chan fetch.RequestID, 1)
	err := chromedp.Listen(b.ctx, func(event any) {
		e, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		if e.Request.Method == http.MethodPost {
			held <- e.RequestID
			return
		}
		// A command waits for events, which this listener would hold up.
		go chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: h.callback + "*"}}})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.choose(b, "/profile")
	h.signIn(b, "alice")
	var request fetch.RequestID
	select {
	case request = <-held:
	case <-time.After(patience):
		b.fail("waited for the form")
	}
	if at := checkAddresses(b); at != h.callback {
		t.Errorf("the address is %s", at)
	}
	b.shoot("fragment")
	if _, err := chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: request}); err != nil {
		t.Fatal(err)
	}
	h.arrive(b, "/profile")
	b.untilSees("Alice Archer")
}

// Without scripts nothing can read a fragment: the page says so, and keeps the
// login for when they are on.
func TestFragmentWithoutScripts(t *testing.T) {
	h := hybrid(t, "fragment", false)
	b := newProfile(t)
	scripts := func(off bool) {
		if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off}); err != nil {
			t.Fatal(err)
		}
	}
	scripts(true)
	h.choose(b, "/profile")
	h.signIn(b, "alice")
	b.untilAt(h.callback)
	b.look("fragment-without-scripts")
	if n := h.op.Calls(oidcrptest.TokenEndpoint); n != 0 {
		t.Errorf("%d codes were redeemed", n)
	}
	scripts(false)
	b.do("reload", chromedp.Reload())
	h.arrive(b, "/profile")
	b.untilSees("Alice Archer")
	checkAddresses(b)
}

var scriptElement = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// TestFragmentPolicy tries what the policy of that page lets happen: its own
// script and its own form, and nothing else, whatever got into the page.
func TestFragmentPolicy(t *testing.T) {
	h := hybrid(t, "fragment", false)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.Errorf("the page reached another server: %s %s", r.Method, r.URL)
	}))
	defer elsewhere.Close()
	injected := `<base href="` + elsewhere.URL + `/"><img src="` + elsewhere.URL + `/image"><img src="/image" onerror="document.title='evil'">
		<link rel="stylesheet" href="` + elsewhere.URL + `/style"><iframe src="` + elsewhere.URL + `/frame"></iframe>
		<script src="` + elsewhere.URL + `/script"></script>
		<script>location = '` + elsewhere.URL + `/?' + location.hash.slice(1)</script>`

	b := newProfile(t)
	seen := record(b)
	var policy, body string
	err := chromedp.Listen(b.ctx, func(event any) {
		e, ok := event.(*fetch.EventRequestPaused)
		if !ok {
			return
		}
		go func() { // a command waits for events that this listener holds up
			if e.Request.Method != http.MethodGet || e.ResponseStatusCode != http.StatusOK {
				chromedp.Call(b.ctx, fetch.ContinueRequest, fetch.ContinueRequestParams{RequestID: e.RequestID})
				return
			}
			got, err := chromedp.Call(b.ctx, fetch.GetResponseBody, fetch.GetResponseBodyParams{RequestID: e.RequestID})
			if err != nil {
				t.Error(err)
				return
			}
			seen.mu.Lock()
			body = string(got.Body)
			for _, header := range e.ResponseHeaders {
				if strings.EqualFold(header.Name, "Content-Security-Policy") {
					policy = header.Value
				}
			}
			seen.mu.Unlock()
			_, err = chromedp.Call(b.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{
				RequestID: e.RequestID, ResponseCode: e.ResponseStatusCode, ResponseHeaders: e.ResponseHeaders,
				Body: bytes.Replace(got.Body, []byte("<form"), []byte(injected+"<form"), 1),
			})
			if err != nil {
				t.Error(err)
			}
		}()
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{
			{URLPattern: h.callback + "*", RequestStage: fetch.RequestStageResponse},
		}})
	}
	if err != nil {
		t.Fatal(err)
	}
	h.enter(b, "/profile")
	b.untilSees("Alice Archer")

	seen.mu.Lock()
	defer seen.mu.Unlock()
	scripts := scriptElement.FindAllStringSubmatch(body, -1)
	if len(scripts) != 1 {
		t.Fatalf("the page has %d scripts: %s", len(scripts), body)
	}
	sum := sha256.Sum256([]byte(scripts[0][1]))
	if want := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !slices.Contains(strings.Split(policy, "; "), want) {
		t.Errorf("the policy has not exactly %s: %s", want, policy)
	}
	for _, kind := range []string{"script-src", "img-src", "style-src", "base-uri"} {
		if !slices.ContainsFunc(seen.refusals, func(s string) bool { return strings.Contains(s, kind) }) {
			t.Errorf("nothing was refused by %s, but %q", kind, seen.refusals)
		}
	}
}
