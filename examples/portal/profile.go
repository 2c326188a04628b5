package main

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// profileData is what the profile shows.
type profileData struct {
	Contact    *accounts.Contact
	Inputs     []input
	Wrong      bool // an input is
	Identities []identity
	Linkable   []oidcrp.ProviderLink // providers to add
	Moving     bool                  // all of Identities are at providers that are to go
	Token      oidcrp.TokenStatus
	Visits     []visit
	Claims     map[string]any
}

// input is a field of the contact, to be changed.
type input struct {
	Name, Value, Autocomplete string
	Required                  bool
	Error                     string // key of a text; "" for none
}

// identity is one way of the contact to sign in.
type identity struct {
	oidcrp.Identity
	Here bool // that of this session
	Last bool // and so not to be removed
}

func (p *portal) profile(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.contacts.Current(r.Context())
	if err != nil {
		return err
	}
	return p.showProfile(w, r, http.StatusOK, contact, inputs(func(name string) string { return contact.Fields[name] }, false))
}

func (p *portal) showProfile(w http.ResponseWriter, r *http.Request, status int, contact *accounts.Contact, inputs []input) error {
	data := profileData{Contact: contact, Inputs: inputs, Wrong: wrong(inputs)}
	var err error
	if data.Token, err = p.rp.TokenStatus(r.Context()); err != nil {
		return err
	}
	if data.Claims, err = oidcrp.Claims[map[string]any](r.Context()); err != nil {
		return err
	}
	if data.Visits, err = p.visits.of(r.Context(), contact.ID); err != nil {
		return err
	}
	here := oidcrp.FromContext(r.Context())
	data.Moving = !slices.ContainsFunc(contact.Identities, func(id oidcrp.Identity) bool { return !p.retired(id.Provider) })
	for _, id := range contact.Identities {
		data.Identities = append(data.Identities, identity{
			Identity: id, Last: len(contact.Identities) == 1,
			Here: id.Issuer == here.Issuer() && id.Subject == here.Subject(),
		})
	}
	for _, link := range p.rp.View(r).Providers() {
		has := func(id oidcrp.Identity) bool { return id.Provider == link.Name }
		if !slices.ContainsFunc(contact.Identities, has) && !p.retired(link.Name) {
			data.Linkable = append(data.Linkable, link)
		}
	}
	return p.showStatus(w, r, status, "profile", data)
}

// retired reports whether nobody new is to come through a provider.
func (p *portal) retired(provider string) bool { return p.rules.ByProvider[provider].Retired }

// maxDetail is the longest value of a field, in bytes.
const maxDetail = 200

// inputs are the fields with these values. After a form was sent they say what
// is wrong with it.
func inputs(value func(name string) string, sent bool) []input {
	var all []input
	for _, d := range details {
		in := input{Name: d.name, Value: value(d.name), Autocomplete: d.autocomplete, Required: d.required}
		switch {
		case !sent:
		case d.required && in.Value == "":
			in.Error = "form.missing"
		case len(in.Value) > maxDetail:
			in.Error = "form.long"
		}
		all = append(all, in)
	}
	return all
}

func wrong(inputs []input) bool {
	return slices.ContainsFunc(inputs, func(in input) bool { return in.Error != "" })
}

// saveProfile changes the fields that are the contact's own to change.
func (p *portal) saveProfile(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.contacts.Current(r.Context())
	if err != nil {
		return err
	}
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	entered := inputs(func(name string) string { return oneLine(r.PostForm.Get(name)) }, true)
	if wrong(entered) {
		return p.showProfile(w, r, http.StatusUnprocessableEntity, contact, entered)
	}
	err = p.db.contacts.Update(r.Context(), contact.ID, "", func(c *accounts.Contact) error {
		for _, in := range entered {
			setField(c, in.Name, in.Value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return done(w, r, "/profile", "saved")
}

// oneLine is what was typed, without what a line does not have.
func oneLine(s string) string {
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return -1
		}
		return c
	}, strings.ToValidUTF8(s, "")))
}

// link goes to another provider, whose identity becomes the contact's too.
func (p *portal) link(w http.ResponseWriter, r *http.Request) error {
	p.rp.Login(w, r, oidcrp.LoginOptions{
		Provider: r.PostFormValue("provider"), Link: true, Prompt: "select_account", ReturnTo: "/profile?done=linked",
	})
	return nil
}

// unlink takes an identity away, and ends its sessions.
func (p *portal) unlink(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.contacts.Current(r.Context())
	if err != nil {
		return err
	}
	at := slices.IndexFunc(contact.Identities, func(id oidcrp.Identity) bool {
		return id.Issuer == r.PostFormValue("issuer") && id.Subject == r.PostFormValue("subject")
	})
	if at < 0 {
		return errNotYours
	}
	id, here := contact.Identities[at], oidcrp.FromContext(r.Context())
	switch err := p.contacts.Unlink(r.Context(), id); {
	case errors.Is(err, accounts.ErrLastIdentity):
		return errLastIdentity
	case err != nil:
		return err
	}
	if err := p.endAllBut(r.Context(), []oidcrp.Identity{id}, here.Identity()); err != nil {
		return err
	}
	if id.Issuer == here.Issuer() && id.Subject == here.Subject() {
		p.rp.Logout(w, r, oidcrp.LogoutOptions{Everywhere: true}) // this session was that identity's
		return nil
	}
	return done(w, r, "/profile", "unlinked")
}

// leaveEverywhere ends all sessions of the contact, whichever identity they
// are of, and at whichever site.
func (p *portal) leaveEverywhere(w http.ResponseWriter, r *http.Request) error {
	contact, err := p.contacts.Current(r.Context())
	if err != nil {
		return err
	}
	if err := p.endAllBut(r.Context(), contact.Identities, oidcrp.FromContext(r.Context()).Identity()); err != nil {
		return err
	}
	p.rp.Logout(w, r, oidcrp.LogoutOptions{Everywhere: true})
	return nil
}
