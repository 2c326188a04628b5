package usage

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	t.Setenv("OIDC_ISSUER", "https://login.example.com")
	t.Setenv("OIDC_CLIENT_ID", "")
	if got := missing([]string{"OIDC_ISSUER", "OIDC_CLIENT_ID"}); !slices.Equal(got, []string{"OIDC_CLIENT_ID"}) {
		t.Errorf("missing %q", got)
	}
}

// Each program says how to run it, and asks for the variables it reads; those
// that are its own are in its comment.
func TestProgramsSayWhatTheyNeed(t *testing.T) {
	files, err := filepath.Glob("*_*/main.go")
	if err != nil || len(files) < 19 {
		t.Fatal(files, err)
	}
	read := regexp.MustCompile(`os\.Getenv\("(\w+)"\)`)
	needs := regexp.MustCompile(`usage\.Needs\(([^)]*)\)`)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		comment, code, _ := strings.Cut(string(b), "\npackage main\n")
		if !strings.Contains(comment, "http://localhost:3000") && !strings.Contains(comment, "https://") {
			t.Errorf("%s does not say what to open", file)
		}
		asked := strings.Join(needs.FindStringSubmatch(code), "")
		for _, found := range read.FindAllStringSubmatch(code, -1) {
			name := found[1]
			if name != "OIDC_CLIENT_SECRET" && !strings.Contains(asked, `"`+name+`"`) {
				t.Errorf("%s does not ask for %s", file, name)
			}
			switch name {
			case "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET":
				if !strings.Contains(comment, "usage.go") {
					t.Errorf("%s does not say where its variables are explained", file)
				}
			default:
				if !strings.Contains(comment, name) {
					t.Errorf("%s does not explain %s", file, name)
				}
			}
		}
	}
}
