package session_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

func TestStartThenLoad(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		if _, err := h.load(b, true); !errors.Is(err, session.ErrNone) {
			t.Fatalf("before: %v", err)
		}
		started := h.start(b, full())
		rec := h.mustLoad(b, true)
		want := full()
		want.Handle = started.Draft().Handle
		sameDraft(t, rec.Draft(), want)
		if rec.Handle() != started.Handle() || !rec.Started().Equal(epoch) || !rec.Checked().Equal(epoch) {
			t.Errorf("loaded %v of %v", rec, rec.Started())
		}
	})
}

// T101, T103
func TestCookieAttributes(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		for base, prefix := range map[string]string{"https://app.example.com": "__Host-", "http://localhost:3000": ""} {
			h := newHouse(t, stored, func(c *session.Config) { c.Site = site(t, base) })
			w := httptest.NewRecorder()
			rec, err := h.Start(context.Background(), w, new(browser).request(), typical())
			if err != nil {
				t.Fatal(err)
			}
			gone := httptest.NewRecorder()
			if err := h.End(context.Background(), gone, new(browser).request(), rec); err != nil {
				t.Fatal(err)
			}
			set, cleared := w.Result().Cookies(), gone.Result().Cookies()
			if len(set) != 1 || len(cleared) != 1 {
				t.Fatalf("%s: %d cookies set, %d cleared", base, len(set), len(cleared))
			}
			s, c := set[0], cleared[0]
			if !strings.HasPrefix(s.Name, prefix+"oidcrp_") || s.Secure != (prefix != "") || !s.HttpOnly ||
				s.SameSite != http.SameSiteLaxMode || s.Path != "/" || s.Domain != "" || s.MaxAge != 12*3600 {
				t.Errorf("%s: set %v", base, s)
			}
			if c.Name != s.Name || c.Secure != s.Secure || c.Path != s.Path || c.SameSite != s.SameSite || c.HttpOnly != s.HttpOnly || c.MaxAge >= 0 {
				t.Errorf("%s: cleared by %v what was set by %v", base, c, s)
			}
		}
	})
}

func TestCookieOfTypicalSessionIsSmall(t *testing.T) {
	h, b := newHouse(t, false, nil), new(browser)
	h.start(b, typical())
	name, value, _ := strings.Cut(b.cookies[0], "=")
	if n := len(name) + len(value); n > 850 {
		t.Errorf("name and value have %d bytes, 850 are the target", n)
	}
}

// T098
func TestPlantedCookieNamesNoSession(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, victim := newHouse(t, stored, nil), new(browser)
		name, _, _ := strings.Cut(startedCookie(h), "=")
		planted := name + "=" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))
		victim.cookies = []string{planted}
		if _, err := h.load(victim, true); !errors.Is(err, session.ErrNone) {
			t.Fatalf("the planted id loads: %v", err)
		}
		h.start(victim, typical())
		if victim.cookies[0] == planted {
			t.Error("the planted id was kept at login")
		}
		if _, err := h.load(&browser{[]string{planted}}, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("the planted id is signed in after login: %v", err)
		}
	})
}

// startedCookie is the cookie of a new session, as "name=value".
func startedCookie(h *house) string {
	b := new(browser)
	h.start(b, typical())
	return b.cookies[0]
}

// T099
func TestLoginEndsTheSessionBefore(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		for _, subject := range []string{"bob", "alice"} {
			h, b := newHouse(t, stored, nil), new(browser)
			first := h.start(b, person("alice"))
			thief := b.copy()
			second := h.start(b, person(subject))
			if first.Handle() == second.Handle() || thief.cookies[0] == b.cookies[0] {
				t.Error("the second login has the id of the first")
			}
			if _, err := h.load(thief, true); !errors.Is(err, session.ErrNone) {
				t.Errorf("the first session is still there: %v", err)
			}
			if rec := h.mustLoad(b, true); rec.Subject() != subject {
				t.Errorf("signed in as %s", rec.Subject())
			}
			if stored && len(h.store.sessions()) != 1 {
				t.Errorf("%d records in the store", len(h.store.sessions()))
			}
		}
	})
}

// T100
func TestTwoCookiesOfTheName(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h := newHouse(t, stored, nil)
		mine, planted := startedCookie(h), startedCookie(h)
		for _, cookies := range [][]string{{mine, planted}, {planted, mine}, {mine, mine}} {
			w := httptest.NewRecorder()
			if _, err := h.Load(context.Background(), w, (&browser{cookies}).request(), true); !errors.Is(err, session.ErrDuplicate) {
				t.Errorf("got %v, want ErrDuplicate", err)
			}
			if set := w.Result().Cookies(); len(set) != 1 || set[0].MaxAge >= 0 {
				t.Errorf("not cleared: %v", set)
			}
		}
		name, value, _ := strings.Cut(mine, "=")
		for _, other := range []string{"\u2000" + name + "=x", "\t" + name + "=x", "=" + name, "$Version=1", strings.ToUpper(name) + "=x"} {
			if _, err := h.load(&browser{[]string{other, mine}}, true); err != nil {
				t.Errorf("beside %q: %v", other, err)
			}
		}
		if _, err := h.load(&browser{[]string{name + `="` + value + `"`}}, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("a quoted value: %v", err)
		}
	})
}

// T104: whatever is done to a cookie, the answer is the one to no cookie.
func TestTamperedCookie(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour })
		name, value, _ := strings.Cut(startedCookie(h), "=")
		_, second, _ := strings.Cut(startedCookie(h), "=")
		raw, err := base64.RawURLEncoding.DecodeString(value)
		if err != nil {
			t.Fatal(err)
		}
		h.clock.add(30 * time.Minute) // the good one would be written again
		bad := []string{"", "=", value + "A", value + "=", value + "AAAA", value[:len(value)-1], value[1:], second[:20] + value[20:], strings.ToUpper(value), base64.StdEncoding.EncodeToString(raw) + "+", value + "." + value, " " + value}
		for i := range raw {
			for bit := range 8 {
				flipped := bytes.Clone(raw)
				flipped[i] ^= 1 << bit
				bad = append(bad, base64.RawURLEncoding.EncodeToString(flipped))
			}
		}
		for i := range len(value) {
			bad = append(bad, value[:i], value[:i]+"*"+value[i+1:], value[:i]+"\n"+value[i:])
		}
		for _, v := range bad {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = []string{name + "=" + v}
			if v == value || strings.TrimSpace(v) == value && v[0] != ' ' {
				continue
			}
			rec, err := h.Load(context.Background(), w, r, true)
			if !errors.Is(err, session.ErrNone) || !rec.IsZero() {
				t.Fatalf("%q: got %v, %v", v, rec, err)
			}
			if len(w.Header()) != 0 {
				t.Fatalf("%q: the answer has %v", v, w.Header())
			}
		}
		if _, err := h.load(&browser{[]string{name + "=" + value}}, true); err != nil {
			t.Errorf("the good one: %v", err)
		}
	})
}

