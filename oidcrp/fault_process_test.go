package oidcrp_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// shutdownDuringCallback: whoever is signing in gets to the end of it.
func shutdownDuringCallback(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, served := &http.Server{Handler: a.rp.Load(a.handler())}, make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports")
	entered, hold := make(chan struct{}), make(chan struct{})
	a.op.SetFaults(oidcrptest.Fault{Name: "wait", Endpoint: oidcrptest.TokenEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(entered)
		<-hold
		next.ServeHTTP(w, r)
	}})
	r, err := http.NewRequest("GET", strings.Replace(callback, a.URL, "http://"+ln.Addr().String(), 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range b.Cookies(callback) {
		r.AddCookie(c)
	}
	answer := make(chan *http.Response, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Error(err)
			res = &http.Response{}
		}
		answer <- res
	}()
	<-entered
	down := make(chan error, 1)
	go func() { down <- errors.Join(srv.Shutdown(context.Background()), a.rp.Shutdown(context.Background())) }()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) { // nobody else comes in
		t.Error(err)
	}
	close(hold)
	if res := <-answer; res.Header.Get("Location") != a.URL+"/reports" || len(res.Cookies()) == 0 {
		t.Errorf("answered %+v", res)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// shutdownDuringRefresh waits for the new tokens to be in the store, and for the
// lock to be free again.
func shutdownDuringRefresh(t *testing.T) {
	locker := &nodeLocker{}
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Locker = locker })
	b := a.signIn()
	a.expire()
	entered, release := a.holdRefresh()
	ctx, gone := context.WithCancel(t.Context())
	r := httptest.NewRequest("GET", a.URL+"/call?api="+a.op.URL(oidcrptest.ResourceEndpoint), nil).WithContext(ctx)
	r.AddCookie(a.sessionCookie(b))
	go a.rp.Load(a.handler()).ServeHTTP(httptest.NewRecorder(), r)
	<-entered
	gone()
	short, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.rp.Shutdown(short); !errors.Is(err, context.Canceled) {
		t.Errorf("a shutdown that does not wait: %v", err)
	}
	release()
	if err := a.rp.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	for key, lock := range locker.locks {
		if len(lock) != 0 {
			t.Errorf("%s is still locked", key)
		}
	}
	a.op.SetFaults()
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(a.op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// shutdownDuringFetch: nothing is left running behind it.
func shutdownDuringFetch(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		b.reads(b.visitor(), "/reports", "reports for alice")
		b.op.SetFaults(oidcrptest.MetadataHang)
		time.Sleep(25 * time.Hour)
		b.reads(b.visitor(), "/reports", "reports for alice") // with the copy there is
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.rp.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a shutdown that does not wait: %v", err)
		}
		if err := b.rp.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// longRun is a day of visitors who come and go, and of strangers who try this and
// that: what it needs does not grow with their number.
func longRun(t *testing.T) {
	n := 4000
	if raceEnabled {
		n /= 10
	}
	for mode, keep := range stores {
		t.Run(mode, func(t *testing.T) {
			inBubble(t, func(c *oidcrp.Config) {
				keep(c)
				withoutPAR(c)
				c.Logger = slog.New(slog.DiscardHandler)
				c.OnEvent = nil
			}, func(t *testing.T, b *bubble) {
				b.reads(b.visitor(), "/reports", "reports for alice")
				day := func() {
					for i := range n {
						b.churn(i)
					}
					time.Sleep(24 * time.Hour)
				}
				day() // fills what is bounded
				heap := heapInUse()
				for range 2 {
					day()
				}
				if grown := heapInUse() - heap; grown > 2<<20 {
					t.Errorf("%d bytes more after %d more visitors", grown, 2*n)
				}
				runtime.KeepAlive(b)
			})
		})
	}
}

// churn is one visitor, and some strangers.
func (b *bubble) churn(i int) {
	user := oidcrptest.User{Subject: fmt.Sprint("user-", i)}
	c := cookieHeader(oidcrptest.Cookie(b.rp, "", user))
	for _, tt := range []struct {
		method, target, cookie string
		want                   int
	}{
		{"GET", "/reports", c, 200}, {"GET", "/auth/me", c, 200}, {"POST", "/auth/logout", c, 303}, {"GET", "/auth/me", c, 401},
		{"GET", fmt.Sprint("/reports/", i), "x=y", 302}, {"GET", fmt.Sprint("/auth/callback/test?code=c&state=", i), "x=y", 400},
		{"GET", fmt.Sprint("/auth/callback/", i), "x=y", 404}, {"GET", fmt.Sprint("/auth/login?provider=", i), "x=y", 302},
	} {
		w := ask(b.rp, b.h, nil, tt.method, bubbleURL+tt.target, "Accept", "text/html", "Cookie", tt.cookie, "Sec-Fetch-Site", "same-origin")
		if w.Code != tt.want {
			b.t.Fatalf("%s %s: %d, want %d", tt.method, tt.target, w.Code, tt.want)
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // and what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// panics is a logger's handler that does.
type panics struct{ broken *atomic.Bool }

func (p panics) Enabled(context.Context, slog.Level) bool { return true }
func (p panics) WithAttrs([]slog.Attr) slog.Handler       { return p }
func (p panics) WithGroup(string) slog.Handler            { return p }
func (p panics) Handle(context.Context, slog.Record) error {
	if p.broken.Load() {
		panic("no disk")
	}
	return nil
}

// panickingHooks: whatever the application plugs in, its panic costs one answer
// at most, and is no way in.
func panickingHooks(t *testing.T) {
	for name, plug := range map[string]func(c *oidcrp.Config, boom func()){
		"OnLogin": func(c *oidcrp.Config, boom func()) {
			c.OnLogin = func(context.Context, *oidcrp.Login) error { boom(); return nil }
		},
		"StillAllowed": func(c *oidcrp.Config, boom func()) {
			c.StillAllowedEvery = time.Second
			c.StillAllowed = func(context.Context, *oidcrp.Session) error { boom(); return nil }
		},
		"OnEvent":  func(c *oidcrp.Config, boom func()) { c.OnEvent = func(context.Context, oidcrp.Event) { boom() } },
		"Passive":  func(c *oidcrp.Config, boom func()) { c.Passive = func(*http.Request) bool { boom(); return false } },
		"Language": func(c *oidcrp.Config, boom func()) { c.Language = func(*http.Request) string { boom(); return "" } },
		"ErrorPage": func(c *oidcrp.Config, boom func()) {
			c.ErrorPage = func(w http.ResponseWriter, _ *http.Request, e *oidcrp.Error) {
				boom()
				w.WriteHeader(e.Status)
			}
		},
		"ClientSecretFunc": func(c *oidcrp.Config, boom func()) {
			p := &c.Providers[0]
			secret := p.ClientSecret
			p.ClientSecret, p.ClientSecretFunc = "", func(context.Context) (oidcrp.Secret, error) { boom(); return secret, nil }
		},
		"HTTPClient": func(c *oidcrp.Config, boom func()) {
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				boom()
				return http.DefaultTransport.RoundTrip(r)
			})}
		},
		"Store": func(c *oidcrp.Config, boom func()) {
			store := newPlain()
			store.fail(func() error { boom(); return nil }, "Find", "Commit", "Delete")
			c.Store = store
		},
	} {
		t.Run(name, func(t *testing.T) {
			var broken atomic.Bool
			var booms atomic.Int32
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				plug(c, func() {
					if broken.Load() {
						booms.Add(1)
						panic("broken by the test")
					}
				})
			})
			b := a.signIn()
			before := a.sessionCookie(b).Value
			a.clock.advance(2 * time.Second)
			broken.Store(true)
			for _, page := range []*oidcrptest.Page{
				a.browse().Get(a.URL + "/reports"), b.Get(a.URL + "/reports"), b.Get(a.URL + "/auth/me"), a.browse().Get(a.URL + "/auth/callback/test"),
			} {
				if page.Err != nil || page.Status == 0 {
					t.Errorf("%s: no answer: %v", page.URL, page.Err)
				}
				if strings.Contains(page.Body, "broken by the test") {
					t.Errorf("the visitor reads %s", page.Body)
				}
			}
			if booms.Load() == 0 {
				t.Error("it was not called")
			}
			broken.Store(false)
			if a.sessionCookie(b).Value != before {
				t.Error("the session changed")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			a.signIn()
		})
	}
	t.Run("Logger", func(t *testing.T) {
		var broken atomic.Bool
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Logger = slog.New(panics{&broken}) })
		b := a.signIn()
		broken.Store(true)
		for _, path := range []string{"/reports", "/auth/callback/test", "/auth/nowhere"} {
			if page := b.Get(a.URL + path); page.Err != nil {
				t.Errorf("%s: no answer: %v", path, page.Err)
			}
		}
		a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	})
}

