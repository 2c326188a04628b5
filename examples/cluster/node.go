package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/redis/go-redis/v9"

	"github.com/seed-78edd7da/go-oidcrp/examples/stores"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// node is a place in the cluster, with a process or without.
type node struct {
	number  int
	cluster *cluster

	changing sync.Mutex // one start or stop at a time
	mu       sync.Mutex
	running  *process // nil: the node is down
}

// process is the application on a node. Like a process it takes all it knows
// with it when it ends: what a visitor finds again was in the cookie or in
// Redis.
type process struct {
	number  int
	cluster *cluster
	redis   *redis.Client
	rp      *oidcrp.RelyingParty
	server  *http.Server
	proxy   *httputil.ReverseProxy // leads here

	requests sync.WaitGroup // on their way here

	mu        sync.Mutex
	refreshes int
	did       []string // newest first
}

// start does nothing to a node that is up.
func (n *node) start() error {
	n.changing.Lock()
	defer n.changing.Unlock()
	if n.up() {
		return nil
	}
	p, err := startProcess(n.number, n.cluster)
	if err != nil {
		return fmt.Errorf("node %d: %w", n.number, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running = p
	return nil
}

// stop does nothing to a node that is down. Who is being served is served to
// the end.
func (n *node) stop() error {
	n.changing.Lock()
	defer n.changing.Unlock()
	n.mu.Lock()
	p := n.running
	n.running = nil
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.end(ctx)
}

func (n *node) up() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.running != nil
}

// take returns the node's process, nil if it is down. The process does not end
// before requests.Done is called.
func (n *node) take() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.running != nil {
		n.running.requests.Add(1)
	}
	return n.running
}

func startProcess(number int, c *cluster) (*process, error) {
	p := &process{number: number, cluster: c, redis: c.redis.client()}
	var err error
	p.rp, err = oidcrp.New(oidcrp.Config{
		// What is the same on every node.
		BaseURL:        c.baseURL,
		CookieKeys:     c.keys,
		Providers:      []oidcrp.Provider{c.settings},
		Store:          goredisstore.New(p.redis),
		Locker:         &stores.RedisLocker{Client: p.redis},
		CookieSessions: c.cookieSessions,
		SiteName:       "Twin nodes",
		// What is of this node.
		OnEvent: p.event,
		Logger:  slog.Default().With("node", number),
	})
	if err != nil {
		return nil, errors.Join(err, p.redis.Close())
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, p.redis.Close())
	}
	p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: patience}
	go p.server.Serve(ln)
	p.proxy = p.way(&url.URL{Scheme: "http", Host: ln.Addr().String()})
	return p, nil
}

func (p *process) end(ctx context.Context) error {
	arrived := make(chan struct{})
	go func() {
		p.requests.Wait()
		close(arrived)
	}()
	select {
	case <-arrived:
	case <-ctx.Done():
	}
	return errors.Join(p.server.Shutdown(ctx), p.rp.Shutdown(ctx), p.redis.Close())
}

// mostDid is how much of what happened a page shows.
const mostDid = 5

// event remembers what happened on this node, without saying to whom.
func (p *process) event(_ context.Context, e oidcrp.Event) {
	text := time.Now().Format("15:04:05 ") + string(e.Kind)
	if e.Reason != "" {
		text += " (" + e.Reason + ")"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if e.Kind == oidcrp.TokensRefreshed {
		p.refreshes++
	}
	p.did = slices.Insert(p.did, 0, text)
	p.did = p.did[:min(len(p.did), mostDid)]
}

func (p *process) happened() (refreshes int, did []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refreshes, slices.Clone(p.did)
}

// handler serves the same pages at / and at the node's own address. Addresses
// below /auth are for whichever node the balancer chooses.
func (p *process) handler() http.Handler {
	mux := http.NewServeMux()
	for _, at := range []string{"", fmt.Sprintf("/%d", p.number)} {
		mux.HandleFunc("GET "+at+"/{$}", p.page("node", at))
		mux.HandleFunc("GET "+at+"/frame", p.page("frame", at))
		mux.Handle("GET "+at+"/api", p.rp.RequireLogin(p.page("api", at)))
	}
	mux.HandleFunc("GET /watch", p.page("watch", ""))
	mux.HandleFunc("/", p.page("notfound", ""))
	return p.rp.Load(mux)
}

// call calls the API as the visitor, and says what came of it.
func (p *process) call(ctx context.Context) (answer string, ok bool) {
	res, err := p.rp.Client(ctx).Get(p.cluster.api())
	switch {
	case errors.Is(err, oidcrp.ErrNoToken):
		return "There is no token for the API: sign in again.", false
	case errors.Is(err, oidcrp.ErrProviderUnavailable):
		return "There is no fresh token, for the provider does not answer.", false
	case err != nil:
		slog.WarnContext(ctx, "API not called", "node", p.number, "err", err)
		return "The API could not be called.", false
	}
	defer res.Body.Close()
	var said struct {
		Subject string `json:"sub"`
	}
	if err := json.NewDecoder(res.Body).Decode(&said); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Sprintf("The API answered %d.", res.StatusCode), false
	}
	return "The API was called as " + said.Subject + ".", true
}