// T017
func TestCookieOfAnotherKind(t *testing.T) {
	h := newHouse(t, false, nil)
	stored := newHouse(t, true, nil)
	name, value, _ := strings.Cut(startedCookie(h), "=")
	_, id, _ := strings.Cut(startedCookie(stored), "=")

	elsewhere := newHouse(t, false, func(c *session.Config) { c.Site = site(t, "https://other.example.com") })
	_, foreign, _ := strings.Cut(startedCookie(elsewhere), "=")
	strange := newHouse(t, false, func(c *session.Config) { c.Keys = keys(t, 9) })
	_, otherKey, _ := strings.Cut(startedCookie(strange), "=")
	state, _, err := h.config.Keys.Box("state", h.config.Site.ID()).Seal(session.Encode(typical(), epoch, 43200), []byte(name), epoch)
	if err != nil {
		t.Fatal(err)
	}
	otherName, _, err := h.config.Keys.Box("session cookie", h.config.Site.ID()).Seal(session.Encode(typical(), epoch, 43200), []byte("other"), epoch)
	if err != nil {
		t.Fatal(err)
	}
	noName, _, err := h.config.Keys.Box("session cookie", h.config.Site.ID()).Seal(session.Encode(typical(), epoch, 43200), nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	own, _, err := h.config.Keys.Box("session cookie", h.config.Site.ID()).Seal(session.Encode(typical(), epoch, 43200), []byte(name), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.load(&browser{[]string{name + "=" + own}}, true); err != nil {
		t.Fatalf("the one thing that is a session: %v", err)
	}
	later := session.Encode(typical(), epoch, 43200)
	later[0] += 0x10
	newer, _, err := h.config.Keys.Box("session cookie", h.config.Site.ID()).Seal(later, []byte(name), epoch)
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]struct {
		h     *house
		value string
	}{
		"a cookie of no name":                 {h, noName},
		"a record of a newer version":         {h, newer},
		"a store-mode id in cookie mode":      {h, id},
		"a cookie-mode session in store mode": {stored, value},
		"one of another site, same key":       {h, foreign},
		"one of another key":                  {h, otherKey},
		"a sealed login state":                {h, state},
		"a cookie of another name":            {h, otherName},
	} {
		if _, err := try.h.load(&browser{[]string{name + "=" + try.value}}, true); !errors.Is(err, session.ErrUnreadable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	// The store's records are parted by site too.
	b := new(browser)
	stored.start(b, typical())
	_, id, _ = strings.Cut(b.cookies[0], "=")
	there := stored.other(func(c *session.Config) { c.Site = site(t, "https://other.example.com") })
	there.start(b, typical())
	thereName, _, _ := strings.Cut(b.cookies[1], "=")
	if _, err := there.load(&browser{[]string{thereName + "=" + id}}, true); !errors.Is(err, session.ErrMissing) {
		t.Errorf("an id of another site of the store: %v", err)
	}
}

// T017: what keeps a login waiting signs nobody in, nor the reverse.
func TestKindsAreApart(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h := newHouse(t, stored, nil)
		waiting := h.other(func(c *session.Config) { c.Kind = "paused" })
		for _, try := range [][2]*house{{h, waiting}, {waiting, h}} {
			from, to := try[0], try[1]
			_, value, _ := strings.Cut(startedCookie(from), "=")
			name, _, _ := strings.Cut(startedCookie(to), "=")
			b := &browser{[]string{name + "=" + value}}
			if _, err := to.load(b, true); !errors.Is(err, session.ErrNone) {
				t.Errorf("loaded: %v", err)
			}
			if !stored {
				// The name in the seal is not all that parts them.
				purpose := map[*house]string{h: "paused cookie", waiting: "session cookie"}[to]
				value, _, err := h.config.Keys.Box(purpose, h.config.Site.ID()).Seal(session.Encode(typical(), epoch, 43200), []byte(name), epoch)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := to.load(&browser{[]string{name + "=" + value}}, true); !errors.Is(err, session.ErrUnreadable) {
					t.Errorf("a cookie of the other kind: %v", err)
				}
				continue
			}
			// Not even for somebody who can move records in the store.
			target := new(browser)
			to.start(target, typical())
			_, id, _ := strings.Cut(target.cookies[0], "=")
			sum, err := base64.RawURLEncoding.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			purpose := map[*house]string{h: "paused record", waiting: "session record"}[to]
			sealed, _, err := h.config.Keys.BoxFor(purpose, h.config.Site.ID(), sum).SealBytes(nil, session.Encode(typical(), epoch, 43200), nil, epoch)
			if err != nil {
				t.Fatal(err)
			}
			to.mustLoad(target, true)
			for key, r := range h.store.records {
				h.store.records[key] = kept{sealed, r.expiry}
			}
			if _, err := to.load(target, true); !errors.Is(err, session.ErrUnreadable) {
				t.Errorf("a record of the other kind: %v", err)
			}
		}
	})
}

// T106, T112
func TestIDsAreNeverTheSame(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h := newHouse(t, stored, nil)
		seen := make(map[string]bool)
		for range 5000 {
			b := new(browser)
			rec := h.start(b, session.Draft{Subject: "s"})
			_, value, _ := strings.Cut(b.cookies[0], "=")
			for _, s := range []string{value, rec.Handle()} {
				if seen[s] {
					t.Fatalf("%q twice", s)
				}
				seen[s] = true
			}
			if stored && len(value) != 43 {
				t.Fatalf("id %q", value)
			}
		}
	})
}

