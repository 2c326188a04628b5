// Cluster runs one application on two nodes behind a load balancer, with a
// Redis between them and a development provider beside them, all on this
// machine:
//
//	go -C examples run ./cluster
//
// Every page says which node answered it. Sign in at one node and go on at the
// other; call an API from both with a token of half a minute, and see it
// refreshed once; take a node down; sign out here, everywhere or at the
// provider, and see both nodes know at their next request.
//
// The Redis is redis-server where that is installed, and otherwise an
// imitation of it in this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/examples/run"
)

type options struct {
	addr, providerAddr string
	cookieSessions     bool
	redis              func() (*redisServer, error)
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("cluster: ")
	o := options{redis: startRedis}
	flag.StringVar(&o.addr, "addr", "localhost:3000", "loopback address of the load balancer")
	flag.StringVar(&o.providerAddr, "provider-addr", "127.0.0.1:4000", "loopback address of the development provider")
	flag.BoolVar(&o.cookieSessions, "cookie-sessions", false, "keep sessions in a sealed cookie; Redis then has tokens, and which sessions have ended")
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

// serve runs the cluster until ctx is done.
func serve(ctx context.Context, o options, out io.Writer) error {
	c, err := open(o)
	if err != nil {
		return err
	}
	c.announce(out)
	err = c.serve(ctx)
	err = errors.Join(err, c.close())
	fmt.Fprintln(out, "Cluster ended.")
	return err
}

func (c *cluster) announce(out io.Writer) {
	fmt.Fprintf(out, "Balancer:  %s\n", c.baseURL)
	for _, n := range c.nodes {
		fmt.Fprintf(out, "Node %d:    %s/%[1]d/\n", n.number, c.baseURL)
	}
	fmt.Fprintf(out, "Both:      %s/watch\n", c.baseURL)
	fmt.Fprintf(out, "Redis:     %s\n", c.redis.name)
	run.AnnounceProvider(out, c.provider)
	fmt.Fprintln(out, "Ctrl-C ends it.")
}

// patience is how long those who are being served are waited for.
const patience = 10 * time.Second

// serve ends, when ctx is done, without cutting off who is being served.
func (c *cluster) serve(ctx context.Context) error {
	server := &http.Server{Handler: c.balancer(), ReadHeaderTimeout: patience}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(c.listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return server.Shutdown(ctx)
}
