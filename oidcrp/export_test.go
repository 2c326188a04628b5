package oidcrp

import (
	"net/url"
	"time"
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

// MarkTenant marks a provider as tenant-supplied without the address rules.
func MarkTenant(rp *RelyingParty, name string) { rp.byName[name].tenantSupplied = true }
