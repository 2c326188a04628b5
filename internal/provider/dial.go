package provider

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// errAddress refuses to dial for a tenant-supplied provider.
var errAddress = errors.New("the host has an address that is not public")

// special are the blocks inside the public space that lead elsewhere
// (RFC 6890 and its registries).
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space, carrier NAT
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"), // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // Teredo and other protocols
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: holds any IPv4 address
	netip.MustParsePrefix("3fff::/20"),
}

// globalV6 is all that has been given out for the public Internet.
var globalV6 = netip.MustParsePrefix("2000::/3")

// isPublic reports whether addr is an ordinary address of the public Internet.
func isPublic(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	if addr.Is6() && !globalV6.Contains(addr) {
		return false
	}
	for _, block := range special {
		if block.Contains(addr) {
			return false
		}
	}
	return true
}

// refuseInside runs after the name was resolved and for each address that is
// tried, so a name that changes its mind gains nothing.
func refuseInside(network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(to.Addr()) {
		return errAddress
	}
	return nil
}

// newTransport returns a transport of our own. It sets no time for an answer:
// each call of ours has a deadline, and an API may take as long as the
// application lets it. The one for tenant-supplied providers dials itself,
// without a proxy: a proxy would resolve the name again, out of our sight.
func newTransport(tenant bool) *http.Transport {
	dialer := &net.Dialer{Timeout: callTimeout}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    callTimeout,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    4,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if tenant {
		dialer.Control = refuseInside
		return t
	}
	t.Proxy = http.ProxyFromEnvironment
	return t
}
