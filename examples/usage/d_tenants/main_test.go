package main

import (
	"bytes"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachTenantHasItsOwn(t *testing.T) {
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "tenants.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	handler, err := app(db, [][]byte{[]byte("\x8f\x12\xa7\x5c\xd3\x09\xee\x41\x7b\xc6\x30\x94\xfd\x58\x21\xba\x6e\xd7\x03\x99\x4a\xe5\x1c\x72\xb8\x0f\xc1\x66\x3d\xf4\x87\x2b")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range []string{"acme", "beta"} {
		if _, err := db.Exec(`INSERT INTO tenants VALUES (?, ?)`, tenant+".example", tenant); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Exec(`INSERT INTO providers VALUES (?, ?, ?, ?, 'app', 's3cret', ?, '1')`,
			tenant+"-login", tenant+".example", tenant, "https://login."+tenant+".invalid", tenant+".example"); err != nil {
			t.Fatal(err)
		}
	}
	get := func(host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, bytes.NewReader(nil))
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, tt := range []struct {
		host, path string
		status     int
		says       string
	}{
		{"acme.example", "/", http.StatusUnauthorized, `"login":"https://acme.example/auth/login"`},
		{"beta.example", "/", http.StatusUnauthorized, `"login":"https://beta.example/auth/login"`},
		{"nobody.example", "/", http.StatusMisdirectedRequest, "no_site"},
		{"acme.example", "/auth/callback/acme-login?state=x&code=y", http.StatusBadRequest, "state"},
		{"beta.example", "/auth/callback/acme-login?state=x&code=y", http.StatusNotFound, "unknown_provider"},
	} {
		if w := get(tt.host, tt.path); w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
			t.Errorf("%s%s: %d %s, want %d with %s", tt.host, tt.path, w.Code, w.Body, tt.status, tt.says)
		}
	}
}
