package transaction_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/transaction"
)

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
