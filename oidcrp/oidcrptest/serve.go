package oidcrptest

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Serve runs, as long as the test, the application that build makes for its
// base URL, http://localhost and a free port, and returns that. A
// [oidcrp.Config] needs its BaseURL before there is a server, and localhost is
// another site than the provider's 127.0.0.1, as in real life.
func Serve(t testing.TB, build func(baseURL string) http.Handler) (baseURL string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("oidcrptest: Serve: %v", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		t.Fatalf("oidcrptest: Serve: %v", err)
	}
	baseURL = "http://localhost:" + port
	srv := httptest.NewUnstartedServer(build(baseURL))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)
	return baseURL
}
