package oidcrp_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// unavailable fails the test unless a page is the refusal of a login whose
// provider could not be asked, without another round.
func (a *app) unavailable(page *oidcrptest.Page) {
	a.t.Helper()
	a.refused(page, http.StatusServiceUnavailable, "provider_unavailable")
	if page.Header.Get("Retry-After") == "" {
		a.t.Error("no Retry-After")
	}
	if len(page.Trail) > 3 { // to the provider, and back
		a.t.Errorf("%d requests: %v", len(page.Trail), page.Trail)
	}
}

func providerHasNoAddress(t *testing.T) {
	var gone atomic.Bool
	var looks atomic.Int32
	gone.Store(true)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		looks.Add(1)
		if gone.Load() {
			return nil, &net.DNSError{Err: "no such host", Name: "op.example", IsNotFound: true}
		}
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.HTTPClient = &http.Client{Transport: transport} })
	a.clock.stop()
	session := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "erin"})
	b := a.browse()
	for range 5 { // it rests after the first
		a.unavailable(b.Get(a.URL + "/reports"))
	}
	if n := looks.Load(); n != 1 {
		t.Errorf("%d attempts within no time", n)
	}
	if who := a.whoHas(session); who != "erin" {
		t.Errorf("a session from before is %s's", who)
	}
	if s := a.rp.Status().Providers[0]; s.Ready || !strings.Contains(s.LastError, "no such host") || !s.NextTry.After(a.clock.now()) {
		t.Errorf("status %+v", s)
	}
	gone.Store(false)
	a.clock.advance(2 * time.Minute)
	a.op.SetNow(a.clock.now)
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
}

func providerStopsBeforeLogin(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	before := a.sessionCookie(b).Value
	a.op.Stop()
	for range 3 {
		a.unavailable(a.browse().Get(a.URL + "/reports"))
	}
	a.unavailable(b.Get(a.URL + "/auth/login?return_to=/reports")) // again, over a session
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	if a.sessionCookie(b).Value != before {
		t.Error("the session changed")
	}
}

func providerStopsInLogin(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b, waits := a.signIn(), a.browse()
	callback := a.stopAtCallback(waits, "/reports")
	a.op.Stop()
	a.unavailable(waits.Get(callback))
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	if err := a.op.Start(); err != nil {
		t.Fatal(err)
	}
	a.shows(waits.Follow("Try again"), "reports for alice")
}

// dribble sends an answer that begins well and never ends.
func dribble(endpoint string) oidcrptest.Fault {
	return oidcrptest.Answer(endpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for b := []byte("{"); ; b = []byte(" ") {
			if _, err := w.Write(b); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			time.Sleep(time.Second)
		}
	})
}

func slowProvider(t *testing.T) {
	half := oidcrptest.Fault{Name: "half-open"}
	for _, fault := range []oidcrptest.Fault{
		oidcrptest.MetadataHang, oidcrptest.PARHang, oidcrptest.TokenHang, oidcrptest.JWKSHang, oidcrptest.UserInfoHang,
		dribble(oidcrptest.DiscoveryEndpoint), dribble(oidcrptest.TokenEndpoint), dribble(oidcrptest.JWKSEndpoint),
		oidcrptest.TokenSlow(30 * time.Second), half,
	} {
		t.Run(fault.Name, func(t *testing.T) {
			inBubble(t, func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired }, func(t *testing.T, b *bubble) {
				b.op.SetFaults(fault)
				if fault.Name == half.Name {
					b.unreachable(func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() })
				}
				began, v := time.Now(), b.visitor()
				res, body := b.get(v, "/reports")
				if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" || b.reports.Load() != 0 {
					t.Errorf("%d %s\nlog: %s", res.StatusCode, body, b.log)
				}
				b.noSessionIn(res.Header)
				if d := time.Since(began); d > 12*time.Second {
					t.Errorf("the visitor waited %v", d)
				}
				if n := b.op.Calls(oidcrptest.TokenEndpoint); n > 1 {
					t.Errorf("the code was sent %d times", n)
				}
				b.op.SetFaults()
				b.unreachable(nil)
				time.Sleep(2 * time.Minute)
				b.reads(v, "/reports", "reports for alice")
			})
		})
	}
}

