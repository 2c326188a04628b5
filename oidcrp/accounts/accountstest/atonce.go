package accountstest

import (
	"errors"
	"fmt"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

const callers = 8 // at once

// atOnce calls f several times at once and returns how often it succeeded; all
// else must be want.
func (t *storeTest) atOnce(want error, f func(i int) error) int {
	t.Helper()
	errs := make([]error, callers)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = f(i)
		})
	}
	close(start)
	all.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, want):
			t.Errorf("at once: %v, want %v", err, want)
		}
	}
	return done
}

func (t *storeTest) createConcurrently() {
	id := t.contact().Identities
	done := t.atOnce(accounts.ErrTaken, func(int) error {
		c := t.contact()
		c.Identities = id
		return t.Create(t.ctx, c, "")
	})
	if done != 1 {
		t.Errorf("%d contacts of one identity", done)
	}
	_, err := t.ByIdentity(t.ctx, id[0].Issuer, id[0].Subject)
	t.must(err)
}

func (t *storeTest) redeemConcurrently() {
	inv := t.invitation()
	t.must(t.AddInvitation(t.ctx, inv))
	if done := t.atOnce(accounts.ErrInvitation, func(int) error { return t.Create(t.ctx, t.contact(), inv.ID) }); done != 1 {
		t.Errorf("%d contacts by one invitation", done)
	}
}

func (t *storeTest) updateConcurrently() {
	c := t.created()
	done := t.atOnce(nil, func(i int) error {
		return t.Update(t.ctx, c.ID, "", func(c *accounts.Contact) error {
			c.Roles = append(c.Roles, fmt.Sprint(i))
			return nil
		})
	})
	got, err := t.ByID(t.ctx, c.ID)
	t.must(err)
	if done != callers || len(got.Roles) != callers {
		t.Errorf("%d updates succeeded and %d are there, of %d", done, len(got.Roles), callers)
	}
}

func (t *storeTest) linkConcurrently() {
	id := t.contact().Identities[0]
	var contacts []*accounts.Contact
	for range callers {
		contacts = append(contacts, t.created())
	}
	done := t.atOnce(accounts.ErrTaken, func(i int) error {
		return t.Update(t.ctx, contacts[i].ID, "", func(c *accounts.Contact) error {
			c.Identities = append(c.Identities, id)
			return nil
		})
	})
	if done != 1 {
		t.Errorf("%d contacts got one identity", done)
	}
}
