package session_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

func newVault(t *testing.T) (*session.Vault, *plainStore) {
	c := newClock()
	s := newPlainStore(c)
	return session.NewVault(session.Config{Keys: keys(t, 1), Site: site(t, "https://app.example.com"), Store: s, Now: c.now}), s
}

func TestVaultKeepsAndEnds(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	id, err := v.NewID()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrMissing) {
		t.Fatalf("before: %v", err)
	}
	until := epoch.Add(time.Hour)
	if err := v.Keep(ctx, id, []byte("canary"), until); err != nil {
		t.Fatal(err)
	}
	if got, err := v.Find(ctx, id); err != nil || string(got) != "canary" {
		t.Fatalf("got %q, %v", got, err)
	}
	for key, rec := range store.records {
		if len(key) != 43 || bytes.Contains(rec.b, []byte("canary")) || !rec.expiry.Equal(until) {
			t.Errorf("stored %q under %s until %v", rec.b, key, rec.expiry)
		}
	}
	if err := v.End(ctx, id, time.Hour); err != nil {
		t.Fatal(err)
	}
	writes := store.count("delete")
	if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrNone) || store.count("delete") != writes {
		t.Fatalf("after: %v, %d deletions", err, store.count("delete")-writes)
	}
	// A refresh that was under way writes back what it got.
	if err := v.Keep(ctx, id, []byte("late"), until); !errors.Is(err, session.ErrEnded) {
		t.Fatalf("late: %v", err)
	}
	if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrNone) {
		t.Fatalf("it came back: %v", err)
	}
	if err := v.Reopen(ctx, id); err != nil {
		t.Fatal(err)
	}
	if err := v.Keep(ctx, id, []byte("anew"), until); err != nil {
		t.Fatal(err)
	}
}

// What was written while nobody could look for the mark is not found again, and
// is removed by who looks.
func TestVaultFindsNothingEnded(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	id := v.IDOf("alice")
	if err := v.End(ctx, id, 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	store.before = func(op, _ string) error {
		if op == "find" {
			return errors.New("gone for a moment")
		}
		return nil
	}
	if err := v.Keep(ctx, id, []byte("late"), epoch.Add(24*time.Hour)); !errors.Is(err, session.ErrStore) {
		t.Fatal(err)
	}
	if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrStore) {
		t.Errorf("while the store is gone: %v", err)
	}
	store.before = nil
	if len(store.records) != 2 {
		t.Fatalf("%d records", len(store.records))
	}
	store.clock.add(24*time.Hour - time.Second)
	for range 2 {
		if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrNone) {
			t.Errorf("it came back: %v", err)
		}
	}
	if len(store.records) != 1 {
		t.Errorf("%d records left", len(store.records))
	}
}

func TestVaultRecordsStandApart(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	a, b := v.IDOf("https://issuer", "client", "alice"), v.IDOf("https://issuer", "clientalice", "")
	if bytes.Equal(a, b) || !bytes.Equal(a, v.IDOf("https://issuer", "client", "alice")) || v.Key(a) == v.Key(b) {
		t.Fatal("ids are not those of their owners")
	}
	until := epoch.Add(time.Hour)
	for _, id := range [][]byte{a, b} {
		if err := v.Keep(ctx, id, id, until); err != nil {
			t.Fatal(err)
		}
	}
	// Who can write to the store can exchange records, to no use.
	var names []string
	for key := range store.records {
		names = append(names, key)
	}
	store.records[names[0]], store.records[names[1]] = store.records[names[1]], store.records[names[0]]
	for _, id := range [][]byte{a, b} {
		if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrUnreadable) {
			t.Errorf("an exchanged record: %v", err)
		}
	}
}

