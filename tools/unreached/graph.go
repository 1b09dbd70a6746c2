package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"path/filepath"
	"strings"

	"golang.org/x/tools/go/callgraph/rta"
	"golang.org/x/tools/go/packages"
	"golang.org/x/tools/go/ssa"
	"golang.org/x/tools/go/ssa/ssautil"
)

// analyse adds to all what one set of tags shows. built says that programs are built
// with this set.
func analyse(root, set string, built bool, all map[string]*fate) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	cfg := &packages.Config{Dir: root, Mode: packages.LoadAllSyntax | packages.NeedModule, Tests: true}
	if set != "none" {
		cfg.BuildFlags = []string{"-tags=" + set}
	}
	loaded, err := packages.Load(cfg, "./...")
	if err != nil {
		return err
	}
	if n := packages.PrintErrors(loaded); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	prog, _ := ssautil.AllPackages(loaded, ssa.InstantiateGenerics)
	prog.Build()
	var programs, tests []*ssa.Function
	packages.Visit(loaded, nil, func(p *packages.Package) {
		if p.Module == nil || !p.Module.Main {
			return
		}
		collect(root, p, built, all)
		s := prog.Package(p.Types)
		if s == nil {
			return
		}
		roots := &programs
		if strings.Contains(p.ID, ".test") { // "p.test", and the variants "p [p.test]"
			roots = &tests
		}
		for _, name := range []string{"main", "init"} {
			if f := s.Func(name); f != nil && p.Name == "main" {
				*roots = append(*roots, f)
			}
		}
		*roots = append(*roots, fromAssembly(p, s)...)
	})
	if built {
		mark(root, prog.Fset, programs, all, func(f *fate) { f.program = true })
	}
	mark(root, prog.Fset, tests, all, func(f *fate) { f.fromTest = true })
	return nil
}

// mark calls set for each function that is reached from roots.
func mark(root string, fset *token.FileSet, roots []*ssa.Function, all map[string]*fate, set func(*fate)) {
	if len(roots) == 0 {
		return
	}
	for f := range rta.Analyze(roots, false).Reachable {
		for ; f != nil; f = f.Parent() { // a closure reaches the function that makes it
			if origin := f.Origin(); origin != nil {
				f = origin // the generic function of an instance
			}
			if x := all[place(root, fset, f.Pos())]; x != nil {
				set(x)
			}
		}
	}
}

// collect notes the functions of a package; one without a body is in assembly.
func collect(root string, p *packages.Package, built bool, all map[string]*fate) {
	support := false
	for _, f := range p.Syntax {
		support = support || strings.Contains(f.Doc.Text(), "\nLayer: host tests")
	}
	for _, f := range p.Syntax {
		file := p.Fset.Position(f.Package).Filename
		if !strings.HasPrefix(file, root) {
			continue
		}
		test := strings.HasSuffix(file, "_test.go")
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Name.Name == "_" || fn.Recv == nil && fn.Name.Name == "init" {
				continue
			}
			at := place(root, p.Fset, fn.Name.Pos())
			if all[at] == nil {
				all[at] = &fate{name: fn.Name.Name}
			}
			all[at].built = all[at].built || built && !test
			all[at].forTests = all[at].forTests || test || support
		}
	}
}

// place is where a function is declared: "kernel/lock/spin.go:40".
func place(root string, fset *token.FileSet, at token.Pos) string {
	p := fset.Position(at)
	rel, err := filepath.Rel(root, p.Filename)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(rel), p.Line)
}
