package provider_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

var request = provider.Request{State: "the-state", Nonce: theNonce, Challenge: "the-challenge"}

func start(p *provider.Provider) (string, error) {
	return p.AuthorizationURL(context.Background(), request)
}

func TestNewTouchesNoNetwork(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	if f.count(discoveryPath) != 0 || p.Status().Ready {
		t.Fatal("asked at once")
	}
	for range 3 {
		if _, err := start(p); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count(discoveryPath); n != 1 {
		t.Errorf("metadata was fetched %d times for three logins", n)
	}
	if n := f.count("/jwks"); n != 0 {
		t.Errorf("keys were fetched %d times before any token", n)
	}
	if s := p.Status(); !s.Ready || s.LastErr != nil || !s.Fetched.Equal(f.clock.Now()) {
		t.Errorf("status %+v", s)
	}
}

func TestIssuerPathAndSlash(t *testing.T) {
	f := newFake(t)
	for _, tt := range []struct{ suffix, path string }{
		{"/realms/a", "/realms/a" + discoveryPath},
		{"/realms/b/", "/realms/b" + discoveryPath},
	} {
		issuer := f.URL + tt.suffix
		f.handle(tt.path, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			doc := f.document()
			doc["issuer"] = issuer
			writeJSON(w, doc)
		})
		if _, err := start(f.new(t, func(s *provider.Settings) { s.Issuer = issuer })); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
}

func TestMetadataAddressThatDiffersFromTheIssuer(t *testing.T) {
	f := newFake(t)
	f.handle("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	p := f.new(t, func(s *provider.Settings) { s.MetadataURL = f.URL + "/elsewhere" })
	if _, err := start(p); err != nil {
		t.Fatal(err)
	}
	if f.count("/elsewhere") != 1 || f.count(discoveryPath) != 0 {
		t.Error("the wrong document was fetched")
	}
}

func TestEndpointsByHandNeedNoMetadata(t *testing.T) {
	f := newFake(t)
	p := f.new(t, func(s *provider.Settings) {
		s.Endpoints = provider.Endpoints{Authorization: f.URL + "/authorize", Token: f.URL + "/token", JWKS: f.URL + "/jwks"}
	})
	if !p.Status().Ready {
		t.Error("not ready")
	}
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	f.clock.Add(1000 * time.Hour)
	if _, err := start(p); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if n := f.count(discoveryPath); n != 0 {
		t.Errorf("metadata was fetched %d times", n)
	}
}

// down is a provider that cannot be reached.
func down(t *testing.T) (*provider.Provider, *clock, *int) {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	var mu sync.Mutex
	dials := new(int)
	s := valid()
	s.Now = c.Now
	s.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		*dials++
		return nil, &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	})}
	p, err := provider.New(s)
	if err != nil {
		t.Fatal(err)
	}
	return p, c, dials
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestDownProviderRestsBetweenAttempts(t *testing.T) {
	p, c, dials := down(t)
	var rests []time.Duration
	for range 9 {
		before := *dials
		_, err := start(p)
		var u *provider.Unavailable
		if !errors.Is(err, provider.ErrUnavailable) || !errors.As(err, &u) {
			t.Fatalf("got %v; want ErrUnavailable", err)
		}
		if *dials != before+1 {
			t.Fatalf("%d attempts", *dials-before)
		}
		next := p.Status().NextTry.Sub(c.Now())
		rests = append(rests, next)
		if u.RetryAfter() < next || u.RetryAfter() < time.Second {
			t.Errorf("Retry-After %v before the next attempt in %v", u.RetryAfter(), next)
		}
		// While it rests the answer comes at once, without an attempt.
		c.Add(next - time.Millisecond)
		began := time.Now()
		if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) {
			t.Fatalf("got %v; want ErrUnavailable", err)
		}
		if took := time.Since(began); took > 5*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if *dials != before+1 {
			t.Fatal("an attempt was made while resting")
		}
		c.Add(2 * time.Millisecond)
	}
	for i, rest := range rests {
		want := min(time.Second<<i, 10*time.Second) // no document was ever loaded
		if rest > want || rest < want*9/10 {
			t.Errorf("rest %d is %v; want %v less up to a tenth", i, rest, want)
		}
	}
}

