package main

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestSignOutHere(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		here, elsewhere := signIn(t, c, "/1/", "alice"), signIn(t, c, "/2/", "alice")
		here.SubmitForm("Sign out", nil)
		if got := both(t, c, here); got != "nobody" {
			t.Errorf("here they see %q", got)
		}
		if got := both(t, c, elsewhere); got != "alice" {
			t.Errorf("in the other browser they see %q", got)
		}
	})
}

func TestSignOutEverywhere(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		here, elsewhere, bob := signIn(t, c, "/1/", "alice"), signIn(t, c, "/2/", "alice"), signIn(t, c, "/1/", "bob")
		here.SubmitForm("Sign out everywhere", nil)
		for b, want := range map[*oidcrptest.Browser]string{here: "nobody", elsewhere: "nobody", bob: "bob"} {
			if got := both(t, c, b); got != want {
				t.Errorf("they see %q, want %q", got, want)
			}
		}
		if got := both(t, c, signIn(t, c, "/2/", "alice")); got != "alice" {
			t.Errorf("after signing in again they see %q", got)
		}
	})
}

// The provider tells the application by a logout token, by a frame in its own
// page, or by both: each alone is enough.
func TestSignOutAtTheProvider(t *testing.T) {
	for name, change := range map[string]func(*oidcrptest.Client){
		"back-channel alone":  func(c *oidcrptest.Client) { c.FrontchannelLogoutURL = "" },
		"front-channel alone": func(c *oidcrptest.Client) { c.BackchannelLogoutURL = "" },
		"both":                func(*oidcrptest.Client) {},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, c *cluster) {
				client := c.provider.Clients()[0]
				change(&client)
				c.provider.AddClient(client)

				here, elsewhere := signIn(t, c, "/1/", "alice"), signIn(t, c, "/2/", "alice")
				here.Follow("Sign out at the provider")
				page := here.SubmitForm("confirm", nil)
				if page.Status != http.StatusOK || client.FrontchannelLogoutURL != "" && len(page.Frames) != 1 {
					t.Fatalf("the provider: %v", page)
				}
				if got := both(t, c, here); got != "nobody" {
					t.Errorf("here they see %q", got)
				}
				if got := both(t, c, elsewhere); got != "alice" {
					t.Errorf("in the other browser they see %q", got)
				}
			})
		})
	}
}

// A logout token reaches one node, whichever it is, and counts on both.
func TestLogoutTokens(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		var mu sync.Mutex
		var sids []string
		c.provider.SetFaults(oidcrptest.Fault{Name: "listens", IDToken: func(token *oidcrptest.IDToken) {
			mu.Lock()
			defer mu.Unlock()
			sids = append(sids, token.Claims["sid"].(string))
		}})
		client := c.provider.Clients()[0].ID
		first, second, bob := signIn(t, c, "/1/", "alice"), signIn(t, c, "/2/", "alice"), signIn(t, c, "/1/", "bob")
		see := func(when, wantFirst, wantSecond string) {
			t.Helper()
			for b, want := range map[*oidcrptest.Browser]string{first: wantFirst, second: wantSecond, bob: "bob"} {
				if got := both(t, c, b); got != want {
					t.Errorf("%s they see %q, want %q", when, got, want)
				}
			}
		}
		mu.Lock()
		sid := sids[0]
		mu.Unlock()
		if sent := c.provider.SendLogoutToken(client, c.provider.LogoutToken(client, "", sid)); sent.Status != http.StatusOK {
			t.Fatalf("by sid: %+v", sent)
		}
		see("after the sid", "nobody", "alice")
		for _, sent := range c.provider.SignOut("alice") { // sends the subject alone
			if sent.Status != http.StatusOK {
				t.Fatalf("by sub: %+v", sent)
			}
		}
		see("after the sub", "nobody", "nobody")
	})
}

// The API is called from both nodes with a token that has ended, by a provider
// that ends everything when a refresh token comes twice.
func TestBothNodesRefreshOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		c.provider.SetTokenLifetime(0) // it has ended when it comes
		b := signIn(t, c, "/1/", "alice")
		contains(t, b.Page(), "expired; the next call to the API refreshes it")
		c.provider.SetTokenLifetime(time.Hour)
		for _, frame := range b.Get(c.baseURL + "/watch?call").Frames {
			contains(t, frame, "The API was called as alice.", "active, for", "1 at the provider")
		}
		contains(t, b.Follow("Node 2"), "1 at the provider")
		contains(t, b.Follow("Call the API"), "The API was called as alice.", "1 at the provider")
	})
}

func TestHundredRequestsRefreshOnce(t *testing.T) {
	each(t, func(t *testing.T, c *cluster) {
		c.provider.SetTokenLifetime(0)
		b := signIn(t, c, "/1/", "alice")
		c.provider.SetTokenLifetime(time.Hour)
		c.provider.ResetCalls()

		base, err := url.Parse(c.baseURL)
		if err != nil {
			t.Fatal(err)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		jar.SetCookies(base, b.Cookies(c.baseURL))
		client := &http.Client{Jar: jar, Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		var wg sync.WaitGroup
		var mu sync.Mutex
		nodes := map[string]int{}
		for range 100 {
			wg.Go(func() {
				res, err := client.Get(c.baseURL + "/frame?call")
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				var page strings.Builder
				if err := res.Write(&page); err != nil {
					t.Error(err)
				}
				if res.StatusCode != http.StatusOK || !strings.Contains(page.String(), "The API was called as alice.") {
					t.Errorf("answered %d: %s", res.StatusCode, &page)
				}
				_, title, _ := strings.Cut(page.String(), "<title>")
				mu.Lock()
				defer mu.Unlock()
				nodes[title[:len("Node 1")]]++
			})
		}
		wg.Wait()
		if n := c.provider.Calls(oidcrptest.TokenEndpoint); n != 1 {
			t.Errorf("%d token requests", n)
		}
		if nodes["Node 1"] != 50 || nodes["Node 2"] != 50 {
			t.Errorf("answered by %v", nodes)
		}
		// Nobody was signed out, and the token goes on to serve.
		contains(t, b.Get(c.baseURL+"/2/api"), "The API was called as alice.")
	})
}

func TestAPINeedsALogin(t *testing.T) {
	c := start(t, options{redis: startMiniredis})
	b := oidcrptest.NewBrowser(t)
	b.Get(c.baseURL + "/2/api")
	page := b.SubmitForm("bob", nil)
	if page.URL.Path != "/2/api" {
		t.Errorf("ended at %v", page)
	}
	contains(t, page, "Node 2", "The API was called as bob.")
	// A frame asks nobody to sign in.
	contains(t, oidcrptest.NewBrowser(t).Get(c.baseURL+"/1/frame?call"), "Signed in nobody")
	c.provider.SetTokenLifetime(0)
	b = signIn(t, c, "/1/", "bob")
	c.provider.SetFaults(oidcrptest.TokenStatus(http.StatusServiceUnavailable))
	contains(t, b.Get(c.baseURL+"/1/api"), "There is no fresh token, for the provider does not answer.", "Bob Baker")
}
