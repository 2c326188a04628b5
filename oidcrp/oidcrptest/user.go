package oidcrptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// User is somebody who can sign in at a [Provider], without a password.
type User struct {
	Subject       string // "sub", and what to type on the sign-in page
	Name          string
	Email         string
	EmailVerified bool
	// Claims are all others. Standard ones need their scope (Core 5.4) or to
	// be asked for by the "claims" parameter; the rest, such as "roles", are
	// always there.
	Claims map[string]any
	// Sources are claims that come from elsewhere, in UserInfo, by a name for
	// the source.
	Sources map[string]ClaimSource

	// Provider and Values are for [WithSession], [SignedIn] and [Cookie] alone:
	// the name of the provider the session is of, "" for "default", by Cookie
	// the first, and what the application's OnLogin would have stored by Set.
	Provider string
	Values   map[string]string
}

// demoUsers are there from the start.
func demoUsers() []User {
	groups := make([]string, 400)
	for i := range groups {
		groups[i] = fmt.Sprintf("group-%03d", i+1)
	}
	return []User{
		{Subject: "alice", Name: "Alice Archer", Email: "alice@example.com", EmailVerified: true,
			Claims: map[string]any{"roles": []string{"admin"}, "given_name": "Alice", "family_name": "Archer", "locale": "en"}},
		{Subject: "bob", Name: "Bob Baker", Email: "bob@example.com", EmailVerified: true,
			Claims: map[string]any{"roles": []string{"member"}, "given_name": "Bob", "family_name": "Baker", "locale": "en"}},
		{Subject: "carol", Name: "แครอล ใจดี", Email: "carol@example.com",
			Claims: map[string]any{"roles": []string{"member"}, "given_name": "แครอล", "family_name": "ใจดี", "locale": "th"}},
		{Subject: "dave", Name: "Dave of 400 Groups", Email: "dave@example.com", EmailVerified: true,
			Claims: map[string]any{"roles": []string{"member"}, "groups": groups}},
	}
}

// AddUser adds a user, or replaces the one with its subject.
func (p *Provider) AddUser(u User) {
	if u.Subject == "" {
		panic("oidcrptest: a user needs a Subject")
	}
	u.Claims = maps.Clone(u.Claims)
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.findUser(u.Subject); old != nil {
		*old = u
		return
	}
	p.users = append(p.users, u)
}

// Users returns all users.
func (p *Provider) Users() []User {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.users)
}

// findUser is called with p.mu held.
func (p *Provider) findUser(subject string) *User {
	for i := range p.users {
		if p.users[i].Subject == subject {
			return &p.users[i]
		}
	}
	return nil
}

// lookUpUser finds whom somebody means who types a user name or an address.
func (p *Provider) lookUpUser(name string) (User, bool) {
	name = strings.TrimSpace(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if name != "" && (name == u.Subject || strings.EqualFold(name, u.Email) || name == u.Claims["preferred_username"]) {
			return u, true
		}
	}
	return User{}, false
}

// scopeClaims are the claims a scope stands for (Core 5.4).
var scopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username",
		"profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// claims returns what a grant lets a client know about u, without "sub".
func (u User) claims(scopes, requested []string) map[string]any {
	all := map[string]any{"preferred_username": u.Subject}
	if u.Name != "" {
		all["name"] = u.Name
	}
	if u.Email != "" {
		all["email"], all["email_verified"] = u.Email, u.EmailVerified
	}
	maps.Copy(all, u.Claims)
	for scope, names := range scopeClaims {
		if slices.Contains(scopes, scope) {
			continue
		}
		for _, name := range names {
			if !slices.Contains(requested, name) {
				delete(all, name)
			}
		}
	}
	return all
}
