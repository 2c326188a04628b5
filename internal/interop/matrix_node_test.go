package interop_test

import (
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// nodeColumn is npm oidc-provider.
var nodeColumn = column{
	name: "npm oidc-provider",
	start: func(t *testing.T) *running {
		cert, key := pemOf(clientCA().issue("node"))
		ca, _ := pemOf(clientCA().own)
		op := nodeRunning(interop.StartNode(t, interop.NodeConfig{
			Accounts:  accounts,
			MutualTLS: &interop.TLS{Key: key, Cert: cert, CA: ca},
		}))
		op.roots = clientCA().pool()
		return op
	},
	notOffered: map[string]string{
		"front-channel logout":        "it shows no frames of applications",
		"request object by reference": "its request_uri takes what it handed out for PAR and nothing else",
	},
}

// nodeRunning is how all tests use it: it signs in the first account without a
// page, and shows one form at the end.
func nodeRunning(node *interop.NodeProvider) *running {
	return &running{
		issuer:   node.Issuer,
		subject:  "alice",
		register: registerAt(node.Issuer + "/reg"),
		signOut:  func(t *testing.T, b *oidcrptest.Browser) { b.SubmitForm("yes", nil) },
	}
}
