package oidcrptest

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	maxCookie          = 4096                 // name and value (RFC 6265bis 5.6)
	maxCookieAge       = 400 * 24 * time.Hour // RFC 6265bis 5.5
	laxPostAge         = 2 * time.Minute      // Chromium's grace for cookies without SameSite
	maxCookiesPerSite  = 180                  // Chromium's; then it drops to
	keptCookiesPerSite = 150
)

// cookie is one stored cookie. SameSite is DefaultMode where none was said.
type cookie struct {
	name, value  string
	domain, path string
	hostOnly     bool
	secure       bool
	httpOnly     bool
	sameSite     http.SameSite
	expires      time.Time // zero: with the browser
	created      time.Time
	used         int // order of use
	order        int // of creation
}

// crossing says how a request stands to the site it goes to.
type crossing struct {
	sameSite   bool // as the page or user who caused it
	topLevel   bool // it navigates a tab
	safe       bool // its method is
	thirdParty bool // within a page of another site: no cookies at all
}

func (c *cookie) crosses(x crossing, now time.Time) bool {
	if x.thirdParty {
		return false
	}
	if x.sameSite {
		return true
	}
	switch c.sameSite {
	case http.SameSiteNoneMode:
		return true
	case http.SameSiteStrictMode:
		return false
	case http.SameSiteLaxMode:
		return x.topLevel && x.safe
	default:
		return x.topLevel && (x.safe || now.Sub(c.created) < laxPostAge)
	}
}

// jar keeps the cookies of one browser.
type jar struct {
	mu      sync.Mutex
	now     func() time.Time
	cookies []*cookie
	counter int
	refused []string
}

// header returns the Cookie header of a request (RFC 6265bis 5.8.3).
func (j *jar) header(u *url.URL, x crossing) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var pairs []string
	for _, c := range j.matching(u) {
		if !c.crosses(x, j.now()) {
			continue
		}
		j.counter++
		c.used = j.counter
		if c.name == "" {
			pairs = append(pairs, c.value)
		} else {
			pairs = append(pairs, c.name+"="+c.value)
		}
	}
	return strings.Join(pairs, "; ")
}

// matching returns the live cookies for a URL in the order of the header:
// longer paths first, then older ones. j.mu is held.
func (j *jar) matching(u *url.URL) []*cookie {
	j.expire()
	host, path := strings.ToLower(u.Hostname()), u.EscapedPath()
	if path == "" {
		path = "/"
	}
	var found []*cookie
	for _, c := range j.cookies {
		hostMatches := host == c.domain || !c.hostOnly && domainMatches(host, c.domain)
		if hostMatches && pathMatches(path, c.path) && (!c.secure || trustworthy(u)) {
			found = append(found, c)
		}
	}
	slices.SortStableFunc(found, func(a, b *cookie) int {
		if d := len(b.path) - len(a.path); d != 0 {
			return d
		}
		return a.order - b.order
	})
	return found
}

func (j *jar) expire() {
	now := j.now()
	j.cookies = slices.DeleteFunc(j.cookies, func(c *cookie) bool { return !c.expires.IsZero() && !now.Before(c.expires) })
}

func domainMatches(host, domain string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return host == domain
	}
	return host == domain || strings.HasSuffix(host, "."+domain)
}

func pathMatches(path, cookiePath string) bool {
	rest, ok := strings.CutPrefix(path, cookiePath)
	return ok && (rest == "" || strings.HasSuffix(cookiePath, "/") || rest[0] == '/')
}

// store takes the Set-Cookie lines of a response and Clear-Site-Data. What a
// browser would refuse is noted with the reason.
func (j *jar) store(u *url.URL, h http.Header, x crossing) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if strings.Contains(h.Get("Clear-Site-Data"), `"cookies"`) && trustworthy(u) {
		wiped := registrableHost(u)
		j.cookies = slices.DeleteFunc(j.cookies, func(c *cookie) bool { return registrableName(c.domain) == wiped })
	}
	for _, line := range h.Values("Set-Cookie") {
		if err := j.storeLine(u, line, x); err != nil {
			name, _, _ := strings.Cut(line, "=")
			j.refused = append(j.refused, fmt.Sprintf("%s of %s: %v", name, origin(u), err))
		}
	}
}

func registrableHost(u *url.URL) string { return registrableName(strings.ToLower(u.Hostname())) }

func registrableName(host string) string {
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	return registrable(host)
}

func (j *jar) storeLine(u *url.URL, line string, x crossing) error {
	c, err := parseCookie(u, line, j.now())
	if err != nil {
		return err
	}
	if err := c.check(u); err != nil {
		return err
	}
	if x.thirdParty {
		return errors.New("third-party cookies are blocked")
	}
	if !x.sameSite && !x.topLevel && c.sameSite != http.SameSiteNoneMode {
		return errors.New("set across sites, and SameSite is not None")
	}
	j.expire()
	for i, old := range j.cookies {
		// An insecure page cannot shadow a Secure cookie (RFC 6265bis 5.7).
		if old.secure && !c.secure && !trustworthy(u) && old.name == c.name &&
			(domainMatches(old.domain, c.domain) || domainMatches(c.domain, old.domain)) && pathMatches(c.path, old.path) {
			return errors.New("an insecure page cannot replace a Secure cookie")
		}
		if old.name == c.name && old.domain == c.domain && old.hostOnly == c.hostOnly && old.path == c.path {
			c.created, c.order = old.created, old.order
			// The grace of laxPostAge starts anew with a new value.
			if old.value != c.value {
				c.created = j.now()
			}
			j.cookies = slices.Delete(j.cookies, i, i+1)
			break
		}
	}
	j.counter++
	c.used = j.counter
	if c.order == 0 {
		c.order = j.counter
	}
	j.cookies = append(j.cookies, c)
	j.expire() // a cookie set in the past is a deletion
	j.evict(registrableHost(u))
	return nil
}

