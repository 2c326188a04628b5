// Package reports is an application to be tested: see its tests. A handler
// that reads who is signed in is tested by itself, a guard with a signed-in
// request, the login with a provider, and its failures with the faults of
// that provider.
package reports

import (
	"fmt"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// New returns the application.
func New(rp *oidcrp.RelyingParty) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /reports", rp.Require(oidcrp.HasRole("reader"))(http.HandlerFunc(list)))
	return rp.Load(mux)
}

func list(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Reports for %s", oidcrp.FromContext(r.Context()).Email())
}