// atOnce opens a page for so many strangers, and counts what they get.
func (b *bubble) atOnce(n int, path string) map[int]int {
	var mu sync.Mutex
	var all sync.WaitGroup
	got := map[int]int{}
	for range n {
		all.Go(func() {
			res, _ := b.get(b.visitor(), path)
			mu.Lock()
			defer mu.Unlock()
			got[res.StatusCode]++
		})
	}
	all.Wait()
	return got
}

// withoutPAR starts logins without calling anybody.
func withoutPAR(c *oidcrp.Config) { c.Providers[0].PAR = oidcrp.Refused }

func manyAtASlowProvider(t *testing.T) {
	inBubble(t, withoutPAR, func(t *testing.T, b *bubble) {
		b.op.SetFaults(oidcrptest.MetadataHang)
		for range 3 {
			if got := b.atOnce(200, "/reports"); got[http.StatusServiceUnavailable] != 200 {
				t.Errorf("answers %v", got)
			}
		}
		if n := b.op.Calls(oidcrptest.DiscoveryEndpoint); n != 1 {
			t.Errorf("%d calls: all wait for one, and then it rests", n)
		}
		time.Sleep(time.Minute)
		b.atOnce(200, "/reports")
		if n := b.op.Calls(oidcrptest.DiscoveryEndpoint); n != 2 {
			t.Errorf("%d calls: after a rest one goes first", n)
		}
		b.op.SetFaults()
		time.Sleep(time.Minute)
		if got := b.atOnce(200, "/reports"); got[http.StatusOK] != 200 {
			t.Errorf("answers %v", got)
		}
	})
}

func manyPushesAtASlowProvider(t *testing.T) {
	inBubble(t, nil, func(t *testing.T, b *bubble) {
		b.reads(b.visitor(), "/reports", "reports for alice")
		b.op.ResetCalls()
		b.op.SetFaults(oidcrptest.PARHang)
		if got := b.atOnce(200, "/reports"); got[http.StatusServiceUnavailable] != 200 {
			t.Errorf("answers %v", got)
		}
		if n := b.op.Calls(oidcrptest.PAREndpoint); n != 64 {
			t.Errorf("%d calls: no more than 64 wait at once", n)
		}
	})
}