// blockingHooks: who waits for the application's word is told in time.
func blockingHooks(t *testing.T) {
	blocks := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	t.Run("OnLogin", func(t *testing.T) {
		var onLogin atomic.Bool
		inBubble(t, func(c *oidcrp.Config) {
			c.OnLogin = func(ctx context.Context, _ *oidcrp.Login) error {
				if onLogin.Load() {
					return blocks(ctx)
				}
				return nil
			}
		}, func(t *testing.T, b *bubble) {
			onLogin.Store(true)
			v, began := b.visitor(), time.Now()
			res, _ := b.get(v, "/reports")
			if d := time.Since(began); res.StatusCode != http.StatusInternalServerError || d > time.Minute {
				t.Errorf("%d after %v", res.StatusCode, d)
			}
			b.noSessionIn(res.Header)
			onLogin.Store(false)
			b.reads(v, "/reports", "reports for alice")
		})
	})
	t.Run("StillAllowed", func(t *testing.T) {
		inBubble(t, func(c *oidcrp.Config) {
			c.StillAllowed = func(ctx context.Context, _ *oidcrp.Session) error { return blocks(ctx) }
		}, func(t *testing.T, b *bubble) {
			v := b.visitor()
			b.reads(v, "/reports", "reports for alice")
			time.Sleep(10 * time.Minute)
			began := time.Now()
			res, _ := b.get(v, "/reports")
			if d := time.Since(began); res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Set-Cookie") != "" || d > time.Minute {
				t.Errorf("%d %v after %v", res.StatusCode, res.Header, d)
			}
		})
	})
}

