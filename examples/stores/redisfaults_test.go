package stores

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/redis/go-redis/v9"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// told starts an application whose provider tells it of logouts.
func told(t *testing.T, client *redis.Client) (*apptest.App, oidcrptest.Client) {
	t.Helper()
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		p.BackchannelLogout = true
		return app(goredisstore.New(client))(baseURL, p)
	})
	registered := a.Provider.Clients()[0]
	registered.BackchannelLogoutURL = a.URL + "/auth/backchannel-logout/default"
	return a, a.Provider.AddClient(registered)
}

// Whatever becomes of Redis while visitors come and go: nobody is signed out,
// nobody is taken for another, who signs in has a session or none, and a logout
// that could not be written down is sent again.
func TestRedisFaultsUnderLoad(t *testing.T) {
	server := startRedis(t, "--appendonly", "yes", "--appendfsync", "always") // so that a crash loses nothing
	a, registered := told(t, server.client(t))
	crowd := gather(t, a, 12)
	say := func(t *testing.T, words ...any) {
		t.Helper()
		if err := server.client(t).Do(context.Background(), words...).Err(); err != nil {
			t.Fatalf("%v: %v", words, err)
		}
	}
	for _, fault := range []struct {
		name         string
		begins, ends func(t *testing.T)
	}{
		{"killed", server.kill, server.start},
		{"restarted", server.stop, server.start},
		{"paused", server.hang, server.goOn},
		{"writes paused", func(t *testing.T) { say(t, "CLIENT", "PAUSE", 600_000, "WRITE") }, func(t *testing.T) { say(t, "CLIENT", "UNPAUSE") }},
		{"full", func(t *testing.T) {
			say(t, "CONFIG", "SET", "maxmemory-policy", "noeviction")
			say(t, "CONFIG", "SET", "maxmemory", 1)
		}, func(t *testing.T) { say(t, "CONFIG", "SET", "maxmemory", 0) }},
		{"a read-only replica", func(t *testing.T) { say(t, "REPLICAOF", "127.0.0.1", freePort(t)) }, func(t *testing.T) { say(t, "REPLICAOF", "NO", "ONE") }},
		{"without its replicas", func(t *testing.T) { say(t, "CONFIG", "SET", "min-replicas-to-write", 1) }, func(t *testing.T) { say(t, "CONFIG", "SET", "min-replicas-to-write", 0) }},
	} {
		t.Run(fault.name, func(t *testing.T) {
			a.Provider.AddUser(oidcrptest.User{Subject: fault.name, Name: "Leaver"})
			leaver, newcomer := signIn(t, a, fault.name, "Leaver"), oidcrptest.NewBrowser(t)
			logout := a.Provider.LogoutToken(registered.ID, fault.name, "")
			fault.begins(t)
			crowd.goesOn(t)
			a.Provider.SignInAs("alice")
			page := newcomer.Get(a.URL + "/private")
			a.Provider.SignInAs("")
			if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
				t.Errorf("a login: %v", page)
			}
			for _, c := range newcomer.Cookies(a.URL + "/") {
				if strings.HasPrefix(c.Name, "oidcrp_s_") {
					t.Errorf("a cookie for a session that was not stored: %v", c)
				}
			}
			if sent := a.Provider.SendLogoutToken(registered.ID, logout); sent.Status != http.StatusBadRequest {
				t.Errorf("a logout: %+v", sent)
			}
			crowd.goesOn(t)
			fault.ends(t)

			crowd.isWell(t)
			for b, want := range map[*oidcrptest.Browser]string{newcomer: "Hello stranger", leaver: "Hello Leaver"} {
				if page := b.Get(a.URL + "/"); page.Body != want {
					t.Errorf("want %q: %v", want, page)
				}
			}
			if sent := a.Provider.SendLogoutToken(registered.ID, logout); sent.Status != http.StatusOK {
				t.Errorf("the logout again: %+v", sent)
			}
			if page := leaver.Get(a.URL + "/"); page.Body != "Hello stranger" {
				t.Errorf("after the logout: %v", page)
			}
			signIn(t, a, "alice", "Alice Archer")
		})
	}
}

// R15: a client that is set up as usual gets over connections that died while
// nobody used them, and nobody notices.
func TestRedisConnectionsThatDied(t *testing.T) {
	server := startRedis(t)
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + server.port})
	t.Cleanup(func() { client.Close() })
	a, _ := told(t, client)
	b := signIn(t, a, "alice", "Alice Archer")
	for i := range 10 {
		if err := server.client(t).ClientKillByFilter(context.Background(), "TYPE", "normal").Err(); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/", "/private"} {
			if page := b.Get(a.URL + path); page.Status != http.StatusOK || page.Body != "Hello Alice Archer" {
				t.Fatal(fmt.Sprint(i, ": ", page))
			}
		}
	}
}
