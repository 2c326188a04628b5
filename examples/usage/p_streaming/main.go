// Server-sent events, a WebSocket and a long download behind a guard. The
// ResponseWriter arrives as the server made it, so flushing, hijacking and
// deadlines work; and an answer that goes on for hours ends with the session.
//
// Run it as ../usage.go says, and open http://localhost:3000/events or /export.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/coder/websocket"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(baseURL string, provider oidcrp.Provider) (http.Handler, error) {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
	})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", events)
	mux.HandleFunc("GET /socket", socket)
	mux.HandleFunc("GET /export", export)
	return rp.Protect(mux), nil
}

// whileSignedIn is done when the request is, or when the session ends.
func whileSignedIn(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithDeadline(r.Context(), oidcrp.FromContext(r.Context()).Expires())
}

func events(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := whileSignedIn(r)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		fmt.Fprintf(w, "data: %s\n\n", time.Now().Format(time.TimeOnly))
		if err := flusher.Flush(); err != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func socket(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := whileSignedIn(r)
	defer cancel()
	// The guard has refused foreign origins by Config.BaseURL already; the
	// Host header a proxy sends need not match.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	for {
		kind, message, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if err := conn.Write(ctx, kind, message); err != nil {
			return
		}
	}
}

func export(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/csv")
	w.Header().Set("Content-Disposition", `attachment; filename="export.csv"`)
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour))
	for row := range 10_000 {
		if _, err := io.WriteString(w, fmt.Sprintf("%d,row\n", row)); err != nil {
			return
		}
	}
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	handler, err := app("http://localhost:3000", oidcrp.Provider{
		Issuer:       os.Getenv("OIDC_ISSUER"),
		ClientID:     os.Getenv("OIDC_CLIENT_ID"),
		ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:3000", handler))
}
