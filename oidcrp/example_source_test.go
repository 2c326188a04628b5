package oidcrp_test

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// customers is a source in memory; examples/connectors has one in a database.
type customers struct {
	mu  sync.Mutex
	all map[string]oidcrp.Provider
}

func (c *customers) Put(p oidcrp.Provider) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.Version = c.all[p.Name].Version + "+" // another at each change
	c.all[p.Name] = p
}

func (c *customers) Provider(_ context.Context, name string) (oidcrp.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.all[name]
	if !ok {
		return oidcrp.Provider{}, oidcrp.ErrNoProvider
	}
	return p, nil
}

func (c *customers) ByIssuer(_ context.Context, issuer string) ([]oidcrp.Provider, error) {
	return c.where(func(p oidcrp.Provider) bool { return p.Issuer == issuer })
}

func (c *customers) ByEmailDomain(_ context.Context, domain string) ([]oidcrp.Provider, error) {
	return c.where(func(p oidcrp.Provider) bool { return slices.Contains(p.EmailDomains, domain) })
}

// List shows none: whoever types an address is led to theirs.
func (c *customers) List(context.Context) ([]oidcrp.Provider, error) { return nil, nil }

func (c *customers) where(fits func(oidcrp.Provider) bool) (found []oidcrp.Provider, _ error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.all {
		if fits(p) {
			found = append(found, p)
		}
	}
	return found, nil
}

// Business customers bring their own providers, and the sign-in page asks for an
// e-mail address.
func ExampleProviderSource() {
	source := &customers{all: map[string]oidcrp.Provider{}}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:        "https://app.example.com",
		CookieKeys:     [][]byte{key(1)},
		ProviderSource: source,
		SingleSignOn:   true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	domain, ok := oidcrp.MailDomain("Bücher.example") // as an administrator types it
	if !ok {
		fmt.Println("no mail domain")
		return
	}
	source.Put(oidcrp.Provider{
		Name: "buecher", Issuer: "https://login.xn--bcher-kva.example", ClientID: "app", ClientSecret: "…",
		EmailDomains: []string{domain}, TenantSupplied: true,
	})
	w := ask(rp, rp, nil, "GET", "/auth/login?identifier=anna@bücher.example", navigate...)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// 302 https://app.example.com/auth/login?login_hint=anna%40b%C3%BCcher.example&provider=buecher
}