// nonsense is an answer that is none, at each endpoint that a login calls.
func nonsense(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"empty": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "application/json") },
		"a page": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<!DOCTYPE html><title>Maintenance</title>")
		},
		"truncated": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"issuer":"http`)
		},
		"broken chunk": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"issuer":`)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		},
	}
	for _, endpoint := range []string{oidcrptest.DiscoveryEndpoint, oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.JWKSEndpoint, oidcrptest.UserInfoEndpoint} {
		for name, answer := range answers {
			t.Run(endpoint+" "+name, func(t *testing.T) { answersNonsense(t, oidcrptest.Answer(endpoint, answer)) })
		}
		t.Run(endpoint+" wrong charset", func(t *testing.T) {
			answersNonsense(t, oidcrptest.Fault{Name: "wrong charset", Endpoint: endpoint, Handler: inUTF16})
		})
	}
}

func inUTF16(w http.ResponseWriter, r *http.Request, next http.Handler) {
	right := httptest.NewRecorder()
	next.ServeHTTP(right, r)
	w.Header().Set("Content-Type", "application/json; charset=utf-16")
	w.WriteHeader(right.Code)
	binary.Write(w, binary.LittleEndian, utf16.Encode([]rune(right.Body.String())))
}

func answersNonsense(t *testing.T, fault oidcrptest.Fault) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired })
	session := oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "erin"})
	a.op.SetFaults(fault)
	page := a.browse().Get(a.URL + "/reports")
	if page.Status != http.StatusServiceUnavailable && page.Status != http.StatusBadRequest {
		t.Errorf("got %s", page)
	}
	a.refused(page, page.Status, "")
	if n := a.op.Calls(oidcrptest.TokenEndpoint); n > 1 {
		t.Errorf("the code was sent %d times", n)
	}
	if who := a.whoHas(session); who != "erin" {
		t.Errorf("another's session is %s's", who)
	}
	a.op.SetFaults()
	a.clock.advance(2 * time.Minute)
	a.op.SetNow(a.clock.now)
	a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice")
}

func tooManyRequests(t *testing.T) {
	for _, endpoint := range []string{oidcrptest.DiscoveryEndpoint, oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint} {
		t.Run(endpoint, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.Answer(endpoint, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", "77")
				w.WriteHeader(http.StatusTooManyRequests)
			})), nil)
			page := a.browse().Get(a.URL + "/reports")
			a.unavailable(page)
			want := "77"
			if endpoint == oidcrptest.DiscoveryEndpoint {
				want = "10" // nobody can sign in meanwhile
			}
			if h := page.Header.Get("Retry-After"); h != want {
				t.Errorf("Retry-After %q", h)
			}
			a.calls(endpoint, 1)
		})
	}
}

// lastGoodCopies are used when no newer ones are to be had.
func lastGoodCopies(t *testing.T) {
	for _, answer := range []oidcrptest.Fault{oidcrptest.MetadataStatus(500), oidcrptest.MetadataRubbish, oidcrptest.JWKSStatus(500), oidcrptest.JWKSRubbish, oidcrptest.JWKSEmpty} {
		t.Run(answer.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			a.op.SetNow(a.clock.now)
			a.signIn()
			a.op.SetFaults(answer)
			for range 3 {
				a.clock.advance(7 * time.Hour)
				a.signIn()
				if err := a.rp.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func rotationBeforeSigning(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
	a.op.RotateKeys()
	a.op.ResetCalls()
	a.shows(b.Get(callback), "reports for alice")
	a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice") // now it is known
	a.calls(oidcrptest.JWKSEndpoint, 1)
}

// A key is honoured while it is published, and no longer than 15 minutes after it
// was last seen.
func withdrawnKey(t *testing.T) {
	a := newTold(t, nil)
	a.op.SetNow(a.clock.now)
	b := a.signIn()
	var kid any
	var sign func([]byte) []byte
	a.op.SetFaults(oidcrptest.Fault{Name: "look", LogoutToken: func(t *oidcrptest.JWT) { kid, sign = t.Header["kid"], t.Sign }})
	a.op.LogoutToken(a.client.ID, "bob", "")
	a.op.RotateKeys()
	a.op.DropOldKeys()
	a.op.SetFaults(oidcrptest.Fault{Name: "old key", LogoutToken: func(t *oidcrptest.JWT) { t.Header["kid"], t.Sign = kid, sign }})
	if sent := a.logout("bob", ""); sent.Status != http.StatusOK && sent.Status != http.StatusBadRequest {
		t.Errorf("answered %+v", sent)
	}
	a.clock.advance(16 * time.Minute)
	if sent := a.logout("alice", ""); sent.Status != http.StatusBadRequest {
		t.Errorf("a token under a withdrawn key: %+v", sent)
	}
	if who := a.on(a.sessionCookie(b)); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
	a.op.SetFaults()
	if sent := a.logout("alice", ""); sent.Status != http.StatusOK {
		t.Errorf("a token under the new key: %+v\nlog: %s", sent, a.log)
	}
}

func keysOutageUnderPressure(t *testing.T) {
	a := newTold(t, nil)
	a.op.SetNow(a.clock.now)
	a.clock.stop()
	b := a.signIn()
	a.use(0)
	if sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "carol", "")); sent.Status != http.StatusOK {
		t.Fatalf("answered %+v", sent)
	}
	a.op.ResetCalls()
	a.op.SetFaults(oidcrptest.JWKSStatus(500), oidcrptest.LogoutHeader("kid", "nobody-knows"))
	for i := range 50 {
		sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "alice", fmt.Sprint(i)))
		if sent.Status != http.StatusBadRequest {
			t.Errorf("answered %+v", sent)
		}
	}
	if n := a.op.Calls(oidcrptest.JWKSEndpoint); n > 4 {
		t.Errorf("%d fetches for strangers", n)
	}
	if who := a.on(a.sessionCookie(b)); who != "alice" {
		t.Errorf("the session is %s's", who)
	}
	a.op.SetFaults(oidcrptest.JWKSStatus(500))
	a.signInAs("bob") // under the known key
	if sent := a.op.SendLogoutToken(a.client.ID, a.op.LogoutToken(a.client.ID, "alice", "")); sent.Status != http.StatusOK {
		t.Errorf("a good token: %+v", sent)
	}
	a.op.RotateKeys()
	a.op.SetFaults()
	a.clock.advance(time.Minute)
	a.signInAs("bob")
}

func brokenMetadataRefresh(t *testing.T) {
	for name, faults := range map[string][]oidcrptest.Fault{
		"another issuer": {oidcrptest.MetadataIssuerMismatch},
		"404":            {oidcrptest.MetadataStatus(404), oidcrptest.Answer(oidcrptest.OAuthMetadataEndpoint, http.NotFound)},
		"cut short":      {oidcrptest.MetadataRubbish},
		"empty": {oidcrptest.Answer(oidcrptest.DiscoveryEndpoint, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, "{}")
		})},
		"tokens elsewhere": {oidcrptest.MetadataField("token_endpoint", "http://localhost:1/token")},
		"keys elsewhere":   {oidcrptest.MetadataField("jwks_uri", "http://localhost:1/jwks")},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			a.op.SetNow(a.clock.now)
			a.signIn()
			a.op.SetFaults(faults...)
			a.clock.advance(25 * time.Hour)
			a.op.ResetCalls()
			for range 3 {
				a.signIn()
				if err := a.rp.Shutdown(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if n := a.op.Calls(oidcrptest.DiscoveryEndpoint); n > 2 { // it rests for a second at first
				t.Errorf("asked %d times", n)
			}
			if !strings.Contains(a.log.String(), "last_good_kept=true") {
				t.Errorf("the operator is not told: %s", a.log)
			}
			if s := a.rp.Status().Providers[0]; !s.Ready || s.LastError == "" {
				t.Errorf("status %+v", s)
			}
			a.op.SetFaults()
			a.clock.advance(2 * time.Minute)
			a.signIn()
			if err := a.rp.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			if s := a.rp.Status().Providers[0]; s.LastError != "" {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// idleConnectionsToProvider are closed by the provider between two calls.
func idleConnectionsToProvider(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	for range 5 {
		a.signIn()
		a.op.Stop() // and all connections with it
		if err := a.op.Start(); err != nil {
			t.Fatal(err)
		}
	}
	if all := a.events.of(oidcrp.ProviderFailed); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func herdAtFirstUse(t *testing.T) {
	inBubble(t, withoutPAR, func(t *testing.T, b *bubble) {
		b.op.SetFaults(oidcrptest.Slow(oidcrptest.DiscoveryEndpoint, time.Second))
		for i := range 2 {
			if got := b.atOnce(300, "/reports"); got[http.StatusOK] != 300 {
				t.Errorf("answers %v\nlog: %s", got, b.log)
			}
			synctest.Wait()
			time.Sleep(2 * time.Second)
			if n := b.op.Calls(oidcrptest.DiscoveryEndpoint); n != i+1 {
				t.Errorf("%d fetches of metadata after %d herds", n, i+1)
			}
			time.Sleep(13 * time.Hour) // it is due again
		}
	})
}

func herdAtKeyExpiry(t *testing.T) {
	inBubble(t, withoutPAR, func(t *testing.T, b *bubble) {
		b.reads(b.visitor(), "/reports", "reports for alice")
		time.Sleep(16 * time.Minute)
		b.op.ResetCalls()
		b.op.SetFaults(oidcrptest.Slow(oidcrptest.JWKSEndpoint, time.Second))
		if got := b.atOnce(300, "/reports"); got[http.StatusOK] != 300 {
			t.Errorf("answers %v\nlog: %s", got, b.log)
		}
		if n := b.op.Calls(oidcrptest.JWKSEndpoint); n != 1 {
			t.Errorf("%d fetches of keys", n)
		}
	})
}

// herdOfStrangers comes when everybody's session has ended: to begin a login
// calls nobody.
func herdOfStrangers(t *testing.T) {
	inBubble(t, withoutPAR, func(t *testing.T, b *bubble) {
		b.reads(b.visitor(), "/reports", "reports for alice")
		b.unreachable(func(*http.Request) error { return errors.New("nothing is to be called") })
		n := 10_000
		if raceEnabled {
			n /= 10
		}
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				r := httptest.NewRequest(http.MethodGet, bubbleURL+"/reports", nil)
				r.Header.Set("Accept", "text/html")
				w := httptest.NewRecorder()
				b.h.ServeHTTP(w, r)
				if w.Code != http.StatusFound || !strings.HasPrefix(w.Header().Get("Location"), bubbleIssuer+oidcrptest.AuthorizeEndpoint+"?") {
					t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
				}
			})
		}
		all.Wait()
	})
}
