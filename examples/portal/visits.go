package main

import (
	"context"
	"log"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// A session store finds a session by what its cookie says, and so cannot list
// those of a user. The portal keeps a list of its own: no key to any session,
// only the handles that RelyingParty.EndSession takes.

// visitKey is the key of a session's name in the list. It stays when the
// session is renewed, as its handle does not.
const visitKey = "visit"

// visitInterval is how exactly it is known when a session was last seen.
const visitInterval = time.Minute

// visit is a session in the list.
type visit struct {
	Handle, ContactID string
	Site              string // its host; "" where there is one
	Name, Browser     string // of the user, and what they use
	Identity          oidcrp.Identity
	Started, Seen     time.Time
	Here              bool // the one that asks
}

// visits records which sessions there are.
type visits struct {
	db       *database
	lifetime time.Duration // of a session, at most

	mu   sync.Mutex
	seen map[string]time.Time // by handle, when it was last written
}

// record notes the session of each request, and calls next.
func (v *visits) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := oidcrp.FromContext(r.Context()); s.Value(visitKey) != "" && v.due(s.Handle()) {
			if err := v.write(r.Context(), s, browserName(r.UserAgent())); err != nil {
				log.Printf("session not listed: %v", err) // the visitor need not care
			}
		}
		next.ServeHTTP(w, r)
	})
}

// due reports whether a session has to be written again.
func (v *visits) due(handle string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if now := time.Now(); now.Sub(v.seen[handle]) >= visitInterval {
		if len(v.seen) > 10_000 {
			clear(v.seen)
		}
		v.seen[handle] = now
		return true
	}
	return false
}

func (v *visits) write(ctx context.Context, s *oidcrp.Session, browser string) error {
	now := time.Now()
	if _, err := v.db.ExecContext(ctx, `DELETE FROM site_visits WHERE started < $1`, now.Add(-v.lifetime).Unix()); err != nil {
		return err
	}
	_, err := v.db.ExecContext(ctx, `INSERT INTO site_visits
		(visit, site, handle, contact_id, name, provider, issuer, subject, browser, started, seen) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (visit) DO UPDATE SET handle = excluded.handle, browser = excluded.browser, seen = excluded.seen`,
		s.Value(visitKey), s.Site(), s.Handle(), s.Value(accounts.ContactKey), s.Name(), s.Provider(), s.Issuer(), s.Subject(), browser, s.Started().Unix(), now.Unix())
	return err
}

// heard takes sessions that have ended off the list.
func (v *visits) heard(ctx context.Context, e oidcrp.Event) {
	if e.Kind != oidcrp.SessionEnded {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	_, err := v.db.ExecContext(ctx, `DELETE FROM site_visits WHERE handle = $1`, e.Session)
	if err == nil && (e.Session == "" || e.Reason == "everywhere") {
		_, err = v.db.ExecContext(ctx, `DELETE FROM site_visits WHERE issuer = $1 AND subject = $2`, e.Issuer, e.Subject)
	}
	if err != nil {
		log.Printf("session not taken off the list: %v", err)
	}
}

// maxVisits is how many sessions a page shows.
const maxVisits = 100

// of lists the sessions of a contact, or of all for "", those seen last first.
func (v *visits) of(ctx context.Context, contactID string) ([]visit, error) {
	rows, err := v.db.QueryContext(ctx, `SELECT site, handle, contact_id, name, provider, issuer, subject, browser, started, seen
		FROM site_visits WHERE ($1 = '' OR contact_id = $1) AND started >= $2 ORDER BY seen DESC, started DESC LIMIT $3`,
		contactID, time.Now().Add(-v.lifetime).Unix(), maxVisits)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	here := oidcrp.FromContext(ctx).Handle()
	var all []visit
	for rows.Next() {
		var s visit
		var started, seen int64
		if err := rows.Scan(&s.Site, &s.Handle, &s.ContactID, &s.Name, &s.Identity.Provider, &s.Identity.Issuer, &s.Identity.Subject, &s.Browser, &started, &seen); err != nil {
			return nil, err
		}
		s.Started, s.Seen, s.Here = time.Unix(started, 0), time.Unix(seen, 0), s.Handle == here
		all = append(all, s)
	}
	return all, rows.Err()
}

// browserName tells people apart their browsers, and means no more than that.
func browserName(agent string) string {
	first := func(of ...[2]string) string {
		for _, o := range of {
			if strings.Contains(agent, o[0]) {
				return o[1]
			}
		}
		return ""
	}
	// What others claim to be as well comes last.
	name := first([2]string{"Edg/", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"Firefox/", "Firefox"},
		[2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"})
	system := first([2]string{"Android", "Android"}, [2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"},
		[2]string{"Windows", "Windows"}, [2]string{"Mac OS", "macOS"}, [2]string{"Linux", "Linux"})
	return strings.Trim(name+" · "+system, " ·")
}
