package oidcrp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// upTo are the calls of a first login up to one of them.
func upTo(endpoint string) (calls []string) {
	for _, e := range []string{oidcrptest.DiscoveryEndpoint, oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.JWKSEndpoint, oidcrptest.UserInfoEndpoint} {
		calls = append(calls, e)
		if e == endpoint {
			break
		}
	}
	return calls
}

// failsAt has a first login fail at a call, which the log names and nothing more.
func failsAt(t *testing.T, op *oidcrptest.Provider, endpoint string, fault oidcrptest.Fault) *app {
	t.Helper()
	op.SetFaults()
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.Providers[0].ResponseMode, c.Providers[0].UserInfo = "form_post", oidcrp.UserInfoRequired
	})
	b := a.browse()
	want := rejection{status: http.StatusServiceUnavailable, reason: "provider_unavailable", calls: upTo(endpoint)}
	if len(want.calls) > 2 {
		a.rejectsLogin(b, want, fault)
	} else {
		op.SetFaults(fault)
		a.rejected(b, want, func() *oidcrptest.Page { return a.again(b) })
	}
	name := map[string]string{
		oidcrptest.DiscoveryEndpoint: "metadata", oidcrptest.PAREndpoint: "pushed authorization request endpoint", oidcrptest.TokenEndpoint: "token endpoint",
		oidcrptest.JWKSEndpoint: "jwks", oidcrptest.UserInfoEndpoint: "userinfo endpoint",
	}[endpoint]
	if err := a.told()[len(a.told())-1].Err; !strings.Contains(err.Error(), name) && !(name == "jwks" && strings.Contains(err.Error(), "key set")) {
		t.Errorf("the error does not name %s: %v", name, err)
	}
	if strings.Contains(a.log.String(), "canary") {
		t.Errorf("the log has the answer: %s", a.log)
	}
	return a
}

// redirects answers with a redirect, which a body follows.
func redirects(endpoint string, status int, to string) oidcrptest.Fault {
	return oidcrptest.Answer(endpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", strings.ReplaceAll(to, "ITSELF", "http://"+r.Host+endpoint))
		w.WriteHeader(status)
		io.WriteString(w, "canary in the body")
	})
}

func redirectedCalls(t *testing.T) {
	elsewhere, calls := trap(t, `{"keys":[]}`)
	op := oidcrptest.NewProvider(t)
	for _, endpoint := range upTo("") {
		for _, status := range []int{301, 302, 303, 307, 308} {
			for name, to := range map[string]string{"another host": elsewhere + "/?canary=1", "itself": "ITSELF"} {
				t.Run(fmt.Sprintf("%s %d to %s", path.Base(endpoint), status, name), func(t *testing.T) {
					failsAt(t, op, endpoint, redirects(endpoint, status, to))
				})
			}
		}
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the other host was called %d times", n)
	}
}

func redirectedRevocation(t *testing.T) {
	elsewhere, calls := trap(t, "{}")
	op := oidcrptest.NewProvider(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		a := newTokenApp(t, op, nil)
		b := a.signIn()
		op.ResetCalls()
		op.SetFaults(redirects(oidcrptest.RevokeEndpoint, status, elsewhere))
		a.shows(b.Get(a.URL+"/leave"), "")
		if err := a.rp.Shutdown(context.Background()); err != nil {
			t.Fatal(err)
		}
		a.calls(oidcrptest.RevokeEndpoint, 1)
		if !strings.Contains(a.log.String(), "revocation endpoint") || strings.Contains(a.log.String(), "canary") {
			t.Errorf("log: %s", a.log)
		}
		op.SetFaults()
	}
	if n := calls.Load(); n != 0 {
		t.Errorf("the other host was called %d times", n)
	}
}

// addressesInClaims are nobody's to fetch.
func addressesInClaims(t *testing.T) {
	address, calls := trap(t, `{"email":"mallory@example.com","roles":["admin"]}`)
	source := map[string]any{"src1": map[string]any{"endpoint": address + "/claims", "access_token": "x"}}
	claims := map[string]any{
		"picture": address + "/me.png", "profile": address + "/me", "website": address, "jku": address, "jwks_uri": address, "iss_url": address,
		"_claim_names": map[string]any{"email": "src1", "roles": "src1"}, "_claim_sources": source,
	}
	add := oidcrptest.Fault{Name: "addresses",
		IDToken: func(t *oidcrptest.IDToken) {
			for name, value := range claims {
				t.Claims[name] = value
			}
		},
		UserInfo: func(m map[string]any) {
			for name, value := range claims {
				m[name] = value
			}
		}}
	for name, sources := range map[string][]oidcrp.ClaimSource{
		"no source is believed": nil, "another is": {{Endpoint: "http://127.0.0.1:1/claims", Claims: []string{"email", "roles"}}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, add), func(c *oidcrp.Config) {
				c.Claims = []string{"name", "email", "picture", "profile"}
				c.Providers[0].UserInfo, c.Providers[0].ClaimSources = oidcrp.UserInfoRequired, sources
			})
			b := a.signIn()
			for _, path := range []string{"/auth/me", "/plain", "/admin", "/auth/login", "/auth/logout"} {
				if page := b.Get(a.URL + path); strings.Contains(page.Body, "mallory") || strings.Contains(page.Body, `src="`+address) {
					t.Errorf("%s: %s", path, page)
				}
			}
			if n := calls.Load(); n != 0 {
				t.Errorf("an address in a claim was called %d times", n)
			}
		})
	}
}

