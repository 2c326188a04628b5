package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/v2"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	"github.com/redis/go-redis/v9"
	zitadelhttp "github.com/zitadel/oidc/v3/pkg/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/bench/redisserver"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// user is who is signed in, as peers keep it.
type user struct {
	Issuer, Subject, SID, Name, Email, Picture string
	Roles                                      []string
	More                                       map[string]string
}

var jane = user{
	Issuer: "https://login.corporation.example/tenant", Subject: "248289761001-7f3c-4a1b-9a55", SID: "08a5019c-17e1-4977-8f42-65a12843ea02",
	Name: "Jane Q. Doe", Email: "jane.doe@corporation.example", Picture: "https://cdn.corporation.example/avatars/2482897610017f3c4a1b9a55-256x256.png",
	Roles: []string{"finance-reader", "finance-writer", "invoice-approver", "external-auditor", "admin"},
	More: map[string]string{
		"locale": "en-GB", "zoneinfo": "America/Argentina/Buenos_Aires", "tenant": "6f1c2f6e-5a36-4c0e-9c2a-2f2a0c5d8f11",
		"department": "Finance and Controlling, Accounts Payable", "employee": "E-0048213", "phone_number": "+44 20 7946 0958",
	},
}

func init() { gob.Register(user{}) } // gorilla/sessions and scs keep it so

// reads is what the handler of a signed-in user looks at.
func (u *user) reads() {
	if u.Subject == "" || !slices.Contains(u.Roles, "admin") || u.More["tenant"] == "" {
		panic("not signed in")
	}
}

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ h http.Header }

func (w *nowhere) Header() http.Header         { return w.h }
func (w *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w *nowhere) WriteHeader(int)             {}

// serve is the job of answering a request with a session's cookie among those
// of others.
func serve(name string, h http.Handler, cookie *http.Cookie) contender {
	r := httptest.NewRequest(http.MethodGet, "/reports", nil)
	r.Header.Set("Cookie", "theme=dark; "+cookie.Name+"="+cookie.Value+"; _ga=GA1.1.1034567890.1700000000")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	r.Header.Set("Accept-Language", "en-GB,en;q=0.5")
	w := &nowhere{http.Header{}}
	var fresh http.Request // gorilla/sessions keeps in a request what it has decoded
	return contender{name, func() {
		clear(w.h)
		fresh = *r
		h.ServeHTTP(w, &fresh)
	}, fmt.Sprint(len(cookie.Name)+1+len(cookie.Value), " B of cookie")}
}

// cookieOf is the cookie that an answer sets.
func cookieOf(h http.Handler, r *http.Request) *http.Cookie {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result().Cookies()[0]
}

func ours(store oidcrp.Store, change func(*oidcrp.Config)) (http.Handler, *http.Cookie) {
	config := oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)}, Store: store,
		Providers: []oidcrp.Provider{{Name: "acme", Issuer: jane.Issuer, ClientID: "app", ClientAuth: "none", RolesClaim: "roles"}},
		Claims:    []string{"name", "email", "email_verified", "picture", "locale", "zoneinfo", "tenant", "department", "employee", "phone_number"},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&config)
	}
	rp := must(oidcrp.New(config))
	claims := map[string]any{"sid": jane.SID, "picture": jane.Picture, "roles": jane.Roles}
	for name, value := range jane.More {
		claims[name] = value
	}
	cookie := oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: jane.Subject, Name: jane.Name, Email: jane.Email, EmailVerified: true, Claims: claims})
	return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		if _, ok := s.Claim("tenant"); !ok || !s.HasRole("admin") || s.Subject() == "" {
			panic("not signed in")
		}
	})), cookie
}

// scsManager is scs as its readme has it.
func scsManager(store scs.Store) contender {
	m := scs.New()
	if store != nil {
		m.Store = store
	}
	h := m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, ok := m.Get(r.Context(), "user").(user)
		if !ok {
			m.Put(r.Context(), "user", jane)
			return
		}
		u.reads()
	}))
	return serve("", h, cookieOf(h, httptest.NewRequest(http.MethodGet, "/", nil)))
}

func named(name string, c contender) contender {
	c.name = name
	return c
}