func TestProviderThatComesUpWorksWithoutARestart(t *testing.T) {
	f := newFake(t)
	f.handle(discoveryPath, respond(http.StatusServiceUnavailable, "text/plain", "down"))
	p := f.new(t)
	if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) {
		t.Fatalf("got %v; want ErrUnavailable", err)
	}
	f.handle(discoveryPath, nil)
	f.clock.Add(2 * time.Second)
	if _, err := start(p); err != nil {
		t.Fatal(err)
	}
	if s := p.Status(); s.LastErr != nil || !s.NextTry.IsZero() || !s.Ready {
		t.Errorf("status %+v", s)
	}
}

// Without metadata nobody can sign in, so that no Retry-After holds that up for
// long.
func TestRetryAfterWithoutMetadata(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"86400": 10 * time.Second, "120": 10 * time.Second, "7": 7 * time.Second,
		"-5": time.Second, "Fri, 20 Nov 2026 13:00:00 GMT": time.Second, "": time.Second,
	} {
		for _, status := range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			f := newFake(t)
			f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", header)
				w.WriteHeader(status)
			})
			p := f.new(t)
			_, err := start(p)
			if u, ok := errors.AsType[*provider.Unavailable](err); !ok || u.RetryAfter() != want {
				t.Errorf("%q: %v; want %v", header, err, want)
			}
			start(p)
			if n := f.count(discoveryPath); n != 1 {
				t.Errorf("%q: asked %d times without a rest", header, n)
			}
			f.handle(discoveryPath, nil)
			f.clock.Add(want)
			if _, err := start(p); err != nil {
				t.Errorf("%q: after %v: %v", header, want, err)
			}
		}
	}
}

// With metadata to go on with it is believed, within reason.
func TestRetryAfterWithMetadata(t *testing.T) {
	for header, want := range map[string]time.Duration{"120": 2 * time.Minute, "99999999": 5 * time.Minute} {
		f := newFake(t)
		p := f.new(t)
		if _, err := start(p); err != nil {
			t.Fatal(err)
		}
		f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		})
		f.clock.Add(13 * time.Hour)
		start(p)
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := f.count(discoveryPath)
		if next := p.Status().NextTry.Sub(f.clock.Now()); next != want {
			t.Errorf("%q: next try in %v", header, next)
		}
		start(p)
		if err := p.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := f.count(discoveryPath) - before; n != 0 {
			t.Errorf("%q: asked %d times within that", header, n)
		}
	}
}

func TestBadMetadataAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"404", respond(404, "text/html", "no"), provider.ErrUnavailable},
		{"500", respond(500, "text/html", "no"), provider.ErrUnavailable},
		{"HTML", respond(200, "text/html", "<html>login to the wifi"), provider.ErrUnavailable},
		{"nothing", respond(200, "application/json", ""), provider.ErrUnavailable},
		{"half", respond(200, "application/json", `{"issuer":`), provider.ErrUnavailable},
		{"another issuer", respond(200, "application/json", `{"issuer":"https://evil.example"}`), provider.ErrMisconfigured},
		{"endless", func(w http.ResponseWriter, r *http.Request) {
			for chunk := bytes.Repeat([]byte(" "), 32<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}, provider.ErrUnavailable},
		{"a gzip bomb", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			for chunk := make([]byte, 1<<20); ; {
				if _, err := z.Write(chunk); err != nil {
					return
				}
			}
		}, provider.ErrUnavailable},
		{"a body cut short", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "{")
		}, provider.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.handle(discoveryPath, tt.h)
			p := f.new(t)
			_, err := start(p)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), "metadata") {
				t.Errorf("got %v; want %v that names the metadata", err, tt.want)
			}
			if strings.Contains(err.Error(), "wifi") {
				t.Errorf("the body is quoted in %v", err)
			}
			if tt.want == provider.ErrMisconfigured && errors.Is(err, provider.ErrUnavailable) {
				t.Errorf("%v is unavailable too", err)
			}
			// Resting, it says the same.
			_, err = start(p)
			if !errors.Is(err, tt.want) || (tt.want == provider.ErrMisconfigured && errors.Is(err, provider.ErrUnavailable)) {
				t.Errorf("resting: %v; want %v", err, tt.want)
			}
			if n := f.count(discoveryPath); n != 1 {
				t.Errorf("asked %d times at once", n)
			}
		})
	}
}

