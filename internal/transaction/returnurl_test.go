package transaction_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

func TestReturnURLThatIsTooLongIsNotCarried(t *testing.T) {
	d, _ := newDesk(t)
	b := newBrowser()
	tx := b.start(t, d, transaction.Begin{ReturnTo: strings.Repeat("/", transaction.MaxReturnTo+1)})
	if tx.ReturnTo != "" || len(b.cookies) != 1 {
		t.Errorf("return URL of %d bytes in %d cookies", len(tx.ReturnTo), len(b.cookies))
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