// endlessAnswers are cut off.
func endlessAnswers(t *testing.T) {
	var sent atomic.Int64
	answer := func(endpoint string, header func(http.Header), body []byte) oidcrptest.Fault {
		return oidcrptest.Answer(endpoint, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			header(w.Header())
			for sent.Store(0); sent.Load() < 256<<20; {
				n, err := w.Write(body)
				if sent.Add(int64(n)); err != nil || n == 0 {
					return
				}
			}
		})
	}
	plain := func(http.Header) {}
	many := func(h http.Header) {
		for i := range 100_000 {
			h[fmt.Sprintf("X-%d", i)] = []string{"x"}
		}
	}
	op := oidcrptest.NewProvider(t)
	for _, endpoint := range upTo("") {
		t.Run(path.Base(endpoint)+" body", func(t *testing.T) {
			failsAt(t, op, endpoint, answer(endpoint, plain, bytes.Repeat([]byte(" "), 64<<10)))
			if n := sent.Load(); n > 64<<20 {
				t.Errorf("%d bytes were taken", n)
			}
		})
		t.Run(path.Base(endpoint)+" headers", func(t *testing.T) { failsAt(t, op, endpoint, answer(endpoint, many, nil)) })
	}
	// A gigabyte in one megabyte: a thousand members, each of which is one of nulls.
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	z.Write(make([]byte, 1<<20))
	z.Close()
	for _, endpoint := range upTo("") {
		t.Run(path.Base(endpoint)+" bomb", func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			failsAt(t, op, endpoint, oidcrptest.Answer(endpoint, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Content-Encoding", "gzip")
				for range 1000 {
					if _, err := w.Write(member.Bytes()); err != nil {
						return
					}
				}
			}))
			runtime.ReadMemStats(&after)
			if n := after.TotalAlloc - before.TotalAlloc; n > 256<<20 {
				t.Errorf("%d bytes were allocated", n)
			}
		})
	}
}

// slowAnswers begin well and never end. The other endpoints are tried in R03.
func slowAnswers(t *testing.T) {
	for _, endpoint := range []string{oidcrptest.PAREndpoint, oidcrptest.UserInfoEndpoint} {
		t.Run(path.Base(endpoint), func(t *testing.T) {
			inBubble(t, func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired }, func(t *testing.T, b *bubble) {
				b.op.SetFaults(dribble(endpoint))
				began := time.Now()
				res, body := b.get(b.visitor(), "/reports")
				if res.StatusCode != http.StatusServiceUnavailable || b.reports.Load() != 0 {
					t.Errorf("%d %s\nlog: %s", res.StatusCode, body, b.log)
				}
				if d := time.Since(began); d > 5*time.Second { // of the bubble's clock
					t.Errorf("the visitor waited %v", d)
				}
				if n := b.op.Calls(endpoint); n != 1 {
					t.Errorf("%d calls", n)
				}
				time.Sleep(2 * time.Second) // until the provider has noticed
			})
		})
	}
	for name, text := range map[string]string{"headers": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100), "connection held open": ""} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(c *oidcrp.Config) { c.HTTPClient = slowServer(text) }, func(t *testing.T, b *bubble) {
				began := time.Now()
				if res, body := b.get(b.visitor(), "/reports"); res.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%d %s\nlog: %s", res.StatusCode, body, b.log)
				}
				if d := time.Since(began); d > 5*time.Second || d < time.Second {
					t.Errorf("the visitor waited %v", d)
				}
				time.Sleep(2 * time.Second)
			})
		})
	}
}

// slowServer is all there is to call: it says a text, a byte in a second, and then
// nothing more.
func slowServer(text string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		asked := make(chan struct{})
		go func() {
			<-asked // what comes before would be nobody's answer
			for i := range len(text) {
				if _, err := server.Write([]byte{text[i]}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		go func() {
			defer server.Close()
			server.Read(make([]byte, 1))
			close(asked)
			io.Copy(io.Discard, server)
		}()
		return client, nil
	}}}
}

func codeSentOnce(t *testing.T) {
	methods := oidcrptest.MetadataField("token_endpoint_auth_methods_supported", []string{"client_secret_basic", "client_secret_post"})
	unavailable := rejection{status: http.StatusServiceUnavailable, reason: "provider_unavailable"}
	op := oidcrptest.NewProvider(t)
	for _, tt := range []struct {
		name  string
		fault oidcrptest.Fault
		want  rejection
	}{
		{"invalid_grant", oidcrptest.TokenError("invalid_grant"), rejection{reason: "invalid_response"}},
		{"invalid_client", oidcrptest.TokenError("invalid_client"), rejection{status: http.StatusInternalServerError, reason: "misconfigured"}},
		{"invalid_request", oidcrptest.TokenError("invalid_request"), rejection{reason: "invalid_response"}},
		{"use_dpop_nonce, where there is no proof", oidcrptest.TokenError("use_dpop_nonce"), rejection{reason: "invalid_response"}},
		{"500", oidcrptest.TokenStatus(500), unavailable},
		{"503", oidcrptest.TokenStatus(503), unavailable},
		{"408", oidcrptest.TokenStatus(408), unavailable},
		{"429", oidcrptest.TokenStatus(429), unavailable},
		{"reset", oidcrptest.Answer(oidcrptest.TokenEndpoint, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), unavailable},
		{"cut off", oidcrptest.Answer(oidcrptest.TokenEndpoint, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}), unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op.SetFaults(methods)
			a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" })
			b := a.signIn()
			codes := map[string]int{}
			tt.want.calls = []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}
			a.rejectsLogin(b, tt.want, methods, tt.fault)
			for _, r := range op.Requests(oidcrptest.TokenEndpoint) {
				codes[r.Form.Get("code")]++
			}
			for code, n := range codes {
				if code == "" || n != 1 || strings.Contains(a.log.String(), code) {
					t.Errorf("code %q was sent %d times, or logged", code, n)
				}
			}
		})
	}
}
