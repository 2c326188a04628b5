package transaction_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

const callback = "/auth/callback/acme"

var t0 = time.Date(2026, 11, 20, 12, 0, 0, 123_000_000, time.UTC)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func newKeys(t testing.TB, numbers ...int) *cookie.Keys {
	t.Helper()
	var keys [][]byte
	for _, n := range numbers {
		sum := sha256.Sum256([]byte(fmt.Sprint("key of the tests ", n)))
		keys = append(keys, sum[:])
	}
	k, err := cookie.NewKeys(keys)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newSite(t testing.TB, base string) cookie.Site {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.NewSite(u)
}

func newDesk(t testing.TB, change ...func(*transaction.Config)) (*transaction.Desk, *clock) {
	t.Helper()
	c := &clock{t0}
	cfg := transaction.Config{Keys: newKeys(t, 1), Site: newSite(t, "https://app.example"), Now: c.now}
	for _, f := range change {
		f(&cfg)
	}
	return transaction.New(cfg), c
}

var text43 = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

func TestTransactionComesBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin transaction.Begin
	}{
		{"a plain login", transaction.Begin{ReturnTo: "/reports"}},
		{"no return URL", transaction.Begin{}},
		{"a silent one", transaction.Begin{Purpose: transaction.Silent, ReturnTo: "/"}},
		{"a second attempt", transaction.Begin{ReturnTo: "/", Attempt: 2}},
		{"the last attempt there is room for", transaction.Begin{Attempt: 7}},
		{"a maximum age", transaction.Begin{HasMaxAge: true, MaxAge: time.Hour, ReturnTo: "/x"}},
		{"a maximum age of zero", transaction.Begin{HasMaxAge: true}},
		{"the longest maximum age", transaction.Begin{HasMaxAge: true, MaxAge: (1<<63 - 1) / time.Second * time.Second}},
		{"acr values", transaction.Begin{ACR: []string{"urn:mace:incommon:iap:silver", "2", ""}, ReturnTo: "/x"}},
		{"an identity", transaction.Begin{Identity: bytes.Repeat([]byte{7}, 32), ReturnTo: "/x"}},
		{"scopes", transaction.Begin{Purpose: transaction.Consent, Identity: bytes.Repeat([]byte{7}, 32), Scopes: []string{"a", "https://b"}, ReturnTo: "/x"}},
		{"a step-up", transaction.Begin{Purpose: transaction.StepUp, Identity: bytes.Repeat([]byte{7}, 32), HasMaxAge: true, MaxAge: time.Minute, ACR: []string{"phr"}, ReturnTo: "/x"}},
		{"a step-up with scopes", transaction.Begin{Purpose: transaction.StepUp, Identity: bytes.Repeat([]byte{7}, 32), HasMaxAge: true, Scopes: []string{"a"}, ReturnTo: "/x"}},
		{"a link", transaction.Begin{Purpose: transaction.Link, Identity: bytes.Repeat([]byte{7}, 32), ReturnTo: "/x"}},
		{"everything", transaction.Begin{Attempt: 1, HasMaxAge: true, MaxAge: 90 * time.Second, ACR: []string{"a", "b"}, Identity: []byte{0}, Provider: [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, ReturnTo: "/a?b=c#d"}},
		{"a return URL that still fits", transaction.Begin{ReturnTo: "/" + strings.Repeat("a", 131)}},
		{"a return URL that just does not", transaction.Begin{ReturnTo: "/" + strings.Repeat("a", 132)}},
		{"a return URL of 2,000 bytes", transaction.Begin{ReturnTo: "/" + strings.Repeat("ü", 1000)[:1999]}},
		{"a long return URL and acr values", transaction.Begin{ReturnTo: "/" + strings.Repeat("a", 500), ACR: []string{strings.Repeat("acr", 100)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newDesk(t)
			b := newBrowser()
			if tt.begin.Provider == [8]byte{} {
				tt.begin.Provider = [8]byte{0xff, 1}
			}
			began := b.start(t, d, tt.begin)
			if !text43.MatchString(began.Nonce) || !text43.MatchString(began.Verifier) || began.Nonce == began.Verifier {
				t.Errorf("nonce %q and verifier %q", began.Nonce, began.Verifier)
			}
			got, err := d.Open(b.request(callback), began.State, callback)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(public(got), public(began)) {
				t.Errorf("came back\n%+v, started\n%+v", public(got), public(began))
			}
			if !got.Started.Equal(t0) {
				t.Errorf("started %s, want %s", got.Started, t0)
			}
		})
	}
}

// public is what callers see of a transaction.
func public(t *transaction.Transaction) []any {
	return []any{t.Begin, t.ID, t.Started.UnixMilli(), t.State, t.Nonce, t.Verifier}
}

func TestStateLength(t *testing.T) {
	alphabet := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	d, _ := newDesk(t)
	for _, tt := range []struct {
		name  string
		begin transaction.Begin
		most  int
	}{
		{"a plain login with a short path", transaction.Begin{ReturnTo: "/reports/2026/november?page=2&x=y"}, 128},
		{"a path of 37 bytes", transaction.Begin{ReturnTo: strings.Repeat("/", 37)}, 128},
		{"a longer one", transaction.Begin{ReturnTo: strings.Repeat("/", 132)}, 255},
		{"2,000 bytes", transaction.Begin{ReturnTo: strings.Repeat("/", 2000)}, 128},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := newBrowser().start(t, d, tt.begin)
			if len(tx.State) > tt.most || !alphabet.MatchString(tx.State) {
				t.Errorf("state of %d characters: %s", len(tx.State), tx.State)
			}
		})
	}
}

