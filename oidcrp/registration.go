package oidcrp

import (
	"context"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// Registration has a provider give the application its client id and secret
// (OpenID Connect Dynamic Client Registration 1.0, RFC 7591). That happens once,
// at the first login, and again before the secret expires, or a year has
// passed, or when the provider answers that it does not know the client. While
// it fails, logins at this provider answer 503, or 500 where only the operator
// can help.
//
// What the provider is told follows from [Config] and [Provider]: redirect
// URIs, response type, client authentication, algorithms, the address of our
// keys, and Config.SiteName as the client's name. It must be able to fetch what
// it is told to fetch.
//
// With a [Config.Store] all nodes are one client, also after a restart, as long
// as what the provider was told stays the same; a store without Add (see
// [Store]) may let two nodes that start together register twice, and one of
// them win. Without a Store the client lives in the process: each restart and
// each node registers anew. A login that began as another client starts again.
type Registration struct {
	// InitialAccessToken is sent where the provider registers only those who
	// have one. "": everybody may.
	InitialAccessToken Secret

	// Metadata adds members to what the provider is told, such as "contacts",
	// "logo_uri" or "software_statement". Those that follow from the other
	// settings are refused by New, and those that ask for what we do not do, such
	// as encrypted responses (JARM).
	Metadata map[string]any
}

// registrationOf says in the provider room's words what there is to register.
func (rp *RelyingParty) registrationOf(cfg *Config, p Provider, e *providerEntry) *provider.Registration {
	if p.Registration == nil {
		return nil
	}
	a := rp.addresses(e)
	r := &provider.Registration{
		InitialAccessToken:    string(p.Registration.InitialAccessToken),
		ClientName:            cfg.SiteName,
		InitiateLoginURL:      a.Initiate,
		RequestURL:            a.Request,
		BackchannelLogoutURL:  a.BackchannelLogout,
		FrontchannelLogoutURL: a.FrontchannelLogout,
		JWKSURL:               a.JWKS,
		Metadata:              p.Registration.Metadata,
	}
	if !p.LocalLogoutOnly {
		r.PostLogoutRedirectURL = a.PostLogout
	}
	if cfg.Store != nil {
		r.Records = archived{rp}
	}
	return r
}

// archived keeps registrations in the archive, which is furnished later.
type archived struct{ rp *RelyingParty }

func (a archived) Read(ctx context.Context, name string) ([]byte, error) {
	return a.rp.archive.Read(ctx, registrationRecord+name)
}

func (a archived) Replace(ctx context.Context, name string, old, record []byte, expiry time.Time) ([]byte, error) {
	return a.rp.archive.Replace(ctx, registrationRecord+name, old, record, expiry)
}

const registrationRecord = "registration "
