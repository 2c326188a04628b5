package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func key() []byte {
	b := make([]byte, 32)
	rand.Read(b)
	return b
}

// begun is a login of a browser that is at the provider.
type begun struct {
	cookies  []*http.Cookie
	location string
}

func begin(rp http.Handler) begun {
	res := answer(rp, navigate(baseURL+"/auth/login"))
	b := begun{res.Cookies(), res.Header.Get("Location")}
	if res.StatusCode != http.StatusFound {
		check(fmt.Errorf("login: status %d", res.StatusCode))
	}
	return b
}

// atProvider has the user sign in, and returns where the provider sends the
// browser.
func (b begun) atProvider(client *http.Client) *url.URL {
	res := must(client.Get(b.location))
	res.Body.Close()
	return must(res.Location())
}

// finish brings the provider's answer, and returns the cookies of the session.
func (b begun) finish(rp http.Handler, callback *url.URL) []*http.Cookie {
	res := answer(rp, navigate(callback.String(), b.cookies...))
	if res.StatusCode != http.StatusFound {
		check(fmt.Errorf("callback: status %d", res.StatusCode))
	}
	return res.Cookies()
}

// noRedirects stays where the provider answers.
func noRedirects() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// newApp is a relying party of a provider that runs in a process of its own:
// what it remembers is not ours.
func newApp(change func(*oidcrp.Config)) (rp *oidcrp.RelyingParty, stop func()) {
	p, stop := startProvider()
	config := oidcrp.Config{
		BaseURL: baseURL, CookieKeys: [][]byte{key()}, Providers: []oidcrp.Provider{p},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&config)
	}
	return must(oidcrp.New(config)), stop
}

// loginsInFlight begins most logins, and finishes them once all are begun.
func loginsInFlight(most int) {
	w := table("Logins in flight", "logins", "a start", "heap for each", "a callback")
	for _, n := range steps(most) {
		rp, stop := newApp(nil)
		begin(rp) // fetches the metadata
		flights := make([]begun, n)
		before := heap()
		for range n {
			begin(rp) // and is never finished
		}
		grown := int64(heap()) - int64(before)
		started := time.Now()
		for i := range flights {
			flights[i] = begin(rp)
		}
		start := time.Since(started) / time.Duration(n)
		client := noRedirects()
		var callbacks time.Duration
		for _, f := range flights {
			back := f.atProvider(client)
			started := time.Now()
			f.finish(rp, back)
			callbacks += time.Since(started)
		}
		row(w, n, start.Round(100*time.Nanosecond), fmt.Sprint(max(0, grown)/int64(n), " B"), (callbacks / time.Duration(n)).Round(time.Microsecond))
		stop()
	}
	check(w.Flush())
}