func TestStartRefuses(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin transaction.Begin
		want  error
	}{
		{"an unknown purpose", transaction.Begin{Purpose: 15}, nil},
		{"consent to nothing", transaction.Begin{Purpose: transaction.Consent, Identity: []byte{1}}, nil},
		{"consent of nobody", transaction.Begin{Purpose: transaction.Consent, Scopes: []string{"a"}}, nil},
		{"a step-up of nobody", transaction.Begin{Purpose: transaction.StepUp, HasMaxAge: true}, nil},
		{"a link to nobody", transaction.Begin{Purpose: transaction.Link}, nil},
		{"a purpose beyond the encoding", transaction.Begin{Purpose: 0x11}, nil},
		{"an attempt beyond the encoding", transaction.Begin{Attempt: 8}, nil},
		{"a negative attempt", transaction.Begin{Attempt: -1}, nil},
		{"a negative maximum age", transaction.Begin{HasMaxAge: true, MaxAge: -1}, nil},
		{"an identity that is no hash", transaction.Begin{Identity: make([]byte, 33)}, nil},
		{"more acr values than a state holds", transaction.Begin{ACR: slices.Repeat([]string{"acr"}, 200)}, transaction.ErrTooLarge},
		{"a callback path no cookie can have", transaction.Begin{CallbackPath: "/a;b", ReturnTo: strings.Repeat("/", 300)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newDesk(t)
			b := newBrowser()
			tx, err := b.tryStart(d, tt.begin)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want an error %v", err, tt.want)
			}
			if tx != nil || len(b.cookies) != 0 {
				t.Errorf("a transaction %v or cookies %v all the same", tx, b.cookies)
			}
		})
	}
	t.Run("no purpose", func(t *testing.T) {
		d, _ := newDesk(t)
		w := httptest.NewRecorder()
		if _, err := d.Start(w, httptest.NewRequest("GET", "/", nil), transaction.Begin{}); err == nil || len(w.Header()) > 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
	})
}

