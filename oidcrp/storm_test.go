package oidcrp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// stormNode is a node of an application whose every page calls an API for its
// visitor.
type stormNode struct {
	rp *oidcrp.RelyingParty
	http.Handler
}

func newStormNode(a *app, keys [][]byte) *stormNode {
	rp := a.later(func(c *oidcrp.Config) { c.CookieKeys = keys })
	return &stormNode{rp, rp.Load(rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		res, err := rp.Client(r.Context()).Get(a.op.URL(oidcrptest.ResourceEndpoint))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		fmt.Fprintf(w, "%s calls with %d ", name(r), res.StatusCode)
		io.Copy(w, res.Body)
	})))}
}

// Pages that fetch much, while access tokens expire, the provider has rotated its
// keys, its metadata is due, and one node after the other is started again with
// rotated keys: everybody gets what is theirs, and stays signed in.
func TestFetchStorm(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			var nodes [2]atomic.Pointer[stormNode]
			var turn atomic.Int64
			op, locker := oidcrptest.NewProvider(t), &nodeLocker{}
			a := serving(t, op, "", func(c *oidcrp.Config) {
				keep(c)
				c.Store, c.Locker, c.SessionLifetime = newPlain(), locker, 100*time.Hour
				p := &c.Providers[0]
				p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: op.URL(oidcrptest.ResourceEndpoint)}}
			}, func(*app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					nodes[turn.Add(1)%2].Load().ServeHTTP(w, r)
				})
			})
			op.SetNow(a.clock.now)
			rotation := [][][]byte{{key(1)}, {key(1), key(2)}, {key(2), key(1)}, {key(2), key(1), key(3)}}
			for i := range nodes {
				nodes[i].Store(newStormNode(a, rotation[0]))
			}
			restart := func(i int, keys [][]byte) {
				old := nodes[i].Swap(newStormNode(a, keys))
				if err := old.rp.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			}
			users := map[string]*http.Cookie{}
			for i := range 10 {
				user := fmt.Sprint("user-", i)
				op.AddUser(oidcrptest.User{Subject: user})
				op.SignInAs(user)
				b := a.browse()
				a.shows(b.Get(a.URL+"/"), user+" calls with 200")
				users[user] = a.sessionCookie(b)
			}
			op.ResetCalls()
			for wave := 1; wave < len(rotation); wave++ {
				a.clock.advance(25 * time.Hour)
				op.RotateKeys()
				op.DropOldKeys()
				var done atomic.Int64
				var all sync.WaitGroup
				for user, c := range users {
					for range 20 {
						all.Go(func() {
							fetchAs(t, a.URL, user, c)
							switch done.Add(1) {
							case 40:
								restart(0, rotation[wave])
							case 80:
								restart(1, rotation[wave])
							}
						})
					}
				}
				all.Wait()
				if n := refreshes(op); n != wave*len(users) {
					t.Errorf("%d refreshes after wave %d of %d users", n, wave, len(users))
				}
			}
			if n := op.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
				t.Errorf("%d had to sign in again", n)
			}
			if n := op.Calls(oidcrptest.DiscoveryEndpoint); n == 0 {
				t.Error("the metadata was not refreshed")
			}
		})
	}
}

// fetchAs fetches as a script would in a user's session.
func fetchAs(t *testing.T, address, user string, session *http.Cookie) {
	r, err := http.NewRequest(http.MethodGet, address+"/data", nil)
	if err != nil {
		t.Error(err)
		return
	}
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(session)
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), user+" calls with 200") || !strings.Contains(string(body), `"sub":"`+user+`"`) {
		t.Errorf("%s: %d %s %v", user, res.StatusCode, body, err)
	}
}
