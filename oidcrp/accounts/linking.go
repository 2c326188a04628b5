//go:build !planned

package accounts

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// linking reports whether a login was started to add an identity.
func linking(*oidcrp.Login) bool { return false }
