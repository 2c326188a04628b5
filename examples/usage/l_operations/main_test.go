package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestProviderDownAtStart(t *testing.T) {
	var rp *oidcrp.RelyingParty
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (_ http.Handler, err error) {
		rp, err = oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{p}})
		if err != nil {
			return nil, err
		}
		return app(rp), nil
	})
	a.Provider.Stop()

	began := time.Now()
	page := a.Browser.Get(a.URL + "/")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
		t.Errorf("while the provider is down: %v", page)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v to say so", took)
	}
	if page := a.Browser.Get(a.URL + "/livez"); page.Status != http.StatusOK {
		t.Errorf("livez: %v", page)
	}
	var status oidcrp.Status
	if err := a.Browser.Get(a.URL + "/status").JSON(&status); err != nil {
		t.Fatal(err)
	}
	if len(status.Providers) != 1 || status.Providers[0].Ready || status.Providers[0].LastError == "" {
		t.Errorf("status: %+v", status)
	}

	if err := a.Provider.Start(); err != nil {
		t.Fatal(err)
	}
	// It is asked again after a while that grows with each failure.
	deadline := time.Now().Add(10 * time.Second)
	for page = a.Browser.Get(a.URL + "/"); page.Status == http.StatusServiceUnavailable; page = a.Browser.Get(a.URL + "/") {
		if time.Now().After(deadline) {
			t.Fatalf("the provider is back: %v", page)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if page.Title() != "Sign in" {
		t.Errorf("the provider is back: %v", page)
	}
}

// Who is being served at the end, here by a provider that takes its time, is
// served to the end.
func TestEndCutsNobodyOff(t *testing.T) {
	asked, answer := make(chan bool, 10), make(chan bool)
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-answer
		http.Error(w, "not today", http.StatusServiceUnavailable)
	}))
	defer provider.Close()
	answers := sync.OnceFunc(func() { close(answer) })
	defer answers()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	baseURL := "http://" + ln.Addr().String()
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL,
		Providers: []oidcrp.Provider{{Issuer: provider.URL, ClientID: "app", ClientSecret: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	ended, served := make(chan error, 1), make(chan *oidcrptest.Page, 1)
	go func() { ended <- serve(ctx, ln, rp) }()
	go func() { served <- oidcrptest.NewBrowser(t).Get(baseURL + "/") }()
	<-asked
	interrupt()
	for err == nil { // until it listens no more
		var conn net.Conn
		if conn, err = net.Dial("tcp", ln.Addr().String()); err == nil {
			conn.Close()
		}
	}
	select {
	case err := <-ended:
		t.Fatalf("it ended with a request unanswered: %v", err)
	default:
	}
	answers()
	if page := <-served; page.Status != http.StatusServiceUnavailable {
		t.Errorf("the request ended with %v", page)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStatusIsJSON(t *testing.T) {
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{Issuer: "https://login.example.com", ClientID: "app", ClientSecret: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	app(rp).ServeHTTP(w, httptest.NewRequest("GET", "/status", nil))
	var status oidcrp.Status
	if err := json.Unmarshal(w.Body.Bytes(), &status); err != nil || len(status.Providers) != 1 {
		t.Errorf("%s: %v", w.Body, err)
	}
}
