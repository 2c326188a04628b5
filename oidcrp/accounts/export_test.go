package accounts

import (
	"context"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// LinkLogin treats a login as one that was started to add an identity.
func (a *Accounts) LinkLogin(ctx context.Context, login *oidcrp.Login) error {
	return a.link(ctx, login)
}

// PendingKey is that of what a session has no use for.
const PendingKey = pendingKey
