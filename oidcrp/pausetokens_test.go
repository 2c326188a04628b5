package oidcrp_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// expiring is a plain store that heeds the expiry of what it is given.
type expiring struct {
	*plain
	now    func() time.Time
	mu     sync.Mutex
	expiry map[string]time.Time
}

func (s *expiring) Commit(token string, b []byte, expiry time.Time) error {
	s.mu.Lock()
	if s.expiry == nil {
		s.expiry = map[string]time.Time{}
	}
	s.expiry[token] = expiry
	s.mu.Unlock()
	return s.plain.Commit(token, b, expiry)
}

func (s *expiring) Find(token string) ([]byte, bool, error) {
	s.mu.Lock()
	expiry, known := s.expiry[token]
	s.mu.Unlock()
	if known && !expiry.After(s.now()) {
		return nil, false, nil
	}
	return s.plain.Find(token)
}

// newPausingTokens is an application that keeps tokens, and pauses logins while it should.
func newPausingTokens(t *testing.T, change func(*oidcrp.Config)) (a *app, pause *atomic.Bool, store *expiring) {
	pause, store = new(atomic.Bool), &expiring{plain: newPlain()}
	a = newTokenApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) {
		cfg.Store = store
		cfg.OnLogin = func(context.Context, *oidcrp.Login) error {
			if pause.Load() {
				return &oidcrp.Pause{Path: "/terms"}
			}
			return nil
		}
		if change != nil {
			change(cfg)
		}
	})
	store.now = a.clock.now
	return a, pause, store
}

// sealed counts the records that are no marks and have not expired.
func (s *expiring) sealed() (n int) {
	for key, b := range s.keep() {
		if _, found, _ := s.Find(key); found && len(b) > 45 {
			n++
		}
	}
	return n
}

// A login that is never resumed leaves no tokens, and takes none away.
func TestTokensOfAnAbandonedPause(t *testing.T) {
	for name, change := range map[string]func(*oidcrp.Config){
		"query": nil, "form_post": func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" },
		"cookie": func(c *oidcrp.Config) { c.CookieSessions = true },
	} {
		t.Run(name, func(t *testing.T) {
			a, pause, store := newPausingTokens(t, change)
			pause.Store(true)
			a.shows(a.browse().Get(a.URL+"/reports"), "terms")
			a.clock.advance(12 * time.Minute)
			if n := store.sealed(); n != 0 {
				t.Errorf("%d records left", n)
			}
		})
	}
	t.Run("KeepOffline", func(t *testing.T) {
		a, pause, store := newPausingTokens(t, keepsOffline)
		a.signIn()
		pause.Store(true)
		b := a.browse()
		a.op.SetFaults(oidcrptest.TokenField("refresh_token", "of the login that waits"))
		a.shows(b.Get(a.URL+"/reports"), "terms")
		a.op.SetFaults()
		late := b.Page().Form("terms")
		a.clock.advance(24 * time.Hour)
		if n := store.sealed(); n != 1 {
			t.Errorf("%d records", n)
		}
		for range 2 { // of the login there was, and then of the next
			if _, err := a.job(a.rp); err != nil {
				t.Errorf("the job: %v", err)
			}
			a.expire()
			b.Submit(late, nil) // too late
			a.shows(b.Get(a.URL+"/reports"), "terms")
			a.shows(b.Submit(b.Page().Form("terms"), nil), "reports for alice")
			a.shows(a.call(b), `"sub":"alice"`)
			b.Get(a.URL + "/leave")
			a.clock.advance(24 * time.Hour)
		}
	})
}

// Who signs in or out at the browser, or pauses anew, gives the login up that
// waits there: its tokens are revoked, unless that could end the new grant.
func TestTokensOfAPauseThatIsGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		give    func(a *app, pause *atomic.Bool, b *oidcrptest.Browser)
		revoked int
	}{
		"a sign-out": {func(a *app, _ *atomic.Bool, b *oidcrptest.Browser) { b.PostForm(a.URL+"/auth/logout", nil) }, 1},
		"another user's login": {func(a *app, pause *atomic.Bool, b *oidcrptest.Browser) {
			pause.Store(false)
			a.op.EndSessions()
			a.op.SignInAs("bob")
			a.shows(b.Get(a.URL+"/reports"), "reports for bob")
		}, 1},
		"the user's login": {func(a *app, pause *atomic.Bool, b *oidcrptest.Browser) {
			pause.Store(false)
			a.shows(b.Get(a.URL+"/reports"), "reports for alice")
		}, 0},
		"another user's pause": {func(a *app, _ *atomic.Bool, b *oidcrptest.Browser) {
			a.op.EndSessions()
			a.op.SignInAs("bob")
			a.shows(b.Get(a.URL+"/reports"), "terms")
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			a, pause, store := newPausingTokens(t, nil)
			pause.Store(true)
			b := a.browse()
			a.shows(b.Get(a.URL+"/reports"), "terms")
			tt.give(a, pause, b)
			a.rp.Shutdown(context.Background())
			if n := a.op.Calls(oidcrptest.RevokeEndpoint); n != tt.revoked {
				t.Errorf("%d revocations, want %d", n, tt.revoked)
			}
			want := 2 // a session or pause, and its tokens
			if name == "a sign-out" {
				want = 0
			}
			if n := store.sealed(); n != want {
				t.Errorf("%d records left, want %d", n, want)
			}
		})
	}
}

// A login may wait longer than a pause takes, at one page after another.
func TestTokensAfterManyPauses(t *testing.T) {
	steps := 0
	a, pause, _ := newPausingTokens(t, nil)
	a.resumed = func(*oidcrp.Login) error {
		if steps++; steps <= 3 {
			return &oidcrp.Pause{Path: "/terms"}
		}
		return nil
	}
	pause.Store(true)
	b := a.browse()
	page := b.Get(a.URL + "/reports")
	for range 4 {
		a.shows(page, "terms")
		a.clock.advance(9 * time.Minute)
		page = b.Submit(page.Form("terms"), nil)
	}
	a.shows(page, "reports for alice")
	a.shows(a.call(b), `"sub":"alice"`)
}
