package oidcrp

import (
	"errors"
	"io"
	"net/http"
)

// RequestObject says how authorization requests are signed (RFC 9101). Where
// requests are pushed, see Provider.PAR, the object is pushed.
type RequestObject string

// The values of [RequestObject] besides the empty one, which sends plain
// parameters.
const (
	// RequestByValue sends the signed object along with the browser.
	RequestByValue RequestObject = "request"
	// RequestByReference sends an address of ours below Prefix + "/request/",
	// where the provider fetches the signed object. The address differs from
	// login to login behind its "?": a provider that wants every request_uri to
	// be registered needs a pattern for it, see [Addresses]. A [Registration]
	// names the address without what differs.
	RequestByReference RequestObject = "request_uri"
	// UnsignedRequestByValue sends an object that nothing protects, for
	// providers that want one all the same.
	UnsignedRequestByValue RequestObject = "unsigned request"
	// UnsignedRequestByReference refers to such an object.
	UnsignedRequestByReference RequestObject = "unsigned request_uri"
)

// requestPath is where a provider fetches its request objects.
func requestPath(name string) string { return "/request/" + name }

// reference returns the address at which a request can be fetched. All of the
// request is in it, sealed, so that nothing is kept and any node can answer.
func (rp *RelyingParty) reference(p *providerEntry) func([]byte) (string, error) {
	if !p.byReference {
		return nil
	}
	return func(packed []byte) (string, error) {
		value, _, err := rp.requests.Seal(packed, []byte(p.name), rp.now())
		return rp.site.url(rp.path(requestPath(p.name))) + "?" + value, err
	}
}

// serveRequest answers a provider with a request object. What does not open,
// or is too old, is no address of ours.
func (rp *RelyingParty) serveRequest(w http.ResponseWriter, r *http.Request, p *providerEntry) error {
	packed, _, err := rp.requests.Open(nil, r.URL.RawQuery, []byte(p.name))
	if err != nil {
		return errNotFound
	}
	object, err := p.RequestObject(r.Context(), packed)
	if errors.Is(err, ErrInvalidToken) {
		return errNotFound
	}
	if err != nil {
		return &Error{Provider: p.name, Err: err}
	}
	w.Header().Set("Content-Type", "application/oauth-authz-req+jwt")
	io.WriteString(w, object)
	return nil
}
