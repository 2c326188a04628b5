package transaction_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// browser keeps cookies by name and path. It knows neither time nor sites.
type browser struct {
	cookies map[[2]string]*http.Cookie
}

func newBrowser() *browser { return &browser{cookies: make(map[[2]string]*http.Cookie)} }

func (b *browser) request(path string) *http.Request {
	r := httptest.NewRequest("GET", path, nil)
	for _, c := range b.cookies {
		if c.Path == "/" || path == c.Path || strings.HasPrefix(path, c.Path+"/") {
			r.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	return r
}

func (b *browser) take(w *httptest.ResponseRecorder) {
	for _, c := range w.Result().Cookies() {
		at := [2]string{c.Name, c.Path}
		delete(b.cookies, at)
		if c.MaxAge >= 0 {
			b.cookies[at] = c
		}
	}
}

// do lets a handler answer a request of the browser.
func (b *browser) do(path string, f func(w http.ResponseWriter, r *http.Request)) http.Header {
	w := httptest.NewRecorder()
	f(w, b.request(path))
	b.take(w)
	return w.Header()
}

func (b *browser) tryStart(d *transaction.Desk, begin transaction.Begin) (t *transaction.Transaction, err error) {
	if begin.Purpose == 0 {
		begin.Purpose = transaction.Login
	}
	if begin.CallbackPath == "" {
		begin.CallbackPath = callback
	}
	b.do("/auth/login", func(w http.ResponseWriter, r *http.Request) { t, err = d.Start(w, r, begin) })
	return t, err
}

func (b *browser) start(t testing.TB, d *transaction.Desk, begin transaction.Begin) *transaction.Transaction {
	t.Helper()
	tx, err := b.tryStart(d, begin)
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func (b *browser) finish(d *transaction.Desk) { b.do(callback, d.Finished) }
func (b *browser) load(d *transaction.Desk)   { b.do("/", d.Loaded) }

// binding is the text of the binding cookie.
func (b *browser) binding(t testing.TB) *http.Cookie {
	t.Helper()
	for at, c := range b.cookies {
		if strings.Contains(at[0], "oidcrp_login_") {
			return c
		}
	}
	t.Fatal("the browser has no binding cookie")
	return nil
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

func TestChallenge(t *testing.T) {
	// RFC 7636 appendix B.
	tx := transaction.Transaction{Verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}
	if got := tx.Challenge(); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("challenge %q", got)
	}
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

func TestReturnURLThatIsTooLongIsNotCarried(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{ReturnTo: strings.Repeat("/", transaction.MaxReturnTo+1)})
	if tx.ReturnTo != "" || len(b.cookies) != 1 {
		t.Errorf("return URL of %d bytes in %d cookies", len(tx.ReturnTo), len(b.cookies))
	}
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

// An expired state in a browser that lost its binding starts again as well,
// one of another browser does not.
func TestTimeoutAndBinding(t *testing.T) {
	d, c := newDesk(t)
	b, other := newBrowser(), newBrowser()
	tx := b.start(t, d, transaction.Begin{})
	other.start(t, d, transaction.Begin{})
	c.advance(time.Hour)
	if _, err := d.Open(newBrowser().request(callback), tx.State, callback); !errors.Is(err, transaction.ErrNoBinding) {
		t.Errorf("without binding: %v, want ErrNoBinding", err)
	}
	if _, err := d.Open(other.request(callback), tx.State, callback); !errors.Is(err, transaction.ErrBinding) {
		t.Errorf("with another binding: %v, want ErrBinding", err)
	}
}

// T020.
func TestParallelTabs(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	var tabs []*transaction.Transaction
	for i := range 10 {
		tabs = append(tabs, b.start(t, d, transaction.Begin{ReturnTo: fmt.Sprint("/tab/", i), Provider: [8]byte{byte(i % 2)}}))
	}
	first := b.binding(t).Value
	for _, want := range slices.Backward(tabs) {
		got, err := d.Open(b.request(callback), want.State, callback)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(public(got), public(want)) {
			t.Errorf("came back %+v, started %+v", got, want)
		}
		if err := d.Spend(context.Background(), got); err != nil {
			t.Error(err)
		}
	}
	if b.binding(t).Value != first {
		t.Error("the binding changed")
	}
}

// A login that another one overtakes in its browser still finishes.
func TestBindingIsRenewedNotReplaced(t *testing.T) {
	d, c := newDesk(t)
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{})
	c.advance(9 * time.Minute)
	h := b.do("/auth/login", func(w http.ResponseWriter, r *http.Request) {
		if _, err := d.Start(w, r, transaction.Begin{Purpose: transaction.Login}); err != nil {
			t.Fatal(err)
		}
	})
	if !strings.Contains(h.Get("Set-Cookie"), "Max-Age=600") {
		t.Errorf("not renewed: %q", h["Set-Cookie"])
	}
	if _, err := d.Open(b.request(callback), tx.State, callback); err != nil {
		t.Error(err)
	}
}

func TestStartReplacesUnusableBinding(t *testing.T) {
	for _, tt := range []struct{ name, cookies string }{
		{"garbage", "NAME=x"},
		{"too many rounds", "NAME=VALUE.90"},
		{"two of them", "NAME=VALUE.00; NAME=VALUE.00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newDesk(t)
			b := newBrowser()
			b.start(t, d, transaction.Begin{})
			c := b.binding(t)
			value := c.Value[:43]
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Cookie", strings.NewReplacer("NAME", c.Name, "VALUE", value).Replace(tt.cookies))
			w := httptest.NewRecorder()
			if _, err := d.Start(w, r, transaction.Begin{Purpose: transaction.Login}); err != nil {
				t.Fatal(err)
			}
			b.take(w)
			if strings.HasPrefix(b.binding(t).Value, value) {
				t.Error("kept it")
			}
		})
	}
}

// T101, T102.
func TestBindingCookie(t *testing.T) {
	long := transaction.Begin{Purpose: transaction.Login, ReturnTo: strings.Repeat("/", 500), CallbackPath: callback}
	for _, tt := range []struct {
		name, base string
		crossSite  bool
		binding    string
		returning  string
	}{
		{"https", "https://app.example", false,
			`^__Host-oidcrp_login_ID=[\w-]{43}\.01; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`,
			`^__Secure-oidcrp_return0[a-z0-9]+_ID=[\w=-]+; Path=/auth/callback/acme; Max-Age=600; HttpOnly; Secure; SameSite=Lax$`},
		{"https, a provider answers by form_post", "https://app.example", true,
			`^__Host-oidcrp_login_ID=[\w-]{43}\.01; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None$`,
			`^__Secure-oidcrp_return0[a-z0-9]+_ID=[\w=-]+; Path=/auth/callback/acme; Max-Age=600; HttpOnly; Secure; SameSite=None$`},
		{"loopback", "http://localhost:3000", false,
			`^oidcrp_login_ID=[\w-]{43}\.01; Path=/; Max-Age=600; HttpOnly; SameSite=Lax$`,
			`^oidcrp_return0[a-z0-9]+_ID=[\w=-]+; Path=/auth/callback/acme; Max-Age=600; HttpOnly; SameSite=Lax$`},
		{"loopback, a provider answers by form_post", "http://localhost:3000", true,
			`^__Host-oidcrp_login_ID=[\w-]{43}\.01; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=None$`,
			`^__Secure-oidcrp_return0[a-z0-9]+_ID=[\w=-]+; Path=/auth/callback/acme; Max-Age=600; HttpOnly; Secure; SameSite=None$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			site := newSite(t, tt.base)
			d, _ := newDesk(t, func(c *transaction.Config) { c.Site, c.CrossSite = site, tt.crossSite })
			w := httptest.NewRecorder()
			if _, err := d.Start(w, httptest.NewRequest("GET", "/", nil), long); err != nil {
				t.Fatal(err)
			}
			lines := w.Header()["Set-Cookie"]
			if len(lines) != 2 {
				t.Fatalf("%d cookies: %q", len(lines), lines)
			}
			for i, want := range []string{tt.returning, tt.binding} {
				if !regexp.MustCompile(strings.Replace(want, "ID", site.ID(), 1)).MatchString(lines[i]) {
					t.Errorf("%q\nwant %s", lines[i], want)
				}
			}
		})
	}
}

// T021: no cookie grows with attempts.
func TestAbandonedLogins(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	for range 200 {
		b.start(t, d, transaction.Begin{ReturnTo: "/" + strings.Repeat("a", transaction.MaxReturnTo-1)})
	}
	if header := b.request(callback).Header.Get("Cookie"); len(header) >= 8000 || len(b.cookies) != 3 {
		t.Errorf("%d cookies of %d bytes", len(b.cookies), len(header))
	}
	if header := b.request("/").Header.Get("Cookie"); len(header) > 100 {
		t.Errorf("%d bytes go to every page", len(header))
	}
}

func TestLongReturnURLs(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	long := func(s string) transaction.Begin {
		return transaction.Begin{ReturnTo: "/" + s + strings.Repeat("a", 1000)}
	}
	open := func(tx *transaction.Transaction, path string) string {
		t.Helper()
		got, err := d.Open(b.request(path), tx.State, path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimRight(got.ReturnTo, "a")
	}
	one, two := b.start(t, d, long("one")), b.start(t, d, long("two"))
	b.start(t, d, transaction.Begin{ReturnTo: "/short"})
	if a, b := open(one, callback), open(two, callback); a != "/one" || b != "/two" {
		t.Errorf("two tabs came back to %q and %q", a, b)
	}
	three := b.start(t, d, long("three"))
	if got := open(one, callback); got != "" {
		t.Errorf("the displaced one came back to %q, want the default", got)
	}
	if a, b := open(two, callback), open(three, callback); a != "/two" || b != "/three" {
		t.Errorf("the later two came back to %q and %q", a, b)
	}

	begin := long("nested")
	begin.CallbackPath = callback + "/nested"
	nested := b.start(t, d, begin)
	if got := open(nested, callback+"/nested"); got != "/nested" {
		t.Errorf("a callback path inside another one came back to %q", got)
	}
	if got := open(nested, callback); got != "" {
		t.Errorf("arriving elsewhere gives %q, want the default", got)
	}

	b.cookies = map[[2]string]*http.Cookie{{"binding"}: b.binding(t)}
	if got := open(three, callback); got != "" {
		t.Errorf("without its cookie it came back to %q", got)
	}
}

func TestLongReturnURLWithoutBinding(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	want := "/" + strings.Repeat("a", 1000)
	tx := b.start(t, d, transaction.Begin{ReturnTo: want})
	delete(b.cookies, [2]string{b.binding(t).Name, "/"})
	got, err := d.Open(b.request(callback), tx.State, callback)
	if !errors.Is(err, transaction.ErrNoBinding) || got.ReturnTo != want {
		t.Errorf("%v, return URL of %d bytes", err, len(got.ReturnTo))
	}
}

// T016: the return cookie of one transaction does not serve another, nor does
// anything else that is sealed.
func TestReturnCookieIsBound(t *testing.T) {
	d, _ := newDesk(t)
	b, other := newBrowser(), newBrowser()
	tx := b.start(t, d, transaction.Begin{ReturnTo: "/mine" + strings.Repeat("a", 500)})
	other.start(t, d, transaction.Begin{ReturnTo: "/theirs" + strings.Repeat("a", 500)})
	for at, c := range other.cookies {
		if strings.Contains(at[0], "return") {
			b.cookies[at] = c
		}
	}
	got, err := d.Open(b.request(callback), tx.State, callback)
	if err != nil || got.ReturnTo != "" {
		t.Errorf("%q, %v, want no return URL", got.ReturnTo, err)
	}
	for at, c := range b.cookies {
		if strings.Contains(at[0], "return") {
			c.Value = "garbage"
		}
	}
	if got, err := d.Open(b.request(callback), tx.State, callback); err != nil || got.ReturnTo != "" {
		t.Errorf("%q, %v, want no return URL", got.ReturnTo, err)
	}
}

// T103.
func TestClear(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	begin := transaction.Begin{ReturnTo: strings.Repeat("/", 500)}
	one := b.start(t, d, begin)
	b.start(t, d, begin)
	b.start(t, d, begin) // takes the slot of the first
	short := b.start(t, d, transaction.Begin{})
	clear := func(tx *transaction.Transaction) int {
		t.Helper()
		got, err := d.Open(b.request(callback), tx.State, callback)
		if err != nil {
			t.Fatal(err)
		}
		b.do(callback, func(w http.ResponseWriter, r *http.Request) { d.Clear(w, got) })
		return len(b.cookies)
	}
	if n := clear(one); n != 3 {
		t.Errorf("%d cookies after clearing one that another displaced, want 3", n)
	}
	if n := clear(short); n != 3 {
		t.Errorf("%d cookies after clearing one without return cookie, want 3", n)
	}
	if n := clear(b.start(t, d, begin)); n != 2 {
		t.Errorf("%d cookies after clearing, want 2", n)
	}
	h := b.do(callback, func(w http.ResponseWriter, r *http.Request) {
		if err := d.Keep(w, short); err != nil {
			t.Error(err)
		}
	})
	if len(h) > 0 {
		t.Errorf("keeping what has no return cookie sets %v", h)
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

func FuzzOpen(f *testing.F) {
	d, _ := newDesk(f)
	b := newBrowser()
	good := b.start(f, d, transaction.Begin{ReturnTo: "/reports"})
	for _, s := range []string{"", good.State, good.State[:50], good.State + "A", "state", strings.Repeat("A", 128)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		tx, err := d.Open(b.request(callback), state, callback)
		// Fuzzing processes start logins of their own, hence not state == good.
		if err == nil && tx.ReturnTo != "/reports" {
			t.Fatalf("%q opened to %+v", state, tx.Begin)
		}
		if errors.Is(err, transaction.ErrState) && tx != nil {
			t.Fatalf("%q: a transaction beside %v", state, err)
		}
	})
}

// What decodes has one encoding, so that nothing is read that we do not write.
func FuzzDecodeState(f *testing.F) {
	for _, begin := range []transaction.Begin{
		{Purpose: transaction.Login, ReturnTo: "/reports"},
		{Purpose: transaction.Consent, Scopes: []string{"a", "b"}, Identity: []byte{1}},
		{Purpose: transaction.StepUp, HasMaxAge: true, Identity: []byte{1}},
		{Purpose: transaction.StepUp, ACR: []string{"a"}, Scopes: []string{"b"}, Identity: []byte{1}},
		{Purpose: transaction.Link, Identity: []byte{1}},
		{Purpose: transaction.Silent, HasMaxAge: true, MaxAge: time.Hour, ACR: []string{"a", ""}, Identity: []byte{1}, Attempt: 3},
		{Purpose: transaction.Login, ReturnTo: strings.Repeat("/", 500)},
	} {
		content, _, err := transaction.EncodeState(transaction.Transaction{Begin: begin, Started: t0})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > 156 {
			return // longer ones put the return URL elsewhere
		}
		tx, digest, long, err := transaction.DecodeState(content)
		if err != nil {
			if !errors.Is(err, transaction.ErrState) {
				t.Fatalf("%v, want ErrState", err)
			}
			return
		}
		if long {
			tx.ReturnTo = strings.Repeat("/", 500)
		}
		again, againLong, err := transaction.EncodeState(tx)
		if err != nil {
			t.Fatalf("%x reads as %+v, which does not encode: %v", content, tx, err)
		}
		copy(again[8:16], digest)
		if long != againLong || !bytes.Equal(again, content) {
			t.Fatalf("%x reads as %+v, which encodes to %x", content, tx, again)
		}
	})
}

func BenchmarkStart(b *testing.B) {
	d := transaction.New(transaction.Config{Keys: newKeys(b, 1), Site: newSite(b, "https://app.example")})
	br := newBrowser()
	br.start(b, d, transaction.Begin{})
	first, again := httptest.NewRequest("GET", "/auth/login", nil), br.request("/auth/login")
	long := "/" + strings.Repeat("a", 1999)
	for _, bb := range []struct {
		name     string
		r        *http.Request
		returnTo string
	}{{"first", first, "/reports"}, {"again", again, "/reports"}, {"long return URL", again, long}} {
		b.Run(bb.name, func(b *testing.B) {
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				clear(w.Header())
				tx, err := d.Start(w, bb.r, transaction.Begin{Purpose: transaction.Login, ReturnTo: bb.returnTo, CallbackPath: callback})
				if err != nil {
					b.Fatal(err)
				}
				tx.Challenge()
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	d := transaction.New(transaction.Config{Keys: newKeys(b, 1), Site: newSite(b, "https://app.example")})
	br := newBrowser()
	tx := br.start(b, d, transaction.Begin{ReturnTo: "/reports"})
	r := br.request(callback)
	for name, state := range map[string]string{"ours": tx.State, "forged": tx.State[:len(tx.State)-8] + "AAAAAAAA"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = d.Open(r, state, callback)
			}
		})
	}
}
