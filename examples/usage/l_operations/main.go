// Day and night: the application starts while its provider is down, says so
// when asked for its health, signs people in as soon as the provider is back,
// and ends without cutting anybody off.
//
// Run it as ../usage.go says, and open http://localhost:3000/status, and / to
// sign in.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/usage"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func app(rp *oidcrp.RelyingParty) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		// Makes no network call. A provider that is down is no reason to take
		// this node out: those who are signed in still work.
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(rp.Status())
	})
	mux.Handle("/", rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s\n", oidcrp.FromContext(r.Context()).Name())
	})))
	return mux
}

func run(ctx context.Context) error {
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: "http://localhost:3000",
		Providers: []oidcrp.Provider{{
			Issuer:       os.Getenv("OIDC_ISSUER"),
			ClientID:     os.Getenv("OIDC_CLIENT_ID"),
			ClientSecret: oidcrp.Secret(os.Getenv("OIDC_CLIENT_SECRET")),
		}},
	})
	if err != nil {
		return err
	}
	// Not needed: discovery happens at the first login. It only says early
	// what is wrong.
	go func() {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if err := rp.Ready(ctx); err != nil {
			log.Print(err)
		}
	}()

	ln, err := net.Listen("tcp", "localhost:3000")
	if err != nil {
		return err
	}
	return serve(ctx, ln, rp)
}

// serve returns when everybody has been served who came before ctx was done.
func serve(ctx context.Context, ln net.Listener, rp *oidcrp.RelyingParty) error {
	server := &http.Server{Handler: app(rp), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	// Serve returns as soon as Shutdown begins; Shutdown is what waits.
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := server.Shutdown(ctx)               // requests
	return errors.Join(err, rp.Shutdown(ctx)) // and what outlives them
}

func main() {
	usage.Needs("OIDC_ISSUER", "OIDC_CLIENT_ID")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		log.Fatal(err)
	}
}
