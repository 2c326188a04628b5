package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
)

func TestEventsArriveAsTheyHappen(t *testing.T) {
	a := apptest.Start(t, app)
	a.SignIn("alice", "/export")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, "GET", a.URL+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = a.Headers()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for range 3 {
		if !lines.Scan() || !strings.HasPrefix(lines.Text(), "data: ") || !lines.Scan() {
			t.Fatalf("%d: %q, %v", res.StatusCode, lines.Text(), lines.Err())
		}
	}
}

func TestWebSocket(t *testing.T) {
	a := apptest.Start(t, app)
	a.SignIn("alice", "/export")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	conn, _, err := websocket.Dial(ctx, a.URL+"/socket", &websocket.DialOptions{HTTPHeader: a.Headers()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(ctx, websocket.MessageText, []byte("echo")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := conn.Read(ctx); err != nil || string(message) != "echo" {
		t.Errorf("%q, %v", message, err)
	}

	for name, change := range map[string]func(http.Header){
		"of another origin": func(h http.Header) { h.Set("Origin", "https://evil.example") },
		"without an origin": func(h http.Header) { h.Del("Origin") },
		"of a stranger":     func(h http.Header) { h.Del("Cookie") },
	} {
		h := a.Headers()
		change(h)
		if conn, _, err := websocket.Dial(ctx, a.URL+"/socket", &websocket.DialOptions{HTTPHeader: h}); err == nil {
			conn.CloseNow()
			t.Errorf("a socket %s was accepted", name)
		}
	}
}

func TestDownload(t *testing.T) {
	a := apptest.Start(t, app)
	page := a.SignIn("alice", "/export")
	if page.Status != http.StatusOK || strings.Count(page.Body, "\n") != 10_000 {
		t.Errorf("%d, %d rows", page.Status, strings.Count(page.Body, "\n"))
	}
}
