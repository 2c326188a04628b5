package oidcrptest

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The endpoints of a [Provider], as [Provider.Calls], [Provider.Requests] and
// [Fault] name them: the path below the issuer.
const (
	DiscoveryEndpoint  = "/.well-known/openid-configuration"
	JWKSEndpoint       = "/jwks"
	AuthorizeEndpoint  = "/authorize"
	SignInEndpoint     = "/sign-in" // where the sign-in page posts to
	TokenEndpoint      = "/token"
	UserInfoEndpoint   = "/userinfo"
	EndSessionEndpoint = "/end-session"
	PAREndpoint        = "/par"
	RevokeEndpoint     = "/revoke"
	RegisterEndpoint   = "/register"
	ClaimsEndpoint     = "/claims"   // of distributed claims
	ResourceEndpoint   = "/resource" // an API that takes access tokens

	CheckSessionEndpoint = "/check-session" // see [Provider.SetSessionManagement]
)

// Two more, at the root of the issuer's host. WebFinger names this issuer for
// every account at the issuer's host, with its port or without
// ("acct:alice@127.0.0.1:4000", "acct:alice@127.0.0.1"), and for every http or
// https address at host and port ("https://127.0.0.1:4000/alice"), whether there
// is such a user or not; any other resource is not found.
const (
	WebFingerEndpoint     = "/.well-known/webfinger"
	OAuthMetadataEndpoint = "/.well-known/oauth-authorization-server" // and then the issuer's path
)

// How long what the provider hands out lives. Tokens: see
// [Provider.SetTokenLifetime].
const (
	codeLifetime       = time.Minute
	parLifetime        = time.Minute
	signInLifetime     = 10 * time.Minute // of a request whose user sees the sign-in page
	sessionLifetime    = 8 * time.Hour
	maxBody            = 1 << 20
	maxRequestsKept    = 1000 // of one endpoint
	defaultTokenExpiry = time.Hour
)

// Provider is an OpenID provider for development and tests. It runs on
// loopback only, has users without passwords, makes its keys at each start,
// keeps everything in memory, and does wrong what its faults tell it to.
//
// It is safe for concurrent use; every method may be called while it serves.
type Provider struct {
	issuer string
	base   string // path of the issuer, without a trailing slash
	addr   string // "": somebody else listens
	keys   keyring

	mu        sync.Mutex
	server    *http.Server
	stopped   bool
	closing   chan struct{} // closed by Stop; ends requests that hang
	now       func() time.Time
	faults    []Fault
	algorithm string
	expiry    time.Duration // of access and ID tokens
	signInAs  string
	managing  bool // sessions, by Session Management 1.0
	clients   []Client
	users     []User

	sessions map[string]*session // by cookie value
	codes    map[string]*grant
	access   map[string]*issued
	refresh  map[string]*issued
	pushed   map[string]*pushedRequest // by request_uri
	seen     map[string]time.Time      // values of one use, until they expire
	http     *http.Client              // to fetch what clients host
	nonces   proofNonces

	sourceTokens      map[string]sourceToken
	registrationToken string

	authority      *authority
	tlsAddr        string // "": StartTLS was not called
	tlsCertificate tls.Certificate
	tlsServer      *http.Server

	calls    map[string]int
	requests map[string][]Request
	logouts  []BackchannelLogout
}

