package transaction_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

func TestChallenge(t *testing.T) {
	// RFC 7636 appendix B.
	tx := transaction.Transaction{Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	if got := tx.Challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %q", got)
	}
}

// Keys can be rotated under logins that are on their way.
func TestRotation(t *testing.T) {
	before, _ := newDesk(t)
	after, _ := newDesk(t, func(c *transaction.Config) { c.Keys = newKeys(t, 2, 1) })
	b := newBrowser()
	want := b.start(t, before, transaction.Begin{ReturnTo: strings.Repeat("/", 500)})
	got, err := after.Open(b.request(callback), want.State, callback)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(public(got), public(want)) {
		t.Errorf("came back %+v, started %+v", got, want)
	}
}

// The nonce and the verifier need the state's key, the state and the binding.
func TestDerivedSecrets(t *testing.T) {
	d, _ := newDesk(t)
	b, other := newBrowser(), newBrowser()
	seen := make(map[string]bool)
	fresh := func(what string, tx *transaction.Transaction) {
		t.Helper()
		for _, s := range []string{tx.State, tx.Nonce, tx.Verifier, string(tx.ID[:])} {
			if seen[s] {
				t.Errorf("%s: %q came before", what, s)
			}
			seen[s] = true
		}
	}
	fresh("the first", b.start(t, d, transaction.Begin{}))
	fresh("the same again", b.start(t, d, transaction.Begin{}))
	fresh("another browser", other.start(t, d, transaction.Begin{}))
	if raw, err := base64.RawURLEncoding.DecodeString(b.start(t, d, transaction.Begin{}).State); err != nil || bytes.Contains(raw, []byte(b.binding(t).Value[:43])) {
		t.Error("the state shows the binding")
	}
}

// Half of what they are derived from is in the browser.
func TestDerivedSecretsNeedTheBinding(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{})
	binding, err := base64.RawURLEncoding.DecodeString(b.binding(t).Value[:43])
	if err != nil {
		t.Fatal(err)
	}
	box := newKeys(t, 1).Box("state", newSite(t, "https://app.example").ID())
	_, seal, err := box.Open(nil, tx.State, nil)
	if err != nil {
		t.Fatal(err)
	}
	for label, got := range map[string]string{"nonce": tx.Nonce, "code_verifier": tx.Verifier} {
		sum, err := box.MAC(seal, label, binding)
		if err != nil {
			t.Fatal(err)
		}
		if want := base64.RawURLEncoding.EncodeToString(sum[:]); got != want {
			t.Errorf("%s %q, want %q", label, got, want)
		}
	}
}

// T015, T106.
func TestNothingRepeats(t *testing.T) {
	d, _ := newDesk(t)
	seen := make(map[string]bool)
	r := httptest.NewRequest("GET", "/", nil)
	for range 20_000 {
		w := httptest.NewRecorder()
		tx, err := d.Start(w, r, transaction.Begin{Purpose: transaction.Login})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{tx.State, tx.Nonce, tx.Verifier, w.Header().Get("Set-Cookie")} {
			if seen[s] {
				t.Fatalf("%q came twice", s)
			}
			seen[s] = true
		}
	}
}

type source func([]byte) (int, error)

func (s source) Read(b []byte) (int, error) { return s(b) }

// setRandom replaces the system's random source. Tests here do not run in
// parallel.
func setRandom(t *testing.T, r io.Reader) {
	old := rand.Reader
	rand.Reader = r
	t.Cleanup(func() { rand.Reader = old })
}

// T015: without randomness there is no login, and no half of one.
func TestBrokenRandomness(t *testing.T) {
	fails := errors.New("source is broken")
	real := rand.Reader
	for name, make := range map[string]func() io.Reader{
		"it fails once": func() io.Reader {
			failed := false
			return source(func(b []byte) (int, error) {
				if !failed {
					failed = true
					return 0, fails
				}
				return real.Read(b)
			})
		},
		"the source fails":                  func() io.Reader { return source(func([]byte) (int, error) { return 0, fails }) },
		"the source gives zeros":            func() io.Reader { return source(func(b []byte) (int, error) { clear(b); return len(b), nil }) },
		"it fails after the binding":        func() io.Reader { return io.LimitReader(real, 32) },
		"it fails after binding and nonce":  func() io.Reader { return io.LimitReader(real, 32+12) },
		"it fails in the middle of a value": func() io.Reader { return io.LimitReader(real, 40) },
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newDesk(t)
			b := newBrowser()
			setRandom(t, make())
			tx, err := b.tryStart(d, transaction.Begin{ReturnTo: strings.Repeat("/", 500)})
			if err == nil || tx != nil || len(b.cookies) != 0 {
				t.Errorf("%v, %v, %d cookies, want only an error", tx, err, len(b.cookies))
			}
		})
	}
	t.Run("at logout", func(t *testing.T) {
		d, _ := newDesk(t)
		b := newBrowser()
		tx := b.start(t, d, transaction.Begin{})
		setRandom(t, source(func([]byte) (int, error) { return 0, fails }))
		b.do("/auth/logout", func(w http.ResponseWriter, r *http.Request) {
			d.Replace(w, r)
			d.Finished(w, r) // does not bring the old one back
		})
		if _, err := d.Open(b.request(callback), tx.State, callback); !errors.Is(err, transaction.ErrNoBinding) {
			t.Errorf("%v, want ErrNoBinding", err)
		}
	})
	t.Run("when a silent attempt fails", func(t *testing.T) {
		d, _ := newDesk(t)
		b := newBrowser()
		setRandom(t, source(func([]byte) (int, error) { return 0, fails }))
		if h := b.do(callback, d.SilentFailed); len(h) != 0 {
			t.Errorf("set %v", h)
		}
	})
}
