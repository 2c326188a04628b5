package oidcrp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// NewAt is New with a clock.
func NewAt(cfg Config, now func() time.Time) (*RelyingParty, error) { return newAt(cfg, now) }

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
	err = rp.byName[name].CheckResponse(ctx, answer)
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

// MarkTenant marks a provider as tenant-supplied without the address rules.
func MarkTenant(rp *RelyingParty, name string) { rp.byName[name].tenantSupplied = true }