// T112: who has the store has no session, and no names either.
func TestStoreDumpGivesNothingAway(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	rec := h.start(b, typical())
	name, id, _ := strings.Cut(b.cookies[0], "=")
	for key, r := range h.store.records {
		if len(key) != 43 {
			t.Errorf("key %q", key)
		}
		for _, secret := range []string{id, rec.Subject(), rec.Issuer(), "Lovelace"} {
			if bytes.Contains(r.b, []byte(secret)) || strings.Contains(key, secret) {
				t.Errorf("the store shows %q", secret)
			}
		}
		if _, err := h.load(&browser{[]string{name + "=" + key}}, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("the store's key signs in: %v", err)
		}
	}
	if err := h.end(b, rec); err != nil {
		t.Fatal(err)
	}
	for key := range h.store.records {
		if len(key) != 43 || strings.Contains(key, id) {
			t.Errorf("mark under %q", key)
		}
	}
}

// R17, R19
func TestForeignRecordInStore(t *testing.T) {
	h, b, other := newHouse(t, true, nil), new(browser), new(browser)
	h.start(b, typical())
	key := h.store.sessions()[0]
	good := h.store.records[key]
	h.start(other, typical())
	var others []byte
	for _, k := range h.store.sessions() {
		if k != key {
			others = h.store.records[k].b
		}
	}
	id, _ := base64.RawURLEncoding.DecodeString(b.cookies[0][strings.Index(b.cookies[0], "=")+1:])
	newer := session.Encode(typical(), epoch, 43200)
	newer[0] += 0x10
	newer, _, err := h.config.Keys.BoxFor("session record", h.config.Site.ID(), id).SealBytes(nil, newer, nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	tries := map[string][]byte{
		"nil": nil, "empty": {}, "one byte": {1}, "the record of another id": others, "a newer version": newer,
		"60 KB": bytes.Repeat(good.b, 60<<10/len(good.b)), "cut": good.b[:len(good.b)-1], "gob of scs": []byte("\x0d\x7f\x04\x01\x02\xff\x80\x00\x01"),
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	for i := range 300 {
		v := bytes.Clone(good.b)
		v[rnd.IntN(len(v))] ^= 1 << rnd.IntN(8)
		tries[fmt.Sprint("bit ", i)] = v
	}
	for what, v := range tries {
		h.store.records[key] = kept{v, good.expiry}
		if rec, err := h.load(b, true); !errors.Is(err, session.ErrUnreadable) || !rec.IsZero() {
			t.Errorf("%s: %v, %v", what, rec, err)
		}
	}
	silent := h.other(func(c *session.Config) { c.Warn = nil })
	if _, err := silent.load(b, true); !errors.Is(err, session.ErrUnreadable) {
		t.Errorf("where nobody is warned: %v", err)
	}
	h.store.records[key] = good
	h.mustLoad(b, true)
}

// A huge value in the store is not even opened.
func TestHugeRecordCostsNothing(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	h.start(b, typical())
	key := h.store.sessions()[0]
	id, _ := base64.RawURLEncoding.DecodeString(b.cookies[0][strings.Index(b.cookies[0], "=")+1:])
	const size = 8 << 20
	sealed, _, err := h.config.Keys.BoxFor("session record", h.config.Site.ID(), id).SealBytes(nil, make([]byte, size), nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	h.store.records[key] = kept{sealed, h.store.records[key].expiry}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := h.load(b, true); !errors.Is(err, session.ErrUnreadable) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > size+size/2 { // the store may copy it
		t.Errorf("%d bytes allocated", n)
	}
}

// R18: new key added, moved first, old one dropped.
func TestKeyRotation(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Keys = keys(t, 1); c.Idle = time.Hour }), new(browser)
		h.start(b, typical())
		for _, k := range []*cookie.Keys{keys(t, 1, 2), keys(t, 2, 1)} {
			h.other(func(c *session.Config) { c.Keys = k }).mustLoad(b, true)
		}
		h.clock.add(30 * time.Minute)
		old := b.copy()
		h.other(func(c *session.Config) { c.Keys = keys(t, 2, 1) }).mustLoad(b, true) // written with the newest
		last := h.other(func(c *session.Config) { c.Keys = keys(t, 2) })
		last.mustLoad(b, true)
		if !stored {
			if _, err := last.load(old, true); !errors.Is(err, session.ErrUnreadable) {
				t.Errorf("a cookie of the dropped key: %v", err)
			}
		}
	})
}

// T116
func TestLifetimes(t *testing.T) {
	const h, m = time.Hour, time.Minute
	for name, tt := range map[string]struct {
		lifetime, idle time.Duration
		token, ceiling time.Duration // after the start, 0: none
		step           time.Duration // between requests
		active         bool
		dies           time.Duration // the first request that is refused
		start          time.Time
	}{
		"default lifetime":             {step: h, active: true, dies: 12 * h},
		"absolute":                     {lifetime: 2 * h, step: 30 * m, active: true, dies: 2 * h},
		"absolute, however active":     {lifetime: 2 * h, idle: h, step: 10 * m, active: true, dies: 2 * h},
		"idle":                         {lifetime: 12 * h, idle: h, step: h, active: true, dies: h},
		"idle, kept alive":             {lifetime: 3 * h, idle: h, step: 50 * m, active: true, dies: 200 * m},
		"idle, polling does not count": {lifetime: 12 * h, idle: h, step: 5 * m, dies: h},
		"token lifetime":               {lifetime: 12 * h, token: h, step: 20 * m, active: true, dies: h},
		"provider's ceiling":           {lifetime: 12 * h, token: 3 * h, ceiling: 2 * h, step: 20 * m, active: true, dies: 2 * h},
		"ceiling after the lifetime":   {lifetime: h, ceiling: 2 * h, step: 20 * m, active: true, dies: h},
		"year 2039":                    {lifetime: h, step: 20 * m, active: true, dies: h, start: time.Date(2039, 2, 1, 0, 0, 0, 0, time.UTC)},
		"two years":                    {lifetime: 2 * 365 * 24 * h, idle: 40 * 24 * h, step: 30 * 24 * h, active: true, dies: 750 * 24 * h},
	} {
		t.Run(name, func(t *testing.T) {
			bothModes(t, func(t *testing.T, stored bool) {
				house, b := newHouse(t, stored, func(c *session.Config) { c.Lifetime, c.Idle = tt.lifetime, tt.idle }), new(browser)
				if !tt.start.IsZero() {
					house.clock.t = tt.start
				}
				start := house.clock.now()
				d := typical()
				if tt.token > 0 {
					d.TokenExpiry = start.Add(tt.token)
				}
				if tt.ceiling > 0 {
					d.Ceiling = start.Add(tt.ceiling)
				}
				house.start(b, d)
				for {
					thief := b.copy()
					house.clock.add(tt.step)
					at := house.clock.now().Sub(start)
					rec, err := house.load(b, tt.active)
					if at < tt.dies {
						if err != nil {
							t.Fatalf("after %v: %v", at, err)
						}
						if left := rec.Expires().Sub(house.clock.now()); left <= 0 {
							t.Fatalf("after %v: expired and loaded", at)
						}
						continue
					}
					if !errors.Is(err, session.ErrNone) {
						t.Fatalf("after %v: %v", at, err)
					}
					if stored && !errors.Is(err, session.ErrMissing) {
						t.Errorf("the store keeps it longer: %v", err)
					}
					if _, err := house.load(thief, tt.active); !errors.Is(err, session.ErrNone) {
						t.Errorf("a copied cookie lives on: %v", err)
					}
					return
				}
			})
		})
	}
}

