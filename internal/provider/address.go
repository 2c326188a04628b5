package provider

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// urlRule says which addresses an endpoint may have.
type urlRule struct {
	http     bool // plain http on any host
	loopback bool // this machine, by http too
	public   bool // nothing but public addresses
	tls      bool // https, on this machine too
}

// urlRule is the rule for addresses the provider's metadata names, whose
// issuer is given, or, with nil, for those the operator typed in.
func (s *Settings) urlRule(issuer *url.URL) urlRule {
	return urlRule{
		http:     s.InsecureAllowHTTP && !s.TenantSupplied,
		loopback: !s.TenantSupplied && (issuer == nil || Loopback(issuer.Hostname())),
		public:   s.TenantSupplied,
		tls:      s.fapi(),
	}
}

// checkURL parses the address of an issuer or endpoint and holds it against
// rule. The errors say what to change, or what a provider did wrong.
func checkURL(raw string, rule urlRule) (*url.URL, error) {
	if len(raw) > 2048 {
		return nil, errors.New("the address is too long")
	}
	u, err := url.Parse(raw)
	if err != nil || strings.ContainsAny(raw, " \\") {
		return nil, errors.New("this is no address")
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the address must begin with https://")
	case u.Opaque != "" || host == "":
		return nil, errors.New("the address has no host")
	case u.User != nil:
		return nil, errors.New("the address must not have a user name or password")
	case strings.Contains(raw, "#"):
		return nil, errors.New("the address must not have a fragment")
	case thisMachine(host) && rule.public:
		return nil, errors.New("the address is one of this machine: a TenantSupplied provider has to be public")
	case thisMachine(host) && !rule.loopback:
		return nil, errors.New("the address is on this machine, the issuer's is not")
	case u.Scheme == "http" && rule.tls:
		return nil, errors.New("the address must begin with https://")
	case u.Scheme == "http" && !rule.http && !Loopback(host):
		return nil, errPlainHTTP
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return nil, errors.New("the address has a query that cannot be parsed")
	}
	return u, checkHost(host, rule)
}

var errPlainHTTP = errors.New("the address must begin with https:// (InsecureAllowHTTP admits http)")

// checkHost judges addresses given as numbers; names are judged when a
// tenant-supplied provider is dialled.
func checkHost(host string, rule urlRule) error {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return nil
	}
	addr = addr.Unmap()
	if addr.IsUnspecified() || addr.IsMulticast() || addr.IsLinkLocalUnicast() {
		return errors.New("the address is link-local, multicast or unspecified")
	}
	if rule.public && !isPublic(addr) {
		return errors.New("the address is not public")
	}
	return nil
}

// Loopback reports names of this machine (RFC 6761 6.3) that browsers trust
// without https: neither with a dot at the end nor as IPv4 in IPv6.
func Loopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.IsLoopback() && !addr.Is4In6()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// thisMachine reports all that leads to this machine, however it is written:
// what must not be called is not only what may be called.
func thisMachine(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return Loopback(strings.TrimSuffix(host, "."))
}

// origin is scheme://host[:port] of an address that was checked.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// hostOf is what must not move when metadata is refreshed.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