// NewProvider starts a provider on a free port of 127.0.0.1 that lives as
// long as the test, with these faults.
func NewProvider(t testing.TB, faults ...Fault) *Provider {
	t.Helper()
	p, err := StartProvider("127.0.0.1:0", faults...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// StartProvider starts a provider on addr, such as "127.0.0.1:4000". The host
// must be a loopback address or "localhost"; port 0 takes a free one. The
// issuer is "http://" and the address.
func StartProvider(addr string, faults ...Fault) (*Provider, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("oidcrptest: %w", err)
	}
	if !loopback(host) {
		return nil, fmt.Errorf("oidcrptest: %q is not a loopback address: the development provider lets anybody sign in as anybody", addr)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("oidcrptest: %w", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		ln.Close()
		return nil, fmt.Errorf("oidcrptest: %w", err)
	}
	p := newProvider(&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}, faults)
	p.addr = ln.Addr().String()
	p.serve(ln)
	return p, nil
}

// NewHandler makes a provider that listens nowhere: an [http.Handler] for an
// issuer with a path, or with TLS, in front of which the caller puts a
// server. It serves the endpoints below the issuer's path. The issuer's host
// must be a loopback name.
func NewHandler(issuer string, faults ...Fault) (*Provider, error) {
	u, err := url.Parse(issuer)
	if err != nil {
		return nil, fmt.Errorf("oidcrptest: issuer: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("oidcrptest: issuer %q must be an http or https URL without user, query and fragment", issuer)
	}
	if !loopback(u.Hostname()) {
		return nil, fmt.Errorf("oidcrptest: issuer %q is not on a loopback address: the development provider lets anybody sign in as anybody", issuer)
	}
	return newProvider(u, faults), nil
}

func newProvider(issuer *url.URL, faults []Fault) *Provider {
	p := &Provider{
		issuer:    issuer.String(),
		base:      strings.TrimRight(issuer.Path, "/"),
		closing:   make(chan struct{}),
		now:       time.Now,
		faults:    slices.Clone(faults),
		algorithm: "RS256",
		expiry:    defaultTokenExpiry,
		users:     demoUsers(),
		sessions:  map[string]*session{},
		codes:     map[string]*grant{},
		access:    map[string]*issued{},
		refresh:   map[string]*issued{},
		pushed:    map[string]*pushedRequest{},
		seen:      map[string]time.Time{},
		http:      loopbackClient(),
		nonces:    proofNonces{newProofNonce(), newProofNonce()},

		sourceTokens: map[string]sourceToken{},
		calls:        map[string]int{},
		requests:     map[string][]Request{},
	}
	go p.keys.prepare()
	return p
}

// loopback reports whether host is an IP literal of this machine alone, or a
// name that browsers and resolvers keep there (RFC 6761 6.3).
func loopback(host string) bool {
	if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return ip.IsLoopback()
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Issuer returns the issuer identifier.
func (p *Provider) Issuer() string { return p.issuer }

// URL returns the address of one of the endpoints.
func (p *Provider) URL(endpoint string) string {
	switch root := strings.TrimSuffix(strings.TrimRight(p.issuer, "/"), p.base); endpoint {
	case WebFingerEndpoint:
		return root + endpoint
	case OAuthMetadataEndpoint:
		return root + endpoint + p.base
	}
	return strings.TrimRight(p.issuer, "/") + endpoint
}

// Close stops the provider for good.
func (p *Provider) Close() error {
	p.Stop()
	return nil
}

// Stop takes the provider down: connections are refused until [Provider.Start].
// A handler of [NewHandler] drops the connection instead.
func (p *Provider) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return
	}
	p.stopped = true
	close(p.closing)
	if p.server != nil {
		p.server.Close()
		p.server = nil
	}
	if p.tlsServer != nil {
		p.tlsServer.Close()
		p.tlsServer = nil
	}
}

// Start brings a stopped provider back on the same address, with its keys,
// users, clients and sessions as they were.
func (p *Provider) Start() error {
	p.mu.Lock()
	stopped, tlsAddr := p.stopped, p.tlsAddr
	p.mu.Unlock()
	if !stopped {
		return nil
	}
	var ln, tlsLn net.Listener
	if tlsAddr != "" {
		var err error
		if tlsLn, err = net.Listen("tcp", tlsAddr); err != nil {
			return fmt.Errorf("oidcrptest: %w", err)
		}
	}
	if p.addr != "" {
		var err error
		if ln, err = net.Listen("tcp", p.addr); err != nil {
			if tlsLn != nil {
				tlsLn.Close()
			}
			return fmt.Errorf("oidcrptest: %w", err)
		}
	}
	p.mu.Lock()
	p.stopped = false
	p.closing = make(chan struct{})
	p.mu.Unlock()
	if ln != nil {
		p.serve(ln)
	}
	if tlsLn != nil {
		p.serveTLS(tlsLn)
	}
	return nil
}

func (p *Provider) serve(ln net.Listener) {
	server := &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	p.mu.Lock()
	p.server = server
	p.mu.Unlock()
	go server.Serve(ln)
}

// SetNow replaces the provider's clock, not the application's: a token that has
// expired here alone is refused and not refreshed. To see a refresh give tokens a
// short life, see [Provider.SetTokenLifetime].
func (p *Provider) SetNow(now func() time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = now
}

// SetFaults replaces all faults, those of NewProvider too; without arguments
// the provider behaves. An application keeps the metadata and keys it has
// fetched: give faults of these to NewProvider, or let a new RelyingParty meet
// them.
func (p *Provider) SetFaults(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = slices.Clone(faults)
}

// SetTokenLifetime sets how long access and ID tokens live that are issued
// from now on. The default is an hour.
func (p *Provider) SetTokenLifetime(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expiry = d
}

// SignInAs answers every authorization request at once as this user, without
// a page; a login_hint that names another user wins. "" brings the sign-in
// page back. It panics when there is no such user.
func (p *Provider) SignInAs(subject string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if subject != "" && p.findUser(subject) == nil {
		panic(fmt.Sprintf("oidcrptest: no user %q: add it first", subject))
	}
	p.signInAs = subject
}

// EndSessions forgets every provider session, as if all had expired. Tokens
// stay valid, and no client is told: see [Provider.SignOut].
func (p *Provider) EndSessions() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.sessions)
}

// RevokeTokens makes every access and refresh token issued so far invalid.
func (p *Provider) RevokeTokens() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.access)
	clear(p.refresh)
}
