package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// overTime signs in, asks, refreshes, goes wrong and signs out for as long as
// it is told, while the provider changes its keys, and measures ten times what is in use.
func overTime(period time.Duration) {
	var issuer string
	rp, stop := newApp(func(c *oidcrp.Config) {
		c.Store = oidcrp.NewMemoryStore()
		// What is remembered of sessions and logins is over by the second row.
		c.SessionLifetime, c.LoginTimeout = time.Minute, time.Minute
		c.Providers[0].KeepTokens = true
		issuer = c.Providers[0].Issuer
		c.Providers[0].APIs = []oidcrp.API{{URL: issuer}}
	})
	defer stop()
	client := noRedirects()
	app := rp.Load(rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := rp.TokenSource(r.Context(), issuer).Token(); err != nil {
			w.WriteHeader(http.StatusBadGateway)
		}
	})))

	w := table(fmt.Sprint("Over ", period), "after", "logins", "requests", "heap", "goroutines", "descriptors")
	begunAt := time.Now()
	logins, requests := 0, 0
	for i := 1; i <= 10; i++ {
		for time.Since(begunAt) < period*time.Duration(i)/10 {
			f := begin(rp)
			back := f.atProvider(client)
			if rand.IntN(10) == 0 { // an answer that is not ours
				q := back.Query()
				q.Set("state", strings.ToUpper(q.Get("state")))
				back.RawQuery = q.Encode()
				if res := answer(rp, navigate(back.String(), f.cookies...)); res.StatusCode != http.StatusBadRequest {
					check(fmt.Errorf("foreign state: status %d", res.StatusCode))
				}
				continue
			}
			cookies := append(f.cookies, f.finish(rp, back)...)
			logins++
			for range 50 {
				if res := answer(app, navigate(baseURL+"/", cookies...)); res.StatusCode != http.StatusOK {
					check(fmt.Errorf("status %d", res.StatusCode))
				}
				requests++
			}
			if rand.IntN(2) == 0 {
				r := navigate(baseURL+"/auth/logout", cookies...)
				r.Method = http.MethodPost
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				answer(rp, r)
			}
		}
		client.CloseIdleConnections()
		row(w, time.Since(begunAt).Round(time.Second), logins, requests, mega(heap()), runtime.NumGoroutine(), len(must(os.ReadDir("/proc/self/fd"))))
		check(w.Flush())
	}
	check(rp.Shutdown(context.Background()))
}
