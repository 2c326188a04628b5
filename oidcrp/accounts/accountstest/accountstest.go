// Package accountstest proves a store of contacts.
package accountstest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// TestStore proves that a store keeps the contract of [accounts.Store],
// whatever is behind it: that contacts come back as they were, that an identity
// and an invitation are somebody's once, that changes are whole or not at all,
// and that none is lost, however many callers there are.
//
//	func TestContacts(t *testing.T) {
//		accountstest.TestStore(t, mystore.New(db))
//	}
//
// Each failure says which promise is broken. It adds contacts under random
// names and leaves them there: use a database made for tests. Run it with -race
// too.
func TestStore(t *testing.T, store accounts.Store) {
	t.Helper()
	if store == nil {
		t.Error("the store is nil")
		return
	}
	for _, c := range []struct {
		name  string
		check func(*storeTest)
	}{
		{"missing", (*storeTest).missing},
		{"contacts come back", (*storeTest).comesBack},
		{"nothing is shared", (*storeTest).notShared},
		{"addresses", (*storeTest).addresses},
		{"list", (*storeTest).list},
		{"identity once", (*storeTest).identityOnce},
		{"identity compared byte by byte", (*storeTest).identityExact},
		{"update", (*storeTest).update},
		{"update is whole or not at all", (*storeTest).updateWhole},
		{"identities move", (*storeTest).identitiesMove},
		{"invitation once", (*storeTest).invitationOnce},
		{"first logins at once", (*storeTest).createConcurrently},
		{"invitation redeemed at once", (*storeTest).redeemConcurrently},
		{"no update is lost", (*storeTest).updateConcurrently},
		{"one identity linked twice at once", (*storeTest).linkConcurrently},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(&storeTest{T: t, Store: store, ctx: context.Background()}) })
	}
}

type storeTest struct {
	*testing.T
	accounts.Store
	ctx context.Context
}

func (t *storeTest) contact() *accounts.Contact {
	id := accounts.NewID()
	return &accounts.Contact{
		ID: id, Email: id + "@corp.example", Created: time.Unix(1700000000, 0).UTC(),
		Identities: []oidcrp.Identity{{Provider: "p", Issuer: "https://issuer.example", Subject: id}},
	}
}

// created is a contact that is in the store.
func (t *storeTest) created() *accounts.Contact {
	t.Helper()
	c := t.contact()
	t.must(t.Create(t.ctx, c, ""))
	return c
}

func (t *storeTest) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t *storeTest) is(err, want error, when string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: the error is %v, want %v", when, err, want)
	}
}

func (t *storeTest) same(got, want *accounts.Contact, how string) {
	t.Helper()
	plain := func(c *accounts.Contact) accounts.Contact {
		d := *c.Clone()
		if len(d.Fields) == 0 {
			d.Fields = nil
		}
		if len(d.Roles) == 0 {
			d.Roles = nil
		}
		if len(d.Identities) == 0 {
			d.Identities = nil
		}
		d.Created = d.Created.UTC()
		return d
	}
	if got == nil || !reflect.DeepEqual(plain(got), plain(want)) {
		t.Errorf("%s: got %+v, want %+v", how, got, want)
	}
}

func (t *storeTest) missing() {
	id := accounts.NewID()
	_, err := t.ByID(t.ctx, id)
	t.is(err, accounts.ErrNotFound, "ByID of nobody")
	_, err = t.ByIdentity(t.ctx, "https://issuer.example", id)
	t.is(err, accounts.ErrNotFound, "ByIdentity of nobody")
	all, err := t.ByEmail(t.ctx, id+"@corp.example")
	if err != nil || len(all) != 0 {
		t.Errorf("ByEmail of nobody: %v %v", all, err)
	}
	t.is(t.Update(t.ctx, id, "", func(*accounts.Contact) error { t.Error("change was called"); return nil }), accounts.ErrNotFound, "Update of nobody")
	_, err = t.Invitation(t.ctx, id)
	t.is(err, accounts.ErrInvitation, "Invitation of nobody")
}

