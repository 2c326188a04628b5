package connectors

import (
	"context"
	"database/sql"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const columns = `SELECT name, display_name, issuer, client_id, client_secret, scopes, listed, tenant_supplied, version,
	(SELECT coalesce(string_agg(domain, ','), '') FROM connector_domains WHERE connector = name) FROM connectors `

// Provider, ByIssuer, ByEmailDomain and List make a Table an
// [oidcrp.ProviderSource].
func (t *Table) Provider(ctx context.Context, name string) (oidcrp.Provider, error) {
	found, err := t.query(ctx, `WHERE name = $1`, name)
	if err != nil {
		return oidcrp.Provider{}, err
	}
	if len(found) == 0 {
		return oidcrp.Provider{}, oidcrp.ErrNoProvider
	}
	return found[0], nil
}

// ByIssuer returns the connectors of an issuer.
func (t *Table) ByIssuer(ctx context.Context, issuer string) ([]oidcrp.Provider, error) {
	return t.query(ctx, `WHERE issuer = $1 ORDER BY name`, issuer)
}

// ByEmailDomain returns the connector that owns a domain.
func (t *Table) ByEmailDomain(ctx context.Context, domain string) ([]oidcrp.Provider, error) {
	return t.query(ctx, `WHERE name = (SELECT connector FROM connector_domains WHERE domain = $1)`, domain)
}

// List returns the connectors that have a button on the sign-in page.
func (t *Table) List(ctx context.Context) ([]oidcrp.Provider, error) {
	return t.query(ctx, `WHERE listed ORDER BY name`)
}

func (t *Table) query(ctx context.Context, where string, args ...any) ([]oidcrp.Provider, error) {
	rows, err := t.db.QueryContext(ctx, columns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found []oidcrp.Provider
	for rows.Next() {
		c, version, err := read(rows)
		if err != nil {
			return nil, err
		}
		p := c.provider()
		p.Version = version
		found = append(found, p)
	}
	return found, rows.Err()
}

func read(rows *sql.Rows) (c Connector, version string, err error) {
	var domains string
	err = rows.Scan(&c.Name, &c.DisplayName, &c.Issuer, &c.ClientID, (*string)(&c.ClientSecret), &c.Scopes,
		&c.Listed, &c.TenantSupplied, &version, &domains)
	if domains != "" {
		c.EmailDomains = strings.Split(domains, ",")
	}
	return c, version, err
}

// All returns connectors by name, after one of that name and at most so many,
// for an administrator's page. Their secrets are left out.
func (t *Table) All(ctx context.Context, after string, most int) ([]Connector, error) {
	return t.connectors(ctx, `WHERE name > $1 ORDER BY name LIMIT $2`, after, most)
}

// Find returns one connector without its secret, or [ErrMissing].
func (t *Table) Find(ctx context.Context, name string) (Connector, error) {
	found, err := t.connectors(ctx, `WHERE name = $1`, name)
	if err == nil && len(found) == 0 {
		err = ErrMissing
	}
	if err != nil {
		return Connector{}, err
	}
	return found[0], nil
}

func (t *Table) connectors(ctx context.Context, where string, args ...any) ([]Connector, error) {
	rows, err := t.db.QueryContext(ctx, columns+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Connector
	for rows.Next() {
		c, _, err := read(rows)
		if err != nil {
			return nil, err
		}
		c.ClientSecret = ""
		all = append(all, c)
	}
	return all, rows.Err()
}
