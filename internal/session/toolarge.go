package session

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// TooLarge: the session does not fit where it is kept. Sessions are never
// split over cookies and never cut.
type TooLarge struct {
	Largest     []Part // at most five, the largest first
	Size, Limit int    // bytes
}

// Part is one part of a session that did not fit.
type Part struct {
	Name  string // such as "claim groups"
	Bytes int
}

// Error names the largest parts and the remedies, and nothing of what is in
// them.
func (e *TooLarge) Error() string {
	names := make([]string, len(e.Largest))
	for i, p := range e.Largest {
		names[i] = fmt.Sprintf("%s (%d)", p.Name, p.Bytes)
	}
	remedy := "keep fewer claims (Config.Claims), map groups to roles (Provider.Roles), or store smaller values"
	if e.Limit <= cookie.MaxSize {
		remedy += ", or set Config.Store"
	}
	return fmt.Sprintf("session too large: %d bytes, of which %d fit; the largest parts are %s; %s",
		e.Size, e.Limit, strings.Join(names, ", "), remedy)
}

// tooLarge says what a record of so many bytes would take where it is kept.
func (k *Keeper) tooLarge(d *Draft, record int) *TooLarge {
	e := &TooLarge{Size: record, Limit: maxRecord}
	if k.store == nil {
		e.Size = len(k.cookie.Name()) + base64.RawURLEncoding.EncodedLen(record+cookie.Overhead)
		e.Limit = cookie.MaxSize
	}
	e.Largest = largest(d)
	return e
}

// largest gives the largest parts of d.
func largest(d *Draft) []Part {
	const most = 5
	list := []Part{
		{"provider", len(d.Provider)}, {"issuer", len(d.Issuer)}, {"subject", len(d.Subject)},
		{"sid", len(d.SID)}, {"acr", len(d.ACR)},
		{"amr", total(d.AMR)}, {"roles", total(d.Roles)}, {"scopes", total(d.Scopes)},
	}
	for _, c := range d.Claims {
		list = append(list, Part{"claim " + c.Name, len(c.Name) + len(c.Value)})
	}
	for _, v := range d.Values {
		name := "value " + v.Key
		if strings.HasPrefix(v.Key, "\x00") { // not the application's
			name = "our own " + strings.TrimPrefix(v.Key, "\x00")
		}
		list = append(list, Part{name, len(v.Key) + len(v.Value)})
	}
	slices.SortStableFunc(list, func(a, b Part) int { return b.Bytes - a.Bytes })
	return slices.Clone(list[:most])
}

func total(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 1
	}
	return n
}
