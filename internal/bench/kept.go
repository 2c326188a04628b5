package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// kept is what stays in the heap of sessions in cookies, and of logins that
// nobody finishes.
func kept(r *run) {
	op := newProvider()
	defer op.Close()
	rp := party(op.URL, nil)
	h, w := rp.Load(http.NotFoundHandler()), &nowhere{http.Header{}}
	ask := func(request *http.Request) {
		clear(w.h)
		h.ServeHTTP(w, request)
	}
	for _, what := range []struct {
		name string
		do   func()
	}{
		{"session", func() {
			request := httptest.NewRequest(http.MethodGet, "/", nil)
			request.AddCookie(oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: jane.Subject, Name: jane.Name}))
			ask(request)
		}},
		{"login that nobody finishes", func() {
			request := httptest.NewRequest(http.MethodGet, "/auth/login", nil)
			request.Header.Set("Accept", "text/html")
			ask(request)
		}},
	} {
		bytes := stays(20000, what.do)
		fmt.Printf("a %s: %d B stay in the heap\n", what.name, bytes)
		r.target("F, bytes that a "+what.name+" keeps: 0", fmt.Sprint(bytes), bytes == 0)
	}
}

// stays is how many bytes of heap each of n calls leaves behind. What the heap
// moves by itself is less than one.
func stays(n int, call func()) int64 {
	for range 1000 {
		call()
	}
	before := heap()
	for range n {
		call()
	}
	return max(0, heap()-before) / int64(n)
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// heals starts while the provider is away, and tells how long after its return
// the first login succeeds.
func heals(r *run) {
	ln := must(net.Listen("tcp", "127.0.0.1:0"))
	check(ln.Close())
	rp := party("http://"+ln.Addr().String(), nil)
	login := func() int { return page(rp, "/auth/login").StatusCode }
	away := login()
	op := newProviderAt(ln.Addr().String())
	defer op.Close()
	status, begun := away, time.Now()
	for status/100 != 3 && time.Since(begun) < 30*time.Second {
		time.Sleep(10 * time.Millisecond)
		status = login()
	}
	took := time.Since(begun).Round(time.Millisecond)
	fmt.Printf("a provider that was away at the start: %d, and a login %s after it is back\n", away, took)
	r.target("F, heals by itself", fmt.Sprint("after ", took), away == http.StatusServiceUnavailable && status/100 == 3)
}

// logsIn reports whether a whole login succeeds.
func logsIn(h http.Handler) bool {
	begun := page(h, "/auth/login")
	ended := page(h, signsIn(begun.Header.Get("Location")), begun.Cookies()...)
	return ended.StatusCode/100 == 3 && !strings.Contains(ended.Header.Get("Location"), "/authorize")
}
