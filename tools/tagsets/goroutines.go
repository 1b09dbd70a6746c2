package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// starters are the methods and functions, of any package, that run a function in another goroutine. A
// name that does not belong here costs only time; one that is missing keeps packages from the race detector.
var starters = []string{"Go", "Parallel", "AfterFunc", "ListenAndServe", "Serve"}

// startsGoroutines tells whether the files of a package, of its tests, or of a package of the module that they
// import start a goroutine. A file that cannot be read counts as one that does.
func startsGoroutines(all map[string]*pkg, name string) bool {
	p := all[name]
	if slices.ContainsFunc(slices.Concat(p.files, p.testFiles), p.starts) {
		return true
	}
	for d := range p.deps {
		if q := all[d]; q != nil && d != name && slices.ContainsFunc(q.files, q.starts) {
			return true
		}
	}
	return false
}

// starts tells whether a file of p starts a goroutine.
func (p *pkg) starts(file string) (found bool) {
	if !strings.HasSuffix(file, ".go") {
		return false
	}
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.dir, file), nil, parser.SkipObjectResolution)
	if err != nil {
		return true
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && slices.Contains(starters, s.Sel.Name) {
				found = true
			}
		}
		return !found
	})
	return found
}