func (t *storeTest) comesBack() {
	c := t.contact()
	c.EmailVerified, c.Disabled, c.Organization = true, true, "Société & ไทย"
	c.Fields = map[string]string{"name": "แครอล \"ใจดี\"", "note": "a\nb\\ '%_ \u0000"}
	c.Roles = []string{"b", "a"}
	c.Identities = append(c.Identities, oidcrp.Identity{Provider: "q", Issuer: "https://other.example", Subject: c.ID})
	t.must(t.Create(t.ctx, c, ""))
	got, err := t.ByID(t.ctx, c.ID)
	t.must(err)
	t.same(got, c, "ByID")
	for _, id := range c.Identities {
		got, err := t.ByIdentity(t.ctx, id.Issuer, id.Subject)
		t.must(err)
		t.same(got, c, "ByIdentity")
	}
	bare := &accounts.Contact{ID: accounts.NewID(), Created: c.Created}
	t.must(t.Create(t.ctx, bare, ""))
	got, err = t.ByID(t.ctx, bare.ID)
	t.must(err)
	t.same(got, bare, "a contact without anything")
}

func (t *storeTest) notShared() {
	c := t.contact()
	c.Fields, c.Roles = map[string]string{"a": "1"}, []string{"r"}
	t.must(t.Create(t.ctx, c, ""))
	want := c.Clone()
	spoil := func(c *accounts.Contact) { c.Fields["a"], c.Roles[0], c.Identities[0].Subject = "2", "x", "x" }
	spoil(c)
	got, err := t.ByID(t.ctx, c.ID)
	t.must(err)
	t.same(got, want, "after the caller changed what it gave")
	spoil(got)
	got, err = t.ByID(t.ctx, c.ID)
	t.must(err)
	t.same(got, want, "after the caller changed what it got")
}

func (t *storeTest) addresses() {
	domain := accounts.NewID() + ".example"
	for _, email := range []string{"Ann@" + domain, "ann@" + domain, "ann+x@" + domain, "a.nn@" + domain, ""} {
		t.must(t.Create(t.ctx, &accounts.Contact{ID: accounts.NewID(), Email: email}, ""))
	}
	for email, want := range map[string]int{"ANN@" + domain: 2, "ann+X@" + domain: 1, "a.nn@" + domain: 1, "an%@" + domain: 0, "": 0, "ann": 0} {
		all, err := t.ByEmail(t.ctx, email)
		if err != nil || len(all) != want {
			t.Errorf("ByEmail(%q): %d contacts and %v, want %d", email, len(all), err, want)
		}
	}
}

func (t *storeTest) list() {
	made := []string{t.created().ID, t.created().ID, t.created().ID}
	var listed []string
	for after := ""; ; {
		all, err := t.List(t.ctx, after, 2)
		t.must(err)
		if len(all) == 0 {
			break
		}
		if len(all) > 2 || all[0].ID <= after {
			t.Fatalf("List(%q, 2): %d contacts from %s", after, len(all), all[0].ID)
		}
		for _, c := range all {
			listed = append(listed, c.ID)
		}
		after = all[len(all)-1].ID
	}
	for _, id := range made {
		if !slices.Contains(listed, id) {
			t.Errorf("%s is not listed", id)
		}
	}
	if !slices.IsSorted(listed) {
		t.Error("the list is not in the order of IDs")
	}
}

func (t *storeTest) identityOnce() {
	c := t.created()
	again := t.contact()
	again.Identities = append(again.Identities, c.Identities...)
	t.is(t.Create(t.ctx, again, ""), accounts.ErrTaken, "a second contact with an identity")
	_, err := t.ByID(t.ctx, again.ID)
	t.is(err, accounts.ErrNotFound, "the second contact")
	_, err = t.ByIdentity(t.ctx, again.Identities[0].Issuer, again.Identities[0].Subject)
	t.is(err, accounts.ErrNotFound, "the second contact's other identity")
	t.is(t.Create(t.ctx, &accounts.Contact{ID: c.ID}, ""), accounts.ErrTaken, "a second contact with an ID")
	renamed := t.contact()
	renamed.Identities = []oidcrp.Identity{{Provider: "another name", Issuer: c.Identities[0].Issuer, Subject: c.Identities[0].Subject}}
	t.is(t.Create(t.ctx, renamed, ""), accounts.ErrTaken, "the identity at a provider of another name")
}

func (t *storeTest) identityExact() {
	c := t.created()
	issuer, subject := c.Identities[0].Issuer, c.Identities[0].Subject
	for _, other := range [][2]string{{issuer + "/", subject}, {"https://Issuer.example", subject}, {issuer, subject + " "}, {issuer, "x" + subject}, {subject, issuer}, {issuer, "%"}} {
		_, err := t.ByIdentity(t.ctx, other[0], other[1])
		t.is(err, accounts.ErrNotFound, fmt.Sprintf("ByIdentity%q", other))
	}
	lower := t.contact()
	lower.Identities[0].Subject = "s" + c.ID
	upper := t.contact()
	upper.Identities[0].Subject = "S" + c.ID
	t.must(t.Create(t.ctx, lower, ""))
	t.must(t.Create(t.ctx, upper, ""))
}

