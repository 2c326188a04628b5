package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// listedInvitations is a store that remembers which invitations there are, for
// the administration to list.
type listedInvitations struct {
	accounts.Store
	db *database
}

// AddInvitation adds an invitation to the store, and then to the list.
func (s listedInvitations) AddInvitation(ctx context.Context, inv accounts.Invitation) error {
	if err := s.Store.AddInvitation(ctx, inv); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, `INSERT INTO portal_invitations (id, created) VALUES ($1, $2)`, inv.ID, time.Now().Unix())
	return err
}

// list returns the latest invitations, the newest first.
func (s listedInvitations) list(ctx context.Context, limit int) ([]accounts.Invitation, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id FROM portal_invitations ORDER BY created DESC, id LIMIT $1`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var all []accounts.Invitation
	for _, id := range ids {
		inv, err := s.Invitation(ctx, id)
		if err != nil {
			return nil, err
		}
		all = append(all, inv)
	}
	return all, nil
}

// inviteFirst makes an invitation for an administrator where nobody is who
// could make one.
func (p *portal) inviteFirst(ctx context.Context) error {
	some, err := p.db.contacts.List(ctx, "", 1)
	if err != nil || len(some) > 0 {
		return err
	}
	code, err := p.contacts.Invite(ctx, accounts.Invitation{Roles: []string{adminRole}})
	p.invitation = p.sites[0].baseURL + p.contacts.InvitationPath(code)
	return err
}

// invitationsData is what the page with the invitations shows.
type invitationsData struct {
	Invitations []invitation
	Link        string // of the one just made; it is not shown again
	Email       string // as entered
	Wrong       bool   // Email is no address

	Roles, Given []string // that there are, and that are ticked
}

type invitation struct {
	accounts.Invitation
	State string // "open", "redeemed" or "expired"
}

func (p *portal) adminInvitations(w http.ResponseWriter, r *http.Request) error {
	return p.showInvitations(w, r, http.StatusOK, invitationsData{})
}

func (p *portal) showInvitations(w http.ResponseWriter, r *http.Request, status int, data invitationsData) error {
	all, err := p.db.contacts.(listedInvitations).list(r.Context(), 50)
	if err != nil {
		return err
	}
	for _, inv := range all {
		state := "open"
		if inv.Redeemed {
			state = "redeemed"
		} else if !time.Now().Before(inv.Expires) {
			state = "expired"
		}
		data.Invitations = append(data.Invitations, invitation{inv, state})
	}
	data.Roles = roles
	return p.showStatus(w, r, status, "invitations", data)
}

// invite makes an invitation. Its link is on the page that answers, and
// nowhere else: the code is not kept.
func (p *portal) invite(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return errBadForm
	}
	inv := accounts.Invitation{Email: strings.TrimSpace(r.PostForm.Get("email")), Roles: chosenRoles(r.PostForm["role"])}
	code, err := p.contacts.Invite(r.Context(), inv)
	if err != nil && code == "" { // the store was not asked: it is the address
		return p.showInvitations(w, r, http.StatusUnprocessableEntity, invitationsData{Email: inv.Email, Wrong: true})
	}
	if err != nil {
		return err
	}
	return p.showInvitations(w, r, http.StatusOK, invitationsData{Link: p.here(r.Context()).baseURL + p.contacts.InvitationPath(code)})
}

// chosenRoles are those of a form that there are.
func chosenRoles(chosen []string) []string {
	return slices.DeleteFunc(slices.Clone(roles), func(role string) bool { return !slices.Contains(chosen, role) })
}
