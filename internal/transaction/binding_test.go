package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

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
