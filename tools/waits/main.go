// Command waits finds waits of host code that do not scale with the host.
//
//	waits [-root .]
//
// In the folders test and tools, a duration that is written out stands within a call of
// patience.For, which multiplies it by what this host needs, or of patience.Fixed; the interval of
// require.Eventually is none that anything waits out. In the tests of the other
// folders, where many durations are values of a fake clock, this holds for files that
// read the real one or wait by it. time.Sleep is refused in all of them: a test that
// sleeps in place of waiting for an event fails on a slow host, and is slow on a fast one.
//
// Layer: host.
// Chapter: docs/12-shell-and-tests.md.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("waits: ")
	root := flag.String("root", ".", "module root")
	flag.Parse()
	findings, files, err := check(*root)
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range findings {
		fmt.Fprintln(os.Stderr, f)
	}
	fmt.Printf("waits: %d files checked\n", files)
	if len(findings) > 0 {
		os.Exit(1)
	}
}

// check looks at the files below root. A finding is "file:line: what".
func check(root string) (findings []string, files int, err error) {
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if d.Name() == "testdata" || rel != "." && strings.HasPrefix(d.Name(), ".") || rel == "tools/patience" {
				return filepath.SkipDir
			}
			return nil
		}
		host := strings.HasPrefix(rel, "test/") || strings.HasPrefix(rel, "tools/")
		if !strings.HasSuffix(rel, ".go") || !host && !strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		files++
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, x := range inFile(f, host) {
			findings = append(findings, fmt.Sprintf("%s:%d: %s", rel, fset.Position(x.at).Line, x.what))
		}
		return nil
	})
	return findings, files, err
}

type finding struct {
	at   token.Pos
	what string
}

var units = []string{"Nanosecond", "Microsecond", "Millisecond", "Second", "Minute", "Hour"}

// real are the calls that read the real clock or wait by it.
var real = []string{
	"time.Now", "time.Since", "time.Until", "time.After", "time.AfterFunc", "time.NewTimer", "time.NewTicker", "time.Tick",
	"context.WithTimeout", "context.WithTimeoutCause", "context.WithDeadline",
	"require.Eventually", "require.EventuallyWithT", "require.Never",
}

// inFile returns what is wrong with one file, in order. host says that every written
// duration counts, and not only those in files that use the real clock.
func inFile(f *ast.File, host bool) (all []finding) {
	clock := host || usesClock(f)
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			switch name := selector(n.Fun); {
			case name == "patience.For", name == "patience.Fixed":
				return false // scaled, or no limit
			case rounds(n.Fun):
				n.Args = nil // the unit of a printed duration
			case strings.HasPrefix(name, "require.Eventually"):
				n.Args = n.Args[:min(len(n.Args), 3)] // the interval comes after the limit
			}
		case *ast.SelectorExpr:
			switch name := selector(n); {
			case name == "time.Sleep":
				all = append(all, finding{n.Pos(), "time.Sleep: wait for what the test needs, with a limit"})
			case clock && slices.ContainsFunc(units, func(u string) bool { return name == "time."+u }):
				all = append(all, finding{n.Pos(), name + " outside patience.For: the wait does not scale with the host"})
			}
		}
		return true
	})
	return all
}

func usesClock(f *ast.File) (uses bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		uses = uses || ok && slices.Contains(real, selector(s))
		return !uses
	})
	return uses
}

// rounds says whether a call rounds a number.
func rounds(fun ast.Expr) bool {
	s, ok := fun.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "Round"
}

// selector returns "package.Name" for such an expression, or "".
func selector(e ast.Expr) string {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, ok := s.X.(*ast.Ident)
	if !ok {
		return ""
	}
	return x.Name + "." + s.Sel.Name
}
