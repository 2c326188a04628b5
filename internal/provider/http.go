package provider

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// callTimeout bounds one call, body included. A visitor waits for one
	// call at the start of a login, and hears of it within five seconds.
	callTimeout = 4500 * time.Millisecond
	// loginTimeout bounds all calls of one callback together.
	loginTimeout = 12 * time.Second
	maxBody      = 1 << 20
)

// newClient is the caller's client, or one of our own, that follows no
// redirect and keeps no cookie. Time and size are limited in call.
func newClient(s *Settings) *http.Client {
	c := &http.Client{}
	if s.HTTPClient != nil && !s.TenantSupplied {
		*c = *s.HTTPClient
	}
	if c.Transport == nil {
		c.Transport = newTransport(s.TenantSupplied)
	}
	c.Jar = nil
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// CloseIdle ends the connections that nobody uses, of a Provider that is given
// up. Those of the caller's own transport are the caller's.
func (p *Provider) CloseIdle() {
	if s := &p.s; s.TenantSupplied || s.HTTPClient == nil || s.HTTPClient.Transport == nil {
		p.client.CloseIdleConnections()
	}
}

// verifiesNothing reports whether the caller's client trusts any certificate.
func verifiesNothing(c *http.Client) bool {
	if c == nil {
		return false
	}
	t, ok := c.Transport.(*http.Transport)
	return ok && t != nil && t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify
}

// caller makes calls within the limits.
type caller struct {
	client  *http.Client
	timeout time.Duration // of one call
}

// answer is what an endpoint sent, within the limits.
type answer struct {
	what   string
	status int
	header http.Header
	body   []byte
}

var (
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)
	errRedirect = errors.New("answered with a redirect")
)

// call makes one request and reads all of the answer. It never follows a
// redirect (RFC 9700 4.12: a 307 would repeat secrets elsewhere) and never
// repeats the request. Errors name the endpoint and never quote the body.
func (c *caller) call(ctx context.Context, what string, req *http.Request) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()

	resp, err := c.do(req.WithContext(ctx))
	if err != nil {
		return nil, c.failed(what, req, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, &Unavailable{What: what, Err: fmt.Errorf("%w (%d), which is not followed", errRedirect, resp.StatusCode)}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return nil, c.failed(what, req, err)
	}
	if len(body) > maxBody {
		return nil, &Unavailable{What: what, Err: errTooLarge}
	}
	return &answer{what: what, status: resp.StatusCode, header: resp.Header, body: body}, nil
}

// do sends a request. The transport may be the application's, and panic.
func (c *caller) do(req *http.Request) (resp *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			resp, err = nil, fmt.Errorf("panic in the HTTP transport: %T", v)
		}
	}()
	return c.client.Do(req)
}

// failed leaves out the request's address, which may have a query.
func (c *caller) failed(what string, req *http.Request, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("no complete answer in time: %w", err)
	}
	return &Unavailable{What: what, Err: fmt.Errorf("%s: %w", req.URL.Host, err)}
}

// get fetches a public document.
func (c *caller) get(ctx context.Context, what, address string) (*answer, error) {
	a, err := c.ask(ctx, what, address)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, a.unexpected()
	}
	return a, nil
}

// ask is get for those who want to know of any status.
func (c *caller) ask(ctx context.Context, what, address string) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: no address", what, ErrMisconfigured)
	}
	req.Header.Set("Accept", "application/json")
	return c.call(ctx, what, req)
}

// unexpected is the error of a status that tells nothing more. 401 and 403 are
// about who asked, and asking again does not change that.
func (a *answer) unexpected() error {
	if (a.what == tokenEndpoint || a.what == registerEndpoint) && (a.status == http.StatusUnauthorized || a.status == http.StatusForbidden) {
		return fmt.Errorf("%s: %w: answered %d", a.what, ErrMisconfigured, a.status)
	}
	return &Unavailable{What: a.what, Retry: a.retryAfter(), Err: fmt.Errorf("answered %d", a.status)}
}

// notJSON is the error of an answer of another kind, such as the page of a
// proxy: whoever wrote it does not know the protocol.
func (a *answer) notJSON() error {
	return &Unavailable{What: a.what, Retry: a.retryAfter(), Err: fmt.Errorf("answered %d, and not with JSON", a.status)}
}

// retryAfter is the header of that name where it is a number, within reason.
func (a *answer) retryAfter() time.Duration {
	n, err := strconv.Atoi(strings.TrimSpace(a.header.Get("Retry-After")))
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, 300)) * time.Second
}

// isJWT reports whether the answer says it is a JWT (RFC 7519 10.3.1).
func (a *answer) isJWT() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && kind == "application/jwt"
}

// isJSON reports whether the answer says it is JSON. A form body that happens
// to parse is not (RFC 6749 5.1).
func (a *answer) isJSON() bool {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	return err == nil && (kind == "application/json" || (strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json")))
}
