//go:build planned

package oidcrp

import "context"

// What stands in this file is designed and not built. It compiles under the
// build tag "planned" only, so that nothing is offered that does not work.

// ProviderSource gives providers at run time: from a database, an API. All
// methods may be called concurrently. A name that does not exist is
// [ErrNoProvider], never an empty Provider.
type ProviderSource interface {
	// Provider returns the provider called name.
	Provider(ctx context.Context, name string) (Provider, error)
	// ByIssuer returns the providers of an issuer, for logout and
	// third-party-initiated logins.
	ByIssuer(ctx context.Context, issuer string) ([]Provider, error)
	// ByEmailDomain returns the providers that own a mail domain.
	ByEmailDomain(ctx context.Context, domain string) ([]Provider, error)
	// List returns those to show on the sign-in page of a request's site.
	List(ctx context.Context) ([]Provider, error)
}

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

// ErrNoProvider: a ProviderSource does not know the name.
var ErrNoProvider error
