package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// contactsData is what the page with the contacts shows.
type contactsData struct {
	Search   string
	Contacts []*accounts.Contact
	After    bool   // it is not the first page
	Next     string // address of the next page, "" for none
}

const (
	pageOfContacts = 20
	maxLookedAt    = 1000 // contacts, for one page of a search
)

func (p *portal) adminContacts(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	data := contactsData{Search: oneLine(query.Get("q")), After: query.Get("after") != ""}
	found, last, err := p.search(r.Context(), data.Search, query.Get("after"))
	if err != nil {
		return err
	}
	data.Contacts = found
	if last != "" {
		data.Next = "/admin/contacts?" + url.Values{"q": {data.Search}, "after": {last}}.Encode()
	}
	return p.show(w, r, "contacts", data)
}

// search finds a page of contacts behind after, and the last that it looked at
// if there are more. Only addresses have an index: for anything else it looks
// at so many contacts, and leaves the rest to the next page.
func (p *portal) search(ctx context.Context, what, after string) (found []*accounts.Contact, last string, err error) {
	if strings.Contains(what, "@") && after == "" {
		if found, err = p.db.contacts.ByEmail(ctx, what); err != nil || len(found) > 0 {
			return found, "", err
		}
	}
	for looked := 0; looked < maxLookedAt; {
		some, err := p.db.contacts.List(ctx, after, 100)
		if err != nil {
			return nil, "", err
		}
		for _, c := range some {
			if len(found) == pageOfContacts {
				return found, after, nil
			}
			if matches(c, what) {
				found = append(found, c)
			}
			after = c.ID
		}
		if looked += len(some); len(some) < 100 {
			return found, "", nil
		}
	}
	return found, after, nil
}

func matches(c *accounts.Contact, what string) bool {
	texts := []string{c.ID, c.Email, c.Organization}
	for _, value := range c.Fields {
		texts = append(texts, value)
	}
	for _, id := range c.Identities {
		texts = append(texts, id.Subject)
	}
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(what)) })
}

// contactData is what the page of one contact shows.
type contactData struct {
	Contact      *accounts.Contact
	Roles, Given []string // that there are, and that the contact has
	Visits       []visit
	Self         bool // who asks
}

// named finds the contact of the address.
func (p *portal) named(r *http.Request) (*accounts.Contact, error) {
	contact, err := p.db.contacts.ByID(r.Context(), r.PathValue("id"))
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, errNotFound
	}
	return contact, err
}

func (p *portal) adminContact(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.named(r)
	if err != nil {
		return err
	}
	data := contactData{Contact: contact, Roles: roles, Given: contact.Roles, Self: isSelf(r, contact)}
	if data.Visits, err = p.visits.of(r.Context(), contact.ID); err != nil {
		return err
	}
	return p.show(w, r, "contact", data)
}

func isSelf(r *http.Request, c *accounts.Contact) bool {
	return oidcrp.FromContext(r.Context()).Value(accounts.ContactKey) == c.ID
}

// deleted reports whether nothing is left of a contact but the identities that
// keep it from coming back.
func deleted(c *accounts.Contact) bool { return c.Disabled && c.Email == "" && len(c.Fields) == 0 }

// changeContact does what the button that was pressed says.
func (p *portal) changeContact(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.named(r)
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	action := r.PostForm.Get("action")
	if isSelf(r, contact) && action != "signout" {
		return errSelf // the last administrator could lock everybody out
	}
	change := func(change func(*accounts.Contact)) error {
		return p.db.contacts.Update(r.Context(), contact.ID, "", func(c *accounts.Contact) error {
			change(c)
			return nil
		})
	}
	switch action {
	case "roles":
		err = change(func(c *accounts.Contact) {
			c.Roles = slices.DeleteFunc(c.Roles, func(role string) bool { return slices.Contains(roles, role) })
			c.Roles = append(c.Roles, chosenRoles(r.PostForm["role"])...)
		})
	case "disable":
		err = change(func(c *accounts.Contact) { c.Disabled = true })
	case "enable":
		if deleted(contact) {
			return errDeleted
		}
		err = change(func(c *accounts.Contact) { c.Disabled = false })
	case "delete":
		if r.PostForm.Get("sure") != "yes" {
			return errNotSure
		}
		err = p.contacts.Delete(r.Context(), contact.ID)
	case "signout":
	default:
		return errBadForm
	}
	if err != nil {
		return err
	}
	// A session has had its roles since it began.
	if err := p.endAll(r.Context(), contact.Identities); err != nil {
		return err
	}
	return done(w, r, "/admin/contacts/"+url.PathEscape(contact.ID), action)
}

// endAll ends all sessions of identities, at every site. Those of a provider that
// is not configured any more ended with it.
func (p *portal) endAll(ctx context.Context, ids []oidcrp.Identity) error {
	return p.endAllBut(ctx, ids, oidcrp.Identity{})
}

// endAllBut leaves those of one identity at the site of ctx, for a Logout to end
// which leads to the provider too.
func (p *portal) endAllBut(ctx context.Context, ids []oidcrp.Identity, kept oidcrp.Identity) error {
	return p.atEach(ctx, func(s site, at *oidcrp.RelyingParty) error {
		for _, id := range ids {
			if s == p.here(ctx) && id.Issuer == kept.Issuer && id.Subject == kept.Subject {
				continue
			}
			if err := at.EndSessions(ctx, id); err != nil && !errors.Is(err, oidcrp.ErrMisconfigured) {
				return err
			}
		}
		return nil
	})
}