func TestShorterConfigurationBindsOlderSessions(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		h.clock.add(2 * time.Hour)
		for name, change := range map[string]func(*session.Config){
			"lifetime": func(c *session.Config) { c.Lifetime = time.Hour },
			"idle":     func(c *session.Config) { c.Idle = time.Hour },
		} {
			if _, err := h.other(change).load(b, true); !errors.Is(err, session.ErrExpired) {
				t.Errorf("%s: %v", name, err)
			}
		}
		h.mustLoad(b, true)
	})
}

// Nor does a longer one give them more than they were started with.
func TestLongerConfigurationExtendsNoSession(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Lifetime = time.Hour }), new(browser)
		d := typical()
		d.TokenExpiry, d.Ceiling = epoch.Add(2*time.Hour), epoch.Add(3*time.Hour)
		h.start(b, d)
		h = h.other(func(c *session.Config) { c.Lifetime = 12 * time.Hour })
		if rec := h.mustLoad(b, true); !rec.Expires().Equal(epoch.Add(time.Hour)) {
			t.Errorf("expires %v", rec.Expires())
		}
	})
}

// T116: clocks jump, and nodes' clocks differ.
func TestClockJumps(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Lifetime, c.Idle = 4*time.Hour, 30*time.Minute }), new(browser)
		h.start(b, typical())
		h.clock.add(-time.Hour)
		h.mustLoad(b, true)
		h.clock.add(time.Hour)
		h.mustLoad(b, true)
		h.clock.add(time.Hour) // more than the idle time at once
		if _, err := h.load(b, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("after a jump ahead: %v", err)
		}
		h.clock.add(-time.Hour) // and back: the cookie was not taken away
		if rec := h.mustLoad(b, true); rec.Expires().Sub(rec.Started()) > 4*time.Hour {
			t.Errorf("a clock jump extended the session to %v", rec.Expires())
		}
	})
}

// A use that was written down by a clock that was ahead is corrected.
func TestUseInTheFuture(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
		h.start(b, typical())
		h.clock.add(50 * time.Minute)
		h.mustLoad(b, true)
		h.clock.add(-40 * time.Minute)
		h.mustLoad(b, true)
		if rec := h.mustLoad(b, true); !rec.Expires().Equal(epoch.Add(70 * time.Minute)) {
			t.Errorf("expires %v", rec.Expires())
		}
	})
}

// To renew a session is to use it.
func TestRenewalIsUse(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
		rec := h.start(b, typical())
		h.clock.add(50 * time.Minute)
		h.renew(b, rec)
		if rec := h.mustLoad(b, false); !rec.Expires().Equal(epoch.Add(110 * time.Minute)) {
			t.Errorf("expires %v", rec.Expires())
		}
	})
}

// Without an idle time no use is written down.
func TestUseWithoutIdleTime(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		h.clock.add(time.Hour)
		w := httptest.NewRecorder()
		if _, err := h.Load(context.Background(), w, b.request(), true); err != nil || len(w.Header()) != 0 {
			t.Errorf("%v, %v", err, w.Header())
		}
		if stored && h.store.count("commit") != 1 {
			t.Errorf("%d commits", h.store.count("commit"))
		}
	})
}

func TestIdleTimeIsWrittenSparsely(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
		h.start(b, typical())
		writes := 0
		for range 60 {
			h.clock.add(time.Minute)
			w := httptest.NewRecorder()
			if _, err := h.Load(context.Background(), w, b.request(), true); err != nil {
				t.Fatal(err)
			}
			writes += len(w.Result().Cookies())
			b.take(w)
		}
		if stored {
			if writes != 0 {
				t.Errorf("%d cookies set for one id", writes)
			}
			writes = h.store.count("commit") - 1
		}
		if writes != 10 {
			t.Errorf("60 requests within an hour wrote %d times, want 10", writes)
		}
	})
}

func TestSessionThatWouldHaveEnded(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		for name, change := range map[string]func(*session.Draft){
			"token expired":      func(d *session.Draft) { d.TokenExpiry = epoch.Add(-time.Hour) },
			"ceiling now":        func(d *session.Draft) { d.Ceiling = epoch },
			"ceiling in 1.9 s":   func(d *session.Draft) { d.Ceiling = epoch.Add(1900 * time.Millisecond) },
			"ceiling in year 0":  func(d *session.Draft) { d.Ceiling = time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC) },
			"ceiling before all": func(d *session.Draft) { d.Ceiling = time.Unix(-1<<60, 0) },
		} {
			h := newHouse(t, stored, nil)
			d := typical()
			change(&d)
			w := httptest.NewRecorder()
			_, err := h.Start(context.Background(), w, new(browser).request(), d)
			if !errors.Is(err, session.ErrPast) || len(w.Header()) != 0 {
				t.Errorf("%s: %v, %v", name, err, w.Header())
			}
		}
	})
}

// T117
func TestEndThenReplay(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
		h.start(b, typical())
		older := b.copy()
		h.clock.add(20 * time.Minute)
		rec := h.mustLoad(b, true) // in cookie mode: another cookie
		newer := b.copy()
		if err := h.end(b, rec); err != nil {
			t.Fatal(err)
		}
		if len(b.cookies) != 0 {
			t.Errorf("the jar still has %v", b.cookies)
		}
		for range 13 {
			for _, thief := range []*browser{older, newer} {
				if _, err := h.load(thief.copy(), true); !errors.Is(err, session.ErrNone) {
					t.Fatalf("a copied cookie: %v", err)
				}
			}
			h.clock.add(time.Hour)
		}
		if stored {
			if n := len(h.store.sessions()); n != 0 {
				t.Errorf("%d records are left", n)
			}
			if _, err := h.other(nil).load(newer.copy(), true); !errors.Is(err, session.ErrMissing) {
				t.Errorf("at another node: %v", err)
			}
		}
	})
}

