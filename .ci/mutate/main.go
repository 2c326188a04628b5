// Mutate takes the checks out of some packages, one at a time, and says which
// of them no test misses:
//
//	go run ./.ci/mutate ./internal/validate ./internal/transaction ./internal/session
//
// A check is the condition of an if or of a case, or a part of one that && or
// || joins, there or in a returned value. It is taken out by making it false,
// or true where it is joined by &&. The tests of the check's own package run first, and
// then, should they all pass, those of the packages that -then names: a check
// that none of them misses is printed, and the program ends with status 1.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is a file without one of its checks. Its name is that of the check:
// file, function, the check, and which one if there are several alike.
type mutant struct {
	file, at, name string
	source         []byte
}

func main() {
	log.SetFlags(0)
	then := flag.String("then", "./internal/provider ./oidcrp ./oidcrp/accounts", "packages whose tests run where a package's own miss nothing")
	run := flag.String("run", "", "the tests of those packages to run, as for go test; all without it")
	known := flag.String("known", ".ci/mutate/known.txt", "a file of checks that no test can miss, one on each line with its reason below")
	only := flag.String("only", "", "take out only the checks whose place (file:line) contains this")
	flag.Parse()
	excused := excuses(*known)
	tried, missed := 0, 0
	for _, pkg := range flag.Args() {
		if out, err := exec.Command("go", "test", pkg).CombinedOutput(); err != nil {
			log.Fatalf("%s fails as it is:\n%s", pkg, out)
		}
		for _, m := range mutants(pkg) {
			if !strings.Contains(m.at, *only) {
				continue
			}
			tried++
			if slices.Contains(excused, m.name) {
				continue
			}
			if caught(m, pkg, "") || slices.ContainsFunc(strings.Fields(*then), func(p string) bool { return caught(m, p, *run) }) {
				continue
			}
			missed++
			fmt.Printf("%s\n\t%s\n", m.name, m.at)
		}
	}
	fmt.Printf("%d checks taken out, %d missed by no test\n", tried, missed)
	if missed > 0 {
		os.Exit(1)
	}
}

// excuses reads the checks that stand for clarity or speed, so that nothing
// shows their absence.
func excuses(file string) []string {
	f, err := os.Open(file)
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	var names []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "\t") {
			names = append(names, line)
		}
	}
	return names
}

// caught reports whether a test of the package fails without the check: any, or
// one of those that run names.
func caught(m mutant, pkg, run string) bool {
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := filepath.Abs(m.file)
	if err != nil {
		log.Fatal(err)
	}
	changed := filepath.Join(dir, "changed.go")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(changed, m.source, 0o600); err != nil {
		log.Fatal(err)
	}
	listed := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(listed, overlay, 0o600); err != nil {
		log.Fatal(err)
	}
	// What does not end is caught too.
	out, err := exec.Command("go", "test", "-vet=off", "-failfast", "-timeout=2m", "-run="+run, "-overlay", listed, pkg).CombinedOutput()
	if bytes.Contains(out, []byte("[build failed]")) {
		log.Fatalf("%s: %s\n%s", m.at, m.name, out)
	}
	return err != nil
}

// mutants takes each check out of the package's files.
func mutants(pkg string) []mutant {
	files, err := filepath.Glob(filepath.Join(pkg, "*.go"))
	if err != nil {
		log.Fatal(err)
	}
	var all []mutant
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		tree, err := parser.ParseFile(fset, file, nil, parser.ParseComments)
		if err != nil {
			log.Fatal(err)
		}
		alike := make(map[string]int)
		for _, check := range checks(tree) {
			var text, source bytes.Buffer
			if err := format.Node(&text, fset, *check.expr); err != nil {
				log.Fatal(err)
			}
			name := filepath.ToSlash(file) + " " + check.function + ": " + strings.Join(strings.Fields(text.String()), " ")
			if alike[name]++; alike[name] > 1 {
				name += fmt.Sprintf(" (%d)", alike[name])
			}
			whole := *check.expr
			// The check is still there, for what is declared in front of it.
			out := &ast.BinaryExpr{X: ast.NewIdent("false"), Op: token.LAND, Y: &ast.ParenExpr{X: whole}}
			if check.joined == token.LAND {
				out.X, out.Op = ast.NewIdent("true"), token.LOR
			}
			*check.expr = &ast.ParenExpr{X: out}
			if err := format.Node(&source, fset, tree); err != nil {
				log.Fatal(err)
			}
			*check.expr = whole
			all = append(all, mutant{file, fset.Position(whole.Pos()).String(), name, source.Bytes()})
		}
	}
	return all
}

// A place is where a check stands, and what joins it to others.
type place struct {
	function string
	expr     *ast.Expr
	joined   token.Token
}

func checks(tree *ast.File) []place {
	var found []place
	function := ""
	var parts func(e *ast.Expr, joined token.Token)
	parts = func(e *ast.Expr, joined token.Token) {
		switch x := (*e).(type) {
		case *ast.ParenExpr:
			parts(&x.X, joined)
		case *ast.BinaryExpr:
			if x.Op == token.LAND || x.Op == token.LOR {
				parts(&x.X, x.Op)
				parts(&x.Y, x.Op)
				return
			}
			found = append(found, place{function, e, joined})
		default:
			found = append(found, place{function, e, joined})
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			function = n.Name.Name
		case *ast.IfStmt:
			parts(&n.Cond, token.ILLEGAL)
		case *ast.SwitchStmt:
			if n.Tag != nil {
				break
			}
			for _, clause := range n.Body.List {
				for i := range clause.(*ast.CaseClause).List {
					parts(&clause.(*ast.CaseClause).List[i], token.ILLEGAL)
				}
			}
		case *ast.ReturnStmt:
			for i := range n.Results {
				if b, ok := n.Results[i].(*ast.BinaryExpr); ok && (b.Op == token.LAND || b.Op == token.LOR) {
					parts(&n.Results[i], token.ILLEGAL)
				}
			}
		}
		return true
	})
	return found
}
