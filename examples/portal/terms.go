package main

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// termsData is what the page with the terms shows.
type termsData struct {
	Ask     bool // a login waits for them
	Missed  bool // the form came without the box ticked
	Version string
}

// terms shows the terms to everybody, and asks whose login waits for them.
func (p *portal) terms(w http.ResponseWriter, r *http.Request) error {
	waits, err := p.waitsForTerms(r)
	if err != nil {
		return err
	}
	return p.show(w, r, "terms", termsData{Ask: waits, Version: termsVersion})
}

// waitsForTerms reports whether a login of this browser does. One that has no
// contact yet waits at the registration page.
func (p *portal) waitsForTerms(r *http.Request) (bool, error) {
	login, err := p.rp.Paused(r)
	if errors.Is(err, oidcrp.ErrLoginExpired) {
		return false, nil
	}
	return err == nil && login.Value(accounts.ContactKey) != "", err
}

// acceptTerms lets the login that waits go on. Resume refuses forms of other
// sites, and those for which nothing waits.
func (p *portal) acceptTerms(w http.ResponseWriter, r *http.Request) error {
	waits, err := p.waitsForTerms(r)
	if err != nil {
		return err
	}
	if waits && r.PostFormValue("accept") != "yes" {
		return p.showStatus(w, r, http.StatusUnprocessableEntity, "terms", termsData{Ask: true, Missed: true, Version: termsVersion})
	}
	p.rp.Resume(w, r, func(login *oidcrp.Login) error {
		err := p.db.contacts.Update(r.Context(), login.Value(accounts.ContactKey), "", func(c *accounts.Contact) error {
			if c.Disabled {
				return &oidcrp.Refusal{}
			}
			setField(c, termsField, termsVersion)
			return nil
		})
		if err != nil && !errors.As(err, new(*oidcrp.Refusal)) {
			return fmt.Errorf("%w: %w", oidcrp.ErrStoreUnavailable, err)
		}
		return err
	})
	return nil
}

func setField(c *accounts.Contact, name, value string) {
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	c.Fields[name] = value
}
