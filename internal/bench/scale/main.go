// Scale shows what grows with the number of sessions, providers and logins,
// and what grows with time. Nothing should:
//
//	go -C internal/bench run ./scale
//	go -C internal/bench run ./scale -only sessions -sessions 1000000
//	go -C internal/bench run ./scale -only time -for 20m
//
// The sessions are in a redis-server that it starts, and are left out where
// none is installed.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// baseURL is where the application would be; it is called, and not listening.
const baseURL = "http://localhost:3000"

func main() {
	log.SetFlags(0)
	if os.Getenv(asProvider) != "" {
		beProvider()
		return
	}
	sessions := flag.Int("sessions", 1_000_000, "most sessions in Redis")
	providers := flag.Int("providers", 100_000, "most providers of one source")
	logins := flag.Int("logins", 10_000, "most logins in flight")
	period := flag.Duration("for", 20*time.Minute, "how long the run over time takes")
	only := flag.String("only", "sessions providers logins time", "what to run")
	flag.Parse()
	parts := strings.Fields(*only)
	for _, part := range []struct {
		name string
		run  func()
	}{
		{"sessions", func() { sessionsInRedis(*sessions) }},
		{"providers", func() { providersOfASource(*providers) }},
		{"logins", func() { loginsInFlight(*logins) }},
		{"time", func() { overTime(*period) }},
	} {
		if slices.Contains(parts, part.name) {
			part.run()
		}
	}
}

// steps are the numbers up to most that a table has rows for.
func steps(most int) []int {
	var all []int
	for n := most; n >= 1 && len(all) < 4; n /= 10 {
		all = append(all, n)
	}
	slices.Reverse(all)
	return all
}

// table begins a table with these columns; end it with Flush.
func table(title string, columns ...any) *tabwriter.Writer {
	fmt.Printf("\n%s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	row(w, columns...)
	return w
}

func row(w *tabwriter.Writer, cells ...any) {
	for _, cell := range cells {
		fmt.Fprintf(w, "%v\t", cell)
	}
	fmt.Fprintln(w)
}

// heap is what is in use once garbage is gone.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func mega(bytes uint64) string { return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20)) }

// navigate is a browser's request for a page, with these cookies.
func navigate(address string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "none")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// answer is what h says to r.
func answer(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
