package accountstest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// faulty is a store that breaks one promise.
type faulty struct {
	accounts.Store
	byID       func(context.Context, string) (*accounts.Contact, error)
	byIdentity func(ctx context.Context, issuer, subject string) (*accounts.Contact, error)
	byEmail    func(context.Context, string) ([]*accounts.Contact, error)
	list       func(ctx context.Context, after string, limit int) ([]*accounts.Contact, error)
	create     func(context.Context, *accounts.Contact, string) error
	update     func(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error
	invitation func(context.Context, string) (accounts.Invitation, error)
}

func (f *faulty) ByID(ctx context.Context, id string) (*accounts.Contact, error) {
	return f.byID(ctx, id)
}
func (f *faulty) ByIdentity(ctx context.Context, issuer, subject string) (*accounts.Contact, error) {
	return f.byIdentity(ctx, issuer, subject)
}
func (f *faulty) ByEmail(ctx context.Context, email string) ([]*accounts.Contact, error) {
	return f.byEmail(ctx, email)
}
func (f *faulty) List(ctx context.Context, after string, limit int) ([]*accounts.Contact, error) {
	return f.list(ctx, after, limit)
}
func (f *faulty) Create(ctx context.Context, c *accounts.Contact, invitation string) error {
	return f.create(ctx, c, invitation)
}
func (f *faulty) Update(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
	return f.update(ctx, id, invitation, change)
}
func (f *faulty) Invitation(ctx context.Context, id string) (accounts.Invitation, error) {
	return f.invitation(ctx, id)
}

// faults are promises broken, each with the check that must notice.
var faults = map[string]struct {
	breaks func(f *faulty, good accounts.Store)
	check  string
}{
	"no contact is an empty one": {func(f *faulty, good accounts.Store) {
		f.byIdentity = func(ctx context.Context, issuer, subject string) (*accounts.Contact, error) {
			c, err := good.ByIdentity(ctx, issuer, subject)
			if errors.Is(err, accounts.ErrNotFound) {
				return &accounts.Contact{}, nil
			}
			return c, err
		}
	}, "missing"},
	"disabled is forgotten": {func(f *faulty, good accounts.Store) {
		f.byID = func(ctx context.Context, id string) (*accounts.Contact, error) {
			c, err := good.ByID(ctx, id)
			if c != nil {
				c.Disabled = false
			}
			return c, err
		}
	}, "contacts come back"},
	"subjects in any case": {func(f *faulty, good accounts.Store) {
		f.byIdentity = func(ctx context.Context, issuer, subject string) (*accounts.Contact, error) {
			return good.ByIdentity(ctx, strings.ToLower(issuer), strings.TrimSpace(subject))
		}
	}, "identity compared byte by byte"},
	"addresses in one case": {func(f *faulty, good accounts.Store) {
		f.byEmail = func(ctx context.Context, email string) ([]*accounts.Contact, error) {
			all, err := good.ByEmail(ctx, email)
			var exact []*accounts.Contact
			for _, c := range all {
				if c.Email == email {
					exact = append(exact, c)
				}
			}
			return exact, err
		}
	}, "addresses"},
	"the list begins anew": {func(f *faulty, good accounts.Store) {
		f.list = func(ctx context.Context, after string, limit int) ([]*accounts.Contact, error) {
			return good.List(ctx, "", limit)
		}
	}, "list"},
	"an identity twice": {func(f *faulty, good accounts.Store) {
		f.create = func(ctx context.Context, c *accounts.Contact, invitation string) error {
			err := good.Create(ctx, c, invitation)
			if errors.Is(err, accounts.ErrTaken) {
				return nil
			}
			return err
		}
	}, "first logins at once"},
	"an invitation twice": {func(f *faulty, good accounts.Store) {
		f.create = func(ctx context.Context, c *accounts.Contact, invitation string) error {
			err := good.Create(ctx, c, invitation)
			if errors.Is(err, accounts.ErrInvitation) {
				return good.Create(ctx, c, "")
			}
			return err
		}
	}, "invitation redeemed at once"},
	"a lost update": {func(f *faulty, good accounts.Store) {
		f.update = func(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
			c, err := good.ByID(ctx, id)
			if err != nil {
				return err
			}
			if err := change(c); err != nil {
				return err
			}
			roles := c.Roles[:min(len(c.Roles), 1)] // as if all had read it before the first wrote
			return good.Update(ctx, id, invitation, func(d *accounts.Contact) error {
				*d = *c
				d.Roles = roles
				return nil
			})
		}
	}, "no update is lost"},
	"half an update": {func(f *faulty, good accounts.Store) {
		f.update = func(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
			var failed error
			err := good.Update(ctx, id, invitation, func(c *accounts.Contact) error { failed = change(c); return nil })
			return errors.Join(err, failed)
		}
	}, "update is whole or not at all"},
	"an identity that stays": {func(f *faulty, good accounts.Store) {
		f.update = func(ctx context.Context, id, invitation string, change func(*accounts.Contact) error) error {
			return good.Update(ctx, id, invitation, func(c *accounts.Contact) error {
				before := append([]oidcrp.Identity(nil), c.Identities...)
				err := change(c)
				if len(c.Identities) == 0 {
					c.Identities = before
				}
				return err
			})
		}
	}, "identities move"},
	"redeemed is not told": {func(f *faulty, good accounts.Store) {
		f.invitation = func(ctx context.Context, id string) (accounts.Invitation, error) {
			inv, err := good.Invitation(ctx, id)
			inv.Redeemed = false
			return inv, err
		}
	}, "invitation once"},
}

// TestStoreNotices runs the suite over a store with each fault, in a process of
// its own, as it fails there.
func TestStoreNotices(t *testing.T) {
	if name := os.Getenv("ACCOUNTSTEST_FAULT"); name != "" {
		good := accounts.NewMemoryStore()
		f := &faulty{good, good.ByID, good.ByIdentity, good.ByEmail, good.List, good.Create, good.Update, good.Invitation}
		faults[name].breaks(f, good)
		TestStore(t, f)
		return
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestStoreNotices$", "-test.v")
			cmd.Env = append(os.Environ(), "ACCOUNTSTEST_FAULT="+name)
			out, err := cmd.CombinedOutput()
			if want := "--- FAIL: TestStoreNotices/" + strings.ReplaceAll(fault.check, " ", "_"); err == nil || !strings.Contains(string(out), want) {
				t.Errorf("%v; want %q in\n%s", err, want, out)
			}
		})
	}
}
