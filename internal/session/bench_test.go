package session_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// typical is the session of the benchmarks: issuer, subject, sid, name, email,
// picture, five roles, six further claims; 678 bytes as JSON.
func typical() session.Draft {
	d := session.Draft{
		Provider: "acme",
		Issuer:   "https://login.acme.example/realms/employees",
		Subject:  "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
		SID:      "08a5019c-17e1-4977-8f42-65a12843ea02",
		Roles:    []string{"reports.read", "reports.write", "orders.read", "orders.approve", "admin"},
		AuthTime: epoch.Add(-time.Minute),
		IssuedAt: epoch,
	}
	for _, c := range [][2]string{
		{"name", "Ada Augusta King Lovelace"},
		{"email", "ada.lovelace@research.acme.example"},
		{"picture", "https://avatars.acme.example/a/ACg8ocJ3pPqVvX0mZ5kY1n2bWq4tRz7uHs9dLf6=s96-c"},
		{"tenant", "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed"},
		{"department", "Research and Development"},
		{"office_location", "Building 7, Floor 3, Room 3.42, Windsor"},
		{"locale", "en-GB"},
		{"customer_reference", "CUST-2024-00001281-EMEA"},
		{"manager_email", "charles.babbage@research.acme.example"},
	} {
		value, _ := json.Marshal(c[1])
		d.Claims = append(d.Claims, session.Claim{Name: c[0], Value: value})
	}
	return d
}

// TestTypicalSize holds the benchmarks to the size the targets are stated for:
// 678 bytes as JSON.
func TestTypicalSize(t *testing.T) {
	d := typical()
	var m struct {
		Issuer  string            `json:"issuer"`
		Subject string            `json:"subject"`
		SID     string            `json:"sid"`
		Name    json.RawMessage   `json:"name"`
		Email   json.RawMessage   `json:"email"`
		Picture json.RawMessage   `json:"picture"`
		Roles   []string          `json:"roles"`
		Claims  map[string]string `json:"claims"`
	}
	m.Issuer, m.Subject, m.SID, m.Roles = d.Issuer, d.Subject, d.SID, d.Roles
	m.Name, m.Email, m.Picture = d.Claims[0].Value, d.Claims[1].Value, d.Claims[2].Value
	m.Claims = make(map[string]string)
	for _, c := range d.Claims[3:] {
		m.Claims[c.Name] = string(c.Value[1 : len(c.Value)-1])
	}
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != 678 {
		t.Errorf("typical session has %d bytes as JSON", len(b))
	}
	t.Logf("%d bytes as JSON, %d flat", len(b), len(session.Encode(d, epoch, 43200)))
}

var epoch = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

// site gives keys and site of an https application.
func site(t testing.TB, base string) cookie.Site {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.NewSite(u)
}

func keys(t testing.TB, seeds ...byte) *cookie.Keys {
	t.Helper()
	var list [][]byte
	for _, seed := range seeds {
		key := make([]byte, 32)
		x := uint32(seed) + 1
		for i := range key {
			x = x*1664525 + 1013904223
			key[i] = byte(x >> 24)
		}
		list = append(list, key)
	}
	k, err := cookie.NewKeys(list)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// browserRequest is a request with a browser's headers and two foreign
// cookies.
func browserRequest(cookies string) *http.Request {
	r := httptest.NewRequest("GET", "https://app.example.com/reports", nil)
	r.Header.Set("Cookie", "_ga=GA1.2.1234567890.1700000000; "+cookies+"; theme=dark")
	r.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	r.Header.Set("Accept-Language", "en-GB,en;q=0.5")
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0")
	return r
}

// signedIn starts the typical session and gives the request of its visitor.
func signedIn(t testing.TB, k *session.Keeper, d session.Draft) *http.Request {
	t.Helper()
	w := httptest.NewRecorder()
	if _, err := k.Start(context.Background(), w, httptest.NewRequest("GET", "/", nil), d); err != nil {
		t.Fatal(err)
	}
	set := w.Result().Cookies()
	if len(set) != 1 {
		t.Fatalf("%d cookies set", len(set))
	}
	return browserRequest(set[0].Name + "=" + set[0].Value)
}

func benchLoad(b *testing.B, c session.Config) {
	c.Keys, c.Site = keys(b, 1), site(b, "https://app.example.com")
	k := session.New(c)
	r := signedIn(b, k, typical())
	w := httptest.NewRecorder()
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		rec, err := k.Load(ctx, w, r, true)
		if err != nil {
			b.Fatal(err)
		}
		use(b, rec)
	}
}