// keyFiles: a client's key that cannot be read any more serves on, and the
// operator is told.
func keyFiles(t *testing.T) {
	for name, spoil := range map[string]func(file string) error{
		"missing":      os.Remove,
		"half-written": func(file string) error { return os.Truncate(file, 40) },
		"empty":        func(file string) error { return os.Truncate(file, 0) },
		"a directory":  func(file string) error { return errors.Join(os.Remove(file), os.Mkdir(file, 0o700)) },
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key.pem")
			secret, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.MarshalPKCS8PrivateKey(secret)
			if err != nil {
				t.Fatal(err)
			}
			write := func() {
				t.Helper()
				if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				p := &c.Providers[0]
				p.ClientSecret, p.ClientAuth, p.ClientKeys = "", "private_key_jwt", []oidcrp.ClientKey{{File: file}}
			})
			client := a.op.Clients()[0]
			client.AuthMethod, client.Secret, client.JWKS = "private_key_jwt", "", ask(a.rp, a.rp, nil, "GET", a.URL+"/auth/jwks/test").Body.Bytes()
			a.op.AddClient(client)
			b := a.signIn()
			if err := spoil(file); err != nil {
				t.Fatal(err)
			}
			a.signIn()
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
			if !strings.Contains(a.log.String(), "the last good one serves") || strings.Contains(a.log.String(), "PRIVATE KEY-----") {
				t.Errorf("log: %s", a.log)
			}
			os.Remove(file)
			write()
			told := strings.Count(a.log.String(), "the last good one serves")
			a.signIn()
			if strings.Count(a.log.String(), "the last good one serves") != told {
				t.Error("the file is back, and not read")
			}
		})
	}
}

// secretThatCannotBeRead costs the logins of that while.
func secretThatCannotBeRead(t *testing.T) {
	var missing atomic.Bool
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		p := &c.Providers[0]
		secret := p.ClientSecret
		p.ClientSecret, p.ClientSecretFunc = "", func(context.Context) (oidcrp.Secret, error) {
			if missing.Load() {
				return "", errors.New("open /run/secrets/oidc: no such file")
			}
			return secret, nil
		}
	})
	b := a.signIn()
	missing.Store(true)
	page := a.browse().Get(a.URL + "/reports")
	a.refused(page, page.Status, "")
	if page.Status < 500 || strings.Contains(page.Body, "/run/secrets") || !strings.Contains(a.log.String(), "/run/secrets") {
		t.Errorf("got %s\nlog: %s", page, a.log)
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	missing.Store(false)
	a.signIn()
}

// tlsEndsAtTheProxy: what arrives is plain http, and BaseURL says what is true.
func tlsEndsAtTheProxy(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.BaseURL = "https://app.example"
		c.Providers = []oidcrp.Provider{op.Config("test", c.BaseURL)}
	})
	for header, value := range map[string]string{"X": "", "X-Forwarded-Proto": "http", "Forwarded": "proto=http;host=evil.example"} {
		w := ask(a.rp, a.rp.Load(a.handler()), nil, "GET", "http://10.0.0.7:8080/reports", "Accept", "text/html", header, value)
		if w.Code != http.StatusFound {
			t.Fatalf("got %d %s\nlog: %s", w.Code, w.Body, a.log)
		}
		pushed := a.op.Requests(oidcrptest.PAREndpoint)
		if uri := pushed[len(pushed)-1].Form.Get("redirect_uri"); uri != "https://app.example/auth/callback/test" {
			t.Errorf("redirect_uri %s", uri)
		}
		for _, c := range w.Result().Cookies() {
			if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
				t.Errorf("cookie %v", c)
			}
		}
	}
}

// cookiesOfHTTP2 come in fields of their own (RFC 9113 8.2.3), between those of
// other applications, and all of ours together leave room in 8 kB.
func cookiesOfHTTP2(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	var size int
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	for _, c := range b.Cookies(a.URL + "/") {
		size += len(c.Name) + len(c.Value) + len("=; ")
		r.Header["Cookie"] = append(r.Header["Cookie"], "theirs=1", cookieHeader(c), "others=2")
	}
	w := httptest.NewRecorder()
	a.rp.Load(a.handler()).ServeHTTP(w, r)
	if w.Body.String() != "home of alice" {
		t.Errorf("got %s", w.Body)
	}
	if size > 6<<10 {
		t.Errorf("our cookies have %d bytes", size)
	}
}
