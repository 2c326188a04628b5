package transaction_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

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

func (b *browser) load(d *transaction.Desk) { b.do("/", d.Loaded) }

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