// use reads what the benchmarks' handler reads: subject, one role, one further
// claim.
func use(b testing.TB, rec session.Record) {
	v, ok := rec.Claim("department")
	if rec.Subject() == "" || !rec.HasRole("orders.approve") || !ok || len(v) < 3 {
		b.Fatal("record lacks something")
	}
}

// BenchmarkLoadCookie is A1 in process, cookie mode, with the idle time on.
func BenchmarkLoadCookie(b *testing.B) {
	benchLoad(b, session.Config{Idle: time.Hour})
}

// BenchmarkLoadMemoryStore is A1 in process with a store in memory.
func BenchmarkLoadMemoryStore(b *testing.B) {
	benchLoad(b, session.Config{Idle: time.Hour, Store: session.NewMemoryStore(0)})
}

// BenchmarkLoadMarked is the same where providers tell of logouts, so that
// three markers are looked for.
func BenchmarkLoadMarked(b *testing.B) {
	benchLoad(b, session.Config{Idle: time.Hour, Store: session.NewMemoryStore(0), Client: clientOf})
}

// BenchmarkLimit is the work that cannot be left out (PERFORMANCE.md, Method),
// over the same bytes: find the cookie, base64url, AES-256-GCM, one walk, the
// expiry compared. The others are judged by their ratio to it.
func BenchmarkLimit(b *testing.B) {
	block, err := aes.NewCipher(bytes.Repeat([]byte("key!"), 8))
	if err != nil {
		b.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		b.Fatal(err)
	}
	aad := []byte("session")
	sealed := aead.Seal(make([]byte, 12), make([]byte, 12), session.Encode(typical(), epoch, 43200), aad)
	r := browserRequest("session=" + base64.RawURLEncoding.EncodeToString(sealed))
	text, raw := make([]byte, 4096), make([]byte, 4096)
	now := epoch.UnixMilli()
	b.ReportAllocs()
	for b.Loop() {
		line := r.Header["Cookie"][0]
		_, value, _ := strings.Cut(line, "session=")
		value, _, _ = strings.Cut(value, ";")
		n, err := base64.RawURLEncoding.Decode(raw, text[:copy(text, value)])
		if err != nil {
			b.Fatal(err)
		}
		plain, err := aead.Open(raw[12:12], raw[:12], raw[12:n], aad)
		if err != nil || !walk(plain) || now > epoch.UnixMilli() {
			b.Fatal("does not open")
		}
	}
}

// walk passes over a flat form of as many fields, each with its length.
func walk(b []byte) bool {
	b = b[35:]
	found := 0
	for len(b) > 0 {
		n := min(int(b[0]&31), len(b)-1) + 1
		if n == 12 {
			found++
		}
		b = b[n:]
	}
	return found >= 0
}

// BenchmarkLoadBad is what a stranger makes us pay.
func BenchmarkLoadBad(b *testing.B) {
	for name, store := range map[string]session.Store{"cookie": nil, "store": session.NewMemoryStore(0)} {
		b.Run(name, func(b *testing.B) {
			k := session.New(session.Config{Keys: keys(b, 1), Site: site(b, "https://app.example.com"), Store: store})
			r := signedIn(b, k, typical())
			forged := []byte(r.Header.Get("Cookie"))
			forged[len(forged)-len("; theme=dark")-10] ^= 1
			r.Header.Set("Cookie", string(forged))
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Load(context.Background(), w, r, true); err == nil {
					b.Fatal("forged cookie loaded")
				}
			}
		})
	}
}

func BenchmarkStart(b *testing.B) {
	for name, store := range map[string]session.Store{"cookie": nil, "store": session.NewMemoryStore(1000)} {
		b.Run(name, func(b *testing.B) {
			k := session.New(session.Config{Keys: keys(b, 1), Site: site(b, "https://app.example.com"), Store: store})
			r := httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Start(context.Background(), httptest.NewRecorder(), r, typical()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	raw := string(session.Encode(typical(), epoch, 43200))
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := session.Decode(raw); !ok {
			b.Fatal("not a record")
		}
	}
}
