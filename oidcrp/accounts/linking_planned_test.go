//go:build planned

package accounts_test

import "github.com/seed-78edd7da/go-oidcrp/oidcrp"

// startedToLink makes a login one that LoginOptions.Link started.
func startedToLink(login *oidcrp.Login) bool {
	login.Linking = true
	return true
}
