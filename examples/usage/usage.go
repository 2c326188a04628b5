// Package usage has one program for each situation an application may be in,
// and here what they need to run. They take a provider from the environment:
//
//	export OIDC_ISSUER=https://login.example.com OIDC_CLIENT_ID=app OIDC_CLIENT_SECRET=…
//	go -C examples run ./usage/a_protect_everything
//
// Without OIDC_CLIENT_SECRET the client is a public one. Register for it the
// redirect URI http://localhost:3000/auth/callback/default and the post-logout
// redirect URI http://localhost:3000/auth/logout, if the comment of the program
// names no others. It also says which other variables there are, and which page
// to open.
package usage

import (
	"log"
	"os"
	"strings"
)

// Needs ends the program unless these variables are set, and says which are
// not.
func Needs(variables ...string) {
	if unset := missing(variables); len(unset) > 0 {
		log.Fatalf("set %s: see usage/usage.go and the comment of this program", strings.Join(unset, ", "))
	}
}

func missing(variables []string) (unset []string) {
	for _, name := range variables {
		if os.Getenv(name) == "" {
			unset = append(unset, name)
		}
	}
	return unset
}
