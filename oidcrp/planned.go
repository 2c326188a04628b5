//go:build planned

package oidcrp

import "context"

// What stands in this file is designed and not built. It compiles under the
// build tag "planned" only, so that nothing is offered that does not work.

// Check fetches a provider's metadata and names every problem with it and
// with p, each with its remedy. Secrets are never shown.
func (rp *RelyingParty) Check(ctx context.Context, p Provider) CheckReport { panic("planned") }

// CheckReport is what [RelyingParty.Check] found.
type CheckReport struct {
	Metadata map[string]any
	Problems []string
}
