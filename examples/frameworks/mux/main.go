// With the standard mux: Load goes around it, a guard around a handler or
// around a whole mux of its own.
//
//	go -C examples run ./frameworks/mux
package main

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func main() { run.Main("mux", app) }

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	provider.RolesClaim = "roles"
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, Providers: []oidcrp.Provider{provider}})
	if err != nil {
		return nil, err
	}

	// A group: what it serves all needs the role.
	admin := http.NewServeMux()
	admin.HandleFunc("GET /admin/{$}", controls)
	admin.HandleFunc("GET /admin/users", users)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { home.Execute(w, rp.View(r)) })
	mux.Handle("GET /reports", rp.RequireLogin(http.HandlerFunc(reports)))
	mux.Handle("POST /reports", rp.RequireLogin(http.HandlerFunc(report)))
	mux.Handle("GET /events", rp.RequireLogin(http.HandlerFunc(events)))
	mux.Handle("GET /socket", rp.RequireLogin(http.HandlerFunc(socket)))
	mux.Handle("/admin/", rp.Require(oidcrp.HasRole("admin"))(admin))
	return rp.Load(mux), nil // answers /auth/ and loads the session, once
}

// home is for everybody.
var home = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en"><title>Home</title>
{{if .SignedIn}}Hello {{.User.Name}} {{.SignOutButton}}{{else}}Hello stranger {{.SignInButton}}{{end}}
`))

func reports(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "The reports of %s\n", oidcrp.FromContext(r.Context()).Name())
}

// report comes from a page of ours: the guard has looked at its origin.
func report(w http.ResponseWriter, r *http.Request) {
	io.Copy(w, http.MaxBytesReader(w, r.Body, 1024))
}

func controls(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "The controls of %s\n", oidcrp.FromContext(r.Context()).Name())
}

func users(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "The users") }

// events are sent until the request or the session ends.
func events(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := whileSignedIn(r)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().Format(time.TimeOnly))
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// socket says what it is told. The guard has refused foreign origins already,
// by BaseURL; the Host header, which a proxy may change, need not match.
func socket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := whileSignedIn(r)
	defer cancel()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil || conn.Write(ctx, kind, message) != nil {
			return
		}
	}
}

// whileSignedIn is done when the request is, or when the session ends: a guard
// asks once, when a request begins.
func whileSignedIn(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithDeadline(r.Context(), oidcrp.FromContext(r.Context()).Expires())
}
