package cookie

import (
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxSize is how many bytes the name and value of a cookie may have together.
// Browsers drop a larger one without a word (RFC 6265bis 5.6).
const MaxSize = 4096

var (
	// ErrTooLarge is returned by Set for a cookie no browser would keep.
	ErrTooLarge = errors.New("cookie: name and value exceed 4096 bytes")
	// ErrNoCookie is returned by Read when the request has no such cookie.
	ErrNoCookie = errors.New("cookie: not in the request")
	// ErrDuplicate is returned by Read when the request has several cookies of
	// the name. One of them was planted, and nothing tells which.
	ErrDuplicate = errors.New("cookie: more than one of the name in the request")
)

// Site is the base URL cookies belong to.
type Site struct {
	base   string // in one way of writing it
	tag    string // in the names of cookies
	id     string
	secure bool
}

// NewSite returns the site at base. Cookies of sites that differ in scheme,
// host, port or path never meet, though browsers send them to all ports.
func NewSite(base *url.URL) Site {
	scheme, host, port := strings.ToLower(base.Scheme), strings.ToLower(base.Hostname()), base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	s := Site{base: scheme + "://" + host + ":" + port + strings.TrimRight(base.EscapedPath(), "/"), secure: scheme == "https"}
	s.tag = hashOf(s.base)[:8]
	s.id = s.tag
	return s
}

// hashOf is the hash of a text, in lower-case letters and digits.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))
}

// For is the site while it is owner's, "" included. Nothing sealed for one
// owner opens for another; the cookies keep their names. Owners may choose
// base URLs, and could find one with the short hash of another's: this ID is
// too long for that.
func (s Site) For(owner string) Site {
	s.id = hashOf(s.base + "\x00" + owner)[:32]
	return s
}

// ID is a hash of the site's base URL: a short one, unless the site is For an
// owner.
func (s Site) ID() string { return s.id }

// Options are the attributes that differ between cookies. All are HttpOnly,
// none has a Domain.
type Options struct {
	Path     string        // "" is "/"
	SameSite http.SameSite // 0 is Lax
}

// Cookie is one cookie of a site: its name and attributes.
type Cookie struct {
	name  string
	path  string // "; Path=/"
	attrs string // what follows the path
}

// Cookie returns the cookie of the site that kind names. On https the name has
// the prefix that makes browsers refuse it from anywhere else. On http, which
// is loopback, only a SameSite=None cookie has prefix and Secure: browsers
// want Secure for it and grant it to localhost, while Safari drops Secure
// cookies there, so that the others do without.
func (s Site) Cookie(kind string, o Options) Cookie {
	if o.Path == "" {
		o.Path = "/"
	}
	c := Cookie{path: "; Path=" + o.Path, attrs: "; HttpOnly"}
	if s.secure || o.SameSite == http.SameSiteNoneMode {
		c.name = "__Secure-"
		if o.Path == "/" {
			c.name = "__Host-"
		}
		c.attrs += "; Secure"
	}
	c.name += "oidcrp_" + kind + "_" + s.tag
	switch o.SameSite {
	case http.SameSiteStrictMode:
		c.attrs += "; SameSite=Strict"
	case http.SameSiteNoneMode:
		c.attrs += "; SameSite=None"
	default:
		c.attrs += "; SameSite=Lax"
	}
	return c
}

// Name is the name as browsers know it.
func (c Cookie) Name() string { return c.name }

// Room is how many bytes a value may have.
func (c Cookie) Room() int { return MaxSize - len(c.name) }

// Set puts the cookie into the response, in place of one of the same name and
// path that is there already. It lives for maxAge, or with the browser when
// maxAge is 0; a negative one clears it.
func (c Cookie) Set(w http.ResponseWriter, value string, maxAge time.Duration) error {
	if maxAge < 0 {
		c.Clear(w)
		return nil
	}
	if len(value) > c.Room() {
		return fmt.Errorf("%w: %s would have %d", ErrTooLarge, c.name, len(c.name)+len(value))
	}
	if !octets(value) || !pathOctets(c.path[2:]) {
		return fmt.Errorf("cookie: %s: the value or path has a character that cookies cannot carry", c.name)
	}
	age := make([]byte, 0, len("; Max-Age=")+20)
	if maxAge > 0 {
		age = strconv.AppendInt(append(age, "; Max-Age="...), seconds(maxAge), 10)
	}
	c.put(w, c.name+"="+value+c.path+string(age)+c.attrs)
	return nil
}

// Clear makes the browser drop the cookie. Browsers want the path and
// attributes it was set with.
func (c Cookie) Clear(w http.ResponseWriter) {
	c.put(w, c.name+"="+c.path+"; Max-Age=0"+c.attrs)
}

func (c Cookie) put(w http.ResponseWriter, line string) {
	lines := w.Header()["Set-Cookie"]
	for i := range lines {
		if _, ok := c.valueOf(lines[i]); ok {
			lines[i] = line
			return
		}
	}
	w.Header()["Set-Cookie"] = append(lines, line)
}

// Written returns the value that the response sets already. A cleared cookie
// has the value "".
func (c Cookie) Written(w http.ResponseWriter) (value string, ok bool) {
	for _, line := range w.Header()["Set-Cookie"] {
		if v, ok := c.valueOf(line); ok {
			return v, true
		}
	}
	return "", false
}

// valueOf reads a Set-Cookie line of ours: the path comes first.
func (c Cookie) valueOf(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, c.name)
	if !ok || rest == "" || rest[0] != '=' {
		return "", false
	}
	value := rest[1:]
	end := strings.IndexByte(value, ';')
	if end < 0 {
		return "", false
	}
	after, ok := strings.CutPrefix(value[end:], c.path)
	if !ok || after == "" || after[0] != ';' {
		return "", false
	}
	return value[:end], true
}

// Read returns the value as sent. It allocates nothing. Names must match to
// the byte: net/http forgives a leading tab, browsers do not send one.
func (c Cookie) Read(r *http.Request) (string, error) {
	found, value := false, ""
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			pair := line
			if end := strings.IndexByte(line, ';'); end >= 0 {
				pair, line = line[:end], line[end+1:]
			} else {
				line = ""
			}
			for pair != "" && pair[0] == ' ' {
				pair = pair[1:]
			}
			if len(pair) <= len(c.name) || pair[len(c.name)] != '=' || pair[:len(c.name)] != c.name {
				continue
			}
			if found {
				return "", ErrDuplicate
			}
			found, value = true, pair[len(c.name)+1:]
		}
	}
	if !found {
		return "", ErrNoCookie
	}
	return value, nil
}

// octets reports whether s is made of cookie-octets (RFC 6265 4.1.1).
func octets(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c <= ' ', c >= 0x7f, c == '"', c == ',', c == ';', c == '\\':
			return false
		}
	}
	return true
}

func pathOctets(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f || c == ';' {
			return false
		}
	}
	return true
}

// seconds rounds up: a cookie must not end before what it carries.
func seconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
