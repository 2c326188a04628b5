package oidcrp

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// The defaults of Config.
const (
	defaultPrefix            = "/auth"
	defaultSessionLifetime   = 12 * time.Hour
	defaultLoginTimeout      = 10 * time.Minute
	maxLoginTimeout          = time.Hour
	defaultStillAllowedEvery = 5 * time.Minute
	clockSkew                = time.Minute
)

// NoEndpoint in [Endpoints] is for an endpoint that the metadata has and this
// application is not to use.
const NoEndpoint = "-"

// Endpoints are endpoint addresses that replace the metadata's; [NoEndpoint]
// removes one, and "" leaves it as advertised.
type Endpoints struct {
	Authorization string
	Token         string
	UserInfo      string
	JWKS          string
	EndSession    string
	PAR           string
	Revocation    string
	Registration  string // of clients
}

// UserInfoPolicy says whether UserInfo is asked, and what a failure means.
type UserInfoPolicy int

// The values of [UserInfoPolicy].
const (
	// UserInfoOff never asks.
	UserInfoOff UserInfoPolicy = iota
	// UserInfoOptional asks, and continues without its claims, with a warning,
	// when that fails.
	UserInfoOptional
	// UserInfoRequired asks, and fails the login when that fails.
	UserInfoRequired
)

// Usage says whether an extension is used.
type Usage int

// The values of [Usage].
const (
	// WhenAdvertised uses it where the provider's metadata offers it.
	WhenAdvertised Usage = iota
	// Required fails logins at a provider that does not offer it.
	Required
	// Refused never uses it.
	Refused
)

// complaints collects everything wrong with a Config.
type complaints []error

// add says what is wrong with a field, and what to change.
func (c *complaints) add(format string, args ...any) {
	*c = append(*c, fmt.Errorf("oidcrp: Config."+format, args...))
}

func (c *complaints) addAll(prefix string, err error) {
	for _, e := range unjoin(err) {
		c.add("%s%w", prefix, e)
	}
}

// unjoin takes errors.Join apart.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// parseBaseURL accepts https, and http on loopback.
func parseBaseURL(raw string) (*url.URL, error) {
	if raw == "" {
		return nil, errors.New(`BaseURL: missing: give the address browsers use, such as "https://app.example.com"`)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil, u.Host == "", u.Hostname() == "", u.Opaque != "", u.User != nil, u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf(`BaseURL: %q is not an address: give scheme and host, such as "https://app.example.com"`, raw)
	case strings.ContainsFunc(u.Host, func(c rune) bool { return c >= 0x80 }):
		return nil, fmt.Errorf("BaseURL: %q: write the host in punycode, as browsers send it: \"xn--…\"", raw)
	case u.RawQuery != "", u.ForceQuery, u.Fragment != "", hasDotSegment(u.EscapedPath()), strings.Contains(u.Path, "//"):
		return nil, fmt.Errorf("BaseURL: %q: remove query, fragment, and dots or double slashes in the path", raw)
	case u.Scheme == "http" && !provider.Loopback(u.Hostname()):
		return nil, fmt.Errorf("BaseURL: %q: use https: browsers drop the cookies of a login over plain http; only localhost, *.localhost and loopback addresses are excepted", raw)
	}
	host, ok := browserHost(u)
	if !ok {
		return nil, fmt.Errorf("BaseURL: %q: give a port from 1 to 65535, and an address without zone", raw)
	}
	u.Host = host
	return u, nil
}

// browserHost is host and port as browsers write them in an origin: without the
// scheme's own port, a number in one way, IPv6 in its shortest.
func browserHost(u *url.URL) (host string, ok bool) {
	host = strings.ToLower(u.Hostname())
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is6() {
		host = "[" + addr.String() + "]"
		if addr.Is4In6() {
			b := addr.As16()
			host = fmt.Sprintf("[::ffff:%x:%x]", uint(b[12])<<8|uint(b[13]), uint(b[14])<<8|uint(b[15]))
		}
		if addr.Zone() != "" {
			return "", false
		}
	}
	if u.Port() == "" {
		return host, true
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return "", false
	}
	if port == map[string]uint64{"https": 443, "http": 80}[u.Scheme] {
		return host, true
	}
	return host + ":" + strconv.FormatUint(port, 10), true
}

// keys makes random ones where the configuration may do without.
func (c *complaints) keys(cfg *Config, base *url.URL, log *slog.Logger) *cookie.Keys {
	raw := cfg.CookieKeys
	if len(raw) == 0 {
		if base == nil && strings.Contains(cfg.BaseURL, "localhost") {
			return nil // what is wrong with it has been said
		}
		if base == nil || !provider.Loopback(base.Hostname()) {
			c.add("CookieKeys: missing: give at least one key of 32 random bytes, the same on every node; only a BaseURL on localhost does without")
			return nil
		}
		key := make([]byte, 32)
		rand.Read(key)
		raw = [][]byte{key}
		log.Warn("no CookieKeys: sessions end with this process; set at least one key of 32 random bytes")
	}
	for i, key := range raw {
		for _, p := range cfg.Providers {
			if p.ClientSecret != "" && string(p.ClientSecret) == string(key) {
				c.add("CookieKeys[%d]: is also the client secret of provider %q: use a key of its own", i, p.Name)
			}
		}
	}
	keys, err := cookie.NewKeys(raw)
	c.addAll("CookieKeys: ", err)
	return keys
}

