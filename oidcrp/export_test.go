package oidcrp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"
	"weak"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// NewAt is New with a clock.
func NewAt(cfg Config, now func() time.Time) (*RelyingParty, error) { return newAt(cfg, now) }

// SpentKnown counts the refresh tokens whose end is remembered.
func SpentKnown(rp *RelyingParty) int {
	rp.spent.mu.Lock()
	defer rp.spent.mu.Unlock()
	return len(rp.spent.known)
}

// ReturnTo judges a return URL for the application at base.
func ReturnTo(base, raw string) (string, bool) {
	u, err := url.Parse(base)
	if err != nil {
		panic(err)
	}
	return newSite(u).returnTo(raw)
}

// WantsIss reports whether a provider's answers need an iss though its metadata
// does not say so.
func WantsIss(rp *RelyingParty, name string) bool {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // the metadata is not asked for
	answer, err := provider.ParseResponse(&http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: "code=c&state=s"}})
	if err != nil {
		panic(err)
	}
	err = rp.peek(name).CheckResponse(ctx, answer)
	var missing *validate.Error
	return errors.As(err, &missing) && missing.Check == "iss"
}

// Failures are the reasons and message keys of failures.
func Failures() (reasons, messages []string) {
	for _, f := range failures {
		reasons, messages = append(reasons, f.reason), append(messages, f.message)
	}
	return reasons, messages
}

// MarkTenant marks a provider, which of a source is ready, as tenant-supplied
// without the address rules.
func MarkTenant(rp *RelyingParty, name string) {
	p := rp.peek(name)
	p.tenantSupplied, p.anyAddress = true, true
}

// KeepBuilt changes how many providers of a source are kept ready.
func KeepBuilt(rp *RelyingParty, n int) { rp.providers.source.keeps = n }

// RememberSpending bounds of how many providers that are not built it is known
// what was spent on them.
func RememberSpending(rp *RelyingParty, most int) { rp.providers.source.remembers = most }

// Remembered is of how many that is known.
func Remembered(rp *RelyingParty) int {
	s := rp.providers.source
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.spending)
}

// Seen counts providers that a RelyingParty has built, and those that are still
// in memory.
type Seen struct {
	entries map[weak.Pointer[providerEntry]]bool
}

// Look notes those that are ready.
func (s *Seen) Look(rp *RelyingParty) {
	if s.entries == nil {
		s.entries = map[weak.Pointer[providerEntry]]bool{}
	}
	for _, p := range rp.providers.ready() {
		s.entries[weak.Make(p)] = true
	}
}

// Count is how many were noted, and how many of them are left.
func (s *Seen) Count() (all, live int) {
	for p := range s.entries {
		if p.Value() != nil {
			live++
		}
	}
	return len(s.entries), live
}

// SiteHost is the name by which Config.Sites is asked for a Host.
func SiteHost(host string) (string, bool) { return siteHost(host) }
