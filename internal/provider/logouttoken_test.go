package provider_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// logoutToken is what a logout token says, changed.
func (f *fake) logoutToken(changes map[string]any) map[string]any {
	now := f.clock.Now()
	return change(map[string]any{
		"iss": f.URL, "aud": clientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"jti": "j1", "sub": "alice", "sid": "s1",
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, changes)
}

func TestLogoutToken(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	token, err := p.LogoutToken(t.Context(), sign(f.logoutToken(nil)))
	if err != nil {
		t.Fatal(err)
	}
	if token.Issuer != f.URL || token.Subject != "alice" || token.SID != "s1" || !token.IssuedAt.Equal(f.clock.Now()) {
		t.Errorf("got %+v", token)
	}

	// A provider that leaves exp out, as the operator knows.
	bare := sign(f.logoutToken(map[string]any{"exp": nil}))
	if _, err := p.LogoutToken(t.Context(), bare); !failsAt(err, "exp") {
		t.Errorf("without exp: %v", err)
	}
	lenient := f.new(t, func(s *provider.Settings) { s.LogoutTokenWithoutExp = true })
	if _, err := lenient.LogoutToken(t.Context(), bare); err != nil {
		t.Errorf("without exp, where that is known: %v", err)
	}
}

func failsAt(err error, check string) bool {
	var e *validate.Error
	return errors.As(err, &e) && e.Check == check && e.Token == "logout token"
}

func TestLogoutTokenRefused(t *testing.T) {
	good := func(f *fake) string { return sign(f.logoutToken(nil)) }
	for name, tt := range map[string]struct {
		check  string
		token  func(*fake) string
		change func(*provider.Settings)
	}{
		"a wrong signature": {"signature", func(f *fake) string { return good(f)[:len(good(f))-6] + "AAAAAA" }, nil},
		"an algorithm that is not ours": {"alg", good, func(s *provider.Settings) {
			s.Algorithms = []string{"RS256"}
		}},
		"unsigned": {"serialization", func(f *fake) string {
			parts := strings.Split(good(f), ".")
			return "eyJhbGciOiJub25lIn0." + parts[1] + "."
		}, nil},
		"an ID token":        {"events", func(f *fake) string { return sign(f.idToken()) }, nil},
		"another client's":   {"aud", func(f *fake) string { return sign(f.logoutToken(map[string]any{"aud": "other"})) }, nil},
		"another provider's": {"iss", func(f *fake) string { return sign(f.logoutToken(map[string]any{"iss": "https://op.example"})) }, nil},
		"too long": {"size", func(f *fake) string {
			return sign(f.logoutToken(map[string]any{"x": strings.Repeat("x", provider.MaxLogoutToken)}))
		}, nil},
		"encrypted, with no key for it": {"serialization", func(f *fake) string {
			return "e30.e30.e30.e30.e30"
		}, nil},
		"words": {"serialization", func(*fake) string { return "hello" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			change := tt.change
			if change == nil {
				change = func(*provider.Settings) {}
			}
			token, err := f.new(t, change).LogoutToken(t.Context(), tt.token(f))
			if token != nil || !failsAt(err, tt.check) {
				t.Errorf("got %v, %v, want check %q", token, err, tt.check)
			}
		})
	}
}

// However many forged tokens come, they fetch keys no more than twice.
func TestForgedLogoutTokensFetchFewKeys(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	forged := signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: signingKey(), KeyID: "unknown"}}, nil, `{}`)
	for range 20 {
		if _, err := p.LogoutToken(t.Context(), forged); err == nil {
			t.Fatal("accepted")
		}
	}
	if n := len(f.requests("/jwks")); n > 3 {
		t.Errorf("keys were fetched %d times", n)
	}
}

// Keys that cannot be fetched are no bad token.
func TestLogoutTokenWhileProviderIsDown(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	token := sign(f.logoutToken(nil))
	f.Close()
	if _, err := p.LogoutToken(t.Context(), token); !errors.Is(err, provider.ErrUnavailable) || errors.Is(err, validate.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// Who encrypts ID tokens should encrypt these too (Back-Channel Logout 2.4), and
// not all do.
func TestEncryptedLogoutToken(t *testing.T) {
	const alg, enc = "RSA-OAEP-256", jose.A128GCM
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{Key: rsaKey(), Algorithm: alg}))
	signed := sign(f.logoutToken(nil))
	for name, token := range map[string]string{"encrypted": encrypt(alg, enc, rsaKey().Public(), "", signed), "plain": signed} {
		if _, err := p.LogoutToken(t.Context(), token); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := encrypt(alg, enc, strangersKey().Public(), "", signed)
	if _, err := p.LogoutToken(t.Context(), other); !failsAt(err, "encryption") {
		t.Errorf("to another: %v", err)
	}
}

// Anybody can encrypt to us. However many strangers do, the provider is heard in
// its turn, and their tokens do not all occupy the keys at once.
func TestStrangersKeepNoLogoutTokenOut(t *testing.T) {
	const alg, enc = "RSA-OAEP-256", jose.A128GCM
	f := newFake(t)
	good := encrypt(alg, enc, rsaKey().Public(), "", sign(f.logoutToken(nil)))
	forged := encrypt(alg, enc, rsaKey().Public(), "", "rubbish")
	p := f.new(t, keys(provider.ClientKey{Key: rsaKey(), Algorithm: alg}))
	for range 150 {
		if _, err := p.LogoutToken(t.Context(), forged); !failsAt(err, "serialization") {
			t.Fatal(err)
		}
	}
	if _, err := p.LogoutToken(t.Context(), good); err != nil {
		t.Errorf("after many: %v", err)
	}

	at := &gate{vault: vault{rsaKey()}, entered: make(chan bool, 32), open: make(chan bool)}
	p = f.new(t, keys(provider.ClientKey{Key: at, Algorithm: alg}))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { p.LogoutToken(t.Context(), forged) })
		<-at.entered
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.LogoutToken(gone, good); !errors.Is(err, provider.ErrUnavailable) || len(at.entered) != 0 {
		t.Errorf("behind 16, to a sender who left: %v", err)
	}
	all.Go(func() {
		if _, err := p.LogoutToken(t.Context(), good); err != nil {
			t.Errorf("behind 16: %v", err)
		}
	})
	close(at.open)
	all.Wait()
}

// Nobody waits for ever.
func TestLogoutTokenWaitsForAWhile(t *testing.T) {
	const alg, enc = "RSA-OAEP-256", jose.A128GCM
	f := newFake(t)
	forged := encrypt(alg, enc, rsaKey().Public(), "", "rubbish")
	synctest.Test(t, func(t *testing.T) {
		at := &gate{vault: vault{rsaKey()}, entered: make(chan bool), open: make(chan bool)}
		p := f.new(t, keys(provider.ClientKey{Key: at, Algorithm: alg}))
		for range 16 {
			go p.LogoutToken(t.Context(), forged)
			<-at.entered
		}
		var down *provider.Unavailable
		if _, err := p.LogoutToken(t.Context(), forged); !errors.As(err, &down) {
			t.Errorf("got %v", err)
		}
		close(at.open)
	})
}

// gate is a vault that lets nobody out before it is open.
type gate struct {
	vault
	entered, open chan bool
}

func (g *gate) Decrypt(rand io.Reader, msg []byte, o crypto.DecrypterOpts) ([]byte, error) {
	g.entered <- true
	<-g.open
	return g.vault.Decrypt(rand, msg, o)
}

var strangersKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})
