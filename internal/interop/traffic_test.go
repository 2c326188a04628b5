package interop_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// exchange is a request of our relying party to a provider, and the answer.
type exchange struct {
	method string
	url    *url.URL
	header http.Header
	form   url.Values // of the request's body

	status     int
	answerType string
	answer     string
}

// traffic records what our relying party says to a provider directly.
type traffic struct {
	transport *http.Transport // the relying party's
	inner     *http.Transport // the one that truly sends

	// hurry tells the relying party that access tokens end at once.
	hurry bool

	mu        sync.Mutex
	exchanges []exchange
}

// newTraffic makes a recorder that trusts these roots.
func newTraffic(roots *x509.CertPool) *traffic {
	config := &tls.Config{RootCAs: roots}
	r := &traffic{transport: &http.Transport{TLSClientConfig: config}, inner: &http.Transport{TLSClientConfig: config}}
	// The relying party looks for its certificate in a transport of the
	// standard library, so that is what it gets.
	r.transport.RegisterProtocol("http", r)
	r.transport.RegisterProtocol("https", r)
	return r
}

var expiresIn = regexp.MustCompile(`"expires_in": *\d+`)

// client is a client that is recorded.
func (r *traffic) client() *http.Client { return &http.Client{Transport: r.transport} }

// RoundTrip sends a request and records it.
func (r *traffic) RoundTrip(req *http.Request) (*http.Response, error) {
	seen := exchange{method: req.Method, url: req.URL, header: req.Header.Clone()}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		req.Body.Close()
		if err != nil {
			return nil, err
		}
		seen.form, _ = url.ParseQuery(string(body))
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	res, err := r.inner.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		return nil, err
	}
	if r.hurry && seen.form.Has("grant_type") {
		body = expiresIn.ReplaceAll(body, []byte(`"expires_in":0`))
		res.ContentLength = int64(len(body))
		res.Header.Del("Content-Length")
	}
	res.Body = io.NopCloser(bytes.NewReader(body))
	seen.status, seen.answerType, seen.answer = res.StatusCode, res.Header.Get("Content-Type"), string(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, seen)
	return res, nil
}

// find returns the exchanges, in order, that match accepts.
func (r *traffic) find(match func(exchange) bool) []exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []exchange
	for _, e := range r.exchanges {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// String lists everything, for a test that failed.
func (r *traffic) String() string {
	var b strings.Builder
	for _, e := range r.find(func(exchange) bool { return true }) {
		fmt.Fprintf(&b, "%s %s %s → %d %.500s\n", e.method, e.url, e.form.Encode(), e.status, strings.TrimSpace(e.answer))
	}
	return b.String()
}
