package e2e_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// notesApp serves the page of usage/c_json_api, and an API as that program's.
func notesApp(t *testing.T, p *oidcrptest.Provider) string {
	return oidcrptest.Serve(t, func(base string) http.Handler {
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, Providers: []oidcrp.Provider{p.Config("", base)}})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		notes := []string{}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, filepath.Join("..", "..", "examples", "usage", "c_json_api", "index.html"))
		})
		mux.Handle("/api/notes", rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if r.Method == http.MethodGet {
				json.NewEncoder(w).Encode(notes)
				return
			}
			var note string
			json.NewDecoder(r.Body).Decode(&note)
			notes = append(notes, note)
			w.WriteHeader(http.StatusNoContent)
		})))
		return rp.Load(mux)
	})
}

// A page that finds itself without a session goes to sign in and comes back,
// with what was typed, and no script fails on the way.
func TestNotesOutliveTheSession(t *testing.T) {
	url := notesApp(t, oidcrptest.NewProvider(t))
	b := newProfile(t)
	var mu sync.Mutex
	var failures []string
	err := chromedp.Listen(b.ctx, func(event any) {
		if e, ok := event.(*runtime.EventExceptionThrown); ok {
			mu.Lock()
			defer mu.Unlock()
			failures = append(failures, e.ExceptionDetails.Text+" "+e.ExceptionDetails.Exception.Description)
		}
	})
	if err == nil {
		_, err = chromedp.Call(b.ctx, runtime.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.open(url + "/")
	signInEmbedded(b, "bob")
	b.until("the page", "document.querySelector('input[name=note]')")
	b.fill("input[name=note]", "buy milk")
	b.click("#add button")
	b.untilSees("buy milk")
	b.until("an empty field", "document.querySelector('input[name=note]').value === ''")

	if _, err := chromedp.Call(b.ctx, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	b.fill("input[name=note]", "and bread")
	b.click("#add button")
	signInEmbedded(b, "bob")
	b.until("what was typed", "document.querySelector('input[name=note]')?.value === 'and bread'")
	b.untilSees("buy milk")
	b.click("#add button")
	b.untilSees("and bread")
	mu.Lock()
	defer mu.Unlock()
	if len(failures) > 0 {
		t.Errorf("scripts failed: %q", failures)
	}
}