func TestEndWithoutRecordEndsTheRequests(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		thief := b.copy()
		if err := h.end(b, session.Record{}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.load(thief, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("still there: %v", err)
		}
		for _, cookies := range [][]string{nil, {"__Host-oidcrp_s_x=y"}, {thief.cookies[0] + "x"}} {
			if err := h.end(&browser{cookies}, session.Record{}); err != nil {
				t.Errorf("%v: %v", cookies, err)
			}
		}
	})
}

func TestRenew(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Lifetime = 2 * time.Hour }), new(browser)
		h.start(b, full())
		h.clock.add(30 * time.Minute)
		w := httptest.NewRecorder()
		old, err := h.Checked(context.Background(), w, b.request(), h.mustLoad(b, true))
		if err != nil {
			t.Fatal(err)
		}
		b.take(w)
		thief := b.copy()
		h.clock.add(10 * time.Minute)
		w = httptest.NewRecorder()
		rec, err := h.Renew(context.Background(), w, b.request(), old, func(d *session.Draft) {
			d.Values = append(d.Values, session.Value{Key: "plan", Value: "gold"})
			d.TokenExpiry = time.Time{}
			d.Ceiling = time.Time{}
		})
		if err != nil {
			t.Fatal(err)
		}
		b.take(w)
		if rec.Handle() == old.Handle() || b.cookies[0] == thief.cookies[0] {
			t.Error("the id is the same")
		}
		if !rec.Started().Equal(epoch) || !rec.Expires().Equal(epoch.Add(2*time.Hour)) || !rec.Checked().Equal(epoch.Add(30*time.Minute)) {
			t.Errorf("started %v, checked %v, expires %v", rec.Started(), rec.Checked(), rec.Expires())
		}
		loaded := h.mustLoad(b, true)
		if loaded.Value("plan") != "gold" || loaded.Value("user") != "42" || loaded.Handle() != rec.Handle() {
			t.Errorf("loaded %+v", loaded.Draft())
		}
		if _, err := h.load(thief, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("the old id: %v", err)
		}
		// Who was slower gets nothing, and takes nothing away.
		w = httptest.NewRecorder()
		if _, err := h.Renew(context.Background(), w, thief.request(), old, nil); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
			t.Errorf("renewing what was renewed: %v, %v", err, w.Header())
		}
		if stored {
			w = httptest.NewRecorder()
			if _, err := h.other(nil).Renew(context.Background(), w, thief.request(), old, nil); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
				t.Errorf("at another node: %v, %v", err, w.Header())
			}
			if n := len(h.store.sessions()); n != 1 {
				t.Errorf("%d records", n)
			}
		}
		h.mustLoad(b, true)
		h.clock.add(2 * time.Hour)
		if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), rec, nil); !errors.Is(err, session.ErrExpired) {
			t.Errorf("renewing after the end: %v", err)
		}
		if _, err := h.Renew(context.Background(), httptest.NewRecorder(), b.request(), session.Record{}, func(*session.Draft) { t.Error("nothing is changed") }); !errors.Is(err, session.ErrNone) {
			t.Errorf("renewing nothing: %v", err)
		}
	})
}

func TestRenewCannotReviveAnEndedSession(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		rec := h.mustLoad(b, true)
		thief := b.copy()
		if err := h.end(b, rec); err != nil {
			t.Fatal(err)
		}
		for _, k := range []*house{h, h.other(nil)} {
			if !stored && k != h {
				continue
			}
			w := httptest.NewRecorder()
			if _, err := k.Renew(context.Background(), w, thief.request(), rec, nil); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
				t.Errorf("renew: %v, %v", err, w.Header())
			}
			if _, err := k.Checked(context.Background(), w, thief.request(), rec); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
				t.Errorf("checked: %v, %v", err, w.Header())
			}
		}
		if stored && len(h.store.sessions()) != 0 {
			t.Error("a record is back in the store")
		}
	})
}

func TestChecked(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
		h.start(b, typical())
		h.clock.add(50 * time.Minute)
		rec := h.mustLoad(b, false)
		w := httptest.NewRecorder()
		rec, err := h.Checked(context.Background(), w, b.request(), rec)
		if err != nil {
			t.Fatal(err)
		}
		b.take(w)
		loaded := h.mustLoad(b, false)
		for _, r := range []session.Record{rec, loaded} {
			if !r.Checked().Equal(epoch.Add(50 * time.Minute)) {
				t.Errorf("checked at %v", r.Checked())
			}
			if !r.Expires().Equal(epoch.Add(time.Hour)) {
				t.Errorf("to be checked counted as use: expires %v", r.Expires())
			}
		}
		if _, err := h.Checked(context.Background(), w, b.request(), session.Record{}); !errors.Is(err, session.ErrNone) {
			t.Errorf("nothing: %v", err)
		}
	})
}

// T109
func TestSessionThatDoesNotFit(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		d := typical()
		for i := range 40 {
			value, _ := json.Marshal(strings.Repeat("secretvalue", 140))
			d.Claims = append(d.Claims, session.Claim{Name: fmt.Sprint("group", i), Value: value})
		}
		d.Values = []session.Value{{Key: "bag", Value: strings.Repeat("x", 3000)}, {Key: "\x00hint", Value: strings.Repeat("x", 2000)}}
		w := httptest.NewRecorder()
		_, err := h.Start(context.Background(), w, b.request(), d)
		var large *session.TooLarge
		if !errors.As(err, &large) || len(w.Header()) != 0 {
			t.Fatalf("got %v, %v", err, w.Header())
		}
		if len(large.Largest) != 5 || large.Largest[0].Name != "value bag" || large.Largest[0].Bytes != 3003 ||
			large.Largest[1].Name != "our own hint" || !strings.HasPrefix(large.Largest[2].Name, "claim group") || large.Size < 60000 || large.Limit > 48<<10 {
			t.Errorf("%+v", large)
		}
		if strings.Contains(err.Error(), "secretvalue") || strings.Contains(err.Error(), "Store") == stored || !strings.Contains(err.Error(), "keep fewer claims") {
			t.Errorf("it says: %v", err)
		}
		h.mustLoad(b, true) // the session before is as it was
		if _, err := h.Renew(context.Background(), w, b.request(), h.mustLoad(b, true), func(n *session.Draft) { *n = d }); !errors.As(err, &large) {
			t.Errorf("renew: %v", err)
		}
		h.mustLoad(b, true)
	})
}

