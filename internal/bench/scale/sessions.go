package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/redis/go-redis/v9"

	"github.com/seed-78edd7da/go-oidcrp/internal/bench/redisserver"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// sessionsInRedis signs most users in, and asks as some of them.
func sessionsInRedis(most int) {
	client, stop, err := redisserver.Start()
	if err != nil {
		fmt.Println("\nwithout sessions in Redis:", err)
		return
	}
	defer stop()
	op := must(oidcrptest.StartProvider("127.0.0.1:0"))
	defer op.Close()
	config := oidcrp.Config{
		BaseURL:    baseURL,
		CookieKeys: [][]byte{key()},
		Store:      goredisstore.New(client),
		Providers:  []oidcrp.Provider{op.Config("default", baseURL)},
	}
	rp := must(oidcrp.New(config))
	h := rp.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	served := rp.Load(h)

	ctx := context.Background()
	w := table("Sessions in Redis", "sessions", "a request", "heap", "a session in Redis", "start and first request")
	// The cookies of as many as any table needs: a sample, or our own memory
	// would be what grows.
	var cookies []*http.Cookie
	empty := used(client)
	made := 0
	for _, n := range steps(most) {
		for ; made < n; made++ {
			c := oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: fmt.Sprint("user-", made), Claims: map[string]any{"name": "A Visitor", "email": "visitor@example.com", "email_verified": true}})
			if len(cookies) < 10_000 {
				cookies = append(cookies, c)
			} else if i := rand.IntN(made); i < len(cookies) {
				cookies[i] = c
			}
		}
		const requests = 20_000
		begun := time.Now()
		for range requests {
			if res := answer(served, navigate(baseURL+"/", cookies[rand.IntN(len(cookies))])); res.StatusCode != http.StatusOK {
				check(fmt.Errorf("status %d", res.StatusCode))
			}
		}
		each := time.Since(begun) / requests
		begun = time.Now()
		fresh := must(oidcrp.New(config))
		if res := answer(fresh.Load(h), navigate(baseURL+"/", cookies[0])); res.StatusCode != http.StatusOK {
			check(fmt.Errorf("status %d", res.StatusCode))
		}
		start := time.Since(begun)
		row(w, n, each.Round(100*time.Nanosecond), mega(heap()), fmt.Sprint((used(client)-empty)/uint64(n), " B"), start.Round(10*time.Microsecond))
	}
	check(w.Flush())
	check(client.FlushAll(ctx).Err())
}

// used is Redis's memory.
func used(client *redis.Client) uint64 {
	info := must(client.Info(context.Background(), "memory").Result())
	_, rest, _ := strings.Cut(info, "used_memory:")
	var n uint64
	must(fmt.Sscan(rest, &n))
	return n
}
