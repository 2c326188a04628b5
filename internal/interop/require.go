package interop

import (
	"os"
	"testing"
)

// Missing ends a test whose component is not installed: it is skipped with the
// line that installs it, or fails where everything is required.
func Missing(t testing.TB, component, install string) {
	t.Helper()
	if os.Getenv("OIDCRP_REQUIRE") == "1" {
		t.Fatalf("%s is missing; install it with: %s", component, install)
	}
	t.Skipf("%s is missing; install it with: %s", component, install)
}