// Every size is either kept whole or refused, and never cut.
func TestSizesAroundTheLimit(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h := newHouse(t, stored, func(c *session.Config) { c.Idle = time.Hour })
		from, to, fits := 2900, 3100, 0
		if stored {
			from, to = session.MaxRecord-100, session.MaxRecord+10
		}
		for n := from; n < to; n++ {
			b := new(browser)
			w := httptest.NewRecorder()
			_, err := h.Start(context.Background(), w, b.request(), session.Draft{Subject: strings.Repeat("x", n)})
			var large *session.TooLarge
			if errors.As(err, &large) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			fits++
			b.take(w)
			h.clock.add(30 * time.Minute)
			h.mustLoad(b, true) // is written again, and fits again
			if rec := h.mustLoad(b, true); len(rec.Subject()) != n || rec.Expires().Sub(h.clock.now()) != time.Hour {
				t.Fatalf("%d bytes became %d, expires %v", n, len(rec.Subject()), rec.Expires())
			}
		}
		if fits == 0 || fits == to-from {
			t.Errorf("%d of %d sizes fit", fits, to-from)
		}
	})
}

var errDown = errors.New("connection refused")

// R12
func TestStoreDownAtLogin(t *testing.T) {
	for _, op := range []string{"commit", "delete"} {
		h, b := newHouse(t, true, nil), new(browser)
		h.start(b, person("alice"))
		failing := false
		h.store.before = func(o, _ string) error {
			if failing && o == op {
				return errDown
			}
			return nil
		}
		failing = true
		w := httptest.NewRecorder()
		_, err := h.Start(context.Background(), w, b.request(), person("bob"))
		if !errors.Is(err, session.ErrStore) || !errors.Is(err, errDown) || errors.Is(err, session.ErrNone) {
			t.Errorf("%s fails: %v", op, err)
		}
		if len(w.Header()) != 0 {
			t.Errorf("%s fails, and a cookie is set: %v", op, w.Header())
		}
		if told := len(h.warned) > 0; told != (op == "delete") { // of the new record, which stays
			t.Errorf("%s fails: warned of %v", op, h.warned)
		}
		failing = false
		h.start(b, person("bob")) // and then it works
		if rec := h.mustLoad(b, true); rec.Subject() != "bob" {
			t.Errorf("signed in as %s", rec.Subject())
		}
	}
}

// R13, R16, E5
func TestStoreDownAtARequest(t *testing.T) {
	h, b := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
	h.start(b, typical())
	failing := "find"
	panics := false
	h.store.before = func(op, _ string) error {
		if op == failing && panics {
			panic("nil map")
		}
		if op == failing {
			return errDown
		}
		return nil
	}
	for _, panics = range []bool{false, true} {
		w := httptest.NewRecorder()
		_, err := h.Load(context.Background(), w, b.request(), true)
		if !errors.Is(err, session.ErrStore) || errors.Is(err, session.ErrNone) || errors.Is(err, errDown) == panics {
			t.Errorf("got %v", err)
		}
		if len(w.Header()) != 0 {
			t.Errorf("the cookie was touched: %v", w.Header())
		}
	}
	h.clock.add(30 * time.Minute)
	for _, panics = range []bool{false, true} {
		failing, h.warned = "commit", nil
		rec, err := h.load(b, true)
		if err != nil || !rec.Expires().Equal(epoch.Add(time.Hour)) {
			t.Errorf("a use that cannot be written down: %v, %v", rec.Expires(), err)
		}
		if len(h.warned) != 1 || !errors.Is(h.warned[0], session.ErrStore) {
			t.Errorf("warned of %v", h.warned)
		}
		if _, err := h.Checked(context.Background(), httptest.NewRecorder(), b.request(), rec); !errors.Is(err, session.ErrStore) {
			t.Errorf("checked: %v", err)
		}
	}
	failing = ""
	if rec := h.mustLoad(b, true); !rec.Expires().Equal(epoch.Add(90 * time.Minute)) {
		t.Errorf("after recovery it expires %v", rec.Expires())
	}
}

func TestStoreDownAtLogout(t *testing.T) {
	for _, op := range []string{"commit", "delete", "both"} {
		h, b := newHouse(t, true, nil), new(browser)
		h.start(b, typical())
		thief := b.copy()
		rec := h.mustLoad(b, true)
		h.store.before = func(o, _ string) error {
			if o == op || op == "both" && o != "find" {
				return errDown
			}
			return nil
		}
		if err := h.end(b, rec); !errors.Is(err, session.ErrStore) {
			t.Errorf("%s fails: %v", op, err)
		}
		if len(b.cookies) != 0 {
			t.Errorf("%s fails: the jar still has %v", op, b.cookies)
		}
		if _, err := h.load(thief, true); !errors.Is(err, session.ErrNone) {
			t.Errorf("%s fails: this node still knows it: %v", op, err)
		}
		if op == "delete" {
			// The mark was written: the record dies at the next write.
			if _, err := h.other(nil).Checked(context.Background(), httptest.NewRecorder(), thief.request(), rec); !errors.Is(err, session.ErrEnded) {
				t.Errorf("another node: %v", err)
			}
		}
	}
}

// Ended here is ended, though the store was not told.
func TestRenewAfterALogoutTheStoreDoesNotKnow(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	h.start(b, typical())
	thief := b.copy()
	rec := h.mustLoad(b, true)
	h.store.before = func(op, _ string) error { return errDown }
	if err := h.end(b, rec); !errors.Is(err, session.ErrStore) {
		t.Fatal(err)
	}
	h.store.before = nil
	w := httptest.NewRecorder()
	if _, err := h.Renew(context.Background(), w, thief.request(), rec, nil); !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
		t.Errorf("renewed: %v, %v", err, w.Header())
	}
}

// A visitor who does not wait for the answer is signed out all the same.
func TestEndGoesOnWithoutItsRequest(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	h.start(b, typical())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.End(ctx, httptest.NewRecorder(), b.request(), h.mustLoad(b, true)); err != nil {
		t.Fatal(err)
	}
	if len(h.store.sessions()) != 0 {
		t.Error("the record is left")
	}
	if _, err := h.Load(ctx, httptest.NewRecorder(), b.request(), true); !errors.Is(err, session.ErrStore) || !errors.Is(err, context.Canceled) {
		t.Errorf("load with a cancelled context: %v", err)
	}
}

