package accounts_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts/accountstest"
)

func TestMemoryStore(t *testing.T) { accountstest.TestStore(t, accounts.NewMemoryStore()) }