// T001, T002: an answer is of use in the browser that asked.
func TestOpenInWrongBrowser(t *testing.T) {
	d, _ := newDesk(t)
	attacker, victim := newBrowser(), newBrowser()
	begin := transaction.Begin{ReturnTo: "/mine", Attempt: 1, Provider: [8]byte{9}}
	stolen := attacker.start(t, d, begin)
	victim.start(t, d, transaction.Begin{})

	t.Run("without binding cookie", func(t *testing.T) {
		got, err := d.Open(newBrowser().request(callback), stolen.State, callback)
		if !errors.Is(err, transaction.ErrNoBinding) {
			t.Fatalf("%v, want ErrNoBinding", err)
		}
		if got.ReturnTo != "/mine" || got.Attempt != 1 || got.Provider != begin.Provider {
			t.Errorf("cannot start again from %+v", got.Begin)
		}
		if got.Nonce != "" || got.Verifier != "" {
			t.Error("nonce or verifier leave the browser that asked")
		}
	})
	for _, tt := range []struct {
		name string
		edit func(b *browser)
	}{
		{"with another binding", func(*browser) {}},
		{"with two bindings, ours first", func(b *browser) {
			c := *attacker.binding(t)
			c.Path = callback
			b.cookies[[2]string{c.Name, c.Path}] = &c
		}},
		{"with a binding that is garbage", func(b *browser) { b.binding(t).Value = "garbage" }},
		{"with an empty binding", func(b *browser) { b.binding(t).Value = "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBrowser()
			b.start(t, d, transaction.Begin{})
			tt.edit(b)
			if got, err := d.Open(b.request(callback), stolen.State, callback); got != nil || !errors.Is(err, transaction.ErrBinding) {
				t.Errorf("%v, %v, want ErrBinding", got, err)
			}
		})
	}
	t.Run("with our binding twice", func(t *testing.T) {
		r := attacker.request(callback)
		r.Header.Add("Cookie", r.Header.Get("Cookie"))
		if _, err := d.Open(r, stolen.State, callback); !errors.Is(err, transaction.ErrBinding) {
			t.Errorf("%v, want ErrBinding", err)
		}
	})
	t.Run("in the right one after all", func(t *testing.T) {
		if _, err := d.Open(attacker.request(callback), stolen.State, callback); err != nil {
			t.Errorf("the others left a trace: %v", err)
		}
	})
}

// T003, T016, T017: the state comes back as it went, or not at all.
func TestOpenRefusesOtherStates(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	good := b.start(t, d, transaction.Begin{ReturnTo: "/a"}).State
	states := map[string]string{
		"absent":                 "",
		"a trailing space":       good + " ",
		"a leading space":        " " + good,
		"lower case":             strings.ToLower(good),
		"upper case":             strings.ToUpper(good),
		"twice":                  good + good,
		"huge":                   strings.Repeat("A", 1<<20),
		"huge with a good front": good + strings.Repeat("A", 1<<20),
		"escaped":                strings.ReplaceAll(good, "A", "%41") + "%20",
	}
	for n := range good {
		states[fmt.Sprint("cut at ", n)] = good[:n]
		c := byte('A')
		if good[n] == c {
			c = 'B'
		}
		states[fmt.Sprint("changed at ", n)] = good[:n] + string(c) + good[n+1:]
	}
	other := b.start(t, d, transaction.Begin{ReturnTo: "/b"}).State
	states["halves of two own states"] = good[:len(good)/2] + other[len(other)/2:]
	dsk, _ := newDesk(t, func(c *transaction.Config) { c.Site = newSite(t, "https://other.example") })
	states["of another site"] = b.start(t, dsk, transaction.Begin{}).State
	dsk, _ = newDesk(t, func(c *transaction.Config) { c.Keys = newKeys(t, 2) })
	states["of another key"] = b.start(t, dsk, transaction.Begin{}).State
	session, _, err := newKeys(t, 1).Box("session", newSite(t, "https://app.example").ID()).Seal(make([]byte, 40), nil, t0)
	if err != nil {
		t.Fatal(err)
	}
	states["a session cookie"] = session
	for name, state := range states {
		if got, err := d.Open(b.request(callback), state, callback); got != nil || !errors.Is(err, transaction.ErrState) {
			t.Errorf("%s: %v, %v, want ErrState", name, got, err)
		}
	}
}

