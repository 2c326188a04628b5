package oidcrp_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// discardResponse is a ResponseWriter that costs nothing.
type discardResponse struct{ h http.Header }

func (w *discardResponse) Header() http.Header         { return w.h }
func (w *discardResponse) Write(b []byte) (int, error) { return len(b), nil }
func (w *discardResponse) WriteHeader(int)             {}

// a1 is the session of every comparison: issuer, subject, sid, name, email,
// picture, five roles, six further claims.
var a1 = oidcrptest.User{
	Subject: "248289761001-7f3c-4a1b-9a55", Name: "Jane Q. Doe", Email: "jane.doe@corporation.example", EmailVerified: true,
	Claims: map[string]any{
		"picture": "https://cdn.corporation.example/avatars/248289761001.png",
		"roles":   []string{"reader", "writer", "approver", "auditor", "admin"},
		"locale":  "en-GB", "zoneinfo": "Europe/London", "tenant": "6f1c2f6e-5a36-4c0e-9c2a-2f2a0c5d8f11",
		"department": "Finance and Controlling", "employee": "E-0048213", "phone_number": "+44 20 7946 0958",
	},
}

func a1App(tb testing.TB, store oidcrp.Store) (http.Handler, *http.Request) {
	tb.Helper()
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key(1), key(2)}, Store: store,
		Providers: []oidcrp.Provider{{Name: "acme", Issuer: "https://login.corporation.example/tenant", ClientID: "app", RolesClaim: "roles"}},
		Claims:    []string{"name", "email", "email_verified", "picture", "locale", "zoneinfo", "tenant", "department", "employee", "phone_number"},
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/reports", nil)
	r.Header.Set("Cookie", "theme=dark; "+oidcrptest.Cookie(rp, "", a1).String()+"; _ga=GA1.1.1034567890.1700000000")
	h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		if _, ok := s.Claim("tenant"); !ok || !s.HasRole("admin") || s.Subject() == "" {
			tb.Fatal("not signed in")
		}
	}))
	return h, r
}

func BenchmarkAuthenticatedRequest(b *testing.B) {
	for name, store := range map[string]oidcrp.Store{"cookie": nil, "memory store": oidcrp.NewMemoryStore()} {
		b.Run(name, func(b *testing.B) {
			h, r := a1App(b, store)
			w := &discardResponse{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
	b.Run("one of several sites", func(b *testing.B) {
		rp := manySites(b, nil)
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = "acme.example"
		acme, err := rp.At(context.Background(), r.Host)
		if err != nil {
			b.Fatal(err)
		}
		r.AddCookie(oidcrptest.Cookie(acme, "", a1))
		h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if oidcrp.FromContext(r.Context()) == nil {
				b.Fatal("not signed in")
			}
		}))
		w := &discardResponse{h: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			clear(w.h)
			h.ServeHTTP(w, r)
		}
	})
	b.Run("bad cookie", func(b *testing.B) {
		rp, err := oidcrp.New(goodConfig())
		if err != nil {
			b.Fatal(err)
		}
		h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if oidcrp.FromContext(r.Context()) != nil {
				b.Fatal("signed in")
			}
		}))
		_, r := a1App(b, nil)
		name := sessionNameOf(r)
		c, err := r.Cookie(name)
		if err != nil {
			b.Fatal(err)
		}
		r.Header.Set("Cookie", name+"="+flip(c.Value))
		w := &discardResponse{h: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			clear(w.h)
			h.ServeHTTP(w, r)
		}
	})
}

// loginRedirect is the start of a login that asks nobody anything.
func loginRedirect(tb testing.TB) (http.Handler, *http.Request) {
	op := oidcrptest.NewProvider(tb)
	p := op.Config("test", "http://localhost:3000")
	p.PAR = oidcrp.Refused
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Providers: []oidcrp.Provider{p}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/auth/login", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	w := &discardResponse{h: http.Header{}}
	rp.ServeHTTP(w, r)
	if w.h.Get("Location") == "" {
		tb.Fatal("no redirect")
	}
	return rp, r
}

func BenchmarkLoginRedirect(b *testing.B) {
	h, r := loginRedirect(b)
	w := &discardResponse{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		clear(w.h)
		h.ServeHTTP(w, r)
	}
}

// What every request pays is counted here, and timed by the benchmarks.
func TestAllocationsOfAnAuthenticatedRequest(t *testing.T) {
	if raceEnabled {
		return // the detector allocates for itself
	}
	for name, tt := range map[string]struct {
		store oidcrp.Store
		most  float64
	}{"cookie": {nil, 4}, "memory store": {oidcrp.NewMemoryStore(), 8}} {
		h, r := a1App(t, tt.store)
		w := &discardResponse{h: http.Header{}}
		got := testing.AllocsPerRun(100, func() {
			clear(w.h)
			h.ServeHTTP(w, r)
		})
		if got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		}
	}
	_, r := a1App(t, nil)
	c, err := r.Cookie(sessionNameOf(r))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Name) + 1 + len(c.Value); n > 850 {
		t.Errorf("the cookie has %d bytes, want at most 850", n)
	}
}

// So is what a redirect to the provider costs, which anybody can ask for.
func TestAllocationsOfALoginRedirect(t *testing.T) {
	if raceEnabled {
		return
	}
	h, r := loginRedirect(t)
	w := &discardResponse{h: http.Header{}}
	got := testing.AllocsPerRun(100, func() {
		clear(w.h)
		h.ServeHTTP(w, r)
	})
	if got > 14 {
		t.Errorf("%v allocations, want at most 14", got)
	}
}

func sessionNameOf(r *http.Request) string {
	for _, c := range r.Cookies() {
		if len(c.Value) > 300 {
			return c.Name
		}
	}
	return ""
}

// manySites has a site for every host.
func manySites(b *testing.B, store oidcrp.Store) *oidcrp.RelyingParty {
	b.Helper()
	rp, err := oidcrp.New(oidcrp.Config{
		CookieKeys: [][]byte{key(1), key(2)}, Store: store, Providers: goodConfig().Providers, Logger: slog.New(slog.DiscardHandler),
		Sites: func(_ context.Context, host string) (oidcrp.Site, error) {
			return oidcrp.Site{BaseURL: "https://" + host}, nil
		},
	})
	if err != nil {
		b.Fatal(err)
	}
	return rp
}

// BenchmarkFirstRequestAtASite is what it costs that a site is not kept.
func BenchmarkFirstRequestAtASite(b *testing.B) {
	rp := manySites(b, oidcrp.NewMemoryStore())
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := rp.At(context.Background(), strconv.Itoa(i)+".example"); err != nil {
			b.Fatal(err)
		}
	}
}