// A huge value in the store is not even opened.
func TestHugeRecordOfTheVault(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	id := v.IDOf("alice")
	if err := v.Keep(ctx, id, []byte("x"), epoch.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	sealed, _, err := keys(t, 1).BoxFor("tokens record", site(t, "https://app.example.com").ID(), id).SealBytes(nil, make([]byte, session.MaxSealed), nil, epoch)
	if err != nil {
		t.Fatal(err)
	}
	for key, r := range store.records {
		store.records[key] = kept{sealed, r.expiry}
	}
	if got, err := v.Find(ctx, id); !errors.Is(err, session.ErrUnreadable) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// Whichever call of the store fails, the caller is told.
func TestNoFailureOfTheVaultIsSwallowed(t *testing.T) {
	ctx := context.Background()
	for name, do := range map[string]func(*session.Vault, []byte) error{
		"find":   func(v *session.Vault, id []byte) error { _, err := v.Find(ctx, id); return err },
		"keep":   func(v *session.Vault, id []byte) error { return v.Keep(ctx, id, []byte("y"), epoch.Add(time.Hour)) },
		"end":    func(v *session.Vault, id []byte) error { return v.End(ctx, id, time.Hour) },
		"reopen": func(v *session.Vault, id []byte) error { return v.Reopen(ctx, id) },
	} {
		for n := int64(1); ; n++ {
			v, store := newVault(t)
			id := v.IDOf("alice")
			if err := v.Keep(ctx, id, []byte("x"), epoch.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			var calls atomic.Int64 // two finds are made at once
			store.before = func(string, string) error {
				if calls.Add(1) == n {
					return errDown
				}
				return nil
			}
			err := do(v, id)
			if calls.Load() < n {
				if err != nil {
					t.Errorf("%s with a store that is well: %v", name, err)
				}
				break
			}
			if !errors.Is(err, session.ErrStore) {
				t.Errorf("%s, call %d: %v", name, n, err)
			}
		}
	}
}

func TestVaultLimitsAndFailures(t *testing.T) {
	ctx := context.Background()
	v, store := newVault(t)
	id := v.IDOf("alice")
	if err := v.Keep(ctx, id, make([]byte, 48<<10), epoch.Add(time.Hour)); !errors.Is(err, session.ErrTooMuch) {
		t.Errorf("48 KB: %v", err)
	}
	if err := v.Keep(ctx, id, []byte("x"), epoch.Add(time.Second)); !errors.Is(err, session.ErrExpired) {
		t.Errorf("a second to live: %v", err)
	}
	if len(store.records) != 0 {
		t.Errorf("stored %d records", len(store.records))
	}
	store.before = func(string, string) error { return errors.New("down") }
	for what, err := range map[string]error{
		"keep": v.Keep(ctx, id, []byte("x"), epoch.Add(time.Hour)), "end": v.End(ctx, id, time.Hour), "reopen": v.Reopen(ctx, id),
	} {
		if !errors.Is(err, session.ErrStore) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := v.Find(ctx, id); !errors.Is(err, session.ErrStore) || errors.Is(err, session.ErrNone) {
		t.Errorf("find: %v", err)
	}
}

func TestAmend(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	d := person("alice")
	d.Tokens = []byte(strings.Repeat("i", 32))
	d.Values = []session.Value{{Key: "k", Value: "v"}}
	rec := h.start(b, d)
	h.clock.add(time.Minute)
	amended, err := h.Amend(context.Background(), rec, func(d *session.Draft) { d.Roles = []string{"new"} })
	if err != nil {
		t.Fatal(err)
	}
	got := h.mustLoad(b, false)
	if !got.HasRole("new") || got.Handle() != rec.Handle() || !got.Started().Equal(rec.Started()) || !got.Expires().Equal(rec.Expires()) ||
		!got.Checked().Equal(rec.Checked()) || amended.Handle() != rec.Handle() {
		t.Errorf("got %v", got.Draft())
	}
	if string(got.Tokens()) != strings.Repeat("i", 32) || got.Value("k") != "v" || len(got.Draft().Values) != 1 {
		t.Errorf("got %+v", got.Draft())
	}
	// What does not fit changes nothing.
	var large *session.TooLarge
	if _, err := h.Amend(context.Background(), rec, func(d *session.Draft) { d.ACR = strings.Repeat("x", session.MaxRecord) }); !errors.As(err, &large) || large.Largest[0].Name != "acr" {
		t.Errorf("too much: %v", err)
	}
	if !h.mustLoad(b, false).HasRole("new") {
		t.Error("what did not fit changed it")
	}
	// An ended session stays so.
	if err := h.end(b, rec); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Amend(context.Background(), rec, func(*session.Draft) {}); !errors.Is(err, session.ErrNone) {
		t.Errorf("after its end: %v", err)
	}
	h = newHouse(t, false, nil)
	if _, err := h.Amend(context.Background(), h.start(new(browser), d), func(*session.Draft) {}); !errors.Is(err, session.ErrNone) {
		t.Errorf("without a store: %v", err)
	}
}

// The end of a session that comes while it is being amended wins (R28).
func TestAmendRacesEnd(t *testing.T) {
	h, b := newHouse(t, true, nil), new(browser)
	rec := h.start(b, person("alice"))
	_, err := h.Amend(context.Background(), rec, func(*session.Draft) {
		if err := h.end(b.copy(), rec); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, session.ErrEnded) {
		t.Errorf("got %v", err)
	}
	if _, err := h.load(b, false); !errors.Is(err, session.ErrNone) {
		t.Errorf("it came back: %v", err)
	}
}
