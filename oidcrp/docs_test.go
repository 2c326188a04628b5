package oidcrp_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// publicDocuments are what is written for readers outside the code.
func publicDocuments(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	texts := make(map[string]string)
	for _, file := range append(files, "../README.md", "../.github/SECURITY.md") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(b)
	}
	return texts
}

// What the documents link to is there.
func TestDocumentsLinkToWhatExists(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
	code := regexp.MustCompile("`[^`]*`") // Claims[T](ctx) is no link
	for file, text := range publicDocuments(t) {
		for _, found := range link.FindAllStringSubmatch(code.ReplaceAllString(text, ""), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), found[1])); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// The Go code of the guides is a piece of a program that compiles and has a
// test.
func TestGuidesShowProgramsThatRun(t *testing.T) {
	var programs strings.Builder
	err := filepath.WalkDir("../examples", func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		b, err := os.ReadFile(path)
		programs.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile("(?s)```go\n(.*?)```")
	shown := 0
	for file, text := range publicDocuments(t) {
		for _, found := range code.FindAllStringSubmatch(text, -1) {
			if strings.HasPrefix(found[1], "package main\n") {
				continue // TestReadmeProgram runs it
			}
			shown++
			if !strings.Contains(programs.String(), found[1]) {
				t.Errorf("%s shows what no example has:\n%s", file, found[1])
			}
		}
	}
	if shown == 0 {
		t.Error("no code was found")
	}
}

// The catalogue of attacks is whole, and what the documents say is shown by a
// row of it, or by a fault's, is a row.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	there := map[string]bool{}
	for _, attack := range attacks() {
		id, _, _ := strings.Cut(attack.name, " ")
		there[id] = true
	}
	for file, pattern := range map[string]string{"accounts/attack_test.go": `\{"(T\d{3}) `, "fault_test.go": `// (R\d{2}):`} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(b), -1) {
			there[found[1]] = true
		}
	}
	for i := 1; i <= 130; i++ {
		if id := fmt.Sprintf("T%03d", i); !there[id] {
			t.Errorf("nothing is tried as %s", id)
		}
	}
	named := 0
	for file, text := range publicDocuments(t) {
		for _, found := range regexp.MustCompile(`\b(T\d{3}|R\d{2})(?:–(T\d{3}))?\b`).FindAllStringSubmatch(text, -1) {
			for _, id := range found[1:] {
				if named++; id != "" && !there[id] {
					t.Errorf("%s: there is no %s", file, id)
				}
			}
		}
	}
	if named == 0 {
		t.Error("no test is named")
	}
}
