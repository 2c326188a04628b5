//go:build !planned

package accounts_test

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// startedToLink would make a login one that was started to add an identity.
func startedToLink(*oidcrp.Login) bool { return false }
