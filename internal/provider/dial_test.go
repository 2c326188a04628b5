package provider_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func TestPublicAddresses(t *testing.T) {
	for _, tt := range []struct {
		addr string
		want bool
	}{
		{"8.8.8.8", true},
		{"192.0.1.1", true},
		{"172.15.255.255", true},
		{"2606:4700::1111", true},
		{"::ffff:8.8.8.8", true},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"100.64.0.1", false},
		{"127.0.0.1", false},
		{"127.8.8.8", false},
		{"169.254.169.254", false},
		{"172.16.0.1", false},
		{"192.0.0.8", false},
		{"192.0.2.1", false},
		{"192.168.0.1", false},
		{"198.18.0.1", false},
		{"198.51.100.1", false},
		{"203.0.113.1", false},
		{"224.0.0.1", false},
		{"240.0.0.1", false},
		{"255.255.255.255", false},
		{"::", false},
		{"::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:10.0.0.1", false},
		{"64:ff9b::a00:1", false},
		{"2001::1", false},
		{"2001:db8::1", false},
		{"2002:a00:1::", false},
		{"3fff::1", false},
		{"fc00::1", false},
		{"fd00:ec2::254", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"ff02::1", false},
		{"2606:4700::1%eth0", false},
	} {
		if got := provider.IsPublic(netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.addr, got, tt.want)
		}
	}
}

// Whatever a name said when it was checked, what counts is what is dialled
// (T068). Here a name resolves to this machine.
func TestTenantsAreNotDialledInside(t *testing.T) {
	f := newFake(t)
	port := f.URL[strings.LastIndex(f.URL, ":"):]
	client := &http.Client{Transport: provider.NewTransport(true)}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		_, err := client.Get("http://" + host + port)
		if err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v; want a refusal", host, err)
		}
	}
	if len(f.got) != 0 {
		t.Errorf("the server inside got %v", f.got)
	}
}

func TestTenantsUseNeitherTheCallersClientNorAProxy(t *testing.T) {
	used := false
	s := valid()
	s.Issuer, s.TenantSupplied = "https://tenant.invalid", true
	s.HTTPClient = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		used = true
		return nil, errors.New("used")
	})}
	p, err := provider.New(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(context.Background()); !errors.Is(err, provider.ErrUnavailable) || used {
		t.Errorf("got %v, used %v", err, used)
	}
	if provider.NewTransport(false).ResponseHeaderTimeout != 0 {
		t.Error("an API has to answer within the time of our own calls")
	}
	if provider.NewTransport(true).Proxy != nil {
		t.Error("a tenant's transport may use a proxy")
	}
	if provider.NewTransport(false).Proxy == nil {
		t.Error("an operator's provider does not use the environment's proxy")
	}
}
