package main

import (
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go/token"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"
)

// tree is what to check: packages by pattern, seen from a directory, with some
// files replaced.
type tree struct {
	dir      string
	patterns []string
	overlay  map[string][]byte // by absolute path
}

// result is what a check found, and how much it looked at.
type result struct {
	findings []string // "file:line:column: text", sorted
	packages int      // core packages
	switches int      // calls in them that may switch threads
	locks    int      // comments that begin with Locks:

	functions int // of core packages, in the call graph
}

// check checks the tree under a set of build tags.
//
// Packages that do not compile, and a tree without a core package or without a
// call that may switch, are an error: nothing was checked then.
func (t tree) check(tags string) (r result, err error) {
	all, err := t.load(tags, packages.NeedName|packages.NeedFiles|packages.NeedCompiledGoFiles|packages.NeedSyntax, t.patterns)
	if err != nil {
		return r, err
	}
	var core []string
	for _, p := range all {
		if isCore(p.Syntax) {
			core = append(core, p.PkgPath)
		}
		r.locks += checkLocks(p.Syntax, func(at token.Pos, text string) { r.add(p, at, text) })
	}
	if len(core) == 0 {
		return r, fmt.Errorf("no core package in %s", strings.Join(t.patterns, " "))
	}
	r.packages = len(core)
	if err := t.checkCPU(tags, core, &r); err != nil {
		return r, err
	}
	if err := t.checkRecursion(tags, core, &r); err != nil {
		return r, err
	}
	slices.Sort(r.findings)
	r.findings = slices.Compact(r.findings)
	return r, nil
}

// checkCPU runs the analyzer of the CPU rules over the core packages.
func (t tree) checkCPU(tags string, core []string, r *result) error {
	loaded, err := t.load(tags, packages.LoadAllSyntax, core)
	if err != nil {
		return err
	}
	graph, err := checker.Analyze([]*analysis.Analyzer{cpuAnalyzer}, loaded, nil)
	if err != nil {
		return err
	}
	for _, act := range graph.Roots {
		if act.Err != nil {
			return act.Err
		}
		for _, d := range act.Diagnostics {
			r.add(act.Package, d.Pos, d.Message)
		}
		r.switches += act.Result.(int)
	}
	if r.switches == 0 {
		return fmt.Errorf("no call that may switch threads in %d core packages", len(core))
	}
	return nil
}

func (t tree) load(tags string, mode packages.LoadMode, patterns []string) ([]*packages.Package, error) {
	cfg := &packages.Config{
		Mode: mode, Dir: t.dir, Overlay: t.overlay, BuildFlags: []string{"-tags=" + tags},
		Env: append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0"), // the kernel's
	}
	all, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		for _, e := range p.Errors {
			return nil, e
		}
	}
	return all, nil
}

// add notes a finding, with the file's name as seen from the working directory.
func (r *result) add(p *packages.Package, at token.Pos, text string) {
	pos := p.Fset.Position(at)
	if wd, err := os.Getwd(); err == nil {
		if name, err := filepath.Rel(wd, pos.Filename); err == nil {
			pos.Filename = name
		}
	}
	r.findings = append(r.findings, pos.String()+": "+text)
}

var coreLine = regexp.MustCompile(`(?m)^Layer: core\b`)

// isCore reports whether a package's comment puts it into the core.
func isCore(files []*ast.File) bool {
	return slices.ContainsFunc(files, func(f *ast.File) bool { return coreLine.MatchString(f.Doc.Text()) })
}