func TestManyResponseHeadersAreRefused(t *testing.T) {
	f := newFake(t)
	f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		for i := range 10000 {
			w.Header().Add("X-H", strings.Repeat("a", 20)+string(rune('a'+i%26)))
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	if _, err := start(f.new(t)); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
}

func TestSlowProviderIsCutOff(t *testing.T) {
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, " "); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
	silent := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for _, tt := range []struct {
		name string
		h    http.HandlerFunc
	}{{"one byte at a time", drip}, {"nothing at all", silent}} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.handle(discoveryPath, tt.h)
			p := f.new(t)
			provider.SetTimeout(p, 50*time.Millisecond)
			began := time.Now()
			if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// Nothing is left behind by calls that were cut off (T071).
func TestCutOffCallsLeaveNothingBehind(t *testing.T) {
	f := newFake(t)
	f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	transport := provider.NewTransport(false)
	before := runtime.NumGoroutine()
	for range 20 {
		p := f.new(t, func(s *provider.Settings) { s.HTTPClient = &http.Client{Transport: transport} })
		provider.SetTimeout(p, 10*time.Millisecond)
		if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) {
			t.Fatal(err)
		}
		p.Wait(context.Background())
	}
	transport.CloseIdleConnections()
	f.CloseClientConnections()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before+3; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

// Redirects are followed by nothing on the back channel (T066).
func TestRedirectsAreNotFollowed(t *testing.T) {
	for _, path := range []string{discoveryPath, "/jwks", "/token", "/userinfo"} {
		for _, status := range []int{301, 302, 303, 307, 308} {
			other := newFake(t)
			f := newFake(t)
			f.handle(path, redirectTo(status, other.URL+path))
			p := f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired })
			_, err := complete(f, p)
			if !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "redirect") {
				t.Errorf("%s with %d: %v", path, status, err)
			}
			other.mu.Lock()
			if len(other.got) != 0 {
				t.Errorf("%s with %d: the other host got %v", path, status, other.got)
			}
			other.mu.Unlock()
			noSecrets(t, err.Error())
		}
	}
}

func TestCallersClientIsUsedAndNotChanged(t *testing.T) {
	f := newFake(t)
	f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "tracking", Value: "1", Path: "/"})
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	mine := &http.Client{Jar: jar, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		calls++
		return http.DefaultTransport.RoundTrip(r)
	})}
	if _, err := complete(f, f.new(t, func(s *provider.Settings) { s.HTTPClient = mine })); err != nil {
		t.Fatal(err)
	}
	if calls != 3 || mine.CheckRedirect != nil || mine.Jar != jar {
		t.Errorf("%d calls through the caller's transport; its client is %+v", calls, mine)
	}
	if got := f.requests("/token"); got[0].Header.Get("Cookie") != "" {
		t.Errorf("a cookie was sent: %v", got[0].Header)
	}
}

func TestPanicInTheCallersTransportStaysThere(t *testing.T) {
	s := valid()
	s.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("boom") })}
	p, err := provider.New(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
}

func TestManyFirstLoginsShareOneFetch(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		<-release
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	p := f.new(t)
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for range cap(errs) {
		wg.Go(func() {
			_, err := start(p)
			errs <- err
		})
	}
	close(release)
	wg.Wait()
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := f.count(discoveryPath); n != 1 {
		t.Errorf("metadata was fetched %d times", n)
	}
}