// authenticated is A1: a request of who is signed in.
func authenticated(r *run) {
	h, cookie := ours(nil, nil)
	memory, memoryCookie := ours(oidcrp.NewMemoryStore(), nil)
	all := []contender{leastRequest(), handedOver(), serve("oidcrp, cookie", h, cookie), serve("oidcrp, memory store", memory, memoryCookie)}
	marked := func(backchannel bool) contender {
		h, cookie := ours(oidcrp.NewMemoryStore(), func(c *oidcrp.Config) { c.CookieSessions, c.Providers[0].BackchannelLogout = true, backchannel })
		return serve("", h, cookie)
	}
	all = append(all, named("oidcrp, cookie beside a memory store", marked(false)), named("the same with back-channel logout", marked(true)))

	sc := securecookie.New(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)).SetSerializer(securecookie.JSONEncoder{})
	all = append(all, serve("securecookie and JSON", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := must(r.Cookie("session"))
		var u user
		check(sc.Decode("session", c.Value, &u))
		u.reads()
	}), &http.Cookie{Name: "session", Value: must(sc.Encode("session", jane))}))

	zc := zitadelhttp.NewCookieHandler(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32))
	text := string(must(json.Marshal(jane)))
	all = append(all, serve("zitadel CookieHandler and JSON", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var u user
		check(json.Unmarshal([]byte(must(zc.CheckCookie(r, "session"))), &u))
		u.reads()
	}), must(zc.CreateCookie("session", text))))

	gs := sessions.NewCookieStore(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32))
	withGorilla := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := must(gs.Get(r, "session"))
		u, ok := s.Values["user"].(user)
		if !ok {
			s.Values["user"] = jane
			check(s.Save(r, w))
			return
		}
		u.reads()
	})
	all = append(all, serve("gorilla/sessions", withGorilla, cookieOf(withGorilla, httptest.NewRequest(http.MethodGet, "/", nil))), named("scs, memstore", scsManager(nil)))

	all = append(all, proxyModel())

	op := newProvider()
	defer op.Close()
	verifier := oidc.NewVerifier(op.URL, oidc.NewRemoteKeySet(context.Background(), op.URL+"/jwks"), &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{"ES256"}})
	all = append(all, serve("go-oidc Verify of the ID token in a cookie", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := must(r.Cookie("session"))
		t := must(verifier.Verify(r.Context(), c.Value))
		var claims map[string]any
		check(t.Claims(&claims))
	}), &http.Cookie{Name: "session", Value: op.idToken("")}))

	if client, stop, err := redisserver.Start(); err != nil {
		fmt.Println("without Redis:", err)
	} else {
		defer stop()
		all = append(all, onRedis(client)...)
	}
	rs := r.measure(all)
	rs.print("A1: a request of who is signed in, in process", "oidcrp, cookie")

	mine := rs.of("oidcrp, cookie")
	r.atMost("A1, x limit", rs.ratio("oidcrp, cookie", "limit"), 2)
	r.atMost("A1, allocations", mine.allocs, 4)
	r.atMost("A1, bytes allocated", mine.bytes, 1300)
	r.atMost("A1, bytes of cookie", float64(len(cookie.Name)+1+len(cookie.Value)), 850)
	r.atLeast("model of oauth2-proxy, x A1", rs.ratio("oauth2-proxy, a model of its cookie", "oidcrp, cookie"), 7)
	r.atLeast("securecookie and JSON, x A1", rs.ratio("securecookie and JSON", "oidcrp, cookie"), 11)
	r.atLeast("zitadel, x A1", rs.ratio("zitadel CookieHandler and JSON", "oidcrp, cookie"), 11)
	r.atLeast("scs memstore, x A1", rs.ratio("scs, memstore", "oidcrp, cookie"), 15)
	r.atLeast("gorilla/sessions, x A1", rs.ratio("gorilla/sessions", "oidcrp, cookie"), 20)
	r.atMost("A1 with a memory store, x limit", rs.ratio("oidcrp, memory store", "limit"), 3)
	r.atMost("A1 with a memory store, allocations", rs.of("oidcrp, memory store").allocs, 8)
	r.atLeast("scs memstore, x A1 with a memory store", rs.ratio("scs, memstore", "oidcrp, memory store"), 8)
	r.atMost("A1 with back-channel logout, x without", rs.ratio("the same with back-channel logout", "oidcrp, cookie beside a memory store"), 1.5)
	if rs.of("oidcrp, Redis") != nil {
		r.atMost("A1 with Redis, x as many bare GETs", rs.ratio("oidcrp, Redis", "as many GETs"), 1.15)
		r.atLeast("scs with Redis, x A1 with Redis", rs.ratio("scs, Redis", "oidcrp, Redis"), 1.5)
	}
}

// counting counts what is asked of Redis.
type counting struct {
	*goredisstore.RedisStore
	finds atomic.Int64
}

func (c *counting) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	c.finds.Add(1)
	return c.RedisStore.FindCtx(ctx, token)
}

func onRedis(client *redis.Client) []contender {
	store := &counting{RedisStore: goredisstore.New(client)}
	h, cookie := ours(store, nil)
	mine := serve("oidcrp, Redis", h, cookie)
	mine.do() // reads markers once for all
	store.finds.Store(0)
	mine.do()
	n := int(store.finds.Load())
	mine.note += fmt.Sprintf(", %d GETs", n)
	ctx := context.Background()
	key := must(client.Keys(ctx, "*").Result())[0]
	return []contender{
		mine,
		{"as many GETs", func() {
			for range n {
				must(client.Get(ctx, key).Bytes())
			}
		}, ""},
		named("scs, Redis", scsManager(goredisstore.New(client))),
	}
}