// A state sealed by us that says what we do not understand.
func TestOpenRefusesOtherContents(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	b.start(t, d, transaction.Begin{})
	plain, _, err := transaction.EncodeState(transaction.Transaction{Begin: transaction.Begin{Purpose: transaction.Login}, Started: t0})
	if err != nil {
		t.Fatal(err)
	}
	box := newKeys(t, 1).Box("state", newSite(t, "https://app.example").ID())
	for _, tt := range []struct {
		name string
		edit func(b []byte) []byte
		want error
	}{
		{"nothing changed", func(b []byte) []byte { return b }, transaction.ErrBinding},
		{"nothing at all", func(b []byte) []byte { return nil }, transaction.ErrState},
		{"too short", func(b []byte) []byte { return b[:len(b)-1] }, transaction.ErrState},
		{"another layout", func(b []byte) []byte { b[0] += 1 << 4; return b }, transaction.ErrState},
		{"purpose none", func(b []byte) []byte { b[0] &= 0xf0; return b }, transaction.ErrState},
		{"a purpose of later", func(b []byte) []byte { b[0] |= 0x0f; return b }, transaction.ErrState},
		{"a maximum age that is missing", func(b []byte) []byte { b[1] |= 1; return b }, transaction.ErrState},
		{"a maximum age that overflows", func(b []byte) []byte {
			b[1] |= 1
			return append(b, bytes.Repeat([]byte{0xff}, 8)...)
		}, transaction.ErrState},
		{"acr values that are missing", func(b []byte) []byte { b[1] |= 2; return append(b, 9, 1, 'a') }, transaction.ErrState},
		{"an empty list of acr values", func(b []byte) []byte { b[1] |= 2; return append(b, 0) }, transaction.ErrState},
		{"a number with a needless byte", func(b []byte) []byte { b[1] |= 1; return append(b, 0x80, 0) }, transaction.ErrState},
		{"an identity that is empty", func(b []byte) []byte { b[1] |= 4; return append(b, 0) }, transaction.ErrState},
		{"an identity that is too long", func(b []byte) []byte { b[1] |= 4; return append(append(b, 33), make([]byte, 33)...) }, transaction.ErrState},
		{"a slot without a cookie", func(b []byte) []byte { b[1] |= 16; return b }, transaction.ErrState},
		{"a return URL here and in a cookie", func(b []byte) []byte { b[1] |= 8; return append(b, '/') }, transaction.ErrState},
		{"more than we ever put into a state", func(b []byte) []byte { return append(b, make([]byte, 600)...) }, transaction.ErrState},
		{"an identity that is cut", func(b []byte) []byte { b[1] |= 4; return append(b, 32, 1) }, transaction.ErrState},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, _, err := box.Seal(tt.edit(slices.Clone(plain)), nil, t0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.Open(b.request(callback), state, callback); !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// T014.
func TestTimeout(t *testing.T) {
	for _, tt := range []struct {
		name    string
		timeout time.Duration
		after   time.Duration
		want    error
	}{
		{"at once", 0, 0, nil},
		{"a second before the default timeout", 0, 10*time.Minute - time.Second, nil},
		{"a second after it", 0, 10*time.Minute + time.Second, transaction.ErrExpired},
		{"a second before a timeout of one's own", 2 * time.Minute, 2*time.Minute - time.Second, nil},
		{"a second after that", 2 * time.Minute, 2*time.Minute + time.Second, transaction.ErrExpired},
		{"started by a clock a little ahead", 0, -time.Minute, nil},
		{"started in the far future", 0, -time.Hour, transaction.ErrExpired},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, c := newDesk(t, func(c *transaction.Config) { c.Timeout = tt.timeout })
			b := newBrowser()
			tx := b.start(t, d, transaction.Begin{ReturnTo: "/x", Attempt: 1})
			if age := b.binding(t).MaxAge; tt.timeout == 0 && age != 600 || tt.timeout != 0 && age != 120 {
				t.Errorf("the binding cookie lives %d seconds", age)
			}
			c.advance(tt.after)
			got, err := d.Open(b.request(callback), tx.State, callback)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if got.ReturnTo != "/x" || got.Attempt != 1 {
				t.Errorf("cannot start again from %+v", got.Begin)
			}
			if (got.Nonce != "") != (err == nil) || (got.Verifier != "") != (err == nil) {
				t.Errorf("nonce %q, verifier %q with error %v", got.Nonce, got.Verifier, err)
			}
		})
	}
}

// Without a clock of the caller's it is the system's.
func TestSystemClock(t *testing.T) {
	d, _ := newDesk(t, func(c *transaction.Config) { c.Now = nil })
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{})
	if _, err := d.Open(b.request(callback), tx.State, callback); err != nil {
		t.Error(err)
	}
}

// What is not asked for does not count, and no return URL needs no cookie.
func TestStartWithoutWhatIsOptional(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	b.start(t, d, transaction.Begin{MaxAge: -1})
	b.start(t, d, transaction.Begin{ACR: slices.Repeat([]string{"urn:example:acr"}, 10)})
	if len(b.cookies) != 1 {
		t.Errorf("%d cookies, want the binding alone", len(b.cookies))
	}
}
