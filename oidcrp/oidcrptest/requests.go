package oidcrptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Request is one recorded request.
type Request struct {
	Method string
	Host   string // with the port, which tells the TLS listener from the other
	Query  url.Values
	Form   url.Values // of the body
	Body   string     // where it is no form
	Header http.Header

	Certificate *x509.Certificate // of the client; nil: none
}

// Calls returns how many requests an endpoint has received. It panics on an
// unknown endpoint, where zero would be a test that proves nothing.
func (p *Provider) Calls(endpoint string) int {
	mustKnow(endpoint)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[endpoint]
}

// Requests returns the latest requests an endpoint has received, oldest
// first; at most a thousand are kept.
func (p *Provider) Requests(endpoint string) []Request {
	mustKnow(endpoint)
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests[endpoint])
}

// ResetCalls forgets the requests received and the logout tokens sent so far.
func (p *Provider) ResetCalls() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.calls)
	clear(p.requests)
	p.logouts = nil
}

func mustKnow(endpoint string) {
	if _, ok := endpoints[endpoint]; !ok {
		panic(fmt.Sprintf("oidcrptest: no endpoint %q; there are %v", endpoint, slices.Sorted(maps.Keys(endpoints))))
	}
}

type handler func(p *Provider, w http.ResponseWriter, r *http.Request)

// endpoints has what a path below the issuer does, and by which methods.
var endpoints map[string]struct {
	methods []string
	handler handler
}

func init() {
	get, post := http.MethodGet, http.MethodPost
	endpoints = map[string]struct {
		methods []string
		handler handler
	}{
		DiscoveryEndpoint:     {[]string{get}, (*Provider).serveMetadata},
		JWKSEndpoint:          {[]string{get}, (*Provider).serveJWKS},
		AuthorizeEndpoint:     {[]string{get, post}, (*Provider).serveAuthorize},
		SignInEndpoint:        {[]string{post}, (*Provider).serveSignIn},
		TokenEndpoint:         {[]string{post}, (*Provider).serveToken},
		UserInfoEndpoint:      {[]string{get, post}, (*Provider).serveUserInfo},
		EndSessionEndpoint:    {[]string{get, post}, (*Provider).serveEndSession},
		PAREndpoint:           {[]string{post}, (*Provider).servePAR},
		RevokeEndpoint:        {[]string{post}, (*Provider).serveRevoke},
		RegisterEndpoint:      {[]string{post}, (*Provider).serveRegister},
		WebFingerEndpoint:     {[]string{get}, (*Provider).serveWebFinger},
		OAuthMetadataEndpoint: {[]string{get}, (*Provider).serveMetadata},
		ClaimsEndpoint:        {[]string{get, post}, (*Provider).serveClaims},
		ResourceEndpoint:      {[]string{get, post}, (*Provider).serveResource},
		CheckSessionEndpoint:  {[]string{get}, (*Provider).serveCheckSession},
	}
}

// ServeHTTP answers the endpoints below the issuer's path, to requests that
// come from this machine and address it by a loopback name (a page of a
// stranger could else reach it through a name of its own).
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	stopped, closing := p.stopped, p.closing
	p.mu.Unlock()
	if stopped {
		panic(http.ErrAbortHandler)
	}
	if !fromLoopback(r) {
		http.Error(w, "the development provider answers on loopback only", http.StatusForbidden)
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() {
		select {
		case <-closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	r = r.WithContext(ctx)

	path, below := strings.CutPrefix(r.URL.Path, p.base)
	if below && (path == "" || path == "/") {
		p.serveHome(w, r)
		return
	}
	if atHost := p.hostEndpoint(r.URL.Path); atHost != "" {
		path, below = atHost, true
	} else if path == WebFingerEndpoint || path == OAuthMetadataEndpoint {
		below = false
	}
	endpoint, ok := endpoints[path]
	if !ok && p.movedJWKS() == path {
		path, endpoint, ok = JWKSEndpoint, endpoints[JWKSEndpoint], true
	} else if path == JWKSEndpoint && p.movedJWKS() != "" {
		ok = false
	}
	if !below || !ok {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "cannot read the form", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body) // empty after a form
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.record(path, r, string(body))

	var h http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(endpoint.methods, r.Method) && !(r.Method == http.MethodHead && slices.Contains(endpoint.methods, http.MethodGet)) {
			w.Header().Set("Allow", strings.Join(endpoint.methods, ", "))
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		endpoint.handler(p, w, r)
	})
	for _, f := range p.activeFaults() {
		if f.Handler != nil && f.Endpoint == path {
			next := h
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.Handler(w, r, next) })
		}
	}
	h.ServeHTTP(w, r)
}

// movedJWKS is where [JWKSMoved] puts the key set; "" where it is.
func (p *Provider) movedJWKS() string {
	for _, f := range p.activeFaults() {
		if f.jwksPath != "" {
			return f.jwksPath
		}
	}
	return ""
}

func fromLoopback(r *http.Request) bool {
	peer, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !loopback(peer) {
		return false
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return loopback(host)
}

func (p *Provider) record(endpoint string, r *http.Request, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls[endpoint]++
	kept := p.requests[endpoint]
	if len(kept) == maxRequestsKept {
		kept = slices.Delete(kept, 0, 1)
	}
	p.requests[endpoint] = append(kept, Request{
		Method: r.Method,
		Host:   r.Host,
		Query:  r.URL.Query(),
		Form:   maps.Clone(r.PostForm),
		Body:   body,
		Header: r.Header.Clone(),

		Certificate: certificateOf(r),
	})
}

func (p *Provider) activeFaults() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

func (p *Provider) time() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now()
}

// random returns an unguessable token (RFC 6749 10.10).
func random() string { return rand.Text() + rand.Text() }

// oauthError is an error answer of RFC 6749.
type oauthError struct {
	code, description string
	status            int
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil { // a claim of a user or fault that is no JSON
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(b)
}

func writeOAuthError(w http.ResponseWriter, err error) {
	e := &oauthError{code: "server_error", description: err.Error(), status: http.StatusInternalServerError}
	errors.As(err, &e)
	if e.status == 0 {
		e.status = http.StatusBadRequest
	}
	body := map[string]any{"error": e.code}
	if e.description != "" {
		body["error_description"] = e.description
	}
	writeJSON(w, e.status, body)
}

// repeated names a parameter that came twice, which RFC 6749 3.1 and 3.2
// forbid.
func repeated(form url.Values) (string, bool) {
	for name, values := range form {
		if len(values) > 1 && name != "resource" { // RFC 8707 2
			return name, true
		}
	}
	return "", false
}
