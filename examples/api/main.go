// Api calls somebody else's API with the visitor's access token. It brings a
// development provider along, and on a third port the API, a calendar:
//
//	go -C examples run ./api
//
// Sign in, and read the calendar: the application has a token for that, from
// the sign-in. Add an entry: this takes one scope more, and so the provider
// asks the visitor, who comes back to the same page and never was signed out;
// or says no, by Cancel, and is not signed out either. Wait until the token has
// ended: the next call refreshes it. Forget it: the application then has none,
// and says so.
//
// The browser sees none of these tokens. They are in the Store, sealed, and
// rp.Client puts them on requests to the calendar and to nobody else.
//
// With a real provider and a real API the settings in app.go are the same:
// the issuer, client id and secret come from the provider, the scopes from the
// API's documentation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

type options struct {
	addr, providerAddr, apiAddr string
	tokenLifetime               time.Duration
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("api: ")
	var o options
	flag.StringVar(&o.addr, "addr", "localhost:3000", "address of the application, on this machine")
	flag.StringVar(&o.providerAddr, "provider-addr", "127.0.0.1:4000", "loopback address of the development provider")
	flag.StringVar(&o.apiAddr, "api-addr", "127.0.0.1:5000", "address of the calendar, on this machine")
	flag.DurationVar(&o.tokenLifetime, "token-lifetime", time.Minute, "how long an access token is good for")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	ctx, stop := run.UntilInterrupted()
	defer stop()
	if err := serve(ctx, o, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// serve runs all three until ctx is done.
func serve(ctx context.Context, o options, out io.Writer) error {
	ln, baseURL, err := run.Listen(o.addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer ln.Close()
	apiListener, apiURL, err := run.Listen(o.apiAddr)
	if err != nil {
		return fmt.Errorf("-api-addr: %w", err)
	}
	defer apiListener.Close()
	provider, err := oidcrptest.StartProvider(o.providerAddr)
	if err != nil {
		return fmt.Errorf("-provider-addr: %w", err)
	}
	defer provider.Close()
	provider.SetTokenLifetime(o.tokenLifetime)

	app, err := newApp(baseURL, apiURL, provider.Config("dev", baseURL))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open:      %s\n", baseURL)
	fmt.Fprintf(out, "API:       %s/events\n", apiURL)
	run.AnnounceProvider(out, provider)
	fmt.Fprintln(out, "Ctrl-C ends it.")

	calendar := newCalendar(provider.URL(oidcrptest.ResourceEndpoint))
	err = together(ctx, map[net.Listener]http.Handler{ln: app.handler(), apiListener: calendar})
	err = errors.Join(err, app.shutdown())
	fmt.Fprintln(out, "Example api ended.")
	return err
}

// together serves until ctx is done, or one of them fails.
func together(ctx context.Context, servers map[net.Listener]http.Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error)
	for ln, handler := range servers {
		go func() {
			err := run.Serve(ctx, ln, handler)
			cancel()
			ended <- err
		}()
	}
	var errs []error
	for range servers {
		errs = append(errs, <-ended)
	}
	return errors.Join(errs...)
}