// evict drops the cookies used longest ago when a site has too many.
func (j *jar) evict(name string) {
	var mine []*cookie
	for _, c := range j.cookies {
		if registrableName(c.domain) == name {
			mine = append(mine, c)
		}
	}
	if len(mine) <= maxCookiesPerSite {
		return
	}
	slices.SortFunc(mine, func(a, b *cookie) int { return a.used - b.used })
	gone := mine[:len(mine)-keptCookiesPerSite]
	j.cookies = slices.DeleteFunc(j.cookies, func(c *cookie) bool { return slices.Contains(gone, c) })
}

// parseCookie reads a Set-Cookie line (RFC 6265bis 5.6).
func parseCookie(u *url.URL, line string, now time.Time) (*cookie, error) {
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return nil, errors.New("control character")
	}
	pair, attributes, _ := strings.Cut(line, ";")
	name, value, ok := strings.Cut(pair, "=")
	if !ok {
		name, value = "", pair
	}
	c := &cookie{
		name:     strings.Trim(name, " \t"),
		value:    strings.Trim(value, " \t"),
		domain:   strings.ToLower(u.Hostname()),
		path:     defaultPath(u),
		hostOnly: true,
		sameSite: http.SameSiteDefaultMode,
		created:  now,
	}
	if c.name == "" && c.value == "" {
		return nil, errors.New("empty")
	}
	if len(c.name)+len(c.value) > maxCookie {
		return nil, fmt.Errorf("name and value are %d bytes, more than %d", len(c.name)+len(c.value), maxCookie)
	}
	var maxAge, expires *time.Time
	for attribute := range strings.SplitSeq(attributes, ";") {
		key, value, _ := strings.Cut(attribute, "=")
		key, value = strings.ToLower(strings.Trim(key, " \t")), strings.Trim(value, " \t")
		if len(value) > 1024 {
			continue
		}
		switch key {
		case "secure":
			c.secure = true
		case "httponly":
			c.httpOnly = true
		case "samesite":
			c.sameSite = sameSite(value)
		case "path":
			c.path = defaultPath(u)
			if strings.HasPrefix(value, "/") {
				c.path = value
			}
		case "domain":
			if err := c.setDomain(value); err != nil {
				return nil, err
			}
		case "max-age":
			if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
				at := time.Unix(1, 0)
				if seconds > 0 {
					at = now.Add(min(time.Duration(min(seconds, int64(maxCookieAge/time.Second)))*time.Second, maxCookieAge))
				}
				maxAge = &at
			}
		case "expires":
			if at, err := http.ParseTime(value); err == nil {
				if limit := now.Add(maxCookieAge); at.After(limit) {
					at = limit
				}
				expires = &at
			}
		}
	}
	if maxAge != nil {
		c.expires = *maxAge
	} else if expires != nil {
		c.expires = *expires
	}
	return c, nil
}

func sameSite(value string) http.SameSite {
	switch strings.ToLower(value) {
	case "strict":
		return http.SameSiteStrictMode
	case "lax":
		return http.SameSiteLaxMode
	case "none":
		return http.SameSiteNoneMode
	}
	return http.SameSiteDefaultMode
}

func defaultPath(u *url.URL) string {
	path := u.EscapedPath()
	if i := strings.LastIndexByte(path, '/'); i > 0 {
		return path[:i]
	}
	return "/"
}

func (c *cookie) setDomain(value string) error {
	domain := strings.ToLower(strings.TrimPrefix(value, "."))
	if domain == "" {
		return nil
	}
	if !domainMatches(c.domain, domain) {
		return fmt.Errorf("domain %q is not the host's", domain)
	}
	_, err := netip.ParseAddr(domain)
	if err == nil || publicSuffix(domain) {
		if domain != c.domain {
			return fmt.Errorf("domain %q is a public suffix", domain)
		}
		return nil // a host of that very name: host-only
	}
	c.domain, c.hostOnly = domain, false
	return nil
}

// check applies the rules of Secure, SameSite and the name prefixes.
func (c *cookie) check(u *url.URL) error {
	if c.secure && !trustworthy(u) {
		return errors.New("attribute Secure from an insecure page")
	}
	if c.sameSite == http.SameSiteNoneMode && !c.secure {
		return errors.New("SameSite=None without Secure")
	}
	named := c.name
	if named == "" { // "__Host-x" without "=" must not pass for a name
		named = c.value
	}
	named = strings.ToLower(named)
	host := strings.HasPrefix(named, "__host-")
	httpOnly := strings.HasPrefix(named, "__http-") || strings.HasPrefix(named, "__host-http-")
	if !host && !httpOnly && !strings.HasPrefix(named, "__secure-") {
		return nil
	}
	if c.name == "" {
		return errors.New("a prefix without a name")
	}
	if !c.secure {
		return errors.New("prefix without Secure")
	}
	if httpOnly && !c.httpOnly {
		return errors.New("__Http- without HttpOnly")
	}
	if host && (!c.hostOnly || c.path != "/") {
		return errors.New("__Host- with Domain or a Path other than /")
	}
	return nil
}