// path checks a setting that is a path below the base URL.
func (c *complaints) path(field, path string) (ok bool) {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || path == "/" || strings.HasSuffix(path, "/") ||
		strings.Contains(path, "//") || hasDotSegment(path) || u.EscapedPath() != path {
		c.add("%s: %q: give a path such as \"/auth\": starting with a slash, not ending with one, without query, dots or double slashes", field, path)
		return false
	}
	return true
}

// span checks a duration.
func (c *complaints) span(field string, d, least, most time.Duration) {
	if d < least || d > most {
		c.add("%s: %v: give a duration from %v to %v", field, d, least, most)
	}
}

// badPointer is a JSON Pointer with an escape that is none (RFC 6901 3).
var badPointer = regexp.MustCompile(`^/.*~([^01]|$)`)

// claimNames checks what a session is to keep.
func (c *complaints) claimNames(names []string) {
	for i, name := range names {
		switch {
		case name == "" || name == "/" || badPointer.MatchString(name):
			c.add("Claims[%d]: %q: give a claim's name, or a JSON Pointer such as \"/realm_access/roles\"", i, name)
		case slices.Index(names, name) != i:
			c.add("Claims[%d]: %q is there already: remove it", i, name)
		}
		for _, other := range names {
			if strings.HasPrefix(name, "/"+strings.TrimPrefix(other, "/")+"/") {
				c.add("Claims[%d]: %q is part of %q: keep one of them", i, name, other)
			}
		}
	}
}

// origins checks Config.CrossOrigin.
func (c *complaints) origins(origins []string) []string {
	for i, origin := range origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			c.add(`CrossOrigin[%d]: %q: give scheme and host only, such as "https://admin.example.com"`, i, origin)
		}
	}
	return slices.Clone(origins)
}

// baseURL is nil where there is none, be it that Sites gives several.
func (c *complaints) baseURL(cfg *Config) *url.URL {
	if cfg.Sites != nil && cfg.BaseURL == "" {
		return nil
	}
	if cfg.Sites != nil {
		c.add("BaseURL: remove it, or Sites, which gives one for each host")
	}
	base, err := parseBaseURL(cfg.BaseURL)
	c.addAll("", err)
	return base
}

// live moves in at the base URL, or gets ready to do so at several.
func (rp *RelyingParty) live(cfg *Config, base *url.URL) {
	if cfg.Sites == nil {
		rp.furnish(cookie.NewSite(base))
		return
	}
	rp.rooms.needs = rp.rooms.keys.Box("needs", "")
	rp.place, rp.nowhere, rp.sites = nil, &place{needs: rp.rooms.needs}, newSites(cfg.Sites)
}

// check builds everything New needs of cfg.
func (rp *RelyingParty) check(cfg *Config) error {
	var c complaints
	base := c.baseURL(cfg)
	keys := c.keys(cfg, base, rp.log)
	if base == nil {
		base = &url.URL{Scheme: "https", Host: "unknown.invalid"} // to find the other mistakes
	}
	rp.place = &place{site: newSite(base)} // furnished when all is right
	c.path("Prefix", rp.prefix)
	if rp.signInPath != "" {
		c.path("SignInPath", rp.signInPath)
	}
	c.span("SessionLifetime", rp.lifetime, time.Minute, 400*24*time.Hour)
	c.span("LoginTimeout", rp.loginTimeout, time.Minute, maxLoginTimeout)
	c.span("StillAllowedEvery", rp.stillAllowedEvery, time.Second, 400*24*time.Hour)
	if cfg.IdleTimeout != 0 {
		c.span("IdleTimeout", cfg.IdleTimeout, time.Minute, max(rp.lifetime, time.Minute))
	}
	if cfg.CookieSessions && cfg.Store == nil {
		c.add("CookieSessions: needs Store, for what has ended; without one sessions are in cookies anyway: remove it")
	}
	c.claimNames(rp.claims)
	rp.crossOrigins = c.origins(cfg.CrossOrigin)
	c.providers(rp, cfg)
	if cfg.WebFinger != nil {
		var err error
		rp.finder, err = provider.NewFinder(cfg.WebFinger, cfg.HTTPClient)
		c.addAll("WebFinger: ", err)
	}
	if rp.routes = rp.makeRoutes(); rp.signInPath != "" {
		if _, ours := rp.route(rp.site.path + rp.signInPath); ours {
			c.add("SignInPath: %q is an address of ours: choose another", cfg.SignInPath)
		}
	}
	c.addAliases(rp, cfg)
	c.pages(rp, cfg)
	if len(c) == 0 {
		rp.rooms = rp.build(cfg, keys)
		rp.live(cfg, base)
	}
	return errors.Join(c...)
}

// pages builds the renderer of our own pages.
func (c *complaints) pages(rp *RelyingParty, cfg *Config) {
	var err error
	rp.pages, err = pages.New(cfg.Pages, cfg.Messages)
	c.addAll("", err)
}
