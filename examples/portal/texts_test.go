package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every text exists in every language, once, and leaves the same gaps.
func TestTextsAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range texts {
		key := row[0]
		if seen[key] {
			t.Errorf("%q is there twice", key)
		}
		seen[key] = true
		for i, lang := range languages {
			said := row[1+i]
			if strings.TrimSpace(said) == "" {
				t.Errorf("%s: no text %q", lang, key)
			}
			if strings.Count(said, "%s") != strings.Count(row[1], "%s") {
				t.Errorf("%s: %q has other gaps than in English", lang, key)
			}
		}
		if row[1] == row[2] && key != "provider.redirect" && key != "provider.postlogout" {
			t.Errorf("%q is not translated", key)
		}
	}
}

var (
	asked   = regexp.MustCompile(`\.Tf? "([^"]+)"`)
	pieced  = regexp.MustCompile(`\(print "([^"]+)"`)
	english = regexp.MustCompile(`>[^<>{}]*[A-Za-z]{4,}[^<>{}]*<`)
)

// Pages ask for texts that there are, have none of their own, and no text is
// there for nothing.
func TestPagesAndTextsFit(t *testing.T) {
	used := map[string]bool{}
	var prefixes []string
	for _, page := range read(t, pageFiles, "pages/*.html") {
		for _, m := range asked.FindAllStringSubmatch(page, -1) {
			used[m[1]] = true
			if _, err := text("en", m[1]); err != nil {
				t.Error(err)
			}
		}
		for _, m := range pieced.FindAllStringSubmatch(page, -1) {
			prefixes = append(prefixes, m[1])
		}
		for _, m := range english.FindAllString(page, -1) {
			if !strings.Contains(m, "sub") && !strings.Contains(m, "://") {
				t.Errorf("a page has a text of its own: %s", m)
			}
		}
	}
	code := strings.Join(read(t, os.DirFS("."), "*.go"), "\n")
	for _, row := range texts {
		key := row[0]
		piece := func() bool {
			for _, prefix := range append(prefixes, "done.", "field.", "claim.") {
				if strings.HasPrefix(key, prefix) {
					return true
				}
			}
			return false
		}
		if !used[key] && !piece() && strings.Count(code, `"`+key+`"`) < 2 { // one is where it is defined
			t.Errorf("nothing says %q", key)
		}
	}
}

func read(t *testing.T, from fs.FS, pattern string) []string {
	t.Helper()
	names, err := fs.Glob(from, pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v %v", pattern, names, err)
	}
	var all []string
	for _, name := range names {
		b, err := fs.ReadFile(from, filepath.ToSlash(name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}
