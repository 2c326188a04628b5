package provider

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	firstBackoff = time.Second
	lastBackoff  = time.Minute
	// A good document is asked for again after refreshDefault, or what its
	// Cache-Control says within the bounds.
	refreshDefault = 12 * time.Hour
	refreshMin     = 10 * time.Minute
	refreshMax     = 24 * time.Hour
)

// discovery is the state of fetching metadata; the good copy itself is in
// Provider.current.
type discovery struct {
	mu        sync.Mutex
	flight    *flight // nil: none under way
	failures  int     // in a row
	nextTry   time.Time
	refreshAt time.Time // zero: never
	lastErr   error     // of the last attempt
}

// flight is one fetch, and those who wait for it.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// metadata returns what is known, fetching it at first use. A good copy is
// served at once, whatever its age, and refreshed in the background. While
// fetching fails and rests, the error comes at once.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	if m := p.current.Load(); m != nil {
		p.refresh(ctx)
		return m, nil
	}
	f, err := p.fly(ctx, false)
	if err != nil {
		return nil, err
	}
	return p.await(ctx, f)
}

func (p *Provider) await(ctx context.Context, f *flight) (*metadata, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, &Unavailable{What: metadataEndpoint, Err: context.Cause(ctx)}
	}
	if m := p.current.Load(); m != nil {
		return m, nil
	}
	return nil, f.err
}

// refresh starts a fetch if the copy is due and nothing rests.
func (p *Provider) refresh(ctx context.Context) {
	p.discovery.mu.Lock()
	due := !p.discovery.refreshAt.IsZero() && p.now().After(p.discovery.refreshAt)
	p.discovery.mu.Unlock()
	if due {
		// While it rests there is an error, and a good copy all the same.
		_, _ = p.fly(ctx, false)
	}
}

// fly joins the fetch under way or starts one, unless the last failure is too
// recent. The fetch outlives the request that happens to start it.
func (p *Provider) fly(ctx context.Context, now bool) (*flight, error) {
	d := &p.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flight != nil {
		return d.flight, nil
	}
	if wait := d.nextTry.Sub(p.now()); wait > 0 && !now {
		return nil, resting(d.lastErr, wait)
	}
	f := &flight{done: make(chan struct{})}
	d.flight = f
	p.work.start()
	go p.discover(context.WithoutCancel(ctx), f)
	return f, nil
}

// resting is what callers hear until the next attempt.
func resting(last error, wait time.Duration) error {
	if errors.Is(last, ErrMisconfigured) {
		return last
	}
	if u, ok := errors.AsType[*Unavailable](last); ok {
		last = u.Err
	}
	return &Unavailable{What: metadataEndpoint, Retry: wait, Err: last}
}

func (p *Provider) discover(ctx context.Context, f *flight) {
	defer p.work.done()
	m, keep, err := p.fetchMetadata(ctx)

	d := &p.discovery
	d.mu.Lock()
	defer d.mu.Unlock()
	defer close(f.done)
	d.flight = nil
	d.lastErr = err
	if err == nil {
		d.failures, d.nextTry = 0, time.Time{}
		d.refreshAt = m.fetched.Add(keep)
		p.current.Store(m)
		return
	}
	wait := backoff(d.failures)
	if u, ok := errors.AsType[*Unavailable](err); ok {
		wait = max(wait, u.Retry)
		u.Retry = wait
	}
	d.failures++
	d.nextTry = p.now().Add(wait)
	f.err = err
	p.logger.LogAttrs(ctx, slog.LevelWarn, "provider metadata not loaded",
		slog.String("provider", p.s.Name), slog.Any("err", err), slog.Duration("next_try_in", wait), slog.Bool("last_good_kept", p.current.Load() != nil))
}

// fetchMetadata fetches one version and says how long it may be kept.
func (p *Provider) fetchMetadata(ctx context.Context) (m *metadata, keep time.Duration, err error) {
	// The transport may be the application's: on this goroutine its panic
	// would end the process.
	defer func() {
		if v := recover(); v != nil {
			err = &Unavailable{What: metadataEndpoint, Err: fmt.Errorf("panic in the HTTP transport: %T", v)}
		}
	}()
	a, err := p.metadataDocument(ctx)
	if err != nil {
		return nil, 0, err
	}
	m, err = parseMetadata(a.body, &p.s)
	switch {
	case errors.Is(err, errBroken):
		return nil, 0, &Unavailable{What: metadataEndpoint, Err: err}
	case err != nil:
		return nil, 0, fmt.Errorf("%s: %w", metadataEndpoint, err)
	}
	if err := p.current.Load().moved(m); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", metadataEndpoint, err)
	}
	m.fetched = p.now()
	return m, jitter(keepFor(a.header.Get("Cache-Control"))), nil
}

// metadataDocument fetches the OpenID metadata or, where the provider says it
// has none, that of its authorization server (RFC 8414). What either says is
// held against the issuer in the same way.
func (p *Provider) metadataDocument(ctx context.Context) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout) // for both
	defer cancel()
	a, err := p.ask(ctx, metadataEndpoint, p.s.metadataURL())
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotFound && p.s.MetadataURL == "" && !p.s.TenantSupplied {
		if other, err := p.ask(ctx, metadataEndpoint, p.s.serverMetadataURL()); err == nil && other.status == http.StatusOK {
			return other, nil
		}
	}
	if a.status != http.StatusOK {
		return nil, a.unexpected()
	}
	return a, nil
}

// moved refuses a new version whose back channel is at another host: secrets
// and trust would follow whoever could write the document once (RFC 9700 4.4).
// Naming the endpoints in the settings, or a restart, accepts the move.
func (m *metadata) moved(next *metadata) error {
	if m == nil {
		return nil
	}
	if hostOf(m.token) != hostOf(next.token) {
		return errors.New("token_endpoint moved to another host: if that is right, restart or set Endpoints.Token")
	}
	if hostOf(m.jwks) != hostOf(next.jwks) {
		return errors.New("jwks_uri moved to another host: if that is right, restart or set Endpoints.JWKS")
	}
	// It may have been added, or gone away, but not elsewhere than the token
	// endpoint, which gets the same secrets.
	if next.par != "" && hostOf(next.par) != hostOf(m.par) && hostOf(next.par) != hostOf(m.token) {
		return errors.New("pushed_authorization_request_endpoint moved to another host: if that is right, restart or set Endpoints.PAR")
	}
	return nil
}

// backoff is the rest after so many earlier failures: doubling, and a little
// less at random, so that nodes do not come back together.
func backoff(failures int) time.Duration {
	return jitter(min(firstBackoff<<min(failures, 10), lastBackoff))
}

// jitter takes up to a tenth away.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	rand.Read(b[:])
	return d - time.Duration(binary.LittleEndian.Uint64(b[:])%uint64(d/10+1))
}

// keepFor reads max-age of a Cache-Control header, within the bounds.
func keepFor(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 31); err == nil {
			return min(max(time.Duration(n)*time.Second, refreshMin), refreshMax)
		}
	}
	return refreshDefault
}