// A visitor who gives up does not take the others' fetch along (R21).
func TestFetchOutlivesTheRequestThatStartedIt(t *testing.T) {
	f := newFake(t)
	asked, release := make(chan struct{}), make(chan struct{})
	f.handle(discoveryPath, func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-release
		f.mu.Lock()
		defer f.mu.Unlock()
		writeJSON(w, f.document())
	})
	p := f.new(t)
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan error)
	go func() {
		_, err := p.AuthorizationURL(ctx, request)
		gone <- err
	}()
	<-asked
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want context.Canceled", err)
	}
	waiting, stop := context.WithCancel(context.Background())
	stop()
	if err := p.Wait(waiting); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait with work under way: %v", err)
	}
	close(release)
	if err := p.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !p.Status().Ready || f.count(discoveryPath) != 1 {
		t.Errorf("status %+v after %d fetches", p.Status(), f.count(discoveryPath))
	}
}

func TestMetadataIsRefreshedInTheBackground(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	start(p)
	f.clock.Add(10 * time.Hour)
	start(p)
	p.Wait(context.Background())
	if n := f.count(discoveryPath); n != 1 {
		t.Fatalf("fetched %d times within ten hours", n)
	}
	f.set(func(f *fake) { f.metadata = map[string]any{"authorization_endpoint": f.URL + "/new"} })
	f.clock.Add(2*time.Hour + time.Second)
	before, err := start(p)
	if err != nil || !strings.HasPrefix(before, f.URL+"/authorize?") {
		t.Errorf("the login that found it due got %s, %v", before, err)
	}
	p.Wait(context.Background())
	after, err := start(p)
	if err != nil || !strings.HasPrefix(after, f.URL+"/new?") {
		t.Errorf("the login after it got %s, %v", after, err)
	}
	if n := f.count(discoveryPath); n != 2 {
		t.Errorf("fetched %d times", n)
	}
}