// R14 and lost updates: a request that read the record before logout, and
// writes it back after, revives nothing.
func TestLateWriteRevivesNothing(t *testing.T) {
	h, b := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour }), new(browser)
	rec := h.start(b, typical())
	thief := b.copy()
	here, elsewhere := h, h.other(nil)
	h.clock.add(30 * time.Minute)
	ended := false
	h.store.before = func(op, key string) error {
		if op == "commit" && !ended {
			ended = true // between the other node's read and write
			if err := here.end(b, rec); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	if _, err := elsewhere.load(thief.copy(), true); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the late request: %v", err)
	}
	if n := len(h.store.sessions()); n != 0 {
		t.Errorf("%d records came back", n)
	}

	// A fail-over that forgets the logout: not on the node that did it.
	h.store.before = nil
	b = new(browser)
	rec = h.start(b, typical())
	thief = b.copy()
	h.store.mu.Lock()
	replica := make(map[string]kept)
	for k, v := range h.store.records {
		replica[k] = v
	}
	h.store.mu.Unlock()
	if err := h.end(b, rec); err != nil {
		t.Fatal(err)
	}
	h.store.records = replica
	if _, err := h.load(thief, true); !errors.Is(err, session.ErrEnded) {
		t.Errorf("after fail-over: %v", err)
	}
}

// The store's traps: never less than two seconds, never more than 48 KB, a
// slice of its own each time.
func TestWhatAStoreIsGiven(t *testing.T) {
	h, b := newHouse(t, true, func(c *session.Config) { c.Lifetime, c.Idle = 10*time.Second, 20*time.Second }), new(browser)
	trap := &trapStore{plainStore: h.store, t: t}
	h = h.other(func(c *session.Config) { c.Store = trap })
	h.start(b, session.Draft{Subject: strings.Repeat("x", session.MaxRecord-100)})
	for range 9 {
		h.clock.add(time.Second)
		rec, err := h.load(b, true)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Checked(context.Background(), httptest.NewRecorder(), b.request(), rec); err != nil {
			t.Fatal(err)
		}
	}
	if trap.commits < 5 {
		t.Errorf("%d commits", trap.commits)
	}
	if err := h.end(b, h.mustLoad(b, false)); err != nil {
		t.Fatal(err)
	}
}

// trapStore is a store like scs's memstore: it keeps what it is given and
// returns what it keeps.
type trapStore struct {
	*plainStore
	t       *testing.T
	commits int
	given   [][]byte
	copies  [][]byte
}

func (s *trapStore) Find(key string) ([]byte, bool, error) {
	for i := range s.given {
		if !bytes.Equal(s.given[i], s.copies[i]) {
			s.t.Error("a slice that the store holds was changed")
		}
	}
	if len(s.given) > 0 && len(s.records) > 0 {
		if r, ok := s.records[key]; ok {
			return r.b, true, nil
		}
	}
	return nil, false, nil
}

func (s *trapStore) Commit(key string, b []byte, expiry time.Time) error {
	s.commits++
	if left := expiry.Sub(s.clock.now()); left < 2*time.Second {
		s.t.Errorf("a commit with %v to live", left)
	}
	if len(b) > session.MaxSealed {
		s.t.Errorf("a commit of %d bytes", len(b))
	}
	if len(b) != cap(b) {
		s.t.Errorf("a slice with room for %d more", cap(b)-len(b))
	}
	s.given, s.copies = append(s.given, b), append(s.copies, bytes.Clone(b))
	s.records[key] = kept{b, expiry}
	return nil
}

// ctxStore has the variants with a context.
type ctxStore struct {
	t testing.TB
	m *plainStore
	n int
}

func (s *ctxStore) Find(string) ([]byte, bool, error)      { s.t.Error("Find"); return nil, false, nil }
func (s *ctxStore) Commit(string, []byte, time.Time) error { s.t.Error("Commit"); return nil }
func (s *ctxStore) Delete(string) error                    { s.t.Error("Delete"); return nil }

func (s *ctxStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	s.n++
	return s.m.Find(key)
}

func (s *ctxStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	s.n++
	return s.m.Commit(key, b, expiry)
}

func (s *ctxStore) DeleteCtx(ctx context.Context, key string) error {
	s.n++
	return s.m.Delete(key)
}

func TestVariantsWithContextArePreferred(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	s := &ctxStore{t: t, m: h.store}
	h = h.other(func(c *session.Config) { c.Store = s })
	h.start(b, typical())
	if err := h.end(b, h.mustLoad(b, true)); err != nil {
		t.Fatal(err)
	}
	if s.n != 8 {
		t.Errorf("%d calls, want commit and find at the start, two finds, mark and delete between two looks for another handle", s.n)
	}
}

// A request that was loaded before a refresh took a role away does not bring it
// back, whatever it writes afterwards.
func TestNothingWrittenLaterUndoesAnAmendment(t *testing.T) {
	ctx := context.Background()
	for name, write := range map[string]func(*house, *browser, session.Record) error{
		"renewed": func(h *house, b *browser, rec session.Record) error {
			w := httptest.NewRecorder()
			_, err := h.Renew(ctx, w, b.request(), rec, func(d *session.Draft) { d.Values = append(d.Values, session.Value{Key: "k", Value: "v"}) })
			b.take(w)
			return err
		},
		"checked": func(h *house, b *browser, rec session.Record) error {
			h.clock.add(time.Minute)
			_, err := h.Checked(ctx, httptest.NewRecorder(), b.request(), rec)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, true, nil)
			var b browser
			loaded := h.start(&b, typical())
			if !loaded.HasRole("admin") {
				t.Fatal("no role to lose")
			}
			if _, err := h.Amend(ctx, loaded, func(d *session.Draft) { d.Roles = []string{"reports.read"} }); err != nil {
				t.Fatal(err)
			}
			if err := write(h, &b, loaded); err != nil {
				t.Fatal(err)
			}
			if rec := h.mustLoad(&b, true); rec.HasRole("admin") || !rec.HasRole("reports.read") {
				t.Errorf("roles %v", rec.Draft().Roles)
			}
		})
	}
}

// A session that another keeper has, such as that of a test, is no less renewed
// here: this one's store is not asked for it.
func TestRenewalOfAnothersSession(t *testing.T) {
	h, there := newHouse(t, true, nil), newHouse(t, true, nil)
	var b browser
	rec := there.start(new(browser), typical())
	next := h.renew(&b, rec)
	if got := h.mustLoad(&b, true); got.Handle() != next.Handle() || got.Handle() == rec.Handle() {
		t.Errorf("it goes on as %v", got)
	}
}

