// Package run has what an example needs around the part that is to be read: an
// address that says what browsers call it, a development provider, and an end
// at Ctrl-C that cuts nobody off.
package run

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
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// patience is how long a request's header may take, and those who are being
// served are waited for at the end.
const patience = 10 * time.Second

// Build makes the application that browsers find at baseURL.
type Build func(baseURL string, p oidcrp.Provider) (http.Handler, error)

// Main is the main function of an example that needs nothing but an
// application and a development provider.
func Main(name string, build Build) {
	log.SetFlags(0)
	log.SetPrefix(name + ": ")
	addr := flag.String("addr", "localhost:3000", "address of the application, on this machine")
	providerAddr := flag.String("provider-addr", "127.0.0.1:4000", "loopback address of the development provider")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("unexpected argument %q", flag.Arg(0))
	}
	ctx, stop := UntilInterrupted()
	defer stop()
	if err := Example(ctx, name, *addr, *providerAddr, build, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// UntilInterrupted returns a context that Ctrl-C ends. A second Ctrl-C ends
// the program at once.
func UntilInterrupted() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// Example is Main with what that takes from the command line.
func Example(ctx context.Context, name, addr, providerAddr string, build Build, out io.Writer) error {
	ln, baseURL, err := Listen(addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	defer ln.Close()
	provider, err := oidcrptest.StartProvider(providerAddr)
	if err != nil {
		return fmt.Errorf("-provider-addr: %w", err)
	}
	defer provider.Close()
	handler, err := build(baseURL, provider.Config("dev", baseURL))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "Open:      %s\n", baseURL)
	AnnounceProvider(out, provider)
	fmt.Fprintln(out, "Ctrl-C ends it.")
	err = Serve(ctx, ln, handler)
	fmt.Fprintf(out, "Example %s ended.\n", name)
	return err
}

// AnnounceProvider says where a development provider is, and who can sign in
// there.
func AnnounceProvider(out io.Writer, provider *oidcrptest.Provider) {
	var users []string
	for _, u := range provider.Users() {
		users = append(users, u.Subject)
	}
	fmt.Fprintf(out, "Provider:  %s\n", provider.Issuer())
	fmt.Fprintf(out, "Users:     %s (no password)\n", strings.Join(users, ", "))
}

// Listen opens a port of this machine, and says where browsers find it. Others
// cannot reach it: at a development provider anybody may sign in as anybody.
func Listen(addr string) (ln net.Listener, baseURL string, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return nil, "", fmt.Errorf("%q is not on this machine alone: use localhost", addr)
	}
	if ln, err = net.Listen("tcp", addr); err != nil {
		return nil, "", err
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, "", errors.Join(err, ln.Close())
	}
	return ln, "http://" + net.JoinHostPort(host, port), nil
}

// Serve serves until ctx is done, and then to the end whom it is serving.
// Streams, which have no end of their own, see their request's context end.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler) error {
	streams, end := context.WithCancel(context.Background())
	defer end()
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: patience,
		BaseContext:       func(net.Listener) context.Context { return streams },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return server.Shutdown(ctx)
}
