package oidcrp_test

import (
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// bindingAttacks are T001 to T021: state, nonce, PKCE and requests from other sites.
var bindingAttacks = []attack{
	{"T003 broken states", brokenStates},
}

func brokenStates(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
		b := a.signIn()
		a.op.SetFaults(oidcrptest.IgnoreFormPost)
		callback := mustParse(t, a.stopAtCallback(b, "/auth/login?return_to=/reports"))
		good := callback.Query().Get("state")
		for name, state := range map[string]string{
			"absent": "", "one character flipped": flip(good), "truncated": good[:len(good)-1],
			"case changed": strings.ToLower(good), "trailing space": good + " ", "trailing dot": good + ".", "2 kB": strings.Repeat("A", 2<<10),
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := a.in(t)
				q := callback.Query()
				q.Set("state", state)
				if state == "" {
					q.Del("state")
				}
				a.rejected(b, rejection{reason: "state"}, func() *oidcrptest.Page { return a.answer(b, mode, q) })
			})
		}
		a.op.SetFaults()
		a.shows(a.answer(b, mode, callback.Query()), "reports for alice") // none of it hurt the login
	}
}
