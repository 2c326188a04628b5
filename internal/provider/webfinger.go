package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// ErrUnknownIdentifier: what somebody typed leads to no provider. It does not
// say whether the host was asked.
var ErrUnknownIdentifier = errors.New("the identifier leads to no provider")

const (
	webFingerEndpoint = "webfinger"
	issuerRelation    = "http://openid.net/specs/connect/1.0/issuer"
	maxIdentifier     = 500
	// maxFinds bounds the questions under way at one host: anybody can ask them,
	// and a slow host must not keep them from another.
	maxFinds = 16
)

// Finder finds out who the provider of somebody is, by asking the host of the
// identifier they typed (Discovery 2, RFC 7033). It asks the hosts it was made
// for, and no others, whatever is typed and whatever they answer.
type Finder struct {
	caller
	hosts map[string]fingerHost
}

// fingerHost is a host that may be asked.
type fingerHost struct {
	scheme string
	finds  chan struct{} // holds one for each question under way
}

// NewFinder returns a Finder for these hosts, reporting every mistake at once.
func NewFinder(hosts []string, c *http.Client) (*Finder, error) {
	f := &Finder{
		caller: caller{newClient(&Settings{HTTPClient: c}), callTimeout},
		hosts:  map[string]fingerHost{},
	}
	var m mistakes
	if len(hosts) == 0 {
		m.add("it is empty: list the hosts that may be asked, or use nil for none")
	}
	for _, entry := range hosts {
		scheme, host := "https", entry
		if bare, plain := strings.CutPrefix(entry, "http://"); plain {
			scheme, host = "http", bare
		}
		_, err := checkURL(scheme+"://"+host, urlRule{loopback: true})
		switch {
		case err != nil || !isHost(host):
			m.add("%q: give a host, such as \"example.com\" or \"example.com:8443\", without path or wildcard; http:// may be in front of one of this machine", entry)
		case f.hosts[trimPort(host)].scheme != "":
			m.add("%q is there already: remove it", entry)
		default:
			f.hosts[trimPort(host)] = fingerHost{scheme, make(chan struct{}, maxFinds)}
		}
	}
	return f, errors.Join(m...)
}

// isHost reports whether s is host, or host and port, in lower-case ASCII.
func isHost(s string) bool {
	u, err := url.Parse("https://" + s)
	return err == nil && u.Host == s && u.Hostname() != "" && !strings.HasSuffix(s, ":") && !strings.HasSuffix(u.Hostname(), ".") &&
		!strings.ContainsFunc(s, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(".-_:[]", r)
		})
}

// trimPort leaves out the port of https, so that a host has one name.
func trimPort(host string) string { return strings.TrimSuffix(host, ":443") }

// Find returns the issuer that the host of an identifier names for it, as it
// was written: the caller decides whether that is anybody. It is
// [ErrUnknownIdentifier] where there is none to be found.
func (f *Finder) Find(ctx context.Context, identifier string) (issuer string, err error) {
	resource, host, err := parseIdentifier(identifier)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnknownIdentifier, err)
	}
	at, ok := f.hosts[host]
	if !ok {
		return "", fmt.Errorf("%w: its host is not one of those that may be asked", ErrUnknownIdentifier)
	}
	select {
	case at.finds <- struct{}{}:
		defer func() { <-at.finds }()
	default:
		return "", &Unavailable{What: webFingerEndpoint, Err: errors.New("the host is being asked too often")}
	}
	address := at.scheme + "://" + host + "/.well-known/webfinger?" + url.Values{"resource": {resource}, "rel": {issuerRelation}}.Encode()
	a, err := f.ask(ctx, webFingerEndpoint, address)
	if err != nil {
		return "", err
	}
	switch {
	case a.status == http.StatusOK:
		return readIssuer(a)
	case a.status >= 400 && a.status < 500 && a.status != http.StatusTooManyRequests:
		return "", fmt.Errorf("%w: its host answered %d", ErrUnknownIdentifier, a.status)
	}
	return "", a.unexpected()
}

// readIssuer reads the first issuer link of a JRD (RFC 7033 4.4).
func readIssuer(a *answer) (string, error) {
	broken := func(err error) (string, error) {
		return "", &Unavailable{What: a.what, Err: err}
	}
	if !a.isJSON() {
		return broken(errors.New("the answer is not JSON"))
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return broken(err)
	}
	var links []json.RawMessage
	if raw, ok := doc["links"]; ok {
		if err := json.Unmarshal(raw, &links); err != nil {
			return broken(errors.New("links are no array"))
		}
	}
	for _, raw := range links {
		link, err := validate.Object(raw)
		if err != nil {
			return broken(err)
		}
		if rel, _, err := link.String("rel"); err != nil || rel != issuerRelation {
			continue
		}
		href, _, err := link.String("href")
		if err != nil || href == "" {
			return broken(errors.New("the issuer is no string"))
		}
		return href, nil
	}
	return "", fmt.Errorf("%w: its host names no issuer for it", ErrUnknownIdentifier)
}

// accountChars are those of the first half of an acct URI besides letters,
// digits and percent-encoding (RFC 7565 7).
const accountChars = "-._~!$&'()*+,;="

// parseIdentifier normalizes what somebody typed (Discovery 2.1.2) to the
// resource to ask about, and the host to ask.
func parseIdentifier(raw string) (resource, host string, err error) {
	raw, _, _ = strings.Cut(strings.TrimSpace(raw), "#")
	if raw == "" || len(raw) > maxIdentifier || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return "", "", errors.New("it is empty, too long, or not in ASCII")
	}
	lower := strings.ToLower(raw)
	switch {
	case strings.ContainsRune("=@!", rune(raw[0])):
		return "", "", errors.New("XRIs are not supported")
	case strings.HasPrefix(lower, "acct:"):
		return parseAccount(raw[len("acct:"):])
	case strings.HasPrefix(lower, "https://"), strings.HasPrefix(lower, "http://"):
		return parseAddress(raw)
	case strings.Contains(raw, "@") && !strings.ContainsAny(raw, "/?:"):
		return parseAccount(raw)
	}
	return parseAddress("https://" + raw)
}

func parseAccount(account string) (resource, host string, err error) {
	at := strings.LastIndexByte(account, '@')
	if at < 1 {
		return "", "", errors.New("it is no account")
	}
	// A second @ belongs to the account (RFC 7565 4).
	user, host := strings.ReplaceAll(account[:at], "@", "%40"), strings.ToLower(account[at+1:])
	for i := 0; i < len(user); i++ {
		c := user[i]
		if c == '%' && i+2 < len(user) && isHex(user[i+1]) && isHex(user[i+2]) {
			continue
		}
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(accountChars, rune(c)) {
			return "", "", errors.New("it is no account")
		}
	}
	if !isHost(host) {
		return "", "", errors.New("it has no host")
	}
	return "acct:" + user + "@" + host, trimPort(host), nil
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

func parseAddress(address string) (resource, host string, err error) {
	u, err := checkURL(address, urlRule{http: true, loopback: true})
	if err != nil {
		return "", "", err
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Host = strings.ToLower(u.Host)
	if !isHost(u.Host) {
		return "", "", errors.New("it has no host")
	}
	return u.String(), trimPort(u.Host), nil
}
