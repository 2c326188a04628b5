package interop_test

import (
	"cmp"
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
var columns = []column{luikyvColumn, zitadelColumn, nodeColumn}

const (
	passed     = "passed"
	failed     = "FAILED"
	notOffered = "not offered"
)

// TestMatrix signs in at every provider with every feature. A cell passes when
// the sign-in succeeded and the feature was seen in what was sent. With
// OIDCRP_MATRIX the result is written to the file of that name.
func TestMatrix(t *testing.T) {
	cells := map[string]string{}
	cell := func(c column, f feature) string { return c.name + "/" + f.name }
	for _, c := range columns {
		for name := range c.notOffered {
			if !isFeature(name) {
				t.Errorf("%s declares %q as not offered, which is no row", c.name, name)
			}
		}
		t.Run(c.name, func(t *testing.T) {
			op := c.start(t)
			for _, f := range features {
				if reason, ok := c.notOffered[f.name]; ok {
					if reason == "" {
						t.Errorf("%q is declared as not offered without a reason", f.name)
					}
					cells[cell(c, f)] = notOffered
					continue
				}
				t.Run(f.name, func(t *testing.T) {
					cells[cell(c, f)] = failed // also when it panics or calls FailNow
					f.try(t, op)
					if !t.Failed() {
						cells[cell(c, f)] = passed
					}
				})
			}
		})
	}
	out := &strings.Builder{}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, c := range columns {
		fmt.Fprintf(w, "\t%s", c.name)
	}
	fmt.Fprintln(w)
	for _, f := range features {
		fmt.Fprint(w, f.name)
		for _, c := range columns {
			fmt.Fprintf(w, "\t%s", cmp.Or(cells[cell(c, f)], "not run"))
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	t.Logf("\n%s", out)
	if strings.Contains(out.String(), "not run") && everythingRequired() {
		t.Error("a cell was neither run nor declared as not offered")
	}
	if file := os.Getenv("OIDCRP_MATRIX"); file != "" {
		if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// everythingRequired reports whether no test was left out on purpose: chosen
// by name, or for a provider that is not installed.
func everythingRequired() bool {
	return os.Getenv("OIDCRP_REQUIRE") == "1" && !strings.Contains(flag.Lookup("test.run").Value.String(), "/") && flag.Lookup("test.skip").Value.String() == ""
}

func isFeature(name string) bool {
	for _, f := range features {
		if f.name == name {
			return true
		}
	}
	return false
}
