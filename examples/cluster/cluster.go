package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// providerName is in the addresses that the provider is given.
const providerName = "main"

// tokenLifetime lets a visitor see an access token end.
const tokenLifetime = 30 * time.Second

// cluster is the nodes and what they share.
type cluster struct {
	baseURL        string
	listener       net.Listener
	redis          *redisServer
	provider       *oidcrptest.Provider
	nodes          []*node
	turn           atomic.Uint64 // of the balancer
	settings       oidcrp.Provider
	keys           [][]byte
	cookieSessions bool
}

// open gets everything ready to serve, or closes what it has opened.
func open(o options) (_ *cluster, err error) {
	key := make([]byte, 32)
	rand.Read(key)
	c := &cluster{keys: [][]byte{key}, cookieSessions: o.cookieSessions}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.listener, c.baseURL, err = listen(o.addr); err != nil {
		return nil, err
	}
	if c.provider, err = oidcrptest.StartProvider(o.providerAddr); err != nil {
		return nil, fmt.Errorf("-provider-addr: %w", err)
	}
	c.provider.SetTokenLifetime(tokenLifetime)
	c.settings = c.register()
	if c.redis, err = o.redis(); err != nil {
		return nil, err
	}
	for number := 1; number <= 2; number++ {
		n := &node{number: number, cluster: c}
		if err := n.start(); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	return c, nil
}

func (c *cluster) close() error {
	var errs []error
	if c.listener != nil {
		if err := c.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for _, n := range c.nodes {
		errs = append(errs, n.stop())
	}
	if c.redis != nil {
		errs = append(errs, c.redis.close())
	}
	if c.provider != nil {
		errs = append(errs, c.provider.Close())
	}
	return errors.Join(errs...)
}

// listen opens the balancer's port, and says where browsers find it.
func listen(addr string) (net.Listener, string, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", fmt.Errorf("-addr: %w", err)
	}
	if ip := net.ParseIP(host); host != "localhost" && !ip.IsLoopback() {
		return nil, "", fmt.Errorf("-addr: %q is not on this machine alone, and anybody may sign in here as anybody", addr)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, "", fmt.Errorf("-addr: %w", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return nil, "", errors.Join(err, ln.Close())
	}
	return ln, "http://" + net.JoinHostPort(host, port), nil
}

// register makes the application a client of the provider, which tells it of
// logouts in both ways. All addresses are the balancer's: whichever node a
// message reaches, both act on it.
func (c *cluster) register() oidcrp.Provider {
	client := c.provider.AddClient(oidcrptest.Client{
		ID:                     "cluster",
		Name:                   "Twin nodes",
		RedirectURLs:           []string{c.baseURL + "/auth/callback/" + providerName},
		PostLogoutRedirectURLs: []string{c.baseURL + "/auth/logout"},
		BackchannelLogoutURL:   c.baseURL + "/auth/backchannel-logout/" + providerName,
		FrontchannelLogoutURL:  c.baseURL + "/auth/frontchannel-logout/" + providerName,

		FrontchannelLogoutSessionRequired: true,
	})
	return oidcrp.Provider{
		Name:               providerName,
		DisplayName:        "the provider",
		Issuer:             c.provider.Issuer(),
		ClientID:           client.ID,
		ClientSecret:       oidcrp.Secret(client.Secret),
		KeepTokens:         true,
		APIs:               []oidcrp.API{{URL: c.api()}},
		BackchannelLogout:  true,
		FrontchannelLogout: true,
	}
}

// api is what the application calls for its visitors.
func (c *cluster) api() string { return c.provider.URL(oidcrptest.ResourceEndpoint) }

// refreshes is how often the nodes came to the provider for another token.
func (c *cluster) refreshes() int {
	count := 0
	for _, r := range c.provider.Requests(oidcrptest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" {
			count++
		}
	}
	return count
}
