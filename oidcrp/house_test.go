package oidcrp_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A room may import those below it and none above or beside it.
func TestImportsGoDownstairs(t *testing.T) {
	const module = "github.com/seed-78edd7da/go-oidcrp/"
	allowed := map[string][]string{
		"internal/cookie":              nil,
		"internal/validate":            nil,
		"internal/pages":               nil,
		"internal/outside":             nil,
		"internal/testhook":            nil,
		"internal/transaction":         {"internal/cookie"},
		"internal/session":             {"internal/cookie"},
		"internal/provider":            {"internal/validate"},
		"oidcrp":                       {"internal/cookie", "internal/validate", "internal/pages", "internal/outside", "internal/testhook", "internal/transaction", "internal/session", "internal/provider"},
		"oidcrp/oidcrptest":            {"oidcrp", "internal/testhook"},
		"oidcrp/presets":               {"oidcrp"},
		"oidcrp/accounts":              {"oidcrp", "internal/outside", "internal/pages", "internal/validate"},
		"oidcrp/accounts/accountstest": {"oidcrp", "oidcrp/accounts"},
		"oidcrp/sitesettings":          {"oidcrp", "oidcrp/accounts"},
	}
	owners := map[string][]string{ // who may import a library
		"github.com/gorilla/securecookie": {"internal/cookie"},
		"github.com/coreos/go-oidc/":      {"internal/provider"},
		"golang.org/x/oauth2":             {"internal/provider", "oidcrp"}, // for its TokenSource
	}
	for room, below := range allowed {
		files, err := filepath.Glob(filepath.Join("..", room, "*.go"))
		if err != nil || len(files) == 0 {
			t.Errorf("%s: %d files, %v", room, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			src, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range src.Imports {
				path := strings.Trim(spec.Path.Value, `"`)
				if rest, ours := strings.CutPrefix(path, module); ours && !slices.Contains(below, rest) {
					t.Errorf("%s imports %s", file, rest)
				}
				for library, rooms := range owners {
					if strings.HasPrefix(path, library) && !slices.Contains(rooms, room) {
						t.Errorf("%s imports %s", file, path)
					}
				}
			}
		}
	}
}

// Whoever imports us gets these modules, and no others.
func TestDirectDependencies(t *testing.T) {
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	var direct []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 2 && strings.HasPrefix(f[1], "v") {
			direct = append(direct, f[0])
		}
	}
	want := []string{"github.com/coreos/go-oidc/v3", "github.com/go-jose/go-jose/v4", "github.com/gorilla/securecookie", "golang.org/x/oauth2"}
	if !slices.Equal(direct, want) {
		t.Errorf("go.mod requires %v, want %v", direct, want)
	}
}

// The repository speaks of the project alone.
func TestNoStrayWords(t *testing.T) {
	stray := regexp.MustCompile(`/work/(main|shared)|/tmp/|registry\.npmjs|proxy\.golang|deb\.debian`)
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", "node_modules", "screenshots"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		// In a worktree .git is a file that names another place.
		if d.Name() == ".git" || d.Name() == "house_test.go" || filepath.Ext(path) == ".png" {
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if bytes.IndexByte(b, 0) >= 0 {
			return nil // built, and not ours to read
		}
		if found := stray.Find(b); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