func (t *storeTest) update() {
	c := t.created()
	want := c.Clone()
	t.must(t.Update(t.ctx, c.ID, "", func(c *accounts.Contact) error {
		t.same(c, want, "what change is given")
		c.Email, c.EmailVerified, c.Disabled, c.Organization = "new@corp.example", true, true, "o"
		c.Fields, c.Roles = map[string]string{"a": "1"}, []string{"r"}
		c.Identities = append(c.Identities, oidcrp.Identity{Provider: "q", Issuer: "https://other.example", Subject: c.ID})
		want = c.Clone()
		c.ID, c.Created = "other", time.Unix(1, 0)
		return nil
	}))
	got, err := t.ByID(t.ctx, c.ID)
	t.must(err)
	t.same(got, want, "after Update")
}

func (t *storeTest) updateWhole() {
	c, other := t.created(), t.created()
	failure := errors.New("not today")
	spoil := func(c *accounts.Contact) { c.Organization, c.Identities = "spoilt", nil }
	t.is(t.Update(t.ctx, c.ID, "", func(c *accounts.Contact) error { spoil(c); return failure }), failure, "an error of change")
	t.is(t.Update(t.ctx, c.ID, "", func(c *accounts.Contact) error {
		spoil(c)
		c.Identities = other.Identities
		return nil
	}), accounts.ErrTaken, "an identity of somebody else's")
	t.is(t.Update(t.ctx, c.ID, "no invitation", func(c *accounts.Contact) error { spoil(c); return nil }), accounts.ErrInvitation, "no such invitation")
	for _, want := range []*accounts.Contact{c, other} {
		got, err := t.ByID(t.ctx, want.ID)
		t.must(err)
		t.same(got, want, "after updates that failed")
	}
}

func (t *storeTest) identitiesMove() {
	c, other := t.created(), t.created()
	id := c.Identities[0]
	t.must(t.Update(t.ctx, c.ID, "", func(c *accounts.Contact) error { c.Identities = nil; return nil }))
	_, err := t.ByIdentity(t.ctx, id.Issuer, id.Subject)
	t.is(err, accounts.ErrNotFound, "an identity that was removed")
	t.must(t.Update(t.ctx, other.ID, "", func(c *accounts.Contact) error { c.Identities = append(c.Identities, id); return nil }))
	got, err := t.ByIdentity(t.ctx, id.Issuer, id.Subject)
	t.must(err)
	if got.ID != other.ID {
		t.Error("an identity that was removed cannot be given to somebody else")
	}
}

func (t *storeTest) invitation() accounts.Invitation {
	return accounts.Invitation{ID: accounts.NewID(), ContactID: "c", Email: "a@corp.example", Organization: "o",
		Roles: []string{"r", "s"}, Expires: time.Unix(1900000000, 0).UTC()}
}

func (t *storeTest) invitationOnce() {
	inv := t.invitation()
	t.must(t.AddInvitation(t.ctx, inv))
	t.is(t.AddInvitation(t.ctx, inv), accounts.ErrTaken, "a second invitation of an ID")
	got, err := t.Invitation(t.ctx, inv.ID)
	t.must(err)
	got.Expires = got.Expires.UTC()
	if !reflect.DeepEqual(got, inv) {
		t.Errorf("the invitation came back as %+v, want %+v", got, inv)
	}
	taken := t.contact()
	taken.Identities = t.created().Identities
	t.is(t.Create(t.ctx, taken, inv.ID), accounts.ErrTaken, "an identity of somebody else's")
	if got, _ := t.Invitation(t.ctx, inv.ID); got.Redeemed {
		t.Fatal("the invitation is redeemed, though the contact was not created")
	}
	t.must(t.Create(t.ctx, t.contact(), inv.ID))
	if got, _ := t.Invitation(t.ctx, inv.ID); !got.Redeemed {
		t.Error("the invitation is not redeemed")
	}
	late := t.contact()
	t.is(t.Create(t.ctx, late, inv.ID), accounts.ErrInvitation, "redeeming twice")
	_, err = t.ByID(t.ctx, late.ID)
	t.is(err, accounts.ErrNotFound, "who redeemed twice")
	c := t.created()
	t.is(t.Update(t.ctx, c.ID, inv.ID, func(*accounts.Contact) error { return nil }), accounts.ErrInvitation, "redeeming twice by Update")
}
