package oidcrp_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secrets end the names of what a stranger must not guess bit by bit.
var secrets = []string{"nonce", "state", "bind", "binding", "verifier", "hash", "digest", "mac", "signature", "secret", "password"}

// plainly are compared these, by file and operands, and why they may be.
var plainly = map[string]string{
	"oidcrp/again.go identityHash, Identity": "who is signed in, which the session has beside it: no stranger writes either",
	"oidcrp/config.go ClientSecret, key":     "two of the operator's, when the program starts",
}

// inConstantTime are the comparisons of a secret of ours with a stranger's text.
var inConstantTime = map[string][]string{
	"internal/transaction Open":     {"digest", "want"}, // the binding's
	"internal/validate checkNonce":  {"nonce", "Nonce"},
	"internal/validate HashMatches": {"want", "hash"}, // at_hash, c_hash and s_hash
	"internal/provider verifies":    {"Sum", "Signature"},
}

// comparesInConstantTime finds where a secret is compared, by the names of what
// is compared. Time cannot be tested well, the code can.
func comparesInConstantTime(t *testing.T) {
	found := map[string]bool{}
	for _, room := range []string{"internal/validate", "internal/transaction", "internal/cookie", "internal/session", "internal/provider", "oidcrp"} {
		files, err := filepath.Glob("../" + room + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", room, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			fset := token.NewFileSet()
			src, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range comparisons(src) {
				at := room + " " + c.function
				switch names := strings.Join(c.names, ", "); {
				case c.subtle && !slices.Equal(c.names, inConstantTime[at]):
					t.Errorf("%s: %q are compared in constant time: here the test knows %q", fset.Position(c.pos), c.names, inConstantTime[at])
				case c.subtle:
					found[at] = true
				case plainly[strings.TrimPrefix(filepath.ToSlash(file), "../")+" "+names] == "":
					t.Errorf("%s: %s are compared, but not in constant time", fset.Position(c.pos), names)
				default:
					found[names] = true
				}
			}
		}
	}
	if want := len(inConstantTime) + len(plainly); len(found) != want {
		t.Errorf("found are %v, not all %d", found, want)
	}
}

// comparison is one of two things that have names, one of them a secret's, or one
// in constant time.
type comparison struct {
	function string
	names    []string
	subtle   bool
	pos      token.Pos
}

func comparisons(file *ast.File) []comparison {
	var all []comparison
	for _, decl := range file.Decls {
		function := ""
		if f, ok := decl.(*ast.FuncDecl); ok {
			function = f.Name.Name
		}
		add := func(at ast.Node, subtle bool, operands ...ast.Expr) {
			var names []string
			for _, x := range operands {
				names = append(names, operandName(x))
			}
			if subtle || !slices.Contains(names, "") && slices.ContainsFunc(names, isSecret) {
				all = append(all, comparison{function, names, subtle, at.Pos()})
			}
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if n.Op == token.EQL || n.Op == token.NEQ {
					add(n, false, n.X, n.Y)
				}
			case *ast.SwitchStmt:
				for _, clause := range n.Body.List {
					for _, x := range clause.(*ast.CaseClause).List {
						if n.Tag != nil {
							add(x, false, n.Tag, x)
						}
					}
				}
			case *ast.CallExpr:
				f, ok := n.Fun.(*ast.SelectorExpr)
				if !ok || len(n.Args) != 2 {
					return true
				}
				switch in, ok := f.X.(*ast.Ident); {
				case !ok:
				case in.Name == "subtle" || in.Name == "hmac":
					add(n, f.Sel.Name == "ConstantTimeCompare" || f.Sel.Name == "Equal", n.Args...)
				case slices.Contains([]string{"bytes", "strings", "slices", "reflect", "cmp"}, in.Name) &&
					slices.Contains([]string{"Equal", "EqualFold", "Compare", "Contains", "Index", "HasPrefix", "HasSuffix", "DeepEqual"}, f.Sel.Name):
					add(n, false, n.Args...)
				}
			}
			return true
		})
	}
	return all
}

// operandName is the last name of what is compared: of e.Nonce, []byte(e.Nonce)
// and e.Nonce[:] it is Nonce, of a constant and of len(e.Nonce) it is "".
func operandName(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.Ident:
		if slices.Contains([]string{"nil", "true", "false"}, x.Name) {
			return ""
		}
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.ParenExpr:
		return operandName(x.X)
	case *ast.StarExpr:
		return operandName(x.X)
	case *ast.UnaryExpr:
		return operandName(x.X)
	case *ast.SliceExpr:
		return operandName(x.X)
	case *ast.CallExpr:
		name := operandName(x.Fun)
		if _, ok := x.Fun.(*ast.ArrayType); ok || name == "string" && len(x.Args) == 1 {
			return operandName(x.Args[0])
		}
		if name == "len" {
			return ""
		}
		return name
	}
	return ""
}

// isSecret reports whether a name ends as those of secrets do.
func isSecret(name string) bool {
	return slices.ContainsFunc(secrets, func(s string) bool { return strings.HasSuffix(strings.ToLower(name), s) })
}
