package accounts

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// memoryStore is guarded as a whole: it is for tests, and for trying things.
type memoryStore struct {
	mu          sync.Mutex
	contacts    map[string]*Contact
	identities  map[oidcrp.Identity]string // without Provider, to contact
	invitations map[string]Invitation
}

// NewMemoryStore returns a Store in memory, for tests and for trying things. It
// forgets everything with the process.
func NewMemoryStore() Store {
	return &memoryStore{
		contacts:    map[string]*Contact{},
		identities:  map[oidcrp.Identity]string{},
		invitations: map[string]Invitation{},
	}
}

func (s *memoryStore) ByID(_ context.Context, id string) (*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID(id)
}

func (s *memoryStore) byID(id string) (*Contact, error) {
	c := s.contacts[id]
	if c == nil {
		return nil, ErrNotFound
	}
	return c.Clone(), nil
}

func (s *memoryStore) ByIdentity(_ context.Context, issuer, subject string) (*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID(s.identities[oidcrp.Identity{Issuer: issuer, Subject: subject}])
}

func (s *memoryStore) ByEmail(_ context.Context, email string) ([]*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := emailKey(email)
	var found []*Contact
	for _, id := range slices.Sorted(maps.Keys(s.contacts)) {
		if c := s.contacts[id]; key != "" && emailKey(c.Email) == key {
			found = append(found, c.Clone())
		}
	}
	return found, nil
}

// emailKey is what addresses are compared by; "" for what is none.
func emailKey(email string) string {
	address, _, _ := validate.Email(email)
	return address
}

func (s *memoryStore) List(_ context.Context, after string, limit int) ([]*Contact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*Contact
	for _, id := range slices.Sorted(maps.Keys(s.contacts)) {
		if strings.Compare(id, after) > 0 && len(found) < limit {
			found = append(found, s.contacts[id].Clone())
		}
	}
	return found, nil
}

func (s *memoryStore) Create(_ context.Context, c *Contact, invitation string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.contacts[c.ID] != nil {
		return ErrTaken
	}
	return s.put(c.Clone(), invitation)
}

func (s *memoryStore) Update(_ context.Context, id, invitation string, change func(*Contact) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := s.byID(id)
	if err != nil {
		return err
	}
	created := c.Created
	if err := change(c); err != nil {
		return err
	}
	c.ID, c.Created = id, created
	return s.put(c.Clone(), invitation)
}

// put checks everything before it changes anything.
func (s *memoryStore) put(c *Contact, invitation string) error {
	for _, id := range c.Identities {
		id.Provider = ""
		if owner, ok := s.identities[id]; ok && owner != c.ID {
			return ErrTaken
		}
	}
	if invitation != "" {
		inv, ok := s.invitations[invitation]
		if !ok || inv.Redeemed {
			return ErrInvitation
		}
		inv.Redeemed = true
		s.invitations[invitation] = inv
	}
	maps.DeleteFunc(s.identities, func(_ oidcrp.Identity, owner string) bool { return owner == c.ID })
	for _, id := range c.Identities {
		id.Provider = ""
		s.identities[id] = c.ID
	}
	s.contacts[c.ID] = c
	return nil
}

func (s *memoryStore) AddInvitation(_ context.Context, inv Invitation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.invitations[inv.ID]; ok {
		return ErrTaken
	}
	inv.Roles = slices.Clone(inv.Roles)
	s.invitations[inv.ID] = inv
	return nil
}

func (s *memoryStore) Invitation(_ context.Context, id string) (Invitation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv, ok := s.invitations[id]
	if !ok {
		return Invitation{}, ErrInvitation
	}
	inv.Roles = slices.Clone(inv.Roles)
	return inv, nil
}