// What a refresh may bring, and what not (T074, R07).
func TestLastGoodMetadataIsKept(t *testing.T) {
	for _, tt := range []struct {
		name    string
		h       http.HandlerFunc
		change  map[string]any
		refused bool
	}{
		{"when the provider is down", respond(503, "text/plain", ""), nil, true},
		{"when it answers HTML", respond(200, "text/html", "<p>"), nil, true},
		{"when it answers nothing", respond(200, "application/json", "{}"), nil, true},
		{"when it redirects", redirectTo(302, "https://evil.example/"), nil, true},
		{"when the issuer changes", nil, map[string]any{"issuer": "https://evil.example"}, true},
		{"when the token endpoint moves away", nil, map[string]any{"token_endpoint": "http://127.0.0.1:1/token"}, true},
		{"when the keys move away", nil, map[string]any{"jwks_uri": "http://127.0.0.1:1/jwks"}, true},
		{"when an endpoint turns hostile", nil, map[string]any{"userinfo_endpoint": "file:///x"}, true},
		{"unless end-session goes", nil, map[string]any{"end_session_endpoint": nil}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			f := newFake(t)
			p := f.new(t, func(s *provider.Settings) { s.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			if _, err := start(p); err != nil {
				t.Fatal(err)
			}
			f.set(func(f *fake) { f.metadata = tt.change })
			f.handle(discoveryPath, tt.h)
			f.clock.Add(13 * time.Hour)
			start(p)
			p.Wait(context.Background())

			s := p.Status()
			if !s.Ready || (s.LastErr != nil) != tt.refused {
				t.Errorf("status %+v", s)
			}
			if warned := strings.Contains(log.String(), "last_good_kept=true"); warned != tt.refused {
				t.Errorf("log %q", log.String())
			}
			_, _, err := p.EndSession(context.Background(), provider.EndSession{})
			if gone := errors.Is(err, provider.ErrNoEndSession); gone == tt.refused {
				t.Errorf("end session: %v", err)
			}
			if _, err := complete(f, p); err != nil {
				t.Errorf("a login on it: %v", err)
			}
			if tt.refused && f.count(discoveryPath) != 2 {
				t.Errorf("asked %d times without a rest", f.count(discoveryPath))
			}
		})
	}
}

func TestReady(t *testing.T) {
	t.Run("fetches metadata and keys", func(t *testing.T) {
		f := newFake(t)
		p := f.new(t)
		if err := p.Ready(context.Background()); err != nil {
			t.Fatal(err)
		}
		if s := p.Status(); !s.Ready || s.Keys != 1 || f.count("/jwks") != 1 {
			t.Errorf("status %+v", s)
		}
	})
	t.Run("does not wait for a rest to pass", func(t *testing.T) {
		f := newFake(t)
		f.handle(discoveryPath, respond(503, "", ""))
		p := f.new(t)
		if err := p.Ready(context.Background()); !errors.Is(err, provider.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		f.handle(discoveryPath, nil)
		if err := p.Ready(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Run("reports keys that cannot be had", func(t *testing.T) {
		f := newFake(t)
		f.handle("/jwks", respond(500, "", ""))
		if err := f.new(t).Ready(context.Background()); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("got %v; want ErrUnavailable", err)
		}
	})
}

func TestCertificatesAreVerified(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	s := valid()
	s.Issuer = srv.URL
	p, err := provider.New(s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := start(p); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v; want ErrUnavailable about the certificate", err)
	}
}

// Tokens and secrets go to these endpoints: each may come and go, but not move
// elsewhere.
func TestEndpointsThatGetTokensMove(t *testing.T) {
	use := map[string]func(f *fake, p *provider.Provider) error{
		"revocation_endpoint": func(_ *fake, p *provider.Provider) error {
			return p.Revoke(context.Background(), "canary-refresh")
		},
		"userinfo_endpoint": func(f *fake, p *provider.Provider) error {
			_, err := complete(f, p)
			return err
		},
	}
	for _, tt := range []struct {
		name          string
		before, after string // "" is none; "/" is at the provider's host
		used          string // afterwards; "": none
		refused       bool
	}{
		{"another path", "/a", "/b", "/b", false},
		{"a new one beside the token endpoint", "", "/b", "/b", false},
		{"one that goes away", "/a", "", "", false},
		{"one that moves to another host", "/a", "elsewhere", "/a", true},
		{"a new one elsewhere", "", "elsewhere", "", true},
	} {
		for endpoint, use := range use {
			t.Run(endpoint+": "+tt.name, func(t *testing.T) {
				f, elsewhere := newFake(t), newFake(t)
				at := func(path string) any {
					switch path {
					case "":
						return nil
					case "elsewhere":
						return elsewhere.URL + "/a"
					}
					f.handle(path, respond(200, "application/json", `{"sub":"alice"}`))
					return f.URL + path
				}
				f.metadata = map[string]any{endpoint: at(tt.before)}
				p := f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoOptional })
				if err := p.Ready(context.Background()); err != nil {
					t.Fatal(err)
				}
				changed := at(tt.after)
				f.set(func(f *fake) { f.metadata = map[string]any{endpoint: changed} })
				f.clock.Add(25 * time.Hour)
				start(p)
				p.Wait(context.Background())
				before := map[string]int{"/a": f.count("/a"), "/b": f.count("/b")}
				if err := use(f, p); err != nil {
					t.Error(err)
				}
				for path, n := range before {
					if used := f.count(path) > n; used != (path == tt.used) {
						t.Errorf("%s was used: %t", path, used)
					}
				}
				if got := elsewhere.count("/a"); got != 0 {
					t.Errorf("another host was sent %d requests", got)
				}
				err := p.Status().LastErr
				if (err != nil) != tt.refused || err != nil && !strings.Contains(err.Error(), endpoint+" moved") {
					t.Errorf("status: %v", err)
				}
			})
		}
	}
}