// Nor does a request that extends the idle time while the role is taken away.
func TestUseUndoesNoAmendment(t *testing.T) {
	h := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour })
	var b browser
	loaded := h.start(&b, typical())
	h.clock.add(30 * time.Minute)
	amended := false
	h.store.after = func(op, _ string) error {
		if op == "find" && !amended { // the request has read the record
			amended = true
			_, err := h.other(nil).Amend(context.Background(), loaded, func(d *session.Draft) { d.Roles = []string{"reports.read"} })
			return err
		}
		return nil
	}
	for range 2 {
		rec := h.mustLoad(&b, true)
		if rec.HasRole("admin") || !rec.HasRole("reports.read") {
			t.Errorf("roles %v", rec.Draft().Roles)
		}
		if want := epoch.Add(90 * time.Minute); !rec.Expires().Equal(want) {
			t.Errorf("expires %v, want %v", rec.Expires(), want)
		}
	}
}

// A second login while the first one's session is being used, from many tabs,
// under the race detector.
func TestConcurrentUse(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		c := session.Config{Keys: keys(t, 1), Site: site(t, "https://app.example.com"), Idle: time.Hour}
		if stored {
			c.Store = session.NewMemoryStore(0)
		}
		k := session.New(c)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					w := httptest.NewRecorder()
					d := person(fmt.Sprint(i, "-", j))
					b := new(browser)
					rec, err := k.Start(context.Background(), w, b.request(), d)
					if err != nil {
						t.Error(err)
						return
					}
					b.take(w)
					got, err := k.Load(context.Background(), w, b.request(), true)
					if err != nil || got.Subject() != d.Subject {
						t.Errorf("loaded %q, %v", got.Subject(), err)
						return
					}
					if err := k.End(context.Background(), w, b.request(), rec); err != nil {
						t.Error(err)
					}
					if _, err := k.Load(context.Background(), w, b.request(), true); !errors.Is(err, session.ErrNone) {
						t.Errorf("after logout: %v", err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func TestOneOfManyRenewalsWins(t *testing.T) {
	bothModes(t, func(t *testing.T, stored bool) {
		h, b := newHouse(t, stored, nil), new(browser)
		h.start(b, typical())
		rec := h.mustLoad(b, true)
		won := make(chan *httptest.ResponseRecorder, 8)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				w := httptest.NewRecorder()
				_, err := h.Renew(context.Background(), w, b.request(), rec, nil)
				if err == nil {
					won <- w
				} else if !errors.Is(err, session.ErrEnded) || len(w.Header()) != 0 {
					t.Errorf("a loser got %v, %v", err, w.Header())
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("%d of 8 won", len(won))
		}
		b.take(<-won)
		h.mustLoad(b, true)
	})
}

// In cookie mode the marks of ended sessions are bounded.
func TestEndedMarksAreBounded(t *testing.T) {
	h := newHouse(t, false, nil)
	h.EndedLimit(10)
	var thieves []*browser
	for range 30 {
		b := new(browser)
		rec := h.start(b, typical())
		thieves = append(thieves, b.copy())
		if err := h.end(b, rec); err != nil {
			t.Fatal(err)
		}
		h.clock.add(time.Second)
	}
	refused := 0
	for _, b := range thieves {
		if _, err := h.load(b, true); errors.Is(err, session.ErrEnded) {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d ended sessions are remembered, want the last 10", refused)
	}
	if _, err := h.load(thieves[29], true); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the last one: %v", err)
	}
}

// PERFORMANCE.md, A1: four and eight allocations are the targets for the whole
// request, of which two are net/http's and the hall's.
func TestLoadAllocates(t *testing.T) {
	for name, tt := range map[string]struct {
		store session.Store
		most  float64
	}{"cookie": {nil, 1}, "memory store": {session.NewMemoryStore(0), 5}} {
		k := session.New(session.Config{Keys: keys(t, 1), Site: site(t, "https://app.example.com"), Idle: time.Hour, Store: tt.store})
		r, w := signedIn(t, k, typical()), httptest.NewRecorder()
		got := testing.AllocsPerRun(200, func() {
			rec, err := k.Load(context.Background(), w, r, true)
			if err != nil {
				t.Fatal(err)
			}
			use(t, rec)
			_ = rec.Started()
			_ = rec.Expires()
			_ = rec.AuthTime()
		})
		if got > tt.most+raceAllocs {
			t.Errorf("%s: %v allocations, want at most %v", name, got, tt.most)
		}
	}
}

func TestRefusingACookieAllocates(t *testing.T) {
	k := session.New(session.Config{Keys: keys(t, 1), Site: site(t, "https://app.example.com")})
	r, w := signedIn(t, k, typical()), httptest.NewRecorder()
	forged := strings.Replace(r.Header.Get("Cookie"), "; theme", "A; theme", 1)
	r.Header.Set("Cookie", forged)
	none := browserRequest("other=1")
	for name, r := range map[string]*http.Request{"forged": r, "none": none} {
		got := testing.AllocsPerRun(200, func() {
			if _, err := k.Load(context.Background(), w, r, true); !errors.Is(err, session.ErrNone) {
				t.Fatal(err)
			}
		})
		if got > raceAllocs {
			t.Errorf("%s: %v allocations, want none", name, got)
		}
	}
}

// A login over a session whose record cannot be deleted fails, and the visitor
// goes on with the session there is: also when it is next written.
func TestFailedReplacementLeavesNoMark(t *testing.T) {
	h := newHouse(t, true, func(c *session.Config) { c.Idle = time.Hour })
	var b browser
	h.start(&b, person("bob"))
	record := h.store.sessions()[0]
	h.store.before = func(op, key string) error {
		if op == "delete" && key == record {
			return errors.New("read only")
		}
		return nil
	}
	w := httptest.NewRecorder()
	if _, err := h.Start(context.Background(), w, b.request(), person("alice")); !errors.Is(err, session.ErrStore) {
		t.Fatalf("start: %v", err)
	}
	h.store.before = nil
	h.clock.add(30 * time.Minute) // the use is written down
	for range 2 {
		if rec := h.mustLoad(&b, true); rec.Subject() != "bob" {
			t.Errorf("%s is signed in", rec.Subject())
		}
	}
}
