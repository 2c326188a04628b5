//go:build planned

package oidcrp

import "context"

// What stands in this file is designed and not built. It compiles under the
// build tag "planned" only, so that nothing is offered that does not work.

// Site is one of several base URLs that one instance serves.
type Site struct {
	Name      string   // the application's tenant id; never shown
	BaseURL   string   //
	Providers []string // names allowed here, shown instead of the source's List; nil: all
}

// SiteFromContext returns the site of a request: in handlers, hooks and calls
// of a ProviderSource.
func SiteFromContext(ctx context.Context) (Site, bool) { panic("planned") }

// Site returns the Name of the site the session was started on.
func (s *Session) Site() string { panic("planned") }

// Check fetches a provider's metadata and names every problem with it and
// with p, each with its remedy. Secrets are never shown.
func (rp *RelyingParty) Check(ctx context.Context, p Provider) CheckReport { panic("planned") }

// CheckReport is what [RelyingParty.Check] found.
type CheckReport struct {
	Metadata map[string]any
	Problems []string
}
