package interop_test

import (
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// column is somebody else's provider in the matrix.
type column struct {
	name string

	// start starts it for all of its cells; it ends with the test.
	start func(t *testing.T) *running

	// notOffered has the rows that this provider cannot do, each with the
	// reason. What it can do and fails at is a failure.
	notOffered map[string]string
}

// running is a provider that was started.
type running struct {
	issuer  string
	subject string // whom it signs in; "": whoever it likes

	// register makes a client known, and returns it with the ID and secret it
	// really has. The client's jwks_uri answers later, when the application
	// runs.
	register func(t *testing.T, c interop.Client) interop.Client

	// configure tells our relying party what this provider needs. Nil: nothing.
	configure func(p *oidcrp.Provider)

	// signIn goes from the provider's first page back to the application, and
	// signOut does at the end of a session. Nil: it shows no pages.
	signIn, signOut func(t *testing.T, b *oidcrptest.Browser)

	// https says that it takes only https addresses of applications. Their
	// certificates are of clientCA.
	https bool

	// roots certify its TLS servers. Nil: it has none.
	roots *x509.CertPool
}

// columns are the providers, in the order of the printed matrix.
var columns = []column{luikyvColumn, zitadelColumn, nodeColumn, hydraColumn, glewlwydColumn}

// cell is a feature at a provider.
type cell struct{ column, feature string }

// What becomes of a cell.
const (
	notRun     = "not run"
	passed     = "passed"
	failed     = "FAILED"
	notOffered = "not offered"
)

// TestMatrix signs in at every provider with every feature. A cell passes when
// the sign-in succeeded and the feature was seen in what was sent. With
// OIDCRP_MATRIX the result is written to the file of that name as well.
func TestMatrix(t *testing.T) {
	results := map[cell]string{}
	for _, c := range columns {
		for _, f := range features {
			results[cell{c.name, f.name}] = notRun
		}
		for name, reason := range c.notOffered {
			if results[cell{c.name, name}] == "" || reason == "" {
				t.Errorf("%s declares %q as not offered: there is no such row, or no reason", c.name, name)
				continue
			}
			results[cell{c.name, name}] = notOffered
		}
		t.Run(c.name, func(t *testing.T) { c.try(t, results) })
	}
	printed := table(results)
	t.Logf("\n%s", printed)
	if file := os.Getenv("OIDCRP_MATRIX"); file != "" {
		if err := os.WriteFile(file, []byte(printed), 0o644); err != nil {
			t.Error(err)
		}
	}
	for cell, result := range results {
		if result == failed || result == notRun && !partly() {
			t.Errorf("%s, %s: %s", cell.column, cell.feature, result)
		}
	}
}

// try signs in with all features but those that are not offered.
func (c column) try(t *testing.T, results map[cell]string) {
	op := c.start(t)
	for _, f := range features {
		at := cell{c.name, f.name}
		if results[at] != notRun {
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			results[at] = failed // also when it ends early, in whatever way
			f.try(t, op)
			if !t.Failed() {
				results[at] = passed
			}
		})
	}
}

// table is the matrix as text.
func table(results map[cell]string) string {
	out := &strings.Builder{}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(w, "\t%s", c.name)
	}
	fmt.Fprintln(w)
	for _, f := range features {
		fmt.Fprint(w, f.name)
		for _, c := range columns {
			fmt.Fprintf(w, "\t%s", results[cell{c.name, f.name}])
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	return out.String()
}

// partly reports whether cells may be left out: chosen by name, or because not
// every provider has to be installed.
func partly() bool {
	return os.Getenv("OIDCRP_REQUIRE") != "1" ||
		strings.Contains(flag.Lookup("test.run").Value.String(), "/") || flag.Lookup("test.skip").Value.String() != ""
}
