package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/securecookie"
	zitadelrp "github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// starts is F: what it costs to start, and what happens while the provider is
// down or strangers send tokens.
func starts(r *run) {
	fmt.Print("\nF: start, and a provider that is down\n\n")
	silent := must(net.Listen("tcp", "127.0.0.1:0")) // takes connections, and says nothing
	defer silent.Close()
	refused := must(net.Listen("tcp", "127.0.0.1:0"))
	check(refused.Close())
	for _, p := range []struct{ name, issuer string }{
		{"refuses connections", "http://" + refused.Addr().String()}, {"is silent", "http://" + silent.Addr().String()},
	} {
		var took []time.Duration
		var rp *oidcrp.RelyingParty
		for range r.rounds {
			begun := time.Now()
			rp = party(p.issuer, nil)
			took = append(took, time.Since(begun))
		}
		login := func() time.Duration {
			begun := time.Now()
			if res := page(rp, "/auth/login"); res.StatusCode != http.StatusServiceUnavailable {
				panic(fmt.Sprint("status ", res.StatusCode))
			}
			return time.Since(begun)
		}
		first, again := login(), login()
		fmt.Printf("a provider that %s: New takes %s, the first login is answered after %s, the next after %s\n", p.name, median(took), first.Round(time.Millisecond), again)
		r.target("F, New while the provider "+p.name+": at most 1ms", fmt.Sprint(median(took).Round(time.Microsecond)), median(took) <= time.Millisecond)
		r.target("F, a login while it is known to be down: at most 5ms", fmt.Sprint(again.Round(time.Microsecond)), again <= 5*time.Millisecond)
	}
	heals(r)
	forged(r)
	kept(r)
}

// forged sends logout tokens that nobody signed.
func forged(r *run) {
	for _, kind := range []struct {
		name, kid string
		most      int64
	}{{"an unknown kid", "unknown", 4}, {"a known kid", "k1", 0}} {
		op := newProvider()
		rp := party(op.URL, func(c *oidcrp.Config) {
			c.Store, c.Providers[0].BackchannelLogout = oidcrp.NewMemoryStore(), true
		})
		token := strings.Split(op.idToken(""), ".")
		send := func(token string) {
			request := httptest.NewRequest(http.MethodPost, "/auth/backchannel-logout/default", strings.NewReader("logout_token="+token))
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rp.ServeHTTP(httptest.NewRecorder(), request)
		}
		send(strings.Join(token, ".")) // the keys are known now
		op.jwksCalls.Store(0)
		header := encoded(`{"alg":"ES256","kid":"` + kind.kid + `","typ":"logout+jwt"}`)
		for range 1000 {
			send(header + "." + token[1] + "." + encoded(string(securecookie.GenerateRandomKey(64))))
		}
		fetched := op.jwksCalls.Load()
		fmt.Printf("1000 forged logout tokens of %s: %d fetches of keys\n", kind.name, fetched)
		r.target(fmt.Sprintf("F, fetches of keys for forged tokens of %s: at most %d", kind.name, kind.most), fmt.Sprint(fetched), fetched <= kind.most)
		if kind.kid != "k1" { // the token endpoint's keys have a budget of their own
			op.use(newKey("k2"))
			r.target("F, after that a login under a new key succeeds", "", logsIn(rp))
		}
		for _, peer := range peerVerifiers(op) {
			peer.verify(op.idToken("a-nonce"))
			op.jwksCalls.Store(0)
			for range 100 {
				peer.verify(header + "." + token[1] + "." + encoded(string(securecookie.GenerateRandomKey(64))))
			}
			fmt.Printf("100 forged ID tokens of %s, at %s: %d fetches of keys\n", kind.name, peer.name, op.jwksCalls.Load())
		}
		op.Close()
	}
}

type peerVerifier struct {
	name   string
	verify func(token string)
}

// peerVerifiers are others that verify ID tokens of a provider, and fetch its
// keys as they see fit.
func peerVerifiers(op *fakeProvider) []peerVerifier {
	ctx := context.Background()
	goOIDC := oidc.NewVerifier(op.URL, oidc.NewRemoteKeySet(ctx, op.URL+"/jwks"), &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{"ES256"}})
	zitadelKeys := zitadelrp.NewIDTokenVerifier(op.URL, "app", zitadelrp.NewRemoteKeySet(http.DefaultClient, op.URL+"/jwks"), zitadelrp.WithSupportedSigningAlgorithms("ES256"))
	return []peerVerifier{
		{"go-oidc", func(token string) { goOIDC.Verify(ctx, token) }},
		{"zitadel", func(token string) { zitadelrp.VerifyIDToken[*zitadel.IDTokenClaims](ctx, token, zitadelKeys) }},
	}
}

func party(issuer string, change func(*oidcrp.Config)) *oidcrp.RelyingParty {
	c := oidcrp.Config{
		BaseURL: "http://localhost:3000", CookieKeys: [][]byte{securecookie.GenerateRandomKey(32)},
		Providers: []oidcrp.Provider{{Issuer: issuer, ClientID: "app", ClientSecret: "secret", Algorithms: []string{"ES256"}}},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if change != nil {
		change(&c)
	}
	return must(oidcrp.New(c))
}
